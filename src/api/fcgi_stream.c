/* SPDX-License-Identifier: MIT
 * Answers that go on: a piece is one send, as long as the web server reads; what it does not take waits, within bounds. Runs on the loop,
 * never blocks. An idle stream costs its request and a watched descriptor, no buffer and no timer. Knows nothing of what is in the pieces.
 *
 * The descriptor is watched for the whole time, since only its end says that the client has gone, and some web servers say so only when
 * something is written to them: whoever streams has to write now and then. FCGI_ABORT_REQUEST means the same. Both are answered with a
 * proper end where nothing waits: lighttpd closes one half only, and logs an error when it finds no end then.
 *
 * A user may write to, or end, other streams in the middle of a call about one. So what happens to a stream by itself is only noted, and
 * carried out by loop_soon. */
#include "config.h"

#include "api/fcgi_own.h"
#include "lib/log.h"

#define RECORD_VERSION 1 /* FastCGI 1.0, 8 */
#define RECORD_ABORT 2

/* The rest of what waits, and the end of the answer. */
static void finish(struct fcgi_request *r)
{
    struct fcgi_slow *s = r->slow;
    struct buf *b = fcgi_frame(r->fcgi);

    r->stream.state = STREAM_NONE;
    if (s != NULL && s->rest.n > 0)
        buf_add(b, (struct sv){ s->rest.p + s->sent, s->rest.n - s->sent });
    fcgi_add_end(b, r->id);
    fcgi_slow_free(s);
    r->slow = NULL;
    fcgi_finish(r);
}

static void tell(struct fcgi_stream *s)
{
    loop_fn *gone = s->gone;

    s->gone = NULL;
    if (gone != NULL)
        gone(s->arg);
}

void fcgi_stream_cut(struct fcgi_request *r)
{
    r->stream.state = STREAM_LOST; /* nothing can be written in `gone` */
    tell(&r->stream);
    fcgi_request_end(r);
}

static void on_leave(void *arg)
{
    struct fcgi_request *r = arg;

    r->fcgi->leaving--;
    if (r->stream.state == STREAM_LOST) {
        fcgi_stream_cut(r);
        return;
    }
    tell(&r->stream);
    finish(r);
}

/* While the whole is closed nothing is put off any more: fcgi_close cuts what is left. */
static void leave(struct fcgi_request *r, enum fcgi_stream_state how)
{
    if (r->stream.state != STREAM_OPEN)
        return;
    r->stream.state = how;
    if (r->slow != NULL) {
        loop_fd_want(r->slow->watch, 0);
        loop_timer_free(r->slow->limit);
        r->slow->limit = NULL;
    }
    if (r->fcgi->closing)
        return;
    r->fcgi->leaving++;
    loop_soon(r->fcgi->o.loop, on_leave, r);
}

static void lose(struct fcgi_request *r, const char *why)
{
    log_debug("a stream was dropped", "reason", why, NULL);
    leave(r, STREAM_LOST);
}

static void part(struct fcgi_request *r)
{
    if (r->slow->rest.n > 0)
        lose(r, "the web server has closed, and something waits");
    else
        leave(r, STREAM_LEAVES);
}

static void on_limit(void *arg)
{
    struct fcgi_slow *s = arg;

    lose(s->r, "nothing was read in time");
}

/* Nothing waits any more. */
static void relax(struct fcgi_slow *s)
{
    buf_fini(&s->rest);
    s->sent = 0;
    loop_timer_free(s->limit);
    s->limit = NULL;
    loop_fd_want(s->watch, LOOP_READ);
}

static void send_rest(struct fcgi_slow *s)
{
    ssize_t n = fcgi_send(s->r->fd, (struct sv){ s->rest.p + s->sent, s->rest.n - s->sent });

    if (n < 0) {
        lose(s->r, "the web server has closed");
        return;
    }
    s->sent += (size_t)n;
    if (s->sent < s->rest.n) {
        if (n > 0)
            loop_timer_set(s->limit, s->r->fcgi->o.write_timeout_ms);
        return;
    }
    relax(s);
    if (s->r->stream.room != NULL)
        s->r->stream.room(s->r->stream.arg); /* it may be ended after */
}

size_t fcgi_stream_waiting(const struct fcgi_request *r)
{
    return r->slow != NULL ? r->slow->rest.n - r->slow->sent : 0;
}

void fcgi_stream_on_room(struct fcgi_request *r, loop_fn *room)
{
    r->stream.room = room;
}

/* Bytes are not expected but for those of a body that nobody wanted. */
static void listen_to(struct fcgi_request *r)
{
    struct sv heard;

    if (!fcgi_hear(r->fd, &heard))
        part(r);
    else if (!r->body_left && heard.n > 1 && heard.p[0] == RECORD_VERSION && heard.p[1] == RECORD_ABORT)
        part(r);
}

static void on_ready(void *arg, int events)
{
    struct fcgi_slow *s = arg;

    if ((events & LOOP_READ) != 0)
        listen_to(s->r);
    if ((events & LOOP_WRITE) != 0 && s->r->stream.state == STREAM_OPEN && s->rest.n > 0)
        send_rest(s);
}

/* The socket does not take `rest` now. */
static int hold(struct fcgi_slow *s, struct sv rest)
{
    buf_consume(&s->rest, s->sent);
    s->sent = 0;
    buf_add(&s->rest, rest);
    if (s->limit == NULL) {
        s->limit = loop_timer_new(s->r->fcgi->o.loop, on_limit, s);
        if (s->limit != NULL)
            loop_timer_set(s->limit, s->r->fcgi->o.write_timeout_ms);
    }
    if (s->limit == NULL || !buf_ok(&s->rest)) {
        lose(s->r, "out of memory");
        return -1;
    }
    loop_fd_want(s->watch, LOOP_READ | LOOP_WRITE);
    return 0;
}

int fcgi_stream_write(struct fcgi_request *r, struct sv bytes)
{
    struct fcgi_slow *s = r->slow;
    struct buf *b = fcgi_frame(r->fcgi);
    size_t waiting;
    ssize_t n = 0;

    if (r->stream.state != STREAM_OPEN)
        return -1;
    waiting = s->rest.n - s->sent;
    fcgi_add_output(b, r->id, bytes);
    if (!buf_ok(b) || (waiting > 0 && waiting + b->n > r->stream.max)) {
        lose(r, buf_ok(b) ? "too much waits to be read" : "out of memory");
        return -1;
    }
    if (waiting == 0)
        n = fcgi_send(r->fd, buf_sv(b));
    if (n < 0) {
        lose(r, "the web server has closed");
        return -1;
    }
    return (size_t)n == b->n ? 0 : hold(s, (struct sv){ b->p + n, b->n - (size_t)n });
}

void fcgi_stream(struct fcgi_request *r, struct sv head, size_t buffer_max, loop_fn *gone, void *arg)
{
    struct fcgi_slow *s = fcgi_slow_new(r, on_ready);

    r->stream = (struct fcgi_stream){ .state = STREAM_OPEN, .gone = gone, .arg = arg, .max = buffer_max };
    if (s == NULL) {
        lose(r, "out of memory");
        return;
    }
    loop_fd_want(s->watch, LOOP_READ);
    if (fcgi_stream_write(r, head) == 0 && atomic_load(&r->fcgi->stopping))
        fcgi_stream_leave(r);
}

void fcgi_stream_leave(struct fcgi_request *r)
{
    leave(r, STREAM_LEAVES);
}

void fcgi_stream_end(struct fcgi_request *r)
{
    r->stream.gone = NULL;
    if (r->stream.state == STREAM_OPEN)
        finish(r);
}
