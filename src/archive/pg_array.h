/* SPDX-License-Identifier: MIT
 * Builds one-dimensional arrays in PostgreSQL's binary form (array_recv), one a column: a batch of any size is one statement with as many
 * parameters as there are columns. Measured with PostgreSQL 15: unnest of such arrays costs the server a fifth of
 * jsonb_to_recordset over the same rows. Knows the wire, no table. */
#ifndef ARCHIVE_PG_ARRAY_H
#define ARCHIVE_PG_ARRAY_H

#include "lib/buf.h"

enum pg_type { /* element types; the numbers are the server's (pg_type.dat) */
    PG_BIGINT = 20,
    PG_INTEGER = 23,
    PG_TEXT = 25,
    PG_DOUBLE = 701,
    PG_TIMESTAMPTZ = 1184,
    PG_UUID = 2950,
    PG_JSONB = 3802,
    PG_BOOLEAN = 16,
};

#define PG_EPOCH_MS INT64_C(946684800000) /* timestamptz counts microseconds from 2000-01-01, date counts days */

struct pg_array {
    struct buf b; /* the parameter, once finished */
    uint32_t n;   /* elements so far */
};

/* The array type of an element type. */
uint32_t pg_array_type(enum pg_type element);
/* Empties it, keeps the memory. */
void pg_array_start(struct pg_array *a, enum pg_type element);
void pg_array_null(struct pg_array *a);
void pg_array_text(struct pg_array *a, struct sv s); /* SV_NONE is NULL; UTF-8 without NUL */
void pg_array_bigint(struct pg_array *a, int64_t n);
void pg_array_integer(struct pg_array *a, int32_t n);
void pg_array_double(struct pg_array *a, double n);
void pg_array_boolean(struct pg_array *a, bool yes);
void pg_array_ms(struct pg_array *a, int64_t wall_ms); /* timestamptz */
void pg_array_uuid(struct pg_array *a, const unsigned char id[16]);
void pg_array_json(struct pg_array *a, struct sv json); /* jsonb; SV_NONE is NULL */
/* Sets the count. {NULL, 0}: memory was short somewhere. */
struct sv pg_array_end(struct pg_array *a);
void pg_array_fini(struct pg_array *a);

#endif
