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

static void add_header(struct buf *b, enum record type, uint16_t id, size_t n)
{
    const char header[RECORD_HEADER] = {
        1, (char)type, (char)(id >> 8), (char)id, (char)(n >> 8), (char)n, 0, 0,
    };

    buf_add(b, (struct sv){ header, sizeof(header) });
}

struct buf *fcgi_frame(struct fcgi *f)
{
    buf_clear(&f->frame);
    if (f->frame.size > FRAME_KEEP)
        buf_fini(&f->frame);
    return &f->frame;
}

void fcgi_add_output(struct buf *b, uint16_t id, struct sv bytes)
{
    while (bytes.n > 0) {
        size_t n = bytes.n < RECORD_MAX ? bytes.n : RECORD_MAX;
        add_header(b, RECORD_STDOUT, id, n);
        buf_add(b, (struct sv){ bytes.p, n });
        bytes = (struct sv){ bytes.p + n, bytes.n - n };
    }
}

void fcgi_add_end(struct buf *b, uint16_t id)
{
    static const char complete[RECORD_HEADER]; /* exit status 0, FCGI_REQUEST_COMPLETE */

    add_header(b, RECORD_STDOUT, id, 0);
    add_header(b, RECORD_END, id, sizeof(complete));
    buf_add(b, (struct sv){ complete, sizeof(complete) });
}

struct fcgi_slow *fcgi_slow_new(struct fcgi_request *r, loop_fd_fn *ready)
{
    struct fcgi_slow *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->watch = loop_fd_new(r->fcgi->o.loop, r->fd, ready, s);
    if (s->watch == NULL) {
        free(s);
        return NULL;
    }
    s->r = r;
    r->slow = s;
    r->nonblocking = true;
    return s;
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

bool fcgi_hear(int fd, struct sv *bytes)
{
    static char heard[65536]; /* the loop's thread alone uses it */
    ssize_t n = recv(fd, heard, sizeof(heard), MSG_DONTWAIT);

    *bytes = (struct sv){ heard, n > 0 ? (size_t)n : 0 };
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void discard(struct fcgi_slow *s)
{
    struct sv forgotten;

    if (!fcgi_hear(s->r->fd, &forgotten))
        fcgi_request_end(s->r);
}

ssize_t fcgi_send(int fd, struct sv bytes)
{
    ssize_t sent = send(fd, bytes.p, bytes.n, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* The answer has left. libuv makes a descriptor that it watches non-blocking, which libfcgi does not understand. */
static void done(struct fcgi_request *r)
{
    bool usable = r->keep;

    fcgi_slow_free(r->slow);
    r->slow = NULL;
    if (usable && r->nonblocking)
        usable = fcntl(r->fd, F_SETFL, 0) == 0;
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
    n = fcgi_send(r->fd, (struct sv){ s->rest.p + s->sent, s->rest.n - s->sent });
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
    struct fcgi_slow *s = fcgi_slow_new(r, on_ready);

    if (s != NULL) {
        s->limit = loop_timer_new(r->fcgi->o.loop, on_limit, s);
        buf_add(&s->rest, rest);
    }
    if (s == NULL || s->limit == NULL || !buf_ok(&s->rest)) {
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

void fcgi_finish(struct fcgi_request *r)
{
    const struct buf *b = &r->fcgi->frame;
    ssize_t n;

    if (!buf_ok(b)) {
        log_error("an answer was dropped: out of memory", NULL);
        fcgi_request_end(r);
        return;
    }
    n = fcgi_send(r->fd, buf_sv(b));
    if (n < 0)
        fcgi_request_end(r);
    else if ((size_t)n == b->n && !r->body_left)
        done(r);
    else
        go_on(r, (struct sv){ b->p + n, b->n - (size_t)n });
}

void fcgi_reply(struct fcgi_request *r, struct sv answer)
{
    struct buf *b = fcgi_frame(r->fcgi);

    fcgi_add_output(b, r->id, answer);
    fcgi_add_end(b, r->id);
    fcgi_finish(r);
}
