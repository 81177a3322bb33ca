/* SPDX-License-Identifier: MIT
 * How a turn's steps are recorded and how it ends: what the gate and the end write beside the record, what the waiting client hears. */
#include "config.h"

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "turn/reason.h"
#include "turn/running.h"

#define RETRY_MS 150
#define FINISH_TRIES_MAX 200
#define RETRY_SAID_MAX_MS 3600000

void turn_later(struct turn *turn, loop_fn *fn)
{
    loop_timer_free(turn->wait_timer);
    turn->wait_timer = loop_timer_new(turn->t->o.loop, fn, turn);
    if (turn->wait_timer == NULL)
        turn_lost(turn);
    else
        loop_timer_set(turn->wait_timer, RETRY_MS);
}

static void hand_back(struct turn *turn);

static void retry_finish(void *arg)
{
    struct turn *turn = arg;
    if (turn->closing == EVENT_AI_FAILED)
        turn_ai_failed(turn, turn->ai_failure, turn->failure);
    else if (turn->closing == EVENT_HAND_BACK)
        hand_back(turn);
    else
        turn_finish(turn, turn->sent);
}

/* ---- the platform's request, and the intent that holds it ---- */

static void put_message_ids(struct json_out *o, struct turn *turn)
{
    json_arr(o);
    for (size_t i = 0; i < turn->covered_n; i++)
        json_raw(o, json_raw_member(turn->covered[i], "message_id"));
    json_arr_end(o);
}

static int make_body(struct turn *turn)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "conversation_id", turn->id);
    json_kraw(&o, "ai_response", turn->reply.response);
    json_kraw(&o, "actions", turn->reply.actions);
    json_kms(&o, "timestamp", clock_wall_ms());
    json_kstr(&o, "distributed_lock_id", sv_from(turn->record.token));
    json_kint(&o, "fence", (int64_t)turn->record.fence);
    json_kstr(&o, "turn_id", sv_from(turn->record.turn_id));
    json_key(&o, "message_ids");
    put_message_ids(&o, turn);
    json_obj_end(&o);
    turn->body = buf_ok(&b) ? arena_sv(turn->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return turn->body.p == NULL ? -1 : 0;
}

/* Of the newest message that the turn covers; whoever asks for the job finds its outcome by it when another turn answers it. */
static struct sv newest_id(struct transact *x, const struct turn *turn)
{
    struct message_item m;
    struct err e;
    if (turn->client.message_id.n > 0)
        return turn->client.message_id;
    return turn->covered_n > 0 && message_look(turn->covered[turn->covered_n - 1], &m, &e) == 0 && m.message_id_json.p != NULL
               ? message_text(x->scratch, m.message_id_json)
               : SV_NONE;
}

static int fill_intent(struct transact *x, struct store_change *c)
{
    struct turn *turn = x->arg;
    if (turn->body.p == NULL && make_body(turn) != 0)
        return -1;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "job_id", sv_from(x->decision.turn_id));
    json_kstr(&o, "conversation_id", x->id);
    struct sv newest = newest_id(x, turn);
    if (newest.p != NULL)
        json_kstr(&o, "message_id", newest);
    json_kstr(&o, "status", SV("processing"));
    json_kms(&o, "created_at", x->decision.next.oldest_ms);
    json_kms(&o, "started_at", x->decision.next.began_ms);
    json_kint(&o, "attempts", (int64_t)x->decision.next.attempts + 1);
    json_kint(&o, "consolidated_messages", (int64_t)turn->covered_n);
    json_kraw(&o, "intent", turn->body);
    json_obj_end(&o);
    struct sv id = sv_from(x->decision.turn_id);
    c->job = (struct store_pair){ id, buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE };
    buf_fini(&b);
    return c->job.value.p == NULL ? -1 : 0;
}

static int fill_queued(struct transact *x, struct store_change *c)
{
    const struct conversation *n = &x->decision.next;
    struct sv id = arena_sv(x->scratch, sv_from(n->turn_id));
    c->job = (struct store_pair){ id, job_format(x->scratch, id, x->id, "queued", n, x->event.now_ms, n->pending_n, SV_NONE, NULL,
                                             newest_id(x, x->arg)) };
    c->job_ttl_ms = JOB_OPEN_TTL_MS;
    return c->job.value.p == NULL ? -1 : 0;
}

/* ---- how a turn may end, as it is shown and kept ---- */

static struct ending ending_of(const struct turn *turn, enum verdict v, const char *reason)
{
    struct ending end = { .status = "completed", .bot = turn_bot(turn), .covered = turn->covered, .covered_n = turn->covered_n,
                          .context_size = turn->context_size, .reply = turn->has_reply && !turn->withdrawn ? &turn->reply : NULL };
    end.took_ms = clock_mono_ms() - turn->began_mono_ms;
    end.recalled = turn->recalled;
    end.recalled_n = turn->recalled_n;
    end.recall_done = turn->recall_done;
    end.past = turn->past;
    end.no_past = turn->no_past;
    if (v == VERDICT_SILENCED || v == VERDICT_CANCELLED) {
        end.status = v == VERDICT_SILENCED ? "recorded" : "cancelled";
        end.reason = reason;
        end.send = end.action_status = "withheld";
    } else if (v == VERDICT_FAILED) {
        end.status = "failed";
        end.reason = reason;
        end.send = end.action_status = turn->has_reply ? "failed" : NULL;
    } else if (v == VERDICT_UNKNOWN) {
        end.reason = reason;
        end.send = end.action_status = "unknown";
    } else if (turn->withdrawn) {
        end.status = "recorded";
        end.reason = REASON_MESSAGE_REMOVED;
        end.send = "skipped";
        end.action_status = "withheld";
    } else if (turn->reply.actions_n == 0) {
        end.send = "skipped";
        end.action_status = "withheld";
        end.reason = REASON_NO_ACTIONS;
    } else if (turn->record.phase != PHASE_SENDING) { /* whoever asks for the job gets it, the platform does not */
        end.send = "skipped";
        end.action_status = "proposed";
        end.reason = REASON_NOT_DELIVERED;
    } else if (turn->impossible) {
        end.send = "skipped";
        end.action_status = "dropped";
        end.reason = REASON_NO_EXECUTABLE_ACTION;
    } else {
        bool ok = turn->sent == SENT_OK;
        end.send = ok ? "success" : "failed";
        end.action_status = ok ? "executed" : "failed";
        end.executed = ok ? turn->executed : 0;
        end.reason = ok ? NULL : REASON_PLATFORM_REFUSED;
    }
    return end;
}

int turn_fill_outcome(struct transact *x, struct store_change *c)
{
    struct turn *turn = x->arg;
    enum verdict v = x->decision.verdict;
    if (v == VERDICT_SEND)
        return fill_intent(x, c);
    if (v == VERDICT_RESTART)
        return fill_queued(x, c);
    if (v == VERDICT_RETRY)
        return turn->state == TURN_FINISHING && turn->body.p != NULL && x->decision.next.phase == PHASE_SENDING ? 0 : fill_queued(x, c);
    if (x->decision.settled_n == 0)
        return 0;
    struct ending end = ending_of(turn, v, x->decision.reason);
    return ending_fill(x, c, &end);
}

/* ---- what the client hears ---- */

static void answer_ending(struct turn *turn, enum verdict v, const char *reason, enum answer_status status)
{
    struct buf b = { 0 };
    struct ending end = ending_of(turn, v, reason);
    ending_result(&b, turn->t, turn->record.turn_id, &end, turn->client.message_id);
    client_answer(&turn->client, buf_ok(&b) ? status : ANSWER_UNAVAILABLE, buf_sv(&b), 1000);
    buf_fini(&b);
}

static void put_newer(struct json_out *o, struct transact *x, size_t covered_n)
{
    json_key(o, "newer_messages");
    json_arr(o);
    for (size_t i = covered_n; i < x->pending_n; i++) {
        struct message_item m;
        struct err e;
        if (message_look(x->pending[i], &m, &e) != 0)
            continue;
        json_obj(o);
        json_kraw(o, "message_id", m.message_id_json);
        json_kms(o, "timestamp", m.timestamp_ms);
        json_obj_end(o);
    }
    json_arr_end(o);
}

static void answer_restart(struct turn *turn, struct transact *x)
{
    const struct conversation *n = &x->decision.next;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", SV("restart_needed"));
    put_newer(&o, x, turn->covered_n);
    json_key(&o, "current_result");
    json_obj(&o);
    json_kraw(&o, "ai_response", turn->has_reply ? turn->reply.response : SV("null"));
    json_kraw(&o, "extracted_actions", turn->has_reply ? turn->reply.actions : SV("[]"));
    json_kraw(&o, "pancake_result", SV("{\"status\":\"withheld\",\"reason\":\"superseded\",\"actions_executed\":0}"));
    json_obj_end(&o);
    json_key(&o, "restart");
    json_obj(&o);
    json_kint(&o, "attempt", n->restarts);
    json_kint(&o, "max", x->policy->restart_max);
    json_kstr(&o, "job_id", sv_from(n->turn_id));
    json_obj_end(&o);
    json_kstr(&o, "message_id", turn->client.message_id);
    json_kstr(&o, "turn_id", sv_from(x->before.turn_id));
    result_backend(&o, turn->t);
    json_obj_end(&o);
    client_answer(&turn->client, buf_ok(&b) ? ANSWER_RESTART_NEEDED : ANSWER_UNAVAILABLE, buf_sv(&b), 1000);
    buf_fini(&b);
}

static void answer_queued(struct turn *turn, const char *reason)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "status", SV("queued"));
    json_kstr(&o, "reason", sv_from(reason != NULL ? reason : REASON_WAITING));
    json_kstr(&o, "message_id", turn->client.message_id);
    json_kstr(&o, "job_id", sv_from(turn->record.turn_id));
    json_kstr(&o, "turn_id", sv_from(turn->record.turn_id));
    json_key(&o, "status_url");
    json_str(&o, arena_printf(turn->a, "/api/v1/chat/jobs/%s", turn->record.turn_id));
    result_backend(&o, turn->t);
    json_obj_end(&o);
    client_answer(&turn->client, buf_ok(&b) ? ANSWER_QUEUED : ANSWER_UNAVAILABLE, buf_sv(&b), 1000);
    buf_fini(&b);
}

static void note(struct turn *turn, struct transact *x, enum figure figure, const char *status)
{
    struct ending end = ending_of(turn, x->decision.verdict, x->decision.reason);
    bool settled = x->decision.verdict != VERDICT_RESTART && x->decision.verdict != VERDICT_RETRY;
    turns_count(turn->t, figure);
    if (figure == FIGURE_FAILED)
        turns_count(turn->t, FIGURE_DEAD); /* its letter */
    turn_note_end(turn, status, settled ? end.reason : x->decision.reason, settled ? end.send : NULL, turn->record.restarts);
}

static void completed(struct turn *turn, struct transact *x)
{
    bool recorded = turn->withdrawn;
    *(recorded ? &turn->t->stat.recorded : &turn->t->stat.completed) += 1;
    note(turn, x, recorded ? FIGURE_RECORDED : FIGURE_COMPLETED, recorded ? "recorded" : "completed");
    answer_ending(turn, VERDICT_COMPLETED, x->decision.reason, recorded ? ANSWER_RECORDED : ANSWER_COMPLETED);
}

/* After a decision that ends the turn (or not: false). */
bool turn_ended(struct turn *turn, struct transact *x)
{
    struct turns_stat *stat = &turn->t->stat;
    const char *reason = x->decision.reason;
    switch (x->decision.verdict) {
    case VERDICT_COMPLETED:
        completed(turn, x);
        break;
    case VERDICT_UNKNOWN:
        stat->unknown++;
        note(turn, x, FIGURE_UNKNOWN, "unknown");
        log_error("it is not known whether a reply reached the platform", "request_id", turn->client.request_id.p, "conversation_id", turn->id.p, "turn_id", turn->record.turn_id, NULL);
        answer_ending(turn, VERDICT_UNKNOWN, reason, ANSWER_COMPLETED);
        break;
    case VERDICT_RESTART:
        stat->restarted++;
        note(turn, x, FIGURE_RESTARTED, "restart_needed");
        answer_restart(turn, x);
        break;
    case VERDICT_SILENCED:
        stat->recorded++;
        note(turn, x, FIGURE_RECORDED, "recorded");
        answer_ending(turn, VERDICT_SILENCED, reason, ANSWER_RECORDED);
        break;
    case VERDICT_RETRY:
        stat->queued++;
        note(turn, x, FIGURE_QUEUED, "queued");
        if (turn->handing_back)
            turn_answer_processing(turn, false);
        else
            answer_queued(turn, reason);
        break;
    case VERDICT_FAILED:
        stat->failed++;
        note(turn, x, FIGURE_FAILED, "failed");
        answer_ending(turn, VERDICT_FAILED, reason, ANSWER_FAILED);
        break;
    case VERDICT_LOST:
        turn_lost(turn);
        return true;
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
    case VERDICT_CANCELLED:
    case VERDICT_CANCELLED_NEXT:
    case VERDICT_NOTHING:
    case VERDICT_TOO_LATE:
        return false;
    }
    turn_end(turn);
    return true;
}

/* ---- the end ---- */

static void finished(struct transact *x)
{
    struct turn *turn = x->arg;
    turn->deciding = false;
    if (x->status != TRANSACT_DONE) {
        if (++turn->finish_tries < FINISH_TRIES_MAX)
            turn_later(turn, retry_finish);
        else
            turn_lost(turn);
        return;
    }
    if (turn->closing == EVENT_SENT && x->decision.verdict == VERDICT_LOST && turn_outlasts(turn, turn->sent))
        return;
    if (!turn_ended(turn, x))
        turn_lost(turn);
}

/* What the peer asked for, and a random time besides: many were told the same at the same moment. */
static int64_t retry_in_ms(const struct turn *turn)
{
    const struct policy *p = &turn->policy;
    int64_t said_ms = turn->retry_after_ms < RETRY_SAID_MAX_MS ? turn->retry_after_ms : RETRY_SAID_MAX_MS;
    uint32_t tries = turn->record.attempts + (turn->record.sends > 1 ? turn->record.sends - 1 : 0);
    return said_ms + backoff_ms(tries, p->retry_base_ms, p->retry_cap_ms);
}

static struct transact *closing(struct turn *turn, enum event_kind kind)
{
    struct transact *x = transact_new(turn->t, turn->id, kind, finished, turn);
    turn->closing = kind;
    if (turn->wait_timer != NULL)
        loop_timer_stop(turn->wait_timer); /* of a look at the gate that could not be had */
    if (x == NULL) {
        turn->finish_tries++;
        turn_later(turn, retry_finish);
        return NULL;
    }
    x->event.token = turn->record.token;
    x->event.fence = turn->record.fence;
    x->policy = &turn->policy;
    x->context_max = turn_bot(turn)->context_max;
    x->told = turn->told;
    x->event.jitter_ms = retry_in_ms(turn);
    x->event.not_asked = turn->not_asked;
    x->event.reason = turn->failure;
    x->cached = turn->finish_tries == 0 && turn->wait_timer == NULL;
    x->before = turn->record;
    x->version = turn->version;
    x->fill = turn_fill_outcome;
    turn->deciding = true;
    return x;
}

void turn_finish(struct turn *turn, enum sent sent)
{
    turn->state = TURN_FINISHING;
    turn->sent = sent;
    snprintf(turn->failure, sizeof(turn->failure), "%s", sent == SENT_TOO_LATE      ? REASON_SEND_TOO_LATE
                                                          : turn->not_asked          ? REASON_PLATFORM_CIRCUIT_OPEN
                                                                                     : REASON_PLATFORM_UNREACHABLE);
    struct transact *x = closing(turn, EVENT_SENT);
    if (x == NULL)
        return;
    x->event.sent = sent;
    x->event.settled = turn->settled;
    x->ai_answered = turn->ai_answered;
    x->ai_ms = turn->reply.ai_ms;
    x->event.turn_id = turn->record.turn_id;
    x->event.covered_n = (uint32_t)turn->covered_n;
    x->event.transferred = turn->reply.transfers;
    x->event.ended = turn->reply.ends;
    transact_go(x);
}

void turn_ai_failed(struct turn *turn, enum failure failure, const char *reason)
{
    if (reason != turn->failure)
        snprintf(turn->failure, sizeof(turn->failure), "%s", reason);
    turn->ai_failed = turn->deciding;
    turn->ai_failure = failure;
    if (turn->deciding)
        return;
    turn->state = TURN_FINISHING;
    struct transact *x = closing(turn, EVENT_AI_FAILED);
    if (x == NULL)
        return;
    x->event.failure = failure;
    x->ai_answered = turn->ai_answered; /* there was no place for its answer */
    x->ai_ms = turn->reply.ai_ms;
    transact_go(x);
}

static void hand_back(struct turn *turn)
{
    turn->state = TURN_FINISHING;
    struct transact *x = closing(turn, EVENT_HAND_BACK);
    if (x != NULL)
        transact_go(x);
}

void turn_hand_back(struct turn *turn)
{
    turn->handing_back = true;
    if (turn->deciding || (turn->state != TURN_WAITING && turn->state != TURN_CONTEXT && turn->state != TURN_THINKING && turn->state != TURN_PLACE))
        return;
    turn_drop_calls(turn);
    loop_timer_free(turn->wait_timer);
    turn->wait_timer = NULL;
    hand_back(turn);
}
