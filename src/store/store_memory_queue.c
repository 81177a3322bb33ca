/* SPDX-License-Identifier: MIT
 * The memory store's listings, queues, dead letters, small values, numbers and places (store_memory.c has the rest). A listing is made anew for
 * each call, from all conversations: right before fast. Knows nothing of what records mean. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "store/place.h"
#include "store/store_memory_inside.h"

/* ---- listings ---- */

struct place {
    int64_t at_ms;
    struct sv id, record;
};

struct places {
    enum store_index index;
    struct place *at;
    size_t n;
};

static void collect(void *arg, struct sv key, void *value)
{
    struct places *all = arg;
    const struct conversation *c = value;
    if (memory_is_listed(c, all->index))
        all->at[all->n++] = (struct place){ c->scores[all->index], key, c->record };
}

static int id_order(struct sv a, struct sv b)
{
    int order = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int place_order(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return id_order(x->id, y->id);
}

static bool is_wanted(const struct store_list *what, const struct place *p, int64_t now_ms)
{
    if (p->at_ms < what->min_ms || (what->max_ms > 0 && p->at_ms > what->max_ms) ||
        (what->until_now && p->at_ms > now_ms))
        return false;
    if (what->after_id.p == NULL)
        return true;
    int order = place_order(p, &(struct place){ .at_ms = what->after_ms, .id = what->after_id });
    return what->newest_first ? order < 0 : order > 0;
}

/* Of all, in order: the first one whose time has not come. */
static int64_t next_after(const struct places *all, int64_t now_ms)
{
    for (size_t i = 0; i < all->n; i++) {
        if (all->at[i].at_ms > now_ms)
            return all->at[i].at_ms - now_ms;
    }
    return -1;
}

void memory_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_LIST, .fn.list = fn, .arg = arg });
    struct store_listing *l = &a->is.list;
    struct places all = { what->index, memory_need(calloc(map_count(m->conversations) + 1, sizeof(struct place))), 0 };
    map_each(m->conversations, collect, &all);
    qsort(all.at, all.n, sizeof *all.at, place_order);
    l->now_ms = clock_wall_ms();
    l->next_ms = what->until_now ? next_after(&all, l->now_ms) : -1;
    struct store_listed *items = memory_need(arena_array(memory_need(answer_arena(a)), all.n + 1, sizeof *items));
    for (size_t i = 0; i < all.n; i++) {
        const struct place *p = &all.at[what->newest_first ? all.n - 1 - i : i];
        if (!is_wanted(what, p, l->now_ms))
            continue;
        if (l->n == what->max) {
            l->next_ms = what->until_now ? 0 : -1; /* there are more */
            break;
        }
        struct store_listed *one = &items[l->n++];
        *one = (struct store_listed){ p->id, what->want_records ? p->record : SV_NONE, p->at_ms };
        memory_keep(a, &one->id);
        memory_keep(a, &one->record);
    }
    l->items = items;
    free(all.at);
    answers_later(m->answers, a);
}

/* ---- queues ---- */

size_t memory_queue_taken(const struct memory *m, enum store_queue q)
{
    size_t n = 0;
    for (const struct batch *b = m->batches; b != NULL; b = b->next)
        n += b->queue == q ? b->items.n : 0;
    return n;
}

static void put_in_front(struct list *queue, struct list *items)
{
    memory_list_shift(queue, queue->n, items);
    memory_list_fini(queue);
    *queue = *items;
}

static void batch_free(struct batch *b)
{
    memory_drop(&b->name);
    memory_drop(&b->owner);
    memory_list_fini(&b->items);
    free(b);
}

/* How many items from the front are a batch. */
static size_t how_many(const struct list *queue, size_t max)
{
    size_t n = 0;
    for (size_t bytes = 0; n < queue->n && n < max && bytes < STORE_TAKE_BYTES; n++)
        bytes += queue->at[n].n;
    return n;
}

void memory_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct list *queue = &m->queues[q];
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_BATCH, .fn.batch = fn, .arg = arg });
    if (queue->n > 0) {
        struct batch **end = &m->batches, *b = memory_need(calloc(1, sizeof *b));
        while (*end != NULL)
            end = &(*end)->next;
        *end = b;
        struct sv name =
            arena_printf(memory_need(answer_arena(a)), "%.*s:%llu", SV_FMT(owner), (unsigned long long)++m->batches_made);
        b->queue = q;
        b->name = memory_copy(name);
        b->owner = memory_copy(owner);
        memory_list_shift(queue, how_many(queue, max), &b->items);
        a->is.batch = (struct store_batch){ name, memory_keep_all(a, b->items.at, b->items.n), b->items.n, 0 };
    } else {
        a->is.batch.name = SV("");
    }
    a->is.batch.left = queue->n;
    answers_later(m->answers, a);
}

void memory_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct batch **at = &m->batches;
    while (*at != NULL && ((*at)->queue != ack->queue || !sv_eq((*at)->name, ack->batch)))
        at = &(*at)->next;
    if (*at != NULL) { /* else acknowledged before, or given back: nothing may come twice */
        struct batch *b = *at;
        *at = b->next;
        batch_free(b);
        for (size_t i = 0; i < ack->dead_n; i++)
            memory_letter_add(m, &ack->dead[i]);
        struct list front = { 0 };
        for (size_t i = 0; i < ack->again_n; i++)
            memory_list_add(&front, memory_copy(ack->again[i]));
        put_in_front(&m->queues[ack->queue], &front);
    }
    memory_later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

void memory_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct list back = { 0 };
    struct batch **at = &m->batches;
    while (*at != NULL) {
        struct batch *b = *at;
        if (b->queue != q || !is_dead(dead_arg, b->owner)) {
            at = &b->next;
            continue;
        }
        *at = b->next;
        memory_list_shift(&b->items, b->items.n, &back);
        batch_free(b);
    }
    put_in_front(&m->queues[q], &back);
    memory_later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

/* ---- dead letters ---- */

/* Where the letter is, or would be. */
static size_t letter_place(const struct memory *m, struct sv id, bool *is_there)
{
    size_t i = 0;
    while (i < m->dead.n && id_order(m->dead.at[i].id, id) < 0)
        i++;
    *is_there = i < m->dead.n && sv_eq(m->dead.at[i].id, id);
    return i;
}

void memory_letter_add(struct memory *m, const struct store_letter *letter)
{
    struct letters *d = &m->dead;
    bool is_there;
    size_t at = letter_place(m, letter->id, &is_there);
    if (is_there) {
        memory_drop(&d->at[at].item);
        d->at[at].item = memory_copy(letter->item);
        return;
    }
    if (d->n == d->size) {
        d->size = d->size * 2 + 8;
        d->at = memory_need(realloc(d->at, d->size * sizeof *d->at));
    }
    memmove(&d->at[at + 1], &d->at[at], (d->n - at) * sizeof *d->at);
    d->at[at] = (struct store_letter){ memory_copy(letter->id), memory_copy(letter->item) };
    d->n++;
}

static void letter_remove(struct memory *m, size_t at)
{
    struct letters *d = &m->dead;
    memory_drop(&d->at[at].id);
    memory_drop(&d->at[at].item);
    d->n--;
    memmove(&d->at[at], &d->at[at + 1], (d->n - at) * sizeof *d->at);
}

static void tell_letter(struct answer *a, struct store_letter *to, const struct store_letter *from)
{
    *to = *from;
    memory_keep(a, &to->id);
    memory_keep(a, &to->item);
    a->is.letters.n++;
}

void memory_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_LETTERS, .fn.letters = fn, .arg = arg });
    struct store_letter *at = memory_need(arena_array(memory_need(answer_arena(a)), m->dead.n + 1, sizeof *at));
    bool is_there = false;
    size_t i = what->id.p != NULL ? letter_place(m, what->id, &is_there) : m->dead.n;
    a->is.letters.at = at;
    switch (what->op) {
    case STORE_LETTERS_LIST:
        for (size_t bytes = 0; i > 0 && a->is.letters.n < what->max; bytes += m->dead.at[i].item.n) {
            struct store_letter one = m->dead.at[--i];
            bool full = bytes >= STORE_LIST_BYTES;
            one.item = full ? SV("") : one.item;
            tell_letter(a, &at[a->is.letters.n], &one);
            if (full)
                break;
        }
        break;
    case STORE_LETTERS_GET:
    case STORE_LETTERS_DROP:
    case STORE_LETTERS_AGAIN:
        if (!is_there)
            break;
        tell_letter(a, at, &m->dead.at[i]);
        if (what->op != STORE_LETTERS_GET)
            letter_remove(m, i);
        if (what->op == STORE_LETTERS_AGAIN)
            memory_list_add(&m->queues[what->queue], memory_copy(what->item));
        break;
    }
    answers_later(m->answers, a);
}

/* ---- small values, numbers, places ---- */

static struct sv one_more(struct memory *m, const struct store_value *what)
{
    struct sv before = memory_timed_get(m->values, what->name);
    int64_t n = 0;
    char text[24];
    (void)sv_to_i64(before, &n);
    int size = snprintf(text, sizeof text, "%lld", (long long)n + 1);
    memory_timed_set(m->values, what->name, (struct sv){ text, (size_t)size }, what->ttl_ms, before.p != NULL);
    return memory_timed_get(m->values, what->name);
}

/* In the answer's memory. */
static struct sv take_place(struct memory *m, const struct store_value *what, struct answer *a)
{
    struct place_taken taken;
    int64_t now_ms = clock_wall_ms();
    place_take(what->place, memory_timed_get(m->values, what->name), now_ms, &taken);
    if (taken.changed)
        memory_timed_put(m->values, what->name, sv_from(taken.next), taken.next_ms - now_ms);
    struct sv value = taken.value[0] != '\0' ? sv_from(taken.value) : SV_NONE;
    memory_keep(a, &value);
    return value;
}

void memory_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_VALUE, .fn.value = fn, .arg = arg });
    if (what->put)
        memory_timed_put(m->values, what->name, what->value, what->ttl_ms);
    else if (what->place != NULL)
        a->is.value = take_place(m, what, a);
    else
        a->is.value = what->count ? one_more(m, what) : memory_timed_get(m->values, what->name);
    memory_keep(a, &a->is.value);
    answers_later(m->answers, a);
}

static void count_one(void *arg, struct sv key, void *value)
{
    struct store_stat *n = arg;
    const struct conversation *c = value;
    (void)key;
    if (c->version == 0)
        return;
    n->conversations++;
    n->active += memory_is_listed(c, STORE_ACTIVE);
    n->waiting += memory_is_listed(c, STORE_WAITING);
    n->paused += memory_is_listed(c, STORE_PAUSED);
    n->due += memory_is_listed(c, STORE_DUE);
    n->recent += c->scores[STORE_ACTIVITY] > n->now_ms - STORE_HOUR_MS;
    n->day += c->scores[STORE_ACTIVITY] > n->now_ms - STORE_DAY_MS;
}

void memory_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_STAT, .fn.stat = fn, .arg = arg });
    const struct list *queue = &m->queues[STORE_QUEUE_MESSAGES];
    size_t heads_n = 0, max = 1;
    a->is.stat = (struct store_stat){ .up = true,
                                      .queue = (int64_t)queue->n,
                                      .queue_taken = (int64_t)memory_queue_taken(m, STORE_QUEUE_MESSAGES),
                                      .callbacks = (int64_t)m->queues[STORE_QUEUE_CALLBACKS].n,
                                      .callbacks_taken = (int64_t)memory_queue_taken(m, STORE_QUEUE_CALLBACKS),
                                      .dead = (int64_t)m->dead.n,
                                      .now_ms = clock_wall_ms(),
                                      .text = SV("{}") };
    map_each(m->conversations, count_one, &a->is.stat);
    a->is.stat.sessions = memory_sessions(m);
    for (const struct batch *b = m->batches; b != NULL; b = b->next)
        max++;
    struct sv *heads = memory_need(arena_array(memory_need(answer_arena(a)), max, sizeof *heads));
    if (queue->n > 0)
        heads[heads_n++] = queue->at[0];
    for (const struct batch *b = m->batches; b != NULL; b = b->next) {
        if (b->queue == STORE_QUEUE_MESSAGES)
            heads[heads_n++] = b->items.at[0];
    }
    a->is.stat.heads = memory_keep_all(a, heads, heads_n);
    a->is.stat.heads_n = heads_n;
    answers_later(m->answers, a);
}

void memory_queue_fini(struct memory *m)
{
    while (m->batches != NULL) {
        struct batch *b = m->batches;
        m->batches = b->next;
        batch_free(b);
    }
    for (size_t i = 0; i < STORE_QUEUES; i++)
        memory_list_fini(&m->queues[i]);
    while (m->dead.n > 0)
        letter_remove(m, m->dead.n - 1);
    free(m->dead.at);
}
