/* SPDX-License-Identifier: MIT
 * Writing to Redis: one decision (sql/redis/apply.lua says what each argument is), and a lease's renewal. Knows nothing of what records
 * mean. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/store_redis_inside.h"

#define FIXED_KEYS 7
#define FIXED_ARGS 9
#define MORE_KEYS 3
#define MORE_ARGS 15
#define SESSION_KEYS 4
#define SESSION_ARGS 5
#define FORGET_KEYS (FIXED_KEYS + 7)

static void on_apply(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    store_apply_fn *fn = (store_apply_fn *)call->fn;
    struct store_applied a = { .version = call->number }; /* 0: it was to be forgotten */
    enum store_status status = redis_status(r, outcome, reply, "apply");
    if (status == STORE_DONE && reply->type == REDIS_STRING) {
        status = STORE_DUPLICATE;
        a.mark = reply->text;
    } else if (status == STORE_DONE) {
        status = redis_code(r, reply, "apply");
    }
    a.now_ms = redis_now_ms(r);
    fn(call->arg, status, status == STORE_DONE || status == STORE_DUPLICATE ? &a : NULL);
}

static size_t pending_n(const struct store_change *c)
{
    return (c->pending_add.p != NULL) + c->pending_more_n;
}

static bool has_more(const struct store_change *c)
{
    return c->mark_new.key.p != NULL || c->marks_n > 0 || pending_n(c) > 0 || c->pending_drop > 0 ||
           c->context_add_n > 0 || c->queue_add_n > 0 || c->job.key.p != NULL || c->event.p != NULL ||
           c->letters_n > 0 || c->callbacks_add_n > 0 || c->session != NULL;
}

static size_t score(char *to, size_t size, bool is_in, int64_t ms, const char *behind)
{
    int n =
        is_in ? snprintf(to, size, "%lld%s", (long long)(ms > 0 ? ms : 0), behind) : snprintf(to, size, "%s", behind);
    return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

static void write_index(struct buf *b, const struct store_change *c)
{
    char text[4 * 24];
    size_t n = score(text, sizeof(text), true, c->activity_ms, " ");
    n += score(text + n, sizeof(text) - n, (c->in & STORE_IN_ACTIVE) != 0, c->active_ms, " ");
    n += score(text + n, sizeof(text) - n, (c->in & STORE_IN_WAITING) != 0, c->waiting_ms, " ");
    n += score(text + n, sizeof(text) - n, (c->in & STORE_IN_PAUSED) != 0, c->paused_ms, "");
    redis_write(b, (struct sv){ text, n });
}

static void write_fixed_keys(struct buf *b, struct sv id)
{
    redis_key_conversation(b, id, KEY_RECORD);
    redis_key_lock(b, id);
    redis_write(b, KEY_DUE);
    redis_write(b, KEY_ACTIVITY);
    redis_write(b, KEY_ACTIVE);
    redis_write(b, KEY_WAITING);
    redis_write(b, KEY_PAUSED);
}

static void write_more_keys(struct buf *b, const struct store_change *c)
{
    redis_key_conversation(b, c->conversation_id, KEY_PENDING);
    redis_key_conversation(b, c->conversation_id, KEY_CONTEXT);
    redis_write(b, KEY_QUEUE);
    if (c->session != NULL) {
        redis_key_session(b, c->conversation_id, KEY_VIEW);
        redis_key_session(b, c->conversation_id, KEY_EVENTS);
        redis_key_session(b, c->conversation_id, KEY_LAST);
        redis_write(b, KEY_SESSIONS);
    }
    if (c->mark_new.key.p != NULL)
        redis_key_mark(b, c->conversation_id, c->mark_new.key);
    for (size_t i = 0; i < c->marks_n; i++)
        redis_key_mark(b, c->conversation_id, c->marks[i].key);
    if (c->job.key.p != NULL)
        redis_key_job(b, c->job.key);
    if (c->letters_n > 0) {
        redis_write(b, KEY_DEAD);
        redis_write(b, KEY_DEAD_ITEMS);
    }
    if (c->callbacks_add_n > 0)
        redis_write(b, KEY_CALLBACKS);
}

static void write_fixed_args(struct buf *b, const struct store_change *c)
{
    redis_write_i64(b, (int64_t)c->expect_version);
    redis_write_i64(b, (int64_t)store_next_version(c));
    redis_write(b, c->record);
    redis_write(b, c->need_token);
    if (c->due_ms > 0)
        redis_write_i64(b, c->due_ms);
    else
        redis_write(b, SV_NONE);
    write_index(b, c);
    redis_write(b, c->conversation_id);
    switch (c->lease) {
    case STORE_LEASE_KEEP:
        redis_write(b, SV_NONE);
        break;
    case STORE_LEASE_TAKE:
        redis_write_i64(b, c->lease_ttl_ms);
        break;
    case STORE_LEASE_DROP:
        redis_write(b, SV("0"));
        break;
    }
    redis_write(b, c->lease == STORE_LEASE_TAKE ? c->lease_token : SV_NONE);
}

/* Until when a view that is set now is counted: a little longer than it is kept, so that most views that are set again find this number there, and nothing
 * moves in the sorted set or goes to the disk for a figure. */
static int64_t counted_until_ms(const struct redis *r, int64_t ttl_ms)
{
    int64_t step_ms = ttl_ms / 64 + 1;
    return (redis_now_ms(r) + ttl_ms) / step_ms * step_ms + step_ms;
}

static void write_session(struct buf *b, const struct redis *r, const struct store_session_change *s)
{
    if (s == NULL) {
        redis_write(b, SV_NONE);
        return;
    }
    redis_write_i64(b, (int64_t)s->events_n);
    switch (s->view_op) {
    case STORE_VIEW_KEEP:
        redis_write(b, SV_NONE);
        break;
    case STORE_VIEW_SET:
        redis_write_i64(b, counted_until_ms(r, s->ttl_ms));
        break;
    case STORE_VIEW_DROP:
        redis_write(b, SV("0"));
        break;
    }
    redis_write(b, s->view_op == STORE_VIEW_SET ? s->view : SV_NONE);
    redis_write_i64(b, s->ttl_ms);
    redis_write_i64(b, (int64_t)s->events_max);
    redis_write_i64(b, (int64_t)s->seq_least);
    for (size_t i = 0; i < s->events_n; i++)
        redis_write(b, s->events[i]);
}

static void write_more_values(struct buf *b, const struct store_change *c)
{
    if (c->mark_new.key.p != NULL)
        redis_write(b, c->mark_new.value);
    for (size_t i = 0; i < c->marks_n; i++)
        redis_write(b, c->marks[i].value);
    if (c->pending_add.p != NULL)
        redis_write(b, c->pending_add);
    for (size_t i = 0; i < c->pending_more_n; i++)
        redis_write(b, c->pending_more[i]);
    for (size_t i = 0; i < c->context_add_n; i++)
        redis_write(b, c->context_add[i]);
    for (size_t i = 0; i < c->queue_add_n; i++)
        redis_write(b, c->queue_add[i]);
    if (c->job.key.p != NULL && c->job.value.p != NULL)
        redis_write(b, c->job.value);
    if (c->event.p != NULL)
        redis_write(b, c->event);
    for (size_t i = 0; i < c->letters_n; i++) {
        redis_write(b, c->letters[i].id);
        redis_write(b, c->letters[i].item);
    }
    for (size_t i = 0; i < c->callbacks_add_n; i++)
        redis_write(b, c->callbacks_add[i]);
}

static void write_more_args(struct buf *b, const struct redis *r, const struct store_change *c)
{
    bool admits = c->queue_add_n > 0 || pending_n(c) > 0 || c->mark_new.key.p != NULL;
    redis_write(b, c->mark_new.key.p != NULL ? SV("1") : SV("0"));
    redis_write_i64(b, (int64_t)c->marks_n);
    redis_write_i64(b, c->mark_ttl_ms);
    redis_write_i64(b, (int64_t)pending_n(c));
    redis_write_i64(b, (int64_t)c->pending_drop);
    redis_write(b, c->pending_drop_to_context ? SV("1") : SV("0"));
    redis_write_i64(b, (int64_t)c->context_add_n);
    redis_write_i64(b, (int64_t)c->context_max);
    redis_write_i64(b, (int64_t)c->queue_add_n);
    redis_write_i64(b, admits && !c->finishing ? r->queue_max_bytes : 0);
    if (c->job.key.p == NULL)
        redis_write(b, SV_NONE);
    else
        redis_write_i64(b, c->job.value.p != NULL ? c->job_ttl_ms : 0);
    redis_write(b, c->event.p != NULL ? SV(REDIS_CHANNEL) : SV_NONE);
    redis_write_i64(b, (int64_t)c->letters_n);
    redis_write_i64(b, (int64_t)c->callbacks_add_n);
    write_session(b, r, c->session);
    write_more_values(b, c);
}

static struct buf *write_forget(struct redis *r, const struct store_change *c)
{
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_FORGET, FORGET_KEYS, 5);
    if (b == NULL)
        return NULL;
    write_fixed_keys(b, c->conversation_id);
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

static struct buf *write_change(struct redis *r, const struct store_change *c)
{
    bool more = has_more(c), mark = c->mark_new.key.p != NULL, job = c->job.key.p != NULL;
    size_t keys = FIXED_KEYS, args = FIXED_ARGS;
    if (more) {
        keys += MORE_KEYS + mark + c->marks_n + job + (c->letters_n > 0 ? 2 : 0) + (c->callbacks_add_n > 0);
        args += MORE_ARGS + mark + c->marks_n + pending_n(c) + c->context_add_n + c->queue_add_n +
                (job && c->job.value.p != NULL) + (c->event.p != NULL) + 2 * c->letters_n + c->callbacks_add_n;
        keys += c->session != NULL ? SESSION_KEYS : 0;
        args += c->session != NULL ? SESSION_ARGS + c->session->events_n : 0;
    }
    struct buf *b = redis_link_begin_script(r->link, c->finishing ? SCRIPT_FINISH : SCRIPT_APPLY, keys, args);
    if (b == NULL)
        return NULL;
    write_fixed_keys(b, c->conversation_id);
    if (more)
        write_more_keys(b, c);
    write_fixed_args(b, c);
    if (more)
        write_more_args(b, r, c);
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
    struct redis_call call = {
        .done = on_apply, .owner = r, .fn = (void (*)(void))fn, .arg = arg, .number = store_next_version(c)
    };
    struct buf *written = c->forget ? write_forget(r, c) : write_change(r, c);
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
