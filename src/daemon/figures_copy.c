/* SPDX-License-Identifier: MIT
 * A round: the store's time -> a day's figures -> what of them has changed, batch by batch -> the next day. What was written is remembered for the
 * newest days, so that a day with thousands of users costs what happens in it; every hour all of it is written again. A round that fails is made
 * again as a whole with the next one. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_history.h"
#include "daemon/figures_copy.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "store/store_history.h"

#define EVERY_MS 60000
#define FIRST_MS 5000
#define ALL_AGAIN 60 /* rounds */
#define DAY_MS (86400 * INT64_C(1000))
#define DAY_BYTES 10
#define KEPT_DAYS 2 /* today and yesterday */
#define ROUND_BYTES_MAX (64u << 20)

/* What was written of a day: metric -> its value. */
struct kept { int64_t day_ms; struct map *values; };

struct figures_copy {
    struct figures_copy_options o;
    struct loop_timer *timer;
    struct kept kept[KEPT_DAYS];
    unsigned rounds;
    int64_t from_ms; /* the first day that may not be copied to its end; -1: no round was made */

    bool running, again, stopping;
    void (*stopped)(void *arg);
    void *stopped_arg;

    /* of the round */
    struct arena *a; /* of the day */
    int64_t now_ms, day_ms;
    struct archive_figure *list; /* that have changed */
    size_t n, done;
};

static void next_day(struct figures_copy *c);
static void begin(void *arg);

static void end_round(struct figures_copy *c, bool whole)
{
    int64_t today_ms = c->now_ms - c->now_ms % DAY_MS;

    arena_free(c->a);
    c->a = NULL;
    c->running = false;
    if (whole) {
        c->from_ms = today_ms - DAY_MS;
        c->rounds++;
    }
    if (c->stopping && c->again) { /* the last one */
        c->again = false;
        begin(c);
    } else if (c->stopping) {
        loop_soon(c->o.loop, c->stopped, c->stopped_arg);
    } else {
        loop_timer_set(c->timer, c->o.every_ms - c->o.every_ms / 8 + (int64_t)id_random_below((uint64_t)(c->o.every_ms / 4 + 1)));
    }
}

/* ---- what was written ---- */

static struct kept *kept_of(struct figures_copy *c, int64_t day_ms)
{
    struct kept *oldest = &c->kept[0];

    if (day_ms < c->now_ms - c->now_ms % DAY_MS - DAY_MS)
        return NULL;
    for (size_t i = 0; i < KEPT_DAYS; i++) {
        if (c->kept[i].values != NULL && c->kept[i].day_ms == day_ms)
            return &c->kept[i];
        if (c->kept[i].values == NULL || (oldest->values != NULL && c->kept[i].day_ms < oldest->day_ms))
            oldest = &c->kept[i];
    }
    map_free(oldest->values);
    *oldest = (struct kept){ .day_ms = day_ms, .values = map_new() };
    return oldest->values != NULL ? oldest : NULL;
}

/* Values are small numbers kept as pointers. */
static bool is_written(struct figures_copy *c, struct sv metric, int64_t value)
{
    const struct kept *k = kept_of(c, c->day_ms);

    return k != NULL && (int64_t)(intptr_t)map_find(k->values, metric) == value && value != 0;
}

static void remember(struct figures_copy *c, const struct archive_figure *list, size_t n)
{
    struct kept *k = kept_of(c, c->day_ms);

    for (size_t i = 0; k != NULL && i < n; i++)
        if (map_put(k->values, list[i].metric, (void *)(intptr_t)list[i].value, NULL) != 0)
            return; /* it is written again */
}

static void forget_all(struct figures_copy *c)
{
    for (size_t i = 0; i < KEPT_DAYS; i++) {
        map_free(c->kept[i].values);
        c->kept[i] = (struct kept){ .values = NULL };
    }
}

/* ---- a day ---- */

static void write_batch(struct figures_copy *c);

static void written(void *arg, enum archive_status status)
{
    struct figures_copy *c = arg;
    size_t n = c->n - c->done < FIGURES_COPY_BATCH ? c->n - c->done : FIGURES_COPY_BATCH;

    if (status != ARCHIVE_DONE) {
        end_round(c, false);
        return;
    }
    remember(c, c->list + c->done, n);
    c->done += n;
    write_batch(c);
}

static void write_batch(struct figures_copy *c)
{
    size_t left = c->n - c->done;

    if (left > 0) {
        archive_figures_put(c->o.archive, c->list + c->done, left < FIGURES_COPY_BATCH ? left : FIGURES_COPY_BATCH, c->now_ms, written, c);
        return;
    }
    c->day_ms += DAY_MS;
    next_day(c);
}

static struct sv day_text(struct figures_copy *c)
{
    char text[25];

    clock_format(c->day_ms, text);
    return arena_sv(c->a, (struct sv){ text, DAY_BYTES });
}

/* False: memory is short. */
static bool take(struct figures_copy *c, struct sv day, const struct store_pair *pairs, size_t n)
{
    c->list = arena_array(c->a, n + 1, sizeof(*c->list));
    if (c->list == NULL || day.p == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct archive_figure *f = &c->list[c->n];
        if (!sv_to_i64(pairs[i].value, &f->value) || is_written(c, pairs[i].key, f->value))
            continue;
        f->day = day;
        f->metric = arena_sv(c->a, pairs[i].key);
        if (f->metric.p == NULL)
            return false;
        c->n++;
    }
    return true;
}

static void on_figures(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct figures_copy *c = arg;

    if (status != STORE_DONE || !take(c, day_text(c), pairs, n))
        end_round(c, false);
    else
        write_batch(c);
}

static void next_day(struct figures_copy *c)
{
    struct sv day;

    c->n = c->done = 0;
    if (c->day_ms > c->now_ms) {
        end_round(c, true);
        return;
    }
    arena_reset(c->a);
    day = day_text(c);
    if (day.p == NULL)
        end_round(c, false);
    else
        store_figures(c->o.store, day, on_figures, c);
}

/* ---- a round ---- */

static void on_time(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct figures_copy *c = arg;
    int64_t today_ms;

    c->a = status == STORE_DONE ? arena_new(0, ROUND_BYTES_MAX) : NULL;
    if (c->a == NULL) {
        end_round(c, false);
        return;
    }
    c->now_ms = stat->now_ms; /* before anything is read: who is erased after it is not brought back by it */
    today_ms = c->now_ms - c->now_ms % DAY_MS;
    if (c->from_ms < 0)
        c->from_ms = today_ms - c->o.days * DAY_MS;
    c->day_ms = c->from_ms < today_ms ? c->from_ms : today_ms;
    if (c->rounds % ALL_AGAIN == 0)
        forget_all(c);
    next_day(c);
}

static void without_store(void *arg)
{
    end_round(arg, false);
}

static void begin(void *arg)
{
    struct figures_copy *c = arg;

    c->running = true;
    if (store_is_spooling(c->o.store)) /* nothing is counted before it is worked on */
        loop_soon(c->o.loop, without_store, c);
    else
        store_stat(c->o.store, on_time, c);
}

/* ---- life ---- */

struct figures_copy *figures_copy_new(const struct figures_copy_options *o)
{
    struct figures_copy *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    *c = (struct figures_copy){ .o = *o, .from_ms = -1, .timer = loop_timer_new(o->loop, begin, c) };
    if (c->timer == NULL) {
        free(c);
        return NULL;
    }
    if (c->o.days > FIGURES_COPY_DAYS_MAX)
        c->o.days = FIGURES_COPY_DAYS_MAX;
    if (c->o.every_ms == 0)
        c->o.every_ms = EVERY_MS;
    loop_timer_set(c->timer, o->first_ms > 0 ? o->first_ms : FIRST_MS + (int64_t)id_random_below(FIRST_MS));
    return c;
}

void figures_copy_stop(struct figures_copy *c, void (*fn)(void *arg), void *arg)
{
    c->stopping = true;
    c->stopped = fn;
    c->stopped_arg = arg;
    loop_timer_stop(c->timer);
    c->again = c->running;
    if (!c->running)
        begin(c);
}

void figures_copy_free(struct figures_copy *c)
{
    if (c == NULL)
        return;
    loop_timer_free(c->timer);
    arena_free(c->a);
    forget_all(c);
    free(c);
}
