/* SPDX-License-Identifier: MIT
 * See double_server.h. A connection owns its input and output buffers; a request is handed out where it lies in the
 * input buffer and dropped from it when handle() returns. A closed connection is freed after the current callback, so
 * that no caller holds a dead pointer on its stack. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/attr.h"
#include "lib/buf.h"
#include "t/lib/double_server.h"

enum {
    HEAD_MAX = 16 * 1024,
    BODY_MAX = 16 * 1024 * 1024,
    READ_SIZE = 8 * 1024,
    TRICKLE_PIECES = 10,
};

struct conn {
    struct server *server;
    struct conn *next, *prev;
    int fd;
    struct loop_fd *watch;
    struct loop_timer *timer; /* made when first needed */
    struct buf in, out;
    bool busy;      /* a request was handed out and is unanswered */
    bool handling;  /* inside handle(): the caller goes on parsing */
    bool close;     /* after the answer: the peer asked for it */
    bool continued; /* 100 Continue was sent for the request that is being read */
    bool dead;
    loop_fn *wait_fn;
    void *wait_arg;
    size_t piece; /* of a trickled answer; 0: not trickling */
    int64_t piece_ms;
};

struct server {
    struct loop *loop;
    const struct server_ops *ops;
    void *arg;
    int fd;
    struct loop_fd *watch;
    struct conn *conns;
};

static void conn_advance(struct conn *c);

static void conn_free(void *arg)
{
    struct conn *c = arg;
    buf_fini(&c->in);
    buf_fini(&c->out);
    free(c);
}

static void conn_close(struct conn *c, bool reset)
{
    if (c->dead)
        return;
    c->dead = true;
    loop_timer_free(c->timer);
    loop_fd_free(c->watch);
    if (reset) {
        struct linger now = { .l_onoff = 1, .l_linger = 0 };
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    (void)close(c->fd);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        c->server->conns = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    loop_soon(c->server->loop, conn_free, c);
}

/* The peer is gone. */
static void conn_lost(struct conn *c)
{
    if (c->busy)
        c->server->ops->gone(c->server->arg, c, c->wait_arg);
    conn_close(c, false);
}

/* ---- output ---- */

static void conn_answered(struct conn *c)
{
    if (c->close) {
        conn_close(c, false);
        return;
    }
    c->busy = false;
    c->wait_arg = NULL;
    if (!c->handling)
        conn_advance(c);
}

/* Sends what is in out, up to `limit` bytes. */
static void conn_flush(struct conn *c, size_t limit)
{
    while (c->out.n > 0 && limit > 0) {
        size_t want = c->out.n < limit ? c->out.n : limit;
        ssize_t n = send(c->fd, c->out.p, want, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            if (c->piece == 0)
                loop_fd_want(c->watch, LOOP_READ | LOOP_WRITE);
            return;
        }
        if (n < 0) {
            conn_lost(c);
            return;
        }
        buf_consume(&c->out, (size_t)n);
        limit -= (size_t)n;
    }
    if (c->out.n == 0 && c->busy)
        conn_answered(c);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {
        { 200, "OK" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 302, "Found" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 429, "Too Many Requests" },
        { 500, "Internal Server Error" },
        { 503, "Service Unavailable" },
    };
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].status == status)
            return known[i].text;
    return "Scripted";
}

static void render(struct conn *c, const struct answer *a)
{
    struct buf *b = &c->out;
    buf_add(b, SV("HTTP/1.1 "));
    buf_i64(b, a->status);
    buf_addc(b, ' ');
    buf_add(b, sv_from(reason_of(a->status)));
    buf_add(b, SV("\r\nContent-Type: application/json\r\n"));
    if (a->retry_after_s >= 0) {
        buf_add(b, SV("Retry-After: "));
        buf_i64(b, a->retry_after_s);
        buf_add(b, SV("\r\n"));
    }
    if (c->close)
        buf_add(b, SV("Connection: close\r\n"));
    if (!a->chunked) {
        buf_add(b, SV("Content-Length: "));
        buf_i64(b, (int64_t)a->body.n);
        buf_add(b, SV("\r\n\r\n"));
        buf_add(b, a->body);
        return;
    }
    buf_add(b, SV("Transfer-Encoding: chunked\r\n\r\n"));
    size_t half = a->body.n / 2;
    if (half > 0)
        buf_printf(b, "%zx\r\n%.*s\r\n", half, (int)half, a->body.p);
    if (a->body.n > half)
        buf_printf(b, "%zx\r\n%.*s\r\n", a->body.n - half, (int)(a->body.n - half), a->body.p + half);
    buf_add(b, SV("0\r\n\r\n"));
}

void server_answer(struct conn *c, const struct answer *a)
{
    c->wait_arg = NULL;
    render(c, a);
    conn_flush(c, SIZE_MAX);
}

static void trickle_next(void *arg)
{
    struct conn *c = arg;
    if (c->out.n <= c->piece) {
        c->piece = 0;
        conn_flush(c, SIZE_MAX);
        return;
    }
    conn_flush(c, c->piece);
    if (!c->dead)
        loop_timer_set(c->timer, c->piece_ms);
}

void server_trickle(struct conn *c, const struct answer *a, int64_t over_ms)
{
    c->wait_arg = NULL;
    render(c, a);
    c->piece = c->out.n / TRICKLE_PIECES + 1;
    c->piece_ms = over_ms / TRICKLE_PIECES;
    loop_timer_free(c->timer);
    c->timer = loop_timer_new(c->server->loop, trickle_next, c);
    if (c->timer == NULL)
        abort();
    loop_timer_set(c->timer, 0);
}

void server_cut(struct conn *c, const struct answer *a)
{
    c->busy = false;
    if (a == NULL) {
        conn_close(c, true);
        return;
    }
    render(c, a);
    ssize_t n = send(c->fd, c->out.p, c->out.n - a->body.n / 2 - 1, MSG_NOSIGNAL);
    conn_close(c, n < 0);
}

static void wait_over(void *arg)
{
    struct conn *c = arg;
    c->wait_fn(c->wait_arg);
}

void server_wait(struct conn *c, int64_t in_ms, loop_fn *fn, void *arg)
{
    c->wait_fn = fn;
    c->wait_arg = arg;
    if (in_ms < 0)
        return;
    loop_timer_free(c->timer);
    c->timer = loop_timer_new(c->server->loop, wait_over, c);
    if (c->timer == NULL)
        abort();
    loop_timer_set(c->timer, in_ms);
}

/* ---- input ---- */

struct head {
    struct request request;
    uint64_t body_n;
    bool expect;
    bool close;
};

/* One header line into the head. False: a request that this server does not take. */
static bool take_header(struct head *h, struct sv line)
{
    struct sv value = line, name = sv_split(&value, ':');
    value = sv_trim(value);
    struct request *r = &h->request;
    switch (name.n) { /* lengths first: most headers are none of ours */
    case 6:
        if (sv_eq_nocase(name, SV("expect")))
            h->expect = true;
        break;
    case 10:
        if (sv_eq_nocase(name, SV("connection")) && sv_eq_nocase(value, SV("close")))
            h->close = true;
        break;
    case 11:
        if (sv_eq_nocase(name, SV("traceparent")))
            r->traceparent = value;
        break;
    case 12:
        if (sv_eq_nocase(name, SV("x-request-id")))
            r->request_id = value;
        else if (sv_eq_nocase(name, SV("content-type")))
            r->content_type = value;
        break;
    case 13:
        if (sv_eq_nocase(name, SV("authorization")))
            r->authorization = value;
        break;
    case 14:
        if (sv_eq_nocase(name, SV("content-length")))
            return sv_to_u64(value, &h->body_n) && h->body_n <= BODY_MAX;
        break;
    case 15:
        if (sv_eq_nocase(name, SV("idempotency-key")))
            r->idempotency_key = value;
        break;
    case 17:
        if (sv_eq_nocase(name, SV("transfer-encoding")))
            return false;
        break;
    }
    return true;
}

static bool take_head(struct head *h, struct sv text)
{
    struct sv line = sv_split(&text, '\n');
    h->request.method = sv_split(&line, ' ');
    h->request.path = sv_split(&line, ' ');
    h->request.query = h->request.path;
    h->request.path = sv_split(&h->request.query, '?');
    if (!sv_starts(line, SV("HTTP/1.")))
        return false;
    h->close = sv_starts(line, SV("HTTP/1.0"));
    while (text.n > 0) {
        line = sv_split(&text, '\n');
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n > 0 && !take_header(h, line))
            return false;
    }
    return true;
}

/* One whole request out of the input, if there is one. */
static bool conn_request(struct conn *c)
{
    const char *end = c->in.n >= 4 ? memmem(c->in.p, c->in.n, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
        if (c->in.n > HEAD_MAX)
            conn_close(c, true);
        return false;
    }
    size_t head_n = (size_t)(end - c->in.p) + 4;
    struct head h = { 0 };
    if (!take_head(&h, (struct sv){ c->in.p, head_n })) {
        c->busy = c->close = true;
        server_answer(
            c, &(struct answer){ .status = 400, .retry_after_s = -1, .body = SV("{\"error\":\"bad request\"}") });
        return false;
    }
    if (c->in.n - head_n < h.body_n) {
        if (h.expect && !c->continued)
            (void)send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
        c->continued = true;
        return false;
    }
    h.request.body = (struct sv){ c->in.p + head_n, (size_t)h.body_n };
    c->busy = true;
    c->continued = false;
    c->close = h.close;
    c->handling = true;
    c->server->ops->handle(c->server->arg, c, &h.request);
    c->handling = false;
    if (!c->dead)
        buf_consume(&c->in, head_n + (size_t)h.body_n);
    return true;
}

static void conn_advance(struct conn *c)
{
    while (!c->dead && !c->busy && conn_request(c))
        continue;
}

static void conn_event(void *arg, int events)
{
    struct conn *c = arg;
    if ((events & LOOP_WRITE) != 0 && c->out.n > 0 && c->piece == 0) {
        loop_fd_want(c->watch, LOOP_READ);
        conn_flush(c, SIZE_MAX);
    }
    if (c->dead || (events & LOOP_READ) == 0)
        return;
    char *room = buf_room(&c->in, READ_SIZE);
    if (room == NULL) {
        conn_lost(c);
        return;
    }
    ssize_t n = recv(c->fd, room, READ_SIZE, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_lost(c);
        return;
    }
    buf_grown(&c->in, (size_t)n);
    conn_advance(c);
}

/* ---- listening ---- */

static void server_accept(void *arg, int events)
{
    struct server *s = arg;
    (void)events;
    for (int i = 0; i < 64; i++) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct conn *c = calloc(1, sizeof *c);
        if (c != NULL)
            c->watch = loop_fd_new(s->loop, fd, conn_event, c);
        if (c == NULL || c->watch == NULL) {
            free(c);
            (void)close(fd);
            return;
        }
        c->server = s;
        c->fd = fd;
        c->in.max = HEAD_MAX + BODY_MAX + READ_SIZE;
        c->next = s->conns;
        if (c->next != NULL)
            c->next->prev = c;
        s->conns = c;
        loop_fd_want(c->watch, LOOP_READ);
    }
}

struct server *server_open(struct loop *l, int port, const struct server_ops *ops, void *arg)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->loop = l;
    s->ops = ops;
    s->arg = arg;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (s->fd < 0 || setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(s->fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(s->fd, 4096) != 0) {
        perror("listen");
        if (s->fd >= 0)
            (void)close(s->fd);
        free(s);
        return NULL;
    }
    s->watch = loop_fd_new(l, s->fd, server_accept, s);
    if (s->watch == NULL)
        abort();
    loop_fd_want(s->watch, LOOP_READ);
    return s;
}

int server_port(const struct server *s)
{
    struct sockaddr_in at;
    socklen_t n = sizeof at;
    return getsockname(s->fd, (struct sockaddr *)&at, &n) == 0 ? ntohs(at.sin_port) : -1;
}

void server_close(struct server *s)
{
    while (s->conns != NULL)
        conn_lost(s->conns);
    loop_fd_free(s->watch);
    (void)close(s->fd);
    free(s);
}
