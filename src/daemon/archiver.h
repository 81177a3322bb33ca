/* SPDX-License-Identifier: MIT
 * Carries items from message_queue into the archive, in batches. An item leaves the queue only after COMMIT; what the archive can never take goes
 * to the dead letters with its reason; while the archive is away, the queue keeps everything. Any number of daemons may do this. */
#ifndef DAEMON_ARCHIVER_H
#define DAEMON_ARCHIVER_H

#include "archive/archive.h"
#include "store/store.h"

struct archiver;
struct absent;
struct alive;
struct customers;
struct loop;
struct metrics;

/* absent: who says of the owners of other hosts that they will not come back. */
struct archiver *archiver_new(struct loop *l, struct store *s, struct archive *a, struct alive *alive, struct absent *absent) MUST_CHECK;
/* Counts there (turn/figures.h) from now on. NULL: nowhere. */
void archiver_measure(struct archiver *v, struct metrics *m);
/* Told of what was archived from now on. NULL: nobody. */
void archiver_customers(struct archiver *v, struct customers *c);
/* There may be something to take, or to take over: look now. */
void archiver_wake(struct archiver *v);
/* fn when no batch is under way any more: at once, after the one in flight, or when the archive is away (the batch then stays for the next
 * daemon). */
void archiver_stop(struct archiver *v, void (*fn)(void *arg), void *arg);
void archiver_free(struct archiver *v);

#endif
