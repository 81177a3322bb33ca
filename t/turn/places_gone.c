/* SPDX-License-Identifier: MIT
 * A reply waits for its place at the platform, and the process, its lease or the store goes; there is no place; a send is repeated. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/store_history.h"
#include "t/tap.h"
#include "t/turn/places_rig.h"

/* ---- the process goes ---- */

static void handed_back(bool asked)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    bool done = false;
    places_open(&r, &rig_policy);
    r.platform.hold_place = asked;
    r.platform.place.at_ms = 60000;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    turns_drain(r.turns, 0, places_nothing, &done);
    ok(rig_until(&r, &a), "a drained client is answered");
    is_str(rig_str(&a, "status"), "processing", "with processing");
    for (int i = 0; i < 1000 && !done; i++)
        loop_turn(r.loop, false);
    ok(done, "the drain does not wait for the moment");
    is_int(r.platform.places_aborted, asked, "who asks for a place does not any more");
    turns_free(r.turns);
    r.turns = turns_new(&r.options, &e);
    r.platform.hold_place = false;
    r.platform.place.at_ms = 100;
    places_visit_until_sent(&r, 1);
    is_int(r.platform.places, 2, "another process takes another place");
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "for the same turn");
    places_pass(&r, 60000);
    is_int(r.platform.sent, 1, "the first place is nobody's");
    rig_forget(&a);
    places_shut(&r);
}

static void dropped(void)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    places_begin(&r, &rig_policy, 1000, &a);
    turns_free(r.turns);
    places_pass(&r, 2000);
    is_int(r.platform.sent, 0, "a process that died sends nothing");
    r.turns = turns_new(&r.options, &e);
    rig_forget(&a);
    places_shut(&r);
}

struct seen {
    bool done;
    uint64_t version;
    struct sv record;
    struct arena *a;
};

static void viewed(void *arg, enum store_status status, const struct store_view *view)
{
    struct seen *seen = arg;
    seen->done = status == STORE_DONE;
    seen->version = view->version;
    seen->record = arena_sv(seen->a, view->record);
}

static void unlocked(void *arg, enum store_status status, const struct store_applied *applied)
{
    (void)applied;
    *(bool *)arg = status == STORE_DONE;
}

/* Somebody deletes the lock. */
static void lose_lease(struct rig *r)
{
    struct seen seen = { .a = arena_new(0, 65536) };
    bool done = false;
    store_load(r->store, &(struct store_load){ .conversation_id = SV("c1") }, viewed, &seen);
    rig_settle(r);
    const struct store_change change = { .conversation_id = SV("c1"), .expect_version = seen.version, .record = seen.record, .lease = STORE_LEASE_DROP,
                                         .due_ms = clock_wall_ms() };
    store_apply(r->store, &change, unlocked, &done);
    rig_settle(r);
    ok(seen.done && done, "the lock is gone");
    arena_free(seen.a);
}

static void lease_lost(void)
{
    struct rig r;
    struct rig_answer a;
    places_begin(&r, &rig_policy, 60000, &a);
    places_pass(&r, 300);
    lose_lease(&r);
    places_pass(&r, 11000);
    ok(rig_until(&r, &a), "the next renewal shows it");
    is_str(rig_str(&a, "status"), "processing", "the client hears that it goes on");
    is_int((int64_t)turns_running(r.turns), 0, "elsewhere");
    r.platform.place.at_ms = 0;
    places_visit_until_sent(&r, 1);
    places_pass(&r, 60000);
    is_int(r.platform.sent, 1, "whoever lost it does not send at its moment");
    rig_forget(&a);
    places_shut(&r);
}

/* It is lost just before the moment, and no renewal has shown it yet: the gate does. */
static void lease_lost_late(void)
{
    struct rig r;
    struct rig_answer a;
    places_begin(&r, &rig_policy, 1000, &a);
    places_pass(&r, 999);
    lose_lease(&r);
    places_pass(&r, 100);
    ok(rig_until(&r, &a), "the gate is not passed");
    is_int(r.platform.sent, 0, "nothing is sent without the lease");
    places_visit_until_sent(&r, 1);
    rig_forget(&a);
    places_shut(&r);
}

/* ---- no place ---- */

struct ai_calls {
    struct sv name;
    int64_t n;
};

static void counted(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct ai_calls *to = arg;
    for (size_t i = 0; status == STORE_DONE && i < n; i++)
        if (sv_eq(pairs[i].key, to->name))
            (void)!sv_to_i64(pairs[i].value, &to->n);
}

/* A job, which may fail only so often. */
static void no_place_for_a_job(void)
{
    struct policy p = rig_policy;
    struct ai_calls calls = { .name = SV("ai_calls") };
    struct rig r;
    struct message m = { .conversation_id = SV("c1"), .message_id = SV("m1"), .content = SV("one"), .sender_id = SV("customer"),
                         .sender_type = SENDER_USER, .timestamp_ms = 1700000000000 };
    struct submit_options o = { .as_job = true };
    p.attempts_max = 2;
    places_open(&r, &p);
    r.platform.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, 1000 };
    turns_submit(r.turns, &m, &o, NULL, NULL);
    for (int i = 1; i < 8; i++) {
        places_pass(&r, 1100);
        rig_visit(&r, "c1");
        is_int(r.ai.calls, i, "it is tried again, more often than attempts may fail");
    }
    r.platform.place = (struct platform_place){ PLATFORM_PLACE, 0, -1 };
    places_pass(&r, 1100);
    places_visit_until_sent(&r, 1);
    store_figures(r.store, SV("2023-11-14"), counted, &calls);
    rig_settle(&r);
    is_int(calls.n, r.ai.calls, "each answer of the AI is counted");
    places_shut(&r);
}

static void no_place(void)
{
    struct rig r;
    struct rig_answer a;
    places_open(&r, &rig_policy);
    r.platform.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, 5000 };
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "no place within reach");
    is_int(a.http_status, 202, "202");
    is_str(rig_str(&a, "status"), "queued", "it is queued");
    is_str(rig_str(&a, "reason"), "platform_busy", "and why");
    places_pass(&r, 4900);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 1, "not before the platform has said");
    places_pass(&r, 200);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 2, "then it is tried again");
    r.platform.place = (struct platform_place){ PLATFORM_PLACE, 0, -1 };
    places_pass(&r, 5100);
    places_visit_until_sent(&r, 1);
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "the promised turn");
    rig_forget(&a);
    places_shut(&r);
}

static void never_a_place(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a;
    p.retry_for_ms = 60000;
    places_open(&r, &p);
    r.platform.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, -1 };
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "no place");
    rig_forget(&a);
    places_pass(&r, 61000);
    rig_visit(&r, "c1");
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "for too long");
    is_str(rig_str(&a, "status"), "failed", "it is given up");
    is_str(rig_str(&a, "reason"), "platform_busy", "and why");
    is_int(r.platform.sent, 0, "nothing was sent");
    rig_forget(&a);
    places_shut(&r);
}

static void no_memory(void)
{
    struct rig r;
    struct rig_answer a;
    places_open(&r, &rig_policy);
    r.platform.fail_place = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "no memory for a place");
    is_str(rig_str(&a, "reason"), "responder_out_of_memory", "is said");
    r.platform.fail_place = false;
    places_visit_until_sent(&r, 1);
    rig_forget(&a);
    places_shut(&r);
}

/* ---- again ---- */

static void again(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a;
    p.send_idempotent = true;
    places_open(&r, &p);
    r.platform.outcome = PLATFORM_UNKNOWN;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "nobody knows whether it arrived");
    ok(!r.platform.last_again, "the first attempt");
    char actions[512];
    snprintf(actions, sizeof(actions), "%s", r.platform.last_actions);
    r.platform.outcome = PLATFORM_SENT;
    r.platform.last_actions[0] = r.platform.last_message_id[0] = '\0';
    places_visit_until_sent(&r, 2);
    ok(r.platform.last_again, "the second one says so");
    is_str(r.platform.last_actions, actions, "with the same actions");
    is_str(r.platform.last_message_id, "m1", "for the same message");
    is_int(r.platform.places, 1, "the platform itself finds a place for it");
    is_int(r.ai.calls, 1, "the AI is not asked again");
    rig_forget(&a);
    places_shut(&r);
}

/* ---- the store fails ---- */

/* It writes again until it is accepted, as whoever sent it does. */
static void deliver(struct rig *r, struct rig_answer *a)
{
    for (int i = 0; i < 5; i++) {
        rig_send(r, "c1", "m1", "one", "user", a);
        rig_settle(r);
        if (a->http_status != 503)
            return;
        rig_forget(a);
    }
}

/* A call of the store fails, or its answer is lost: in a look during the wait, at the gate, in a renewal, whichever it is. The wait is longer than a send may
 * come behind its gate. */
static void a_fault(unsigned n, bool after)
{
    struct policy p = places_policy(ON_NEWER_FINISH, 0);
    struct rig r;
    struct rig_answer a;
    places_open_failing(&r, &p, n, after);
    r.platform.place.at_ms = 12000;
    deliver(&r, &a);
    places_pass(&r, 300);
    for (int i = 0; i < 3; i++) {
        places_heard(&r, SV("interrupt c1"));
        places_pass(&r, 100);
    }
    places_pass(&r, 30000);
    for (int i = 0; i < 200 && r.platform.sent == 0; i++) { /* only when it was lost as it began */
        rig_visit(&r, "c1");
        places_pass(&r, 1000);
    }
    is_int(r.platform.sent, 1, "call %u %s: one reply", n, after ? "lost after" : "lost before");
    is_int(r.platform.places, 1, "call %u %s: at its one place", n, after ? "lost after" : "lost before");
    rig_forget(&a);
    places_shut(&r);
}

static void faults(void)
{
    for (unsigned n = 1; n <= 14; n++) {
        a_fault(n, false);
        a_fault(n, true);
    }
}

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    faults();
    handed_back(false);
    handed_back(true);
    dropped();
    lease_lost();
    lease_lost_late();
    no_place();
    no_place_for_a_job();
    never_a_place();
    no_memory();
    again();
    return done_testing();
}
