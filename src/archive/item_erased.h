/* SPDX-License-Identifier: MIT
 * What of an item may have been erased before it was written, and what is left of it then. An item speaks of its session, and of each user among
 * those who send, with a time each: when the first of it was received, or of a task, when it was said. Knows no database. */
#ifndef ARCHIVE_ITEM_ERASED_H
#define ARCHIVE_ITEM_ERASED_H

#include "archive/archive_history.h"
#include "archive/archive_item.h"

/* "session", "user": the column erasures.subject, and the beginning of what is hashed. */
const char *erased_word(enum archive_subject subject);

/* Once for the session, once or more often for each user. An item of type erase speaks of nobody. */
typedef void item_subject_fn(void *arg, enum archive_subject subject, struct sv name, int64_t since_ms);
void item_subjects(const struct item *item, item_subject_fn *fn, void *arg);

/* When that one was last erased; ITEM_NEVER_ERASED: never. */
#define ITEM_NEVER_ERASED INT64_MIN
typedef int64_t item_erased_fn(void *arg, enum archive_subject subject, struct sv name);
/* Takes out of the item what was erased: messages that were received then or before, and all of it when none is left, or when a task was said then or
 * before. What is left of the messages goes into the arena. 1: there is something left; 0: nothing; -1: memory is short. */
int item_cut(struct arena *a, struct item *item, item_erased_fn *fn, void *arg) MUST_CHECK;

#endif
