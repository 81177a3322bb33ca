/* SPDX-License-Identifier: MIT
 * See courier_desk.h. */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "t/daemon/courier_desk.h"
#include "t/store/redis_server.h"
#include "t/tap.h"

#define LONG_MS 3600000

void desk_flag(void *arg)
{
    *(bool *)arg = true;
}

bool desk_is_set(void *arg)
{
    return *(bool *)arg;
}

/* ---- the desk ---- */

/* The n-th call of the store fails; 0: none. */
void desk_open(struct desk *d, unsigned attempts_max, unsigned nth, bool after)
{
    *d = (struct desk){ .attempts_max = attempts_max };
    rig_open_failing(&d->r, &rig_policy, nth, after);
    d->absent = absent_new(d->r.loop, d->r.store, LONG_MS, 0);
    d->callback = callback_double_open(d->r.loop);
    if (d->absent == NULL)
        bail_out("no memory");
}

void desk_start(struct desk *d, int64_t base_ms)
{
    d->courier = courier_new(&(struct courier_options){ .loop = d->r.loop, .store = d->r.store, .callback = d->callback, .alive = d->r.alive,
                                                        .absent = d->absent, .attempts_max = d->attempts_max, .retry_base_ms = base_ms,
                                                        .retry_cap_ms = 4 * base_ms });
    if (d->courier == NULL)
        bail_out("no memory");
}

/* In the order of the daemon's end. */
void desk_close(struct desk *d)
{
    courier_end(d->courier);
    callback_close(d->callback);
    absent_stop(d->absent);
    rig_close(&d->r);
    courier_free(d->courier);
    absent_free(d->absent);
}

/* ---- the queue ---- */

static void applied(void *arg, enum store_status status, const struct store_applied *a)
{
    (void)a;
    if (status != STORE_DONE)
        bail_out("an item cannot be put into the queue");
    desk_flag(arg);
}

void desk_put_text(struct desk *d, struct sv text)
{
    char conversation[32];
    bool done = false;
    (void)snprintf(conversation, sizeof(conversation), "put-%zu", d->items++);
    const struct store_change c = { .conversation_id = sv_from(conversation), .record = SV("{}"), .callbacks_add = &text, .callbacks_add_n = 1,
                                    .activity_ms = clock_wall_ms() };
    store_apply(d->r.store, &c, applied, &done);
    if (!loop_until(d->r.loop, desk_is_set, &done))
        bail_out("the store does not answer");
}

void desk_put_for(struct desk *d, const char *job, const char *host)
{
    char text[512];
    (void)snprintf(text, sizeof(text),
                   "{\"type\":\"callback\",\"v\":1,\"id\":\"i-%s\",\"at\":1,\"conversation_id\":\"c-%s\",\"job_id\":\"%s\","
                   "\"url\":\"https://%s/%s\",\"body\":{\"type\":\"job.completed\",\"data\":{\"job_id\":\"%s\"}}}",
                   job, job, job, host, job, job);
    desk_put_text(d, sv_from(text));
}

void desk_put(struct desk *d, const char *job)
{
    desk_put_for(d, job, "hooks.example.com");
}

struct seen {
    bool came;
    struct store_stat stat;
};

static void told(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct seen *s = arg;
    if (status == STORE_DONE)
        s->stat = *stat;
    s->came = true;
}

static struct store_stat desk_stat(struct desk *d)
{
    struct seen s = { 0 };
    store_stat(d->r.store, told, &s);
    if (!loop_until(d->r.loop, desk_is_set, &s.came))
        bail_out("the store does not answer");
    return s.stat;
}

struct wanted {
    struct desk *d;
    int64_t waiting, taken, dead;
    struct store_stat last;
};

static bool is_so(void *arg)
{
    struct wanted *w = arg;
    w->last = desk_stat(w->d);
    return w->last.callbacks == w->waiting && w->last.callbacks_taken == w->taken && w->last.dead == w->dead;
}

/* Until so many items wait in the queue, are in somebody's hands, and are dead letters. */
void desk_until(struct desk *d, int64_t waiting, int64_t taken, int64_t dead, const char *what)
{
    struct wanted w = { .d = d, .waiting = waiting, .taken = taken, .dead = dead };
    if (!ok(loop_until(d->r.loop, is_so, &w), "%s: %d wait, %d taken, %d dead", what, (int)waiting, (int)taken, (int)dead))
        diag("%d wait, %d taken, %d dead", (int)w.last.callbacks, (int)w.last.callbacks_taken, (int)w.last.dead);
}

static bool is_posted(void *arg)
{
    return callback_double.posts >= *(const int *)arg;
}

void desk_until_posts(struct desk *d, int n, const char *what)
{
    ok(loop_until(d->r.loop, is_posted, &n), "%s: %d posts", what, n);
    is_int(callback_double.posts, n, "%s: not more", what);
}

bool desk_is_idle(void *arg)
{
    return courier_holds(arg) == 0;
}

void desk_stop(struct desk *d, const char *what)
{
    if (!d->stopped)
        courier_stop(d->courier, desk_flag, &d->stopped);
    ok(loop_until(d->r.loop, desk_is_set, &d->stopped), "%s: it stops", what);
    is_int(courier_holds(d->courier), 0, "%s: with empty hands", what);
}

void desk_end(struct desk *d)
{
    desk_stop(d, "the end");
    desk_close(d);
}
