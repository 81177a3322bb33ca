/* SPDX-License-Identifier: MIT
 * Memory of one request or one turn: allocated piece by piece, freed in one call.
 * An arena has a cap; past it, allocations return NULL, which is an ordinary error of that request (ERR_MEMORY), never an
 * abort. Not thread safe: one owner at a time. Things that are not memory (json_t, descriptors) are tied to it by
 * arena_defer and released in reverse order. */
#ifndef LIB_ARENA_H
#define LIB_ARENA_H

#include <stdarg.h>
#include "lib/attr.h"
#include "lib/sv.h"

struct arena;

/* Cap in bytes. NULL when the allocator fails. The first block is `first` bytes (0: a default of 4 KiB). */
struct arena *arena_new(size_t first, size_t cap) MUST_CHECK;
/* Runs deferred functions, newest first, and frees everything. NULL is allowed. */
void arena_free(struct arena *a);
/* As arena_free, but the arena and its first block stay for the next use. */
void arena_reset(struct arena *a);
/* Zeroed, aligned for any type; NULL past the cap. */
void *arena_alloc(struct arena *a, size_t size) MUST_CHECK __attribute__((malloc));
/* count * size with overflow check. */
void *arena_array(struct arena *a, size_t count, size_t size) MUST_CHECK __attribute__((malloc));
/* NUL terminated copies. arena_sv: SV_NONE when memory is short, and for SV_NONE; arena_str: NULL only when memory is short. */
struct sv arena_sv(struct arena *a, struct sv s) MUST_CHECK;
char *arena_str(struct arena *a, struct sv s) MUST_CHECK;
struct sv arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3) MUST_CHECK;
/* fn(arg) runs when the arena is freed or reset. -1: memory is short (fn has then been run at once). */
int arena_defer(struct arena *a, void (*fn)(void *), void *arg) MUST_CHECK;
size_t arena_used(const struct arena *a);

#endif
