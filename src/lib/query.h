/* SPDX-License-Identifier: MIT
 * The query of a request target as values that lib/validate.c can check. Knows how queries are written, not what they mean.
 * Reads hostile bytes: whatever comes, what it makes is bounded by the names that the table has. */
#ifndef LIB_QUERY_H
#define LIB_QUERY_H

#include "lib/validate.h"

/* What the query of `uri` (REQUEST_URI, raw) says of the fields in the table: an object with, for each that is there, its text, decoded
 * ("+" is a space); true for a flag that is a bare name; null when it is not UTF-8 or wrongly escaped; an array when it is there more than
 * once. Empty ones are left out. The caller owns it. The arena is for scratch. NULL: memory is short. */
json_t *query_values(const struct input *in, struct sv uri, struct arena *a) MUST_CHECK;

#endif
