/* SPDX-License-Identifier: MIT
 * A server for tests of src/outside that says exactly the bytes it is told, in threads of its own. Requests are
 * numbered in the order in which they were read, over all connections; the n-th is treated as the n-th step says,
 * further ones as the last. */
#ifndef T_OUTSIDE_PEER_H
#define T_OUTSIDE_PEER_H

#include <stdbool.h>
#include <stdint.h>

enum peer_then {
    PEER_KEEP,  /* wait for the next request on this connection */
    PEER_CLOSE, /* orderly */
    PEER_RESET,
    PEER_HANG, /* until the client closes */
};

struct peer_step {
    const char *answer; /* NULL: none */
    enum peer_then then;
    const char *interim; /* sent when the head was read, before the body */
    int pieces;          /* the answer in that many writes, a little apart; 0: one */
    int pause_ms;        /* how far apart; 0: 3 */
    int delay_ms;        /* before the answer */
    int repeat;          /* the bytes of `answer` behind its first empty line that many times; 0: once */
};

#define PEER_OK(body_length, body) \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " #body_length "\r\n\r\n" body

struct peer;

/* Port 0 at 127.0.0.1 is chosen. Aborts the test when it cannot be started. `steps` is kept by pointer. */
struct peer *peer_start(const struct peer_step *steps, int n);
int peer_port(const struct peer *p);
int peer_requests(struct peer *p);
int peer_connections(struct peer *p);
int peer_closed(struct peer *p); /* connections that the client closed */
/* Head and body of a request, NUL terminated; lives until peer_stop. NULL: not (yet) read. */
const char *peer_request(struct peer *p, int n);
/* Closes all idle connections from this side, and waits until they are. */
void peer_drop(struct peer *p);
void peer_stop(struct peer *p);

/* A port on which nobody listens, and one whose backlog is full, so that connecting to it hangs. */
int peer_dead_port(void);
int peer_full_port(void);

#endif
