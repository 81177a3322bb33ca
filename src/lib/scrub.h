/* SPDX-License-Identifier: MIT
 * Wipes what a SQLite database file holds beside what is in its tables: pages that are free, and within the others the gaps and the ends of
 * overflow chains. Deleted rows live on there, also with PRAGMA secure_delete: when rows move between pages their old bytes stay behind.
 * Only bytes are overwritten that SQLite never reads, so a crash in the middle does no harm (https://www.sqlite.org/fileformat2.html).
 * Knows nothing of locks and caches: whoever calls it holds the file alone, has no page of it in memory, and makes others drop theirs. */
#ifndef LIB_SCRUB_H
#define LIB_SCRUB_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/err.h"

/* Each reads or writes all of it: 0, else anything. */
struct scrub_file {
    void *arg;
    int (*read)(void *arg, void *to, size_t n, int64_t at);
    int (*write)(void *arg, const void *from, size_t n, int64_t at);
    int64_t size;
};

/* Its cost is one look at each page, and a write of those that had something. -1 with *e: it could not be read or written, has a shape that is
 * not known (auto_vacuum, more than 2^25 pages), or is damaged; some of it may be wiped then. */
int scrub(const struct scrub_file *f, struct err *e) MUST_CHECK;

#endif
