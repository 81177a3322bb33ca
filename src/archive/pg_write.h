/* SPDX-License-Identifier: MIT
 * One archive_write on a pool: parse, send, and when the server refuses, find out which item it was. Knows nothing of the port's other
 * calls. */
#ifndef ARCHIVE_PG_WRITE_H
#define ARCHIVE_PG_WRITE_H

#include "archive/archive.h"
#include "archive/pg_pool.h"

struct pg_writer; /* all writes that are under way */

struct pg_writer *pg_writer_new(struct loop *l, struct pg_pool *p) MUST_CHECK;
void pg_writer_write(struct pg_writer *w, const struct sv *items, size_t n, archive_write_fn *fn, void *arg);
/* After the pool was closed: ends what has not reached it, as DOWN. */
void pg_writer_free(struct pg_writer *w);

#endif
