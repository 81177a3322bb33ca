/* SPDX-License-Identifier: MIT
 * archive_erase and archive_receipt on a pool: step by step, a small transaction each. Knows nothing of what other stores have. */
#ifndef ARCHIVE_PG_ERASE_H
#define ARCHIVE_PG_ERASE_H

#include "archive/archive_history.h"
#include "archive/pg_pool.h"

/* Answered by the pool at the latest when it is closed. */
void pg_erase(struct pg_pool *p, const struct archive_erase *what, archive_erased_fn *fn, void *arg);
void pg_erase_ids(struct pg_pool *p, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg);
void pg_receipt(struct pg_pool *p, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg);

#endif
