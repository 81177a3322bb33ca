/* SPDX-License-Identifier: MIT
 * The only user of libfcgi: reads one request from a connection that was accepted here. Blocks; runs on reader threads only.
 *
 * Three fields that fcgiapp.h calls private are set before FCGX_Accept_r; t/api/fcgi.c pins what they do:
 *   ipcFd           the connection, so that libfcgi does not accept by itself (its accept waits 2 s for a silent peer)
 *   keepConnection  keeps its first act, finishing the request before, from closing that connection; overwritten by the real flag
 *   detached        where it does close, after an error, it does so at once instead of draining for 2 s
 * libfcgi gets a duplicate of the descriptor, since it closes on errors: who else holds ours (the watch that cuts slow peers) must
 * never meet a number that was given to another connection. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "api/fcgi_own.h"
#include "lib/clock.h"

#define ROLE_RESPONDER 1 /* FastCGI 1.0, 8 */
#define DISCARD_MAX 262144

int fcgi_read_init(struct err *e)
{
    static const int taken[] = { SIGPIPE, SIGUSR1, SIGTERM };
    struct sigaction before[ARRAY_LEN(taken)];
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        (void)sigaction(taken[i], NULL, &before[i]);
    rc = FCGX_Init();
    for (size_t i = 0; i < ARRAY_LEN(taken); i++)
        (void)sigaction(taken[i], &before[i], NULL);
    return rc == 0 ? 0 : err_set(e, ERR_INTERNAL, "libfcgi cannot be initialised (%d)", rc);
}

/* Everything that the web server sends as body, up to `wanted` bytes and one more. -1: broken off. */
static int read_body(struct fcgi *f, struct fcgi_request *r, FCGX_Request *q, int64_t wanted, struct buf *body)
{
    int most = wanted < INT_MAX - 1 ? (int)wanted + 1 : INT_MAX - 1;
    int n;
    char *room;

    buf_clear(body);
    room = buf_room(body, (size_t)most);
    if (room == NULL)
        return -1;
    n = FCGX_GetStr(room, most, q->in);
    if (n < most && FCGX_GetError(q->in) != 0)
        return -1;
    r->body_left = n == most;
    f->ops->body(f->arg, r, (struct sv){ room, (size_t)(n < most ? n : most - 1) }, n == most);
    return 0;
}

/* A connection that is to be kept is good for another request only when this one's body is out of the way. What is there already is
 * thrown away, without a wait for more. True: it was all. */
static bool discard_body(int fd, FCGX_Request *q)
{
    char trash[8192];
    size_t left = DISCARD_MAX;
    int n;

    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        return false;
    do {
        n = FCGX_GetStr(trash, sizeof(trash), q->in);
        left -= sizeof(trash);
    } while (n == (int)sizeof(trash) && left > 0);
    return n < (int)sizeof(trash) && FCGX_GetError(q->in) == 0 && fcntl(fd, F_SETFL, 0) == 0;
}

static struct fcgi_request *take(struct fcgi *f, int fd, FCGX_Request *q, struct buf *body)
{
    struct fcgi_request *r = calloc(1, f->ops->request_size);
    int64_t wanted;

    if (r == NULL)
        return NULL;
    r->scratch = arena_new(f->ops->scratch_first, f->ops->scratch_max);
    if (r->scratch == NULL) {
        free(r);
        return NULL;
    }
    r->fcgi = f;
    r->began_us = clock_mono_us();
    r->id = (uint16_t)q->requestId;
    r->fd = fd;
    r->keep = q->keepConnection != 0;
    r->params = q->envp;
    wanted = f->ops->head(f->arg, r);
    r->body_left = wanted < 0 && !(r->keep && discard_body(fd, q));
    if (wanted >= 0 && read_body(f, r, q, wanted, body) != 0) {
        fcgi_request_free(r);
        return NULL;
    }
    r->params = NULL;
    return r;
}

struct fcgi_request *fcgi_read(struct fcgi *f, int fd, struct buf *body)
{
    struct fcgi_request *r = NULL;
    int twin = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    FCGX_Request q;

    if (twin < 0)
        return NULL;
    (void)FCGX_InitRequest(&q, -1, 0);
    q.ipcFd = twin;
    q.keepConnection = 1;
    q.detached = 1;
    /* A request that ends in the middle of its parameters is "accepted" too, with an error on its input. */
    if (FCGX_Accept_r(&q) == 0 && FCGX_GetError(q.in) == 0 && q.role == ROLE_RESPONDER)
        r = take(f, fd, &q, body);
    twin = q.ipcFd; /* -1: libfcgi has closed it */
    FCGX_Free(&q, 0);
    if (twin >= 0)
        (void)close(twin);
    return r;
}
