/* SPDX-License-Identifier: MIT
 * One connection to one Redis server, kept up for ever: connects, says who it is, loads its scripts, and comes back with growing,
 * random pauses when it is lost. Commands go out in one write a round of the loop; replies come back in their order. Every command
 * has a deadline: when it passes the connection is given up, since later replies would be taken for earlier ones.
 * Knows no key and no script by name; what commands mean is its caller's.
 *
 *   WAITING ──> RESOLVING ──> CONNECTING ──> GREETING ──> UP
 *      ^────────────┴──────────────┴────────────┴─────────┘
 *
 * A server that refuses work (loading, read-only, out of disk, busy, a cluster without a quorum) counts as lost: the greeting ends
 * with a write that it must accept. */
#ifndef STORE_REDIS_LINK_H
#define STORE_REDIS_LINK_H

#include "lib/loop.h"
#include "store/redis_codec.h"

struct redis_link;
struct redis_call;

enum redis_outcome {
    REDIS_ANSWERED,  /* the reply is not an error */
    REDIS_REFUSED,   /* an error: nothing was done, or a script failed */
    REDIS_NO_MEMORY, /* the server has no memory for it; nothing was done */
    REDIS_LOST,      /* no reply: it may have been done; reply is NULL */
};

/* Comes once for each command, never from inside a call of this file but redis_link_close. `reply` is borrowed until it returns. */
typedef void redis_done_fn(const struct redis_call *call, enum redis_outcome outcome, const struct redis_reply *reply);

struct redis_call {
    redis_done_fn *done;
    void *owner, *arg; /* the caller's */
    void (*fn)(void);
    uint64_t number;
    int64_t sent_ms; /* clock_mono_ms() of redis_link_end */
};

#define REDIS_GROUP_MAX 6

struct redis_script {
    const char *text;  /* its first line is "#!lua", alone or with flags */
    const char *flags; /* not NULL: replaces that line's flags */
};

struct redis_shared_key {
    const char *name, *type; /* must have this type, or not exist */
};

struct redis_link_options {
    const char *host; /* name or address; unix_path not "": that instead */
    int port;
    const char *unix_path, *user, *password; /* "": none */
    int database;
    int64_t timeout_ms; /* of one command; of connecting with the greeting */
    int64_t idle_ms;    /* silence after which the connection is tried; 0, or more than 5,000: 5,000 */
    struct sv channel;  /* not SV_NONE: this connection only listens, to this and to more, see below */
    /* The arrays live as long as the link. */
    const struct redis_script *scripts;
    size_t scripts_n;
    const struct redis_shared_key *keys; /* checked in the greeting */
    size_t keys_n;
    /* Each may be NULL. `time_ms`: the server's clock (0 on a connection that listens). Up means that all channels are subscribed to. */
    void (*on_up)(void *arg, int64_t time_ms);
    void (*on_message)(void *arg, struct sv channel, struct sv message);
    void (*on_subscribed)(void *arg, struct sv channel); /* those that were added while it was up */
    void *arg;
};

/* The strings are copied. NULL with *e: no memory, or a Unix path that is too long. */
struct redis_link *redis_link_open(struct loop *l, const struct redis_link_options *o, struct err *e) MUST_CHECK;
bool redis_link_is_up(const struct redis_link *l);
/* Why it is not up: of the last try that failed; "": none has yet, or it is up. Without a password. */
const char *redis_link_reason(const struct redis_link *l);

/* Where to write one whole command (redis_codec.h); NULL when it cannot be taken: not up, or more than LINK_FLIGHTS_MAX commands or
 * LINK_BYTES_MAX bytes wait. redis_link_end must follow. */
struct buf *redis_link_begin(struct redis_link *l) MUST_CHECK;
/* As redis_link_begin, with the head of a call of scripts[script]; so many keys and arguments must follow. */
struct buf *redis_link_begin_script(struct redis_link *l, size_t script, size_t keys, size_t args) MUST_CHECK;
/* False: memory was short, nothing is sent and nothing will be called. */
bool redis_link_end(struct redis_link *l, const struct redis_call *call) MUST_CHECK;
/* As redis_link_end, where `n` (2 to REDIS_GROUP_MAX) commands were written one behind the other: their replies come together, as
 * an array. Where one of them is an error, that is the outcome. Other clients' commands may run between them. */
bool redis_link_end_group(struct redis_link *l, const struct redis_call *call, unsigned n) MUST_CHECK;

/* On a connection that listens: one channel more, from now on and after every reconnection, or one less. Twice is once. */
int redis_link_subscribe(struct redis_link *l, struct sv channel) MUST_CHECK; /* -1: memory */
void redis_link_unsubscribe(struct redis_link *l, struct sv channel);

/* All that wait are told LOST before it returns. Allowed inside any callback. NULL is allowed. */
void redis_link_close(struct redis_link *l);

#endif
