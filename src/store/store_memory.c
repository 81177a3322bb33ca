/* SPDX-License-Identifier: MIT
 * The store in this process's memory: the reference that the other backends are compared with, and what tests of the
 * layers above run on. Every operation is done at once, in the order of the calls, and answered on the next round of
 * the loop. Meant to be read: time is looked at when something is read (what is past its time counts as absent), lists
 * are arrays, whatever could be indexed is searched. Short memory aborts: tests do without that branch. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "store/answer.h"
#include "store/store_backends.h"

struct list {
    struct sv *at; /* owned copies */
    size_t n, size;
};

struct timed {
    struct sv value; /* owned */
    int64_t until_ms;
};

struct conversation {
    uint64_t version;
    struct sv record, token; /* owned */
    int64_t lease_until_ms, due_ms;
    struct map *marks; /* message id: struct timed */
    struct list pending, context;
    unsigned in;
};

struct batch {
    struct batch *next; /* older first */
    struct sv name, owner;
    struct list items;
};

struct memory {
    struct store store;
    struct answers *answers;
    struct map *conversations, *values;
    struct list queue, dead;
    struct batch *batches;
    size_t queue_max;
    uint64_t batches_made;
};

static void *need(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static struct memory *of(struct store *s)
{
    return CONTAINER_OF(s, struct memory, store);
}

static struct sv copy(struct sv s)
{
    char *p = need(malloc(s.n + 1));
    memcpy(p, s.p != NULL ? s.p : "", s.n);
    p[s.n] = '\0';
    return (struct sv){ p, s.n };
}

static void drop(struct sv *s)
{
    free((void *)(uintptr_t)s->p);
    *s = SV_NONE;
}

static void replace(struct sv *s, struct sv by)
{
    struct sv made = by.p != NULL ? copy(by) : SV_NONE;
    drop(s);
    *s = made;
}

static void list_add(struct list *l, struct sv owned)
{
    if (l->n == l->size) {
        l->size = l->size * 2 + 8;
        l->at = need(realloc(l->at, l->size * sizeof *l->at));
    }
    l->at[l->n++] = owned;
}

/* Moves the first n to the end of `to`, or frees them. */
static void list_shift(struct list *l, size_t n, struct list *to)
{
    if (n > l->n)
        n = l->n;
    for (size_t i = 0; i < n; i++) {
        if (to != NULL)
            list_add(to, l->at[i]);
        else
            drop(&l->at[i]);
    }
    l->n -= n;
    if (l->n > 0)
        memmove(l->at, l->at + n, l->n * sizeof *l->at);
}

static void list_fini(struct list *l)
{
    list_shift(l, l->n, NULL);
    free(l->at);
    *l = (struct list){ 0 };
}

static void timed_free(struct timed *t)
{
    if (t == NULL)
        return;
    drop(&t->value);
    free(t);
}

static struct sv timed_get(const struct map *m, struct sv key)
{
    const struct timed *t = map_find(m, key);
    return t != NULL && t->until_ms > clock_wall_ms() ? t->value : SV_NONE;
}

static void timed_put(struct map *m, struct sv key, struct sv value, int64_t ttl_ms)
{
    void *old;
    if (value.p == NULL) {
        timed_free(map_take(m, key));
        return;
    }
    struct timed *t = need(malloc(sizeof *t));
    *t = (struct timed){ copy(value), clock_wall_ms() + ttl_ms };
    if (map_put(m, key, t, &old) != 0)
        abort();
    timed_free(old);
}

static void timed_fini(void *arg, struct sv key, void *value)
{
    (void)arg;
    (void)key;
    timed_free(value);
}

static void later(struct memory *m, const struct answer *a)
{
    answers_later(m->answers, answer_new(a));
}

/* ---- one conversation ---- */

static struct conversation *find(const struct memory *m, struct sv id)
{
    return map_find(m->conversations, id);
}

static struct sv lease_of(const struct conversation *c)
{
    return c != NULL && c->lease_until_ms > clock_wall_ms() ? c->token : SV_NONE;
}

static void keep(struct answer *a, struct sv *s)
{
    if (!answer_keep(a, s))
        abort();
}

static const struct sv *keep_all(struct answer *a, const struct sv *items, size_t n)
{
    struct sv *kept = need(arena_array(need(answer_arena(a)), n + 1, sizeof *kept));
    for (size_t i = 0; i < n; i++) {
        kept[i] = items[i];
        keep(a, &kept[i]);
    }
    return kept;
}

static void memory_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_LOAD, .fn.load = fn, .arg = arg });
    struct store_view *v = &a->is.view;
    const struct conversation *c = find(m, what->conversation_id);
    v->now_ms = clock_wall_ms();
    if (c != NULL) {
        v->version = c->version;
        v->record = c->record;
        v->lease_token = lease_of(c);
        v->lease_left_ms = v->lease_token.p != NULL ? c->lease_until_ms - v->now_ms : 0;
        v->mark = what->message_id.p != NULL ? timed_get(c->marks, what->message_id) : SV_NONE;
        keep(a, &v->record);
        keep(a, &v->lease_token);
        keep(a, &v->mark);
        if (what->want_lists) {
            v->pending_n = c->pending.n;
            v->pending = keep_all(a, c->pending.at, c->pending.n);
            v->context_n = c->context.n;
            v->context = keep_all(a, c->context.at, c->context.n);
        }
    }
    answers_later(m->answers, a);
}

/* Items that nobody has acknowledged yet. */
static size_t queue_held(const struct memory *m)
{
    size_t n = m->queue.n;
    for (const struct batch *b = m->batches; b != NULL; b = b->next)
        n += b->items.n;
    return n;
}

static bool is_full(const struct memory *m, const struct store_change *c)
{
    bool admits = c->queue_add_n > 0 || c->pending_add.p != NULL || c->mark_new.key.p != NULL;
    return admits && !c->finishing && m->queue_max > 0 && queue_held(m) + c->queue_add_n > m->queue_max;
}

static enum store_status may_apply(const struct memory *m, const struct conversation *old, const struct store_change *c,
                                   struct sv *mark)
{
    if ((old != NULL ? old->version : 0) != c->expect_version)
        return STORE_CONFLICT;
    if (c->need_token.p != NULL) {
        struct sv token = lease_of(old);
        if (token.p == NULL || !sv_eq(token, c->need_token))
            return STORE_LEASE_LOST;
    }
    if (old != NULL && c->mark_new.key.p != NULL) {
        *mark = timed_get(old->marks, c->mark_new.key);
        if (mark->p != NULL)
            return STORE_DUPLICATE;
    }
    return is_full(m, c) ? STORE_FULL : STORE_DONE;
}

static struct conversation *find_or_add(struct memory *m, struct sv id)
{
    struct conversation *c = find(m, id);
    if (c != NULL)
        return c;
    c = need(calloc(1, sizeof *c));
    c->marks = need(map_new());
    if (map_put(m->conversations, id, c, NULL) != 0)
        abort();
    return c;
}

static void change_lists(struct memory *m, struct conversation *old, const struct store_change *c)
{
    bool appended = c->context_add_n > 0 || (c->pending_drop > 0 && c->pending_drop_to_context);
    if (c->pending_add.p != NULL)
        list_add(&old->pending, copy(c->pending_add));
    for (size_t i = 0; i < c->pending_more_n; i++)
        list_add(&old->pending, copy(c->pending_more[i]));
    list_shift(&old->pending, c->pending_drop, c->pending_drop_to_context ? &old->context : NULL);
    for (size_t i = 0; i < c->context_add_n; i++)
        list_add(&old->context, copy(c->context_add[i]));
    if (appended && c->context_max > 0 && old->context.n > c->context_max)
        list_shift(&old->context, old->context.n - c->context_max, NULL);
    for (size_t i = 0; i < c->queue_add_n; i++)
        list_add(&m->queue, copy(c->queue_add[i]));
}

static void change_all(struct memory *m, struct conversation *old, const struct store_change *c)
{
    old->version = c->expect_version + 1;
    replace(&old->record, c->record);
    if (c->lease != STORE_LEASE_KEEP) {
        replace(&old->token, c->lease == STORE_LEASE_TAKE ? c->lease_token : SV_NONE);
        old->lease_until_ms = c->lease == STORE_LEASE_TAKE ? clock_wall_ms() + c->lease_ttl_ms : 0;
    }
    if (c->mark_new.key.p != NULL)
        timed_put(old->marks, c->mark_new.key, c->mark_new.value, c->mark_ttl_ms);
    for (size_t i = 0; i < c->marks_n; i++)
        timed_put(old->marks, c->marks[i].key, c->marks[i].value, c->mark_ttl_ms);
    change_lists(m, old, c);
    if (c->job.key.p != NULL) {
        struct sv parts[2] = { SV("job:"), c->job.key };
        char *name = need(malloc(parts[0].n + parts[1].n));
        memcpy(name, parts[0].p, parts[0].n);
        memcpy(name + parts[0].n, parts[1].p, parts[1].n);
        timed_put(m->values, (struct sv){ name, parts[0].n + parts[1].n }, c->job.value, c->job_ttl_ms);
        free(name);
    }
    old->due_ms = c->due_ms;
    old->in = c->in;
}

static void hear(void *arg, struct sv event)
{
    struct memory *m = arg;
    if (m->store.on_event != NULL)
        m->store.on_event(m->store.event_arg, event);
}

static void memory_apply(struct store *s, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_APPLY, .fn.apply = fn, .arg = arg });
    struct sv mark = SV_NONE;
    a->status = may_apply(m, find(m, c->conversation_id), c, &mark);
    if (a->status == STORE_DONE)
        change_all(m, find_or_add(m, c->conversation_id), c);
    a->is.applied = (struct store_applied){ c->expect_version + 1, mark, clock_wall_ms() };
    keep(a, &a->is.applied.mark);
    answers_later(m->answers, a);
    if (a->status != STORE_DONE || c->event.p == NULL)
        return;
    struct answer *told =
        answer_new(&(struct answer){ .kind = ANSWER_EVENT, .fn.event = hear, .arg = m, .is.value = c->event });
    keep(told, &told->is.value);
    answers_later(m->answers, told);
}

static void memory_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct conversation *c = find(m, id);
    struct sv held = lease_of(c);
    bool mine = held.p != NULL && sv_eq(held, token);
    if (mine)
        c->lease_until_ms = c->due_ms = clock_wall_ms() + ttl_ms;
    later(m, &(struct answer){
                 .kind = ANSWER_STATUS, .status = mine ? STORE_DONE : STORE_LEASE_LOST, .fn.status = fn, .arg = arg });
}

/* ---- who needs the daemon ---- */

struct due_one {
    int64_t at_ms;
    struct sv id;
};

struct due_all {
    struct due_one *at;
    size_t n;
};

static void due_collect(void *arg, struct sv key, void *value)
{
    struct due_all *all = arg;
    const struct conversation *c = value;
    if (c->due_ms > 0)
        all->at[all->n++] = (struct due_one){ c->due_ms, key };
}

static int due_order(const void *a, const void *b)
{
    const struct due_one *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    int order = memcmp(x->id.p, y->id.p, x->id.n < y->id.n ? x->id.n : y->id.n);
    return order != 0 ? order : (x->id.n > y->id.n) - (x->id.n < y->id.n);
}

static void memory_due(struct store *s, size_t max, store_list_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_LIST, .fn.list = fn, .arg = arg });
    struct due_all all = { need(calloc(map_count(m->conversations) + 1, sizeof(struct due_one))), 0 };
    map_each(m->conversations, due_collect, &all);
    qsort(all.at, all.n, sizeof *all.at, due_order);
    int64_t now_ms = clock_wall_ms();
    struct sv *ids = need(arena_array(need(answer_arena(a)), all.n + 1, sizeof *ids));
    size_t n = 0;
    for (; n < all.n && n < max && all.at[n].at_ms <= now_ms; n++) {
        ids[n] = all.at[n].id;
        keep(a, &ids[n]);
    }
    a->is.list.items = ids;
    a->is.list.n = n;
    if (n == all.n)
        a->is.list.next_ms = -1;
    else
        a->is.list.next_ms = all.at[n].at_ms > now_ms ? all.at[n].at_ms - now_ms : 0;
    free(all.at);
    answers_later(m->answers, a);
}

/* ---- message_queue ---- */

static void batch_free(struct batch *b)
{
    drop(&b->name);
    drop(&b->owner);
    list_fini(&b->items);
    free(b);
}

static void memory_take(struct store *s, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_BATCH, .fn.batch = fn, .arg = arg });
    if (m->queue.n > 0) {
        struct batch **end = &m->batches, *b = need(calloc(1, sizeof *b));
        while (*end != NULL)
            end = &(*end)->next;
        *end = b;
        struct sv name =
            arena_printf(need(answer_arena(a)), "%.*s:%llu", SV_FMT(owner), (unsigned long long)++m->batches_made);
        b->name = copy(name);
        b->owner = copy(owner);
        list_shift(&m->queue, max, &b->items);
        a->is.batch = (struct store_batch){ name, keep_all(a, b->items.at, b->items.n), b->items.n, 0 };
    } else {
        a->is.batch.name = SV("");
    }
    a->is.batch.left = m->queue.n;
    answers_later(m->answers, a);
}

static void memory_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct batch **at = &m->batches;
    while (*at != NULL && !sv_eq((*at)->name, ack->batch))
        at = &(*at)->next;
    if (*at != NULL) { /* else acknowledged before, or given back: nothing may come twice */
        struct batch *b = *at;
        *at = b->next;
        batch_free(b);
        for (size_t i = 0; i < ack->dead_n; i++)
            list_add(&m->dead, copy(ack->dead[i]));
        for (size_t i = 0; i < ack->again_n; i++)
            list_add(&m->queue, copy(ack->again[i]));
    }
    later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

static void memory_recover(struct store *s, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct list back = { 0 };
    struct batch **at = &m->batches;
    while (*at != NULL) {
        struct batch *b = *at;
        if (!is_dead(dead_arg, b->owner)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        list_shift(&b->items, b->items.n, &back);
        batch_free(b);
    }
    list_shift(&m->queue, m->queue.n, &back);
    list_fini(&m->queue);
    m->queue = back;
    later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

/* ---- small values, numbers ---- */

static void memory_put(struct store *s, struct sv name, struct sv value, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    struct memory *m = of(s);
    timed_put(m->values, name, value, ttl_ms);
    later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

static void memory_get(struct store *s, struct sv name, store_value_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_VALUE, .fn.value = fn, .arg = arg });
    a->is.value = timed_get(m->values, name);
    keep(a, &a->is.value);
    answers_later(m->answers, a);
}

static void count_one(void *arg, struct sv key, void *value)
{
    struct store_stat *n = arg;
    const struct conversation *c = value;
    (void)key;
    n->conversations++;
    n->active += (c->in & STORE_IN_ACTIVE) != 0;
    n->waiting += (c->in & STORE_IN_WAITING) != 0;
    n->paused += (c->in & STORE_IN_PAUSED) != 0;
    n->due += c->due_ms > 0;
}

static void memory_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    struct memory *m = of(s);
    struct store_stat n = { .up = true, .queue = (int64_t)m->queue.n, .dead = (int64_t)m->dead.n, .text = SV("{}") };
    map_each(m->conversations, count_one, &n);
    n.queue_taken = (int64_t)(queue_held(m) - m->queue.n);
    later(m, &(struct answer){ .kind = ANSWER_STAT, .fn.stat = fn, .arg = arg, .is.stat = n });
}

/* ---- open, close ---- */

static bool memory_is_up(const struct store *s)
{
    (void)s;
    return true;
}

static void conversation_fini(void *arg, struct sv key, void *value)
{
    struct conversation *c = value;
    (void)arg;
    (void)key;
    drop(&c->record);
    drop(&c->token);
    map_each(c->marks, timed_fini, NULL);
    map_free(c->marks);
    list_fini(&c->pending);
    list_fini(&c->context);
    free(c);
}

static void memory_close(struct store *s)
{
    struct memory *m = of(s);
    answers_close(m->answers);
    map_each(m->conversations, conversation_fini, NULL);
    map_free(m->conversations);
    map_each(m->values, timed_fini, NULL);
    map_free(m->values);
    while (m->batches != NULL) {
        struct batch *b = m->batches;
        m->batches = b->next;
        batch_free(b);
    }
    list_fini(&m->queue);
    list_fini(&m->dead);
    free(m);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .load = memory_load,
    .apply = memory_apply,
    .renew = memory_renew,
    .due = memory_due,
    .take = memory_take,
    .ack = memory_ack,
    .recover = memory_recover,
    .put = memory_put,
    .get = memory_get,
    .stat = memory_stat,
    .is_up = memory_is_up,
    .close = memory_close,
};

struct store *store_memory_open(struct loop *l, size_t queue_max)
{
    struct memory *m = need(calloc(1, sizeof *m));
    m->store = (struct store){ .ops = &memory_ops, .backend = "Memory", .loop = l };
    m->answers = need(answers_new(l));
    m->conversations = need(map_new());
    m->values = need(map_new());
    m->queue_max = queue_max;
    later(m, &(struct answer){ .kind = ANSWER_EVENT, .fn.event = hear, .arg = m, .is.value = SV_NONE });
    return &m->store;
}
