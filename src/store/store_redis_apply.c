/* SPDX-License-Identifier: MIT
 * Writing to Redis: one decision (store_redis_write.c has its command), forgetting, and a lease's renewal. Knows nothing of what records mean. */
#include "config.h"

#include "store/store_redis_inside.h"

#define FORGET_KEYS 14

static void on_apply(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    store_apply_fn *fn = (store_apply_fn *)call->fn;
    struct store_applied a = { .version = call->number }; /* 0: it was to be forgotten */
    enum store_status status = redis_status(r, outcome, reply, "apply");
    if (status == STORE_DONE && reply->type == REDIS_STRING) {
        status = STORE_DUPLICATE;
        a.mark = reply->text;
    } else if (status == STORE_DONE && reply->type == REDIS_ARRAY) {
        redis_user_trim(r, reply);
    } else if (status == STORE_DONE) {
        status = redis_code(r, reply, "apply");
    }
    a.now_ms = redis_now_ms(r);
    fn(call->arg, status, status == STORE_DONE || status == STORE_DUPLICATE ? &a : NULL);
}

static struct buf *write_forget(struct redis *r, const struct store_change *c)
{
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_FORGET, FORGET_KEYS, 5);
    if (b == NULL)
        return NULL;
    redis_write_fixed_keys(b, c->conversation_id);
    redis_key_conversation(b, c->conversation_id, KEY_PENDING);
    redis_key_conversation(b, c->conversation_id, KEY_CONTEXT);
    redis_key_session(b, c->conversation_id, KEY_VIEW);
    redis_key_session(b, c->conversation_id, KEY_CUSTOMER);
    redis_key_session(b, c->conversation_id, KEY_EVENTS);
    redis_key_session(b, c->conversation_id, KEY_LAST);
    redis_write(b, KEY_SESSIONS);
    redis_write_i64(b, (int64_t)c->expect_version);
    redis_write(b, c->conversation_id);
    redis_write(b, c->event.p != NULL ? SV(REDIS_CHANNEL) : SV_NONE);
    redis_write(b, c->event);
    redis_write_i64(b, STORE_LAST_MS);
    return b;
}

void redis_apply(struct store *s, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct answer refused = { .kind = ANSWER_APPLY, .fn.apply = fn, .arg = arg };
    if (c->need_token.p != NULL &&
        c->need_token.n == 0) { /* no lease has an empty token, and to the script it means "not asked" */
        refused.status = STORE_LEASE_LOST;
        answers_later(r->answers, answer_new(&refused));
        return;
    }
    if (c->erase != NULL) {
        redis_erase(r, c, fn, arg);
        return;
    }
    struct redis_call call = {
        .done = on_apply, .owner = r, .fn = (void (*)(void))fn, .arg = arg, .number = store_next_version(c)
    };
    struct buf *written = c->forget ? write_forget(r, c) : redis_write_change(r, c);
    if (written == NULL || !redis_link_end(r->link, &call))
        redis_refuse(r, &refused);
}

static void on_renew(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    enum store_status status = redis_status(r, outcome, reply, "renew");
    if (status == STORE_DONE)
        status = redis_code(r, reply, "renew");
    ((store_status_fn *)call->fn)(call->arg, status);
}

void redis_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_RENEW, 3, 3);
    if (b != NULL) {
        redis_key_conversation(b, id, KEY_RECORD);
        redis_key_lock(b, id);
        redis_write(b, KEY_DUE);
        redis_write(b, token);
        redis_write_i64(b, ttl_ms);
        redis_write(b, id);
    }
    redis_end_status(r, b != NULL ? on_renew : NULL, fn, arg);
}
