/* SPDX-License-Identifier: MIT
 * What an administrator does to one conversation: cancel its turn, silence the bot, let it speak again. What that means is decided in
 * step_turn.c; here is what the administrator hears, above all when the store's answer got lost on the way. */
#include "config.h"

#include "turn/control_own.h"
#include "turn/running.h"
#include "turn/step_parts.h"

#define CANCEL_TRIES_MAX 8

/* ---- a conversation that the store does not know ---- */

/* fn(c, ...): n = 0 when the archive does not know it either. */
static void ask_archive(struct control_call *c, struct sv id, archive_context_fn *fn)
{
    struct archive *a = c->t->o.archive;
    if (a == NULL)
        fn(c, ARCHIVE_DONE, NULL, 0);
    else
        archive_context(a, id, 1, fn, c);
}

/* Refused and ended then. */
static bool is_unknown(struct control_call *c, enum archive_status status, size_t n)
{
    if (status == ARCHIVE_DONE && n > 0)
        return false;
    if (status == ARCHIVE_DONE)
        control_refuse(c, 404, "unknown_conversation", "There is no such conversation.", NULL);
    else
        control_refuse(c, 503, "archive_unavailable", "The store does not know it, and the archive gives no answer now.", NULL);
    control_end(c);
    return true;
}

/* ---- cancel ---- */

struct cancel {
    struct control_call c;
    struct sv id;
    char target[ID_UUID_SIZE]; /* what the first try was about; "" none yet */
    enum phase phase;
    enum verdict verdict; /* of the last try that changed something */
    struct sv messages;   /* JSON array of ids: what it ended */
    bool down;            /* whether the last try was applied is not known */
    unsigned tries;
};

static void try_cancel(struct cancel *q);

static void put_cancelled(struct json_out *o, const struct cancel *q, bool cancelled)
{
    json_obj(o);
    json_kbool(o, "cancelled", cancelled);
    json_kstr(o, "conversation_id", q->id);
    json_kstr(o, "turn_id", q->target[0] != '\0' ? sv_from(q->target) : SV_NONE);
    json_kraw(o, "messages", q->messages.p != NULL ? q->messages : SV("[]"));
    json_kstr(o, "phase", sv_from(phase_name(q->phase)));
}

static void tell_cancelled(struct cancel *q, bool cancelled)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    put_cancelled(&o, q, cancelled);
    json_obj_end(&o);
    control_tell(&q->c, &b);
    control_end(&q->c);
}

static void tell_too_late(struct cancel *q, bool freed)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    put_cancelled(&o, q, false);
    json_kbool(&o, "freed", freed);
    json_obj_end(&o);
    control_refuse(&q->c, 409, "too_late",
                   freed ? "The turn was being sent when its process was lost: it is freed, and its reply may have gone out."
                         : "The reply of this turn is being sent.",
                   &b);
    control_end(&q->c);
}

static void tell_owner(struct cancel *q)
{
    control_tell_owner(q->c.t, q->id);
}

/* The turn that was meant is not there any more: was it this request that ended it? */
static void looked_up(void *arg, enum store_status status, struct sv value)
{
    struct cancel *q = arg;
    json_t *job = status == STORE_DONE && value.p != NULL ? json_read_in(q->c.a, value, false, NULL) : NULL;
    struct sv sent = json_sv(json_object_get(json_object_get(job, "result"), "pancake_result"), "status");
    if (sv_eq(json_sv(job, "status"), SV("cancelled"))) {
        tell_owner(q);
        tell_cancelled(q, true);
    } else if (q->verdict == VERDICT_UNKNOWN && sv_eq(sent, SV("unknown"))) {
        tell_owner(q);
        tell_too_late(q, true);
    } else if (q->down || status != STORE_DONE || ++q->tries >= CANCEL_TRIES_MAX) {
        control_unavailable(&q->c);
        control_end(&q->c);
    } else { /* it ended otherwise: what runs now is what is to be cancelled */
        q->target[0] = '\0';
        q->messages = SV_NONE;
        try_cancel(q);
    }
}

static void look_up(struct cancel *q)
{
    struct sv name = arena_printf(q->c.a, "job:%s", q->target);
    if (name.p != NULL) {
        store_get(q->c.t->o.store, name, looked_up, q);
        return;
    }
    control_unavailable(&q->c);
    control_end(&q->c);
}

static void cancel_verdict(struct transact *x, struct cancel *q)
{
    switch (x->decision.verdict) { /* NOLINT: no other answer to a cancel */
    case VERDICT_CANCELLED:
        x->t->stat.cancelled++;
        turns_count(x->t, FIGURE_CANCELLED);
        tell_owner(q);
        tell_cancelled(q, true);
        return;
    case VERDICT_UNKNOWN:
        x->t->stat.unknown++;
        turns_count(x->t, FIGURE_UNKNOWN);
        tell_owner(q);
        tell_too_late(q, true);
        return;
    case VERDICT_TOO_LATE:
        step_copy(q->target, sizeof(q->target), x->before.turn_id);
        q->phase = x->before.phase;
        tell_too_late(q, false);
        return;
    case VERDICT_NOTHING:
        q->phase = x->before.phase;
        if (q->target[0] != '\0')
            look_up(q);
        else
            tell_cancelled(q, false);
        return;
    case VERDICT_RUN:
    case VERDICT_WAIT:
    case VERDICT_SEND:
    case VERDICT_RESEND:
    case VERDICT_LOCKED:
    case VERDICT_DEFERRED:
    case VERDICT_QUEUED:
    case VERDICT_RECORDED:
    case VERDICT_REJECTED:
    case VERDICT_FULL:
    case VERDICT_COMPLETED:
    case VERDICT_RESTART:
    case VERDICT_SILENCED:
    case VERDICT_RETRY:
    case VERDICT_FAILED:
    case VERDICT_LOST:
    case VERDICT_CANCELLED_NEXT:
        control_unavailable(&q->c);
        control_end(&q->c);
        return;
    }
}

static void cancel_forgotten(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct cancel *q = arg;
    (void)entries;
    if (is_unknown(&q->c, status, n))
        return;
    q->phase = PHASE_IDLE;
    tell_cancelled(q, false);
}

static void cancel_done(struct transact *x)
{
    struct cancel *q = x->arg;
    switch (x->status) {
    case TRANSACT_DONE:
        cancel_verdict(x, q);
        return;
    case TRANSACT_STRANGE:
        ask_archive(&q->c, q->id, cancel_forgotten);
        return;
    case TRANSACT_DOWN:
    case TRANSACT_FULL:
    case TRANSACT_KNOWN:
        q->down = true;
        if (q->target[0] != '\0') {
            look_up(q);
            return;
        }
        control_unavailable(&q->c);
        control_end(&q->c);
        return;
    }
}

/* Each try is about the turn of the first one, or what it was restarted as. */
static int fill_cancel(struct transact *x, struct store_change *c)
{
    struct cancel *q = x->arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    step_copy(q->target, sizeof(q->target), x->before.turn_id);
    q->phase = x->before.phase;
    q->verdict = x->decision.verdict;
    x->event.target = q->target;
    json_arr(&o);
    for (size_t i = 0; i < x->decision.settled_n && i < x->pending_n; i++)
        json_raw(&o, json_raw_member(x->pending[i], "message_id"));
    json_arr_end(&o);
    q->messages = buf_ok(&b) ? arena_sv(q->c.a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return q->messages.p == NULL ? -1 : turn_fill_visit(x, c);
}

static void try_cancel(struct cancel *q)
{
    struct transact *x = transact_new(q->c.t, q->id, EVENT_CANCEL, cancel_done, q);
    if (x == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    x->want_lists = x->want_job = x->only_existing = true;
    x->fill = fill_cancel;
    transact_go(x);
}

void control_cancel(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg)
{
    struct cancel *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->id = arena_sv(q->c.a, conversation_id);
    if (q->id.p == NULL)
        control_short_of_memory(&q->c);
    else
        try_cancel(q);
}

/* ---- pause and resume ---- */

struct pausing {
    struct control_call c;
    struct sv id;
    enum event_kind kind;
    int64_t until_ms;
    bool archived; /* the store has forgotten it: it gets a record anew, which keeps the pause */
};

static void try_pause(struct pausing *q);

static void pause_forgotten(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct pausing *q = arg;
    (void)entries;
    if (is_unknown(&q->c, status, n))
        return;
    q->archived = true;
    try_pause(q);
}

static void pause_done(struct transact *x)
{
    struct pausing *q = x->arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (x->status == TRANSACT_STRANGE) {
        ask_archive(&q->c, q->id, pause_forgotten);
        return;
    }
    if (x->status == TRANSACT_DONE) {
        json_obj(&o);
        json_kstr(&o, "conversation_id", q->id);
        control_put_pause(&o, &x->decision.next, x->event.now_ms);
        json_obj_end(&o);
        control_tell(&q->c, &b);
    } else {
        control_unavailable(&q->c);
    }
    control_end(&q->c);
}

static void try_pause(struct pausing *q)
{
    struct transact *x = transact_new(q->c.t, q->id, q->kind, pause_done, q);
    if (x == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    x->event.until_ms = q->until_ms;
    x->only_existing = !q->archived;
    transact_go(x);
}

static void begin_pause(struct turns *t, struct sv id, enum event_kind kind, int64_t until_ms, control_fn *fn, void *arg)
{
    struct pausing *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->id = arena_sv(q->c.a, id);
    q->kind = kind;
    q->until_ms = until_ms;
    if (q->id.p == NULL)
        control_short_of_memory(&q->c);
    else
        try_pause(q);
}

void control_pause(struct turns *t, struct sv conversation_id, int64_t until_ms, control_fn *fn, void *arg)
{
    begin_pause(t, conversation_id, EVENT_PAUSE, until_ms, fn, arg);
}

void control_resume(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg)
{
    begin_pause(t, conversation_id, EVENT_RESUME, 0, fn, arg);
}
