/* SPDX-License-Identifier: MIT
 * Hash map from byte strings to pointers: chained, seeded by getrandom so that peers cannot choose collisions, grows by doubling.
 * Keys are copied. Not thread safe. */
#ifndef LIB_MAP_H
#define LIB_MAP_H

#include "lib/attr.h"
#include "lib/sv.h"

struct map;

struct map *map_new(void) MUST_CHECK;
void map_free(struct map *m); /* values are the caller's */
void *map_find(const struct map *m, struct sv key);
/* Replaces; *old (may be NULL) gets what was there. -1: memory is short, nothing changed. */
int map_put(struct map *m, struct sv key, void *value, void **old) MUST_CHECK;
void *map_take(struct map *m, struct sv key); /* removes; NULL when it was not there */
size_t map_count(const struct map *m);
/* Calls fn for each entry; fn may map_take the entry that it was given, no other. */
void map_each(struct map *m, void (*fn)(void *arg, struct sv key, void *value), void *arg);

#endif
