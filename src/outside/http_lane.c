/* SPDX-License-Identifier: MIT
 * See http_lane.h. curl says which sockets it wants to be told about, and forgets a socket between two transfers on it.
 * Taking the descriptor out of epoll and in again would cost two system calls a transfer, so the watch of an
 * established connection stays (with no wish) until curl closes the socket through our callback. A socket that never
 * carried a request may be closed by curl without that callback (the loser of two parallel connects, a failed
 * handshake) and loses its watch at once, as do the resolver's own sockets. */
#include "config.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "outside/http_lane.h"

enum {
    LANE_CALLS = 64, /* transfers of a lane at once */
    LANE_KEPT = 256, /* its connections, idle and busy, to all hosts */
    TIDY_MS =
        30000, /* a lane that had no transfer for one to two of these is closed, and its idle connections with it */
};

struct watch {
    struct http_lane *lane;
    struct loop_fd *watched; /* NULL: not yet asked for */
    int fd;
    bool established;
};

struct http_lane {
    struct http_lanes *all;
    CURLM *multi; /* NULL: closed */
    struct loop_timer *timer;
    size_t index, running;
    bool used;     /* since the last tidying */
    bool kick_due; /* kick() was given to loop_soon */
};

struct http_lanes {
    struct loop *loop;
    http_lane_fn *fn;
    void *arg;
    long connections_max;
    struct watch **by_fd;
    size_t by_fd_size;
    struct http_lane **lanes;
    size_t lanes_n;
    size_t first; /* no lane before this one has room */
    struct loop_timer *tidy;
};

/* ---- the table of sockets ---- */

static struct watch *watch_find(const struct http_lanes *s, int fd)
{
    return fd >= 0 && (size_t)fd < s->by_fd_size ? s->by_fd[fd] : NULL;
}

static struct watch *watch_make(struct http_lanes *s, int fd)
{
    struct watch *w = watch_find(s, fd);
    if (w != NULL || fd < 0)
        return w;
    if ((size_t)fd >= s->by_fd_size) {
        size_t size = s->by_fd_size == 0 ? 256 : s->by_fd_size;
        while (size <= (size_t)fd)
            size *= 2;
        struct watch **grown = realloc(s->by_fd, size * sizeof(*grown));
        if (grown == NULL)
            return NULL;
        memset(grown + s->by_fd_size, 0, (size - s->by_fd_size) * sizeof(*grown));
        s->by_fd = grown;
        s->by_fd_size = size;
    }
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return NULL;
    w->fd = fd;
    s->by_fd[fd] = w;
    return w;
}

static void watch_drop(struct http_lanes *s, int fd)
{
    struct watch *w = watch_find(s, fd);
    if (w == NULL)
        return;
    loop_fd_free(w->watched);
    s->by_fd[fd] = NULL;
    free(w);
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_opened *opened = arg;
    (void)purpose;
    if (opened->may_connect != NULL) {
        bool may = opened->may_connect(opened->may_connect_arg, &address->addr);
        opened->any_allowed = opened->any_allowed || may;
        opened->any_barred = opened->any_barred || !may;
        if (!may)
            return CURL_SOCKET_BAD; /* curl goes on with the next address */
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    opened->fd[opened->n++ % ARRAY_LEN(opened->fd)] = fd;
    return fd;
}

/* The only way in which curl closes an established connection. */
static int on_close(void *arg, curl_socket_t fd)
{
    watch_drop(arg, fd);
    return close(fd);
}

void http_lane_prepare(void *easy, struct http_opened *opened)
{
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, opened);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, opened->lanes);
}

static bool is_local_end(int fd, const char *ip, int port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } end;
    socklen_t n = sizeof(end);
    if (getsockname(fd, &end.any, &n) != 0)
        return false;
    if (strchr(ip, ':') != NULL)
        return end.any.sa_family == AF_INET6 && ntohs(end.v6.sin6_port) == port;
    return end.any.sa_family == AF_INET && ntohs(end.v4.sin_port) == port;
}

void http_lane_established(struct http_opened *opened, const char *local_ip, int local_port)
{
    for (unsigned i = 0; i < opened->n && i < ARRAY_LEN(opened->fd); i++) {
        int fd = opened->fd[i];
        struct watch *w = is_local_end(fd, local_ip, local_port) ? watch_make(opened->lanes, fd) : NULL;
        if (w != NULL)
            w->established = true;
    }
    opened->n = 0;
}

/* ---- a lane at work ---- */

static void leave(struct http_lane *l, CURL *easy)
{
    curl_multi_remove_handle(l->multi, easy);
    l->running--;
    if (l->index < l->all->first)
        l->all->first = l->index;
}

/* Hands out what has ended. */
static void finished(struct http_lane *l)
{
    int left;
    CURLMsg *m;
    while (l->multi != NULL && (m = curl_multi_info_read(l->multi, &left)) != NULL) {
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        leave(l, easy);
        l->all->fn(l->all->arg, easy, (int)code);
    }
}

static void act(struct http_lane *l, curl_socket_t fd, int events)
{
    int running;
    (void)curl_multi_socket_action(l->multi, fd, events, &running);
    finished(l);
}

/* New transfers and timeouts: once a round of the loop, however many. */
static void kick(void *arg)
{
    struct http_lane *l = arg;
    l->kick_due = false;
    if (l->multi != NULL)
        act(l, CURL_SOCKET_TIMEOUT, 0);
}

static void kick_soon(struct http_lane *l)
{
    if (l->kick_due)
        return;
    l->kick_due = true;
    loop_soon(l->all->loop, kick, l);
}

static int on_timeout(CURLM *multi, long in_ms, void *arg)
{
    struct http_lane *l = arg;
    (void)multi;
    if (in_ms < 0) {
        loop_timer_stop(l->timer);
    } else if (in_ms == 0) {
        kick_soon(l);
    } else {
        loop_timer_set(l->timer, in_ms);
    }
    return 0;
}

static void on_ready(void *arg, int events)
{
    struct watch *w = arg;
    act(w->lane, w->fd,
        ((events & LOOP_READ) != 0 ? CURL_CSELECT_IN : 0) | ((events & LOOP_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct http_lane *l = arg;
    struct watch *w;
    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        w = watch_find(l->all, fd);
        if (w != NULL && w->established && w->watched != NULL)
            loop_fd_want(w->watched, 0);
        else if (w != NULL && !w->established)
            watch_drop(l->all, fd);
        return 0;
    }
    w = watch_make(l->all, fd);
    if (w != NULL && w->watched == NULL)
        w->watched = loop_fd_new(l->all->loop, fd, on_ready, w);
    if (w == NULL || w->watched == NULL)
        return -1;
    w->lane = l;
    loop_fd_want(w->watched,
                 ((what & CURL_POLL_IN) != 0 ? LOOP_READ : 0) | ((what & CURL_POLL_OUT) != 0 ? LOOP_WRITE : 0));
    return 0;
}

/* ---- all lanes ---- */

static void lane_close(struct http_lane *l)
{
    CURLM *multi = l->multi;
    l->multi = NULL;
    loop_timer_free(l->timer);
    curl_multi_cleanup(multi);
}

static int lane_open(struct http_lane *l)
{
    struct http_lanes *all = l->all;
    l->multi = curl_multi_init();
    l->timer = loop_timer_new(all->loop, kick, l);
    if (l->multi == NULL || l->timer == NULL) {
        loop_timer_free(l->timer);
        curl_multi_cleanup(l->multi);
        l->multi = NULL;
        return -1;
    }
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(l->multi, CURLMOPT_SOCKETDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    curl_multi_setopt(l->multi, CURLMOPT_TIMERDATA, l);
    curl_multi_setopt(l->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(l->multi, CURLMOPT_MAX_HOST_CONNECTIONS, all->connections_max);
    curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS, (long)LANE_KEPT);
    return 0;
}

static struct http_lane *lane_add(struct http_lanes *all)
{
    struct http_lane **grown = realloc(all->lanes, (all->lanes_n + 1) * sizeof(*grown));
    struct http_lane *l = grown != NULL ? calloc(1, sizeof(*l)) : NULL;
    if (grown != NULL)
        all->lanes = grown;
    if (l == NULL)
        return NULL;
    *l = (struct http_lane){ .all = all, .index = all->lanes_n };
    all->lanes[all->lanes_n++] = l;
    return l;
}

/* The first lane with room, so that the connections of the low ones stay warm. A bound of connections is one lane's, so
 * there is only one then. */
struct http_lane *http_lane_add(struct http_lanes *all, void *easy)
{
    while (all->first < all->lanes_n && all->connections_max == 0 && all->lanes[all->first]->running >= LANE_CALLS)
        all->first++;
    struct http_lane *l = all->first < all->lanes_n ? all->lanes[all->first] : lane_add(all);
    if (l == NULL || (l->multi == NULL && lane_open(l) != 0) || curl_multi_add_handle(l->multi, easy) != CURLM_OK)
        return NULL;
    l->running++;
    l->used = true;
    if (!loop_timer_is_set(all->tidy))
        loop_timer_set(all->tidy, TIDY_MS);
    return l;
}

void http_lane_remove(struct http_lane *l, void *easy)
{
    leave(l, easy);
}

static void tidy(void *arg)
{
    struct http_lanes *all = arg;
    bool open = false;
    for (size_t i = 0; i < all->lanes_n; i++) {
        struct http_lane *l = all->lanes[i];
        if (l->multi != NULL && l->running == 0 && !l->used)
            lane_close(l);
        l->used = false;
        open = open || l->multi != NULL;
    }
    if (open)
        loop_timer_set(all->tidy, TIDY_MS);
}

struct http_lanes *http_lanes_new(struct loop *l, long connections_max, http_lane_fn *fn, void *arg)
{
    struct http_lanes *all = calloc(1, sizeof(*all));
    if (all == NULL)
        return NULL;
    *all = (struct http_lanes){ .loop = l, .connections_max = connections_max, .fn = fn, .arg = arg };
    all->tidy = loop_timer_new(l, tidy, all);
    if (all->tidy == NULL) {
        free(all);
        return NULL;
    }
    return all;
}

static void free_lanes(void *arg)
{
    struct http_lanes *all = arg;
    for (size_t i = 0; i < all->lanes_n; i++)
        free(all->lanes[i]);
    free(all->lanes);
    free(all->by_fd);
    free(all);
}

void http_lanes_free(struct http_lanes *all)
{
    if (all == NULL)
        return;
    for (size_t i = 0; i < all->lanes_n; i++)
        if (all->lanes[i]->multi != NULL)
            lane_close(all->lanes[i]);
    loop_timer_free(all->tidy);
    loop_soon(all->loop, free_lanes, all); /* finished() and kicks may still look at a lane */
}
