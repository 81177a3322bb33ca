/* SPDX-License-Identifier: MIT
 * Harmless items for a database that has refused one: when it takes these, the fault is the refused one's. What is written of them is always
 * rolled back. */
#ifndef ARCHIVE_ARCHIVE_TRIAL_H
#define ARCHIVE_ARCHIVE_TRIAL_H

#include "archive/archive_item.h"

#define TRIAL_ITEMS 3 /* they touch every table that items go to */

/* `like`: in its conversation, and of its sender, so that whoever is in its way is in theirs, too; NULL: in a conversation that nobody has. -1:
 * memory is short. */
int trial_items(struct arena *a, const struct item *like, struct item out[TRIAL_ITEMS]) MUST_CHECK;

#endif
