/* SPDX-License-Identifier: MIT
 * Who does something next. Each world draws its own policies, speeds and kinds of faults ("swarm"): a mix of everything at once
 * would hide what needs one kind of fault in quiet surroundings. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/turn/sim.h"

#define EPOCH_MS 1700000000000LL
#define HEAL_STEPS 60000
#define FORGET_MS (4LL * 3600 * 1000)

/* ---- chance ---- */

uint64_t sim_random(struct sim *w) /* splitmix64 */
{
    uint64_t z = w->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t sim_below(struct sim *w, uint32_t bound)
{
    return (uint32_t)(((sim_random(w) >> 32) * bound) >> 32);
}

bool sim_chance(struct sim *w, uint32_t of_ten_thousand)
{
    return of_ten_thousand > 0 && sim_below(w, 10000) < of_ten_thousand;
}

static uint32_t pick(struct sim *w, const uint32_t *from, size_t n)
{
    return from[sim_below(w, (uint32_t)n)];
}
#define PICK(w, ...) pick((w), (const uint32_t[]){ __VA_ARGS__ }, ARRAY_LEN(((const uint32_t[]){ __VA_ARGS__ })))

/* ---- making a world ---- */

static void draw_policy(struct sim *w, struct policy *p)
{
    p->lease_ttl_ms = PICK(w, 1000, 3000, 30000);
    p->on_newer = (enum on_newer)sim_below(w, 4);
    p->debounce_ms = PICK(w, 0, 0, 0, 200, 2000);
    p->max_wait_ms = PICK(w, 300, 10000);
    p->restart_max = sim_below(w, 4);
    p->pending_max = PICK(w, 2, 5, 50, 500);
    p->human_lease_ms = PICK(w, 1000, 60000);
    p->ai_timeout_ms = 30000;
    p->send_timeout_ms = PICK(w, 500, 5000, 30000);
    p->send_idempotent = sim_chance(w, 5000);
    p->sends_max = 1 + sim_below(w, 4);
    p->attempts_max = PICK(w, 1, 2, 5, 5, 20);
    p->retry_for_ms = PICK(w, 0, 10000, 600000, 86400000);
    p->retry_base_ms = 100;
    p->retry_cap_ms = PICK(w, 1000, 20000);
    if (w->mood != MOOD_MIXED)
        p->lease_ttl_ms = 30000;
    if (w->mood == MOOD_STORM) {
        p->debounce_ms = 0;
        p->on_newer = sim_chance(w, 7000) ? ON_NEWER_FINISH : ON_NEWER_RESTART;
        p->send_timeout_ms = PICK(w, 500, 5000);
        p->send_idempotent = sim_chance(w, 2000);
        p->pending_max = 500;
        p->attempts_max = 20;
    }
}

static uint32_t maybe(struct sim *w, uint32_t much)
{
    return sim_chance(w, 5000) ? 0 : 1 + sim_below(w, much);
}

static void draw_faults(struct sim *w)
{
    w->faults = (struct sim_faults){
        .crash = maybe(w, 40), .pause = maybe(w, 100), .unlock = maybe(w, 40), .down = maybe(w, 400), .wall = maybe(w, 20),
        .drain = maybe(w, 40), .forget = maybe(w, 20), .policy = maybe(w, 20), .admin = maybe(w, 200), .ai = maybe(w, 40),
        .platform = maybe(w, 60), .stall = maybe(w, 2000), .strike = maybe(w, 500),
    };
    w->latency_ms = PICK(w, 0, 3, 3, 50, 500);
    w->jump_ms = PICK(w, 10, 1000, 10000, 60000);
    w->think_ms = PICK(w, 50, 3000, 40000);
    w->arrive_share = 1 + sim_below(w, 12);
    w->sweep_share = 2 + sim_below(w, 20);
    w->advance_share = 1 + sim_below(w, 10);
    if (w->mood == MOOD_STORM) {
        w->faults = (struct sim_faults){ .stall = 3000, .strike = maybe(w, 100), .platform = 80, .ai = 5 };
        w->latency_ms = 3;
        w->think_ms = 50;
    } else if (w->mood == MOOD_CALM) {
        w->faults = (struct sim_faults){ 0 };
        w->latency_ms = PICK(w, 0, 3);
        w->jump_ms = 10;
    }
}

static void name_process(struct sim_process *p, uint32_t n)
{
    snprintf(p->name, sizeof(p->name), "p%u.%u", n, p->generation);
}

void sim_open(struct sim *w, uint64_t seed, uint32_t steps, enum sim_mutant mutant, struct sim_counts *counts)
{
    uint32_t turns_max = 2 * (steps + HEAL_STEPS);
    *w = (struct sim){ .seed = seed, .random = seed * 0x2545f4914f6cdd1du + 1, .now_ms = EPOCH_MS, .mutant = mutant, .counts = counts };
    w->turns = calloc(turns_max, sizeof(*w->turns));
    if (w->turns == NULL)
        sim_fail(w, "no memory");
    else
        w->turns_max = turns_max;
    counts->worlds++;
    uint32_t mood = sim_below(w, 10);
    w->mood = mood == 0 ? MOOD_CALM : mood <= 2 ? MOOD_STORM : MOOD_MIXED;
    draw_faults(w);
    w->processes_n = 1 + sim_below(w, SIM_PROCESSES);
    w->conversations_n = 1 + sim_below(w, SIM_CONVERSATIONS);
    bool provable = sim_chance(w, 8000);
    for (uint32_t i = 0; i < w->processes_n; i++) {
        struct sim_process *p = &w->processes[i];
        *p = (struct sim_process){ .daemon = i == 0 || sim_chance(w, 4000), .provable = provable };
        name_process(p, i);
    }
    for (uint32_t i = 0; i < w->conversations_n; i++) {
        draw_policy(w, &w->conversations[i].policy);
        w->conversations[i].fence_sent_turn = SIM_NONE;
    }
}

void sim_close(struct sim *w)
{
    free(w->turns);
    w->turns = NULL;
}

/* ---- faults ---- */

bool sim_process_is_dead(const struct sim *w, const char *owner)
{
    if (owner[0] != 'p' || owner[1] < '0' || owner[1] >= (char)('0' + w->processes_n))
        return false;
    const struct sim_process *p = &w->processes[owner[1] - '0'];
    return p->provable && strcmp(p->name, owner) != 0;
}

static void restart_process(struct sim *w, uint32_t n)
{
    struct sim_process *p = &w->processes[n];
    for (size_t i = 0; i < SIM_TASKS; i++) {
        if (w->tasks[i].process == n)
            w->tasks[i] = (struct sim_task){ .state = TASK_FREE };
    }
    p->generation++;
    p->draining = false;
    p->paused_until_ms = 0;
    name_process(p, n);
}

void sim_kill(struct sim *w, uint32_t process)
{
    w->counts->crashes++;
    sim_log(w, NULL, "kill", "process", process);
    restart_process(w, process);
}

static void drain(struct sim *w, uint32_t n)
{
    w->processes[n].draining = true;
    w->counts->drains++;
    sim_log(w, NULL, "drain", "process", n);
}

static void look_drained(struct sim *w)
{
    for (uint32_t n = 0; n < w->processes_n; n++) {
        bool busy = false;
        for (size_t i = 0; i < SIM_TASKS; i++)
            busy |= w->tasks[i].state != TASK_FREE && w->tasks[i].process == n;
        if (w->processes[n].draining && !busy)
            restart_process(w, n);
    }
}

/* State that nobody needs any more expires; the dedupe marks live on. */
static void forget(struct sim *w, uint32_t k)
{
    struct sim_conversation *c = &w->conversations[k];
    for (size_t i = 0; i < SIM_TASKS; i++) {
        if (w->tasks[i].state != TASK_FREE && w->tasks[i].conversation == k)
            return;
    }
    if (c->version == 0 || c->record.phase != PHASE_IDLE)
        return;
    w->now_ms += FORGET_MS;
    sim_platform_advance(w);
    c->version = 0;
    c->record = (struct conversation){ 0 };
    c->due_ms = 0;
    w->counts->forgotten++;
    sim_log(w, NULL, "forget", "conversation", k);
}

static void change_policy(struct sim *w, struct policy *p)
{
    p->on_newer = (enum on_newer)sim_below(w, 4);
    p->debounce_ms = PICK(w, 0, 200, 2000);
    p->pending_max = PICK(w, 2, 50, 500);
    p->attempts_max = 1 + sim_below(w, 5);
    p->silent = sim_chance(w, 2000);
}

void sim_stop(struct sim *w, uint32_t process, const struct policy *p)
{
    int64_t ms[] = { p->lease_ttl_ms / 2, p->lease_ttl_ms, p->lease_ttl_ms * 2, step_send_start_ms(p), step_send_window_ms(p) * 2 };
    w->processes[process].paused_until_ms = w->now_ms + 1 + sim_below(w, (uint32_t)ms[sim_below(w, ARRAY_LEN(ms))]);
    w->counts->pauses++;
    sim_log(w, NULL, "stop", "process", process);
}

static bool is_up(const struct sim *w, uint32_t process)
{
    const struct sim_process *p = &w->processes[process];
    return p->paused_until_ms <= w->now_ms && !p->draining;
}

static void administer(struct sim *w, uint32_t p, uint32_t k)
{
    static const enum event_kind kinds[] = { EVENT_CANCEL, EVENT_CANCEL, EVENT_PAUSE, EVENT_RESUME, EVENT_RESUME, EVENT_SESSION, EVENT_SYNC };
    const struct sim_conversation *c = &w->conversations[k];
    if (is_up(w, p) && c->letters_n > 0 && sim_chance(w, 3000)) {
        struct sim_task *t = sim_task_new(w, p, k, EVENT_REVIVE);
        uint32_t known = c->letters_n < SIM_LETTERS ? c->letters_n : SIM_LETTERS;
        if (t != NULL)
            t->revives = c->letters[sim_below(w, known)];
        return;
    }
    if (is_up(w, p) && sim_chance(w, 1000)) { /* also of a conversation that nobody knows (any more) */
        (void)sim_task_new(w, p, k, EVENT_SYNC);
        return;
    }
    if (!is_up(w, p) || c->version == 0)
        return;
    struct sim_task *t = sim_task_new(w, p, k, kinds[sim_below(w, ARRAY_LEN(kinds))]);
    if (t != NULL && t->kind == EVENT_CANCEL && c->record.next_turn_id[0] != '\0' && sim_chance(w, 5000)) /* of a job that was promised */
        step_copy(t->target, sizeof(t->target), c->record.next_turn_id);
}

static void inject(struct sim *w)
{
    const struct sim_faults *f = &w->faults;
    uint32_t p = sim_below(w, w->processes_n), k = sim_below(w, w->conversations_n);
    struct sim_conversation *c = &w->conversations[k];
    if (sim_chance(w, f->crash))
        sim_kill(w, p);
    if (sim_chance(w, f->pause))
        sim_stop(w, p, &c->policy);
    if (sim_chance(w, f->unlock) && c->lock[0] != '\0') {
        for (size_t i = 0; i < SIM_TASKS; i++)
            w->tasks[i].revoked |= w->tasks[i].owns && w->tasks[i].conversation == k && strcmp(w->tasks[i].token, c->lock) == 0;
        c->lock[0] = '\0';
        sim_log(w, NULL, "delete lock", "conversation", k);
        w->counts->unlocks++;
    }
    if (sim_chance(w, f->wall))
        w->processes[p].wall_skew_ms = ((int64_t)sim_below(w, 200) - 100) * 12 * 3600 * 1000;
    if (sim_chance(w, f->drain))
        drain(w, p);
    if (sim_chance(w, f->forget))
        forget(w, k);
    if (sim_chance(w, f->policy))
        change_policy(w, &c->policy);
    if (sim_chance(w, f->admin))
        administer(w, p, k);
}

/* ---- what may happen ---- */

static void arrive(struct sim *w)
{
    uint32_t p = sim_below(w, w->processes_n), k = sim_below(w, w->conversations_n);
    struct sim_conversation *c = &w->conversations[k];
    uint32_t message = SIM_NONE;
    if (!is_up(w, p))
        return;
    if (c->messages_n > 0 && sim_chance(w, 2500)) {
        uint32_t recent = c->messages_n < 8 ? c->messages_n : 8;
        message = sim_chance(w, 8000) ? c->messages_n - 1 - sim_below(w, recent) : sim_below(w, c->messages_n);
    }
    enum sender_type sender = SENDER_USER;
    if (w->mood == MOOD_MIXED && sim_chance(w, 600))
        sender = (enum sender_type)(1 + sim_below(w, 3));
    struct sim_task *t = sim_arrive(w, p, k, message, sender);
    if (t == NULL)
        return;
    if (message == SIM_NONE && w->mood == MOOD_MIXED && sim_chance(w, 500)) { /* fetched after an outage */
        t->fetched = true;
        t->message.timestamp_ms = c->messages[t->message_n].timestamp_ms -= sim_below(w, (uint32_t)(2 * c->policy.human_lease_ms));
        t->answered = t->message.sender_type == SENDER_USER && sim_chance(w, 5000);
    }
    t->hand_over = sim_chance(w, 2000);
    t->as_job = t->message.sender_type == SENDER_USER && (t->fetched || sim_chance(w, 3000));
    if (t->as_job && !t->fetched && sim_chance(w, 4000))
        sim_arrive_together(w, t, 2 + sim_below(w, 3));
}

/* A daemon has seen that this conversation is due. */
static bool visits(const struct sim *w, uint32_t process, uint32_t conversation)
{
    for (size_t i = 0; i < SIM_TASKS; i++) {
        const struct sim_task *t = &w->tasks[i];
        bool deciding = t->state == TASK_LOAD || t->state == TASK_APPLY;
        if (deciding && t->kind == EVENT_BEGIN && t->process == process && t->conversation == conversation)
            return true;
    }
    return false;
}

static bool sweep(struct sim *w)
{
    uint32_t n = w->processes_n * w->conversations_n;
    uint32_t from = sim_below(w, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p = (from + i) % n / w->conversations_n, k = (from + i) % n % w->conversations_n;
        const struct sim_conversation *c = &w->conversations[k];
        if (c->due_ms != 0 && c->due_ms <= w->now_ms && w->processes[p].daemon && is_up(w, p) && !visits(w, p, k))
            return sim_task_new(w, p, k, EVENT_BEGIN) != NULL;
    }
    return false;
}

static struct sim_task *ready_task(struct sim *w)
{
    struct sim_task *ready[SIM_TASKS];
    uint32_t n = 0;
    for (size_t i = 0; i < SIM_TASKS; i++) {
        struct sim_task *t = &w->tasks[i];
        if (t->state != TASK_FREE && w->processes[t->process].paused_until_ms <= w->now_ms && sim_task_ready_ms(w, t) <= w->now_ms)
            ready[n++] = t;
    }
    return n > 0 ? ready[sim_below(w, n)] : NULL;
}

static void earlier(int64_t *next, int64_t ms, int64_t now_ms)
{
    if (ms > now_ms && ms < *next)
        *next = ms;
}

static void advance(struct sim *w)
{
    int64_t next = INT64_MAX;
    earlier(&next, sim_platform_next_ms(w), w->now_ms);
    for (size_t i = 0; i < SIM_TASKS; i++) {
        if (w->tasks[i].state != TASK_FREE)
            earlier(&next, sim_task_ready_ms(w, &w->tasks[i]), w->now_ms);
    }
    bool due = false;
    for (uint32_t i = 0; i < w->conversations_n; i++) {
        earlier(&next, w->conversations[i].due_ms, w->now_ms);
        due |= w->conversations[i].due_ms != 0 && w->conversations[i].due_ms <= w->now_ms;
    }
    for (uint32_t i = 0; i < w->processes_n; i++)
        earlier(&next, w->processes[i].paused_until_ms, w->now_ms);
    int64_t by = due && w->healing ? 1 : next == INT64_MAX ? 1000 : next - w->now_ms; /* healthy daemons look at once */
    if (!w->healing && w->mood != MOOD_CALM && sim_chance(w, 500))
        by = 1 + sim_below(w, (uint32_t)w->jump_ms);
    else if (!w->healing && sim_chance(w, 3000))
        by = by < 10 ? by : 1 + sim_below(w, 10);
    w->now_ms += by;
}

void sim_step(struct sim *w)
{
    w->step++;
    w->counts->steps++;
    sim_platform_advance(w);
    if (!w->healing)
        inject(w);
    look_drained(w);
    uint32_t roll = sim_below(w, 100);
    struct sim_task *t = ready_task(w);
    if (!w->healing && roll < w->arrive_share)
        arrive(w);
    else if (roll < w->arrive_share + w->sweep_share && sweep(w))
        return;
    else if (t != NULL && (w->healing || w->mood == MOOD_CALM || roll < 100 - w->advance_share))
        sim_task_advance(w, t);
    else if (t == NULL && sim_chance(w, 9500) && sweep(w)) /* daemons are quicker than leases and deadlines */
        return;
    else if (t == NULL || w->mood != MOOD_CALM)
        advance(w);
}

/* ---- a whole run ---- */

static bool at_rest(const struct sim *w)
{
    for (size_t i = 0; i < SIM_TASKS; i++) {
        if (w->tasks[i].state != TASK_FREE)
            return false;
    }
    for (size_t i = 0; i < SIM_FLIGHTS; i++) {
        if (w->flights[i].used && w->flights[i].apply_ms != 0)
            return false;
    }
    for (uint32_t i = 0; i < w->conversations_n; i++) {
        if (w->conversations[i].due_ms != 0)
            return false;
    }
    return true;
}

/* How long the worst conversation may take once nothing fails any more. */
static int64_t patience_ms(const struct sim *w)
{
    int64_t worst = 0;
    for (uint32_t i = 0; i < w->conversations_n; i++) {
        const struct policy *p = &w->conversations[i].policy;
        int64_t ms = 3 * p->lease_ttl_ms + (p->sends_max + 2) * (step_send_window_ms(p) + p->retry_cap_ms) + p->max_wait_ms +
                     (p->restart_max + 3) * (w->think_ms + 2000) + 60000;
        worst = ms > worst ? ms : worst;
    }
    return worst;
}

bool sim_heal(struct sim *w)
{
    w->healing = true;
    w->latency_ms = w->latency_ms < 3 ? w->latency_ms : 3;
    for (uint32_t i = 0; i < w->processes_n; i++)
        w->processes[i].paused_until_ms = 0;
    int64_t until_ms = w->now_ms + patience_ms(w);
    for (uint32_t i = 0; i < HEAL_STEPS && !w->failed && !at_rest(w); i++)
        sim_step(w);
    if (!w->failed && w->now_ms > until_ms)
        sim_fail(w, "rest came %lld ms late", (long long)(w->now_ms - until_ms));
    if (!w->failed)
        sim_check_rest(w);
    return !w->failed;
}

bool sim_run(struct sim *w, uint64_t seed, uint32_t steps, enum sim_mutant mutant, struct sim_counts *counts)
{
    sim_open(w, seed, steps, mutant, counts);
    for (uint32_t i = 0; i < steps && !w->failed; i++)
        sim_step(w);
    if (!w->failed)
        sim_heal(w);
    sim_close(w);
    return !w->failed;
}
