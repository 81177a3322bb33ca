/* SPDX-License-Identifier: MIT
 * The pool of reader threads. Any number of idle readers wait in epoll_wait on one descriptor, where the listener stands with
 * EPOLLONESHOT: one connection wakes one reader of each process; it accepts and at once hands the wait on to the next. When no reader has
 * been idle for GROW_MS, more are started, since slow peers hold some. Those that have nothing to do end. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fcgi_own.h"
#include "lib/clock.h"
#include "lib/log.h"

#define READERS_MIN 2
#define READER_STACK 262144
#define READER_IDLE_MS 10000 /* a reader beyond READERS_MIN ends after this long without work */
#define BODY_KEEP 65536      /* bytes of buffer that an idle reader keeps */
#define GROW_MS 10
#define WATCH_MS 1000
#define ACCEPT_PAUSE_MS 100 /* after an accept that failed for want of descriptors or memory */

static void *reader_run(void *arg);

static void on_reader_end(void *arg)
{
    struct reader *rd = arg;
    struct fcgi *f = rd->fcgi;

    (void)pthread_join(rd->thread, NULL);
    buf_fini(&rd->body);
    (void)pthread_mutex_lock(&f->mutex);
    rd->state = READER_FREE;
    f->threads--;
    (void)pthread_mutex_unlock(&f->mutex);
    atomic_fetch_sub(&f->posted, 1);
    fcgi_check_drained(f);
}

/* With the mutex held. All signals are blocked in readers: libfcgi takes an interrupted read for the end of the request. */
static int reader_start(struct fcgi *f)
{
    sigset_t all, before;
    pthread_attr_t attr;
    struct reader *rd = NULL;
    int rc;

    for (size_t i = 0; i < f->o.readers_max && rd == NULL; i++)
        rd = f->readers[i].state == READER_FREE ? &f->readers[i] : NULL;
    if (rd == NULL)
        return EAGAIN;
    *rd = (struct reader){ .fcgi = f, .state = READER_RUNS, .fd = -1 };
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstacksize(&attr, READER_STACK);
    rc = pthread_create(&rd->thread, &attr, reader_run, rd);
    (void)pthread_attr_destroy(&attr);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        rd->state = READER_FREE;
        return rc;
    }
    f->threads++;
    f->serving++;
    f->idle++;
    return 0;
}

static void arm(struct fcgi *f, int op)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = EVENT_LISTENER };

    if (epoll_ctl(f->epoll_fd, op, f->o.listen_fd, &event) != 0)
        log_error("the listening socket cannot be watched", NULL);
}

/* Waits for descriptors or memory, unless the readers are to end. */
static void pause_accept(struct fcgi *f, int error)
{
    struct pollfd wake = { .fd = f->wake_fd, .events = POLLIN };
    long long now_s = clock_mono_ms() / 1000;
    struct err e;

    if (atomic_exchange(&f->complained_s, now_s) != now_s) {
        (void)err_set_errno(&e, error, "accept");
        log_warning("a connection cannot be accepted now", "reason", e.text, NULL);
    }
    (void)poll(&wake, 1, ACCEPT_PAUSE_MS);
}

static bool is_passing(int error)
{
    return error == EAGAIN || error == EINTR || error == ECONNABORTED || error == EPROTO;
}

/* True: this reader is one too many. */
static bool retire(struct fcgi *f)
{
    bool yes;

    (void)pthread_mutex_lock(&f->mutex);
    yes = f->serving > READERS_MIN;
    if (yes) {
        f->serving--;
        f->idle--;
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return yes;
}

/* A connection with a request, new or kept; -1: the reader must end. Under load accept succeeds at once and the wait is not entered,
 * unless kept connections might then wait for ever. */
static int next_connection(struct fcgi *f)
{
    bool owes = false; /* the wait for the listener ended here: nobody else waits for it until it is armed again */

    while (!atomic_load(&f->stopping)) {
        struct epoll_event event;
        int fd = -1, n;
        if (owes || atomic_load(&f->kept_n) == 0) {
            fd = accept4(f->o.listen_fd, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0 && !is_passing(errno))
                pause_accept(f, errno);
        }
        if (owes)
            arm(f, EPOLL_CTL_MOD);
        if (fd >= 0)
            return fd;
        n = epoll_wait(f->epoll_fd, &event, 1, READER_IDLE_MS);
        if (n == 0 && retire(f))
            return -1;
        owes = n > 0 && event.data.u64 == EVENT_LISTENER;
        if (n > 0 && event.data.u64 < EVENT_WAKE && (fd = fcgi_keep_take(f, event.data.u64)) >= 0)
            return fd;
    }
    return -1;
}

/* Half as many again, as long as none is idle. */
static void on_grow(void *arg)
{
    struct fcgi *f = arg;
    int rc = 0;

    (void)pthread_mutex_lock(&f->mutex);
    f->growing = f->idle == 0 && f->serving < f->o.readers_max && !atomic_load(&f->stopping);
    for (unsigned n = f->growing ? f->serving / 2 + 1 : 0; n > 0 && f->serving < f->o.readers_max && rc == 0; n--)
        rc = reader_start(f);
    if (f->growing)
        loop_timer_set(f->grow, GROW_MS);
    (void)pthread_mutex_unlock(&f->mutex);
    if (rc != 0)
        log_warning("no further reader thread can be started", NULL);
}

static void on_short(void *arg)
{
    struct fcgi *f = arg;

    atomic_fetch_sub(&f->posted, 1);
    loop_timer_set(f->grow, GROW_MS);
}

static void begin_reading(struct reader *rd, int fd)
{
    struct fcgi *f = rd->fcgi;
    bool short_of;

    atomic_fetch_add(&f->live, 1);
    (void)pthread_mutex_lock(&f->mutex);
    rd->fd = fd;
    rd->began_ms = clock_mono_ms();
    f->idle--;
    short_of = f->idle == 0 && f->serving < f->o.readers_max && !f->growing;
    f->growing = f->growing || short_of;
    (void)pthread_mutex_unlock(&f->mutex);
    if (!short_of || fcgi_post(f, on_short, f))
        return;
    (void)pthread_mutex_lock(&f->mutex);
    f->growing = false;
    (void)pthread_mutex_unlock(&f->mutex);
}

static void end_reading(struct reader *rd)
{
    struct fcgi *f = rd->fcgi;

    (void)pthread_mutex_lock(&f->mutex);
    rd->fd = -1;
    f->idle++;
    (void)pthread_mutex_unlock(&f->mutex);
    if (rd->body.size > BODY_KEEP)
        buf_fini(&rd->body);
}

static void *reader_run(void *arg)
{
    struct reader *rd = arg;
    struct fcgi *f = rd->fcgi;
    int fd;

    while ((fd = next_connection(f)) >= 0) {
        struct fcgi_request *r;
        begin_reading(rd, fd);
        r = fcgi_read(f, fd, &rd->body);
        end_reading(rd);
        if (r != NULL && fcgi_hand_over(r))
            continue;
        (void)close(fd);
        if (r != NULL)
            fcgi_request_free(r);
        atomic_fetch_sub(&f->live, 1);
    }
    while (!fcgi_post(f, on_reader_end, rd)) /* out of memory: it must be joined all the same */
        pause_accept(f, ENOMEM);
    return NULL;
}

static void on_watch(void *arg)
{
    struct fcgi *f = arg;

    fcgi_pool_cut(f, clock_mono_ms() - f->o.read_timeout_ms);
    loop_timer_set(f->watch, WATCH_MS);
}

int fcgi_pool_open(struct fcgi *f, struct err *e)
{
    int rc = 0;

    f->watch = loop_timer_new(f->o.loop, on_watch, f);
    f->grow = loop_timer_new(f->o.loop, on_grow, f);
    if (f->watch == NULL || f->grow == NULL)
        return err_set(e, ERR_MEMORY, "out of memory");
    arm(f, EPOLL_CTL_ADD);
    (void)pthread_mutex_lock(&f->mutex);
    for (unsigned i = 0; i < READERS_MIN && i < f->o.readers_max && rc == 0; i++)
        rc = reader_start(f);
    (void)pthread_mutex_unlock(&f->mutex);
    if (rc != 0)
        return err_set_errno(e, rc, "a reader thread cannot be started");
    loop_timer_set(f->watch, WATCH_MS);
    return 0;
}

void fcgi_pool_cut(struct fcgi *f, int64_t before_ms)
{
    (void)pthread_mutex_lock(&f->mutex);
    for (size_t i = 0; i < f->o.readers_max; i++) {
        struct reader *rd = &f->readers[i];
        if (rd->state == READER_RUNS && rd->fd >= 0 && rd->began_ms <= before_ms)
            (void)shutdown(rd->fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&f->mutex);
}

bool fcgi_pool_ended(struct fcgi *f)
{
    bool yes;

    (void)pthread_mutex_lock(&f->mutex);
    yes = f->threads == 0;
    (void)pthread_mutex_unlock(&f->mutex);
    return yes;
}
