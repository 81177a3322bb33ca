/* SPDX-License-Identifier: MIT
 * The AI service behind AI_SERVICE_URL: one POST a question. A try that failed in a way that may pass (no connection,
 * cut, 408, 429, 5xx) is repeated with backoff or after the service's Retry-After, while there is time; all tries carry
 * the same Idempotency-Key. Knows nothing of what becomes of the answer. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/backoff.h"
#include "lib/clock.h"
#include "lib/loop.h"
#include "outside/ai_reply.h"
#include "outside/calls.h"
#include "outside/endpoint.h"
#include "outside/http.h"

enum { BACKOFF_MS = 250, BACKOFF_MAX_MS = 5000, HEADERS = 4 };

struct native {
    struct ai ai;
    struct loop *loop;
    struct http *http;
    struct endpoint at;
    int retries;
    struct call_link *calls;
};

struct ai_call {
    struct native *ai;
    struct call_link link;
    ai_fn *fn;
    void *arg;
    struct buf body, texts; /* texts: values of the headers */
    struct http_header headers[HEADERS];
    size_t headers_n;
    struct http_call *post;   /* one of these two is set */
    struct loop_timer *again; /* made when first needed */
    int64_t begun_ms, deadline_ms;
    int tries;
};

static void call_free(struct ai_call *c)
{
    loop_timer_free(c->again);
    buf_fini(&c->body);
    buf_fini(&c->texts);
    free(c);
}

static void end(struct ai_call *c, struct ai_answer *a)
{
    a->took_ms = clock_mono_ms() - c->begun_ms;
    calls_leave(&c->link); /* from here on the call is nobody's but the caller's: its answer may close everything */
    c->fn(c->arg, a);
    call_free(c);
}

static int post(struct ai_call *c);

static void try_again(void *arg)
{
    struct ai_call *c = arg;
    struct ai_answer a = { .outcome = AI_UNREACHABLE, .retry_after_ms = -1 };
    if (post(c) == 0)
        return;
    (void)err_set(&a.err, ERR_MEMORY, "no memory for another try");
    end(c, &a);
}

/* True when another try is on its way. */
static bool retry(struct ai_call *c, int64_t retry_after_ms)
{
    int64_t wait_ms = backoff_ms((unsigned)(c->tries - 1), BACKOFF_MS, BACKOFF_MAX_MS);
    if (retry_after_ms > 0) /* not all who were told the same time at that very moment */
        wait_ms += retry_after_ms;
    if (c->tries > c->ai->retries || wait_ms >= c->deadline_ms - clock_mono_ms())
        return false;
    if (c->again == NULL)
        c->again = loop_timer_new(c->ai->loop, try_again, c);
    if (c->again == NULL)
        return false;
    loop_timer_set(c->again, wait_ms);
    return true;
}

static enum ai_outcome outcome_of(const struct http_answer *h)
{
    switch (h->outcome) {
    case HTTP_ANSWERED:
        if (h->status >= 200 && h->status < 300)
            return AI_ANSWERED;
        if (h->status == 408 || h->status == 429 || h->status >= 500)
            return AI_UNREACHABLE;
        return ai_is_denied_status(h->status) ? AI_DENIED : AI_REFUSED;
    case HTTP_NOT_SENT:
        return h->err.code == ERR_INVALID || h->err.code == ERR_RANGE ? AI_REFUSED : AI_UNREACHABLE;
    case HTTP_TOO_LATE:
        return AI_UNREACHABLE;
    case HTTP_UNKNOWN: /* the question may be repeated: the same key says that it is the same one */
        return h->err.code == ERR_PROTOCOL ? AI_INVALID : AI_UNREACHABLE;
    }
    return AI_INVALID;
}

static void answered(void *arg, const struct http_answer *h)
{
    struct ai_call *c = arg;
    struct ai_reply reply = { 0 };
    struct ai_answer a = { .outcome = outcome_of(h), .retry_after_ms = h->retry_after_ms, .err = h->err };
    a.http_status = h->outcome == HTTP_ANSWERED ? h->status : 0;
    c->post = NULL;
    if (a.outcome == AI_UNREACHABLE && retry(c, h->retry_after_ms))
        return;
    if (a.outcome == AI_ANSWERED && ai_reply_read(h->body, h->took_ms, c->ai->at.model.n > 0 ? c->ai->at.model.p : "", &reply, &a.err) != 0)
        a.outcome = AI_INVALID;
    else if (h->outcome == HTTP_ANSWERED && a.outcome != AI_ANSWERED)
        (void)err_set(&a.err, a.outcome != AI_UNREACHABLE ? ERR_REFUSED : ERR_UNAVAILABLE,
                      "the AI service answered with status %d", h->status);
    a.response = reply.response;
    a.actions = reply.actions;
    end(c, &a);
    ai_reply_fini(&reply);
}

static int post(struct ai_call *c)
{
    int64_t left_ms = c->deadline_ms - clock_mono_ms();
    struct http_request r = {
        .url = c->ai->at.url.p,
        .body = buf_sv(&c->body),
        .body_borrowed = true,
        .headers = c->headers,
        .headers_n = c->headers_n,
        .timeout_ms = left_ms > 0 ? left_ms : 1,
    };
    c->tries++;
    c->post = http_post(c->ai->http, &r, answered, c);
    return c->post != NULL ? 0 : -1;
}

/* ---- asking ---- */

/* Values are copied, one behind the other, since later tries need them too. */
static int set_headers(struct ai_call *c, const struct ai_request *r)
{
    const struct http_header wanted[HEADERS] = {
        { "Idempotency-Key", r->turn_id },
        { "X-Request-ID", r->request_id },
        { "traceparent", r->traceparent },
        { "Authorization", buf_sv(&c->ai->at.authorization) },
    };
    for (size_t i = 0; i < HEADERS; i++)
        buf_add(&c->texts, wanted[i].value);
    if (!buf_ok(&c->texts))
        return -1;
    const char *at = c->texts.p;
    for (size_t i = 0; i < HEADERS; i++) {
        if (wanted[i].value.n == 0)
            continue;
        c->headers[c->headers_n++] = (struct http_header){ wanted[i].name, { at, wanted[i].value.n } };
        at += wanted[i].value.n;
    }
    return 0;
}

static struct ai_call *native_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    struct native *n = (struct native *)ai;
    struct ai_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct ai_call){ .ai = n, .fn = fn, .arg = arg, .begun_ms = clock_mono_ms() };
    c->deadline_ms = c->begun_ms + r->timeout_ms;
    calls_enter(&n->calls, &c->link);
    ai_request_render(&c->body, r);
    if (buf_ok(&c->body) && set_headers(c, r) == 0 && post(c) == 0)
        return c;
    calls_leave(&c->link);
    call_free(c);
    return NULL;
}

static void native_abort(struct ai *ai, struct ai_call *c)
{
    (void)ai;
    if (c->post != NULL)
        http_abort(c->post);
    calls_leave(&c->link);
    call_free(c);
}

static void native_close(struct ai *ai)
{
    struct native *n = (struct native *)ai;
    while (n->calls != NULL)
        native_abort(ai, CONTAINER_OF(n->calls, struct ai_call, link));
    endpoint_fini(&n->at);
    free(n);
}

static const struct ai_ops native_ops = {
    .name = "native",
    .ask = native_ask,
    .abort = native_abort,
    .close = native_close,
};

int ai_native_set(struct ai *ai, const struct ai_native_options *o, struct err *e)
{
    struct native *n = (struct native *)ai;
    const struct endpoint_options at = { .url = o->url, .path = o->path, .token = o->token, .model = o->model };
    if (endpoint_set(&n->at, &at, e) != 0)
        return -1;
    n->retries = o->retries;
    return 0;
}

struct ai *ai_native_open(struct loop *l, struct http *h, const struct ai_native_options *o, struct err *e)
{
    struct native *n = calloc(1, sizeof(*n));
    if (n == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *n = (struct native){ .ai = { &native_ops }, .loop = l, .http = h };
    if (ai_native_set(&n->ai, o, e) == 0)
        return &n->ai;
    free(n);
    return NULL;
}
