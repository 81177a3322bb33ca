/* SPDX-License-Identifier: MIT
 * A platform that gives places: a reply waits for its moment in front of the gate, and whatever comes meanwhile is seen. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "store/store_ops.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "t/turn/places_rig.h"
#include "turn/chat.h"
#include "turn/figures.h"

/* ---- the wait ---- */

static void in_order(void)
{
    struct rig r;
    struct rig_answer a;
    struct message m = { .conversation_id = SV("c1"), .message_id = SV("m1"), .content = SV("one"), .sender_id = SV("customer"),
                         .sender_type = SENDER_USER, .metadata = SV("{\"page_id\":\"p7\"}") };
    places_open(&r, &rig_policy);
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
    places_visit_until_sent(&r, 2);
    is_str(r.platform.last_message_id, "m1", "the newest message");
    is_str(r.platform.last_metadata, "{\"page_id\":\"p7\"}", "and its metadata");
    ok(strstr(r.platform.last_body, r.platform.last_actions) != NULL, "the actions are those of the body");
    places_shut(&r);
}

static void its_moment(void)
{
    struct rig r;
    struct rig_answer a;
    places_begin(&r, &rig_policy, 2000, &a);
    int64_t at_ms = clock_mono_ms() + 2000;
    places_pass(&r, 1999);
    is_int(r.platform.sent, 0, "not before its moment");
    places_pass(&r, 1);
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
    places_shut(&r);
}

/* Longer than a lease lasts, and than the client waits. */
static void a_long_wait(void)
{
    struct rig r;
    struct rig_answer a;
    places_begin(&r, &rig_policy, 100000, &a);
    places_pass(&r, 70000);
    ok(rig_until(&r, &a), "the client is told");
    is_str(rig_str(&a, "status"), "processing", "that it goes on");
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 1, "and nobody else takes it");
    places_pass(&r, 29999);
    is_int(r.platform.sent, 0, "to its end");
    places_pass(&r, 1);
    is_int(r.platform.sent, 1, "it is sent, by the turn that began");
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "under its id");
    rig_forget(&a);
    places_shut(&r);
}

static void none_is_needed(void)
{
    struct rig r;
    struct rig_answer a;
    places_open(&r, &rig_policy);
    r.ai.actions = "[]";
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "a turn without actions");
    is_str(rig_str(&a, "status"), "completed", "is over");
    is_int(r.platform.places + r.platform.sent, 0, "without a place");
    rig_forget(&a);
    places_shut(&r);
}

static void figures(void)
{
    struct rig r;
    struct rig_answer a;
    struct err e;
    struct metrics_times own, sends;
    struct metrics *m = metrics_open(NULL, FIGURES_LAYOUT, &e);
    places_open(&r, &rig_policy);
    turns_free(r.turns);
    r.options.metrics = m;
    r.turns = turns_new(&r.options, &e);
    r.platform.place.at_ms = 3000;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    places_heard(&r, SV("interrupt c1")); /* a look in between changes nothing about it */
    places_pass(&r, 3000);
    ok(rig_until(&r, &a), "a turn that waits for three seconds");
    metrics_times(m, FIGURE_OWN_TIME, &own);
    metrics_times(m, FIGURE_SEND_TIME, &sends);
    is_int(own.n, 1, "is measured");
    is_int(own.sum_us, 0, "without them");
    is_int(sends.sum_us, 0, "nor are they the platform's");
    rig_forget(&a);
    places_shut(&r);
    metrics_close(m);
}

/* ---- what comes meanwhile ---- */

static void newer_restarts(void)
{
    struct rig r;
    struct rig_answer a, b;
    places_begin(&r, &rig_policy, 1000, &a);
    places_pass(&r, 300);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "something newer");
    is_str(rig_str(&b, "status"), "locked", "is locked");
    places_pass(&r, 600);
    is_int(a.http_status, 0, "the turn waits on");
    places_pass(&r, 100);
    ok(rig_until(&r, &a), "to the gate");
    is_str(rig_str(&a, "status"), "restart_needed", "which sees it");
    is_int(r.platform.sent, 0, "nothing stale is sent");
    places_visit_until_sent(&r, 1);
    is_int(r.platform.places, 2, "the next turn has a place of its own");
    ok(strstr(r.platform.last_body, "[\"m1\",\"m2\"]") != NULL, "for both");
    is_str(r.platform.last_message_id, "m2", "and says which is the newest");
    rig_forget(&a), rig_forget(&b);
    places_shut(&r);
}

static void newer_interrupts(void)
{
    struct policy p = places_policy(ON_NEWER_INTERRUPT, 3);
    struct rig r;
    struct rig_answer a, b;
    places_begin(&r, &p, 1000, &a);
    places_pass(&r, 300);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b) && rig_until(&r, &a), "something newer, and the turn ends");
    is_str(rig_str(&a, "status"), "restart_needed", "at once");
    places_pass(&r, 700);
    is_int(r.platform.sent, 0, "its moment is nobody's");
    places_visit_until_sent(&r, 1);
    rig_forget(&a), rig_forget(&b);
    places_shut(&r);
}

/* It may not restart any more: back into the row, and not one millisecond early. */
static void newer_in_vain(void)
{
    struct policy p = places_policy(ON_NEWER_INTERRUPT, 0);
    struct rig r;
    struct rig_answer a, b, c;
    places_begin(&r, &p, 1000, &a);
    int64_t at_ms = clock_mono_ms() + 1000;
    places_pass(&r, 300);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    places_pass(&r, 200);
    rig_send(&r, "c1", "m3", "three", "user", &c);
    places_pass(&r, 499);
    is_int(r.platform.sent, 0, "looks send nothing");
    is_int(r.platform.places, 1, "and need no other place");
    places_pass(&r, 1);
    is_int(r.platform.sent, 1, "it is sent");
    is_int(r.platform.sent_ms, at_ms, "at its moment");
    ok(rig_until(&r, &a), "the client");
    is_str(rig_str(&a, "status"), "completed", "hears it");
    ok(strstr(r.platform.last_body, "[\"m1\"]") != NULL, "for what it was asked");
    places_visit_until_sent(&r, 2);
    rig_forget(&a), rig_forget(&b), rig_forget(&c);
    places_shut(&r);
}

/* The place, its moment and that there is none come while a look is under way; each look starts just before. */
static void looks_in_between(void)
{
    for (int i = 0; i < 3; i++) {
        struct rig r;
        struct rig_answer a;
        places_open(&r, &rig_policy);
        r.platform.hold_place = true;
        r.platform.place.at_ms = i == 1 ? 500 : 0;
        rig_send(&r, "c1", "m1", "one", "user", &a);
        rig_settle(&r);
        for (int k = 0; k < 3; k++)
            places_heard(&r, SV("interrupt c1"));
        if (i == 2)
            r.platform.place.outcome = PLATFORM_NO_PLACE;
        rig_place_release(&r);
        for (int k = 0; k < 40; k++) {
            places_heard(&r, SV("interrupt c1"));
            loop_turn(r.loop, false);
        }
        rig_settle(&r);
        if (i == 1) {
            is_int(r.platform.sent, 0, "not before its moment");
            places_pass(&r, 499);
            for (int k = 0; k < 3; k++)
                places_heard(&r, SV("interrupt c1"));
            rig_settle(&r);
            is_int(r.platform.sent, 0, "nor just before it");
            for (int k = 0; k < 3; k++)
                places_heard(&r, SV("interrupt c1"));
            places_pass(&r, 1);
        }
        ok(rig_until(&r, &a), "case %d ends", i);
        is_str(rig_str(&a, "status"), i == 2 ? "queued" : "completed", "case %d, as without looks", i);
        is_int(r.platform.sent, i != 2, "case %d, sent", i);
        is_int(r.platform.places, 1, "case %d, one place", i);
        rig_forget(&a);
        places_shut(&r);
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
    places_begin(&r, &rig_policy, 1000, &a);
    counted_ops = r.store->ops;
    counting = *counted_ops;
    counting.load = count_load;
    r.store->ops = &counting;
    loads = 0;
    for (int i = 0; i < 3; i++)
        places_heard(&r, SV("interrupt c1"));
    rig_settle(&r);
    is_int(loads, 2, "what is heard during a look is looked at once more");
    r.store->ops = counted_ops;
    places_pass(&r, 1000);
    is_int(r.platform.sent, 1, "and the reply is sent");
    ok(rig_until(&r, &a), "as ever");
    rig_forget(&a);
    places_shut(&r);
}

static void cancelled(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    places_begin(&r, &rig_policy, 1000, &a);
    places_pass(&r, 300);
    ask_cancel(&r, "c1", &q);
    ok(asked_bool(&q, "cancelled"), "an administrator cancels");
    is_str(asked_str(&q, "phase"), "thinking", "what counts as thinking");
    ok(rig_until(&r, &a), "the client hears it");
    is_str(rig_str(&a, "status"), "cancelled", "at once");
    places_pass(&r, 2000);
    is_int(r.platform.sent, 0, "nothing of it goes out");
    is_int((int64_t)turns_running(r.turns), 0, "nothing is left");
    asked_forget(&q);
    rig_forget(&a);
    places_shut(&r);
}

static void erased(void)
{
    const struct chat_who who = { .admin = true };
    struct rig r;
    struct rig_answer a;
    struct asked q = { 0 };
    places_begin(&r, &rig_policy, 1000, &a);
    places_pass(&r, 300);
    chat_erase(r.turns, &who, SV("customer"), SV("c1"), asked_fn, &q);
    ok(asked_wait(&r, &q) && q.http_status == 200, "the conversation is erased");
    ok(rig_until(&r, &a), "the client hears it");
    is_str(rig_str(&a, "reason"), "erased", "at once");
    places_pass(&r, 2000);
    is_int(r.platform.sent, 0, "nothing of it goes out");
    is_int((int64_t)turns_running(r.turns), 0, "nothing is left");
    asked_forget(&q);
    rig_forget(&a);
    places_shut(&r);
}

static void person_takes_over(void)
{
    struct rig r;
    struct rig_answer a, b;
    places_begin(&r, &rig_policy, 1000, &a);
    rig_send(&r, "c1", "p1", "I take this", "agent", &b);
    ok(rig_until(&r, &b), "a person's message");
    places_pass(&r, 1000);
    ok(rig_until(&r, &a), "the turn ends");
    is_str(rig_str(&a, "reason"), "bot_paused", "without a word");
    is_int(r.platform.sent, 0, "nothing was sent");
    rig_forget(&a), rig_forget(&b);
    places_shut(&r);
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
    cancelled();
    erased();
    person_takes_over();
    return done_testing();
}
