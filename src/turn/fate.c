/* SPDX-License-Identifier: MIT
 * The story of a message: received -> merged into turn T -> superseded -> merged into turn U -> sent. What has ended is told from the
 * mark (or the archive), what is open from the record. */
#include "config.h"

#include "turn/fate.h"
#include "turn/reason.h"

/* The last step of a message that has ended, by what its mark says. The first row that fits. */
static const struct {
    const char *status, *reason; /* reason NULL: any */
    const char *shown, *step;
} ends[] = {
    { "completed", "", "completed", "sent" },
    { "completed", REASON_PLATFORM_REFUSED, "completed", "failed" },
    { "completed", REASON_OUTCOME_UNKNOWN, "unknown", "unknown" },
    { "completed", REASON_OWNER_LOST, "unknown", "unknown" },
    { "completed", REASON_BOT_PAUSED, "unknown", "unknown" }, /* a part of the reply went out before a person took over */
    { "completed", REASON_NO_ACTIONS, "completed", "skipped" },
    { "completed", REASON_NO_EXECUTABLE_ACTION, "completed", "skipped" },
    { "completed", REASON_NOT_DELIVERED, "completed", "skipped" },
    { "completed", NULL, "completed", "sent" },
    { "cancelled", NULL, "cancelled", "cancelled" },
    { "failed", NULL, "failed", "failed" },
};

/* What is told of one message. */
struct story {
    const char *status, *reason, *step; /* step NULL: it has not ended */
    struct sv turn, reason_text;        /* reason_text where `reason` is NULL */
    int64_t received_ms, began_ms, ended_ms;
    const json_t *superseded; /* turn ids; NULL: the record's */
    bool merged;              /* into `turn` */
};

static struct sv text_or(struct sv s, const char *otherwise)
{
    return s.n > 0 ? s : sv_from(otherwise);
}

static void tell_end(struct story *s, struct sv status, struct sv reason)
{
    bool settled = s->turn.n > 0;
    s->status = "recorded";
    s->step = settled ? "withheld" : "recorded";
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        bool fits = ends[i].reason == NULL || sv_eq(reason, sv_from(ends[i].reason));
        if (!sv_eq(status, sv_from(ends[i].status)) || !fits)
            continue;
        s->status = ends[i].shown;
        s->step = ends[i].step;
        break;
    }
    s->merged = settled;
    s->reason_text = text_or(reason, sv_eq(status, SV("completed")) ? REASON_ANSWERED : s->status);
}

/* It waits: for what, the record says. */
static void tell_open(struct story *s, const struct fate *f)
{
    const struct conversation *c = f->record;
    bool covered = f->pending && f->index < c->covered_n;
    s->status = "pending";
    s->reason = REASON_WAITING;
    switch (c->phase) {
    case PHASE_IDLE:
        return;
    case PHASE_WAITING:
        s->status = "deferred";
        s->reason = REASON_DEFERRED;
        s->turn = sv_from(c->turn_id);
        return;
    case PHASE_THINKING:
    case PHASE_SENDING:
        s->status = covered ? "processing" : "locked";
        s->reason = REASON_PROCESSING;
        s->turn = sv_from(covered || c->next_turn_id[0] == '\0' ? c->turn_id : c->next_turn_id);
        s->merged = covered;
        s->began_ms = covered ? c->began_ms : 0;
        return;
    case PHASE_QUEUED:
        s->status = "queued";
        s->reason = c->reason[0] != '\0' ? c->reason : REASON_WAITING;
        s->turn = sv_from(c->turn_id);
        return;
    }
}

static void put_step(struct json_out *o, const char *step, int64_t at_ms, struct sv turn, struct sv reason)
{
    json_obj(o);
    json_kstr(o, "step", sv_from(step));
    json_key(o, "at");
    if (at_ms > 0)
        json_ms(o, at_ms);
    else
        json_nul(o);
    json_kstr(o, "turn_id", turn.n > 0 ? turn : SV_NONE);
    json_kstr(o, "reason", reason);
    json_obj_end(o);
}

/* The i-th withheld turn that was about this message; SV_NONE: there are no more. */
static struct sv superseded(const struct fate *f, const struct story *s, size_t i)
{
    if (s->superseded != NULL) {
        const json_t *id = json_array_get(s->superseded, i);
        return json_is_string(id) ? (struct sv){ json_string_value(id), json_string_length(id) } : SV_NONE;
    }
    const struct conversation *c = f->record;
    for (size_t k = 0; s->step == NULL && f->pending && k < c->superseded_n; k++) {
        if (f->index < c->superseded[k].covered_n && i-- == 0)
            return sv_from(c->superseded[k].turn_id);
    }
    return SV_NONE;
}

static void put_steps(struct json_out *o, const struct fate *f, const struct story *s, struct sv reason)
{
    struct sv turn;
    json_key(o, "steps");
    json_arr(o);
    put_step(o, "received", s->received_ms, SV_NONE, SV(REASON_ACCEPTED));
    for (size_t i = 0; (turn = superseded(f, s, i)).p != NULL; i++) {
        put_step(o, "merged", 0, turn, SV(REASON_PROCESSING));
        put_step(o, "superseded", 0, turn, SV(REASON_SUPERSEDED));
    }
    if (s->merged)
        put_step(o, "merged", s->began_ms, s->turn, SV(REASON_PROCESSING));
    if (s->step != NULL)
        put_step(o, s->step, s->ended_ms, s->turn, reason);
    json_arr_end(o);
}

void fate_put(struct json_out *o, const struct fate *f)
{
    const json_t *mark = f->mark != NULL ? f->mark : f->archived;
    struct story s = { .received_ms = json_i64(f->mark, "received", f->received_ms), .ended_ms = json_i64(f->mark, "at", 0) };
    struct sv turn = json_sv(mark, f->mark != NULL ? "turn" : "turn_id"), status = json_sv(mark, "status");
    s.turn = turn;
    s.superseded = json_object_get(f->mark, "superseded");
    if (status.n > 0)
        tell_end(&s, status, json_sv(mark, "reason"));
    else if (mark == NULL && !f->pending)
        s.status = "recorded", s.reason = REASON_FORGOTTEN; /* nobody waits for it, and nobody knows any more why */
    else
        tell_open(&s, f);
    struct sv reason = s.reason != NULL ? sv_from(s.reason) : s.reason_text;
    json_kstr(o, "message_id", f->message_id);
    json_kstr(o, "status", sv_from(s.status));
    json_kstr(o, "reason", reason);
    json_key(o, "received_at");
    if (s.received_ms > 0)
        json_ms(o, s.received_ms);
    else
        json_nul(o);
    json_kstr(o, "turn_id", s.turn.n > 0 ? s.turn : SV_NONE);
    json_key(o, "superseded");
    json_arr(o);
    for (size_t i = 0; (turn = superseded(f, &s, i)).p != NULL; i++)
        json_str(o, turn);
    json_arr_end(o);
    json_key(o, "ended_at");
    if (s.step != NULL && s.ended_ms > 0)
        json_ms(o, s.ended_ms);
    else
        json_nul(o);
    put_steps(o, f, &s, reason);
}
