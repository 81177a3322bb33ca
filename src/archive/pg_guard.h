/* SPDX-License-Identifier: MIT
 * What a batch speaks of, and what of it was erased before it came: the parameters of erasure_guard() (sql/postgres/007_erasure.sql), which refuses such a batch, and
 * of the question that finds out who it was. Knows nothing of connections. */
#ifndef ARCHIVE_PG_GUARD_H
#define ARCHIVE_PG_GUARD_H

#include "archive/archive_history.h"
#include "archive/archive_item.h"
#include "archive/pg_erase_sql.h"

struct pg_subject;
struct pg_guard {
    struct pg_array columns[3]; /* subjects, names, times */
    struct sv params[4];
    char earliest[8];
    struct pg_subject *list; /* all, in the order of the columns; names are borrowed from the items */
    size_t n, size;
    bool failed; /* memory was short */
};

/* Replaces what was in it. -1: memory is short. n = 0 is allowed, and guards nothing. */
int pg_guard_fill(struct pg_guard *g, const struct item *const *items, size_t n) MUST_CHECK;
struct pg_query pg_guard_query(const struct pg_guard *g); /* the first of the transaction */
struct pg_query pg_guard_question(const struct pg_guard *g); /* its outcome is for pg_guard_learn */
/* When each was last erased, for item_cut: arg is the guard. */
void pg_guard_learn(struct pg_guard *g, const struct pg_outcome *o);
int64_t pg_guard_erased(void *arg, enum archive_subject subject, struct sv name);
void pg_guard_fini(struct pg_guard *g);

#define PG_GUARD_SQLSTATE "TK001"

#endif
