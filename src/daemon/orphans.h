/* SPDX-License-Identifier: MIT
 * What has lost its owner and what no deadline brings back, found through the store's listings: bounded a look, never a scan of all keys.
 *
 * Every apply changes record, lock and listings in one step, so none of this can come from turnkeeper itself. It comes from keys deleted by
 * hand, from a Redis that evicts, from a restore of half a backup:
 *   a listing's member without a record   removed; messages that are still pending get a new record and are answered
 *   an idle conversation that is listed as running, waiting or paused   taken out of that listing
 *   a turn or a message that has waited for longer than LOCK_CLEANUP_TTL (its due time is gone)   visited, as if it were due
 * (messages that wait are found by the sweep before, daemon/sweep.h; a member of `due` or `waiting` without a record, too)
 * Not here: lock:<id> without a record has a TTL of its own and stops nobody (whoever comes next takes the lease over it); batches of
 * daemons that are gone are the archiver's (daemon/absent.h). */
#ifndef DAEMON_ORPHANS_H
#define DAEMON_ORPHANS_H

#include "store/store.h"
#include "turn/turn.h"

struct orphans;
struct loop;

#define ORPHANS_LOOK_MAX 200 /* members of one listing in one look */

/* ttl_ms: LOCK_CLEANUP_TTL. */
struct orphans *orphans_new(struct loop *l, struct store *s, struct turns *t, int64_t ttl_ms) MUST_CHECK;
/* One look; the next one goes on behind it. `all`: whatever its age (only members without a record are touched then). fn when it is over: how
 * many were repaired and how many visited. Not while one is under way. */
typedef void orphans_fn(void *arg, size_t repaired, size_t visited);
void orphans_look(struct orphans *o, bool all, orphans_fn *fn, void *arg);
void orphans_free(struct orphans *o); /* not while a look is under way; NULL is allowed */

#endif
