/* SPDX-License-Identifier: MIT
 * archive_export on a pool: one table at a time, by its key. */
#ifndef ARCHIVE_PG_EXPORT_H
#define ARCHIVE_PG_EXPORT_H

#include "archive/archive_history.h"
#include "archive/pg_pool.h"

/* Answered by the pool at the latest when it is closed. */
void pg_export(struct pg_pool *p, const struct archive_export *what, archive_export_fn *fn, void *arg);

#endif
