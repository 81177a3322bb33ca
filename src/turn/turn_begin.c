/* SPDX-License-Identifier: MIT
 * The daemon's way into a conversation that is due: a turn for what waits, the end of what a lost process left behind. */
#include "config.h"

#include <stdlib.h>

#include "lib/log.h"
#include "turn/running.h"

struct visit {
    struct turns *t;
    char key[MESSAGE_ID_MAX + 1];
    struct sv id;
    char token[ID_TOKEN_SIZE];
    turns_fn *fn;
    void *arg;
};

/* The intent of a lost owner's send, as it is to be kept. */
static void reply_of_intent(struct transact *x, struct reply *reply)
{
    struct err e;
    json_t *j = x->job.p == NULL ? NULL : json_read_in(x->scratch, x->job, false, NULL);
    json_t *intent = json_object_get(j, "intent");
    json_t *response = json_object_get(intent, "ai_response");
    if (!json_is_object(response) || actions_extract(x->scratch, response, json_object_get(intent, "actions"), reply, &e) != 0)
        *reply = (struct reply){ 0 };
}

int turn_fill_visit(struct transact *x, struct store_change *c)
{
    enum verdict v = x->decision.verdict;
    if (x->decision.settled_n == 0)
        return 0;
    struct reply reply = { 0 };
    struct ending end = { .status = "recorded", .bot = x->bot != NULL ? x->bot : &x->t->base, .reason = x->decision.reason, .covered = x->pending };
    end.covered_n = x->decision.settled_n < x->pending_n ? x->decision.settled_n : x->pending_n;
    if (v == VERDICT_UNKNOWN) {
        reply_of_intent(x, &reply);
        end.status = "completed";
        end.send = end.action_status = "unknown";
        end.reply = reply.response.p != NULL ? &reply : NULL;
    } else if (v == VERDICT_FAILED) {
        end.status = "failed";
    } else if (v == VERDICT_CANCELLED) {
        end.status = "cancelled";
    }
    return ending_fill(x, c, &end);
}

static void count(struct transact *x)
{
    struct turns_stat *stat = &x->t->stat;
    turns_count_swept(x);
    if (x->decision.verdict == VERDICT_UNKNOWN) {
        stat->unknown++;
        turns_count(x->t, FIGURE_UNKNOWN);
        turns_note_end(x, "unknown");
        log_error("it is not known whether a lost process's reply reached the platform", "conversation_id", x->id.p, "turn_id",
                  x->decision.turn_id, NULL);
    } else if (x->decision.verdict == VERDICT_FAILED) {
        stat->failed++;
        turns_count(x->t, FIGURE_FAILED);
        turns_count(x->t, FIGURE_DEAD); /* its letter */
        turns_note_end(x, "failed");
        log_error("a turn is given up", "conversation_id", x->id.p, "turn_id", x->decision.turn_id, "reason", x->decision.reason, NULL);
    } else if (x->decision.verdict == VERDICT_SILENCED) {
        stat->recorded++;
        turns_count(x->t, FIGURE_RECORDED);
        turns_note_end(x, "recorded");
    }
}

static void nothing(void *arg)
{
    struct visit *v = arg;
    turns_fn *fn = v->fn;
    void *fn_arg = v->arg;
    free(v);
    fn(fn_arg);
}

static void unlisted(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct visit *v = arg;
    struct turns *t = v->t;
    (void)status; /* not done: the listings say so again */
    (void)applied;
    nothing(v);
    t->transactions--;
    turns_look_drained(t);
}

/* Its record is lost: what is listed would be visited for ever. */
static void unlist(struct visit *v)
{
    const struct store_change change = { .conversation_id = v->id, .forget = true };
    v->t->transactions++;
    store_apply(v->t->o.store, &change, unlisted, v);
}

static void visited(struct transact *x)
{
    struct visit *v = x->arg;
    turns_fn *fn = v->fn;
    void *arg = v->arg;
    if (x->status == TRANSACT_STRANGE) {
        unlist(v);
        return;
    }
    bool runs = x->status == TRANSACT_DONE && (x->decision.verdict == VERDICT_RUN || x->decision.verdict == VERDICT_RESEND);
    if (x->status == TRANSACT_DONE)
        count(x);
    struct turn *turn = runs ? turn_start(x, NULL) : NULL;
    if (turn != NULL && x->decision.verdict == VERDICT_RESEND)
        turn_resend(turn, x->job, x->asked_mono_ms);
    else if (turn != NULL)
        turn_think(turn);
    free(v);
    fn(arg);
}

void turns_begin(struct turns *t, struct sv conversation_id, turns_fn *fn, void *arg)
{
    struct visit *v = calloc(1, sizeof(*v));
    if (v == NULL) {
        loop_soon(t->o.loop, fn, arg);
        return;
    }
    *v = (struct visit){ .t = t, .fn = fn, .arg = arg };
    size_t n = conversation_id.n < MESSAGE_ID_MAX ? conversation_id.n : MESSAGE_ID_MAX;
    memcpy(v->key, conversation_id.p, n);
    v->id = (struct sv){ v->key, n };
    id_token(v->token);
    bool busy = t->draining || store_is_spooling(t->o.store) || map_find(t->running, v->id) != NULL;
    struct transact *x = busy ? NULL : transact_new(t, v->id, EVENT_BEGIN, visited, v);
    if (x == NULL) {
        loop_soon(t->o.loop, nothing, v);
        return;
    }
    x->event.token = v->token;
    x->want_lists = x->want_job = x->only_existing = true;
    x->fill = turn_fill_visit;
    transact_go(x);
}
