/* SPDX-License-Identifier: MIT
 * Connections that the web server keeps for its next request (FCGI_KEEP_CONN: Apache's enablereuse, nginx's fastcgi_keep_conn). They wait in
 * the readers' epoll, each under a number of its own: an event that was fetched before its connection was closed, and whose descriptor
 * belongs to another one by now, finds another number. */
#include "config.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "api/fcgi_own.h"

static bool has_place(struct fcgi *f, size_t fd)
{
    size_t size = (fd + 64) & ~(size_t)63;
    uint32_t *p;

    if (fd < f->kept_size)
        return true;
    p = realloc(f->kept, size * sizeof(*p));
    if (p == NULL)
        return false;
    memset(p + f->kept_size, 0, (size - f->kept_size) * sizeof(*p));
    f->kept = p;
    f->kept_size = size;
    return true;
}

bool fcgi_keep(struct fcgi *f, int fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLONESHOT };
    bool ok;

    if (atomic_load(&f->stopping))
        return false;
    (void)pthread_mutex_lock(&f->mutex);
    ok = has_place(f, (size_t)fd);
    if (ok) {
        if (++f->kept_last >= UINT32_MAX - 1)
            f->kept_last = 1;
        event.data.u64 = (uint64_t)fd << 32 | f->kept_last;
        ok = epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
        f->kept[fd] = ok ? f->kept_last : 0;
        atomic_fetch_add(&f->kept_n, ok ? 1 : 0);
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return ok;
}

int fcgi_keep_take(struct fcgi *f, uint64_t event)
{
    int fd = (int)(event >> 32);
    bool mine;

    (void)pthread_mutex_lock(&f->mutex);
    mine = f->kept[fd] == (uint32_t)event;
    if (mine) {
        f->kept[fd] = 0;
        atomic_fetch_sub(&f->kept_n, 1);
        (void)epoll_ctl(f->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    }
    (void)pthread_mutex_unlock(&f->mutex);
    return mine ? fd : -1;
}

void fcgi_keep_close(struct fcgi *f)
{
    (void)pthread_mutex_lock(&f->mutex);
    for (size_t fd = 0; fd < f->kept_size; fd++) {
        if (f->kept[fd] != 0)
            (void)close((int)fd);
        f->kept[fd] = 0;
    }
    atomic_store(&f->kept_n, 0);
    (void)pthread_mutex_unlock(&f->mutex);
}
