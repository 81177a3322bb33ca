/* SPDX-License-Identifier: MIT
 * Every post becomes one answer, later, on the loop; or none, when it is aborted before. Sends nothing anywhere. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "t/lib/callback_double.h"

struct callback_double callback_double;

struct callback_call {
    struct callback_call *next, **link; /* among those that wait */
    callback_fn *fn; /* NULL: aborted */
    void *arg;
    bool failing;
};

struct callback {
    struct loop *loop;
    struct callback_call *first, **last;
};

static struct callback the_one;

struct callback *callback_double_open(struct loop *loop)
{
    callback_double = (struct callback_double){ .retry_after_ms = -1 };
    the_one = (struct callback){ .loop = loop, .last = &the_one.first };
    return &the_one;
}

static void keep(char *to, size_t size, struct sv text)
{
    (void)snprintf(to, size, "%.*s", SV_FMT(text));
}

static void unlink_call(struct callback_call *call)
{
    *call->link = call->next;
    if (call->next != NULL)
        call->next->link = call->link;
    else
        the_one.last = call->link;
    callback_double.waiting--;
}

static void respond(void *arg)
{
    struct callback_call *call = arg;
    const struct callback_double *d = &callback_double;
    struct callback_answer a = { .outcome = call->failing ? CALLBACK_RETRY : d->outcome, .retry_after_ms = d->retry_after_ms };
    if (a.outcome != CALLBACK_DELIVERED)
        (void)err_set(&a.err, ERR_REFUSED, "hooks.example.com said no");
    if (call->fn != NULL)
        call->fn(call->arg, &a);
    free(call);
}

void callback_double_release(int n)
{
    while (n-- > 0 && the_one.first != NULL) {
        struct callback_call *call = the_one.first;
        unlink_call(call);
        call->link = NULL;
        loop_soon(the_one.loop, respond, call);
    }
}

struct callback_call *callback_post(struct callback *c, const struct callback_request *r, callback_fn *fn, void *arg)
{
    struct callback_double *d = &callback_double;
    if (d->refuse > 0) {
        d->refuse--;
        return NULL;
    }
    struct callback_call *call = calloc(1, sizeof(*call));
    if (call == NULL)
        abort();
    *call = (struct callback_call){ .link = c->last, .fn = fn, .arg = arg, .failing = d->fail_first > 0 };
    *c->last = call;
    c->last = &call->next;
    d->fail_first -= d->fail_first > 0;
    keep(d->url, sizeof(d->url), r->url);
    keep(d->id, sizeof(d->id), r->id);
    keep(d->body, sizeof(d->body), r->body);
    d->timestamp_s = r->timestamp_s;
    if (d->posts < CALLBACK_DOUBLE_POSTS)
        d->at_ms[d->posts] = clock_mono_ms();
    d->posts++;
    if (++d->waiting > d->waiting_max)
        d->waiting_max = d->waiting;
    if (!d->hold)
        callback_double_release(1);
    return call;
}

void callback_abort(struct callback_call *call)
{
    if (call == NULL)
        return;
    call->fn = NULL;
    if (call->link == NULL)
        return; /* its answer is on its way, and frees it */
    unlink_call(call);
    free(call);
}

void callback_close(struct callback *c)
{
    while (c != NULL && c->first != NULL)
        callback_abort(c->first);
}
