/* SPDX-License-Identifier: MIT
 * What a process does about one conversation, in the order of turn/turn.h, one atomic step at a time: between any two of them the process
 * may be stopped, be killed or be late. A decision is two steps (load, apply); the first try of a running turn goes by what it
 * applied last, as the real runner does. */
#include "config.h"

#include <stdio.h>

#include "t/turn/sim.h"

#define DOWN_RETRY_MS 150
#define TRIES_MAX 200

/* ---- names ---- */

uint32_t sim_turn_number(const char *id)
{
    uint32_t n = 0;
    for (const char *p = id + 1; id[0] != '\0' && *p != '\0'; p++)
        n = n * 16 + (uint32_t)(*p <= '9' ? *p - '0' : *p - 'a' + 10);
    return n;
}

static void hex(char *to, char first, uint64_t n, int digits)
{
    static const char d[] = "0123456789abcdef";
    *to++ = first;
    for (int i = digits - 1; i >= 0; i--)
        *to++ = d[(n >> (4 * i)) & 15];
    *to = '\0';
}

static void fresh_turn(struct sim *w, struct sim_task *t)
{
    if (w->turns_n == w->turns_max) {
        sim_fail(w, "the simulation is out of turns");
        return;
    }
    w->turns[w->turns_n] = (struct sim_turn){ .conversation = (uint8_t)t->conversation, .joined = SIM_NONE };
    hex(t->fresh, 't', w->turns_n++, 8);
}

/* ---- tasks ---- */

static int64_t soon(struct sim *w)
{
    return w->now_ms + (w->latency_ms > 0 ? sim_below(w, (uint32_t)w->latency_ms) : 0);
}

static void decide_later(struct sim *w, struct sim_task *t, enum event_kind kind, bool cached)
{
    t->kind = kind;
    t->cached = cached;
    t->waits = false;
    t->state = TASK_LOAD;
    t->ready_ms = soon(w);
    t->tries = 0;
    fresh_turn(w, t);
}

struct sim_task *sim_task_new(struct sim *w, uint32_t process, uint32_t conversation, enum event_kind kind)
{
    for (size_t i = 0; i < SIM_TASKS; i++) {
        struct sim_task *t = &w->tasks[i];
        if (t->state != TASK_FREE)
            continue;
        *t = (struct sim_task){ .process = process, .conversation = conversation };
        hex(t->token, 'k', ++w->tokens, 16);
        decide_later(w, t, kind, false);
        return t;
    }
    return NULL;
}

struct sim_task *sim_arrive(struct sim *w, uint32_t process, uint32_t conversation, uint32_t message, enum sender_type sender)
{
    struct sim_conversation *c = &w->conversations[conversation];
    if (message == SIM_NONE && c->messages_n == SIM_MESSAGES)
        return NULL;
    struct sim_task *t = sim_task_new(w, process, conversation, EVENT_ARRIVE);
    if (t == NULL)
        return NULL;
    if (message == SIM_NONE) {
        message = c->messages_n++;
        struct sim_message *m = &c->messages[message];
        *m = (struct sim_message){ .sender = sender, .promised = SIM_NONE, .ended_in = SIM_NONE, .letter = SIM_NONE };
        m->timestamp_ms = w->now_ms + w->processes[process].wall_skew_ms;
        hex(m->id, 'm', message, 6);
    }
    const struct sim_message *m = &c->messages[message];
    t->message_n = message;
    t->group = 1;
    t->message = (struct message){ .conversation_id = SV("c"), .message_id = sv_from(m->id), .content = SV("text"), .sender_id = SV("u1"),
                                   .sender_type = m->sender, .timestamp_ms = m->timestamp_ms };
    return t;
}

void sim_arrive_together(struct sim *w, struct sim_task *t, uint32_t n)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    bool is_new = t->message_n + 1 == c->messages_n && c->messages[t->message_n].fate == FATE_NONE && c->messages[t->message_n].sender == SENDER_USER;
    if (!is_new || c->messages_n + n > SIM_MESSAGES)
        return;
    for (; t->group < n; t->group++) {
        struct sim_message *m = &c->messages[c->messages_n];
        *m = c->messages[t->message_n];
        hex(m->id, 'm', c->messages_n, 6);
        t->message_n = c->messages_n++;
    }
    t->message.message_id = sv_from(c->messages[t->message_n].id);
}

int64_t sim_task_ready_ms(const struct sim *w, const struct sim_task *t)
{
    bool renews = t->owns && !t->authority_lost && t->state >= TASK_WAIT;
    bool drains = w->processes[t->process].draining && (t->state == TASK_WAIT || t->state == TASK_THINK);
    if (t->interrupt || drains)
        return w->now_ms;
    return renews && t->renew_ms < t->ready_ms ? t->renew_ms : t->ready_ms;
}

static void end(struct sim_task *t)
{
    t->state = TASK_FREE;
    t->owns = false;
}

/* ---- a decision has been made and applied, or changes nothing ---- */

static void took_lease(struct sim *w, struct sim_task *t)
{
    const struct decision *d = &t->decision;
    t->record = d->next;
    t->record_version = t->version;
    if (d->lease != STORE_LEASE_TAKE)
        return;
    t->owns = true;
    t->revoked = t->authority_lost = false;
    t->fence = d->next.fence;
    t->lease_until_ms = w->now_ms + d->lease_ttl_ms;
    t->renew_ms = w->now_ms + d->lease_ttl_ms / 3;
}

static void think(struct sim *w, struct sim_task *t)
{
    const struct sim_conversation *c = &w->conversations[t->conversation];
    static const enum failure failures[] = { FAILURE_UNREACHABLE, FAILURE_REFUSED, FAILURE_INVALID };
    t->turn = sim_turn_number(t->decision.next.turn_id);
    t->from = c->head;
    t->upto = c->head + t->decision.next.covered_n;
    t->ai_fails = !w->healing && sim_below(w, 100) < w->faults.ai;
    t->failure = failures[sim_below(w, 3)];
    t->has_actions = sim_chance(w, 9000);
    t->state = TASK_THINK;
    int64_t long_ms = w->think_ms < 2 * c->policy.lease_ttl_ms ? w->think_ms : 2 * c->policy.lease_ttl_ms;
    t->think_until_ms = t->ready_ms = w->now_ms + 1 + sim_below(w, (uint32_t)(w->healing && long_ms > 1000 ? 1000 : long_ms));
    t->send_before_ms = 0;
}

static void send_soon(struct sim *w, struct sim_task *t)
{
    const struct sim_conversation *c = &w->conversations[t->conversation];
    if (t->decision.changed)
        t->send_before_ms = t->base_ms + step_send_start_ms(&c->policy);
    t->state = TASK_SEND;
    t->ready_ms = soon(w);
}

static void send_again(struct sim *w, struct sim_task *t)
{
    t->turn = sim_turn_number(t->decision.next.turn_id);
    t->from = w->turns[t->turn].from;
    t->upto = w->turns[t->turn].upto;
    send_soon(w, t);
}

static void tell_owners(struct sim *w, const struct sim_task *from)
{
    for (size_t i = 0; i < SIM_TASKS; i++) {
        struct sim_task *t = &w->tasks[i];
        if ((t->state == TASK_THINK || t->state == TASK_WAIT) && t->conversation == from->conversation && !sim_chance(w, 1000)) /* a hint may get lost */
            t->interrupt = true;
    }
}

static void done(struct sim *w, struct sim_task *t)
{
    const struct decision *d = &t->decision;
    w->counts->verdicts[d->verdict]++;
    w->counts->silenced_by_bot += d->reason != NULL && strcmp(d->reason, "bot_disabled") == 0;
    t->told = true;
    if (d->interrupt)
        tell_owners(w, t);
    switch (d->verdict) {
    case VERDICT_RUN:
        took_lease(w, t);
        think(w, t);
        return;
    case VERDICT_WAIT:
        took_lease(w, t);
        t->state = TASK_WAIT;
        t->ready_ms = d->next.wait_until_ms;
        return;
    case VERDICT_SEND:
        took_lease(w, t);
        send_soon(w, t);
        return;
    case VERDICT_RESEND:
        took_lease(w, t);
        send_again(w, t);
        return;
    case VERDICT_NOTHING:
        if (t->kind == EVENT_ANSWERED) {
            t->state = TASK_THINK;
            t->ready_ms = t->think_until_ms;
            return;
        }
        if (t->kind == EVENT_BEGIN && !t->waits && (!d->changed || (d->due_ms != 0 && d->due_ms <= t->event.now_ms)))
            sim_fail(w, "a daemon's visit leaves the conversation due");
        break;
    case VERDICT_LOCKED: case VERDICT_DEFERRED: case VERDICT_QUEUED: case VERDICT_RECORDED: case VERDICT_REJECTED: case VERDICT_FULL:
    case VERDICT_COMPLETED: case VERDICT_RESTART: case VERDICT_SILENCED: case VERDICT_RETRY: case VERDICT_FAILED:
    case VERDICT_CANCELLED: case VERDICT_CANCELLED_NEXT: case VERDICT_UNKNOWN: case VERDICT_LOST: case VERDICT_TOO_LATE:
        break;
    }
    end(t);
}

/* ---- a decision ---- */

/* No answer from the store: an arrival and a visit are given up or tried again, an owner goes on while it may. */
static void down(struct sim *w, struct sim_task *t)
{
    w->counts->downs++;
    t->cached = false;
    t->state = TASK_LOAD;
    t->ready_ms = w->now_ms + 1 + sim_below(w, DOWN_RETRY_MS);
    bool stays = false;
    switch (t->kind) {
    case EVENT_ANSWERED:
        stays = w->now_ms < t->lease_until_ms;
        break;
    case EVENT_SENT:
        stays = ++t->tries < TRIES_MAX && !sim_chance(w, 100);
        break;
    case EVENT_BEGIN:
        stays = t->waits || sim_chance(w, 5000);
        break;
    case EVENT_ARRIVE: case EVENT_AI_FAILED: case EVENT_CANCEL: case EVENT_PAUSE: case EVENT_RESUME: case EVENT_HAND_BACK:
    case EVENT_REVIVE: case EVENT_SESSION: case EVENT_SYNC:
        stays = sim_chance(w, 5000);
        break;
    }
    sim_log(w, t, sim_event_name(t->kind), stays ? "down" : "gives up", 0);
    if (!stays)
        end(t);
}

static void decide(struct sim *w, struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    struct policy p = c->policy;
    struct event *ev = &t->event;
    ev->kind = t->kind;
    bool admin = t->kind == EVENT_CANCEL || t->kind == EVENT_PAUSE || t->kind == EVENT_RESUME || t->kind == EVENT_REVIVE ||
                 t->kind == EVENT_SESSION || t->kind == EVENT_SYNC;
    ev->token = admin ? "" : t->token;
    ev->fence = t->fence;
    ev->owner = w->processes[t->process].name;
    ev->fresh_id = t->fresh;
    if (t->kind == EVENT_SYNC)
        t->message = (struct message){ .message_id = SV("elsewhere"), .sender_id = SV("u1"), .sender_type = SENDER_USER,
                                       .timestamp_ms = w->now_ms + w->processes[t->process].wall_skew_ms };
    ev->message = t->kind == EVENT_ARRIVE || t->kind == EVENT_SYNC ? &t->message : NULL;
    ev->synced_n = t->kind == EVENT_SYNC ? 1 + sim_below(w, 3) : 0;
    ev->hand_over = t->hand_over || t->as_job;
    ev->as_job = t->as_job;
    ev->fetched = t->fetched;
    ev->answered_elsewhere = t->answered;
    ev->has_actions = t->has_actions;
    ev->interrupted = t->interrupted;
    ev->failure = t->failure;
    ev->not_asked = t->kind == EVENT_AI_FAILED && t->failure == FAILURE_UNREACHABLE && sim_chance(w, 3000);
    ev->sent = t->sent;
    ev->settled = t->settled;
    ev->reason = "unreachable";
    ev->transferred = t->kind == EVENT_SENT && sim_chance(w, w->mood == MOOD_CALM ? 0 : 500);
    ev->ended = t->kind == EVENT_SENT && sim_chance(w, 500);
    ev->status = t->kind == EVENT_SESSION ? (enum session_status)sim_below(w, SESSION_ARCHIVED + 1) : SESSION_KEEP;
    ev->reply = t->kind == EVENT_SESSION ? (enum session_reply)sim_below(w, SESSION_REPLY_OFF + 1) : SESSION_REPLY_KEEP;
    ev->until_ms = (t->kind == EVENT_PAUSE || t->kind == EVENT_SESSION) && sim_chance(w, 7000) ? ev->now_ms + sim_below(w, 60000) : 0;
    ev->target = t->target[0] != '\0' ? t->target : NULL;
    ev->jitter_ms = p.retry_base_ms + sim_below(w, (uint32_t)(p.retry_cap_ms - p.retry_base_ms));
    sim_mutant_before(w, t, &p);
    step(&t->before, ev, &p, &t->decision);
    sim_mutant_after(w, t);
    w->counts->cancels_repeated += t->target[0] != '\0';
    if (t->kind == EVENT_CANCEL && t->target[0] == '\0')
        step_copy(t->target, sizeof(t->target), t->before.turn_id);
}

static void load(struct sim *w, struct sim_task *t)
{
    t->base_ms = w->now_ms;
    if (t->cached) {
        t->before = t->record;
        t->version = t->record_version;
        t->event.now_ms = w->now_ms + (w->latency_ms > 0 ? sim_below(w, (uint32_t)w->latency_ms) : 0);
        t->event.lease_held = true;
        t->event.lease_left_ms = w->conversations[t->conversation].policy.lease_ttl_ms;
        t->event.owner_dead = false;
    } else if (!w->healing && sim_chance(w, w->faults.down)) {
        down(w, t);
        return;
    } else if (sim_store_load(w, t)) {
        bool arrives = t->kind == EVENT_ARRIVE;
        if (arrives && w->conversations[t->conversation].messages[t->message_n].fate == FATE_NONE)
            sim_fail(w, "a message that nobody has is answered as a duplicate");
        w->counts->duplicates += arrives;
        w->counts->not_revived += !arrives;
        end(t);
        return;
    }
    decide(w, t);
    if (!t->decision.changed) {
        sim_log(w, t, sim_event_name(t->kind), verdict_name(t->decision.verdict), t->message_n);
        done(w, t);
        return;
    }
    t->state = TASK_APPLY;
    t->ready_ms = soon(w);
}

static void apply(struct sim *w, struct sim_task *t)
{
    if (w->mutant == MUTANT_DEADLINE_FROM_APPLY)
        t->base_ms = w->now_ms;
    bool is_down = !w->healing && sim_chance(w, w->faults.down);
    bool executed = !is_down || sim_chance(w, 5000);
    enum store_status status = executed ? sim_store_apply(w, t) : STORE_DOWN;
    sim_log(w, t, sim_event_name(t->kind), status == STORE_DONE ? verdict_name(t->decision.verdict) : "not applied", t->message_n);
    if (is_down) {
        w->counts->downs_done += status == STORE_DONE;
        down(w, t);
        return;
    }
    switch (status) {
    case STORE_DONE:
        t->version++;
        done(w, t);
        return;
    case STORE_CONFLICT:
    case STORE_LEASE_LOST:
        w->counts->conflicts += status == STORE_CONFLICT;
        w->counts->lease_lost += status == STORE_LEASE_LOST;
        t->cached = false;
        t->state = TASK_LOAD;
        t->ready_ms = soon(w);
        return;
    case STORE_DUPLICATE:
        w->counts->duplicates++;
        end(t);
        return;
    case STORE_FULL:
    case STORE_DOWN:
        sim_fail(w, "the model does not know this status");
        return;
    }
}

/* ---- a turn between decisions ---- */

static void renew(struct sim *w, struct sim_task *t)
{
    bool is_down = !w->healing && sim_chance(w, w->faults.down);
    bool executed = !is_down || sim_chance(w, 5000);
    enum store_status status = executed ? sim_store_renew(w, t) : STORE_DOWN;
    sim_log(w, t, "renew", is_down ? "down" : status == STORE_DONE ? "done" : "lost", 0);
    if (!is_down && status == STORE_DONE) {
        const struct policy *p = &w->conversations[t->conversation].policy;
        t->lease_until_ms = w->now_ms + p->lease_ttl_ms;
        t->renew_ms = w->now_ms + p->lease_ttl_ms / 3;
    } else if (!is_down || w->now_ms >= t->lease_until_ms) {
        t->authority_lost = true;
        if (t->state == TASK_WAIT || t->state == TASK_THINK)
            end(t);
    } else {
        t->renew_ms = w->now_ms + DOWN_RETRY_MS;
    }
}

static void wait_or_think(struct sim *w, struct sim_task *t)
{
    t->interrupted = false;
    if (w->processes[t->process].draining) {
        decide_later(w, t, EVENT_HAND_BACK, true);
    } else if (t->state == TASK_WAIT) {
        t->interrupt = false;
        decide_later(w, t, EVENT_BEGIN, false);
        t->waits = true;
    } else if (t->interrupt) {
        t->interrupt = false;
        t->interrupted = true;
        decide_later(w, t, EVENT_ANSWERED, false);
    } else if (t->ai_fails) {
        decide_later(w, t, EVENT_AI_FAILED, true);
    } else {
        t->send_before_ms = w->now_ms + step_send_start_ms(&w->conversations[t->conversation].policy);
        decide_later(w, t, EVENT_ANSWERED, true);
    }
}

static void send(struct sim *w, struct sim_task *t)
{
    int64_t before = t->send_before_ms < t->lease_until_ms ? t->send_before_ms : t->lease_until_ms;
    bool late = t->authority_lost || w->now_ms >= before;
    if (late && w->mutant != MUTANT_SEND_AFTER_DEADLINE) {
        w->counts->too_late++;
        t->sent = SENT_TOO_LATE;
        decide_later(w, t, EVENT_SENT, true);
        return;
    }
    t->state = TASK_WIRE;
    sim_platform_send(w, t);
    sim_log(w, t, "first byte", "", t->turn);
}

static void one_step(struct sim *w, struct sim_task *t)
{
    bool timed = t->state >= TASK_WAIT && t->owns && !t->authority_lost && w->now_ms >= t->renew_ms;
    if (timed && (w->now_ms < t->ready_ms || sim_chance(w, 5000))) {
        renew(w, t);
        return;
    }
    switch (t->state) {
    case TASK_LOAD:
        load(w, t);
        return;
    case TASK_APPLY:
        apply(w, t);
        return;
    case TASK_WAIT:
    case TASK_THINK:
        wait_or_think(w, t);
        return;
    case TASK_SEND:
        send(w, t);
        return;
    case TASK_WIRE:
        t->sent = sim_platform_outcome(w, t);
        decide_later(w, t, EVENT_SENT, true);
        return;
    case TASK_FREE:
        return;
    }
}

/* Faults find the moments between two steps of a turn more often than by chance alone. */
void sim_task_advance(struct sim *w, struct sim_task *t)
{
    one_step(w, t);
    bool between = t->state == TASK_SEND || t->state == TASK_WIRE || (t->state == TASK_APPLY && t->kind != EVENT_ARRIVE);
    if (w->healing || !between)
        return;
    if (sim_chance(w, w->faults.strike))
        sim_kill(w, t->process);
    else if (sim_chance(w, w->faults.stall))
        sim_stop(w, t->process, &w->conversations[t->conversation].policy);
}
