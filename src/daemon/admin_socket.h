/* SPDX-License-Identifier: MIT
 * The socket file of the admin socket: making it, telling a live daemon's from a dead one's, and who is at the other end. Blocks for no longer
 * than a file system call. Knows no command. */
#ifndef DAEMON_ADMIN_SOCKET_H
#define DAEMON_ADMIN_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct admin_socket {
    int fd; /* -1: not listening */
    dev_t dev;
    ino_t ino;
    gid_t group; /* of the file */
};

/* Listens at `path`, mode 0660, replacing the file of a daemon that is dead. -1: ERR_UNAVAILABLE: a live daemon has it (or another one is about
 * to take it); ERR_RANGE: no socket's path; ERR_IO: what is there is no socket, or the system says no. */
int admin_socket_open(struct admin_socket *s, const char *path, struct err *e) MUST_CHECK;
/* Removes the file when it is still this one's. */
void admin_socket_close(struct admin_socket *s, const char *path);
/* A connection, non-blocking, close-on-exec. -1: none waits (errno EAGAIN), or accept(2) failed. */
int admin_socket_accept(const struct admin_socket *s);
/* Root, the own user, members of the file's group. */
bool admin_socket_may(const struct admin_socket *s, int fd, long *uid, long *pid);

#endif
