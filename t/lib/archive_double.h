/* SPDX-License-Identifier: MIT
 * An archive that has bots, ai_cores and platforms in memory and nothing else, with what a test needs to say about it: away, slow, rows as
 * somebody types them. Answers come from the loop. */
#ifndef T_LIB_ARCHIVE_DOUBLE_H
#define T_LIB_ARCHIVE_DOUBLE_H

#include "archive/archive.h"
#include "lib/json.h"
#include "lib/loop.h"

#define DOUBLE_ROWS_MAX 64

struct archive_double {
    struct archive archive;
    struct loop *loop;
    int64_t version;
    char *rows[ARCHIVE_SERVICES][DOUBLE_ROWS_MAX];
    size_t n[ARCHIVE_SERVICES];
    int64_t row_version; /* that the next edit gives */
    bool away, no_tables, hold; /* hold: answers wait for archive_double_release */
    enum archive_edited refuse; /* of the next edit; ARCHIVE_EDIT_DONE: what is right */
    int looks, sent, edits; /* questions; answers with rows; edits */
    struct held *held;
};

void archive_double_open(struct archive_double *d, struct loop *loop);
void archive_double_close(struct archive_double *d);
void archive_double_release(struct archive_double *d);
/* A row as it is; replaces the one with the same bot_id or name (or, when the text is no JSON, none). */
void archive_double_put(struct archive_double *d, enum archive_service service, const char *row);
void archive_double_remove(struct archive_double *d, enum archive_service service, const char *name);

#endif
