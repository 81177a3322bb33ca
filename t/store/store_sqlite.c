/* SPDX-License-Identifier: MIT
 * What only the SQLite store can meet: other owners of the file, a full disk, newer and older versions, expired rows, events
 * that were missed; and that its listings read an index. The contract of the port is tested by contract.c. */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/filelock.h"
#include "store/sqlite_sql.h"
#include "t/store/sqlite_rig.h"

static unsigned mode_of(const char *end)
{
    struct stat st;
    char name[100];
    (void)snprintf(name, sizeof name, "%s%s", path, end);
    return stat(name, &st) == 0 ? st.st_mode & 07777 : 0;
}

static void test_open(struct rig *r)
{
    struct err e;
    mode_t old = umask(0);
    open_file(r, 0);
    (void)umask(old);
    is_int(mode_of(""), 0600, "only the owner may read the file");
    is_int(mode_of(".lock"), 0600, "nor the lock beside it");
    struct sv text = stat_of(r)->text;
    has_str(text.p, "\"synchronous\":\"full\"", "what was accepted is on the disk");
    has_str(text.p, sqlite3_libversion_number() >= 3051003 ? "\"wal\"" : "\"persist\"", "by which journal");
    (void)apply(r, &CHANGE("c", 0));
    store_close(r->s);
    (void)by_hand("UPDATE state_meta SET value = 99 WHERE key = 'version'");
    ok(try_open(r, &(struct store_sqlite_options){ .path = path }, &e) == NULL, "a file of a newer version is refused");
    has_str(e.text, "version 99", "and the error says so");
    (void)by_hand("UPDATE state_meta SET value = 1 WHERE key = 'version'");
    open_file(r, 0);
    is_int(load(r, "c")->version, 1, "nothing happened to it");
    close_and_wipe(r);
    ok(try_open(r, &(struct store_sqlite_options){ .path = "/nowhere/at/all" }, &e) == NULL, "a path that cannot be");
    has_str(e.text, "/nowhere/at/all", "is named in the error");
    FILE *f = fopen(path, "w");
    (void)fputs("this is no database, but it is long enough to be looked at as if it were one of those files\n", f);
    (void)fclose(f);
    ok(try_open(r, &(struct store_sqlite_options){ .path = path }, &e) == NULL, "another kind of file is refused");
    close_and_wipe(r);
}

static bool is_up(struct rig *r, void *arg)
{
    (void)arg;
    return store_is_up(r->s);
}

static bool is_down(struct rig *r, void *arg)
{
    (void)arg;
    return !store_is_up(r->s);
}

static bool connected_again(struct rig *r, void *arg)
{
    return r->connected > *(const unsigned *)arg;
}

/* Two calls while somebody else has the file: both are answered in time, later ones at once; then all is well again. */
static void while_taken(struct rig *r, const char *who)
{
    struct call *a = rig_call(r), *b = rig_call(r);
    unsigned connected = r->connected;
    struct store_change c = filled(&CHANGE("c", 1));
    store_load(r->s, &(struct store_load){ .conversation_id = SV("c") }, rig_loaded, a);
    store_apply(r->s, &c, rig_applied, b);
    rig_wait(r, a);
    rig_wait(r, b);
    ok(a->status == STORE_DOWN && b->status == STORE_DOWN, "%s: calls are answered all the same", who);
    ok(rig_until(r, is_down, NULL), "%s: the store knows that it is down", who);
    struct call *next = apply(r, &CHANGE("c", 1));
    is_int(next->status, STORE_DOWN, "%s: the next call fails at once", who);
    is_int(r->connected, connected, "%s: nobody was told that it is back", who);
}

static void when_free(struct rig *r, const char *who)
{
    unsigned connected = r->connected;
    ok(rig_until(r, is_up, NULL), "%s: it comes back by itself", who);
    ok(connected > 1 || rig_until(r, connected_again, &connected), "%s: and says so", who);
    uint64_t version = load(r, "c")->version;
    ok(version == 1 || version == 2, "%s: what was told DOWN is done or not", who);
    is_int(apply(r, &CHANGE("c", version))->status, STORE_DONE, "%s: and it works", who);
}

/* A process that takes the lock and hangs. */
static pid_t holder(int64_t timeout_ms)
{
    int p[2];
    char byte;
    if (pipe(p) != 0)
        bail_out("no pipe");
    pid_t pid = fork();
    if (pid == 0) {
        char name[100];
        struct err e;
        (void)snprintf(name, sizeof name, "%s.lock", path);
        struct filelock *l = filelock_open(name, &e);
        if (l == NULL || filelock_take(l, timeout_ms, &e) != 0 || write(p[1], "x", 1) != 1)
            _exit(1);
        for (;;)
            (void)pause();
    }
    is_int(read(p[0], &byte, 1), 1, "another process takes the lock and hangs");
    (void)close(p[0]);
    (void)close(p[1]);
    return pid;
}

static void end_holder(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void test_lock(struct rig *r)
{
    open_file(r, 200);
    (void)apply(r, &CHANGE("c", 0));
    pid_t pid = holder(10000);
    while_taken(r, "lock");
    end_holder(pid);
    when_free(r, "lock");
    close_and_wipe(r);
}

/* It looks for others' changes by itself; what it meets there counts as much as what a call meets. */
static void test_lock_without_calls(struct rig *r)
{
    open_file(r, 200);
    (void)apply(r, &CHANGE("c", 0));
    rig_pass(r, 300); /* it has looked around for the first time */
    pid_t pid = holder(10000);
    (void)by_hand("PRAGMA user_version = 7"); /* nothing to it, but a change */
    ok(rig_until(r, is_down, NULL), "lock: known to be down without a single call");
    end_holder(pid);
    ok(rig_until(r, is_up, NULL), "lock: and up again without one");
    close_and_wipe(r);
}

static void test_alien(struct rig *r)
{
    sqlite3 *db = NULL;
    open_file(r, 200);
    (void)apply(r, &CHANGE("c", 0));
    /* the store may be looking at the file this very moment */
    ok(sqlite3_open(path, &db) == SQLITE_OK && sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
           sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK,
       "somebody opens a transaction by hand and goes for lunch");
    while_taken(r, "alien");
    (void)sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    when_free(r, "alien");
    (void)sqlite3_close(db);
    close_and_wipe(r);
}

/* One operation that the database refuses must not undo those that share its transaction. */
static void test_neighbours(struct rig *r)
{
    enum { N = 60 };
    struct call *c[N];
    open_file(r, 0);
    (void)by_hand("CREATE TRIGGER state_test BEFORE INSERT ON state_item WHEN NEW.item = 'bad'"
                  " BEGIN SELECT RAISE(ABORT, 'as asked'); END");
    for (unsigned i = 0; i < N; i++) {
        struct sv id = arena_printf(r->arena, "c%u", i);
        c[i] = rig_call(r);
        struct store_change change =
            filled(&CHANGE("", 0, .queue_add = LIST(i == 30 ? SV("bad") : SV("good")), .queue_add_n = 1));
        change.conversation_id = id;
        store_apply(r->s, &change, rig_applied, c[i]);
    }
    unsigned wrong = 0;
    for (unsigned i = 0; i < N; i++) {
        rig_wait(r, c[i]);
        wrong += c[i]->status != (i == 30 ? STORE_DOWN : STORE_DONE);
    }
    is_int(wrong, 0, "one of many fails, alone");
    ok(store_is_up(r->s), "which says nothing against the file");
    const struct store_stat *s = stat_of(r);
    ok(s->conversations == N - 1 && s->queue == N - 1, "the numbers are right");
    is_int(load(r, "c30")->version, 0, "nothing of it is there");
    close_and_wipe(r);
}

static bool swept(struct rig *r, void *arg)
{
    (void)arg;
    (void)put(r, "x", "y", LONG_MS); /* sweeping goes along with writing */
    return by_hand("SELECT count(*) FROM state_mark") == 1 && by_hand("SELECT count(*) FROM state_value") == 2;
}

static void test_sweep(struct rig *r)
{
    struct store_pair marks[300];
    open_file(r, 0);
    for (unsigned i = 0; i < ARRAY_LEN(marks); i++)
        marks[i] = (struct store_pair){ arena_printf(r->arena, "m%u", i), SV("x") };
    (void)apply(r, &CHANGE("c", 0, .marks = marks, .marks_n = ARRAY_LEN(marks), .mark_ttl_ms = SHORT_MS));
    (void)apply(r, &CHANGE("c", 1, .mark_new = { SV("stays"), SV("x") }));
    (void)put(r, "job:gone", "x", SHORT_MS);
    (void)put(r, "job:stays", "x", LONG_MS);
    rig_pass(r, SHORT_MS + 10);
    ok(rig_until(r, swept, NULL), "expired rows do not stay for ever");
    is_sv(load_of(r, SV("c"), SV("stays"))->mark, SV("x"), "others do");
    close_and_wipe(r);
}

static bool heard(struct rig *r, void *arg)
{
    return r->heard >= *(const unsigned *)arg;
}

static void test_missed_events(struct rig *r)
{
    open_file(r, 0);
    (void)apply(r, &CHANGE("c", 0, .event = SV("one")));
    ok(rig_until(r, heard, &(unsigned){ 2 }), "the connection and an event");
    /* as if this process had slept while thousands of events came and were pruned */
    (void)by_hand("INSERT INTO state_event(seq, event) VALUES(100, 'far'); UPDATE state_counts SET event_next = 101");
    ok(rig_until(r, heard, &(unsigned){ 4 }), "the next event that is left");
    is_int(r->connected, 2, "comes after word that some were missed");
    is_sv(r->event, SV("far"), "itself");
    for (unsigned i = 0; i < 5000; i += 100) {
        struct call *c[100];
        for (unsigned k = 0; k < 100; k++) {
            struct store_change change = filled(&CHANGE("c", i + k + 1, .event = SV("e")));
            c[k] = rig_call(r);
            store_apply(r->s, &change, rig_applied, c[k]);
        }
        rig_wait(r, c[99]);
    }
    ok(rig_until(r, heard, &(unsigned){ 5004 }), "all of thousands are heard");
    is_int(r->connected, 2, "without a gap");
    long kept = by_hand("SELECT count(*) FROM state_event");
    ok(kept >= 4096 && kept < 4096 + 256 + 100, "the table is cut (%ld rows)", kept);
    close_and_wipe(r);
}

/* On a file system of its own, too small for comfort: nothing new comes in, what was begun can be finished while there
 * is room, then that is refused too, and nothing is torn. When somebody makes room, all goes on. */
static void full_disk(struct rig *r)
{
    char other[100], waste[100000] = { 0 };
    (void)snprintf(other, sizeof other, "%s/other", dir);
    FILE *f = fopen(other, "w");
    if (f == NULL || fwrite(waste, sizeof waste, 1, f) != 1 || fclose(f) != 0)
        bail_out("%s", other);
    uint64_t version = 0;
    enum store_status status = STORE_DONE;
    struct sv item = arena_printf(r->arena, "%0*d", 20000, 7);
    open_file(r, 0);
    is_int(apply(r, &CHANGE("new", 0, .mark_new = { SV("m"), SV("x") }, .pending_add = item))->status, STORE_FULL,
           "nearly full: a new message is refused");
    is_int(load(r, "new")->version, 0, "whole");
    while (status == STORE_DONE && version < 2000) {
        status = apply(r, &CHANGE("c", version, .finishing = true, .queue_add = &item, .queue_add_n = 1))->status;
        version += status == STORE_DONE;
    }
    ok(version > 3, "what was begun may be finished (%llu items)", (unsigned long long)version);
    is_int(status, STORE_FULL, "until the disk is full");
    is_int(load(r, "c")->version, version, "nothing half done");
    is_int(stat_of(r)->queue, version, "nothing half queued");
    ok(store_is_up(r->s), "reading works on");
    (void)unlink(other);
    const struct store_batch *b = take(r, "o", 3);
    is_int(b->n, 3, "with a little room the queue can be taken from");
    is_int(ack(r, &(struct store_ack){ .batch = b->name }), STORE_DONE, "and emptied");
    is_int(apply(r, &CHANGE("c", version, .finishing = true, .queue_add = &item, .queue_add_n = 1))->status, STORE_DONE,
           "then there is room again");
    is_int(by_hand("SELECT count(*) FROM state_item"), (int64_t)version - 2, "in the file too");
    close_and_wipe(r);
}

static void test_full_disk(struct rig *r)
{
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", dir, "tmpfs", 0, "size=3m") != 0) {
        diag("a small file system cannot be mounted: %s", strerror(errno));
        skip("a small file system cannot be mounted here");
        return;
    }
    full_disk(r);
    (void)umount(dir);
}

/* ---- files of older versions ---- */

static const char version_1[] =
    "CREATE TABLE state_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO state_meta VALUES('version', 1), ('file', 7);"
    "CREATE TABLE state_counts(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " conversations INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,"
    " paused INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, queue INTEGER NOT NULL DEFAULT 0,"
    " queue_taken INTEGER NOT NULL DEFAULT 0, queue_bytes INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,"
    " queue_head INTEGER NOT NULL DEFAULT 1, queue_next INTEGER NOT NULL DEFAULT 1,"
    " batch_next INTEGER NOT NULL DEFAULT 1, event_next INTEGER NOT NULL DEFAULT 1,"
    " conversation_next INTEGER NOT NULL DEFAULT 1);"
    "INSERT INTO state_counts(one, conversations, waiting, due, dead, conversation_next) VALUES(1, 2, 1, 1, 2, 3);"
    "CREATE TABLE state_conversation("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, record TEXT NOT NULL,"
    " lease_token TEXT, lease_until INTEGER NOT NULL, due INTEGER,"
    " pending_first INTEGER NOT NULL, pending_next INTEGER NOT NULL,"
    " context_first INTEGER NOT NULL, context_next INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, activity INTEGER NOT NULL, active INTEGER NOT NULL, waiting INTEGER NOT NULL,"
    " paused INTEGER NOT NULL);"
    "CREATE INDEX state_conversation_due ON state_conversation(due) WHERE due IS NOT NULL;"
    "INSERT INTO state_conversation VALUES(1, 'a', 3, 'ra', NULL, 0, 50, 0, 0, 0, 0, 2, 70, 0, 60, 0),"
    " (2, 'b', 5, 'rb', NULL, 0, NULL, 0, 0, 0, 0, 0, 80, 0, 0, 0);"
    "CREATE TABLE state_dead(seq INTEGER PRIMARY KEY, item TEXT NOT NULL);"
    "INSERT INTO state_dead(item) VALUES('first'), ('second');";

static void test_upgrade(struct rig *r)
{
    (void)by_hand(version_1);
    open_file(r, 0);
    is_int(by_hand("SELECT value FROM state_meta WHERE key = 'version'"), SQLITE_SCHEMA_VERSION,
           "a file of version 1 becomes one of today");
    is_int(by_hand("SELECT value FROM state_meta WHERE key = 'file'"), 7, "and stays the file that it was");
    struct call *c = list(r, &(struct store_list){ .index = STORE_ACTIVITY, .max = 9, .want_records = true });
    ok(c->n == 2 && sv_eq(c->items[1], SV("b")) && sv_eq(c->listing.items[1].record, SV("rb")), "its conversations are listed");
    is_sv(joined(r, due(r, 9)->items, 1), SV("a"), "by when they are due");
    c = letters(r, &(struct store_letters){ .max = 9 });
    ok(c->n == 2 && sv_eq(c->letters[0].item, SV("second")), "its dead letters have ids: %.*s",
       c->n > 0 ? (int)c->letters[0].id.n : 0, c->n > 0 ? c->letters[0].id.p : "");
    is_int(letters(r, &(struct store_letters){ .op = STORE_LETTERS_DROP, .id = c->letters[0].id })->n, 1, "by which they go");
    is_int(apply(r, &CHANGE("b", 5, .forget = true))->status, STORE_DONE, "and all else is possible");
    const struct store_stat *n = stat_of(r);
    ok(n->conversations == 1 && n->dead == 1 && n->waiting == 1, "the numbers are right");
    store_close(r->s);
    open_file(r, 0);
    is_int(letters(r, &(struct store_letters){ .max = 9 })->n, 1, "opened again, nothing comes twice");
    is_int(by_hand("SELECT count(*) FROM state_letter"), 1, "nor back");
    close_and_wipe(r);
}

/* Items 3 and 4 wait, 1 is taken, 2 was given back; bytes are made up. The tables that are left out are those of today. */
static const char version_2[] =
    "CREATE TABLE state_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO state_meta VALUES('version', 2), ('file', 7);"
    "CREATE TABLE state_counts(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " conversations INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,"
    " paused INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, queue INTEGER NOT NULL DEFAULT 0,"
    " queue_taken INTEGER NOT NULL DEFAULT 0, queue_bytes INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,"
    " queue_head INTEGER NOT NULL DEFAULT 1, queue_next INTEGER NOT NULL DEFAULT 1,"
    " batch_next INTEGER NOT NULL DEFAULT 1, event_next INTEGER NOT NULL DEFAULT 1,"
    " conversation_next INTEGER NOT NULL DEFAULT 1);"
    "INSERT INTO state_counts VALUES(1, 1, 0, 0, 0, 0, 3, 1, 44, 1, 3, 5, 6, 9, 2);"
    "CREATE TABLE state_conversation("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, record TEXT NOT NULL,"
    " lease_token TEXT, lease_until INTEGER NOT NULL, due INTEGER,"
    " pending_first INTEGER NOT NULL, pending_next INTEGER NOT NULL,"
    " context_first INTEGER NOT NULL, context_next INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, activity INTEGER NOT NULL, active INTEGER NOT NULL, waiting INTEGER NOT NULL,"
    " paused INTEGER NOT NULL);"
    "INSERT INTO state_conversation VALUES(1, 'a', 3, 'ra', NULL, 0, NULL, 0, 0, 0, 0, 0, 70, 0, 0, 0);"
    "CREATE TABLE state_item(seq INTEGER PRIMARY KEY, bytes INTEGER NOT NULL, item TEXT NOT NULL);"
    "INSERT INTO state_item VALUES(1, 11, 'one'), (2, 11, 'two'), (3, 11, 'three'), (4, 11, 'four');"
    "CREATE TABLE state_range(first INTEGER PRIMARY KEY, last INTEGER NOT NULL, batch INTEGER, owner TEXT);"
    "INSERT INTO state_range VALUES(1, 1, 5, 'old'), (2, 2, NULL, NULL);"
    "CREATE TABLE state_letter(id TEXT PRIMARY KEY, item TEXT NOT NULL, bound TEXT);"
    "INSERT INTO state_letter VALUES('019a0000-0000-7000-8000-000000000001', 'dead', NULL);";

static void test_upgrade_queues(struct rig *r)
{
    (void)by_hand(version_2);
    open_file(r, 0);
    is_int(by_hand("SELECT value FROM state_meta WHERE key = 'version'"), SQLITE_SCHEMA_VERSION,
           "a file of version 2 becomes one of today");
    is_int(by_hand("SELECT value FROM state_meta WHERE key = 'file'"), 7, "and stays the file that it was");
    const struct store_stat *n = stat_of(r);
    ok(n->conversations == 1 && n->queue == 3 && n->queue_taken == 1 && n->dead == 1, "with its numbers");
    ok(n->callbacks == 0 && n->callbacks_taken == 0, "it has no callbacks yet");
    struct store_change c = CHANGE("a", 3, .callbacks_add = LIST(SV("c1"), SV("c2")), .callbacks_add_n = 2,
                                   .queue_add = LIST(SV("five")), .queue_add_n = 1);
    is_int(apply(r, &c)->status, STORE_DONE, "but can have some");
    struct sv batch = take_of(r, STORE_QUEUE_CALLBACKS, "o", 1)->name;
    store_close(r->s);
    open_file(r, 0);
    n = stat_of(r);
    ok(n->callbacks == 1 && n->callbacks_taken == 1 && n->queue == 4, "opened again, nothing is lost");
    is_int(ack(r, &(struct store_ack){ .queue = STORE_QUEUE_CALLBACKS, .batch = batch }), STORE_DONE, "the batch is known");
    is_sv(drain_of(r, STORE_QUEUE_CALLBACKS), SV("c2"), "and gone then");
    is_int(ack(r, &(struct store_ack){ .batch = SV("old:5"), .again = LIST(SV("one again")), .again_n = 1 }), STORE_DONE,
           "so is the one of before");
    is_sv(drain(r), SV("one again,two,three,four,five"), "and the queue is in order");
    has_str(stat_of(r)->text.p, "\"queue_bytes\":0", "down to the last byte");
    is_int(by_hand("SELECT callbacks + callbacks_taken + callbacks_bytes FROM state_counts"), 0, "of both queues");
    close_and_wipe(r);
}

/* ---- what listings read ---- */

static int note_plan(void *arg, int n, char **values, char **names)
{
    (void)names;
    if (n > 3 && values[3] != NULL)
        buf_printf(arg, "%s; ", values[3]);
    return 0;
}

static void plan_of(enum sql which, struct buf *plan)
{
    sqlite3 *db = NULL;
    struct buf sql = { 0 };
    buf_clear(plan);
    buf_printf(&sql, "EXPLAIN QUERY PLAN %s", sqlite_sql[which]);
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql.p, note_plan, plan, NULL) != SQLITE_OK)
        bail_out("%s: %s", sql.p, sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    buf_fini(&sql);
}

static void test_plans(struct rig *r)
{
    static const enum sql others[] = { SQL_ACTIVE_SINCE, SQL_LETTERS, SQL_LETTER, SQL_BOUND, SQL_FORGOTTEN_SWEEP };
    struct buf plan = { 0 };
    open_file(r, 0);
    for (int i = SQL_LIST; i <= SQL_LIST_PAUSED_NEWEST; i++) {
        plan_of((enum sql)i, &plan);
        ok(strstr(plan.p, "SEARCH state_conversation USING INDEX state_list_") == plan.p &&
               strstr(plan.p, "TEMP B-TREE") == NULL,
           "a listing reads its index alone: %s", plan.p);
    }
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        plan_of(others[i], &plan);
        ok(strstr(plan.p, "SCAN state_conversation") == NULL && strstr(plan.p, "SCAN state_letter") == NULL &&
               strstr(plan.p, "SCAN state_item") == NULL && strstr(plan.p, "TEMP B-TREE") == NULL,
           "nor is a table scanned: %s", plan.p);
    }
    for (int i = SQL_QUEUE; i <= SQL_QUEUE_LAST; i++) {
        plan_of((enum sql)i, &plan);
        ok(strstr(plan.p, "SCAN state_item") == NULL && strstr(plan.p, "SCAN state_callback;") == NULL &&
               strstr(plan.p, "SCAN i") == NULL && strstr(plan.p, "TEMP B-TREE FOR ORDER") == NULL,
           "no statement of a queue scans its items: %s", plan.p);
    }
    buf_fini(&plan);
    close_and_wipe(r);
}

/* ---- what is left of the forgotten ---- */

static bool no_rows(struct rig *r, void *arg)
{
    (void)arg;
    (void)put(r, "x", "y", LONG_MS);
    return by_hand("SELECT count(*) FROM state_conversation") == 0 && by_hand("SELECT count(*) FROM state_mark") == 0;
}

static void test_forgotten(struct rig *r)
{
    open_file(r, 0);
    (void)apply(r, &CHANGE("bare", 0));
    (void)apply(r, &CHANGE("bare", 1, .forget = true));
    is_int(by_hand("SELECT count(*) FROM state_conversation"), 0, "of one without marks nothing is left");
    (void)apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }, .mark_ttl_ms = SHORT_MS, .pending_add = SV("p"),
                           .context_add = LIST(SV("x")), .context_add_n = 1));
    (void)apply(r, &CHANGE("c", 1, .forget = true));
    ok(by_hand("SELECT count(*) FROM state_pending") == 0 && by_hand("SELECT count(*) FROM state_context") == 0,
       "the lists of one with marks are gone");
    is_int(by_hand("SELECT length(record) FROM state_conversation WHERE version = 0"), 0, "and its record");
    rig_pass(r, SHORT_MS + 10);
    ok(rig_until(r, no_rows, NULL), "and all of it when the marks have had their time");
    close_and_wipe(r);
}

int main(void)
{
    struct rig r;
    place_open(&r, "store_sqlite");
    test_open(&r);
    test_lock(&r);
    test_lock_without_calls(&r);
    test_alien(&r);
    test_neighbours(&r);
    test_sweep(&r);
    test_missed_events(&r);
    test_upgrade(&r);
    test_upgrade_queues(&r);
    test_plans(&r);
    test_forgotten(&r);
    test_full_disk(&r);
    place_close(&r);
    return done_testing();
}
