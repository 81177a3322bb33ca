/* SPDX-License-Identifier: MIT
 * Owned, growing bytes. The error is sticky: after one failed growth every further call does nothing, and buf_ok() says so
 * once at the end. A zeroed struct is an empty buffer without a limit. Always NUL terminated when p is not NULL. */
#ifndef LIB_BUF_H
#define LIB_BUF_H

#include "lib/attr.h"
#include "lib/sv.h"

struct buf {
    char *p;
    size_t n, size;
    size_t max; /* 0: none */
    bool failed;
};

void buf_fini(struct buf *b);            /* frees; the struct is an empty buffer again */
void buf_clear(struct buf *b);           /* keeps the memory, forgets the error */
bool buf_ok(const struct buf *b) MUST_CHECK;
void buf_add(struct buf *b, struct sv s);
void buf_addc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
void buf_i64(struct buf *b, int64_t number);
/* At least `n` free bytes behind the end; write there, then buf_grown(b, written). NULL on failure. */
char *buf_room(struct buf *b, size_t n) MUST_CHECK;
void buf_grown(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
struct sv buf_sv(const struct buf *b);
/* The caller owns the bytes (free()); the buffer is empty again. NULL when failed or empty. */
char *buf_take(struct buf *b) MUST_CHECK;

#endif
