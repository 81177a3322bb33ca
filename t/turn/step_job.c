/* SPDX-License-Identifier: MIT
 * The rules about jobs in src/turn/step*.c: several messages at once, the lock that is promised, how often a job is tried, bots that are switched
 * off, and the cancelling of a turn that was promised. */
#include "config.h"

#include "t/tap.h"
#include "t/turn/step_rows.h"

#define JOB .kind = EVENT_ARRIVE, .as_job = true, .hand_over = true
#define ADDS .changed = true, .add_pending = true
#define DROPS .changed = true, .lease = STORE_LEASE_DROP, .turn_id = "T"
#define TOLD .told = true, .job = true
#define CUT(n, after) .cancelled_n = (n), .cancelled_turn_id = "N", .cancelled_after_ms = (after)
#define CANCELS(what) .event = { .kind = EVENT_CANCEL, .token = "", HELD, .target = (what) }
#define FINISH .policy = { .on_newer = ON_NEWER_FINISH }
#define RESTARTS .policy = { .restart_max = 3 }

static const struct row arrivals[] = {
    { "a job to an idle conversation", .is = { IDLE }, .event = { JOB },
      .want = { VERDICT_QUEUED, ADDS, .wake = true, .due_ms = NOW, .turn_id = "F", .reason = "job_queued",
                .next = { QUEUED(1, NOW, "job_queued"), TOLD, .turn_id = "F", .oldest_ms = NOW, .lock_token = "fresh-token" } } },
    { "three messages at once", .is = { IDLE }, .event = { JOB, .together_n = 3, .history_n = 4 },
      .want = { VERDICT_QUEUED, ADDS, .wake = true, .due_ms = NOW, .turn_id = "F", .reason = "job_queued",
                .next = { QUEUED(3, NOW, "job_queued"), TOLD, .turn_id = "F", .oldest_ms = NOW, .lock_token = "fresh-token" } } },
    { "a job with a quiet window", .is = { IDLE }, .event = { JOB }, .policy = { .debounce_ms = 200, .max_wait_ms = 5000 },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW + 200, .turn_id = "F", .reason = "job_queued",
                .next = { QUEUED(1, NOW + 200, "job_queued"), TOLD, .turn_id = "F", .oldest_ms = NOW, .opened_ms = NOW,
                          .lock_token = "fresh-token" } } },
    { "a job while another waits", .is = { QUEUED(1, NOW, "job_queued"), TOLD, .lock_token = "promised" }, .event = { JOB, .together_n = 2 },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW, .turn_id = "T", .reason = "job_queued",
                .next = { QUEUED(3, NOW, "job_queued"), TOLD, .lock_token = "promised" } } },
    { "a job while a turn runs", .is = { THINKING(1, 1) }, .event = { JOB, HELD, .together_n = 2 },
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 2, .due_ms = NOW + 400, .turn_id = "F",
                .next = { THINKING(3, 1), TOLD, .newer_job = true, .next_turn_id = "F", .newer_ms = NOW } } },
    { "a job joins a burst", .is = { WAITING(1, 10100) }, .event = { JOB, HELD },
      .want = { VERDICT_DEFERRED, ADDS, .due_ms = NOW + 400, .turn_id = "T", .next = { WAITING(2, NOW), TOLD, .wait_until_ms = 9000 } } },
    { "too many at once", .is = { QUEUED(8, NOW, "why") }, .event = { JOB, .together_n = 3 }, .policy = { .pending_max = 10 },
      .want = { VERDICT_FULL, .next = { QUEUED(8, NOW, "why") } } },
    { "just not too many", .is = { QUEUED(7, NOW, "why") }, .event = { JOB, .together_n = 3 }, .policy = { .pending_max = 10 },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW, .turn_id = "T", .reason = "why", .next = { QUEUED(10, NOW, "why"), TOLD } } },
    { "rejected while a turn runs", .is = { THINKING(1, 1) }, .event = { JOB, HELD }, .policy = { .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_REJECTED, .next = { THINKING(1, 1) } } },
    { "the bot is switched off", .is = { IDLE }, .event = { JOB, .together_n = 2 }, .policy = { .silent = true },
      .want = { VERDICT_RECORDED, .changed = true, .add_context = true, .reason = "bot_disabled", .next = { IDLE } } },
    { "a person has the conversation", .is = { IDLE, .paused = true }, .event = { JOB }, .policy = { .silent = true },
      .want = { VERDICT_RECORDED, .changed = true, .add_context = true, .reason = "bot_paused", .next = { IDLE, .paused = true } } },
};

static const struct row begins[] = {
    { "the first lease is the one that was promised", .is = { QUEUED(2, NOW, "job_queued"), TOLD, .lock_token = "promised" },
      .event = { .kind = EVENT_BEGIN },
      .want = { VERDICT_RUN, .changed = true, .lease = STORE_LEASE_TAKE, .due_ms = NOW + TTL, .turn_id = "T",
                .next = { THINKING(2, 2), TOLD, .token = "promised", .fence = 8 } } },
    { "the second is not", .is = { THINKING(2, 2), TOLD }, .event = { .kind = EVENT_BEGIN }, .policy = { .attempts_max = 5 },
      .want = { VERDICT_RUN, .changed = true, .lease = STORE_LEASE_TAKE, .due_ms = NOW + TTL, .turn_id = "T",
                .next = { THINKING(2, 2), TOLD, .token = "fresh-token", .fence = 8, .attempts = 1, .faults = 1 } } },
    { "what waits for a bot that was switched off", .is = { QUEUED(2, NOW, "job_queued"), TOLD, .lock_token = "promised" },
      .event = { .kind = EVENT_BEGIN }, .policy = { .silent = true },
      .want = { VERDICT_SILENCED, DROPS, .settled_n = 2, .reason = "bot_disabled", .next = { IDLE } } },
};

#define FAILS .event = { .kind = EVENT_AI_FAILED, OWNER, HELD, .failure = FAILURE_UNREACHABLE, .jitter_ms = 70, .reason = "ai_unreachable" }
static const struct row tries[] = {
    { "a job is tried again", .is = { THINKING(1, 1), TOLD, .attempts = 3 }, FAILS, .policy = { .attempts_max = 5, .retry_for_ms = 100000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "ai_unreachable",
                .next = { QUEUED(1, NOW + 70, "ai_unreachable"), TOLD, .attempts = 4 } } },
    { "and given up after so many tries", .is = { THINKING(1, 1), TOLD, .attempts = 4 }, FAILS,
      .policy = { .attempts_max = 5, .retry_for_ms = 100000 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "ai_unreachable", .next = { IDLE } } },
    { "also when the last try fails otherwise", .is = { THINKING(1, 1), TOLD, .attempts = 4 },
      .event = { .kind = EVENT_AI_FAILED, OWNER, HELD, .failure = FAILURE_REFUSED, .jitter_ms = 70, .reason = "ai_refused" },
      .policy = { .attempts_max = 5, .retry_for_ms = 100000 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "ai_refused", .next = { IDLE } } },
    { "or with its owner", .is = { THINKING(1, 1), TOLD, .attempts = 4, .faults = 1 }, .event = { .kind = EVENT_BEGIN },
      .policy = { .attempts_max = 5 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "owners_lost", .next = { IDLE } } },
    { "another turn is not", .is = { THINKING(1, 1), .attempts = 4 }, FAILS, .policy = { .attempts_max = 5, .retry_for_ms = 100000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "ai_unreachable",
                .next = { QUEUED(1, NOW + 70, "ai_unreachable"), .attempts = 5 } } },
    { "nobody was asked: no try", .is = { THINKING(1, 1), TOLD, .attempts = 4 },
      .event = { .kind = EVENT_AI_FAILED, OWNER, HELD, .failure = FAILURE_UNREACHABLE, .jitter_ms = 70, .reason = "ai_circuit_open",
                 .not_asked = true },
      .policy = { .attempts_max = 5, .retry_for_ms = 100000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "ai_circuit_open",
                .next = { QUEUED(1, NOW + 70, "ai_circuit_open"), TOLD, .attempts = 4 } } },
    { "but not for ever", .is = { THINKING(1, 1), TOLD },
      .event = { .kind = EVENT_AI_FAILED, OWNER, HELD, .failure = FAILURE_UNREACHABLE, .reason = "ai_circuit_open", .not_asked = true },
      .policy = { .attempts_max = 5, .retry_for_ms = 1000 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "ai_circuit_open", .next = { IDLE } } },
};

static const struct row cancels[] = {
    { "cancel the next turn: the reply goes out", .is = { SENDING(3, 1), NEWER, TOLD }, CANCELS("N"), RESTARTS,
      .want = { VERDICT_CANCELLED_NEXT, .changed = true, .due_ms = NOW + 400, .turn_id = "N", .reason = "cancelled",
                .next = { SENDING(3, 1), TOLD, .newer_ms = 9500, CUT(2, 0) } } },
    { "cancel the next turn: this one finishes", .is = { THINKING(3, 1), NEWER, TOLD }, CANCELS("N"), FINISH,
      .want = { VERDICT_CANCELLED_NEXT, .changed = true, .due_ms = NOW + 400, .turn_id = "N", .reason = "cancelled",
                .next = { THINKING(3, 1), TOLD, .newer_ms = 9500, CUT(2, 0) } } },
    { "cancel the next turn: the restarts are used up", .is = { THINKING(3, 1), NEWER, TOLD, .restarts = 3 }, CANCELS("N"), RESTARTS,
      .want = { VERDICT_CANCELLED_NEXT, .changed = true, .due_ms = NOW + 400, .turn_id = "N", .reason = "cancelled",
                .next = { THINKING(3, 1), TOLD, .restarts = 3, .newer_ms = 9500, CUT(2, 0) } } },
    { "cancel the next turn that answers all", .is = { THINKING(3, 1), NEWER, TOLD }, CANCELS("N"), RESTARTS,
      .want = { VERDICT_CANCELLED, DROPS, .interrupt = true, .settled_n = 3, .reason = "cancelled", .next = { IDLE, .fence = 8 } } },
    { "cancel this turn: the next one stays", .is = { THINKING(3, 1), NEWER, TOLD, .newer_job = true }, CANCELS("T"), RESTARTS,
      .want = { VERDICT_CANCELLED, DROPS, .interrupt = true, .wake = true, .settled_n = 1, .due_ms = NOW, .reason = "cancelled",
                .next = { QUEUED(2, NOW, "newer_messages"), TOLD, .turn_id = "N", .oldest_ms = 9500, .fence = 8 } } },
    { "one more comes behind those", .is = { SENDING(3, 1), TOLD, .newer_ms = 9500, CUT(2, 0) }, .event = { .kind = EVENT_ARRIVE, HELD },
      .want = { VERDICT_LOCKED, ADDS, .named_next = true, .position = 3, .due_ms = NOW + 400, .turn_id = "F",
                .next = { SENDING(4, 1), TOLD, .next_turn_id = "F", .newer_ms = 9500, CUT(2, NOW) } } },
    { "they are not newer for the gate", .is = { THINKING(3, 1), TOLD, .newer_ms = 9500, CUT(2, 0) },
      .event = { .kind = EVENT_ANSWERED, OWNER, HELD, .has_actions = true }, RESTARTS,
      .want = { VERDICT_SEND, .changed = true, .need_lease = true, .lease = STORE_LEASE_TAKE, .due_ms = NOW + TTL, .turn_id = "T",
                .next = { SENDING(3, 1), TOLD, .newer_ms = 9500, .send_deadline_ms = NOW + 8000, CUT(2, 0) } } },
    { "what comes behind them is: one turn takes all", .is = { THINKING(4, 1), TOLD, .next_turn_id = "M", .newer_ms = 9500, CUT(2, 9700) },
      .event = { .kind = EVENT_ANSWERED, OWNER, HELD, .has_actions = true }, RESTARTS,
      .want = { VERDICT_RESTART, DROPS, .turn_id = "M", .need_lease = true, .wake = true, .due_ms = NOW, .reason = "superseded",
                .next = { QUEUED(4, NOW, "restart"), TOLD, .turn_id = "M", .restarts = 1, .superseded = "T/1" } } },
    { "the reply was sent", .is = { SENDING(4, 1), TOLD, .newer_job = true, .next_turn_id = "M", .newer_ms = 9500, CUT(2, 9700) },
      .event = { .kind = EVENT_SENT, OWNER, HELD, .sent = SENT_OK },
      .want = { VERDICT_COMPLETED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW,
                .next = { QUEUED(3, NOW, "newer_messages"), TOLD, .turn_id = "M", .oldest_ms = 9500, CUT(2, 9700) } } },
    { "the reply was sent, and what waits is no job", .is = { SENDING(2, 1), TOLD, .next_turn_id = "M", .newer_ms = 9500 },
      .event = { .kind = EVENT_SENT, OWNER, HELD, .sent = SENT_OK },
      .want = { VERDICT_COMPLETED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW,
                .next = { QUEUED(1, NOW, "newer_messages"), .told = true, .turn_id = "M", .oldest_ms = 9500 } } },
    { "then they end", .is = { QUEUED(3, NOW, "newer_messages"), TOLD, .turn_id = "M", CUT(2, 9700) }, .event = { .kind = EVENT_BEGIN },
      .want = { VERDICT_CANCELLED, DROPS, .turn_id = "N", .wake = true, .settled_n = 2, .due_ms = NOW, .reason = "cancelled",
                .next = { QUEUED(1, NOW, "newer_messages"), TOLD, .turn_id = "M", .oldest_ms = 9700 } } },
    { "and nothing is left", .is = { QUEUED(2, NOW, "newer_messages"), TOLD, .turn_id = "M", CUT(2, 0) }, .event = { .kind = EVENT_BEGIN },
      .want = { VERDICT_CANCELLED, DROPS, .turn_id = "N", .settled_n = 2, .reason = "cancelled", .next = { IDLE } } },
    { "no arrival runs over them", .is = { QUEUED(2, NOW, "newer_messages"), TOLD, .turn_id = "M", CUT(2, 0) },
      .event = { .kind = EVENT_ARRIVE },
      .want = { VERDICT_QUEUED, ADDS, .due_ms = NOW, .turn_id = "M", .reason = "newer_messages",
                .next = { QUEUED(3, NOW, "newer_messages"), TOLD, .turn_id = "M", CUT(2, NOW) } } },
    { "a lost owner's turn takes them along", .is = { THINKING(3, 1), TOLD, .newer_ms = 9500, CUT(2, 0) }, .event = { .kind = EVENT_BEGIN },
      .policy = { .attempts_max = 5 },
      .want = { VERDICT_RUN, .changed = true, .lease = STORE_LEASE_TAKE, .due_ms = NOW + TTL, .turn_id = "T",
                .next = { THINKING(3, 3), TOLD, .token = "fresh-token", .fence = 8, .attempts = 1, .faults = 1 } } },
};

int main(void)
{
    rows_check(arrivals, ARRAY_LEN(arrivals));
    rows_check(begins, ARRAY_LEN(begins));
    rows_check(tries, ARRAY_LEN(tries));
    rows_check(cancels, ARRAY_LEN(cancels));
    return done_testing();
}
