/* SPDX-License-Identifier: MIT
 * The engine of one process: what runs, what is told to whom, and how it is drained. The way of a message is in turn_arrive.c, that
 * of a turn in turn_run.c, turn_think.c, turn_place.c and turn_send.c, the daemon's in turn_begin.c. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/running.h"

#define RENEW_SPREAD_MS 200
#define SESSION_TTL_MS (3600 * INT64_C(1000))
#define DAY_MS (86400 * INT64_C(1000))
#define HISTORY_DAYS 30
#define SESSIONS_MAX 100
#define PAGE_SIZE 20
#define SCRATCH_FIRST 4096
#define SCRATCH_CAP (48u << 20) /* PENDING_MAX messages of 64 KiB, and what is made of them */

static void set_base(struct turns *t)
{
    t->base = (struct bot){ .bot_id = t->o.bot_id, .name = t->o.bot_name, .enabled = true, .policy = t->o.policy, .context_max = t->o.context_max,
                            .ai = t->o.ai, .platform = t->o.platform, .deliver = true };
}

struct turns *turns_new(const struct turns_options *o, struct err *e)
{
    struct turns *t = calloc(1, sizeof(*t));
    if (t != NULL) {
        t->o = *o;
        set_base(t);
        t->clock_offset_ms = clock_wall_ms() - clock_mono_ms();
        t->lanes = lanes_new(o->loop);
        t->running = map_new();
        t->watched = map_new();
    }
    if (t == NULL || t->lanes == NULL || t->running == NULL || t->watched == NULL) {
        turns_free(t);
        err_set(e, ERR_MEMORY, "no memory for the turn engine");
        return NULL;
    }
    return t;
}

void turns_set(struct turns *t, const struct turns_change *change)
{
    int64_t lease_ttl_ms = t->o.policy.lease_ttl_ms;
    t->o.policy = change->policy;
    t->o.policy.lease_ttl_ms = lease_ttl_ms;
    t->o.bot_name = change->bot_name;
    t->o.context_max = change->context_max;
    t->o.log_content = change->log_content;
    t->o.job_ttl_ms = change->job_ttl_ms;
    t->o.session_ttl_ms = change->session_ttl_ms;
    t->o.history_days = change->history_days;
    t->o.sessions_max = change->sessions_max;
    t->o.page_size = change->page_size;
    t->o.retention_ms = change->retention_ms;
    set_base(t);
}

struct bot *turns_bot(struct turns *t, struct sv bot_id)
{
    return t->o.bots == NULL || bot_id.n == 0 ? NULL : bots_find(t->o.bots, bot_id);
}

static void drop(void *arg, struct sv key, void *value)
{
    (void)arg, (void)key;
    turn_end(value);
}

void turns_free(struct turns *t)
{
    if (t == NULL)
        return;
    if (t->running != NULL)
        map_each(t->running, drop, NULL);
    outlast_free(t);
    map_free(t->running);
    watches_free(t);
    lanes_free(t->lanes);
    loop_timer_free(t->grace);
    buf_fini(&t->handler.text);
    for (size_t i = 0; i < t->spare_n; i++)
        arena_free(t->spare[i]);
    free(t);
}

int64_t turns_store_now(const struct turns *t)
{
    return clock_mono_ms() + t->clock_offset_ms;
}

int64_t job_ttl_ms(const struct turns *t)
{
    return t->o.job_ttl_ms > 0 ? t->o.job_ttl_ms : t->o.answer_ttl_ms;
}

int64_t session_ttl_ms(const struct turns *t)
{
    return t->o.session_ttl_ms > 0 ? t->o.session_ttl_ms : SESSION_TTL_MS;
}

int64_t history_ttl_ms(const struct turns *t)
{
    int64_t ms = (t->o.history_days > 0 ? t->o.history_days : HISTORY_DAYS) * DAY_MS;
    return ms > t->o.mark_ttl_ms ? ms : t->o.mark_ttl_ms;
}

size_t history_sessions_max(const struct turns *t)
{
    return t->o.sessions_max > 0 ? t->o.sessions_max : SESSIONS_MAX;
}

int64_t history_page_size(const struct turns *t)
{
    return t->o.page_size > 0 ? t->o.page_size : PAGE_SIZE;
}

struct arena *turns_scratch(struct turns *t)
{
    return t->spare_n > 0 ? t->spare[--t->spare_n] : arena_new(SCRATCH_FIRST, SCRATCH_CAP);
}

void turns_scratch_back(struct turns *t, struct arena *a)
{
    if (t->spare_n == SCRATCH_SPARE_MAX) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    t->spare[t->spare_n++] = a;
}

size_t turns_running(const struct turns *t)
{
    return map_count(t->running);
}

void turns_stat(const struct turns *t, struct turns_stat *out)
{
    *out = t->stat;
}

/* ---- clients ---- */

static const struct {
    int http;
    bool has_result;
} answers[] = {
    [ANSWER_COMPLETED] = { 200, true },      [ANSWER_LOCKED] = { 200, true },     [ANSWER_RESTART_NEEDED] = { 200, true },
    [ANSWER_RECORDED] = { 200, true },       [ANSWER_PROCESSING] = { 202, true }, [ANSWER_QUEUED] = { 202, true },
    [ANSWER_CANCELLED] = { 200, true },      [ANSWER_FAILED] = { 200, true },     [ANSWER_TURN_RUNNING] = { 409, false },
    [ANSWER_FULL] = { 503, false },          [ANSWER_UNAVAILABLE] = { 503, false }, [ANSWER_TOO_LARGE] = { 413, false },
};
_Static_assert(ARRAY_LEN(answers) == ANSWER_TOO_LARGE + 1, "a row for each answer");

void client_answer(struct client *c, enum answer_status status, struct sv result, int64_t retry_after_ms)
{
    turn_answer_fn *fn = c->fn;
    if (fn == NULL)
        return;
    c->fn = NULL;
    struct turn_answer answer = { .status = status,
                                  .http_status = answers[status].http,
                                  .check_reply = c->check_reply,
                                  .other_content = c->other_content,
                                  .result = answers[status].has_result ? result : SV_NONE,
                                  .retry_after_ms = retry_after_ms };
    fn(c->arg, &answer);
}

/* ---- events of the store ---- */

void turn_hint(struct turn *turn)
{
    if (turn->state == TURN_THINKING || turn->state == TURN_PLACE)
        turn_gate(turn, true);
    else if (turn->state == TURN_WAITING && !turn->deciding)
        turn_look(turn);
    else if (turn->state == TURN_SENDING && turn->send_call != NULL) /* a person has taken over: what has not left stays here */
        platform_stop(turn_bot(turn)->platform, turn->send_call);
    else
        turn->hinted = true;
}

/* Events may have been missed: the renewal shows whether the lease is still there. */
static void renew_now(void *arg, struct sv key, void *value)
{
    struct turn *turn = value;
    (void)arg, (void)key;
    loop_timer_set(turn->lease_timer, (int64_t)id_random_below(RENEW_SPREAD_MS));
}

/* One line of an event. */
static unsigned take_line(struct turns *t, struct sv line)
{
    static const char interrupt[] = "interrupt ", job[] = "job ", erased[] = "erased ";
    if (sv_eq(line, SV("due")))
        return TURNS_DUE;
    if (sv_eq(line, SV("callback")))
        return TURNS_CALLBACK;
    if (sv_starts(line, SV("interrupt "))) {
        struct turn *turn = map_find(t->running, (struct sv){ line.p + sizeof(interrupt) - 1, line.n - (sizeof(interrupt) - 1) });
        if (turn != NULL)
            turn_hint(turn);
    } else if (sv_starts(line, SV("job "))) {
        watches_wake(t, (struct sv){ line.p + sizeof(job) - 1, line.n - (sizeof(job) - 1) });
    } else if (sv_starts(line, SV("erased ")) && t->erased != NULL) {
        t->erased(t->erased_arg, (struct sv){ line.p + sizeof(erased) - 1, line.n - (sizeof(erased) - 1) });
    }
    return 0;
}

unsigned turns_event(struct turns *t, struct sv event)
{
    unsigned what = 0;
    if (event.p == NULL) {
        map_each(t->running, renew_now, NULL);
        watches_wake_all(t);
        return TURNS_DUE | TURNS_CALLBACK;
    }
    while (event.n > 0) {
        const char *end = memchr(event.p, '\n', event.n);
        size_t n = end != NULL ? (size_t)(end - event.p) : event.n;
        what |= take_line(t, (struct sv){ event.p, n });
        n += end != NULL;
        event = (struct sv){ event.p + n, event.n - n };
    }
    return what;
}

void turns_on_erased(struct turns *t, turns_erased_fn *fn, void *arg)
{
    t->erased = fn;
    t->erased_arg = arg;
}

/* ---- drain ---- */

struct gathered {
    struct turn **list;
    size_t n;
};

static void gather(void *arg, struct sv key, void *value)
{
    struct gathered *g = arg;
    (void)key;
    g->list[g->n++] = value;
}

static void grace_over(void *arg)
{
    struct turns *t = arg;
    struct gathered g = { .list = calloc(map_count(t->running) + 1, sizeof(struct turn *)) };
    if (g.list == NULL) {
        loop_timer_set(t->grace, 100);
        return;
    }
    map_each(t->running, gather, &g);
    for (size_t i = 0; i < g.n; i++)
        turn_hand_back(g.list[i]);
    free(g.list);
    turns_look_drained(t);
}

void turns_look_drained(struct turns *t)
{
    if (!t->draining || t->drained == NULL || t->transactions > 0 || map_count(t->running) > 0)
        return;
    turns_fn *fn = t->drained;
    t->drained = NULL;
    loop_timer_stop(t->grace);
    loop_soon(t->o.loop, fn, t->drained_arg);
}

void turns_drain(struct turns *t, int64_t grace_ms, turns_fn *fn, void *arg)
{
    t->draining = true;
    outlast_no_more(t);
    t->drained = fn;
    t->drained_arg = arg;
    watches_wake_all(t);
    if (t->grace == NULL)
        t->grace = loop_timer_new(t->o.loop, grace_over, t);
    if (t->grace != NULL)
        loop_timer_set(t->grace, grace_ms);
    turns_look_drained(t);
}
