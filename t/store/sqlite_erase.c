/* SPDX-License-Identifier: MIT
 * Erasure in the state file: what was erased is found neither in the file nor beside it afterwards, however its rows came, moved and went,
 * also while other processes have pages of it in memory; what cannot be wiped at once is wiped later. And tables of version 4. */
#include "config.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "store/sqlite_sql.h"
#include "t/store/sqlite_rig.h"

enum { CONVERSATIONS = 24, ROUNDS = 1200 };

static uint64_t seed = 7;

static unsigned below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)((seed >> 33) % n);
}

/* "CANARY07-CANARY07-...". */
static struct sv content(struct rig *r, unsigned which)
{
    size_t n = below(12) == 0 ? below(9000) : below(600);
    char *p = arena_alloc(r->arena, n + 16);
    if (p == NULL)
        bail_out("no memory");
    for (size_t i = 0; i <= n; i += 9)
        (void)snprintf(p + i, 10, "CANARY%02u-", which % 100);
    return (struct sv){ p, n - n % 9 + 9 };
}

struct all {
    uint64_t versions[CONVERSATIONS];
    unsigned pending[CONVERSATIONS];
    char ids[CONVERSATIONS][8], users[CONVERSATIONS][8];
};

static void one_change(struct rig *r, struct all *a, unsigned i)
{
    struct sv e = content(r, i), name = arena_printf(r->arena, "m%u", below(8));
    struct sv event = arena_printf(r->arena, "{\"c\":\"%.*s\"}", SV_FMT(content(r, i)));
    struct store_session_change session = { .view_op = STORE_VIEW_SET, .view = content(r, i), .ttl_ms = LONG_MS, .events = &event,
                                            .events_n = 1, .events_max = 10 };
    struct store_pair field = { SV("text"), content(r, i) }, mark = { name, content(r, i) };
    struct store_history_change h = { .user_id = sv_from(a->users[i]), .entries = &e, .entries_n = 1, .entries_max = 12, .fields = &field,
                                      .fields_n = 1, .ttl_ms = LONG_MS };
    struct sv item = content(r, i);
    struct store_change c = CHANGE(a->ids[i], a->versions[i], .record = content(r, i), .marks = &mark, .marks_n = 1,
                                   .pending_add = content(r, i), .context_add = &item, .context_add_n = 1, .context_max = 15,
                                   .queue_add = &item, .queue_add_n = 1, .job = { sv_from(a->ids[i]), content(r, i) }, .job_ttl_ms = LONG_MS,
                                   .session = &session, .history = &h, .pending_drop = a->pending[i] > 3 ? 3 : 0,
                                   .pending_drop_to_context = true, .decided_ms = INT64_MAX);
    a->pending[i] += 1 - (unsigned)c.pending_drop;
    if (apply(r, &c)->status != STORE_DONE)
        bail_out("no change");
    a->versions[i]++;
}

static void fill(struct rig *r, struct all *a)
{
    memset(a, 0, sizeof *a);
    for (unsigned i = 0; i < CONVERSATIONS; i++) {
        (void)snprintf(a->ids[i], sizeof a->ids[i], "c%u", i);
        (void)snprintf(a->users[i], sizeof a->users[i], "u%u", i / 2);
    }
    for (unsigned n = 0; n < ROUNDS; n++) {
        one_change(r, a, below(CONVERSATIONS));
        if (n % 40 == 39)
            (void)drain(r);
        if (n % 100 == 99) {
            r->calls = NULL;
            arena_reset(r->arena);
        }
    }
    (void)drain(r);
}

static void erase(struct rig *r, struct all *a, unsigned i)
{
    struct store_pair marks[8];
    for (unsigned k = 0; k < 8; k++)
        marks[k] = (struct store_pair){ arena_printf(r->arena, "m%u", k), SV("{\"status\":\"erased\"}") };
    struct sv job = sv_from(a->ids[i]);
    is_int(apply(r, &CHANGE(a->ids[i], a->versions[i], .forget = true, .marks = marks, .marks_n = 8,
                            .erase = &(struct store_erase){ .user_id = sv_from(a->users[i]), .jobs = &job, .jobs_n = 1, .at_ms = 1 }))
               ->status,
           STORE_DONE, "%s is erased", a->ids[i]);
    a->versions[i] = 0;
    a->pending[i] = 0;
}

/* In how many of the files it is found. */
static unsigned found(unsigned which)
{
    static const char *const ends[] = { "", "-journal", "-wal" };
    unsigned n = 0;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char name[100], canary[16], all[1 << 16];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)snprintf(canary, sizeof canary, "CANARY%02u", which % 100);
        FILE *f = fopen(name, "rb");
        size_t kept = 0, got;
        bool is = false;
        while (f != NULL && !is && (got = fread(all + kept, 1, sizeof all - kept, f)) > 0) {
            got += kept;
            is = memmem(all, got, canary, strlen(canary)) != NULL;
            kept = got < 16 ? got : 16;
            memmove(all, all + got - kept, kept);
        }
        if (f != NULL)
            (void)fclose(f);
        n += is;
    }
    return n;
}

static bool is_sound(void)
{
    return by_hand("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1;
}

static void test_canaries(struct rig *r)
{
    struct all a;
    unsigned wrong = 0, before = 0;
    open_file(r, 0);
    fill(r, &a);
    for (unsigned i = 0; i < CONVERSATIONS; i += 3) {
        before += found(i) > 0;
        erase(r, &a, i);
        wrong += found(i) > 0;
    }
    ok(before > 6, "all of them were in the file");
    is_int(wrong, 0, "none is after it was erased");
    ok(is_sound(), "SQLite finds nothing wrong with the file");
    for (unsigned i = 1; i < CONVERSATIONS; i += 3) {
        const struct store_view *v = load(r, a.ids[i]);
        wrong += v->version != a.versions[i] || v->pending_n != a.pending[i] || found(i) == 0 || history_of(r, a.ids[i], a.users[i])->entries_n == 0;
    }
    is_int(wrong, 0, "the others are as they were");
    for (unsigned n = 0; n < 300; n++)
        one_change(r, &a, 1 + 3 * below(CONVERSATIONS / 3));
    for (unsigned i = 0; i < CONVERSATIONS; i += 3)
        wrong += found(i) > 0;
    is_int(wrong, 0, "what comes after it brings nothing back");
    one_change(r, &a, 0);
    ok(found(0) > 0 && is_sound(), "the same conversation may come anew");
    close_and_wipe(r);
}

/* Has pages of the file in memory, then writes to it. */
static void test_others(struct rig *r)
{
    struct all a;
    unsigned wrong = 0;
    open_file(r, 0);
    struct store *mine = r->s;
    fill(r, &a);
    open_file(r, 0);
    struct store *other = r->s;
    for (unsigned i = 0; i < CONVERSATIONS; i++)
        (void)load(r, a.ids[i]);
    r->s = mine;
    for (unsigned i = 0; i < CONVERSATIONS; i += 2)
        erase(r, &a, i);
    r->s = other;
    for (unsigned n = 0; n < 200; n++)
        one_change(r, &a, 1 + 2 * below(CONVERSATIONS / 2));
    for (unsigned i = 0; i < CONVERSATIONS; i += 2)
        wrong += found(i) > 0;
    is_int(wrong, 0, "another process that had it in memory does not bring it back");
    ok(is_sound(), "the file is sound");
    store_close(mine);
    close_and_wipe(r);
}

static bool is_gone(struct rig *r, void *arg)
{
    (void)r;
    return found(*(const unsigned *)arg) == 0;
}

/* Somebody with the sqlite3 program reads just then: the erasure is done, the wiping when he has gone. Or the process has gone before. */
static void test_later(struct rig *r)
{
    struct all a;
    unsigned which = 3, other = 4;
    open_file(r, 0);
    fill(r, &a);
    store_close(r->s);
    (void)by_hand("INSERT OR REPLACE INTO state_meta VALUES('wipe', 1); DELETE FROM state_context; DELETE FROM state_pending;"
                  "DELETE FROM state_mark; DELETE FROM state_entry; DELETE FROM state_field; DELETE FROM state_text;"
                  "DELETE FROM state_log; DELETE FROM state_value; UPDATE state_conversation SET record = '', pending_first = pending_next,"
                  " context_first = context_next; DELETE FROM state_item; DELETE FROM state_event");
    ok(found(which) > 0 && found(other) > 0, "deleted, and there still");
    open_file(r, 0);
    ok(rig_until(r, is_gone, &which) && rig_until(r, is_gone, &other), "what was left to be wiped is wiped when the file is opened");
    is_int(by_hand("SELECT count(*) FROM state_meta WHERE key = 'wipe'"), 0, "and the note is gone");
    one_change(r, &a, which);
    a.pending[which] = 1;
    sqlite3 *db = NULL;
    ok(sqlite3_open(path, &db) == SQLITE_OK &&
           sqlite3_exec(db, "BEGIN; SELECT count(*) FROM state_conversation", NULL, NULL, NULL) == SQLITE_OK,
       "somebody reads");
    struct call *c = rig_call(r);
    struct store_change change = CHANGE(a.ids[which], a.versions[which], .forget = true,
                                        .marks = &(struct store_pair){ SV("m"), SV("x") }, .marks_n = 1,
                                        .erase = &(struct store_erase){ .user_id = sv_from(a.users[which]), .at_ms = 1 });
    change = filled(&change);
    store_apply(r->s, &change, rig_applied, c);
    rig_pass(r, 50);
    ok(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK, "and goes");
    rig_wait(r, c);
    ok(c->status == STORE_DONE && is_sound(), "the erasure is done");
    (void)apply(r, &CHANGE("x", 0));
    close_and_wipe(r);
}

/* What waits in a queue, or was given up, when it is erased is deleted afterwards: by those who take it, and who sweep the letters. */
static void test_what_waits(struct rig *r)
{
    const unsigned which = 5;
    struct sv items[40], letter_id = SV("01890000-0000-7000-8000-000000000001"), job = SV("job:late");
    open_file(r, 0);
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        do
            items[i] = content(r, which);
        while (items[i].n < 200);
    }
    struct store_letter letter = { letter_id, items[0] };
    (void)apply(r, &CHANGE("c5", 0, .queue_add = items, .queue_add_n = ARRAY_LEN(items), .callbacks_add = items, .callbacks_add_n = 1,
                           .letters = &letter, .letters_n = 1));
    (void)put(r, "job:late", "CANARY05-CANARY05", LONG_MS);
    is_int(apply(r, &CHANGE("c5", load(r, "c5")->version, .forget = true, .queue_add = LIST(SV("erase")), .queue_add_n = 1,
                            .erase = &(struct store_erase){ .at_ms = 1 }))->status, STORE_DONE, "a conversation of which much waits");
    ok(found(which) > 0, "is there as long as it does");
    (void)apply(r, &CHANGE("c6", 0, .queue_add = LIST(SV("younger")), .queue_add_n = 1));
    const struct store_batch *b = take(r, "me", 10);
    (void)ack(r, &(struct store_ack){ .batch = b->name });
    ok(found(which) > 0 && by_hand("SELECT count(*) FROM state_meta WHERE key LIKE 'wipe_after_%'") == 2, "also when some of it has gone");
    (void)drain(r);
    is_int(by_hand("SELECT count(*) FROM state_meta WHERE key LIKE 'wipe_after_%'"), 1, "until that queue has nothing of then any more");
    (void)drain_of(r, STORE_QUEUE_CALLBACKS);
    is_int(by_hand("SELECT count(*) FROM state_meta WHERE key LIKE 'wipe%_after_%'"), 0, "and the other one");
    (void)letters(r, &(struct store_letters){ .op = STORE_LETTERS_DROP, .id = letter_id });
    struct call *c = rig_call(r);
    store_put(r->s, job, SV_NONE, 0, rig_status, c);
    rig_wait(r, c);
    is_int(found(which), 0, "nothing is left");
    ok(is_sound(), "the file is sound");
    close_and_wipe(r);
}

/* Of version 4: no history. */
static void test_upgrade(struct rig *r)
{
    open_file(r, 0);
    (void)apply(r, &CHANGE("c", 0, .pending_add = SV("p")));
    store_close(r->s);
    (void)by_hand("DROP TABLE state_user; DROP TABLE state_entry; DROP TABLE state_info; DROP TABLE state_field; DROP TABLE state_day;"
                  "DROP TABLE state_figure; DROP TABLE state_preference; UPDATE state_meta SET value = 4 WHERE key = 'version'");
    open_file(r, 0);
    is_int(by_hand("SELECT value FROM state_meta WHERE key = 'version'"), SQLITE_SCHEMA_VERSION, "a file of version 4 becomes one of today");
    is_int(load(r, "c")->pending_n, 1, "with what it had");
    (void)apply(r, &CHANGE("c", 1, .history = &(struct store_history_change){ .user_id = SV("u"), .entries = LIST(SV("e")), .entries_n = 1,
                                                                              .entries_max = 1, .ttl_ms = LONG_MS }));
    is_int(history_of(r, "c", "u")->entries_n, 1, "and may have a history");
    close_and_wipe(r);
}

static bool no_rows(struct rig *r, void *arg)
{
    (void)arg;
    (void)apply(r, &CHANGE("writes", load(r, "writes")->version));
    return by_hand("SELECT (SELECT count(*) FROM state_user) + (SELECT count(*) FROM state_entry) + (SELECT count(*) FROM state_info)"
                   " + (SELECT count(*) FROM state_field) + (SELECT count(*) FROM state_day) + (SELECT count(*) FROM state_figure)") == 0;
}

static void test_sweep(struct rig *r)
{
    open_file(r, 0);
    for (unsigned i = 0; i < 40; i++) {
        char id[8];
        (void)snprintf(id, sizeof id, "c%u", i);
        (void)apply(r, &CHANGE(id, 0, .history = &(struct store_history_change){
                                          .user_id = SV("u"), .entries = LIST(SV("e")), .entries_n = 1, .entries_max = 1, .ttl_ms = SHORT_MS,
                                          .fields = &(struct store_pair){ SV("a"), SV("b") }, .fields_n = 1, .day = SV("2026-01-31"),
                                          .counts = &(struct store_count){ SV("n"), 1 }, .counts_n = 1, .counts_ttl_ms = SHORT_MS }));
    }
    ok(by_hand("SELECT count(*) FROM state_entry") == 40 && by_hand("SELECT value FROM state_figure") == 40, "histories are in the file");
    rig_pass(r, SHORT_MS);
    ok(rig_until(r, no_rows, NULL), "their rows are removed in passing");
    close_and_wipe(r);
}

int main(void)
{
    struct rig r;
    place_open(&r, "sqlite_erase");
    test_canaries(&r);
    test_others(&r);
    test_later(&r);
    test_what_waits(&r);
    test_upgrade(&r);
    test_sweep(&r);
    place_close(&r);
    return done_testing();
}
