/* SPDX-License-Identifier: MIT
 * Growing bytes. Room is doubled, so that appending costs amortised constant time; one byte more than asked for is
 * always kept for the closing NUL. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"

#define SIZE_FIRST 128

void buf_fini(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p != NULL)
        b->p[0] = '\0';
}

bool buf_ok(const struct buf *b)
{
    return !b->failed;
}

static char *grow(struct buf *b, size_t n)
{
    size_t need, size;
    char *p;

    if (__builtin_add_overflow(b->n, n, &need) || need > SIZE_MAX / 4 || (b->max != 0 && need > b->max)) {
        b->failed = true;
        return NULL;
    }
    size = b->size < SIZE_FIRST ? SIZE_FIRST : b->size * 2;
    while (size <= need)
        size *= 2;
    p = realloc(b->p, size);
    if (p == NULL) {
        b->failed = true;
        return NULL;
    }
    b->p = p;
    b->size = size;
    b->p[b->n] = '\0';
    return b->p + b->n;
}

char *buf_room(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n < b->size - b->n && (b->max == 0 || b->n + n <= b->max))
        return b->p + b->n;
    return grow(b, n);
}

void buf_grown(struct buf *b, size_t n)
{
    if (b->failed || b->p == NULL)
        return;
    b->n += n;
    b->p[b->n] = '\0';
}

void buf_add(struct buf *b, struct sv s)
{
    char *p;

    if (s.n == 0)
        return;
    p = buf_room(b, s.n);
    if (p == NULL)
        return;
    memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    b->n += s.n;
}

void buf_addc(struct buf *b, char c)
{
    char *p = buf_room(b, 1);

    if (p == NULL)
        return;
    p[0] = c;
    p[1] = '\0';
    b->n++;
}

void buf_printf(struct buf *b, const char *format, ...)
{
    size_t room;
    va_list args;
    char *p;
    int n;

    p = buf_room(b, b->max == 0 || b->max - b->n > 64 ? 64 : b->max - b->n);
    if (p == NULL)
        return;
    room = b->size - b->n;
    va_start(args, format);
    n = vsnprintf(p, room, format, args);
    va_end(args);
    if (n >= 0 && ((size_t)n >= room || (b->max != 0 && b->n + (size_t)n > b->max))) {
        *p = '\0';
        p = grow(b, (size_t)n);
        if (p == NULL)
            return;
        va_start(args, format);
        n = vsnprintf(p, (size_t)n + 1, format, args);
        va_end(args);
    }
    if (n < 0) {
        *p = '\0';
        b->failed = true;
        return;
    }
    b->n += (size_t)n;
}

void buf_i64(struct buf *b, int64_t number)
{
    char digits[21];
    size_t at = sizeof(digits);
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        digits[--at] = '-';
    buf_add(b, (struct sv){ digits + at, sizeof(digits) - at });
}

void buf_consume(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
    } else if (n > 0) {
        memmove(b->p, b->p + n, b->n - n);
        b->n -= n;
    }
    if (b->p != NULL)
        b->p[b->n] = '\0';
}

struct sv buf_sv(const struct buf *b)
{
    return (struct sv){ b->p != NULL ? b->p : "", b->n };
}

char *buf_take(struct buf *b)
{
    char *p = b->failed || b->n == 0 ? NULL : b->p;

    if (p == NULL)
        free(b->p);
    *b = (struct buf){ .max = b->max };
    return p;
}
