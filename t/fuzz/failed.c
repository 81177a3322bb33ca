/* SPDX-License-Identifier: MIT
 * How a fuzz target ends when something does not hold. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "t/fuzz/fuzz.h"

void fuzz_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}
