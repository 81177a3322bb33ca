/* SPDX-License-Identifier: MIT
 * archive_services and archive_edit on a pool. Knows the statements in pg_sql.c, and nothing of what the rows mean. */
#ifndef ARCHIVE_PG_SERVICES_H
#define ARCHIVE_PG_SERVICES_H

#include "archive/archive.h"
#include "archive/pg_pool.h"

/* Answered by the pool at the latest when it is closed. */
void pg_services_read(struct pg_pool *p, int64_t known, archive_services_fn *fn, void *arg);
void pg_services_edit(struct pg_pool *p, const struct archive_edit *edit, archive_edit_fn *fn, void *arg);

#endif
