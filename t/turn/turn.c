/* SPDX-License-Identifier: MIT
 * The engine, message by message, on the memory store. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/rig.h"

static void one_message(void)
{
    struct rig r;
    struct rig_answer a, b;
    rig_open(&r, &rig_policy);
    rig_send(&r, "c1", "m1", "hello", "user", &a);
    ok(rig_until(&r, &a), "an answer comes");
    is_int(a.http_status, 200, "200");
    is_str(rig_str(&a, "status"), "completed", "completed");
    is_str(rig_in(&a, "ai_response", "response_text"), "answer 1", "the AI's text");
    is_str(rig_in(&a, "pancake_result", "status"), "success", "sent");
    is_str(rig_str(&a, "message_id"), "m1", "message_id");
    is_str(r.ai.seen, "user:hello|", "what the AI saw");
    is_int(r.platform.sent, 1, "one send");
    ok(strstr(r.platform.last_body, "\"message_ids\":[\"m1\"]") != NULL, "message_ids in the body");
    is_str(r.platform.last_key, rig_str(&a, "turn_id"), "the key is the turn");

    rig_send(&r, "c1", "m1", "hello", "user", &b);
    ok(rig_until(&r, &b), "the duplicate is answered");
    is_str(rig_str(&b, "status"), "completed", "like the first");
    ok(json_is_true(json_object_get(b.result, "replayed")), "and says so");
    is_str(rig_in(&b, "ai_response", "response_text"), "answer 1", "with the whole answer");
    is_int(r.ai.calls, 1, "no second AI call");
    rig_forget(&b);

    rig_send(&r, "c1", "m2", "and?", "user", &b);
    ok(rig_until(&r, &b), "the next message");
    is_str(r.ai.seen, "user:hello|assistant:answer 1|user:and?|", "context grows");
    rig_forget(&a);
    rig_forget(&b);
    rig_close(&r);
}

static void burst_restarts(void)
{
    struct rig r;
    struct rig_answer a, b, c, d;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    rig_send(&r, "c1", "m2", "two", "user", &b);
    rig_send(&r, "c1", "m3", "three", "user", &c);
    ok(rig_until(&r, &b) && rig_until(&r, &c), "both are answered at once");
    is_str(rig_str(&b, "status"), "locked", "locked");
    is_str(rig_str(&b, "reason"), "processing_in_progress", "reason");
    is_int(json_i64(b.result, "position", 0), 1, "position 1");
    is_int(json_i64(c.result, "position", 0), 2, "position 2");
    is_str(rig_str(&b, "turn_id"), rig_str(&c, "turn_id"), "one next turn for both");
    rig_send(&r, "c1", "m1", "one", "user", &d);
    ok(rig_until(&r, &d), "a duplicate of the running one");
    is_str(rig_str(&d, "status"), "locked", "is locked");
    rig_forget(&d);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the first turn ends");
    is_str(rig_str(&a, "status"), "restart_needed", "restart_needed");
    is_int(json_array_size(json_object_get(a.result, "newer_messages")), 2, "two newer messages");
    is_str(json_string_value(json_object_get(json_object_get(a.result, "restart"), "job_id")), rig_str(&b, "turn_id"), "the job that was promised");
    is_int(r.platform.sent, 0, "nothing was sent");
    r.ai.hold = false;
    for (int i = 0; i < 100 && r.platform.sent == 0; i++)
        rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "one reply");
    is_str(r.ai.seen, "user:one|user:two|user:three|", "to all three in order");
    ok(strstr(r.platform.last_body, "[\"m1\",\"m2\",\"m3\"]") != NULL, "that says so");
    is_str(r.platform.last_key, rig_str(&b, "turn_id"), "under the promised id");
    is_int(r.ai.running_max, 1, "never two AI calls at once");
    rig_forget(&a), rig_forget(&b), rig_forget(&c);
    rig_close(&r);
}

static void person_takes_over(void)
{
    struct rig r;
    struct rig_answer a, b, c;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    rig_send(&r, "c1", "p1", "I take this", "agent", &b);
    ok(rig_until(&r, &b), "the person's message");
    is_str(rig_str(&b, "reason"), "agent_message", "is recorded");
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the turn ends");
    is_str(rig_str(&a, "status"), "recorded", "recorded");
    is_str(rig_str(&a, "reason"), "bot_paused", "because a person took over");
    is_int(r.platform.sent, 0, "nothing was sent");
    rig_send(&r, "c1", "m2", "two", "user", &c);
    ok(rig_until(&r, &c), "a later message");
    is_str(rig_str(&c, "reason"), "bot_paused", "is recorded only");
    is_int(r.ai.calls, 1, "the AI is not asked");
    rig_forget(&a), rig_forget(&b), rig_forget(&c);
    rig_close(&r);
}

static void failures(void)
{
    struct rig r;
    struct rig_answer a, b;
    rig_open(&r, &rig_policy);
    r.ai.outcome = AI_UNREACHABLE;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "AI away");
    is_int(a.http_status, 202, "202");
    is_str(rig_str(&a, "status"), "queued", "queued");
    is_str(rig_str(&a, "reason"), "ai_unreachable", "reason");
    r.ai.outcome = AI_ANSWERED;
    clock_fake(clock_wall_ms() + 100);
    rig_visit(&r, "c1");
    clock_real();
    is_int(r.platform.sent, 1, "the daemon answers it");
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "under the job that was promised");
    rig_forget(&a);

    r.platform.outcome = PLATFORM_UNKNOWN;
    rig_send(&r, "c2", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "unknown outcome");
    is_str(rig_in(&a, "pancake_result", "status"), "unknown", "is said");
    int sent = r.platform.sent;
    rig_visit(&r, "c2");
    is_int(r.platform.sent, sent, "and not repeated");
    rig_send(&r, "c2", "m1", "one", "user", &b);
    ok(rig_until(&r, &b), "nor by a duplicate");
    is_int(r.platform.sent, sent, "not sent again");
    rig_forget(&a), rig_forget(&b);

    r.platform.outcome = PLATFORM_FAILED;
    rig_send(&r, "c3", "m1", "one", "user", &a);
    ok(rig_until(&r, &a), "refused by the platform");
    is_str(rig_str(&a, "status"), "completed", "completed");
    is_str(rig_in(&a, "pancake_result", "status"), "failed", "as failed");
    rig_forget(&a);
    rig_close(&r);
}

static void actions(void)
{
    static const struct {
        const char *reply, *actions, *body;
        int sent;
    } cases[] = {
        { "{\"response_text\":\"hi\"}", "[{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"a\",\"quick_replies\":[\"x\"]}}]",
          "\"actions\":[{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"a\",\"quick_replies\":[\"x\"]}}]", 1 },
        { "{\"response_text\":\"hi\"}", "[]", "", 0 },
        { "{\"response_text\":\"\"}", NULL, "", 0 },
        { "{\"response_text\":\"hi\"}", "[{\"type\":\"fly\"}]", "\"actions\":[{\"type\":\"send_message\",\"data\":{\"message\":\"hi\"}}]", 1 },
        { "{\"response_text\":\"Sure.\\n```json\\n{\\\"actions\\\":[{\\\"type\\\":\\\"transfer_to_agent\\\"}]}\\n```\"}", NULL,
          "\"actions\":[{\"type\":\"transfer_to_agent\",\"data\":{}},{\"type\":\"send_message\",\"data\":{\"message\":\"Sure.\"}}]", 1 },
        { "{\"response_text\":\"x\"}", "[{\"type\":\"send_message\",\"data\":{\"message\":\"\"}},{\"type\":\"end_conversation\"}]",
          "\"actions\":[{\"type\":\"end_conversation\",\"data\":{}}]", 1 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rig r;
        struct rig_answer a;
        rig_open(&r, &rig_policy);
        r.ai.reply = cases[i].reply;
        r.ai.actions = cases[i].actions;
        rig_send(&r, "c1", "m1", "one", "user", &a);
        ok(rig_until(&r, &a), "case %zu is answered", i);
        is_str(rig_str(&a, "status"), "completed", "case %zu completes", i);
        is_int(r.platform.sent, cases[i].sent, "case %zu sends", i);
        ok(strstr(r.platform.last_body, cases[i].body) != NULL, "case %zu has its actions: %s", i, r.platform.last_body);
        rig_forget(&a);
        rig_close(&r);
    }
}

static void debounce(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a, b;
    p.debounce_ms = 30;
    rig_open(&r, &p);
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    is_int(r.ai.calls, 0, "the AI waits for the quiet window");
    rig_send(&r, "c1", "m2", "two", "user", &b);
    ok(rig_until(&r, &b), "the second message");
    is_str(rig_str(&b, "reason"), "deferred", "joins the burst");
    ok(rig_until(&r, &a), "the first is answered");
    is_str(rig_str(&a, "status"), "completed", "completed");
    is_str(r.ai.seen, "user:one|user:two|", "for both");
    is_int(r.platform.sent, 1, "by one reply");
    rig_forget(&a), rig_forget(&b);
    rig_close(&r);
}

static void drained_flag(void *arg)
{
    *(bool *)arg = true;
}

static void drain(void)
{
    struct rig r;
    struct rig_answer a;
    bool done = false;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "one", "user", &a);
    rig_settle(&r);
    turns_drain(r.turns, 0, drained_flag, &done);
    ok(rig_until(&r, &a), "a drained client is answered");
    is_str(rig_str(&a, "status"), "processing", "with processing");
    for (int i = 0; i < 1000 && !done; i++)
        loop_turn(r.loop, false);
    ok(done, "the drain ends");
    is_int(r.ai.aborted, 1, "the AI call is cut");
    turns_free(r.turns);
    struct err e;
    r.turns = turns_new(&r.options, &e);
    r.ai.hold = false;
    for (int i = 0; i < 100 && r.platform.sent == 0; i++) /* due by the store's clock, which the engine knows to the millisecond */
        rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "another process answers");
    is_str(r.platform.last_key, rig_str(&a, "job_id"), "under the promised job");
    rig_forget(&a);
    rig_close(&r);
}

static void kept(void *arg, enum store_status status)
{
    *(bool *)arg = status == STORE_DONE;
}

static void got_job(void *arg, enum store_status status, struct sv job)
{
    json_t **out = arg;
    *out = status == STORE_DONE && job.p != NULL ? json_read(job, false, NULL) : json_null();
}

/* A client was sent away with a job whose turn got lost; another turn has answered its message. */
static void job_of_a_lost_turn(void)
{
    static const char open_job[] = "{\"job_id\":\"lost\",\"conversation_id\":\"c1\",\"message_id\":\"m1\",\"status\":\"processing\"}";
    struct rig r;
    struct rig_answer a;
    bool put = false;
    json_t *job = NULL;
    rig_open(&r, &rig_policy);
    rig_send(&r, "c1", "m1", "hello", "user", &a);
    ok(rig_until(&r, &a), "answered by some turn");
    store_put(r.store, SV("job_open:lost"), sv_from(open_job), 60000, kept, &put);
    rig_settle(&r);
    ok(put, "what the client was told is kept");
    turns_job(r.turns, SV("lost"), got_job, &job);
    rig_settle(&r);
    is_sv(json_sv(job, "status"), SV("completed"), "its job is completed");
    is_sv(json_sv(job, "job_id"), SV("lost"), "under the name that the client knows");
    is_sv(json_sv(json_object_get(job, "result"), "message_id"), SV("m1"), "with the answer");
    json_decref(job);
    job = NULL;
    turns_job(r.turns, SV("nobody"), got_job, &job);
    rig_settle(&r);
    ok(json_is_null(job), "an unknown job is unknown");
    rig_forget(&a);
    rig_close(&r);
}

int main(void)
{
    one_message();
    burst_restarts();
    person_takes_over();
    failures();
    actions();
    debounce();
    drain();
    job_of_a_lost_turn();
    return done_testing();
}
