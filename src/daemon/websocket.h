/* SPDX-License-Identifier: MIT
 * Push over WebSocket (RFC 6455): GET /ws/chat/{session_id}, for browsers and inboxes that listen to a session and write into it.
 *
 *   web server ──> socket ──> websocket_door: handshake, credential ──> websocket_wire: frames ──> websocket_peer: events out, messages in
 *
 * Everything is bounded: connections, handshakes and their time, what waits for a reader, what a client says at once. Whoever breaks a bound
 * loses the connection and nobody else notices.
 * Built without libwebsockets (websocket_none.c) all of this is there, and websocket_open says that it is not. */
#ifndef DAEMON_WEBSOCKET_H
#define DAEMON_WEBSOCKET_H

#include "lib/jwt.h"
#include "turn/push.h"
#include "turn/session_owner.h"

struct loop;
struct websocket;

/* session_submit, or its double in a test. */
typedef void websocket_submit_fn(struct turns *t, const struct session_submit *s, control_fn *fn, void *arg);

/* session_owner, or its double in a test. */
typedef int websocket_owner_fn(struct turns *t, struct sv session_id, struct sv user_id, session_owner_fn *fn, void *arg);

struct websocket_options {
    struct loop *loop;
    struct hub *hub;
    const char *listen;    /* the path of a Unix socket, or host:port (a number, [number] or localhost) */
    const char *base_path; /* before /ws/; "" */
    const char *platform_tokens, *admin_tokens; /* as auth_new; tickets are signed with the latter */
    struct jwt_options jwt;                     /* the same */
    size_t message_max;     /* bytes of a client's message */
    size_t connections_max; /* 0: what the descriptor limit carries */
    websocket_submit_fn *submit;
    websocket_owner_fn *owner;
    struct turns *turns; /* the first argument of both */
    int64_t ping_ms;      /* 0: 15,000 */
    int64_t handshake_ms; /* 0: 5,000 */
    int64_t stall_ms;     /* how long a reader may take for what waits for it; 0: 10,000 */
};

/* While somebody else listens at that place, it tries again every few seconds, and says so once. NULL: ERR_MEMORY; ERR_INVALID: tokens or place;
 * ERR_UNAVAILABLE: the library is not there. The strings need not stay. */
struct websocket *websocket_open(const struct websocket_options *o, struct err *e) MUST_CHECK;
/* Other tokens, keys and message size, as in these options, from now on; who is connected stays. -1: nothing has changed. */
int websocket_set(struct websocket *w, const struct websocket_options *o, struct err *e) MUST_CHECK;
/* Nobody is let in any more, and all are told to go (1001), for two seconds at most. done(arg) once nobody is there and no answer is owed. */
void websocket_stop(struct websocket *w, void (*done)(void *arg), void *arg);
/* Runs the loop a few rounds: the library's handles are closed there. Answers of submit and owner must not come after it. NULL is allowed. */
void websocket_free(struct websocket *w);

struct websocket_stat {
    bool listening;
    size_t connections; /* established */
    size_t connections_max;
    uint64_t opened, refused; /* handshakes */
    uint64_t events, messages; /* sent, received */
    uint64_t cut;       /* connections that did not read, or did not answer pings */
};
/* w NULL: zeros. */
void websocket_stat(const struct websocket *w, struct websocket_stat *out);
/* "libwebsockets 4.1.6", or NULL: built without. */
const char *websocket_library(void);

#endif
