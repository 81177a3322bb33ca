/* SPDX-License-Identifier: MIT
 * The daemon's cleanup, every CLEANUP_INTERVAL_SECONDS: forgets idle conversations, deletes messages past RETENTION_DAYS, looks for orphans. Each
 * part is bounded a round and repeats nothing that another daemon has done, so any number of daemons may do it; a jitter keeps them from
 * doing it all at once. What may be forgotten is decided in turn/control.h. */
#ifndef DAEMON_CLEANER_H
#define DAEMON_CLEANER_H

#include "archive/archive.h"
#include "turn/turn.h"

struct cleaner;
struct loop;

struct cleaner_options {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    struct archive *archive; /* NULL: none yet; cleaner_archive */
    int64_t every_ms;        /* CLEANUP_INTERVAL_SECONDS */
    int64_t state_ttl_ms;    /* CONVERSATION_STATE_TTL */
    int64_t orphan_ttl_ms;   /* LOCK_CLEANUP_TTL */
    int64_t retention_ms;    /* RETENTION_DAYS; 0: for ever */
    int64_t first_ms;        /* the first round; 0: some seconds after the start */
};

#define CLEANER_FORGET_MAX 1000 /* conversations looked at in one round ... */
#define CLEANER_WITHIN_MS 10000 /* ... and how long that may take */
#define CLEANER_RETAIN_MAX 500  /* messages deleted in one transaction ... */
#define CLEANER_BATCHES_MAX 100 /* ... so many of them in one round ... */
#define CLEANER_PAUSE_MS 200    /* ... with this between them, so that the archiver never waits for long */

struct cleaner *cleaner_new(const struct cleaner_options *o) MUST_CHECK;
/* The archive's tables are there. */
void cleaner_archive(struct cleaner *c, struct archive *a);
/* Another interval and other ages, from a reload; loop, store, turns and archive stay. */
void cleaner_set(struct cleaner *c, const struct cleaner_options *o);
/* Orphans of any age, now. */
void cleaner_sweep(struct cleaner *c);
/* No further rounds; fn when nothing is under way. */
void cleaner_stop(struct cleaner *c, void (*fn)(void *arg), void *arg);
void cleaner_free(struct cleaner *c); /* after fn, or before the loop ran; NULL is allowed */

#endif
