/* SPDX-License-Identifier: MIT
 * A conversation's history comes in (see history.h), and its sender hears what became of it. That nothing is taken twice is due to the record's
 * version: whoever loses the race compares again. */
#include "config.h"

#include <stdlib.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "turn/intake.h"
#include "turn/step_parts.h"

#define RETRY_MS 1000
#define SALTS_MAX 20
#define SALTS_IN_TURN 4 /* the first ones are the same in every store */
#define RECALL_PATIENCE_MS 250

static void go(struct intake *r);

static void answer(struct intake *r, const struct history_answer *a)
{
    r->fn(r->arg, a);
    arena_free(r->a);
}

static void fail(struct intake *r, enum history_outcome outcome)
{
    answer(r, &(struct history_answer){ .outcome = outcome, .job_id = "", .lock_id = "", .retry_after_ms = RETRY_MS });
}

static void fail_later(void *arg)
{
    fail(arg, HISTORY_TOO_LARGE);
}

static const char *bot_name(const struct transact *x)
{
    return x->bot != NULL ? x->bot->name : x->t->base.name;
}

/* ---- answers ---- */

static void answer_known(struct intake *r, struct sv job_id, bool open)
{
    struct history_answer a = { .outcome = open ? HISTORY_LOCKED : HISTORY_KNOWN, .job_id = "", .lock_id = open ? r->lock_id : "",
                                .consolidated = open ? r->consolidated : 0, .bot_name = r->t->base.name };
    const char *id = job_id.n > 0 ? arena_str(r->a, job_id) : NULL;
    a.job_id = id != NULL ? id : "";
    r->t->stat.replayed++;
    turns_count(r->t, FIGURE_REPLAYED);
    answer(r, &a);
}

static void leave(struct turns *t)
{
    t->transactions--;
    turns_look_drained(t);
}

static void archived(void *arg, enum archive_status status, struct sv outcome)
{
    struct intake *r = arg;
    struct turns *t = r->t;
    json_t *j = status == ARCHIVE_DONE && outcome.p != NULL ? json_read_in(r->a, outcome, false, NULL) : NULL;
    answer_known(r, json_sv(j, "turn_id"), false);
    leave(t);
}

static void marked(void *arg, enum store_status status, const struct store_view *v)
{
    struct intake *r = arg;
    struct turns *t = r->t;
    json_t *mark = status == STORE_DONE && v->mark.p != NULL ? json_read_in(r->a, v->mark, false, NULL) : NULL;
    struct sv turn = json_sv(mark, "turn");
    if (status == STORE_DONE && turn.p == NULL && t->o.archive != NULL) {
        archive_message(t->o.archive, r->h.conversation_id, r->last_id, archived, r);
        return;
    }
    if (status == STORE_DONE)
        answer_known(r, turn, false);
    else
        fail(r, HISTORY_UNAVAILABLE);
    leave(t);
}

/* It has ended: its mark says in which turn. */
static void find_job(struct intake *r)
{
    const struct store_load what = { .conversation_id = r->h.conversation_id, .message_id = r->last_id };
    r->t->transactions++;
    store_load(r->t->o.store, &what, marked, r);
}

static void answer_arrived(struct transact *x, struct intake *r)
{
    const struct decision *d = &x->decision;
    const struct conversation *n = &d->next;
    struct history_answer a = { .outcome = HISTORY_LOCKED, .job_id = d->turn_id, .lock_id = r->lock_id, .consolidated = n->pending_n,
                                .bot_name = bot_name(x) };
    intake_lock_id(r->lock_id, n->token[0] != '\0' ? n->token : n->lock_token);
    if (d->verdict == VERDICT_LOCKED && !(n->phase == PHASE_THINKING && step_may_restart(n, x->policy)))
        a.consolidated = n->pending_n - n->covered_n;
    if (x->before.phase == PHASE_IDLE)
        a.outcome = HISTORY_STARTED;
    answer(r, &a);
}

static void verdict(struct transact *x, struct intake *r)
{
    const struct decision *d = &x->decision;
    switch (d->verdict) { /* NOLINT: a job is never begun by whoever takes it in */
    case VERDICT_LOCKED:
    case VERDICT_DEFERRED:
    case VERDICT_QUEUED:
        x->t->stat.queued++;
        turns_count(x->t, d->verdict == VERDICT_LOCKED ? FIGURE_LOCKED : FIGURE_QUEUED);
        answer_arrived(x, r);
        return;
    case VERDICT_RECORDED:
        x->t->stat.recorded++;
        turns_count(x->t, FIGURE_RECORDED);
        answer(r, &(struct history_answer){ .outcome = HISTORY_RECORDED, .job_id = "", .lock_id = "", .bot_name = bot_name(x), .reason = d->reason });
        return;
    case VERDICT_REJECTED:
        turns_count(x->t, FIGURE_REJECTED);
        fail(r, HISTORY_REJECTED);
        return;
    case VERDICT_FULL:
        turns_count(x->t, FIGURE_REJECTED);
        fail(r, HISTORY_FULL);
        return;
    case VERDICT_RUN:
    case VERDICT_WAIT:
    case VERDICT_SEND:
    case VERDICT_RESEND:
    case VERDICT_COMPLETED:
    case VERDICT_RESTART:
    case VERDICT_SILENCED:
    case VERDICT_RETRY:
    case VERDICT_FAILED:
    case VERDICT_CANCELLED:
    case VERDICT_CANCELLED_NEXT:
    case VERDICT_UNKNOWN:
    case VERDICT_LOST:
    case VERDICT_NOTHING:
    case VERDICT_TOO_LATE:
        log_error("a job's arrival ended in an impossible way", "verdict", verdict_name(d->verdict), NULL);
        fail(r, HISTORY_UNAVAILABLE);
        return;
    }
}

/* ---- the archive, where the store knows nothing ---- */

/* The client waits for milliseconds: an archive that does not answer is not waited for. It outlives the request then. */
struct recall {
    struct turns *t;
    struct intake *r; /* NULL: it goes on without */
    struct loop_timer *patience;
};

static int keep_entries(struct intake *r, const struct sv *entries, size_t n)
{
    struct sv *list = arena_array(r->a, n + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < n; i++) {
        list[i] = arena_sv(r->a, entries[i]);
        if (list[i].p == NULL)
            return -1;
    }
    r->recalled = list;
    r->recalled_n = n;
    return list == NULL ? -1 : 0;
}

static void recalled(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct recall *q = arg;
    struct turns *t = q->t;
    if (q->r != NULL && status == ARCHIVE_DONE && keep_entries(q->r, entries, n) != 0)
        fail(q->r, HISTORY_TOO_LARGE);
    else if (q->r != NULL)
        go(q->r);
    loop_timer_free(q->patience);
    free(q);
    leave(t);
}

static void recall_is_late(void *arg)
{
    struct recall *q = arg;
    struct intake *r = q->r;
    q->r = NULL;
    log_warning("the archive is slow: a history is taken without it", "conversation_id", arena_str(r->a, r->h.conversation_id), NULL);
    go(r);
}

static void recall(struct intake *r)
{
    struct turns *t = r->t;
    struct recall *q = calloc(1, sizeof(*q));
    r->recall_done = true;
    if (q != NULL)
        q->patience = loop_timer_new(t->o.loop, recall_is_late, q);
    if (q == NULL || q->patience == NULL) {
        free(q);
        loop_soon(t->o.loop, fail_later, r);
        return;
    }
    q->t = t;
    q->r = r;
    loop_timer_set(q->patience, RECALL_PATIENCE_MS);
    t->transactions++;
    archive_context(t->o.archive, r->h.conversation_id, t->base.context_max, recalled, q);
}

/* A name was taken: whoever was quicker may have brought the same message, which the next look finds; else it gets another name. */
static void look_again(struct intake *r)
{
    r->salt = ++r->salts < SALTS_IN_TURN ? r->salts : 1 + (unsigned)id_random_below(UINT32_MAX - 1);
    memset(r->names, 0, r->h.parts_n * sizeof(*r->names));
    go(r);
}

static void decided(struct transact *x)
{
    struct intake *r = x->arg;
    struct turns *t = r->t;
    switch (x->status) {
    case TRANSACT_DONE:
        if (x->decision.changed) {
            t->stat.messages += x->event.together_n;
            metrics_add(t->o.metrics, FIGURE_MESSAGES, x->event.together_n);
        }
        verdict(x, r);
        return;
    case TRANSACT_KNOWN:
        if (x->mark.p != NULL && r->salts < SALTS_MAX) {
            look_again(r);
            return;
        }
        if (r->job_id[0] != '\0')
            answer_known(r, sv_from(r->job_id), true);
        else if (r->last_id.p != NULL)
            find_job(r);
        else
            fail(r, HISTORY_TOO_LARGE);
        return;
    case TRANSACT_STRANGE:
        r->absent_ms = x->context_n == 0 ? x->event.now_ms : 0;
        recall(r);
        return;
    case TRANSACT_FULL:
        fail(r, HISTORY_FULL);
        return;
    case TRANSACT_DOWN:
        fail(r, HISTORY_UNAVAILABLE);
        return;
    }
}

static void go(struct intake *r)
{
    struct turns *t = r->t;
    struct transact *x = transact_new(t, r->h.conversation_id, EVENT_ARRIVE, decided, r);
    if (x == NULL) {
        loop_soon(t->o.loop, fail_later, r);
        return;
    }
    x->event.message = &r->newest;
    x->event.token = r->token;
    x->event.hand_over = x->event.as_job = true;
    x->want_lists = true;
    x->cached = r->absent_ms != 0;
    x->cached_ms = r->absent_ms;
    r->absent_ms = 0;
    x->only_existing = !r->recall_done && !r->h.fresh && t->o.archive != NULL && archive_is_up(t->o.archive);
    x->tried = r->salts > 0;
    x->look = intake_look;
    x->fill = intake_fill;
    transact_go(x);
}

/* ---- the door ---- */

static bool keep(struct arena *a, struct sv *s)
{
    if (s->p != NULL)
        *s = arena_sv(a, *s);
    else
        return true;
    return s->p != NULL;
}

static struct intake *copy(struct turns *t, const struct history *h)
{
    struct arena *a = arena_new(0, TURN_ARENA_CAP);
    struct intake *r = a == NULL ? NULL : arena_alloc(a, sizeof(*r));
    struct markup_part *parts = r == NULL ? NULL : arena_array(a, h->parts_n, sizeof(*parts));
    const char **names = r == NULL ? NULL : arena_array(a, h->parts_n, sizeof(*names));
    bool fits = parts != NULL && names != NULL;
    if (fits) {
        *r = (struct intake){ .t = t, .a = a, .h = *h, .recall_done = h->fresh, .names = names };
        r->h.parts = parts;
        fits = keep(a, &r->h.conversation_id) && keep(a, &r->h.sender_id) && keep(a, &r->h.bot_id) && keep(a, &r->h.metadata) &&
               keep(a, &r->h.callback_url) && keep(a, &r->h.request_id) && keep(a, &r->h.traceparent);
    }
    for (size_t i = 0; fits && i < h->parts_n; i++) {
        parts[i] = h->parts[i];
        fits = keep(a, &parts[i].text);
    }
    if (fits)
        return r;
    arena_free(a);
    return NULL;
}

struct refusal { /* of what does not fit into memory */
    history_fn *fn;
    void *arg;
};

static void refuse(void *arg)
{
    struct refusal *x = arg;
    x->fn(x->arg, &(struct history_answer){ .outcome = HISTORY_TOO_LARGE, .job_id = "", .lock_id = "" });
    free(x);
}

void turns_submit_history(struct turns *t, const struct history *h, history_fn *fn, void *arg)
{
    struct intake *r = copy(t, h);
    if (r == NULL) {
        struct refusal *x = malloc(sizeof(*x));
        if (x == NULL)
            abort(); /* as loop_soon would */
        *x = (struct refusal){ fn, arg };
        loop_soon(t->o.loop, refuse, x);
        return;
    }
    r->fn = fn;
    r->arg = arg;
    /* the message itself is known only after the comparison; until then it stands for what the load is about */
    r->newest = (struct message){ .conversation_id = r->h.conversation_id, .sender_id = r->h.sender_id, .bot_id = r->h.bot_id };
    id_token(r->token);
    go(r);
}
