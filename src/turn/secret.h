/* SPDX-License-Identifier: MIT
 * A secret by the name under which it can be found: env:NAME or file:/PATH. Names may be stored and shown, what they stand for is neither
 * stored, logged nor shown. */
#ifndef TURN_SECRET_H
#define TURN_SECRET_H

#include "lib/arena.h"
#include "lib/err.h"

/* The value of the environment variable, or the first line of the regular file. It lives in the arena. NULL: *e says why, with the name and
 * without the value: not set, not readable, empty, longer than 8 KiB, a character that no header can carry. */
const char *secret_read(struct arena *a, const char *name, struct err *e) MUST_CHECK;

#endif
