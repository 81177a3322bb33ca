/* SPDX-License-Identifier: MIT
 * Tests of src/api/fcgi_stream.c: answers that go on, and every way in which they end. */
#include "config.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fcgi_own.h"
#include "lib/clock.h"
#include "t/api/fcgi_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define MANY 300

static int drained;

/* ---- pieces ---- */

static void test_pieces(void)
{
    struct peer one, two;
    struct fate *first = ask(&one), *second;

    heard(&one, HEAD, false, "the head is there at once");
    is_int(write_to(first, SV("second")), 0, "a piece");
    heard(&one, "second", false, "arrives before the next one is written");
    is_int(write_to(first, SV("")), 0, "nothing may be written, too");
    second = ask(&two);
    (void)write_to(first, SV("third"));
    heard(&one, "third", false, "which is no end");
    (void)write_to(second, SV(", its own"));
    heard(&two, HEAD ", its own", false, "two at once do not mix");
    end_stream(second);
    heard(&two, "", true, "the end is proper");
    end_stream(first);
    heard(&one, "", true, "each time");
    is_int(closed, 2, "both are forgotten");
    is_int(fcgi_live(fcgi), 0, "no connection is left");
    is_int(first->gone + second->gone, 0, "nobody has gone");
    hang_up(&one);
    hang_up(&two);
}

static char pattern[3000000];

static void test_large(void)
{
    struct peer p;
    struct fate *fate = ask(&p);
    int before = closed;

    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (char)('a' + i % 23);
    is_int(write_to(fate, (struct sv){ pattern, sizeof(pattern) }), 0, "3 MB are taken when nothing waits");
    end_stream(fate);
    is_int(closed, before, "an end waits for what waits");
    hear_until(&p, &p.ended);
    ok(p.out.n == strlen(HEAD) + sizeof(pattern) && memcmp(p.out.p + strlen(HEAD), pattern, sizeof(pattern)) == 0,
       "all of it comes");
    ok(p.ended && turn_until(&closed, before + 1), "and the end");
    hang_up(&p);

    fate = ask(&p);
    (void)write_to(fate, (struct sv){ pattern, sizeof(pattern) });
    is_int(write_to(fate, SV("more")), -1, "while they wait, nothing more is taken");
    ok(turn_until(&fate->gone, 1), "which is a loss");
    hang_up(&p);
}

/* Held up and read on, in turns: nothing is lost or mixed up. */
static void test_held_up(void)
{
    struct peer p;
    struct fate *fate = ask(&p);
    struct buf all = { 0 };
    int number = 0;

    buf_add(&all, SV(HEAD));
    for (int round = 0; round < 8; round++) {
        fill(fate, &number, &all);
        for (int i = 0; i < 20; i++)
            fill(fate, &number, &all);
        hear(&p, round % 2 == 0 ? 30000 : SIZE_MAX);
        loop_turn(loop, false);
    }
    is_int(fate->gone, 0, "who reads now and then is not dropped");
    end_stream(fate);
    hear_until(&p, &p.ended);
    is_int(p.out.n, all.n, "%d pieces", number);
    ok(p.ended && sv_eq(buf_sv(&p.out), buf_sv(&all)), "come in their order");
    hang_up(&p);
    buf_fini(&all);
}

/* ---- losses ---- */

static void test_disconnect(void)
{
    struct peer p;
    struct fate *fate = ask(&p);
    struct buf b = { 0 };
    int before = closed;

    hang_up(&p);
    ok(turn_until(&closed, before + 1) && fate->gone == 1, "a web server that closes is noticed without a write");
    is_int(fate->written, -1, "nothing can be written in gone");

    fate = ask(&p);
    hang_up(&p);
    is_int(write_to(fate, SV("x")), -1, "and by a write");
    is_int(write_to(fate, SV("x")), -1, "which fails from then on");
    is_int(fate->gone, 0, "gone has not come");
    ok(turn_until(&closed, before + 2) && fate->gone == 1, "but it comes, once");

    fate = ask(&p);
    put_record(&b, REC_STDIN, 1, SV(""), 0);
    (void)client_send(p.fd, buf_sv(&b));
    loop_turn(loop, false);
    is_int(write_to(fate, SV("x")), 0, "another end of the body does no harm");
    buf_clear(&b);
    put_record(&b, REC_ABORT, 1, SV(""), 0);
    (void)client_send(p.fd, buf_sv(&b));
    ok(turn_until(&closed, before + 3) && fate->gone == 1, "an abort is a loss");
    heard(&p, HEAD "x", true, "with a proper end");
    hang_up(&p);

    fate = ask(&p);
    (void)shutdown(p.fd, SHUT_WR);
    ok(turn_until(&closed, before + 4) && fate->gone == 1, "so is half a close: lighttpd passes on the client's so");
    heard(&p, HEAD, true, "again with a proper end");
    hang_up(&p);

    fate = ask(&p);
    hang_up(&p);
    is_int(write_to(fate, SV("x")), -1, "what is lost");
    end_stream(fate);
    ok(turn_until(&closed, before + 5), "may be ended");
    is_int(fate->gone, 0, "and then gone does not come");
    buf_fini(&b);
}

/* Nothing is sent to it any more, not even what waits. */
static void test_disconnect_unread(void)
{
    struct peer p;
    struct fate *fate = ask(&p);
    struct buf all = { 0 };
    int number = 0;

    fill(fate, &number, &all);
    (void)shutdown(p.fd, SHUT_WR);
    ok(turn_until(&fate->gone, 1), "half a close while something waits");
    hear_until(&p, &p.closed);
    ok(p.closed && !p.ended, "is a cut");
    hang_up(&p);
    buf_fini(&all);
}

static void test_unread(void)
{
    static const char piece[1000] = { 'x' };
    struct peer p;
    struct fate *fate = ask(&p);
    size_t taken = 0;

    while (taken < 100000000 && write_to(fate, (struct sv){ piece, sizeof(piece) }) == 0)
        taken += sizeof(piece);
    is_int(fate->gone, 0, "who does not read is not dropped inside a call");
    ok(turn_until(&fate->gone, 1), "but soon");
    hear_until(&p, &p.closed);
    ok(p.closed && !p.ended, "the connection is cut");
    ok(taken > 50000 && taken <= p.out.n + BUFFER_MAX, "of %zu bytes no more than %d waited here", taken, BUFFER_MAX);
    hang_up(&p);
}

static void test_limit(void)
{
    struct peer p;
    struct fate *fate = ask(&p);
    struct buf all = { 0 };
    int number = 0;

    fill(fate, &number, &all);
    is_int(fate->gone, 0, "little waits");
    ok(turn_until(&fate->gone, 1), "but for too long");
    hear_until(&p, &p.closed);
    ok(p.closed && !p.ended, "that is cut, too");
    hang_up(&p);
    buf_fini(&all);
}

/* Reads on a second and more, a piece every 100 ms; each of them begins the limit anew. Meanwhile more is written. */
static void test_slow_reader(void)
{
    struct peer p;
    struct fate *fate = ask(&p);
    int64_t began_ms = clock_mono_ms();
    struct buf all = { 0 };
    int lost = 0;

    fate->r->stream.max = 2 * sizeof(pattern);
    buf_add(&all, SV(HEAD));
    buf_add(&all, (struct sv){ pattern, sizeof(pattern) });
    (void)write_to(fate, (struct sv){ pattern, sizeof(pattern) });
    while (fate->gone == 0 && p.out.n < sizeof(pattern)) {
        (void)poll(NULL, 0, 100);
        hear(&p, SIZE_MAX);
        loop_turn(loop, false);
        buf_add(&all, SV("more"));
        lost |= write_to(fate, SV("more"));
    }
    ok(clock_mono_ms() - began_ms > 1000, "who reads slowly takes longer than the limit");
    ok(fate->gone == 0 && lost == 0, "and is not dropped");
    end_stream(fate);
    hear_until(&p, &p.ended);
    ok(p.ended && p.out.n == all.n && memcmp(p.out.p, all.p, all.n) == 0, "everything comes, in its order");
    hang_up(&p);
    buf_fini(&all);
}

/* ---- what a request leaves on its connection ---- */

static void test_body_left(void)
{
    struct peer p = { .fd = client_connect(socket_path) };
    struct buf b = { 0 };
    int before = handled;
    struct fate *fate = &fates[before];

    put_head(&b, false, "unread");
    put_record(&b, REC_STDIN, 1, SV("01234"), 0);
    (void)client_send(p.fd, buf_sv(&b));
    ok(turn_until(&handled, before + 1), "a stream although the body is still being sent");
    buf_clear(&b);
    put_record(&b, REC_STDIN, 1, (struct sv){ "\1\2\3", 3 }, 0); /* what looks like an abort in the middle of a body */
    (void)client_send(p.fd, (struct sv){ b.p, 8 });
    loop_turn(loop, false);
    (void)client_send(p.fd, (struct sv){ b.p + 8, 3 });
    loop_turn(loop, false);
    is_int(write_to(fate, SV("x")), 0, "it is not listened to");
    end_stream(fate);
    hear_until(&p, &p.closed);
    ok(p.ended && p.closed && sv_eq(buf_sv(&p.out), SV(HEAD "x")), "the end is proper");
    hang_up(&p);
    buf_fini(&b);
    ok(turn_until(&closed, handled), "the rest is awaited, and then it is over");
}

static void test_kept(void)
{
    struct peer p = { .fd = client_connect(socket_path) };
    struct fate *fate = ask_on(&p, true);
    struct buf b = { 0 };
    int before = handled;

    end_stream(fate);
    hear(&p, SIZE_MAX);
    ok(p.ended && !p.closed, "a connection is kept after a stream");
    p.ended = false;
    put_get(&b, true);
    (void)client_send(p.fd, (struct sv){ b.p, 12 });
    for (int i = 0; i < 20; i++)
        loop_turn(loop, false);
    (void)client_send(p.fd, (struct sv){ b.p + 12, b.n - 12 });
    ok(turn_until(&handled, before + 1), "and good for another request, in pieces");
    end_stream(&fates[before]);
    hear(&p, SIZE_MAX);
    ok(p.ended && !p.closed, "which streams, too");
    hang_up(&p);
    buf_fini(&b);
}

static void test_memory(void)
{
    static struct peer peers[MANY];
    struct mallinfo2 before = mallinfo2(), now;
    int gone = 0, first = handled;

    for (int i = 0; i < MANY; i++)
        (void)ask(&peers[i]);
    now = mallinfo2();
    ok((now.uordblks - before.uordblks) / MANY < 1500, "an idle stream costs %zu bytes (and its descriptor)",
       (now.uordblks - before.uordblks) / MANY);
    for (int i = 0; i < MANY; i++)
        gone += write_to(&fates[first + i], SV("x"));
    is_int(gone, 0, "%d at once", MANY);
    for (int i = 0; i < MANY; i++)
        hang_up(&peers[i]);
    ok(turn_until(&closed, first + MANY), "all are noticed when they go");
}

/* ---- the end ---- */

static void on_drained(void *arg)
{
    (void)arg;
    drained++;
}

static void test_drain(void)
{
    struct peer open, unread, half = { .fd = client_connect(socket_path) };
    struct fate *fates_of[2] = { ask(&open), ask(&unread) };
    struct buf b = { 0 }, all = { 0 };
    int number = 0, before = handled;

    put_get(&b, false);
    (void)client_send(half.fd, (struct sv){ b.p, b.n - 4 });
    for (int i = 0; i < TURNS && fcgi_live(fcgi) < 3; i++)
        (void)poll(NULL, 0, 5);
    buf_add(&all, SV(HEAD));
    fill(fates_of[1], &number, &all);
    inside++;
    fcgi_drain(fcgi, on_drained, NULL);
    inside--;
    is_int(write_to(fates_of[0], SV("x")), -1, "a drain ends streams");
    ok(turn_until(&fates_of[0]->gone, 1) && turn_until(&fates_of[1]->gone, 1), "gone comes");
    heard(&open, HEAD, true, "the end is proper");
    is_int(drained, 0, "not drained while something is to be read");
    hear_until(&unread, &unread.ended);
    ok(unread.ended && sv_eq(buf_sv(&unread.out), buf_sv(&all)), "and what waited comes before");
    (void)client_send(half.fd, (struct sv){ b.p + b.n - 4, 4 });
    ok(turn_until(&handled, before + 1) && turn_until(&fates[before].gone, 1), "one that begins now is ended, too");
    hear_until(&half, &half.ended);
    ok(half.ended && sv_eq(buf_sv(&half.out), SV(HEAD)), "properly");
    ok(turn_until(&drained, 1), "drained");
    hang_up(&open);
    hang_up(&unread);
    hang_up(&half);
    buf_fini(&b);
    buf_fini(&all);
}

/* Open ones, one that is on its way to gone, and one that is ended in another's gone. */
static void test_close(void)
{
    struct peer peers[5];
    struct fate *f[5];

    for (int i = 0; i < 5; i++)
        f[i] = ask(&peers[i]);
    hang_up(&peers[0]);
    is_int(write_to(f[0], SV("x")), -1, "one is lost");
    f[3]->end = f[2];
    finish();
    is_int(f[0]->gone, 1, "its gone comes before the end");
    ok(f[1]->gone == 1 && f[3]->gone == 1 && f[4]->gone == 1, "the open ones' too");
    is_int(f[1]->written, -1, "in which nothing can be written");
    ok(f[2]->gone == 0, "the one that was ended has none");
    is_int(closed, 5, "all are forgotten");
    hear(&peers[1], SIZE_MAX);
    ok(peers[1].closed && !peers[1].ended, "open ones are cut");
    hear(&peers[2], SIZE_MAX);
    ok(peers[2].closed && peers[2].ended, "the other one has its end");
    for (int i = 1; i < 5; i++)
        hang_up(&peers[i]);
}

/* A loss that is still to be told when nothing else is awaited. */
static void test_close_at_once(void)
{
    struct peer p;
    struct fate *fate;

    no_stream = true;
    fate = ask(&p);
    no_stream = false;
    drained = 0;
    fcgi_drain(fcgi, on_drained, NULL);
    for (int i = 0; i < TURNS && !fcgi_pool_ended(fcgi); i++) {
        loop_turn(loop, false);
        (void)poll(NULL, 0, 5);
    }
    begin_stream(fate);
    is_int(fate->gone, 0, "a stream that begins after the drain is not told inside");
    is_int(drained, 0, "and is waited for");
    finish();
    ok(fate->gone == 1 && closed == 1, "but once, and before the end");
    hear(&p, SIZE_MAX);
    ok(p.ended && p.closed, "its end is proper");
    hang_up(&p);
}

int main(void)
{
    char dir[64] = "/tmp/tk-stream-XXXXXX";

    if (mkdtemp(dir) == NULL)
        bail_out("mkdtemp: %s", strerror(errno));
    (void)snprintf(socket_path, sizeof(socket_path), "%s/s", dir);
    begin(LONG_MS);
    test_pieces();
    test_large();
    test_held_up();
    test_disconnect();
    test_disconnect_unread();
    test_unread();
    test_body_left();
    test_kept();
    test_memory();
    finish();
    begin(50);
    test_limit();
    finish();
    begin(1000);
    test_slow_reader();
    finish();
    begin(LONG_MS);
    test_drain();
    finish();
    begin(LONG_MS);
    test_close();
    begin(LONG_MS);
    test_close_at_once();
    (void)rmdir(dir);
    is_int(nested, 0, "gone never came inside a call");
    return done_testing();
}
