/* SPDX-License-Identifier: MIT
 * Two records of one conversation become one, when a host comes back from its embedded store: the fence above both, no lease, everything
 * that is unanswered on either side due at once. A send intent that is open on one side stays open, so that it ends as unknown
 * or is repeated under its key, never blindly. */
#include "config.h"

#include "store/store_backends.h"
#include "turn/step_parts.h"
#include "turn/turn_parts.h"

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
    c->total = a->total > b->total ? a->total : b->total;
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

int turns_join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out)
{
    struct conversation from, to, c;
    struct err e;
    (void)arg;
    if (conversation_parse(in->old, &from, &e) != 0 || conversation_parse(in->new_, &to, &e) != 0)
        return -1;
    join_basics(&c, &from, &to, in->now_ms);
    size_t pending = in->old_pending_n + in->new_pending_n;
    c.pending_n = (uint32_t)pending;
    *out = (struct store_joined){ .old_first = false };

    bool from_sends = from.phase == PHASE_SENDING && in->old_pending_n >= from.covered_n;
    bool to_sends = to.phase == PHASE_SENDING && in->new_pending_n >= to.covered_n;
    const struct conversation *sender = to_sends ? &to : from_sends ? &from : NULL;
    if (sender != NULL) {
        out->old_first = sender == &from;
        c.phase = PHASE_SENDING;
        c.covered_n = sender->covered_n;
        c.send_fence = sender->send_fence;
        c.sends = sender->sends;
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
