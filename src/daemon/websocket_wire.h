/* SPDX-License-Identifier: MIT
 * The WebSocket protocol itself: the answer to a handshake that is fine, frames, fragments, UTF-8, pongs and the closing handshake.
 * Knows neither sessions nor credentials; what is not protocol it hands to the peer_ functions below. */
#ifndef DAEMON_WEBSOCKET_WIRE_H
#define DAEMON_WEBSOCKET_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/websocket_frame.h"
#include "lib/err.h"
#include "lib/sv.h"

struct loop;
struct peer;
struct wire;
struct lws;

/* A connection's part here; zeroed before wire_adopt. */
struct wire_link {
    struct lws *wsi;
    bool adopted; /* the wire owns the descriptor, and peer_gone will come */
};

const char *wire_library(void); /* its name and version */

struct wire *wire_new(struct loop *l, struct err *e) MUST_CHECK;
/* Begins the end, of all connections too, without a closing handshake; done(arg) after some rounds of the loop. */
void wire_end(struct wire *w, void (*done)(void *arg), void *arg);
/* The same at once, running the loop. After wire_end: done will not come. NULL is allowed. */
void wire_free(struct wire *w);

/* The descriptor becomes the wire's. `key`: Sec-WebSocket-Key. peer_open comes from inside. False: the connection is over; unless link->adopted,
 * peer_gone will not come. */
bool wire_adopt(struct wire *w, struct peer *p, struct wire_link *link, int fd, struct sv key) MUST_CHECK;
void wire_want(struct wire_link *link);            /* peer_writable, once, when there is room */
void wire_read(struct wire_link *link, bool more); /* whether to read from it */
void wire_kill(struct wire_link *link);            /* cut, soon */
/* Says so, waits some seconds for the answer, and cuts. Not from inside a peer_ function, but after a peer_writable that has sent nothing. */
void wire_close(struct wire_link *link, int code);
/* The next two from inside peer_writable, and one of them only. -1: the connection is broken. True in *part: some of it waits inside. */
int wire_send(struct wire_link *link, struct frame *f, bool *part);
int wire_ping(struct wire_link *link);

/* ---- what the peer must have ---- */

void peer_open(struct peer *p);
void peer_pong(struct peer *p);
/* A part of a message. */
void peer_hear(struct peer *p, struct sv part, bool binary, bool last);
int peer_writable(struct peer *p); /* -1: the connection is to be cut */
void peer_leaves(struct peer *p); /* the other side has closed, or begun to */
void peer_gone(struct peer *p);   /* the link must not be used any more */

#endif
