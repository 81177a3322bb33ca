/* SPDX-License-Identifier: MIT
 * What a message does to a conversation, and what a conversation that is due needs. The other half, what the end of a step of a
 * running turn does, is in step_turn.c. Pure: see step.h. */
#include "config.h"

#include <stdio.h>

#include "turn/reason.h"
#include "turn/step.h"
#include "turn/step_parts.h"

#define TELL_MS 1000 /* for who knows what became of a send and could not write it down: its process looks more often */

static bool paused_now(const struct conversation *c, int64_t now_ms)
{
    return c->paused && (c->paused_until_ms == 0 || now_ms < c->paused_until_ms);
}

static int64_t min_ms(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_ms(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

bool step_is_paused(const struct conversation *c, int64_t now_ms)
{
    return paused_now(c, now_ms);
}

void step_copy(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%s", from != NULL ? from : "");
}

bool step_lease_live(const struct conversation *c, const struct event *ev)
{
    return c->token[0] != '\0' && ev->lease_held && !ev->owner_dead;
}

void step_raise_fence(struct conversation *c, const struct event *ev)
{
    c->fence = c->fence == 0 ? (uint64_t)ev->now_ms : c->fence + 1;
}

void step_take_lease(struct decision *d, const struct event *ev, const struct policy *p)
{
    struct conversation *c = &d->next;
    step_raise_fence(c, ev);
    step_copy(c->token, sizeof(c->token), c->lock_token[0] != '\0' ? c->lock_token : ev->token);
    c->lock_token[0] = '\0';
    step_copy(c->owner, sizeof(c->owner), ev->owner);
    d->lease = STORE_LEASE_TAKE;
    d->lease_ttl_ms = p->lease_ttl_ms;
    d->due_ms = ev->now_ms + p->lease_ttl_ms;
}

void step_drop_lease(struct decision *d)
{
    d->next.token[0] = '\0';
    d->next.owner[0] = '\0';
    d->lease = STORE_LEASE_DROP;
}

void step_forget_cancelled(struct conversation *c)
{
    c->cancelled_n = 0;
    c->cancelled_turn_id[0] = '\0';
    c->cancelled_after_ms = 0;
}

void step_run(struct decision *d, const struct event *ev, const struct policy *p)
{
    struct conversation *c = &d->next;
    if (c->turn_id[0] == '\0')
        step_copy(c->turn_id, sizeof(c->turn_id), ev->fresh_id);
    c->next_turn_id[0] = '\0';
    c->newer_ms = 0;
    c->newer_job = false;
    c->phase = PHASE_THINKING;
    c->covered_n = c->pending_n;
    step_forget_cancelled(c);
    c->began_ms = ev->now_ms;
    c->retry_at_ms = c->opened_ms = c->wait_until_ms = 0;
    c->reason[0] = '\0';
    step_take_lease(d, ev, p);
    d->turn_id = c->turn_id;
    d->verdict = VERDICT_RUN;
}

void step_queue(struct decision *d, int64_t at_ms, const char *reason)
{
    struct conversation *c = &d->next;
    c->phase = PHASE_QUEUED;
    c->covered_n = 0;
    c->newer_job = false;
    step_forget_cancelled(c); /* whoever answers those before them answers them, too */
    c->retry_at_ms = at_ms;
    step_copy(c->reason, sizeof(c->reason), reason);
    d->due_ms = at_ms;
    d->turn_id = c->turn_id;
}

/* ---- a message ---- */

/* When a queued turn may begin. */
static int64_t ready_ms(const struct conversation *c)
{
    return max_ms(c->retry_at_ms, c->send_deadline_ms);
}

/* The quiet window, after one more message. */
static int64_t quiet_until_ms(const struct conversation *c, const struct event *ev, const struct policy *p)
{
    return min_ms(ev->now_ms + p->debounce_ms, c->opened_ms + p->max_wait_ms);
}

static void name_next_turn(struct decision *d, const struct event *ev)
{
    struct conversation *c = &d->next;
    if (c->next_turn_id[0] == '\0') {
        step_copy(c->next_turn_id, sizeof(c->next_turn_id), ev->fresh_id);
        c->newer_ms = c->newer_ms != 0 ? c->newer_ms : ev->now_ms; /* cancelled ones may stand before it */
        d->named_next = true;
    }
    d->turn_id = c->next_turn_id;
    d->position = c->pending_n - c->covered_n;
}

static void open_turn(struct decision *d, const struct event *ev, const struct policy *p)
{
    struct conversation *c = &d->next;
    bool barred = ev->now_ms < c->send_deadline_ms;
    int64_t until_ms = ev->now_ms + min_ms(p->debounce_ms, p->max_wait_ms);
    if (ev->hand_over || barred) {
        step_copy(c->turn_id, sizeof(c->turn_id), ev->fresh_id);
        step_queue(d, max_ms(until_ms, c->send_deadline_ms),
                   barred        ? REASON_EARLIER_SEND_UNKNOWN
                   : ev->as_job ? REASON_JOB_QUEUED
                                : REASON_HANDED_OVER);
        if (ev->as_job)
            step_copy(c->lock_token, sizeof(c->lock_token), ev->token);
        c->opened_ms = p->debounce_ms > 0 ? ev->now_ms : 0;
        d->reason = c->reason;
        d->wake = d->due_ms == ev->now_ms;
        d->verdict = VERDICT_QUEUED;
        return;
    }
    step_run(d, ev, p);
    if (p->debounce_ms > 0) {
        c->phase = PHASE_WAITING;
        c->covered_n = 0;
        c->opened_ms = ev->now_ms;
        c->wait_until_ms = until_ms;
        d->verdict = VERDICT_WAIT;
    }
}

/* Its owner is gone: the turn begins anew with all that is pending. */
static void take_over(struct decision *d, const struct event *ev, const struct policy *p)
{
    d->next.attempts++;
    d->next.faults++;
    step_run(d, ev, p);
}

/* The message is in d->next already. */
static void arrive_running(struct decision *d, const struct event *ev, const struct policy *p)
{
    struct conversation *c = &d->next;
    bool live = step_lease_live(c, ev);
    switch (c->phase) {
    case PHASE_WAITING:
        c->wait_until_ms = quiet_until_ms(c, ev, p);
        if (live || ev->hand_over) {
            d->verdict = VERDICT_DEFERRED;
            d->turn_id = c->turn_id;
        } else {
            step_take_lease(d, ev, p);
            d->turn_id = c->turn_id;
            d->verdict = VERDICT_WAIT;
        }
        return;
    case PHASE_THINKING:
        if (!live && !ev->hand_over) {
            take_over(d, ev, p);
            return;
        }
        name_next_turn(d, ev);
        d->verdict = VERDICT_LOCKED;
        d->interrupt = p->on_newer == ON_NEWER_INTERRUPT && c->restarts < p->restart_max;
        return;
    case PHASE_SENDING:
        name_next_turn(d, ev);
        d->verdict = VERDICT_LOCKED;
        return;
    case PHASE_QUEUED:
        if (ev->now_ms >= ready_ms(c) && !ev->hand_over && c->cancelled_n == 0) {
            step_run(d, ev, p);
            return;
        }
        if (c->opened_ms != 0 && ev->now_ms < c->retry_at_ms)
            c->retry_at_ms = d->due_ms = max_ms(quiet_until_ms(c, ev, p), c->send_deadline_ms);
        d->verdict = VERDICT_QUEUED;
        d->reason = c->reason;
        d->turn_id = c->turn_id;
        return;
    case PHASE_IDLE:
        open_turn(d, ev, p);
        return;
    }
}

static void note_pending(struct conversation *c, uint32_t n, int64_t now_ms)
{
    c->pending_n += n;
    if (c->oldest_ms == 0)
        c->oldest_ms = now_ms;
    if (c->cancelled_n > 0 && c->cancelled_after_ms == 0)
        c->cancelled_after_ms = now_ms;
}

static void arrive_customer(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    uint32_t n = ev->together_n > 0 ? ev->together_n : 1;
    c->closed = c->archived = false;
    c->total += (int64_t)n + ev->history_users_n;
    if (ev->message->bot_id.n > 0)
        snprintf(c->bot_id, sizeof(c->bot_id), "%.*s", SV_FMT(ev->message->bot_id));
    if (c->user_id[0] == '\0')
        snprintf(c->user_id, sizeof(c->user_id), "%.*s", SV_FMT(ev->message->sender_id));
    if (c->paused && !paused_now(c, ev->now_ms)) {
        c->paused = false;
        c->paused_until_ms = 0;
    }
    if (ev->answered_elsewhere || c->paused || p->silent) {
        d->add_context = true;
        d->verdict = VERDICT_RECORDED;
        d->reason = ev->answered_elsewhere ? REASON_ANSWERED_BY_PERSON : c->paused ? REASON_BOT_PAUSED : REASON_BOT_DISABLED;
        return;
    }
    bool running = before->phase == PHASE_SENDING || (before->phase == PHASE_THINKING && step_lease_live(before, ev));
    if (running && p->on_newer == ON_NEWER_REJECT) {
        *d = (struct decision){ .verdict = VERDICT_REJECTED, .next = *before };
        return;
    }
    if (n > p->pending_max || before->pending_n > p->pending_max - n) {
        *d = (struct decision){ .verdict = VERDICT_FULL, .next = *before };
        return;
    }
    d->add_pending = true;
    note_pending(c, n, ev->now_ms);
    arrive_running(d, ev, p);
    c->job = c->job || ev->as_job;
    c->newer_job = c->newer_job || (ev->as_job && d->verdict == VERDICT_LOCKED);
    c->told = c->told || ev->as_job || d->named_next || d->verdict == VERDICT_QUEUED;
}

/* The bot is silent from when the person wrote; one whose time is over when that becomes known here silences nobody. */
static void arrive_agent(const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    struct event wrote = *ev;
    if (ev->fetched)
        wrote.now_ms = min_ms(ev->message->timestamp_ms, ev->now_ms);
    if (wrote.now_ms + p->human_lease_ms > ev->now_ms)
        step_silence(c, &wrote, p);
    d->add_context = true;
    d->reason = REASON_AGENT_MESSAGE;
    d->interrupt = c->phase == PHASE_SENDING; /* the rest of a reply of several parts */
    if (c->phase == PHASE_QUEUED && paused_now(c, ev->now_ms)) { /* what waits is the person's now: the daemon settles it */
        c->retry_at_ms = d->due_ms = ev->now_ms;
        d->wake = true;
    }
}

static void arrive(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    const struct message *m = ev->message;
    d->changed = true;
    if (c->created_ms == 0)
        c->created_ms = ev->now_ms;
    c->activity_ms = ev->now_ms;
    c->seq += ev->history_n + (ev->together_n > 0 ? ev->together_n : 1);
    snprintf(c->last_message_id, sizeof(c->last_message_id), "%.*s", SV_FMT(m->message_id));
    c->last_message_ms = m->timestamp_ms;
    switch (m->sender_type) {
    case SENDER_USER:
        arrive_customer(before, ev, p, d);
        return;
    case SENDER_AGENT:
        arrive_agent(ev, p, d);
        break;
    case SENDER_BOT: /* the echo of what the conversation's context holds already */
        d->reason = REASON_OWN_MESSAGE;
        break;
    case SENDER_SYSTEM:
        d->add_context = true;
        d->reason = REASON_SYSTEM_MESSAGE;
        break;
    }
    d->verdict = VERDICT_RECORDED;
}

/* ---- exchanges that were made elsewhere ---- */

/* They are counted and dated, and that is all: no turn begins, none that runs has something newer to answer, and who ended the session has ended it.
 * REJECTED: the session is another user's. */
static void sync(const struct conversation *before, const struct event *ev, struct decision *d)
{
    struct conversation *c = &d->next;
    const struct message *m = ev->message;
    if (before->user_id[0] != '\0' && !sv_eq(m->sender_id, sv_from(before->user_id))) {
        d->verdict = VERDICT_REJECTED;
        return;
    }
    d->changed = true;
    d->verdict = VERDICT_RECORDED;
    d->reason = REASON_SYNCED;
    if (c->created_ms == 0)
        c->created_ms = ev->now_ms;
    c->activity_ms = ev->now_ms;
    c->seq += ev->synced_n;
    c->total += ev->synced_n;
    if (c->user_id[0] == '\0')
        snprintf(c->user_id, sizeof(c->user_id), "%.*s", SV_FMT(m->sender_id));
    if (m->timestamp_ms < min_ms(c->last_message_ms, ev->now_ms)) /* one from a clock that is ahead is not newer for ever */
        return;
    snprintf(c->last_message_id, sizeof(c->last_message_id), "%.*s", SV_FMT(m->message_id));
    c->last_message_ms = m->timestamp_ms;
}

/* ---- messages that were given up come back ---- */

static void revive(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    d->turn_id = before->turn_id;
    if (paused_now(c, ev->now_ms)) {
        d->verdict = VERDICT_REJECTED;
        d->reason = REASON_BOT_PAUSED;
        return;
    }
    if (ev->revive_n > p->pending_max || before->pending_n > p->pending_max - ev->revive_n) {
        d->verdict = VERDICT_FULL;
        return;
    }
    d->changed = true;
    if (c->created_ms == 0)
        c->created_ms = ev->now_ms;
    c->activity_ms = ev->now_ms;
    c->seq = c->seq > ev->revive_seq ? c->seq : ev->revive_seq;
    c->paused = false;
    c->paused_until_ms = 0;
    c->closed = c->archived = false;
    step_forget_cancelled(c); /* they come to stand anywhere behind what is covered */
    note_pending(c, ev->revive_n, ev->now_ms);
    c->told = true; /* the id of the turn that was given up leads on to the one that answers them now */
    d->reason = REASON_REVIVED;
    switch (c->phase) {
    case PHASE_IDLE:
        step_copy(c->turn_id, sizeof(c->turn_id), ev->fresh_id);
        step_queue(d, max_ms(ev->now_ms, c->send_deadline_ms), REASON_REVIVED);
        d->wake = true;
        d->verdict = VERDICT_QUEUED;
        return;
    case PHASE_WAITING:
        d->turn_id = c->turn_id;
        d->verdict = VERDICT_DEFERRED;
        return;
    case PHASE_QUEUED:
        d->turn_id = c->turn_id;
        d->verdict = VERDICT_QUEUED;
        return;
    case PHASE_THINKING:
    case PHASE_SENDING:
        name_next_turn(d, ev);
        d->verdict = VERDICT_LOCKED;
        return;
    }
}

/* ---- a conversation that is due ---- */

static void begin_waiting(struct decision *d, const struct event *ev, const struct policy *p)
{
    struct conversation *c = &d->next;
    bool mine = step_lease_live(c, ev) && strcmp(c->token, ev->token) == 0;
    if (step_lease_live(c, ev) && !mine) {
        d->changed = true;
        return;
    }
    if (ev->now_ms < c->wait_until_ms) {
        if (mine) {
            d->verdict = VERDICT_WAIT;
            d->turn_id = c->turn_id;
        } else {
            d->changed = true;
            d->due_ms = c->wait_until_ms;
        }
        return;
    }
    d->changed = true;
    d->need_lease = mine;
    uint64_t fence = c->fence;
    step_run(d, ev, p);
    if (mine)
        c->fence = fence;
}

/* Two attempts under one key. */
static bool is_between(const struct conversation *c)
{
    return c->token[0] == '\0' && c->retry_at_ms != 0;
}

bool step_tried_long(const struct conversation *c, const struct event *ev, const struct policy *p)
{
    return ev->now_ms - c->oldest_ms >= p->retry_for_ms;
}

/* A send is tried so often, and for so long. What its owner has not come to tell of is no attempt of its own: it may not have got as far as the platform. */
static bool may_resend(const struct conversation *c, const struct event *ev, const struct policy *p)
{
    return p->send_idempotent && c->sends < p->sends_max && (c->sends <= 1 || is_between(c) || !step_tried_long(c, ev, p));
}

static void begin_sending(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    int64_t until_ms = is_between(c) ? c->retry_at_ms : ev->owner_dead ? 0 : c->send_deadline_ms;
    d->changed = true;
    if (ev->just_back && !ev->owner_dead && until_ms <= ev->now_ms)
        until_ms = ev->now_ms + TELL_MS;
    if (ev->now_ms < until_ms) {
        d->due_ms = until_ms;
        return;
    }
    if (step_lease_live(c, ev))
        return;
    if (may_resend(c, ev, p)) {
        step_take_lease(d, ev, p);
        c->sends += c->sends <= 1 || is_between(before);
        c->send_fence = c->fence;
        c->send_deadline_ms = max_ms(c->send_deadline_ms, ev->now_ms + step_send_window_ms(p));
        c->retry_at_ms = 0;
        d->turn_id = before->turn_id;
        d->verdict = VERDICT_RESEND;
        return;
    }
    step_settle(d, ev);
    d->turn_id = before->turn_id;
    d->reason = REASON_OWNER_LOST;
    d->verdict = VERDICT_UNKNOWN;
}

/* They stand at the front of the pending list, since the turn before them has ended. The turn behind them keeps the id that it was promised. */
static void end_cancelled(const struct conversation *before, const struct event *ev, struct decision *d)
{
    struct conversation *c = &d->next;
    d->changed = true;
    c->covered_n = c->cancelled_n;
    c->newer_ms = c->cancelled_after_ms;
    c->newer_job = c->job; /* which of them were, is not known */
    step_forget_cancelled(c);
    step_copy(c->next_turn_id, sizeof(c->next_turn_id), before->turn_id);
    step_settle(d, ev);
    d->turn_id = before->cancelled_turn_id;
    d->reason = REASON_CANCELLED;
    d->verdict = VERDICT_CANCELLED;
}

static void begin(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d)
{
    struct conversation *c = &d->next;
    bool live = step_lease_live(before, ev);
    if (ev->fence != 0 && (c->phase != PHASE_WAITING || c->fence != ev->fence || strcmp(c->token, ev->token) != 0)) {
        d->verdict = VERDICT_LOST; /* the owner of a quiet window that is not its own any more */
        return;
    }
    d->verdict = VERDICT_NOTHING;
    if (c->phase == PHASE_SENDING) {
        begin_sending(before, ev, p, d);
        return;
    }
    if (c->phase == PHASE_IDLE) {
        d->changed = true; /* takes it off the due list */
        return;
    }
    if (c->phase == PHASE_THINKING && live) {
        d->changed = true; /* the lease was renewed after this due time was set */
        return;
    }
    if (c->phase == PHASE_QUEUED && c->cancelled_n > 0) {
        end_cancelled(before, ev, d);
        return;
    }
    bool paused = paused_now(c, ev->now_ms);
    if ((paused || p->silent) && !(c->phase == PHASE_WAITING && live && strcmp(c->token, ev->token) != 0)) {
        d->changed = true;
        d->turn_id = before->turn_id;
        c->covered_n = c->pending_n;
        step_settle(d, ev);
        d->reason = paused ? REASON_BOT_PAUSED : REASON_BOT_DISABLED;
        d->verdict = VERDICT_SILENCED;
        return;
    }
    if (c->phase == PHASE_WAITING) {
        begin_waiting(d, ev, p);
        return;
    }
    d->changed = true;
    if (c->phase == PHASE_QUEUED && ev->now_ms < ready_ms(c)) {
        c->retry_at_ms = d->due_ms = ready_ms(c);
        return;
    }
    if (c->phase == PHASE_QUEUED) {
        step_run(d, ev, p);
        return;
    }
    bool too_often = c->faults + 1 >= p->attempts_max || (c->job && c->attempts + 1 >= p->attempts_max);
    if (!too_often) {
        take_over(d, ev, p);
        return;
    }
    step_settle(d, ev); /* its owners keep dying over it */
    d->turn_id = before->turn_id;
    d->reason = REASON_OWNERS_LOST;
    d->verdict = VERDICT_FAILED;
}

/* When the conversation needs the daemon if the event changes nothing about it. */
static int64_t due_as_it_stands(const struct conversation *c, const struct event *ev)
{
    int64_t due_ms = ev->now_ms + (ev->lease_held ? ev->lease_left_ms : 0);
    switch (c->phase) {
    case PHASE_IDLE:
        return 0;
    case PHASE_WAITING:
    case PHASE_THINKING:
        break;
    case PHASE_SENDING:
        due_ms = is_between(c) ? c->retry_at_ms : ev->lease_held ? due_ms : c->send_deadline_ms;
        break;
    case PHASE_QUEUED:
        due_ms = c->retry_at_ms;
        break;
    }
    return due_ms != 0 ? due_ms : ev->now_ms;
}

void step(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *out)
{
    *out = (struct decision){ .next = *before, .due_ms = due_as_it_stands(before, ev) };
    switch (ev->kind) {
    case EVENT_ARRIVE:
        arrive(before, ev, p, out);
        return;
    case EVENT_BEGIN:
        begin(before, ev, p, out);
        return;
    case EVENT_REVIVE:
        revive(before, ev, p, out);
        return;
    case EVENT_SYNC:
        sync(before, ev, out);
        return;
    case EVENT_ANSWERED:
    case EVENT_AI_FAILED:
    case EVENT_SENT:
    case EVENT_CANCEL:
    case EVENT_PAUSE:
    case EVENT_RESUME:
    case EVENT_SESSION:
    case EVENT_HAND_BACK:
        step_turn(before, ev, p, out);
        return;
    }
}

static const char *const verdicts[] = {
    [VERDICT_RUN] = "run",           [VERDICT_WAIT] = "wait",           [VERDICT_SEND] = "send",
    [VERDICT_RESEND] = "resend",     [VERDICT_LOCKED] = "locked",       [VERDICT_DEFERRED] = "deferred",
    [VERDICT_QUEUED] = "queued",     [VERDICT_RECORDED] = "recorded",   [VERDICT_REJECTED] = "rejected",
    [VERDICT_FULL] = "full",         [VERDICT_COMPLETED] = "completed", [VERDICT_RESTART] = "restart",
    [VERDICT_SILENCED] = "silenced", [VERDICT_RETRY] = "retry",         [VERDICT_FAILED] = "failed",
    [VERDICT_CANCELLED] = "cancelled", [VERDICT_CANCELLED_NEXT] = "cancelled_next", [VERDICT_UNKNOWN] = "unknown",   [VERDICT_LOST] = "lost",
    [VERDICT_NOTHING] = "nothing",   [VERDICT_TOO_LATE] = "too_late",
};
_Static_assert(ARRAY_LEN(verdicts) == VERDICT_TOO_LATE + 1, "a name for each verdict");

const char *verdict_name(enum verdict v)
{
    return verdicts[v];
}
