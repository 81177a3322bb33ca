/* SPDX-License-Identifier: MIT
 * One look at a time: ask who is due, visit them all, ask again or sleep until the next one. Now and then, when few are due:
 *
 *   WAITING since long ──page──> per item: should have been visited, by its record ──> LOAD ──> nobody holds it ──> VISIT
 *
 * What waits for good reason (a retry to come, a turn that runs) is passed by; the next page goes on behind it. */
#include "config.h"

#include <stdlib.h>

#include "daemon/sweep.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/conversation.h"

#define LOOK_MAX 128         /* conversations of one look */
#define LOOK_EVERY_MS 1000   /* at the latest: a lease that expires is freed within this */
#define CROWDED_EVERY_MS 50
#define STUCK_EVERY_MS 30000 /* a look at what waits since long; more often when stuck_after_ms is short */
#define STUCK_GRACE_MS 2000  /* the ordinary visit has this long to come first */

struct sweep {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    struct loop_timer *timer;
    size_t running_max, visiting;
    bool looking, again, stopped, full_look;
    bool paused; /* by an administrator */
    int64_t next_ms;
    int64_t stuck_after_ms, stuck_look_mono_ms; /* the last one */
    char behind[STORE_ID_MAX + 1];              /* the next page of what waits since long */
    size_t behind_n;
    int64_t behind_ms;
    void (*done)(void *arg); /* of sweep_stop, until it is called */
    void *done_arg;
};

static void look(void *arg);

/* Whoever waits for the end hears of it when nothing can come back to `w` any more. */
static void look_stopped(struct sweep *w)
{
    void (*fn)(void *) = w->done;
    if (fn == NULL || w->looking || w->visiting > 0)
        return;
    w->done = NULL;
    loop_soon(w->loop, fn, w->done_arg);
}

static void rest(struct sweep *w)
{
    if (w->stopped) {
        look_stopped(w);
        return;
    }
    bool now = w->again || w->full_look;
    int64_t in_ms = now ? 0 : w->next_ms >= 0 && w->next_ms < LOOK_EVERY_MS ? w->next_ms : LOOK_EVERY_MS;
    w->again = false;
    loop_timer_set(w->timer, in_ms);
}

static void visited(void *arg)
{
    struct sweep *w = arg;
    if (--w->visiting == 0 && !w->looking)
        rest(w);
}

/* ---- what waits since long ---- */

struct stuck {
    struct sweep *sweep;
    char key[STORE_ID_MAX + 1];
    struct sv id;
};

/* By its record alone, somebody should have come: a lease's deadline is not in it. The more so when it has none. */
static bool is_overdue(const struct sweep *w, struct sv record, int64_t now_ms)
{
    struct conversation c;
    struct err e;
    if (record.p == NULL || conversation_parse(record, &c, &e) != 0)
        return true;
    if (c.phase == PHASE_IDLE)
        return false;
    int64_t at_ms = c.retry_at_ms > c.send_deadline_ms ? c.retry_at_ms : c.send_deadline_ms;
    at_ms = c.wait_until_ms > at_ms ? c.wait_until_ms : at_ms;
    int64_t grace_ms = w->stuck_after_ms < STUCK_GRACE_MS ? w->stuck_after_ms : STUCK_GRACE_MS;
    return now_ms - at_ms > grace_ms;
}

static void stuck_loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct stuck *x = arg;
    struct sweep *w = x->sweep;
    bool idles = status == STORE_DONE && v->lease_token.n == 0 && is_overdue(w, v->record, v->now_ms);
    if (idles && !w->stopped && !w->paused) {
        log_warning("messages had waited for too long and were not due; they are now", "conversation_id", x->key, NULL);
        turns_begin(w->turns, x->id, visited, w);
    } else {
        visited(w);
    }
    free(x);
}

static void visit_stuck(struct sweep *w, const struct store_listed *item)
{
    struct stuck *x = item->id.n > STORE_ID_MAX ? NULL : calloc(1, sizeof(*x));
    if (x == NULL)
        return; /* another time */
    x->sweep = w;
    memcpy(x->key, item->id.p, item->id.n);
    x->id = (struct sv){ x->key, item->id.n };
    w->visiting++;
    const struct store_load what = { .conversation_id = x->id };
    store_load(w->store, &what, stuck_loaded, x);
}

static void stuck(void *arg, enum store_status status, const struct store_listing *list)
{
    struct sweep *w = arg;
    size_t n = status == STORE_DONE ? list->n : 0;
    w->behind_n = 0;
    for (size_t i = 0; i < n && !w->stopped && !w->paused; i++) {
        if (is_overdue(w, list->items[i].record, list->now_ms))
            visit_stuck(w, &list->items[i]);
    }
    if (n == LOOK_MAX && list->items[n - 1].id.n <= STORE_ID_MAX) {
        w->behind_n = list->items[n - 1].id.n;
        memcpy(w->behind, list->items[n - 1].id.p, w->behind_n);
        w->behind_ms = list->items[n - 1].score_ms;
    }
    w->looking = false;
    if (w->visiting == 0)
        rest(w);
}

/* False: not yet. A store's clock is not known here; the own one is near enough for what is looked at again before it is visited. */
static bool look_for_stuck(struct sweep *w)
{
    int64_t every_ms = w->stuck_after_ms / 4 < STUCK_EVERY_MS ? w->stuck_after_ms / 4 : STUCK_EVERY_MS;
    int64_t now_ms = clock_mono_ms();
    if (w->behind_n == 0 && now_ms - w->stuck_look_mono_ms < every_ms)
        return false;
    w->stuck_look_mono_ms = now_ms;
    const struct store_list what = { .index = STORE_WAITING, .max_ms = clock_wall_ms() - w->stuck_after_ms, .max = LOOK_MAX,
                                     .want_records = true, .after_id = { w->behind_n > 0 ? w->behind : NULL, w->behind_n },
                                     .after_ms = w->behind_ms };
    w->looking = true;
    store_list(w->store, &what, stuck, w);
    return true;
}

/* ---- what is due ---- */

static void due(void *arg, enum store_status status, const struct store_listing *list)
{
    struct sweep *w = arg;
    size_t n = status == STORE_DONE ? list->n : 0;
    w->next_ms = status == STORE_DONE ? list->next_ms : LOOK_EVERY_MS;
    w->full_look = n == LOOK_MAX;
    for (size_t i = 0; i < n && !w->stopped && !w->paused; i++) {
        w->visiting++;
        turns_begin(w->turns, list->items[i].id, visited, w);
    }
    w->looking = false;
    if (status == STORE_DONE && n < LOOK_MAX && !w->stopped && !w->paused && look_for_stuck(w))
        return;
    if (w->visiting == 0)
        rest(w);
}

static void look(void *arg)
{
    struct sweep *w = arg;
    if (w->stopped || w->paused || w->looking || w->visiting > 0)
        return;
    if (turns_running(w->turns) >= w->running_max) {
        loop_timer_set(w->timer, CROWDED_EVERY_MS);
        return;
    }
    w->looking = true;
    const struct store_list what = { .index = STORE_DUE, .until_now = true, .max = LOOK_MAX };
    store_list(w->store, &what, due, w);
}

struct sweep *sweep_new(struct loop *l, struct store *s, struct turns *t, size_t running_max, int64_t stuck_after_ms)
{
    struct sweep *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    *w = (struct sweep){ .loop = l, .store = s, .turns = t, .running_max = running_max, .timer = loop_timer_new(l, look, w),
                          .stuck_after_ms = stuck_after_ms, .stuck_look_mono_ms = clock_mono_ms() };
    if (w->timer == NULL) {
        free(w);
        return NULL;
    }
    loop_timer_set(w->timer, 0);
    return w;
}

void sweep_wake(struct sweep *w)
{
    if (w->looking || w->visiting > 0)
        w->again = true;
    else if (!w->stopped)
        loop_timer_set(w->timer, 0);
}

void sweep_set(struct sweep *w, size_t running_max)
{
    w->running_max = running_max;
}

void sweep_pause(struct sweep *w, bool yes)
{
    w->paused = yes;
    if (!yes)
        sweep_wake(w);
}

bool sweep_is_paused(const struct sweep *w)
{
    return w->paused;
}

void sweep_stop(struct sweep *w, void (*fn)(void *arg), void *arg)
{
    w->stopped = true;
    w->done = fn;
    w->done_arg = arg;
    loop_timer_stop(w->timer);
    look_stopped(w);
}

void sweep_free(struct sweep *w)
{
    if (w == NULL)
        return;
    loop_timer_free(w->timer);
    free(w);
}
