/* SPDX-License-Identifier: MIT
 * The command of one decision (sql/redis/apply.lua says what each key and argument is). Knows nothing of what records mean. */
#include "config.h"

#include <stdio.h>

#include "store/store_redis_inside.h"

#define FIXED_KEYS 7
#define FIXED_ARGS 10
#define MORE_KEYS 3
#define MORE_ARGS 16
#define SESSION_KEYS 4
#define SESSION_ARGS 5
#define HISTORY_ARGS 8
#define USER_KEYS 3
#define COUNT_KEYS 2

static size_t pending_n(const struct store_change *c)
{
    return (c->pending_add.p != NULL) + c->pending_more_n;
}

static bool has_more(const struct store_change *c)
{
    return c->mark_new.key.p != NULL || c->marks_n > 0 || pending_n(c) > 0 || c->pending_drop > 0 ||
           c->context_add_n > 0 || c->queue_add_n > 0 || c->job.key.p != NULL || c->event.p != NULL ||
           c->letters_n > 0 || c->callbacks_add_n > 0 || c->session != NULL || c->history != NULL;
}

static bool has_user(const struct store_history_change *h)
{
    return h != NULL && h->user_id.p != NULL;
}

static size_t history_keys(const struct store_history_change *h)
{
    return (has_user(h) ? USER_KEYS : 0) + (h != NULL && h->counts_n > 0 ? COUNT_KEYS : 0);
}

static size_t history_args(const struct store_history_change *h)
{
    return history_keys(h) == 0 ? 0 : HISTORY_ARGS + (has_user(h) ? h->entries_n + 2 * h->fields_n : 0) + 2 * h->counts_n;
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

void redis_write_fixed_keys(struct buf *b, struct sv id)
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
    if (has_user(c->history)) {
        redis_key_entries(b, c->history->user_id, c->conversation_id);
        redis_key_history(b, c->conversation_id, KEY_INFO);
        redis_key_history(b, c->history->user_id, KEY_USER);
    }
    if (c->history != NULL && c->history->counts_n > 0) {
        redis_key_history(b, c->history->day, KEY_DAY);
        redis_write(b, KEY_DAYS);
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
    if (c->expect_version == 0)
        redis_write_i64(b, c->decided_ms);
    else
        redis_write(b, SV_NONE);
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

static void write_history(struct buf *b, const struct redis *r, const struct store_history_change *h)
{
    bool user = has_user(h);
    redis_write_i64(b, (int64_t)history_args(h));
    redis_write_i64(b, h->ttl_ms);
    redis_write_i64(b, user ? (int64_t)h->entries_n : 0);
    redis_write_i64(b, (int64_t)h->entries_max);
    redis_write_i64(b, (int64_t)h->sessions_max);
    redis_write_i64(b, user ? 2 * (int64_t)h->fields_n : 0);
    redis_write_i64(b, h->counts_ttl_ms);
    redis_write_i64(b, redis_now_ms(r));
    for (size_t i = 0; user && i < h->entries_n; i++)
        redis_write(b, h->entries[i]);
    for (size_t i = 0; user && i < h->fields_n; i++) {
        redis_write(b, h->fields[i].key);
        redis_write(b, h->fields[i].value);
    }
    for (size_t i = 0; i < h->counts_n; i++) {
        redis_write(b, h->counts[i].metric);
        redis_write_i64(b, h->counts[i].n);
    }
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
    if (c->session != NULL)
        redis_write_i64(b, (int64_t)c->session->events_n);
    else
        redis_write(b, SV_NONE);
    if (history_keys(c->history) > 0)
        redis_write_i64(b, (int64_t)history_keys(c->history));
    else
        redis_write(b, SV_NONE);
    if (c->session != NULL)
        write_session(b, r, c->session);
    if (history_keys(c->history) > 0)
        write_history(b, r, c->history);
    write_more_values(b, c);
}

struct buf *redis_write_change(struct redis *r, const struct store_change *c)
{
    bool more = has_more(c), mark = c->mark_new.key.p != NULL, job = c->job.key.p != NULL;
    size_t keys = FIXED_KEYS, args = FIXED_ARGS;
    if (more) {
        keys += MORE_KEYS + mark + c->marks_n + job + (c->letters_n > 0 ? 2 : 0) + (c->callbacks_add_n > 0);
        args += MORE_ARGS + mark + c->marks_n + pending_n(c) + c->context_add_n + c->queue_add_n +
                (job && c->job.value.p != NULL) + (c->event.p != NULL) + 2 * c->letters_n + c->callbacks_add_n;
        keys += c->session != NULL ? SESSION_KEYS : 0;
        args += c->session != NULL ? SESSION_ARGS + c->session->events_n : 0;
        keys += history_keys(c->history);
        args += history_args(c->history);
    }
    keys += c->expect_version == 0;
    struct buf *b = redis_link_begin_script(r->link, c->finishing ? SCRIPT_FINISH : SCRIPT_APPLY, keys, args);
    if (b == NULL)
        return NULL;
    redis_write_fixed_keys(b, c->conversation_id);
    if (more)
        write_more_keys(b, c);
    if (c->expect_version == 0)
        redis_key_history(b, c->conversation_id, KEY_ERASED);
    write_fixed_args(b, c);
    if (more)
        write_more_args(b, r, c);
    return b;
}
