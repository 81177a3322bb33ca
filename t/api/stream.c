/* SPDX-License-Identifier: MIT
 * Tests of src/api/request_stream.c: server-sent events as a client gets them, from the headers to the end. The endpoint is this file's. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/request.h"
#include "t/lib/api_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define PATH "/stream/r1"
#define MANY 300 /* more than get their comment at once */
#define LONG_MS 20000

static struct rig rig;
static struct request *last;
static char last_seen[100];
static atomic_int begun, gone;
static bool parked;

/* ---- the endpoint ---- */

static void on_gone(void *arg)
{
    (void)arg;
    atomic_fetch_add(&gone, 1);
}

static void handle(struct request *r)
{
    last = r;
    (void)snprintf(last_seen, sizeof(last_seen), "%.*s", SV_FMT(r->last_event_id));
    request_stream(r, on_gone, NULL);
    parked = r->f.scratch == NULL;
    atomic_fetch_add(&begun, 1);
}

static const struct route routes[] = {
    { .method = CGI_GET, .path = "/stream/{id}", .access = ACCESS_PLATFORM, .parks = true, .handle = handle },
};

static void start(int64_t keepalive_ms, int64_t in_flight_max)
{
    struct api_options o = rig_options();

    o.cors_origins = "https://a.example";
    o.keepalive_ms = keepalive_ms;
    o.in_flight_max = in_flight_max;
    o.routes = routes;
    o.routes_n = ARRAY_LEN(routes);
    atomic_store(&begun, 0);
    atomic_store(&gone, 0);
    rig_start(&rig, &o);
}

/* ---- the client's side ---- */

static int ask_with(const char *method, const char *name, const char *value)
{
    const char *const more[] = {
        "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM, "HTTP_X_REQUEST_ID", "r-1", name, value, NULL
    };
    struct buf b = { 0 };
    int fd = client_connect(rig.path);

    put_request(&b, method, PATH, more, SV_NONE);
    (void)client_send(fd, buf_sv(&b));
    buf_fini(&b);
    return fd;
}

/* A stream that has begun. */
static int ask(void)
{
    int before = atomic_load(&begun), fd = ask_with("GET", NULL, NULL);

    if (!rig_wait_int(&begun, before + 1))
        bail_out("a stream does not begin");
    return fd;
}

/* Everything until the end of the stream. */
static void read_body(int fd, const char *want, const char *what)
{
    struct fcgi_answer a;

    client_read(fd, &a, LONG_MS);
    is_sv(answer_body(&a), sv_from(want), "%s", what);
    ok(a.ended && a.closed, "ended");
    answer_fini(&a);
    (void)close(fd);
}

/* ---- on the loop ---- */

static void end(void *arg)
{
    (void)arg;
    request_stream_end(last);
}

static void send_events(void *arg)
{
    int *failed = arg;

    *failed |= request_event(last, SV("7"), SV("job"), SV("{\"a\":1}"));
    *failed |= request_event(last, SV_NONE, SV_NONE, SV("x"));
    *failed |= request_event_retry(last, 1500);
    *failed |= request_event(last, SV(""), SV_NONE, SV("one\ntwo\r\nthree\rfour\n"));
    *failed |= request_event(last, SV("8\ndata: false"), SV("a\rb"), SV(""));
    request_stream_end(last);
}

/* ---- the tests ---- */

static void test_head(void)
{
    struct fcgi_answer a;
    int fd = ask();

    rig_run(&rig, end, NULL);
    client_read(fd, &a, LONG_MS);
    is_str(a.out.p,
           "Status: 200 OK\r\n"
           "Content-Type: text/event-stream\r\n"
           "X-Accel-Buffering: no\r\n"
           "X-Content-Type-Options: nosniff\r\n"
           "Cache-Control: no-store\r\n"
           "X-Request-ID: r-1\r\n"
           "\r\n"
           ":\n\n",
           "the headers, and a first comment");
    answer_fini(&a);
    (void)close(fd);

    fd = ask_with("GET", "HTTP_ORIGIN", "https://a.example");
    (void)rig_wait_int(&begun, 2);
    rig_run(&rig, end, NULL);
    client_read(fd, &a, LONG_MS);
    is_sv(answer_header(&a, "Access-Control-Allow-Origin"), SV("https://a.example"), "a browser may read it");
    answer_fini(&a);
    (void)close(fd);

    fd = ask_with("HEAD", NULL, NULL);
    client_read(fd, &a, LONG_MS);
    is_sv(answer_header(&a, "Content-Type"), SV("text/event-stream"), "HEAD");
    is_sv(answer_body(&a), SV(""), "headers only");
    ok(a.ended && a.closed, "and the end");
    ok(rig_wait_int(&gone, 1), "of which the endpoint hears");
    answer_fini(&a);
    (void)close(fd);

    fd = ask_with("POST", NULL, NULL);
    client_read(fd, &a, LONG_MS);
    is_int(a.status, 405, "POST");
    is_sv(answer_header(&a, "Allow"), SV("GET, HEAD"), "what there is");
    answer_fini(&a);
    (void)close(fd);
}

static void test_events(void)
{
    int fd = ask(), failed = 0;

    ok(parked, "what the request needed so far is freed");
    rig_run(&rig, send_events, &failed);
    is_int(failed, 0, "events");
    read_body(fd,
              ":\n\n"
              "id: 7\nevent: job\ndata: {\"a\":1}\n\n"
              "data: x\n\n"
              "retry: 1500\n\n"
              "id: \ndata: one\ndata: two\ndata: three\ndata: four\ndata: \n\n"
              "id: 8\nevent: a\ndata: \n\n",
              "as the standard wants them");
}

static void test_last_event_id(void)
{
#define SIXTY "0123456789abcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"
    static const struct {
        int line;
        const char *given, *seen;
    } table[] = {
        { __LINE__, "7", "7" },
        { __LINE__, "1700-0~!", "1700-0~!" },
        { __LINE__, SIXTY "1234", SIXTY "1234" },
        { __LINE__, SIXTY "12345", "" },
        { __LINE__, "a b", "" },
        { __LINE__, "a\tb", "" },
        { __LINE__, "\xC3\xA4", "" },
        { __LINE__, "", "" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int before = atomic_load(&begun), fd = ask_with("GET", "HTTP_LAST_EVENT_ID", table[i].given);
        ok(rig_wait_int(&begun, before + 1), "line %d", table[i].line);
        is_str(last_seen, table[i].seen, "line %d: what was seen", table[i].line);
        rig_run(&rig, end, NULL);
        (void)close(fd);
    }
}

/* Comments that have come on a stream; reads them. */
static int comments(int fd)
{
    struct fcgi_answer a;
    int n = 0;

    client_read_kept(fd, &a, 0);
    for (size_t i = 0; i + 2 < a.out.n; i++)
        n += memcmp(a.out.p + i, ":\n\n", 3) == 0;
    answer_fini(&a);
    return n;
}

static void test_keep_alive(void)
{
    static int fds[MANY], got[MANY];
    struct api_stat s;
    int alive = 0, failed = 0;

    for (int i = 0; i < MANY; i++)
        fds[i] = ask();
    api_stat(rig.api, &s);
    is_int(s.streams, MANY, "%d streams", MANY);
    for (int round = 0; round < 2000 && alive < MANY; round++) {
        alive = 0;
        for (int i = 0; i < MANY; i++) {
            got[i] += comments(fds[i]);
            alive += got[i] > 3;
        }
        (void)poll(NULL, 0, 5);
    }
    is_int(alive, MANY, "get comments, again and again");
    rig_run(&rig, send_events, &failed);
    is_int(failed, 0, "one of them is ended");
    is_int(atomic_load(&gone), 0, "nobody has gone so far");
    for (int i = 0; i < MANY; i++)
        (void)close(fds[i]);
    ok(rig_wait_int(&gone, MANY - 1), "all go");
    for (int i = 0; i < 4000 && s.connections > 0; i++) {
        api_stat(rig.api, &s);
        (void)poll(NULL, 0, s.connections > 0 ? 5 : 0);
    }
    ok(s.streams == 0 && s.connections == 0 && s.in_flight == 0, "and leave nothing behind");
}

static void flood(void *arg)
{
    static const char filler[1000] = { 'x' };
    int *sent = arg;

    while (request_event(last, SV_NONE, SV_NONE, (struct sv){ filler, sizeof(filler) }) == 0 && *sent < 100000)
        ++*sent;
}

static void test_unread(void)
{
    int before = atomic_load(&gone), fd = ask(), sent = 0;

    rig_run(&rig, flood, &sent);
    ok(rig_wait_int(&gone, before + 1), "who does not read is dropped");
    ok(sent > 60 && sent < 1000, "after %d KB", sent);
    (void)close(fd);
}

static void test_room(void)
{
    struct fcgi_answer a;
    int one = ask(), two = ask(), three = ask_with("GET", NULL, NULL);

    client_read(three, &a, LONG_MS);
    is_int(a.status, 503, "streams need room like all that waits");
    answer_fini(&a);
    (void)close(three);
    (void)close(one);
    ok(rig_wait_int(&gone, 1), "one has gone");
    for (int i = 0; i < 4000; i++) {
        struct api_stat s;
        api_stat(rig.api, &s);
        if (s.in_flight == 1)
            break;
        (void)poll(NULL, 0, 5);
    }
    one = ask();
    ok(true, "which makes room for another");
    (void)close(one);
    (void)close(two);
}

static void test_refusal(void)
{
    struct buf b = { 0 };
    struct fcgi_answer a;

    put_request(&b, "GET", PATH, NULL, SV_NONE);
    client_ask(rig.path, buf_sv(&b), &a);
    is_int(a.status, 401, "a refusal is an ordinary answer");
    is_sv(answer_header(&a, "Content-Type"), SV("application/json"), "in JSON");
    answer_fini(&a);
    buf_fini(&b);
}

static void test_drain(void)
{
    int one = ask(), two = ask();

    rig_drain(&rig);
    ok(rig_wait_int(&gone, 2), "a drain ends streams");
    read_body(one, ":\n\n", "properly");
    read_body(two, ":\n\n", "each of them");
    ok(rig_wait(&rig.drained), "drained");
}

int main(void)
{
    start(0, 0);
    test_head();
    test_events();
    test_last_event_id();
    test_refusal();
    test_unread();
    rig_stop(&rig);
    start(20, 0);
    test_keep_alive();
    rig_stop(&rig);
    start(0, 2);
    test_room();
    rig_stop(&rig);
    start(0, 0);
    test_drain();
    rig_stop(&rig);
    start(20, 0);
    (void)ask();
    rig_stop(&rig);
    is_int(atomic_load(&gone), 1, "closing is a loss");
    return done_testing();
}
