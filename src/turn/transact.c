/* SPDX-License-Identifier: MIT
 * Load, decide, apply, and again on a conflict. Knows how a decision becomes a change; not what a turn does with it. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/turn_parts.h"

#define TRIES_MAX 40
#define PAUSE_STEP_MS 2
#define BOT_PATIENCE_MS 250

static void enter(void *arg);
static void load(struct transact *x);

struct transact *transact_new(struct turns *t, struct sv id, enum event_kind kind, transact_done_fn *done, void *arg)
{
    struct transact *x = calloc(1, sizeof(*x));
    if (x == NULL)
        return NULL;
    x->scratch = turns_scratch(t);
    if (x->scratch == NULL) {
        free(x);
        return NULL;
    }
    x->t = t;
    x->id = id;
    x->pinned = t->base.policy;
    x->policy = &x->pinned;
    x->context_max = t->base.context_max;
    x->done = done;
    x->arg = arg;
    id_uuid7(x->fresh_id);
    x->event = (struct event){ .kind = kind, .fresh_id = x->fresh_id, .owner = alive_name(t->o.alive), .token = "" };
    t->transactions++;
    return x;
}

static void finish_outside(void *arg)
{
    struct transact *x = arg;
    struct turns *t = x->t;
    x->done(x);
    bot_release(x->bot);
    loop_timer_free(x->pause);
    loop_timer_free(x->patience);
    turns_scratch_back(t, x->scratch);
    free(x);
    t->transactions--;
    turns_look_drained(t);
}

static void finish(struct transact *x, enum transact_status status)
{
    x->status = status;
    lanes_leave(x->t->lanes, x->id);
    finish_outside(x);
}

void transact_go(struct transact *x)
{
    if (lanes_enter(x->t->lanes, x->id, &x->place, enter, x) != 0) {
        x->status = TRANSACT_FULL;
        loop_soon(x->t->o.loop, finish_outside, x);
    }
}

/* ---- the change of a decision ---- */

void transact_listings(struct store_change *c, const struct conversation *n, int64_t now_ms)
{
    c->activity_ms = n->activity_ms != 0 ? n->activity_ms : now_ms;
    if (n->phase == PHASE_THINKING || n->phase == PHASE_SENDING || n->phase == PHASE_WAITING) {
        c->in |= STORE_IN_ACTIVE;
        c->active_ms = n->began_ms;
    }
    if (n->pending_n > 0) {
        c->in |= STORE_IN_WAITING;
        c->waiting_ms = n->oldest_ms;
    }
    if (n->paused) {
        c->in |= STORE_IN_PAUSED;
        c->paused_ms = n->paused_until_ms != 0 ? n->paused_until_ms : TRANSACT_FOR_EVER_MS;
    }
}

/* The i-th of all messages that the event brings: history, older ones, the newest. */
static struct sv item_of(struct transact *x, size_t i, size_t n)
{
    const struct event *ev = &x->event;
    struct message m = i < ev->history_n ? x->history[i] : i + 1 < n ? x->older[i - ev->history_n] : *ev->message;
    struct buf b = { 0 };
    m.callback_job_id = sv_from(x->decision.turn_id);
    message_format(&b, &m, ev->now_ms, x->decision.next.seq - (n - 1) + i);
    struct sv item = buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return item;
}

static int fill_message(struct transact *x, struct store_change *c)
{
    const struct decision *d = &x->decision;
    if (!d->add_pending && !d->add_context)
        return 0;
    size_t history_n = x->event.history_n;
    size_t n = history_n + (x->event.together_n > 0 ? x->event.together_n : 1);
    struct sv *list = arena_array(x->scratch, n, sizeof(*list));
    for (size_t i = 0; list != NULL && i < n; i++) {
        list[i] = item_of(x, i, n);
        if (list[i].p == NULL)
            return -1;
    }
    if (list == NULL)
        return -1;
    c->context_add = list;
    c->context_add_n = d->add_pending ? history_n : n;
    if (d->add_pending) {
        c->pending_add = list[history_n];
        c->pending_more = &list[history_n + 1];
        c->pending_more_n = n - history_n - 1;
    }
    return 0;
}

/* Who waits for the outcome of a turn looks again. That its reply is being sent is no news: it is being worked on. */
static bool is_told(const struct transact *x)
{
    const struct conversation *a = &x->before, *b = &x->decision.next;
    bool sends = a->phase == PHASE_THINKING && b->phase == PHASE_SENDING;
    bool changes = (a->phase != b->phase && !sends) || strcmp(a->turn_id, b->turn_id) != 0 || strcmp(a->next_turn_id, b->next_turn_id) != 0;
    return x->event.kind != EVENT_ARRIVE && changes && (a->told || b->told || x->told);
}

/* Lines, see turns_event. SV_NONE: nobody needs to know. */
static struct sv event_text(const struct transact *x, const struct store_change *c)
{
    const struct decision *d = &x->decision;
    const char *due = d->wake ? "due\n" : "", *callback = c->callbacks_add_n > 0 ? "callback\n" : "";
    struct sv interrupted = d->interrupt ? x->id : SV_NONE, told = is_told(x) ? x->id : SV_NONE;
    if (*due == '\0' && *callback == '\0' && interrupted.p == NULL && told.p == NULL)
        return SV_NONE;
    struct sv text = arena_printf(x->scratch, "%s%s%s%.*s%s%s%.*s%s", due, callback, interrupted.p != NULL ? "interrupt " : "",
                                  SV_FMT(interrupted), interrupted.p != NULL ? "\n" : "", told.p != NULL ? "job " : "", SV_FMT(told),
                                  told.p != NULL ? "\n" : "");
    return text.p == NULL ? SV_NONE : (struct sv){ text.p, text.n - 1 };
}

/* After everything else: how long the context will be is known then. */
static int fill_record(struct transact *x, struct store_change *c)
{
    struct conversation *n = &x->decision.next;
    size_t more = (c->pending_drop_to_context ? c->pending_drop : 0) + c->context_add_n;
    if (more > 0) {
        size_t length = n->context_n + more;
        n->context_n = (uint32_t)(c->context_max > 0 && length > c->context_max ? c->context_max : length);
    }
    struct buf b = { 0 };
    conversation_format(&b, n);
    c->record = buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return c->record.p == NULL ? -1 : 0;
}

static int build(struct transact *x, struct store_change *c)
{
    const struct decision *d = &x->decision;
    *c = (struct store_change){
        .conversation_id = x->id,
        .expect_version = x->version,
        .need_token = d->need_lease ? sv_from(x->event.token) : SV_NONE,
        .lease = d->lease,
        .lease_token = d->lease == STORE_LEASE_TAKE ? sv_from(d->next.token) : SV_NONE,
        .lease_ttl_ms = d->lease_ttl_ms,
        .mark_ttl_ms = x->t->o.mark_ttl_ms,
        .job_ttl_ms = x->before.told || d->next.told || x->told ? job_ttl_ms(x->t) : x->t->o.answer_ttl_ms,
        .pending_drop = d->settled_n,
        .pending_drop_to_context = d->settled_to_context,
        .context_max = x->context_max,
        .due_ms = d->due_ms,
        .decided_ms = x->decided_ms != 0 ? x->decided_ms : x->event.now_ms,
        .finishing = x->event.kind != EVENT_ARRIVE,
    };
    transact_listings(c, &d->next, x->event.now_ms);
    x->outcome = (struct outcome){ 0 };
    if (fill_message(x, c) != 0)
        return -1;
    if (x->fill != NULL && x->fill(x, c) != 0)
        return -1;
    if (session_note(x, c) != 0 || history_note(x, c) != 0)
        return -1;
    c->event = event_text(x, c);
    return fill_record(x, c);
}

/* ---- apply ---- */

static void again(void *arg)
{
    load(arg);
}

static void conflict(struct transact *x)
{
    x->cached = false;
    if (++x->tries >= TRIES_MAX) {
        log_warning("a conversation stays contended", "conversation_id", x->id.p, NULL);
        finish(x, TRANSACT_DOWN);
        return;
    }
    if (x->pause == NULL)
        x->pause = loop_timer_new(x->t->o.loop, again, x);
    if (x->tries == 1 || x->pause == NULL)
        load(x);
    else
        loop_timer_set(x->pause, (int64_t)id_random_below(PAUSE_STEP_MS * (x->tries < 16 ? x->tries : 16)));
}

/* Clients were promised the next turn; when this decision leaves no such turn, its id leads to the one that took its messages. */
static void keep_alias(struct transact *x)
{
    const struct conversation *n = &x->decision.next;
    const char *promised = x->before.next_turn_id;
    if (promised[0] == '\0' || strcmp(promised, n->next_turn_id) == 0 || strcmp(promised, n->turn_id) == 0)
        return;
    if (x->decision.verdict == VERDICT_CANCELLED_NEXT) /* it has a record of its own */
        return;
    job_alias(x->t, promised, n->turn_id[0] != '\0' ? n->turn_id : x->before.turn_id);
}

static void known(struct transact *x)
{
    if (x->tries > 0 || x->tried)
        remember_found(x);
    finish(x, TRANSACT_KNOWN);
}

static void applied(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct transact *x = arg;
    switch (status) {
    case STORE_DONE:
        x->version = applied->version;
        x->t->clock_offset_ms = applied->now_ms - x->issued_mono_ms; /* by a moment before it: never behind the store */
        keep_alias(x);
        remember_arrival(x);
        finish(x, TRANSACT_DONE);
        return;
    case STORE_CONFLICT:
    case STORE_LEASE_LOST:
        conflict(x);
        return;
    case STORE_DUPLICATE:
        x->mark = arena_sv(x->scratch, applied->mark);
        finish(x, TRANSACT_KNOWN);
        return;
    case STORE_FULL:
        finish(x, TRANSACT_FULL);
        return;
    case STORE_DOWN:
        finish(x, TRANSACT_DOWN);
        return;
    }
}

static void apply(struct transact *x)
{
    struct store_change c;
    if (build(x, &c) != 0) {
        finish(x, TRANSACT_FULL);
        return;
    }
    x->issued_mono_ms = clock_mono_ms();
    store_apply(x->t->o.store, &c, applied, x);
}

static void got_job(void *arg, enum store_status status, struct sv value)
{
    struct transact *x = arg;
    if (status != STORE_DONE) {
        finish(x, TRANSACT_DOWN);
        return;
    }
    x->job = value.p == NULL ? SV_NONE : arena_sv(x->scratch, value);
    apply(x);
}

/* By the message, else the one that the conversation has had so far. */
static struct sv bot_named(const struct transact *x)
{
    struct sv id = x->event.kind == EVENT_ARRIVE ? x->event.message->bot_id : SV_NONE;
    return id.n > 0 ? id : sv_from(x->before.bot_id);
}

/* Not for a turn that runs: it keeps its own. */
static void choose_bot(struct transact *x)
{
    if (x->policy != &x->pinned)
        return;
    bot_release(x->bot);
    x->bot = turns_bot(x->t, bot_named(x));
    x->pinned = x->bot != NULL ? x->bot->policy : x->t->base.policy;
    x->pinned.lease_ttl_ms = x->t->base.policy.lease_ttl_ms;
    x->context_max = x->bot != NULL ? x->bot->context_max : x->t->base.context_max;
    x->pinned.silent = x->bot != NULL && !x->bot->enabled;
}

static void decide(struct transact *x)
{
    /* asked here, not before the load: that may be what finds out that the host has gone over to its spool */
    if (x->event.kind == EVENT_ARRIVE && store_is_spooling(x->t->o.store))
        x->event.hand_over = true;
    step(&x->before, &x->event, x->policy, &x->decision);
    if (!x->decision.changed) {
        finish(x, TRANSACT_DONE);
        return;
    }
    bool of_lost_owner = x->decision.verdict == VERDICT_UNKNOWN || x->decision.verdict == VERDICT_RESEND;
    if (!x->want_job || !of_lost_owner) {
        apply(x);
        return;
    }
    struct sv name = arena_printf(x->scratch, "job:%s", x->decision.turn_id);
    if (name.p == NULL)
        finish(x, TRANSACT_FULL);
    else
        store_get(x->t->o.store, name, got_job, x);
}

/* ---- load ---- */

static struct sv *copy_list(struct arena *a, const struct sv *from, size_t n)
{
    struct sv *to = arena_array(a, n + 1, sizeof(*to));
    for (size_t i = 0; to != NULL && i < n; i++) {
        to[i] = arena_sv(a, from[i]);
        if (to[i].p == NULL)
            return NULL;
    }
    return to;
}

/* What its pending list says is all that is left. */
static void start_anew(struct conversation *c, const struct store_view *v)
{
    *c = (struct conversation){ .created_ms = v->now_ms, .activity_ms = v->now_ms, .pending_n = (uint32_t)v->pending_n,
                                .total = (int64_t)v->pending_n };
    if (v->pending_n > 0) {
        c->phase = PHASE_QUEUED;
        c->oldest_ms = c->retry_at_ms = v->now_ms;
        id_uuid7(c->turn_id);
    }
}

static void look(struct transact *x);

static void bot_looked_for(void *arg)
{
    struct transact *x = arg;
    loop_timer_stop(x->patience);
    look(x);
}

static void bot_is_late(void *arg)
{
    struct transact *x = arg;
    bots_await_no_more(&x->awaits_bot);
    look(x);
}

/* A bot of this name may have been made a moment ago, in another process: until that is known, the default bot does not stand in for it. */
static bool awaits_bot(struct transact *x)
{
    bool begins = x->event.kind == EVENT_ARRIVE || x->event.kind == EVENT_BEGIN;
    if (!begins || x->bot_awaited || x->bot != NULL || x->policy != &x->pinned || bot_named(x).n == 0 || x->t->o.bots == NULL)
        return false;
    x->bot_awaited = true;
    x->patience = loop_timer_new(x->t->o.loop, bot_is_late, x);
    x->awaits_bot = (struct bots_waiter){ .fn = bot_looked_for, .arg = x };
    if (x->patience == NULL || !bots_await(x->t->o.bots, &x->awaits_bot))
        return false;
    loop_timer_set(x->patience, BOT_PATIENCE_MS);
    return true;
}

static void look(struct transact *x)
{
    choose_bot(x);
    if (awaits_bot(x))
        return;
    if (x->look != NULL && !x->look(x))
        known(x);
    else
        decide(x);
}

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct transact *x = arg;
    if (status != STORE_DONE) {
        finish(x, status == STORE_FULL ? TRANSACT_FULL : TRANSACT_DOWN);
        return;
    }
    struct err e;
    bool unreadable = conversation_parse(v->record, &x->before, &e) != 0;
    bool arrives_anew = v->version == 0 && x->event.kind == EVENT_ARRIVE && v->mark.p == NULL && !x->only_known;
    if ((unreadable || arrives_anew) && !x->want_lists) {
        x->want_lists = true;
        load(x);
        return;
    }
    if (unreadable) {
        log_error("a record cannot be read, the conversation starts anew", "conversation_id", x->id.p, "error", e.text, NULL);
        start_anew(&x->before, v);
    } else if (v->version == 0 && v->pending_n > 0) {
        log_error("messages without a record are found, the conversation starts anew", "conversation_id", x->id.p, NULL);
        start_anew(&x->before, v);
    }
    x->version = v->version;
    x->t->clock_offset_ms = v->now_ms - x->asked_mono_ms;
    x->event.now_ms = v->now_ms;
    x->event.lease_held = v->lease_token.n > 0 && sv_eq(v->lease_token, sv_from(x->before.token));
    x->event.lease_left_ms = x->event.lease_held ? v->lease_left_ms : 0;
    x->event.just_back = x->event.kind == EVENT_BEGIN && turns_is_just_back(x->t);
    x->event.owner_dead = x->event.kind != EVENT_ARRIVE && x->before.owner[0] != '\0' && alive_is_dead(x->t->o.alive, x->before.owner);
    if (x->want_lists) {
        x->pending = copy_list(x->scratch, v->pending, v->pending_n);
        x->context = copy_list(x->scratch, v->context, v->context_n);
        if (x->pending == NULL || x->context == NULL) {
            finish(x, TRANSACT_FULL);
            return;
        }
        x->pending_n = v->pending_n;
        x->context_n = v->context_n;
        x->loaded = true;
        x->before.context_n = (uint32_t)v->context_n;
    }
    if (v->mark.p != NULL && x->event.kind == EVENT_ARRIVE && x->look == NULL) {
        x->mark = arena_sv(x->scratch, v->mark);
        known(x);
        return;
    }
    bool other = (x->only_existing && v->version == 0 && v->pending_n == 0) || (x->only_this && v->version != x->this_version);
    /* asked here, as in decide(): the host may have gone over while the load was held */
    if (x->only_known || other || (x->only_known_away && store_is_standing_in(x->t->o.store)))
        finish(x, TRANSACT_STRANGE);
    else
        look(x);
}

static void load(struct transact *x)
{
    struct store_load what = {
        .conversation_id = x->id,
        .message_id = x->event.kind == EVENT_ARRIVE && x->look == NULL ? x->event.message->message_id : SV_NONE,
        .want_lists = x->want_lists,
    };
    x->asked_mono_ms = clock_mono_ms();
    store_load(x->t->o.store, &what, loaded, x);
}

static void enter(void *arg)
{
    struct transact *x = arg;
    if (!x->cached) {
        load(x);
        return;
    }
    x->asked_mono_ms = clock_mono_ms();
    x->event.now_ms = x->cached_ms != 0 ? x->cached_ms : turns_store_now(x->t); /* the latter may be ahead of a store that was slow to answer */
    x->event.lease_held = x->before.token[0] != '\0'; /* believed; need_token makes the store look */
    x->event.lease_left_ms = x->event.lease_held ? x->policy->lease_ttl_ms : 0;
    look(x);
}
