/* SPDX-License-Identifier: MIT
 * A table of decisions: what was, what happens, what must come of it. A row names what differs from a quiet default; everything that it
 * does not name must come out as zero, so that nothing changes unnoticed. */
#ifndef T_TURN_STEP_ROWS_H
#define T_TURN_STEP_ROWS_H

#include "turn/step.h"
#include "turn/step_parts.h"

/* A macro gives the usual state; what a row says after it counts. */
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#else
#pragma GCC diagnostic ignored "-Woverride-init"
#endif

#define NOW 10000
#define TTL 30000

/* What the record shows afterwards. */
struct row_record {
    enum phase phase;
    uint32_t pending_n, covered_n, restarts, attempts, faults, sends;
    uint64_t fence, send_fence; /* send_fence 0: SENDING has the fence */
    const char *token, *turn_id, *next_turn_id, *reason; /* NULL: "" */
    int64_t oldest_ms, newer_ms, opened_ms, wait_until_ms, retry_at_ms, send_deadline_ms, paused_until_ms;
    bool paused, closed, archived;
    bool told, job, newer_job; /* told is looked at where the row speaks of jobs: anything of these two lines, or as_job */
    uint32_t cancelled_n;
    const char *cancelled_turn_id, *lock_token; /* NULL: "" */
    int64_t cancelled_after_ms;
    const char *superseded; /* "turn/covered" each, with blanks between; NULL: none */
};

struct row_want {
    enum verdict verdict;
    bool changed, need_lease, wake, interrupt, add_pending, add_context, named_next;
    enum store_lease lease;
    uint32_t settled_n, position;
    int64_t due_ms;
    const char *turn_id, *reason; /* of the decision; NULL: none */
    struct row_record next;
};

struct row {
    const char *name;
    struct row_record is;
    struct event event;     /* token, owner, fresh id, now_ms and lease_left_ms are filled in where they are missing */
    enum sender_type sender; /* ARRIVE ... */
    int64_t sent_ms;         /* ... and when it was written; 0: 77 */
    struct policy policy;   /* lease_ttl_ms, pending_max and send_timeout_ms are filled in where they are 0 */
    struct row_want want;
};

void rows_check(const struct row *rows, size_t n);

/* A turn T of `covered` of `pending` messages, with the lease "mine" of fence 7. */
#define TURN(phase_, pending, covered) \
    .phase = (phase_), .turn_id = "T", .token = "mine", .fence = 7, .pending_n = (pending), .covered_n = (covered), .oldest_ms = 9000
#define THINKING(pending, covered) TURN(PHASE_THINKING, pending, covered)
#define SENDING(pending, covered) TURN(PHASE_SENDING, pending, covered), .sends = 1, .send_deadline_ms = 40000
#define WAITING(pending, until) TURN(PHASE_WAITING, pending, 0), .opened_ms = 9000, .wait_until_ms = (until)
#define QUEUED(pending, at, why) \
    .phase = PHASE_QUEUED, .turn_id = "T", .fence = 7, .pending_n = (pending), .oldest_ms = 9000, .retry_at_ms = (at), .reason = (why)
#define NEWER .next_turn_id = "N", .newer_ms = 9500
#define IDLE .phase = PHASE_IDLE, .fence = 7

/* Who asks. */
#define OWNER .token = "mine", .fence = 7
#define HELD .lease_held = true

#endif
