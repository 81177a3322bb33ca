/* SPDX-License-Identifier: MIT
 * The loop: order of calls, timers that may be set and freed from inside, descriptors in every state (errors, hang-ups,
 * reused numbers), posts from other threads, signals. Nothing here waits longer than some milliseconds. */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/loop.h"
#include "t/tap.h"

static struct loop *l;
static char trace[256];

#define LETTER(c) ((void *)(intptr_t)(c))

static void note(void *arg)
{
    size_t n = strlen(trace);

    (void)snprintf(trace + n, sizeof(trace) - n, "%c", (char)(intptr_t)arg);
}

/* Turns until the flag is set, at most two seconds. */
static void until(const int *flag)
{
    int64_t end = clock_mono_ms() + 2000;

    while (!*flag && clock_mono_ms() < end)
        loop_turn(l, false);
}

/* soon */

static void nested(void *arg)
{
    note(arg);
    loop_soon(l, note, LETTER('c'));
    note(LETTER('('));
    loop_soon(l, note, LETTER('d'));
    note(LETTER(')'));
}

static int endless;

static void again(void *arg)
{
    if (endless++ < 100000)
        loop_soon(l, again, arg);
}

static void test_soon(void)
{
    struct loop_timer *t = loop_timer_new(l, note, LETTER('t'));

    trace[0] = '\0';
    loop_soon(l, nested, LETTER('a'));
    loop_soon(l, note, LETTER('b'));
    is_str(trace, "", "not at once");
    loop_turn(l, true);
    is_str(trace, "a()bcd", "in order, not nested; and waiting does not block");
    trace[0] = '\0';
    loop_soon(l, again, NULL);
    loop_timer_set(t, 0);
    for (int i = 0; i < 5; i++)
        loop_turn(l, true);
    ok(endless > 0 && endless < 100000, "a chain without end (%d)", endless);
    is_str(trace, "t", "does not starve a timer");
    while (endless < 100000)
        loop_turn(l, true);
    loop_turn(l, false);
    loop_timer_free(t);
}

/* timers */

static int fired;
static struct loop_timer *self;
static int64_t set_at, late;

static void count_and_set(void *arg)
{
    (void)arg;
    if (++fired < 5)
        loop_timer_set(self, 0);
}

static void free_self(void *arg)
{
    fired = 1;
    loop_timer_free(arg != NULL ? self : NULL);
}

static void measure(void *arg)
{
    (void)arg;
    late = clock_mono_ms() - set_at;
    fired = 1;
}

static void test_timers(void)
{
    struct loop_timer *t;

    self = loop_timer_new(l, count_and_set, NULL);
    ok(!loop_timer_is_set(self), "new: not set");
    loop_timer_set(self, -5);
    ok(loop_timer_is_set(self), "set");
    loop_turn(l, false);
    loop_turn(l, false);
    ok(fired >= 1 && fired < 5, "one that sets itself to 0 gives way (%d)", fired);
    for (int i = 0; i < 100 && fired < 5; i++)
        loop_turn(l, true);
    is_int(fired, 5, "fired as often as set");
    loop_timer_free(self);

    fired = 0;
    self = loop_timer_new(l, free_self, LETTER(1));
    loop_timer_set(self, 0);
    until(&fired);
    ok(fired, "freed from inside");

    fired = 0;
    t = loop_timer_new(l, measure, NULL);
    for (int i = 0; i < 5; i++) {
        fired = 0;
        (void)usleep(700);
        set_at = clock_mono_ms();
        loop_timer_set(t, 3);
        until(&fired);
        if (late < 3)
            break;
    }
    ok(late >= 3, "never early (%lld ms)", (long long)late);
    fired = 0;
    loop_timer_set(t, 1);
    loop_timer_stop(t);
    ok(!loop_timer_is_set(t), "stopped");
    (void)usleep(3000);
    loop_turn(l, false);
    is_int(fired, 0, "does not fire");
    loop_timer_set(t, 0);
    loop_timer_free(t);
    loop_turn(l, false);
    is_int(fired, 0, "nor when freed while set");
}

/* descriptors */

struct watch {
    struct loop_fd *f;
    int fd, events, calls, keep;
};

static void on_fd(void *arg, int events)
{
    struct watch *w = arg;
    char c[16];

    w->events = events;
    w->calls++;
    if (w->keep == 0)
        loop_fd_want(w->f, 0);
    else if ((events & LOOP_READ) != 0 && read(w->fd, c, sizeof(c)) <= 0)
        loop_fd_want(w->f, 0);
}

static void turns(int n)
{
    while (n-- > 0)
        loop_turn(l, false);
}

static void test_pair(void)
{
    struct watch w = { .keep = 1 };
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        bail_out("socketpair");
    w.fd = pair[0];
    w.f = loop_fd_new(l, pair[0], on_fd, &w);
    turns(2);
    is_int(w.calls, 0, "nothing wanted, nothing told");
    loop_fd_want(w.f, LOOP_READ | LOOP_WRITE);
    turns(1);
    is_int(w.events, LOOP_WRITE, "writable");
    loop_fd_want(w.f, LOOP_READ);
    w.calls = 0;
    turns(3);
    is_int(w.calls, 0, "no longer told when no longer wanted");
    ok(write(pair[1], "x", 1) == 1, "a byte");
    turns(2);
    is_int(w.events, LOOP_READ, "readable");
    loop_fd_want(w.f, 0);
    w.calls = 0;
    ok(write(pair[1], "x", 1) == 1, "a byte");
    turns(3);
    is_int(w.calls, 0, "not wanted, not told");
    loop_fd_want(w.f, LOOP_READ);
    turns(2);
    is_int(w.calls, 1, "wanted again, told");
    (void)close(pair[1]);
    w.calls = 0;
    turns(2);
    is_int(w.events, LOOP_READ, "a hang-up reads");
    loop_fd_free(w.f);
    (void)close(pair[0]);

    w.calls = 0; /* the number is used again before libuv's close callback has run */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) != 0)
        bail_out("socketpair");
    is_int(pair[0], w.fd, "the same number");
    w.f = loop_fd_new(l, pair[0], on_fd, &w);
    ok(w.f != NULL, "registered anew");
    loop_fd_want(w.f, LOOP_WRITE);
    turns(1);
    is_int(w.events, LOOP_WRITE, "and works");
    loop_fd_free(w.f);
    w.calls = 0;
    turns(2);
    is_int(w.calls, 0, "freed: never told");
    (void)close(pair[0]);
    (void)close(pair[1]);
}

/* A refused connection: the kernel reports POLLERR, for which libuv stops the handle with a status. */
static void test_error(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET };
    socklen_t n = sizeof(to);
    struct watch w = { 0 };
    int taken = socket(AF_INET, SOCK_STREAM, 0), error = 0;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(taken, (struct sockaddr *)&to, sizeof(to)) != 0 || getsockname(taken, (struct sockaddr *)&to, &n) != 0)
        bail_out("bind");
    w.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)!connect(w.fd, (struct sockaddr *)&to, sizeof(to));
    w.f = loop_fd_new(l, w.fd, on_fd, &w);
    loop_fd_want(w.f, LOOP_WRITE);
    for (int i = 0; i < 1000 && w.calls == 0; i++)
        loop_turn(l, false);
    is_int(w.events, LOOP_WRITE, "a refused connection is told as writable");
    n = sizeof(error);
    (void)getsockopt(w.fd, SOL_SOCKET, SO_ERROR, &error, &n);
    ok(error != 0, "where the error is met: %s", strerror(error));
    w.calls = 0;
    w.keep = 1;
    loop_fd_want(w.f, LOOP_READ);
    turns(3);
    ok(w.calls > 0, "wanted again after an error: told again");
    loop_fd_free(w.f);
    (void)close(w.fd);
    (void)close(taken);
}

static struct watch both[2];

static void free_both(void *arg, int events)
{
    (void)arg;
    (void)events;
    fired++;
    for (int i = 0; i < 2; i++) {
        loop_fd_free(both[i].f);
        (void)close(both[i].fd);
    }
}

/* posts */

#define POSTS 2000
static atomic_int expected[2];
static int posted, disorder;

static void on_post(void *arg)
{
    int number = (int)(intptr_t)arg;

    disorder += expected[number & 1]++ != number >> 1;
    if (++posted == 2 * POSTS)
        loop_stop(l);
}

static void *poster(void *arg)
{
    for (int i = 0; i < POSTS; i++)
        if (!loop_post(l, on_post, (void *)(intptr_t)(i << 1 | (int)(intptr_t)arg)))
            abort();
    return NULL;
}

static void test_post(void)
{
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, poster, (void *)(intptr_t)i) != 0)
            bail_out("pthread_create");
    loop_run(l);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    ok(posted == 2 * POSTS && disorder == 0, "all posts, each thread's in order");
}

static void on_signal(void *arg)
{
    (void)arg;
    fired = 1;
}

static void post_more(void *arg)
{
    note(LETTER('p'));
    if (!loop_post(l, note, arg))
        abort();
}

int main(void)
{
    struct loop_signal *s;
    int pair[2];

    l = loop_new();
    test_soon();
    test_timers();
    test_pair();
    test_error();

    if (pipe(pair) != 0)
        bail_out("pipe");
    fired = 0;
    for (int i = 0; i < 2; i++) {
        both[i].fd = i == 0 ? pair[1] : dup(pair[1]);
        both[i].f = loop_fd_new(l, both[i].fd, free_both, NULL);
        loop_fd_want(both[i].f, LOOP_WRITE);
    }
    turns(3);
    is_int(fired, 1, "both ready, the first frees both: the second is not told");
    (void)close(pair[0]);
    FILE *plain = tmpfile();
    ok(loop_fd_new(l, fileno(plain), on_fd, NULL) == NULL, "a plain file cannot be watched");
    (void)fclose(plain);

    test_post();
    s = loop_signal_new(l, SIGUSR1, on_signal, NULL);
    fired = 0;
    (void)raise(SIGUSR1);
    until(&fired);
    ok(fired, "a signal");
    loop_signal_free(s);

    trace[0] = '\0';
    ok(loop_post(l, post_more, LETTER('q')), "posted before the end");
    loop_free(l);
    has_str(trace, "p", "posts that are left run when the loop is freed");
    l = loop_new();
    loop_free(l);
    return done_testing();
}
