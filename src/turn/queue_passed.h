/* SPDX-License-Identifier: MIT
 * Waits until everything that came to wait for the archive until now, or until a time, is in it. Private to turn/. */
#ifndef TURN_QUEUE_PASSED_H
#define TURN_QUEUE_PASSED_H

#include "turn/turn.h"

enum queue_passed {
    QUEUE_PASSED,
    QUEUE_BEHIND,     /* not so soon */
    QUEUE_STORE_DOWN,
};
/* now_ms: the store's clock when it was asked for; or until_ms. */
typedef void queue_passed_fn(void *arg, enum queue_passed how, int64_t now_ms);
/* For at most within_ms. until_ms, by the store's clock; 0: now. fn comes exactly once, never from inside the call. */
void queue_passed(struct turns *t, int64_t until_ms, int64_t within_ms, queue_passed_fn *fn, void *arg);

#endif
