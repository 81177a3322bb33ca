/* SPDX-License-Identifier: MIT
 * A platform that gives places: a reply waits for its moment in front of the gate, and whatever happens meanwhile is seen. On simulated time. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "store/store_history.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "turn/figures.h"

static void nothing(void *arg)
{
    *(bool *)arg = true;
}

/* Everything that is to happen within so long. */
static void pass(struct rig *r, int64_t ms)
{
    bool there = false;
    struct loop_timer *t = loop_timer_new(r->loop, nothing, &there);
    loop_timer_set(t, ms);
    while (!there)
        loop_turn(r->loop, true);
    loop_timer_free(t);
    rig_settle(r);
}

static void heard(void *arg, struct sv event)
{
    (void)turns_event(((struct rig *)arg)->turns, event);
}

/* The store's n-th call fails: see rig_open_failing. */
static void open_failing(struct rig *r, const struct policy *p, unsigned n, bool after)
{
    clock_fake(1700000000000);
    rig_open_failing(r, p, n, after);
    rig_give_places(r);
    store_subscribe(r->store, heard, r);
    rig_settle(r);
}

static void open(struct rig *r, const struct policy *p)
{
    open_failing(r, p, 0, false);
}

static void shut(struct rig *r)
{
    is_int(r->platform.early, 0, "nothing went out before its moment");
    rig_close(r);
    clock_real();
}

static struct policy policy(enum on_newer on_newer, uint32_t restart_max)
{
    struct policy p = rig_policy;
    p.on_newer = on_newer;
    p.restart_max = restart_max;
    return p;
}

/* A daemon's visits, until so many replies have been sent, each in its time. */
static void visit_until_sent(struct rig *r, int sent)
{
    for (int i = 0; i < 200 && r->platform.sent < sent; i++) {
        rig_visit(r, "c1");
        pass(r, 50);
    }
    is_int(r->platform.sent, sent, "sent, and once");
}

static void begin(struct rig *r, const struct policy *p, int64_t in_ms, struct rig_answer *a)
{
    open(r, p);
    r->platform.place.at_ms = in_ms;
    rig_send(r, "c1", "m1", "one", "user", a);
    rig_settle(r);
    is_int(r->platform.places, 1, "a place is asked for");
    is_int(r->platform.sent, 0, "nothing is sent");
}

/* ---- the wait ---- */

static void in_order(void)
{
    struct rig r;
    struct rig_answer a;
    struct message m = { .conversation_id = SV("c1"), .message_id = SV("m1"), .content = SV("one"), .sender_id = SV("customer"),
                         .sender_type = SENDER_USER, .metadata = SV("{\"page_id\":\"p7\"}") };
    open(&r, &rig_policy);
    r.ai.hold = r.platform.hold_place = true;
    m.timestamp_ms = clock_wall_ms();
    rig_send(&r, "c1", "m0", "zero", "user", &a);
    rig_settle(&r);
    is_int(r.platform.places, 0, "while the AI is asked there is nothing to have a place for");
    rig_ai_release(&r);
    rig_settle(&r);
    is_int(r.platform.places, 1, "once it has answered there is");
    is_str(r.platform.last_message_id, "m0", "for the customer's message");
    is_str(r.platform.last_metadata, "", "that has no metadata");
    ok(strstr(r.platform.last_actions, "\"send_message\"") != NULL, "with the actions of the reply");
    ok(!r.platform.last_again, "for the first time");
    is_int(r.platform.sent, 0, "nothing is sent before there is a place");
    rig_place_release(&r);
    ok(rig_until(&r, &a), "a place that is now");
    is_str(rig_str(&a, "status"), "completed", "is used now");
    is_int(r.platform.sent, 1, "by one send");
    ok(!r.platform.last_again, "which is none again");
    rig_forget(&a);

    struct submit_options o = { .as_job = true };
    r.ai.hold = r.platform.hold_place = false;
    turns_submit(r.turns, &m, &o, NULL, NULL);
    visit_until_sent(&r, 2);
    is_str(r.platform.last_message_id, "m1", "the newest message");
    is_str(r.platform.last_metadata, "{\"page_id\":\"p7\"}", "and its metadata");
    ok(strstr(r.platform.last_body, r.platform.last_actions) != NULL, "the actions are those of the body");
    shut(&r);
}

static void its_moment(void)
{
    struct rig r;
    struct rig_answer a;
    begin(&r, &rig_policy, 2000, &a);
    int64_t at_ms = clock_mono_ms() + 2000;
    pass(&r, 1999);
    is_int(r.platform.sent, 0, "not before its moment");
    pass(&r, 1);
    is_int(r.platform.sent, 1, "but then");
    is_int(r.platform.sent_ms, at_ms, "at once");
    ok(rig_until(&r, &a), "the client hears it");
    is_str(rig_str(&a, "status"), "completed", "as ever");
    rig_forget(&a);
    r.platform.place.at_ms = -5;
    rig_send(&r, "c1", "m2", "two", "user", &a);
    ok(rig_until(&r, &a), "a moment that is over");
    is_int(r.platform.sent, 2, "is now");
    rig_forget(&a);
    shut(&r);
}

/* Longer than a lease lasts, and than the client waits. */
static void a_long_wait(void)
{
    struct rig r;
    struct rig_answer a;
    begin(&r, &rig_policy, 100000, &a);
    pass(&r, 70000);
    ok(rig_until(&r, &a), "the client is told");
    is_str(rig_str(&a, "status"), "processing", "that it goes on");
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 1, "and nobody else takes it");
    pass(&r, 29999);
    is_int(r.platform.sent, 0, "to its end");
    pass(&r, 1);
    is_int(r.platform.sent, 1, "it is sent, by the turn that began");
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "under its id");
    rig_forget(&a);
    shut(&r);
}

static void none_is_needed(void)
{
    struct rig r;
    struct rig_answer a;
    open(&r, &rig_policy);
    r.ai.actions = "[]";
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "a turn without actions");
    is_str(rig_str(&a, "status"), "completed", "is over");
    is_int(r.platform.places + r.platform.sent, 0, "without a place");
    rig_forget(&a);
    shut(&r);
}

static void figures(void)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    struct metrics_times own, sends;
    struct metrics *m = metrics_open(NULL, FIGURES_LAYOUT, &e);
    open(&r, &rig_policy);
    turns_free(r.turns);
    r.options.metrics = m;
    r.turns = turns_new(&r.options, &e);
    r.platform.place.at_ms = 3000;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    heard(&r, SV("interrupt c1")); /* a look in between changes nothing about it */
    pass(&r, 3000);
    ok(rig_until(&r, &a), "a turn that waits for three seconds");
    metrics_times(m, FIGURE_OWN_TIME, &own);
    metrics_times(m, FIGURE_SEND_TIME, &sends);
    is_int(own.n, 1, "is measured");
    is_int(own.sum_us, 0, "without them");
    is_int(sends.sum_us, 0, "nor are they the platform's");
    rig_forget(&a);
    shut(&r);
    metrics_close(m);
}

/* ---- what comes meanwhile ---- */

static void newer_restarts(void)
{
    struct rig r;
    struct rig_answer a, b;
    begin(&r, &rig_policy, 1000, &a);
    pass(&r, 300);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "something newer");
    is_str(rig_str(&b, "status"), "locked", "is locked");
    pass(&r, 600);
    is_int(a.http_status, 0, "the turn waits on");
    pass(&r, 100);
    ok(rig_until(&r, &a), "to the gate");
    is_str(rig_str(&a, "status"), "restart_needed", "which sees it");
    is_int(r.platform.sent, 0, "nothing stale is sent");
    visit_until_sent(&r, 1);
    is_int(r.platform.places, 2, "the next turn has a place of its own");
    ok(strstr(r.platform.last_body, "[\"m1\",\"m2\"]") != NULL, "for both");
    is_str(r.platform.last_message_id, "m2", "and says which is the newest");
    rig_forget(&a), rig_forget(&b);
    shut(&r);
}

static void newer_interrupts(void)
{
    struct policy p = policy(ON_NEWER_INTERRUPT, 3);
    struct rig r;
    struct rig_answer a, b;
    begin(&r, &p, 1000, &a);
    pass(&r, 300);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b) && rig_until(&r, &a), "something newer, and the turn ends");
    is_str(rig_str(&a, "status"), "restart_needed", "at once");
    pass(&r, 700);
    is_int(r.platform.sent, 0, "its moment is nobody's");
    visit_until_sent(&r, 1);
    rig_forget(&a), rig_forget(&b);
    shut(&r);
}

/* It may not restart any more: back into the row, and not one millisecond early. */
static void newer_in_vain(void)
{
    struct policy p = policy(ON_NEWER_INTERRUPT, 0);
    struct rig r;
    struct rig_answer a, b, c;
    begin(&r, &p, 1000, &a);
    int64_t at_ms = clock_mono_ms() + 1000;
    pass(&r, 300);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    pass(&r, 200);
    rig_send(&r, "c1", "m3", "three", "user", &c);
    pass(&r, 499);
    is_int(r.platform.sent, 0, "looks send nothing");
    is_int(r.platform.places, 1, "and need no other place");
    pass(&r, 1);
    is_int(r.platform.sent, 1, "it is sent");
    is_int(r.platform.sent_ms, at_ms, "at its moment");
    ok(rig_until(&r, &a), "the client");
    is_str(rig_str(&a, "status"), "completed", "hears it");
    ok(strstr(r.platform.last_body, "[\"m1\"]") != NULL, "for what it was asked");
    visit_until_sent(&r, 2);
    rig_forget(&a), rig_forget(&b), rig_forget(&c);
    shut(&r);
}

/* The place, its moment and that there is none come while a look is under way; each look starts just before. */
static void looks_in_between(void)
{
    for (int i = 0; i < 3; i++) {
        struct rig r;
        struct rig_answer a;
        open(&r, &rig_policy);
        r.platform.hold_place = true;
        r.platform.place.at_ms = i == 1 ? 500 : 0;
        rig_send(&r, "c1", "m1", "one", "user", &a);
        rig_settle(&r);
        for (int k = 0; k < 3; k++)
            heard(&r, SV("interrupt c1"));
        if (i == 2)
            r.platform.place.outcome = PLATFORM_NO_PLACE;
        rig_place_release(&r);
        for (int k = 0; k < 40; k++) {
            heard(&r, SV("interrupt c1"));
            loop_turn(r.loop, false);
        }
        rig_settle(&r);
        if (i == 1) {
            is_int(r.platform.sent, 0, "not before its moment");
            pass(&r, 499);
            for (int k = 0; k < 3; k++)
                heard(&r, SV("interrupt c1"));
            rig_settle(&r);
            is_int(r.platform.sent, 0, "nor just before it");
            for (int k = 0; k < 3; k++)
                heard(&r, SV("interrupt c1"));
            pass(&r, 1);
        }
        ok(rig_until(&r, &a), "case %d ends", i);
        is_str(rig_str(&a, "status"), i == 2 ? "queued" : "completed", "case %d, as without looks", i);
        is_int(r.platform.sent, i != 2, "case %d, sent", i);
        is_int(r.platform.places, 1, "case %d, one place", i);
        rig_forget(&a);
        shut(&r);
    }
}

static struct store_ops counting;
static const struct store_ops *counted_ops;
static int loads;

static void count_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    loads++;
    counted_ops->load(s, what, fn, arg);
}

/* What a look has read may be older than what it is told of meanwhile. */
static void a_look_in_a_look(void)
{
    struct rig r;
    struct rig_answer a;
    begin(&r, &rig_policy, 1000, &a);
    counted_ops = r.store->ops;
    counting = *counted_ops;
    counting.load = count_load;
    r.store->ops = &counting;
    loads = 0;
    for (int i = 0; i < 3; i++)
        heard(&r, SV("interrupt c1"));
    rig_settle(&r);
    is_int(loads, 2, "what is heard during a look is looked at once more");
    r.store->ops = counted_ops;
    pass(&r, 1000);
    is_int(r.platform.sent, 1, "and the reply is sent");
    ok(rig_until(&r, &a), "as ever");
    rig_forget(&a);
    shut(&r);
}

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
    struct policy p = policy(ON_NEWER_FINISH, 0);
    struct rig r;
    struct rig_answer a;
    open_failing(&r, &p, n, after);
    r.platform.place.at_ms = 12000;
    deliver(&r, &a);
    pass(&r, 300);
    for (int i = 0; i < 3; i++) {
        heard(&r, SV("interrupt c1"));
        pass(&r, 100);
    }
    pass(&r, 30000);
    for (int i = 0; i < 200 && r.platform.sent == 0; i++) { /* only when it was lost as it began */
        rig_visit(&r, "c1");
        pass(&r, 1000);
    }
    is_int(r.platform.sent, 1, "call %u %s: one reply", n, after ? "lost after" : "lost before");
    is_int(r.platform.places, 1, "call %u %s: at its one place", n, after ? "lost after" : "lost before");
    rig_forget(&a);
    shut(&r);
}

static void faults(void)
{
    for (unsigned n = 1; n <= 14; n++) {
        a_fault(n, false);
        a_fault(n, true);
    }
}

static void cancelled(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    begin(&r, &rig_policy, 1000, &a);
    pass(&r, 300);
    ask_cancel(&r, "c1", &q);
    ok(asked_bool(&q, "cancelled"), "an administrator cancels");
    is_str(asked_str(&q, "phase"), "thinking", "what counts as thinking");
    ok(rig_until(&r, &a), "the client hears it");
    is_str(rig_str(&a, "status"), "cancelled", "at once");
    pass(&r, 2000);
    is_int(r.platform.sent, 0, "nothing of it goes out");
    is_int((int64_t)turns_running(r.turns), 0, "nothing is left");
    asked_forget(&q);
    rig_forget(&a);
    shut(&r);
}

static void person_takes_over(void)
{
    struct rig r;
    struct rig_answer a, b;
    begin(&r, &rig_policy, 1000, &a);
    rig_send(&r, "c1", "p1", "I take this", "agent", &b);
    ok(rig_until(&r, &b), "a person's message");
    pass(&r, 1000);
    ok(rig_until(&r, &a), "the turn ends");
    is_str(rig_str(&a, "reason"), "bot_paused", "without a word");
    is_int(r.platform.sent, 0, "nothing was sent");
    rig_forget(&a), rig_forget(&b);
    shut(&r);
}

/* ---- the process goes ---- */

static void handed_back(bool asked)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    bool done = false;
    open(&r, &rig_policy);
    r.platform.hold_place = asked;
    r.platform.place.at_ms = 60000;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    turns_drain(r.turns, 0, nothing, &done);
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
    visit_until_sent(&r, 1);
    is_int(r.platform.places, 2, "another process takes another place");
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "for the same turn");
    pass(&r, 60000);
    is_int(r.platform.sent, 1, "the first place is nobody's");
    rig_forget(&a);
    shut(&r);
}

static void dropped(void)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    begin(&r, &rig_policy, 1000, &a);
    turns_free(r.turns);
    pass(&r, 2000);
    is_int(r.platform.sent, 0, "a process that died sends nothing");
    r.turns = turns_new(&r.options, &e);
    rig_forget(&a);
    shut(&r);
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
    begin(&r, &rig_policy, 60000, &a);
    pass(&r, 300);
    lose_lease(&r);
    pass(&r, 11000);
    ok(rig_until(&r, &a), "the next renewal shows it");
    is_str(rig_str(&a, "status"), "processing", "the client hears that it goes on");
    is_int((int64_t)turns_running(r.turns), 0, "elsewhere");
    r.platform.place.at_ms = 0;
    visit_until_sent(&r, 1);
    pass(&r, 60000);
    is_int(r.platform.sent, 1, "whoever lost it does not send at its moment");
    rig_forget(&a);
    shut(&r);
}

/* It is lost just before the moment, and no renewal has shown it yet: the gate does. */
static void lease_lost_late(void)
{
    struct rig r;
    struct rig_answer a;
    begin(&r, &rig_policy, 1000, &a);
    pass(&r, 999);
    lose_lease(&r);
    pass(&r, 100);
    ok(rig_until(&r, &a), "the gate is not passed");
    is_int(r.platform.sent, 0, "nothing is sent without the lease");
    visit_until_sent(&r, 1);
    rig_forget(&a);
    shut(&r);
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
    open(&r, &p);
    r.platform.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, 1000 };
    turns_submit(r.turns, &m, &o, NULL, NULL);
    for (int i = 1; i < 8; i++) {
        pass(&r, 1100);
        rig_visit(&r, "c1");
        is_int(r.ai.calls, i, "it is tried again, more often than attempts may fail");
    }
    r.platform.place = (struct platform_place){ PLATFORM_PLACE, 0, -1 };
    pass(&r, 1100);
    visit_until_sent(&r, 1);
    store_figures(r.store, SV("2023-11-14"), counted, &calls);
    rig_settle(&r);
    is_int(calls.n, r.ai.calls, "each answer of the AI is counted");
    shut(&r);
}

static void no_place(void)
{
    struct rig r;
    struct rig_answer a;
    open(&r, &rig_policy);
    r.platform.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, 5000 };
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "no place within reach");
    is_int(a.http_status, 202, "202");
    is_str(rig_str(&a, "status"), "queued", "it is queued");
    is_str(rig_str(&a, "reason"), "platform_busy", "and why");
    pass(&r, 4900);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 1, "not before the platform has said");
    pass(&r, 200);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 2, "then it is tried again");
    r.platform.place = (struct platform_place){ PLATFORM_PLACE, 0, -1 };
    pass(&r, 5100);
    visit_until_sent(&r, 1);
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "the promised turn");
    rig_forget(&a);
    shut(&r);
}

static void never_a_place(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a;
    p.retry_for_ms = 60000;
    open(&r, &p);
    r.platform.place = (struct platform_place){ PLATFORM_NO_PLACE, 0, -1 };
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "no place");
    rig_forget(&a);
    pass(&r, 61000);
    rig_visit(&r, "c1");
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "for too long");
    is_str(rig_str(&a, "status"), "failed", "it is given up");
    is_str(rig_str(&a, "reason"), "platform_busy", "and why");
    is_int(r.platform.sent, 0, "nothing was sent");
    rig_forget(&a);
    shut(&r);
}

static void no_memory(void)
{
    struct rig r;
    struct rig_answer a;
    open(&r, &rig_policy);
    r.platform.fail_place = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "no memory for a place");
    is_str(rig_str(&a, "reason"), "responder_out_of_memory", "is said");
    r.platform.fail_place = false;
    visit_until_sent(&r, 1);
    rig_forget(&a);
    shut(&r);
}

/* ---- again ---- */

static void again(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a;
    p.send_idempotent = true;
    open(&r, &p);
    r.platform.outcome = PLATFORM_UNKNOWN;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "nobody knows whether it arrived");
    ok(!r.platform.last_again, "the first attempt");
    char actions[512];
    snprintf(actions, sizeof(actions), "%s", r.platform.last_actions);
    r.platform.outcome = PLATFORM_SENT;
    r.platform.last_actions[0] = r.platform.last_message_id[0] = '\0';
    visit_until_sent(&r, 2);
    ok(r.platform.last_again, "the second one says so");
    is_str(r.platform.last_actions, actions, "with the same actions");
    is_str(r.platform.last_message_id, "m1", "for the same message");
    is_int(r.platform.places, 1, "the platform itself finds a place for it");
    is_int(r.ai.calls, 1, "the AI is not asked again");
    rig_forget(&a);
    shut(&r);
}

int main(void)
{
    log_threshold = LOG_ERROR + 1;
    in_order();
    its_moment();
    a_long_wait();
    none_is_needed();
    figures();
    newer_restarts();
    newer_interrupts();
    newer_in_vain();
    looks_in_between();
    a_look_in_a_look();
    faults();
    cancelled();
    person_takes_over();
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
