/* SPDX-License-Identifier: MIT
 * One host, one store: passes each call to the store in force, and holds it while there is none. How the host changes is in
 * switch_way.c. Knows nothing of what stores do.
 *
 * A call that the primary did not answer is not lost at once: it waits until it is clear where the host is, for a bounded time, and is made
 * again there. But an apply that may have been done is answered CONFLICT, so that its caller looks before it decides again. The same
 * holds for an apply whose answer comes after the host has changed: the lease that it took does not count any more.
 *
 * Versions of the two stores must not be taken for each other: those that callers see carry the count of changes in their upper
 * bits, and an apply on a version of another time is a conflict. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "store/switch_inside.h"

#define PATIENCE_DEFAULT_MS 700
#define SETTLE_DEFAULT_MS 1000
#define LOOK_MS 250 /* how often the mode is looked at when all is well; a call looks too */
#define LOOK_AWAY_MS 50
#define LOOK_BUSY_MS 10

static struct switch_ *of(struct store *s)
{
    return CONTAINER_OF(s, struct switch_, store);
}

/* ---- where we are ---- */

struct store *switch_store(const struct switch_ *w, enum mode mode)
{
    switch (mode) {
    case MODE_PRIMARY:
        return w->primary;
    case MODE_SECONDARY:
        return w->secondary;
    case MODE_RETURNING:
        break;
    }
    return NULL;
}

void switch_look_in(struct switch_ *w, int64_t ms)
{
    int64_t at_ms = clock_mono_ms() + ms;
    if (w->closed || at_ms >= w->tick_at_ms)
        return;
    w->tick_at_ms = at_ms;
    loop_timer_set(w->tick, ms);
}

struct mode_word switch_notice(struct switch_ *w)
{
    struct mode_word now = mode_now(w->mode);
    if (now.epoch == w->seen.epoch && now.mode == w->seen.mode)
        return now;
    w->seen = now;
    w->up_since_ms = w->down_since_ms = 0;
    w->barred = now.mode == MODE_PRIMARY && now.epoch > 1 && !store_is_up(w->primary);
    const struct store *in_force = switch_store(w, now.mode);
    if (in_force != NULL) {
        w->store.backend = in_force->backend;
        w->store.standing_in = now.mode == MODE_SECONDARY;
        w->store.spooling = now.mode == MODE_SECONDARY && w->fallback == STORE_FALLBACK_SPOOL;
        w->tell = true;
    }
    switch_look_in(w, 0);
    return now;
}

static void on_tick(void *arg)
{
    struct switch_ *w = arg;
    w->tick_at_ms = INT64_MAX;
    (void)switch_notice(w);
    switch_way(w);
    if (w->tell) {
        w->tell = false;
        if (w->store.on_event != NULL)
            w->store.on_event(w->store.event_arg, SV_NONE);
        if (!w->closed && w->store.on_push != NULL)
            w->store.on_push(w->store.push_arg, SV_NONE, SV_NONE);
    }
    if (w->closed)
        return;
    switch_pump(w);
    if (w->closed)
        return;
    bool well = w->seen.mode == MODE_PRIMARY && store_is_up(w->primary);
    switch_look_in(w, w->held_n > 0 || w->leading ? LOOK_BUSY_MS : well ? LOOK_MS : LOOK_AWAY_MS);
}

/* ---- calls ---- */

static void switch_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_LOAD, .fn.load = fn, .arg = arg, .is.load = *what });
}

static void switch_apply(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_APPLY, .fn.apply = fn, .arg = arg, .is.change = *change });
}

static void switch_renew(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg)
{
    switch_submit(of(s),
                  &(struct call){ .kind = CALL_RENEW, .fn.status = fn, .arg = arg, .is.renew = { id, token, ttl_ms } });
}

static void switch_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_LIST, .fn.list = fn, .arg = arg, .is.list = *what });
}

static void switch_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_TAKE, .fn.batch = fn, .arg = arg, .is.take = { q, owner, max } });
}

static void switch_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg)
{
    switch_submit_ack(of(s), &(struct call){ .kind = CALL_ACK, .fn.status = fn, .arg = arg, .is.ack = *ack });
}

static void switch_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn,
                           void *arg)
{
    switch_submit(of(s), &(struct call){
                             .kind = CALL_RECOVER, .fn.status = fn, .arg = arg, .is.recover = { q, is_dead, dead_arg } });
}

static void switch_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_LETTERS, .fn.letters = fn, .arg = arg, .is.letters = *what });
}

static void switch_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_VALUE, .fn.value = fn, .arg = arg, .is.value = *what });
}

static void switch_stat(struct store *s, store_stat_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_STAT, .fn.stat = fn, .arg = arg });
}

static void switch_session(struct store *s, struct sv id, store_session_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_SESSION, .fn.session = fn, .arg = arg, .is.session = id });
}

static void switch_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_FILL, .fn.status = fn, .arg = arg, .is.fill = *what });
}

static void switch_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_EVENTS, .fn.events = fn, .arg = arg, .is.events = { id, after } });
}

static void switch_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg)
{
    switch_submit(of(s), &(struct call){ .kind = CALL_SAY, .fn.status = fn, .arg = arg, .is.say = *what });
}

static void submit_history(struct store *s, const struct call *c, struct sv id, struct sv user_id)
{
    struct call whole = *c;
    whole.is.history.id = id;
    whole.is.history.user_id = user_id;
    switch_submit(of(s), &whole);
}

static void switch_history(struct store *s, struct sv id, struct sv user_id, store_history_fn *fn, void *arg)
{
    submit_history(s, &(struct call){ .kind = CALL_HISTORY, .fn.history = fn, .arg = arg }, id, user_id);
}

static void switch_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg)
{
    submit_history(s, &(struct call){ .kind = CALL_USER, .fn.user = fn, .arg = arg }, SV_NONE, user_id);
}

static void switch_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg)
{
    submit_history(s, &(struct call){ .kind = CALL_FIGURES, .fn.pairs = fn, .arg = arg }, day, SV_NONE);
}

static void switch_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n, store_status_fn *fn,
                                   void *arg)
{
    submit_history(s, &(struct call){ .kind = CALL_PREFERENCES_PUT, .fn.status = fn, .arg = arg, .is.history = { .pairs = pairs, .n = n } },
                   SV_NONE, user_id);
}

static void switch_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg)
{
    submit_history(s, &(struct call){ .kind = CALL_PREFERENCES, .fn.pairs = fn, .arg = arg }, SV_NONE, user_id);
}

static void switch_erased_at(struct store *s, struct sv id, store_erased_fn *fn, void *arg)
{
    submit_history(s, &(struct call){ .kind = CALL_ERASED_AT, .fn.erased = fn, .arg = arg }, id, SV_NONE);
}

static const struct store_history_ops history_ops = {
    .history = switch_history,
    .user = switch_user,
    .figures = switch_figures,
    .preferences_put = switch_preferences_put,
    .preferences = switch_preferences,
    .erased_at = switch_erased_at,
};

/* ---- events ---- */

/* On both stores, whichever is in force: what the other one says is not passed on. */
static int switch_listen(struct store *s, struct sv id, bool on)
{
    struct switch_ *w = of(s);
    if (on && store_listen(w->primary, id) == 0 && store_listen(w->secondary, id) == 0)
        return 0;
    store_unlisten(w->primary, id);
    store_unlisten(w->secondary, id);
    return on ? -1 : 0;
}

static void hear(struct switch_ *w, enum mode from, struct sv event)
{
    if (!w->closed && switch_notice(w).mode == from && w->store.on_event != NULL)
        w->store.on_event(w->store.event_arg, event);
}

static void hear_primary(void *arg, struct sv event)
{
    hear(arg, MODE_PRIMARY, event);
}

static void hear_secondary(void *arg, struct sv event)
{
    hear(arg, MODE_SECONDARY, event);
}

static void hear_push(struct switch_ *w, enum mode from, struct sv id, struct sv event)
{
    if (!w->closed && switch_notice(w).mode == from && w->store.on_push != NULL)
        w->store.on_push(w->store.push_arg, id, event);
}

static void primary_push(void *arg, struct sv id, struct sv event)
{
    hear_push(arg, MODE_PRIMARY, id, event);
}

static void secondary_push(void *arg, struct sv id, struct sv event)
{
    hear_push(arg, MODE_SECONDARY, id, event);
}

/* ---- open, close ---- */

/* While there is a second store, calls are answered sooner or later. */
static bool switch_is_up(const struct store *s)
{
    const struct switch_ *w = (const struct switch_ *)(const void *)s; /* `store` is the first member */
    return store_is_up(w->primary) || store_is_up(w->secondary);
}

static void destroy(void *arg)
{
    struct switch_ *w = arg;
    map_free(w->batches);
    free(w);
}

/* A step of ours may be further up the stack: the memory goes later. */
static void switch_close(struct store *s)
{
    struct switch_ *w = of(s);
    w->closed = true;
    loop_timer_free(w->tick);
    store_close(w->primary);
    store_close(w->secondary);
    while (w->held != NULL)
        call_fail(switch_take_held(w), STORE_DOWN);
    answers_close(w->answers);
    mode_close(w->mode);
    loop_soon(w->store.loop, destroy, w);
}

static const struct store_ops switch_ops = {
    .name = "switch",
    .history = &history_ops,
    .load = switch_load,
    .apply = switch_apply,
    .renew = switch_renew,
    .list = switch_list,
    .take = switch_take,
    .ack = switch_ack,
    .recover = switch_recover,
    .letters = switch_letters,
    .value = switch_value,
    .stat = switch_stat,
    .session = switch_session,
    .session_fill = switch_session_fill,
    .events = switch_events,
    .event_say = switch_event_say,
    .listen = switch_listen,
    .is_up = switch_is_up,
    .close = switch_close,
};

static int set_up(struct switch_ *w, const struct store_switch_options *o, struct err *e)
{
    w->answers = answers_new(w->store.loop);
    w->batches = map_new();
    w->tick = loop_timer_new(w->store.loop, on_tick, w);
    if (w->answers == NULL || w->batches == NULL || w->tick == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    w->mode = mode_open(o->mode_path, e);
    return w->mode != NULL ? 0 : -1;
}

struct store *store_switch_open(struct loop *l, struct store *primary, struct store *secondary,
                                const struct store_switch_options *o, struct err *e)
{
    if (o->fallback == STORE_FALLBACK_REJECT)
        return primary; /* what is down answers so at once, and there is nowhere to go */
    if (secondary == NULL || o->join == NULL) {
        (void)err_set(e, ERR_INTERNAL, "a switch needs two stores and a way to join them");
        return NULL;
    }
    struct switch_ *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *w = (struct switch_){
        .store = { .ops = &switch_ops, .backend = primary->backend, .loop = l },
        .primary = primary,
        .secondary = secondary,
        .fallback = o->fallback,
        .join = o->join,
        .join_arg = o->join_arg,
        .patience_ms = o->patience_ms > 0 ? o->patience_ms : PATIENCE_DEFAULT_MS,
        .settle_ms = o->settle_ms > 0 ? o->settle_ms : SETTLE_DEFAULT_MS,
        .seen = { MODE_RETURNING, 0 },
        .tick_at_ms = INT64_MAX,
    };
    w->held_last = &w->held;
    if (set_up(w, o, e) != 0) {
        loop_timer_free(w->tick);
        answers_close(w->answers);
        destroy(w);
        return NULL;
    }
    store_subscribe(primary, hear_primary, w);
    store_subscribe(secondary, hear_secondary, w);
    store_on_push(primary, primary_push, w);
    store_on_push(secondary, secondary_push, w);
    (void)switch_notice(w);
    w->barred = false;
    switch_look_in(w, 0);
    return &w->store;
}
