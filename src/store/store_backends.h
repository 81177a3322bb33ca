/* SPDX-License-Identifier: MIT
 * The stores that there are. Mains choose; everybody else sees store.h. */
#ifndef STORE_STORE_BACKENDS_H
#define STORE_STORE_BACKENDS_H

#include "store/store.h"

struct loop;

/* One process, forgets everything: for tests. Its clock is clock_wall_ms(), so the fake clock drives it. Never fails but for
 * STORE_FULL past `queue_max` items (0: no bound). */
struct store *store_memory_open(struct loop *l, size_t queue_max) MUST_CHECK;

/* A wrapper for tests: the n-th call (counted from 1 over all operations) and, when `from_then_on`, all later ones answer STORE_DOWN;
 * when `after` is set, the inner store does the work first and only the answer is lost. Owns `inner`. */
struct store *store_fail_open(struct loop *l, struct store *inner, unsigned nth, bool from_then_on, bool after) MUST_CHECK;

struct store_sqlite_options {
    const char *path;      /* file, made 0600 when missing; ":memory:" for one process */
    int64_t poll_ms;       /* how often to look for other processes' events; 0: 50 */
    int64_t timeout_ms;    /* of one operation; 0: 5000 */
    int64_t queue_max_bytes; /* 0: no bound */
};
/* Own thread, grouped transactions, F_OFD_SETLKW around each between processes. NULL with *e: cannot be opened, a network file system,
 * a newer schema. */
struct store *store_sqlite_open(struct loop *l, const struct store_sqlite_options *o, struct err *e) MUST_CHECK;

struct store_redis_options {
    const char *host;     /* name or address */
    int port;
    const char *unix_path; /* "" : TCP */
    const char *user, *password; /* "" : none */
    int database;
    int64_t command_timeout_ms; /* of one command, connecting included */
    int64_t idle_ms;            /* silence after which a connection is tried; 0, or more than 5,000: 5,000 */
    int64_t queue_max_bytes;    /* bound of message_queue; 0: none */
};
/* Connects in the background; is_up() and the first event say when. */
struct store *store_redis_open(struct loop *l, const struct store_redis_options *o, struct err *e) MUST_CHECK;
/* Of one that store_redis_open gave: why the last try to connect failed; "": none has, or it is up. Valid until the loop runs again. */
const char *store_redis_reason(const struct store *redis);

/* How two records of one conversation become one: both are opaque to the store. `old` is the one in the store that is left, `new_` the one
 * in the store that is gone back to (either may be SV_NONE). */
struct store_waiting { /* a pending item */
    bool answered; /* by the other side: it goes */
    size_t same;   /* its place in the other side's list; SIZE_MAX: it is not in there */
};
struct store_join {
    struct sv old, new_;
    const struct store_waiting *old_pending, *new_pending; /* whole, front first */
    size_t old_pending_n, new_pending_n;
    int64_t now_ms; /* clock of the store that is gone back to */
};
/* Of the items that are left, these many of each list's front come first, new_'s before old's; then the others, new_'s before old's. What both
 * have stands where it comes first. */
struct store_joined { /* no lease is held afterwards */
    struct sv record;
    size_t old_front_n, new_front_n;
    int64_t due_ms; /* and the listings, as in struct store_change */
    unsigned in;
    int64_t activity_ms, active_ms, waiting_ms, paused_ms;
};
typedef int store_join_fn(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out);

/* One host, one store. Wraps Redis and the host's SQLite file; which of the two is in force stands in a small file
 * that all processes of the host map, so that they change together. Owns both. `reject`: no second store, only the rule that nothing
 * hangs (secondary NULL). */
enum store_fallback { STORE_FALLBACK_EMBEDDED, STORE_FALLBACK_SPOOL, STORE_FALLBACK_REJECT };
struct store_switch_options {
    enum store_fallback fallback;
    const char *mode_path;  /* the mapped file */
    int64_t patience_ms;    /* how long the primary may be unreachable before the host goes over; 0: 700 */
    int64_t settle_ms;      /* how long it must be back before the host returns; 0: 1000 */
    store_join_fn *join;    /* for the return */
    void *join_arg;
};
struct store *store_switch_open(struct loop *l, struct store *primary, struct store *secondary, const struct store_switch_options *o,
                                struct err *e) MUST_CHECK;

/* Going back (switch): moves everything in `from` (only sqlite can be one) over to `to`, conversation by conversation: marks joined, pending
 * items that either side has answered dropped, what both have once, records through `join`, context, items of both queues and jobs appended; then empties
 * `from`. */
void store_merge(struct store *from, struct store *to, store_join_fn *join, void *join_arg, store_status_fn *fn, void *arg);

#endif
