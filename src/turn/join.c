/* SPDX-License-Identifier: MIT
 * Two records of one conversation become one, when a host comes back from its embedded store: the fence above both, no lease, everything
 * that is unanswered on either side due at once. A send intent that is open on one side stays open, so that it ends as unknown
 * or is repeated under its key, never blindly. Where both sides have one, what either is about ends as unknown: the record holds one. */
#include "config.h"

#include "store/store_backends.h"
#include "turn/step_parts.h"
#include "turn/turn_parts.h"

#define NEVER_AGAIN 1000000 /* sends: more than any platform is to get */

/* A store that stands in begins without the pauses of the one that it stands in for, so the bot is silent where either side says so, and
 * for as long as the one that says longer. */
static void join_pauses(struct conversation *c, const struct conversation *a, const struct conversation *b, int64_t now_ms)
{
    bool pa = step_is_paused(a, now_ms), pb = step_is_paused(b, now_ms);
    bool for_ever = (pa && a->paused_until_ms == 0) || (pb && b->paused_until_ms == 0);
    int64_t until_a = pa ? a->paused_until_ms : 0, until_b = pb ? b->paused_until_ms : 0;
    c->paused = pa || pb;
    c->paused_until_ms = for_ever ? 0 : until_a > until_b ? until_a : until_b;
}

/* How many messages there are is the sum of both sides: the file's record counts its own, and perhaps what the archive had of the time before, which is
 * what the shared store counts. */
static int64_t join_counts(const struct conversation *from, const struct conversation *to)
{
    if (to->created_ms == 0)
        return (int64_t)from->seq + from->earlier_n;
    return (int64_t)to->seq + to->earlier_n + (int64_t)from->seq;
}

/* The same of the customer's messages. */
static void join_totals(struct conversation *c, const struct conversation *from, const struct conversation *to)
{
    const struct conversation *counts = to->created_ms == 0 ? from : to;
    c->total = counts->total + (counts == to ? from->total - from->earlier_total : 0);
    c->earlier_total = counts->earlier_total;
    c->past_known = counts->past_known;
    c->listed = false;
}

static void join_basics(struct conversation *c, const struct conversation *a, const struct conversation *b, int64_t now_ms)
{
    const struct conversation *late = a->activity_ms > b->activity_ms ? a : b;
    const struct conversation *early = late == a ? b : a;
    uint64_t fence = (a->fence > b->fence ? a->fence : b->fence) + 1;
    *c = *late;
    c->fence = fence > (uint64_t)now_ms ? fence : (uint64_t)now_ms;
    if (early->created_ms != 0 && early->created_ms < c->created_ms)
        c->created_ms = early->created_ms;
    if (early->user_id[0] != '\0' && early->created_ms != 0 && early->created_ms == c->created_ms)
        memcpy(c->user_id, early->user_id, sizeof(c->user_id));
    c->seq = (a->seq > b->seq ? a->seq : b->seq) + 1;
    if (early->oldest_ms != 0 && (c->oldest_ms == 0 || early->oldest_ms < c->oldest_ms))
        c->oldest_ms = early->oldest_ms;
    c->token[0] = c->owner[0] = '\0';
    c->newer_ms = 0;
    c->restarts = c->attempts = c->faults = c->superseded_n = 0; /* which of the joined messages those turns were about is not known */
    if (early->send_deadline_ms > c->send_deadline_ms)
        c->send_deadline_ms = early->send_deadline_ms;
    c->next_turn_id[0] = c->lock_token[0] = '\0';
    step_forget_cancelled(c);
    c->job = c->newer_job = a->job || b->job;
    c->told = a->told || b->told;
    c->opened_ms = c->wait_until_ms = 0;
    join_pauses(c, a, b, now_ms);
}

/* Of the items that a send is about, those that the other side has not answered. */
static size_t left_of(const struct store_waiting *items, size_t n, const struct conversation *c)
{
    size_t left = 0;
    for (size_t i = 0; c->phase == PHASE_SENDING && i < n && i < c->covered_n; i++)
        left += !items[i].answered;
    return left;
}

/* Of old's, those that are not among new_'s: all of them, and those of the send. */
static void count_own(const struct store_join *in, const struct conversation *from, const struct conversation *to, size_t *all, size_t *front)
{
    size_t to_front = to->phase == PHASE_SENDING ? to->covered_n : 0;
    *all = *front = 0;
    for (size_t i = 0; i < in->old_pending_n; i++) {
        const struct store_waiting *w = &in->old_pending[i];
        if (w->answered)
            continue;
        *all += w->same == SIZE_MAX;
        *front += from->phase == PHASE_SENDING && i < from->covered_n && (w->same == SIZE_MAX || w->same >= to_front);
    }
}

int turns_join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out)
{
    struct conversation from, to, c;
    struct err e;
    (void)arg;
    if (conversation_parse(in->old, &from, &e) != 0 || conversation_parse(in->new_, &to, &e) != 0)
        return -1;
    join_basics(&c, &from, &to, in->now_ms);
    c.earlier_n = join_counts(&from, &to) - (int64_t)c.seq;
    join_totals(&c, &from, &to);
    size_t pending = 0, own, own_front;
    for (size_t i = 0; i < in->new_pending_n; i++)
        pending += !in->new_pending[i].answered;
    count_own(in, &from, &to, &own, &own_front);
    pending += own;
    c.pending_n = (uint32_t)pending;
    *out = (struct store_joined){ .old_front_n = left_of(in->old_pending, in->old_pending_n, &from),
                                  .new_front_n = left_of(in->new_pending, in->new_pending_n, &to) };

    const struct conversation *sender = out->new_front_n > 0 ? &to : out->old_front_n > 0 ? &from : NULL;
    if (sender != NULL) {
        c.phase = PHASE_SENDING;
        c.covered_n = (uint32_t)(out->new_front_n + own_front);
        c.send_fence = sender->send_fence;
        c.retry_at_ms = sender->retry_at_ms;
        c.sends = out->new_front_n > 0 && out->old_front_n > 0 ? NEVER_AGAIN : sender->sends;
        memcpy(c.turn_id, sender->turn_id, sizeof(c.turn_id));
        out->due_ms = c.send_deadline_ms;
    } else if (pending > 0) {
        c.phase = PHASE_QUEUED;
        c.covered_n = 0;
        c.retry_at_ms = out->due_ms = in->now_ms;
        if (c.turn_id[0] == '\0')
            id_uuid7(c.turn_id);
        if (c.oldest_ms == 0)
            c.oldest_ms = in->now_ms;
    } else {
        c.phase = PHASE_IDLE;
        c.covered_n = 0;
        c.oldest_ms = c.retry_at_ms = 0;
        c.turn_id[0] = '\0';
    }
    struct buf b = { 0 };
    conversation_format(&b, &c);
    out->record = buf_ok(&b) ? arena_sv(a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    struct store_change scores = { 0 };
    transact_listings(&scores, &c, in->now_ms);
    out->in = scores.in;
    out->activity_ms = scores.activity_ms;
    out->active_ms = scores.active_ms;
    out->waiting_ms = scores.waiting_ms;
    out->paused_ms = scores.paused_ms;
    return out->record.p != NULL ? 0 : -1;
}
