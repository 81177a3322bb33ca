/* SPDX-License-Identifier: MIT
 * A message comes in: dedupe, record and lease in one step, and the answer for everybody whose message another turn takes care of. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/store_history.h"
#include "turn/reason.h"
#include "turn/recent.h"
#include "turn/running.h"
#include "turn/step_parts.h"

#define OLD_MS (24LL * 3600 * 1000)
#define RETRY_MS 1000

/* Lives until the arrival is decided; then the client moves into the turn or has its answer. */
struct arrival {
    struct turns *t;
    struct arena *a;
    struct message m;
    struct client client;
    char token[ID_TOKEN_SIZE];
    bool as_job, patient, fetched, answered_elsewhere; /* of the options */
    bool old;     /* older than the dedupe marks may be */
    bool asked;   /* archive and `recent` have been, about what the store does not know though it may have been answered before */
};

static void decided(struct transact *x);
static void look_up(struct arrival *r);

static void arrival_free(struct arrival *r)
{
    arena_free(r->a);
}

static void fail(struct arrival *r, enum answer_status status)
{
    client_answer(&r->client, status, SV_NONE, RETRY_MS);
    arrival_free(r);
}

static void fail_later(void *arg)
{
    fail(arg, ANSWER_TOO_LARGE);
}

/* ---- what the arrival adds to the change ---- */

struct sv arrival_item(struct transact *x, const struct message *m, uint64_t seq, const char *reason)
{
    struct buf b = { 0 }, item = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "type", SV("message"));
    json_kint(&o, "v", 1);
    json_kstr(&o, "conversation_id", x->id);
    json_kint(&o, "seq", (int64_t)seq);
    json_kstr(&o, "reason", sv_from(reason));
    json_kint(&o, "at", x->event.now_ms);
    json_key(&o, "message");
    message_format(&item, m, x->event.now_ms, seq);
    json_raw(&o, buf_sv(&item));
    json_obj_end(&o);
    struct sv s = buf_ok(&b) && buf_ok(&item) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    buf_fini(&item);
    return s;
}

struct sv arrival_mark(struct transact *x, uint64_t seq, const char *hash)
{
    const struct decision *d = &x->decision;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kint(&o, "seq", (int64_t)seq);
    if (d->turn_id != NULL)
        json_kstr(&o, "turn", sv_from(d->turn_id));
    json_kstr(&o, "h", sv_from(hash));
    json_kint(&o, "received", x->event.now_ms);
    if (d->verdict == VERDICT_RECORDED) {
        json_kstr(&o, "status", SV("recorded"));
        json_kstr(&o, "reason", sv_from(d->reason));
        json_kint(&o, "at", x->event.now_ms);
    }
    json_obj_end(&o);
    struct sv s = buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return s;
}

int arrival_job(struct transact *x, struct store_change *c, struct sv message_id)
{
    const struct decision *d = &x->decision;
    struct sv id = sv_from(d->turn_id);
    c->job = (struct store_pair){ id, job_format(x->scratch, id, x->id, "queued", &d->next, x->event.now_ms, d->next.pending_n, SV_NONE,
                                                 NULL, message_id) };
    c->job_ttl_ms = JOB_OPEN_TTL_MS;
    return c->job.value.p == NULL ? -1 : 0;
}

static int fill_arrival(struct transact *x, struct store_change *c)
{
    const struct arrival *r = x->arg;
    const struct decision *d = &x->decision;
    c->mark_new = (struct store_pair){ r->m.message_id, arrival_mark(x, d->next.seq, r->client.hash) };
    if (c->mark_new.value.p == NULL)
        return -1;
    bool is_job = r->as_job && d->verdict != VERDICT_RECORDED;
    if ((d->named_next || is_job || d->verdict == VERDICT_QUEUED) && d->turn_id != NULL && arrival_job(x, c, r->m.message_id) != 0)
        return -1;
    if (d->verdict != VERDICT_RECORDED)
        return 0;
    struct sv *item = arena_alloc(x->scratch, sizeof(*item));
    if (item == NULL)
        return -1;
    *item = arrival_item(x, &r->m, d->next.seq, d->reason);
    c->queue_add = item;
    c->queue_add_n = 1;
    return item->p == NULL ? -1 : 0;
}

/* ---- the answers ---- */

static void answer_recorded(struct transact *x, struct arrival *r, const char *status, const char *reason, enum answer_status code)
{
    const struct decision *d = &x->decision;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", sv_from(status));
    json_kstr(&o, "reason", sv_from(reason));
    json_kstr(&o, "message_id", r->m.message_id);
    if (d->turn_id != NULL)
        json_kstr(&o, "turn_id", sv_from(d->turn_id));
    if (code == ANSWER_LOCKED)
        json_kint(&o, "position", d->position);
    if (code == ANSWER_QUEUED && d->turn_id != NULL) {
        json_kstr(&o, "job_id", sv_from(d->turn_id));
        json_key(&o, "status_url");
        json_str(&o, arena_printf(x->scratch, "/api/v1/chat/jobs/%s", d->turn_id));
    }
    result_backend(&o, r->t);
    json_obj_end(&o);
    if (buf_ok(&b))
        client_answer(&r->client, code, buf_sv(&b), 0);
    else
        client_answer(&r->client, ANSWER_FULL, SV_NONE, RETRY_MS);
    buf_fini(&b);
    arrival_free(r);
}

static void begin_turn(struct transact *x, struct arrival *r)
{
    struct turn *turn = turn_start(x, &r->m);
    if (turn == NULL) { /* the message is safe: the lease runs out and a daemon answers it */
        answer_recorded(x, r, "queued", REASON_RESPONDER_BUSY, ANSWER_QUEUED);
        return;
    }
    turn_begun_by_client(turn, &r->client);
    r->client.fn = NULL;
    if (x->decision.verdict == VERDICT_WAIT)
        turn_wait(turn);
    else
        turn_think(turn);
    arrival_free(r);
}

static void known(struct transact *x, struct arrival *r)
{
    replay(r->t, r->m.conversation_id, &r->client, x->mark, &x->before, x->event.lease_held);
    r->client.fn = NULL;
    arrival_free(r);
}

static void verdict(struct transact *x, struct arrival *r)
{
    const struct decision *d = &x->decision;
    struct turns_stat *stat = &r->t->stat;
    switch (d->verdict) {
    case VERDICT_RUN:
    case VERDICT_WAIT:
        begin_turn(x, r);
        return;
    case VERDICT_LOCKED:
        stat->locked++;
        turns_count(r->t, FIGURE_LOCKED);
        answer_recorded(x, r, "locked", REASON_PROCESSING, ANSWER_LOCKED);
        return;
    case VERDICT_DEFERRED:
        stat->recorded++;
        turns_count(r->t, FIGURE_DEFERRED);
        answer_recorded(x, r, "recorded", REASON_DEFERRED, ANSWER_RECORDED);
        return;
    case VERDICT_QUEUED:
        stat->queued++;
        turns_count(r->t, FIGURE_QUEUED);
        answer_recorded(x, r, "queued", d->reason != NULL ? d->reason : REASON_WAITING, ANSWER_QUEUED);
        return;
    case VERDICT_RECORDED:
        stat->recorded++;
        turns_count(r->t, FIGURE_RECORDED);
        answer_recorded(x, r, "recorded", d->reason, ANSWER_RECORDED);
        return;
    case VERDICT_REJECTED:
        turns_count(r->t, FIGURE_REJECTED);
        fail(r, ANSWER_TURN_RUNNING);
        return;
    case VERDICT_FULL:
        turns_count(r->t, FIGURE_REJECTED);
        fail(r, ANSWER_FULL);
        return;
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
        log_error("an arrival ended in an impossible way", "verdict", verdict_name(d->verdict), NULL);
        fail(r, ANSWER_UNAVAILABLE);
        return;
    }
}

static void decided(struct transact *x)
{
    struct arrival *r = x->arg;
    const struct conversation *now = x->status == TRANSACT_DONE ? &x->decision.next : &x->before;
    r->client.check_reply = !step_is_paused(now, x->event.now_ms);
    switch (x->status) {
    case TRANSACT_DONE:
        if (x->decision.changed) {
            r->t->stat.messages++;
            turns_count(r->t, FIGURE_MESSAGES);
            turns_count_swept(x);
        }
        verdict(x, r);
        return;
    case TRANSACT_KNOWN:
        known(x, r);
        return;
    case TRANSACT_STRANGE:
        look_up(r);
        return;
    case TRANSACT_FULL:
        fail(r, ANSWER_FULL);
        return;
    case TRANSACT_DOWN:
        fail(r, ANSWER_UNAVAILABLE);
        return;
    }
}

static void arrive(struct arrival *r)
{
    struct transact *x = transact_new(r->t, r->m.conversation_id, EVENT_ARRIVE, decided, r);
    if (x == NULL) {
        loop_soon(r->t->o.loop, fail_later, r);
        return;
    }
    x->event.message = &r->m;
    x->event.token = r->token;
    x->event.as_job = r->as_job && !r->patient;
    x->save = r->as_job;
    x->event.fetched = r->fetched;
    x->event.answered_elsewhere = r->answered_elsewhere;
    x->event.hand_over = r->as_job || r->t->draining || store_is_spooling(r->t->o.store) ||
                         (r->t->o.turns_max > 0 && map_count(r->t->running) >= r->t->o.turns_max);
    x->only_known = r->old && !r->asked && r->t->o.archive != NULL;
    x->only_known_away = !r->asked && (r->t->o.archive != NULL || r->t->o.recent != NULL);
    x->want_lists = r->m.sender_type == SENDER_USER && !x->only_known && !x->event.hand_over; /* for the turn that it may begin here */
    x->fill = fill_arrival;
    transact_go(x);
}

/* ---- messages older than the dedupe marks ---- */

/* The store that is away has it, and answers it when it is back, or has done so. */
static void answer_waiting(struct arrival *r)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", SV("queued"));
    json_kstr(&o, "reason", SV(REASON_WAITING));
    json_kstr(&o, "message_id", r->m.message_id);
    json_kbool(&o, "replayed", true);
    result_backend(&o, r->t);
    json_obj_end(&o);
    r->t->stat.replayed++;
    turns_count(r->t, FIGURE_REPLAYED);
    client_answer(&r->client, buf_ok(&b) ? ANSWER_QUEUED : ANSWER_FULL, buf_sv(&b), RETRY_MS);
    buf_fini(&b);
    arrival_free(r);
}

static void answer_erased(struct arrival *r)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", SV("cancelled"));
    json_kstr(&o, "reason", sv_from(REASON_ERASED));
    json_kstr(&o, "message_id", r->m.message_id);
    json_kbool(&o, "replayed", true);
    json_obj_end(&o);
    r->t->stat.replayed++;
    turns_count(r->t, FIGURE_REPLAYED);
    client_answer(&r->client, buf_ok(&b) ? ANSWER_CANCELLED : ANSWER_FULL, buf_sv(&b), RETRY_MS);
    buf_fini(&b);
    arrival_free(r);
}

static void not_erased(struct arrival *r)
{
    const struct recent *recent = store_is_standing_in(r->t->o.store) ? r->t->o.recent : NULL;
    if (recent != NULL && recent_has(recent, r->m.conversation_id, r->m.message_id, clock_wall_ms() - RECENT_MS)) {
        answer_waiting(r);
        return;
    }
    r->asked = true;
    arrive(r);
}

static void erased_looked_up(void *arg, enum store_status status, int64_t at_ms)
{
    struct arrival *r = arg;
    if (status == STORE_DONE && at_ms != 0 && r->m.timestamp_ms <= at_ms)
        answer_erased(r);
    else if (status == STORE_DONE)
        not_erased(r);
    else
        fail(r, ANSWER_UNAVAILABLE);
}

/* Older than marks are, and of before an erasure: nobody knows any more whether it was here, so it was. */
static void not_archived(struct arrival *r)
{
    if (r->old)
        store_erased_at(r->t->o.store, r->m.conversation_id, erased_looked_up, r);
    else
        not_erased(r);
}

static void looked_up(void *arg, enum archive_status status, struct sv outcome)
{
    struct arrival *r = arg;
    if (status != ARCHIVE_DONE && r->old) { /* whether it was answered long ago cannot be known now: the sender keeps it */
        fail(r, ANSWER_UNAVAILABLE);
        return;
    }
    if (status != ARCHIVE_DONE || outcome.p == NULL) {
        not_archived(r);
        return;
    }
    json_t *j = json_read_in(r->a, outcome, false, NULL);
    if (sv_eq(json_sv(j, "status"), SV("received"))) { /* it was saved when it came, and nothing has become of it so far */
        if (store_is_standing_in(r->t->o.store))
            answer_waiting(r);
        else
            not_archived(r);
        return;
    }
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", json_sv(j, "status"));
    json_kstr(&o, "message_id", r->m.message_id);
    json_kbool(&o, "replayed", true);
    json_obj_end(&o);
    r->t->stat.replayed++;
    turns_count(r->t, FIGURE_REPLAYED);
    client_answer(&r->client, buf_ok(&b) ? ANSWER_COMPLETED : ANSWER_FULL, buf_sv(&b), RETRY_MS);
    buf_fini(&b);
    arrival_free(r);
}

static void look_up(struct arrival *r)
{
    if (r->t->o.archive == NULL) {
        not_archived(r);
        return;
    }
    archive_message(r->t->o.archive, r->m.conversation_id, r->m.message_id, looked_up, r);
}

/* ---- the door ---- */

static struct arrival *copy(struct turns *t, const struct message *m, const struct submit_options *o)
{
    struct arena *a = arena_new(1024, TURN_ARENA_CAP);
    struct arrival *r = a == NULL ? NULL : arena_alloc(a, sizeof(*r));
    if (r == NULL) {
        arena_free(a);
        return NULL;
    }
    *r = (struct arrival){ .t = t, .a = a };
    r->m = (struct message){ .conversation_id = arena_sv(a, m->conversation_id),
                             .message_id = arena_sv(a, m->message_id),
                             .content = arena_sv(a, m->content),
                             .sender_id = arena_sv(a, m->sender_id),
                             .sender_type = m->sender_type,
                             .timestamp_ms = m->timestamp_ms,
                             .metadata = m->metadata.p != NULL ? arena_sv(a, m->metadata) : SV_NONE,
                             .attachments = m->attachments.p != NULL ? arena_sv(a, m->attachments) : SV_NONE,
                             .bot_id = m->bot_id.n > 0 ? arena_sv(a, m->bot_id) : SV_NONE };
    r->client = (struct client){ .message_id = r->m.message_id,
                                 .respond_async = o->respond_async,
                                 .changed = o->changed,
                                 .wait_ms = o->wait_ms,
                                 .arrived_us = clock_mono_us(),
                                 .request_id = o->request_id.p != NULL ? arena_sv(a, o->request_id) : SV_NONE,
                                 .traceparent = o->traceparent.p != NULL ? arena_sv(a, o->traceparent) : SV_NONE };
    bool short_of_memory = r->m.conversation_id.p == NULL || r->m.message_id.p == NULL || r->m.content.p == NULL || r->m.sender_id.p == NULL ||
                           (m->metadata.p != NULL && r->m.metadata.p == NULL) || (m->attachments.p != NULL && r->m.attachments.p == NULL) ||
                           (m->bot_id.n > 0 && r->m.bot_id.p == NULL);
    if (short_of_memory) {
        arena_free(a);
        return NULL;
    }
    r->as_job = o->as_job;
    r->patient = o->patient;
    r->fetched = o->fetched;
    r->answered_elsewhere = o->answered_elsewhere;
    if (o->as_job) { /* another process works on it */
        r->m.request_id = r->client.request_id;
        r->m.traceparent = r->client.traceparent;
    }
    message_hash(&r->m, r->client.hash);
    id_token(r->token);
    return r;
}

static void refuse(void *arg)
{
    struct client *c = arg;
    client_answer(c, ANSWER_TOO_LARGE, SV_NONE, 0);
    free(c);
}

void turns_submit(struct turns *t, const struct message *m, const struct submit_options *o, turn_answer_fn *fn, void *arg)
{
    struct arrival *r = copy(t, m, o);
    if (r == NULL) {
        struct client *c = calloc(1, sizeof(*c));
        if (c == NULL)
            abort(); /* as loop_soon would */
        *c = (struct client){ .fn = fn, .arg = arg };
        loop_soon(t->o.loop, refuse, c);
        return;
    }
    r->client.fn = fn;
    r->client.arg = arg;
    r->old = m->timestamp_ms < turns_store_now(t) - OLD_MS;
    arrive(r);
}
