/* SPDX-License-Identifier: MIT
 * What the files of the archive in PostgreSQL share. */
#ifndef ARCHIVE_ARCHIVE_POSTGRES_INSIDE_H
#define ARCHIVE_ARCHIVE_POSTGRES_INSIDE_H

#include "archive/archive_history.h"
#include "archive/pg_pool.h"
#include "archive/pg_write.h"

struct postgres {
    struct archive archive;
    struct loop *loop;
    struct pg_pool *pool; /* closing it ends every request as lost */
    struct pg_writer *writer;
    struct question *unasked; /* those about ids that no archive has */
};

static inline struct postgres *postgres_of(struct archive *a)
{
    return CONTAINER_OF(a, struct postgres, archive);
}

extern const struct archive_history_ops pg_history_ops;

#endif
