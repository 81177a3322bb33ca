/* SPDX-License-Identifier: MIT
 * Tests of src/api/fcgi.c, fcgi_pool.c, fcgi_keep.c and fcgi_write.c: a request's way from a connection to the loop and back, whatever
 * the other side does.
 * Under ThreadSanitizer (configure --enable-sanitizer=thread, make check TESTS=t/api/fcgi.t) this is also the proof of the hand-over. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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

static void test_signals(void)
{
    struct sigaction now;

    (void)sigaction(SIGTERM, NULL, &now);
    ok(now.sa_handler == SIG_DFL, "SIGTERM is as it was");
    (void)sigaction(SIGUSR1, NULL, &now);
    ok(now.sa_handler == SIG_DFL, "SIGUSR1 is as it was");
    (void)sigaction(SIGPIPE, NULL, &now);
    ok(now.sa_handler == SIG_IGN, "SIGPIPE is ignored");
}

static void expect(int status, struct sv request, const char *what)
{
    struct fcgi_answer a;

    client_ask(rig.path, request, &a);
    ok(a.status == status && a.ended && a.closed && !a.reset, "%s: %d (got %d, ended %d, closed %d, reset %d)", what,
       status, a.status, a.ended, a.closed, a.reset);
    answer_fini(&a);
}

static void put_kept_get(struct buf *b, int id)
{
    put_begin(b, id, ROLE_IS_RESPONDER, true);
    put_params(b, id, (const char *const[]){ "REQUEST_METHOD", "GET", "REQUEST_URI", "/health", NULL });
    put_stdin(b, id, SV(""));
}

static void test_kept(void)
{
    struct buf b = { 0 }, post = { 0 };
    struct fcgi_answer a;
    int fds[30], good = 0;

    for (int round = 0; round < 4; round++) {
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            if (round == 0)
                fds[i] = client_connect(rig.path);
            buf_clear(&b);
            put_kept_get(&b, round * 100 + (int)i + 1);
            (void)client_send(fds[i], buf_sv(&b));
        }
        for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
            client_read_kept(fds[i], &a, LONG_MS);
            good += a.status == 200 && a.ended && !a.closed;
            answer_fini(&a);
        }
    }
    is_int(good, 4 * ARRAY_LEN(fds), "30 connections, four requests on each");
    atomic_store(&rig_script.result_size, 3000000);
    put_begin(&post, 1, ROLE_IS_RESPONDER, true);
    put_params(&post, 1,
               (const char *const[]){ "REQUEST_METHOD", "POST", "REQUEST_URI", A_PATH, "HTTP_AUTHORIZATION",
                                      "Bearer " RIG_PLATFORM, "CONTENT_TYPE", "application/json", NULL });
    put_stdin(&post, 1, SV(MESSAGE));
    (void)client_send(fds[0], buf_sv(&post));
    (void)poll(NULL, 0, 50);
    client_read_kept(fds[0], &a, LONG_MS);
    ok(a.status == 200 && a.ended && !a.closed && answer_body(&a).n > 3000000, "a large answer on a kept connection");
    answer_fini(&a);
    atomic_store(&rig_script.result_size, 0);
    (void)client_send(fds[0], (struct sv){ b.p, 20 });
    (void)poll(NULL, 0, 50);
    (void)client_send(fds[0], (struct sv){ b.p + 20, b.n - 20 });
    client_read_kept(fds[0], &a, LONG_MS);
    ok(a.status == 200 && !a.closed, "which is good for another request, in pieces");
    answer_fini(&a);
    buf_clear(&post);
    put_begin(&post, 1, ROLE_IS_RESPONDER, true);
    put_params(&post, 1,
               (const char *const[]){ "REQUEST_METHOD", "POST", "REQUEST_URI", A_PATH, "CONTENT_LENGTH", "99", NULL });
    put_stdin(&post, 1, SV(MESSAGE));
    (void)client_send(fds[3], buf_sv(&post));
    client_read_kept(fds[3], &a, LONG_MS);
    ok(a.status == 401 && a.ended && !a.closed, "refused, with a small body that is there: kept");
    answer_fini(&a);
    (void)client_send(fds[3], (struct sv){ b.p, 20 });
    (void)poll(NULL, 0, 50);
    (void)client_send(fds[3], (struct sv){ b.p + 20, b.n - 20 });
    client_read_kept(fds[3], &a, LONG_MS);
    ok(a.status == 200 && !a.closed, "and good for another request");
    answer_fini(&a);
    buf_clear(&b);
    put_request(&b, "GET", "/health", NULL, SV_NONE);
    (void)client_send(fds[1], buf_sv(&b));
    client_read(fds[1], &a, LONG_MS);
    ok(a.status == 200 && a.closed, "the last request on a connection closes it");
    answer_fini(&a);
    (void)client_send(fds[2], SV("nonsense, not a record at all"));
    client_read(fds[2], &a, LONG_MS);
    ok(a.status == 0 && a.closed, "nonsense closes it too");
    answer_fini(&a);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++)
        (void)close(fds[i]);
    expect(200, buf_sv(&b), "closed by the web server: nobody cares");
    buf_fini(&b);
    buf_fini(&post);
}

/* ---- bodies that nobody wants ---- */

static void test_unread_body(void)
{
    struct buf b = { 0 }, body = { 0 };
    struct fcgi_answer a;
    int fd;

    while (body.n < 4000000)
        buf_add(&body, SV("0123456789"));
    put_request(&b, "POST", A_PATH, NULL, buf_sv(&body));
    expect(401, buf_sv(&b), "4 MB without a credential, sent to the end");
    buf_clear(&b);
    put_request(&b, "POST", A_PATH, as_platform, buf_sv(&body));
    expect(413, buf_sv(&b), "4 MB with one");
    buf_clear(&b);
    put_request(&b, "POST", "/nowhere", NULL, buf_sv(&body));
    expect(404, buf_sv(&b), "4 MB to nowhere");

    /* The answer does not wait for the body. */
    buf_clear(&b);
    put_begin(&b, 1, ROLE_IS_RESPONDER, true);
    put_params(
        &b, 1,
        (const char *const[]){ "REQUEST_METHOD", "POST", "REQUEST_URI", A_PATH, "CONTENT_LENGTH", "4000000", NULL });
    put_record(&b, REC_STDIN, 1, SV("01234567"), 0);
    fd = client_connect(rig.path);
    (void)client_send(fd, buf_sv(&b));
    client_read(fd, &a, LONG_MS);
    ok(a.status == 401 && a.ended && a.closed, "refused before the body is there, and our side is closed");
    answer_fini(&a);
    (void)close(fd);
    buf_fini(&b);
    buf_fini(&body);
}

/* ---- slow ones ---- */

static void test_slow_senders(void)
{
    int fds[40];
    struct buf b = { 0 }, part = { 0 };
    struct fcgi_answer a;

    put_begin(&part, 1, ROLE_IS_RESPONDER, false);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = client_connect(rig.path);
        if (i % 2 == 0)
            (void)client_send(fds[i], buf_sv(&part));
    }
    put_request(&b, "GET", "/health", NULL, SV_NONE);
    expect(200, buf_sv(&b), "served while 40 connections say nothing");
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        client_read(fds[i], &a, LONG_MS);
        if (!a.closed || a.status != 0)
            ok(false, "a silent connection is cut");
        answer_fini(&a);
        (void)close(fds[i]);
    }
    ok(true, "all of them are cut in the end");
    expect(200, buf_sv(&b), "served after that");
    buf_fini(&b);
    buf_fini(&part);
}

static void test_large_answer(void)
{
    struct buf b = { 0 }, health = { 0 };
    struct fcgi_answer a;
    int fd = client_connect(rig.path), stuck = client_connect(rig.path);

    atomic_store(&rig_script.result_size, 5000000);
    put_request(&b, "POST", A_PATH, as_platform, SV(MESSAGE));
    put_request(&health, "GET", "/health", NULL, SV_NONE);
    (void)client_send(fd, buf_sv(&b));
    (void)client_send(stuck, buf_sv(&b));
    for (int i = 0; i < 5; i++)
        expect(200, buf_sv(&health), "served while 5 MB wait to be read");
    client_read(fd, &a, LONG_MS);
    ok(a.status == 200 && a.ended && a.closed && !a.reset, "5 MB come whole");
    ok(answer_body(&a).n > 5000000, "all of them");
    ok(sv_eq(sv_from("}"), (struct sv){ a.out.p + a.out.n - 1, 1 }), "to the last byte");
    answer_fini(&a);
    atomic_store(&rig_script.result_size, 0);
    /* The other one is cut by the write timeout: it then finds less than the whole. */
    for (int i = 0; i < 4000; i++) {
        struct api_stat s;
        api_stat(rig.api, &s);
        if (s.connections == 0)
            break;
        (void)poll(NULL, 0, 5);
    }
    client_read(stuck, &a, LONG_MS);
    ok(a.closed && !a.ended, "who never reads is cut");
    answer_fini(&a);
    (void)close(fd);
    (void)close(stuck);
    buf_fini(&b);
    buf_fini(&health);
}

static void test_gone_client(void)
{
    struct buf b = { 0 };
    int before = atomic_load(&rig_seen.submits), fd = client_connect(rig.path);

    atomic_store(&rig_script.hold, true);
    put_request(&b, "POST", A_PATH, as_platform, SV(MESSAGE));
    (void)client_send(fd, buf_sv(&b));
    ok(rig_wait_int(&rig_seen.submits, before + 1), "a turn begins");
    (void)close(fd);
    rig_answer_all(&rig);
    ok(rig_wait_int(&rig_seen.waiting, 0), "its answer goes to nobody");
    buf_clear(&b);
    put_request(&b, "GET", "/health", NULL, SV_NONE);
    expect(200, buf_sv(&b), "which harms nobody");
    buf_fini(&b);
}

/* ---- many at once ---- */

#define PARKED 400

static void test_parked(void)
{
    static int fds[PARKED];
    struct buf b = { 0 }, health = { 0 };
    struct api_stat s;
    int before = atomic_load(&rig_seen.submits), good = 0;

    atomic_store(&rig_script.hold, true);
    put_request(&b, "POST", A_PATH, as_platform, SV(MESSAGE));
    put_request(&health, "GET", "/health", NULL, SV_NONE);
    for (int i = 0; i < PARKED; i++) {
        fds[i] = client_connect(rig.path);
        (void)client_send(fds[i], buf_sv(&b));
    }
    ok(rig_wait_int(&rig_seen.submits, before + PARKED), "%d requests wait", PARKED);
    api_stat(rig.api, &s);
    is_int(s.in_flight, PARKED, "and are counted");
    expect(200, buf_sv(&health), "others are served");
    rig_answer_all(&rig);
    for (int i = 0; i < PARKED; i++) {
        struct fcgi_answer a;
        client_read(fds[i], &a, LONG_MS);
        good += a.status == 200 && a.ended && a.closed && !a.reset;
        answer_fini(&a);
        (void)close(fds[i]);
    }
    is_int(good, PARKED, "all get their answer");
    api_stat(rig.api, &s);
    is_int(s.in_flight, 0, "nobody waits any more");
    buf_fini(&b);
    buf_fini(&health);
}

#define CLIENTS 8
#define ROUNDS 100

static void *client_rounds(void *arg)
{
    atomic_int *good = arg;
    struct buf post = { 0 }, get = { 0 }, bad = { 0 };

    put_request(&post, "POST", A_PATH, as_platform, SV(MESSAGE));
    put_request(&get, "GET", "/health", NULL, SV_NONE);
    put_request(&bad, "POST", A_PATH, NULL, SV(MESSAGE));
    for (int i = 0; i < ROUNDS; i++) {
        struct fcgi_answer a;
        client_ask(rig.path, i % 3 == 0 ? buf_sv(&post) : i % 3 == 1 ? buf_sv(&get) : buf_sv(&bad), &a);
        if (a.status == (i % 3 == 2 ? 401 : 200) && a.ended)
            atomic_fetch_add(good, 1);
        answer_fini(&a);
    }
    buf_fini(&post);
    buf_fini(&get);
    buf_fini(&bad);
    return NULL;
}

static void test_parallel(void)
{
    pthread_t threads[CLIENTS];
    atomic_int good = 0;

    for (int i = 0; i < CLIENTS; i++) {
        if (pthread_create(&threads[i], NULL, client_rounds, &good) != 0)
            bail_out("no thread");
    }
    for (int i = 0; i < CLIENTS; i++)
        (void)pthread_join(threads[i], NULL);
    is_int(atomic_load(&good), CLIENTS * ROUNDS, "%d clients, %d requests each", CLIENTS, ROUNDS);
}

/* ---- the end ---- */

static void test_drain(void)
{
    struct buf b = { 0 };
    struct fcgi_answer a;
    int before = atomic_load(&rig_seen.submits), parked = client_connect(rig.path), half = client_connect(rig.path);
    int kept = client_connect(rig.path), late;

    put_kept_get(&b, 1);
    (void)client_send(kept, buf_sv(&b));
    client_read_kept(kept, &a, LONG_MS);
    ok(a.status == 200 && !a.closed, "a connection is kept");
    answer_fini(&a);
    buf_clear(&b);
    atomic_store(&rig_script.hold, true);
    put_request(&b, "POST", A_PATH, as_platform, SV(MESSAGE));
    (void)client_send(parked, buf_sv(&b));
    (void)client_send(half, (struct sv){ b.p, b.n / 2 });
    ok(rig_wait_int(&rig_seen.submits, before + 1), "one waits, one is being read");
    for (int i = 0; i < 4000; i++) {
        struct api_stat s;
        api_stat(rig.api, &s);
        if (s.connections == 2)
            break;
        (void)poll(NULL, 0, 5);
    }
    rig_drain(&rig);
    client_read(kept, &a, LONG_MS);
    ok(a.closed, "kept connections are closed");
    answer_fini(&a);
    (void)close(kept);
    late = client_connect(rig.path);
    (void)client_send(late, buf_sv(&b));
    (void)client_send(half, (struct sv){ b.p + b.n / 2, b.n - b.n / 2 });
    ok(rig_wait_int(&rig_seen.submits, before + 2), "what was being read is handled");
    ok(!atomic_load(&rig.drained), "not drained while requests wait");
    rig_answer_all(&rig);
    client_read(parked, &a, LONG_MS);
    is_int(a.status, 200, "the one that waited is answered");
    answer_fini(&a);
    client_read(half, &a, LONG_MS);
    is_int(a.status, 200, "the other one too");
    answer_fini(&a);
    ok(rig_wait(&rig.drained), "drained");
    client_read(late, &a, 100);
    ok(a.status == 0 && !a.closed, "a later one is left for other processes on the socket");
    is_int(atomic_load(&rig_seen.submits), before + 2, "and not handled here");
    answer_fini(&a);
    (void)close(parked);
    (void)close(half);
    (void)close(late);
    buf_fini(&b);
}

/* Closing with one connection being read, one parked, one that does not read its answer. */
static void test_close(void)
{
    struct api_options o = rig_options();
    struct buf b = { 0 };
    int before = atomic_load(&rig_seen.submits), silent, parked, stuck;
    struct fcgi_answer a;

    rig_start(&rig, &o);
    put_request(&b, "POST", A_PATH, as_platform, SV(MESSAGE));
    silent = client_connect(rig.path);
    stuck = client_connect(rig.path);
    atomic_store(&rig_script.result_size, 3000000);
    (void)client_send(stuck, buf_sv(&b));
    ok(rig_wait_int(&rig_seen.submits, before + 1) && rig_wait_int(&rig_seen.waiting, 0), "one answer is not read");
    parked = client_connect(rig.path);
    (void)client_send(parked, (struct sv){ b.p, b.n - 1 });
    rig_stop(&rig);
    atomic_store(&rig_script.result_size, 0);
    client_read(parked, &a, LONG_MS);
    ok(a.closed && a.status == 0, "closing cuts what is open");
    answer_fini(&a);
    client_read(silent, &a, LONG_MS);
    ok(a.closed, "that too");
    answer_fini(&a);
    (void)close(silent);
    (void)close(parked);
    (void)close(stuck);
    buf_fini(&b);
}

static void test_no_listener(void)
{
    struct api_options o = rig_options();
    int pair[2], file = STDOUT_FILENO;
    struct err e;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        bail_out("socketpair: %s", strerror(errno));
    ok(!api_is_listener(pair[0]), "a connected socket is no listener");
    ok(!api_is_listener(file), "standard output is none");
    ok(!api_is_listener(-1), "nothing is none");
    o.loop = loop_new();
    o.listen_fd = pair[0];
    ok(api_open(&o, &e) == NULL && e.code == ERR_INVALID, "and is refused");
    loop_free(o.loop);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

int main(void)
{
    struct api_options o = rig_options();

    o.read_timeout_ms = 1500;
    o.write_timeout_ms = 2000;
    rig_start(&rig, &o);
    test_signals();
    test_kept();
    test_unread_body();
    test_slow_senders();
    test_large_answer();
    test_gone_client();
    test_parked();
    test_parallel();
    rig_stop(&rig);
    o.read_timeout_ms = 0;
    rig_start(&rig, &o);
    test_drain();
    rig_stop(&rig);
    test_close();
    test_no_listener();
    return done_testing();
}
