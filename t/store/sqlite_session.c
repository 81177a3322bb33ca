/* SPDX-License-Identifier: MIT
 * Sessions in the state file alone: files of the version before them, rows that are past their time, and which rows an event leaves. The
 * contract of the port is tested by contract_session.c. */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/sqlite_sql.h"
#include "t/store/sqlite_rig.h"

#define EVENT SV("{\"type\":\"a\"}")
#define SESSION(...) .session = &(struct store_session_change){ __VA_ARGS__ }
#define VIEW_AND_EVENT(ms)                                                                                             \
    .view_op = STORE_VIEW_SET, .view = SV("v"), .events = LIST(EVENT), .events_n = 1, .events_max = 9, .ttl_ms = (ms)

/* ---- a file of version 3 ---- */

/* The tables that are left out are those of today. */
static const char version_3[] =
    "CREATE TABLE state_meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "INSERT INTO state_meta VALUES('version', 3), ('file', 7);"
    "CREATE TABLE state_counts(one INTEGER PRIMARY KEY CHECK(one = 1),"
    " conversations INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 0, waiting INTEGER NOT NULL DEFAULT 0,"
    " paused INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, queue INTEGER NOT NULL DEFAULT 0,"
    " queue_taken INTEGER NOT NULL DEFAULT 0, queue_bytes INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0,"
    " queue_head INTEGER NOT NULL DEFAULT 1, queue_next INTEGER NOT NULL DEFAULT 1,"
    " batch_next INTEGER NOT NULL DEFAULT 1, event_next INTEGER NOT NULL DEFAULT 1,"
    " conversation_next INTEGER NOT NULL DEFAULT 1,"
    " callbacks INTEGER NOT NULL DEFAULT 0, callbacks_taken INTEGER NOT NULL DEFAULT 0,"
    " callbacks_bytes INTEGER NOT NULL DEFAULT 0, callbacks_head INTEGER NOT NULL DEFAULT 1,"
    " callbacks_next INTEGER NOT NULL DEFAULT 1);"
    "INSERT INTO state_counts(one, conversations, event_next, conversation_next) VALUES(1, 1, 3, 2);"
    "CREATE TABLE state_conversation("
    " n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, version INTEGER NOT NULL, record TEXT NOT NULL,"
    " lease_token TEXT, lease_until INTEGER NOT NULL, due INTEGER,"
    " pending_first INTEGER NOT NULL, pending_next INTEGER NOT NULL,"
    " context_first INTEGER NOT NULL, context_next INTEGER NOT NULL,"
    " listed INTEGER NOT NULL, activity INTEGER NOT NULL, active INTEGER NOT NULL, waiting INTEGER NOT NULL,"
    " paused INTEGER NOT NULL);"
    "INSERT INTO state_conversation VALUES(1, 'a', 3, 'ra', NULL, 0, NULL, 0, 0, 0, 0, 0, 70, 0, 0, 0);"
    "CREATE TABLE state_event(seq INTEGER PRIMARY KEY, event TEXT NOT NULL);"
    "INSERT INTO state_event VALUES(1, 'first'), (2, 'second');";

static bool has_heard(struct rig *r, void *arg)
{
    (void)arg;
    return sv_eq(r->event, SV("third"));
}

static bool was_pushed(struct rig *r, void *arg)
{
    return r->pushes >= *(const unsigned *)arg;
}

static void test_upgrade(struct rig *r)
{
    (void)by_hand(version_3);
    for (unsigned again = 0; again < 2; again++) {
        open_file(r, 0);
        is_int(by_hand("SELECT value FROM state_meta WHERE key = 'version'"), SQLITE_SCHEMA_VERSION,
               "a file of version 3 becomes one of today");
        is_int(by_hand("SELECT value FROM state_meta WHERE key = 'file'"), 7, "and stays the file that it was");
        is_sv(load(r, "a")->record, SV("ra"), "with its conversation");
        is_int(events_of(r, "a", 0)->last, 0, "which has no events");
        if (again == 0)
            store_close(r->s);
    }
    ok(store_listen(r->s, SV("a")) == 0 && rig_until(r, was_pushed, &(unsigned){ 1 }), "somebody listens");
    (void)apply(r, &CHANGE("a", 3, .event = SV("third"), SESSION(VIEW_AND_EVENT(LONG_MS))));
    ok(rig_until(r, has_heard, NULL) && rig_until(r, was_pushed, &(unsigned){ 2 }), "all of today is possible");
    is_int(by_hand("SELECT count(*) FROM state_event WHERE told = 1"), 3, "beside the events of before");
    is_int(events_of(r, "a", 0)->last, 1, "the first event of a session");
    close_and_wipe(r);
}

/* ---- rows ---- */

static bool is_swept(struct rig *r, void *arg)
{
    (void)arg;
    (void)put(r, "x", "y", LONG_MS);
    return by_hand("SELECT count(*) FROM state_text") == 1 && by_hand("SELECT count(*) FROM state_log") == 1;
}

static void test_sweep(struct rig *r)
{
    open_file(r, 0);
    (void)apply(r, &CHANGE("short", 0, SESSION(VIEW_AND_EVENT(SHORT_MS))));
    (void)apply(r, &CHANGE("long", 0, SESSION(VIEW_AND_EVENT(LONG_MS))));
    (void)session_fill(r, &(struct store_session_fill){ .conversation_id = SV("none"), .view = SV("v"), .customer = SV("w"),
                                                        .ttl_ms = SHORT_MS });
    is_int(by_hand("SELECT count(*) FROM state_text"), 4, "views and customers");
    is_int(by_hand("SELECT count(*) FROM state_log"), 2, "logs");
    rig_pass(r, SHORT_MS + 10);
    ok(rig_until(r, is_swept, NULL), "those that have had their time are removed");
    ok(by_hand("SELECT events_until FROM state_conversation WHERE id = 'short'") == 0 && events_of(r, "short", 0)->last == 1,
       "the number of the last event is not");
    is_int(events_of(r, "long", 0)->n, 1, "nor what still has time");
    (void)apply(r, &CHANGE("short", 1, SESSION(VIEW_AND_EVENT(LONG_MS))));
    ok(events_of(r, "short", 0)->n == 1 && events_of(r, "short", 0)->last == 2, "and it goes on");
    close_and_wipe(r);
}

static void test_forget(struct rig *r)
{
    open_file(r, 0);
    (void)apply(r, &CHANGE("c", 0, .mark_new = { SV("m"), SV("x") }, SESSION(VIEW_AND_EVENT(LONG_MS))));
    (void)apply(r, &CHANGE("c", 1, .forget = true));
    is_int(by_hand("SELECT count(*) FROM state_log"), 0, "of a conversation that is forgotten no event is left");
    is_int(by_hand("SELECT count(*) FROM state_text"), 1, "and one row");
    is_int(by_hand("SELECT value FROM state_text WHERE id = 'c'"), 1, "with the last number");
    long left = by_hand("SELECT until / 1000 - strftime('%s', 'now') FROM state_text WHERE id = 'c'");
    ok(left > 86400 - 30 && left <= 86400, "for a day");
    (void)by_hand("UPDATE state_text SET until = 1");
    is_int(events_of(r, "c", 0)->last, 0, "after which it is forgotten");
    (void)by_hand("UPDATE state_text SET until = 9000000000000, value = 'odd'");
    is_int(events_of(r, "c", 0)->last, 0, "so is what somebody has written there");
    close_and_wipe(r);
}

static void test_rows(struct rig *r)
{
    open_file(r, 0);
    long before = by_hand("SELECT count(*) FROM state_event");
    (void)apply(r, &CHANGE("c", 0, .event = SV("told"), SESSION(VIEW_AND_EVENT(LONG_MS))));
    is_int(by_hand("SELECT count(*) FROM state_event"), before + 1, "an event that all are told carries the news");
    (void)apply(r, &CHANGE("c", 1, SESSION(VIEW_AND_EVENT(LONG_MS))));
    is_int(by_hand("SELECT count(*) FROM state_event"), before + 2, "without one there is a row for them");
    (void)apply(r, &CHANGE("c", 2, SESSION(.view_op = STORE_VIEW_DROP)));
    (void)apply(r, &CHANGE("c", 3));
    is_int(by_hand("SELECT count(*) FROM state_event"), before + 2, "without news there is none");
    close_and_wipe(r);
}

int main(void)
{
    struct rig r;
    place_open(&r, "sqlite_session");
    test_upgrade(&r);
    test_sweep(&r);
    test_forget(&r);
    test_rows(&r);
    place_close(&r);
    return done_testing();
}
