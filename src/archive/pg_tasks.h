/* SPDX-License-Identifier: MIT
 * The rows of a batch's background tasks: of what was said about one session or by one sender there is one row, with the newest word on each of its
 * parts. Knows the order of the columns in pg_sql.c. */
#ifndef ARCHIVE_PG_TASKS_H
#define ARCHIVE_PG_TASKS_H

#include "archive/archive_item.h"
#include "archive/pg_sql.h"

struct pg_task; /* an item and its place in the batch */
struct pg_tasks {
    struct pg_task *rows; /* room for all items */
    size_t n, size;
};

extern const enum pg_type pg_state_columns[PG_STATE_COLUMNS], pg_customer_columns[PG_CUSTOMER_COLUMNS];

/* Fills the columns, which are started and empty, with rows in the order of their keys. -1: memory is short. */
int pg_tasks_fill(struct pg_tasks *t, const struct item *const *items, size_t n, struct pg_array *states, struct pg_array *customers) MUST_CHECK;
void pg_tasks_fini(struct pg_tasks *t);

#endif
