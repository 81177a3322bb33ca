/* SPDX-License-Identifier: MIT
 * The load of contrib/bench: one thread, many keep-alive connections to a web server on 127.0.0.1.
 *
 *   t/lib/load --port N [--connections 64] [--seconds 5] [--rate R] [--conversations 1000] [--prefix P] --token T
 *   t/lib/load --port N ... --chat
 *   t/lib/load --port N ... --say system
 *   t/lib/load --port N ... --read
 *   t/lib/load --port N ... --sync 100
 *   t/lib/load --port N ... --get /health
 *   t/lib/load --port N ... --once
 *   t/lib/load --port N ... --count C
 *
 * Sends messages to A's endpoint (--chat: histories of one message to B's; --say: messages of this type of sender to sessions; --read: reads those
 * sessions; --sync: so many exchanges a request, each of a session of its own; or GET requests of one path); of one conversation never two at once.
 * Without --rate each connection sends its next request when it has its answer; with it, requests leave on a fixed schedule and a latency counts from
 * the moment when the request should have left, so that a slow answer does not hide the wait of those behind it. --count: so many requests, then the
 * end; --once: one a connection. "completed" counts turns that ended, with --chat jobs that began, with --say messages that were accepted, with --read
 * sessions that came from the cache, with --sync requests whose exchanges were all new. Prints one JSON object. Knows nothing of what answers. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lib/attr.h"
#include "lib/clock.h"

enum { REQUEST_MAX = 32768, ANSWER_MAX = 65536, EVENTS_MAX = 256 };

/* Latencies in microseconds: 64 steps for each power of two, so 1.5 % wide. */
enum { STEP_BITS = 6, BUCKETS = 40 << STEP_BITS };

struct plan {
    int port, connections, conversations;
    double seconds, rate;
    const char *token, *get, *say, *prefix;
    uint64_t count; /* of requests; 0: no bound */
    bool chat, read;
    unsigned sync;
};

struct client {
    int fd;
    bool busy;
    int64_t due_us; /* when the request left or should have */
    size_t out_n, out_at, in_n;
    unsigned rounds;
    char out[REQUEST_MAX];
    char in[ANSWER_MAX];
};

struct load {
    struct plan plan;
    int epoll;
    struct client **clients;
    int *idle, idle_n; /* indexes of connections without a request */
    int64_t begin_us, end_us, next_us;
    uint64_t sent, answered, completed, refused, cut;
    uint64_t buckets[BUCKETS];
    int64_t max_us;
};

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

/* ---- latencies ---- */

static unsigned bucket_of(int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    if (v < 1u << STEP_BITS)
        return (unsigned)v;
    unsigned shift = 63u - (unsigned)__builtin_clzll(v) - STEP_BITS;
    unsigned b = ((shift + 1) << STEP_BITS) + (unsigned)((v >> shift) - (1u << STEP_BITS));
    return b < BUCKETS ? b : BUCKETS - 1;
}

static uint64_t bucket_us(unsigned b)
{
    unsigned shift = b >> STEP_BITS;
    if (shift == 0)
        return b;
    return (uint64_t)((1u << STEP_BITS) + (b & ((1u << STEP_BITS) - 1))) << (shift - 1);
}

static uint64_t percentile(const struct load *l, double part)
{
    uint64_t left = (uint64_t)((double)l->answered * part);
    for (unsigned b = 0; b < BUCKETS; b++) {
        if (l->buckets[b] > left)
            return bucket_us(b);
        left -= l->buckets[b];
    }
    return (uint64_t)l->max_us;
}

/* ---- one connection ---- */

static void client_connect(struct load *l, int i)
{
    struct client *c = l->clients[i];
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)l->plan.port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* blocking until connected: a connection is no part of what is measured */
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        die("connect");
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl");
    struct epoll_event e = { .events = EPOLLIN, .data = { .u32 = (uint32_t)i } };
    if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &e) != 0)
        die("epoll_ctl");
}

#define SESSIONS "/api/v1/chat/sessions/"

/* An object, or an array of several. Returns its length, more than `size` where it does not fit. */
static int render_exchanges(const struct plan *p, char *to, size_t size, unsigned conversation, unsigned round)
{
    size_t n = 0;
    for (unsigned i = 0; i < p->sync && n < size; i++) {
        unsigned session = conversation * p->sync + i;
        int more = snprintf(to + n, size - n,
                            "%s{\"messageId\":\"m%u\",\"userId\":\"user_%u\",\"sessionId\":\"%s-%u\",\"userMessage\":\"I would like to book an appointment\","
                            "\"aiResponse\":\"On which day?\",\"metadata\":{\"aiModel\":\"model\",\"responseTime\":1.2}}%s",
                            p->sync == 1 ? "" : i == 0 ? "[" : ",", round, session, p->prefix, session,
                            p->sync > 1 && i + 1 == p->sync ? "]" : "");
        n += more > 0 ? (size_t)more : size;
    }
    return (int)n;
}

static int render_body(const struct plan *p, char *to, size_t size, unsigned conversation, unsigned round)
{
    int64_t now_ms = clock_wall_ms();
    if (p->sync > 0)
        return render_exchanges(p, to, size, conversation, round);
    if (p->say != NULL)
        return snprintf(to, size,
                        "{\"content\":\"I would like to book an appointment for a check-up on day %u\",\"sender_id\":\"user_%u\",\"sender_type\":\"%s\"}",
                        round, conversation, p->say);
    if (p->chat)
        return snprintf(to, size,
                        "{\"conversation_id\":\"%s-%u\",\"history\":\"<USER>I would like to book an appointment for a check-up on day %u</USER><br>\","
                        "\"resources\":{\"user_id\":\"user_%u\"}}",
                        p->prefix, conversation, round, conversation);
    return snprintf(to, size,
                    "{\"conversation_id\":\"%s-%u\",\"message_id\":\"m%u\",\"message_content\":\"I would like to book an appointment for a "
                    "check-up\",\"sender_id\":\"user_%u\",\"sender_type\":\"user\",\"timestamp\":%lld.%03lld,\"metadata\":{\"platform\":\"web\"}}",
                    p->prefix, conversation, round, conversation, (long long)(now_ms / 1000), (long long)(now_ms % 1000));
}

static int render_post(const struct plan *p, struct client *c, unsigned conversation)
{
    char body[REQUEST_MAX - 512], path[128] = "/api/v1/enhanced-handle-message";
    int body_n = render_body(p, body, sizeof(body), conversation, c->rounds);
    if (p->sync > 0)
        (void)snprintf(path, sizeof(path), "/api/chathistory/sync");
    else if (p->chat)
        (void)snprintf(path, sizeof(path), "/api/v1/chat/message");
    else if (p->say != NULL)
        (void)snprintf(path, sizeof(path), SESSIONS "%s-%u/messages", p->prefix, conversation);
    return snprintf(c->out, sizeof(c->out),
                    "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
                    path, p->token, body_n, body);
}

static void render(const struct load *l, struct client *c, int i)
{
    const struct plan *p = &l->plan;
    unsigned own = (unsigned)(p->conversations / p->connections);
    unsigned conversation = (unsigned)i + (unsigned)p->connections * (c->rounds % (own > 0 ? own : 1));
    int n;
    if (p->get != NULL)
        n = snprintf(c->out, sizeof(c->out), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", p->get);
    else if (p->read)
        n = snprintf(c->out, sizeof(c->out), "GET " SESSIONS "%s-%u HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", p->prefix,
                     conversation, p->token);
    else
        n = render_post(p, c, conversation);
    if (n < 0 || (size_t)n >= sizeof(c->out)) {
        fputs("load: the request is too long\n", stderr);
        exit(1);
    }
    c->out_n = (size_t)n;
    c->rounds++;
}

static void client_write(struct load *l, int i)
{
    struct client *c = l->clients[i];
    while (c->out_at < c->out_n) {
        ssize_t n = send(c->fd, c->out + c->out_at, c->out_n - c->out_at, MSG_NOSIGNAL);
        if (n < 0 && (errno == EAGAIN || errno == EPIPE || errno == ECONNRESET))
            break; /* the reading side sees what became of it */
        if (n < 0)
            die("send");
        c->out_at += (size_t)n;
    }
    struct epoll_event e = { .events = EPOLLIN | (c->out_at < c->out_n ? (uint32_t)EPOLLOUT : 0), .data = { .u32 = (uint32_t)i } };
    if (c->out_at < c->out_n && epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &e) != 0)
        die("epoll_ctl");
}

static void client_begin(struct load *l, int i, int64_t due_us)
{
    struct client *c = l->clients[i];
    c->busy = true;
    c->due_us = due_us;
    c->in_n = c->out_at = 0;
    render(l, c, i);
    l->sent++;
    client_write(l, i);
}

/* ---- answers ---- */

static const char *find(const char *in, size_t n, const char *what)
{
    return memmem(in, n, what, strlen(what));
}

/* Length of a whole answer, 0: not whole yet. Content-Length or chunked. */
static size_t answer_size(const struct client *c)
{
    const char *end = find(c->in, c->in_n, "\r\n\r\n");
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - c->in) + 4;
    const char *length = find(c->in, head, "\r\nContent-Length: ");
    if (length != NULL) {
        size_t whole = head + strtoul(length + 18, NULL, 10);
        return c->in_n >= whole ? whole : 0;
    }
    return c->in_n >= head + 5 && memcmp(c->in + c->in_n - 5, "0\r\n\r\n", 5) == 0 ? c->in_n : 0;
}

/* What a good answer holds. */
static const char *completion(const struct plan *p)
{
    if (p->read)
        return "\r\nX-Cache: HIT\r\n";
    if (p->say != NULL)
        return "\"accepted\":true";
    if (p->sync > 0)
        return p->sync == 1 ? "\"duplicate\":false" : "\"duplicates\":0";
    return p->chat ? "\"status\":\"ai_processing_started\"" : "\"status\":\"completed\"";
}

static void client_end(struct load *l, int i, bool whole)
{
    struct client *c = l->clients[i];
    int64_t took_us = clock_mono_us() - c->due_us;
    bool keep = whole && find(c->in, c->in_n, "\r\nConnection: close") == NULL;
    if (!whole) {
        l->cut += c->busy;
    } else {
        l->answered++;
        l->buckets[bucket_of(took_us)]++;
        l->max_us = took_us > l->max_us ? took_us : l->max_us;
        if (strncmp(c->in, "HTTP/1.1 2", 10) != 0)
            l->refused++;
        else if (find(c->in, c->in_n, completion(&l->plan)) != NULL)
            l->completed++;
    }
    if (c->busy)
        l->idle[l->idle_n++] = i;
    c->busy = false;
    if (!keep) {
        (void)close(c->fd);
        client_connect(l, i);
    }
}

static void client_read(struct load *l, int i)
{
    struct client *c = l->clients[i];
    ssize_t n = recv(c->fd, c->in + c->in_n, sizeof(c->in) - c->in_n, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || c->in_n + (size_t)n == sizeof(c->in)) {
        client_end(l, i, false);
        return;
    }
    c->in_n += (size_t)n;
    if (c->busy && answer_size(c) > 0)
        client_end(l, i, true);
}

/* ---- the run ---- */

static bool is_counted_out(const struct load *l)
{
    return l->plan.count > 0 && l->sent == l->plan.count;
}

/* Gives idle connections their next request. Returns how long to wait for events, in microseconds. */
static int64_t send_what_is_due(struct load *l, int64_t now_us)
{
    bool open = now_us < l->end_us;
    while (open && l->idle_n > 0 && !is_counted_out(l)) {
        if (l->plan.rate > 0 && l->next_us > now_us)
            break;
        int64_t due_us = l->plan.rate > 0 ? l->next_us : now_us;
        client_begin(l, l->idle[--l->idle_n], due_us);
        l->next_us += l->plan.rate > 0 ? (int64_t)(1e6 / l->plan.rate) : 0;
    }
    if (open && l->plan.rate > 0 && l->idle_n > 0)
        return l->next_us > now_us ? l->next_us - now_us : 0;
    return 100000;
}

static void run(struct load *l)
{
    struct epoll_event events[EVENTS_MAX];
    int64_t patience_us = 60 * 1000000LL; /* for answers after the end */
    l->begin_us = l->next_us = clock_mono_us();
    l->end_us = l->begin_us + (int64_t)(l->plan.seconds * 1e6);
    for (;;) {
        int64_t now_us = clock_mono_us();
        int64_t wait_us = send_what_is_due(l, now_us);
        bool over = now_us >= l->end_us || is_counted_out(l);
        if (over && (l->idle_n == l->plan.connections || now_us > l->end_us + patience_us))
            return;
        struct timespec wait = { wait_us / 1000000, wait_us % 1000000 * 1000 };
        int n = epoll_pwait2(l->epoll, events, EVENTS_MAX, &wait, NULL);
        if (n < 0 && errno != EINTR)
            die("epoll_pwait2");
        for (int k = 0; k < n; k++) {
            if ((events[k].events & EPOLLOUT) != 0)
                client_write(l, (int)events[k].data.u32);
            if ((events[k].events & ~(uint32_t)EPOLLOUT) != 0)
                client_read(l, (int)events[k].data.u32);
        }
    }
}

static void report(const struct load *l)
{
    double seconds = (double)(clock_mono_us() - l->begin_us) / 1e6;
    printf("{\"sent\":%llu,\"answered\":%llu,\"completed\":%llu,\"refused\":%llu,\"cut\":%llu,\"seconds\":%.3f,\"per_second\":%.1f,"
           "\"p50_us\":%llu,\"p90_us\":%llu,\"p99_us\":%llu,\"max_us\":%lld}\n",
           (unsigned long long)l->sent, (unsigned long long)l->answered, (unsigned long long)l->completed, (unsigned long long)l->refused,
           (unsigned long long)l->cut, seconds, (double)l->answered / seconds, (unsigned long long)percentile(l, 0.5),
           (unsigned long long)percentile(l, 0.9), (unsigned long long)percentile(l, 0.99), (long long)l->max_us);
}

static void read_plan(struct plan *p, int argc, char **argv)
{
    static const struct option options[] = {
        { "port", required_argument, NULL, 'p' },    { "connections", required_argument, NULL, 'c' },
        { "seconds", required_argument, NULL, 's' }, { "rate", required_argument, NULL, 'r' },
        { "token", required_argument, NULL, 't' },   { "conversations", required_argument, NULL, 'n' },
        { "get", required_argument, NULL, 'g' },     { "prefix", required_argument, NULL, 'x' },
        { "once", no_argument, NULL, 'o' },          { "count", required_argument, NULL, 'k' },
        { "chat", no_argument, NULL, 'b' },          { "say", required_argument, NULL, 'y' },
        { "sync", required_argument, NULL, 'z' },
        { "read", no_argument, NULL, 'd' },          { 0 },
    };
    bool once = false;
    int letter;
    *p = (struct plan){ .connections = 64, .conversations = 1000, .seconds = 5, .token = "", .prefix = "load" };
    while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (letter) {
        case 'p': p->port = (int)strtol(optarg, NULL, 10); break;
        case 'c': p->connections = (int)strtol(optarg, NULL, 10); break;
        case 's': p->seconds = strtod(optarg, NULL); break;
        case 'r': p->rate = strtod(optarg, NULL); break;
        case 't': p->token = optarg; break;
        case 'n': p->conversations = (int)strtol(optarg, NULL, 10); break;
        case 'g': p->get = optarg; break;
        case 'x': p->prefix = optarg; break;
        case 'o': once = true; break;
        case 'k': p->count = strtoull(optarg, NULL, 10); break;
        case 'b': p->chat = true; break;
        case 'y': p->say = optarg; break;
        case 'z': p->sync = (unsigned)atoi(optarg); break;
        case 'd': p->read = true; break;
        default: exit(64);
        }
    }
    if (once)
        p->count = (uint64_t)p->connections;
    if (p->port <= 0 || p->connections <= 0 || optind != argc) {
        fputs("usage: load --port N [--connections N] [--seconds S] [--rate R] [--conversations N] [--prefix P] "
              "[--token T [--chat | --say TYPE | --read | --sync N] | --get PATH] [--count N | --once]\n", stderr);
        exit(64);
    }
}

int main(int argc, char **argv)
{
    struct load l = { 0 };
    struct rlimit limit;
    read_plan(&l.plan, argc, argv);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    l.clients = calloc((size_t)l.plan.connections, sizeof(*l.clients));
    l.idle = calloc((size_t)l.plan.connections, sizeof(*l.idle));
    if (l.epoll < 0 || l.clients == NULL || l.idle == NULL)
        die("start");
    for (int i = l.plan.connections - 1; i >= 0; i--) {
        l.clients[i] = calloc(1, sizeof(**l.clients));
        if (l.clients[i] == NULL)
            die("calloc");
        client_connect(&l, i);
        l.idle[l.idle_n++] = i;
    }
    run(&l);
    report(&l);
    for (int i = 0; i < l.plan.connections; i++) {
        (void)close(l.clients[i]->fd);
        free(l.clients[i]);
    }
    free(l.clients);
    free(l.idle);
    return l.refused + l.cut > 0 ? 1 : 0;
}
