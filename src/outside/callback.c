/* SPDX-License-Identifier: MIT
 * See callback.h. The URL that is posted to is the one that was checked, written anew by target.c, so that there is nothing
 * left to read in another way; the address is checked where the socket is made. Nothing of an answer is kept but its status
 * and Retry-After: whoever named the URL must learn nothing about what is there. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "outside/callback.h"
#include "outside/callback_rules.h"
#include "outside/calls.h"
#include "outside/http.h"

enum { ID_MAX = 255 };

struct callback {
    struct loop *loop;
    struct http *http;
    struct callback_rules *rules;
    int64_t timeout_ms;
    struct call_link *calls;
};

struct callback_call {
    struct callback *callback;
    struct call_link link;
    callback_fn *fn;
    void *arg;
    struct http_call *post;    /* one of these two is set: the request under way, */
    struct loop_timer *refuse; /* or the moment at which the call is refused */
    struct err why;
    struct target target;
};

static void call_free(struct callback_call *call)
{
    loop_timer_free(call->refuse);
    free(call);
}

/* ---- how a call ends ---- */

static void deliver(struct callback_call *call, const struct callback_answer *a)
{
    calls_leave(&call->link); /* from here on the call is nobody's: its answer may close everything */
    call->fn(call->arg, a);
    call_free(call);
}

static void refused(void *arg)
{
    struct callback_call *call = arg;
    struct callback_answer a = { .outcome = CALLBACK_REFUSED, .retry_after_ms = -1, .err = call->why };
    deliver(call, &a);
}

static enum callback_outcome meaning_of_status(int status)
{
    if (status >= 200 && status < 300)
        return CALLBACK_DELIVERED;
    if (status == 408 || status == 425 || status == 429 || (status >= 500 && status < 600))
        return CALLBACK_RETRY;
    return CALLBACK_REFUSED;
}

static enum callback_outcome meaning_of_error(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
    case ERR_RANGE:
    case ERR_REFUSED:
        return CALLBACK_REFUSED;
    case ERR_NONE:
    case ERR_MEMORY:
    case ERR_IO:
    case ERR_UNAVAILABLE:
    case ERR_PROTOCOL:
    case ERR_INTERNAL:
        break;
    }
    return CALLBACK_RETRY;
}

static void answered(void *arg, const struct http_answer *h)
{
    struct callback_call *call = arg;
    struct callback_answer a = { .retry_after_ms = -1, .err = h->err };
    if (h->outcome == HTTP_ANSWERED) {
        a.outcome = meaning_of_status(h->status);
        a.http_status = h->status;
        if (a.outcome != CALLBACK_DELIVERED)
            (void)err_set(&a.err, a.outcome == CALLBACK_RETRY ? ERR_UNAVAILABLE : ERR_REFUSED,
                          h->status >= 300 && h->status < 400 ? "%s answered with status %d: redirects are not followed"
                                                              : "%s answered with status %d",
                          call->target.host, h->status);
    } else {
        a.outcome = meaning_of_error(h->err.code);
    }
    if (a.outcome == CALLBACK_RETRY)
        a.retry_after_ms = h->retry_after_ms;
    deliver(call, &a);
}

/* ---- sending ---- */

static int check_target(const struct callback *c, struct target *t, struct sv url, struct err *e)
{
    if (target_parse(t, url, e) != 0)
        return -1;
    if (!callback_rules_allow(c->rules, t))
        return err_set(e, ERR_REFUSED, "the URL is not one of the destinations that are allowed");
    return 0;
}

int callback_check_url(const struct callback *c, struct sv url, struct err *e)
{
    struct target t;
    return check_target(c, &t, url, e);
}

/* A dot in an id would let a signature fit another split into id and timestamp. */
static int check_id(struct sv id, struct err *e)
{
    if (id.n == 0 || id.n > ID_MAX)
        return err_set(e, ERR_INVALID, "the webhook-id has not 1 to %d characters", ID_MAX);
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] >= 0x7f || id.p[i] == '.')
            return err_set(e, ERR_INVALID, "the webhook-id has a dot, a blank or a character beyond ASCII");
    return 0;
}

static bool may_connect(void *arg, const struct sockaddr *to)
{
    const struct callback_call *call = arg;
    struct address a;
    unsigned port;
    const struct callback_rules *rules = call->callback->rules; /* perhaps not those that the call began with */
    return address_of_socket(to, &a, &port) && callback_rules_allow(rules, &call->target) &&
           callback_rules_may_connect(rules, &call->target, &a, port);
}

static struct http_call *post(struct callback_call *call, const struct callback_request *r)
{
    struct callback *c = call->callback;
    struct buf signature = { 0 };
    char timestamp[24];
    (void)snprintf(timestamp, sizeof(timestamp), "%" PRId64, r->timestamp_s);
    callback_rules_sign(c->rules, r->id, r->timestamp_s, r->body, &signature);
    const struct http_header headers[] = {
        { "webhook-id", r->id },
        { "webhook-timestamp", sv_from(timestamp) },
        { "webhook-signature", buf_sv(&signature) },
        { "User-Agent", SV("turnkeeper/" PACKAGE_VERSION) },
    };
    const struct http_request q = {
        .url = call->target.url,
        .body = r->body,
        .headers = headers,
        .headers_n = ARRAY_LEN(headers),
        .timeout_ms = c->timeout_ms,
        .once = true,
        .status_only = true,
        .may_connect = may_connect,
        .may_connect_arg = call,
    };
    struct http_call *made = buf_ok(&signature) ? http_post(c->http, &q, answered, call) : NULL;
    buf_fini(&signature);
    return made;
}

struct callback_call *callback_post(struct callback *c, const struct callback_request *r, callback_fn *fn, void *arg)
{
    struct callback_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        return NULL;
    call->callback = c;
    call->fn = fn;
    call->arg = arg;
    calls_enter(&c->calls, &call->link);
    if (check_target(c, &call->target, r->url, &call->why) == 0 && check_id(r->id, &call->why) == 0) {
        call->post = post(call, r);
    } else if ((call->refuse = loop_timer_new(c->loop, refused, call)) != NULL) {
        loop_timer_set(call->refuse, 0);
    }
    if (call->post != NULL || call->refuse != NULL)
        return call;
    calls_leave(&call->link);
    call_free(call);
    return NULL;
}

void callback_abort(struct callback_call *call)
{
    if (call == NULL)
        return;
    if (call->post != NULL)
        http_abort(call->post);
    calls_leave(&call->link);
    call_free(call);
}

/* ---- the whole ---- */

int callback_check_options(const struct callback_options *o, struct err *e)
{
    struct callback_rules *rules = callback_rules_new(o->allowlist, o->secrets, e);
    if (rules == NULL)
        return -1;
    callback_rules_free(rules);
    if (o->timeout_ms <= 0)
        return err_set(e, ERR_RANGE, "CALLBACK_TIMEOUT must be positive");
    return 0;
}

int callback_set(struct callback *c, const struct callback_options *o, struct err *e)
{
    if (callback_check_options(o, e) != 0)
        return -1;
    struct callback_rules *rules = callback_rules_new(o->allowlist, o->secrets, e);
    if (rules == NULL)
        return -1;
    callback_rules_free(c->rules);
    c->rules = rules;
    c->timeout_ms = o->timeout_ms;
    return 0;
}

struct callback *callback_open(struct loop *l, struct http *h, const struct callback_options *o, struct err *e)
{
    struct callback *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *c = (struct callback){ .loop = l, .http = h };
    if (callback_set(c, o, e) == 0)
        return c;
    free(c);
    return NULL;
}

void callback_close(struct callback *c)
{
    if (c == NULL)
        return;
    while (c->calls != NULL)
        callback_abort(CONTAINER_OF(c->calls, struct callback_call, link));
    callback_rules_free(c->rules);
    free(c);
}
