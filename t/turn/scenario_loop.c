/* SPDX-License-Identifier: MIT
 * lib/loop.h without an operating system: what is to be done soon is done in order, and when nothing is left the fake clock jumps to the
 * next timer. A minute of a conversation so takes some milliseconds, and the same events always come in the same order.
 * Linked before the library, it takes the place of lib/loop.c. No descriptors, no signals, one thread: who asks for them is
 * ended by abort(). */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/loop.h"

struct soon {
    struct soon *next;
    loop_fn *fn;
    void *arg;
};

struct loop_timer {
    struct loop_timer *next;
    struct loop *l;
    loop_fn *fn;
    void *arg;
    int64_t at_ms;  /* clock_mono_ms */
    uint64_t order; /* of timers that fire at the same moment */
    bool set;
};

struct loop {
    struct soon *first, **last;
    struct loop_timer *timers;
    uint64_t orders;
    bool stopped;
};

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL)
        abort();
    l->last = &l->first;
    return l;
}

void loop_free(struct loop *l)
{
    if (l->timers != NULL) /* somebody forgot one */
        abort();
    while (l->first != NULL) {
        struct soon *s = l->first;
        l->first = s->next;
        free(s);
    }
    free(l);
}

void loop_soon(struct loop *l, loop_fn *fn, void *arg)
{
    struct soon *s = malloc(sizeof(*s));
    if (s == NULL)
        abort();
    *s = (struct soon){ .fn = fn, .arg = arg };
    *l->last = s;
    l->last = &s->next;
}

bool loop_post(struct loop *l, loop_fn *fn, void *arg)
{
    loop_soon(l, fn, arg);
    return true;
}

struct loop_timer *loop_timer_new(struct loop *l, loop_fn *fn, void *arg)
{
    struct loop_timer *t = malloc(sizeof(*t));
    if (t == NULL)
        abort();
    *t = (struct loop_timer){ .next = l->timers, .l = l, .fn = fn, .arg = arg };
    l->timers = t;
    return t;
}

void loop_timer_set(struct loop_timer *t, int64_t in_ms)
{
    t->at_ms = clock_mono_ms() + (in_ms > 0 ? in_ms : 0);
    t->order = ++t->l->orders;
    t->set = true;
}

void loop_timer_stop(struct loop_timer *t)
{
    t->set = false;
}

bool loop_timer_is_set(const struct loop_timer *t)
{
    return t->set;
}

void loop_timer_free(struct loop_timer *t)
{
    if (t == NULL)
        return;
    struct loop_timer **at = &t->l->timers;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    free(t);
}

static bool before(const struct loop_timer *a, const struct loop_timer *b)
{
    return b == NULL || a->at_ms < b->at_ms || (a->at_ms == b->at_ms && a->order < b->order);
}

static struct loop_timer *next_timer(const struct loop *l)
{
    struct loop_timer *next = NULL;
    for (struct loop_timer *t = l->timers; t != NULL; t = t->next)
        if (t->set && before(t, next))
            next = t;
    return next;
}

/* One callback. wait: else the clock stands still. */
void loop_turn(struct loop *l, bool wait)
{
    if (l->first != NULL) {
        struct soon s = *l->first;
        free(l->first);
        l->first = s.next;
        if (l->first == NULL)
            l->last = &l->first;
        s.fn(s.arg);
        return;
    }
    struct loop_timer *t = next_timer(l);
    if (t == NULL || (!wait && t->at_ms > clock_mono_ms()))
        return;
    if (t->at_ms > clock_mono_ms())
        clock_fake_move(t->at_ms - clock_mono_ms());
    t->set = false;
    t->fn(t->arg);
}

void loop_run(struct loop *l)
{
    for (l->stopped = false; !l->stopped;)
        loop_turn(l, true);
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

/* ---- what a scenario has not ---- */

struct loop_fd *loop_fd_new(struct loop *l, int fd, loop_fd_fn *fn, void *arg)
{
    (void)l, (void)fd, (void)fn, (void)arg;
    abort();
}

void loop_fd_want(struct loop_fd *f, int events)
{
    (void)f, (void)events;
    abort();
}

void loop_fd_free(struct loop_fd *f)
{
    if (f != NULL)
        abort();
}

struct loop_signal *loop_signal_new(struct loop *l, int signo, loop_fn *fn, void *arg)
{
    (void)l, (void)signo, (void)fn, (void)arg;
    abort();
}

void loop_signal_free(struct loop_signal *s)
{
    if (s != NULL)
        abort();
}
