/* SPDX-License-Identifier: MIT
 * Exchanges that were made elsewhere: taken once, whoever tells of them how often, beside whatever turn, whatever the store or the archive forgets. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "archive/archive_item.h"
#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "t/turn/history_ask.h"
#include "t/turn/job_ask.h"
#include "t/turn/sync_rig.h"
#include "turn/session.h"

/* What a daemon makes of the items that wait. */
static void archived(struct rig *r, size_t n)
{
    struct arena *a = arena_new(0, 1u << 20);
    size_t got = history_items(r), good = 0;
    for (size_t i = 0; i < got; i++) {
        struct item item;
        struct err e = { 0 };
        if (item_parse(a, sv_from(history_item(i)), &item, &e) == 0 && item.messages_n == 1 && item.has_turn && item.fence <= 0)
            good++;
        else
            diag("%s: %s", e.text, history_item(i));
        arena_reset(a);
    }
    is_int(got, n, "%zu items for the archive", n);
    is_int(good, n, "which takes them");
    arena_free(a);
}

/* ---- one ---- */

static void one(void)
{
    struct rig r;
    struct rig_answer a;
    sync_open(&r);
    struct chat_exchange e = sync_made("x1", 1500);
    e.metadata = SV("{\"k\":1}");
    is_str(sync_one(&r, e), DONE("x1", "false"), "one is told of");
    is_str(history_entries(&r, "c1", "customer"), "x1:completed=answer-x1", "its entry");
    has_str(history_entry(&r, "c1", "customer", 0), "\"timestamp\":\"2023-11-14T11:59:58.500Z\",\"metadata\":{\"k\":1},\"status\":\"completed\",\"reason\":null,",
            "with its own time");
    has_str(history_entry(&r, "c1", "customer", 0), ",\"seq\":1,\"received\":1699963200000,\"synced\":true}", "and where it is from");
    is_str(history_context(&r, "c1"), "x1:user=ask-x1 -:assistant=answer-x1", "both are context for later");
    is_str(history_field(&r, "c1", "messageCount"), "1", "counted");
    is_str(history_field(&r, "c1", "userId"), "customer", "the session is his");
    is_int(history_figure(&r, "total_messages"), 1, "one message");
    is_int(history_figure(&r, "user_customer_messages"), 1, "of his");
    is_int(history_figure(&r, "ai_responses"), 1, "one reply");
    is_int(history_figure(&r, "completed_turns") + history_figure(&r, "ai_calls"), 0, "but no turn, and nobody was asked");
    e.user_message = SV("another text");
    is_str(sync_one(&r, e), DONE("x1", "true"), "told of again it is known");
    is_str(history_entries(&r, "c1", "customer"), "x1:completed=answer-x1", "and nothing changes");
    is_str(history_field(&r, "c1", "messageCount"), "1", "at all");
    is_int(history_items(&r), 1, "one item for the archive");
    has_str(history_item(0), "{\"type\":\"turn\",\"v\":1,\"conversation_id\":\"c1\",\"turn_id\":\"", "a turn");
    has_str(history_item(0), "\"seq\":1,\"status\":\"completed\",\"synced\":true,\"at\":1699963200000,\"messages\":[{\"message_id\":\"x1\",\"content\":\"ask-x1\","
            "\"sender_id\":\"customer\",\"sender_type\":\"user\",\"timestamp\":1699963198500,\"received\":1699963200000,\"seq\":1,\"metadata\":{\"k\":1}}],"
            "\"actions\":[],\"reply\":{\"response_text\":\"answer-x1\"},", "with message and reply");
    rig_send(&r, "c1", "x1", "ask-x1", "user", &a);
    rig_until(&r, &a);
    is_str(rig_str(&a, "status"), "completed", "delivered by the platform as well it is known, too");
    is_int(r.ai.calls, 0, "and nobody is asked");
    rig_forget(&a);
    sync_say(&r, "m1");
    is_str(r.ai.seen, "user:ask-x1|assistant:answer-x1|user:m1|", "the next turn knows it");
    is_int(history_figure(&r, "total_messages"), 2, "two messages");
    rig_close(&r);
}

static void without(void)
{
    struct rig r;
    sync_open(&r);
    struct chat_exchange e = sync_made("x1", 1000);
    e.ai_response = SV_NONE;
    is_str(sync_one(&r, e), DONE("x1", "false"), "one without a reply");
    is_str(history_entries(&r, "c1", "customer"), "x1:recorded/synced", "is recorded");
    e = sync_made("x2", 500);
    e.user_message = SV_NONE;
    is_str(sync_one(&r, e), DONE("x2", "false"), "one without a question");
    is_str(history_entries(&r, "c1", "customer"), "x1:recorded/synced x2:completed=answer-x2", "is an exchange all the same");
    is_str(history_context(&r, "c1"), "x1:user=ask-x1 -:assistant=answer-x2", "the AI is told what was said, not what was not");
    is_int(history_figure(&r, "ai_responses"), 1, "one reply");
    e = sync_made("", 0);
    e.timestamp_ms = -1;
    e.message_id = SV_NONE;
    has_str(sync_one(&r, e), "\"duplicate\":false", "one without a name gets one");
    has_str(history_entry(&r, "c1", "customer", 0), "\"timestamp\":\"2023-11-14T12:00:00.000Z\"", "and this moment");
    archived(&r, 3);
    rig_close(&r);
}

/* ---- many ---- */

static void many(void)
{
    struct rig r;
    sync_open(&r);
    struct chat_exchange list[] = { sync_made("x3", 1000), sync_made("x1", 3000), sync_made("x2", 2000), sync_made("x1", 3000), sync_made("x9", 500) };
    list[4].session_id = SV("c2");
    is_str(sync_many(&r, list, ARRAY_LEN(list)), MANY("4", "1"), "five, one of them twice");
    is_str(history_entries(&r, "c1", "customer"), "x1:completed=answer-x1 x2:completed=answer-x2 x3:completed=answer-x3", "in the order of their time");
    is_str(history_context(&r, "c1"), "x1:user=ask-x1 -:assistant=answer-x1 x2:user=ask-x2 -:assistant=answer-x2 x3:user=ask-x3 -:assistant=answer-x3",
           "as the AI is told");
    is_str(history_entries(&r, "c2", "customer"), "x9:completed=answer-x9", "the other session has its own");
    is_int(history_sessions(&r, "customer"), 2, "both are his");
    list[0] = sync_made("x4", 100);
    is_str(sync_many(&r, list, ARRAY_LEN(list)), MANY("1", "4"), "most of them again, and one more");
    is_str(history_field(&r, "c1", "messageCount"), "4", "four are counted");
    is_int(history_items(&r), 5, "five items for the archive");
    is_str(sync_many(&r, list, 0), MANY("0", "0"), "none");
    rig_close(&r);
}

static void very_many(void)
{
    static struct chat_exchange list[1001];
    static char names[1001][2][8];
    struct rig r;
    sync_open(&r);
    for (size_t i = 0; i < 1001; i++) {
        (void)snprintf(names[i][0], 8, "x%zu", i);
        (void)snprintf(names[i][1], 8, "s%zu", i % 40);
        list[i] = sync_made(names[i][0], 0);
        list[i].session_id = sv_from(names[i][1]);
    }
    is_str(sync_many(&r, list, 1001), "413 too_many_messages null", "more than a thousand");
    is_str(sync_many(&r, list, 1000), MANY("1000", "0"), "a thousand in forty sessions");
    is_str(sync_many(&r, list, 1000), MANY("0", "1000"), "again");
    is_int(history_figure(&r, "total_messages"), 1000, "counted once");
    is_int(history_sessions(&r, "customer"), 40, "forty sessions");
    archived(&r, 1000);
    rig_close(&r);
}

static void of_another(void)
{
    struct rig r;
    sync_open(&r);
    sync_say(&r, "m1");
    struct chat_exchange list[] = { sync_made("x1", 0), sync_made("x2", 0), sync_made("x3", 0), sync_made("x4", 0) };
    list[0].user_id = SV("somebody");
    is_str(sync_one(&r, list[0]), "409 session_of_another_user null", "a session of another user");
    list[1].session_id = list[2].session_id = SV("c2");
    list[2].user_id = SV("somebody");
    list[3].session_id = SV("c3");
    is_str(sync_many(&r, list, 4), "409 session_of_another_user {\"synced\":1,\"duplicates\":0,\"sessions\":[\"c1\",\"c2\"]}",
           "one of another, one of two, one that is right");
    is_str(history_entries(&r, "c1", "customer"), "m1:completed=answer 1", "the first is as it was");
    is_str(history_entries(&r, "c3", "customer"), "x4:completed=answer-x4", "what is right was taken");
    list[0].message_id = SV("m1");
    is_str(sync_one(&r, list[0]), "409 session_of_another_user null", "also where the message is known");
    rig_close(&r);
}

/* ---- beside a turn, and each other ---- */

static void beside_a_turn(void)
{
    struct rig r;
    struct rig_answer a;
    sync_open(&r);
    r.ai.hold = true;
    rig_send(&r, "c1", "m1", "m1", "user", &a);
    rig_settle(&r);
    is_str(sync_one(&r, sync_made("x1", 0)), DONE("x1", "false"), "while a turn runs");
    rig_ai_release(&r);
    rig_until(&r, &a);
    is_str(rig_str(&a, "status"), "completed", "which goes on: it has nothing newer to answer");
    is_str(history_entries(&r, "c1", "customer"), "x1:completed=answer-x1 m1:completed=answer 1", "both are there");
    is_str(history_field(&r, "c1", "messageCount"), "2", "and counted");
    is_int(r.ai.calls, 1, "the AI was asked once");
    rig_forget(&a);
    r.ai.hold = false;
    r.platform.hold = true;
    rig_send(&r, "c1", "m2", "m2", "user", &a);
    rig_settle(&r);
    is_str(sync_one(&r, sync_made("x2", 0)), DONE("x2", "false"), "while its reply is being sent");
    rig_platform_release(&r);
    rig_until(&r, &a);
    is_str(rig_str(&a, "status"), "completed", "which goes out");
    is_int(r.platform.sent, 2, "once");
    rig_forget(&a);
    rig_close(&r);
}

/* Two processes on one store. */
static void beside_each_other(void)
{
    struct rig r;
    struct err e;
    struct asked q[6] = { 0 };
    struct rig_answer a[2];
    sync_open(&r);
    struct turns *other = turns_new(&r.options, &e);
    struct chat_exchange list[] = { sync_made("x1", 3), sync_made("x2", 2), sync_made("x3", 1) };
    int64_t synced = 0;
    for (size_t i = 0; i < ARRAY_LEN(q); i++)
        chat_sync(i % 2 == 0 ? r.turns : other, list + i % 3, 3 - i % 3, true, asked_fn, &q[i]);
    rig_send(&r, "c1", "m1", "m1", "user", &a[0]);
    rig_send(&r, "c1", "m2", "m2", "user", &a[1]);
    for (size_t i = 0; i < ARRAY_LEN(q); i++) {
        asked_wait(&r, &q[i]);
        is_int(q[i].http_status, 200, "call %zu", i);
        synced += asked_int(&q[i], "synced");
        asked_forget(&q[i]);
    }
    is_int(synced, 3, "each was taken by one of them");
    for (size_t i = 0; i < 2; i++) {
        rig_until(&r, &a[i]);
        rig_forget(&a[i]);
    }
    for (int i = 0; i < 5; i++)
        rig_visit(&r, "c1");
    is_str(history_field(&r, "c1", "messageCount"), "5", "five messages");
    is_int(history_figure(&r, "total_messages"), 5, "on that day");
    turns_free(other);
    rig_close(&r);
}

/* Many tell of one session at once, in two processes. */
static void crowd(void)
{
    static struct asked q[120];
    static char ids[120][8];
    struct rig r;
    struct err e;
    size_t done = 0;
    sync_open(&r);
    struct turns *other = turns_new(&r.options, &e);
    for (size_t i = 0; i < ARRAY_LEN(q); i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "x%zu", i);
        const struct chat_exchange x = sync_made(ids[i], 0);
        chat_sync(i % 2 == 0 ? r.turns : other, &x, 1, false, asked_fn, &q[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(q); i++) {
        asked_wait(&r, &q[i]);
        done += q[i].http_status == 200 && !asked_bool(&q[i], "duplicate");
        asked_forget(&q[i]);
    }
    is_int(done, 120, "a hundred and twenty at once: all are taken");
    is_str(history_field(&r, "c1", "messageCount"), "120", "and counted");
    turns_free(other);
    rig_close(&r);
}

/* The store fails at its n-th call, before or after it has done it: told of again, everything is there once. */
static void cut_off(void)
{
    for (unsigned n = 1; n <= 8; n++) {
        for (int after = 0; after < 2; after++) {
            struct rig r;
            char first[1000];
            clock_fake(NOON);
            rig_open_failing(&r, &rig_policy, n, after);
            struct chat_exchange list[] = { sync_made("x1", 3), sync_made("x2", 2), sync_made("x3", 1), sync_made("y1", 1) };
            list[3].session_id = SV("c2");
            (void)snprintf(first, sizeof(first), "%s", sync_many(&r, list, 4));
            bool down = strncmp(first, "503 store_unavailable", 21) == 0;
            ok(down || n > 7, "call %u %s: %s", n, after ? "lost its answer" : "was not made", first);
            ok(strncmp(sync_many(&r, list, 4), "200 ", 4) == 0, "told of again");
            is_str(history_entries(&r, "c1", "customer"), "x1:completed=answer-x1 x2:completed=answer-x2 x3:completed=answer-x3", "all are there once");
            is_str(history_field(&r, "c1", "messageCount"), "3", "and counted");
            is_int(history_figure(&r, "total_messages"), 4, "once");
            is_int(history_items(&r), 4, "and so does the archive get them");
            rig_close(&r);
        }
    }
}

/* A job that brings the exchange with its history. */
static void beside_a_history(void)
{
    struct rig r;
    sync_open(&r);
    is_str(sync_one(&r, sync_made("x1", 0)), DONE("x1", "false"), "first it is told of");
    struct told t = post(&r, "c1", "<USER>ask-x1</USER><br><BOT>answer-x1</BOT><br><USER>and now?</USER>");
    is_int(t.outcome, HISTORY_STARTED, "then it comes with a history");
    is_int(t.consolidated, 1, "of which one message is new");
    rig_visit(&r, "c1");
    is_str(r.ai.seen, "user:ask-x1|assistant:answer-x1|user:and now?|", "which the AI is asked");
    is_str(history_field(&r, "c1", "messageCount"), "2", "two messages");
    rig_close(&r);
}

/* ---- what is current ---- */

static void old_ones(void)
{
    struct rig r;
    sync_open(&r);
    sync_say(&r, "m1");
    struct chat_exchange list[] = { sync_made("x1", 900 * 24 * HOUR), sync_made("x2", HOUR), sync_made("x3", 60000), sync_made("x4", 0) };
    is_str(sync_many(&r, list, 4), MANY("4", "0"), "of long ago, of an hour ago, of a minute ago, of now");
    is_str(history_context(&r, "c1"), "m1:user=m1 -:assistant=answer 1 x3:user=ask-x3 -:assistant=answer-x3 x4:user=ask-x4 -:assistant=answer-x4",
           "what is older than what stands there is not told to the AI; what is only late is");
    is_str(history_entries(&r, "c1", "customer"), "m1:completed=answer 1 x1:completed=answer-x1 x2:completed=answer-x2 x3:completed=answer-x3 x4:completed=answer-x4",
           "all are in the history");
    sync_say(&r, "m2");
    is_str(r.ai.seen, "user:ask-x3|assistant:answer-x3|user:m1|assistant:answer 1|user:ask-x4|assistant:answer-x4|user:m2|", "in the order of their time");
    rig_close(&r);
    sync_open(&r);
    struct chat_exchange moved[] = { sync_made("x1", 900 * 24 * HOUR), sync_made("x2", 800 * 24 * HOUR) };
    is_str(sync_many(&r, moved, 2), MANY("2", "0"), "a history that moves in from elsewhere");
    sync_say(&r, "m1");
    is_str(r.ai.seen, "user:ask-x1|assistant:answer-x1|user:ask-x2|assistant:answer-x2|user:m1|", "is what the AI knows of, however old");
    rig_close(&r);
}

/* Somebody's clock is a year ahead: what he says is not the newest for ever. */
static void ahead(void)
{
    struct rig r;
    sync_open(&r);
    is_str(sync_one(&r, sync_made("x1", -365 * 24 * HOUR)), DONE("x1", "false"), "from next year");
    clock_fake(NOON + 60000);
    is_str(sync_one(&r, sync_made("x2", 0)), DONE("x2", "false"), "from now");
    is_str(history_context(&r, "c1"), "x1:user=ask-x1 -:assistant=answer-x1 x2:user=ask-x2 -:assistant=answer-x2", "both are told to the AI");
    clock_fake(NOON + 120000);
    sync_say(&r, "m1");
    is_str(r.ai.seen, "user:ask-x1|assistant:answer-x1|user:ask-x2|assistant:answer-x2|user:m1|", "in the order in which they came");
    has_str(history_entry(&r, "c1", "customer", 2), "\"timestamp\":\"2024-11-13T12:00:00.000Z\"", "shown as it was said");
    rig_close(&r);
}

static struct store_list listing = { .index = STORE_DUE, .max = 9 };

static void on_due(void *arg, enum store_status status, const struct store_listing *l)
{
    *(long *)arg = status == STORE_DONE ? (long)l->n : -1;
}

static void closed(void)
{
    struct rig r;
    struct asked q = { 0 };
    long due = -2;
    sync_open(&r);
    sync_say(&r, "m1");
    const struct session_change change = { .status = SESSION_CLOSED };
    session_patch(r.turns, SV("c1"), &change, asked_fn, &q);
    asked_wait(&r, &q);
    asked_forget(&q);
    is_str(sync_one(&r, sync_made("x1", 0)), DONE("x1", "false"), "in a closed session");
    is_str(history_field(&r, "c1", "status"), "closed", "which stays closed");
    store_list(r.store, &listing, on_due, &due);
    rig_settle(&r);
    is_int(due, 0, "nobody has anything to do");
    q = (struct asked){ 0 };
    session_get(r.turns, SV("c1"), asked_fn, &q);
    asked_wait(&r, &q);
    is_str(asked_str(&q, "last_message/content"), "answer-x1", "the session shows what was said last");
    is_int(asked_int(&q, "message_count"), 2, "and counts it");
    asked_forget(&q);
    is_str(sync_one(&r, sync_made("x0", 9 * HOUR)), DONE("x0", "false"), "an older one");
    q = (struct asked){ 0 };
    session_get(r.turns, SV("c1"), asked_fn, &q);
    asked_wait(&r, &q);
    is_str(asked_str(&q, "last_message/content"), "answer-x1", "is not the last one");
    is_int(asked_int(&q, "message_count"), 3, "but counted");
    asked_forget(&q);
    rig_close(&r);
}

int main(void)
{
    one();
    without();
    many();
    very_many();
    of_another();
    beside_a_turn();
    beside_each_other();
    crowd();
    cut_off();
    beside_a_history();
    old_ones();
    ahead();
    closed();
    clock_real();
    return done_testing();
}
