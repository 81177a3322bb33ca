/* SPDX-License-Identifier: MIT
 * The first items of message_queue, and of the batches that were taken from it, say when they came: when all of them came later, what was there before has
 * been written. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "turn/control_own.h"
#include "turn/queue_passed.h"

#define LOOK_MS 50

struct waiting {
    struct turns *t;
    struct loop_timer *timer;
    int64_t until_ms, give_up_mono_ms; /* until_ms: 0: the first answer says when now is */
    queue_passed_fn *fn;
    void *arg;
};

static void end(struct waiting *w, enum queue_passed how)
{
    struct turns *t = w->t;
    w->fn(w->arg, how, w->until_ms);
    loop_timer_free(w->timer);
    free(w);
    t->transactions--;
    turns_look_drained(t);
}

static void looked(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct waiting *w = arg;
    if (status != STORE_DONE) {
        end(w, QUEUE_STORE_DOWN);
        return;
    }
    if (w->until_ms == 0)
        w->until_ms = stat->now_ms;
    if (stat->queue + stat->queue_taken == 0 || control_oldest_item_ms(stat) > w->until_ms)
        end(w, QUEUE_PASSED);
    else if (w->t->draining || clock_mono_ms() >= w->give_up_mono_ms)
        end(w, QUEUE_BEHIND);
    else
        loop_timer_set(w->timer, LOOK_MS);
}

static void look(void *arg)
{
    struct waiting *w = arg;
    store_stat(w->t->o.store, looked, w);
}

void queue_passed(struct turns *t, int64_t until_ms, int64_t within_ms, queue_passed_fn *fn, void *arg)
{
    struct waiting *w = calloc(1, sizeof(*w));
    if (w == NULL)
        abort(); /* as loop_soon would */
    *w = (struct waiting){ .t = t, .until_ms = until_ms, .give_up_mono_ms = clock_mono_ms() + within_ms, .fn = fn, .arg = arg };
    w->timer = loop_timer_new(t->o.loop, look, w);
    if (w->timer == NULL)
        abort();
    t->transactions++;
    look(w);
}
