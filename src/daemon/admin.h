/* SPDX-License-Identifier: MIT
 * The admin socket: a Unix stream socket, one command a line, each answer closed by a line OK or ERR. This is the wire only: who may
 * connect, how much of a line, of an answer and of a connection's time there may be. What a line does is command.h's.
 *
 * Everything is bounded: connections, a line, what waits to be written, the time that a peer may take. A peer that breaks a bound
 * loses its connection and nobody else notices. */
#ifndef DAEMON_ADMIN_H
#define DAEMON_ADMIN_H

#include "daemon/command.h"

struct admin;

struct admin_options {
    const char *path;
    int64_t idle_ms;  /* without a whole line: dropped; 0: 600,000 */
    int64_t stall_ms; /* an answer of which nothing is read: dropped; 0: 10,000 */
    size_t connections_max; /* 0: 128 */
};

/* The socket of a dead daemon is replaced; while a live one answers at `path`, this one tries again every few seconds until it can have it
 * (as it comes about in a rolling restart), and says so once. Owns `commands`' calls, not `commands`. NULL, *e: memory, or a path that no
 * socket can have. */
struct admin *admin_open(struct loop *l, struct commands *commands, const struct admin_options *o, struct err *e) MUST_CHECK;
bool admin_is_listening(const struct admin *a);
/* Removes the socket file when it is still the own one, and closes every connection after one more try to write. NULL is allowed. */
void admin_close(struct admin *a);

#endif
