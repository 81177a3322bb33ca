/* SPDX-License-Identifier: MIT
 * Checks a JSON body against a table and fills a struct with what it holds, or lists everything that is wrong with it.
 * Members that the table does not name are ignored; null for an optional one counts as absent. Knows no endpoint. */
#ifndef API_VALIDATE_H
#define API_VALIDATE_H

#include "lib/arena.h"
#include "lib/json.h"

#define VALIDATE_ID_CHARACTERS 256
#define VALIDATE_DETAILS_MAX 100 /* wrong fields that are listed; more are only counted */

enum field_kind {
    FIELD_ID,      /* struct sv: 1 to 256 characters, at most `max` bytes, no control characters (C0, DEL, C1) */
    FIELD_TEXT,    /* struct sv: 1 to `max` bytes */
    FIELD_CHOICE,  /* int: index into `choices` */
    FIELD_TIME,    /* int64_t, milliseconds since 1970: seconds as a number, or ISO 8601; to the end of the year 9999 */
    FIELD_OBJECT,  /* struct sv: the object as JSON; `members` are checked inside */
    FIELD_OBJECTS, /* struct sv: an array of objects, as JSON */
};

#define FIELD_UNKEPT SIZE_MAX /* offset of a field that is only checked */

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    size_t offset; /* in the struct that is filled; an optional field that is absent leaves it zero */
    size_t max;
    const char *const *choices; /* NULL-terminated */
    const struct field *members;
    size_t members_n;
};

struct input {
    const struct field *fields;
    size_t fields_n;
    size_t size; /* of the struct */
};

/* `target` is zeroed, its strings are copied into the arena. Returns the number of wrong fields; `detail` then holds a JSON array
 * [{"loc":["body","field"],"msg":"…","type":"…"}] (msg and type as FastAPI words them). -1: memory is short. */
int validate(const struct input *in, const json_t *body, struct arena *a, void *target, struct buf *detail) MUST_CHECK;

#endif
