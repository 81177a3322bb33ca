/* SPDX-License-Identifier: MIT
 * Who is proved dead. A name's file is made and locked before the name is told to anyone, and is removed only by its
 * owner at its orderly end or by somebody who got the lock. So inside one directory a file that can be locked, or one
 * that is not there, says "dead", and one that is locked says "alive" (running or stopped).
 *
 * The host id stands for this directory of this host: it covers the machine id (or host name), the boot, and the
 * directory's device and inode, since containers made from one image share a machine id but not a directory. In another
 * pid namespace the pid says nothing; it is only asked as a second witness when a file is missing. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/alive.h"
#include "lib/digest.h"
#include "lib/id.h"
#include "lib/sv.h"

#define HOST_SIZE 17 /* 64 bits in hex and NUL */
#define NAME_SIZE (HOST_SIZE + 12 + ID_TOKEN_SIZE)

struct alive {
    int dir, fd;
    char host[HOST_SIZE];
    char name[NAME_SIZE];
};

static size_t read_line(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, out, size) : -1;

    if (fd >= 0)
        (void)close(fd);
    return n > 0 ? (size_t)n : 0;
}

static int find_host(struct alive *a, struct err *e)
{
    char machine[HOST_NAME_MAX + 1] = "", boot[64] = "", text[256];
    struct stat st;
    int n;

    if (fstat(a->dir, &st) != 0)
        return err_set_errno(e, errno, "fstat");
    if (read_line("/etc/machine-id", machine, sizeof(machine) - 1) == 0)
        (void)gethostname(machine, sizeof(machine) - 1);
    (void)read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot) - 1);
    n = snprintf(text, sizeof(text), "turnkeeper %s %s %ju %ju", machine, boot, (uintmax_t)st.st_dev,
                 (uintmax_t)st.st_ino);
    digest_hex((struct sv){ text, n > 0 ? (size_t)n : 0 }, (HOST_SIZE - 1) / 2, a->host);
    return 0;
}

static bool lock(int fd, bool wait)
{
    struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    int rc;

    do {
        rc = fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &whole);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

/* Between open and lock somebody may take the file for a dead one's and remove it: then it is made anew. */
static int make_file(struct alive *a, struct err *e)
{
    char token[ID_TOKEN_SIZE];
    struct stat st;

    for (int tries = 0; tries < 10; tries++) {
        id_token(token);
        (void)snprintf(a->name, sizeof(a->name), "%s.%ld.%s", a->host, (long)getpid(), token);
        a->fd = openat(a->dir, a->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (a->fd < 0)
            return err_set_errno(e, errno, "lock file %s", a->name);
        if (!lock(a->fd, true))
            return err_set_errno(e, errno, "lock on %s", a->name);
        if (fstat(a->fd, &st) == 0 && st.st_nlink > 0)
            return 0;
        (void)close(a->fd);
        a->fd = -1;
    }
    return err_set(e, ERR_IO, "lock file %s vanishes", a->name);
}

struct alive *alive_open(const char *dir, struct err *e)
{
    struct alive *a = malloc(sizeof(*a));

    if (a == NULL) {
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    *a = (struct alive){ .dir = -1, .fd = -1 };
    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        (void)err_set_errno(e, errno, "directory %s", dir);
        goto failed;
    }
    a->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->dir < 0) {
        (void)err_set_errno(e, errno, "directory %s", dir);
        goto failed;
    }
    if (find_host(a, e) != 0 || make_file(a, e) != 0)
        goto failed;
    return a;

failed:
    alive_close(a);
    return NULL;
}

const char *alive_name(const struct alive *a)
{
    return a->name;
}

/* "<16 hex>.<pid>.<32 hex>"; the pid, or 0. */
static pid_t pid_of(const char *name)
{
    struct sv rest = sv_from(name), host = sv_split(&rest, '.'), number = sv_split(&rest, '.');
    uint64_t pid;

    if (host.n != HOST_SIZE - 1 || rest.n != ID_TOKEN_SIZE - 1 || !sv_to_u64(number, &pid) || pid == 0 || pid > INT_MAX)
        return 0;
    if (strspn(host.p, "0123456789abcdef") != host.n || strspn(rest.p, "0123456789abcdef") != rest.n)
        return 0;
    return (pid_t)pid;
}

enum found { FOUND_LOCKED, FOUND_FREE, FOUND_NONE, FOUND_UNKNOWN };

/* A free file is removed while its lock is held. */
static enum found look(const struct alive *a, const char *name)
{
    enum found found = FOUND_UNKNOWN;
    int fd = openat(a->dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT ? FOUND_NONE : FOUND_UNKNOWN;
    if (lock(fd, false)) {
        found = FOUND_FREE;
        (void)unlinkat(a->dir, name, 0);
    } else if (errno == EAGAIN || errno == EACCES) {
        found = FOUND_LOCKED;
    }
    (void)close(fd);
    return found;
}

bool alive_is_dead(struct alive *a, const char *name)
{
    pid_t pid = pid_of(name);
    enum found found;

    if (pid == 0 || strncmp(name, a->host, HOST_SIZE - 1) != 0 || strcmp(name, a->name) == 0)
        return false;
    found = look(a, name);
    return found == FOUND_FREE || (found == FOUND_NONE && kill(pid, 0) != 0 && errno == ESRCH);
}

size_t alive_each(struct alive *a, alive_fn *fn, void *arg)
{
    int fd = openat(a->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *x;
    size_t n = 0;

    if (d == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return 0;
    }
    while ((x = readdir(d)) != NULL) {
        pid_t pid = pid_of(x->d_name);
        if (pid == 0 || (strcmp(x->d_name, a->name) != 0 && look(a, x->d_name) != FOUND_LOCKED))
            continue;
        n++;
        if (fn != NULL)
            fn(arg, x->d_name, (long)pid);
    }
    (void)closedir(d);
    return n;
}

void alive_tidy(struct alive *a)
{
    (void)alive_each(a, NULL, NULL);
}

void alive_close(struct alive *a)
{
    if (a == NULL)
        return;
    if (a->fd >= 0) {
        (void)unlinkat(a->dir, a->name, 0);
        (void)close(a->fd);
    }
    if (a->dir >= 0)
        (void)close(a->dir);
    free(a);
}
