/* SPDX-License-Identifier: MIT
 * How a running turn goes on and ends, and what an administrator may do to it. Pure: see step.h. */
#include "config.h"

#include "turn/reason.h"
#include "turn/step_parts.h"

#define SEND_START_MAX_MS 5000
#define SEND_MARGIN_MS 1000

int64_t step_send_start_ms(const struct policy *p)
{
    return p->lease_ttl_ms < SEND_START_MAX_MS ? p->lease_ttl_ms : SEND_START_MAX_MS;
}

int64_t step_send_window_ms(const struct policy *p)
{
    return step_send_start_ms(p) + p->send_timeout_ms + SEND_MARGIN_MS;
}

void step_settle(struct decision *d, const struct event *ev)
{
    struct conversation *c = &d->next;
    struct conversation kept = *c;
    d->settled_n = c->covered_n;
    d->settled_to_context = true;
    c->pending_n -= c->covered_n;
    c->covered_n = 0;
    c->restarts = c->attempts = c->faults = c->sends = 0;
    c->superseded_n = 0;
    c->opened_ms = c->wait_until_ms = c->retry_at_ms = 0;
    if (c->send_deadline_ms <= ev->now_ms) /* else it stays: what was sent may still arrive, and nothing newer may come before it */
        c->send_deadline_ms = 0;
    c->send_fence = 0;
    c->reason[0] = '\0';
    c->oldest_ms = c->pending_n > 0 ? (c->newer_ms != 0 ? c->newer_ms : ev->now_ms) : 0;
    c->newer_ms = 0;
    c->activity_ms = ev->now_ms;
    step_drop_lease(d);
    step_copy(c->turn_id, sizeof(c->turn_id), c->pending_n == 0 ? "" : c->next_turn_id[0] != '\0' ? c->next_turn_id : ev->fresh_id);
    c->next_turn_id[0] = c->lock_token[0] = '\0';
    d->due_ms = 0;
    c->phase = PHASE_IDLE;
    step_forget_cancelled(c);
    if (c->pending_n == 0) {
        c->told = c->job = c->newer_job = false;
        return;
    }
    step_queue(d, c->send_deadline_ms != 0 ? c->send_deadline_ms : ev->now_ms, REASON_NEWER_MESSAGES);
    c->job = kept.newer_job;
    d->wake = true;
    c->cancelled_n = kept.cancelled_n; /* now at the front */
    c->cancelled_after_ms = kept.cancelled_after_ms;
    step_copy(c->cancelled_turn_id, sizeof(c->cancelled_turn_id), kept.cancelled_turn_id);
}

void step_silence(struct conversation *c, const struct event *ev, const struct policy *p)
{
    int64_t until_ms = ev->now_ms + p->human_lease_ms;
    if (step_is_paused(c, ev->now_ms) && c->paused_until_ms == 0)
        return;
    c->paused_until_ms = c->paused && c->paused_until_ms > until_ms ? c->paused_until_ms : until_ms;
    c->paused = true;
}

static bool is_mine(const struct conversation *c, const struct event *ev)
{
    return c->token[0] != '\0' && strcmp(c->token, ev->token) == 0 && c->fence == ev->fence;
}

/* ---- the gate ---- */

bool step_may_restart(const struct conversation *c, const struct policy *p)
{
    return (p->on_newer == ON_NEWER_RESTART || p->on_newer == ON_NEWER_INTERRUPT) && c->restarts < p->restart_max;
}

/* Remembered until the burst ends; of more than there is room for, the last ones. */
static void note_superseded(struct conversation *c)
{
    if (c->superseded_n == SUPERSEDED_MAX) {
        memmove(&c->superseded[0], &c->superseded[1], (SUPERSEDED_MAX - 1) * sizeof(c->superseded[0]));
        c->superseded_n--;
    }
    struct superseded *s = &c->superseded[c->superseded_n++];
    step_copy(s->turn_id, sizeof(s->turn_id), c->turn_id);
    s->covered_n = c->covered_n;
}

static void restart(struct decision *d, const struct event *ev)
{
    struct conversation *c = &d->next;
    uint32_t restarts = c->restarts + 1;
    note_superseded(c);
    step_drop_lease(d);
    step_copy(c->turn_id, sizeof(c->turn_id), c->next_turn_id[0] != '\0' ? c->next_turn_id : ev->fresh_id);
    c->next_turn_id[0] = '\0';
    c->newer_ms = 0;
    c->attempts = c->faults = 0;
    step_queue(d, ev->now_ms, REASON_RESTART);
    c->restarts = restarts;
    d->wake = true;
    d->need_lease = true;
    d->verdict = VERDICT_RESTART;
    d->reason = REASON_SUPERSEDED;
}

static void answered(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    d->turn_id = before->turn_id;
    if (!is_mine(c, ev) || !ev->lease_held)
        return;
    if (c->phase == PHASE_SENDING && c->send_fence == ev->fence && !ev->interrupted) {
        d->verdict = VERDICT_SEND; /* this gate was passed before, its answer got lost on the way */
        return;
    }
    if (c->phase != PHASE_THINKING)
        return;
    d->changed = true;
    d->need_lease = true;
    if (ev->until_ms != 0 && !(c->paused && c->paused_until_ms == 0)) {
        c->paused_until_ms = c->paused && c->paused_until_ms > ev->until_ms ? c->paused_until_ms : ev->until_ms;
        c->paused = true;
    }
    if (ev->until_ms != 0 || step_is_paused(c, ev->now_ms)) {
        step_settle(d, ev);
        d->turn_id = before->turn_id;
        d->reason = REASON_BOT_PAUSED;
        d->verdict = VERDICT_SILENCED;
        return;
    }
    bool newer = c->pending_n - c->covered_n > c->cancelled_n;
    if (newer && step_may_restart(c, p)) {
        restart(d, ev);
        return;
    }
    if (ev->interrupted) {
        *d = (struct decision){ .verdict = VERDICT_NOTHING, .next = *before, .turn_id = before->turn_id };
        return;
    }
    if (!ev->has_actions) {
        step_settle(d, ev);
        d->turn_id = before->turn_id;
        d->verdict = VERDICT_COMPLETED;
        return;
    }
    c->phase = PHASE_SENDING;
    c->sends = 1;
    c->send_fence = c->fence;
    c->send_deadline_ms = ev->now_ms + step_send_window_ms(p);
    d->lease = STORE_LEASE_TAKE; /* the same token, for another TTL */
    d->lease_ttl_ms = p->lease_ttl_ms;
    d->due_ms = ev->now_ms + p->lease_ttl_ms;
    d->verdict = VERDICT_SEND;
}

/* ---- failures ---- */

static void retry_or_fail(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d,
                          bool unreachable)
{
    struct conversation *c = &d->next;
    d->changed = true;
    d->reason = ev->reason;
    c->send_deadline_ms = 0; /* nothing was sent */
    c->attempts += !ev->not_asked;
    c->faults += !unreachable;
    bool too_long = step_tried_long(c, ev, p), too_often = c->job && c->attempts >= p->attempts_max;
    if (too_often || (unreachable ? too_long : c->faults >= p->attempts_max)) {
        step_settle(d, ev);
        d->turn_id = before->turn_id;
        d->verdict = VERDICT_FAILED;
        return;
    }
    step_drop_lease(d);
    step_queue(d, ev->now_ms + ev->jitter_ms, ev->reason);
    c->sends = 0;
    c->send_fence = 0;
    d->verdict = VERDICT_RETRY;
}

static void ai_failed(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    d->turn_id = before->turn_id;
    if (before->phase != PHASE_THINKING || !is_mine(before, ev))
        return;
    retry_or_fail(before, ev, p, d, ev->failure == FAILURE_UNREACHABLE);
}

/* ---- the platform's outcome ---- */

static void send_again_later(struct decision *d, const struct event *ev)
{
    struct conversation *c = &d->next;
    step_drop_lease(d);
    c->retry_at_ms = ev->now_ms + ev->jitter_ms;
    d->due_ms = c->retry_at_ms;
    d->reason = REASON_OUTCOME_UNKNOWN;
    d->verdict = VERDICT_RETRY;
}

/* The attempt has told nothing of those before it and has left nothing behind that could arrive yet: it does not count. */
static void send_rest_later(struct decision *d, const struct event *ev)
{
    d->next.sends -= d->next.sends > 1;
    send_again_later(d, ev);
}

/* Its send is as it was, though the lease went when the host changed its store. */
static bool is_still_open(const struct conversation *c, const struct event *ev)
{
    return c->token[0] == '\0' && c->retry_at_ms == 0 && c->sends == 1 && c->covered_n == ev->covered_n && ev->turn_id != NULL &&
           strcmp(c->turn_id, ev->turn_id) == 0;
}

static void sent(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    d->turn_id = before->turn_id;
    if (c->phase != PHASE_SENDING || c->send_fence != ev->fence || (!is_mine(c, ev) && !is_still_open(c, ev)))
        return;
    bool unmade = ev->sent == SENT_UNREACHABLE || ev->sent == SENT_TOO_LATE;
    bool newer = c->pending_n > c->covered_n, too_long = step_tried_long(c, ev, p), persons = step_is_paused(c, ev->now_ms);
    if (unmade && (c->sends <= 1 || (ev->settled && (newer || too_long || persons)))) { /* else the reply that there is can wait for its platform */
        retry_or_fail(before, ev, p, d, true);
        return;
    }
    d->changed = true;
    bool cut_off = ev->sent == SENT_PART && persons;
    if ((unmade || ev->sent == SENT_PART) && p->send_idempotent && !too_long && !cut_off) {
        send_rest_later(d, ev);
        return;
    }
    /* a repeat that fails says nothing about the attempts before it, unless it has looked: those may have arrived, or arrive yet */
    bool unknown = ev->sent != SENT_OK && !(ev->sent == SENT_FAILED && (c->sends <= 1 || ev->settled));
    if (unknown && !unmade && !cut_off && p->send_idempotent && c->sends < p->sends_max && !(c->sends > 1 && too_long)) {
        send_again_later(d, ev);
        return;
    }
    if (ev->sent == SENT_OK && ev->transferred)
        step_silence(c, ev, p);
    if (ev->sent == SENT_OK && ev->ended && c->pending_n == c->covered_n) /* a newer message has opened it again */
        c->closed = true;
    if (!unknown)
        c->send_deadline_ms = 0;
    step_settle(d, ev);
    d->turn_id = before->turn_id;
    d->verdict = unknown ? VERDICT_UNKNOWN : VERDICT_COMPLETED;
    d->reason = cut_off ? REASON_BOT_PAUSED : unknown ? REASON_OUTCOME_UNKNOWN : NULL;
}

/* ---- an administrator, a shutdown ---- */

/* The turn that was meant, or the one that it was restarted as. */
static bool is_meant(const struct conversation *c, const char *turn_id)
{
    bool meant = turn_id == NULL || strcmp(c->turn_id, turn_id) == 0;
    for (size_t i = 0; !meant && i < c->superseded_n; i++)
        meant = strcmp(c->superseded[i].turn_id, turn_id) == 0;
    return meant;
}

/* The turn that was promised to what came during this one, which goes on. */
static void cancel_next(const struct conversation *before, struct decision *d)
{
    struct conversation *c = &d->next;
    d->changed = true;
    c->cancelled_n = c->pending_n - c->covered_n;
    c->cancelled_after_ms = 0;
    step_copy(c->cancelled_turn_id, sizeof(c->cancelled_turn_id), before->next_turn_id);
    c->next_turn_id[0] = '\0';
    d->turn_id = before->next_turn_id;
    d->reason = REASON_CANCELLED;
    d->verdict = VERDICT_CANCELLED_NEXT;
}

static void cancel(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    bool next = ev->target != NULL && strcmp(c->next_turn_id, ev->target) == 0 && !is_meant(c, ev->target);
    d->verdict = VERDICT_NOTHING;
    d->turn_id = before->turn_id;
    if (c->phase == PHASE_IDLE || (!next && !is_meant(c, ev->target)))
        return;
    if (next && (c->phase == PHASE_SENDING || (c->phase == PHASE_THINKING && !step_may_restart(c, p)))) {
        cancel_next(before, d);
        return;
    }
    if (next) /* one turn is to answer all of it, at the latest when the reply that is being made is withheld: it is cancelled as a whole */
        c->covered_n = c->pending_n;
    if (c->phase == PHASE_SENDING && step_lease_live(c, ev)) {
        d->verdict = VERDICT_TOO_LATE;
        return;
    }
    d->changed = true;
    d->interrupt = c->phase == PHASE_THINKING || c->phase == PHASE_WAITING;
    bool sending = c->phase == PHASE_SENDING;
    if (c->phase == PHASE_WAITING || c->phase == PHASE_QUEUED)
        c->covered_n = c->pending_n;
    step_raise_fence(c, ev);
    step_settle(d, ev);
    d->turn_id = before->turn_id;
    d->reason = sending ? REASON_OWNER_LOST : REASON_CANCELLED;
    d->verdict = sending ? VERDICT_UNKNOWN : VERDICT_CANCELLED;
}

static void pause(const struct event *ev, struct decision *d)
{
    struct conversation *c = &d->next;
    d->changed = true;
    d->verdict = VERDICT_NOTHING;
    if (c->created_ms == 0) /* the store had forgotten it */
        c->created_ms = c->activity_ms = ev->now_ms;
    c->paused = ev->kind == EVENT_PAUSE || ev->reply == SESSION_REPLY_OFF;
    c->paused_until_ms = c->paused ? ev->until_ms : 0;
    d->interrupt = c->paused && c->phase == PHASE_SENDING;
    if (c->paused && c->phase == PHASE_QUEUED) {
        c->retry_at_ms = d->due_ms = ev->now_ms;
        d->wake = true;
    }
}

static void session(const struct event *ev, struct decision *d)
{
    struct conversation *c = &d->next;
    if (ev->reply != SESSION_REPLY_KEEP)
        pause(ev, d);
    d->changed = true;
    d->verdict = VERDICT_NOTHING;
    if (c->created_ms == 0)
        c->created_ms = c->activity_ms = ev->now_ms;
    if (ev->status != SESSION_KEEP) {
        c->closed = ev->status == SESSION_CLOSED;
        c->archived = ev->status == SESSION_ARCHIVED;
    }
}

static void hand_back(const struct conversation *before, const struct event *ev, struct decision *d)
{
    d->turn_id = before->turn_id;
    if ((before->phase != PHASE_THINKING && before->phase != PHASE_WAITING) || !is_mine(before, ev))
        return;
    d->changed = true;
    step_drop_lease(d);
    bool quiet = before->phase == PHASE_WAITING && ev->now_ms < before->wait_until_ms;
    step_queue(d, quiet ? before->wait_until_ms : ev->now_ms, REASON_HANDED_BACK);
    d->wake = true;
    d->reason = REASON_HANDED_BACK;
    d->verdict = VERDICT_RETRY;
}

void step_turn(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    d->verdict = VERDICT_LOST;
    switch (ev->kind) {
    case EVENT_ANSWERED:
        answered(before, ev, p, d);
        return;
    case EVENT_AI_FAILED:
        ai_failed(before, ev, p, d);
        return;
    case EVENT_SENT:
        sent(before, ev, p, d);
        return;
    case EVENT_CANCEL:
        cancel(before, ev, p, d);
        return;
    case EVENT_PAUSE:
    case EVENT_RESUME:
        pause(ev, d);
        return;
    case EVENT_SESSION:
        session(ev, d);
        return;
    case EVENT_HAND_BACK:
        hand_back(before, ev, d);
        return;
    case EVENT_ARRIVE:
    case EVENT_BEGIN:
    case EVENT_REVIVE:
    case EVENT_SYNC:
        return;
    }
}
