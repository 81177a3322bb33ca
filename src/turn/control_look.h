/* SPDX-License-Identifier: MIT
 * What is to be known about the whole system, asked of store, archive and daemon at once. Inside of control_health.c and
 * control_stats.c. */
#ifndef TURN_CONTROL_LOOK_H
#define TURN_CONTROL_LOOK_H

#include "turn/control_own.h"

#define CONTROL_STUCK_SHOWN 100

struct look {
    struct control_call c;
    void (*tell)(struct look *q); /* answers; comes once */
    bool store_up, archive_known;
    struct store_stat store;      /* text in the arena, no heads; zero when the store is away */
    int64_t now_ms;               /* the store's clock, as far as it is known */
    int64_t oldest_item_ms;       /* control_oldest_item_ms */
    struct archive_stat archive;
    json_t *heartbeat;            /* NULL: none */
    struct sv stuck[CONTROL_STUCK_SHOWN];
    size_t stuck_n;

    /* inside */
    unsigned open;
    struct loop_timer *timer;
};

/* Whoever has said nothing after LOOK_WITHIN_MS (control_look.c) counts as down. */
void look_begin(struct turns *t, void (*tell)(struct look *q), control_fn *fn, void *arg);
/* How long the oldest item has waited for the archive; 0: nothing waits; -1: it cannot be told. */
int64_t look_lag_ms(const struct look *q);
/* The members that tell of the queues: depth, taken, dead and oldest_age_seconds of message_queue; callbacks: depth and taken of callback_queue. */
void look_put_queue(struct json_out *o, const struct look *q);

#endif
