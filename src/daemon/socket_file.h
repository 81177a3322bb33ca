/* SPDX-License-Identifier: MIT
 * Unix sockets that a daemon listens at: making the file, telling a live daemon's from a dead one's, and who is at the other end. Blocks for no
 * longer than a file system call. Knows nothing of what is said there. */
#ifndef DAEMON_SOCKET_FILE_H
#define DAEMON_SOCKET_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/err.h"

struct socket_file {
    int fd; /* -1: not listening */
    dev_t dev;
    ino_t ino;
    gid_t group; /* of the file */
};

/* Listens at `path`, which gets this mode, replacing the file of a daemon that is dead. -1: ERR_UNAVAILABLE: a live daemon has it (or another one is about
 * to take it); ERR_RANGE: no socket's path; ERR_IO: what is there is no socket, or the system says no. */
int socket_file_open(struct socket_file *s, const char *path, mode_t mode, struct err *e) MUST_CHECK;
/* Removes the file when it is still this one's. */
void socket_file_close(struct socket_file *s, const char *path);
/* A connection, non-blocking, close-on-exec. -1: none waits (errno EAGAIN), or accept(2) failed. */
int socket_file_accept(const struct socket_file *s);
/* Root, the own user, members of the file's group. */
bool socket_file_may(const struct socket_file *s, int fd, long *uid, long *pid);

#endif
