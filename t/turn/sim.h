/* SPDX-License-Identifier: MIT
 * A world in one thread without I/O: conversations in a model of the store, processes that run the real step() in the order of
 * turn/turn.h, an AI, a platform with a ledger, and faults between any two atomic steps. One seed gives one history, whatever machine.
 *
 *   sim_world.c     who does something next, faults, healing
 *   sim_task.c      what a process does: one atomic step at a time
 *   sim_store.c     the contracts of store/store.h
 *   sim_platform.c  requests under way and the ledger
 *   sim_check.c     the invariants; the last events for whoever has to understand a failure
 *   sim_mutant.c    ways to be wrong, to show that the invariants see them */
#ifndef T_TURN_SIM_H
#define T_TURN_SIM_H

#include "t/turn/sim_mutant.h"
#include "turn/step.h"
#include "turn/step_parts.h"

#define SIM_CONVERSATIONS 3
#define SIM_PROCESSES 5
#define SIM_TASKS 48
#define SIM_FLIGHTS 96
#define SIM_MESSAGES 2048 /* of one conversation */
#define SIM_ORDER 4096 /* they, and those that come back */
#define SIM_INTENTS 16
#define SIM_LETTERS 8
#define SIM_LOG 30
#define SIM_NONE UINT32_MAX

/* Calm: nothing fails, every bound holds exactly. Storm: owners are stopped around their sends, the platform says little. */
enum sim_mood { MOOD_MIXED, MOOD_CALM, MOOD_STORM };

/* Where a message has come to. */
enum sim_fate {
    FATE_NONE, /* not accepted (so far) */
    FATE_PENDING,
    FATE_CONTEXT,  /* recorded at once */
    FATE_ANSWERED, /* the platform has confirmed the reply */
    FATE_REFUSED,  /* the platform has refused the reply */
    FATE_SKIPPED,  /* the AI had nothing to say */
    FATE_UNKNOWN, FATE_CANCELLED, FATE_FAILED, FATE_SILENCED,
};

struct sim_message {
    char id[16];
    enum sim_fate fate;
    enum sender_type sender;
    bool marked, as_job;
    uint32_t replies, promised; /* applied by the platform; the turn that was named to its sender, SIM_NONE: none */
    uint32_t ended_in, letter; /* the turn that brought it to its end; that in whose letter it stands */
    int64_t accepted_ms, timestamp_ms;
};

struct sim_turn {
    uint8_t conversation;
    bool named, ended, sent, answered, withheld;
    enum verdict end;
    uint32_t joined; /* another turn took its messages over; SIM_NONE: none */
    uint32_t from, upto; /* the messages of its intent */
    uint32_t intents_n, applied;
    uint64_t intents[SIM_INTENTS]; /* fences of the written intents */
};

struct sim_conversation {
    uint64_t version;
    struct conversation record;
    char lock[ID_TOKEN_SIZE];
    int64_t lock_until_ms, due_ms;

    struct sim_message messages[SIM_MESSAGES];
    uint32_t messages_n;
    uint32_t letters[SIM_LETTERS], letters_n; /* the last turns that were given up */
    uint32_t order[SIM_ORDER]; /* the pending list: order[head] ... order[tail - 1] */
    uint32_t head, tail;

    struct policy policy;
    uint64_t fence_max;      /* survives a forgotten record */
    uint64_t fence_sent;     /* the newest that has sent ... */
    uint32_t fence_sent_turn; /* ... for this turn */
    uint32_t ai_calls, restarts; /* since something was settled */
    bool job_is_old; /* that for whose sake what waits is called a job may have been cancelled */
};

enum task_state {
    TASK_FREE,
    TASK_LOAD,  /* a decision: about to load */
    TASK_APPLY, /* a decision: about to apply */
    TASK_WAIT,  /* quiet window */
    TASK_THINK, /* the AI is asked */
    TASK_SEND,  /* intent written, no byte sent */
    TASK_WIRE,  /* the platform has the request, perhaps */
};

struct sim_task {
    enum task_state state;
    uint32_t process, conversation;
    int64_t ready_ms;

    /* the decision under way */
    enum event_kind kind;
    bool cached, waits; /* waits: BEGIN by the owner of a quiet window */
    char fresh[ID_UUID_SIZE];
    struct event event;
    struct message message;
    uint32_t message_n, group, revives; /* ARRIVE: the last of so many in one request, what of them is new each load finds out; REVIVE: this turn's */
    char target[ID_UUID_SIZE]; /* CANCEL: what it was about at the first try */
    bool hand_over, as_job, fetched, answered, interrupted, told; /* answered: by a person; told: the decision was made, and its asker knows */
    struct conversation before;
    uint64_t version;
    int64_t base_ms; /* own clock before the load */
    struct decision decision;

    /* the turn */
    bool owns, revoked, authority_lost, interrupt;
    char token[ID_TOKEN_SIZE];
    uint64_t fence;
    int64_t lease_until_ms, renew_ms, think_until_ms, send_before_ms; /* own clock */
    struct conversation record; /* as it applied it last */
    uint64_t record_version;
    uint32_t turn, from, upto; /* what the AI was asked about, what is sent */
    bool ai_fails, has_actions, settled; /* settled: of `sent` */
    enum failure failure;
    uint32_t flight, tries;
    enum sent sent;
};

struct sim_process {
    char name[24];
    uint32_t generation;
    bool daemon, provable, draining; /* provable: others can tell whether it is dead */
    int64_t paused_until_ms;
    int64_t wall_skew_ms;
};

struct sim_flight {
    bool used;
    uint32_t conversation, turn, from, upto;
    uint64_t fence;
    int64_t apply_ms; /* 0: not (any more) */
    enum sent outcome;
};

/* In ten thousand steps. */
struct sim_faults {
    uint32_t crash, pause, unlock, down, wall, drain, forget, policy, admin;
    uint32_t ai, platform;  /* of a hundred calls */
    uint32_t stall, strike; /* of ten thousand steps of a running turn: its process is stopped, killed before the next */
};

struct sim_entry {
    uint64_t step;
    int64_t now_ms, due_ms;
    uint32_t process, conversation;
    const char *what, *detail;
    enum phase phase;
    uint64_t fence;
    uint32_t pending_n, covered_n, number;
};

/* What happened so often: a simulation in which something never happens proves nothing about it. */
struct sim_counts {
    uint64_t steps, worlds, messages, duplicates, crashes, pauses, unlocks, downs, downs_done, conflicts, lease_lost, drains, forgotten;
    uint64_t applied, applied_late, deduplicated, looked, resends, first_bytes, too_late, takeovers, takeovers_dead;
    uint64_t synced, synced_in_turn, revived, not_revived, cancels_repeated, groups, groups_in_part, silenced_by_bot, answered_elsewhere;
    uint64_t verdicts[VERDICT_TOO_LATE + 1];
};

struct sim {
    uint64_t seed, random, step;
    int64_t now_ms; /* the store's clock and everybody's monotonic one */
    enum sim_mutant mutant;
    enum sim_mood mood;
    bool healing;
    struct sim_faults faults;
    int64_t latency_ms, jump_ms, think_ms;
    uint32_t arrive_share, sweep_share, advance_share; /* of a hundred */
    uint32_t processes_n, conversations_n;
    struct sim_process processes[SIM_PROCESSES];
    struct sim_conversation conversations[SIM_CONVERSATIONS];
    struct sim_task tasks[SIM_TASKS];
    struct sim_flight flights[SIM_FLIGHTS];
    struct sim_turn *turns;
    uint32_t turns_n, turns_max;
    uint64_t tokens;
    struct sim_counts *counts;

    bool failed;
    char failure[240];
    struct sim_entry log[SIM_LOG];
    uint64_t log_n;
};

/* ---- sim_world.c ---- */

/* A run of `steps` with faults, then as many as it takes to come to rest. False: an invariant broke, w->failure says which. */
bool sim_run(struct sim *w, uint64_t seed, uint32_t steps, enum sim_mutant mutant, struct sim_counts *counts);
void sim_stop(struct sim *w, uint32_t process, const struct policy *p);
void sim_kill(struct sim *w, uint32_t process);
/* The pieces, for tests that make their own history. */
void sim_open(struct sim *w, uint64_t seed, uint32_t steps, enum sim_mutant mutant, struct sim_counts *counts);
void sim_close(struct sim *w);
void sim_step(struct sim *w);
bool sim_heal(struct sim *w);
uint64_t sim_random(struct sim *w);
uint32_t sim_below(struct sim *w, uint32_t bound); /* bound > 0 */
bool sim_chance(struct sim *w, uint32_t of_ten_thousand);
bool sim_process_is_dead(const struct sim *w, const char *owner);

/* ---- sim_task.c ---- */

struct sim_task *sim_task_new(struct sim *w, uint32_t process, uint32_t conversation, enum event_kind kind);
/* A message; SIM_NONE: a new one. Then: that request brings so many new ones. */
struct sim_task *sim_arrive(struct sim *w, uint32_t process, uint32_t conversation, uint32_t message, enum sender_type sender);
void sim_arrive_together(struct sim *w, struct sim_task *t, uint32_t n);
void sim_task_advance(struct sim *w, struct sim_task *t);
/* When it has something to do. */
int64_t sim_task_ready_ms(const struct sim *w, const struct sim_task *t);
uint32_t sim_turn_number(const char *id);

/* ---- sim_store.c ---- */
/* True: the message's mark is there; REVIVE: the messages have not failed (any more). */
bool sim_store_load(struct sim *w, struct sim_task *t);
enum store_status sim_store_apply(struct sim *w, struct sim_task *t);
enum store_status sim_store_renew(struct sim *w, struct sim_task *t);
bool sim_store_lock_held(const struct sim *w, const struct sim_conversation *c, const char *token);

/* ---- sim_platform.c ---- */
/* The first byte of the task's request goes out. */
void sim_platform_send(struct sim *w, struct sim_task *t);
/* What its owner hears at ready_ms. */
enum sent sim_platform_outcome(struct sim *w, struct sim_task *t);
/* Everything that reaches the platform up to now. */
void sim_platform_advance(struct sim *w);
int64_t sim_platform_next_ms(const struct sim *w);

/* ---- sim_check.c ---- */

void sim_fail(struct sim *w, const char *format, ...) PRINTF_LIKE(2, 3);
void sim_log(struct sim *w, const struct sim_task *t, const char *what, const char *detail, uint32_t number);
void sim_log_print(const struct sim *w);
/* Around an apply that will succeed: what it may do; what it has left. */
void sim_check_apply(struct sim *w, const struct sim_task *t);
void sim_check_record(struct sim *w, const struct sim_task *t);
/* The pending list's first n have come to their end. */
void sim_check_settle(struct sim *w, const struct sim_task *t);
void sim_check_first_byte(struct sim *w, const struct sim_task *t);
void sim_check_delivery(struct sim *w, const struct sim_flight *f);
void sim_check_rest(struct sim *w);
const char *sim_event_name(enum event_kind k);

#endif
