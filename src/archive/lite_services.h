/* SPDX-License-Identifier: MIT
 * The configuration of bots in SQLite, inside a transaction that the caller began. Knows no thread and no loop. */
#ifndef ARCHIVE_LITE_SERVICES_H
#define ARCHIVE_LITE_SERVICES_H

#include "archive/archive.h"
#include "archive/lite.h"
#include "lib/arena.h"

/* Lists go into the arena. -1: lite_trouble, or FINE when memory is short. */
int lite_services_read(struct lite *l, struct arena *a, int64_t known, struct archive_services *s) MUST_CHECK;
/* In a write transaction: to be committed only when *edited is DONE. -1 as above; LITE_ROW: the values are refused. */
int lite_services_edit(struct lite *l, struct arena *a, const struct archive_edit *edit, enum archive_edited *edited, struct sv *row) MUST_CHECK;

#endif
