/* SPDX-License-Identifier: MIT
 * The queues in Redis: batches are taken, acknowledged, and given back when their owner is dead. A batch is the list
 * <queue>:taken:<owner>:<number>; <queue>:batches knows the names of all and how many items each has. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "store/store_redis_inside.h"

/* ---- take ---- */

/* The caller's part of a take: the batch's name is known before the answer. When the answer is lost, nobody else knows the batch: it is
 * given back as soon as the link is up again. */
struct taking {
    struct taking *next; /* lost ones */
    struct redis *r;
    enum store_queue queue;
    store_take_fn *fn;
    void *arg;
    struct sv name;
    char text[];
};

static enum store_status batch_of(struct redis *r, const struct taking *t, const struct redis_reply *reply,
                                  struct store_batch *b, struct sv **items)
{
    struct redis_reply left = redis_item(reply, 0), list = redis_item(reply, 1);
    if (left.type != REDIS_INTEGER || list.type != REDIS_ARRAY)
        return redis_odd(r, "take");
    *items = calloc(list.n + 1, sizeof(**items));
    if (*items == NULL)
        return STORE_DOWN; /* the batch stays; store_recover gives it back when this process is dead */
    for (size_t i = 0; i < list.n; i++) {
        (*items)[i] = redis_text(&list, i);
        if ((*items)[i].p == NULL)
            (*items)[i] = SV("");
    }
    *b = (struct store_batch){ list.n > 0 ? t->name : SV(""), *items, list.n,
                               left.integer > 0 ? (size_t)left.integer : 0 };
    return STORE_DONE;
}

static void on_take(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct taking *t = call->arg;
    struct store_batch b = { 0 };
    struct sv *items = NULL;
    enum store_status status = redis_status(t->r, outcome, reply, "take");
    if (status == STORE_DONE)
        status = batch_of(t->r, t, reply, &b, &items);
    if (outcome == REDIS_LOST) {
        t->next = t->r->lost_takes;
        t->r->lost_takes = t;
    }
    t->fn(t->arg, status, status == STORE_DONE ? &b : NULL); /* may close the store */
    free(items);
    if (outcome != REDIS_LOST)
        free(t);
}

/* Grows with time, so that names tell the age of batches, also of two processes with one owner's name. */
static uint64_t next_number(struct redis *r)
{
    uint64_t now_us = (uint64_t)clock_wall_ms() * 1000;
    r->batches = now_us > r->batches ? now_us : r->batches + 1;
    return r->batches;
}

static struct taking *taking_new(struct redis *r, enum store_queue q, struct sv owner, store_take_fn *fn, void *arg)
{
    struct buf name = { 0 };
    buf_add(&name, owner);
    buf_addc(&name, ':');
    buf_i64(&name, (int64_t)next_number(r));
    struct taking *t = buf_ok(&name) ? malloc(sizeof(*t) + name.n) : NULL;
    if (t != NULL) {
        *t = (struct taking){ .r = r, .queue = q, .fn = fn, .arg = arg };
        memcpy(t->text, name.p, name.n);
        t->name = (struct sv){ t->text, name.n };
    }
    buf_fini(&name);
    return t;
}

void redis_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct taking *t = taking_new(r, q, owner, fn, arg);
    struct buf *b = t != NULL ? redis_link_begin_script(r->link, SCRIPT_TAKE, 3, 4) : NULL;
    if (b != NULL) {
        redis_key_queue(b, q);
        redis_key_batch(b, q, t->name);
        redis_key_batches(b, q);
        redis_write_i64(b, max < INT32_MAX ? (int64_t)max : INT32_MAX);
        redis_write(b, t->name);
        redis_write_i64(b, STORE_TAKE_BYTES);
        redis_write_i64(b, STORE_ITEM_BYTES);
        if (redis_link_end(r->link, &(struct redis_call){ .done = on_take, .owner = r, .arg = t }))
            return;
    }
    free(t);
    redis_refuse(r, &(struct answer){ .kind = ANSWER_BATCH, .fn.batch = fn, .arg = arg });
}

/* ---- ack ---- */

static void on_ack(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct redis *r = call->owner;
    enum store_status status = redis_status(r, outcome, reply, "ack");
    if (status == STORE_DONE)
        status = redis_code(r, reply, "ack");
    ((store_status_fn *)call->fn)(call->arg, status);
}

void redis_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_ACK, 5, 3 + 2 * ack->dead_n + ack->again_n);
    if (b != NULL) {
        redis_key_batch(b, ack->queue, ack->batch);
        redis_key_batches(b, ack->queue);
        redis_key_queue(b, ack->queue);
        redis_write(b, KEY_DEAD);
        redis_write(b, KEY_DEAD_ITEMS);
        redis_write(b, ack->batch);
        redis_write_i64(b, (int64_t)ack->dead_n);
        redis_write_i64(b, (int64_t)ack->again_n);
        for (size_t i = 0; i < ack->dead_n; i++) {
            redis_write(b, ack->dead[i].id);
            redis_write(b, ack->dead[i].item);
        }
        for (size_t i = 0; i < ack->again_n; i++)
            redis_write(b, ack->again[i]);
    }
    redis_end_status(r, b != NULL ? on_ack : NULL, fn, arg);
}

/* ---- recover ---- */

struct recovery {
    struct redis *r;
    enum store_queue queue;
    store_dead_fn *is_dead;
    void *dead_arg;
    store_status_fn *fn;
    void *arg;
    size_t waiting; /* batches on their way back */
    enum store_status status;
};

struct batch_name {
    struct sv name;
    uint64_t number;
};

static void recovered_one(struct recovery *v)
{
    if (--v->waiting > 0)
        return;
    v->fn(v->arg, v->status);
    free(v);
}

static void on_returned(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct recovery *v = call->arg;
    enum store_status status = redis_status(v->r, outcome, reply, "recover");
    if (status != STORE_DONE)
        v->status = status;
    recovered_one(v);
}

static bool write_return(struct redis *r, enum store_queue q, struct sv name, const struct redis_call *call)
{
    struct buf *b = redis_link_begin_script(r->link, SCRIPT_RECOVER, 3, 1);
    if (b == NULL)
        return false;
    redis_key_batch(b, q, name);
    redis_key_batches(b, q);
    redis_key_queue(b, q);
    redis_write(b, name);
    return redis_link_end(r->link, call);
}

static void give_back(struct recovery *v, struct sv name)
{
    if (write_return(v->r, v->queue, name, &(struct redis_call){ .done = on_returned, .owner = v->r, .arg = v }))
        v->waiting++;
    else
        v->status = redis_link_is_up(v->r->link) ? STORE_FULL : STORE_DOWN;
}

static void on_lost_returned(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct taking *t = call->arg;
    (void)reply;
    if (outcome == REDIS_LOST) {
        t->next = t->r->lost_takes;
        t->r->lost_takes = t;
        return;
    }
    free(t);
}

void redis_return_lost_takes(struct redis *r)
{
    struct taking *t = r->lost_takes;
    r->lost_takes = NULL;
    while (t != NULL) {
        struct taking *next = t->next;
        if (!write_return(r, t->queue, t->name, &(struct redis_call){ .done = on_lost_returned, .owner = r, .arg = t })) {
            t->next = r->lost_takes;
            r->lost_takes = t;
        }
        t = next;
    }
}

void redis_forget_lost_takes(struct redis *r)
{
    while (r->lost_takes != NULL) {
        struct taking *t = r->lost_takes;
        r->lost_takes = t->next;
        free(t);
    }
}

/* The newest first: each goes to the queue's front, so the oldest ends up there. */
static int newest_first(const void *a, const void *b)
{
    const struct batch_name *x = a, *y = b;
    return (x->number < y->number) - (x->number > y->number);
}

static struct sv owner_of(struct sv name, uint64_t *number)
{
    size_t n = name.n;
    while (n > 0 && name.p[n - 1] != ':')
        n--;
    *number = 0;
    if (n > 0)
        (void)sv_to_u64((struct sv){ name.p + n, name.n - n }, number); /* a name made by hand is the oldest */
    return (struct sv){ name.p, n > 0 ? n - 1 : 0 };
}

static void on_batches(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply)
{
    struct recovery *v = call->arg;
    size_t n = 0;
    v->status = redis_status(v->r, outcome, reply, "recover");
    struct batch_name *dead = v->status == STORE_DONE ? calloc(reply->n + 1, sizeof(*dead)) : NULL;
    if (v->status == STORE_DONE && dead == NULL)
        v->status = STORE_DOWN;
    for (size_t i = 0; dead != NULL && i < reply->n; i++) {
        dead[n].name = redis_text(reply, i);
        if (dead[n].name.p != NULL && v->is_dead(v->dead_arg, owner_of(dead[n].name, &dead[n].number)))
            n++;
    }
    if (n > 0)
        qsort(dead, n, sizeof(*dead), newest_first);
    v->waiting = 1; /* this function itself */
    for (size_t i = 0; i < n; i++)
        give_back(v, dead[i].name);
    free(dead);
    recovered_one(v);
}

void redis_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn, void *arg)
{
    struct redis *r = redis_of(s);
    struct recovery *v = malloc(sizeof(*v));
    struct buf *b = v != NULL ? redis_link_begin(r->link) : NULL;
    if (b != NULL) {
        *v = (struct recovery){ .r = r, .queue = q, .is_dead = is_dead, .dead_arg = dead_arg, .fn = fn, .arg = arg };
        redis_write_head(b, 4);
        redis_write(b, SV("ZRANGE"));
        redis_key_batches(b, q);
        redis_write(b, SV("0"));
        redis_write(b, SV("-1"));
        if (redis_link_end(r->link, &(struct redis_call){ .done = on_batches, .owner = r, .arg = v }))
            return;
    }
    free(v);
    redis_refuse(r, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}
