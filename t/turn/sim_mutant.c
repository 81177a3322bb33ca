/* SPDX-License-Identifier: MIT
 * Ways to be wrong. Each breaks one rule of the protocol where the model calls the product (or, in sim_store.c and sim_task.c, where it
 * stands for the store or for the runner): an invariant that does not notice is not worth having. */
#include "config.h"

#include "t/turn/sim.h"

static const char *const names[] = {
    [MUTANT_NONE] = "none",
    [MUTANT_GATE_WITHOUT_LEASE] = "the gate does not ask for the lease",
    [MUTANT_GATE_WITHOUT_VERSION] = "the gate does not compare the version",
    [MUTANT_GATE_COVERS_NEWER] = "the gate covers what came after the snapshot",
    [MUTANT_GATE_DEAF_TO_PAUSE] = "the gate lets a reply out while a person has the conversation",
    [MUTANT_FINISH_WITHOUT_VERSION] = "the end of a turn does not compare the version",
    [MUTANT_RELEASE_IN_TWO_STEPS] = "release without a look at what is newer",
    [MUTANT_RELEASE_OF_ANOTHERS] = "a lost owner removes the lock that stands there",
    [MUTANT_SETTLE_DROPS_NEWER] = "the end of a turn drops what is newer",
    [MUTANT_DEDUPE_IN_TWO_STEPS] = "the mark is set before the message is stored",
    [MUTANT_DROP_BY_TIMESTAMP] = "an older timestamp is taken for a duplicate",
    [MUTANT_RESEND_BLINDLY] = "an unknown outcome is sent again",
    [MUTANT_UNKNOWN_IS_FAILURE] = "an unknown outcome is taken for a failure",
    [MUTANT_UNKNOWN_BARS_NOBODY] = "after an unknown outcome the next turn begins at once",
    [MUTANT_REPEAT_IS_OUTCOME] = "a refused repeat is taken for the outcome of all attempts",
    [MUTANT_NO_DRAIN_WAIT] = "nobody waits for the send deadline",
    [MUTANT_OWNER_GUESSED_DEAD] = "a silent owner is taken for dead",
    [MUTANT_FENCE_NOT_RAISED] = "a new lease keeps the fence",
    [MUTANT_SEND_AFTER_DEADLINE] = "the first byte goes out whatever the time",
    [MUTANT_DEADLINE_FROM_APPLY] = "the own deadline counts from the apply instead of from before the load",
    [MUTANT_CLOCK_BEHIND] = "the store's time is taken too early",
    [MUTANT_RENEW_REVIVES] = "a renewal brings back a lease that ran out",
    [MUTANT_RESTART_FOR_EVER] = "restarts have no bound",
    [MUTANT_DUE_NOT_MOVED] = "a visit leaves the due time where it was",
    [MUTANT_INTENT_NOT_WRITTEN] = "a send without an intent",
    [MUTANT_REVIVE_BLINDLY] = "messages of a letter come back whatever their marks say",
    [MUTANT_REVIVE_WITHOUT_VERSION] = "messages of a letter come back without a comparison of the version",
    [MUTANT_SYNC_WITHOUT_VERSION] = "what was made elsewhere is written without a comparison of the version",
    [MUTANT_SYNC_IS_NEWER] = "what was made elsewhere counts as something newer",
    [MUTANT_CANCEL_KEEPS_FENCE] = "a cancelled turn keeps its lease",
    [MUTANT_CANCEL_WHILE_SENDING] = "a turn is cancelled while its owner sends",
    [MUTANT_SETTLED_UNSEEN] = "a repeat that fails speaks for those before it without having looked",
};
_Static_assert(ARRAY_LEN(names) == MUTANT_N, "a name for each mutant");

const char *sim_mutant_name(enum sim_mutant m)
{
    return names[m];
}

void sim_mutant_before(struct sim *w, struct sim_task *t, struct policy *p)
{
    struct event *ev = &t->event;
    if (w->mutant == MUTANT_GATE_WITHOUT_LEASE && t->kind == EVENT_ANSWERED)
        ev->lease_held = true;
    if (w->mutant == MUTANT_GATE_COVERS_NEWER && t->kind == EVENT_ANSWERED)
        t->before.covered_n = t->before.pending_n;
    if (w->mutant == MUTANT_GATE_DEAF_TO_PAUSE && t->kind == EVENT_ANSWERED)
        t->before.paused = false;
    if (w->mutant == MUTANT_REPEAT_IS_OUTCOME && ev->sent == SENT_FAILED)
        t->before.sends = 1;
    if (w->mutant == MUTANT_SETTLED_UNSEEN && t->kind == EVENT_SENT)
        ev->settled = true;
    if (w->mutant == MUTANT_RESEND_BLINDLY && t->kind == EVENT_BEGIN)
        p->send_idempotent = true;
    if (w->mutant == MUTANT_UNKNOWN_IS_FAILURE && ev->sent == SENT_UNKNOWN)
        ev->sent = SENT_UNREACHABLE;
    if (w->mutant == MUTANT_NO_DRAIN_WAIT)
        t->before.send_deadline_ms = t->before.send_deadline_ms == 0 ? 0 : 1;
    if (w->mutant == MUTANT_OWNER_GUESSED_DEAD && t->before.owner[0] != '\0' && t->kind != EVENT_CANCEL)
        ev->owner_dead = strcmp(t->before.token, t->token) != 0;
    if (w->mutant == MUTANT_CANCEL_WHILE_SENDING && t->kind == EVENT_CANCEL && t->before.phase == PHASE_SENDING)
        t->before.phase = PHASE_THINKING;
    if (w->mutant == MUTANT_CLOCK_BEHIND && t->kind == EVENT_ANSWERED)
        ev->now_ms -= 10000;
    if (w->mutant == MUTANT_RESTART_FOR_EVER)
        p->restart_max = UINT32_MAX;
}

void sim_mutant_after(struct sim *w, struct sim_task *t)
{
    struct decision *d = &t->decision;
    struct conversation *n = &d->next;
    bool waits_on = d->verdict == VERDICT_COMPLETED && n->pending_n > 0;
    if (w->mutant == MUTANT_GATE_WITHOUT_LEASE && t->kind == EVENT_ANSWERED)
        d->need_lease = false;
    if (w->mutant == MUTANT_RELEASE_IN_TWO_STEPS && waits_on) {
        n->phase = PHASE_IDLE;
        d->due_ms = 0;
    }
    if (w->mutant == MUTANT_RELEASE_OF_ANOTHERS && d->verdict == VERDICT_LOST) {
        d->changed = true;
        d->lease = STORE_LEASE_DROP;
    }
    if (w->mutant == MUTANT_SETTLE_DROPS_NEWER && waits_on) {
        d->settled_n += n->pending_n;
        n->pending_n = 0;
        n->oldest_ms = d->due_ms = 0;
        n->phase = PHASE_IDLE;
        n->turn_id[0] = '\0';
    }
    if (w->mutant == MUTANT_UNKNOWN_BARS_NOBODY && d->verdict == VERDICT_UNKNOWN) {
        n->send_deadline_ms = 0;
        if (n->pending_n > 0)
            n->retry_at_ms = d->due_ms = t->event.now_ms;
    }
    if (w->mutant == MUTANT_FENCE_NOT_RAISED && d->lease == STORE_LEASE_TAKE && t->before.fence != 0)
        n->fence = t->before.fence;
    if (w->mutant == MUTANT_DUE_NOT_MOVED && d->verdict == VERDICT_NOTHING)
        d->due_ms = w->conversations[t->conversation].due_ms;
    if (w->mutant == MUTANT_CANCEL_KEEPS_FENCE && d->verdict == VERDICT_CANCELLED && t->before.phase == PHASE_THINKING) {
        n->fence = t->before.fence;
        step_copy(n->token, sizeof(n->token), t->before.token);
        d->lease = STORE_LEASE_KEEP;
    }
    if (w->mutant == MUTANT_SYNC_IS_NEWER && t->kind == EVENT_SYNC && n->phase == PHASE_THINKING)
        n->pending_n++;
    if (w->mutant == MUTANT_INTENT_NOT_WRITTEN && d->verdict == VERDICT_SEND)
        d->changed = false;
}
