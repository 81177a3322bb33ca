/* SPDX-License-Identifier: MIT
 * How a bot behaves: what a turn is run by. Pinned for a running turn. */
#ifndef TURN_POLICY_H
#define TURN_POLICY_H

#include <stdbool.h>
#include <stdint.h>

enum on_newer { ON_NEWER_RESTART, ON_NEWER_FINISH, ON_NEWER_INTERRUPT, ON_NEWER_REJECT };

struct policy {
    bool silent; /* the bot is switched off: what comes is recorded */
    enum on_newer on_newer;
    int64_t debounce_ms, max_wait_ms;
    uint32_t restart_max;
    uint32_t pending_max;
    int64_t lease_ttl_ms;
    int64_t human_lease_ms;
    int64_t ai_timeout_ms;
    int64_t send_timeout_ms; /* of one request to the platform */
    bool send_idempotent;    /* PANCAKE_IDEMPOTENT */
    uint32_t sends_max;      /* repeats of a send with an unknown outcome, when it is idempotent */
    uint32_t attempts_max;   /* of a turn that fails for another reason than an unreachable peer; of a job, for whatever reason */
    int64_t retry_for_ms;    /* how long an unreachable peer is tried */
    int64_t retry_base_ms, retry_cap_ms;
};

#endif
