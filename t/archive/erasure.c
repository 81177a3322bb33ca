/* SPDX-License-Identifier: MIT
 * Erasure and export on every archive; and the race of X28: batches are written, old ones among them again, while sessions and users are erased by another
 * connection. Whoever comes first, nothing that is older than an erasure is there in the end, and all that is younger is. */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>

#include "lib/clock.h"
#include "t/archive/erase.h"
#include "t/archive/history.h"

#define NAME r->name
#define CONVERSATIONS 6
#define ERASURES 120
#define BATCH 24
#define MESSAGES_MAX 100000
#define WRITERS 2

struct race {
    struct rig *r;
    struct archive *writers[WRITERS];
    struct answer writes[WRITERS];
    struct archive *eraser;
    struct erased erased;
    int64_t now;                       /* counts up with each message */
    int64_t last[CONVERSATIONS], user; /* when each was last erased */
    struct race_message { unsigned conversation; bool of_user; int64_t at; struct sv item; } *all;
    size_t n;
    unsigned erasures, down;
};

static struct sv next_item(struct race *k)
{
    struct race_message *m;
    struct rig *r = k->r;

    if ((k->n > 0 && history_below(3) == 0) || k->n == MESSAGES_MAX)
        return k->all[history_below((unsigned)k->n)].item;
    m = &k->all[k->n++];
    m->conversation = history_below(CONVERSATIONS);
    m->of_user = history_below(4) == 0;
    m->at = ++k->now;
    m->item = erase_message(r, arena_printf(r->arena, "race-%u", m->conversation).p, arena_printf(r->arena, "r%zu", k->n).p, m->of_user ? "racer" : "other",
                            m->at);
    return m->item;
}

static void write_some(struct race *k, unsigned w)
{
    struct sv *items = arena_array(k->r->arena, BATCH, sizeof(*items));

    for (unsigned i = 0; i < BATCH; i++)
        items[i] = next_item(k);
    rig_start_write(k->r, k->writers[w], &k->writes[w], items, BATCH);
}

static void erase_one(struct race *k)
{
    unsigned which = history_below(CONVERSATIONS + 1);
    int64_t at = k->now;

    if (which == CONVERSATIONS)
        k->user = at;
    else
        k->last[which] = at;
    erase_start(k->r, k->eraser, &k->erased, which == CONVERSATIONS ? ARCHIVE_USER : ARCHIVE_SESSION,
                which == CONVERSATIONS ? "racer" : arena_printf(k->r->arena, "race-%u", which).p, at);
    k->erasures++;
}

static bool step(void *arg)
{
    struct race *k = arg;
    bool busy = false;

    for (unsigned w = 0; w < WRITERS; w++) {
        if (k->writes[w].count > 0) {
            k->down += k->writes[w].status != ARCHIVE_DONE;
            k->writes[w].count = 0;
            if (k->erasures < ERASURES)
                write_some(k, w);
            else
                k->writes[w].n = 0;
        }
        busy = busy || k->writes[w].n > 0;
    }
    if (k->erased.count > 0) {
        k->down += k->erased.status != ARCHIVE_DONE;
        k->erased.count = 0;
        k->erased.r = NULL;
        if (k->erasures < ERASURES)
            erase_one(k);
    }
    return !busy && k->erased.r == NULL;
}

/* An erasure of a user leaves what he has said in sessions of others, but nothing of it that comes later is taken: of his messages it is only certain that
 * none is there that was erased with its session. */
static void judge(struct race *k)
{
    struct rig *r = k->r;
    unsigned wrong = 0, missing = 0, there = 0;

    for (unsigned c = 0; c < CONVERSATIONS; c++) {
        struct sv sql = arena_printf(r->arena, r->server != NULL ? "SELECT count(*) FROM messages WHERE conversation_id = 'race-%u' AND received_at <= to_timestamp(%lld / 1000.0)"
                                                                 : "SELECT count(*) FROM messages WHERE conversation_id = 'race-%u' AND received_at <= %lld",
                                     c, (long long)(RIG_NOW + k->last[c]));
        int64_t n = -1;
        (void)sv_to_i64(sv_from(rig_query(r, sql.p)), &n);
        wrong += (unsigned)n;
    }
    is_int(wrong, 0, "%s: nothing that is older than its erasure is there", NAME);
    for (size_t i = 0; i < k->n; i++) {
        const struct race_message *m = &k->all[i];
        if (m->at <= k->last[m->conversation] || (m->of_user && m->at <= k->user))
            continue;
        there++;
        missing += rig_message(r, arena_printf(r->arena, "race-%u", m->conversation).p, arena_printf(r->arena, "r%zu", i + 1).p).p == NULL;
    }
    is_int(missing, 0, "%s: all %u that are younger are", NAME, there);
    is_str(rig_query(r, "SELECT count(*) FROM conversations c WHERE conversation_id LIKE 'race-%' AND total_messages <> (SELECT count(*) FROM messages m"
                        " WHERE m.conversation_id = c.conversation_id)"), "0", "%s: and they are counted", NAME);
}

static void race(struct rig *r)
{
    struct race k = { .r = r, .user = -1 };

    k.all = arena_array(r->arena, MESSAGES_MAX, sizeof(*k.all));
    k.eraser = rig_archive(r, 0, 2);
    for (unsigned c = 0; c < CONVERSATIONS; c++)
        k.last[c] = -1;
    for (unsigned w = 0; w < WRITERS; w++) {
        k.writers[w] = rig_archive(r, 0, 2);
        write_some(&k, w);
    }
    erase_one(&k);
    ok(rig_until(r, step, &k), "%s: %u erasures while %d write", NAME, k.erasures, WRITERS);
    is_int(k.down, 0, "%s: nobody is turned away", NAME);
    diag("%s: %zu messages", NAME, k.n);
    judge(&k);
    for (unsigned w = 0; w < WRITERS; w++)
        archive_close(k.writers[w]);
    archive_close(k.eraser);
}

/* Several are told the same, as a process that was asked for it and a daemon that has it from the queue are: when any of them is answered nothing is left, and
 * it is told all that went. */
static void several_erase(struct rig *r)
{
    enum { N = 7000, SEVERAL = 3 };
    struct sv *items = arena_array(r->arena, N, sizeof(*items)), item = erase_item(r, "several", "u-11", N);
    struct archive *others[SEVERAL];
    struct erased e[SEVERAL];
    struct answer w;
    unsigned left = 0, less = 0;

    for (unsigned i = 0; i < N; i++)
        items[i] = erase_message(r, "several", arena_printf(r->arena, "s%u", i).p, "u-11", (int64_t)i);
    for (unsigned i = 0; i < N; i += 500)
        if (!rig_kept(r, items + i, 500))
            bail_out("%s: nothing to be erased", NAME);
    for (unsigned i = 0; i < SEVERAL; i++)
        others[i] = rig_archive(r, 0, 2);
    rig_start_write(r, r->a, &w, &item, 1);
    for (unsigned i = 0; i < SEVERAL; i++)
        erase_start(r, others[i], &e[i], ARCHIVE_SESSION, "several", N);
    int64_t until_ms = clock_mono_ms() + 60000;
    for (bool seen[SEVERAL] = { false }; !seen[0] || !seen[1] || !seen[2];) {
        if (clock_mono_ms() > until_ms)
            bail_out("%s: an erasure is not answered", NAME);
        rig_turn(r);
        for (unsigned i = 0; i < SEVERAL; i++) {
            if (seen[i] || e[i].count == 0)
                continue;
            seen[i] = true;
            left += strcmp(rig_query(r, "SELECT count(*) FROM messages WHERE conversation_id = 'several'"), "0") != 0;
            less += e[i].status != ARCHIVE_DONE || strstr(e[i].tables.p, "messages 7000") == NULL || strstr(e[i].tables.p, "conversations 1") == NULL;
        }
    }
    is_int(left, 0, "%s: of several who erase the same none is done before all of it is gone", NAME);
    is_int(less, 0, "%s: and each is told all of it", NAME);
    rig_wait(r, &w);
    is_int(w.status, ARCHIVE_DONE, "%s: so is who has it from the queue", NAME);
    for (unsigned i = 0; i < SEVERAL; i++)
        archive_close(others[i]);
}

static void closes_in_flight(struct rig *r)
{
    struct archive *a = rig_archive(r, 0, 2);
    struct erased e[3];
    struct answer w;
    struct sv item = erase_item(r, "closing", NULL, 10);

    for (size_t i = 0; i < ARRAY_LEN(e); i++)
        erase_start(r, a, &e[i], i == 1 ? ARCHIVE_USER : ARCHIVE_SESSION, "closing", 10);
    rig_start_write(r, a, &w, &item, 1);
    archive_close(a);
    for (size_t i = 0; i < ARRAY_LEN(e); i++)
        ok(e[i].count == 1 && e[i].status == ARCHIVE_DOWN, "%s: erasure %zu is answered before close returns", NAME, i);
    ok(w.count == 1 && w.status == ARCHIVE_DOWN, "%s: and a batch that erases", NAME);
}

/* A file of a kind that the program does not make: rows go, and the queue goes on, but nobody is told that it is done who asked for it. */
static void cannot_be_wiped(struct rig *r)
{
    sqlite3 *db = NULL;
    struct sv items[] = { erase_message(r, "odd file", "w1", "u", 1), erase_item(r, "odd file", NULL, 10), erase_message(r, "odd file", "w2", "u", 11) };

    if (sqlite3_open(r->place, &db) != SQLITE_OK || sqlite3_exec(db, "PRAGMA auto_vacuum = FULL; VACUUM", NULL, NULL, NULL) != SQLITE_OK)
        bail_out("%s", sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    ok(rig_kept(r, items, ARRAY_LEN(items)), "%s: a batch that erases in a file that cannot be wiped", NAME);
    is_str(rig_query(r, "SELECT message_id FROM messages WHERE conversation_id = 'odd file'"), "w2", "%s: erases rows", NAME);
    is_int(erase(r, ARCHIVE_SESSION, "odd file", 20).status, ARCHIVE_DOWN, "%s: who asks for an erasure is told that it is not done", NAME);
    is_str(rig_query(r, "SELECT count(*) FROM messages WHERE conversation_id = 'odd file'"), "0", "%s: though rows are gone", NAME);
}

static void run(struct rig *r)
{
    erase_rules(r);
    erase_exports(r);
    race(r);
    several_erase(r);
    closes_in_flight(r);
}

int main(void)
{
    struct rig r;
    const char *why;
    struct pgserver *server;

    rig_open(&r, NULL, NULL);
    run(&r);
    cannot_be_wiped(&r);
    rig_close(&r);
    server = pgserver_start(&why);
    if (server == NULL) {
        skip(why);
    } else {
        rig_open(&r, server, "erasure");
        run(&r);
        rig_close(&r);
        pgserver_end(server);
    }
    return done_testing();
}
