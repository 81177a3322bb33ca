/* SPDX-License-Identifier: MIT
 * The store in this process's memory: the reference that the other backends are compared with, and what tests of the
 * layers above run on. Every operation is done at once, in the order of the calls, and answered on the next round of
 * the loop. Meant to be read: time is looked at when something is read (what is past its time counts as absent), lists
 * are arrays, whatever could be indexed is searched. Short memory aborts: tests do without that branch. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "store/store_backends.h"
#include "store/store_memory_inside.h"

struct timed {
    struct sv value; /* owned */
    int64_t until_ms;
};

void *memory_need(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

struct sv memory_copy(struct sv s)
{
    char *p = memory_need(malloc(s.n + 1));
    memcpy(p, s.p != NULL ? s.p : "", s.n);
    p[s.n] = '\0';
    return (struct sv){ p, s.n };
}

void memory_drop(struct sv *s)
{
    free((void *)(uintptr_t)s->p);
    *s = SV_NONE;
}

static void replace(struct sv *s, struct sv by)
{
    struct sv made = by.p != NULL ? memory_copy(by) : SV_NONE;
    memory_drop(s);
    *s = made;
}

void memory_list_add(struct list *l, struct sv owned)
{
    if (l->n == l->size) {
        l->size = l->size * 2 + 8;
        l->at = memory_need(realloc(l->at, l->size * sizeof *l->at));
    }
    l->at[l->n++] = owned;
}

void memory_list_shift(struct list *l, size_t n, struct list *to)
{
    if (n > l->n)
        n = l->n;
    for (size_t i = 0; i < n; i++) {
        if (to != NULL)
            memory_list_add(to, l->at[i]);
        else
            memory_drop(&l->at[i]);
    }
    l->n -= n;
    if (l->n > 0)
        memmove(l->at, l->at + n, l->n * sizeof *l->at);
}

void memory_list_fini(struct list *l)
{
    memory_list_shift(l, l->n, NULL);
    free(l->at);
    *l = (struct list){ 0 };
}

static void timed_free(struct timed *t)
{
    if (t == NULL)
        return;
    memory_drop(&t->value);
    free(t);
}

struct sv memory_timed_get(const struct map *m, struct sv key)
{
    const struct timed *t = map_find(m, key);
    return t != NULL && t->until_ms > clock_wall_ms() ? t->value : SV_NONE;
}

void memory_timed_put(struct map *m, struct sv key, struct sv value, int64_t ttl_ms)
{
    memory_timed_set(m, key, value, ttl_ms, false);
}

void memory_timed_set(struct map *m, struct sv key, struct sv value, int64_t ttl_ms, bool same_end)
{
    void *old;
    if (value.p == NULL) {
        timed_free(map_take(m, key));
        return;
    }
    const struct timed *before = same_end ? map_find(m, key) : NULL;
    struct timed *t = memory_need(malloc(sizeof *t));
    *t = (struct timed){ memory_copy(value), before != NULL ? before->until_ms : clock_wall_ms() + ttl_ms };
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

void memory_later(struct memory *m, const struct answer *a)
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

void memory_keep(struct answer *a, struct sv *s)
{
    if (!answer_keep(a, s))
        abort();
}

const struct sv *memory_keep_all(struct answer *a, const struct sv *items, size_t n)
{
    struct sv *kept = memory_need(arena_array(memory_need(answer_arena(a)), n + 1, sizeof *kept));
    for (size_t i = 0; i < n; i++) {
        kept[i] = items[i];
        memory_keep(a, &kept[i]);
    }
    return kept;
}

static void memory_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_LOAD, .fn.load = fn, .arg = arg });
    struct store_view *v = &a->is.view;
    const struct conversation *c = find(m, what->conversation_id);
    v->now_ms = clock_wall_ms();
    if (c != NULL) { /* forgotten: all is empty but the marks */
        v->version = c->version;
        v->record = c->record;
        v->lease_token = lease_of(c);
        v->lease_left_ms = v->lease_token.p != NULL ? c->lease_until_ms - v->now_ms : 0;
        v->mark = what->message_id.p != NULL ? memory_timed_get(c->marks, what->message_id) : SV_NONE;
        memory_keep(a, &v->record);
        memory_keep(a, &v->lease_token);
        memory_keep(a, &v->mark);
        if (what->want_lists) {
            v->pending_n = c->pending.n;
            v->pending = memory_keep_all(a, c->pending.at, c->pending.n);
            v->context_n = c->context.n;
            v->context = memory_keep_all(a, c->context.at, c->context.n);
        }
    }
    answers_later(m->answers, a);
}

static bool is_full(const struct memory *m, const struct store_change *c)
{
    bool admits = c->queue_add_n > 0 || c->pending_add.p != NULL || c->pending_more_n > 0 || c->mark_new.key.p != NULL;
    size_t held = m->queues[STORE_QUEUE_MESSAGES].n + memory_queue_taken(m, STORE_QUEUE_MESSAGES);
    return admits && !c->finishing && !c->forget && m->queue_max > 0 && held + c->queue_add_n > m->queue_max;
}

static enum store_status may_apply(const struct memory *m, const struct conversation *old, const struct store_change *c,
                                   struct sv *mark)
{
    if ((old != NULL ? old->version : 0) != c->expect_version)
        return STORE_CONFLICT;
    int64_t erased_ms = c->expect_version == 0 && !c->forget ? memory_erased_at(m, c->conversation_id) : 0;
    if (erased_ms > 0 && c->decided_ms <= erased_ms)
        return STORE_CONFLICT;
    if (c->need_token.p != NULL) {
        struct sv token = lease_of(old);
        if (token.p == NULL || !sv_eq(token, c->need_token))
            return STORE_LEASE_LOST;
    }
    if (old != NULL && c->mark_new.key.p != NULL) {
        *mark = memory_timed_get(old->marks, c->mark_new.key);
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
    c = memory_need(calloc(1, sizeof *c));
    c->marks = memory_need(map_new());
    if (map_put(m->conversations, id, c, NULL) != 0)
        abort();
    return c;
}

static void change_lists(struct memory *m, struct conversation *old, const struct store_change *c)
{
    bool appended = c->context_add_n > 0 || (c->pending_drop > 0 && c->pending_drop_to_context);
    if (c->pending_add.p != NULL)
        memory_list_add(&old->pending, memory_copy(c->pending_add));
    for (size_t i = 0; i < c->pending_more_n; i++)
        memory_list_add(&old->pending, memory_copy(c->pending_more[i]));
    memory_list_shift(&old->pending, c->pending_drop, c->pending_drop_to_context ? &old->context : NULL);
    for (size_t i = 0; i < c->context_add_n; i++)
        memory_list_add(&old->context, memory_copy(c->context_add[i]));
    if (appended && c->context_max > 0 && old->context.n > c->context_max)
        memory_list_shift(&old->context, old->context.n - c->context_max, NULL);
    for (size_t i = 0; i < c->queue_add_n; i++)
        memory_list_add(&m->queues[STORE_QUEUE_MESSAGES], memory_copy(c->queue_add[i]));
    for (size_t i = 0; i < c->callbacks_add_n; i++)
        memory_list_add(&m->queues[STORE_QUEUE_CALLBACKS], memory_copy(c->callbacks_add[i]));
    for (size_t i = 0; i < c->letters_n; i++)
        memory_letter_add(m, &c->letters[i]);
}

static void change_all(struct memory *m, struct conversation *old, const struct store_change *c)
{
    old->version = store_next_version(c);
    replace(&old->record, c->record);
    if (c->lease != STORE_LEASE_KEEP) {
        replace(&old->token, c->lease == STORE_LEASE_TAKE ? c->lease_token : SV_NONE);
        old->lease_until_ms = c->lease == STORE_LEASE_TAKE ? clock_wall_ms() + c->lease_ttl_ms : 0;
    }
    if (c->mark_new.key.p != NULL)
        memory_timed_put(old->marks, c->mark_new.key, c->mark_new.value, c->mark_ttl_ms);
    for (size_t i = 0; i < c->marks_n; i++)
        memory_timed_put(old->marks, c->marks[i].key, c->marks[i].value, c->mark_ttl_ms);
    change_lists(m, old, c);
    if (c->job.key.p != NULL) {
        struct sv parts[2] = { SV("job:"), c->job.key };
        char *name = memory_need(malloc(parts[0].n + parts[1].n));
        memcpy(name, parts[0].p, parts[0].n);
        memcpy(name + parts[0].n, parts[1].p, parts[1].n);
        memory_timed_put(m->values, (struct sv){ name, parts[0].n + parts[1].n }, c->job.value, c->job_ttl_ms);
        free(name);
    }
    old->in = c->in;
    old->scores[STORE_DUE] = c->due_ms;
    old->scores[STORE_ACTIVITY] = c->activity_ms;
    old->scores[STORE_ACTIVE] = c->active_ms;
    old->scores[STORE_WAITING] = c->waiting_ms;
    old->scores[STORE_PAUSED] = c->paused_ms;
}

static void forget(struct conversation *c)
{
    c->version = 0;
    memory_drop(&c->record);
    memory_drop(&c->token);
    c->lease_until_ms = 0;
    c->in = 0;
    memory_list_shift(&c->pending, c->pending.n, NULL);
    memory_list_shift(&c->context, c->context.n, NULL);
}

bool memory_is_listed(const struct conversation *c, enum store_index index)
{
    if (c->version == 0)
        return false;
    switch (index) {
    case STORE_DUE:
        return c->scores[STORE_DUE] > 0;
    case STORE_ACTIVITY:
        return true;
    case STORE_ACTIVE:
        return (c->in & STORE_IN_ACTIVE) != 0;
    case STORE_WAITING:
        return (c->in & STORE_IN_WAITING) != 0;
    case STORE_PAUSED:
        return (c->in & STORE_IN_PAUSED) != 0;
    }
    return false;
}

static void hear(void *arg, struct sv event)
{
    struct memory *m = arg;
    if (m->store.on_event != NULL)
        m->store.on_event(m->store.event_arg, event);
}

static void forget_all(struct memory *m, const struct store_change *c, struct store_erased *counts)
{
    struct conversation *old = find(m, c->conversation_id);
    if (old != NULL) {
        counts->messages = (int64_t)(old->pending.n + old->context.n);
        forget(old);
    }
    counts->events = memory_session_forget(m, c->conversation_id);
    if (c->erase == NULL)
        return;
    for (size_t i = 0; i < c->marks_n; i++)
        memory_timed_put(find_or_add(m, c->conversation_id)->marks, c->marks[i].key, c->marks[i].value, c->mark_ttl_ms);
    for (size_t i = 0; i < c->queue_add_n; i++)
        memory_list_add(&m->queues[STORE_QUEUE_MESSAGES], memory_copy(c->queue_add[i]));
    memory_history_erase(m, c, counts);
}

static void memory_apply(struct store *s, const struct store_change *c, store_apply_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_APPLY, .fn.apply = fn, .arg = arg });
    struct sv mark = SV_NONE;
    a->status = may_apply(m, find(m, c->conversation_id), c, &mark);
    a->erased_to = c->erase != NULL ? c->erase->counts : NULL;
    if (a->status == STORE_DONE && c->forget)
        forget_all(m, c, &a->erased);
    else if (a->status == STORE_DONE)
        change_all(m, find_or_add(m, c->conversation_id), c);
    a->is.applied = (struct store_applied){ store_next_version(c), mark, clock_wall_ms() };
    memory_keep(a, &a->is.applied.mark);
    answers_later(m->answers, a);
    if (a->status != STORE_DONE)
        return;
    memory_session_change(m, c);
    memory_history_change(m, c);
    if (c->event.p == NULL)
        return;
    struct answer *told =
        answer_new(&(struct answer){ .kind = ANSWER_EVENT, .fn.event = hear, .arg = m, .is.value = c->event });
    memory_keep(told, &told->is.value);
    answers_later(m->answers, told);
}

static void memory_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct conversation *c = find(m, id);
    struct sv held = lease_of(c);
    bool mine = held.p != NULL && sv_eq(held, token);
    if (mine)
        c->lease_until_ms = c->scores[STORE_DUE] = clock_wall_ms() + ttl_ms;
    memory_later(m, &(struct answer){
                 .kind = ANSWER_STATUS, .status = mine ? STORE_DONE : STORE_LEASE_LOST, .fn.status = fn, .arg = arg });
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
    memory_drop(&c->record);
    memory_drop(&c->token);
    map_each(c->marks, timed_fini, NULL);
    map_free(c->marks);
    memory_list_fini(&c->pending);
    memory_list_fini(&c->context);
    free(c);
}

static void memory_close(struct store *s)
{
    struct memory *m = memory_of(s);
    answers_close(m->answers);
    map_each(m->conversations, conversation_fini, NULL);
    map_free(m->conversations);
    map_each(m->values, timed_fini, NULL);
    map_free(m->values);
    memory_queue_fini(m);
    memory_session_fini(m);
    memory_history_fini(m);
    free(m);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .history = &memory_history_ops,
    .load = memory_load,
    .apply = memory_apply,
    .renew = memory_renew,
    .list = memory_list,
    .take = memory_take,
    .ack = memory_ack,
    .recover = memory_recover,
    .letters = memory_letters,
    .value = memory_value,
    .stat = memory_stat,
    .session = memory_session,
    .session_fill = memory_session_fill,
    .events = memory_events,
    .event_say = memory_event_say,
    .listen = memory_listen,
    .is_up = memory_is_up,
    .close = memory_close,
};

struct store *store_memory_open(struct loop *l, size_t queue_max)
{
    struct memory *m = memory_need(calloc(1, sizeof *m));
    m->store = (struct store){ .ops = &memory_ops, .backend = "Memory", .loop = l };
    m->answers = memory_need(answers_new(l));
    m->conversations = memory_need(map_new());
    m->values = memory_need(map_new());
    m->watched = memory_need(map_new());
    m->listened = memory_need(map_new());
    memory_history_init(m);
    m->queue_max = queue_max;
    memory_later(m, &(struct answer){ .kind = ANSWER_EVENT, .fn.event = hear, .arg = m, .is.value = SV_NONE });
    memory_push(m, SV_NONE);
    return &m->store;
}
