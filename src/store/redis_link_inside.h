/* SPDX-License-Identifier: MIT
 * What redis_link.c (a connection that is up), redis_connect.c (how it comes up, how it goes) and redis_channels.c (what it listens to)
 * share. */
#ifndef STORE_REDIS_LINK_INSIDE_H
#define STORE_REDIS_LINK_INSIDE_H

#include <sys/un.h>
#include "lib/map.h"
#include "store/redis_link.h"
#include "store/redis_resolve.h"

#define LINK_FLIGHTS_MAX 65536
#define LINK_BYTES_MAX (128u << 20)
#define REPLY_BYTES_MAX (256u << 20)
#define SHA_DIGITS 40
#define REASON_SIZE 160

enum link_state {
    LINK_WAITING,    /* the clock says when to try again */
    LINK_RESOLVING,  /* its name is being looked up; no time limit but the resolver's */
    LINK_CONNECTING, /* the clock is the limit, here and in GREETING */
    LINK_GREETING,
    LINK_UP,
};

/* A command whose reply is awaited. */
struct flight {
    struct redis_call call;
    int64_t deadline_ms;
    uint64_t from, to; /* its bytes, in the stream */
    int script;        /* whose it is; -1: none */
    bool repeated;
    bool channels;    /* SUBSCRIBE or UNSUBSCRIBE: one reply a channel */
    uint32_t replies; /* still to come */
};

struct loaded {
    const struct redis_script *script;
    uint64_t reloaded_at; /* place in the stream; 0: not on this connection */
    char sha[SHA_DIGITS];
};

struct redis_link {
    struct loop *loop;
    enum link_state state;
    bool closed; /* waits to be freed */
    bool listens;

    char *host, *user, *password;
    int port, database;
    struct sockaddr_un unix_at; /* sun_path "": TCP */
    int64_t timeout_ms, idle_ms;
    struct sv channel;    /* owned */
    struct map *channels; /* the others; names only */
    struct loaded *scripts;
    size_t scripts_n;
    const struct redis_shared_key *keys;
    size_t keys_n;
    void (*on_up)(void *arg, int64_t time_ms);
    void (*on_message)(void *arg, struct sv channel, struct sv message);
    void (*on_subscribed)(void *arg, struct sv channel);
    void *arg;

    int fd; /* -1: none */
    struct loop_fd *watch;
    struct loop_timer *clock, *flush;
    int64_t clock_at_ms; /* when the clock is set to; INT64_MAX: it is not */
    struct resolve *resolve;
    struct resolved found;
    unsigned tried;           /* of found.n */
    unsigned attempts;        /* since it was up last */
    char reason[REASON_SIZE]; /* why it is down, as last logged */

    struct redis_codec *codec;
    struct redis_reply group[REDIS_GROUP_MAX]; /* of the first flight, as far as they have come */
    unsigned group_n;
    struct flight *flights; /* a ring */
    size_t flights_size, flights_head, flights_n;
    size_t unsent; /* of them, the last ones: not gone out as a whole */
    struct buf out;
    uint64_t base, sent, began;
    int script; /* of the command that is being written */
    bool flush_under_way;
    int64_t heard_ms;
    char chunk[65536];
};

/* redis_link.c */
struct buf *link_begin(struct redis_link *l);
void link_write_script(struct redis_link *l, size_t i);
void link_flush(void *arg);
void link_tell_lost(struct redis_link *l);
void link_set_clock(struct redis_link *l, int64_t at_ms);
/* late_ms: how much later than it was set to the clock has rung. */
void link_on_time(struct redis_link *l, int64_t late_ms);
void link_on_io(void *arg, int events);
bool link_is_useless(struct sv error);

/* As redis_link_end, for a SUBSCRIBE or UNSUBSCRIBE of so many channels: `done` hears only that it failed. */
bool link_end_channels(struct redis_link *l, const struct redis_call *call, unsigned n);

/* redis_channels.c */
/* Writes what subscribes to all channels beside the first one. False: memory is short. */
bool link_write_channels(struct redis_link *l, redis_done_fn *done);
/* Both may close the link. False: it is no message. */
bool link_on_message(struct redis_link *l, const struct redis_reply *reply);
void link_on_channel(struct redis_link *l, const struct redis_reply *reply);

/* redis_connect.c */
void link_on_connected(struct redis_link *l);
/* Gives the connection up, tells those in flight LOST, and sets the clock to the next try. */
void link_lost(struct redis_link *l, const char *reason);

#endif
