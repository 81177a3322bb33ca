/* SPDX-License-Identifier: MIT
 * Tests src/store/store_redis*.c and sql/redis/: what the contract test cannot ask of every backend. The layout of keys, a script
 * that fails half way, Redis without memory, answers that Redis never gives, times of the server's clock. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "store/store_backends.h"
#include "t/store/redis_server.h"
#include "t/tap.h"

static const char *const plain[] = { "--save", "", "--appendonly", "no", "--enable-debug-command", "yes", NULL };

struct rig {
    struct loop *loop;
    struct store *s;
    unsigned answers, connected;
    enum store_status status;
    struct store_applied applied;
    struct store_view view;
    char text[400];
    size_t n;
    int64_t next_ms;
};

static void answered(struct rig *r, enum store_status status)
{
    r->answers++;
    r->status = status;
}

static void on_load(void *arg, enum store_status status, const struct store_view *view)
{
    struct rig *r = arg;
    answered(r, status);
    r->view = view != NULL ? *view : (struct store_view){ 0 };
}

static void on_apply(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct rig *r = arg;
    answered(r, status);
    r->applied = applied != NULL ? *applied : (struct store_applied){ 0 };
}

static void on_status(void *arg, enum store_status status)
{
    answered(arg, status);
}

static void on_list(void *arg, enum store_status status, const struct store_listing *l)
{
    struct rig *r = arg;
    answered(r, status);
    r->n = l != NULL ? l->n : 0;
    r->next_ms = l != NULL ? l->next_ms : -1;
    for (size_t i = 0; i < r->n; i++)
        if (l->items[i].id.p == NULL)
            ok(false, "an item is there");
}

static void on_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct rig *r = arg;
    answered(r, status);
    r->n = n;
    for (size_t i = 0; i < n; i++)
        if (letters[i].id.p == NULL || letters[i].item.p == NULL)
            ok(false, "a letter is there");
}

static void on_batch(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct rig *r = arg;
    answered(r, status);
    (void)snprintf(r->text, sizeof(r->text), "%.*s", batch != NULL ? (int)batch->name.n : 0,
                   batch != NULL ? batch->name.p : "");
}

static void on_value(void *arg, enum store_status status, struct sv value)
{
    struct rig *r = arg;
    answered(r, status);
    (void)snprintf(r->text, sizeof(r->text), "%.*s", SV_FMT(value));
}

static void on_stat(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct rig *r = arg;
    struct err e;
    answered(r, status);
    if (stat == NULL)
        return;
    json_t *j = json_read(stat->text, false, &e);
    ok(j != NULL, "the figures are JSON");
    r->n = json_object_size(j);
    json_decref(j);
}

static void on_event(void *arg, struct sv event)
{
    struct rig *r = arg;
    r->connected += event.p == NULL;
}

static bool is_up(void *arg)
{
    return store_is_up(((struct rig *)arg)->s);
}

static bool is_down(void *arg)
{
    return !is_up(arg);
}

static bool is_connected(void *arg)
{
    return ((struct rig *)arg)->connected > 0;
}

static bool is_answered(void *arg)
{
    return ((struct rig *)arg)->answers > 0;
}

static enum store_status wait_for(struct rig *r)
{
    if (!loop_until(r->loop, is_answered, r))
        bail_out("no answer");
    r->answers = 0;
    return r->status;
}

static void rig_open(struct rig *r, struct loop *l, int port, int64_t timeout_ms)
{
    struct err e;
    *r = (struct rig){ .loop = l };
    r->s = store_redis_open(
        l, &(struct store_redis_options){ .host = "127.0.0.1", .port = port, .command_timeout_ms = timeout_ms }, &e);
    if (r->s == NULL)
        bail_out("%s", e.text);
    store_subscribe(r->s, on_event, r);
}

static void rig_close(struct rig *r)
{
    store_close(r->s);
    loop_turn(r->loop, false);
    loop_turn(r->loop, false);
}

static enum store_status apply(struct rig *r, const struct store_change *change)
{
    struct store_change c = *change;
    if (c.record.p == NULL)
        c.record = SV("record");
    c.mark_ttl_ms = 60000;
    c.first_version = c.expect_version == 0;
    store_apply(r->s, &c, on_apply, r);
    return wait_for(r);
}

#define CHANGE(id, version, ...)                                                                                       \
    (&(struct store_change){ .conversation_id = sv_from(id), .expect_version = (version), __VA_ARGS__ })

/* ---- the layout ---- */

static void layout(struct loop *l, const struct redis_server *s)
{
    struct rig r;
    rig_open(&r, l, s->port, 5000);
    (void)loop_until(l, is_connected, &r);
    const struct sv items[] = { SV("{\"h\":1}"), SV("{\"h\":2}") };
    is_int(apply(&r, CHANGE("c 1", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("tok"), .lease_ttl_ms = 30000,
                            .mark_new = { SV("m:1"), SV("mark") }, .pending_add = SV("p"), .context_add = items,
                            .context_add_n = 1, .queue_add = items, .queue_add_n = 2, .job = { SV("j"), SV("job") },
                            .job_ttl_ms = 60000, .due_ms = 1234, .in = STORE_IN_ACTIVE | STORE_IN_PAUSED,
                            .activity_ms = 1, .active_ms = 2, .waiting_ms = 3, .paused_ms = 4)),
           STORE_DONE, "a change of everything");
    static const struct {
        const char *command, *reply;
    } keys[] = {
        { "EVAL return{redis.call('HMGET','conversation:c'..string.char(32)..'1','version','record')} 0", "1 record" },
        { "EVAL return{redis.call('GET','lock:c'..string.char(32)..'1')} 0", "tok" },
        { "EVAL return{redis.call('GET','message:c'..string.char(32)..'1:m:1')} 0", "mark" },
        { "EVAL return{redis.call('LRANGE','conversation:c'..string.char(32)..'1:pending',0,-1)} 0", "p" },
        { "EVAL return{redis.call('LRANGE','conversation:c'..string.char(32)..'1:context',0,-1)} 0", "{\"h\":1}" },
        { "LRANGE message_queue 0 -1", "{\"h\":1} {\"h\":2}" },
        { "GET job:j", "job" },
        { "ZRANGE due 0 -1 WITHSCORES", "c 1 1234" },
        { "ZRANGE activity 0 -1 WITHSCORES", "c 1 1" },
        { "ZRANGE active 0 -1 WITHSCORES", "c 1 2" },
        { "ZCARD waiting", "0" },
        { "ZRANGE paused 0 -1 WITHSCORES", "c 1 4" },
        { "TTL job:j", "60" },
        { "DBSIZE", "11" },
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        is_str(redis_server_say(s, keys[i].command), keys[i].reply, "%s", keys[i].command);
    store_take(r.s, STORE_QUEUE_MESSAGES, SV("host.1.ab"), 1, on_batch, &r);
    is_int(wait_for(&r), STORE_DONE, "a batch");
    char command[500];
    (void)snprintf(command, sizeof(command), "LRANGE message_queue:taken:%s 0 -1", r.text);
    is_str(redis_server_say(s, command), "{\"h\":1}", "is a list of its own: %s", r.text);
    (void)snprintf(command, sizeof(command), "%s 1", r.text);
    is_str(redis_server_say(s, "ZRANGE message_queue:batches 0 -1 WITHSCORES"), command,
           "known by name, with its size");
    is_str(redis_server_say(s, "LLEN message_queue"), "1", "the queue has the rest");
    store_stat(r.s, on_stat, &r);
    is_int(wait_for(&r), STORE_DONE, "figures");
    ok(r.n >= 12, "many of them: %zu", r.n);
    rig_close(&r);
}

/* Ids whose key names would meet without the rules of store_redis_inside.h. */
static void meeting_names(struct loop *l, const struct redis_server *s)
{
    static const char *const ids[] = {
        "a", "a:context", "a:pending", "a:record", "a:context:record", "a:record:record", "a:record:context"
    };
    static const struct {
        const char *id, *message;
    } marks[] = { { "a", "b:c" }, { "a:b", "c" }, { ":3:a:b", "c" }, { "a", ":3:a:b:c" },
                  { ":", ":" },   { "::", ":" },  { ":", "::" } };
    struct rig r;
    (void)redis_server_say(s, "FLUSHALL");
    rig_open(&r, l, s->port, 5000);
    (void)loop_until(l, is_connected, &r);
    unsigned wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct sv id = sv_from(ids[i]);
        wrong += apply(&r, CHANGE(ids[i], 0, .record = id, .pending_add = id, .context_add = &id,
                                  .context_add_n = 1)) != STORE_DONE;
    }
    is_int(wrong, 0, "conversations whose ids end like keys");
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        store_load(r.s, &(struct store_load){ sv_from(ids[i]), SV_NONE, true }, on_load, &r);
        wrong += wait_for(&r) != STORE_DONE || r.view.version != 1 || r.view.pending_n != 1 || r.view.context_n != 1;
    }
    is_int(wrong, 0, "have records and lists of their own");
    for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
        char id[20];
        (void)snprintf(id, sizeof(id), "%s", marks[i].id);
        store_load(r.s, &(struct store_load){ sv_from(id), SV_NONE, false }, on_load, &r);
        (void)wait_for(&r);
        wrong +=
            apply(&r, CHANGE(id, r.view.version, .mark_new = { sv_from(marks[i].message), SV("x") })) != STORE_DONE;
    }
    is_int(wrong, 0, "and no two messages share a mark");
    rig_close(&r);
}

/* ---- a script that fails half way ---- */

static void half_way(struct loop *l, const struct redis_server *s)
{
    static const char *const victims[] = { "due",
                                           "activity",
                                           "active",
                                           "waiting",
                                           "paused",
                                           "message_queue",
                                           "callback_queue",
                                           "conversation:c:pending",
                                           "conversation:c:context",
                                           "conversation:c" };
    struct rig r;
    rig_open(&r, l, s->port, 5000);
    (void)loop_until(l, is_connected, &r);
    static struct sv many[2500];
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = SV("item");
    for (size_t i = 0; i < ARRAY_LEN(victims); i++) {
        char command[80], before[80];
        (void)redis_server_say(s, "FLUSHALL");
        const struct sv two[] = { SV("1"), SV("2") };
        is_int(apply(&r, CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = 60000,
                                .pending_add = SV("a"), .pending_more = two, .pending_more_n = 2, .context_add = two,
                                .context_add_n = 2, .queue_add = two, .queue_add_n = 2, .callbacks_add = two,
                                .callbacks_add_n = 2, .due_ms = 5, .in = STORE_IN_WAITING, .activity_ms = 7, .waiting_ms = 8)),
               STORE_DONE, "a conversation");
        (void)snprintf(command, sizeof(command), "SET %s odd", victims[i]);
        (void)redis_server_say(s, command);
        (void)snprintf(before, sizeof(before), "%s", redis_server_say(s, "DEBUG DIGEST"));
        is_int(
            apply(&r, CHANGE("c", 1, .need_token = SV("t"), .lease = STORE_LEASE_DROP, .mark_new = { SV("m"), SV("x") },
                             .pending_more = many, .pending_more_n = 2500, .pending_drop = 1502,
                             .pending_drop_to_context = true, .context_add = many, .context_add_n = 1001,
                             .context_max = 40, .queue_add = many, .queue_add_n = 2001, .callbacks_add = many,
                             .callbacks_add_n = 2001, .job = { SV("j"), SV("x") },
                             .job_ttl_ms = 1000, .due_ms = 0, .in = STORE_IN_ACTIVE | STORE_IN_PAUSED, .activity_ms = 9,
                             .active_ms = 9, .paused_ms = 9)),
            STORE_DOWN, "something else is in %s", victims[i]);
        is_str(redis_server_say(s, "DEBUG DIGEST"), before, "nothing at all has changed");
        ok(store_is_up(r.s), "and the store is up");
        (void)snprintf(command, sizeof(command), "DEL %s", victims[i]);
        (void)redis_server_say(s, command);
    }
    (void)redis_server_say(s, "FLUSHALL");
    is_int(apply(&r, CHANGE("c", 0, .pending_more = many, .pending_more_n = 2500, .pending_drop = 1500,
                            .pending_drop_to_context = true, .context_add = many, .context_add_n = 2500,
                            .queue_add = many, .queue_add_n = 2500, .callbacks_add = many, .callbacks_add_n = 2002)),
           STORE_DONE, "the same sizes without a victim");
    is_str(redis_server_say(s, "LLEN callback_queue"), "2002", "callbacks");
    is_str(redis_server_say(s, "LLEN conversation:c:pending"), "1000", "pending");
    is_str(redis_server_say(s, "LLEN conversation:c:context"), "4000", "context");
    is_str(redis_server_say(s, "LLEN message_queue"), "2500", "queue");
    store_take(r.s, STORE_QUEUE_MESSAGES, SV("o"), 2200, on_batch, &r);
    (void)wait_for(&r);
    struct sv batch = sv_from(r.text);
    static char ids[1200][40];
    static struct store_letter dead[1200];
    for (size_t i = 0; i < 1200; i++) {
        (void)snprintf(ids[i], sizeof(ids[i]), "019a0000-0000-7000-8000-%012zu", i);
        dead[i] = (struct store_letter){ sv_from(ids[i]), many[i] };
    }
    store_ack(r.s, &(struct store_ack){ .batch = batch, .dead = dead, .dead_n = 1200, .again = many, .again_n = 1001 },
              on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "thousands taken, dead, and again");
    is_str(redis_server_say(s, "LLEN message_queue"), "1301", "again");
    is_str(redis_server_say(s, "ZCARD message_queue:dead"), "1200", "dead");
    is_str(redis_server_say(s, "HLEN message_queue:dead:items"), "1200", "each with its item");
    rig_close(&r);
}

/* ---- no memory ---- */

static void no_memory(struct loop *l, const struct redis_server *s)
{
    struct rig r;
    char before[80];
    (void)redis_server_say(s, "FLUSHALL");
    rig_open(&r, l, s->port, 5000);
    (void)loop_until(l, is_connected, &r);
    is_int(apply(&r, CHANGE("c", 0, .lease = STORE_LEASE_TAKE, .lease_token = SV("t"), .lease_ttl_ms = 60000,
                            .queue_add = (const struct sv[]){ SV("i") }, .queue_add_n = 1)),
           STORE_DONE, "a turn begins");
    (void)redis_server_say(s, "CONFIG SET maxmemory 1");
    (void)snprintf(before, sizeof(before), "%s", redis_server_say(s, "DEBUG DIGEST"));
    is_int(apply(&r, CHANGE("new", 0, .mark_new = { SV("m"), SV("x") }, .pending_add = SV("p"))), STORE_FULL,
           "no memory: a new message");
    store_put(r.s, SV("job:x"), SV("v"), 1000, on_status, &r);
    is_int(wait_for(&r), STORE_FULL, "a new value");
    is_str(redis_server_say(s, "DEBUG DIGEST"), before, "are refused whole");
    store_renew(r.s, SV("c"), SV("t"), 60000, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "a running turn is renewed");
    is_int(apply(&r, CHANGE("c", 1, .need_token = SV("t"), .lease = STORE_LEASE_DROP, .finishing = true)), STORE_DONE,
           "and ended");
    store_take(r.s, STORE_QUEUE_MESSAGES, SV("o"), 10, on_batch, &r);
    is_int(wait_for(&r), STORE_DONE, "the queue is emptied");
    store_ack(r.s, &(struct store_ack){ .batch = sv_from(r.text) }, on_status, &r);
    is_int(wait_for(&r), STORE_DONE, "for good");
    store_load(r.s, &(struct store_load){ SV("c"), SV_NONE, true }, on_load, &r);
    ok(wait_for(&r) == STORE_DONE && r.view.version == 2, "reading goes on");
    (void)redis_server_say(s, "CONFIG SET maxmemory 0");
    rig_close(&r);
}

/* ---- away and back ---- */

static void away(struct loop *l, struct redis_server *s)
{
    struct rig r;
    (void)redis_server_say(s, "FLUSHALL");
    rig_open(&r, l, s->port, 150);
    is_int(apply(&r, CHANGE("c", 0)), STORE_DOWN, "not connected yet: down at once");
    (void)loop_until(l, is_connected, &r);
    is_int(r.connected, 1, "connected once");
    ok(store_is_up(r.s), "and up");
    redis_server_signal(s, SIGSTOP);
    is_int(apply(&r, CHANGE("away", 0)), STORE_DOWN, "a server that is stopped: down");
    ok(is_down(&r), "and known to be");
    store_get(r.s, SV("job:x"), on_value, &r);
    is_int(wait_for(&r), STORE_DOWN, "then at once");
    redis_server_signal(s, SIGCONT);
    (void)loop_until(l, is_up, &r);
    is_int(apply(&r, CHANGE("q", 0, .queue_add = (const struct sv[]){ SV("1"), SV("2") }, .queue_add_n = 2)),
           STORE_DONE, "queued");
    redis_server_signal(s, SIGSTOP);
    store_take(r.s, STORE_QUEUE_MESSAGES, SV("o"), 1, on_batch, &r);
    is_int(wait_for(&r), STORE_DOWN, "a batch whose answer is lost");
    r.connected = 0;
    redis_server_signal(s, SIGCONT);
    ok(loop_until(l, is_connected, &r), "back: subscribers are told to read again");
    ok(store_is_up(r.s), "and can");
    loop_for(l, 50);
    is_str(redis_server_say(s, "LRANGE message_queue 0 -1"), "1 2", "is given back, since nobody can acknowledge it");
    is_str(redis_server_say(s, "EXISTS message_queue:batches"), "0", "and forgotten");
    int64_t before_ms = r.applied.now_ms;
    ok(apply(&r, CHANGE("clock", 0)) == STORE_DONE && r.applied.now_ms > before_ms, "the store's time goes on");
    store_load(r.s, &(struct store_load){ SV("clock"), SV_NONE, false }, on_load, &r);
    (void)wait_for(&r);
    int64_t told_ms = r.view.now_ms;
    (void)apply(&r, CHANGE("clock", 1));
    ok(r.applied.now_ms >= told_ms && r.applied.now_ms < told_ms + 2000, "an apply's time is the server's");
    rig_close(&r);
}

/* ---- answers that Redis never gives ---- */

enum ask {
    ASK_LOAD,
    ASK_LISTS,
    ASK_APPLY,
    ASK_RENEW,
    ASK_LIST,
    ASK_TAKE,
    ASK_ACK,
    ASK_RECOVER,
    ASK_PUT,
    ASK_GET,
    ASK_STAT,
    ASK_LETTERS,
    ASKS
};

static bool all_dead(void *arg, struct sv owner)
{
    (void)arg;
    (void)owner;
    return true;
}

static void ask(struct rig *r, enum ask what)
{
    struct store_load load = { .conversation_id = SV("c"), .message_id = SV("m"), .want_lists = what == ASK_LISTS };
    switch (what) {
    case ASK_LOAD:
    case ASK_LISTS:
        store_load(r->s, &load, on_load, r);
        return;
    case ASK_APPLY:
        store_apply(r->s, CHANGE("c", 0, .record = SV("r")), on_apply, r);
        return;
    case ASK_RENEW:
        store_renew(r->s, SV("c"), SV("t"), 1000, on_status, r);
        return;
    case ASK_LIST:
        store_list(r->s, &(struct store_list){ .until_now = true, .max = 10 }, on_list, r);
        return;
    case ASK_TAKE:
        store_take(r->s, STORE_QUEUE_MESSAGES, SV("o"), 10, on_batch, r);
        return;
    case ASK_ACK:
        store_ack(r->s, &(struct store_ack){ .batch = SV("o:1") }, on_status, r);
        return;
    case ASK_RECOVER:
        store_recover(r->s, STORE_QUEUE_MESSAGES, all_dead, NULL, on_status, r);
        return;
    case ASK_PUT:
        store_put(r->s, SV("job:x"), SV("v"), 1000, on_status, r);
        return;
    case ASK_GET:
        store_get(r->s, SV("job:x"), on_value, r);
        return;
    case ASK_STAT:
        store_stat(r->s, on_stat, r);
        return;
    case ASK_LETTERS:
        store_letters(r->s, &(struct store_letters){ .max = 10 }, on_letters, r);
        return;
    case ASKS:
        return;
    }
}

/* The events' link connects to the same fake: it is greeted second. */
static void greet_both(struct rig *r, struct fake *commands, struct fake *events)
{
    fake_accept(commands);
    events->listener = commands->listener;
    fake_accept(events);
    fake_greet(commands);
    fake_greet(events);
    if (!loop_until(r->loop, is_connected, r))
        bail_out("the fake server is not taken");
}

static void odd(struct loop *l)
{
    static const char *const replies[] = {
        "+OK\r\n",
        ":1\r\n",
        ":-1\r\n",
        ":77\r\n",
        "$-1\r\n",
        "$3\r\nodd\r\n",
        "*0\r\n",
        "*-1\r\n",
        "-ERR odd\r\n",
        "-OOM no\r\n",
        "*2\r\n:1\r\n:2\r\n",
        "*3\r\n$1\r\na\r\n$-1\r\n*1\r\n:1\r\n",
        "*7\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n",
        "*9\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n*0\r\n",
        "*7\r\n*2\r\n$3\r\n1e9\r\n$1\r\nr\r\n$1\r\nt\r\n:5\r\n*2\r\n$10\r\n1700000000\r\n$1\r\n1\r\n$1\r\nm\r\n*0\r\n*"
        "0\r\n",
        "*7\r\n*2\r\n$1\r\n1\r\n$-1\r\n:5\r\n$1\r\nx\r\n*2\r\n$10\r\n1700000000\r\n$1\r\n1\r\n:1\r\n*2\r\n:1\r\n$-"
        "1\r\n:4\r\n",
        "*3\r\n*2\r\n$10\r\n1700000000\r\n$1\r\n1\r\n*2\r\n:1\r\n$-1\r\n$3\r\ninf\r\n",
        "*2\r\n$1\r\nx\r\n*1\r\n$1\r\na\r\n",
        "*2\r\n:-5\r\n*2\r\n$-1\r\n:1\r\n",
    };
    struct fake commands, events = { .loop = l, .fd = -1 };
    struct rig r;
    unsigned odd_answers = 0, without = 0;
    fake_open(&commands, l);
    rig_open(&r, l, commands.port, 3000);
    greet_both(&r, &commands, &events);
    for (size_t i = 0; i < ARRAY_LEN(replies); i++) {
        for (enum ask what = ASK_LOAD; what < ASKS; what++) {
            unsigned n = what == ASK_LOAD ? 5 : 1;
            char text[4000];
            ask(&r, what);
            for (unsigned k = 0; k < n; k++) {
                (void)fake_command(&commands, text, sizeof(text));
                fake_say(&commands, replies[i]);
            }
            /* a recovery asks again for each batch that it was told of */
            while (what == ASK_RECOVER && !is_answered(&r)) {
                loop_for(l, 5);
                if (!is_answered(&r)) {
                    (void)fake_command(&commands, text, sizeof(text));
                    fake_say(&commands, replies[i]);
                }
            }
            if (!loop_until(l, is_answered, &r))
                without++;
            odd_answers += r.answers != 1;
            r.answers = 0;
        }
    }
    is_int(without, 0, "every call has its answer, whatever the server says");
    is_int(odd_answers, 0, "and only one");
    ok(store_is_up(r.s), "a reply of another shape does not cost the connection");
    fake_say(&events, "*3\r\n$7\r\nmessage\r\n:1\r\n*0\r\n*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$-1\r\n");
    loop_for(l, 20);
    fake_hang_up(&events);
    buf_fini(&events.got);
    rig_close(&r);
    fake_close(&commands);
}

int main(void)
{
    struct redis_server s;
    struct loop *l = loop_new();
    odd(l);
    if (redis_server_open(&s, plain)) {
        layout(l, &s);
        meeting_names(l, &s);
        half_way(l, &s);
        no_memory(l, &s);
        away(l, &s);
        redis_server_close(&s);
    } else {
        skip("redis-server is not installed");
    }
    loop_free(l);
    return done_testing();
}
