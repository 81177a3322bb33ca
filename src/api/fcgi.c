/* SPDX-License-Identifier: MIT
 * Beginning and end: of the whole, and of each request on the loop's side. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fcgi_own.h"
#include "lib/log.h"

bool fcgi_is_listener(int fd)
{
    int listening = 0, type = 0;
    socklen_t n = sizeof(listening);

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &n) != 0)
        return false;
    n = sizeof(type);
    return listening != 0 && getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) == 0 && type == SOCK_STREAM;
}

size_t fcgi_live(const struct fcgi *f)
{
    return atomic_load(&f->live);
}

/* ---- the end of requests ---- */

void fcgi_check_drained(struct fcgi *f)
{
    loop_fn *fn = f->drained;

    if (fn == NULL || atomic_load(&f->live) > 0 || !fcgi_pool_ended(f))
        return;
    f->drained = NULL;
    loop_soon(f->o.loop, fn, f->drained_arg);
}

void fcgi_request_free(struct fcgi_request *r)
{
    r->fcgi->ops->closed(r->fcgi->arg, r);
    arena_free(r->scratch);
    free(r);
}

void fcgi_request_end(struct fcgi_request *r)
{
    struct fcgi *f = r->fcgi;

    fcgi_slow_free(r->slow);
    if (r->fd >= 0)
        (void)close(r->fd);
    if (r->prev != NULL)
        r->prev->next = r->next;
    else
        f->first = r->next;
    if (r->next != NULL)
        r->next->prev = r->prev;
    fcgi_request_free(r);
    atomic_fetch_sub(&f->live, 1);
    fcgi_check_drained(f);
}

void fcgi_park(struct fcgi_request *r)
{
    arena_free(r->scratch);
    r->scratch = NULL;
}

/* ---- from reader to loop ---- */

static void on_request(void *arg)
{
    struct fcgi_request *r = arg;
    struct fcgi *f = r->fcgi;

    atomic_fetch_sub(&f->posted, 1);
    r->next = f->first;
    if (f->first != NULL)
        f->first->prev = r;
    f->first = r;
    if (f->closing)
        fcgi_request_end(r);
    else
        f->ops->handle(f->arg, r);
}

bool fcgi_post(struct fcgi *f, loop_fn *fn, void *arg)
{
    atomic_fetch_add(&f->posted, 1);
    if (loop_post(f->o.loop, fn, arg))
        return true;
    atomic_fetch_sub(&f->posted, 1);
    return false;
}

bool fcgi_hand_over(struct fcgi_request *r)
{
    return fcgi_post(r->fcgi, on_request, r);
}

/* ---- life ---- */

static void release(struct fcgi *f)
{
    loop_timer_free(f->watch);
    loop_timer_free(f->grow);
    if (f->epoll_fd >= 0)
        (void)close(f->epoll_fd);
    if (f->wake_fd >= 0)
        (void)close(f->wake_fd);
    buf_fini(&f->frame);
    free(f->kept);
    (void)pthread_mutex_destroy(&f->mutex);
    free(f);
}

static int prepare(struct fcgi *f, struct err *e)
{
    struct epoll_event wake = { .events = EPOLLIN, .data.u64 = EVENT_WAKE };
    int flags = fcntl(f->o.listen_fd, F_GETFL);

    if (!fcgi_is_listener(f->o.listen_fd))
        return err_set(e, ERR_INVALID, "descriptor %d is not a listening socket", f->o.listen_fd);
    if (flags < 0 || fcntl(f->o.listen_fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return err_set_errno(e, errno, "the listening socket cannot be made non-blocking");
    f->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (f->epoll_fd < 0 || f->wake_fd < 0 || epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, f->wake_fd, &wake) != 0)
        return err_set_errno(e, errno, "epoll");
    return 0;
}

struct fcgi *fcgi_open(const struct fcgi_options *o, const struct fcgi_ops *ops, void *arg, struct err *e)
{
    struct fcgi *f;

    if (o->readers_max == 0 || o->readers_max > FCGI_READERS_MAX) {
        (void)err_set(e, ERR_RANGE, "1 to %d reader threads", FCGI_READERS_MAX);
        return NULL;
    }
    if (fcgi_read_init(e) != 0)
        return NULL;
    f = calloc(1, sizeof(*f));
    if (f == NULL) {
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    f->o = *o;
    f->ops = ops;
    f->arg = arg;
    f->epoll_fd = f->wake_fd = -1;
    (void)pthread_mutex_init(&f->mutex, NULL);
    if (prepare(f, e) != 0) {
        release(f);
        return NULL;
    }
    if (fcgi_pool_open(f, e) != 0) {
        fcgi_close(f);
        return NULL;
    }
    return f;
}

static void stop(struct fcgi *f)
{
    const uint64_t one = 1;

    if (!atomic_exchange(&f->stopping, true) && write(f->wake_fd, &one, sizeof(one)) != sizeof(one))
        log_error("readers cannot be woken", NULL);
    fcgi_keep_close(f);
}

void fcgi_drain(struct fcgi *f, loop_fn *fn, void *arg)
{
    f->drained = fn;
    f->drained_arg = arg;
    stop(f);
    for (struct fcgi_request *r = f->first; r != NULL; r = r->next)
        fcgi_stream_leave(r);
    fcgi_check_drained(f);
}

void fcgi_close(struct fcgi *f)
{
    if (f == NULL)
        return;
    f->drained = NULL;
    f->closing = true;
    stop(f);
    while (!fcgi_pool_ended(f) || atomic_load(&f->posted) > 0 || f->leaving > 0) {
        fcgi_pool_cut(f, INT64_MAX);
        loop_turn(f->o.loop, true);
    }
    while (f->first != NULL)
        fcgi_stream_cut(f->first);
    release(f);
}
