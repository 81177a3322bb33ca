/* SPDX-License-Identifier: MIT
 * The Redis protocol (RESP2), both ways: commands are written straight into a buffer, replies come out of hiredis' reader as a tree
 * that lives until the next one. Knows no socket and no command. This and redis_codec.c are the only files that know hiredis. */
#ifndef STORE_REDIS_CODEC_H
#define STORE_REDIS_CODEC_H

#include "lib/buf.h"
#include "lib/err.h"

/* ---- commands ---- */

/* The head of a command with `argc` arguments, its name counted. Exactly so many must follow. */
void redis_write_head(struct buf *b, size_t argc);
/* One argument; SV_NONE is an empty one. */
void redis_write(struct buf *b, struct sv arg);
void redis_write_i64(struct buf *b, int64_t number);
/* One argument made of several parts. */
void redis_write_joined(struct buf *b, const struct sv *parts, size_t n);

/* ---- replies ---- */

enum redis_type { REDIS_NIL, REDIS_STATUS, REDIS_ERROR, REDIS_INTEGER, REDIS_STRING, REDIS_ARRAY };

struct redis_reply {
    enum redis_type type;
    int64_t integer;                 /* INTEGER; else 0 */
    struct sv text;                  /* STATUS, ERROR, STRING; else SV_NONE */
    const struct redis_reply *items; /* ARRAY; else NULL */
    size_t n;
};

struct redis_codec;

/* Replies over max_bytes (with their tree) are an error. */
struct redis_codec *redis_codec_new(size_t max_bytes) MUST_CHECK; /* NULL: memory is short */
void redis_codec_free(struct redis_codec *c);                     /* NULL is allowed */
/* Forgets everything, for a new connection. -1: memory is short. */
int redis_codec_reset(struct redis_codec *c) MUST_CHECK;
int redis_codec_feed(struct redis_codec *c, struct sv bytes, struct err *e) MUST_CHECK;
/* 1: *reply is the next one, valid until the next call without `keep`; 0: more bytes are needed; -1: this is not Redis' protocol, or
 * too large (the codec must be reset). */
int redis_codec_next(struct redis_codec *c, bool keep, const struct redis_reply **reply, struct err *e) MUST_CHECK;

/* Views of a reply that never fail: what is missing or of another type counts as nil. */
struct redis_reply redis_item(const struct redis_reply *array, size_t i);
/* SV_NONE unless it is a string. */
struct sv redis_text(const struct redis_reply *array, size_t i);
/* An integer, or a string that is one; else `fallback`. */
int64_t redis_number(const struct redis_reply *r, int64_t fallback);
/* The answer of TIME in milliseconds; 0 when it is none. */
int64_t redis_time_ms(const struct redis_reply *r);

#endif
