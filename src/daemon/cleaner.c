/* SPDX-License-Identifier: MIT
 * A round: FORGETTING -> RETAINING (batch, pause, batch ...) -> ORPHANS -> RESTING. A round that did not get to its end is followed
 * soon by the next. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/cleaner.h"
#include "daemon/orphans.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/control.h"

#define FIRST_MS 2000
#define AGAIN_MS 1000

enum state { RESTING, FORGETTING, RETAINING, BETWEEN, ORPHANS };

struct cleaner {
    struct cleaner_options o;
    struct loop_timer *timer;
    struct orphans *orphans;
    enum state state;
    bool more;      /* this round left something */
    bool sweep;     /* asked for meanwhile */
    unsigned batches;
    int64_t deleted;
    void (*stopped)(void *arg);
    void *stopped_arg;
    bool stopping;
};

static void say(const char *what, const char *name, int64_t n)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)n);
    log_info(what, name, text, NULL);
}

static void rest(struct cleaner *c)
{
    c->state = RESTING;
    if (c->stopping) {
        if (c->stopped != NULL)
            loop_soon(c->o.loop, c->stopped, c->stopped_arg);
        c->stopped = NULL;
        return;
    }
    int64_t jitter_ms = (int64_t)id_random_below((uint64_t)(c->o.every_ms / 4 + 1));
    loop_timer_set(c->timer, c->sweep ? 0 : c->more ? AGAIN_MS : c->o.every_ms - c->o.every_ms / 8 + jitter_ms);
}

/* ---- orphans ---- */

static void looked(void *arg, size_t repaired, size_t visited)
{
    struct cleaner *c = arg;
    if (repaired > 0)
        say("orphans were repaired", "conversations", (int64_t)repaired);
    if (visited > 0)
        say("conversations that had waited for too long were visited", "conversations", (int64_t)visited);
    rest(c);
}

static void look_for_orphans(struct cleaner *c)
{
    c->state = ORPHANS;
    bool all = c->sweep;
    c->sweep = false;
    orphans_look(c->orphans, all, looked, c);
}

/* ---- retention ---- */

static void end_retention(struct cleaner *c)
{
    if (c->deleted > 0)
        say("messages past their retention were deleted", "messages", c->deleted);
    c->deleted = 0;
    look_for_orphans(c);
}

static void retained(void *arg, enum archive_status status, size_t deleted)
{
    struct cleaner *c = arg;
    c->deleted += status == ARCHIVE_DONE ? (int64_t)deleted : 0;
    if (c->stopping) {
        rest(c);
    } else if (status != ARCHIVE_DONE || deleted < CLEANER_RETAIN_MAX) {
        end_retention(c);
    } else if (++c->batches >= CLEANER_BATCHES_MAX) {
        c->more = true;
        end_retention(c);
    } else {
        c->state = BETWEEN;
        loop_timer_set(c->timer, CLEANER_PAUSE_MS);
    }
}

static void retain(struct cleaner *c)
{
    if (c->o.archive == NULL || c->o.retention_ms <= 0 || !archive_is_up(c->o.archive)) {
        end_retention(c);
        return;
    }
    c->state = RETAINING;
    archive_retain(c->o.archive, clock_wall_ms() - c->o.retention_ms, CLEANER_RETAIN_MAX, retained, c);
}

/* ---- idle conversations ---- */

static void cleaned(void *arg, const struct control_answer *answer)
{
    struct cleaner *c = arg;
    if (c->stopping) {
        rest(c);
        return;
    }
    if (answer->http_status == 200) {
        struct sv removed = json_raw_member(answer->result, "removed");
        int64_t n = 0;
        (void)sv_to_i64(removed, &n);
        c->more = n > 0 && sv_eq(json_raw_member(answer->result, "complete"), SV("false"));
        if (n > 0)
            say("idle conversations were forgotten", "conversations", n);
    }
    c->batches = 0;
    retain(c);
}

static void begin(void *arg)
{
    struct cleaner *c = arg;
    if (c->state == BETWEEN) {
        retain(c);
        return;
    }
    if (c->sweep) {
        look_for_orphans(c);
        return;
    }
    c->state = FORGETTING;
    c->more = false;
    const struct control_cleanup what = { .max_age_ms = c->o.state_ttl_ms, .max = CLEANER_FORGET_MAX,
                                          .within_ms = CLEANER_WITHIN_MS };
    control_cleanup(c->o.turns, &what, cleaned, c);
}

/* ---- life ---- */

struct cleaner *cleaner_new(const struct cleaner_options *o)
{
    struct cleaner *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct cleaner){ .o = *o, .timer = loop_timer_new(o->loop, begin, c),
                           .orphans = orphans_new(o->loop, o->store, o->turns, o->orphan_ttl_ms) };
    if (c->timer == NULL || c->orphans == NULL) {
        cleaner_free(c);
        return NULL;
    }
    loop_timer_set(c->timer, o->first_ms > 0 ? o->first_ms : FIRST_MS + (int64_t)id_random_below(FIRST_MS));
    return c;
}

void cleaner_archive(struct cleaner *c, struct archive *a)
{
    c->o.archive = a;
}

void cleaner_set(struct cleaner *c, const struct cleaner_options *o)
{
    c->o.every_ms = o->every_ms;
    c->o.state_ttl_ms = o->state_ttl_ms;
    c->o.retention_ms = o->retention_ms;
    if (c->state == RESTING && !c->stopping)
        rest(c);
}

void cleaner_sweep(struct cleaner *c)
{
    c->sweep = true;
    if (c->state == RESTING && !c->stopping)
        loop_timer_set(c->timer, 0);
}

void cleaner_stop(struct cleaner *c, void (*fn)(void *arg), void *arg)
{
    c->stopping = true;
    c->stopped = fn;
    c->stopped_arg = arg;
    loop_timer_stop(c->timer);
    if (c->state == RESTING || c->state == BETWEEN)
        rest(c);
}

void cleaner_free(struct cleaner *c)
{
    if (c == NULL)
        return;
    loop_timer_free(c->timer);
    orphans_free(c->orphans);
    free(c);
}
