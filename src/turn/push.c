/* SPDX-License-Identifier: MIT
 * The hub: sessions with at least one listener, each with its listeners and at most one reading of the log under way.
 *
 *   listener_new ──> reading ──> placed: its cursor is known ──event──> the next one: passed on
 *                       ^                                        ├───> behind a gap: reading
 *                       │                                        └───> there is no room for it: held, until listener_more
 *                       └── connection lost, subscription confirmed, numbers begin anew
 *
 * Knows nothing of what events mean, and nothing of connections. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "turn/listening.h"
#include "turn/push.h"

#define MISSED_MAX 1000000000
#define AGAIN_MS 500 /* after the store could not be read */

struct session;

struct listener {
    struct session *s;
    struct listener *prev, *next; /* of the session */
    bool held;       /* it has no room */
    uint64_t cursor; /* the last event that it has; HUB_NOW: where it begins is not known yet */
    listener_fn *fn;
    void (*placed)(void *arg); /* NULL: nobody wants to know, or it was said */
    void *arg;
};

struct session {
    struct hub *h; /* NULL: it is gone, and what is read comes for nobody */
    struct listener *first;
    struct listener *told, *next; /* whose fn runs (NULL: it has freed itself), and the one after that */
    bool walking, reading, again;
    uint64_t after; /* what is being read is behind this one */
    uint64_t floor; /* the highest cursor when the reading was begun */
    uint64_t heard; /* the last event that came by itself since then; 0: none */
    uint64_t live;  /* the last event that came either way */
    struct listening_place mark;
    size_t n;
    char id[]; /* n bytes */
};

struct hub {
    struct loop *loop;
    struct store *store;
    struct map *sessions; /* id: struct session */
    struct listening *marks;
    struct loop_timer *timer;
    struct buf text; /* of resets */
    struct hub_stat stat;
};

static void look(struct session *s);

static struct sv id_of(const struct session *s)
{
    return (struct sv){ s->id, s->n };
}

/* ---- sessions ---- */

static struct session *session_new(struct hub *h, struct sv id)
{
    struct session *s = calloc(1, sizeof(*s) + id.n);

    if (s == NULL)
        return NULL;
    s->h = h;
    s->n = id.n;
    memcpy(s->id, id.p, id.n);
    if (map_put(h->sessions, id, s, NULL) != 0) {
        free(s);
        return NULL;
    }
    if (store_listen(h->store, id) != 0) {
        (void)map_take(h->sessions, id);
        free(s);
        return NULL;
    }
    listening_begin(h->marks, &s->mark, id_of(s));
    h->stat.sessions++;
    return s;
}

/* Stays while somebody has a pointer to it. */
static void let_go(struct session *s)
{
    struct hub *h = s->h;

    if (s->first != NULL || s->walking || s->reading)
        return;
    store_unlisten(h->store, id_of(s));
    listening_end(h->marks, &s->mark);
    (void)map_take(h->sessions, id_of(s));
    h->stat.sessions--;
    free(s);
}

/* ---- telling ---- */

static bool is_next(const struct listener *l, uint64_t seq, uint64_t since)
{
    return seq > l->cursor && since <= l->cursor + 1;
}

/* False: it has not taken it, or is gone. */
static bool tell(struct listener *l, uint64_t seq, struct sv event)
{
    struct session *s = l->s;
    bool taken = l->fn(l->arg, seq, event);

    if (s->told != l)
        return false;
    l->held = !taken;
    if (!taken)
        return false;
    l->cursor = seq;
    s->h->stat.events++;
    return true;
}

/* What came after its cursor up to `seq` is lost. As tell. */
static bool tell_reset(struct listener *l, uint64_t seq)
{
    struct hub *h = l->s->h;
    struct json_out o = { .b = &h->text };

    buf_clear(&h->text);
    json_obj(&o);
    json_kint(&o, "seq", (int64_t)seq);
    json_kstr(&o, "type", SV("reset"));
    json_kstr(&o, "session_id", id_of(l->s));
    json_key(&o, "missed");
    if (seq > l->cursor && seq - l->cursor > MISSED_MAX) /* numbers that go on from the clock: nobody counted */
        json_nul(&o);
    else
        json_int(&o, seq > l->cursor ? (int64_t)(seq - l->cursor) : 0);
    json_obj_end(&o);
    if (!buf_ok(&h->text)) {
        l->s->again = true; /* it is told at the next look */
        return false;
    }
    if (!tell(l, seq, buf_sv(&h->text)))
        return false;
    h->stat.resets++;
    return true;
}

/* fn for each listener; one may free itself meanwhile. */
static void each(struct session *s, void (*fn)(struct listener *l, void *arg), void *arg)
{
    s->walking = true;
    for (struct listener *l = s->first; l != NULL; l = s->next) {
        s->told = l;
        s->next = l->next;
        fn(l, arg);
    }
    s->told = s->next = NULL;
    s->walking = false;
}

/* ---- reading the log ---- */

struct log {
    const struct store_events *e;
    uint64_t first; /* first number that its first event stands for; without one that of the next to come */
};

/* It may be gone after. */
static void tell_placed(struct listener *l, void *arg)
{
    void (*placed)(void *) = l->placed;

    (void)arg;
    l->placed = NULL;
    if (placed != NULL)
        placed(l->arg);
}

static void catch_up(struct listener *l, void *arg)
{
    const struct log *log = arg;
    struct session *s = l->s;

    if (l->cursor == HUB_NOW) {
        l->cursor = log->e->last;
        tell_placed(l, NULL);
        return;
    }
    if (log->e->last == 0) /* the store knows no event of this session: it may be standing in for the one that does */
        return;
    if (l->cursor < s->after) /* it came, or could take more, after the reading was begun: another one follows */
        return;
    bool anew = s->floor > log->e->last && l->cursor > log->e->last && l->cursor <= s->floor;
    bool goes_on = !l->held && ((!anew && log->first <= l->cursor + 1) || tell_reset(l, log->first - 1));
    for (size_t i = 0; i < log->e->n && goes_on; i++) {
        uint64_t seq = store_event_seq(log->e->events[i]);
        goes_on = !is_next(l, seq, store_event_since(log->e->events[i])) || tell(l, seq, log->e->events[i]);
    }
}

static void on_events(void *arg, enum store_status status, const struct store_events *e)
{
    struct session *s = arg;

    s->reading = false;
    if (s->h == NULL) {
        free(s);
        return;
    }
    if (status != STORE_DONE) {
        s->again = true;
        if (!loop_timer_is_set(s->h->timer))
            loop_timer_set(s->h->timer, AGAIN_MS);
        each(s, tell_placed, NULL);
        let_go(s);
        return;
    }
    uint64_t first = e->n > 0 ? store_event_since(e->events[0]) : 0;
    struct log log = { e, first > 0 ? first : e->last + 1 };
    bool again = s->again || s->heard > e->last;
    s->again = false;
    s->live = e->last > s->live || s->floor > e->last ? e->last : s->live;
    each(s, catch_up, &log);
    if (again && s->first != NULL)
        look(s);
    else
        let_go(s);
}

static void look(struct session *s)
{
    uint64_t after = HUB_NOW;

    if (s->reading) {
        s->again = true;
        return;
    }
    s->floor = s->heard = 0;
    for (const struct listener *l = s->first; l != NULL; l = l->next) {
        if (l->cursor == HUB_NOW || l->held)
            continue;
        after = l->cursor < after ? l->cursor : after;
        s->floor = l->cursor > s->floor ? l->cursor : s->floor;
    }
    s->again = false;
    s->reading = true;
    s->after = after;
    store_events(s->h->store, id_of(s), after, on_events, s);
}

static void look_at(void *arg, struct sv id, void *value)
{
    struct session *s = value;

    (void)arg, (void)id;
    if (s->first != NULL)
        look(s);
}

static void look_again(void *arg, struct sv id, void *value)
{
    struct session *s = value;

    if (s->again && !s->reading)
        look_at(arg, id, value);
}

static void on_timer(void *arg)
{
    struct hub *h = arg;

    map_each(h->sessions, look_again, NULL);
}

/* ---- events as they come ---- */

struct live {
    uint64_t seq;
    struct sv event;
    bool gap;
};

static void pass_on(struct listener *l, void *arg)
{
    struct live *v = arg;

    if (l->cursor == HUB_NOW || l->held)
        return;
    if (is_next(l, v->seq, store_event_since(v->event)))
        (void)tell(l, v->seq, v->event);
    else /* a gap, or the numbers begin anew: the log knows */
        v->gap = true;
}

static void on_push(void *arg, struct sv id, struct sv event)
{
    struct hub *h = arg;
    struct session *s = id.p != NULL ? map_find(h->sessions, id) : NULL;
    struct live v = { store_event_seq(event), event, false };

    if (id.p == NULL) {
        map_each(h->sessions, look_at, NULL);
        listening_again(h->marks);
        return;
    }
    if (s == NULL || s->first == NULL)
        return;
    bool odd = v.seq <= s->live; /* read already, or the numbers begin anew; 0: there is news */
    if (v.seq > 0)
        s->live = s->heard = v.seq;
    if (odd) {
        look(s);
        return;
    }
    each(s, pass_on, &v);
    if (v.gap && s->first != NULL)
        look(s);
    else
        let_go(s);
}

/* ---- listeners ---- */

struct listener *listener_new(struct hub *h, struct sv session_id, uint64_t after, listener_fn *fn, void *arg)
{
    struct listener *l = calloc(1, sizeof(*l));
    struct session *s = map_find(h->sessions, session_id);

    if (l != NULL && s == NULL)
        s = session_new(h, session_id);
    if (l == NULL || s == NULL) {
        free(l);
        return NULL;
    }
    *l = (struct listener){ .s = s, .next = s->first, .cursor = after, .fn = fn, .arg = arg };
    if (s->first != NULL)
        s->first->prev = l;
    s->first = l;
    h->stat.listeners++;
    look(s);
    return l;
}

void listener_on_placed(struct listener *l, void (*placed)(void *arg))
{
    l->placed = placed;
}

void listener_more(struct listener *l)
{
    if (!l->held)
        return;
    l->held = false;
    look(l->s);
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    struct session *s = l->s;
    if (s->next == l)
        s->next = l->next;
    if (s->told == l)
        s->told = NULL;
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        s->first = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    s->h->stat.listeners--;
    free(l);
    let_go(s);
}

/* ---- the hub ---- */

struct hub *hub_new(struct loop *l, struct store *s, struct err *e)
{
    struct hub *h = calloc(1, sizeof(*h));

    if (h != NULL) {
        *h = (struct hub){ .loop = l, .store = s, .sessions = map_new(), .timer = loop_timer_new(l, on_timer, h), .marks = listening_new(l, s) };
        if (h->sessions != NULL && h->timer != NULL && h->marks != NULL) {
            store_on_push(s, on_push, h);
            return h;
        }
    }
    hub_free(h);
    (void)err_set(e, ERR_MEMORY, "no memory");
    return NULL;
}

static void reset(struct listener *l, void *arg)
{
    (void)arg;
    if (l->cursor != HUB_NOW && !l->held)
        (void)tell_reset(l, l->cursor);
}

void hub_reset(struct hub *h, struct sv session_id)
{
    struct session *s = map_find(h->sessions, session_id);

    if (s == NULL)
        return;
    each(s, reset, NULL);
    let_go(s);
}

static void forget(void *arg, struct sv id, void *value)
{
    struct hub *h = arg;
    struct session *s = value;

    store_unlisten(h->store, id);
    listening_end(h->marks, &s->mark);
    (void)map_take(h->sessions, id);
    s->h = NULL;
    if (!s->reading)
        free(s);
}

void hub_free(struct hub *h)
{
    if (h == NULL)
        return;
    store_on_push(h->store, NULL, NULL);
    if (h->sessions != NULL)
        map_each(h->sessions, forget, h);
    map_free(h->sessions);
    listening_free(h->marks);
    loop_timer_free(h->timer);
    buf_fini(&h->text);
    free(h);
}

void hub_stat(const struct hub *h, struct hub_stat *out)
{
    *out = h->stat;
}
