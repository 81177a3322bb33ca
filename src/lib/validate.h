/* SPDX-License-Identifier: MIT
 * Checks a JSON body or a query against a table and fills a struct with what it holds, or lists everything that is wrong with it.
 * Members that the table does not name are ignored; null for an optional one counts as absent. Knows no endpoint. */
#ifndef LIB_VALIDATE_H
#define LIB_VALIDATE_H

#include "lib/arena.h"
#include "lib/json.h"

#define VALIDATE_ID_CHARACTERS 256
#define VALIDATE_DETAILS_MAX 100 /* wrong fields that are listed; more are only counted */

enum field_kind {
    FIELD_ID,      /* struct sv: 1 to 256 characters, at most `max` bytes, no control characters (C0, DEL, C1) */
    FIELD_TEXT,    /* struct sv: 1 to `max` bytes */
    FIELD_CHOICE,  /* int: index into `choices` */
    FIELD_DAY,     /* int64_t, the first millisecond of a date (yyyy-MM-dd), from 1970 to 9999 */
    FIELD_TIME,    /* int64_t, milliseconds since 1970: seconds as a number, or ISO 8601; to the end of the year 9999 */
    FIELD_OBJECT,  /* struct sv: the object as JSON; `members` are checked inside */
    FIELD_OBJECTS, /* struct sv: an array of objects, as JSON */
    FIELD_INT,     /* int64_t: `least` to `most` */
    FIELD_NUMBER,  /* double: `least` to `most` */
    FIELD_FLAG,    /* bool; in a query true, yes, on, 1 and their opposites in any case, or the bare name */
};

#define FIELD_UNKEPT SIZE_MAX /* offset of a field that is only checked */

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    bool number_too; /* of ID: an integer counts as its digits */
    bool empty_too;  /* of ID and TEXT: may be empty; in a query an empty value is then there */
    bool day_too;    /* of TIME: a date alone is its first moment */
    bool text_only;  /* of TIME: no number */
    size_t offset; /* in the struct that is filled; an optional field that is absent leaves it zero */
    size_t max;
    double least, most;         /* of INT and NUMBER, both included */
    const char *const *choices; /* NULL-terminated */
    const struct field *members;
    size_t members_n;
};

struct check;

struct input {
    const struct field *fields;
    size_t fields_n;
    size_t size;          /* of the struct */
    const void *defaults; /* the struct as it is when nothing is said; NULL: zeros */
    bool optional;        /* no body at all is as good as {} */
    bool whole;           /* there are no fields: the struct is one struct sv, the body as JSON, whatever it holds */
    bool any_case;        /* names are told apart by their letters, not by their case; of two, the one that is as in the table counts */
    size_t list_max;      /* above 0: one object, or an array of 1 to so many; a struct input_list is filled, `size` is that of an element */
    void (*also)(struct check *c, const void *target); /* what no table can say, of the struct or of each element; NULL: nothing */
};
struct input_list { bool several; size_t n; void *elements; };
/* Bytes to be filled. */
size_t input_size(const struct input *in);
/* For `also`: one more field is wrong. */
void validate_wrong(struct check *c, const char *field, const char *type, const char *msg);

/* `target` is set to the defaults, its strings are copied into the arena. Returns the number of wrong fields; `detail` then holds a JSON array
 * [{"loc":["body","field"],"msg":"…","type":"…"}] (msg and type as FastAPI words them). -1: memory is short. */
int validate(const struct input *in, const json_t *body, struct arena *a, void *target, struct buf *detail) MUST_CHECK;
/* The same for the query of a request target (application/x-www-form-urlencoded, https://url.spec.whatwg.org/#urlencoded-parsing); "query"
 * stands in loc. Values are text, so that numbers, flags and choices are parsed. An empty value counts as absent, a parameter that comes
 * twice or is not UTF-8 is wrong. Of the kinds above all but the two with objects. */
int validate_query(const struct input *in, struct sv uri, struct arena *a, void *target, struct buf *detail) MUST_CHECK;
/* {"loc":[place,field],"msg":...,"type":...}: one line of a detail. */
void validate_line(struct json_out *o, const char *place, const char *field, const char *msg, const char *type);

#endif
