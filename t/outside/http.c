/* SPDX-License-Identifier: MIT
 * One call against a peer that answers well, badly or not at all: what http_post says about it. */
#include "config.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "t/outside/rig.h"
#include "t/tap.h"

struct answer_case {
    const char *name;
    struct peer_step step;
    enum http_outcome outcome;
    int status;
    const char *body;
    enum err_code code;
    const char *text;   /* part of the error */
    int64_t timeout_ms; /* 0: plenty */
};

#define HEAD "HTTP/1.1 200 OK\r\n"

static const struct answer_case answer_cases[] = {
    { .name = "with a length", .step = { .answer = PEER_OK(2, "{}") }, .status = 200, .body = "{}" },
    { .name = "chunked",
      .step = { .answer = HEAD "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: t\r\n\r\n" },
      .status = 200,
      .body = "abcde" },
    { .name = "no length, closed",
      .step = { .answer = HEAD "\r\nabc", .then = PEER_CLOSE },
      .status = 200,
      .body = "abc" },
    { .name = "in many pieces",
      .step = { .answer = PEER_OK(26, "abcdefghijklmnopqrstuvwxyz"), .pieces = 20 },
      .status = 200,
      .body = "abcdefghijklmnopqrstuvwxyz" },
    { .name = "100 Continue unasked",
      .step = { .answer = PEER_OK(1, "x"), .interim = "HTTP/1.1 100 Continue\r\n\r\n" },
      .status = 200,
      .body = "x" },
    { .name = "102 and 103 before the answer",
      .step = { .answer =
                    "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" PEER_OK(1, "x") },
      .status = 200,
      .body = "x" },
    { .name = "204", .step = { .answer = "HTTP/1.1 204 No Content\r\n\r\n" }, .status = 204, .body = "" },
    { .name = "HTTP/1.0",
      .step = { .answer = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok" },
      .status = 200,
      .body = "ok" },
    { .name = "a redirect is not followed",
      .step = { .answer = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 1\r\n\r\nr" },
      .status = 302,
      .body = "r" },
    { .name = "307 neither",
      .step = { .answer = "HTTP/1.1 307 Again\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n" },
      .status = 307,
      .body = "" },
    { .name = "401 with a challenge",
      .step = { .answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n" },
      .status = 401,
      .body = "" },
    { .name = "417", .step = { .answer = "HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n" }, .status = 417, .body = "" },
    { .name = "500 with a body",
      .step = { .answer = "HTTP/1.1 500 Oh\r\nContent-Length: 3\r\n\r\nerr" },
      .status = 500,
      .body = "err" },
    { .name = "a compressed body is left as it is",
      .step = { .answer = HEAD "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc" },
      .status = 200,
      .body = "abc" },
    { .name = "garbage",
      .step = { .answer = "hello world\r\n\r\n", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_PROTOCOL },
    { .name = "garbage behind a status",
      .step = { .answer = HEAD "\1\2no colon\r\n\r\n", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN },
    { .name = "cut in the head",
      .step = { .answer = "HTTP/1.1 200 OK\r\nContent-", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN },
    { .name = "cut after an interim answer",
      .step = { .answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN },
    { .name = "interim answers for ever",
      .step = { .answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n",
                .then = PEER_HANG,
                .repeat = 10000 },
      .outcome = HTTP_UNKNOWN,
      .text = "larger than" },
    { .name = "cut in the body",
      .step = { .answer = HEAD "Content-Length: 10\r\n\r\nabc", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_UNAVAILABLE },
    { .name = "cut in a chunk",
      .step = { .answer = HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nab", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_UNAVAILABLE },
    { .name = "bad chunk",
      .step = { .answer = HEAD "Transfer-Encoding: chunked\r\n\r\nzz\r\nab", .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN },
    { .name = "reset in the body",
      .step = { .answer = HEAD "Content-Length: 10\r\n\r\nabc", .then = PEER_RESET },
      .outcome = HTTP_UNKNOWN },
    { .name = "closed without an answer",
      .step = { .then = PEER_CLOSE },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_UNAVAILABLE },
    { .name = "reset without an answer",
      .step = { .then = PEER_RESET },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_UNAVAILABLE },
    { .name = "too large by its length",
      .step = { .answer = PEER_OK(100000, "0123456789"), .repeat = 10000 },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_PROTOCOL,
      .text = "larger than 65536" },
    { .name = "too large in chunks",
      .step = { .answer = HEAD "Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n", .repeat = 20000 },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_PROTOCOL,
      .text = "larger than" },
    { .name = "as large as allowed", .step = { .answer = PEER_OK(65536, "01234567"), .repeat = 8192 }, .status = 200 },
    { .name = "never",
      .step = { .then = PEER_HANG },
      .outcome = HTTP_UNKNOWN,
      .code = ERR_UNAVAILABLE,
      .timeout_ms = 1000 },
    { .name = "never the rest",
      .step = { .answer = HEAD "Content-Length: 10\r\n\r\nabc", .then = PEER_HANG },
      .outcome = HTTP_UNKNOWN,
      .timeout_ms = 1000 },
};

static void test_answers(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct peer *p = peer_start(&c->step, 1);
        struct heard h = { 0 };
        rig_post(r,
                 &(struct http_request){ .url = rig_url(peer_port(p), "/x?token=hidden"),
                                         .body = SV("{\"a\":1}"),
                                         .timeout_ms = c->timeout_ms != 0 ? c->timeout_ms : PLENTY_MS,
                                         .once = true },
                 &h);
        is_str(http_outcomes[h.answer.outcome], http_outcomes[c->outcome], "%s", c->name);
        if (h.answer.outcome == HTTP_ANSWERED)
            is_int(h.answer.status, c->status, "%s: status", c->name);
        if (c->body != NULL)
            is_str(h.body, c->body, "%s: body", c->name);
        if (c->code != ERR_NONE)
            is_int(h.answer.err.code, c->code, "%s: %s", c->name, h.answer.err.text);
        if (c->text != NULL)
            has_str(h.answer.err.text, c->text, "%s: error", c->name);
        if (c->outcome != HTTP_ANSWERED)
            ok(h.answer.err.text[0] != '\0' && strstr(h.answer.err.text, "hidden") == NULL, "%s: a reason: %s", c->name,
               h.answer.err.text);
        is_int(h.times, 1, "%s: answered once", c->name);
        is_int(peer_requests(p), 1, "%s: sent once", c->name);
        peer_stop(p);
        heard_free(&h);
    }
}

/* ---- before anything is sent ---- */

struct early_case {
    const char *name, *url;
    const char *header, *value;
    int headers_n;
    int64_t timeout_ms;
    enum err_code code;
};

static const struct early_case early_cases[] = {
    { "no scheme", "127.0.0.1", .code = ERR_INVALID },
    { "empty", "", .code = ERR_INVALID },
    { "ftp", "ftp://127.0.0.1/x", .code = ERR_INVALID },
    { "file", "file:///etc/passwd", .code = ERR_INVALID },
    { "a blank in the URL", "http://127.0.0.1:1/a b", .code = ERR_INVALID },
    { "port out of range", "http://127.0.0.1:99999/?token=hidden", .code = ERR_INVALID },
    { "a blank in the query", "http://127.0.0.1:1/?token=hidden x", .code = ERR_INVALID },
    { "ftp with a query", "ftp://127.0.0.1/?token=hidden", .code = ERR_INVALID },
    { "CR in a header", "http://127.0.0.1:1/", .header = "X-A", .value = "a\rb", .code = ERR_INVALID },
    { "LF in a header", "http://127.0.0.1:1/", .header = "X-A", .value = "a\nX-B: c", .code = ERR_INVALID },
    { "colon in a name", "http://127.0.0.1:1/", .header = "X-A:", .value = "a", .code = ERR_INVALID },
    { "too many headers", "http://127.0.0.1:1/", .header = "X-A", .value = "a", .headers_n = 100, .code = ERR_RANGE },
    { "no time", "http://127.0.0.1:1/", .timeout_ms = -1, .code = ERR_UNAVAILABLE },
};

static void test_early(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(early_cases); i++) {
        const struct early_case *c = &early_cases[i];
        struct http_header headers[100];
        struct heard h = { 0 };
        for (size_t k = 0; k < ARRAY_LEN(headers) && c->header != NULL; k++)
            headers[k] = (struct http_header){ c->header, sv_from(c->value) };
        rig_post(r,
                 &(struct http_request){ .url = c->url,
                                         .headers = headers,
                                         .timeout_ms = c->timeout_ms != 0 ? c->timeout_ms : 5000,
                                         .headers_n = c->headers_n > 0 ? (size_t)c->headers_n : c->header != NULL },
                 &h);
        is_str(http_outcomes[h.answer.outcome], "not sent", "%s", c->name);
        is_int(h.answer.err.code, c->code, "%s: %s", c->name, h.answer.err.text);
        ok(strstr(h.answer.err.text, "hidden") == NULL, "%s: without the query", c->name);
        heard_free(&h);
    }
}

static void test_unreachable(struct rig *r)
{
    struct heard h = { 0 };
    rig_post(r, &(struct http_request){ .url = rig_url(peer_dead_port(), "/?secret=1"), .timeout_ms = 5000 }, &h);
    is_str(http_outcomes[h.answer.outcome], "not sent", "refused");
    is_int(h.answer.err.code, ERR_UNAVAILABLE, "refused: %s", h.answer.err.text);
    ok(strstr(h.answer.err.text, "secret") == NULL, "the query is not in the text");
    rig_post(r, &(struct http_request){ .url = "http://name.invalid?secret=1", .timeout_ms = 5000 }, &h);
    is_str(http_outcomes[h.answer.outcome], "not sent", "no such name: %s", h.answer.err.text);
    ok(strstr(h.answer.err.text, "secret") == NULL, "the query is not in the text");
    int port = peer_full_port();
    rig_post(r, &(struct http_request){ .url = rig_url(port, "/?secret=1"), .timeout_ms = 80 }, &h);
    is_str(http_outcomes[h.answer.outcome], "not sent", "timeout while connecting: %s", h.answer.err.text);
    ok(strstr(h.answer.err.text, "secret") == NULL, "the query is not in the text");
    struct rig quick;
    rig_open(&quick, &(struct http_options){ .connect_timeout_ms = 60 });
    rig_post(&quick, &(struct http_request){ .url = rig_url(port, "/"), .timeout_ms = PLENTY_MS }, &h);
    is_str(http_outcomes[h.answer.outcome], "not sent", "connect timeout: %s", h.answer.err.text);
    rig_close(&quick);
    heard_free(&h);
}

static void test_proxy_of_environment(void)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    struct heard h = { 0 };
    struct rig r;
    const char *dead = rig_url(peer_dead_port(), "/");
    (void)setenv("http_proxy", dead, 1);
    (void)setenv("ALL_PROXY", dead, 1);
    rig_open(&r, NULL);
    rig_post(&r, &(struct http_request){ .url = rig_url(peer_port(p), "/"), .timeout_ms = PLENTY_MS }, &h);
    is_str(http_outcomes[h.answer.outcome], "answered", "proxies of the environment are ignored %s", h.answer.err.text);
    rig_close(&r);
    (void)unsetenv("http_proxy");
    (void)unsetenv("ALL_PROXY");
    peer_stop(p);
    heard_free(&h);
}

static bool was_heard(void *arg)
{
    return ((struct heard *)arg)->times > 0;
}

static void test_too_late(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    struct heard h = { 0 };
    clock_fake(1700000000000);
    struct http_request q = { .url = rig_url(peer_port(p), "/"),
                              .timeout_ms = PLENTY_MS,
                              .send_before_ms = clock_mono_ms() };
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "too late", "the deadline has passed at the call");
    for (int kept = 0; kept < 2; kept++) {
        heard_free(&h);
        q.send_before_ms = clock_mono_ms() + 10;
        ok(http_post(r->http, &q, hear, &h) != NULL, "posted");
        clock_fake_move(10);
        rig_until(r, was_heard, &h);
        is_str(http_outcomes[h.answer.outcome], "too late", "passed while the connection was made%s",
               kept ? ", kept one" : "");
        is_int(peer_requests(p), kept, "not one request more");
        q.send_before_ms = clock_mono_ms() + 1;
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], "answered", "one millisecond before it, it is sent");
    }
    clock_real();
    peer_stop(p);
    heard_free(&h);
}

static void test_connect_only(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    struct heard h = { 0 };
    struct http_request q = { .url = rig_url(peer_port(p), "/"), .get = true, .timeout_ms = PLENTY_MS, .connect_only = true };
    for (int i = 0; i < 2; i++) {
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], "too late", "a connection is all that was wanted");
        heard_free(&h);
    }
    is_int(peer_requests(p), 0, "nothing was sent");
    q.connect_only = false;
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "answered", "the next call sends");
    is_int(peer_requests(p), 1, "once");
    is_int(peer_connections(p), 3, "those of before were made, and are not used again");
    heard_free(&h);
    q = (struct http_request){ .url = rig_url(peer_dead_port(), "/"), .get = true, .timeout_ms = PLENTY_MS, .connect_only = true };
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "not sent", "nobody listens there: %s", h.answer.err.text);
    heard_free(&h);
    peer_stop(p);
    heard_free(&h);
}

static void test_retry_after(struct rig *r)
{
    static const struct {
        const char *answer;
        int64_t min, max;
    } cases[] = {
        { "HTTP/1.1 429 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7000, 7000 },
        { "HTTP/1.1 503 No\r\nretry-after:   120\r\nContent-Length: 0\r\n\r\n", 120000, 120000 },
        { "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", -1, -1 },
        { "HTTP/1.1 503 No\r\nRetry-After: -5\r\nContent-Length: 0\r\n\r\n", -1, -1 },
        { "HTTP/1.1 503 No\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", -1, -1 },
        { "HTTP/1.1 503 No\r\nRetry-After: Thu, 01 Jan 1970 00:00:10 GMT\r\nContent-Length: 0\r\n\r\n", -1, -1 },
        { "HTTP/1.1 503 No\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n", 86400000,
          INT64_MAX },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer_step step = { .answer = cases[i].answer };
        struct peer *p = peer_start(&step, 1);
        struct heard h = { 0 };
        rig_post(r, &(struct http_request){ .url = rig_url(peer_port(p), "/"), .timeout_ms = PLENTY_MS }, &h);
        ok(h.answer.retry_after_ms >= cases[i].min && h.answer.retry_after_ms <= cases[i].max,
           "Retry-After %zu: %lld ms", i, (long long)h.answer.retry_after_ms);
        peer_stop(p);
        heard_free(&h);
    }
}

/* ---- what is sent ---- */

static void test_request(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    struct peer *p = peer_start(&step, 1);
    struct heard h = { 0 };
    struct buf want = { 0 }, large = { 0 };
    const struct http_header headers[] = { { "X-Request-ID", SV("r1") },
                                           { "Idempotency-Key", SV("k 1") },
                                           { "X-Empty", SV("") } };
    rig_post(r,
             &(struct http_request){ .url = rig_url(peer_port(p), "/a/b?c=d"),
                                     .body = SV("{\"x\":\"\xc3\xa1\"}"),
                                     .headers = headers,
                                     .headers_n = 3,
                                     .timeout_ms = PLENTY_MS },
             &h);
    buf_printf(&want,
               "POST /a/b?c=d HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\nX-Request-ID: r1\r\n"
               "Idempotency-Key: k 1\r\nX-Empty:\r\nContent-Length: 10\r\n\r\n{\"x\":\"\xc3\xa1\"}",
               peer_port(p));
    is_str(peer_request(p, 0), want.p, "the request, byte by byte");
    for (int i = 0; i < 300000; i++)
        buf_add(&large, SV("0123456789"));
    for (int borrowed = 0; borrowed < 2; borrowed++) {
        rig_post(r,
                 &(struct http_request){ .url = rig_url(peer_port(p), "/"),
                                         .body = buf_sv(&large),
                                         .body_borrowed = borrowed,
                                         .timeout_ms = PLENTY_MS },
                 &h);
        const char *got = peer_request(p, 1 + borrowed), *body = got != NULL ? strstr(got, "\r\n\r\n") : NULL;
        is_str(http_outcomes[h.answer.outcome], "answered", "3 MB");
        ok(body != NULL && strcmp(body + 4, large.p) == 0, "3 MB arrive whole");
        ok(got != NULL && strstr(got, "Expect") == NULL, "without Expect");
    }
    rig_post(r, &(struct http_request){ .url = rig_url(peer_port(p), "/"), .timeout_ms = PLENTY_MS }, &h);
    const char *got = peer_request(p, 3);
    has_str(got != NULL ? got : "", "Content-Length: 0\r\n", "an empty body, after a call with many headers");
    ok(got != NULL && strstr(got, "X-Request-ID") == NULL, "the headers of the last call are gone");
    buf_fini(&want);
    buf_fini(&large);
    peer_stop(p);
    heard_free(&h);
}

/* ---- guarded requests ---- */

struct guard {
    int asked, loopback, port; /* times; those with a loopback address; the last port */
    bool answer;
};

static bool may_connect(void *arg, const struct sockaddr *to)
{
    struct guard *g = arg;
    char host[64] = "", port[16] = "";
    socklen_t size = to->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    (void)getnameinfo(to, size, host, sizeof(host), port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
    g->asked++;
    g->loopback += strcmp(host, "127.0.0.1") == 0 || strcmp(host, "::1") == 0;
    g->port = (int)strtol(port, NULL, 10);
    return g->answer;
}

/* Guarded ones and others in turn, to the same place, by the same prepared call. */
static void test_guard(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    static const struct {
        bool guarded, answer;
        int connections; /* behind it */
    } rows[] = {
        { true, false, 0 }, { true, true, 1 }, { true, true, 2 },   { false, false, 3 }, { false, false, 3 },
        { true, false, 3 }, { true, true, 4 }, { false, false, 4 }, { true, false, 4 },  { false, false, 4 },
    };
    for (int by_name = 0; by_name < 2; by_name++) {
        struct peer *p = peer_start(&step, 1);
        struct heard h = { 0 };
        char url[64];
        int sent = 0;
        (void)snprintf(url, sizeof(url), "http://%s:%d/", by_name ? "localhost" : "127.0.0.1", peer_port(p));
        for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
            struct guard g = { .answer = rows[i].answer };
            struct http_request q = { .url = url, .timeout_ms = PLENTY_MS, .may_connect_arg = &g };
            bool good = !rows[i].guarded || rows[i].answer;
            if (rows[i].guarded)
                q.may_connect = may_connect;
            rig_post(r, &q, &h);
            sent += good;
            is_str(http_outcomes[h.answer.outcome], good ? "answered" : "not sent", "request %zu: %s", i, h.answer.err.text);
            is_int(h.answer.err.code, good ? ERR_NONE : ERR_REFUSED, "its code");
            ok(rows[i].guarded ? g.asked > 0 && g.asked == g.loopback && g.port == peer_port(p) : g.asked == 0,
               "asked with the address, %d times", g.asked);
            is_int(peer_connections(p), rows[i].connections,
                   "connections: each guarded request has one of its own, the others share theirs");
            is_int(peer_requests(p), sent, "requests");
        }
        peer_stop(p);
        heard_free(&h);
    }
    struct guard g = { .answer = true };
    struct heard h = { 0 };
    rig_post(r,
             &(struct http_request){ .url = rig_url(peer_dead_port(), "/"),
                                     .timeout_ms = PLENTY_MS,
                                     .may_connect = may_connect,
                                     .may_connect_arg = &g },
             &h);
    is_int(h.answer.err.code, ERR_UNAVAILABLE, "allowed, but nobody listens: %s", h.answer.err.text);
    heard_free(&h);
}

static void test_status_only(struct rig *r)
{
    static const struct {
        const char *name;
        struct peer_step step;
        const char *outcome;
        int status, connections; /* of two such requests and a usual one */
    } cases[] = {
        { "small", { .answer = PEER_OK(2, "{}") }, "answered", 200, 1 },
        { "large", { .answer = PEER_OK(65536, "01234567"), .repeat = 8192 }, "answered", 200, 1 },
        { "too large", { .answer = PEER_OK(80000, "01234567"), .repeat = 10000 }, "answered", 200, 3 },
        { "cut", { .answer = HEAD "Content-Length: 9\r\n\r\nab", .then = PEER_CLOSE }, "answered", 200, 3 },
        { "no head", { .answer = HEAD "X: y", .then = PEER_CLOSE }, "unknown", 0, 3 },
        { "interim only", { .answer = "HTTP/1.1 100 X\r\n\r\n", .then = PEER_CLOSE }, "unknown", 0, 3 },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct peer *p = peer_start(&cases[i].step, 1);
        struct heard h = { 0 };
        struct http_request q = {
            .url = rig_url(peer_port(p), "/"), .timeout_ms = PLENTY_MS, .once = true, .status_only = true
        };
        for (int k = 0; k < 2; k++) {
            rig_post(r, &q, &h);
            is_str(http_outcomes[h.answer.outcome], cases[i].outcome, "only the status, %s: %s", cases[i].name,
                   h.answer.err.text);
            if (h.answer.outcome == HTTP_ANSWERED)
                is_int(h.answer.status, cases[i].status, "which is");
            is_str(h.body, "", "no body");
        }
        q.status_only = false;
        rig_post(r, &q, &h);
        is_int(peer_connections(p), cases[i].connections, "connections that went on");
        peer_stop(p);
        heard_free(&h);
    }
}

int main(void)
{
    struct rig r;
    rig_open(&r, &(struct http_options){ .answer_max = 65536 });
    test_answers(&r);
    test_early(&r);
    test_unreachable(&r);
    test_proxy_of_environment();
    test_too_late(&r);
    test_connect_only(&r);
    test_retry_after(&r);
    test_request(&r);
    test_guard(&r);
    test_status_only(&r);
    rig_close(&r);
    return done_testing();
}
