/* SPDX-License-Identifier: MIT
 * Waiting is done by trying again, not by F_OFD_SETLKW, which has no time limit: a holder that is stopped (SIGSTOP, a hung disk) must
 * not hang everybody else. The tries are closer together than the rest after a release, so a waiter finds the gap; measured with three
 * writers on one file, each gets its third. */
#include "config.h"

#include "lib/filelock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#define REST_NS 100000L     /* after a release; the kernel's timer slack adds some 50 us */
#define TRY_NS 30000L       /* between tries at first */
#define TRY_MAX_NS 2000000L /* and when the wait has become long */

struct filelock {
    int fd;
    bool held;
};

struct filelock *filelock_open(const char *path, struct err *e)
{
    struct filelock *l = calloc(1, sizeof *l);
    if (l == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for a lock file");
        return NULL;
    }
    l->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (l->fd < 0) {
        (void)err_set_errno(e, errno, "%s", path);
        free(l);
        return NULL;
    }
    return l;
}

static int set(const struct filelock *l, short type)
{
    /* l_pid must be 0 for this kind of lock; a length of 0 is the whole file. */
    struct flock f = { .l_type = type, .l_whence = SEEK_SET };
    int rc;
    do
        rc = fcntl(l->fd, F_OFD_SETLK, &f);
    while (rc != 0 && errno == EINTR);
    return rc;
}

static void rest(long ns)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL);
}

int filelock_take(struct filelock *l, int64_t timeout_ms, struct err *e)
{
    int64_t began_us = clock_mono_us(), limit_us = timeout_ms * 1000;
    for (long pause_ns = TRY_NS;;) {
        if (set(l, F_WRLCK) == 0) {
            l->held = true;
            return 0;
        }
        if (errno != EAGAIN && errno != EACCES)
            return err_set_errno(e, errno, "locking the state file");
        int64_t waited_us = clock_mono_us() - began_us;
        if (waited_us >= limit_us)
            return err_set(e, ERR_UNAVAILABLE, "the state file has been locked by another process for %lld ms",
                           (long long)(waited_us / 1000));
        rest(pause_ns);
        if (waited_us > 20000 && pause_ns < TRY_MAX_NS)
            pause_ns += pause_ns / 2;
    }
}

void filelock_release_now(struct filelock *l)
{
    /* Cannot fail on a descriptor that is open and of a file system that gave the lock; close would free it anyway. */
    (void)set(l, F_UNLCK);
    l->held = false;
}

void filelock_release(struct filelock *l)
{
    filelock_release_now(l);
    rest(REST_NS);
}

bool filelock_is_held(const struct filelock *l)
{
    return l->held;
}

void filelock_close(struct filelock *l)
{
    if (l == NULL)
        return;
    (void)close(l->fd);
    free(l);
}
