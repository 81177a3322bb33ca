/* SPDX-License-Identifier: MIT
 * Dead letters: a turn that was given up, tried again and discarded; an item that the archive refused. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "turn/conversation.h"

static int64_t now_ms;

static void later(int64_t ms)
{
    now_ms += ms;
    clock_fake(now_ms);
}

/* A turn of `n` messages that the AI refuses until it is given up. */
static void give_up(struct rig *r, const char *conversation, int n)
{
    r->ai.outcome = AI_REFUSED;
    for (int i = 1; i <= n; i++) {
        struct rig_answer a;
        char id[16];
        snprintf(id, sizeof(id), "m%d", i);
        rig_send(r, conversation, id, id, "user", &a);
        if (!rig_until(r, &a))
            bail_out("no answer");
        rig_forget(&a);
    }
    for (int i = 0; i < 10; i++) {
        later(1000);
        rig_visit(r, conversation);
    }
    r->ai.outcome = AI_ANSWERED;
}

static void retry(struct rig *r, const char *id, struct asked *q)
{
    *q = (struct asked){ 0 };
    control_dead_retry(r->turns, sv_from(id), asked_fn, q);
    if (!asked_wait(r, q))
        bail_out("a retry gets no answer");
}

static void letter_of(struct rig *r, char *id, size_t size)
{
    struct asked q;
    ask_dead(r, &q);
    is_int(asked_int(&q, "total"), 1, "one letter");
    snprintf(id, size, "%s", asked_str(&q, "dead/0/id"));
    asked_forget(&q);
}

static void given_up(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    char id[64], old_turn[64];
    rig_open(&r, &rig_policy);
    give_up(&r, "c1", 2);
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "failed", "the message is given up");
    is_str(asked_str(&q, "reason"), "ai_refused", "with its reason");
    snprintf(old_turn, sizeof(old_turn), "%s", asked_str(&q, "turn_id"));
    asked_forget(&q);
    ask_dead(&r, &q);
    is_int(asked_count(&q, "dead"), 1, "a letter is there");
    is_str(asked_str(&q, "dead/0/type"), "turn", "of a turn");
    is_str(asked_str(&q, "dead/0/reason"), "ai_refused", "with the reason");
    is_str(asked_str(&q, "dead/0/conversation_id"), "c1", "and its conversation");
    is_str(asked_str(&q, "dead/0/item/turn_id"), old_turn, "and the turn");
    is_int(asked_count(&q, "dead/0/item/messages"), 2, "and both messages");
    is_int(asked_int(&q, "dead/0/attempts"), 3, "after three attempts");
    asked_forget(&q);
    letter_of(&r, id, sizeof(id));
    retry(&r, id, &q);
    is_int(q.http_status, 200, "it is tried again");
    ok(asked_bool(&q, "retried"), "says so");
    is_int(asked_int(&q, "messages"), 2, "with both messages");
    char turn[64];
    snprintf(turn, sizeof(turn), "%s", asked_str(&q, "turn_id"));
    ok(strcmp(turn, old_turn) != 0, "as another turn");
    asked_forget(&q);
    ask_fate(&r, "c1", "m2", &q);
    is_str(asked_str(&q, "status"), "queued", "the message waits again");
    is_str(asked_str(&q, "reason"), "revived", "because it was revived");
    asked_forget(&q);
    ask_show(&r, "c1", &q);
    is_int(asked_count(&q, "timeline"), 2, "and stands in the timeline once");
    is_str(asked_str(&q, "timeline/1/status"), "queued", "as what it is now");
    asked_forget(&q);
    later(10);
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "and is answered");
    is_str(r.ai.seen, "user:m1|user:m2|", "both in order, each once");
    is_str(r.platform.last_key, turn, "under the new turn");
    ask_dead(&r, &q);
    is_int(asked_int(&q, "total"), 0, "the letter is gone");
    asked_forget(&q);
    retry(&r, id, &q);
    is_int(q.http_status, 404, "and cannot be tried again");
    is_str(q.code, "unknown_dead_letter", "says so");
    asked_forget(&q);
    rig_send(&r, "c1", "m3", "m3", "user", &a);
    ok(rig_until(&r, &a), "the conversation goes on");
    is_str(r.ai.seen, "user:m1|user:m2|assistant:answer 4|user:m3|", "and its context holds each message once");
    rig_forget(&a);
    rig_close(&r);
}

/* A letter is tried again while something else goes on. */
static void joins(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q;
    char id[64];
    rig_open(&r, &rig_policy);
    give_up(&r, "c1", 1);
    letter_of(&r, id, sizeof(id));
    r.ai.hold = true;
    rig_send(&r, "c1", "m2", "m2", "user", &a);
    rig_settle(&r);
    retry(&r, id, &q);
    is_int(q.http_status, 200, "tried again while a turn runs");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "that turn ends");
    is_str(rig_str(&a, "status"), "restart_needed", "as something came in");
    r.ai.hold = false;
    later(10);
    rig_visit(&r, "c1");
    is_str(r.ai.seen, "user:m1|user:m2|", "one turn answers both");
    ok(strstr(r.platform.last_body, "[\"m2\",\"m1\"]") != NULL, "what was covered stays in front: %s", r.platform.last_body);
    rig_forget(&a);
    rig_close(&r);

    rig_open(&r, &rig_policy);
    give_up(&r, "c1", 1);
    letter_of(&r, id, sizeof(id));
    r.ai.outcome = AI_UNREACHABLE;
    rig_send(&r, "c1", "m2", "m2", "user", &a);
    ok(rig_until(&r, &a), "another message waits");
    r.ai.outcome = AI_ANSWERED;
    retry(&r, id, &q);
    is_int(q.http_status, 200, "tried again while another waits");
    asked_forget(&q);
    later(1000);
    rig_visit(&r, "c1");
    ok(strstr(r.platform.last_body, "[\"m1\",\"m2\"]") != NULL, "in the order of arrival: %s", r.platform.last_body);
    rig_forget(&a);
    rig_close(&r);
}

static void refusals(void)
{
    struct rig r;
    struct asked q = { 0 };
    char id[64];
    rig_open(&r, &rig_policy);
    give_up(&r, "c1", 1);
    letter_of(&r, id, sizeof(id));
    control_pause(r.turns, SV("c1"), 0, asked_fn, &q);
    ok(asked_wait(&r, &q), "a person takes the conversation");
    asked_forget(&q);
    retry(&r, id, &q);
    is_int(q.http_status, 409, "nothing comes back meanwhile");
    is_str(q.code, "bot_paused", "says so");
    asked_forget(&q);
    control_resume(r.turns, SV("c1"), asked_fn, &q);
    ok(asked_wait(&r, &q), "and gives it back");
    asked_forget(&q);
    retry(&r, "019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b", &q);
    is_int(q.http_status, 404, "an unknown letter");
    asked_forget(&q);
    control_dead_discard(r.turns, sv_from(id), asked_fn, &q);
    ok(asked_wait(&r, &q), "discarded");
    ok(asked_bool(&q, "discarded"), "says so");
    asked_forget(&q);
    control_dead_discard(r.turns, sv_from(id), asked_fn, &q);
    ok(asked_wait(&r, &q), "discarded again");
    is_int(q.http_status, 404, "it is gone");
    asked_forget(&q);
    rig_close(&r);
}

struct put {
    bool done;
    enum store_status status;
};

static void applied(void *arg, enum store_status status, const struct store_applied *a)
{
    struct put *p = arg;
    (void)a;
    p->status = status;
    p->done = true;
}

struct seen {
    bool done;
    uint64_t version;
    char record[2048];
};

static void looked(void *arg, enum store_status status, const struct store_view *v)
{
    struct seen *s = arg;
    s->done = status == STORE_DONE;
    s->version = v->version;
    snprintf(s->record, sizeof(s->record), "%.*s", SV_FMT(v->record));
}

/* Changes the conversation behind everybody's back: another mark for m1, or a letter. */
static void change(struct rig *r, const struct store_pair *mark, const struct store_letter *letter)
{
    struct seen s = { 0 };
    struct put p = { 0 };
    struct store_load load = { .conversation_id = SV("c1") };
    store_load(r->store, &load, looked, &s);
    rig_settle(r);
    struct store_change c = { .conversation_id = SV("c1"), .expect_version = s.version, .record = sv_from(s.record), .marks = mark,
                              .marks_n = mark != NULL, .mark_ttl_ms = 1000000, .letters = letter, .letters_n = letter != NULL,
                              .activity_ms = now_ms };
    store_apply(r->store, &c, applied, &p);
    rig_settle(r);
    if (!s.done || !p.done || p.status != STORE_DONE)
        bail_out("the conversation cannot be changed");
}

static void other_ends(void)
{
    struct rig r;
    struct asked q;
    char id[64];
    rig_open(&r, &rig_policy);
    give_up(&r, "c1", 1);
    letter_of(&r, id, sizeof(id));
    change(&r, &(struct store_pair){ SV("m1"), SV("{\"seq\":1,\"turn\":\"other\",\"h\":\"x\",\"status\":\"completed\",\"at\":5}") }, NULL);
    retry(&r, id, &q);
    is_int(q.http_status, 409, "a message that another turn has answered");
    is_str(q.code, "already_answered", "does not come back");
    asked_forget(&q);
    change(&r, &(struct store_pair){ SV("m1"), SV("{\"seq\":1,\"turn\":\"other\",\"h\":\"x\",\"status\":\"failed\",\"at\":5}") }, NULL);
    retry(&r, id, &q);
    is_int(q.http_status, 409, "nor does one that failed in another turn: it has a letter of its own");
    asked_forget(&q);
    struct buf b = { 0 };
    buf_printf(&b, "{\"seq\":1,\"turn\":\"other\",\"h\":\"x\",\"revived\":\"%s\"}", id);
    change(&r, &(struct store_pair){ SV("m1"), buf_sv(&b) }, NULL);
    buf_fini(&b);
    retry(&r, id, &q);
    is_int(q.http_status, 200, "a retry whose end got lost is done");
    asked_forget(&q);
    ask_dead(&r, &q);
    is_int(asked_int(&q, "total"), 0, "its letter goes");
    asked_forget(&q);
    rig_close(&r);
}

static void batch_told(void *arg, enum store_status status, const struct store_batch *batch)
{
    size_t *n = arg;
    *n = status == STORE_DONE ? batch->n : 0;
}

static void history(void)
{
    static const char item[] = "{\"reason\":\"conversation_id is missing\",\"at\":1700000000.5,\"attempts\":1,\"item\":{\"type\":\"message\","
                               "\"conversation_id\":\"c7\",\"message\":{}}}";
    struct rig r;
    struct asked q;
    size_t n = 0;
    rig_open(&r, &rig_policy);
    give_up(&r, "c1", 1);
    char id[64];
    letter_of(&r, id, sizeof(id));
    change(&r, NULL, &(struct store_letter){ SV("ffffffff-0000-7000-8000-000000000001"), sv_from(item) });
    ask_dead(&r, &q);
    is_int(asked_int(&q, "total"), 2, "two letters");
    is_str(asked_str(&q, "dead/0/type"), "history", "the newest is an item that the archive refused");
    is_str(asked_str(&q, "dead/0/conversation_id"), "c7", "of its conversation");
    is_str(asked_str(&q, "dead/0/reason"), "conversation_id is missing", "with the archive's reason");
    is_str(asked_str(&q, "dead/0/item/type"), "message", "and the item");
    asked_forget(&q);
    q = (struct asked){ 0 };
    control_dead_list(r.turns, SV_NONE, 1, asked_fn, &q);
    ok(asked_wait(&r, &q), "a page of one");
    char cursor[64];
    snprintf(cursor, sizeof(cursor), "%s", asked_str(&q, "next_cursor"));
    asked_forget(&q);
    control_dead_list(r.turns, sv_from(cursor), 1, asked_fn, &q);
    ok(asked_wait(&r, &q), "the next page");
    is_str(asked_str(&q, "dead/0/id"), id, "has the other");
    ok(json_is_null(json_object_get(q.result, "next_cursor")), "and is the last");
    asked_forget(&q);
    static const char *const bad[] = { "x", "-1", "ffffffff-0000-7000-8000-00000000000", "ffffffff-0000-7000-8000-0000000000011",
                                       "ffffffff 0000-7000-8000-000000000001", "FFFFFFFF-0000-7000-8000-000000000001" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        control_dead_list(r.turns, sv_from(bad[i]), 1, asked_fn, memset(&q, 0, sizeof(q)));
        ok(asked_wait(&r, &q) && q.http_status == 422, "no cursor: %s", bad[i]);
        is_str(q.code, "bad_cursor", "says so");
        asked_forget(&q);
    }
    store_take(r.store, STORE_QUEUE_MESSAGES, SV("a"), 100, batch_told, &n);
    rig_settle(&r);
    retry(&r, "ffffffff-0000-7000-8000-000000000001", &q);
    is_int(q.http_status, 200, "the item is tried again");
    is_str(asked_str(&q, "type"), "history", "as such");
    asked_forget(&q);
    store_take(r.store, STORE_QUEUE_MESSAGES, SV("a"), 100, batch_told, &n);
    rig_settle(&r);
    is_int(n, 1, "it stands in the queue");
    rig_close(&r);
}

static void counted(void *arg, enum store_status status, const struct store_view *v)
{
    struct conversation c;
    struct err e;
    bool agree = status == STORE_DONE && conversation_parse(v->record, &c, &e) == 0 && c.pending_n == v->pending_n;
    *(int *)arg = agree ? (int)c.pending_n : -1;
}

/* How many messages are pending; -1: the record says other than the list. */
static int pending_of(struct rig *r, const char *conversation)
{
    int n = -1;
    store_load(r->store, &(struct store_load){ .conversation_id = sv_from(conversation), .want_lists = true }, counted, &n);
    rig_settle(r);
    return n;
}

static void drained_fn(void *arg)
{
    *(bool *)arg = true;
}

/* The process that ran the turn is lost, and no other may try again: the daemon gives it up. */
static void owner_lost(void)
{
    struct policy once = rig_policy;
    struct rig r;
    struct rig_answer a, b;
    struct asked q;
    struct err e;
    char id[64];
    bool drained = false;
    once.attempts_max = 1;
    rig_open(&r, &once);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "m1", "user", &a);
    rig_settle(&r);
    rig_send(&r, "c1", "m2", "m2", "user", &b);
    ok(rig_until(&r, &b), "another message comes meanwhile");
    is_int(pending_of(&r, "c1"), 2, "both wait");
    later(once.lease_ttl_ms + 1); /* it does not renew its lease any more */
    struct turns *lost = r.turns;
    r.turns = turns_new(&r.options, &e);
    rig_visit(&r, "c1");
    is_int(r.ai.calls, 1, "the AI is not asked again");
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "what the owner still hears comes too late");
    is_int(r.platform.sent, 0, "nothing is sent");
    r.ai.hold = false;
    is_int(pending_of(&r, "c1"), 1, "the message that came later waits, and the list knows it");
    ask_fate(&r, "c1", "m1", &q);
    is_str(asked_str(&q, "status"), "failed", "the one before is given up");
    is_str(asked_str(&q, "reason"), "owners_lost", "with its reason");
    asked_forget(&q);
    ask_dead(&r, &q);
    is_str(asked_str(&q, "dead/0/reason"), "owners_lost", "so says its letter");
    is_int(asked_int(&q, "dead/0/attempts"), 1, "after one attempt");
    is_int(asked_count(&q, "dead/0/item/messages"), 1, "with the one message");
    asked_forget(&q);
    letter_of(&r, id, sizeof(id));
    later(10);
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 1, "the later one is answered");
    ok(strstr(r.platform.last_body, "[\"m2\"]") != NULL, "alone: %s", r.platform.last_body);
    retry(&r, id, &q);
    is_int(q.http_status, 200, "the letter is tried again");
    asked_forget(&q);
    is_int(pending_of(&r, "c1"), 1, "its message waits");
    later(10);
    rig_visit(&r, "c1");
    is_int(r.platform.sent, 2, "and is answered");
    ok(strstr(r.platform.last_body, "[\"m1\"]") != NULL, "alone, too: %s", r.platform.last_body);
    is_int(pending_of(&r, "c1"), 0, "nothing waits");
    turns_drain(r.turns, 5000, drained_fn, &drained);
    rig_settle(&r);
    ok(drained, "the daemon ends");
    turns_free(r.turns);
    r.turns = lost;
    rig_forget(&a);
    rig_forget(&b);
    rig_close(&r);
}

int main(void)
{
    now_ms = clock_wall_ms();
    clock_fake(now_ms);
    given_up();
    joins();
    refusals();
    other_ends();
    history();
    owner_lost();
    return done_testing();
}
