/* SPDX-License-Identifier: MIT
 * Paths and queries of what the double is asked, as the bytes that they stand for. */
#ifndef T_LIB_DOUBLE_QUERY_H
#define T_LIB_DOUBLE_QUERY_H

#include "lib/buf.h"

/* Appended, without its percent signs; "+" is a blank. */
void query_decode(struct buf *out, struct sv s);
/* The last value of this name, decoded; empty when there is none. What the buffer held before is gone. */
void query_value(struct buf *out, struct sv query, struct sv name);
int64_t query_number(struct sv query, struct sv name, int64_t fallback);

#endif
