/* SPDX-License-Identifier: MIT
 * Views, event logs and who listens, in Redis. What an apply writes of them is in store_redis_apply.c. Each event is published on a channel
 * that has the name of its log. Knows nothing of what they say. */
#include "config.h"

#include <stdlib.h>

#include "store/store_redis_inside.h"

/* ---- the cache ---- */

static void on_session(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    enum store_status status = redis_status(call->owner, outcome, reply, "session");
    struct store_session s = { 0 };
    if (status == STORE_DONE)
        s = (struct store_session){ redis_text(reply, 0), redis_text(reply, 1) };
    ((store_session_fn *)call->fn)(call->arg, status, status == STORE_DONE ? &s : NULL);
}

void redis_session(struct store *s, struct sv id, store_session_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct redis_call call = { .done = on_session, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    struct buf *b = redis_link_begin(r->link);
    if (b != NULL) {
        redis_write_head(b, 3);
        redis_write(b, SV("MGET"));
        redis_key_session(b, id, KEY_VIEW);
        redis_key_session(b, id, KEY_CUSTOMER);
    }
    if (b == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_SESSION, .fn.session = fn, .arg = arg });
}

static void on_fill(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    enum store_status status = redis_status(r, outcome, reply, "session_fill");
    if (status == STORE_DONE)
        status = redis_code(r, reply, "session_fill");
    ((store_status_fn *)call->fn)(call->arg, status);
}

void redis_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    bool customer = what->customer.p != NULL;
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_SESSION_FILL, 5, 5 + customer);
    if (b != NULL) {
        redis_key_conversation(b, what->conversation_id, KEY_RECORD);
        redis_key_session(b, what->conversation_id, KEY_VIEW);
        redis_key_session(b, what->conversation_id, KEY_CUSTOMER);
        redis_write(b, KEY_SESSIONS);
        redis_key_history(b, what->conversation_id, KEY_ERASED);
        redis_write_i64(b, (int64_t)what->version);
        redis_write_i64(b, what->ttl_ms);
        redis_write(b, what->view.p != NULL ? SV("1") : SV_NONE);
        redis_write(b, what->view);
        redis_write(b, what->conversation_id);
        if (customer)
            redis_write(b, what->customer);
    }
    redis_end_status(r, b != NULL ? on_fill : NULL, fn, arg);
}

/* ---- events ---- */

/* {last, events}; call->number is what they must be above. */
static enum store_status events_of(struct redis *r, const struct redis_call *call, const struct redis_reply *reply,
                                   struct store_events *e, struct sv **list)
{
    struct redis_reply last = redis_item(reply, 0), log = redis_item(reply, 1);
    if (last.type != REDIS_NIL && !sv_to_u64(last.text, &e->last))
        return redis_odd(r, "events: last");
    *list = calloc(log.n + 1, sizeof(**list));
    if (*list == NULL)
        return STORE_DOWN;
    for (size_t i = 0; i < log.n; i++) {
        struct sv event = redis_text(&log, i);
        if (store_event_seq(event) > call->number)
            (*list)[e->n++] = event;
    }
    e->events = *list;
    return STORE_DONE;
}

static void on_events(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    struct store_events e = { 0 };
    struct sv *list = NULL;
    enum store_status status = redis_status(r, outcome, reply, "events");
    if (status == STORE_DONE)
        status = events_of(r, call, reply, &e, &list);
    ((store_events_fn *)call->fn)(call->arg, status, status == STORE_DONE ? &e : NULL);
    free(list);
}

void redis_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct redis_call call = { .done = on_events, .owner = r, .fn = (void (*)(void))fn, .arg = arg, .number = after };
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_EVENTS, 3, 1);
    if (b != NULL) {
        redis_key_conversation(b, id, KEY_RECORD);
        redis_key_session(b, id, KEY_EVENTS);
        redis_key_session(b, id, KEY_LAST);
        if (after == STORE_EVENTS_NOW)
            redis_write(b, SV_NONE);
        else
            redis_write_i64(b, after < INT64_MAX ? (int64_t)after : INT64_MAX);
    }
    if (b == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &(struct answer){ .kind = ANSWER_EVENTS, .fn.events = fn, .arg = arg });
}

static void on_say(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    enum store_status status = redis_status(r, outcome, reply, "event_say");
    if (status == STORE_DONE)
        status = redis_code(r, reply, "event_say");
    ((store_status_fn *)call->fn)(call->arg, status);
}

void redis_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_EVENT_SAY, 4, 5);
    if (b != NULL) {
        redis_key_conversation(b, what->conversation_id, KEY_RECORD);
        redis_key_lock(b, what->conversation_id);
        redis_key_session(b, what->conversation_id, KEY_EVENTS);
        redis_key_session(b, what->conversation_id, KEY_LAST);
        redis_write(b, what->need_token);
        redis_write(b, what->event);
        redis_write_i64(b, (int64_t)what->same);
        redis_write_i64(b, (int64_t)what->events_max);
        redis_write_i64(b, what->ttl_ms);
    }
    redis_end_status(r, b != NULL ? on_say : NULL, fn, arg);
}

/* ---- who listens ---- */

int redis_listen(struct store *s, struct sv id, bool on)
{
    struct redis *r = redis_of(s);
    char name[sizeof(REDIS_EVENTS) + STORE_ID_MAX];
    size_t head = sizeof(REDIS_EVENTS) - 1;
    memcpy(name, REDIS_EVENTS, head);
    memcpy(name + head, id.p, id.n);
    struct sv channel = { name, head + id.n };
    if (on)
        return redis_link_subscribe(r->events, channel);
    redis_link_unsubscribe(r->events, channel);
    return 0;
}

void redis_push(struct redis *r, struct sv channel, struct sv event)
{
    size_t head = sizeof(REDIS_EVENTS) - 1;
    if (r->store.on_push != NULL && channel.n > head)
        r->store.on_push(r->store.push_arg, (struct sv){ channel.p + head, channel.n - head }, event);
}
