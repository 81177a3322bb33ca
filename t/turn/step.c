/* SPDX-License-Identifier: MIT
 * Every rule of src/turn/step.c: what a message does, what a conversation that is due needs. */
#include "config.h"

#include "t/tap.h"
#include "t/turn/step_rows.h"

#define ARRIVES .event = { .kind = EVENT_ARRIVE }
#define ARRIVES_HELD .event = { .kind = EVENT_ARRIVE, HELD }
#define DUE .event = { .kind = EVENT_BEGIN }
#define DUE_HELD .event = { .kind = EVENT_BEGIN, HELD }
#define LOOKS_HELD .event = { .kind = EVENT_BEGIN, OWNER, HELD }
#define TAKES .changed = true, .lease = STORE_LEASE_TAKE, .due_ms = NOW + TTL
#define ADDS .changed = true, .add_pending = true
#define RECORDS .verdict = VERDICT_RECORDED, .changed = true
#define FRESH(phase_, pending, covered) \
    .phase = (phase_), .turn_id = "F", .token = "fresh-token", .fence = 8, .pending_n = (pending), .covered_n = (covered)
#define QUIET .debounce_ms = 200, .max_wait_ms = 5000

static const struct row first[] = {
    { "the first message of all", .is = { 0 }, ARRIVES,
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "F",
                .next = { FRESH(PHASE_THINKING, 1, 1), .fence = NOW, .oldest_ms = NOW } } },
    { "a message to an idle conversation", .is = { IDLE, .closed = true, .archived = true }, ARRIVES,
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "F", .next = { FRESH(PHASE_THINKING, 1, 1), .oldest_ms = NOW } } },
    { "a quiet window opens", .is = { IDLE }, ARRIVES, .policy = { QUIET },
      .want = { VERDICT_WAIT, TAKES, .add_pending = true, .turn_id = "F",
                .next = { FRESH(PHASE_WAITING, 1, 0), .oldest_ms = NOW, .opened_ms = NOW, .wait_until_ms = NOW + 200 } } },
    { "a quiet window has a cap", .is = { IDLE }, ARRIVES, .policy = { .debounce_ms = 200, .max_wait_ms = 50 },
      .want = { VERDICT_WAIT, TAKES, .add_pending = true, .turn_id = "F",
                .next = { FRESH(PHASE_WAITING, 1, 0), .oldest_ms = NOW, .opened_ms = NOW, .wait_until_ms = NOW + 50 } } },
    { "handed over", .is = { IDLE }, .event = { .kind = EVENT_ARRIVE, .hand_over = true },
      .want = { VERDICT_QUEUED, ADDS, .wake = true, .due_ms = NOW, .turn_id = "F", .reason = "handed_over",
                .next = { QUEUED(1, NOW, "handed_over"), .turn_id = "F", .oldest_ms = NOW } } },
    { "handed over with a quiet window", .is = { IDLE }, .event = { .kind = EVENT_ARRIVE, .hand_over = true }, .policy = { QUIET },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW + 200, .turn_id = "F", .reason = "handed_over",
                .next = { QUEUED(1, NOW + 200, "handed_over"), .turn_id = "F", .oldest_ms = NOW, .opened_ms = NOW } } },
    { "an earlier send may still arrive", .is = { IDLE, .send_deadline_ms = 12000 }, ARRIVES,
      .want = { VERDICT_QUEUED, ADDS, .due_ms = 12000, .turn_id = "F", .reason = "earlier_send_unknown",
                .next = { QUEUED(1, 12000, "earlier_send_unknown"), .turn_id = "F", .oldest_ms = NOW, .send_deadline_ms = 12000 } } },
    { "an earlier send cannot arrive any more", .is = { IDLE, .send_deadline_ms = NOW }, ARRIVES,
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "F",
                .next = { FRESH(PHASE_THINKING, 1, 1), .oldest_ms = NOW, .send_deadline_ms = NOW } } },
};

static const struct row burst[] = {
    { "joins the burst", .is = { WAITING(1, 10100) }, ARRIVES_HELD, .policy = { QUIET },
      .want = { VERDICT_DEFERRED, ADDS, .due_ms = NOW + 400, .turn_id = "T", .next = { WAITING(2, NOW + 200) } } },
    { "joins the burst up to the cap", .is = { WAITING(1, 10100) }, ARRIVES_HELD, .policy = { .debounce_ms = 2000, .max_wait_ms = 1500 },
      .want = { VERDICT_DEFERRED, ADDS, .due_ms = NOW + 400, .turn_id = "T", .next = { WAITING(2, 10500) } } },
    { "a burst is not a running turn: it is not rejected", .is = { WAITING(1, 10100) }, ARRIVES_HELD,
      .policy = { QUIET, .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_DEFERRED, ADDS, .due_ms = NOW + 400, .turn_id = "T", .next = { WAITING(2, NOW + 200) } } },
    { "takes over the burst of a lost owner", .is = { WAITING(1, 10100) }, ARRIVES, .policy = { QUIET },
      .want = { VERDICT_WAIT, TAKES, .add_pending = true, .turn_id = "T",
                .next = { WAITING(2, NOW + 200), .token = "fresh-token", .fence = 8 } } },
    { "takes over the burst of a dead owner", .is = { WAITING(1, 10100) }, .event = { .kind = EVENT_ARRIVE, HELD, .owner_dead = true },
      .policy = { QUIET },
      .want = { VERDICT_WAIT, TAKES, .add_pending = true, .turn_id = "T",
                .next = { WAITING(2, NOW + 200), .token = "fresh-token", .fence = 8 } } },
    { "handed over into the burst of a lost owner", .is = { WAITING(1, 10100) }, .event = { .kind = EVENT_ARRIVE, .hand_over = true },
      .policy = { QUIET }, .want = { VERDICT_DEFERRED, ADDS, .due_ms = NOW, .turn_id = "T", .next = { WAITING(2, NOW + 200) } } },
};

static const struct row running[] = {
    { "locked", .is = { THINKING(1, 1) }, ARRIVES_HELD,
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = NOW + 400, .turn_id = "F",
                .next = { THINKING(2, 1), .next_turn_id = "F", .newer_ms = NOW } } },
    { "locked, the second", .is = { THINKING(2, 1), NEWER }, ARRIVES_HELD,
      .want = { VERDICT_LOCKED, ADDS, .position = 2, .due_ms = NOW + 400, .turn_id = "N", .next = { THINKING(3, 1), NEWER } } },
    { "interrupts", .is = { THINKING(1, 1), .restarts = 1 }, ARRIVES_HELD, .policy = { .on_newer = ON_NEWER_INTERRUPT, .restart_max = 2 },
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .interrupt = true, .position = 1, .due_ms = NOW + 400, .turn_id = "F",
                .next = { THINKING(2, 1), .restarts = 1, .next_turn_id = "F", .newer_ms = NOW } } },
    { "has interrupted often enough", .is = { THINKING(1, 1), .restarts = 2 }, ARRIVES_HELD,
      .policy = { .on_newer = ON_NEWER_INTERRUPT, .restart_max = 2 },
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = NOW + 400, .turn_id = "F",
                .next = { THINKING(2, 1), .restarts = 2, .next_turn_id = "F", .newer_ms = NOW } } },
    { "rejected", .is = { THINKING(1, 1) }, ARRIVES_HELD, .policy = { .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_REJECTED, .next = { THINKING(1, 1) } } },
    { "nobody runs it: not rejected", .is = { THINKING(1, 1) }, ARRIVES, .policy = { .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "T",
                .next = { THINKING(2, 2), .token = "fresh-token", .fence = 8, .attempts = 1, .faults = 1 } } },
    { "takes over from a lost owner, with what came after", .is = { THINKING(2, 1), NEWER }, ARRIVES,
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "T",
                .next = { THINKING(3, 3), .token = "fresh-token", .fence = 8, .attempts = 1, .faults = 1 } } },
    { "handed over to a lost owner's turn", .is = { THINKING(1, 1) }, .event = { .kind = EVENT_ARRIVE, .hand_over = true },
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = NOW, .turn_id = "F",
                .next = { THINKING(2, 1), .next_turn_id = "F", .newer_ms = NOW } } },
    { "comes while a reply is sent", .is = { SENDING(1, 1) }, ARRIVES_HELD,
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = NOW + 400, .turn_id = "F",
                .next = { SENDING(2, 1), .next_turn_id = "F", .newer_ms = NOW } } },
    { "comes while nobody knows whether a reply was sent", .is = { SENDING(1, 1) }, ARRIVES,
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = 40000, .turn_id = "F",
                .next = { SENDING(2, 1), .next_turn_id = "F", .newer_ms = NOW } } },
    { "comes between two attempts to send", .is = { SENDING(1, 1), .token = NULL, .retry_at_ms = 11000 }, ARRIVES,
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = 11000, .turn_id = "F",
                .next = { SENDING(2, 1), .token = NULL, .retry_at_ms = 11000, .next_turn_id = "F", .newer_ms = NOW } } },
    { "comes while a joined record's send is open", .is = { SENDING(1, 1), .token = NULL }, ARRIVES,
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 1, .due_ms = 40000, .turn_id = "F",
                .next = { SENDING(2, 1), .token = NULL, .next_turn_id = "F", .newer_ms = NOW } } },
    { "rejected while a reply is sent", .is = { SENDING(1, 1) }, ARRIVES, .policy = { .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_REJECTED, .next = { SENDING(1, 1) } } },
};

static const struct row queued[] = {
    { "waits with the others", .is = { QUEUED(1, 12000, "why") }, ARRIVES,
      .want = { VERDICT_QUEUED, ADDS, .due_ms = 12000, .turn_id = "T", .reason = "why", .next = { QUEUED(2, 12000, "why") } } },
    { "begins what is due", .is = { QUEUED(1, NOW, "why"), .opened_ms = 9000 }, ARRIVES, .policy = { QUIET },
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "T", .next = { THINKING(2, 2), .token = "fresh-token", .fence = 8 } } },
    { "leaves what is due to the daemon", .is = { QUEUED(1, NOW, "why") }, .event = { .kind = EVENT_ARRIVE, .hand_over = true },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW, .turn_id = "T", .reason = "why", .next = { QUEUED(2, NOW, "why") } } },
    { "is due but for an earlier send", .is = { QUEUED(1, NOW, "why"), .send_deadline_ms = 12000 }, ARRIVES,
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW, .turn_id = "T", .reason = "why",
                .next = { QUEUED(2, NOW, "why"), .send_deadline_ms = 12000 } } },
    { "moves a queued quiet window", .is = { QUEUED(1, 10100, "why"), .opened_ms = 9900 }, ARRIVES, .policy = { QUIET },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW + 200, .turn_id = "T", .reason = "why",
                .next = { QUEUED(2, NOW + 200, "why"), .opened_ms = 9900 } } },
    { "moves a queued quiet window no further than its cap", .is = { QUEUED(1, 10100, "why"), .opened_ms = 9900 }, ARRIVES,
      .policy = { .debounce_ms = 900, .max_wait_ms = 500 },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = 10400, .turn_id = "T", .reason = "why", .next = { QUEUED(2, 10400, "why"), .opened_ms = 9900 } } },
    { "a queued quiet window is over", .is = { QUEUED(1, NOW, "why"), .opened_ms = 9900 },
      .event = { .kind = EVENT_ARRIVE, .hand_over = true }, .policy = { QUIET },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW, .turn_id = "T", .reason = "why", .next = { QUEUED(2, NOW, "why"), .opened_ms = 9900 } } },
    { "full", .is = { QUEUED(2, 12000, "why") }, ARRIVES, .policy = { .pending_max = 2 },
      .want = { VERDICT_FULL, .next = { QUEUED(2, 12000, "why") } } },
};

static const struct row silence[] = {
    { "the bot is silent", .is = { IDLE, .paused = true, .paused_until_ms = NOW + 1, .closed = true }, ARRIVES,
      .want = { RECORDS, .add_context = true, .reason = "bot_paused", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 1 } } },
    { "the bot is silent until resumed", .is = { IDLE, .paused = true }, ARRIVES,
      .want = { RECORDS, .add_context = true, .reason = "bot_paused", .next = { IDLE, .paused = true } } },
    { "the bot's silence is over", .is = { IDLE, .paused = true, .paused_until_ms = NOW }, ARRIVES,
      .want = { VERDICT_RUN, TAKES, .add_pending = true, .turn_id = "F", .next = { FRESH(PHASE_THINKING, 1, 1), .oldest_ms = NOW } } },
    { "a person takes over", .is = { THINKING(1, 1) }, ARRIVES_HELD, .sender = SENDER_AGENT,
      .want = { RECORDS, .add_context = true, .due_ms = NOW + 400, .reason = "agent_message",
                .next = { THINKING(1, 1), .paused = true, .paused_until_ms = NOW + 600 } } },
    { "a person takes over while a reply goes out", .is = { SENDING(1, 1) }, ARRIVES_HELD, .sender = SENDER_AGENT,
      .want = { VERDICT_RECORDED, .changed = true, .interrupt = true, .add_context = true, .due_ms = NOW + 400, .reason = "agent_message",
                .next = { SENDING(1, 1), .paused = true, .paused_until_ms = NOW + 600 } } },
    { "a person goes on", .is = { IDLE, .paused = true, .paused_until_ms = NOW + 5 }, ARRIVES, .sender = SENDER_AGENT,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 600 } } },
    { "a person does not shorten a longer silence", .is = { IDLE, .paused = true, .paused_until_ms = NOW + 900 }, ARRIVES, .sender = SENDER_AGENT,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 900 } } },
    { "a person does not end a silence without end", .is = { IDLE, .paused = true }, ARRIVES, .sender = SENDER_AGENT,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true } } },
    { "a person comes back", .is = { IDLE, .paused_until_ms = NOW + 900 }, ARRIVES, .sender = SENDER_AGENT,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 600 } } },
    { "a person who wrote an hour ago", .is = { IDLE }, .event = { .kind = EVENT_ARRIVE, .fetched = true }, .sender = SENDER_AGENT, .sent_ms = NOW - 600,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE } } },
    { "a person whose time is not over yet", .is = { IDLE }, .event = { .kind = EVENT_ARRIVE, .fetched = true }, .sender = SENDER_AGENT, .sent_ms = NOW - 599,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 1 } } },
    { "a person with a clock that is ahead", .is = { IDLE }, .event = { .kind = EVENT_ARRIVE, .fetched = true }, .sender = SENDER_AGENT, .sent_ms = NOW + 50,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 600 } } },
    { "an earlier word of a person who goes on", .is = { IDLE, .paused = true, .paused_until_ms = NOW + 5 }, .event = { .kind = EVENT_ARRIVE, .fetched = true },
      .sender = SENDER_AGENT, .sent_ms = NOW - 599,
      .want = { RECORDS, .add_context = true, .reason = "agent_message", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 5 } } },
    { "a person whose time is over takes nothing", .is = { QUEUED(1, 12000, "why") }, .event = { .kind = EVENT_ARRIVE, .fetched = true }, .sender = SENDER_AGENT,
      .sent_ms = NOW - 700,
      .want = { RECORDS, .add_context = true, .due_ms = 12000, .reason = "agent_message", .next = { QUEUED(1, 12000, "why") } } },
    { "what a person has answered", .is = { IDLE, .closed = true }, .event = { .kind = EVENT_ARRIVE, .hand_over = true, .as_job = true, .answered_elsewhere = true },
      .want = { RECORDS, .add_context = true, .reason = "answered_by_person", .next = { IDLE } } },
    { "what a person has answered and whose silence goes on", .is = { IDLE, .paused = true },
      .event = { .kind = EVENT_ARRIVE, .hand_over = true, .as_job = true, .answered_elsewhere = true },
      .want = { RECORDS, .add_context = true, .reason = "answered_by_person", .next = { IDLE, .paused = true } } },
    { "what a person has answered is not for the turn that runs", .is = { THINKING(1, 1) },
      .event = { .kind = EVENT_ARRIVE, HELD, .hand_over = true, .as_job = true, .answered_elsewhere = true },
      .want = { RECORDS, .add_context = true, .due_ms = NOW + 400, .reason = "answered_by_person", .next = { THINKING(1, 1) } } },
    { "a person takes what waits", .is = { QUEUED(1, 12000, "why") }, ARRIVES, .sender = SENDER_AGENT,
      .want = { RECORDS, .add_context = true, .wake = true, .due_ms = NOW, .reason = "agent_message",
                .next = { QUEUED(1, NOW, "why"), .paused = true, .paused_until_ms = NOW + 600 } } },
    { "an echo of the bot", .is = { IDLE }, ARRIVES, .sender = SENDER_BOT, .want = { RECORDS, .reason = "own_message", .next = { IDLE } } },
    { "a word of the system to a queue without a time", .is = { QUEUED(1, 0, "why") }, ARRIVES, .sender = SENDER_SYSTEM,
      .want = { RECORDS, .add_context = true, .due_ms = NOW, .reason = "system_message", .next = { QUEUED(1, 0, "why") } } },
    { "a word of the system", .is = { IDLE }, ARRIVES, .sender = SENDER_SYSTEM,
      .want = { RECORDS, .add_context = true, .reason = "system_message", .next = { IDLE } } },
};

static const struct row due[] = {
    { "due for nothing", .is = { IDLE }, DUE, .want = { VERDICT_NOTHING, .changed = true, .next = { IDLE } } },
    { "due, but somebody is at it", .is = { THINKING(1, 1) }, DUE_HELD,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 400, .next = { THINKING(1, 1) } } },
    { "its owner was lost", .is = { THINKING(2, 1), NEWER, .attempts = 3, .faults = 1 }, DUE, .policy = { .attempts_max = 3 },
      .want = { VERDICT_RUN, TAKES, .turn_id = "T",
                .next = { THINKING(2, 2), .token = "fresh-token", .fence = 8, .attempts = 4, .faults = 2 } } },
    { "its owner is dead", .is = { THINKING(1, 1) }, .event = { .kind = EVENT_BEGIN, HELD, .owner_dead = true }, .policy = { .attempts_max = 2 },
      .want = { VERDICT_RUN, TAKES, .turn_id = "T", .next = { THINKING(1, 1), .token = "fresh-token", .fence = 8, .attempts = 1, .faults = 1 } } },
    { "its owners keep dying", .is = { THINKING(1, 1), .faults = 2 }, DUE, .policy = { .attempts_max = 3 },
      .want = { VERDICT_FAILED, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "owners_lost",
                .next = { IDLE } } },
    { "its owners keep dying, what came after gets a turn", .is = { THINKING(3, 1), NEWER, .faults = 2 }, DUE, .policy = { .attempts_max = 3 },
      .want = { VERDICT_FAILED, .changed = true, .lease = STORE_LEASE_DROP, .wake = true, .settled_n = 1, .due_ms = NOW, .turn_id = "T",
                .reason = "owners_lost", .next = { QUEUED(2, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500 } } },
    { "its owner was lost, a person has it", .is = { THINKING(2, 1), NEWER, .paused = true }, DUE,
      .want = { VERDICT_SILENCED, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 2, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true } } },
    { "its time has come", .is = { QUEUED(2, NOW, "why"), .next_turn_id = "N", .newer_ms = 9500, .restarts = 1, .attempts = 2 }, DUE,
      .want = { VERDICT_RUN, TAKES, .turn_id = "T", .next = { THINKING(2, 2), .token = "fresh-token", .fence = 8, .restarts = 1, .attempts = 2 } } },
    { "its time has not come", .is = { QUEUED(1, 12000, "why") }, DUE,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 12000, .next = { QUEUED(1, 12000, "why") } } },
    { "its time has come but for an earlier send", .is = { QUEUED(1, NOW, "why"), .send_deadline_ms = 12000 }, DUE,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 12000, .next = { QUEUED(1, 12000, "why"), .send_deadline_ms = 12000 } } },
    { "a person has what waits", .is = { QUEUED(2, 12000, "why"), .paused = true, .send_deadline_ms = 12000 }, DUE,
      .want = { VERDICT_SILENCED, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 2, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true, .send_deadline_ms = 12000 } } },
};

static const struct row window[] = {
    { "a daemon looks at a quiet window", .is = { WAITING(1, 9900) }, DUE_HELD,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 400, .next = { WAITING(1, 9900) } } },
    { "a daemon looks at a quiet window that a person has taken", .is = { WAITING(1, 9900), .paused = true }, DUE_HELD,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 400, .next = { WAITING(1, 9900), .paused = true } } },
    { "a lost owner's quiet window lasts", .is = { WAITING(1, 12000) }, DUE,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 12000, .next = { WAITING(1, 12000) } } },
    { "a lost owner's quiet window is over", .is = { WAITING(1, NOW) }, DUE,
      .want = { VERDICT_RUN, TAKES, .turn_id = "T", .next = { THINKING(1, 1), .token = "fresh-token", .fence = 8 } } },
    { "a person has a lost owner's quiet window", .is = { WAITING(1, 12000), .paused = true }, DUE,
      .want = { VERDICT_SILENCED, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true } } },
    { "the owner looks too early", .is = { WAITING(1, 10100) }, LOOKS_HELD,
      .want = { VERDICT_WAIT, .due_ms = NOW + 400, .turn_id = "T", .next = { WAITING(1, 10100) } } },
    { "the owner's quiet window is over", .is = { WAITING(3, NOW) }, LOOKS_HELD,
      .want = { VERDICT_RUN, TAKES, .need_lease = true, .turn_id = "T", .next = { THINKING(3, 3) } } },
    { "the owner's quiet window is over, and its lease", .is = { WAITING(1, NOW) }, .event = { .kind = EVENT_BEGIN, OWNER },
      .want = { VERDICT_RUN, TAKES, .turn_id = "T", .next = { THINKING(1, 1), .fence = 8 } } },
    { "the owner finds a person", .is = { WAITING(2, 12000), .paused = true }, LOOKS_HELD,
      .want = { VERDICT_SILENCED, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 2, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true } } },
    { "the owner finds a lease of another", .is = { WAITING(1, NOW), .token = "other" }, LOOKS_HELD,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .next = { WAITING(1, NOW), .token = "other" } } },
    { "the owner finds another fence", .is = { WAITING(1, NOW), .fence = 9 }, LOOKS_HELD,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .next = { WAITING(1, NOW), .fence = 9 } } },
    { "the owner finds a turn that another sends", .is = { SENDING(1, 1), .send_deadline_ms = 9000 }, .event = { .kind = EVENT_BEGIN, OWNER },
      .want = { VERDICT_LOST, .due_ms = 9000, .next = { SENDING(1, 1), .send_deadline_ms = 9000 } } },
};

static const struct row sending[] = {
    { "a send may still go out", .is = { SENDING(1, 1) }, DUE,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 40000, .next = { SENDING(1, 1) } } },
    { "a send may still go out, its owner lives", .is = { SENDING(1, 1) }, DUE_HELD,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 40000, .next = { SENDING(1, 1) } } },
    { "a send takes long, its owner lives", .is = { SENDING(1, 1), .send_deadline_ms = 9000 }, DUE_HELD,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 400, .next = { SENDING(1, 1), .send_deadline_ms = 9000 } } },
    { "a send is lost", .is = { SENDING(1, 1), .send_deadline_ms = NOW }, DUE, .policy = { .sends_max = 5 },
      .want = { VERDICT_UNKNOWN, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "owner_lost",
                .next = { IDLE } } },
    { "a send may be lost, but the host was away a moment ago", .is = { SENDING(1, 1), .send_deadline_ms = NOW },
      .event = { .kind = EVENT_BEGIN, .just_back = true },
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 1000, .next = { SENDING(1, 1), .send_deadline_ms = NOW } } },
    { "the host was away a moment ago, its sender is dead", .is = { SENDING(1, 1), .send_deadline_ms = NOW },
      .event = { .kind = EVENT_BEGIN, HELD, .owner_dead = true, .just_back = true },
      .want = { VERDICT_UNKNOWN, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "owner_lost",
                .next = { IDLE } } },
    { "a send is lost, something newer waits", .is = { SENDING(3, 1), NEWER, .send_deadline_ms = NOW }, DUE,
      .want = { VERDICT_UNKNOWN, .changed = true, .lease = STORE_LEASE_DROP, .wake = true, .settled_n = 1, .due_ms = NOW, .turn_id = "T",
                .reason = "owner_lost", .next = { QUEUED(2, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500 } } },
    { "a sender is dead, its bytes may be on their way", .is = { SENDING(3, 1), NEWER },
      .event = { .kind = EVENT_BEGIN, HELD, .owner_dead = true },
      .want = { VERDICT_UNKNOWN, .changed = true, .lease = STORE_LEASE_DROP, .wake = true, .settled_n = 1, .due_ms = 40000, .turn_id = "T",
                .reason = "owner_lost",
                .next = { QUEUED(2, 40000, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .send_deadline_ms = 40000 } } },
    { "a send is repeated under its key", .is = { SENDING(2, 1), NEWER, .send_deadline_ms = NOW }, DUE,
      .policy = { .send_idempotent = true, .sends_max = 2 },
      .want = { VERDICT_RESEND, TAKES, .turn_id = "T",
                .next = { SENDING(2, 1), NEWER, .token = "fresh-token", .fence = 8, .sends = 2, .send_deadline_ms = NOW + 8000 } } },
    { "a dead sender's send is repeated at once", .is = { SENDING(1, 1) }, .event = { .kind = EVENT_BEGIN, HELD, .owner_dead = true },
      .policy = { .send_idempotent = true, .sends_max = 2 },
      .want = { VERDICT_RESEND, TAKES, .turn_id = "T", .next = { SENDING(1, 1), .token = "fresh-token", .fence = 8, .sends = 2 } } },
    { "a repeat is lost: it does not count", .is = { SENDING(1, 1), .sends = 2, .send_deadline_ms = NOW }, DUE,
      .policy = { .send_idempotent = true, .sends_max = 3, .retry_for_ms = 5000 },
      .want = { VERDICT_RESEND, TAKES, .turn_id = "T",
                .next = { SENDING(1, 1), .token = "fresh-token", .fence = 8, .sends = 2, .send_deadline_ms = NOW + 8000 } } },
    { "repeats are lost for too long", .is = { SENDING(1, 1), .sends = 2, .send_deadline_ms = NOW }, DUE,
      .policy = { .send_idempotent = true, .sends_max = 3, .retry_for_ms = 1000 },
      .want = { VERDICT_UNKNOWN, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "owner_lost", .next = { IDLE } } },
    { "a send was repeated often enough", .is = { SENDING(1, 1), .sends = 2, .send_deadline_ms = NOW }, DUE,
      .policy = { .send_idempotent = true, .sends_max = 2 },
      .want = { VERDICT_UNKNOWN, .changed = true, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "owner_lost",
                .next = { IDLE } } },
    { "a joined record's send", .is = { SENDING(1, 1), .token = NULL }, DUE,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 40000, .next = { SENDING(1, 1), .token = NULL } } },
    { "between two attempts", .is = { SENDING(1, 1), .token = NULL, .retry_at_ms = 11000 }, DUE,
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 11000, .next = { SENDING(1, 1), .token = NULL, .retry_at_ms = 11000 } } },
    { "the next attempt is due", .is = { SENDING(1, 1), .token = NULL, .retry_at_ms = NOW }, DUE,
      .policy = { .send_idempotent = true, .sends_max = 2 },
      .want = { VERDICT_RESEND, TAKES, .turn_id = "T", .next = { SENDING(1, 1), .token = "fresh-token", .fence = 8, .sends = 2 } } },
};

static void names(void)
{
    for (int v = 0; v <= VERDICT_TOO_LATE; v++) {
        for (int o = 0; o < v; o++)
            ok(strcmp(verdict_name((enum verdict)v), verdict_name((enum verdict)o)) != 0, "verdict %d has a name of its own", v);
    }
}

/* What an arrival notes about its message. */
static void notes(void)
{
    struct conversation before = { 0 };
    struct message m = { .conversation_id = SV("c"), .message_id = SV("m1"), .content = SV("hello"), .sender_id = SV("u2"),
                         .sender_type = SENDER_USER, .timestamp_ms = 77 };
    struct policy p = { .lease_ttl_ms = TTL, .pending_max = 10 };
    struct event ev = { .kind = EVENT_ARRIVE, .now_ms = NOW, .token = "k", .owner = "me", .fresh_id = "F", .message = &m };
    struct decision d;
    step(&before, &ev, &p, &d);
    is_str(d.next.user_id, "u2", "the first sender is the user");
    is_str(d.next.last_message_id, "m1", "the last message");
    is_int(d.next.last_message_ms, 77, "its time");
    is_int(d.next.created_ms, NOW, "created");
    is_int(d.next.activity_ms, NOW, "active");
    is_int(d.next.seq, 1, "arrival number");
    is_int(d.next.total, 1, "counted");
    is_int(d.next.began_ms, NOW, "begun");
    is_str(d.next.owner, "me", "the owner");
    before = d.next;
    m.sender_id = SV("u3");
    m.message_id = SV("m2");
    ev.now_ms = NOW + 5;
    step(&before, &ev, &p, &d);
    is_str(d.next.user_id, "u2", "the user stays");
    is_str(d.next.last_message_id, "m2", "the newest message");
    is_int(d.next.created_ms, NOW, "created once");
    is_int(d.next.seq, 2, "the next arrival number");
    m.sender_type = SENDER_AGENT;
    step(&before, &ev, &p, &d);
    is_int(d.next.total, 1, "only customers' messages are counted");
    ev.kind = (enum event_kind)99;
    step(&before, &ev, &p, &d);
    ok(!d.changed, "an event that nobody knows changes nothing");
    before.phase = (enum phase)99;
    ev.kind = EVENT_BEGIN;
    step(&before, &ev, &p, &d);
    ok(d.due_ms == 0 || d.changed, "a phase that nobody knows is no reason to spin");
    ev.kind = EVENT_ARRIVE;
    m.sender_type = SENDER_USER;
    step(&before, &ev, &p, &d);
    ok(d.add_pending, "nor to lose a message");
    before.user_id[0] = '\0';
    m.sender_id = m.message_id = SV_NONE;
    step(&before, &ev, &p, &d);
    is_str(d.next.user_id, "", "a sender without a name");
    is_str(d.next.last_message_id, "", "a message without an id");
    m.sender_type = (enum sender_type)99;
    step(&before, &ev, &p, &d);
    ok(d.verdict == VERDICT_RECORDED, "nor is a sender that nobody knows");
}

#define REVIVE(n) .event = { .kind = EVENT_REVIVE, .revive_n = (n), .revive_seq = 9 }
#define REVIVES .changed = true, .reason = "revived"

static const struct row revivals[] = {
    { "revive: nothing runs", .is = { IDLE }, REVIVE(2),
      .want = { VERDICT_QUEUED, REVIVES, .wake = true, .due_ms = NOW, .turn_id = "F",
                .next = { QUEUED(2, NOW, "revived"), .turn_id = "F", .oldest_ms = NOW } } },
    { "revive: a send is open", .is = { IDLE, .send_deadline_ms = NOW + 50 }, REVIVE(1),
      .want = { VERDICT_QUEUED, REVIVES, .wake = true, .due_ms = NOW + 50, .turn_id = "F",
                .next = { QUEUED(1, NOW + 50, "revived"), .turn_id = "F", .oldest_ms = NOW, .send_deadline_ms = NOW + 50 } } },
    { "revive: something waits", .is = { QUEUED(2, 12000, "why") }, REVIVE(2),
      .want = { VERDICT_QUEUED, REVIVES, .due_ms = 12000, .turn_id = "T", .next = { QUEUED(4, 12000, "why") } } },
    { "revive: a quiet window", .is = { WAITING(1, 12000) }, REVIVE(1),
      .want = { VERDICT_DEFERRED, REVIVES, .due_ms = NOW, .turn_id = "T", .next = { WAITING(2, 12000) } } },
    { "revive: a turn runs", .is = { THINKING(1, 1) }, REVIVE(2),
      .want = { VERDICT_LOCKED, REVIVES, .named_next = true, .position = 2, .due_ms = NOW, .turn_id = "F",
                .next = { THINKING(3, 1), .next_turn_id = "F", .newer_ms = NOW } } },
    { "revive: a reply is sent", .is = { SENDING(2, 1), NEWER }, REVIVE(2),
      .want = { VERDICT_LOCKED, REVIVES, .position = 3, .due_ms = 40000, .turn_id = "N", .next = { SENDING(4, 1), NEWER } } },
    { "revive: a person has the conversation", .is = { IDLE, .paused = true, .paused_until_ms = NOW + 1 }, REVIVE(1),
      .want = { VERDICT_REJECTED, .reason = "bot_paused", .next = { IDLE, .paused = true, .paused_until_ms = NOW + 1 } } },
    { "revive: a person had it", .is = { IDLE, .paused = true, .paused_until_ms = NOW }, REVIVE(1),
      .want = { VERDICT_QUEUED, REVIVES, .wake = true, .due_ms = NOW, .turn_id = "F",
                .next = { QUEUED(1, NOW, "revived"), .turn_id = "F", .oldest_ms = NOW } } },
    { "revive: more than may wait", .is = { QUEUED(2, 12000, "why") }, REVIVE(2), .policy = { .pending_max = 3 },
      .want = { VERDICT_FULL, .due_ms = 12000, .turn_id = "T", .next = { QUEUED(2, 12000, "why") } } },
    { "revive: the conversation was closed", .is = { IDLE, .closed = true }, REVIVE(1),
      .want = { VERDICT_QUEUED, REVIVES, .wake = true, .due_ms = NOW, .turn_id = "F",
                .next = { QUEUED(1, NOW, "revived"), .turn_id = "F", .oldest_ms = NOW } } },
};

int main(void)
{
    rows_check(first, ARRAY_LEN(first));
    rows_check(burst, ARRAY_LEN(burst));
    rows_check(running, ARRAY_LEN(running));
    rows_check(queued, ARRAY_LEN(queued));
    rows_check(silence, ARRAY_LEN(silence));
    rows_check(due, ARRAY_LEN(due));
    rows_check(window, ARRAY_LEN(window));
    rows_check(sending, ARRAY_LEN(sending));
    rows_check(revivals, ARRAY_LEN(revivals));
    names();
    notes();
    return done_testing();
}
