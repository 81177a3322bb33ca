/* SPDX-License-Identifier: MIT
 * The life of one listener: it connects when it is its turn, says from where on it listens, reads as fast as it may, and comes back after each loss,
 * whoever's it was, with the last event that it has seen. Nobody here gives up for good. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/lib/listeners.h"

enum {
    READ_BYTES = 65536, READS_AT_ONCE = 4, SLOW_BYTES = 512, SLOW_MS = 20, SLOW_BUFFER = 4096,
    ANSWER_MS = 60000, LEAVING_MS = 3000, AGAIN_MS = 500, REFUSED_MS = 400, KEPT = 4096,
};

static void pump(struct crowd *c);

static void want_again(struct link *l, unsigned ms)
{
    l->state = LINK_WAITS;
    loop_timer_set(l->timer, ms / 4 + crowd_random(l->c, ms));
}

static void disconnect(struct link *l)
{
    bool under_way = l->state == LINK_CONNECTING || l->state == LINK_HEAD;

    loop_fd_free(l->watch);
    l->watch = NULL;
    if (l->fd >= 0)
        (void)close(l->fd);
    l->fd = -1;
    buf_fini(&l->in);
    buf_fini(&l->text);
    l->leaving = l->over = false;
    if (under_way) {
        l->c->connecting--;
        pump(l->c);
    }
}

/* The other side, or what is between, has ended it. */
static void lose(struct link *l)
{
    if (l->state != LINK_OPEN)
        l->c->n.failed++;
    else if (!l->leaving)
        l->c->n.dropped++;
    disconnect(l);
    want_again(l, AGAIN_MS);
}

/* ---- the request ---- */

static void write_request(const struct link *l, struct buf *b)
{
    const char *way = l->kind == LINK_WS ? "/ws/chat/" : "/api/v1/chat/sessions/";
    bool ticket = l->by_ticket && l->s->ticket[0] != '\0';
    bool header = l->begun && l->kind == LINK_SSE; /* as a browser that comes back */

    buf_printf(b, "GET %s%s%s?", way, l->s->id, l->kind == LINK_SSE ? "/events" : "");
    if (ticket)
        buf_printf(b, "ticket=%s&", l->s->ticket);
    if (l->begun)
        buf_printf(b, "after=%llu", (unsigned long long)(header ? 0 : l->seen));
    if (b->p != NULL && (b->p[b->n - 1] == '?' || b->p[b->n - 1] == '&'))
        b->n--;
    buf_add(b, SV(" HTTP/1.1\r\nHost: localhost\r\n"));
    if (!ticket)
        buf_printf(b, "Authorization: Bearer %s\r\n", l->c->plan.token);
    if (header)
        buf_printf(b, "Last-Event-ID: %llu\r\n", (unsigned long long)l->seen);
    if (l->kind == LINK_WS)
        buf_add(b, SV("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"));
    else
        buf_add(b, SV("Accept: text/event-stream\r\n"));
    buf_add(b, SV("\r\n"));
}

void link_say(struct link *l, struct sv bytes)
{
    if (send(l->fd, bytes.p, bytes.n, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)bytes.n)
        (void)shutdown(l->fd, SHUT_RDWR); /* reading meets the end */
}

/* ---- what comes ---- */

static void begin_to_read(struct link *l)
{
    if (l->pace == PACE_DEAF && l->c->asleep)
        loop_fd_want(l->watch, 0);
    else
        loop_fd_want(l->watch, LOOP_READ);
}

/* False: it is not open now. */
static bool take_head(struct link *l)
{
    int status = read_head(l);

    if (status == 0)
        return false;
    if (status != (l->kind == LINK_WS ? 101 : 200)) {
        l->c->n.refused++;
        l->c->n.last_refusal = status;
        disconnect(l);
        want_again(l, REFUSED_MS);
        return false;
    }
    l->c->n.reconnects += l->was_open;
    l->was_open = true;
    l->state = LINK_OPEN;
    l->c->connecting--;
    loop_timer_stop(l->timer);
    begin_to_read(l);
    pump(l->c);
    return true;
}

/* False: the connection is no more. */
static bool take(struct link *l)
{
    if (l->state == LINK_HEAD && !take_head(l))
        return l->state == LINK_HEAD;
    bool good = l->in.n == 0 || (l->kind == LINK_WS ? read_frames(l) : read_stream(l));
    if (!good || l->over) {
        lose(l);
        return false;
    }
    if (l->in.n == 0 && l->in.size > KEPT)
        buf_fini(&l->in);
    if (l->text.n == 0 && l->text.size > KEPT)
        buf_fini(&l->text);
    return true;
}

static void pause_slow(struct link *l)
{
    if (l->leaving)
        return;
    loop_fd_want(l->watch, 0);
    loop_timer_set(l->timer, SLOW_MS);
}

static void read_some(struct link *l)
{
    static char bytes[READ_BYTES];
    bool slow = l->pace == PACE_SLOW && l->state == LINK_OPEN;

    for (int i = 0; i < (slow ? 1 : READS_AT_ONCE); i++) {
        ssize_t n = recv(l->fd, bytes, slow ? SLOW_BYTES : READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            lose(l);
            return;
        }
        buf_add(&l->in, (struct sv){ bytes, (size_t)n });
        if (!take(l))
            return;
        if (l->pace == PACE_DEAF && l->c->asleep && l->state == LINK_OPEN)
            return;
    }
    if (slow)
        pause_slow(l);
}

static void on_ready(void *arg, int events)
{
    struct link *l = arg;
    struct buf request = { 0 };

    if (l->state != LINK_CONNECTING) {
        if ((events & LOOP_READ) != 0)
            read_some(l);
        return;
    }
    l->state = LINK_HEAD;
    write_request(l, &request);
    link_say(l, buf_sv(&request)); /* a connection that failed says so when it is read */
    buf_fini(&request);
    loop_fd_want(l->watch, LOOP_READ);
}

/* ---- connecting ---- */

static int connect_to(const struct link *l)
{
    struct sockaddr_in tcp = { .sin_family = AF_INET, .sin_port = htons((uint16_t)l->c->plan.port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_un file = { .sun_family = AF_UNIX };
    int buffer = SLOW_BUFFER;
    int fd = socket(l->straight ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc;

    if (fd < 0)
        return -1;
    if (l->pace != PACE_QUICK)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    if (l->straight) {
        (void)snprintf(file.sun_path, sizeof(file.sun_path), "%s", l->c->plan.straight);
        rc = connect(fd, (struct sockaddr *)&file, sizeof(file));
    } else {
        rc = connect(fd, (struct sockaddr *)&tcp, sizeof(tcp));
    }
    if (rc == 0 || errno == EINPROGRESS)
        return fd;
    (void)close(fd);
    return -1;
}

static void begin(struct link *l)
{
    l->state = LINK_CONNECTING;
    l->c->connecting++;
    l->fd = connect_to(l);
    l->watch = l->fd >= 0 ? loop_fd_new(l->c->loop, l->fd, on_ready, l) : NULL;
    if (l->watch == NULL) {
        l->c->n.failed++;
        l->c->connecting--;
        if (l->fd >= 0)
            (void)close(l->fd);
        l->fd = -1;
        want_again(l, AGAIN_MS);
        return;
    }
    loop_fd_want(l->watch, LOOP_WRITE);
    loop_timer_set(l->timer, ANSWER_MS);
}

static void pump(struct crowd *c)
{
    while (c->first != NULL && c->connecting < c->plan.pace) {
        struct link *l = c->first;
        c->first = l->next;
        if (c->first == NULL)
            c->last = NULL;
        l->next = NULL;
        begin(l);
    }
}

void link_start(struct link *l)
{
    struct crowd *c = l->c;

    l->state = LINK_QUEUED;
    *(c->last != NULL ? &c->last->next : &c->first) = l;
    c->last = l;
    pump(c);
}

static void on_timer(void *arg)
{
    struct link *l = arg;

    switch (l->state) {
    case LINK_WAITS:
        link_start(l);
        break;
    case LINK_QUEUED:
        break;
    case LINK_CONNECTING:
    case LINK_HEAD:
        lose(l);
        break;
    case LINK_OPEN:
        if (l->leaving)
            lose(l);
        else
            begin_to_read(l);
        break;
    }
}

/* ---- the end ---- */

void link_cut(struct link *l, enum cut_way how)
{
    const struct linger hard = { .l_onoff = 1, .l_linger = 0 };

    l->c->n.cuts++;
    switch (how) {
    case CUT_HALF:
        l->leaving = true;
        if (l->kind == LINK_WS)
            say_close(l);
        else
            (void)shutdown(l->fd, SHUT_WR);
        loop_fd_want(l->watch, LOOP_READ);
        loop_timer_set(l->timer, LEAVING_MS);
        return;
    case CUT_RESET:
        (void)setsockopt(l->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
        break;
    case CUT_FIN:
    case CUT_WAYS:
        break;
    }
    disconnect(l);
    want_again(l, AGAIN_MS);
}

void link_wake(struct link *l)
{
    if (l->pace == PACE_DEAF && l->state == LINK_OPEN)
        loop_fd_want(l->watch, LOOP_READ);
}

bool link_init(struct link *l)
{
    l->fd = -1;
    l->timer = loop_timer_new(l->c->loop, on_timer, l);
    return l->timer != NULL;
}

void link_free(struct link *l)
{
    l->c->first = NULL; /* nobody else begins now */
    disconnect(l);
    loop_timer_free(l->timer);
}
