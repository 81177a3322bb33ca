/* SPDX-License-Identifier: MIT
 * The chat platform behind PANCAKE_BASE_URL: one POST a reply, on the wire at most once. What comes back is sorted into
 * what is known: applied, refused, proved not applied, or nothing of these. In doubt it is unknown. */
#include "config.h"

#include <stdlib.h>

#include "lib/loop.h"
#include "outside/calls.h"
#include "outside/endpoint.h"
#include "outside/http.h"
#include "outside/platform.h"

struct actions {
    struct platform platform;
    struct http *http;
    struct endpoint at;
    struct call_link *calls;
};

struct platform_call {
    struct call_link link;
    platform_fn *fn;
    void *arg;
    struct http_call *post;
    size_t actions_n;
};

static void call_free(struct platform_call *c)
{
    free(c);
}

/* ---- what an answer means ---- */

enum said { SAID_NOTHING, SAID_TRUE, SAID_FALSE, SAID_UNREADABLE };

/* The body's word on success, and its number of executed actions. A body that is no JSON object says nothing; one that
 * begins like an object and is none may have been cut before a "success": false. */
static enum said read_body(struct sv body, int64_t *executed)
{
    while (body.n > 0 && (*body.p == ' ' || *body.p == '\t' || *body.p == '\r' || *body.p == '\n')) {
        body.p++;
        body.n--;
    }
    if (body.n == 0 || *body.p != '{')
        return SAID_NOTHING;
    json_t *root = json_read(body, false, NULL);
    if (root == NULL)
        return SAID_UNREADABLE;
    const json_t *success = json_object_get(root, "success"), *number = json_object_get(root, "actions_executed");
    enum said said = json_is_false(success) ? SAID_FALSE : json_is_true(success) ? SAID_TRUE : SAID_NOTHING;
    if (json_is_integer(number) && json_integer_value(number) >= 0)
        *executed = json_integer_value(number);
    json_decref(root);
    return said;
}

/* 429 and 503 say "not now" and come before anything is done, whatever the body repeats; elsewhere "success": false is
 * the last word. */
static enum platform_outcome outcome_of(const struct http_answer *h, int64_t *executed)
{
    enum said said = read_body(h->body, executed);
    if (h->status == 429 || h->status == 503)
        return PLATFORM_UNREACHABLE;
    if (said == SAID_FALSE)
        return PLATFORM_FAILED;
    if (h->status >= 200 && h->status < 300)
        return said == SAID_UNREADABLE ? PLATFORM_UNKNOWN : PLATFORM_SENT;
    if (h->status >= 300 && h->status < 500 && h->status != 408)
        return PLATFORM_FAILED;
    return PLATFORM_UNKNOWN;
}

static const char *const meanings[] = {
    [PLATFORM_SENT] = "accepted",     [PLATFORM_FAILED] = "refused",          [PLATFORM_UNREACHABLE] = "not now",
    [PLATFORM_TOO_LATE] = "too late", [PLATFORM_UNKNOWN] = "outcome unknown",
};

static void answered(void *arg, const struct http_answer *h)
{
    static const enum platform_outcome outcomes[] = {
        [HTTP_ANSWERED] = PLATFORM_UNKNOWN,
        [HTTP_NOT_SENT] = PLATFORM_UNREACHABLE,
        [HTTP_TOO_LATE] = PLATFORM_TOO_LATE,
        [HTTP_UNKNOWN] = PLATFORM_UNKNOWN,
    };
    struct platform_call *c = arg;
    struct platform_answer a = { .retry_after_ms = h->retry_after_ms, .took_ms = h->took_ms, .err = h->err };
    a.http_status = h->outcome == HTTP_ANSWERED ? h->status : 0;
    int64_t executed = (int64_t)c->actions_n;
    a.outcome = outcomes[h->outcome];
    if (h->outcome == HTTP_ANSWERED) {
        a.outcome = outcome_of(h, &executed);
        if (a.outcome != PLATFORM_SENT)
            (void)err_set(&a.err, a.outcome == PLATFORM_FAILED ? ERR_REFUSED : ERR_UNAVAILABLE,
                          "the platform answered with status %d: %s", h->status, meanings[a.outcome]);
    }
    a.actions_executed = a.outcome == PLATFORM_SENT ? executed : 0;
    calls_leave(&c->link); /* from here on the call is nobody's but the caller's: its answer may close everything */
    c->fn(c->arg, &a);
    call_free(c);
}

/* ---- sending ---- */

static struct platform_call *actions_send(struct platform *platform, const struct platform_request *r, platform_fn *fn,
                                          void *arg)
{
    struct actions *p = (struct actions *)platform;
    struct platform_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    *c = (struct platform_call){ .fn = fn, .arg = arg, .actions_n = r->actions_n };
    calls_enter(&p->calls, &c->link);
    struct http_header headers[3];
    size_t n = 0;
    headers[n++] = (struct http_header){ "Idempotency-Key", r->idempotency_key };
    if (r->request_id.n > 0)
        headers[n++] = (struct http_header){ "X-Request-ID", r->request_id };
    if (p->at.authorization.n > 0)
        headers[n++] = (struct http_header){ "Authorization", buf_sv(&p->at.authorization) };
    struct http_request q = {
        .url = p->at.url.p,
        .body = r->body,
        .body_borrowed = true,
        .headers = headers,
        .headers_n = n,
        .timeout_ms = r->timeout_ms,
        .send_before_ms = r->send_before_ms,
        .once = true,
    };
    c->post = http_post(p->http, &q, answered, c);
    if (c->post == NULL) {
        calls_leave(&c->link);
        call_free(c);
        return NULL;
    }
    return c;
}

static void actions_abort(struct platform *platform, struct platform_call *c)
{
    (void)platform;
    http_abort(c->post);
    calls_leave(&c->link);
    call_free(c);
}

static void actions_close(struct platform *platform)
{
    struct actions *p = (struct actions *)platform;
    while (p->calls != NULL)
        actions_abort(platform, CONTAINER_OF(p->calls, struct platform_call, link));
    endpoint_fini(&p->at);
    free(p);
}

static const struct platform_ops actions_ops = {
    .name = "actions",
    .send = actions_send,
    .abort = actions_abort,
    .close = actions_close,
};

int platform_actions_set(struct platform *platform, const struct platform_actions_options *o, struct err *e)
{
    struct actions *p = (struct actions *)platform;
    const struct endpoint_options at = { .url = o->url, .path = o->path, .token = o->token };
    return endpoint_set(&p->at, &at, e);
}

struct platform *platform_actions_open(struct loop *l, struct http *h, const struct platform_actions_options *o,
                                       struct err *e)
{
    struct actions *p = calloc(1, sizeof(*p));
    (void)l;
    if (p == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *p = (struct actions){ .platform = { &actions_ops }, .http = h };
    if (platform_actions_set(&p->platform, o, e) == 0)
        return &p->platform;
    free(p);
    return NULL;
}
