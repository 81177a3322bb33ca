/* SPDX-License-Identifier: MIT
 * The model of the store: exactly what store/store.h promises, for one conversation at a time. */
#include "config.h"

#include <stdio.h>

#include "t/turn/sim.h"

#define ROUND_TRIP_EVERY 61

bool sim_store_lock_held(const struct sim *w, const struct sim_conversation *c, const char *token)
{
    return token[0] != '\0' && w->now_ms < c->lock_until_ms && strcmp(c->lock, token) == 0;
}

/* What the marks of the turn's messages say, at the version that was loaded. */
static bool load_letter(struct sim *w, struct sim_task *t)
{
    const struct sim_conversation *c = &w->conversations[t->conversation];
    uint32_t failed = 0, others = 0;
    for (uint32_t i = 0; i < c->messages_n; i++) {
        const struct sim_message *m = &c->messages[i];
        bool is_failed = m->ended_in == t->revives && m->fate == FATE_FAILED;
        failed += m->letter == t->revives && is_failed;
        others += m->letter == t->revives && !is_failed;
    }
    t->event.revive_n = w->mutant == MUTANT_REVIVE_BLINDLY ? failed + others : others == 0 ? failed : 0;
    t->event.revive_seq = failed;
    return t->event.revive_n == 0 || c->tail + failed + others > SIM_ORDER;
}

/* What of a request with several messages is new. False: nothing. */
static bool load_group(const struct sim *w, struct sim_task *t)
{
    const struct sim_conversation *c = &w->conversations[t->conversation];
    t->event.together_n = 0;
    for (uint32_t i = 0; i < t->group; i++)
        t->event.together_n += c->messages[t->message_n - i].fate == FATE_NONE;
    return t->event.together_n > 0;
}

bool sim_store_load(struct sim *w, struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    t->before = c->record;
    t->version = c->version;
    t->event.now_ms = w->now_ms;
    t->event.lease_held = sim_store_lock_held(w, c, c->record.token);
    t->event.lease_left_ms = t->event.lease_held ? c->lock_until_ms - w->now_ms : 0;
    t->event.owner_dead = sim_process_is_dead(w, c->record.owner);
    if (t->kind == EVENT_REVIVE)
        return load_letter(w, t);
    if (t->kind != EVENT_ARRIVE)
        return false;
    if (t->group > 1)
        return !load_group(w, t);
    struct sim_message *m = &c->messages[t->message_n];
    if (w->mutant == MUTANT_DEDUPE_IN_TWO_STEPS && !m->marked) {
        m->marked = true;
        return false;
    }
    if (w->mutant == MUTANT_DROP_BY_TIMESTAMP && m->timestamp_ms <= c->record.last_message_ms)
        return true;
    return m->marked;
}

/* Nobody whose lease ended through somebody's decision is to be held to his own clock. */
static void revoke(struct sim *w, uint32_t conversation)
{
    const struct sim_conversation *c = &w->conversations[conversation];
    for (size_t i = 0; i < SIM_TASKS; i++) {
        struct sim_task *t = &w->tasks[i];
        if (t->state != TASK_FREE && t->owns && t->conversation == conversation && strcmp(t->token, c->lock) == 0)
            t->revoked = true;
    }
}

static void lease(struct sim *w, struct sim_task *t, struct sim_conversation *c)
{
    switch (t->decision.lease) {
    case STORE_LEASE_KEEP:
        return;
    case STORE_LEASE_TAKE:
        snprintf(c->lock, sizeof(c->lock), "%s", t->decision.next.token);
        c->lock_until_ms = w->now_ms + t->decision.lease_ttl_ms;
        return;
    case STORE_LEASE_DROP:
        revoke(w, t->conversation);
        c->lock[0] = '\0';
        c->lock_until_ms = 0;
        return;
    }
}

/* The record through its JSON form, as every real load sees it. */
static void round_trip(struct sim *w, struct sim_conversation *c)
{
    struct buf b = { 0 }, again = { 0 };
    struct conversation back;
    struct err e = { 0 };
    conversation_format(&b, &c->record);
    if (b.n > 2048)
        sim_fail(w, "a record of %zu bytes", b.n);
    if (!buf_ok(&b) || conversation_parse(buf_sv(&b), &back, &e) != 0) {
        sim_fail(w, "a record cannot be read back: %s", e.text);
    } else {
        conversation_format(&again, &back);
        if (!sv_eq(buf_sv(&b), buf_sv(&again)))
            sim_fail(w, "a record reads back as another: %.*s", SV_FMT(buf_sv(&b)));
        c->record = back;
    }
    buf_fini(&b);
    buf_fini(&again);
}

static void add_message(struct sim *w, struct sim_task *t, struct sim_conversation *c, uint32_t n)
{
    struct sim_message *m = &c->messages[n];
    const struct decision *d = &t->decision;
    if (d->add_pending == (d->add_context || m->sender == SENDER_BOT))
        sim_fail(w, "an accepted message goes to one place");
    if (m->fate != FATE_NONE)
        sim_fail(w, "a message is accepted for the second time");
    if (d->add_pending && t->answered)
        sim_fail(w, "what a person has answered waits for another answer");
    w->counts->answered_elsewhere += t->answered;
    m->marked = true;
    m->as_job = t->as_job;
    m->fate = d->add_pending ? FATE_PENDING : FATE_CONTEXT;
    m->accepted_ms = t->event.now_ms;
    m->promised = d->turn_id != NULL && d->turn_id[0] != '\0' ? sim_turn_number(d->turn_id) : SIM_NONE;
    if (m->promised != SIM_NONE)
        w->turns[m->promised].named = true;
    if (d->add_pending && m->promised == SIM_NONE)
        sim_fail(w, "a sender is not told which turn will answer");
    if (d->add_pending)
        c->order[c->tail++] = n;
    w->counts->messages++;
}

static void add_messages(struct sim *w, struct sim_task *t, struct sim_conversation *c)
{
    uint32_t added = 0;
    for (uint32_t n = t->message_n + 1 - t->group; n <= t->message_n; n++) {
        if (t->group > 1 && c->messages[n].fate != FATE_NONE)
            continue;
        add_message(w, t, c, n);
        added++;
    }
    if (t->group > 1 && added != t->event.together_n)
        sim_fail(w, "%u messages were to arrive, %u did", t->event.together_n, added);
    w->counts->groups += added > 1;
    w->counts->groups_in_part += added < t->group;
}

/* Behind what a running turn covers, in the order in which they came first. */
static void revive(struct sim *w, struct sim_task *t, struct sim_conversation *c)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->messages_n; i++) {
        struct sim_message *m = &c->messages[i];
        if (m->letter != t->revives)
            continue;
        if (m->fate != FATE_FAILED)
            sim_fail(w, "message %s comes back and has not failed", m->id);
        m->fate = FATE_PENDING;
        m->as_job = false;
        m->ended_in = SIM_NONE;
        m->accepted_ms = t->event.now_ms;
        m->promised = t->decision.turn_id != NULL ? sim_turn_number(t->decision.turn_id) : SIM_NONE;
        if (m->promised != SIM_NONE)
            w->turns[m->promised].named = true;
        c->order[c->tail++] = i;
        n++;
    }
    if (n != t->event.revive_n)
        sim_fail(w, "%u messages were to come back, %u did", t->event.revive_n, n);
    for (uint32_t i = c->head + c->record.covered_n + 1; i < c->tail; i++) {
        uint32_t moved = c->order[i], k = i;
        for (; k > c->head + c->record.covered_n && c->order[k - 1] > moved; k--)
            c->order[k] = c->order[k - 1];
        c->order[k] = moved;
    }
    w->counts->revived++;
}

enum store_status sim_store_apply(struct sim *w, struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    const struct decision *d = &t->decision;
    bool arrives = t->kind == EVENT_ARRIVE;
    bool duplicate = arrives && t->group == 1 && c->messages[t->message_n].fate != FATE_NONE;
    bool unversioned = (w->mutant == MUTANT_FINISH_WITHOUT_VERSION && t->kind == EVENT_SENT) ||
                       (w->mutant == MUTANT_GATE_WITHOUT_VERSION && t->kind == EVENT_ANSWERED) ||
                       (w->mutant == MUTANT_REVIVE_WITHOUT_VERSION && t->kind == EVENT_REVIVE) ||
                       (w->mutant == MUTANT_SYNC_WITHOUT_VERSION && t->kind == EVENT_SYNC);
    if (duplicate && sim_chance(w, 5000)) /* which of two reasons comes first is not promised */
        return STORE_DUPLICATE;
    if (d->need_lease && sim_chance(w, 5000) && !sim_store_lock_held(w, c, t->token))
        return STORE_LEASE_LOST;
    if (c->version != t->version && !unversioned)
        return STORE_CONFLICT;
    if (d->need_lease && !sim_store_lock_held(w, c, t->token))
        return STORE_LEASE_LOST;
    if (duplicate)
        return STORE_DUPLICATE;
    if (d->lease == STORE_LEASE_TAKE) /* which may be what the record had promised, not the fresh one */
        snprintf(t->token, sizeof(t->token), "%s", d->next.token);
    sim_check_apply(w, t);
    if (d->settled_n > 0) {
        sim_check_settle(w, t);
        c->head += d->settled_n;
    }
    lease(w, t, c);
    c->record = d->next;
    c->version++;
    c->due_ms = d->due_ms;
    if (arrives)
        add_messages(w, t, c);
    if (t->kind == EVENT_REVIVE)
        revive(w, t, c);
    w->counts->synced += t->kind == EVENT_SYNC;
    w->counts->synced_in_turn += t->kind == EVENT_SYNC && c->record.token[0] != '\0';
    if (c->version % ROUND_TRIP_EVERY == 0)
        round_trip(w, c);
    sim_check_record(w, t);
    return STORE_DONE;
}

enum store_status sim_store_renew(struct sim *w, struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    if (w->mutant == MUTANT_RENEW_REVIVES)
        snprintf(c->lock, sizeof(c->lock), "%s", t->token);
    else if (!sim_store_lock_held(w, c, t->token))
        return STORE_LEASE_LOST;
    c->lock_until_ms = w->now_ms + c->policy.lease_ttl_ms;
    c->due_ms = c->lock_until_ms;
    return STORE_DONE;
}
