/* SPDX-License-Identifier: MIT
 * A turn from its lease to the AI's answer: quiet window, context, question, renewal. What follows is in turn_place.c and turn_send.c. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/reason.h"
#include "turn/running.h"

#define RENEW_RETRY_MS 250

/* ---- life ---- */

static void lease_tick(void *arg);
static void wait_tick(void *arg);

static struct sv *move_list(struct arena *a, const struct sv *from, size_t n, size_t more)
{
    struct sv *to = arena_array(a, n + more, sizeof(*to));
    for (size_t i = 0; to != NULL && i < n; i++) {
        to[i] = arena_sv(a, from[i]);
        if (to[i].p == NULL)
            return NULL;
    }
    return to;
}

static int take_lists(struct turn *turn, struct transact *x, const struct message *own)
{
    turn->covered = move_list(turn->a, x->pending, x->pending_n, 1);
    if (turn->covered == NULL)
        return -1;
    turn->covered_n = x->pending_n;
    if (own != NULL) {
        struct buf b = { 0 };
        message_format(&b, own, x->event.now_ms, x->decision.next.seq);
        turn->covered[turn->covered_n] = buf_ok(&b) ? arena_sv(turn->a, buf_sv(&b)) : SV_NONE;
        buf_fini(&b);
        if (turn->covered[turn->covered_n++].p == NULL)
            return -1;
    }
    turn->context_arena = arena_new(0, TURN_ARENA_CAP * 4);
    if (turn->context_arena == NULL)
        return -1;
    turn->context = move_list(turn->context_arena, x->context, x->context_n, 1);
    turn->context_n = x->context_n;
    return turn->context == NULL ? -1 : 0;
}

struct turn *turn_start(struct transact *x, const struct message *own)
{
    struct turns *t = x->t;
    struct arena *a = arena_new(2048, TURN_ARENA_CAP * 4);
    struct turn *turn = a == NULL ? NULL : arena_alloc(a, sizeof(*turn));
    if (turn == NULL) {
        arena_free(a);
        return NULL;
    }
    turn->t = t;
    turn->a = a;
    turn->id = arena_sv(a, x->id);
    turn->policy = *x->policy;
    turn->bot = x->bot; /* the transaction's hold goes over */
    x->bot = NULL;
    turn->began_aside = store_is_standing_in(t->o.store);
    turn->began_mono_ms = clock_mono_ms();
    turn->arrived_us = clock_mono_us();
    turn->lease_timer = loop_timer_new(t->o.loop, lease_tick, turn);
    turn_took(turn, x);
    if (turn->id.p == NULL || turn->lease_timer == NULL || take_lists(turn, x, own) != 0 ||
        map_put(t->running, turn->id, turn, NULL) != 0) {
        log_error("no memory to run a turn; its lease will run out", "conversation_id", x->id.p, NULL);
        loop_timer_free(turn->lease_timer);
        arena_free(turn->context_arena);
        bot_release(turn->bot);
        arena_free(a);
        return NULL;
    }
    turn_renew_soon(turn);
    return turn;
}

void turn_took(struct turn *turn, const struct transact *x)
{
    turn->record = x->decision.next;
    turn->version = x->version;
    if (x->decision.lease == STORE_LEASE_TAKE)
        turn->lease_until_mono_ms = x->issued_mono_ms + x->decision.lease_ttl_ms;
}

const struct bot *turn_bot(const struct turn *turn)
{
    return turn->bot != NULL ? turn->bot : &turn->t->base;
}

void turn_drop_calls(struct turn *turn)
{
    if (turn->ai_call != NULL)
        ai_abort(turn_bot(turn)->ai, turn->ai_call);
    if (turn->send_call != NULL)
        platform_abort(turn_bot(turn)->platform, turn->send_call);
    if (turn->place_call != NULL)
        platform_abort(turn_bot(turn)->platform, turn->place_call);
    if (turn->place_timer != NULL)
        loop_timer_stop(turn->place_timer);
    turn->ai_call = NULL;
    turn->send_call = turn->place_call = NULL;
}

void turn_end(struct turn *turn)
{
    struct turns *t = turn->t;
    turn_drop_calls(turn);
    if (map_find(t->running, turn->id) == turn)
        map_take(t->running, turn->id);
    loop_timer_free(turn->lease_timer);
    loop_timer_free(turn->client_timer);
    loop_timer_free(turn->wait_timer);
    loop_timer_free(turn->place_timer);
    bot_release(turn->bot);
    arena_free(turn->context_arena);
    arena_free(turn->a);
    turns_look_drained(t);
}

void turn_lost(struct turn *turn)
{
    turn->t->stat.lost++;
    log_warning("a turn lost its lease", "request_id", turn->client.request_id.p, "conversation_id", turn->id.p, "turn_id", turn->record.turn_id, NULL);
    turn_answer_processing(turn, true);
    turn_end(turn);
}

/* ---- the lease ---- */

void turn_renew_soon(struct turn *turn)
{
    loop_timer_set(turn->lease_timer, turn->policy.lease_ttl_ms / 3);
}

struct renewal {
    struct turns *t;
    struct sv id;
    char key[MESSAGE_ID_MAX + 1];
    char token[ID_TOKEN_SIZE];
    int64_t issued_mono_ms;
};

static void renewed(void *arg, enum store_status status)
{
    struct renewal *r = arg;
    struct turn *turn = map_find(r->t->running, r->id);
    bool same = turn != NULL && strcmp(turn->record.token, r->token) == 0;
    int64_t issued_mono_ms = r->issued_mono_ms;
    r->t->transactions--;
    turns_look_drained(r->t);
    free(r);
    if (!same)
        return;
    if (status == STORE_DONE) {
        turn->lease_until_mono_ms = issued_mono_ms + turn->policy.lease_ttl_ms;
        turn_renew_soon(turn);
        return;
    }
    if (status == STORE_LEASE_LOST || clock_mono_ms() >= turn->lease_until_mono_ms) {
        turn->authority_lost = true;
        if (!turn->deciding && (turn->state == TURN_WAITING || turn->state == TURN_CONTEXT || turn->state == TURN_THINKING || turn->state == TURN_PLACE))
            turn_lost(turn); /* gate and finish find out by themselves */
        return;
    }
    loop_timer_set(turn->lease_timer, RENEW_RETRY_MS);
}

static void lease_tick(void *arg)
{
    struct turn *turn = arg;
    struct renewal *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        loop_timer_set(turn->lease_timer, RENEW_RETRY_MS);
        return;
    }
    r->t = turn->t;
    memcpy(r->key, turn->id.p, turn->id.n);
    r->id = (struct sv){ r->key, turn->id.n };
    memcpy(r->token, turn->record.token, sizeof(r->token));
    r->issued_mono_ms = clock_mono_ms();
    turn->t->transactions++;
    store_renew(turn->t->o.store, turn->id, sv_from(turn->record.token), turn->policy.lease_ttl_ms, renewed, r);
}

/* ---- the quiet window ---- */

static void silenced(struct turn *turn)
{
    struct buf b = { 0 };
    struct ending end = { .status = "recorded", .bot = turn_bot(turn), .reason = REASON_BOT_PAUSED };
    ending_result(&b, turn->t, turn->record.turn_id, &end, turn->client.message_id);
    turns_count(turn->t, FIGURE_RECORDED);
    turn_note_end(turn, "recorded", REASON_BOT_PAUSED, NULL, turn->record.restarts);
    client_answer(&turn->client, ANSWER_RECORDED, buf_sv(&b), 0);
    buf_fini(&b);
    turn_end(turn);
}

static void waited(struct transact *x)
{
    struct turn *turn = x->arg;
    turn->deciding = false;
    (void)turn_came_back(turn);
    if (x->status != TRANSACT_DONE) {
        if (clock_mono_ms() >= turn->lease_until_mono_ms)
            turn_lost(turn);
        else
            loop_timer_set(turn->wait_timer, RENEW_RETRY_MS);
        return;
    }
    switch (x->decision.verdict) { /* NOLINT: everything else means that the window is another's */
    case VERDICT_WAIT:
        turn->record = x->decision.next;
        turn->version = x->version;
        turn_wait(turn);
        if (turn->handing_back)
            turn_hand_back(turn);
        else if (turn->hinted)
            turn_look(turn);
        return;
    case VERDICT_RUN:
        turn_took(turn, x);
        arena_free(turn->context_arena);
        turn->context_arena = NULL;
        if (take_lists(turn, x, NULL) != 0) {
            turn_lost(turn);
            return;
        }
        turn_think(turn);
        return;
    case VERDICT_SILENCED:
        silenced(turn);
        return;
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
    case VERDICT_RETRY:
    case VERDICT_FAILED:
    case VERDICT_CANCELLED:
    case VERDICT_CANCELLED_NEXT:
    case VERDICT_UNKNOWN:
    case VERDICT_LOST:
    case VERDICT_NOTHING:
    case VERDICT_TOO_LATE:
        turn_lost(turn);
        return;
    }
}

static int fill_silenced(struct transact *x, struct store_change *c)
{
    if (x->decision.verdict != VERDICT_SILENCED)
        return 0;
    struct ending end = { .status = "recorded", .bot = turn_bot(x->arg), .reason = REASON_BOT_PAUSED, .covered = x->pending,
                          .covered_n = x->pending_n };
    return ending_fill(x, c, &end);
}

static void wait_tick(void *arg)
{
    struct turn *turn = arg;
    struct transact *x = transact_new(turn->t, turn->id, EVENT_BEGIN, waited, turn);
    if (x == NULL) {
        loop_timer_set(turn->wait_timer, RENEW_RETRY_MS);
        return;
    }
    x->event.token = turn->record.token;
    x->event.fence = turn->record.fence;
    x->want_lists = true;
    x->fill = fill_silenced;
    x->policy = &turn->policy;
    x->context_max = turn_bot(turn)->context_max;
    x->told = turn->told;
    turn->deciding = true;
    turn->hinted = false;
    transact_go(x);
}

void turn_look(struct turn *turn)
{
    loop_timer_stop(turn->wait_timer);
    wait_tick(turn);
}

void turn_wait(struct turn *turn)
{
    turn->state = TURN_WAITING;
    turn_goes_out(turn);
    if (turn->wait_timer == NULL)
        turn->wait_timer = loop_timer_new(turn->t->o.loop, wait_tick, turn);
    if (turn->wait_timer == NULL)
        turn_lost(turn);
    else
        loop_timer_set(turn->wait_timer, turn->record.wait_until_ms - turns_store_now(turn->t));
}
