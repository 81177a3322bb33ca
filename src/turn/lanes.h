/* SPDX-License-Identifier: MIT
 * Operations on one conversation inside one process go one after another, in the order in which they came, so that conflicts in the store
 * come from other processes only. */
#ifndef TURN_LANES_H
#define TURN_LANES_H

#include "lib/loop.h"
#include "lib/sv.h"

struct lanes;

struct lane_place { /* embedded in the operation that waits; lives until it has left */
    struct lane_place *next;
    loop_fn *fn;
    void *arg;
};

struct lanes *lanes_new(struct loop *l) MUST_CHECK;
void lanes_free(struct lanes *l); /* nobody may be inside */
/* fn(arg) when it is this operation's turn: at once from inside the call when the lane is free, else on the loop. -1: memory is short. */
int lanes_enter(struct lanes *l, struct sv id, struct lane_place *place, loop_fn *fn, void *arg) MUST_CHECK;
/* By whoever is inside. */
void lanes_leave(struct lanes *l, struct sv id);

#endif
