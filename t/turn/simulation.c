/* SPDX-License-Identifier: MIT
 * The seeded simulation of turns: many short worlds, each with its own mix of faults, every invariant looked at after every step.
 *
 *   SIM_STEPS=n  about so many steps instead of the usual number (20000000 takes minutes)
 *   SEED=n       the n-th world alone */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "t/tap.h"
#include "t/turn/sim.h"

#define STEPS 1000000
#define WORLD_STEPS 2500
#define RACES 10000

static struct sim world; /* too large for a stack */

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t n = otherwise;
    if (text != NULL && !sv_to_u64(sv_from(text), &n))
        bail_out("%s is not a number: %s", name, text);
    return n;
}

static void tell(const struct sim_counts *c)
{
    diag("%" PRIu64 " steps, %" PRIu64 " worlds, %" PRIu64 " messages, %" PRIu64 " duplicates", c->steps, c->worlds, c->messages, c->duplicates);
    diag("%" PRIu64 " kills, %" PRIu64 " stops, %" PRIu64 " locks deleted, %" PRIu64 " drains, %" PRIu64 " forgotten", c->crashes, c->pauses,
         c->unlocks, c->drains, c->forgotten);
    diag("store: %" PRIu64 " down (%" PRIu64 " done all the same), %" PRIu64 " conflicts, %" PRIu64 " leases lost, %" PRIu64 " takeovers (%" PRIu64 " of dead owners)",
         c->downs, c->downs_done, c->conflicts, c->lease_lost, c->takeovers, c->takeovers_dead);
    diag("platform: %" PRIu64 " sends, %" PRIu64 " applied, %" PRIu64 " of them after the turn's end, %" PRIu64 " repeats (%" PRIu64 " known by key), %" PRIu64 " too late",
         c->first_bytes, c->applied, c->applied_late, c->resends, c->deduplicated, c->too_late);
    for (int v = 0; v <= VERDICT_TOO_LATE; v++)
        diag("  %-10s %" PRIu64, verdict_name((enum verdict)v), c->verdicts[v]);
}

static void everything_happened(const struct sim_counts *c)
{
    for (int v = 0; v <= VERDICT_TOO_LATE; v++)
        ok(c->verdicts[v] > 0, "the verdict %s was reached", verdict_name((enum verdict)v));
    const struct {
        uint64_t n;
        const char *what;
    } events[] = {
        { c->duplicates, "duplicates" }, { c->crashes, "kills" }, { c->pauses, "stops" }, { c->unlocks, "deleted locks" },
        { c->downs_done, "applies whose answer got lost" }, { c->conflicts, "conflicts" }, { c->lease_lost, "lost leases" },
        { c->drains, "drains" }, { c->forgotten, "forgotten records" }, { c->applied_late, "replies that arrive after their turn's end" },
        { c->deduplicated, "repeats known by their key" }, { c->looked, "repeats that have looked and found nothing" }, { c->too_late, "sends stopped by the own deadline" },
        { c->takeovers, "takeovers" }, { c->takeovers_dead, "takeovers from the dead" }, { c->revived, "letters whose messages came back" },
        { c->not_revived, "letters whose messages did not" }, { c->cancels_repeated, "cancels that had to look again" },
        { c->groups, "requests with several messages" }, { c->groups_in_part, "such of which something was known" },
        { c->synced, "exchanges that were made elsewhere" }, { c->synced_in_turn, "such while a turn ran" },
        { c->answered_elsewhere, "messages that a person had answered when they were fetched" },
        { c->silenced_by_bot, "messages to a bot that was switched off" },
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        ok(events[i].n > 0, "there were %s", events[i].what);
}

/* ---- cancel against the gate ---- */

static void go(struct sim *w, struct sim_task *t)
{
    int64_t ready_ms = sim_task_ready_ms(w, t);
    w->now_ms = ready_ms > w->now_ms ? ready_ms : w->now_ms;
    sim_platform_advance(w);
    sim_task_advance(w, t);
}

/* One turn up to its gate, then a cancel, step by step in any order. What the cancel was answered. */
static enum verdict race(struct sim *w)
{
    struct sim_task *turn = sim_arrive(w, 0, 0, SIM_NONE, SENDER_USER);
    while (turn->state != TASK_THINK && !w->failed)
        go(w, turn);
    turn->has_actions = true;
    turn->renew_ms = INT64_MAX;
    uint32_t number = turn->turn;
    struct sim_task *cancel = sim_task_new(w, 1, 0, EVENT_CANCEL);
    uint32_t head_start = sim_below(w, 8);
    while ((turn->state != TASK_FREE || cancel->state != TASK_FREE) && !w->failed) {
        bool turns_go = cancel->state == TASK_FREE || (turn->state != TASK_FREE && (head_start > 0 || sim_chance(w, 5000)));
        head_start -= head_start > 0;
        go(w, turns_go ? turn : cancel);
    }
    enum verdict v = cancel->decision.verdict;
    uint32_t applied = w->turns[number].applied;
    if (applied != (v == VERDICT_CANCELLED ? 0 : 1))
        sim_fail(w, "a cancel was answered with %s, and the reply went out %u times", verdict_name(v), applied);
    return v;
}

static void races(void)
{
    struct sim_counts counts = { 0 };
    uint32_t answers[VERDICT_TOO_LATE + 1] = { 0 };
    bool held = true;
    for (uint32_t i = 0; held && i < RACES; i += RACES / 10) {
        sim_open(&world, i, RACES / 10, MUTANT_NONE, &counts);
        world.mood = MOOD_CALM;
        world.faults = (struct sim_faults){ 0 };
        world.processes_n = 2;
        world.latency_ms = 3;
        world.conversations[0].policy.debounce_ms = 0;
        world.conversations[0].policy.lease_ttl_ms = 30000; /* no send is late: what is not cancelled goes out */
        for (uint32_t k = 0; !world.failed && k < RACES / 10; k++)
            answers[race(&world)]++;
        held = sim_heal(&world);
        sim_close(&world);
    }
    if (!held)
        sim_log_print(&world);
    ok(held, "a cancelled turn never sends, whoever is first");
    ok(answers[VERDICT_CANCELLED] > RACES / 10, "%u were cancelled", answers[VERDICT_CANCELLED]);
    ok(answers[VERDICT_TOO_LATE] > RACES / 10, "%u were too late", answers[VERDICT_TOO_LATE]);
    is_int(answers[VERDICT_CANCELLED] + answers[VERDICT_TOO_LATE] + answers[VERDICT_NOTHING], RACES, "and no other answer");
}

/* ---- the same in a storm ---- */

#define STORM_RACES 3000

/* A cancel in a world of its own, in which owners are killed, answers of the store get lost and the platform says little. NULL: what the cancel
 * was told is true, now and later. */
static const char *storm_race(struct sim *w, uint64_t seed, struct sim_counts *counts, uint32_t *answers)
{
    sim_open(w, seed, 1, MUTANT_NONE, counts);
    w->mood = MOOD_STORM;
    w->faults = (struct sim_faults){ .down = 1500, .platform = 50, .strike = 1500, .stall = 500 };
    w->processes_n = 2;
    w->processes[0].daemon = true;
    w->processes[1] = w->processes[0];
    snprintf(w->processes[1].name, sizeof(w->processes[1].name), "p1.0");
    w->latency_ms = 3;
    struct policy *p = &w->conversations[0].policy;
    p->debounce_ms = 0;
    p->on_newer = ON_NEWER_RESTART;
    struct sim_task *turn = sim_arrive(w, 0, 0, SIM_NONE, SENDER_USER);
    for (uint32_t i = 0; i < 40 && turn->state != TASK_THINK && turn->state != TASK_FREE; i++)
        go(w, turn);
    struct sim_task *cancel = sim_task_new(w, 1, 0, EVENT_CANCEL);
    for (uint32_t i = 0; i < 60 && cancel->state != TASK_FREE && !w->failed; i++)
        go(w, turn->state != TASK_FREE && sim_chance(w, 5000) ? turn : cancel);
    bool told = cancel->told && cancel->target[0] != '\0'; /* a process that was killed told nobody anything */
    enum verdict v = cancel->decision.verdict;
    uint32_t number = sim_turn_number(cancel->target);
    (void)sim_heal(w);
    const struct sim_turn *meant = &w->turns[number];
    const char *wrong = w->failed ? w->failure : NULL;
    if (told && wrong == NULL) {
        answers[v]++;
        if (v == VERDICT_CANCELLED && (meant->applied != 0 || meant->end != VERDICT_CANCELLED))
            wrong = "a turn that was said to be cancelled went on";
        if (v == VERDICT_UNKNOWN && meant->end != VERDICT_UNKNOWN)
            wrong = "a turn that was said to be freed ended otherwise";
        if (v == VERDICT_TOO_LATE && meant->intents_n == 0)
            wrong = "a cancel was too late for a turn that sent nothing";
    }
    sim_close(w);
    return wrong;
}

static void storm_races(void)
{
    struct sim_counts counts = { 0 };
    uint32_t answers[VERDICT_TOO_LATE + 1] = { 0 };
    const char *wrong = NULL;
    for (uint32_t i = 0; wrong == NULL && i < STORM_RACES; i++)
        wrong = storm_race(&world, 700000 + i, &counts, answers);
    if (wrong != NULL)
        sim_log_print(&world);
    ok(wrong == NULL, "what a cancel is told holds, whatever fails: %s", wrong != NULL ? wrong : "it does");
    ok(answers[VERDICT_CANCELLED] > STORM_RACES / 20, "%u were cancelled", answers[VERDICT_CANCELLED]);
    ok(answers[VERDICT_TOO_LATE] > STORM_RACES / 100, "%u were too late", answers[VERDICT_TOO_LATE]);
    ok(answers[VERDICT_UNKNOWN] > 0, "%u were freed with an unknown outcome", answers[VERDICT_UNKNOWN]);
}

int main(void)
{
    struct sim_counts counts = { 0 };
    bool one = getenv("SEED") != NULL;
    uint64_t seed = number("SEED", 1), steps = number("SIM_STEPS", STEPS);
    bool held = true;
    do {
        held = sim_run(&world, seed++, WORLD_STEPS, MUTANT_NONE, &counts);
    } while (held && !one && counts.steps < steps);
    if (!held)
        sim_log_print(&world);
    tell(&counts);
    ok(held, "every invariant held in %" PRIu64 " steps", counts.steps);
    if (held && !one) {
        everything_happened(&counts);
        races();
        storm_races();
    }
    return done_testing();
}
