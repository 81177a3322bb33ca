/* SPDX-License-Identifier: MIT
 * When a page is swept, and by whom. Per page:
 *
 *   look: DEFERRED, BEHIND ──there, or a wish, or it is time──> LEASE ──ours──> all four values ──> BEHIND is written, DEFERRED removed
 *     ──> the sweep (page_sweep_read.c) ──> SEEN, SWEPT written, BEHIND removed ──> the lease is given back
 *
 * "deferred" is taken away before the sweep begins, and kept as "behind" until it has come to its end: what is deferred meanwhile is told anew, and a daemon that dies
 * leaves "behind" for the next one. A sweep that left a conversation (page_sweep_left.c) has not come to its end, and writes it. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/page_sweep_own.h"
#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define TICK_MS 1000
#define LOOK_MS 5000
#define READ_MOST 20000
#define RETRY_MS 2000
#define RETRY_MAX_MS 300000
#define LEASE_MS 60000
#define RENEW_MS 15000
#define PAGES_MAX 10000
#define AT_ONCE 8
#define MARGIN_MS 300000
#define MOST_MS (22 * 3600 * INT64_C(1000)) /* what the page wrote is told from what we wrote for 23 hours (turn/webhook.c); a sweep takes its time */
#define VALUE_TTL_MS (30 * 86400 * INT64_C(1000))
#define RUN_BYTES (4u << 20)

static const char *const names[SWEEP_VALUES] = {
    [SWEEP_DEFERRED] = "deferred",
    [SWEEP_BEHIND] = "behind",
    [SWEEP_SEEN] = "seen",
    [SWEEP_SWEPT] = "swept",
};

static void read_value(struct swept_page *p);

/* ---- what is under way ---- */

struct sv sweep_name(char out[STORE_ID_MAX + 1], const struct swept_page *p, const char *what)
{
    int n = snprintf(out, STORE_ID_MAX + 1, "page:%s:%s", p->id, what);
    return (struct sv){ out, (size_t)n };
}

static void check_stopped(struct page_sweep *s)
{
    if (!s->stopping || s->stopped == NULL || s->out > 0 || s->running > 0)
        return;
    void (*fn)(void *) = s->stopped;
    s->stopped = NULL;
    loop_soon(s->o.loop, fn, s->stopped_arg);
}

void sweep_ask(struct swept_page *p)
{
    p->all->out++;
}

bool sweep_heard(struct swept_page *p)
{
    p->all->out--;
    if (!p->all->stopping)
        return true;
    if (p->running)
        sweep_over(p, "the daemon ends");
    check_stopped(p->all);
    return false;
}

static void fire(void *arg)
{
    struct swept_page *p = arg;
    p->then(p);
}

void sweep_after(struct swept_page *p, int64_t ms, void (*then)(struct swept_page *p))
{
    p->then = then;
    loop_timer_set(p->timer, ms);
}

/* ---- values ---- */

/* Nothing depends on whether it was written: heard, and that is all. */
static void written(void *arg, enum store_status status)
{
    struct page_sweep *s = arg;
    (void)status;
    s->out--;
    check_stopped(s);
}

/* ms 0 removes. */
static void put(struct swept_page *p, const char *what, int64_t ms, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    char name[STORE_ID_MAX + 1], text[24];
    int n = snprintf(text, sizeof(text), "%lld", (long long)ms);
    sweep_ask(p);
    store_put(p->all->o.store, sweep_name(name, p, what), ms != 0 ? (struct sv){ text, (size_t)n } : SV_NONE, ttl_ms, fn, arg);
}

static void released(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (status == STORE_DONE)
        p->held_until_mono_ms = 0; /* else it is still ours, as long as it lasts */
    written(p->all, status);
}

static void let_go(struct swept_page *p)
{
    p->running = false;
    p->all->running--;
    if (!p->all->ended)
        put(p, "sweeper", 0, LEASE_MS, released, p);
}

static void rest(struct swept_page *p)
{
    p->busy = false;
    p->look_mono_ms = clock_mono_ms() + p->all->o.look_ms;
}

/* ---- the end of a sweep ---- */

static void run_free(struct sweep_run *r)
{
    map_free(r->visited);
    map_free(r->done);
    map_free(r->left);
    arena_free(r->list);
    arena_free(r->a);
    free(r->items);
    buf_fini(&r->cursor);
    *r = (struct sweep_run){ 0 };
}

static void failed(struct swept_page *p)
{
    p->not_before_mono_ms = clock_mono_ms() + backoff_ms(p->tries++, p->all->o.retry_ms, RETRY_MAX_MS);
    rest(p);
    p->look_mono_ms = p->not_before_mono_ms;
    if (p->wish_ms == 0) /* it was time */
        p->next_mono_ms = p->not_before_mono_ms;
    let_go(p);
}

static void behind_kept(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    (void)status; /* else it is made again from what else is known */
    if (sweep_heard(p))
        failed(p);
}

static void finished(struct swept_page *p)
{
    p->tries = 0;
    p->next_mono_ms = clock_mono_ms() + p->all->o.every_ms;
    rest(p);
    let_go(p);
}

/* In the answer to a put of a sweep; false: it is over, or has failed. */
static bool put_well(struct swept_page *p, enum store_status status)
{
    if (!sweep_heard(p))
        return false;
    if (status != STORE_DONE)
        failed(p);
    return status == STORE_DONE;
}

static void behind_removed(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (put_well(p, status))
        finished(p);
}

static void swept_written(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (put_well(p, status))
        put(p, names[SWEEP_BEHIND], 0, VALUE_TTL_MS, behind_removed, p);
}

static void seen_written(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (put_well(p, status))
        put(p, names[SWEEP_SWEPT], p->value[SWEEP_SWEPT], VALUE_TTL_MS, swept_written, p);
}

/* All of it is known since began_ms. */
static void note_all(struct swept_page *p, int64_t began_ms)
{
    if (p->wish_ms <= began_ms)
        p->wish_ms = 0;
    p->value[SWEEP_SWEPT] = began_ms;
    put(p, names[SWEEP_SEEN], began_ms, VALUE_TTL_MS, seen_written, p);
}

void sweep_over(struct swept_page *p, const char *why)
{
    int64_t began_ms = p->run.began_ms, base_ms = p->run.base_ms;
    bool left = p->run.found.put_off > 0;
    if (why == NULL && left)
        why = "conversations were left";
    if (p->timer != NULL)
        loop_timer_stop(p->timer);
    if (p->call != NULL) {
        p->call->page = NULL;
        p->call = NULL;
    }
    if (began_ms != 0)
        sweep_tell(p, why);
    if (why == NULL)
        sweep_known_drop(p);
    else
        sweep_known_keep(p);
    run_free(&p->run);
    if (why == NULL)
        note_all(p, began_ms);
    else if (left && !p->all->ended)
        put(p, names[SWEEP_BEHIND], base_ms, VALUE_TTL_MS, behind_kept, p);
    else
        failed(p);
}

/* ---- the beginning ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* From when on something may be missing; 0: nothing is known of the page. A responder that has begun before us may have accepted something since, so after an outage
 * what was seen is not enough; nor is it at any other time, since each single webhook may be lost. */
static int64_t base_of(const struct swept_page *p, int64_t now_ms)
{
    const int64_t *v = p->value;
    int64_t deferred = earlier(v[SWEEP_DEFERRED], v[SWEEP_BEHIND]), base = earlier(deferred, v[SWEEP_SEEN]), swept = v[SWEEP_SWEPT];
    if (deferred != 0 && v[SWEEP_SEEN] == 0)
        return now_ms - MOST_MS;
    if (swept != 0 && p->wish_ms == 0 && p->all->o.every_ms > 0 && swept < now_ms - 2 * p->all->o.every_ms)
        swept = now_ms - 2 * p->all->o.every_ms; /* a page that takes longer than that does not fall behind further and further */
    return earlier(base, swept);
}

static void begin_run(struct swept_page *p)
{
    struct sweep_run *r = &p->run;
    int64_t now_ms = clock_wall_ms(), base_ms = base_of(p, now_ms);
    char since[25];
    int64_t since_ms = base_ms - MARGIN_MS > now_ms - MOST_MS ? base_ms - MARGIN_MS : now_ms - MOST_MS;
    *r = (struct sweep_run){ .began_ms = now_ms, .since_ms = since_ms, .base_ms = base_ms, .visited = map_new(), .done = map_new(), .left = map_new(), .list = arena_new(0, RUN_BYTES), .a = arena_new(0, RUN_BYTES),
                             .items = calloc(SWEEP_RUN, sizeof(*r->items)) };
    clock_format(since_ms, since);
    log_info("a page is swept", "page_id", p->id, "since", since, NULL);
    if (r->visited == NULL || r->done == NULL || r->left == NULL || r->list == NULL || r->a == NULL || r->items == NULL)
        sweep_over(p, "memory is short");
    else
        sweep_read_begin(p);
}

static void deferred_removed(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (put_well(p, status))
        begin_run(p);
}

static void behind_written(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (put_well(p, status))
        put(p, names[SWEEP_DEFERRED], 0, VALUE_TTL_MS, deferred_removed, p);
}

/* The page was never swept: it begins now, or when a webhook of it was seen first, and that is remembered: "seen" moves on. "seen" first, "behind" alone would
 * be a day. */
static void page_begun(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (put_well(p, status))
        put(p, names[SWEEP_BEHIND], p->value[SWEEP_BEHIND], VALUE_TTL_MS, behind_written, p);
}

static void begin_page(struct swept_page *p, int64_t now_ms)
{
    int64_t begun_ms = p->value[SWEEP_SEEN] != 0 ? p->value[SWEEP_SEEN] : now_ms;
    p->value[SWEEP_SEEN] = p->value[SWEEP_BEHIND] = begun_ms;
    put(p, names[SWEEP_SEEN], begun_ms, VALUE_TTL_MS, page_begun, p);
}

static bool is_time(const struct swept_page *p)
{
    int64_t left_ms = p->next_mono_ms - clock_mono_ms();
    return p->all->o.every_ms > 0 && (left_ms <= 0 || left_ms > p->all->o.every_ms); /* it may have been longer before a reload */
}

/* By what another daemon may have done. */
static bool is_needed(struct swept_page *p)
{
    int64_t swept_ms = p->value[SWEEP_SWEPT], ago_ms = clock_wall_ms() - swept_ms;
    if (p->value[SWEEP_DEFERRED] != 0 || p->value[SWEEP_BEHIND] != 0)
        return true;
    if (p->wish_ms != 0 && swept_ms >= p->wish_ms)
        p->wish_ms = 0;
    if (p->wish_ms != 0)
        return true;
    if (is_time(p) && ago_ms >= p->all->o.every_ms)
        return true;
    p->next_mono_ms = clock_mono_ms() + p->all->o.every_ms - (ago_ms > 0 ? ago_ms : 0);
    return false;
}

/* All four are known, and the lease is ours. */
static void decide(struct swept_page *p)
{
    int64_t deferred = earlier(p->value[SWEEP_DEFERRED], p->value[SWEEP_BEHIND]);
    if (!is_needed(p)) {
        rest(p);
        let_go(p);
    } else if (deferred == 0 && p->value[SWEEP_SWEPT] == 0) {
        begin_page(p, clock_wall_ms());
    } else if (p->value[SWEEP_DEFERRED] == 0) {
        begin_run(p);
    } else {
        put(p, names[SWEEP_BEHIND], deferred, VALUE_TTL_MS, behind_written, p);
    }
}

/* ---- looks ---- */

static void renewed(void *arg, enum store_status status)
{
    struct swept_page *p = arg;
    if (status == STORE_DONE && p->running)
        p->held_until_mono_ms = p->renewed_mono_ms + LEASE_MS;
    written(p->all, status);
}

static void renew_lease(struct swept_page *p)
{
    p->renewed_mono_ms = clock_mono_ms();
    put(p, "sweeper", 1, LEASE_MS, renewed, p);
}

static void lease_asked(void *arg, enum store_status status, struct sv value)
{
    struct swept_page *p = arg;
    bool first = status == STORE_DONE && sv_eq(value, SV("1"));
    if (first)
        p->held_until_mono_ms = p->asked_mono_ms + LEASE_MS;
    p->running = first || (status == STORE_DONE && clock_mono_ms() < p->held_until_mono_ms);
    if (!p->running)
        p->all->running--;
    if (!sweep_heard(p))
        return;
    if (!p->running) {
        rest(p); /* another daemon is at it */
        return;
    }
    renew_lease(p);
    p->reading = SWEEP_DEFERRED;
    read_value(p);
}

static void ask_lease(struct swept_page *p)
{
    char name[STORE_ID_MAX + 1];
    p->asked_mono_ms = clock_mono_ms();
    p->all->running++; /* a place among those that run at once */
    sweep_ask(p);
    store_count(p->all->o.store, sweep_name(name, p, "sweeper"), LEASE_MS, lease_asked, p);
}

/* Without the lease: is there anything to do? */
static void looked(struct swept_page *p)
{
    bool wanted = p->value[SWEEP_DEFERRED] != 0 || p->value[SWEEP_BEHIND] != 0 || p->wish_ms != 0 || is_time(p);
    if (wanted && p->all->running < AT_ONCE) {
        ask_lease(p);
        return;
    }
    rest(p);
    if (wanted) /* until others have come to their end */
        p->look_mono_ms = clock_mono_ms();
}

static void value_read(void *arg, enum store_status status, struct sv value)
{
    struct swept_page *p = arg;
    int64_t ms = 0;
    if (!sweep_heard(p))
        return;
    if (status != STORE_DONE) {
        if (p->running)
            failed(p);
        else
            rest(p);
        return;
    }
    p->value[p->reading] = sv_to_i64(value, &ms) && ms > 0 ? ms : 0;
    p->reading++;
    if (p->reading < (p->running ? SWEEP_VALUES : SWEEP_SEEN))
        read_value(p);
    else if (p->running)
        decide(p);
    else
        looked(p);
}

static void read_value(struct swept_page *p)
{
    char name[STORE_ID_MAX + 1];
    sweep_ask(p);
    store_get(p->all->o.store, sweep_name(name, p, names[p->reading]), value_read, p);
}

static void page_free(struct swept_page *p)
{
    loop_timer_free(p->timer);
    run_free(&p->run);
    sweep_known_drop(p);
    free(p);
}

static struct swept_page *page_of(struct page_sweep *s, struct sv page_id)
{
    struct swept_page *p = map_find(s->pages, page_id);
    if (p != NULL || page_id.n > SWEEP_PAGE_ID_MAX || map_count(s->pages) >= PAGES_MAX)
        return p;
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    *p = (struct swept_page){ .all = s, .timer = loop_timer_new(s->o.loop, fire, p), .wish_ms = clock_wall_ms(), .next_mono_ms = clock_mono_ms() + s->o.every_ms };
    memcpy(p->id, page_id.p, page_id.n);
    if (p->timer != NULL && map_put(s->pages, page_id, p, NULL) == 0)
        return p;
    page_free(p);
    return NULL;
}

static void look_at(void *arg, struct pages *pages, struct sv page_id)
{
    struct page_sweep *s = arg;
    char bot_id[MESSAGE_ID_MAX + 1];
    int64_t now_ms = clock_mono_ms();
    (void)pages;
    struct swept_page *p = s->o.bot(s->o.bot_arg, page_id, bot_id) ? page_of(s, page_id) : NULL;
    if (p == NULL || p->busy || now_ms < p->look_mono_ms || now_ms < p->not_before_mono_ms)
        return;
    memcpy(p->bot_id, bot_id, sizeof(bot_id));
    p->busy = true;
    p->reading = SWEEP_DEFERRED;
    read_value(p);
}

static void renew(void *arg, struct sv key, void *value)
{
    struct swept_page *p = value;
    (void)arg;
    (void)key;
    if (p->running && clock_mono_ms() - p->renewed_mono_ms >= RENEW_MS)
        renew_lease(p);
}

static void wish(void *arg, struct sv key, void *value)
{
    struct swept_page *p = value;
    (void)arg;
    (void)key;
    p->wish_ms = clock_wall_ms();
    p->look_mono_ms = 0;
}

/* While another store stands in, what it does not know may have been answered before. */
static void tick(void *arg)
{
    struct page_sweep *s = arg;
    bool up = store_is_up(s->o.store) && !store_is_standing_in(s->o.store) && !store_is_spooling(s->o.store);
    if (up && !s->was_up)
        page_sweep_all(s);
    s->was_up = up;
    if (up) {
        map_each(s->pages, renew, NULL);
        page_peers_each(s->o.peers, look_at, s);
    }
    loop_timer_set(s->tick, s->o.look_ms < TICK_MS ? s->o.look_ms : TICK_MS);
}

/* ---- life ---- */

struct page_sweep *page_sweep_new(const struct page_sweep_options *o)
{
    struct page_sweep *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return NULL;
    *s = (struct page_sweep){ .o = *o, .pages = map_new(), .tick = loop_timer_new(o->loop, tick, s), .was_up = true };
    if (s->o.look_ms <= 0)
        s->o.look_ms = LOOK_MS;
    if (s->o.retry_ms <= 0)
        s->o.retry_ms = RETRY_MS;
    if (s->o.read_most == 0)
        s->o.read_most = READ_MOST;
    if (s->pages == NULL || s->tick == NULL) {
        page_sweep_free(s);
        return NULL;
    }
    loop_timer_set(s->tick, 0);
    return s;
}

void page_sweep_set(struct page_sweep *s, int64_t every_ms, int64_t calls_per_second)
{
    s->o.every_ms = every_ms;
    s->o.calls_per_second = calls_per_second;
}

void page_sweep_all(struct page_sweep *s)
{
    map_each(s->pages, wish, NULL);
}

/* What waits for a moment or for the page API ends here; what waits for the store ends when it has answered. */
static void stop(void *arg, struct sv key, void *value)
{
    struct swept_page *p = value;
    (void)arg;
    (void)key;
    if (p->running && (p->call != NULL || loop_timer_is_set(p->timer)))
        sweep_over(p, "the daemon ends");
}

void page_sweep_stop(struct page_sweep *s, void (*fn)(void *arg), void *arg)
{
    s->stopping = true;
    s->stopped = fn;
    s->stopped_arg = arg;
    loop_timer_stop(s->tick);
    map_each(s->pages, stop, NULL);
    check_stopped(s);
}

static void end_page(void *arg, struct sv key, void *value)
{
    struct swept_page *p = value;
    (void)arg;
    (void)key;
    loop_timer_free(p->timer);
    p->timer = NULL;
    if (p->call != NULL)
        p->call->page = NULL;
    p->call = NULL;
}

void page_sweep_end(struct page_sweep *s)
{
    if (s == NULL)
        return;
    s->stopping = s->ended = true;
    s->stopped = NULL;
    loop_timer_free(s->tick);
    s->tick = NULL;
    if (s->pages != NULL)
        map_each(s->pages, end_page, NULL);
}

static void drop(void *arg, struct sv key, void *value)
{
    (void)map_take(arg, key);
    page_free(value);
}

void page_sweep_free(struct page_sweep *s)
{
    if (s == NULL)
        return;
    page_sweep_end(s);
    while (s->calls != NULL) {
        struct sweep_call *next = s->calls->next;
        free(s->calls);
        s->calls = next;
    }
    if (s->pages != NULL)
        map_each(s->pages, drop, s->pages);
    map_free(s->pages);
    free(s);
}
