/* SPDX-License-Identifier: MIT
 * Reading from Redis: one conversation. Knows nothing of what records mean. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "store/store_redis_inside.h"

/* A lock without a TTL was made by hand; so long its lease is said to last. */
#define LEASE_FOR_EVER_MS (24 * 3600 * 1000)

/* Strings of an array as a list; anything else among them counts as empty. */
static void fill(struct sv *list, const struct redis_reply *from)
{
    for (size_t i = 0; i < from->n; i++) {
        list[i] = redis_text(from, i);
        if (list[i].p == NULL)
            list[i] = SV("");
    }
}

/* {{version, record}, token, left, TIME, mark[, pending, context]}: the plain commands and the script answer alike. */
static enum store_status view_of(struct redis *r, const struct redis_call *call, const struct redis_reply *reply,
                                 struct store_view *v)
{
    struct redis_reply head = redis_item(reply, 0), left = redis_item(reply, 2), time = redis_item(reply, 3);
    struct sv version = redis_text(&head, 0);
    if (version.p != NULL && !sv_to_u64(version, &v->version))
        return redis_odd(r, "load: version");
    v->now_ms = redis_heard_time(r, call, &time);
    if (v->now_ms == 0)
        return redis_odd(r, "load: TIME");
    v->record = v->version > 0 ? redis_text(&head, 1) : SV_NONE;
    v->lease_token = redis_text(reply, 1);
    int64_t left_ms = redis_number(&left, -2);
    if (left_ms == 0 || left_ms == -2)
        v->lease_token = SV_NONE; /* its time passed between two of the commands */
    if (v->lease_token.p != NULL)
        v->lease_left_ms = left_ms > 0 ? left_ms : LEASE_FOR_EVER_MS;
    v->mark = redis_text(reply, 4);
    return STORE_DONE;
}

static void on_load(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    store_load_fn *fn = (store_load_fn *)call->fn;
    struct store_view v = { 0 };
    struct sv *lists = NULL;
    enum store_status status = redis_status(r, outcome, reply, "load");
    if (status == STORE_DONE)
        status = view_of(r, call, reply, &v);
    if (status == STORE_DONE && reply->n == 7) {
        struct redis_reply pending = redis_item(reply, 5), context = redis_item(reply, 6);
        lists = calloc(pending.n + context.n + 1, sizeof(*lists));
        if (lists == NULL) {
            status = STORE_DOWN;
        } else {
            fill(lists, &pending);
            fill(lists + pending.n, &context);
            v.pending = lists;
            v.pending_n = pending.n;
            v.context = lists + pending.n;
            v.context_n = context.n;
        }
    }
    fn(call->arg, status, status == STORE_DONE ? &v : NULL);
    free(lists);
}

static void write_whole(struct buf *b, const struct store_load *what)
{
    redis_key_conversation(b, what->conversation_id, KEY_RECORD);
    redis_key_lock(b, what->conversation_id);
    redis_key_conversation(b, what->conversation_id, KEY_PENDING);
    redis_key_conversation(b, what->conversation_id, KEY_CONTEXT);
    if (what->message_id.p != NULL)
        redis_key_mark(b, what->conversation_id, what->message_id);
}

/* The record first: what else comes later than it is at most newer, and then an apply meets another version. */
static unsigned write_plain(struct buf *b, const struct store_load *what)
{
    redis_write_head(b, 4);
    redis_write(b, SV("HMGET"));
    redis_key_conversation(b, what->conversation_id, KEY_RECORD);
    redis_write(b, SV("version"));
    redis_write(b, SV("record"));
    redis_write_head(b, 2);
    redis_write(b, SV("GET"));
    redis_key_lock(b, what->conversation_id);
    redis_write_head(b, 2);
    redis_write(b, SV("PTTL"));
    redis_key_lock(b, what->conversation_id);
    redis_write_head(b, 1);
    redis_write(b, SV("TIME"));
    if (what->message_id.p == NULL)
        return 4;
    redis_write_head(b, 2);
    redis_write(b, SV("GET"));
    redis_key_mark(b, what->conversation_id, what->message_id);
    return 5;
}

void redis_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct redis_call call = { .done = on_load, .owner = r, .fn = (void (*)(void))fn, .arg = arg };
    bool sent = false;
    if (what->want_lists) {
        struct buf *b = redis_link_begin_script(r->link, SCRIPT_LOAD, what->message_id.p != NULL ? 5 : 4, 0);
        if (b != NULL) {
            write_whole(b, what);
            sent = redis_link_end(r->link, &call);
        }
    } else {
        struct buf *b = redis_link_begin(r->link);
        if (b != NULL)
            sent = redis_link_end_group(r->link, &call, write_plain(b, what));
    }
    if (!sent)
        redis_refuse(r, &(struct answer){ .kind = ANSWER_LOAD, .fn.load = fn, .arg = arg });
}
