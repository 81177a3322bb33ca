/* SPDX-License-Identifier: MIT
 * Every rule of src/turn/step_turn.c: the gate, failures, the platform's outcome, an administrator, a shutdown. */
#include "config.h"

#include "t/tap.h"
#include "t/turn/step_rows.h"

#define ANSWERED .event = { .kind = EVENT_ANSWERED, OWNER, HELD, .has_actions = true }
#define INTERRUPTED .event = { .kind = EVENT_ANSWERED, OWNER, HELD, .interrupted = true }
#define INTERRUPTED_BY(until) .event = { .kind = EVENT_ANSWERED, OWNER, HELD, .interrupted = true, .until_ms = (until) }
#define FAILS(how) .event = { .kind = EVENT_AI_FAILED, OWNER, HELD, .failure = (how), .jitter_ms = 70, .reason = "ai" }
#define SENT(how) .event = { .kind = EVENT_SENT, OWNER, .sent = (how), .jitter_ms = 70, .reason = "platform" }
#define LOOKED(how) .event = { .kind = EVENT_SENT, OWNER, .sent = (how), .settled = true, .jitter_ms = 70, .reason = "platform" }
#define TELLS(turn, covers, how) \
    .event = { .kind = EVENT_SENT, OWNER, .turn_id = (turn), .covered_n = (covers), .sent = (how), .jitter_ms = 70, .reason = "platform" }
#define CANCEL .event = { .kind = EVENT_CANCEL, .token = "" }
#define CANCEL_HELD .event = { .kind = EVENT_CANCEL, .token = "", HELD }
#define BACK .event = { .kind = EVENT_HAND_BACK, OWNER, HELD }
#define DROPS .changed = true, .lease = STORE_LEASE_DROP, .turn_id = "T"
#define GATE .changed = true, .need_lease = true
#define SENDS GATE, .lease = STORE_LEASE_TAKE, .due_ms = NOW + TTL, .turn_id = "T"
#define INTENT .send_deadline_ms = NOW + 8000
#define RESTARTS .on_newer = ON_NEWER_RESTART, .restart_max = 2
#define AGAIN .send_idempotent = true, .sends_max = 3

static const struct row gate[] = {
    { "passes", .is = { THINKING(2, 2) }, ANSWERED, .want = { VERDICT_SEND, SENDS, .next = { SENDING(2, 2), INTENT } } },
    { "newer: restart", .is = { THINKING(3, 1), NEWER, .attempts = 2, .faults = 1 }, ANSWERED, .policy = { RESTARTS },
      .want = { VERDICT_RESTART, GATE, .lease = STORE_LEASE_DROP, .wake = true, .due_ms = NOW, .turn_id = "N", .reason = "superseded",
                .next = { QUEUED(3, NOW, "restart"), .turn_id = "N", .restarts = 1, .superseded = "T/1" } } },
    { "newer: interrupt", .is = { THINKING(3, 1), NEWER }, ANSWERED, .policy = { RESTARTS, .on_newer = ON_NEWER_INTERRUPT },
      .want = { VERDICT_RESTART, GATE, .lease = STORE_LEASE_DROP, .wake = true, .due_ms = NOW, .turn_id = "N", .reason = "superseded",
                .next = { QUEUED(3, NOW, "restart"), .turn_id = "N", .restarts = 1, .superseded = "T/1" } } },
    { "newer for the fifth time", .is = { THINKING(7, 5), NEWER, .restarts = 4, .superseded = "b/2 c/3 d/4" }, ANSWERED,
      .policy = { RESTARTS, .restart_max = 9 },
      .want = { VERDICT_RESTART, GATE, .lease = STORE_LEASE_DROP, .wake = true, .due_ms = NOW, .turn_id = "N", .reason = "superseded",
                .next = { QUEUED(7, NOW, "restart"), .turn_id = "N", .restarts = 5, .superseded = "c/3 d/4 T/5" } } },
    { "newer without a name", .is = { THINKING(3, 1) }, ANSWERED, .policy = { RESTARTS },
      .want = { VERDICT_RESTART, GATE, .lease = STORE_LEASE_DROP, .wake = true, .due_ms = NOW, .turn_id = "F", .reason = "superseded",
                .next = { QUEUED(3, NOW, "restart"), .turn_id = "F", .restarts = 1, .superseded = "T/1" } } },
    { "newer: finish", .is = { THINKING(3, 1), NEWER }, ANSWERED, .policy = { RESTARTS, .on_newer = ON_NEWER_FINISH },
      .want = { VERDICT_SEND, SENDS, .next = { SENDING(3, 1), NEWER, INTENT } } },
    { "newer: reject", .is = { THINKING(3, 1), NEWER }, ANSWERED, .policy = { RESTARTS, .on_newer = ON_NEWER_REJECT },
      .want = { VERDICT_SEND, SENDS, .next = { SENDING(3, 1), NEWER, INTENT } } },
    { "newer, restarted often enough", .is = { THINKING(3, 1), NEWER, .restarts = 2 }, ANSWERED, .policy = { RESTARTS },
      .want = { VERDICT_SEND, SENDS, .next = { SENDING(3, 1), NEWER, INTENT, .restarts = 2 } } },
    { "nothing to send", .is = { THINKING(2, 2), .restarts = 1, .attempts = 1, .faults = 1 },
      .event = { .kind = EVENT_ANSWERED, OWNER, HELD },
      .want = { VERDICT_COMPLETED, GATE, .lease = STORE_LEASE_DROP, .settled_n = 2, .turn_id = "T", .next = { IDLE } } },
    { "nothing to send, something newer", .is = { THINKING(3, 2), NEWER }, .event = { .kind = EVENT_ANSWERED, OWNER, HELD },
      .policy = { .on_newer = ON_NEWER_FINISH },
      .want = { VERDICT_COMPLETED, GATE, .lease = STORE_LEASE_DROP, .wake = true, .settled_n = 2, .due_ms = NOW, .turn_id = "T",
                .next = { QUEUED(1, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500 } } },
    { "a person has taken over", .is = { THINKING(2, 1), NEWER, .paused = true, .paused_until_ms = NOW + 1 }, ANSWERED, .policy = { RESTARTS },
      .want = { VERDICT_SILENCED, GATE, .lease = STORE_LEASE_DROP, .wake = true, .settled_n = 1, .due_ms = NOW, .turn_id = "T",
                .reason = "bot_paused",
                .next = { QUEUED(1, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .paused = true, .paused_until_ms = NOW + 1 } } },
    { "a person has, as the archive knows", .is = { THINKING(1, 1) }, INTERRUPTED_BY(NOW + 5),
      .want = { VERDICT_SILENCED, GATE, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true, .paused_until_ms = NOW + 5 } } },
    { "a person has, for longer than the archive knows", .is = { THINKING(1, 1), .paused = true, .paused_until_ms = NOW + 9 }, INTERRUPTED_BY(NOW + 5),
      .want = { VERDICT_SILENCED, GATE, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true, .paused_until_ms = NOW + 9 } } },
    { "a person has, paused for good", .is = { THINKING(1, 1), .paused = true }, INTERRUPTED_BY(NOW + 5),
      .want = { VERDICT_SILENCED, GATE, .lease = STORE_LEASE_DROP, .settled_n = 1, .turn_id = "T", .reason = "bot_paused",
                .next = { IDLE, .paused = true } } },
    { "a person has, and a moment later had", .is = { THINKING(2, 1), NEWER }, INTERRUPTED_BY(NOW), .policy = { RESTARTS },
      .want = { VERDICT_SILENCED, GATE, .lease = STORE_LEASE_DROP, .wake = true, .settled_n = 1, .due_ms = NOW, .turn_id = "T",
                .reason = "bot_paused",
                .next = { QUEUED(1, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .paused = true, .paused_until_ms = NOW } } },
    { "a person had taken over", .is = { THINKING(1, 1), .paused = true, .paused_until_ms = NOW }, ANSWERED,
      .want = { VERDICT_SEND, SENDS, .next = { SENDING(1, 1), INTENT, .paused = true, .paused_until_ms = NOW } } },
};

static const struct row lost[] = {
    { "the lock is gone", .is = { THINKING(1, 1) }, .event = { .kind = EVENT_ANSWERED, OWNER, .has_actions = true },
      .want = { VERDICT_LOST, .due_ms = NOW, .turn_id = "T", .next = { THINKING(1, 1) } } },
    { "another fence", .is = { THINKING(1, 1), .fence = 8 }, ANSWERED,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { THINKING(1, 1), .fence = 8 } } },
    { "another token", .is = { THINKING(1, 1), .token = "other" }, ANSWERED,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { THINKING(1, 1), .token = "other" } } },
    { "nothing runs", .is = { IDLE }, .event = { .kind = EVENT_ANSWERED, .token = "", .fence = 7, HELD },
      .want = { VERDICT_LOST, .next = { IDLE } } },
    { "not asked yet", .is = { WAITING(1, 12000) }, ANSWERED,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { WAITING(1, 12000) } } },
    { "the gate was passed, its answer got lost", .is = { SENDING(1, 1) }, ANSWERED,
      .want = { VERDICT_SEND, .due_ms = NOW + 400, .turn_id = "T", .next = { SENDING(1, 1) } } },
    { "a hint after the gate", .is = { SENDING(1, 1) }, INTERRUPTED,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { SENDING(1, 1) } } },
    { "another's send", .is = { SENDING(1, 1), .send_fence = 6 }, ANSWERED,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { SENDING(1, 1), .send_fence = 6 } } },
    { "a hint, nothing newer", .is = { THINKING(1, 1) }, INTERRUPTED, .policy = { RESTARTS },
      .want = { VERDICT_NOTHING, .turn_id = "T", .next = { THINKING(1, 1) } } },
    { "a hint, something newer", .is = { THINKING(2, 1), NEWER }, INTERRUPTED, .policy = { RESTARTS, .on_newer = ON_NEWER_INTERRUPT },
      .want = { VERDICT_RESTART, GATE, .lease = STORE_LEASE_DROP, .wake = true, .due_ms = NOW, .turn_id = "N", .reason = "superseded",
                .next = { QUEUED(2, NOW, "restart"), .turn_id = "N", .restarts = 1, .superseded = "T/1" } } },
    { "a hint, restarted often enough", .is = { THINKING(2, 1), NEWER, .restarts = 2 }, INTERRUPTED, .policy = { RESTARTS },
      .want = { VERDICT_NOTHING, .turn_id = "T", .next = { THINKING(2, 1), NEWER, .restarts = 2 } } },
    { "a failure of a lost turn", .is = { THINKING(1, 1), .token = "other" }, FAILS(FAILURE_REFUSED),
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { THINKING(1, 1), .token = "other" } } },
    { "a failure of a turn that sends", .is = { SENDING(1, 1) }, FAILS(FAILURE_REFUSED),
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { SENDING(1, 1) } } },
    { "an outcome of a lost turn", .is = { SENDING(1, 1), .token = "other" }, SENT(SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 40000, .turn_id = "T", .next = { SENDING(1, 1), .token = "other" } } },
    { "an outcome of another send", .is = { SENDING(1, 1), .send_fence = 6 }, SENT(SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 40000, .turn_id = "T", .next = { SENDING(1, 1), .send_fence = 6 } } },
    { "an outcome of a turn that does not send", .is = { THINKING(1, 1) }, SENT(SENT_OK),
      .want = { VERDICT_LOST, .due_ms = NOW, .turn_id = "T", .next = { THINKING(1, 1) } } },
};

static const struct row failures[] = {
    { "the AI cannot be reached", .is = { THINKING(2, 1), NEWER, .attempts = 9, .faults = 1 }, FAILS(FAILURE_UNREACHABLE),
      .policy = { .retry_for_ms = 1001, .attempts_max = 2 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "ai",
                .next = { QUEUED(2, NOW + 70, "ai"), NEWER, .attempts = 10, .faults = 1 } } },
    { "the AI cannot be reached for too long", .is = { THINKING(2, 1), NEWER }, FAILS(FAILURE_UNREACHABLE), .policy = { .retry_for_ms = 1000 },
      .want = { VERDICT_FAILED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW, .reason = "ai",
                .next = { QUEUED(1, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500 } } },
    { "the AI refuses", .is = { THINKING(1, 1), .attempts = 9 }, FAILS(FAILURE_REFUSED), .policy = { .attempts_max = 2 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "ai", .next = { QUEUED(1, NOW + 70, "ai"), .attempts = 10, .faults = 1 } } },
    { "the AI answers nonsense", .is = { THINKING(1, 1) }, FAILS(FAILURE_INVALID), .policy = { .attempts_max = 2 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "ai", .next = { QUEUED(1, NOW + 70, "ai"), .attempts = 1, .faults = 1 } } },
    { "the AI refuses too often", .is = { THINKING(1, 1), .attempts = 1, .faults = 1 }, FAILS(FAILURE_REFUSED), .policy = { .attempts_max = 2 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "ai", .next = { IDLE } } },
};

static const struct row outcomes[] = {
    { "sent", .is = { SENDING(1, 1), .restarts = 1 }, SENT(SENT_OK), .want = { VERDICT_COMPLETED, DROPS, .settled_n = 1, .next = { IDLE } } },
    { "sent after restarts", .is = { SENDING(3, 3), .restarts = 2, .superseded = "a/1 b/2" }, SENT(SENT_OK),
      .want = { VERDICT_COMPLETED, DROPS, .settled_n = 3, .next = { IDLE } } },
    { "not reached after a restart", .is = { SENDING(2, 2), .restarts = 1, .superseded = "a/1" }, SENT(SENT_UNREACHABLE),
      .policy = { .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "platform",
                .next = { QUEUED(2, NOW + 70, "platform"), .attempts = 1, .restarts = 1, .superseded = "a/1" } } },
    { "sent, something newer", .is = { SENDING(3, 1), NEWER }, SENT(SENT_OK),
      .want = { VERDICT_COMPLETED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW,
                .next = { QUEUED(2, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500 } } },
    { "sent, something newer without name and time", .is = { SENDING(3, 1) }, SENT(SENT_OK),
      .want = { VERDICT_COMPLETED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW,
                .next = { QUEUED(2, NOW, "newer_messages"), .turn_id = "F", .oldest_ms = NOW } } },
    { "sent at the second attempt", .is = { SENDING(1, 1), .sends = 2 }, SENT(SENT_OK), .policy = { AGAIN },
      .want = { VERDICT_COMPLETED, DROPS, .settled_n = 1, .next = { IDLE } } },
    { "refused", .is = { SENDING(1, 1) },
      .event = { .kind = EVENT_SENT, OWNER, .sent = SENT_FAILED, .transferred = true, .ended = true },
      .want = { VERDICT_COMPLETED, DROPS, .settled_n = 1, .next = { IDLE } } },
    { "not reached", .is = { SENDING(2, 1), NEWER }, SENT(SENT_UNREACHABLE), .policy = { .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "platform",
                .next = { QUEUED(2, NOW + 70, "platform"), NEWER, .attempts = 1 } } },
    { "too late to send", .is = { SENDING(1, 1) }, SENT(SENT_TOO_LATE), .policy = { .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "platform", .next = { QUEUED(1, NOW + 70, "platform"), .attempts = 1 } } },
    { "not reached for too long", .is = { SENDING(1, 1) }, SENT(SENT_UNREACHABLE), .policy = { .retry_for_ms = 1000 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "platform", .next = { IDLE } } },
    { "unknown", .is = { SENDING(3, 1), NEWER }, SENT(SENT_UNKNOWN), .policy = { .sends_max = 3 },
      .want = { VERDICT_UNKNOWN, DROPS, .wake = true, .settled_n = 1, .due_ms = 40000, .reason = "outcome_unknown",
                .next = { QUEUED(2, 40000, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .send_deadline_ms = 40000 } } },
    { "unknown, nothing newer", .is = { SENDING(1, 1) }, SENT(SENT_UNKNOWN),
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "outcome_unknown", .next = { IDLE, .send_deadline_ms = 40000 } } },
    { "unknown, to be repeated", .is = { SENDING(2, 1), NEWER }, SENT(SENT_UNKNOWN), .policy = { AGAIN },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "outcome_unknown",
                .next = { SENDING(2, 1), NEWER, .token = NULL, .retry_at_ms = NOW + 70 } } },
    /* the host has changed its store meanwhile: a joined record has no lease */
    { "told of a send that stayed open", .is = { SENDING(3, 1), NEWER, .token = NULL, .fence = 9, .send_fence = 7 }, TELLS("T", 1, SENT_OK),
      .want = { VERDICT_COMPLETED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW,
                .next = { QUEUED(2, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .fence = 9 } } },
    { "told that it was never made", .is = { SENDING(1, 1), .token = NULL, .fence = 9, .send_fence = 7 }, TELLS("T", 1, SENT_TOO_LATE), .policy = { .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "platform",
                .next = { QUEUED(1, NOW + 70, "platform"), .fence = 9, .attempts = 1 } } },
    { "told of another turn's send", .is = { SENDING(1, 1), .token = NULL, .fence = 9, .send_fence = 7 }, TELLS("U", 1, SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 40000, .turn_id = "T", .next = { SENDING(1, 1), .token = NULL, .fence = 9, .send_fence = 7 } } },
    { "told of a send of more messages", .is = { SENDING(2, 1), .token = NULL, .fence = 9, .send_fence = 7 }, TELLS("T", 2, SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 40000, .turn_id = "T", .next = { SENDING(2, 1), .token = NULL, .fence = 9, .send_fence = 7 } } },
    { "told of one of two sends", .is = { SENDING(1, 1), .token = NULL, .fence = 9, .send_fence = 7, .sends = 1000000 }, TELLS("T", 1, SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 40000, .turn_id = "T", .next = { SENDING(1, 1), .token = NULL, .fence = 9, .send_fence = 7, .sends = 1000000 } } },
    { "told of a send that is to be repeated", .is = { SENDING(1, 1), .token = NULL, .retry_at_ms = 11000 }, TELLS("T", 1, SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 11000, .turn_id = "T", .next = { SENDING(1, 1), .token = NULL, .retry_at_ms = 11000 } } },
    { "told of a send that another has taken over", .is = { SENDING(1, 1), .token = "other", .fence = 9, .send_fence = 7 }, TELLS("T", 1, SENT_OK),
      .want = { VERDICT_LOST, .due_ms = 40000, .turn_id = "T", .next = { SENDING(1, 1), .token = "other", .fence = 9, .send_fence = 7 } } },
    { "unknown once too often", .is = { SENDING(1, 1), .sends = 3, .send_deadline_ms = NOW }, SENT(SENT_UNKNOWN), .policy = { AGAIN },
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "outcome_unknown", .next = { IDLE } } },
    { "a repeat is not reached: the first may have been", .is = { SENDING(1, 1), .sends = 2 }, SENT(SENT_UNREACHABLE), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "outcome_unknown",
                .next = { SENDING(1, 1), .sends = 1, .token = NULL, .retry_at_ms = NOW + 70 } } },
    { "the last repeat is not reached, and does not count", .is = { SENDING(1, 1), .sends = 3 }, SENT(SENT_TOO_LATE), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "outcome_unknown",
                .next = { SENDING(1, 1), .sends = 2, .token = NULL, .retry_at_ms = NOW + 70 } } },
    { "no repeat is reached for too long", .is = { SENDING(1, 1), .sends = 2, .send_deadline_ms = NOW }, SENT(SENT_UNREACHABLE), .policy = { AGAIN, .retry_for_ms = 1000 },
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "outcome_unknown", .next = { IDLE } } },
    { "nothing has arrived, and the reply waits", .is = { SENDING(1, 1), .sends = 2 }, LOOKED(SENT_UNREACHABLE), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "outcome_unknown",
                .next = { SENDING(1, 1), .sends = 1, .token = NULL, .retry_at_ms = NOW + 70 } } },
    { "nothing has arrived, and something is newer", .is = { SENDING(2, 1), NEWER, .sends = 2 }, LOOKED(SENT_TOO_LATE), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "platform", .next = { QUEUED(2, NOW + 70, "platform"), NEWER, .attempts = 1 } } },
    { "nothing has arrived, for too long", .is = { SENDING(1, 1), .sends = 2 }, LOOKED(SENT_UNREACHABLE), .policy = { AGAIN, .retry_for_ms = 1000 },
      .want = { VERDICT_FAILED, DROPS, .settled_n = 1, .reason = "platform", .next = { IDLE } } },
    { "a part has arrived", .is = { SENDING(2, 1), NEWER }, SENT(SENT_PART), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "outcome_unknown", .next = { SENDING(2, 1), NEWER, .token = NULL, .retry_at_ms = NOW + 70 } } },
    { "a part has arrived again", .is = { SENDING(1, 1), .sends = 3 }, SENT(SENT_PART), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "outcome_unknown",
                .next = { SENDING(1, 1), .sends = 2, .token = NULL, .retry_at_ms = NOW + 70 } } },
    { "a part has arrived, and a person has taken over", .is = { SENDING(1, 1), .send_deadline_ms = NOW, .paused = true }, SENT(SENT_PART), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "bot_paused", .next = { IDLE, .paused = true } } },
    { "nothing has arrived, and a person has taken over", .is = { SENDING(1, 1), .sends = 2, .paused = true }, LOOKED(SENT_TOO_LATE), .policy = { AGAIN, .retry_for_ms = 5000 },
      .want = { VERDICT_RETRY, DROPS, .due_ms = NOW + 70, .reason = "platform", .next = { QUEUED(1, NOW + 70, "platform"), .attempts = 1, .paused = true } } },
    { "the rest of a part never follows", .is = { SENDING(1, 1), .sends = 2, .send_deadline_ms = NOW }, SENT(SENT_PART), .policy = { AGAIN, .retry_for_ms = 1000 },
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "outcome_unknown", .next = { IDLE } } },
    { "unknown again, for too long", .is = { SENDING(1, 1), .sends = 2, .send_deadline_ms = NOW }, SENT(SENT_UNKNOWN), .policy = { AGAIN, .retry_for_ms = 1000 },
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "outcome_unknown", .next = { IDLE } } },
    { "a repeat that has looked is refused", .is = { SENDING(1, 1), .sends = 2 }, LOOKED(SENT_FAILED), .policy = { AGAIN },
      .want = { VERDICT_COMPLETED, DROPS, .settled_n = 1, .next = { IDLE } } },
    { "a repeat is refused: the first may arrive yet", .is = { SENDING(1, 1), .sends = 3 }, SENT(SENT_FAILED), .policy = { AGAIN },
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "outcome_unknown", .next = { IDLE, .send_deadline_ms = 40000 } } },
    { "transferred", .is = { SENDING(1, 1) }, .event = { .kind = EVENT_SENT, OWNER, .sent = SENT_OK, .transferred = true },
      .want = { VERDICT_COMPLETED, DROPS, .settled_n = 1, .next = { IDLE, .paused = true, .paused_until_ms = NOW + 600 } } },
    { "ended", .is = { SENDING(1, 1) }, .event = { .kind = EVENT_SENT, OWNER, .sent = SENT_OK, .ended = true },
      .want = { VERDICT_COMPLETED, DROPS, .settled_n = 1, .next = { IDLE, .closed = true } } },
    { "ended, but the customer goes on", .is = { SENDING(2, 1), NEWER }, .event = { .kind = EVENT_SENT, OWNER, .sent = SENT_OK, .ended = true },
      .want = { VERDICT_COMPLETED, DROPS, .wake = true, .settled_n = 1, .due_ms = NOW,
                .next = { QUEUED(1, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500 } } },
};

static const struct row cancels[] = {
    { "cancel: nothing runs", .is = { IDLE }, CANCEL, .want = { VERDICT_NOTHING, .next = { IDLE } } },
    { "cancel a quiet window", .is = { WAITING(2, 12000) }, CANCEL_HELD,
      .want = { VERDICT_CANCELLED, DROPS, .interrupt = true, .settled_n = 2, .reason = "cancelled", .next = { IDLE, .fence = 8 } } },
    { "cancel a turn", .is = { THINKING(1, 1) }, CANCEL_HELD,
      .want = { VERDICT_CANCELLED, DROPS, .interrupt = true, .settled_n = 1, .reason = "cancelled", .next = { IDLE, .fence = 8 } } },
    { "cancel a turn, something newer", .is = { THINKING(3, 1), NEWER }, CANCEL_HELD,
      .want = { VERDICT_CANCELLED, DROPS, .interrupt = true, .wake = true, .settled_n = 1, .due_ms = NOW, .reason = "cancelled",
                .next = { QUEUED(2, NOW, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .fence = 8 } } },
    { "cancel what waits", .is = { QUEUED(3, 12000, "why"), .restarts = 1 }, CANCEL,
      .want = { VERDICT_CANCELLED, DROPS, .settled_n = 3, .reason = "cancelled", .next = { IDLE, .fence = 8 } } },
    { "cancel the turn that was meant", .is = { THINKING(1, 1) }, .event = { .kind = EVENT_CANCEL, .token = "", HELD, .target = "T" },
      .want = { VERDICT_CANCELLED, DROPS, .interrupt = true, .settled_n = 1, .reason = "cancelled", .next = { IDLE, .fence = 8 } } },
    { "cancel what the turn was restarted as", .is = { QUEUED(2, NOW, "restart"), .restarts = 2, .superseded = "a/1 b/1" },
      .event = { .kind = EVENT_CANCEL, .token = "", .target = "a" },
      .want = { VERDICT_CANCELLED, DROPS, .settled_n = 2, .reason = "cancelled", .next = { IDLE, .fence = 8 } } },
    { "cancel: another turn runs", .is = { THINKING(1, 1) }, .event = { .kind = EVENT_CANCEL, .token = "", HELD, .target = "O" },
      .want = { VERDICT_NOTHING, .due_ms = NOW + 400, .turn_id = "T", .next = { THINKING(1, 1) } } },
    { "cancel what never had a lease", .is = { QUEUED(1, 12000, "why"), .fence = 0 }, CANCEL,
      .want = { VERDICT_CANCELLED, DROPS, .settled_n = 1, .reason = "cancelled", .next = { IDLE, .fence = NOW } } },
    { "cancel: a live owner sends", .is = { SENDING(1, 1) }, CANCEL_HELD,
      .want = { VERDICT_TOO_LATE, .due_ms = NOW + 400, .turn_id = "T", .next = { SENDING(1, 1) } } },
    { "cancel: a dead owner's send", .is = { SENDING(2, 1), NEWER }, .event = { .kind = EVENT_CANCEL, .token = "", HELD, .owner_dead = true },
      .want = { VERDICT_UNKNOWN, DROPS, .wake = true, .settled_n = 1, .due_ms = 40000, .reason = "owner_lost",
                .next = { QUEUED(1, 40000, "newer_messages"), .turn_id = "N", .oldest_ms = 9500, .fence = 8, .send_deadline_ms = 40000 } } },
    { "cancel between two attempts", .is = { SENDING(1, 1), .token = NULL, .retry_at_ms = 11000 }, CANCEL,
      .want = { VERDICT_UNKNOWN, DROPS, .settled_n = 1, .reason = "owner_lost", .next = { IDLE, .fence = 8, .send_deadline_ms = 40000 } } },
};

static const struct row pauses[] = {
    { "pause", .is = { IDLE }, .event = { .kind = EVENT_PAUSE }, .want = { VERDICT_NOTHING, .changed = true, .next = { IDLE, .paused = true } } },
    { "pause for a time", .is = { THINKING(1, 1) }, .event = { .kind = EVENT_PAUSE, HELD, .until_ms = 15000 },
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 400, .next = { THINKING(1, 1), .paused = true, .paused_until_ms = 15000 } } },
    { "pause what goes out", .is = { SENDING(1, 1) }, .event = { .kind = EVENT_PAUSE },
      .want = { VERDICT_NOTHING, .changed = true, .interrupt = true, .due_ms = 40000, .next = { SENDING(1, 1), .paused = true } } },
    { "pause what waits", .is = { QUEUED(1, 12000, "why") }, .event = { .kind = EVENT_PAUSE },
      .want = { VERDICT_NOTHING, .changed = true, .wake = true, .due_ms = NOW, .next = { QUEUED(1, NOW, "why"), .paused = true } } },
    { "resume", .is = { QUEUED(1, 12000, "why"), .paused = true, .paused_until_ms = 15000 }, .event = { .kind = EVENT_RESUME, .until_ms = 3 },
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = 12000, .next = { QUEUED(1, 12000, "why") } } },
    { "a session is closed", .is = { IDLE, .archived = true }, .event = { .kind = EVENT_SESSION, .status = SESSION_CLOSED },
      .want = { VERDICT_NOTHING, .changed = true, .next = { IDLE, .closed = true } } },
    { "archived, and its turn goes on", .is = { THINKING(1, 1), .closed = true },
      .event = { .kind = EVENT_SESSION, HELD, .status = SESSION_ARCHIVED },
      .want = { VERDICT_NOTHING, .changed = true, .due_ms = NOW + 400, .next = { THINKING(1, 1), .archived = true } } },
    { "opened by hand, silent as before", .is = { IDLE, .archived = true, .closed = true, .paused = true },
      .event = { .kind = EVENT_SESSION, .status = SESSION_ACTIVE },
      .want = { VERDICT_NOTHING, .changed = true, .next = { IDLE, .paused = true } } },
    { "silenced for a time, closed as before", .is = { IDLE, .closed = true },
      .event = { .kind = EVENT_SESSION, .reply = SESSION_REPLY_OFF, .until_ms = 15000 },
      .want = { VERDICT_NOTHING, .changed = true, .next = { IDLE, .closed = true, .paused = true, .paused_until_ms = 15000 } } },
    { "may speak again and is closed", .is = { IDLE, .paused = true, .paused_until_ms = 15000 },
      .event = { .kind = EVENT_SESSION, .reply = SESSION_REPLY_ON, .status = SESSION_CLOSED, .until_ms = 3 },
      .want = { VERDICT_NOTHING, .changed = true, .next = { IDLE, .closed = true } } },
    { "silenced while messages wait: they are looked at", .is = { QUEUED(1, 12000, "why") },
      .event = { .kind = EVENT_SESSION, .reply = SESSION_REPLY_OFF },
      .want = { VERDICT_NOTHING, .changed = true, .wake = true, .due_ms = NOW, .next = { QUEUED(1, NOW, "why"), .paused = true } } },
};

static const struct row backs[] = {
    { "hand back a turn", .is = { THINKING(2, 1), NEWER, .restarts = 1 }, BACK,
      .want = { VERDICT_RETRY, DROPS, .wake = true, .due_ms = NOW, .reason = "handed_back",
                .next = { QUEUED(2, NOW, "handed_back"), NEWER, .restarts = 1 } } },
    { "hand back a quiet window", .is = { WAITING(1, 12000) }, BACK,
      .want = { VERDICT_RETRY, DROPS, .wake = true, .due_ms = 12000, .reason = "handed_back",
                .next = { QUEUED(1, 12000, "handed_back"), .opened_ms = 9000, .wait_until_ms = 12000 } } },
    { "hand back a quiet window that is over", .is = { WAITING(1, 9900) }, BACK,
      .want = { VERDICT_RETRY, DROPS, .wake = true, .due_ms = NOW, .reason = "handed_back",
                .next = { QUEUED(1, NOW, "handed_back"), .opened_ms = 9000, .wait_until_ms = 9900 } } },
    { "what is being sent is not handed back", .is = { SENDING(1, 1) }, BACK,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { SENDING(1, 1) } } },
    { "hand back another's", .is = { THINKING(1, 1), .token = "other" }, BACK,
      .want = { VERDICT_LOST, .due_ms = NOW + 400, .turn_id = "T", .next = { THINKING(1, 1), .token = "other" } } },
};

/* The numbers behind the send deadline, and what step() never asks. */
static void rest(void)
{
    struct policy p = { .lease_ttl_ms = 30000, .send_timeout_ms = 2000 };
    is_int(step_send_start_ms(&p), 5000, "the first byte has five seconds");
    is_int(step_send_window_ms(&p), 8000, "the platform has them, the timeout and a second");
    p.lease_ttl_ms = 900;
    is_int(step_send_start_ms(&p), 900, "or as long as the lease");
    struct conversation c = { .phase = PHASE_THINKING };
    const enum event_kind kinds[] = { EVENT_ARRIVE, EVENT_BEGIN, (enum event_kind)99 };
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct event ev = { .kind = kinds[i], .now_ms = NOW, .token = "" };
        struct decision d = { .next = c };
        step_turn(&c, &ev, &p, &d);
        ok(d.verdict == VERDICT_LOST && !d.changed, "an event of no turn changes nothing");
    }
}

int main(void)
{
    rows_check(gate, ARRAY_LEN(gate));
    rows_check(lost, ARRAY_LEN(lost));
    rows_check(failures, ARRAY_LEN(failures));
    rows_check(outcomes, ARRAY_LEN(outcomes));
    rows_check(cancels, ARRAY_LEN(cancels));
    rows_check(pauses, ARRAY_LEN(pauses));
    rows_check(backs, ARRAY_LEN(backs));
    rest();
    return done_testing();
}
