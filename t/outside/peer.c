/* SPDX-License-Identifier: MIT
 * See peer.h. One thread accepts, one serves each connection; all shared state is under one mutex. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/buf.h"
#include "t/outside/peer.h"
#include "t/tap.h"

enum { CONNECTIONS_MAX = 2048, REQUESTS_MAX = 4096, PIECE_PAUSE_MS = 3 };

struct served {
    struct peer *peer;
    int fd;
    pthread_t thread;
    bool idle, over;
};

struct peer {
    const struct peer_step *steps;
    int steps_n, fd, port, requests_n, served_n, closed_n;
    bool stopping;
    pthread_t thread;
    pthread_mutex_t mutex;
    char *requests[REQUESTS_MAX];
    struct served served[CONNECTIONS_MAX];
};

static void must(bool yes, const char *what)
{
    if (!yes)
        bail_out("peer: %s: %s", what, strerror(errno));
}

static int listen_at(int backlog, int *port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, backlog) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)&at, &n) == 0, "port");
    *port = ntohs(at.sin_port);
    return fd;
}

/* ---- reading ---- */

static bool read_more(struct served *s, struct buf *in)
{
    char *room = buf_room(in, 65536);
    must(room != NULL, "memory");
    ssize_t n = recv(s->fd, room, 65536, 0);
    if (n <= 0)
        return false;
    buf_grown(in, (size_t)n);
    return true;
}

static size_t body_length(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at != NULL ? (size_t)strtoul(at + 17, NULL, 10) : 0;
}

static const struct peer_step *step_of(const struct peer *p, int n)
{
    return &p->steps[n < p->steps_n ? n : p->steps_n - 1];
}

static int requests_now(struct peer *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    int n = p->requests_n;
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}

/* One request into the list. NULL: the client has closed. */
static const struct peer_step *take_request(struct served *s, struct buf *in)
{
    struct peer *p = s->peer;
    const char *end = NULL;
    buf_clear(in);
    while (in->n == 0 || (end = strstr(in->p, "\r\n\r\n")) == NULL)
        if (!read_more(s, in))
            return NULL;
    (void)pthread_mutex_lock(&p->mutex);
    s->idle = false;
    (void)pthread_mutex_unlock(&p->mutex);
    const char *interim = step_of(p, requests_now(p))->interim;
    if (interim != NULL)
        (void)send(s->fd, interim, strlen(interim), MSG_NOSIGNAL);
    size_t whole = (size_t)(end - in->p) + 4 + body_length(in->p);
    while (in->n < whole)
        if (!read_more(s, in))
            return NULL;
    (void)pthread_mutex_lock(&p->mutex);
    int n = p->requests_n++;
    must(n < REQUESTS_MAX, "too many requests");
    p->requests[n] = strdup(in->p);
    (void)pthread_mutex_unlock(&p->mutex);
    return step_of(p, n);
}

/* ---- answering ---- */

static void answer(struct served *s, const struct peer_step *step)
{
    struct buf out = { 0 };
    const char *body = strstr(step->answer, "\r\n\r\n");
    buf_add(&out, sv_from(step->answer));
    for (int i = 1; i < step->repeat && body != NULL; i++)
        buf_add(&out, sv_from(body + 4));
    must(buf_ok(&out), "memory");
    (void)poll(NULL, 0, step->delay_ms);
    size_t piece = step->pieces > 0 ? out.n / (size_t)step->pieces + 1 : out.n;
    for (size_t at = 0; at < out.n; at += piece) {
        if (at > 0)
            (void)poll(NULL, 0, step->pause_ms > 0 ? step->pause_ms : PIECE_PAUSE_MS);
        if (send(s->fd, out.p + at, out.n - at < piece ? out.n - at : piece, MSG_NOSIGNAL) < 0)
            break;
    }
    buf_fini(&out);
}

static void *serve(void *arg)
{
    struct served *s = arg;
    struct peer *p = s->peer;
    struct buf in = { 0 };
    const struct peer_step *step;
    bool by_client = true, reset = false;
    while ((step = take_request(s, &in)) != NULL) {
        if (step->answer != NULL)
            answer(s, step);
        if (step->then == PEER_CLOSE || step->then == PEER_RESET) {
            reset = step->then == PEER_RESET;
            by_client = false;
            break;
        }
        (void)pthread_mutex_lock(&p->mutex);
        s->idle = true;
        (void)pthread_mutex_unlock(&p->mutex);
    }
    if (reset)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
    (void)pthread_mutex_lock(&p->mutex);
    s->over = true;
    p->closed_n += by_client;
    (void)close(s->fd);
    (void)pthread_mutex_unlock(&p->mutex);
    buf_fini(&in);
    return NULL;
}

static void *accept_all(void *arg)
{
    struct peer *p = arg;
    for (;;) {
        int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        (void)pthread_mutex_lock(&p->mutex);
        must(p->served_n < CONNECTIONS_MAX, "too many connections");
        struct served *s = &p->served[p->served_n];
        *s = (struct served){ .peer = p, .fd = fd };
        must(pthread_create(&s->thread, NULL, serve, s) == 0, "thread");
        p->served_n++;
        (void)pthread_mutex_unlock(&p->mutex);
    }
}

/* ---- for the test ---- */

struct peer *peer_start(const struct peer_step *steps, int n)
{
    struct peer *p = calloc(1, sizeof *p);
    must(p != NULL, "memory");
    p->steps = steps;
    p->steps_n = n;
    p->fd = listen_at(4096, &p->port);
    must(pthread_mutex_init(&p->mutex, NULL) == 0 && pthread_create(&p->thread, NULL, accept_all, p) == 0, "thread");
    return p;
}

int peer_port(const struct peer *p)
{
    return p->port;
}

int peer_requests(struct peer *p)
{
    return requests_now(p);
}

int peer_connections(struct peer *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    int n = p->served_n;
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}

int peer_closed(struct peer *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    int n = p->closed_n;
    (void)pthread_mutex_unlock(&p->mutex);
    return n;
}

const char *peer_request(struct peer *p, int n)
{
    (void)pthread_mutex_lock(&p->mutex);
    const char *text = n < p->requests_n ? p->requests[n] : NULL;
    (void)pthread_mutex_unlock(&p->mutex);
    return text;
}

/* Ends reading and writing on connections, which ends their threads, and waits for these. */
static void end_served(struct peer *p, bool idle_only)
{
    (void)pthread_mutex_lock(&p->mutex);
    int n = p->served_n;
    bool ended[CONNECTIONS_MAX] = { false };
    for (int i = 0; i < n; i++) {
        ended[i] = !idle_only || p->served[i].idle;
        if (ended[i] && !p->served[i].over)
            (void)shutdown(p->served[i].fd, SHUT_RDWR);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    for (int i = 0; i < n; i++)
        while (ended[i]) {
            (void)pthread_mutex_lock(&p->mutex);
            ended[i] = !p->served[i].over;
            (void)pthread_mutex_unlock(&p->mutex);
            (void)poll(NULL, 0, 1);
        }
}

void peer_drop(struct peer *p)
{
    end_served(p, true);
}

void peer_stop(struct peer *p)
{
    (void)shutdown(p->fd, SHUT_RDWR);
    (void)pthread_join(p->thread, NULL);
    (void)close(p->fd);
    end_served(p, false);
    for (int i = 0; i < p->served_n; i++)
        (void)pthread_join(p->served[i].thread, NULL);
    for (int i = 0; i < p->requests_n; i++)
        free(p->requests[i]);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p);
}

int peer_dead_port(void)
{
    int port;
    (void)close(listen_at(1, &port));
    return port;
}

int peer_full_port(void)
{
    int port, fd = listen_at(0, &port);
    (void)fd; /* lives as long as the test */
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
        at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        must(c >= 0, "socket");
        (void)connect(c, (struct sockaddr *)&at, sizeof at);
    }
    return port;
}
