/* SPDX-License-Identifier: MIT
 * Pancake switches a webhook off when more than 80 % of at least 300 requests fail in 30 minutes, and only a person switches it on again. So few of them may: what
 * cannot be accepted beyond that is answered as if it were, and fetched later (docs/peers.md, section 3). Of one process. Pure. */
#ifndef API_WEBHOOK_GUARD_H
#define API_WEBHOOK_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBHOOK_FAILURES_MAX 20
#define WEBHOOK_FAILURES_MS (30 * 60 * INT64_C(1000))

/* Zero-filled: none has failed. */
struct webhook_guard {
    int64_t at_ms[WEBHOOK_FAILURES_MAX]; /* of the last failures that were told, a ring */
    size_t n, next;
    bool deferring;
};

/* One could not be accepted. True: say so, it counts as one of the failures that there may be in 30 minutes. False: no more, until one is accepted. */
bool webhook_guard_may_fail(struct webhook_guard *g, int64_t now_ms);
void webhook_guard_accepted(struct webhook_guard *g);

#endif
