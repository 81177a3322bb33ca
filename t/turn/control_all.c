/* SPDX-License-Identifier: MIT
 * What an administrator sees of all conversations together: pages, health, figures; and what a cleanup forgets and what it keeps. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "lib/clock.h"
#include "t/tap.h"
#include "t/turn/control_ask.h"
#include "turn/control_own.h"

#define HOUR_MS 3600000

static int64_t now_ms;

static void later(int64_t ms)
{
    now_ms += ms;
    clock_fake(now_ms);
}

static void say(struct rig *r, const char *conversation, const char *id, const char *sender)
{
    struct rig_answer a;
    rig_send(r, conversation, id, "hello", sender, &a);
    if (!rig_until(r, &a))
        bail_out("no answer");
    rig_forget(&a);
}

/* What an archiver does: everything that is queued is kept. */
static void batch_told(void *arg, enum store_status status, const struct store_batch *batch)
{
    char *name = arg;
    if (status == STORE_DONE)
        snprintf(name, 128, "%.*s", SV_FMT(batch->name));
}

static void put_done(void *arg, enum store_status status)
{
    *(bool *)arg = status == STORE_DONE;
}

static void archive_all(struct rig *r)
{
    char name[128] = "";
    bool done = false;
    store_take(r->store, STORE_QUEUE_MESSAGES, SV("archiver"), 1000, batch_told, name);
    rig_settle(r);
    if (name[0] == '\0')
        return;
    struct store_ack ack = { .batch = sv_from(name) };
    store_ack(r->store, &ack, put_done, &done);
    rig_settle(r);
    if (!done)
        bail_out("no ack");
}

/* ---- pages ---- */

static void pages(void)
{
    struct rig r;
    struct asked q;
    rig_open(&r, &rig_policy);
    for (int i = 0; i < 25; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%02d", i);
        say(&r, id, "m1", "user");
        later(i % 3 == 0 ? 0 : 10); /* some at the same moment */
    }
    char cursor[2048] = "", seen[512] = "";
    size_t pages = 0, n = 0;
    do {
        ask_list(&r, CONTROL_ALL, cursor, 10, &q);
        is_int(q.http_status, 200, "a page");
        is_int(asked_int(&q, "total_conversations"), 25, "of 25 conversations");
        for (size_t i = 0; i < asked_count(&q, "conversations"); i++) {
            char path[64];
            snprintf(path, sizeof(path), "conversations/%zu/conversation_id", i);
            snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%s ", asked_str(&q, path));
            n++;
        }
        if (pages == 0) {
            is_str(asked_str(&q, "conversations/0/conversation_id"), "c24", "newest activity first");
            is_str(asked_str(&q, "conversations/0/last_message_id"), "m1", "last_message_id");
            ok(asked_int(&q, "conversations/0/last_message_timestamp") > 0, "last_message_timestamp");
            ok(json_is_false(json_object_get(json_array_get(json_object_get(q.result, "conversations"), 0), "ai_processing")), "ai_processing");
            is_int(asked_int(&q, "conversations/0/context_size"), 2, "context_size");
            is_str(asked_str(&q, "storage_backend"), "Memory", "storage_backend");
        }
        snprintf(cursor, sizeof(cursor), "%s", asked_str(&q, "next_cursor"));
        asked_forget(&q);
    } while (++pages < 9 && strcmp(cursor, "(none)") != 0);
    is_int(pages, 3, "three pages");
    is_int(n, 25, "each conversation once");
    for (int i = 0; i < 25; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%02d ", i);
        ok(strstr(seen, id) != NULL, "%sis among them", id);
    }
    static const char *const bad[] = { "x", "0", "0.1", "0.x.61", "9.1.61", "1.1.61", "0.1.6", "0.1.zz", "0.1.ff" };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ask_list(&r, CONTROL_ALL, bad[i], 10, &q);
        is_int(q.http_status == 200 ? 422 : q.http_status, 422, "a bad cursor: %s", bad[i]);
        ok(strcmp(bad[i], "0.1") == 0 || strcmp(q.code, "bad_cursor") == 0, "says so");
        asked_forget(&q);
    }
    rig_close(&r);
}

static void states(void)
{
    struct rig r;
    struct rig_answer a;
    struct asked q = { 0 };
    rig_open(&r, &rig_policy);
    say(&r, "idle", "m1", "user");
    say(&r, "silent", "m1", "user");
    control_pause(r.turns, SV("silent"), now_ms + 5000, asked_fn, &q);
    ok(asked_wait(&r, &q), "one is paused for a while");
    asked_forget(&q);
    r.ai.hold = true;
    rig_send(&r, "busy", "m1", "one", "user", &a);
    rig_settle(&r);
    ask_list(&r, CONTROL_ACTIVE, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 1, "one is active");
    is_str(asked_str(&q, "conversations/0/conversation_id"), "busy", "the one whose turn runs");
    ok(asked_bool(&q, "conversations/0/ai_processing"), "its AI works");
    asked_forget(&q);
    ask_list(&r, CONTROL_PAUSED, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 1, "one is paused");
    is_str(asked_str(&q, "conversations/0/conversation_id"), "silent", "the silenced one");
    asked_forget(&q);
    ask_list(&r, CONTROL_STUCK, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 0, "none is stuck");
    asked_forget(&q);
    later(6000);
    ask_list(&r, CONTROL_PAUSED, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 0, "a pause that is over is none");
    asked_forget(&q);
    later(121000); /* the renewals never ran: the owner might as well be dead */
    ask_list(&r, CONTROL_STUCK, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 1, "after two minutes it is stuck, and told once");
    is_str(asked_str(&q, "conversations/0/conversation_id"), "busy", "the one that waits");
    ok(asked_bool(&q, "conversations/0/stuck"), "says so");
    ok(json_is_null(json_object_get(q.result, "next_cursor")), "there is no more");
    asked_forget(&q);
    ask_health(&r, &q);
    is_int(asked_int(&q, "statistics/stuck_conversations"), 1, "health counts it");
    is_str(asked_str(&q, "stuck_conversations/0"), "busy", "and names it");
    is_str(asked_str(&q, "status"), "degraded", "and is degraded");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "it ends");
    rig_forget(&a);
    rig_close(&r);
}

/* A lease past its deadline counts long before two minutes. */
static void overdue(void)
{
    struct policy p = rig_policy;
    struct rig r;
    struct rig_answer a;
    struct asked q;
    p.lease_ttl_ms = 5000;
    rig_open(&r, &p);
    r.ai.hold = true;
    rig_send(&r, "busy", "m1", "one", "user", &a);
    rig_settle(&r);
    later(6000);
    ask_list(&r, CONTROL_STUCK, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 0, "a lease that is one second over");
    asked_forget(&q);
    later(2000);
    ask_list(&r, CONTROL_STUCK, NULL, 10, &q);
    is_int(asked_count(&q, "conversations"), 1, "three seconds over: nobody looks after it");
    asked_forget(&q);
    ask_show(&r, "busy", &q);
    ok(asked_bool(&q, "stuck"), "its state says so");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "it ends");
    rig_forget(&a);
    rig_close(&r);
}

/* ---- health and figures ---- */

static bool has_problem(const struct asked *q, const char *word)
{
    bool found = false;
    for (size_t i = 0; i < asked_count(q, "problems"); i++) {
        char path[32];
        snprintf(path, sizeof(path), "problems/%zu", i);
        found = found || strcmp(asked_str(q, path), word) == 0;
    }
    return found;
}

static void health(void)
{
    struct rig r;
    struct asked q;
    bool put = false;
    char beat[128];
    rig_open(&r, &rig_policy);
    say(&r, "c1", "m1", "user");
    ask_health(&r, &q);
    is_int(q.http_status, 200, "health");
    is_str(asked_str(&q, "status"), "degraded", "without a daemon");
    ok(json_is_null(json_object_get(q.result, "daemon")), "says so");
    is_int(asked_int(&q, "statistics/total_conversations"), 1, "total_conversations");
    is_int(asked_int(&q, "statistics/active_ai_tasks"), 0, "active_ai_tasks");
    is_int(asked_int(&q, "statistics/stuck_conversations"), 0, "stuck_conversations");
    is_str(asked_str(&q, "redis_status"), "not_configured", "redis_status");
    is_str(asked_str(&q, "postgres_status"), "not_configured", "postgres_status");
    is_str(asked_str(&q, "storage_backend"), "Memory", "storage_backend");
    is_int(asked_count(&q, "supported_action_types"), 7, "supported_action_types");
    is_str(asked_str(&q, "supported_action_types/0"), "send_message", "in the usual order");
    ok(asked_int(&q, "timestamp") > 0, "timestamp");
    is_int(asked_int(&q, "queue/depth"), 1, "queue");
    ok(!asked_bool(&q, "durability/persistent"), "memory is not durable");
    asked_forget(&q);
    snprintf(beat, sizeof(beat), "{\"at\":%lld,\"owner\":\"d1\",\"version\":\"1\",\"host\":\"h\"}", (long long)now_ms - 10000);
    store_put(r.store, SV("heartbeat"), sv_from(beat), 600000, put_done, &put);
    rig_settle(&r);
    ask_health(&r, &q);
    is_str(asked_str(&q, "daemon/owner"), "d1", "a daemon beats");
    is_int(asked_int(&q, "daemon/age_seconds"), 10, "ten seconds ago");
    ok(!has_problem(&q, "no_daemon"), "which is no problem");
    asked_forget(&q);
    later(25000);
    ask_health(&r, &q);
    ok(has_problem(&q, "no_daemon"), "after half a minute of silence it is one");
    asked_forget(&q);
    rig_close(&r);
}

static void store_away(void)
{
    struct rig r;
    struct asked q;
    rig_open_failing(&r, &rig_policy, 1, false);
    ask_health(&r, &q);
    is_int(q.http_status, 503, "health without a store");
    is_str(asked_str(&q, "status"), "unhealthy", "is unhealthy");
    is_str(asked_str(&q, "problems/0"), "store_down", "says why");
    asked_forget(&q);
    rig_close(&r);
    rig_open_failing(&r, &rig_policy, 1, false);
    ask_list(&r, CONTROL_ALL, NULL, 10, &q);
    is_int(q.http_status, 503, "a list without a store");
    is_str(q.code, "store_unavailable", "says why");
    asked_forget(&q);
    rig_close(&r);
}

static void put_down(void *arg, enum store_status status, const struct store_applied *applied)
{
    (void)arg, (void)applied;
    ok(status == STORE_DONE, "callbacks are put into their queue");
}

static void taken(void *arg, enum store_status status, const struct store_batch *batch)
{
    (void)arg;
    ok(status == STORE_DONE && batch->n == 1, "one is taken");
}

/* Three, one of which is in a daemon's hands. */
static void put_callbacks(struct rig *r)
{
    const struct sv items[] = { SV("{}"), SV("{}"), SV("{}") };
    const struct store_change c = { .conversation_id = SV("c4"), .record = SV("{}"), .callbacks_add = items, .callbacks_add_n = ARRAY_LEN(items),
                                    .activity_ms = clock_wall_ms() - 2 * HOUR_MS };
    store_apply(r->store, &c, put_down, NULL);
    store_take(r->store, STORE_QUEUE_CALLBACKS, SV("d1"), 1, taken, NULL);
    rig_settle(r);
}

static void stats(void)
{
    struct rig r;
    struct asked q = { 0 };
    rig_open(&r, &rig_policy);
    say(&r, "c1", "m1", "user");
    later(25 * HOUR_MS);
    say(&r, "c2", "m1", "user");
    say(&r, "c3", "m1", "user");
    put_callbacks(&r);
    ask_stats(&r, &q);
    is_int(q.http_status, 200, "stats");
    is_int(asked_int(&q, "conversations/total"), 4, "total");
    is_int(asked_int(&q, "conversations/recent"), 2, "recent");
    is_int(asked_int(&q, "conversations/old"), 1, "old");
    is_int(asked_int(&q, "conversations/active_processing"), 0, "active_processing");
    ok(json_object_get(q.result, "redis_stats") != NULL, "redis_stats");
    ok(json_object_get(q.result, "postgres_stats") != NULL, "postgres_stats");
    is_int(asked_int(&q, "queue/depth"), 3, "the queue's depth");
    ok(asked_int(&q, "queue/oldest_age_seconds") >= 25 * 3600, "and age");
    is_int(asked_int(&q, "queue/callbacks/depth"), 2, "callbacks that wait");
    is_int(asked_int(&q, "queue/callbacks/taken"), 1, "that a daemon has");
    ok(asked_int(&q, "turns/completed") >= 0, "turns");
    ok(asked_int(&q, "turns/latency/own/p99_ms") >= 0, "latencies");
    asked_forget(&q);
    control_queue(r.turns, asked_fn, &q);
    ok(asked_wait(&r, &q), "the queue by itself");
    is_int(asked_int(&q, "depth"), 3, "depth");
    is_int(asked_int(&q, "dead"), 0, "dead");
    is_int(asked_int(&q, "callbacks/depth"), 2, "callbacks");
    is_int(asked_int(&q, "callbacks/taken"), 1, "and those that are taken");
    ok(asked_int(&q, "rate_per_second") >= 0, "rate");
    asked_forget(&q);
    rig_close(&r);
}

/* ---- cleanup ---- */

static void cleanup(void)
{
    struct rig r;
    struct rig_answer a, b;
    struct asked q = { 0 };
    rig_open(&r, &rig_policy);
    say(&r, "old", "m1", "user");
    say(&r, "silent", "m1", "user");
    control_pause(r.turns, SV("silent"), 0, asked_fn, &q);
    ok(asked_wait(&r, &q), "one is silenced until somebody resumes it");
    asked_forget(&q);
    r.ai.hold = true;
    rig_send(&r, "busy", "m1", "one", "user", &a);
    rig_settle(&r);
    r.ai.hold = false;
    r.ai.outcome = AI_UNREACHABLE;
    say(&r, "waits", "m1", "user");
    r.ai.outcome = AI_ANSWERED;
    later(25 * HOUR_MS);
    say(&r, "new", "m1", "user");
    ask_cleanup(&r, 24 * HOUR_MS, false, &q);
    is_int(asked_int(&q, "removed"), 0, "nothing goes before it is archived");
    is_int(asked_int(&q, "kept/unarchived"), 1, "the old one is kept for that");
    is_int(asked_int(&q, "kept/paused"), 1, "the silent one stays silent");
    is_int(asked_int(&q, "kept/pending"), 2, "what waits or is worked on is kept");
    is_int(asked_int(&q, "examined"), 4, "the new one is not looked at");
    ok(asked_bool(&q, "complete"), "all were seen");
    asked_forget(&q);
    archive_all(&r);
    ask_cleanup(&r, 24 * HOUR_MS, true, &q);
    is_int(asked_int(&q, "removed"), 1, "a dry run says what would go");
    ok(asked_bool(&q, "dry_run"), "and that it is one");
    is_int(asked_int(&q, "max_age_hours"), 24, "max_age_hours");
    asked_forget(&q);
    ask_show(&r, "old", &q);
    is_int(q.http_status, 200, "and removes nothing");
    asked_forget(&q);
    ask_cleanup(&r, 24 * HOUR_MS, false, &q);
    is_int(asked_int(&q, "removed"), 1, "the real one does");
    asked_forget(&q);
    ask_show(&r, "old", &q);
    is_int(q.http_status, 404, "it is forgotten");
    asked_forget(&q);
    ask_cleanup(&r, 0, false, &q);
    is_int(asked_int(&q, "removed"), 0, "nothing younger than a minute goes, whatever is asked");
    asked_forget(&q);
    rig_send(&r, "old", "m1", "hello", "user", &b);
    ok(rig_until(&r, &b), "a message of the forgotten conversation comes again");
    ok(json_is_true(json_object_get(b.result, "replayed")), "and is known");
    rig_forget(&b);
    say(&r, "old", "m2", "user");
    ask_show(&r, "old", &q);
    is_str(asked_str(&q, "timeline/0/status"), "completed", "a new one is answered");
    ok(asked_int(&q, "fence") >= now_ms, "under a fence above all that it had");
    asked_forget(&q);
    rig_ai_release(&r);
    ok(rig_until(&r, &a), "the busy one ends");
    rig_forget(&a);
    rig_close(&r);
}

static void cleanup_bounds(void)
{
    struct rig r;
    struct asked q = { 0 };
    rig_open(&r, &rig_policy);
    for (int i = 0; i < 150; i++) {
        char id[16];
        snprintf(id, sizeof(id), "c%03d", i);
        say(&r, id, "m1", "user");
    }
    later(25 * HOUR_MS);
    archive_all(&r);
    struct control_cleanup what = { .max_age_ms = HOUR_MS, .max = 20 };
    control_cleanup(r.turns, &what, asked_fn, &q);
    ok(asked_wait(&r, &q), "a cleanup of at most twenty");
    is_int(asked_int(&q, "examined"), 20, "looks at twenty");
    is_int(asked_int(&q, "removed"), 20, "and removes them");
    ok(!asked_bool(&q, "complete"), "there are more");
    asked_forget(&q);
    ask_cleanup(&r, HOUR_MS, false, &q);
    is_int(asked_int(&q, "removed"), 130, "the rest, over several pages");
    ok(asked_bool(&q, "complete"), "all");
    asked_forget(&q);
    ask_list(&r, CONTROL_ALL, NULL, 10, &q);
    is_int(asked_int(&q, "total_conversations"), 0, "none is left");
    asked_forget(&q);
    rig_close(&r);
}

/* Whoever asks may free what he asked with as soon as he is answered: never from inside his call. */
static void short_of_memory(void)
{
    struct rig r;
    struct asked q = { 0 };
    const size_t too_much = 65u << 20; /* more than one question may have */
    rig_open(&r, &rig_policy);
    ok(control_begin(r.turns, too_much, asked_fn, &q) == NULL, "a question for which memory is short is not begun");
    is_int(q.http_status, 0, "its answer does not come from inside the call");
    ok(asked_wait(&r, &q), "it comes");
    ok(q.http_status == 503 && strcmp(q.code, "unavailable") == 0, "and says so");
    control_dead_list(r.turns, SV("0123456789012345678901234567890123456789"), 1, asked_fn, memset(&q, 0, sizeof(q)));
    is_int(q.http_status, 0, "nor does that to a wrong cursor");
    ok(asked_wait(&r, &q) && q.http_status == 422 && strcmp(q.code, "bad_cursor") == 0, "which is refused");
    control_list(r.turns, &(struct control_list){ .cursor = SV("x"), .limit = 1 }, asked_fn, memset(&q, 0, sizeof(q)));
    is_int(q.http_status, 0, "of neither listing");
    ok(asked_wait(&r, &q) && q.http_status == 422, "which is refused, too");
    rig_close(&r);
}

int main(void)
{
    now_ms = clock_wall_ms();
    clock_fake(now_ms);
    pages();
    states();
    overdue();
    health();
    store_away();
    stats();
    cleanup();
    cleanup_bounds();
    short_of_memory();
    return done_testing();
}
