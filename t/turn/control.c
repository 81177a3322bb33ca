/* SPDX-License-Identifier: MIT
 * What an administrator does to one conversation and sees of it: cancel, pause, resume, the state, the story of a message. */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"

/* ---- cancel ---- */

static void unknown_ids(void)
{
    struct rig r;
    struct asked q;
    rig_open(&r, &rig_policy);
    ask_cancel(&r, "nobody", &q);
    is_int(q.http_status, 404, "cancel of nobody");
    is_str(q.code, "unknown_conversation", "says so");
    asked_forget(&q);
    control_pause(r.turns, SV("nobody"), 0, asked_fn, &q);
    ok(asked_wait(&r, &q) && q.http_status == 404, "pause of nobody");
    asked_forget(&q);
    control_resume(r.turns, SV("nobody"), asked_fn, &q);
    ok(asked_wait(&r, &q) && q.http_status == 404, "resume of nobody");
    asked_forget(&q);
    ask_show(&r, "nobody", &q);
    is_int(q.http_status, 404, "show nobody");
    asked_forget(&q);
    ask_fate(&r, "nobody", "m1", &q);
    is_int(q.http_status, 404, "fate of nothing");
    asked_forget(&q);
    rig_visit(&r, "nobody"); /* it was due and has no record: a listing of a store that somebody has cut records out of */
    ask_list(&r, CONTROL_ALL, NULL, 10, &q);
    is_int(asked_int(&q, "total_conversations"), 0, "and none of it made a record");
    asked_forget(&q);
    rig_close(&r);
}

static void cancel_thinking(void)
{
    struct rig r;
    struct rig_answer a, b;
    struct asked q;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    is_int(r.ai.running, 1, "the AI works");
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "something newer");
    ask_cancel(&r, "c1", &q);
    is_int(q.http_status, 200, "cancelled");
    ok(asked_bool(&q, "cancelled"), "says so");
    is_str(asked_str(&q, "phase"), "thinking", "while the AI worked");
    is_int(asked_count(&q, "messages"), 1, "one message");
    is_str(asked_str(&q, "messages/0"), "m1", "the one that the turn was about");
    ok(rig_until(&r, &a), "the client hears it");
    is_str(rig_str(&a, "status"), "cancelled", "as cancelled");
    is_int(a.http_status, 200, "200");
    is_str(rig_str(&a, "message_id"), "m1", "of its message");
    is_int(r.ai.aborted, 1, "the AI call is cut");
    is_int(r.platform.sent, 0, "nothing is sent");
    r.ai.hold = false;
    for (int i = 0; i < 100 && r.platform.sent == 0; i++)
        rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "the newer message starts a turn");
    ok(strstr(r.platform.last_body, "[\"m2\"]") != NULL, "of its own");
    is_str(r.platform.last_key, rig_str(&b, "turn_id"), "under the promised id");
    rig_forget(&a);
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "the cancelled message again");
    is_str(rig_str(&a, "status"), "cancelled", "stays cancelled");
    ok(json_is_true(json_object_get(a.result, "replayed")), "and is a replay");
    asked_forget(&q);
    ask_cancel(&r, "c1", &q);
    is_int(q.http_status, 200, "cancel of an idle one");
    ok(!asked_bool(&q, "cancelled"), "does nothing");
    asked_forget(&q);
    rig_forget(&a), rig_forget(&b);
    rig_close(&r);
}

static void cancel_others(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a, b;
    struct asked q;
    p.debounce_ms = 5000;
    rig_open(&r, &p);
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "two messages wait in a quiet window");
    ask_cancel(&r, "c1", &q);
    is_str(asked_str(&q, "phase"), "waiting", "cancel a quiet window");
    is_int(asked_count(&q, "messages"), 2, "ends both");
    ok(rig_until(&r, &a), "its client hears it at once");
    is_str(rig_str(&a, "status"), "cancelled", "as cancelled");
    asked_forget(&q);
    rig_forget(&a), rig_forget(&b);
    rig_close(&r);

    rig_open(&r, &rig_policy);
    r.ai.outcome = AI_UNREACHABLE;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "a message waits for another try");
    ask_cancel(&r, "c1", &q);
    is_str(asked_str(&q, "phase"), "queued", "cancel what waits");
    is_str(asked_str(&q, "messages/0"), "m1", "ends it");
    asked_forget(&q);
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "cancelled", "its fate");
    asked_forget(&q);
    rig_forget(&a);
    rig_close(&r);

    rig_open(&r, &rig_policy);
    r.platform.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    ask_cancel(&r, "c1", &q);
    is_int(q.http_status, 409, "cancel while the reply is sent");
    is_str(q.code, "too_late", "comes too late");
    ok(!asked_bool(&q, "freed"), "and frees nothing");
    rig_platform_release(&r);
    ok(rig_until(&r, &a), "the reply is out");
    is_str(rig_str(&a, "status"), "completed", "and the turn completes");
    asked_forget(&q);
    rig_forget(&a);
    rig_close(&r);
}

/* The process that runs the turn is another one: it hears of it by an event. */
static void cancel_from_elsewhere(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q = { 0 };
    struct err e;
    rig_open(&r, &rig_policy);
    struct turns *other = turns_new(&r.options, &e);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    control_cancel(other, SV("c1"), asked_fn, &q);
    ok(asked_wait(&r, &q), "cancelled from another process");
    ok(asked_bool(&q, "cancelled"), "says so");
    is_int(r.ai.aborted, 0, "the owner does not know");
    (void)turns_event(r.turns, SV("interrupt c1"));
    ok(rig_until(&r, &a), "the event reaches it");
    is_int(r.ai.aborted, 1, "and it cuts its AI call");
    is_str(rig_str(&a, "status"), "cancelled", "its client hears the outcome");
    asked_forget(&q);
    rig_forget(&a);

    rig_send(&r, "c2", "m1", "one", "user", &a);
    rig_settle(&r);
    control_cancel(other, SV("c2"), asked_fn, &q);
    ok(asked_wait(&r, &q), "cancelled, and the event gets lost");
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the AI answers all the same");
    is_str(rig_str(&a, "status"), "cancelled", "the gate is closed");
    is_int(r.platform.sent, 0, "nothing was sent");
    asked_forget(&q);
    rig_forget(&a);
    turns_free(other);
    rig_close(&r);
}

/* The store's answer to a cancel gets lost, or nothing was done: what the administrator hears is true. */
static void cancel_with_faults(void)
{
    for (unsigned n = 3; n < 7; n++) {
        for (int after = 0; after < 2; after++) {
            struct rig r;
            struct rig_answer a;
            struct asked q, again;
            rig_open_failing(&r, &rig_policy, n, after);
            r.ai.hold = true;
            rig_send(&r, "c1", "m1", "one", "user", &a);
            rig_settle(&r);
            ask_cancel(&r, "c1", &q);
            bool cancelled = q.http_status == 200 && asked_bool(&q, "cancelled");
            ok(cancelled || q.http_status == 503, "call %u fails%s: cancelled or not known", n, after ? " and was done" : "");
            ok(cancelled || n < 5, "call %u fails%s: known where it can be", n, after ? " and was done" : "");
            if (n == 4 && after)
                ok(cancelled, "a cancel that was done, and whose answer got lost, is known as done");
            if (cancelled) {
                is_str(asked_str(&q, "messages/0"), "m1", "its message");
                asked_forget(&q);
            } else {
                asked_forget(&q);
                ask_cancel(&r, "c1", &again);
                is_int(again.http_status, 200, "asked again it is done");
                ok(asked_bool(&again, "cancelled"), "says so");
                asked_forget(&again);
            }
            ok(rig_until(&r, &a), "its client hears of it");
            is_int(r.platform.sent, 0, "nothing is sent");
            rig_forget(&a);
            rig_close(&r);
        }
    }
}

/* Two administrators at once, at two processes: the second one's cancel is about the same turn, not about the next. */
static void cancel_twice_at_once(void)
{
    struct rig r;
    struct rig_answer a, b;
    struct asked q = { 0 }, p = { 0 };
    struct err e;
    rig_open(&r, &rig_policy);
    struct turns *other = turns_new(&r.options, &e);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "something newer waits");
    control_cancel(r.turns, SV("c1"), asked_fn, &q);
    control_cancel(other, SV("c1"), asked_fn, &p);
    ok(asked_wait(&r, &q) && asked_wait(&r, &p), "both are answered");
    ok(asked_bool(&q, "cancelled") && asked_bool(&p, "cancelled"), "with the same");
    is_str(asked_str(&q, "turn_id"), asked_str(&p, "turn_id"), "about the same turn");
    is_str(asked_str(&p, "messages/0"), "m1", "and its message");
    is_int(asked_count(&p, "messages"), 1, "alone");
    r.ai.hold = false;
    for (int i = 0; i < 100 && r.platform.sent == 0; i++)
        rig_visit(&r, "c1");
    ok(strstr(r.platform.last_body, "[\"m2\"]") != NULL, "the newer one is answered: %s", r.platform.last_body);
    asked_forget(&q), asked_forget(&p);
    rig_forget(&a), rig_forget(&b);
    turns_free(other);
    rig_close(&r);
}

/* Its process is lost while it sends: freed at once, but nobody knows whether the reply is out. */
static void cancel_a_lost_send(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    struct err e;
    rig_open(&r, &rig_policy);
    r.platform.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    is_int(r.platform.sent, 1, "it is being sent");
    struct turns *lost = r.turns;
    r.turns = turns_new(&r.options, &e);
    clock_fake(clock_wall_ms() + rig_policy.lease_ttl_ms + 1); /* its lease runs out */
    ask_cancel(&r, "c1", &q);
    is_int(q.http_status, 409, "cancel of a lost send");
    is_str(q.code, "too_late", "may be too late");
    ok(asked_bool(&q, "freed"), "but the conversation is free");
    asked_forget(&q);
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "unknown", "its message ends as unknown");
    is_str(asked_str(&q, "reason"), "owner_lost", "because its process was lost");
    asked_forget(&q);
    ask_cancel(&r, "c1", &q);
    is_int(q.http_status, 200, "again");
    ok(!asked_bool(&q, "cancelled"), "there is nothing to cancel");
    asked_forget(&q);
    turns_free(lost);
    clock_real();
    rig_close(&r);
}

/* ---- pause ---- */

static void pausing(void)
{
    struct rig r;
    struct rig_answer a, b;
    struct asked q = { 0 };
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    control_pause(r.turns, SV("c1"), 0, asked_fn, &q);
    ok(asked_wait(&r, &q), "paused while a turn runs");
    ok(!asked_bool(&q, "check_reply"), "check_reply is false");
    ok(json_is_null(json_object_get(q.result, "check_reply_until")), "until somebody resumes it");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the turn ends");
    is_str(rig_str(&a, "reason"), "bot_paused", "silenced at the gate");
    r.ai.hold = false;
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "a message while the bot is silent");
    is_str(rig_str(&b, "reason"), "bot_paused", "is recorded");
    ask_list(&r, CONTROL_PAUSED, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 1, "it is listed as paused");
    asked_forget(&q);
    control_resume(r.turns, SV("c1"), asked_fn, &q);
    ok(asked_wait(&r, &q), "resumed");
    ok(asked_bool(&q, "check_reply"), "check_reply is true");
    asked_forget(&q);
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 0, "what came in silence is not answered by itself");
    rig_forget(&a);
    rig_send(&r, "c1", "m3", "three", "user", &a);
    ok(rig_until(&r, &a), "the next message is answered");
    is_str(r.ai.seen, "user:one|user:two|user:three|", "and the silence is its context");
    ask_list(&r, CONTROL_PAUSED, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 0, "it is not listed any more");
    asked_forget(&q);
    int64_t until_ms = clock_wall_ms() + 60000;
    control_pause(r.turns, SV("c1"), until_ms, asked_fn, &q);
    ok(asked_wait(&r, &q), "paused for a minute");
    is_int(asked_int(&q, "check_reply_until"), until_ms / 1000, "says until when");
    asked_forget(&q);
    rig_forget(&a), rig_forget(&b);
    rig_close(&r);
}

/* ---- the story of a message ---- */

static void stories(void)
{
    struct rig r;
    struct rig_answer a, b, c;
    struct asked q;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "processing", "a message that is worked on");
    is_str(asked_steps(&q, "", NULL, 0), "received:- merged:-", "its story");
    ok(asked_int(&q, "received_at") > 0, "when it came");
    char first[64], second[64];
    snprintf(first, sizeof(first), "%s", asked_str(&q, "turn_id"));
    asked_forget(&q);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "a newer one");
    snprintf(second, sizeof(second), "%s", rig_str(&b, "turn_id"));
    ask_fate(&r, "c1", "m2", &q);
    is_str(asked_str(&q, "status"), "locked", "waits for the next turn");
    is_str(asked_str(&q, "turn_id"), second, "which is known");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the first turn is withheld");
    const char *const turns[] = { first, second };
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "queued", "its message is queued");
    is_str(asked_steps(&q, "", turns, 2), "received:- merged:A superseded:A", "its story so far");
    asked_forget(&q);
    r.ai.hold = false;
    for (int i = 0; i < 100 && r.platform.sent == 0; i++)
        rig_visit(&r, "c1");
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "completed", "answered at last");
    is_str(asked_str(&q, "reason"), "answered", "with one reason");
    is_str(asked_steps(&q, "", turns, 2), "received:- merged:A superseded:A merged:B sent:B", "its whole story");
    is_str(asked_str(&q, "superseded/0"), first, "the withheld turn");
    asked_forget(&q);
    ask_fate(&r, "c1", "m2", &q);
    is_str(asked_steps(&q, "", turns, 2), "received:- merged:B sent:B", "the newer one has a shorter story");
    asked_forget(&q);
    rig_send(&r, "c1", "p1", "I take this", "agent", &c);
    ok(rig_until(&r, &c), "a person writes");
    ask_show(&r, "c1", &q);
    is_int(q.http_status, 200, "the whole state");
    is_int(asked_count(&q, "timeline"), 3, "has three messages");
    is_str(asked_str(&q, "timeline/2/reason"), "agent_message", "the person's among them");
    is_str(asked_steps(&q, "timeline/2", turns, 2), "received:- recorded:-", "which is recorded");
    is_str(asked_steps(&q, "timeline/0", turns, 2), "received:- merged:A superseded:A merged:B sent:B", "the first one's story is there");
    ok(!asked_bool(&q, "check_reply"), "the bot is silent");
    is_int(asked_int(&q, "context_size"), 4, "context: three messages, one reply");
    is_str(asked_str(&q, "phase"), "idle", "idle");
    ok(json_is_null(json_object_get(q.result, "lease")), "no lease");
    asked_forget(&q);
    ask_fate(&r, "c1", "m9", &q);
    is_int(q.http_status, 404, "a message that never came");
    is_str(q.code, "unknown_message", "is unknown");
    asked_forget(&q);
    rig_forget(&a), rig_forget(&b), rig_forget(&c);
    rig_close(&r);
}

/* One row for each way in which a message may end: none without a status and a reason. */
static void ends(void)
{
    static const struct {
        const char *name, *reply;
        enum platform_outcome platform;
        const char *status, *reason, *step;
        bool impossible;
    } rows[] = {
        { "sent", NULL, PLATFORM_SENT, "completed", "answered", "received:- merged:A sent:A", false },
        { "refused", NULL, PLATFORM_FAILED, "completed", "platform_refused", "received:- merged:A failed:A", false },
        { "unknown", NULL, PLATFORM_UNKNOWN, "unknown", "outcome_unknown", "received:- merged:A unknown:A", false },
        { "nothing that its platform can do", NULL, PLATFORM_FAILED, "completed", "no_executable_action", "received:- merged:A skipped:A", true },
        { "nothing to say", "{\"response_text\":\"\"}", PLATFORM_SENT, "completed", "no_actions", "received:- merged:A skipped:A", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct rig r;
        struct rig_answer a;
        struct asked q;
        rig_open(&r, &rig_policy);
        r.ai.reply = rows[i].reply;
        r.platform.outcome = rows[i].platform;
        r.platform.impossible = rows[i].impossible;
        rig_send(&r, "c1", "m1", "one", "user", &a);
        ok(rig_until(&r, &a), "%s: ends", rows[i].name);
        const char *const turns[] = { rig_str(&a, "turn_id") };
        ask_fate(&r, "c1", "m1", &q);
        is_str(asked_str(&q, "status"), rows[i].status, "%s: status", rows[i].name);
        is_str(asked_str(&q, "reason"), rows[i].reason, "%s: reason", rows[i].name);
        is_str(asked_steps(&q, "", turns, 1), rows[i].step, "%s: story", rows[i].name);
        ok(asked_int(&q, "ended_at") > 0, "%s: when", rows[i].name);
        asked_forget(&q);
        rig_forget(&a);
        rig_close(&r);
    }
}

/* While a reply goes out in pieces. */
static void a_person_takes_over(void)
{
    struct rig r;
    struct rig_answer a, b;
    struct asked q;
    rig_open(&r, &rig_policy);
    r.platform.hold = true;
    r.platform.outcome = PLATFORM_PART;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    rig_send(&r, "c1", "p1", "let me", "agent", &b);
    rig_settle(&r);
    rig_platform_release(&r);
    ok(rig_until(&r, &a), "a part of a reply has gone out, and a person takes over");
    const char *const turns[] = { rig_str(&a, "turn_id") };
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "unknown", "nobody says that it was answered");
    is_str(asked_str(&q, "reason"), "bot_paused", "but why not");
    is_str(asked_steps(&q, "", turns, 1), "received:- merged:A unknown:A", "its story");
    asked_forget(&q);
    rig_forget(&a), rig_forget(&b);
    rig_close(&r);
}

static void a_running_turn(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    ask_show(&r, "c1", &q);
    is_str(asked_str(&q, "phase"), "thinking", "a turn runs");
    ok(asked_bool(&q, "ai_processing"), "the AI works");
    ok(asked_bool(&q, "lease/held"), "a lease is held");
    is_str(asked_str(&q, "lease/owner"), alive_name(r.alive), "by this process");
    ok(asked_int(&q, "lease/left_ms") > 0 && asked_int(&q, "lease/left_ms") <= 30000, "for a while");
    ok(asked_int(&q, "lease/fence") > 0, "under a fence");
    is_str(asked_str(&q, "pending_messages/0/message_id"), "m1", "about one message");
    ok(asked_bool(&q, "pending_messages/0/covered"), "that it covers");
    ok(!asked_bool(&q, "stuck"), "it is not stuck");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "it ends");
    rig_forget(&a);
    rig_close(&r);
}

/* A look that the store did not answer is made again as what it was: no reply is not an empty one. */
static void interrupted_without_a_store(void)
{
    for (unsigned n = 1; n < 8; n++) {
        struct policy p = rig_policy;
        struct rig r;
        struct rig_answer a;
        p.on_newer = ON_NEWER_INTERRUPT;
        rig_open_failing(&r, &p, n, false);
        r.ai.hold = true;
        rig_send(&r, "c1", "m1", "one", "user", &a);
        rig_settle(&r);
        if (a.http_status == 0)
            (void)turns_event(r.turns, SV("interrupt c1"));
        for (int i = 0; n == 3 && i < 4000 && a.http_status == 0; i++) { /* the third is the look itself: it is made again after a moment */
            loop_turn(r.loop, false);
            usleep(100);
        }
        is_int(r.ai.aborted, 0, "call %u fails: the AI goes on", n);
        rig_ai_release(&r);
        r.ai.hold = false;
        if (!rig_until(&r, &a))
            bail_out("no answer");
        bool shed = a.http_status == 503;
        is_str(shed ? "completed" : rig_str(&a, "status"), "completed", "call %u fails: the turn completes", n);
        is_str(shed ? "success" : rig_in(&a, "pancake_result", "status"), "success", "call %u fails: with the AI's answer", n);
        rig_forget(&a);
        rig_close(&r);
    }
}

int main(void)
{
    unknown_ids();
    cancel_thinking();
    cancel_others();
    cancel_from_elsewhere();
    cancel_with_faults();
    cancel_twice_at_once();
    cancel_a_lost_send();
    pausing();
    stories();
    ends();
    a_person_takes_over();
    a_running_turn();
    interrupted_without_a_store();
    return done_testing();
}
