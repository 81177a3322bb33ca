/* SPDX-License-Identifier: MIT
 * The gate and the delivery. Nothing leaves without a written intent, nothing after the own deadline. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/step_parts.h"
#include "turn/running.h"

static void retry_gate(void *arg)
{
    struct turn *turn = arg;
    turn_gate(turn, !turn->placed);
}

/* ---- the gate ---- */

/* The gate was not passed, or nobody says so in time. The intent may have been written all the same: the record is not to keep it, since nothing was sent. */
static void never_sent(struct turn *turn)
{
    if (!turn->placed) {
        turn_lost(turn);
    } else if (!turn_outlasts(turn, SENT_TOO_LATE)) {
        turn->finish_tries = 1; /* it looks first */
        turn_finish(turn, SENT_TOO_LATE);
    }
}

static void gated(struct transact *x)
{
    struct turn *turn = x->arg;
    turn->deciding = false;
    if (x->status != TRANSACT_DONE) {
        if (clock_mono_ms() < turn->lease_until_mono_ms)
            turn_later(turn, retry_gate);
        else
            never_sent(turn);
        return;
    }
    if (x->decision.verdict == VERDICT_NOTHING) { /* an interruption that was none */
        turn->state = TURN_THINKING;
        if (turn->handing_back)
            turn_hand_back(turn);
        else if (turn->ai_failed)
            turn_ai_failed(turn, turn->ai_failure, turn->failure);
        else if (turn->has_reply)
            turn_place(turn);
        else if (turn->hinted)
            turn_gate(turn, true);
        return;
    }
    turn_drop_calls(turn);
    if (x->decision.verdict == VERDICT_SEND) {
        turn_took(turn, x);
        if (x->decision.changed) /* else it was passed by an earlier try: the time of the first one counts */
            turn->send_before_mono_ms = x->asked_mono_ms + step_send_start_ms(x->policy);
        turn_send(turn);
        return;
    }
    if (x->decision.verdict == VERDICT_LOST)
        never_sent(turn);
    else
        turn_ended(turn, x);
}

void turn_gate(struct turn *turn, bool interrupted)
{
    turn->state = TURN_GATE;
    if (turn->wait_timer != NULL)
        loop_timer_stop(turn->wait_timer); /* of a try before this one */
    struct transact *x = transact_new(turn->t, turn->id, EVENT_ANSWERED, gated, turn);
    if (x == NULL) {
        turn_later(turn, retry_gate);
        return;
    }
    x->event.token = turn->record.token;
    x->event.fence = turn->record.fence;
    x->policy = &turn->policy;
    x->context_max = turn_bot(turn)->context_max;
    x->told = turn->told;
    x->event.has_actions = turn->reply.actions_n > 0 && turn_bot(turn)->deliver;
    x->event.interrupted = interrupted;
    x->event.until_ms = turn->silent_until_ms;
    x->ai_answered = turn->ai_answered;
    x->ai_ms = turn->reply.ai_ms;
    x->cached = !interrupted && turn->wait_timer == NULL;
    x->before = turn->record;
    x->version = turn->version;
    x->want_lists = true; /* only a conflict loads: then something is newer, and the client is told what */
    x->fill = turn_fill_outcome;
    if (turn->send_before_mono_ms == 0 && !interrupted)
        turn->send_before_mono_ms = clock_mono_ms() + step_send_start_ms(x->policy);
    turn->deciding = true;
    turn->hinted = false;
    transact_go(x);
}

/* ---- the delivery ---- */

/* In figures and log. What nobody was asked for is no send. */
static void tell_delivery(const struct turn *turn, const struct platform_answer *answer, int64_t out_us)
{
    bool asked = !answer->circuit_open && !answer->impossible;
    if (asked) {
        turns_time(turn->t, FIGURE_SEND_TIME, out_us);
        turns_count(turn->t, FIGURE_SENDS);
        if (answer->outcome != PLATFORM_SENT)
            turns_count(turn->t, FIGURE_SEND_FAILURES);
    }
    if (answer->outcome != PLATFORM_SENT && !answer->circuit_open)
        log_warning(asked ? "the platform did not take a reply" : "a reply has no action that its platform can do", "request_id", turn->client.request_id.p, "conversation_id", turn->id.p, "turn_id",
                    turn->record.turn_id, "error", answer->err.text, NULL);
}

static void delivered(void *arg, const struct platform_answer *answer)
{
    static const enum sent sents[] = {
        [PLATFORM_SENT] = SENT_OK,           [PLATFORM_FAILED] = SENT_FAILED,   [PLATFORM_UNREACHABLE] = SENT_UNREACHABLE,
        [PLATFORM_TOO_LATE] = SENT_TOO_LATE, [PLATFORM_UNKNOWN] = SENT_UNKNOWN,
        [PLATFORM_PART] = SENT_PART,
    };
    struct turn *turn = arg;
    turn->send_call = NULL;
    int64_t out_us = turn_came_back(turn);
    turn->settled = answer->settled;
    turn->not_asked = answer->circuit_open; /* which was logged when it opened */
    turn->impossible = answer->impossible;
    turn->retry_after_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : 0;
    turn->executed = answer->actions_executed;
    tell_delivery(turn, answer, out_us);
    turn_finish(turn, sents[answer->outcome]);
}

/* The customer's newest message that is answered, as the question to the AI has it. The platform knows an edit by the message that it is one of. */
static void name_newest(struct turn *turn, struct platform_request *r)
{
    struct message_item newest = { 0 };
    const bool *left = turn_left(turn);
    for (size_t i = 0; i < turn->covered_n; i++) {
        struct message_item m;
        struct err e;
        if ((left == NULL || left[i]) && message_look(turn->covered[i], &m, &e) == 0 && sv_eq(m.role, SV("user")) && m.message_id_json.p != NULL && m.timestamp_ms >= newest.timestamp_ms)
            newest = m;
    }
    if (newest.raw.p == NULL)
        return;
    r->metadata = json_raw_member(newest.raw, "metadata");
    r->message_id = message_text(turn->a, json_raw_member(r->metadata, "edits"));
    if (r->message_id.p == NULL)
        r->message_id = message_text(turn->a, newest.message_id_json);
}

void turn_request(struct turn *turn, struct platform_request *out)
{
    *out = (struct platform_request){
        .idempotency_key = sv_from(turn->record.turn_id),
        .conversation_id = turn->id,
        .request_id = turn->client.request_id,
        .actions = turn->reply.actions,
        .actions_n = turn->reply.actions_n,
        .again = turn->again || turn->record.sends > 1,
        .timeout_ms = turn->policy.send_timeout_ms,
    };
    out->look_only = out->again && step_is_paused(&turn->record, turns_store_now(turn->t));
    name_newest(turn, out);
}

void turn_send(struct turn *turn)
{
    turn->state = TURN_SENDING;
    int64_t before = turn->send_before_mono_ms < turn->lease_until_mono_ms ? turn->send_before_mono_ms : turn->lease_until_mono_ms;
    if (turn->authority_lost || turn_bot(turn)->platform == NULL || clock_mono_ms() >= before) {
        turn_finish(turn, SENT_TOO_LATE);
        return;
    }
    struct platform_request r;
    turn_request(turn, &r);
    r.body = turn->body;
    r.send_before_ms = before;
    turn_goes_out(turn);
    turn->send_call = platform_send(turn_bot(turn)->platform, &r, delivered, turn);
    if (turn->send_call == NULL)
        turn_finish(turn, SENT_TOO_LATE); /* memory is short: nothing left */
}

/* ---- a lost owner's send, again under its key ---- */

void turn_resend(struct turn *turn, struct sv job, int64_t asked_mono_ms)
{
    json_t *j = json_read_in(turn->a, job, false, NULL);
    json_t *intent = json_object_get(j, "intent");
    json_t *response = json_object_get(intent, "ai_response");
    struct err e;
    turn->covered_n = turn->record.covered_n < turn->covered_n ? turn->record.covered_n : turn->covered_n;
    bool known = json_is_object(intent) && actions_extract(turn->a, response, json_object_get(intent, "actions"), &turn->reply, &e) == 0;
    struct buf b = { 0 };
    if (known)
        json_dump_to(&b, intent);
    turn->body = known && buf_ok(&b) ? arena_sv(turn->a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    if (turn->body.p == NULL) {
        log_error("a send cannot be repeated: its intent is gone", "conversation_id", turn->id.p, NULL);
        turn_finish(turn, SENT_UNKNOWN);
        return;
    }
    turn->has_reply = turn->again = true;
    turn->send_before_mono_ms = asked_mono_ms + step_send_start_ms(&turn->policy);
    turn_send(turn);
}
