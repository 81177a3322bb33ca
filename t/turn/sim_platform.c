/* SPDX-License-Identifier: MIT
 * The platform and the way to it: a request that has left its owner arrives or does not, at a time of its own, whatever becomes of
 * the owner; the latest moment is the request's own timeout and the margin after it. An idempotent platform applies a key once. */
#include "config.h"

#include "t/turn/sim.h"

#define MARGIN_MS 1000 /* what step_send_window_ms() allows for bytes that are under way when the owner gives up */

static enum sent draw(struct sim *w)
{
    if (w->healing || sim_below(w, 100) >= w->faults.platform)
        return SENT_OK;
    static const enum sent bad[] = { SENT_FAILED, SENT_UNREACHABLE, SENT_UNKNOWN, SENT_UNKNOWN };
    return bad[sim_below(w, ARRAY_LEN(bad))];
}

static bool is_awaited(const struct sim *w, uint32_t flight)
{
    for (size_t i = 0; i < SIM_TASKS; i++) {
        if (w->tasks[i].state == TASK_WIRE && w->tasks[i].flight == flight)
            return true;
    }
    return false;
}

static struct sim_flight *place(struct sim *w, uint32_t *index)
{
    for (uint32_t i = 0; i < SIM_FLIGHTS; i++) {
        struct sim_flight *f = &w->flights[i];
        if (!f->used || (f->apply_ms == 0 && !is_awaited(w, i))) {
            *index = i;
            return f;
        }
    }
    return NULL;
}

void sim_platform_send(struct sim *w, struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    uint32_t timeout = (uint32_t)c->policy.send_timeout_ms;
    struct sim_flight *f = place(w, &t->flight);
    if (f == NULL) {
        sim_fail(w, "the simulation is out of flights");
        return;
    }
    sim_check_first_byte(w, t);
    *f = (struct sim_flight){ .used = true, .conversation = t->conversation, .turn = t->turn, .from = t->from, .upto = t->upto,
                              .fence = t->fence, .outcome = draw(w) };
    w->counts->first_bytes++;
    w->turns[t->turn].sent = true;
    int64_t answer_ms = w->now_ms + 1 + sim_below(w, sim_chance(w, 7000) ? timeout / 10 + 1 : timeout);
    switch (f->outcome) {
    case SENT_OK:
        f->apply_ms = w->now_ms + 1 + sim_below(w, (uint32_t)(answer_ms - w->now_ms));
        break;
    case SENT_UNKNOWN: /* never, before the owner gives up, or after that */
        if (sim_chance(w, 3000))
            f->apply_ms = w->now_ms + 1 + sim_below(w, timeout + MARGIN_MS - 1);
        else if (sim_chance(w, 6000))
            f->apply_ms = w->now_ms + timeout + MARGIN_MS - 1;
        break;
    case SENT_FAILED:
    case SENT_UNREACHABLE:
    case SENT_TOO_LATE:
    case SENT_PART:
        break;
    }
    if (c->fence_sent_turn == SIM_NONE || t->fence > c->fence_sent) {
        c->fence_sent = t->fence;
        c->fence_sent_turn = t->turn;
    }
    t->ready_ms = answer_ms;
}

static bool is_under_way(const struct sim *w, uint32_t turn)
{
    for (size_t i = 0; i < SIM_FLIGHTS; i++)
        if (w->flights[i].used && w->flights[i].turn == turn && w->flights[i].apply_ms != 0)
            return true;
    return false;
}

enum sent sim_platform_outcome(struct sim *w, struct sim_task *t)
{
    struct sim_flight *f = &w->flights[t->flight];
    enum sent outcome = f->outcome;
    /* the key was answered before: an idempotent platform says so again */
    if (outcome == SENT_FAILED && w->turns[f->turn].applied > 0)
        outcome = SENT_OK;
    if (f->apply_ms == 0)
        f->used = false;
    /* where it can be read what has arrived */
    t->settled = outcome != SENT_OK && w->turns[t->turn].applied == 0 && !is_under_way(w, t->turn) && sim_chance(w, 5000);
    w->counts->looked += t->settled && (outcome == SENT_UNREACHABLE || outcome == SENT_FAILED) && t->record.sends > 1;
    return outcome;
}

static void deliver(struct sim *w, struct sim_flight *f, uint32_t index)
{
    struct sim_turn *turn = &w->turns[f->turn];
    const struct sim_conversation *c = &w->conversations[f->conversation];
    if (turn->applied > 0 && c->policy.send_idempotent) {
        w->counts->deduplicated++;
    } else {
        sim_check_delivery(w, f);
        turn->applied++;
        for (uint32_t i = f->from; i < f->upto; i++)
            w->conversations[f->conversation].messages[c->order[i]].replies++;
        w->counts->applied++;
        w->counts->applied_late += turn->ended;
    }
    f->apply_ms = 0;
    f->used = is_awaited(w, index);
}

int64_t sim_platform_next_ms(const struct sim *w)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < SIM_FLIGHTS; i++) {
        if (w->flights[i].used && w->flights[i].apply_ms != 0 && w->flights[i].apply_ms < next)
            next = w->flights[i].apply_ms;
    }
    return next;
}

void sim_platform_advance(struct sim *w)
{
    for (;;) {
        uint32_t first = SIM_NONE;
        for (uint32_t i = 0; i < SIM_FLIGHTS; i++) {
            const struct sim_flight *f = &w->flights[i];
            if (f->used && f->apply_ms != 0 && f->apply_ms <= w->now_ms && (first == SIM_NONE || f->apply_ms < w->flights[first].apply_ms))
                first = i;
        }
        if (first == SIM_NONE)
            return;
        deliver(w, &w->flights[first], first);
    }
}
