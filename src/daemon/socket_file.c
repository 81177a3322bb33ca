/* SPDX-License-Identifier: MIT
 * Between two daemons that find the same dead file, a lock on <path>.lock decides: whoever holds it may look, remove and bind. A live daemon is
 * one that accepts a connection (its backlog does, even when it is busy or stopped), so its file is never removed. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/socket_file.h"
#include "lib/attr.h"
#include "lib/filelock.h"

#define BACKLOG 1024 /* the system cuts it to net.core.somaxconn */
#define GROUPS_MAX 1024

static int address_of(struct sockaddr_un *to, const char *path, struct err *e)
{
    size_t n = strlen(path);
    *to = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (n == 0 || n >= sizeof(to->sun_path))
        return err_set(e, ERR_RANGE, "the path of a socket must have 1 to %zu bytes", sizeof(to->sun_path) - 1);
    memcpy(to->sun_path, path, n);
    return 0;
}

/* Removes a dead daemon's file. */
static int make_way(const struct sockaddr_un *at, struct err *e)
{
    struct stat st;
    int fd, rc;

    if (lstat(at->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : err_set_errno(e, errno, "%s", at->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_IO, "%s is there already and is no socket", at->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_set_errno(e, errno, "socket");
    rc = connect(fd, (const struct sockaddr *)at, sizeof(*at));
    int why = errno;
    (void)close(fd);
    if (rc == 0 || why == EAGAIN) /* EAGAIN: a full backlog is a daemon's, too */
        return err_set(e, ERR_UNAVAILABLE, "another daemon listens at %s", at->sun_path);
    if (why != ECONNREFUSED && why != ENOENT)
        return err_set_errno(e, why, "%s cannot be tried", at->sun_path);
    if (unlink(at->sun_path) != 0 && errno != ENOENT)
        return err_set_errno(e, errno, "%s cannot be removed", at->sun_path);
    return 0;
}

static int bind_at(struct socket_file *s, const struct sockaddr_un *at, mode_t mode, struct err *e)
{
    struct stat st;

    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return err_set_errno(e, errno, "socket");
    /* the mode is set before the file is there: at no moment may others connect than those whom it lets in */
    if (fchmod(s->fd, mode) != 0 || bind(s->fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
        return err_set_errno(e, errno, "%s", at->sun_path);
    if (chmod(at->sun_path, mode) != 0 || lstat(at->sun_path, &st) != 0 || listen(s->fd, BACKLOG) != 0) {
        int why = errno;
        (void)unlink(at->sun_path);
        return err_set_errno(e, why, "%s", at->sun_path);
    }
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->group = st.st_gid;
    return 0;
}

int socket_file_open(struct socket_file *s, const char *path, mode_t mode, struct err *e)
{
    char lock_path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8];
    struct sockaddr_un at;
    int rc;

    *s = (struct socket_file){ .fd = -1 };
    if (address_of(&at, path, e) != 0)
        return -1;
    (void)snprintf(lock_path, sizeof(lock_path), "%s.lock", at.sun_path);
    struct filelock *lock = filelock_open(lock_path, e);
    if (lock == NULL)
        return -1;
    rc = filelock_take(lock, 0, e);
    if (rc == 0)
        rc = make_way(&at, e);
    if (rc == 0)
        rc = bind_at(s, &at, mode, e);
    filelock_close(lock);
    if (rc != 0 && s->fd >= 0) {
        (void)close(s->fd);
        s->fd = -1;
    }
    return rc;
}

void socket_file_close(struct socket_file *s, const char *path)
{
    struct stat st;

    if (s->fd < 0)
        return;
    if (lstat(path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        (void)unlink(path);
    (void)close(s->fd);
    s->fd = -1;
}

int socket_file_accept(const struct socket_file *s)
{
    int fd;

    do {
        fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}

/* SO_PEERGROUPS (Linux 4.13): the groups that the peer had when it connected. */
static bool is_member(int fd, gid_t group)
{
#ifdef SO_PEERGROUPS
    gid_t groups[GROUPS_MAX];
    socklen_t n = sizeof(groups);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) != 0)
        return false;
    for (size_t i = 0; i < n / sizeof(*groups); i++)
        if (groups[i] == group)
            return true;
#else
    (void)fd, (void)group;
#endif
    return false;
}

bool socket_file_may(const struct socket_file *s, int fd, long *uid, long *pid)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);

    *uid = *pid = -1;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || n != sizeof(peer))
        return false;
    *uid = (long)peer.uid;
    *pid = (long)peer.pid;
    return peer.uid == 0 || peer.uid == geteuid() || peer.gid == s->group || is_member(fd, s->group);
}
