/* SPDX-License-Identifier: MIT
 * Erasure in Redis: one script (sql/redis/erase.lua says what each argument is). When a figure of every day is to be moved, the days that
 * there are are asked first, since the script must be told all its keys; should there be another one by then, once more. */
#include "config.h"

#include <stdlib.h>

#include "store/store_redis_inside.h"

#define FIXED_KEYS 17
#define FIXED_ARGS 13
#define COPY_MAX (64u << 20)
#define TRIES_MAX 5
#define OTHER_DAYS 2

struct erasing {
    struct redis *r;
    struct arena *arena;
    struct store_change c; /* a copy, as all that it points to */
    struct store_erase e;
    store_apply_fn *fn;
    void *arg;
    unsigned tries;
};

static void end(struct erasing *q, enum store_status status)
{
    struct store_applied a = { .now_ms = redis_now_ms(q->r) };
    store_apply_fn *fn = q->fn;
    void *arg = q->arg;
    arena_free(q->arena);
    free(q);
    fn(arg, status, status == STORE_DONE ? &a : NULL);
}

/* ---- the question's copy ---- */

static bool keep(struct erasing *q, struct sv *s)
{
    if (s->p == NULL)
        return true;
    *s = arena_sv(q->arena, *s);
    return s->p != NULL;
}

static bool keep_all(struct erasing *q, const struct sv **items, size_t n)
{
    struct sv *kept = arena_array(q->arena, n + 1, sizeof(*kept));
    bool all = kept != NULL;
    for (size_t i = 0; all && i < n; i++) {
        kept[i] = (*items)[i];
        all = keep(q, &kept[i]);
    }
    *items = kept;
    return all;
}

static bool keep_marks(struct erasing *q)
{
    struct store_pair *kept = arena_array(q->arena, q->c.marks_n + 1, sizeof(*kept));
    bool all = kept != NULL;
    for (size_t i = 0; all && i < q->c.marks_n; i++) {
        kept[i] = q->c.marks[i];
        all = keep(q, &kept[i].key) && keep(q, &kept[i].value);
    }
    q->c.marks = kept;
    return all;
}

static struct erasing *copy(const struct store_change *c)
{
    struct erasing *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return NULL;
    q->c = *c;
    q->e = *c->erase;
    q->arena = arena_new(0, COPY_MAX);
    if (q->arena != NULL && keep(q, &q->c.conversation_id) && keep(q, &q->c.event) && keep_marks(q) &&
        keep_all(q, &q->c.queue_add, q->c.queue_add_n) && keep(q, &q->e.user_id) && keep_all(q, &q->e.jobs, q->e.jobs_n) &&
        keep(q, &q->e.day_metric) && keep(q, &q->e.day_into))
        return q;
    arena_free(q->arena);
    free(q);
    return NULL;
}

/* ---- the script ---- */

static void write_keys(struct buf *b, const struct erasing *q, const struct redis_reply *days)
{
    struct sv id = q->c.conversation_id;
    redis_write_fixed_keys(b, id);
    redis_key_conversation(b, id, KEY_PENDING);
    redis_key_conversation(b, id, KEY_CONTEXT);
    redis_key_session(b, id, KEY_VIEW);
    redis_key_session(b, id, KEY_CUSTOMER);
    redis_key_session(b, id, KEY_EVENTS);
    redis_key_session(b, id, KEY_LAST);
    redis_write(b, KEY_SESSIONS);
    redis_key_history(b, id, KEY_INFO);
    redis_key_history(b, id, KEY_ERASED);
    redis_write(b, KEY_QUEUE);
    if (q->e.user_id.p != NULL) {
        redis_key_entries(b, q->e.user_id, id);
        redis_key_history(b, q->e.user_id, KEY_USER);
    }
    for (size_t i = 0; i < q->c.marks_n; i++)
        redis_key_mark(b, id, q->c.marks[i].key);
    for (size_t i = 0; i < q->e.jobs_n; i++)
        redis_key_job(b, q->e.jobs[i]);
    if (q->e.day_metric.p == NULL)
        return;
    redis_write(b, KEY_DAYS);
    for (size_t i = 0; i < days->n; i++)
        redis_key_history(b, redis_text(days, i), KEY_DAY);
}

static void write_args(struct buf *b, const struct erasing *q, const struct redis_reply *days)
{
    redis_write_i64(b, (int64_t)q->c.expect_version);
    redis_write(b, q->c.conversation_id);
    redis_write(b, q->c.event.p != NULL ? SV(REDIS_CHANNEL) : SV_NONE);
    redis_write(b, q->c.event);
    redis_write_i64(b, STORE_LAST_MS);
    redis_write_i64(b, q->e.at_ms);
    redis_write_i64(b, q->c.mark_ttl_ms);
    redis_write(b, q->e.user_id.p != NULL ? SV("1") : SV("0"));
    redis_write_i64(b, (int64_t)q->c.marks_n);
    redis_write_i64(b, (int64_t)q->e.jobs_n);
    redis_write_i64(b, (int64_t)q->c.queue_add_n);
    redis_write(b, q->e.day_metric);
    redis_write(b, q->e.day_into);
    for (size_t i = 0; i < q->c.marks_n; i++)
        redis_write(b, q->c.marks[i].value);
    for (size_t i = 0; i < q->c.queue_add_n; i++)
        redis_write(b, q->c.queue_add[i]);
    for (size_t i = 0; i < days->n; i++)
        redis_write(b, redis_text(days, i));
}

static bool ask_days(struct erasing *q);

static void on_erase(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct erasing *q = call->arg;
    enum store_status status = redis_status(q->r, outcome, reply, "erase");
    if (status == STORE_DONE && reply->type == REDIS_INTEGER && reply->integer == OTHER_DAYS) {
        if (++q->tries < TRIES_MAX && ask_days(q))
            return;
        status = STORE_DOWN;
    } else if (status == STORE_DONE && reply->type == REDIS_ARRAY) {
        struct redis_reply n[3] = { redis_item(reply, 0), redis_item(reply, 1), redis_item(reply, 2) };
        if (q->e.counts != NULL)
            *q->e.counts = (struct store_erased){ redis_number(&n[0], 0), redis_number(&n[1], 0), redis_number(&n[2], 0) };
    } else if (status == STORE_DONE) {
        status = redis_code(q->r, reply, "erase");
    }
    end(q, status);
}

static bool ask_erase(struct erasing *q, const struct redis_reply *days)
{
    size_t more = q->c.marks_n + q->e.jobs_n;
    size_t keys = FIXED_KEYS + (q->e.user_id.p != NULL ? 2 : 0) + more + (q->e.day_metric.p != NULL) + days->n;
    struct buf *b = redis_link_begin_script(q->r->link, SCRIPT_ERASE, keys, FIXED_ARGS + q->c.marks_n + q->c.queue_add_n + days->n);
    if (b == NULL)
        return false;
    write_keys(b, q, days);
    write_args(b, q, days);
    return redis_link_end(q->r->link, &(struct redis_call){ .done = on_erase, .owner = q->r, .arg = q });
}

/* ---- the days ---- */

static void on_days(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct erasing *q = call->arg;
    enum store_status status = redis_status(q->r, outcome, reply, "erase: days");
    if (status != STORE_DONE)
        end(q, status);
    else if (!ask_erase(q, reply))
        end(q, redis_link_is_up(q->r->link) ? STORE_FULL : STORE_DOWN);
}

static bool ask_days(struct erasing *q)
{
    struct buf *b = redis_link_begin(q->r->link);
    if (b == NULL)
        return false;
    redis_write_head(b, 4);
    redis_write(b, SV("ZRANGE"));
    redis_write(b, KEY_DAYS);
    redis_write(b, SV("0"));
    redis_write(b, SV("-1"));
    return redis_link_end(q->r->link, &(struct redis_call){ .done = on_days, .owner = q->r, .arg = q });
}

void redis_erase(struct redis *r, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    struct erasing *q = copy(c);
    static const struct redis_reply no_days = { .type = REDIS_ARRAY };
    if (q != NULL) {
        q->r = r;
        q->fn = fn;
        q->arg = arg;
        if (q->e.day_metric.p != NULL ? ask_days(q) : ask_erase(q, &no_days))
            return;
        arena_free(q->arena);
        free(q);
    }
    redis_refuse(r, &(struct answer){ .kind = ANSWER_APPLY, .fn.apply = fn, .arg = arg });
}
