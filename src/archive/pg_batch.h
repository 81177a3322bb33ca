/* SPDX-License-Identifier: MIT
 * The parameters of one batch: items become rows, rows become columns. Knows the order of the columns in pg_sql.c and nothing of
 * connections. */
#ifndef ARCHIVE_PG_BATCH_H
#define ARCHIVE_PG_BATCH_H

#include "archive/archive_item.h"
#include "archive/pg_sql.h"

struct pg_batch;
struct pg_guard;

struct pg_batch *pg_batch_new(void) MUST_CHECK;
/* Replaces what was in it. Rows are sorted by their keys; of several with one key the highest fence stays. The items must live until the
 * next fill. guarded: what was erased is refused (pg_guard.h). -1: memory is short. */
int pg_batch_fill(struct pg_batch *b, const struct item *const *items, size_t n, bool guarded) MUST_CHECK;
/* What to send, in this order, in one transaction. Valid until the next fill. */
const struct pg_query *pg_batch_queries(const struct pg_batch *b, size_t *n);
/* Of the items that are in it. */
struct pg_guard *pg_batch_guard(struct pg_batch *b);
void pg_batch_free(struct pg_batch *b);

#endif
