/* SPDX-License-Identifier: MIT
 * A circuit breaker before a platform: what it does not let through is answered "unreachable" at once, proved not sent. Knows nothing of
 * the platform behind it but what its answers say. A place (platform_place) is no call: it is given while calls would be let through, and says
 * nothing about what is behind. */
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
    platform_fn *fn; /* one of these two is set */
    platform_place_fn *place_fn;
    void *arg;
    struct breaker_call pass; /* of fn's */
    struct platform_call *inner;     /* one of these two is set: the call that was let through, */
    struct loop_timer *refuse; /* or the moment at which it is refused */
    int64_t wait_ms;
};

static void call_free(struct platform_call *c)
{
    loop_timer_free(c->refuse);
    free(c);
}

static void placed(void *arg, const struct platform_place *place)
{
    struct platform_call *c = arg;
    c->inner = NULL;
    calls_leave(&c->link);
    c->place_fn(c->arg, place);
    call_free(c);
}

static void refused(void *arg)
{
    struct platform_call *c = arg;
    if (c->place_fn != NULL) {
        placed(c, &(struct platform_place){ .outcome = PLATFORM_NO_PLACE, .retry_after_ms = c->wait_ms });
        return;
    }
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
        if (a->impossible) /* nobody was asked */
            breaker_gone(c->platform->breaker, &c->pass);
        else
            breaker_good(c->platform->breaker, &c->pass);
        break;
    case PLATFORM_UNREACHABLE:
    case PLATFORM_UNKNOWN:
        breaker_bad(c->platform->breaker, &c->pass, a->retry_after_ms, a->http_status == 429);
        break;
    case PLATFORM_TOO_LATE: /* it was this side that was slow */
        breaker_gone(c->platform->breaker, &c->pass);
        break;
    case PLATFORM_PART: /* as what came last */
        if (a->http_status >= 500)
            breaker_bad(c->platform->breaker, &c->pass, a->retry_after_ms, false);
        else
            breaker_gone(c->platform->breaker, &c->pass);
        break;
    }
    calls_leave(&c->link);
    c->fn(c->arg, a);
    call_free(c);
}

static struct platform_call *call_new(struct guarded *g, const struct platform_call *from)
{
    struct platform_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = *from;
    c->platform = g;
    calls_enter(&g->calls, &c->link);
    return c;
}

static void refuse(struct platform_call *c, int64_t wait_ms)
{
    c->wait_ms = wait_ms;
    c->refuse = loop_timer_new(c->platform->loop, refused, c);
    if (c->refuse != NULL)
        loop_timer_set(c->refuse, 0);
}

/* NULL, and freed, when it was neither let through nor refused. */
static struct platform_call *under_way(struct platform_call *c)
{
    if (c->inner != NULL || c->refuse != NULL)
        return c;
    calls_leave(&c->link);
    call_free(c);
    return NULL;
}

static struct platform_call *guarded_send(struct platform *platform, const struct platform_request *r, platform_fn *fn, void *arg)
{
    struct guarded *g = (struct guarded *)platform;
    struct platform_call *c = call_new(g, &(struct platform_call){ .fn = fn, .arg = arg });
    if (c == NULL)
        return NULL;
    if (breaker_ask(g->breaker, &c->pass)) {
        c->inner = platform_send(g->inner, r, answered, c);
        if (c->inner == NULL)
            breaker_gone(g->breaker, &c->pass);
    } else {
        refuse(c, breaker_wait_ms(g->breaker));
    }
    return under_way(c);
}

static struct platform_call *guarded_place(struct platform *platform, const struct platform_request *r, platform_place_fn *fn, void *arg)
{
    struct guarded *g = (struct guarded *)platform;
    struct platform_call *c = call_new(g, &(struct platform_call){ .place_fn = fn, .arg = arg });
    int64_t wait_ms = breaker_wait_ms(g->breaker);
    if (c == NULL)
        return NULL;
    if (wait_ms > 0)
        refuse(c, wait_ms);
    else
        c->inner = platform_place(g->inner, r, placed, c);
    return under_way(c);
}

static void guarded_abort(struct platform *platform, struct platform_call *c)
{
    struct guarded *g = (struct guarded *)platform;
    if (c->inner != NULL) {
        platform_abort(g->inner, c->inner);
        if (c->fn != NULL)
            breaker_gone(g->breaker, &c->pass);
    }
    calls_leave(&c->link);
    call_free(c);
}

static void guarded_stop(struct platform *platform, struct platform_call *c)
{
    platform_stop(((struct guarded *)platform)->inner, c->inner);
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
    .stop = guarded_stop,
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
    g->ops.talks_only = platform_talks_only(inner);
    g->ops.place = platform_has_places(inner) ? guarded_place : NULL;
    return &g->platform;
}
