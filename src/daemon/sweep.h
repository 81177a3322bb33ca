/* SPDX-License-Identifier: MIT
 * Visits every conversation that is due: expired leases, messages that wait for a turn (restart, retry, quiet window), open send intents
 * of lost owners. Those of processes of this host that are dead need not wait for the end of their leases. Also those whose messages have waited for too long though nobody holds the conversation: their due time is lost (keys
 * deleted by hand, half a backup), and nobody else would come. What a visit does is decided in turn/; this only sees to it that each one is visited in time, at a cost that depends
 * on how many are due. Any number of daemons may do this at once. */
#ifndef DAEMON_SWEEP_H
#define DAEMON_SWEEP_H

#include "store/store.h"
#include "turn/turn.h"

struct sweep;
struct loop;
struct alive;

/* running_max: turns that this process runs at once. stuck_after_ms: STUCK_AFTER_SECONDS. */
struct sweep *sweep_new(struct loop *l, struct store *s, struct turns *t, size_t running_max, int64_t stuck_after_ms) MUST_CHECK;
/* From now on, and at once, what dead processes of this host hold is taken over. -1: memory is short. */
int sweep_watch(struct sweep *w, struct alive *alive) MUST_CHECK;
/* Something became due: look now. */
void sweep_wake(struct sweep *w);
/* From now on; what runs goes on. */
void sweep_set(struct sweep *w, size_t running_max);
/* No visits until it is taken back: other daemons do the work. A lease that expires meanwhile is theirs to free, too. */
void sweep_pause(struct sweep *w, bool yes);
bool sweep_is_paused(const struct sweep *w);
/* No further visits; fn when no look and no visit is under way any more. */
void sweep_stop(struct sweep *w, void (*fn)(void *arg), void *arg);
void sweep_free(struct sweep *w); /* after fn, or before the loop ran */

#endif
