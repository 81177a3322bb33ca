/* SPDX-License-Identifier: MIT
 * See redis_resolve.h. The thread and the loop share one job that the last of them frees, and talk through an event descriptor,
 * not through loop_post: a thread that hangs in its resolver may outlive the loop. */
#include "config.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "store/redis_resolve.h"

struct job {
    atomic_int owners; /* the thread and the loop's side */
    int done_fd;       /* readable when `found` is filled in */
    char *host;
    char service[12];
    struct resolved found;
};

struct resolve {
    struct job *job;
    struct loop_fd *watch;
    resolve_fn *fn;
    void *arg;
};

static void job_leave(struct job *j)
{
    if (atomic_fetch_sub(&j->owners, 1) > 1)
        return;
    if (j->done_fd >= 0)
        (void)close(j->done_fd);
    free(j->host);
    free(j);
}

static int lookup(struct job *j, int flags)
{
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags }, *list = NULL;
    int rc = getaddrinfo(j->host, j->service, &hints, &list);
    if (rc != 0) {
        (void)snprintf(j->found.error, sizeof(j->found.error), "%s", gai_strerror(rc));
        return -1;
    }
    for (const struct addrinfo *a = list; a != NULL && j->found.n < RESOLVE_MAX; a = a->ai_next) {
        struct address *to = &j->found.all[j->found.n];
        if (a->ai_addrlen > sizeof(to->at))
            continue;
        memcpy(&to->at, a->ai_addr, a->ai_addrlen);
        to->size = a->ai_addrlen;
        j->found.n++;
    }
    freeaddrinfo(list);
    return 0;
}

static void tell(const struct job *j)
{
    uint64_t one = 1;
    if (write(j->done_fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        abort(); /* a fresh eventfd takes a 1 */
}

static void *run(void *arg)
{
    struct job *j = arg;
    (void)lookup(j, 0);
    tell(j);
    job_leave(j);
    return NULL;
}

/* Signals belong to the loop's thread. */
static int start_thread(struct job *j)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&attr) != 0)
        return -1;
    (void)sigfillset(&all);
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    atomic_fetch_add(&j->owners, 1);
    int rc = pthread_create(&thread, &attr, run, j);
    if (rc != 0)
        atomic_fetch_sub(&j->owners, 1);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)pthread_attr_destroy(&attr);
    return rc == 0 ? 0 : -1;
}

static void on_done(void *arg, int events)
{
    struct resolve *r = arg;
    struct job *j = r->job;
    resolve_fn *fn = r->fn;
    (void)events;
    arg = r->arg;
    loop_fd_free(r->watch);
    free(r);
    fn(arg, &j->found);
    job_leave(j);
}

static struct job *job_new(const char *host, int port)
{
    struct job *j = calloc(1, sizeof(*j));
    if (j == NULL)
        return NULL;
    atomic_init(&j->owners, 1);
    j->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    j->host = strdup(host);
    (void)snprintf(j->service, sizeof(j->service), "%d", port);
    if (j->done_fd >= 0 && j->host != NULL)
        return j;
    job_leave(j);
    return NULL;
}

struct resolve *resolve_start(struct loop *l, const char *host, int port, resolve_fn *fn, void *arg, struct err *e)
{
    struct resolve *r = calloc(1, sizeof(*r));
    struct job *j = job_new(host, port);
    if (r == NULL || j == NULL)
        goto failed;
    *r = (struct resolve){ .job = j, .fn = fn, .arg = arg };
    r->watch = loop_fd_new(l, j->done_fd, on_done, r);
    if (r->watch == NULL)
        goto failed;
    if (lookup(j, AI_NUMERICHOST | AI_NUMERICSERV) == 0)
        tell(j);
    else if (start_thread(j) != 0)
        goto failed;
    loop_fd_want(r->watch, LOOP_READ);
    return r;

failed:
    if (r != NULL)
        loop_fd_free(r->watch);
    free(r);
    if (j != NULL)
        job_leave(j);
    (void)err_set(e, ERR_MEMORY, "cannot look up %s: no memory, descriptor or thread", host);
    return NULL;
}

void resolve_cancel(struct resolve *r)
{
    if (r == NULL)
        return;
    loop_fd_free(r->watch);
    job_leave(r->job);
    free(r);
}
