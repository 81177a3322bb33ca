/* SPDX-License-Identifier: MIT
 * Exponential backoff with full jitter: uniform in [base/2, min(cap, base * 2^attempt)]. */
#ifndef LIB_BACKOFF_H
#define LIB_BACKOFF_H

#include <stdint.h>

/* attempt counts from 0; milliseconds. */
int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms);

#endif
