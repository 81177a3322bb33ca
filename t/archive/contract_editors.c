/* SPDX-License-Identifier: MIT
 * Several editors of the configuration at once, readers beside them, people who leave transactions open, and a server that dies. */
#include "config.h"

#include <stdlib.h>

#include "archive/pg_sql.h"
#include "t/archive/contract.h"
#include "t/archive/services.h"

#define NAME r->name

/* ---- two editors and a reader ---- */

#define EDITORS 2
#define EDITS 60

struct editor {
    struct crowd *crowd;
    struct archive *a;
    char name[8];
    char row[128];
    int done; /* edits that were answered */
    bool busy;
};

struct crowd {
    struct rig *r;
    struct editor editors[EDITORS];
    struct archive *reader;
    bool reading;
    int64_t version;       /* the newest that the reader has seen ... */
    int64_t seen[EDITORS]; /* ... and the counters in it */
    int asked[EDITORS];    /* edits that were answered when the poll under way began */
    int polls, news, wrong;
};

static void next_edit(struct editor *e);

static void on_edited(void *arg, enum archive_status status, enum archive_edited edited, struct sv row)
{
    struct editor *e = arg;

    e->crowd->wrong += status != ARCHIVE_DONE || edited != ARCHIVE_EDIT_DONE || row.p == NULL;
    e->done++;
    e->busy = false;
    if (e->done < EDITS)
        next_edit(e);
}

static void next_edit(struct editor *e)
{
    e->busy = true;
    (void)snprintf(e->row, sizeof(e->row), "{\"bot_id\":\"%s\",\"name\":\"n\",\"settings\":{\"n\":%d}}", e->name, e->done + 1);
    archive_edit(e->a, &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_REPLACE, .name = sv_from(e->name), .row = sv_from(e->row) },
                 on_edited, e);
    e->row[0] = '\0'; /* it was copied */
}

static int64_t counter(struct crowd *c, const struct archive_services *s, const char *name)
{
    struct polled p = { .s = *s };
    const char *settings = services_at(c->r, services_row(&p, ARCHIVE_BOTS, name), "settings");

    return strncmp(settings, "{\"n\":", 5) == 0 ? strtoll(settings + 5, NULL, 10) : 0;
}

static void next_poll(struct crowd *c);

/* A poll that says "nothing new" is believed: then what was seen last must have all that was answered before it began. */
static void on_polled(void *arg, enum archive_status status, const struct archive_services *s)
{
    struct crowd *c = arg;

    c->reading = false;
    c->polls++;
    if (status != ARCHIVE_DONE || (s->changed && s->version <= c->version) || (!s->changed && s->version != c->version)) {
        c->wrong++;
        return;
    }
    for (size_t i = 0; i < EDITORS; i++) {
        int64_t n = s->changed ? counter(c, s, c->editors[i].name) : c->seen[i];
        c->wrong += n < c->seen[i] || n < c->asked[i];
        c->seen[i] = n;
    }
    c->news += s->changed;
    c->version = s->version;
}

static void next_poll(struct crowd *c)
{
    c->reading = true;
    for (size_t i = 0; i < EDITORS; i++)
        c->asked[i] = c->editors[i].done;
    archive_services(c->reader, c->version, on_polled, c);
}

static bool crowd_is_done(void *arg)
{
    struct crowd *c = arg;
    bool done = !c->reading;

    for (size_t i = 0; i < EDITORS; i++)
        done = done && !c->editors[i].busy && c->seen[i] == EDITS;
    if (!done && !c->reading && c->wrong == 0)
        next_poll(c);
    return done || (!c->reading && c->wrong > 0);
}

static bool reader_is_up(void *arg)
{
    const struct crowd *c = arg;
    return archive_is_up(c->reader);
}

static void two_and_a_reader(struct rig *r)
{
    struct crowd c = { .r = r, .reader = rig_archive(r, 0, 2) };
    char row[64];

    for (size_t i = 0; i < EDITORS; i++) {
        struct editor *e = &c.editors[i];
        *e = (struct editor){ .crowd = &c, .a = rig_archive(r, 0, 2) };
        (void)snprintf(e->name, sizeof(e->name), "crowd%zu", i);
        (void)snprintf(row, sizeof(row), "{\"bot_id\":\"%s\",\"name\":\"n\"}", e->name);
        is_int(services_insert(r, ARCHIVE_BOTS, row).edited, ARCHIVE_EDIT_DONE, "%s: editor %zu has a bot", NAME, i);
    }
    ok(rig_until(r, reader_is_up, &c), "%s: a reader is there before they begin", NAME); /* else it may come when they are done */
    for (size_t i = 0; i < EDITORS; i++)
        next_edit(&c.editors[i]);
    ok(rig_until(r, crowd_is_done, &c), "%s: %d editors come to an end", NAME, EDITORS);
    is_int(c.wrong, 0, "%s: a reader beside them misses nothing that was answered, and goes back nowhere", NAME);
    ok(c.news > 2, "%s: it has seen %d states in %d polls", NAME, c.news, c.polls);
    struct polled p = services_poll(r, 0);
    for (size_t i = 0; i < EDITORS; i++) {
        is_int(services_number(services_row(&p, ARCHIVE_BOTS, c.editors[i].name), "version"), EDITS + 1, "%s: every edit of %zu counts", NAME, i);
        archive_close(c.editors[i].a);
        is_int(services_delete(r, ARCHIVE_BOTS, c.editors[i].name, 0).edited, ARCHIVE_EDIT_DONE, "%s: its bot goes", NAME);
    }
    archive_close(c.reader);
}

/* Two that expect the same version: one of them is too late. Two that want the same name: one gets it. */
static void one_of_two(struct rig *r)
{
    struct archive *other = rig_archive(r, 0, 2);
    const struct archive_edit insert = { .service = ARCHIVE_BOTS, .op = ARCHIVE_INSERT, .row = SV("{\"bot_id\":\"race\",\"name\":\"n\"}") };
    struct edited w[2];
    int good = 0, right = 0;

    for (int round = 0; round < 10; round++) {
        struct archive_edit remove = { .service = ARCHIVE_BOTS, .op = ARCHIVE_DELETE, .name = SV("race") };
        struct archive_edit replace = { .service = ARCHIVE_BOTS, .op = ARCHIVE_REPLACE, .name = SV("race"), .row = insert.row, .expect_version = 1 };
        const struct archive_edit *edits[] = { &insert, &replace, &remove };
        const enum archive_edited late[] = { ARCHIVE_EDIT_EXISTS, ARCHIVE_EDIT_STALE, ARCHIVE_EDIT_UNKNOWN };
        for (size_t i = 0; i < ARRAY_LEN(edits); i++) {
            services_start_edit(r, r->a, &w[0], edits[i]);
            services_start_edit(r, other, &w[1], edits[i]);
            services_wait(r, &w[0].count);
            services_wait(r, &w[1].count);
            good += (w[0].edited == ARCHIVE_EDIT_DONE) + (w[1].edited == ARCHIVE_EDIT_DONE);
            right += w[0].edited == late[i] || w[1].edited == late[i];
        }
    }
    is_int(good, 30, "%s: of two that want the same, one gets it", NAME);
    is_int(right, 30, "%s: and the other one is told why not", NAME);
    archive_close(other);
}

static void closes_in_flight(struct rig *r)
{
    struct archive *a = rig_archive(r, 0, 2);
    struct edited w[3];
    struct polled p;
    struct answer job;

    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        services_start_edit(r, a, &w[i], &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_DELETE, .name = SV("nobody") });
    services_start_poll(r, a, &p, 0);
    rig_start_job(r, a, &job, SV("no id"));
    archive_close(a);
    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        ok(w[i].count == 1 && w[i].status == ARCHIVE_DOWN && w[i].row.p == NULL, "%s: edit %zu is answered as down before close returns", NAME, i);
    ok(p.count == 1 && p.status == ARCHIVE_DOWN, "%s: so is a poll", NAME);
    ok(job.count == 1 && job.status == ARCHIVE_DOWN, "%s: and a question about a job", NAME);
    for (int i = 0; i < 5; i++)
        rig_turn(r);
    ok(w[0].count == 1 && p.count == 1 && job.count == 1, "%s: and not again", NAME);
}

void services_editors(struct rig *r)
{
    two_and_a_reader(r);
    one_of_two(r);
    closes_in_flight(r);
}

/* ---- a file ---- */

void services_sqlite(struct rig *r)
{
    (void)rig_query(r, "ALTER TABLE service_version RENAME TO gone");
    ok(services_poll(r, 0).status == ARCHIVE_DOWN, "without the table of versions nothing is known");
    struct edited w = services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"x\",\"name\":\"x\"}");
    (void)rig_query(r, "ALTER TABLE gone RENAME TO service_version");
    ok(w.status == ARCHIVE_DONE && w.edited == ARCHIVE_EDIT_DONE, "an edit looks at it only through triggers, which SQLite renames along");
    struct polled p = services_poll(r, 0);
    ok(p.status == ARCHIVE_DONE && p.s.rows_n[ARCHIVE_BOTS] == 1, "when it is back, all is well");
    (void)rig_query(r, "DROP TRIGGER bots_update");
    (void)rig_query(r, "UPDATE bots SET settings = '{broken'");
    p = services_poll(r, 0);
    is_str(services_at(r, services_row(&p, ARCHIVE_BOTS, "x"), "settings"), "null", "settings of old that are no JSON spoil nothing else");
    w = services_replace(r, ARCHIVE_BOTS, "x", "{\"bot_id\":\"x\",\"name\":\"x\"}", 0);
    is_int(w.edited, ARCHIVE_EDIT_DONE, "and can be mended");
    (void)rig_query(r, "DELETE FROM bots");
}

/* ---- a server ---- */

static bool somebody_waits(void *arg)
{
    return strcmp(rig_query(arg, "SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'contract'"), "t") == 0;
}

/* Whoever has given up on a statement may have left it to the server. */
static bool nobody_works(void *arg)
{
    return strcmp(rig_query(arg, "SELECT count(*) = 0 FROM pg_stat_activity WHERE state <> 'idle' AND datname = 'contract' AND pid <> pg_backend_pid()"), "t") == 0;
}

/* A person changes a row and has not committed yet; an editor changes another one. */
static void open_transaction(struct rig *r)
{
    struct archive *hasty = rig_archive(r, 300, 1);
    struct edited w, late;

    is_int(services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"one\",\"name\":\"n\"}").edited, ARCHIVE_EDIT_DONE, "a bot");
    is_int(services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"two\",\"name\":\"n\"}").edited, ARCHIVE_EDIT_DONE, "another bot");
    int64_t known = services_poll(r, 0).s.version;
    void *held = pgserver_hold(r->place, "UPDATE bots SET name = 'person' WHERE bot_id = 'one'");
    services_start_edit(r, r->a, &w, &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_REPLACE, .name = SV("two"),
                                                             .row = SV("{\"bot_id\":\"two\",\"name\":\"editor\"}") });
    ok(rig_until(r, somebody_waits, r), "an editor waits for a person who has not committed yet");
    ok(!services_poll(r, known).s.changed && w.count == 0, "a reader waits for nobody, and sees nothing of either");
    /* of a bot that is not there: the server may come to it all the same, after its editor has given up */
    services_start_edit(r, hasty, &late, &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_DELETE, .name = SV("nobody") });
    services_wait(r, &late.count);
    is_int(late.status, ARCHIVE_DOWN, "an editor that has waited too long gives up");
    pgserver_commit(held);
    services_wait(r, &w.count);
    ok(w.status == ARCHIVE_DONE && w.edited == ARCHIVE_EDIT_DONE, "then the other one gets through");
    ok(rig_until(r, nobody_works, r), "and the server has done with the one that was given up");
    struct polled p = services_poll(r, known);
    is_str(services_at(r, services_row(&p, ARCHIVE_BOTS, "one"), "name"), "\"person\"", "the person's change is noticed");
    is_str(services_at(r, services_row(&p, ARCHIVE_BOTS, "two"), "name"), "\"editor\"", "and the editor's");
    known = p.s.version;
    held = pgserver_hold(r->place, "UPDATE bots SET name = 'nobody'");
    pgserver_let_go(held);
    for (int i = 0; i < 20; i++)
        rig_turn(r);
    ok(!services_poll(r, known).s.changed, "what is rolled back is no change");
    archive_close(hasty);
}

static void strict_transactions(struct rig *r)
{
    (void)rig_query(r, "ALTER DATABASE contract SET default_transaction_isolation = 'repeatable read'");
    struct archive *a = rig_archive(r, 5000, 2), *b = rig_archive(r, 5000, 2);
    struct edited w[12];
    int good = 0;

    for (size_t i = 0; i < ARRAY_LEN(w); i++)
        services_start_edit(r, i % 2 == 0 ? a : b, &w[i], &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_REPLACE, .name = SV("one"),
                                                                                  .row = SV("{\"bot_id\":\"one\",\"name\":\"n\"}") });
    for (size_t i = 0; i < ARRAY_LEN(w); i++) {
        services_wait(r, &w[i].count);
        good += w[i].status == ARCHIVE_DONE && w[i].edited == ARCHIVE_EDIT_DONE;
    }
    is_int(good, ARRAY_LEN(w), "where transactions are stricter, an edit that lost a race is made again");
    (void)rig_query(r, "ALTER DATABASE contract RESET default_transaction_isolation");
    archive_close(a);
    archive_close(b);
}

/* The plan of a poll that knows the version touches no other table. */
static void polls_cheaply(struct rig *r)
{
    struct polled p = services_poll(r, 0);
    struct sv sql = arena_printf(r->arena, "PREPARE poll (bigint) AS %s; EXPLAIN (ANALYZE, COSTS off, TIMING off) EXECUTE poll(%lld)",
                                 pg_sql[PG_SQL_SERVICES].sql, (long long)p.s.version);
    char *plan = arena_str(r->arena, sv_from(rig_query(r, sql.p)));
    int scans = 0, done = 0;

    for (char *line = plan, *next; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        bool scan = strstr(line, "Scan on ") != NULL || strstr(line, "Scan using ") != NULL;
        bool idle = strstr(line, "(never executed)") != NULL || strstr(line, "CTE Scan on ") != NULL || strstr(line, "Subquery Scan on ") != NULL;
        scans += scan && strstr(line, "CTE") == NULL;
        done += scan && !idle;
        if (scan && !idle && strstr(line, "service_version") == NULL)
            diag("%s", line);
    }
    ok(scans >= 4, "a poll looks at four tables");
    is_int(done, 1, "but only at the version when that is known");
}

/* As before the first migration. */
static void no_tables(struct rig *r)
{
    (void)rig_query(r, "ALTER TABLE service_version RENAME TO gone");
    is_int(services_poll(r, 0).status, ARCHIVE_NO_TABLES, "tables that are not there are no silence");
    (void)rig_query(r, "ALTER TABLE gone RENAME TO service_version");
    is_int(services_poll(r, 0).status, ARCHIVE_DONE, "when they are, all is well");
}

void services_postgres(struct rig *r)
{
    no_tables(r);
    open_transaction(r);
    strict_transactions(r);
    polls_cheaply(r);
}

/* ---- the server dies ---- */

struct stream {
    struct archive *a;
    char row[96];
    int sent, done, downs;
    bool stop, busy;
};

static void on_streamed(void *arg, enum archive_status status, enum archive_edited edited, struct sv row);

static void stream_edit(struct stream *s)
{
    s->busy = true;
    s->sent++;
    (void)snprintf(s->row, sizeof(s->row), "{\"bot_id\":\"one\",\"name\":\"n\",\"settings\":{\"n\":%d}}", s->sent);
    archive_edit(s->a, &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_REPLACE, .name = SV("one"), .row = sv_from(s->row) },
                 on_streamed, s);
}

static void on_streamed(void *arg, enum archive_status status, enum archive_edited edited, struct sv row)
{
    struct stream *s = arg;

    (void)row;
    s->busy = false;
    if (status == ARCHIVE_DONE && edited == ARCHIVE_EDIT_DONE)
        s->done = s->sent;
    else
        s->downs++;
    if (s->downs == 0)
        stream_edit(s);
}

static bool has_some(void *arg)
{
    return ((struct stream *)arg)->done > 50;
}

static bool was_down(void *arg)
{
    return !((struct stream *)arg)->busy;
}

static bool is_up(void *arg)
{
    return archive_is_up(arg);
}

static bool is_not_up(void *arg)
{
    return !archive_is_up(arg);
}

void services_die(struct rig *r)
{
    struct stream s = { .a = r->a };
    struct polled p;
    struct edited waiting;

    stream_edit(&s);
    ok(rig_until(r, has_some, &s), "while one edit follows another");
    pgserver_kill(r->server);
    ok(rig_until(r, was_down, &s), "the server dies, and the edit is down");
    ok(rig_until(r, is_not_up, r->a), "the archive knows");
    ok(services_poll(r, 0).status == ARCHIVE_DOWN, "so is a poll");
    is_int(services_insert(r, ARCHIVE_BOTS, "{\"bot_id\":\"three\",\"name\":\"n\"}").status, ARCHIVE_DOWN, "and another edit");
    pgserver_restart(r->server);
    ok(rig_until(r, is_up, r->a), "it comes back");
    p = services_poll(r, 0);
    const char *settings = services_at(r, services_row(&p, ARCHIVE_BOTS, "one"), "settings");
    int64_t n = strncmp(settings, "{\"n\":", 5) == 0 ? strtoll(settings + 5, NULL, 10) : -1;
    ok(n == s.done || n == s.done + 1, "with all that was answered, and perhaps the one that was not: %lld of %d", (long long)n, s.sent);
    ok(services_row(&p, ARCHIVE_BOTS, "three").p == NULL, "and nothing that could not be sent");

    void *held = pgserver_hold(r->place, "SELECT 1 FROM service_version FOR UPDATE");
    services_start_edit(r, r->a, &waiting, &(struct archive_edit){ .service = ARCHIVE_BOTS, .op = ARCHIVE_DELETE, .name = SV("one") });
    ok(rig_until(r, somebody_waits, r), "an edit waits for another one");
    pgserver_kill(r->server);
    services_wait(r, &waiting.count);
    is_int(waiting.status, ARCHIVE_DOWN, "the server dies in between: it is down");
    ok(rig_until(r, is_not_up, r->a), "the archive knows that, too");
    pgserver_let_go(held);
    pgserver_restart(r->server);
    ok(rig_until(r, is_up, r->a), "it comes back once more");
    p = services_poll(r, p.s.version);
    ok(p.status == ARCHIVE_DONE && !p.s.changed, "and nothing of it was done");
    is_int(services_delete(r, ARCHIVE_BOTS, "one", 0).edited, ARCHIVE_EDIT_DONE, "now it is");
    is_int(services_delete(r, ARCHIVE_BOTS, "two", 0).edited, ARCHIVE_EDIT_DONE, "and the other one goes");
}
