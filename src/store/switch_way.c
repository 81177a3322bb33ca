/* SPDX-License-Identifier: MIT
 * The way over and the way back.
 *
 *   PRIMARY ──unreachable for patience_ms, and nobody on this host heard from it──> SECONDARY
 *      ^                                                                               │ primary up for settle_ms
 *      └── merged <── calls to the secondary have ended, all others wait <── RETURNING <┘
 *
 * Going over waits for nothing: the primary answers nobody. What it does later with calls that were on their way is found when the two
 * are joined. Going back is led by the process that holds the lock; when that one dies, another takes its place and begins
 * anew, which a merge allows. A new mode file begins in RETURNING, since the secondary may hold what an earlier file knew of.
 * Each change is logged once, by the process that makes it. */
#include "config.h"

#include "lib/clock.h"
#include "lib/log.h"
#include "store/switch_inside.h"

#define RETURNS_MAX 6     /* times that the wait is doubled after a return that failed */
#define LEAD_WAIT_MS 6000 /* longer than any call of a live process takes */

static bool primary_is_up(const struct switch_ *w)
{
    return store_is_up(w->primary);
}

/* ---- over ---- */

/* When somebody on this host knew the primary to be there last. A time to come is from before a reboot. */
static int64_t last_sign_ms(const struct switch_ *w, int64_t now_ms)
{
    int64_t heard_ms = mode_heard_ms(w->mode);
    return heard_ms > w->down_since_ms && heard_ms <= now_ms ? heard_ms : w->down_since_ms;
}

static void watch_primary(struct switch_ *w)
{
    int64_t now_ms = clock_mono_ms();
    if (primary_is_up(w)) {
        w->down_since_ms = 0;
        w->barred = false;
        w->reached = true;
        return;
    }
    if (w->down_since_ms == 0)
        w->down_since_ms = now_ms;
    if (w->barred || (!w->reached && mode_others_believe(w->mode)))
        return; /* our own trouble: a wrong password must not move the host */
    if (now_ms - last_sign_ms(w, now_ms) < w->patience_ms)
        return;
    if (mode_change(w->mode, w->seen, MODE_SECONDARY))
        log_warning("Redis connection failed, using fallback", "from", w->primary->backend, "to", w->secondary->backend, "mode",
                    w->fallback == STORE_FALLBACK_SPOOL ? "spool" : "embedded", NULL);
    (void)switch_notice(w);
}

/* ---- back ---- */

static void lead(struct switch_ *w)
{
    w->leading = true;
    w->leading_since_ms = clock_mono_ms();
    w->step = LEAD_WAIT;
}

static void look_for_return(struct switch_ *w)
{
    int64_t now_ms = clock_mono_ms();
    if (!primary_is_up(w)) {
        w->up_since_ms = 0;
        return;
    }
    if (w->up_since_ms == 0)
        w->up_since_ms = now_ms;
    if (now_ms - w->up_since_ms < w->settle_ms << (w->returns < RETURNS_MAX ? w->returns : RETURNS_MAX) ||
        !mode_lead(w->mode))
        return;
    if (!mode_change(w->mode, w->seen, MODE_RETURNING)) {
        mode_follow(w->mode);
        return;
    }
    log_info("store: this host is on its way back", "to", w->primary->backend, NULL);
    (void)switch_notice(w);
    lead(w);
}

/* Ends the way back, with the primary or with the secondary in force. */
static void arrive(struct switch_ *w, enum mode mode)
{
    bool was_away = w->seen.epoch > 0;
    w->leading = false;
    w->returns = mode == MODE_PRIMARY ? 0 : w->returns + 1;
    if (mode_change(w->mode, w->seen, mode) && was_away) {
        if (mode == MODE_PRIMARY)
            log_warning("store: this host is back", "to", w->primary->backend, NULL);
        else
            log_warning("store: this host stays where it is", "at", w->secondary->backend, NULL);
    }
    mode_follow(w->mode);
    (void)switch_notice(w);
    switch_look_in(w, 0);
}

static void on_merged(void *arg, enum store_status status)
{
    struct switch_ *w = arg;
    if (w->closed)
        return;
    arrive(w, status == STORE_DONE ? MODE_PRIMARY : MODE_SECONDARY);
}

static void on_stock(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct switch_ *w = arg;
    if (w->closed)
        return;
    bool empty = status == STORE_DONE && stat->conversations + stat->queue + stat->queue_taken + stat->callbacks +
                                                 stat->callbacks_taken + stat->dead ==
                                             0;
    if (empty) {
        arrive(w, MODE_PRIMARY);
        return;
    }
    w->step = LEAD_MERGE;
    switch_look_in(w, 0);
}

static void go_on_leading(struct switch_ *w)
{
    int64_t since_ms = clock_mono_ms() - w->leading_since_ms;
    switch (w->step) {
    case LEAD_WAIT:
        if (mode_under_way(w->mode, MODE_SECONDARY) > 0 && since_ms < LEAD_WAIT_MS)
            return;
        w->step = w->seen.epoch == 0 ? LEAD_LOOK : LEAD_MERGE;
        go_on_leading(w);
        return;
    case LEAD_LOOK:
        w->step = LEAD_BUSY;
        store_stat(w->secondary, on_stock, w);
        return;
    case LEAD_MERGE:
        if (primary_is_up(w)) {
            w->step = LEAD_BUSY;
            store_merge(w->secondary, w->primary, w->join, w->join_arg, on_merged, w);
        } else if (since_ms >= w->patience_ms) {
            arrive(w, MODE_SECONDARY);
        }
        return;
    case LEAD_BUSY:
        return;
    }
}

void switch_way(struct switch_ *w)
{
    mode_believe(w->mode, primary_is_up(w));
    switch (w->seen.mode) {
    case MODE_PRIMARY:
        watch_primary(w);
        return;
    case MODE_SECONDARY:
        look_for_return(w);
        return;
    case MODE_RETURNING:
        if (!w->leading && mode_lead(w->mode)) /* nobody leads: the file is new, or the one who did is dead */
            lead(w);
        if (w->leading)
            go_on_leading(w);
        return;
    }
}
