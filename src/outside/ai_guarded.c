/* SPDX-License-Identifier: MIT
 * A circuit breaker before an AI: what it does not let through is answered "unreachable" at once. Knows nothing of the AI behind it but
 * what its answers say. */
#include "config.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "outside/ai.h"
#include "outside/breaker.h"
#include "outside/calls.h"

struct guarded {
    struct ai ai;
    struct ai_ops ops; /* with the name of what is behind it, and whether it streams */
    struct loop *loop;
    struct ai *inner;
    struct breaker *breaker;
    struct call_link *calls;
};

struct ai_call {
    struct guarded *ai;
    struct call_link link;
    ai_fn *fn;
    ai_partial_fn *partial;
    void *arg;
    struct breaker_call pass;
    struct ai_call *inner;     /* one of these two is set: the call that was let through, */
    struct loop_timer *refuse; /* or the moment at which it is refused */
    int64_t wait_ms;
};

static void call_free(struct ai_call *c)
{
    loop_timer_free(c->refuse);
    free(c);
}

static void refused(void *arg)
{
    struct ai_call *c = arg;
    struct ai_answer a = { .outcome = AI_UNREACHABLE, .circuit_open = true, .retry_after_ms = c->wait_ms };
    (void)err_set(&a.err, ERR_UNAVAILABLE, "not asked: it has failed again and again");
    calls_leave(&c->link);
    c->fn(c->arg, &a);
    call_free(c);
}

static void answered(void *arg, const struct ai_answer *a)
{
    struct ai_call *c = arg;
    c->inner = NULL;
    if (a->outcome == AI_UNREACHABLE || a->outcome == AI_DENIED) /* no quota is said with 429, too, and is no matter of less */
        breaker_bad(c->ai->breaker, &c->pass, a->retry_after_ms, a->outcome == AI_UNREACHABLE && a->http_status == 429);
    else
        breaker_good(c->ai->breaker, &c->pass);
    calls_leave(&c->link);
    c->fn(c->arg, a);
    call_free(c);
}

static void grown(void *arg, struct sv text)
{
    struct ai_call *c = arg;
    c->partial(c->arg, text);
}

static struct ai_call *guarded_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct guarded *g = (struct guarded *)ai;
    struct ai_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct ai_call){ .ai = g, .fn = fn, .partial = r->partial, .arg = arg };
    struct ai_request passed = *r;
    passed.partial = r->partial != NULL ? grown : NULL;
    calls_enter(&g->calls, &c->link);
    if (breaker_ask(g->breaker, &c->pass)) {
        c->inner = ai_ask(g->inner, &passed, answered, c);
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

static void guarded_abort(struct ai *ai, struct ai_call *c)
{
    struct guarded *g = (struct guarded *)ai;
    if (c->inner != NULL) {
        ai_abort(g->inner, c->inner);
        breaker_gone(g->breaker, &c->pass);
    }
    calls_leave(&c->link);
    call_free(c);
}

static void guarded_close(struct ai *ai)
{
    struct guarded *g = (struct guarded *)ai;
    while (g->calls != NULL)
        guarded_abort(ai, CONTAINER_OF(g->calls, struct ai_call, link));
    ai_close(g->inner);
    free(g);
}

static int64_t guarded_wait_ms(const struct ai *ai)
{
    return breaker_wait_ms(((const struct guarded *)ai)->breaker);
}

static const struct ai_ops guarded_ops = {
    .name = "guarded",
    .ask = guarded_ask,
    .abort = guarded_abort,
    .close = guarded_close,
    .wait_ms = guarded_wait_ms,
};

struct ai *ai_guarded_open(struct loop *l, struct ai *inner, struct breaker *b, struct err *e)
{
    struct guarded *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *g = (struct guarded){ .ai = { &g->ops }, .ops = guarded_ops, .loop = l, .inner = inner, .breaker = b };
    g->ops.name = ai_name(inner);
    g->ops.streams = ai_can_stream(inner);
    return &g->ai;
}
