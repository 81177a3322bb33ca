/* SPDX-License-Identifier: MIT
 * The archive's rows in SQLite: how items become rows and rows become answers. Knows no thread and no loop. */
#ifndef ARCHIVE_LITE_ROWS_H
#define ARCHIVE_LITE_ROWS_H

#include "archive/archive_entry.h"
#include "archive/archive_item.h"
#include "archive/lite_sql.h"

/* Inside a write transaction. -1: lite_trouble. */
int lite_write_item(struct lite *l, const struct item *item) MUST_CHECK;
/* Inside a transaction. -1: lite_trouble, or FINE when memory is short. */
int lite_read_context(struct lite *l, struct sv conversation_id, struct entries *e) MUST_CHECK;
int lite_read_outcome(struct lite *l, struct arena *a, struct sv conversation_id, struct sv message_id, struct sv *outcome) MUST_CHECK;
int lite_read_job(struct lite *l, struct arena *a, struct sv job_id, struct sv *job) MUST_CHECK;
/* Up to `max` messages received before, oldest first: their conversation's and their own ids in pairs, in the arena. */
int lite_read_old(struct lite *l, struct arena *a, int64_t before_ms, size_t max, struct sv **pairs, size_t *n) MUST_CHECK;
/* Inside a write transaction: a message, its actions and the job of its turn. *gone: 1 when it was there. */
int lite_forget_message(struct lite *l, const struct sv pair[2], size_t *gone) MUST_CHECK;
int lite_read_size(struct lite *l, int64_t *bytes) MUST_CHECK;

#endif
