/* SPDX-License-Identifier: MIT
 * What an erasure has found so far: how many rows of which table, and the ids that the store may still know. For every backend the same. */
#ifndef ARCHIVE_ERASE_TALLY_H
#define ARCHIVE_ERASE_TALLY_H

#include "archive/archive_history.h"

struct erase_tally {
    struct arena *arena; /* names and ids are copied into it */
    struct { struct sv table; int64_t n; } tables[ARCHIVE_TABLES_MAX];
    size_t tables_n;
    struct erase_ids { struct sv *list; size_t n, size; } messages, jobs;
    struct archive_pair pairs[ARCHIVE_TABLES_MAX];
};

/* -1: memory is short. */
int erase_tally_rows(struct erase_tally *t, struct sv table, int64_t n) MUST_CHECK;
/* What the receipt says: how many rows of that table went in all. No matter when the erasure has nothing to do with such a table. */
void erase_tally_in_all(struct erase_tally *t, struct sv table, int64_t n);
int erase_tally_id(struct erase_tally *t, struct erase_ids *ids, struct sv id) MUST_CHECK;
/* The answer; lives as long as the tally. */
int erase_tally_answer(struct erase_tally *t, struct sv erasure_id, struct archive_erased *out) MUST_CHECK;

#endif
