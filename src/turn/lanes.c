/* SPDX-License-Identifier: MIT
 * A map of the conversations that are being worked on, each with its queue. */
#include "config.h"

#include <stdlib.h>

#include "lib/map.h"
#include "turn/lanes.h"

struct lane {
    struct lane_place *first, *last;
};

struct lanes {
    struct loop *loop;
    struct map *busy;
};

struct lanes *lanes_new(struct loop *loop)
{
    struct lanes *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return NULL;
    l->loop = loop;
    l->busy = map_new();
    if (l->busy == NULL) {
        free(l);
        return NULL;
    }
    return l;
}

void lanes_free(struct lanes *l)
{
    if (l == NULL)
        return;
    map_free(l->busy);
    free(l);
}

int lanes_enter(struct lanes *l, struct sv id, struct lane_place *place, loop_fn *fn, void *arg)
{
    *place = (struct lane_place){ .fn = fn, .arg = arg };
    struct lane *lane = map_find(l->busy, id);
    if (lane != NULL) {
        if (lane->last != NULL)
            lane->last->next = place;
        else
            lane->first = place;
        lane->last = place;
        return 0;
    }
    lane = calloc(1, sizeof(*lane));
    if (lane == NULL || map_put(l->busy, id, lane, NULL) != 0) {
        free(lane);
        return -1;
    }
    fn(arg);
    return 0;
}

void lanes_leave(struct lanes *l, struct sv id)
{
    struct lane *lane = map_find(l->busy, id);
    if (lane == NULL)
        return;
    struct lane_place *next = lane->first;
    if (next == NULL) {
        map_take(l->busy, id);
        free(lane);
        return;
    }
    lane->first = next->next;
    if (lane->first == NULL)
        lane->last = NULL;
    loop_soon(l->loop, next->fn, next->arg);
}
