/* SPDX-License-Identifier: MIT
 * Waiting times between tries. Random, so that those who failed together do not come back together. */
#include "config.h"

#include "lib/backoff.h"
#include "lib/id.h"

int64_t backoff_ms(unsigned attempt, int64_t base_ms, int64_t cap_ms)
{
    int64_t high = base_ms > 0 ? base_ms : 1;
    int64_t low = high / 2;

    while (attempt-- > 0 && high < cap_ms)
        high = high > cap_ms / 2 ? cap_ms : high * 2;
    if (high > cap_ms)
        high = cap_ms > 0 ? cap_ms : 0;
    if (low > high)
        low = high;
    return low + (int64_t)id_random_below((uint64_t)(high - low) + 1);
}
