/* SPDX-License-Identifier: MIT
 * Sessions and customers in SQLite: background tasks become rows, rows become answers. Knows no thread and no loop. */
#ifndef ARCHIVE_LITE_TASKS_H
#define ARCHIVE_LITE_TASKS_H

#include "archive/archive_item.h"
#include "archive/lite_sql.h"

/* Inside a write transaction, of an item with a state or a customer. -1: lite_trouble. */
int lite_write_state(struct lite *l, const struct item *item) MUST_CHECK;
int lite_write_customer(struct lite *l, const struct item *item) MUST_CHECK;
/* Inside a transaction. SV_NONE: not known. -1: lite_trouble, or FINE when memory is short. */
int lite_read_session(struct lite *l, struct arena *a, struct sv session_id, int64_t before_ms, struct sv *session, struct sv *customer) MUST_CHECK;
int lite_read_customer(struct lite *l, struct arena *a, struct sv sender_id, struct sv *customer) MUST_CHECK;

#endif
