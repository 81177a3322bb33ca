/* SPDX-License-Identifier: MIT
 * One look at a time: ask who is due, visit them all, ask again or sleep until the next one. */
#include "config.h"

#include <stdlib.h>

#include "daemon/sweep.h"
#include "lib/loop.h"

#define LOOK_MAX 128         /* conversations of one look */
#define LOOK_EVERY_MS 1000   /* at the latest: a lease that expires is freed within this */
#define CROWDED_EVERY_MS 50

struct sweep {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    struct loop_timer *timer;
    size_t running_max, visiting;
    bool looking, again, stopped, full_look;
    bool paused; /* by an administrator */
    int64_t next_ms;
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

struct sweep *sweep_new(struct loop *l, struct store *s, struct turns *t, size_t running_max)
{
    struct sweep *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    *w = (struct sweep){ .loop = l, .store = s, .turns = t, .running_max = running_max, .timer = loop_timer_new(l, look, w) };
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
