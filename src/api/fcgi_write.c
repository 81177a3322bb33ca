/* SPDX-License-Identifier: MIT
 * Answers: FastCGI records (FastCGI 1.0, 3.3, 5.3, 5.5) in one send, the rest when the socket takes more, then the close. Runs on the
 * loop, never blocks.
 *
 * A web server may still be sending a body that nobody wants (401, 413). A close would throw away what it sent, and with it the
 * connection that carries our answer; so what comes is read and forgotten until it closes, or for LINGER_MS. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fcgi_own.h"
#include "lib/log.h"

#define RECORD_HEADER 8
#define RECORD_MAX 65528 /* of 65,535, a multiple of 8 */
#define FRAME_KEEP 262144
#define LINGER_MS 5000

enum record { RECORD_END = 3, RECORD_STDOUT = 6 };

/* A connection that needs more than one send. */
struct fcgi_slow {
    struct fcgi_request *r;
    struct buf rest; /* empty: lingering */
    size_t sent;
    struct loop_fd *watch;
    struct loop_timer *limit;
};

static void add_header(struct buf *b, enum record type, uint16_t id, size_t n)
{
    const char header[RECORD_HEADER] = {
        1, (char)type, (char)(id >> 8), (char)id, (char)(n >> 8), (char)n, 0, 0,
    };

    buf_add(b, (struct sv){ header, sizeof(header) });
}

static void frame(struct buf *b, uint16_t id, struct sv answer)
{
    static const char complete[RECORD_HEADER]; /* exit status 0, FCGI_REQUEST_COMPLETE */

    buf_clear(b);
    if (b->size > FRAME_KEEP)
        buf_fini(b);
    while (answer.n > 0) {
        size_t n = answer.n < RECORD_MAX ? answer.n : RECORD_MAX;
        add_header(b, RECORD_STDOUT, id, n);
        buf_add(b, (struct sv){ answer.p, n });
        answer = (struct sv){ answer.p + n, answer.n - n };
    }
    add_header(b, RECORD_STDOUT, id, 0);
    add_header(b, RECORD_END, id, sizeof(complete));
    buf_add(b, (struct sv){ complete, sizeof(complete) });
}

void fcgi_slow_free(struct fcgi_slow *s)
{
    if (s == NULL)
        return;
    loop_fd_free(s->watch);
    loop_timer_free(s->limit);
    buf_fini(&s->rest);
    free(s);
}

static void on_limit(void *arg)
{
    struct fcgi_slow *s = arg;

    if (s->rest.n > 0)
        log_warning("an answer was not read in time by the web server", NULL);
    fcgi_request_end(s->r);
}

static void linger(struct fcgi_slow *s)
{
    buf_fini(&s->rest);
    (void)shutdown(s->r->fd,
                   SHUT_WR); /* a web server that keeps connections must not send another request into this one */
    loop_fd_want(s->watch, LOOP_READ);
    loop_timer_set(s->limit, LINGER_MS);
}

static void discard(struct fcgi_slow *s)
{
    static char trash[65536]; /* the loop's thread alone writes it, nobody reads it */
    ssize_t n = recv(s->r->fd, trash, sizeof(trash), MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        fcgi_request_end(s->r);
}

/* How much of p the socket takes now. -1: the web server is gone. */
static ssize_t send_some(int fd, const char *p, size_t n)
{
    ssize_t sent = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* The answer has left. libuv has made the descriptor of a slow one non-blocking, which libfcgi does not understand. */
static void done(struct fcgi_request *r)
{
    bool usable = r->keep;

    if (usable && r->slow != NULL) {
        fcgi_slow_free(r->slow);
        r->slow = NULL;
        usable = fcntl(r->fd, F_SETFL, 0) == 0;
    }
    if (usable && fcgi_keep(r->fcgi, r->fd))
        r->fd = -1;
    fcgi_request_end(r);
}

static void on_ready(void *arg, int events)
{
    struct fcgi_slow *s = arg;
    struct fcgi_request *r = s->r;
    ssize_t n;

    (void)events;
    if (s->rest.n == 0) {
        discard(s);
        return;
    }
    n = send_some(r->fd, s->rest.p + s->sent, s->rest.n - s->sent);
    if (n < 0) {
        fcgi_request_end(r);
        return;
    }
    s->sent += (size_t)n;
    if (s->sent < s->rest.n)
        loop_timer_set(s->limit, r->fcgi->o.write_timeout_ms);
    else if (r->body_left)
        linger(s);
    else
        done(r);
}

/* The rest goes out when the socket is ready; nothing left: only what comes is to be read. */
static void go_on(struct fcgi_request *r, struct sv rest)
{
    struct fcgi_slow *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        fcgi_request_end(r);
        return;
    }
    s->r = r;
    r->slow = s;
    s->watch = loop_fd_new(r->fcgi->o.loop, r->fd, on_ready, s);
    s->limit = loop_timer_new(r->fcgi->o.loop, on_limit, s);
    buf_add(&s->rest, rest);
    if (s->watch == NULL || s->limit == NULL || !buf_ok(&s->rest)) {
        log_error("an answer was dropped: out of memory", NULL);
        fcgi_request_end(r);
        return;
    }
    if (rest.n == 0) {
        linger(s);
        return;
    }
    loop_fd_want(s->watch, LOOP_WRITE);
    loop_timer_set(s->limit, r->fcgi->o.write_timeout_ms);
}

void fcgi_reply(struct fcgi_request *r, struct sv answer)
{
    struct buf *b = &r->fcgi->frame;
    ssize_t n;

    frame(b, r->id, answer);
    if (!buf_ok(b)) {
        log_error("an answer was dropped: out of memory", NULL);
        fcgi_request_end(r);
        return;
    }
    n = send_some(r->fd, b->p, b->n);
    if (n < 0)
        fcgi_request_end(r);
    else if ((size_t)n == b->n && !r->body_left)
        done(r);
    else
        go_on(r, (struct sv){ b->p + n, b->n - (size_t)n });
}
