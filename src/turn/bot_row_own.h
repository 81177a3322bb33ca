/* SPDX-License-Identifier: MIT
 * What bot_row.c and bot_check.c share: the tables of fields and known settings of each kind of row. Nobody else includes this. */
#ifndef TURN_BOT_ROW_OWN_H
#define TURN_BOT_ROW_OWN_H

#include "turn/bot_row.h"

enum row_type {
    ROW_ID,     /* 1 to 256 bytes without control characters */
    ROW_TEXT,   /* up to `max` bytes */
    ROW_FLAG,
    ROW_CHOICE,
    ROW_INT,    /* lo to hi */
    ROW_URL,
    ROW_PATH,
    ROW_SECRET, /* env:NAME, file:/PATH */
    ROW_OBJECT, /* up to `max` bytes of JSON */
};

struct row_field {
    const char *name;
    enum row_type type;
    bool required; /* else null is as good as nothing */
    bool yes;      /* of a FLAG that is not there */
    int64_t lo, hi;
    size_t max;
    const char *const *choices;
};

struct row_kind {
    const char *table, *key;
    const char *const *address; /* the providers that need a base_url, NULL-terminated; NULL: none */
    const struct row_field *fields, *settings;
    size_t fields_n, settings_n;
};

extern const struct row_kind row_kinds[ARCHIVE_SERVICES];

const struct row_field *row_find_field(enum archive_service kind, const char *name);
const struct row_field *row_find_setting(enum archive_service kind, const char *name);
/* Whether an entry of `environments` may have it: a field that is not the row's own name, or a known setting. */
bool row_may_differ(enum archive_service kind, const char *name);
/* The row with an entry of `environments` (NULL: none) over it. NULL: memory. */
json_t *row_merged(enum archive_service kind, const json_t *row, const json_t *entry) MUST_CHECK;

/* jansson's iterators and counters take values without const and change nothing. */
static inline json_t *row_plain(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

#endif
