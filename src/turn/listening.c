/* SPDX-License-Identifier: MIT
 * See listening.h. The places stand in a wheel of one slot a second, each in that of its next mark: so what a second costs are the marks that
 * are due in it, and thousands of listeners that came at once do not come again at once. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/id.h"
#include "lib/loop.h"
#include "turn/listening.h"

#define TTL_MS 90000
#define EVERY_S 30  /* at least so long until the next mark, ... */
#define SPREAD_S 15 /* ... and less than so much longer: a mark may get lost, the next one still comes in time */
#define AGAIN_S 5
#define TICK_MS 1000
#define SLOTS 64
_Static_assert(2 * (EVERY_S + SPREAD_S - 1) * 1000 < TTL_MS, "two marks within the life of one");
_Static_assert(EVERY_S + SPREAD_S < SLOTS, "nothing goes once around");

struct listening {
    struct store *store;
    struct loop_timer *timer; /* set while there is a place */
    struct listening_place *slots[SLOTS];
    unsigned now; /* the slot of this second */
    size_t n;
};

struct sv listening_name(char to[LISTENING_NAME_SIZE], struct sv session_id)
{
    struct sv head = SV("listening:");
    memcpy(to, head.p, head.n);
    memcpy(to + head.n, session_id.p, session_id.n);
    return (struct sv){ to, head.n + session_id.n };
}

/* ---- the wheel ---- */

static void enter(struct listening *l, struct listening_place *p, unsigned in_s)
{
    unsigned slot = (l->now + in_s) % SLOTS;

    p->slot = slot;
    p->prev = NULL;
    p->next = l->slots[slot];
    if (p->next != NULL)
        p->next->prev = p;
    l->slots[slot] = p;
}

static void leave(struct listening *l, struct listening_place *p)
{
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        l->slots[p->slot] = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
}

static unsigned spread(unsigned s)
{
    return (unsigned)id_random_below(s);
}

/* ---- marks ---- */

static void on_put(void *arg, enum store_status status)
{
    (void)arg, (void)status; /* whether or not: the next one follows */
}

static void mark(struct listening *l, struct listening_place *p)
{
    char name[LISTENING_NAME_SIZE];

    store_put(l->store, listening_name(name, p->id), SV("1"), TTL_MS, on_put, NULL);
}

static void on_tick(void *arg)
{
    struct listening *l = arg;

    l->now = (l->now + 1) % SLOTS;
    struct listening_place *due = l->slots[l->now];
    l->slots[l->now] = NULL;
    while (due != NULL) {
        struct listening_place *p = due;
        due = p->next;
        mark(l, p);
        enter(l, p, EVERY_S + spread(SPREAD_S));
    }
    if (l->n > 0)
        loop_timer_set(l->timer, TICK_MS);
}

void listening_begin(struct listening *l, struct listening_place *p, struct sv session_id)
{
    p->id = session_id;
    mark(l, p);
    enter(l, p, 1 + spread(EVERY_S + SPREAD_S - 1)); /* the first time is any, so that those that came together part */
    if (l->n++ == 0)
        loop_timer_set(l->timer, TICK_MS);
}

void listening_end(struct listening *l, struct listening_place *p)
{
    leave(l, p);
    if (--l->n == 0)
        loop_timer_stop(l->timer);
}

void listening_again(struct listening *l)
{
    struct listening_place *slots[SLOTS];

    memcpy(slots, l->slots, sizeof(slots));
    memset(l->slots, 0, sizeof(l->slots));
    for (unsigned i = 0; i < SLOTS; i++) {
        while (slots[i] != NULL) {
            struct listening_place *p = slots[i];
            slots[i] = p->next;
            enter(l, p, 1 + spread(AGAIN_S));
        }
    }
}

/* ---- life ---- */

struct listening *listening_new(struct loop *l, struct store *s)
{
    struct listening *g = calloc(1, sizeof(*g));

    if (g == NULL)
        return NULL;
    g->store = s;
    g->timer = loop_timer_new(l, on_tick, g);
    if (g->timer != NULL)
        return g;
    free(g);
    return NULL;
}

void listening_free(struct listening *l)
{
    if (l == NULL)
        return;
    loop_timer_free(l->timer);
    free(l);
}
