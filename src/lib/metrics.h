/* SPDX-License-Identifier: MIT
 * Counters and histograms of all processes of a host together, in shared memory: a file that each process maps, with a slot for each. A slot
 * whose process is gone keeps counting in the sums, and the next process goes on with it, so that nothing is lost but what a slot's last
 * instruction was doing. Knows no metric: the caller names them by number.
 *
 * Adding costs a relaxed atomic add on memory that nobody else writes. Without a file (path NULL, or it cannot be had) everything works, for this
 * process alone. */
#ifndef LIB_METRICS_H
#define LIB_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define METRICS_COUNTERS_MAX 64
#define METRICS_HISTOGRAMS_MAX 8
#define METRICS_SLOTS_MAX 256

struct metrics;

/* path: the file, made 0600 when missing; `layout` distinguishes versions (another one's file is begun anew). Never fails for want of a
 * file: *e says so (e->code is ERR_NONE when it was had) and it returns one for this process alone. NULL: memory; all calls below take
 * that, and count nothing. Not to be used on both sides of a fork. */
struct metrics *metrics_open(const char *path, uint32_t layout, struct err *e) MUST_CHECK;
void metrics_close(struct metrics *m);

void metrics_add(struct metrics *m, unsigned counter, uint64_t n);
/* A duration in microseconds, 0 to 2^40. Buckets grow by 1/8: quantiles are exact to 12.5 %. */
void metrics_time(struct metrics *m, unsigned histogram, uint64_t us);

/* Sums over all processes of now and before. */
uint64_t metrics_count(const struct metrics *m, unsigned counter);
struct metrics_times {
    uint64_t n, sum_us;
    uint64_t p50_us, p95_us, p99_us; /* upper bound of the bucket; 0 when n is 0 */
};
void metrics_times(const struct metrics *m, unsigned histogram, struct metrics_times *out);
unsigned metrics_processes(const struct metrics *m); /* slots that are in use */

#endif
