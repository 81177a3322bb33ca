/* SPDX-License-Identifier: MIT
 * Erasure in SQLite, inside write transactions that the caller begins: who was erased, and the erasure itself, a few rows at a time. Knows no thread
 * and no loop. */
#ifndef ARCHIVE_LITE_ERASE_H
#define ARCHIVE_LITE_ERASE_H

#include "archive/archive_item.h"
#include "archive/erase_tally.h"
#include "archive/lite_sql.h"
#include "lib/digest.h"
#include "lib/id.h"

/* When it was last erased, if that was at since_ms or later; else ITEM_NEVER_ERASED (item_erased.h). -1: lite_trouble. */
int lite_erased_since(struct lite *l, enum archive_subject subject, struct sv name, int64_t since_ms, int64_t *at_ms) MUST_CHECK;
/* As item_cut, of what was erased before. -1: lite_trouble, or FINE when memory is short. */
int lite_cut(struct lite *l, struct arena *a, struct item *item) MUST_CHECK;

struct lite_erasure {
    struct archive_erase what; /* the id lives as long as this */
    struct erase_tally tally;
    struct sv name;
    char id[ID_UUID_SIZE]; /* of its row */
    int64_t made_ms;
    bool said;
    bool wipe;   /* when it is done: the file is to be wiped (lite_wipe, LITE_ERASE_WIPED) */
    size_t step; /* the next one */
};
/* Zeroed but for `what` and the tally's arena. Says so. -1: lite_trouble, or FINE when memory is short. */
int lite_erase_say(struct lite *l, struct lite_erasure *e) MUST_CHECK;
/* 1: there is more to do, best in another transaction; 0: it is done. -1 as above. */
int lite_erase_some(struct lite *l, struct lite_erasure *e) MUST_CHECK;
/* Into the tally: the ids that an erasure would say. */
int lite_erase_ids(struct lite *l, struct lite_erasure *e) MUST_CHECK;
/* Adds to the receipt. */
int lite_erase_receipt(struct lite *l, struct sv erasure_id, struct sv counts) MUST_CHECK;

#endif
