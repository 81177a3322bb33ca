/* SPDX-License-Identifier: MIT
 * A circuit breaker before a platform: what it does not let through is answered "unreachable" at once, proved not sent. Knows nothing of
 * the platform behind it but what its answers say. */
#include "config.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "outside/breaker.h"
#include "outside/calls.h"
#include "outside/platform.h"

struct guarded {
    struct platform platform;
    struct platform_ops ops; /* with the name of what is behind it */
    struct loop *loop;
    struct platform *inner;
    struct breaker *breaker;
    struct call_link *calls;
};

struct platform_call {
    struct guarded *platform;
    struct call_link link;
    platform_fn *fn;
    void *arg;
    struct breaker_call pass;
    struct platform_call *inner;     /* one of these two is set: the call that was let through, */
    struct loop_timer *refuse; /* or the moment at which it is refused */
    int64_t wait_ms;
};

static void call_free(struct platform_call *c)
{
    loop_timer_free(c->refuse);
    free(c);
}

static void refused(void *arg)
{
    struct platform_call *c = arg;
    struct platform_answer a = { .outcome = PLATFORM_UNREACHABLE, .circuit_open = true, .retry_after_ms = c->wait_ms };
    (void)err_set(&a.err, ERR_UNAVAILABLE, "not sent: it has failed again and again");
    calls_leave(&c->link);
    c->fn(c->arg, &a);
    call_free(c);
}

static void answered(void *arg, const struct platform_answer *a)
{
    struct platform_call *c = arg;
    c->inner = NULL;
    switch (a->outcome) {
    case PLATFORM_SENT:
    case PLATFORM_FAILED:
        breaker_good(c->platform->breaker, &c->pass);
        break;
    case PLATFORM_UNREACHABLE:
    case PLATFORM_UNKNOWN:
        breaker_bad(c->platform->breaker, &c->pass, a->retry_after_ms, a->http_status == 429);
        break;
    case PLATFORM_TOO_LATE: /* it was this side that was slow */
        breaker_gone(c->platform->breaker, &c->pass);
        break;
    }
    calls_leave(&c->link);
    c->fn(c->arg, a);
    call_free(c);
}

static struct platform_call *guarded_send(struct platform *platform, const struct platform_request *r, platform_fn *fn, void *arg)
{
    struct guarded *g = (struct guarded *)platform;
    struct platform_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct platform_call){ .platform = g, .fn = fn, .arg = arg };
    calls_enter(&g->calls, &c->link);
    if (breaker_ask(g->breaker, &c->pass)) {
        c->inner = platform_send(g->inner, r, answered, c);
        if (c->inner == NULL)
            breaker_gone(g->breaker, &c->pass);
    } else {
        c->wait_ms = breaker_wait_ms(g->breaker);
        c->refuse = loop_timer_new(g->loop, refused, c);
        if (c->refuse != NULL)
            loop_timer_set(c->refuse, 0);
    }
    if (c->inner != NULL || c->refuse != NULL)
        return c;
    calls_leave(&c->link);
    call_free(c);
    return NULL;
}

static void guarded_abort(struct platform *platform, struct platform_call *c)
{
    struct guarded *g = (struct guarded *)platform;
    if (c->inner != NULL) {
        platform_abort(g->inner, c->inner);
        breaker_gone(g->breaker, &c->pass);
    }
    calls_leave(&c->link);
    call_free(c);
}

static void guarded_close(struct platform *platform)
{
    struct guarded *g = (struct guarded *)platform;
    while (g->calls != NULL)
        guarded_abort(platform, CONTAINER_OF(g->calls, struct platform_call, link));
    platform_close(g->inner);
    free(g);
}

static int64_t guarded_wait_ms(const struct platform *platform)
{
    return breaker_wait_ms(((const struct guarded *)platform)->breaker);
}

static const struct platform_ops guarded_ops = {
    .name = "guarded",
    .send = guarded_send,
    .abort = guarded_abort,
    .close = guarded_close,
    .wait_ms = guarded_wait_ms,
};

struct platform *platform_guarded_open(struct loop *l, struct platform *inner, struct breaker *b, struct err *e)
{
    struct guarded *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *g = (struct guarded){ .platform = { &g->ops }, .ops = guarded_ops, .loop = l, .inner = inner, .breaker = b };
    g->ops.name = platform_name(inner);
    return &g->platform;
}
