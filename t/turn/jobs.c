/* SPDX-License-Identifier: MIT
 * Jobs, on the memory store: what of a history is new, which job answers it, what becomes of it, who is told. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "t/turn/job_ask.h"
#include "turn/watch.h"

/* ---- asking ---- */

static void cancel(struct rig *r, const char *id, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_cancel_job(r->turns, sv_from(id), asked_fn, q);
    if (!asked_wait(r, q))
        bail_out("no answer to a cancel");
}

/* The items of a queue, joined by line feeds; they stay taken. */
static struct buf queue_text;

static void on_taken(void *arg, enum store_status status, const struct store_batch *batch)
{
    *(bool *)arg = true;
    for (size_t i = 0; status == STORE_DONE && i < batch->n; i++)
        buf_printf(&queue_text, "%.*s\n", SV_FMT(batch->items[i]));
}

static const char *take_all(struct rig *r, enum store_queue q)
{
    bool done = false;
    buf_clear(&queue_text);
    store_take(r->store, q, SV("test"), 100, on_taken, &done);
    for (int i = 0; i < 1000 && !done; i++)
        loop_turn(r->loop, false);
    return queue_text.n > 0 ? queue_text.p : "";
}

/* ---- the cases ---- */

static void one_job(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    struct told t = post(&r, "c1", "<USER>Hello, how are you?</USER><br><BOT>I'm doing well!</BOT><br>");
    is_int(t.outcome, HISTORY_STARTED, "a job of its own");
    is_int((int)strlen(t.job_id), 36, "its id is a UUID");
    is_int((int)strlen(t.lock_id), 36, "so is the lock's");
    is_int(t.lock_id[14], '4', "of version 4");
    is_int((int)t.consolidated, 1, "of one message");
    is_str(t.bot_name, "Default Bot", "for the default bot");
    is_int(r.ai.calls, 0, "whoever takes it in does not ask the AI");
    is_job(&r, t.job_id, "queued", "before a daemon comes");
    char capitals[64];
    for (size_t i = 0; i < sizeof(capitals); i++)
        capitals[i] = (char)(t.job_id[i] >= 'a' && t.job_id[i] <= 'f' ? t.job_id[i] - 'a' + 'A' : t.job_id[i]);
    is_job(&r, capitals, "queued", "whatever letters it is asked for with");
    r.platform.hold = true;
    rig_visit(&r, "c1");
    is_job(&r, t.job_id, "processing", "while it is sent");
    char lock[40];
    snprintf(lock, sizeof(lock), "%.8s%.4s%.4s%.4s%.12s", t.lock_id, t.lock_id + 9, t.lock_id + 14, t.lock_id + 19, t.lock_id + 24);
    ok(strstr(r.platform.last_body, lock) != NULL, "under the promised lock");
    rig_platform_release(&r);
    rig_settle(&r);
    r.platform.hold = false;
    is_str(r.ai.seen, "assistant:I'm doing well!|user:Hello, how are you?|", "the AI saw the history, the question last");
    is_str(r.platform.last_key, t.job_id, "the platform's key is the job");
    json_t *j = job_of(&r, t.job_id);
    is_sv(json_sv(j, "status"), SV("completed"), "completed");
    is_int(json_i64(j, "attempts", 0), 1, "at the first try");
    is_int(json_i64(j, "consolidated_messages", 0), 1, "one message");
    ok(json_is_number(json_object_get(j, "created_at")) && json_is_number(json_object_get(j, "started_at")) &&
           json_is_number(json_object_get(j, "completed_at")) && json_is_null(json_object_get(j, "error")), "its times, no error");
    is_sv(json_sv(json_object_get(json_object_get(j, "result"), "ai_response"), "response_text"), SV("answer 1"), "the AI's answer");
    json_decref(j);

    struct told again = post(&r, "c1", "<USER>Hello, how are you?</USER><br><BOT>I'm doing well!</BOT><br>");
    is_int(again.outcome, HISTORY_KNOWN, "the same again: nothing is new");
    is_str(again.job_id, t.job_id, "the earlier job's id comes back");
    again = post(&r, "c1", "<USER>Hello, how are you?</USER><BOT>answer 1</BOT><USER>And you?</USER><USER>Well?</USER>");
    is_int(again.outcome, HISTORY_STARTED, "two more: a new job");
    is_int((int)again.consolidated, 2, "of both");
    rig_visit(&r, "c1");
    ok(strstr(r.ai.seen, "|assistant:answer 1|user:And you?|user:Well?|") != NULL, "the AI sees them after what was said: %s", r.ai.seen);
    is_int(r.platform.sent, 2, "two replies in all");
    rig_close(&r);
}

static void a_burst(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    struct told a = post(&r, "c1", "<USER>one</USER>");
    struct told b = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    is_int(b.outcome, HISTORY_LOCKED, "another while it waits");
    is_str(b.job_id, a.job_id, "is answered by the same job");
    is_str(b.lock_id, a.lock_id, "under the same lock");
    is_int((int)b.consolidated, 2, "which answers two now");
    rig_visit(&r, "c1");
    struct told c = post(&r, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER>");
    is_int(c.outcome, HISTORY_LOCKED, "another while it runs");
    ok(strcmp(c.job_id, a.job_id) != 0, "is promised the next job");
    is_int((int)c.consolidated, 3, "which will answer all three, since the reply is stale then");
    struct told d = post(&r, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER>");
    is_int(d.outcome, HISTORY_LOCKED, "the same again");
    is_str(d.job_id, c.job_id, "waits for the same");
    struct told e = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    is_str(e.job_id, a.job_id, "what the running one has is told as that one's");
    e = post(&r, "c1", "<USER>one</USER>");
    is_str(e.job_id, a.job_id, "also when the request was overtaken by others");
    rig_ai_release(&r);
    rig_settle(&r);
    is_int(r.platform.sent, 0, "the stale reply is withheld");
    r.ai.hold = false;
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "one reply");
    is_str(r.ai.seen, "user:one|user:two|user:three|", "to all three");
    is_str(r.platform.last_key, c.job_id, "by the promised job");
    is_job(&r, c.job_id, "completed", "the promised one");
    json_t *j = job_of(&r, a.job_id);
    is_sv(json_sv(j, "status"), SV("completed"), "the first one too");
    is_sv(json_sv(j, "job_id"), sv_from(a.job_id), "under its own id");
    is_sv(json_sv(j, "merged_into"), sv_from(c.job_id), "merged into the other");
    json_decref(j);
    rig_close(&r);
}

static void other_entrance(void)
{
    struct rig r;
    struct rig_answer x;
    rig_open(&r, &rig_policy);
    rig_send(&r, "c1", "m1", "hello", "user", &x);
    ok(rig_until(&r, &x), "a message through the first entrance");
    rig_forget(&x);
    struct told t = post(&r, "c1", "<USER>hello</USER><BOT>answer 1</BOT>");
    is_int(t.outcome, HISTORY_KNOWN, "is known to the second");
    t = post(&r, "c1", "<USER>hello</USER><BOT>answer 1</BOT><USER>more</USER>");
    rig_send(&r, "c1", "m2", "and more", "user", &x);
    ok(rig_until(&r, &x), "the first entrance while a job waits");
    is_str(rig_str(&x, "status"), "completed", "takes it along and answers both");
    is_str(rig_str(&x, "turn_id"), t.job_id, "as that job");
    is_str(r.ai.seen, "user:hello|assistant:answer 1|user:more|user:and more|", "in order");
    is_job(&r, t.job_id, "completed", "for whoever asks for it");
    rig_forget(&x);
    rig_send(&r, "c1", "a1", "I take over", "agent", &x);
    ok(rig_until(&r, &x), "a person");
    rig_forget(&x);
    t = post(&r, "c1", "<USER>more</USER><USER>and more</USER><BOT>answer 2</BOT><USER>thanks</USER>");
    is_int(t.outcome, HISTORY_RECORDED, "then the bot is silent");
    is_str(t.reason, "bot_paused", "and that is said");
    is_str(t.job_id, "", "no job");
    rig_close(&r);
}

static void tries_and_ends(void)
{
    struct rig r;
    struct policy p = rig_policy;
    p.attempts_max = 3;
    rig_open(&r, &p);
    r.ai.outcome = AI_UNREACHABLE;
    struct told t = post_with(&r, "c1", "<USER>one</USER>", "https://hooks.example.com/x");
    for (int i = 0; i < 400 && r.ai.calls < 3; i++) {
        rig_visit(&r, "c1");
        clock_fake_move(5);
    }
    is_int(r.ai.calls, 3, "tried so many times");
    json_t *j = job_of(&r, t.job_id);
    is_sv(json_sv(j, "status"), SV("failed"), "failed");
    is_sv(json_sv(j, "error"), SV("ai_unreachable"), "with the reason");
    is_int(json_i64(j, "attempts", 0), 3, "and the tries");
    json_decref(j);
    const char *callbacks = take_all(&r, STORE_QUEUE_CALLBACKS);
    ok(strstr(callbacks, "\"url\":\"https://hooks.example.com/x\"") != NULL && strstr(callbacks, "\"type\":\"job.failed\"") != NULL &&
           strstr(callbacks, t.job_id) != NULL, "whoever wanted to be told is: %s", callbacks);
    ok(strstr(take_all(&r, STORE_QUEUE_MESSAGES), "\"job\":{\"attempts\":3") != NULL, "the archive gets the job");
    r.ai.outcome = AI_ANSWERED;
    struct told other = post(&r, "c2", "<USER>two</USER>");
    clock_fake_move(30 * 3600 * 1000);
    is_job(&r, other.job_id, "queued", "a job that nobody took up for a day");
    rig_visit(&r, "c2");
    is_job(&r, other.job_id, "completed", "is answered all the same");
    rig_close(&r);
}

static void callbacks(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    r.ai.hold = true;
    struct told a = post_with(&r, "c1", "<USER>one</USER>", "https://hooks.example.com/a");
    rig_visit(&r, "c1");
    struct told b = post_with(&r, "c1", "<USER>one</USER><USER>two</USER>", "https://hooks.example.com/b");
    rig_ai_release(&r);
    rig_settle(&r);
    is_str(take_all(&r, STORE_QUEUE_CALLBACKS), "", "a reply that is withheld is nobody's outcome");
    r.ai.hold = false;
    rig_visit(&r, "c1");
    const char *items = take_all(&r, STORE_QUEUE_CALLBACKS);
    const char *first = strstr(items, "\"url\":\"https://hooks.example.com/a\""), *second = strstr(items, "\"url\":\"https://hooks.example.com/b\"");
    ok(first != NULL && second != NULL && first < second, "both are told: %s", items);
    char id[128];
    snprintf(id, sizeof(id), "\"job_id\":\"%s\",\"url\"", a.job_id);
    ok(strstr(items, id) != NULL, "the first under the id that it was given");
    snprintf(id, sizeof(id), "\"job_id\":\"%s\",\"url\"", b.job_id);
    ok(strstr(items, id) != NULL, "the second under its own");
    snprintf(id, sizeof(id), "\"data\":{\"job_id\":\"%s\"", a.job_id);
    ok(strstr(items, id) != NULL && strstr(items, "\"type\":\"job.completed\"") != NULL && strstr(items, "answer 2") != NULL, "with the outcome");
    rig_close(&r);
}

static void cancels(void)
{
    struct rig r;
    struct asked q;
    struct policy p = rig_policy;
    rig_open(&r, &p);
    struct told t = post(&r, "c1", "<USER>one</USER>");
    cancel(&r, t.job_id, &q);
    is_int(q.http_status, 200, "what waits is cancelled");
    ok(asked_bool(&q, "cancelled"), "and that is said");
    asked_forget(&q);
    is_job(&r, t.job_id, "cancelled", "its record says so");
    cancel(&r, t.job_id, &q);
    ok(q.http_status == 200 && asked_bool(&q, "cancelled"), "again: the same");
    asked_forget(&q);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 0, "nobody is asked");
    struct told again = post(&r, "c1", "<USER>one</USER>");
    is_int(again.outcome, HISTORY_KNOWN, "what was cancelled is not taken again");
    is_str(again.job_id, t.job_id, "it was that job's");

    r.ai.hold = true;
    t = post(&r, "c1", "<USER>one</USER><USER>two</USER>");
    rig_visit(&r, "c1");
    cancel(&r, t.job_id, &q);
    ok(q.http_status == 200 && r.ai.aborted == 1, "a running one is, and the AI is not asked any more");
    asked_forget(&q);

    t = post(&r, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER>");
    rig_visit(&r, "c1");
    struct told next = post(&r, "c1", "<USER>one</USER><USER>two</USER><USER>three</USER><USER>four</USER>");
    cancel(&r, next.job_id, &q);
    ok(q.http_status == 200, "a promised one that would answer all");
    asked_forget(&q);
    is_job(&r, t.job_id, "cancelled", "is cancelled as a whole");
    is_job(&r, next.job_id, "cancelled", "under both ids");
    rig_settle(&r);
    is_int(r.platform.sent, 0, "nothing was ever sent");

    r.ai.hold = false;
    r.platform.hold = true;
    t = post(&r, "c1", "<USER>three</USER><USER>four</USER><USER>five</USER>");
    rig_visit(&r, "c1");
    next = post(&r, "c1", "<USER>three</USER><USER>four</USER><USER>five</USER><USER>six</USER>");
    cancel(&r, t.job_id, &q);
    is_int(q.http_status, 409, "one that is being sent is not");
    is_str(q.code, "too_late", "too late");
    asked_forget(&q);
    cancel(&r, next.job_id, &q);
    is_int(q.http_status, 200, "the one behind it is");
    asked_forget(&q);
    is_job(&r, next.job_id, "cancelled", "at once");
    again = post(&r, "c1", "<USER>three</USER><USER>four</USER><USER>five</USER><USER>six</USER>");
    is_int(again.outcome, HISTORY_KNOWN, "the same history once more: that job is over");
    is_str(again.job_id, next.job_id, "and it was that one");
    rig_platform_release(&r);
    rig_settle(&r);
    r.platform.hold = false;
    is_job(&r, t.job_id, "completed", "the one that was sent");
    rig_visit(&r, "c1");
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "and nothing else is");
    is_job(&r, next.job_id, "cancelled", "as before");
    ask_show(&r, "c1", &q);
    is_int(asked_int(&q, "pending_messages"), asked_int(&q, "nothing"), "nothing waits");
    asked_forget(&q);
    cancel(&r, t.job_id, &q);
    is_int(q.http_status, 409, "what is completed cannot be cancelled");
    asked_forget(&q);
    cancel(&r, "no-such-job", &q);
    is_int(q.http_status, 404, "what is not there neither");
    is_str(q.code, "unknown_job", "unknown_job");
    asked_forget(&q);
    rig_close(&r);
}

/* ---- who waits ---- */

static int woken;

static void on_woken(void *arg)
{
    (void)arg;
    woken++;
}

static void on_event(void *arg, struct sv event)
{
    (void)turns_event(arg, event);
}

static void news(void)
{
    struct rig r;
    rig_open(&r, &rig_policy);
    store_subscribe(r.store, on_event, r.turns);
    struct watch *a = turns_watch(r.turns, SV("c1"), on_woken, NULL), *b = turns_watch(r.turns, SV("c1"), on_woken, NULL);
    struct watch *other = turns_watch(r.turns, SV("c2"), on_woken, NULL);
    rig_settle(&r);
    woken = 0;
    (void)post(&r, "c1", "<USER>one</USER>");
    r.ai.hold = true;
    rig_visit(&r, "c1");
    is_int(woken, 2, "both who wait hear that it has begun");
    rig_ai_release(&r);
    rig_settle(&r);
    ok(woken >= 4 && woken % 2 == 0, "and that it has ended (%d)", woken);
    turns_unwatch(a);
    turns_unwatch(b);
    turns_drain(r.turns, 0, on_woken, NULL);
    woken = 0;
    rig_settle(&r);
    ok(woken > 0 && turns_is_draining(r.turns), "and when the process ends");
    turns_unwatch(other);
    rig_close(&r);
}

int main(void)
{
    clock_fake(1700000000000);
    one_job();
    a_burst();
    other_entrance();
    tries_and_ends();
    callbacks();
    cancels();
    news();
    buf_fini(&queue_text);
    return done_testing();
}
