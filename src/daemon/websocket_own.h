/* SPDX-License-Identifier: MIT
 * What the files of websocket.h share. */
#ifndef DAEMON_WEBSOCKET_OWN_H
#define DAEMON_WEBSOCKET_OWN_H

#include "daemon/socket_file.h"
#include "daemon/websocket.h"
#include "daemon/websocket_wire.h"
#include "lib/buf.h"
#include "turn/ticket.h"

struct auth;
struct loop_fd;
struct loop_timer;

#define WEBSOCKET_QUEUE_MAX 65536 /* bytes that wait for a reader, unless a single frame is larger */
#define WEBSOCKET_SAYS_MAX 16     /* messages of one client that wait for their answer; then it is not read */

/* Why we close (RFC 6455 7.4.1). */
enum close_code {
    CLOSE_NOT = 0,
    CLOSE_AWAY = 1001,
    CLOSE_BINARY = 1003,
    CLOSE_TOO_BIG = 1009,
    CLOSE_INTERNAL = 1011,
    CLOSE_LATER = 1013,
};

enum peer_state {
    PEER_HEAD,    /* its handshake is being read */
    PEER_REFUSED, /* it has been told so; waits for it to close, so that it can read why */
    PEER_OPEN,    /* a WebSocket; from here on the descriptor is the wire's */
    PEER_STALLED, /* open; more waits for it than may. It hears of no event until it has read that */
    PEER_CLOSING, /* nothing is sent or heard any more but the closing */
};

struct say;
struct asking;

/* One connection. */
struct peer {
    struct websocket *w;
    struct peer *next, *previous;
    enum peer_state state;
    enum close_code code;     /* CLOSING: to be sent */
    bool can_tell;            /* there is room for it */
    struct loop_timer *timer; /* handshake, ping, stall or closing: the state says which */

    /* HEAD, REFUSED */
    int fd;
    struct loop_fd *watch;
    struct buf head;
    struct asking *asking; /* HEAD: the handshake is read; whose session it wants is being found out. NULL: not */

    /* from OPEN on */
    struct wire_link link;
    struct listener *listener;
    uint64_t after; /* what it had seen before; HUB_NOW */
    bool forced;    /* a ticket's, or a user's */
    enum sender_type sender_type;
    char *session_id, *sender_id; /* sender_id NULL: not said */
    unsigned pings_open; /* sent or due, and not answered */
    bool ping_due;

    /* what waits: a ring, its size a power of two or 0 */
    struct frame **queue;
    size_t queue_size, queue_first, queue_n, queue_bytes;

    struct buf message; /* fragments of a message so far */
    struct say *says;   /* submissions without an answer yet */
    unsigned says_n;
    bool deaf;          /* the wire does not read for now */
};

struct websocket {
    struct websocket_options o; /* strings are not kept but for these */
    char *listen, *base_path;
    struct auth *auth;
    struct tickets *tickets;
    struct wire *wire;

    struct socket_file file; /* fd: what it listens at, of either kind */
    bool is_file, told;
    struct loop_fd *accepting;
    struct loop_timer *again;

    struct peer *first;
    size_t guests; /* in HEAD or REFUSED */
    size_t peers;  /* the others */
    struct frames *frames; /* of events */
    struct websocket_stat n;
    struct say *orphans; /* submissions whose client is gone */
    size_t askings;      /* questions for an owner without an answer yet */

    bool stopping;
    struct loop_timer *stop_timer;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* websocket.c */
struct peer *peer_new(struct websocket *w, int fd); /* NULL: memory; the caller still has the descriptor */
void peer_free(struct peer *p);
void websocket_look_stopped(struct websocket *w);

/* websocket_listen.c */
int websocket_listen(struct websocket *w, struct err *e); /* -1: not now */
int websocket_accept(struct websocket *w); /* a descriptor; -1: errno */
void websocket_deafen(struct websocket *w);

/* websocket_door.c: reads the handshake of a new peer, whose timer runs, and either opens or refuses it */
void door_begin(struct peer *p);
void door_timeout(struct peer *p);
/* The peer is gone; an answer to come is for nobody. */
void door_forget(struct peer *p);

/* websocket_peer.c */
void peer_timer(void *arg); /* any state's */
void peer_close(struct peer *p, enum close_code code);
/* One more frame: text is copied. */
void peer_put(struct peer *p, struct sv text);
void peer_look_deaf(struct peer *p);

/* websocket_say.c: a whole message of the client */
void say(struct peer *p, struct sv text);
/* The client is gone; answers to come are for nobody. */
void say_orphan(struct peer *p);

#endif
