/* SPDX-License-Identifier: MIT
 * Tests of src/api/fcgi_read.c: what is a request and what is none, whatever pieces it comes in; and what libfcgi is relied upon for. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "lib/clock.h"
#include "t/lib/api_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define A_PATH "/api/v1/enhanced-handle-message"
/* clang-format off */
#define MESSAGE \
    "{\"conversation_id\":\"c1\",\"message_id\":\"m1\",\"message_content\":\"hi\",\"sender_id\":\"u1\"," \
    "\"sender_type\":\"user\",\"timestamp\":1}"
/* clang-format on */
#define LONG_MS 20000

static const char *const as_platform[] = { "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM, NULL };
static struct rig rig;

/* ---- what this program relies on in libfcgi ---- */

static void test_pins(void)
{
    struct buf b = { 0 };
    int pair[2];
    FCGX_Request q;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        bail_out("socketpair: %s", strerror(errno));
    put_request(&b, "GET", "/x", NULL, SV_NONE);
    (void)client_send(pair[0], buf_sv(&b));
    (void)FCGX_Init();
    (void)FCGX_InitRequest(&q, -1, 0);
    ok(q.ipcFd == -1 && q.keepConnection == 0 && q.detached == 0, "a fresh request has no connection");
    q.ipcFd = pair[1];
    q.keepConnection = 1;
    q.detached = 1;
    is_int(FCGX_Accept_r(&q), 0, "a connection of ours is read");
    is_int(q.ipcFd, pair[1], "it is still that one");
    is_int(q.requestId, 1, "the id is there");
    is_str(FCGX_GetParam("REQUEST_URI", q.envp), "/x", "and the parameters");
    is_int(q.keepConnection, 0, "the web server's flag was taken over");
    FCGX_Free(&q, 0);
    is_int(fcntl(pair[1], F_GETFD) >= 0, 1, "the connection is left open");
    (void)close(pair[1]);
    (void)close(pair[0]);
    buf_fini(&b);
}

static void test_error_close(void)
{
    int64_t waited;
    int pair[2];
    FCGX_Request q;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        bail_out("socketpair: %s", strerror(errno));
    (void)client_send(pair[0], SV("garbage which is not FastCGI"));
    (void)FCGX_InitRequest(&q, -1, 0);
    q.ipcFd = pair[1];
    q.keepConnection = 1;
    q.detached = 1;
    waited = clock_mono_ms();
    ok(FCGX_Accept_r(&q) != 0, "garbage is refused");
    ok(clock_mono_ms() - waited < 1900, "without the wait of 2 s for the other side to close");
    is_int(q.ipcFd, -1, "libfcgi has closed it");
    FCGX_Free(&q, 0);
    (void)close(pair[0]);
}

/* ---- whole requests ---- */

static void expect(int status, struct sv request, const char *what)
{
    struct fcgi_answer a;

    client_ask(rig.path, request, &a);
    ok(a.status == status && a.ended && a.closed && !a.reset, "%s: %d (got %d, ended %d, closed %d, reset %d)", what,
       status, a.status, a.ended, a.closed, a.reset);
    answer_fini(&a);
}

/* No answer, and the connection is closed. */
static void expect_closed(struct sv bytes, bool half_close, const char *what)
{
    struct fcgi_answer a;
    int fd = client_connect(rig.path);

    (void)client_send(fd, bytes);
    if (half_close)
        (void)shutdown(fd, SHUT_WR);
    client_read(fd, &a, LONG_MS);
    ok(a.status == 0 && a.closed, "%s: closed without an answer (status %d)", what, a.status);
    answer_fini(&a);
    (void)close(fd);
}

static void test_shapes(void)
{
    struct buf b = { 0 };
    struct fcgi_answer a;
    int fd;

    put_request(&b, "GET", "/health", NULL, SV_NONE);
    expect(200, buf_sv(&b), "a request in one piece");

    fd = client_connect(rig.path);
    for (size_t i = 0; i < b.n; i++)
        (void)client_send(fd, (struct sv){ b.p + i, 1 });
    client_read(fd, &a, LONG_MS);
    is_int(a.status, 200, "byte by byte");
    answer_fini(&a);
    (void)close(fd);

    buf_clear(&b);
    put_record(&b, REC_GET_VALUES, 0, SV("\x0E\0FCGI_MAX_CONNS"), 0);
    put_request(&b, "GET", "/health", NULL, SV_NONE);
    expect(200, buf_sv(&b), "after FCGI_GET_VALUES");

    buf_clear(&b);
    put_begin(&b, 0xABCD, ROLE_IS_RESPONDER, false);
    put_params(&b, 0xABCD, (const char *const[]){ "REQUEST_METHOD", "GET", "REQUEST_URI", "/health", NULL });
    put_stdin(&b, 0xABCD, SV(""));
    expect(200, buf_sv(&b), "a large request id");
    buf_fini(&b);
}

/* Every record boundary inside the parameters: one record a byte, with padding. */
static void test_split_records(void)
{
    static const char *const pairs[] = { "REQUEST_METHOD", "REQUEST_URI", "HTTP_AUTHORIZATION", "CONTENT_TYPE", NULL };
    static const char *const values[] = { "POST", A_PATH, ("Bearer " RIG_PLATFORM), "application/json" };
    struct buf params = { 0 }, b = { 0 };
    const struct sv body = SV(MESSAGE);

    for (size_t i = 0; pairs[i] != NULL; i++)
        put_pair(&params, pairs[i], sv_from(values[i]));
    put_begin(&b, 1, ROLE_IS_RESPONDER, false);
    for (size_t i = 0; i < params.n; i++)
        put_record(&b, REC_PARAMS, 1, (struct sv){ params.p + i, 1 }, (int)(i % 256));
    put_record(&b, REC_PARAMS, 1, SV(""), 0);
    for (size_t i = 0; i < body.n; i += 7)
        put_record(&b, REC_STDIN, 1, (struct sv){ body.p + i, body.n - i < 7 ? body.n - i : 7 }, 3);
    put_record(&b, REC_STDIN, 1, SV(""), 0);
    expect(200, buf_sv(&b), "records of a byte, a body without Content-Length");
    is_sv(buf_sv(&rig_seen.content), SV("hi"), "and it is whole");
    buf_fini(&params);
    buf_fini(&b);
}

static void test_large_params(void)
{
    struct buf b = { 0 }, cookie = { 0 };
    const char *more[] = { "HTTP_COOKIE", NULL, NULL };

    while (cookie.n < 150000)
        buf_add(&cookie, SV("0123456789"));
    more[1] = cookie.p;
    put_request(&b, "GET", "/health", more, SV_NONE);
    expect(200, buf_sv(&b), "parameters over several records");
    buf_fini(&b);
    buf_fini(&cookie);
}

/* ---- what is no request ---- */

/* The other side meets the end at once; the reader is free soon after, although the other side stays. */
static void test_no_wait(void)
{
    int fd = client_connect(rig.path);
    struct fcgi_answer a;
    struct api_stat s;
    int64_t began_ms;

    (void)client_send(fd, SV("garbage which is not FastCGI"));
    client_read(fd, &a, LONG_MS);
    answer_fini(&a);
    began_ms = clock_mono_ms();
    do {
        (void)poll(NULL, 0, 5);
        api_stat(rig.api, &s);
    } while (s.connections > 0 && clock_mono_ms() - began_ms < LONG_MS);
    ok(clock_mono_ms() - began_ms < 1900, "no reader waits 2 s for a peer that sent garbage");
    (void)close(fd);
}

static void test_broken(void)
{
    struct buf b = { 0 }, whole = { 0 };

    expect_closed(SV("GET / HTTP/1.0\r\n\r\n"), false, "HTTP");
    expect_closed(SV(""), true, "nothing");

    put_begin(&b, 1, ROLE_IS_AUTHORIZER, false);
    put_params(&b, 1, (const char *const[]){ "REQUEST_METHOD", "GET", "REQUEST_URI", "/health", NULL });
    put_stdin(&b, 1, SV(""));
    expect_closed(buf_sv(&b), false, "an authorizer's request");

    put_request(&whole, "POST", A_PATH, as_platform, SV(MESSAGE));
    for (size_t n = 1; n < whole.n - 8; n += n < 16 ? 1 : 23) {
        struct fcgi_answer a;
        int fd = client_connect(rig.path);
        (void)client_send(fd, (struct sv){ whole.p, n });
        (void)shutdown(fd, SHUT_WR);
        client_read(fd, &a, LONG_MS);
        if (a.status != 0 || !a.closed)
            ok(false, "cut after %zu bytes of %zu: status %d", n, whole.n, a.status);
        answer_fini(&a);
        (void)close(fd);
    }
    ok(true, "a request that is cut at any byte is not answered");
    expect_closed((struct sv){ whole.p, whole.n - 9 }, true, "cut right before the end of the body");

    buf_clear(&b);
    put_begin(&b, 1, ROLE_IS_RESPONDER, false);
    put_params(&b, 1,
               (const char *const[]){ "REQUEST_METHOD", "POST", "REQUEST_URI", A_PATH, "HTTP_AUTHORIZATION",
                                      "Bearer " RIG_PLATFORM, "CONTENT_TYPE", "application/json", "CONTENT_LENGTH",
                                      "100", NULL });
    put_record(&b, REC_STDIN, 1, SV("{\"conv"), 0);
    put_record(&b, REC_ABORT, 1, SV(""), 0);
    expect_closed(buf_sv(&b), false, "FCGI_ABORT_REQUEST in a body");

    buf_clear(&b);
    put_begin(&b, 1, ROLE_IS_RESPONDER, false);
    put_record(&b, REC_PARAMS, 1, SV("\x84\0\0\0\x84\0\0\0X"), 0);
    put_record(&b, REC_PARAMS, 1, SV(""), 0);
    expect_closed(buf_sv(&b), true, "a name of 64 MiB that does not come");
    buf_fini(&b);
    buf_fini(&whole);
}

int main(void)
{
    struct api_options o = rig_options();

    test_pins();
    test_error_close();
    rig_start(&rig, &o);
    test_shapes();
    test_split_records();
    test_large_params();
    test_broken();
    test_no_wait();
    rig_stop(&rig);
    return done_testing();
}
