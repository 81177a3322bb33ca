/* SPDX-License-Identifier: MIT
 * Where an export goes on: which table it is in, and the key of the last row that was sent. For every backend the same. */
#ifndef ARCHIVE_EXPORT_PLACE_H
#define ARCHIVE_EXPORT_PLACE_H

#include "archive/archive_history.h"

/* In the order in which they come: of a session, then of a user. */
enum export_table { EXPORT_SESSION, EXPORT_MESSAGES, EXPORT_ACTIONS, EXPORT_JOBS, EXPORT_CUSTOMER, EXPORT_PREFERENCES, EXPORT_FIGURES };
#define EXPORT_TABLES (EXPORT_FIGURES + 1)
#define EXPORT_BYTES ((size_t)1 << 20) /* of lines at a time, but for the last one */

struct export_place {
    enum export_table table;
    struct sv key;    /* what comes behind it; "": from the first */
    int64_t position; /* of actions, whose key is their turn; -1: from the first */
};
/* Of what was answered before, or "". False: it is no place. The key borrows from `position`. */
bool export_place_read(const struct archive_export *what, struct export_place *out) MUST_CHECK;
/* SV_NONE: memory is short. */
struct sv export_place_write(struct arena *a, const struct export_place *p) MUST_CHECK;
/* The beginning of the table behind it; false: it was the last one. */
bool export_place_next(struct export_place *p);

#endif
