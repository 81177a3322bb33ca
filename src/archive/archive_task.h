/* SPDX-License-Identifier: MIT
 * The members of background tasks (docs/message-queue.md): update_session_status, extract_customer_info, and erase. Part of the archive's door, called
 * when the item's head has been read. */
#ifndef ARCHIVE_ARCHIVE_TASK_H
#define ARCHIVE_ARCHIVE_TASK_H

#include "archive/archive_door.h"
#include "archive/archive_item.h"

/* out->conversation_id is set; sets at_ms and what it is. -1: the reason, or memory. */
int task_state(struct door *d, struct item *out) MUST_CHECK;
int task_customer(struct door *d, struct item *out) MUST_CHECK;
/* Reads whom, too. */
int task_erase(struct door *d, struct item *out) MUST_CHECK;

#endif
