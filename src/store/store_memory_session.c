/* SPDX-License-Identifier: MIT
 * The memory store: views, event logs and who listens. Knows nothing of what they say. */
#include "config.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "store/store_memory_inside.h"

enum { VIEW, CUSTOMER, TEXTS };

/* Of one conversation, with a record or without. */
struct watched {
    struct sv texts[TEXTS]; /* owned */
    int64_t texts_until_ms[TEXTS], log_until_ms;
    struct list log;
    uint64_t last;
    int64_t last_until_ms; /* INT64_MAX: there is a record */
};

static struct watched *find_or_add(struct memory *m, struct sv id)
{
    struct watched *w = map_find(m->watched, id);
    if (w != NULL)
        return w;
    w = memory_need(calloc(1, sizeof *w));
    if (map_put(m->watched, id, w, NULL) != 0)
        abort();
    return w;
}

static void set_text(struct watched *w, int which, struct sv text, int64_t ttl_ms)
{
    memory_drop(&w->texts[which]);
    if (text.p != NULL)
        w->texts[which] = memory_copy(text);
    w->texts_until_ms[which] = clock_wall_ms() + ttl_ms;
}

static struct sv text_of(const struct watched *w, int which)
{
    return w != NULL && w->texts_until_ms[which] > clock_wall_ms() ? w->texts[which] : SV_NONE;
}

static uint64_t last_of(const struct watched *w)
{
    return w != NULL && w->last_until_ms > clock_wall_ms() ? w->last : 0;
}

static void count_view(void *arg, struct sv id, void *value)
{
    int64_t *n = arg;
    (void)id;
    *n += text_of(value, VIEW).p != NULL;
}

int64_t memory_sessions(struct memory *m)
{
    int64_t n = 0;
    map_each(m->watched, count_view, &n);
    return n;
}

/* ---- what a change does ---- */

static void log_event(struct watched *w, struct sv event)
{
    struct buf b = { 0 };
    buf_printf(&b, "{\"seq\":%llu,", (unsigned long long)++w->last);
    buf_add(&b, (struct sv){ event.p + 1, event.n - 1 });
    memory_list_add(&w->log, memory_copy(buf_sv(&b)));
    buf_fini(&b);
}

/* What is past its time goes. */
static void log_goes_on(struct watched *w, int64_t ttl_ms)
{
    if (w->log_until_ms <= clock_wall_ms())
        memory_list_shift(&w->log, w->log.n, NULL);
    w->log_until_ms = clock_wall_ms() + ttl_ms;
}

static void log_trim(struct memory *m, struct watched *w, struct sv id, size_t max)
{
    if (w->log.n > max)
        memory_list_shift(&w->log, w->log.n - max, NULL);
    memory_push(m, id);
}

static void tell(void *arg, struct sv id, struct sv event)
{
    struct memory *m = arg;
    if (m->store.on_push != NULL && (id.p == NULL || map_find(m->listened, id) != NULL))
        m->store.on_push(m->store.push_arg, id, event);
}

void memory_push(struct memory *m, struct sv id)
{
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_PUSH, .fn.push = tell, .arg = m, .is.value = id });
    memory_keep(a, &a->is.value);
    answers_later(m->answers, a);
}

void memory_session_change(struct memory *m, const struct store_change *c)
{
    const struct store_session_change *s = c->session;
    if (s == NULL)
        return;
    struct watched *w = find_or_add(m, c->conversation_id);
    w->last = last_of(w);
    w->last_until_ms = INT64_MAX;
    if (w->last < s->seq_least)
        w->last = s->seq_least;
    if (s->view_op != STORE_VIEW_KEEP)
        set_text(w, VIEW, s->view_op == STORE_VIEW_SET ? s->view : SV_NONE, s->ttl_ms);
    if (s->events_n == 0)
        return;
    log_goes_on(w, s->ttl_ms);
    for (size_t i = 0; i < s->events_n; i++)
        log_event(w, s->events[i]);
    log_trim(m, w, c->conversation_id, s->events_max);
}

int64_t memory_session_forget(struct memory *m, struct sv id)
{
    struct watched *w = map_find(m->watched, id);
    if (w == NULL)
        return 0;
    int64_t events = w->log_until_ms > clock_wall_ms() ? (int64_t)w->log.n : 0;
    memory_drop(&w->texts[VIEW]);
    memory_drop(&w->texts[CUSTOMER]);
    memory_list_shift(&w->log, w->log.n, NULL);
    if (last_of(w) > 0)
        w->last_until_ms = clock_wall_ms() + STORE_LAST_MS;
    return events;
}

/* ---- operations ---- */

void memory_session(struct store *s, struct sv id, store_session_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_SESSION, .fn.session = fn, .arg = arg });
    const struct watched *w = map_find(m->watched, id);
    a->is.session = (struct store_session){ text_of(w, VIEW), text_of(w, CUSTOMER) };
    memory_keep(a, &a->is.session.view);
    memory_keep(a, &a->is.session.customer);
    answers_later(m->answers, a);
}

void memory_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    const struct conversation *c = map_find(m->conversations, what->conversation_id);
    struct watched *w = find_or_add(m, what->conversation_id);
    bool erased = memory_erased_at(m, what->conversation_id) > 0;
    if (!erased && what->view.p != NULL && text_of(w, VIEW).p == NULL && (c != NULL ? c->version : 0) == what->version)
        set_text(w, VIEW, what->view, what->ttl_ms);
    if (!erased && what->customer.p != NULL)
        set_text(w, CUSTOMER, what->customer, what->ttl_ms);
    memory_later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

void memory_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_EVENTS, .fn.events = fn, .arg = arg });
    const struct watched *w = map_find(m->watched, id);
    struct store_events *e = &a->is.events;
    e->last = last_of(w);
    if (w != NULL && after != STORE_EVENTS_NOW && w->log_until_ms > clock_wall_ms()) {
        size_t first = 0;
        while (first < w->log.n && store_event_seq(w->log.at[first]) <= after)
            first++;
        e->n = w->log.n - first;
        if (e->n > 0)
            e->events = memory_keep_all(a, w->log.at + first, e->n);
    }
    answers_later(m->answers, a);
}

static void say(struct memory *m, const struct store_event_say *what)
{
    struct watched *w = find_or_add(m, what->conversation_id);
    struct buf b = { 0 };
    w->last = last_of(w);
    w->last_until_ms = INT64_MAX;
    log_goes_on(w, what->ttl_ms);
    if (store_event_number(&b, ++w->last, w->log.n > 0 ? w->log.at[w->log.n - 1] : SV_NONE, what))
        memory_drop(&w->log.at[--w->log.n]);
    memory_list_add(&w->log, memory_copy(buf_sv(&b)));
    buf_fini(&b);
    log_trim(m, w, what->conversation_id, what->events_max);
}

void memory_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    const struct conversation *c = map_find(m->conversations, what->conversation_id);
    bool held = c != NULL && c->version > 0 && c->lease_until_ms > clock_wall_ms() && sv_eq(c->token, what->need_token);
    if (held)
        say(m, what);
    memory_later(m, &(struct answer){ .kind = ANSWER_STATUS, .status = held ? STORE_DONE : STORE_LEASE_LOST, .fn.status = fn, .arg = arg });
}

int memory_listen(struct store *s, struct sv id, bool on)
{
    struct memory *m = memory_of(s);
    if (!on)
        (void)map_take(m->listened, id);
    else if (map_find(m->listened, id) == NULL) {
        if (map_put(m->listened, id, m, NULL) != 0)
            return -1;
        memory_push(m, id);
    }
    return 0;
}

/* ---- the end ---- */

static void watched_fini(void *arg, struct sv key, void *value)
{
    struct watched *w = value;
    (void)arg;
    (void)key;
    memory_drop(&w->texts[VIEW]);
    memory_drop(&w->texts[CUSTOMER]);
    memory_list_fini(&w->log);
    free(w);
}

void memory_session_fini(struct memory *m)
{
    map_each(m->watched, watched_fini, NULL);
    map_free(m->watched);
    map_free(m->listened);
}
