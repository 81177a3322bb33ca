/* SPDX-License-Identifier: MIT
 * Connections: which are kept, what a request that goes out once does on a stale one, how calls are cut, how many fit.
 * */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/clock.h"
#include "outside/http_lane.c"
#include "t/outside/rig.h"
#include "t/tap.h"

#define OK_STEP                                                                                                        \
    {                                                                                                                  \
        .answer = PEER_OK(2, "{}")                                                                                     \
    }

static struct http_request request_to(struct peer *p)
{
    return (struct http_request){ .url = rig_url(peer_port(p), "/"), .body = SV("{}"), .timeout_ms = PLENTY_MS };
}

/* ---- keeping ---- */

static void test_kept(struct rig *r)
{
    static const struct peer_step steps[] = {
        OK_STEP,
        { .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", .then = PEER_CLOSE },
        OK_STEP
    };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct http_request q = request_to(p);
    struct heard h = { 0 };
    for (int i = 0; i < 6; i++) {
        q.once = i % 2;
        rig_post(r, &q, &h);
        is_int(h.answer.outcome, HTTP_ANSWERED, "call %d", i);
    }
    is_int(peer_requests(p), 6, "six requests");
    is_int(peer_connections(p), 2, "over two connections: the peer closed one after its second answer");
    peer_stop(p);
    heard_free(&h);
}

/* The peer closes while nothing runs: the next call sees it before it sends. */
static void test_dropped(struct rig *r)
{
    static const struct peer_step step = OK_STEP;
    struct peer *p = peer_start(&step, 1);
    struct http_request q = request_to(p);
    struct heard h = { 0 };
    q.once = true;
    for (int i = 0; i < 4; i++) {
        rig_post(r, &q, &h);
        is_int(h.answer.outcome, HTTP_ANSWERED, "idle connection closed by the peer, call %d: %s", i,
               h.answer.err.text);
        peer_drop(p);
    }
    is_int(peer_requests(p), 4, "nothing was sent twice");
    peer_stop(p);
    heard_free(&h);
}

/* The peer reads the request on a kept connection and closes without an answer: the moment in which curl repeats by
 * itself. */
static void test_stale(struct rig *r, enum peer_then then)
{
    const struct peer_step steps[] = { OK_STEP, { .then = then }, { .answer = PEER_OK(5, "again") } };
    for (int once = 0; once < 2; once++) {
        struct peer *p = peer_start(steps, ARRAY_LEN(steps));
        struct http_request q = request_to(p);
        struct heard h = { 0 };
        rig_post(r, &q, &h);
        q.once = once;
        q.body = SV("{\"n\":2}");
        rig_post(r, &q, &h);
        is_int(h.answer.outcome, once ? HTTP_UNKNOWN : HTTP_ANSWERED, "stale connection (%d), once=%d: %s", then, once,
               h.answer.err.text);
        is_int(peer_requests(p), once ? 2 : 3, "requests that the peer saw, the first one among them");
        if (!once)
            is_str(h.body, "again", "the answer to the second try");
        if (!once && peer_requests(p) == 3)
            is_str(peer_request(p, 2), peer_request(p, 1), "the same request");
        q.body = SV("{\"n\":3}");
        rig_post(r, &q, &h);
        is_int(h.answer.outcome, HTTP_ANSWERED, "the next call is well");
        peer_stop(p);
        heard_free(&h);
    }
}

/* A name: resolved by a thread of curl's, perhaps to two addresses of which one refuses. */
static void test_name(struct rig *r)
{
    static const struct peer_step step = OK_STEP;
    struct peer *p = peer_start(&step, 1);
    struct heard h = { 0 };
    char url[64];
    (void)snprintf(url, sizeof url, "http://localhost:%d/", peer_port(p));
    for (int i = 0; i < 3; i++)
        rig_post(r, &(struct http_request){ .url = url, .timeout_ms = PLENTY_MS, .once = true }, &h);
    if (strstr(h.answer.err.text, "resolve") != NULL) {
        skip("localhost has no address here");
    } else {
        is_int(h.answer.outcome, HTTP_ANSWERED, "by name %s", h.answer.err.text);
        is_int(peer_connections(p), 1, "three calls on one connection");
    }
    peer_stop(p);
    heard_free(&h);
}

/* ---- a lane by itself ---- */

static int got_ready(void *arg, char *remote_ip, char *local_ip, int remote_port, int local_port)
{
    (void)remote_ip;
    (void)remote_port;
    http_lane_established(arg, local_ip, local_port);
    return CURL_PREREQFUNC_OK;
}

static void ended(void *arg, void *easy, int code)
{
    (void)easy;
    *(int *)arg = code;
}

static bool has_ended(void *arg)
{
    return *(int *)arg >= 0;
}

static int watches(const struct http_lanes *all)
{
    int n = 0;
    for (size_t i = 0; i < all->by_fd_size; i++)
        n += all->by_fd[i] != NULL;
    return n;
}

static bool first_closed(void *arg)
{
    return peer_closed(arg) == 1;
}

/* Lanes that nobody uses are closed with their connections, and opened again when somebody comes. */
static void test_tidy(struct rig *r)
{
    static const struct peer_step step = OK_STEP;
    struct peer *p = peer_start(&step, 1);
    int code = -1;
    struct http_lanes *all = http_lanes_new(r->loop, 0, ended, &code);
    struct http_opened opened = { .lanes = all };
    CURL *easy = curl_easy_init();
    curl_easy_setopt(easy, CURLOPT_URL, rig_url(peer_port(p), "/"));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, got_ready);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, &opened);
    FILE *nowhere = fopen("/dev/null", "w");
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, nowhere);
    http_lane_prepare(easy, &opened);
    for (int i = 0; i < 2; i++) {
        code = -1;
        ok(http_lane_add(all, easy) != NULL, "a transfer");
        rig_until(r, has_ended, &code);
        is_int(code, CURLE_OK, "went well");
        is_int(watches(all), 1, "its connection stays in the loop");
        tidy(all);
        is_int(watches(all), 1, "a lane that was used since the last tidying stays");
        if (i == 0) {
            tidy(all);
            is_int(watches(all), 0, "an unused one goes");
            rig_until(r, first_closed, p);
        }
    }
    is_int(peer_connections(p), 2, "a new connection after that");
    curl_easy_cleanup(easy);
    http_lanes_free(all);
    (void)fclose(nowhere);
    peer_stop(p);
}

/* ---- cutting ---- */

struct seen_until {
    struct peer *peer;
    int requests, closed;
};

static bool peer_saw(void *arg)
{
    const struct seen_until *s = arg;
    return peer_requests(s->peer) >= s->requests && peer_closed(s->peer) >= s->closed;
}

static void test_abort(struct rig *r)
{
    static const struct peer_step step = { .then = PEER_HANG };
    struct peer *p = peer_start(&step, 1);
    struct http_request q = request_to(p);
    struct heard h = { 0 };
    struct http_call *c = http_post(r->http, &q, hear, &h);
    rig_until(r, peer_saw, &(struct seen_until){ p, 1, 0 });
    http_abort(c);
    int64_t from_ms = clock_mono_ms();
    rig_until(r, peer_saw, &(struct seen_until){ p, 1, 1 });
    diag("the peer saw the end after %lld ms", (long long)(clock_mono_ms() - from_ms));
    ok(true, "a call that waits is cut, the peer sees it");
    c = http_post(r->http, &q, hear, &h);
    http_abort(c);
    rig_settle(r);
    is_int(peer_requests(p), 1, "aborted before its first round: nothing is sent");
    q.url = "nonsense";
    c = http_post(r->http, &q, hear, &h);
    http_abort(c);
    rig_settle(r);
    q.url = rig_url(peer_dead_port(), "/");
    c = http_post(r->http, &q, hear, &h);
    http_abort(c);
    rig_settle(r);
    is_int(h.times, 0, "no aborted call was answered");
    peer_stop(p);
    heard_free(&h);
}

struct chain { /* ends what it can reach from inside an answer */
    struct rig *rig;
    struct http_request q;
    struct http_call *other;
    struct heard heard;
    bool close;
};

static void from_inside(void *arg, const struct http_answer *a)
{
    struct chain *c = arg;
    hear(&c->heard, a);
    if (c->close) {
        http_close(c->rig->http);
        c->rig->http = NULL;
        is_sv(a->body, SV("{}"), "the answer lives until its callback returns");
        return;
    }
    http_abort(c->other);
    c->other = http_post(c->rig->http, &c->q, hear, &c->heard);
}

static bool heard_twice(void *arg)
{
    return ((struct chain *)arg)->heard.times == 2;
}

static bool heard_once(void *arg)
{
    return ((struct chain *)arg)->heard.times == 1;
}

static void test_inside(void)
{
    static const struct peer_step steps[] = { { .then = PEER_HANG }, OK_STEP };
    struct rig r;
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    rig_open(&r, NULL);
    struct chain c = { .rig = &r, .q = request_to(p) };
    c.other = http_post(r.http, &c.q, hear, &c.heard);
    rig_until(&r, peer_saw, &(struct seen_until){ p, 1, 0 });
    ok(http_post(r.http, &c.q, from_inside, &c) != NULL, "posted");
    rig_until(&r, heard_twice, &c);
    rig_until(&r, peer_saw, &(struct seen_until){ p, 3, 1 });
    ok(true, "abort and post from inside an answer");
    heard_free(&c.heard);
    c.close = true;
    struct heard never = { 0 };
    ok(http_post(r.http, &c.q, from_inside, &c) != NULL, "posted");
    struct http_request bad = c.q;
    bad.url = rig_url(peer_full_port(), "/");
    ok(http_post(r.http, &bad, hear, &never) != NULL, "posted");
    rig_until(&r, heard_once, &c);
    rig_settle(&r);
    is_int(never.times, 0, "close from inside an answer: calls under way are never answered");
    rig_close(&r);
    heard_free(&c.heard);
    peer_stop(p);
}

static void test_close(void)
{
    static const struct peer_step step = { .then = PEER_HANG };
    struct peer *p = peer_start(&step, 1);
    struct rig r;
    struct heard h = { 0 };
    struct http_request q = request_to(p), early = q;
    early.url = "nonsense";
    rig_open(&r, NULL);
    for (int i = 0; i < 3; i++)
        ok(http_post(r.http, &q, hear, &h) != NULL, "posted");
    rig_until(&r, peer_saw, &(struct seen_until){ p, 3, 0 });
    ok(http_post(r.http, &early, hear, &h) != NULL && http_post(r.http, &q, hear, &h) != NULL, "two more, not begun");
    rig_close(&r);
    while (peer_closed(p) < 3)
        (void)usleep(1000);
    is_int(h.times, 0, "closing cuts what is under way");
    peer_stop(p);
}

/* ---- many ---- */

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL)
        n++;
    if (d != NULL)
        (void)closedir(d);
    return n;
}

struct count {
    struct peer *peer;
    int want, got, bad;
};

static void count_one(void *arg, const struct http_answer *a)
{
    struct count *c = arg;
    c->got++;
    c->bad += a->outcome != HTTP_ANSWERED || a->status != 200;
}

static bool counted(void *arg)
{
    const struct count *c = arg;
    return c->got == c->want;
}

static bool all_arrived(void *arg)
{
    const struct count *c = arg;
    return peer_requests(c->peer) == c->want;
}

/* 400 calls at once, more than one lane holds. The peer answers none before all have arrived: it hangs, and is asked to
 * drop. */
static void test_many(struct rig *r)
{
    enum { MANY = 400 };
    static const struct peer_step wait = { .then = PEER_HANG }, at_once = OK_STEP;
    struct peer *p = peer_start(&wait, 1), *quick = peer_start(&at_once, 1);
    struct count c = { .peer = p, .want = MANY };
    struct http_request q = request_to(p);
    struct http_call *calls[MANY];
    int before = open_files();
    for (int i = 0; i < MANY; i++)
        calls[i] = http_post(r->http, &q, count_one, &c);
    rig_until(r, all_arrived, &c);
    int both = open_files() - before; /* the peer's ends are ours too */
    ok(both <= 2 * MANY + 40, "one descriptor a call and a few a lane: %d for both ends of %d", both, MANY);
    for (int i = 0; i < MANY; i += 2)
        http_abort(calls[i]);
    rig_until(r, peer_saw, &(struct seen_until){ p, MANY, MANY / 2 });
    c.want = MANY / 2;
    peer_stop(p);
    rig_until(r, counted, &c);
    is_int(c.bad, MANY / 2, "each of the others ended once, by the peer's close");
    c = (struct count){ .peer = quick, .want = MANY };
    q = request_to(quick);
    for (int i = 0; i < MANY; i++)
        if (http_post(r->http, &q, count_one, &c) == NULL)
            c.bad++;
    rig_until(r, counted, &c);
    is_int(c.bad, 0, "%d calls at once are answered", MANY);
    peer_stop(quick);
}

static void test_bound(void)
{
    static const struct peer_step step = OK_STEP;
    struct peer *p = peer_start(&step, 1);
    struct count c = { .peer = p, .want = 50 };
    struct http_request q = request_to(p);
    struct rig r;
    rig_open(&r, &(struct http_options){ .connections_max = 2 });
    for (int i = 0; i < c.want; i++)
        if (http_post(r.http, &q, count_one, &c) == NULL)
            c.bad++;
    rig_until(&r, counted, &c);
    is_int(c.bad, 0, "50 calls over a bound of two connections");
    is_int(peer_connections(p), 2, "two connections");
    rig_close(&r);
    peer_stop(p);
}

/* ---- TLS ---- */

static void test_tls(struct rig *r)
{
    static const struct peer_step plain = { .answer = "HTTP/1.1 400 plain\r\n\r\n", .then = PEER_CLOSE };
    struct peer *p = peer_start(&plain, 1);
    struct heard h = { 0 };
    char url[64], dir[] = "/tmp/turnkeeper-tls-XXXXXX", command[512];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", peer_port(p));
    rig_post(r, &(struct http_request){ .url = url, .timeout_ms = 300, .once = true }, &h);
    is_int(h.answer.outcome, HTTP_NOT_SENT, "TLS to a peer that speaks none: %s", h.answer.err.text);
    is_int(peer_requests(p), 0, "no request");
    peer_stop(p);
    if (access("/usr/bin/openssl", X_OK) != 0 || mkdtemp(dir) == NULL) {
        skip("no openssl program");
        heard_free(&h);
        return;
    }
    int port = peer_dead_port();
    (void)snprintf(
        command, sizeof command,
        "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=127.0.0.1 "
        "-keyout k -out c "
        "2>/dev/null && exec openssl s_server -quiet -accept 127.0.0.1:%d -key k -cert c -www >/dev/null 2>&1",
        dir, port);
    pid_t child = fork();
    if (child == 0) {
        (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%d/", port);
    for (int i = 0; i < 1000; i++) {
        rig_post(r, &(struct http_request){ .url = url, .timeout_ms = PLENTY_MS, .once = true }, &h);
        if (strstr(h.answer.err.text, "connect to") == NULL)
            break;
        (void)usleep(10000);
    }
    is_int(h.answer.outcome, HTTP_NOT_SENT, "a certificate that nobody vouches for");
    has_str(h.answer.err.text, "certificate", "and so it says");
    (void)kill(child, SIGTERM);
    (void)waitpid(child, NULL, 0);
    (void)snprintf(command, sizeof command, "%s/k", dir);
    (void)unlink(command);
    (void)snprintf(command, sizeof command, "%s/c", dir);
    (void)unlink(command);
    (void)rmdir(dir);
    heard_free(&h);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    test_kept(&r);
    test_dropped(&r);
    test_stale(&r, PEER_CLOSE);
    test_stale(&r, PEER_RESET);
    test_name(&r);
    test_tidy(&r);
    test_abort(&r);
    test_inside();
    test_close();
    test_many(&r);
    test_bound();
    test_tls(&r);
    rig_close(&r);
    return done_testing();
}
