/* SPDX-License-Identifier: MIT
 * The invariants, computed from what the model sees and never from what step() claims, and the last events before one broke. */
#include "config.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "t/turn/sim.h"

/* ---- what happened ---- */

void sim_fail(struct sim *w, const char *format, ...)
{
    if (w->failed)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(w->failure, sizeof(w->failure), format, list);
    va_end(list);
    w->failed = true;
}

void sim_log(struct sim *w, const struct sim_task *t, const char *what, const char *detail, uint32_t number)
{
    struct sim_entry *e = &w->log[w->log_n++ % SIM_LOG];
    *e = (struct sim_entry){ .step = w->step, .now_ms = w->now_ms, .process = SIM_NONE, .conversation = SIM_NONE, .what = what,
                             .detail = detail, .number = number };
    if (t == NULL)
        return;
    const struct sim_conversation *c = &w->conversations[t->conversation];
    e->process = t->process;
    e->conversation = t->conversation;
    e->due_ms = c->due_ms;
    e->phase = c->record.phase;
    e->fence = c->record.fence;
    e->pending_n = c->record.pending_n;
    e->covered_n = c->record.covered_n;
}

void sim_log_print(const struct sim *w)
{
    fprintf(stderr, "# seed %" PRIu64 " step %" PRIu64 ": %s\n# the last events:\n", w->seed, w->step, w->failure);
    uint64_t from = w->log_n > SIM_LOG ? w->log_n - SIM_LOG : 0;
    for (uint64_t i = from; i < w->log_n; i++) {
        const struct sim_entry *e = &w->log[i % SIM_LOG];
        fprintf(stderr, "#  %6" PRIu64 " %9" PRId64, e->step, e->now_ms);
        if (e->process == SIM_NONE)
            fprintf(stderr, "  %s %s %u\n", e->what, e->detail, e->number);
        else
            fprintf(stderr, " p%u c%u %-10s %-10s %-6u now %s, fence %" PRIu64 ", pending %u, covered %u, due %" PRId64 "\n", e->process,
                    e->conversation, e->what, e->detail, e->number, phase_name(e->phase), e->fence % 1000000, e->pending_n, e->covered_n,
                    e->due_ms);
    }
    fprintf(stderr, "# again: SEED=%" PRIu64 " t/turn/simulation.t\n", w->seed);
}

const char *sim_event_name(enum event_kind k)
{
    static const char *const names[] = {
        [EVENT_ARRIVE] = "arrive", [EVENT_BEGIN] = "begin",   [EVENT_ANSWERED] = "answered",
        [EVENT_AI_FAILED] = "ai_failed", [EVENT_SENT] = "sent", [EVENT_CANCEL] = "cancel",
        [EVENT_PAUSE] = "pause",   [EVENT_RESUME] = "resume", [EVENT_HAND_BACK] = "hand_back",
        [EVENT_REVIVE] = "revive", [EVENT_SESSION] = "session",
        [EVENT_SYNC] = "sync",
    };
    return names[k];
}

/* ---- turns ---- */

static uint32_t root(const struct sim *w, uint32_t turn)
{
    while (turn != SIM_NONE && w->turns[turn].joined != SIM_NONE)
        turn = w->turns[turn].joined;
    return turn;
}

static bool has_intent(const struct sim_turn *turn, uint64_t fence)
{
    for (uint32_t i = 0; i < turn->intents_n; i++) {
        if (turn->intents[i] == fence)
            return true;
    }
    return false;
}

static void join(struct sim *w, const char *from, const char *to)
{
    uint32_t a = root(w, sim_turn_number(from)), b = root(w, sim_turn_number(to));
    if (a != b)
        w->turns[a].joined = b;
}

/* Ids that were told to somebody stay known. */
static void check_ids(struct sim *w, const struct sim_task *t)
{
    const struct conversation *b = &w->conversations[t->conversation].record, *n = &t->decision.next;
    bool ended_cancelled = t->kind == EVENT_BEGIN && t->decision.verdict == VERDICT_CANCELLED;
    if (b->cancelled_n > 0 && strcmp(b->cancelled_turn_id, n->cancelled_turn_id) != 0 && !ended_cancelled) /* others take them along */
        join(w, b->cancelled_turn_id,
             n->cancelled_n > 0                                         ? n->cancelled_turn_id
             : t->kind == EVENT_REVIVE && n->next_turn_id[0] != '\0' ? n->next_turn_id
                                                                       : b->turn_id);
    if (t->decision.verdict == VERDICT_CANCELLED_NEXT)
        return;
    if (b->turn_id[0] != '\0' && strcmp(b->turn_id, n->turn_id) != 0) {
        if (t->decision.verdict == VERDICT_RESTART)
            join(w, b->turn_id, n->turn_id);
        else if (t->decision.settled_n == 0)
            sim_fail(w, "a turn disappears");
    }
    if (b->next_turn_id[0] != '\0' && strcmp(b->next_turn_id, n->turn_id) != 0 && strcmp(b->next_turn_id, n->next_turn_id) != 0)
        join(w, b->next_turn_id, b->turn_id);
}

/* ---- before an apply ---- */

static bool is_owners(enum event_kind k)
{
    return k == EVENT_ANSWERED || k == EVENT_AI_FAILED || k == EVENT_SENT || k == EVENT_HAND_BACK;
}

static void check_take(struct sim *w, const struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    const struct conversation *n = &t->decision.next;
    bool another = strcmp(n->token, c->record.token) != 0;
    if (another && n->fence <= c->fence_max)
        sim_fail(w, "a lease without a higher fence");
    for (size_t i = 0; i < SIM_TASKS; i++) {
        const struct sim_task *o = &w->tasks[i];
        if (o != t && o->state != TASK_FREE && o->owns && o->conversation == t->conversation && !o->revoked && o->lease_until_ms > w->now_ms)
            sim_fail(w, "a lease is taken while p%u believes in its own", o->process);
    }
    if (another && c->record.token[0] != '\0') {
        w->counts->takeovers++;
        w->counts->takeovers_dead += t->event.owner_dead;
    }
}

static void check_lease(struct sim *w, const struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    const struct decision *d = &t->decision;
    bool held = c->lock[0] != '\0' && w->now_ms < c->lock_until_ms;
    bool mine = strcmp(c->lock, t->token) == 0;
    bool dead = sim_process_is_dead(w, c->record.owner);
    if (d->lease != STORE_LEASE_KEEP && held && !mine && !dead && !(d->lease == STORE_LEASE_DROP && t->kind == EVENT_CANCEL))
        sim_fail(w, "the lease of a live owner is ended by another");
    if (d->lease == STORE_LEASE_TAKE)
        check_take(w, t);
    if (d->next.fence != 0 && d->next.fence < c->fence_max)
        sim_fail(w, "the fence falls");
    if (d->next.fence > c->fence_max)
        c->fence_max = d->next.fence;
}

static void check_intent(struct sim *w, const struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    const struct conversation *n = &t->decision.next;
    struct sim_turn *turn = &w->turns[sim_turn_number(n->turn_id)];
    bool again = t->decision.verdict == VERDICT_RESEND;
    if (!again && !sim_store_lock_held(w, c, t->token))
        sim_fail(w, "an intent is written without the lease");
    if (!again && step_is_paused(&c->record, t->event.now_ms))
        sim_fail(w, "an intent is written while a person has the conversation");
    if (again && !c->policy.send_idempotent)
        sim_fail(w, "a send with an unknown outcome is repeated");
    if (!again && (t->from != c->head || t->upto != c->head + n->covered_n))
        sim_fail(w, "the reply covers other messages than the AI was asked about");
    if (again && (turn->from != c->head || turn->upto != c->head + n->covered_n))
        sim_fail(w, "a repeated send covers other messages than the first");
    if (turn->intents_n == SIM_INTENTS)
        sim_fail(w, "a send is repeated for ever");
    else
        turn->intents[turn->intents_n++] = n->send_fence;
    turn->from = c->head;
    turn->upto = c->head + n->covered_n;
    w->counts->resends += again;
}

void sim_check_apply(struct sim *w, const struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    const struct decision *d = &t->decision;
    if (is_owners(t->kind) && (strcmp(c->record.token, t->token) != 0 || c->record.fence != t->fence))
        sim_fail(w, "a process changes something without the current token and fence");
    check_lease(w, t);
    check_ids(w, t);
    if (d->verdict == VERDICT_SEND || d->verdict == VERDICT_RESEND)
        check_intent(w, t);
    if (d->verdict == VERDICT_RUN && ++c->ai_calls > c->policy.restart_max + 1 && w->mood == MOOD_CALM)
        sim_fail(w, "the customer waits for the %uth AI call", c->ai_calls);
    if (d->verdict == VERDICT_RESTART) {
        struct sim_turn *turn = &w->turns[sim_turn_number(c->record.turn_id)];
        turn->withheld = true;
        turn->upto = c->head + c->record.covered_n;
    }
    if (d->verdict == VERDICT_RESTART && ++c->restarts > c->policy.restart_max)
        sim_fail(w, "a reply is withheld for the %uth time", c->restarts);
}

/* ---- messages come to their end ---- */

static enum sim_fate fate_of(struct sim *w, const struct sim_task *t)
{
    switch ((int)t->decision.verdict) {
    case VERDICT_COMPLETED:
        if (t->kind != EVENT_SENT)
            return FATE_SKIPPED;
        return t->event.sent == SENT_OK ? FATE_ANSWERED : FATE_REFUSED;
    case VERDICT_UNKNOWN:
        return FATE_UNKNOWN;
    case VERDICT_CANCELLED:
        return FATE_CANCELLED;
    case VERDICT_FAILED:
        return FATE_FAILED;
    case VERDICT_SILENCED:
        return FATE_SILENCED;
    }
    sim_fail(w, "messages are settled by the verdict %s", verdict_name(t->decision.verdict));
    return FATE_FAILED;
}

void sim_check_settle(struct sim *w, const struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    const struct decision *d = &t->decision;
    bool waited = t->kind == EVENT_BEGIN && d->verdict == VERDICT_CANCELLED; /* cancelled while another turn ran */
    uint32_t number = sim_turn_number(waited ? c->record.cancelled_turn_id : c->record.turn_id);
    struct sim_turn *turn = &w->turns[number];
    enum sim_fate fate = fate_of(w, t);
    uint32_t end = c->head + d->settled_n;
    if (end > c->tail) {
        sim_fail(w, "more is settled than is pending");
        return;
    }
    if (turn->ended)
        sim_fail(w, "a turn ends twice");
    turn->ended = true;
    turn->end = d->verdict;
    bool has_reply = fate == FATE_ANSWERED || fate == FATE_REFUSED || fate == FATE_UNKNOWN;
    if (has_reply && (c->head != turn->from || end != turn->upto))
        sim_fail(w, "a turn settles other messages than its reply covers");
    if (fate == FATE_SKIPPED && (c->head != t->from || end != t->upto))
        sim_fail(w, "a turn settles other messages than the AI was asked about");
    if (fate != FATE_UNKNOWN && turn->applied != (fate == FATE_ANSWERED ? 1 : 0))
        sim_fail(w, "a turn ends as %s after %u applications", verdict_name(d->verdict), turn->applied);
    if (d->turn_id == NULL || sim_turn_number(d->turn_id) != number)
        sim_fail(w, "the end of a turn is told under another's id");
    for (uint32_t i = c->head; i < end; i++) {
        struct sim_message *m = &c->messages[c->order[i]];
        if (m->fate != FATE_PENDING)
            sim_fail(w, "a message ends twice");
        if (m->promised == SIM_NONE || root(w, m->promised) != root(w, number))
            sim_fail(w, "a message ends in another turn than its sender was told");
        m->fate = fate;
        m->ended_in = number;
        m->letter = fate == FATE_FAILED ? number : m->letter;
    }
    if (fate == FATE_FAILED)
        c->letters[c->letters_n++ % SIM_LETTERS] = number;
    c->ai_calls = c->restarts = 0;
}

/* ---- after an apply ---- */

static int64_t oldest(const struct sim_conversation *c, uint32_t from)
{
    int64_t ms = INT64_MAX;
    for (uint32_t i = from; i < c->tail; i++)
        ms = c->messages[c->order[i]].accepted_ms < ms ? c->messages[c->order[i]].accepted_ms : ms;
    return ms;
}

/* The record tells which withheld turns were about which messages. */
static void check_superseded(struct sim *w, const struct sim_conversation *c)
{
    const struct conversation *r = &c->record;
    if (r->superseded_n != (r->restarts < SUPERSEDED_MAX ? r->restarts : SUPERSEDED_MAX))
        sim_fail(w, "%u restarts, %u superseded turns", r->restarts, r->superseded_n);
    for (uint32_t i = 0; i < r->superseded_n; i++) {
        const struct sim_turn *turn = &w->turns[sim_turn_number(r->superseded[i].turn_id)];
        if (!turn->withheld || turn->upto != c->head + r->superseded[i].covered_n)
            sim_fail(w, "a superseded turn that was none, or was about other messages");
    }
}

static void check_pending(struct sim *w, const struct sim_conversation *c)
{
    const struct conversation *r = &c->record;
    uint32_t listed = c->tail - c->head;
    if (r->pending_n != listed || r->covered_n > listed) {
        sim_fail(w, "the record counts %u pending, %u covered; %u are listed", r->pending_n, r->covered_n, listed);
        return;
    }
    if (listed > 0 && (r->phase == PHASE_IDLE || c->due_ms == 0))
        sim_fail(w, "messages are left behind");
    if (r->oldest_ms != (listed > 0 ? oldest(c, c->head) : 0))
        sim_fail(w, "the oldest message is not the oldest");
    bool snapshot = r->phase == PHASE_THINKING || r->phase == PHASE_SENDING;
    if (snapshot && listed > r->covered_n && r->newer_ms != oldest(c, c->head + r->covered_n))
        sim_fail(w, "the first newer message is another");
    if (snapshot && listed > r->covered_n + r->cancelled_n && r->next_turn_id[0] == '\0')
        sim_fail(w, "newer messages without a turn of their own");
    if (r->cancelled_n > listed - r->covered_n || (r->cancelled_n > 0) != (r->cancelled_turn_id[0] != '\0') ||
        (r->cancelled_n > 0 && !snapshot && r->phase != PHASE_QUEUED))
        sim_fail(w, "%u cancelled messages of %u in %s", r->cancelled_n, listed, phase_name(r->phase));
    if (snapshot != (r->covered_n > 0))
        sim_fail(w, "a snapshot of %u messages in %s", r->covered_n, phase_name(r->phase));
}

static void check_phase(struct sim *w, const struct sim_conversation *c)
{
    const struct conversation *r = &c->record;
    bool leased = r->phase == PHASE_WAITING || r->phase == PHASE_THINKING;
    if (r->phase != PHASE_SENDING && leased != (r->token[0] != '\0'))
        sim_fail(w, "%s and the token \"%s\"", phase_name(r->phase), r->token);
    if ((r->token[0] != '\0') != (r->owner[0] != '\0'))
        sim_fail(w, "a lease without an owner, or an owner without a lease");
    if (c->lock[0] != '\0' && w->now_ms < c->lock_until_ms && strcmp(c->lock, r->token) != 0)
        sim_fail(w, "the lock and the record name different tokens");
    if ((r->phase == PHASE_IDLE) != (r->turn_id[0] == '\0'))
        sim_fail(w, "%s and the turn \"%s\"", phase_name(r->phase), r->turn_id);
    if ((r->phase == PHASE_IDLE) != (c->due_ms == 0))
        sim_fail(w, "%s and due at %lld", phase_name(r->phase), (long long)c->due_ms);
    if (r->phase == PHASE_QUEUED && c->due_ms != r->retry_at_ms)
        sim_fail(w, "queued until one time, due at another");
    if (r->phase == PHASE_SENDING && (r->sends == 0 || r->send_deadline_ms == 0))
        sim_fail(w, "sending without an intent");
}

/* Whoever is told to go on has the lease, and the daemons know when to look after it. */
static void check_authority(struct sim *w, const struct sim_task *t, const struct sim_conversation *c)
{
    const struct decision *d = &t->decision;
    bool goes_on = d->verdict == VERDICT_RUN || d->verdict == VERDICT_WAIT || d->verdict == VERDICT_SEND || d->verdict == VERDICT_RESEND;
    if (goes_on && (!sim_store_lock_held(w, c, t->token) || strcmp(c->record.token, t->token) != 0))
        sim_fail(w, "a turn goes on without a lease");
    if (goes_on && strcmp(c->record.owner, w->processes[t->process].name) != 0)
        sim_fail(w, "a turn goes on under another's name");
    if (d->lease == STORE_LEASE_TAKE && c->due_ms != t->event.now_ms + c->policy.lease_ttl_ms)
        sim_fail(w, "a lease is taken, and nobody looks when it runs out");
}

/* A turn that answers a job is one, no other. */
static void check_job(struct sim *w, const struct sim_task *t)
{
    struct sim_conversation *c = &w->conversations[t->conversation];
    bool any = false;
    for (uint32_t i = c->head; i < c->tail; i++)
        any |= c->messages[c->order[i]].as_job;
    c->job_is_old = c->record.job && (c->job_is_old || (t->kind == EVENT_BEGIN && t->decision.verdict == VERDICT_CANCELLED));
    if (any && !c->record.job)
        sim_fail(w, "a job waits, and the record knows of none");
    if (c->record.job && !any && !c->job_is_old)
        sim_fail(w, "what waits is treated as a job, and is none");
}

void sim_check_record(struct sim *w, const struct sim_task *t)
{
    const struct sim_conversation *c = &w->conversations[t->conversation];
    const struct decision *d = &t->decision;
    check_pending(w, c);
    check_job(w, t);
    check_superseded(w, c);
    check_phase(w, c);
    check_authority(w, t, c);
    int64_t lease = c->policy.lease_ttl_ms;
    if ((c->record.phase == PHASE_WAITING || c->record.phase == PHASE_THINKING) && c->due_ms > t->event.now_ms + lease &&
        c->due_ms != c->record.wait_until_ms)
        sim_fail(w, "a lease runs out before the conversation is due");
    if (c->record.phase == PHASE_SENDING && c->due_ms > t->event.now_ms + lease && c->due_ms > c->record.send_deadline_ms &&
        c->due_ms > c->record.retry_at_ms)
        sim_fail(w, "a lost send would not be looked at in time");
    bool queued_now = c->record.phase == PHASE_QUEUED && c->due_ms <= t->event.now_ms;
    if (queued_now && t->before.phase != PHASE_QUEUED && !d->wake)
        sim_fail(w, "nobody is told that the conversation is due");
}

/* ---- the platform ---- */

void sim_check_first_byte(struct sim *w, const struct sim_task *t)
{
    const struct sim_conversation *c = &w->conversations[t->conversation];
    const struct sim_turn *turn = &w->turns[t->turn];
    if (!has_intent(turn, t->fence))
        sim_fail(w, "a send without a written intent");
    if (turn->from != t->from || turn->upto != t->upto)
        sim_fail(w, "a send of something else than its intent says");
    if (c->fence_sent_turn != SIM_NONE && c->fence_sent_turn != t->turn && c->fence_sent > t->fence)
        sim_fail(w, "a send after a newer fence has sent");
    if (turn->ended && turn->end != VERDICT_UNKNOWN)
        sim_fail(w, "a send of a turn that ended as %s", verdict_name(turn->end));
    if (turn->sent && !c->policy.send_idempotent && turn->intents_n > 1 && turn->applied > 0)
        sim_fail(w, "a second send of a reply that has arrived");
}

void sim_check_delivery(struct sim *w, const struct sim_flight *f)
{
    const struct sim_conversation *c = &w->conversations[f->conversation];
    const struct sim_turn *turn = &w->turns[f->turn];
    if (turn->applied > 0)
        sim_fail(w, "a reply arrives for the second time");
    if (turn->ended && turn->end != VERDICT_UNKNOWN)
        sim_fail(w, "the reply of a turn that ended as %s arrives", verdict_name(turn->end));
    if (c->fence_sent_turn != f->turn && c->fence_sent > f->fence)
        sim_fail(w, "a reply arrives after a newer fence has sent");
    for (uint32_t i = f->from; i < f->upto; i++) {
        const struct sim_message *m = &c->messages[c->order[i]];
        if (m->replies > 0)
            sim_fail(w, "a message is answered twice");
        if (m->fate != FATE_PENDING && m->fate != FATE_UNKNOWN)
            sim_fail(w, "a reply to a message that has ended otherwise");
    }
}

/* ---- at rest ---- */

void sim_check_rest(struct sim *w)
{
    for (uint32_t k = 0; k < w->conversations_n; k++) {
        const struct sim_conversation *c = &w->conversations[k];
        if (c->head != c->tail || c->record.phase != PHASE_IDLE || c->due_ms != 0 || c->record.token[0] != '\0')
            sim_fail(w, "conversation %u does not come to rest", k);
        for (uint32_t i = 0; i < c->messages_n; i++) {
            const struct sim_message *m = &c->messages[i];
            if (m->marked != (m->fate != FATE_NONE))
                sim_fail(w, "message %s of conversation %u is known and lost", m->id, k);
            if (m->fate == FATE_PENDING)
                sim_fail(w, "message %s of conversation %u has no end", m->id, k);
            if (m->replies > 1 || (m->fate == FATE_ANSWERED && m->replies != 1))
                sim_fail(w, "message %s of conversation %u has %u replies", m->id, k, m->replies);
        }
    }
    for (uint32_t i = 0; i < w->turns_n; i++) {
        if (w->turns[i].named && !w->turns[root(w, i)].ended)
            sim_fail(w, "turn %u was named and never ended", i);
    }
}
