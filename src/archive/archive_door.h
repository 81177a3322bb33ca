/* SPDX-License-Identifier: MIT
 * How members of an item are read: by name, with their types, into memory that lives as long as the item's arena and text. What is wrong is refused
 * with a reason (-1, ERR_INVALID); the only other failure is memory (ERR_MEMORY). Knows no kind of item. */
#ifndef ARCHIVE_ARCHIVE_DOOR_H
#define ARCHIVE_ARCHIVE_DOOR_H

#include "archive/scan.h"

#define DOOR_MS_MAX INT64_C(253402300799999) /* the last millisecond of the year 9999 */

/* Where things are read from: the list of the text's values, and where strings with escapes go. */
struct door {
    struct scan scan;
    struct arena *arena;
    struct err *e;
};

/* Which message, action or job is being read, for reasons. */
struct door_place {
    const char *list; /* NULL: the item itself */
    size_t index;
};

/* Always -1. */
int door_refuse(const struct door *d, const struct door_place *at, const char *member, const char *what);
/* Neither control characters nor DEL. */
bool door_is_plain(struct sv s);
/* Not there, or null. */
bool door_absent(const struct door *d, scan_at v);
/* A string, or SV_NONE when it is none. */
int door_string(struct door *d, scan_at v, struct sv *out) MUST_CHECK;
int door_id(struct door *d, scan_at object, const char *key, const struct door_place *at, struct sv *out) MUST_CHECK;
/* Not there: 0. A number with a fraction is cut; anything but a number from 0 to `max` is refused. */
int door_count(struct door *d, scan_at object, const char *key, const struct door_place *at, int64_t max, int64_t *out) MUST_CHECK;
/* Any number; clamped to what a calendar can show. Not there: `fallback`, unless that is negative. */
int door_ms(struct door *d, scan_at object, const char *key, const struct door_place *at, int64_t fallback, int64_t *out) MUST_CHECK;
/* A text for people: missing and null are the same (SV_NONE), too long is cut. */
int door_text(struct door *d, scan_at object, const char *key, const struct door_place *at, size_t max, struct sv *out) MUST_CHECK;
/* An object or an array as it stands in the text. Missing and null are the same (SV_NONE). */
int door_json(struct door *d, scan_at object, const char *key, const struct door_place *at, enum scan_type type, struct sv *out) MUST_CHECK;
/* One of a list of words; the result is the list's own string, NULL when it is none of them. Words are written without escapes. */
const char *door_word(const struct door *d, scan_at object, const char *key, const char *const *words, size_t n);
/* An object without a member that stands twice. */
int door_object(const struct door *d, scan_at v, const struct door_place *at) MUST_CHECK;

#endif
