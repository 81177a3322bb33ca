/* SPDX-License-Identifier: MIT
 * PORT: numbers that all hosts count together, as for limits. store.h has the first part, and its rules hold here too. */
#ifndef STORE_STORE_COUNT_H
#define STORE_STORE_COUNT_H

#include "store/store.h"

/* One more of the number of that name (1 to STORE_ID_MAX bytes, with its prefix), which begins at 0, and ends ttl_ms after its first one. The value is the number with this one, in
 * decimal; store_get has the same. */
void store_count(struct store *s, struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg);

/* A row of places that all hosts share: each is `every_ms` behind the one before it, none is given out twice, and none that is not taken in time comes back. The
 * value is how many ms from now (the store's clock) the first one of `n` places in a row is, in decimal; "-<ms>" when that would be more than ahead_max_ms: nothing
 * is taken then. n 0: nothing is taken, but no place is given out that is less than `wait_ms` from now; the value is SV_NONE. */
struct store_place {
    struct sv name;       /* with its prefix: "place:<row>" */
    int64_t every_ms, ahead_max_ms;
    unsigned n;
    int64_t wait_ms;
};
void store_place(struct store *s, const struct store_place *p, store_value_fn *fn, void *arg);

#endif
