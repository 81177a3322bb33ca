/* SPDX-License-Identifier: MIT
 * Reads JSON once, strictly, without building anything: the text is checked and its values are listed with their places. Parts are then passed on
 * as they stand. For items of message_queue, where jansson's trees were two thirds of what a message costs the daemon. As strict as
 * lib/json: UTF-8 only, no NUL, no lone surrogates, bounded depth, nothing behind the value. Different: duplicate keys are only looked
 * for where they are asked for (scan_unique); integers may have any size.
 *
 * Nodes stand in the order of the text: a container, then what it holds; in an object a key before each value. `next` leads past all of it. */
#ifndef ARCHIVE_SCAN_H
#define ARCHIVE_SCAN_H

#include "lib/arena.h"
#include "lib/err.h"

enum scan_type { SCAN_NULL, SCAN_FALSE, SCAN_TRUE, SCAN_NUMBER, SCAN_STRING, SCAN_ARRAY, SCAN_OBJECT };

struct scan_node {
    uint32_t begin, end; /* of the text; strings without their quotes */
    uint32_t next;       /* index of the node behind this value and all that it holds */
    uint32_t n;          /* elements or members */
    uint8_t type;        /* enum scan_type */
    bool escaped;        /* a string with escapes */
};

struct scan {
    struct sv text;
    struct scan_node *nodes; /* [0] is the whole */
    uint32_t n, size;
    bool odd; /* has a number with over 300 characters or an exponent beyond 300: well-formed, but not every database takes it */
};

/* Text of at most UINT32_MAX bytes. -1: not JSON (ERR_INVALID, the text says where), or ERR_MEMORY. scan_fini in any case. */
int scan_read(struct scan *s, struct sv text, unsigned depth_max, struct err *e) MUST_CHECK;
void scan_fini(struct scan *s);

typedef uint32_t scan_at; /* a node; SCAN_NONE: not there */
#define SCAN_NONE UINT32_MAX

/* A member of an object by its name (no escapes). SCAN_NONE when there is none, or `object` is none. */
scan_at scan_member(const struct scan *s, scan_at object, const char *name);
/* First element of an array and the one behind another; SCAN_NONE at the end. */
scan_at scan_first(const struct scan *s, scan_at array);
scan_at scan_after(const struct scan *s, scan_at array, scan_at element);
uint32_t scan_count(const struct scan *s, scan_at at); /* elements or members, 0 for others */
/* False: a name stands twice, or there are more than 64. */
bool scan_unique(const struct scan *s, scan_at object);

bool scan_is(const struct scan *s, scan_at at, enum scan_type type); /* false for SCAN_NONE */
/* The value as it stands in the text, quotes included. */
struct sv scan_raw(const struct scan *s, scan_at at);
/* A string's value: part of the text, or in the arena when it has escapes. SV_NONE: memory is short. */
struct sv scan_string(const struct scan *s, scan_at at, struct arena *a);
/* Of a number: false when it is not written as an integer or does not fit. */
bool scan_i64(const struct scan *s, scan_at at, int64_t *out);
double scan_f64(const struct scan *s, scan_at at);

#endif
