/* SPDX-License-Identifier: MIT
 * Carries results from callback_queue to the URLs that callers named (turn/callbacks.c says what an item is). At least once: an item leaves the
 * queue when the receiver has taken it, or as a dead letter when it never will; all tries carry the job's id as webhook-id, by which a receiver
 * knows a repeat. A receiver that is slow or away holds up no other one until 2,000 items for it are waiting here. Any number of daemons may do this. */
#ifndef DAEMON_COURIER_H
#define DAEMON_COURIER_H

#include "store/store.h"

struct absent;
struct alive;
struct callback;
struct courier;
struct loop;

struct courier_options {
    struct loop *loop;
    struct store *store;
    struct callback *callback;
    struct alive *alive;
    struct absent *absent;
    unsigned attempts_max; /* of one item, by one daemon */
    int64_t retry_base_ms, retry_cap_ms; /* between two of them; 0: 1,000 and 60,000 */
};
struct courier *courier_new(const struct courier_options *o) MUST_CHECK; /* NULL: memory */
void courier_set(struct courier *c, unsigned attempts_max);
/* There is something in the queue. */
void courier_wake(struct courier *c);
/* Takes nothing more; what waits for another try goes back; fn when nothing is on its way any more. */
void courier_stop(struct courier *c, void (*fn)(void *arg), void *arg);
/* Nothing is begun any more, whatever is under way: before callback_close and store_close. NULL is allowed. */
void courier_end(struct courier *c);
/* After those two, which tell of what was under way. NULL is allowed. */
void courier_free(struct courier *c);
/* Items that this daemon has in its hands. */
size_t courier_holds(const struct courier *c);

#endif
