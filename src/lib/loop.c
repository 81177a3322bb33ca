/* SPDX-License-Identifier: MIT
 * The event loop over libuv. What libuv alone would not do:
 *  - an error on a descriptor (POLLERR) stops a uv_poll_t and reports a status; here it becomes what was wanted;
 *  - uv_poll_start removes and adds the descriptor in epoll at every change; here a wish that shrinks is only noted,
 *    and epoll is told when an event comes that nobody wants any more. Idle kept-alive connections cost nothing;
 *  - timers never fire early by clock_mono_ms(): libuv counts whole milliseconds of another clock, so one is added.
 * Handles are closed asynchronously by libuv and freed in its close callback. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

#include "lib/loop.h"

#define SOON_BUDGET 1024 /* calls of loop_soon that run before other events get their turn */
#define CLOSE_ROUNDS 100

struct call {
    loop_fn *fn;
    void *arg;
};

struct calls { /* a ring; size is a power of two or 0 */
    struct call *p;
    size_t size, head, n;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wake;
    uv_idle_t idle; /* active while soon is not empty, so that libuv does not sleep */
    struct calls soon;
    bool draining, in_timer;
    pthread_mutex_t mutex;
    struct calls posted; /* guarded by mutex */
};

struct loop_timer {
    uv_timer_t uv;
    struct loop *l;
    loop_fn *fn;
    void *arg;
};

struct loop_fd {
    uv_poll_t uv;
    struct loop *l;
    loop_fd_fn *fn;
    void *arg;
    int wanted, armed; /* armed: what libuv watches; may be more than wanted */
    bool inside, freed;
};

struct loop_signal {
    uv_signal_t uv;
    struct loop *l;
    loop_fn *fn;
    void *arg;
};

_Static_assert(LOOP_READ == UV_READABLE && LOOP_WRITE == UV_WRITABLE, "the masks are libuv's");

static void must(int rc, const char *what)
{
    if (rc == 0)
        return;
    (void)fprintf(stderr, "loop: %s: %s\n", what, uv_strerror(rc));
    abort();
}

static bool calls_add(struct calls *c, loop_fn *fn, void *arg)
{
    if (c->n == c->size) {
        size_t size = c->size == 0 ? 64 : c->size * 2;
        struct call *p = calloc(size, sizeof(*p));
        if (p == NULL)
            return false;
        for (size_t i = 0; i < c->n; i++)
            p[i] = c->p[(c->head + i) & (c->size - 1)];
        free(c->p);
        *c = (struct calls){ .p = p, .size = size, .n = c->n };
    }
    c->p[(c->head + c->n++) & (c->size - 1)] = (struct call){ fn, arg };
    return true;
}

static struct call calls_take(struct calls *c)
{
    struct call first = c->p[c->head];

    c->head = (c->head + 1) & (c->size - 1);
    c->n--;
    return first;
}

/* Runs at the end of each callback and while idle. */
static void drain(struct loop *l)
{
    if (l->soon.n == 0)
        return;
    l->draining = true;
    for (unsigned i = 0; i < SOON_BUDGET && l->soon.n > 0; i++) {
        struct call c = calls_take(&l->soon);
        c.fn(c.arg);
    }
    l->draining = false;
    if (l->soon.n == 0)
        (void)uv_idle_stop(&l->idle);
}

static void on_idle(uv_idle_t *h)
{
    drain(h->data);
}

/* One swap under the mutex; what is posted meanwhile wakes the loop again. */
static void on_wake(uv_async_t *h)
{
    struct loop *l = h->data;
    struct calls batch;

    (void)pthread_mutex_lock(&l->mutex);
    batch = l->posted;
    l->posted = (struct calls){ 0 };
    (void)pthread_mutex_unlock(&l->mutex);
    while (batch.n > 0) {
        struct call c = calls_take(&batch);
        c.fn(c.arg);
        drain(l);
    }
    (void)pthread_mutex_lock(&l->mutex);
    if (l->posted.p == NULL) { /* the memory is used again */
        l->posted = batch;
        batch.p = NULL;
    }
    (void)pthread_mutex_unlock(&l->mutex);
    free(batch.p);
}

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    if (uv_loop_init(&l->uv) != 0) {
        free(l);
        return NULL;
    }
    if (uv_async_init(&l->uv, &l->wake, on_wake) != 0) {
        (void)uv_loop_close(&l->uv);
        free(l);
        return NULL;
    }
    must(uv_idle_init(&l->uv, &l->idle), "idle");
    must(-pthread_mutex_init(&l->mutex, NULL), "mutex");
    l->wake.data = l;
    l->idle.data = l;
    (void)signal(SIGPIPE, SIG_IGN);
    return l;
}

void loop_free(struct loop *l)
{
    int rc = UV_EBUSY;

    if (l == NULL)
        return;
    on_wake(&l->wake);
    for (int i = 0; i < CLOSE_ROUNDS && l->soon.n > 0; i++)
        drain(l);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    for (int i = 0; i < CLOSE_ROUNDS && rc == UV_EBUSY; i++) {
        (void)uv_run(&l->uv, UV_RUN_NOWAIT);
        rc = uv_loop_close(&l->uv);
    }
    must(rc, "a handle is left open");
    (void)pthread_mutex_destroy(&l->mutex);
    free(l->soon.p);
    free(l->posted.p);
    free(l);
}

void loop_run(struct loop *l)
{
    (void)uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_turn(struct loop *l, bool wait)
{
    (void)uv_run(&l->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

bool loop_post(struct loop *l, loop_fn *fn, void *arg)
{
    bool first, ok;

    (void)pthread_mutex_lock(&l->mutex);
    first = l->posted.n == 0;
    ok = calls_add(&l->posted, fn, arg);
    (void)pthread_mutex_unlock(&l->mutex);
    if (ok && first)
        (void)uv_async_send(&l->wake);
    return ok;
}

void loop_soon(struct loop *l, loop_fn *fn, void *arg)
{
    if (!calls_add(&l->soon, fn, arg))
        must(UV_ENOMEM, "loop_soon");
    if (l->soon.n == 1 && !l->draining)
        must(uv_idle_start(&l->idle, on_idle), "idle");
}

void *loop_native(struct loop *l)
{
    return &l->uv;
}

/* Timers */

static void on_timer(uv_timer_t *h)
{
    struct loop_timer *t = h->data;
    struct loop *l = t->l;

    l->in_timer = true;
    t->fn(t->arg);
    l->in_timer = false;
    drain(l);
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *arg)
{
    struct loop_timer *t = malloc(sizeof(*t));

    if (t == NULL)
        return NULL;
    t->l = l;
    t->fn = fn;
    t->arg = arg;
    must(uv_timer_init(&l->uv, &t->uv), "timer");
    t->uv.data = t;
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t in_ms)
{
    /* From inside a timer, 0 would fire again before anything else gets its turn. */
    uint64_t wait_ms = in_ms > 0 ? (uint64_t)in_ms + 1 : t->l->in_timer;

    uv_update_time(&t->l->uv);
    must(uv_timer_start(&t->uv, on_timer, wait_ms, 0), "timer");
}

void loop_timer_stop(struct loop_timer *t)
{
    (void)uv_timer_stop(&t->uv);
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return uv_is_active((const uv_handle_t *)&t->uv) != 0;
}

void loop_timer_free(struct loop_timer *t)
{
    if (t != NULL)
        uv_close((uv_handle_t *)&t->uv, on_closed);
}

/* Descriptors */

static void on_poll(uv_poll_t *h, int status, int events);

static void arm(struct loop_fd *f)
{
    f->armed = f->wanted;
    if (f->armed == 0)
        (void)uv_poll_stop(&f->uv);
    else
        must(uv_poll_start(&f->uv, f->armed, on_poll), "poll");
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct loop_fd *f = h->data;
    struct loop *l = f->l;

    if (status < 0) { /* libuv has stopped the handle */
        f->armed = 0;
        events = f->wanted;
    }
    events &= f->wanted;
    if (events != 0) {
        f->inside = true;
        f->fn(f->arg, events);
        f->inside = false;
    }
    if (!f->freed && ((f->wanted & ~f->armed) != 0 || (events == 0 && f->armed != f->wanted)))
        arm(f);
    drain(l);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg)
{
    struct loop_fd *f = calloc(1, sizeof(*f));

    if (f == NULL)
        return NULL;
    f->l = l;
    f->fn = fn;
    f->arg = arg;
    if (uv_poll_init(&l->uv, &f->uv, fd) != 0) {
        free(f);
        return NULL;
    }
    f->uv.data = f;
    return f;
}

void loop_fd_want(struct loop_fd *f, int events)
{
    f->wanted = events;
    if ((events & ~f->armed) != 0 && !f->inside)
        arm(f);
}

void loop_fd_free(struct loop_fd *f)
{
    if (f == NULL)
        return;
    f->freed = true;
    uv_close((uv_handle_t *)&f->uv, on_closed);
}

/* Signals */

static void on_signal(uv_signal_t *h, int signo)
{
    struct loop_signal *s = h->data;
    struct loop *l = s->l;

    (void)signo;
    s->fn(s->arg);
    drain(l);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *arg)
{
    struct loop_signal *s = malloc(sizeof(*s));

    if (s == NULL)
        return NULL;
    s->l = l;
    s->fn = fn;
    s->arg = arg;
    must(uv_signal_init(&l->uv, &s->uv), "signal");
    s->uv.data = s;
    if (uv_signal_start(&s->uv, on_signal, signo) != 0) {
        loop_signal_free(s);
        return NULL;
    }
    return s;
}

void loop_signal_free(struct loop_signal *s)
{
    if (s != NULL)
        uv_close((uv_handle_t *)&s->uv, on_closed);
}
