/* SPDX-License-Identifier: MIT
 * One look at a time: ask who is due, visit them all, ask again or sleep until the next one. When few are due:
 *
 *   a process of this host has come or gone ──> ACTIVE ──page after page──> per item: its owner is dead ──> VISIT
 *   now and then: WAITING since long ──page──> per item: should have been visited, by its record ──> LOAD ──> nobody holds it ──> VISIT
 *
 * What waits for good reason (a retry to come, a turn that runs) is passed by; the next page goes on behind it. */
#include "config.h"

#include <stdlib.h>

#include "daemon/sweep.h"
#include "lib/alive.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/conversation.h"

#define LOOK_MAX 128         /* conversations of one look */
#define LOOK_EVERY_MS 1000   /* at the latest: a lease that expires is freed within this */
#define CROWDED_EVERY_MS 10
#define AT_ONCE 64           /* turns that begin together */
#define RAMP_MS 1000         /* beyond those, the number that runs grows to running_max in this time */
#define RAMP_STEP_MS 50      /* time that is counted when nobody has looked for longer */
#define STUCK_EVERY_MS 30000 /* a look at what waits since long; more often when stuck_after_ms is short */
#define STUCK_GRACE_MS 2000  /* the ordinary visit has this long to come first */
#define OWNERS_EVERY_MS 500
#define OWNERS_LOOKS 2 /* what a process had sent to the store when it was killed may come to be done after the first */

/* The last item of a page, which the next one begins behind. */
struct page {
    char id[STORE_ID_MAX + 1];
    size_t id_n; /* 0: from the start */
    int64_t score_ms;
};

struct sweep {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    struct loop_timer *timer;
    size_t running_max, visiting;
    size_t may_run; /* at once, now; see room() */
    int64_t grown_mono_ms;
    size_t asked; /* how many the last look asked for */
    bool looking, again, stopped, full_look, crowded;
    bool paused; /* by an administrator */
    int64_t next_ms;
    int64_t stuck_after_ms, stuck_look_mono_ms; /* the last one */
    struct page behind; /* the next page of what waits since long */
    struct alive *alive; /* NULL: nobody's death is looked for */
    struct loop_timer *owners_timer;
    uint64_t owners;           /* who lived at the last look, all names in one number */
    unsigned owners_looks;     /* still to be made */
    bool owners_page;          /* one has begun, and goes on behind `after` */
    struct page after;
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

/* How many turns may begin. A thousand that wait are not begun together: they would be in the way of all else that talks to the same store and the
 * same AI, and again when they end together. So the number that runs grows little by little; what ends makes room at once. */
static size_t room(struct sweep *w)
{
    size_t running = turns_running(w->turns);
    int64_t now_ms = clock_mono_ms(), passed_ms = now_ms - w->grown_mono_ms;
    size_t more = (size_t)(passed_ms < RAMP_STEP_MS ? passed_ms : RAMP_STEP_MS) * w->running_max / RAMP_MS;
    if (w->may_run > running + AT_ONCE || w->may_run < AT_ONCE)
        w->may_run = running + AT_ONCE;
    if (more > 0) {
        w->may_run += more;
        w->grown_mono_ms = now_ms;
    }
    if (w->may_run > w->running_max)
        w->may_run = w->running_max;
    return w->may_run > running ? w->may_run - running : 0;
}

/* A visit may begin a turn, and counts as one only when it has. */
static bool is_full(const struct sweep *w)
{
    return turns_running(w->turns) + w->visiting >= w->running_max;
}

static bool is_crowded(struct sweep *w)
{
    size_t some = w->running_max < AT_ONCE ? w->running_max : AT_ONCE;
    return w->full_look && room(w) < (some + 1) / 2;
}

/* What is due waits for turns to end, or for its time to begin. */
static void wait_crowded(struct sweep *w)
{
    w->crowded = true;
    loop_timer_set(w->timer, CROWDED_EVERY_MS);
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
    if (is_crowded(w))
        wait_crowded(w);
    else
        loop_timer_set(w->timer, in_ms);
}

static void visited(void *arg)
{
    struct sweep *w = arg;
    if (--w->visiting == 0 && !w->looking)
        rest(w);
}

/* ---- pages ---- */

/* NULL: that was all. */
static void page_end(struct page *p, const struct store_listed *last)
{
    p->id_n = last != NULL && last->id.n <= STORE_ID_MAX ? last->id.n : 0;
    if (p->id_n == 0)
        return;
    memcpy(p->id, last->id.p, p->id_n);
    p->score_ms = last->score_ms;
}

static struct sv page_after(const struct page *p)
{
    return (struct sv){ p->id_n > 0 ? p->id : NULL, p->id_n };
}

/* ---- turns of processes that are dead ---- */

static bool is_bereaved(const struct sweep *w, struct sv record)
{
    struct conversation c;
    struct err e;
    return record.p != NULL && conversation_parse(record, &c, &e) == 0 && c.token[0] != '\0' && c.owner[0] != '\0' &&
           alive_is_dead(w->alive, c.owner);
}

static void active(void *arg, enum store_status status, const struct store_listing *list)
{
    struct sweep *w = arg;
    size_t n = status == STORE_DONE ? list->n : 0;
    bool all = true;
    for (size_t i = 0; i < n && all && !w->stopped && !w->paused; i++) {
        if (!is_bereaved(w, list->items[i].record))
            continue;
        all = !is_full(w);
        if (all) {
            w->visiting++;
            turns_begin(w->turns, list->items[i].id, visited, w);
        }
    }
    if (!all)
        w->owners_looks = OWNERS_LOOKS;
    else if (status == STORE_DONE && !w->owners_page)
        w->owners_looks--;
    page_end(&w->after, all && n == LOOK_MAX ? &list->items[n - 1] : NULL);
    w->owners_page = w->after.id_n > 0;
    w->again = w->again || w->owners_page;
    w->looking = false;
    if (w->visiting == 0)
        rest(w);
}

/* False: nobody has died. */
static bool look_for_bereaved(struct sweep *w)
{
    if (!w->owners_page && w->owners_looks == 0)
        return false;
    const struct store_list what = { .index = STORE_ACTIVE, .max = LOOK_MAX, .want_records = true, .after_id = page_after(&w->after),
                                     .after_ms = w->after.score_ms };
    w->looking = true;
    store_list(w->store, &what, active, w);
    return true;
}

static void add_name(void *arg, const char *name, long pid)
{
    uint64_t *sum = arg, hash = UINT64_C(14695981039346656037); /* FNV-1a */
    (void)pid;
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(1099511628211);
    *sum += hash;
}

/* A lease outlives its owner by up to its TTL; the kernel says at once who is dead. */
static void look_at_owners(void *arg)
{
    struct sweep *w = arg;
    uint64_t owners = 0;
    (void)alive_each(w->alive, add_name, &owners);
    if (owners != w->owners)
        w->owners_looks = OWNERS_LOOKS;
    w->owners = owners;
    if (w->owners_looks > 0)
        sweep_wake(w);
    loop_timer_set(w->owners_timer, OWNERS_EVERY_MS);
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
    for (size_t i = 0; i < n && !w->stopped && !w->paused && !is_full(w); i++) {
        if (is_overdue(w, list->items[i].record, list->now_ms))
            visit_stuck(w, &list->items[i]);
    }
    page_end(&w->behind, n == LOOK_MAX ? &list->items[n - 1] : NULL);
    w->looking = false;
    if (w->visiting == 0)
        rest(w);
}

/* False: not yet. A store's clock is not known here; the own one is near enough for what is looked at again before it is visited. */
static bool look_for_stuck(struct sweep *w)
{
    int64_t every_ms = w->stuck_after_ms / 4 < STUCK_EVERY_MS ? w->stuck_after_ms / 4 : STUCK_EVERY_MS;
    int64_t now_ms = clock_mono_ms();
    if (w->behind.id_n == 0 && now_ms - w->stuck_look_mono_ms < every_ms)
        return false;
    w->stuck_look_mono_ms = now_ms;
    const struct store_list what = { .index = STORE_WAITING, .max_ms = clock_wall_ms() - w->stuck_after_ms, .max = LOOK_MAX,
                                     .want_records = true, .after_id = page_after(&w->behind), .after_ms = w->behind.score_ms };
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
    w->full_look = n == w->asked;
    for (size_t i = 0; i < n && !w->stopped && !w->paused; i++) {
        w->visiting++;
        turns_begin(w->turns, list->items[i].id, visited, w);
    }
    w->looking = false;
    if (status == STORE_DONE && n < w->asked && !w->stopped && !w->paused && (look_for_bereaved(w) || look_for_stuck(w)))
        return;
    if (w->visiting == 0)
        rest(w);
}

static void look(void *arg)
{
    struct sweep *w = arg;
    w->crowded = false;
    if (w->stopped || w->paused || w->looking || w->visiting > 0)
        return;
    size_t n = room(w);
    if (n == 0) {
        wait_crowded(w);
        return;
    }
    w->looking = true;
    w->asked = n < LOOK_MAX ? n : LOOK_MAX;
    const struct store_list what = { .index = STORE_DUE, .until_now = true, .max = w->asked };
    store_list(w->store, &what, due, w);
}

struct sweep *sweep_new(struct loop *l, struct store *s, struct turns *t, size_t running_max, int64_t stuck_after_ms)
{
    struct sweep *w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    *w = (struct sweep){ .loop = l, .store = s, .turns = t, .running_max = running_max, .timer = loop_timer_new(l, look, w),
                          .stuck_after_ms = stuck_after_ms, .stuck_look_mono_ms = clock_mono_ms(), .grown_mono_ms = clock_mono_ms() };
    if (w->timer == NULL) {
        free(w);
        return NULL;
    }
    loop_timer_set(w->timer, 0);
    return w;
}

int sweep_watch(struct sweep *w, struct alive *alive)
{
    w->owners_timer = loop_timer_new(w->loop, look_at_owners, w);
    if (w->owners_timer == NULL)
        return -1;
    w->alive = alive;
    loop_timer_set(w->owners_timer, 0);
    return 0;
}

void sweep_wake(struct sweep *w)
{
    if (w->looking || w->visiting > 0)
        w->again = true;
    else if (!w->stopped && !w->crowded) /* else it looks soon in any case */
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
    if (w->owners_timer != NULL)
        loop_timer_stop(w->owners_timer);
    look_stopped(w);
}

void sweep_free(struct sweep *w)
{
    if (w == NULL)
        return;
    loop_timer_free(w->timer);
    loop_timer_free(w->owners_timer);
    free(w);
}
