/* SPDX-License-Identifier: MIT
 * Test Anything Protocol for C tests: results on stdout, explanations on stderr. Each check is one macro that knows its line; a
 * failed one prints both values. Every test ends in `return done_testing();`, so that a crash shows as a missing plan.
 * Checks say whether they passed, so that a loop over a table can stop or say more. Names are printf formats. One thread. */
#ifndef T_TAP_H
#define T_TAP_H

#include "lib/attr.h"
#include "lib/sv.h"

void plan(int count);
int done_testing(void);            /* main's return value */
int skip_all(const char *why);     /* instead of any check; main's return value */
void skip(const char *why);        /* one result that says "not run here" */
void diag(const char *format, ...) PRINTF_LIKE(1, 2);
void bail_out(const char *format, ...) PRINTF_LIKE(1, 2) NO_RETURN; /* ends the whole test run */

#define ok(condition, ...) tap_ok(__FILE__, __LINE__, (condition), __VA_ARGS__)
#define is_int(got, want, ...) tap_is_int(__FILE__, __LINE__, (long long)(got), (long long)(want), __VA_ARGS__)
#define is_str(got, want, ...) tap_is_sv(__FILE__, __LINE__, sv_from(got), sv_from(want), __VA_ARGS__) /* NULL equals NULL */
#define is_sv(got, want, ...) tap_is_sv(__FILE__, __LINE__, (got), (want), __VA_ARGS__) /* absent and empty differ */
#define has_str(text, part, ...) tap_has_str(__FILE__, __LINE__, (text), (part), __VA_ARGS__)

bool tap_ok(const char *file, int line, bool passed, const char *format, ...) PRINTF_LIKE(4, 5);
bool tap_is_int(const char *file, int line, long long got, long long want, const char *format, ...) PRINTF_LIKE(5, 6);
bool tap_is_sv(const char *file, int line, struct sv got, struct sv want, const char *format, ...) PRINTF_LIKE(5, 6);
bool tap_has_str(const char *file, int line, const char *text, const char *part, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
