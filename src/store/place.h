/* SPDX-License-Identifier: MIT
 * The arithmetic of store_place for backends that have no script of their own (sql/redis/place.lua says the same). Pure; backends only. */
#ifndef STORE_PLACE_H
#define STORE_PLACE_H

#include "store/store_count.h"

struct place_taken {
    bool changed;    /* next_ms is to be kept, until then */
    int64_t next_ms; /* no place before it is given out any more */
    char next[24];   /* the same in decimal: what is kept */
    char value[24];  /* the callback's; "" SV_NONE */
};

/* before: what was kept, SV_NONE when it is over or there was nothing. */
void place_take(const struct store_place *p, struct sv before, int64_t now_ms, struct place_taken *out);

#endif
