/* SPDX-License-Identifier: MIT
 * PORT: numbers that all hosts count together, as for limits. store.h has the first part, and its rules hold here too. */
#ifndef STORE_STORE_COUNT_H
#define STORE_STORE_COUNT_H

#include "store/store.h"

/* One more of the number of that name (1 to STORE_ID_MAX bytes, with its prefix), which begins at 0, and ends ttl_ms after its first one. The value is the number with this one, in
 * decimal; store_get has the same. */
void store_count(struct store *s, struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg);

#endif
