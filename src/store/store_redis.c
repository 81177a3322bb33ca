/* SPDX-License-Identifier: MIT
 * The store in Redis (7.0 or later): two links, small values, and what every call needs. Each operation is one script or a few plain
 * commands; what must change in one step is in sql/redis/. Knows nothing of what records mean. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/store_redis_inside.h"

#define TIMEOUT_DEFAULT_MS 1000
#define COMPLAIN_EVERY_MS 1000
#define GOOD_ROUND_TRIP_MS 20 /* a clock that took longer to come tells less than one's own count */

const struct redis_script redis_scripts[SCRIPTS_N] = {
    [SCRIPT_LOAD] = { .text = redis_lua_load },
    [SCRIPT_APPLY] = { .text = redis_lua_apply },
    [SCRIPT_FINISH] = { .text = redis_lua_apply, .flags = "allow-oom" },
    [SCRIPT_RENEW] = { .text = redis_lua_renew },
    [SCRIPT_FORGET] = { .text = redis_lua_forget },
    [SCRIPT_LIST] = { .text = redis_lua_list },
    [SCRIPT_RECORDS] = { .text = redis_lua_records },
    [SCRIPT_TAKE] = { .text = redis_lua_take },
    [SCRIPT_ACK] = { .text = redis_lua_ack },
    [SCRIPT_RECOVER] = { .text = redis_lua_recover },
    [SCRIPT_LETTERS] = { .text = redis_lua_letters },
    [SCRIPT_STAT] = { .text = redis_lua_stat },
    [SCRIPT_HEADS] = { .text = redis_lua_heads },
    [SCRIPT_SESSION_FILL] = { .text = redis_lua_session_fill },
    [SCRIPT_EVENTS] = { .text = redis_lua_events },
    [SCRIPT_EVENT_SAY] = { .text = redis_lua_event_say },
    [SCRIPT_ERASE] = { .text = redis_lua_erase },
    [SCRIPT_HISTORY] = { .text = redis_lua_history },
    [SCRIPT_USER] = { .text = redis_lua_user },
    [SCRIPT_USER_TRIM] = { .text = redis_lua_user_trim },
    [SCRIPT_PREFERENCES] = { .text = redis_lua_preferences },
    [SCRIPT_COUNT] = { .text = redis_lua_count },
    [SCRIPT_PLACE] = { .text = redis_lua_place },
};

/* In a database that is shared with another program these names may be taken. */
static const struct redis_shared_key shared_keys[] = {
    { "due", "zset" },           { "activity", "zset" },
    { "active", "zset" },        { "waiting", "zset" },
    { "paused", "zset" },        { "message_queue:batches", "zset" },
    { "message_queue", "list" }, { "message_queue:dead", "zset" },
    { "message_queue:dead:items", "hash" }, { "callback_queue", "list" },
    { "callback_queue:batches", "zset" },  { "sessions", "zset" },
    { "analytics_days", "zset" },
};

/* ---- what every call needs ---- */

static void complain(struct redis *r, const char *what, struct sv error)
{
    char text[160];
    int64_t now_ms = clock_mono_ms();
    if (r->complained_ms != 0 && now_ms - r->complained_ms < COMPLAIN_EVERY_MS)
        return;
    r->complained_ms = now_ms;
    error = sv_cut_utf8(error, sizeof(text) - 1);
    (void)snprintf(text, sizeof(text), "%.*s", SV_FMT(error));
    log_error("redis: a command failed", "command", what, "error", text, NULL);
}

enum store_status redis_status(struct redis *r, enum redis_outcome outcome, const struct redis_reply *reply,
                               const char *what)
{
    switch (outcome) {
    case REDIS_ANSWERED:
        return STORE_DONE;
    case REDIS_REFUSED:
        complain(r, what, reply->text);
        return STORE_DOWN;
    case REDIS_NO_MEMORY:
        return STORE_FULL;
    case REDIS_LOST:
        return STORE_DOWN;
    }
    return STORE_DOWN;
}

enum store_status redis_odd(struct redis *r, const char *what)
{
    complain(r, what, SV("an answer that cannot be"));
    return STORE_DOWN;
}

enum store_status redis_code(struct redis *r, const struct redis_reply *reply, const char *what)
{
    static const enum store_status codes[] = { STORE_DONE, STORE_CONFLICT, STORE_LEASE_LOST, STORE_FULL };
    if (reply->type != REDIS_INTEGER || reply->integer < 0 || reply->integer >= (int64_t)ARRAY_LEN(codes))
        return redis_odd(r, what);
    return codes[reply->integer];
}

void redis_refuse(struct redis *r, const struct answer *a)
{
    struct answer *refused = answer_new(a);
    refused->status = redis_link_is_up(r->link) ? STORE_FULL : STORE_DOWN;
    answers_later(r->answers, refused);
}

void redis_end_status(struct redis *r, redis_done_fn *done, store_status_fn *fn, void *arg)
{
    struct redis_call call = { .done = done, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    if (done == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

static void set_clock(struct redis *r, int64_t time_ms, int64_t mono_ms)
{
    r->clock_ms = time_ms;
    r->clock_mono_ms = mono_ms;
}

int64_t redis_heard_time(struct redis *r, const struct redis_call *call, const struct redis_reply *time)
{
    int64_t time_ms = redis_time_ms(time), mono_ms = clock_mono_ms();
    if (time_ms > 0 && (r->clock_ms == 0 || mono_ms - call->sent_ms <= GOOD_ROUND_TRIP_MS))
        set_clock(r, time_ms, mono_ms);
    return time_ms;
}

int64_t redis_now_ms(const struct redis *r)
{
    return r->clock_ms + (clock_mono_ms() - r->clock_mono_ms);
}

/* ---- small values ---- */

static void on_value(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    enum store_status status = redis_status(call->owner, outcome, reply, "value");
    struct sv value = status == STORE_DONE && reply->type == REDIS_STRING ? reply->text : SV_NONE;
    ((store_value_fn *)call->fn)(call->arg, status, value);
}

static void write_value(struct buf *b, const struct store_value *what)
{
    if (what->place != NULL) { /* of the script */
        redis_write(b, what->name);
        redis_write_i64(b, what->place->n);
        redis_write_i64(b, what->place->every_ms);
        redis_write_i64(b, what->place->ahead_max_ms);
        redis_write_i64(b, what->place->wait_ms);
    } else if (what->count) { /* the same */
        redis_write(b, what->name);
        redis_write_i64(b, what->ttl_ms);
    } else if (what->put && what->value.p != NULL) {
        redis_write_head(b, 5);
        redis_write(b, SV("SET"));
        redis_write(b, what->name);
        redis_write(b, what->value);
        redis_write(b, SV("PX"));
        redis_write_i64(b, what->ttl_ms);
    } else {
        redis_write_head(b, 2);
        redis_write(b, what->put ? SV("DEL") : SV("GET"));
        redis_write(b, what->name);
    }
}

static void redis_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct buf *b = what->place != NULL ? redis_link_begin_script(r->link, SCRIPT_PLACE, 1, 4)
                    : what->count       ? redis_link_begin_script(r->link, SCRIPT_COUNT, 1, 1)
                                        : redis_link_begin(r->link);
    struct redis_call call = { .done = on_value, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    if (b != NULL)
        write_value(b, what);
    if (b == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_VALUE, .fn.value = fn, .arg = arg });
}

/* ---- events ---- */

static void hear(struct redis *r, struct sv event)
{
    if (r->store.on_event != NULL)
        r->store.on_event(r->store.event_arg, event);
}

static void on_message(void *arg, struct sv channel, struct sv message)
{
    if (sv_eq(channel, SV(REDIS_CHANNEL)))
        hear(arg, message);
    else
        redis_push(arg, channel, message);
}

static void on_subscribed(void *arg, struct sv channel)
{
    redis_push(arg, channel, SV_NONE);
}

/* Whoever is told that events may have been missed reads again: both links must be up for that. A callback may close the store. */
static void tell_connected(struct redis *r)
{
    if (!redis_link_is_up(r->link) || !redis_link_is_up(r->events))
        return;
    hear(r, SV_NONE);
    if (!r->closed && r->store.on_push != NULL)
        r->store.on_push(r->store.push_arg, SV_NONE, SV_NONE);
}

static void on_link_up(void *arg, int64_t time_ms)
{
    struct redis *r = arg;
    set_clock(r, time_ms, clock_mono_ms());
    redis_return_lost_takes(r);
    tell_connected(r);
}

static void on_events_up(void *arg, int64_t time_ms)
{
    (void)time_ms;
    tell_connected(arg);
}

/* ---- open, close ---- */

static bool redis_is_up(const struct store *s)
{
    const struct redis *r = (const struct redis *)(const void *)s; /* `store` is the first member */
    return redis_link_is_up(r->link);
}

const char *store_redis_reason(const struct store *redis)
{
    const struct redis *r = (const struct redis *)(const void *)redis;
    return redis_link_reason(r->link);
}

/* A function of ours may be further up the stack: the memory goes later. */
static void redis_close(struct store *s)
{
    struct redis *r = redis_of(s);
    r->closed = true;
    redis_link_close(r->events);
    redis_link_close(r->link);
    answers_close(r->answers);
    redis_forget_lost_takes(r);
    loop_soon(r->store.loop, free, r);
}

static const struct store_ops redis_ops = {
    .name = "redis",
    .history = &redis_history_ops,
    .load = redis_load,
    .apply = redis_apply,
    .renew = redis_renew,
    .list = redis_list,
    .take = redis_take,
    .ack = redis_ack,
    .recover = redis_recover,
    .letters = redis_letters,
    .value = redis_value,
    .stat = redis_stat,
    .session = redis_session,
    .session_fill = redis_session_fill,
    .events = redis_events,
    .event_say = redis_event_say,
    .listen = redis_listen,
    .is_up = redis_is_up,
    .close = redis_close,
};

struct store *store_redis_open(struct loop *l, const struct store_redis_options *o, struct err *e)
{
    struct redis *r = calloc(1, sizeof(*r));
    struct answers *answers = answers_new(l);
    if (r == NULL || answers == NULL) {
        free(r);
        answers_close(answers);
        (void)err_set(e, ERR_MEMORY, "redis: no memory");
        return NULL;
    }
    r->store = (struct store){ .ops = &redis_ops, .backend = "Redis", .loop = l };
    r->answers = answers;
    r->queue_max_bytes = o->queue_max_bytes;
    struct redis_link_options link = {
        .host = o->host,
        .port = o->port,
        .unix_path = o->unix_path,
        .user = o->user,
        .password = o->password,
        .database = o->database,
        .idle_ms = o->idle_ms,
        .timeout_ms = o->command_timeout_ms > 0 ? o->command_timeout_ms : TIMEOUT_DEFAULT_MS,
        .scripts = redis_scripts,
        .scripts_n = SCRIPTS_N,
        .keys = shared_keys,
        .keys_n = ARRAY_LEN(shared_keys),
        .on_up = on_link_up,
        .arg = r,
    };
    r->link = redis_link_open(l, &link, e);
    link.channel = SV(REDIS_CHANNEL);
    link.scripts_n = link.keys_n = 0;
    link.on_up = on_events_up;
    link.on_message = on_message;
    link.on_subscribed = on_subscribed;
    r->events = r->link != NULL ? redis_link_open(l, &link, e) : NULL;
    if (r->events != NULL)
        return &r->store;
    redis_link_close(r->link);
    answers_close(answers);
    free(r);
    return NULL;
}
