/* SPDX-License-Identifier: MIT
 * Cancels a job. Which turn is meant is found by the message that it was about, since turns are merged and restarted under other ids:
 *
 *   job's record ──ended──> answer
 *        │open
 *   load, find the message among the pending ones, step, apply ──> cancelled, or too late
 *        │not there any more, or the answer got lost
 *        └──> job's record again */
#include "config.h"

#include "turn/control_own.h"
#include "turn/reason.h"
#include "turn/running.h"
#include "turn/step_parts.h"

#define TRIES_MAX 8

struct job_cancel {
    struct control_call c;
    struct sv id, conversation_id;
    struct sv message_id, merged_into; /* SV_NONE: not said */
    char target[ID_UUID_SIZE];
    unsigned tries;
};

static void read_job(struct job_cancel *q);

static void tell(struct job_cancel *q, bool cancelled, struct sv status)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kbool(&o, "success", true);
    json_kbool(&o, "cancelled", cancelled);
    json_kstr(&o, "job_id", q->id);
    json_kstr(&o, "conversation_id", q->conversation_id);
    json_kstr(&o, "status", status);
    json_obj_end(&o);
    control_tell(&q->c, &b);
    control_end(&q->c);
}

static void tell_too_late(struct job_cancel *q, const char *message)
{
    control_refuse(&q->c, 409, "too_late", message, NULL);
    control_end(&q->c);
}

static void again(struct job_cancel *q)
{
    if (++q->tries < TRIES_MAX) {
        read_job(q);
        return;
    }
    control_unavailable(&q->c);
    control_end(&q->c);
}

/* ---- the turn ---- */

/* SIZE_MAX: it does not wait any more. */
static size_t place_of(const struct job_cancel *q, struct transact *x)
{
    for (size_t i = 0; q->message_id.p != NULL && i < x->pending_n; i++) {
        struct message_item m;
        struct err e;
        if (message_look(x->pending[i], &m, &e) == 0 && m.message_id_json.p != NULL &&
            sv_eq(message_text(x->scratch, m.message_id_json), q->message_id))
            return i;
    }
    return SIZE_MAX;
}

static bool find_target(struct transact *x)
{
    struct job_cancel *q = x->arg;
    const struct conversation *c = &x->before;
    size_t place = place_of(q, x);
    bool runs = c->phase == PHASE_THINKING || c->phase == PHASE_SENDING;
    const char *target = NULL;
    if (place != SIZE_MAX)
        target = runs && place >= c->covered_n && c->next_turn_id[0] != '\0' ? c->next_turn_id : c->turn_id;
    else if (sv_eq(sv_from(c->turn_id), q->id) || sv_eq(sv_from(c->turn_id), q->merged_into))
        target = c->turn_id;
    else if (sv_eq(sv_from(c->next_turn_id), q->id))
        target = c->next_turn_id;
    if (target == NULL || target[0] == '\0')
        return false;
    step_copy(q->target, sizeof(q->target), target);
    x->event.target = q->target;
    return true;
}

static int fill(struct transact *x, struct store_change *c)
{
    struct sv id = sv_from(x->decision.turn_id);
    if (x->decision.verdict != VERDICT_CANCELLED_NEXT)
        return turn_fill_visit(x, c);
    c->job = (struct store_pair){ id, job_format(x->scratch, id, x->id, "cancelled", &x->before, x->event.now_ms, x->decision.next.cancelled_n,
                                                 SV_NONE, NULL, SV_NONE) };
    return c->job.value.p == NULL ? -1 : 0;
}

static void verdict(struct transact *x, struct job_cancel *q)
{
    enum verdict v = x->decision.verdict;
    if (v == VERDICT_CANCELLED || v == VERDICT_CANCELLED_NEXT) {
        x->t->stat.cancelled++;
        turns_count(x->t, FIGURE_CANCELLED);
        if (v == VERDICT_CANCELLED)
            control_tell_owner(x->t, x->id);
        tell(q, true, SV("cancelled"));
    } else if (v == VERDICT_UNKNOWN) {
        x->t->stat.unknown++;
        turns_count(x->t, FIGURE_UNKNOWN);
        control_tell_owner(x->t, x->id);
        tell_too_late(q, "The job was being sent when its process was lost: its reply may have gone out.");
    } else if (v == VERDICT_TOO_LATE) {
        tell_too_late(q, "The reply of this job is being sent.");
    } else {
        again(q);
    }
}

static void done(struct transact *x)
{
    struct job_cancel *q = x->arg;
    if (x->status == TRANSACT_DONE)
        verdict(x, q);
    else
        again(q); /* whether it was done, its record says */
}

static void try_cancel(struct job_cancel *q)
{
    struct transact *x = transact_new(q->c.t, q->conversation_id, EVENT_CANCEL, done, q);
    if (x == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    x->want_lists = x->want_job = x->only_existing = true;
    x->look = find_target;
    x->fill = fill;
    transact_go(x);
}

/* ---- the record ---- */

static struct sv keep(struct job_cancel *q, const json_t *job, const char *key)
{
    struct sv s = json_sv(job, key);
    return s.p == NULL ? SV_NONE : arena_sv(q->c.a, s);
}

static void got_job(void *arg, enum store_status status, struct sv text)
{
    struct job_cancel *q = arg;
    json_t *job = status == STORE_DONE && text.p != NULL ? json_read_in(q->c.a, text, false, NULL) : NULL;
    struct sv state = json_sv(job, "status");
    q->conversation_id = keep(q, job, "conversation_id");
    q->message_id = keep(q, job, "message_id");
    q->merged_into = keep(q, job, "merged_into");
    if (status == STORE_DONE && (text.p == NULL || q->conversation_id.n == 0)) {
        control_refuse(&q->c, 404, "unknown_job", "There is no such job.", NULL);
        control_end(&q->c);
    } else if (status != STORE_DONE) {
        again(q);
    } else if (sv_eq(state, SV("completed"))) {
        tell_too_late(q, "This job has been completed.");
    } else if (sv_eq(state, SV("cancelled")) || sv_eq(state, SV("failed"))) {
        tell(q, sv_eq(state, SV("cancelled")), arena_sv(q->c.a, state));
    } else {
        try_cancel(q);
    }
}

static void read_job(struct job_cancel *q)
{
    turns_job(q->c.t, q->id, got_job, q);
}

void control_cancel_job(struct turns *t, struct sv job_id, control_fn *fn, void *arg)
{
    struct job_cancel *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->id = job_id_copy(q->c.a, job_id);
    if (q->id.p == NULL)
        control_short_of_memory(&q->c);
    else
        read_job(q);
}
