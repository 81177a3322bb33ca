/* SPDX-License-Identifier: MIT
 * The only place that asks for the time. Monotonic time is for deadlines, wall time for what people and stores see.
 * CLOCK_BOOTTIME, so that a suspended machine does not keep leases alive. Tests may set both. */
#ifndef LIB_CLOCK_H
#define LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */
/* A deadline for pthread_cond_timedwait on CLOCK_MONOTONIC. Always the real clock: a thread that sleeps must wake in tests too. */
struct timespec clock_wait_until(int64_t in_ms);
/* From now on the clocks stand still at `wall_ms` (and a fixed monotonic time) until moved. */
void clock_fake(int64_t wall_ms);
void clock_fake_move(int64_t by_ms);
void clock_real(void);
/* 2026-11-21T07:08:09.123Z; out has room for 25 bytes. */
void clock_format(int64_t wall_ms, char out[25]);
/* ISO 8601 / RFC 3339 date-time: 'T' or a space, optional fraction, 'Z' or an offset or nothing (UTC). */
bool clock_parse(const char *text, int64_t *wall_ms);
/* A date alone, yyyy-MM-dd: its first moment (UTC). */
bool clock_parse_day(const char *text, int64_t *wall_ms);

#endif
