/* SPDX-License-Identifier: MIT
 * A bump allocator over a list of blocks. The arena's own record stands at the head of its first block, so that a small
 * request costs one malloc and one free. The cap counts what was handed out (with alignment), not the blocks. Under
 * AddressSanitizer unused bytes are poisoned, so that running over a piece is caught as with malloc. */
#include "config.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/arena.h"

#if defined __SANITIZE_ADDRESS__
#define ARENA_ASAN 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n) ((void)0)
#define UNPOISON(p, n) ((void)0)
#endif

#define ALIGNMENT _Alignof(max_align_t)
#define ALIGN_UP(n) (((n) + (ALIGNMENT - 1)) & ~(ALIGNMENT - 1))
#define FIRST_DEFAULT 4096
#define BLOCK_MAX 65536 /* blocks double up to this size; a larger piece gets a block of its own */

struct block {
    struct block *next; /* older */
    size_t size, used;  /* of data */
    _Alignas(max_align_t) char data[];
};

struct deferred {
    struct deferred *next;
    void (*fn)(void *);
    void *arg;
};

struct arena {
    struct block *top;
    struct deferred *deferred;
    size_t used, cap;
    struct block first;
};

_Static_assert((ALIGNMENT & (ALIGNMENT - 1)) == 0, "alignment is a power of two");

struct arena *arena_new(size_t first, size_t cap)
{
    struct arena *a;

    if (first == 0)
        first = FIRST_DEFAULT - sizeof(*a);
    if (first > cap)
        first = cap;
    if (first > SIZE_MAX / 2)
        return NULL;
    first = ALIGN_UP(first);
    a = malloc(sizeof(*a) + first);
    if (a == NULL)
        return NULL;
    *a = (struct arena){ .cap = cap, .first = { .size = first } };
    a->top = &a->first;
    POISON(a->first.data, first);
    return a;
}

static void run_deferred(struct arena *a)
{
    while (a->deferred != NULL) {
        struct deferred *d = a->deferred;
        a->deferred = d->next;
        d->fn(d->arg);
    }
}

static void free_blocks(struct arena *a)
{
    while (a->top != &a->first) {
        struct block *b = a->top;
        a->top = b->next;
        UNPOISON(b->data, b->size);
        free(b);
    }
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    run_deferred(a);
    free_blocks(a);
    UNPOISON(a->first.data, a->first.size);
    free(a);
}

void arena_reset(struct arena *a)
{
    run_deferred(a);
    free_blocks(a);
    POISON(a->first.data, a->first.size);
    a->first.used = 0;
    a->used = 0;
}

/* A block with room for `size`, from which the piece is taken. */
static struct block *grow(struct arena *a, size_t size)
{
    size_t room = a->top->size < BLOCK_MAX / 2 ? a->top->size * 2 : BLOCK_MAX;
    struct block *b;

    if (room < FIRST_DEFAULT)
        room = FIRST_DEFAULT;
    if (room > a->cap - a->used)
        room = ALIGN_UP(a->cap - a->used);
    if (room < size)
        room = size;
    b = malloc(sizeof(*b) + room);
    if (b == NULL)
        return NULL;
    b->size = room;
    b->used = 0;
    POISON(b->data, room);
    if (a->top->size - a->top->used > room - size && a->top != &a->first) {
        b->next = a->top->next; /* the current block keeps more room: it stays on top */
        a->top->next = b;
    } else {
        b->next = a->top;
        a->top = b;
    }
    return b;
}

/* Not zeroed. */
static void *take(struct arena *a, size_t size)
{
    struct block *b = a->top;
    size_t whole;
    void *p;

    if (size > a->cap - a->used)
        return NULL;
    whole = size == 0 ? ALIGNMENT : ALIGN_UP(size);
    if (whole > a->cap - a->used)
        return NULL;
    if (whole > b->size - b->used) {
        b = grow(a, whole);
        if (b == NULL)
            return NULL;
    }
    p = b->data + b->used;
    b->used += whole;
    a->used += whole;
    UNPOISON(p, size);
    return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
    void *p = take(a, size);

    return p != NULL ? memset(p, 0, size) : NULL;
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
    size_t bytes;

    return __builtin_mul_overflow(count, size, &bytes) ? NULL : arena_alloc(a, bytes);
}

char *arena_str(struct arena *a, struct sv s)
{
    char *p = s.n < SIZE_MAX ? take(a, s.n + 1) : NULL;

    if (p == NULL)
        return NULL;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

struct sv arena_sv(struct arena *a, struct sv s)
{
    char *p = s.p != NULL ? arena_str(a, s) : NULL;

    return p != NULL ? (struct sv){ p, s.n } : SV_NONE;
}

struct sv arena_printf(struct arena *a, const char *format, ...)
{
    char small[256];
    va_list args;
    char *p;
    int n;

    va_start(args, format);
    n = vsnprintf(small, sizeof(small), format, args);
    va_end(args);
    if (n < 0)
        return SV_NONE;
    p = take(a, (size_t)n + 1);
    if (p == NULL)
        return SV_NONE;
    if ((size_t)n < sizeof(small)) {
        memcpy(p, small, (size_t)n + 1);
        return (struct sv){ p, (size_t)n };
    }
    va_start(args, format);
    n = vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return n < 0 ? SV_NONE : (struct sv){ p, (size_t)n };
}

int arena_defer(struct arena *a, void (*fn)(void *), void *arg)
{
    struct deferred *d = take(a, sizeof(*d));

    if (d == NULL) {
        fn(arg);
        return -1;
    }
    *d = (struct deferred){ .next = a->deferred, .fn = fn, .arg = arg };
    a->deferred = d;
    return 0;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}
