/* SPDX-License-Identifier: MIT
 * How long a peer may say nothing: until its answer begins, and then between two pieces. One timer, set anew by whatever is heard. When it fires, the
 * loop looks at its sockets once more before the limit counts: a process that was held up finds there what came in time. */
#include "config.h"

#include "outside/http_own.h"

static void on_time(void *arg)
{
    struct http_wait *w = arg;
    if (!w->due) {
        w->due = true;
        loop_timer_set(w->timer, 0);
        return;
    }
    w->passed = true;
    w->passed_fn(w->arg);
}

int http_wait_begin(struct http_wait *w, struct loop *l, const struct http_request *r)
{
    w->first_byte_ms = r->first_byte_ms;
    w->silence_ms = r->silence_ms;
    w->heard = w->due = w->passed = false;
    if (w->first_byte_ms <= 0 && w->silence_ms <= 0)
        return 0;
    if (w->timer == NULL)
        w->timer = loop_timer_new(l, on_time, w);
    if (w->timer == NULL)
        return -1;
    if (w->first_byte_ms > 0)
        loop_timer_set(w->timer, w->first_byte_ms);
    return 0;
}

void http_wait_heard(struct http_wait *w)
{
    bool first = !w->heard;
    w->heard = true;
    w->due = false;
    if (w->silence_ms > 0)
        loop_timer_set(w->timer, w->silence_ms);
    else if (first && w->first_byte_ms > 0)
        loop_timer_stop(w->timer);
}

void http_wait_end(struct http_wait *w)
{
    if (w->timer != NULL)
        loop_timer_stop(w->timer);
}

void http_wait_fini(struct http_wait *w)
{
    loop_timer_free(w->timer);
    w->timer = NULL;
}

int http_wait_why(const struct http_wait *w, struct err *e)
{
    if (w->heard)
        return err_set(e, ERR_UNAVAILABLE, "the answer stopped: nothing came for %lld ms", (long long)w->silence_ms);
    return err_set(e, ERR_UNAVAILABLE, "no first byte of an answer came within %lld ms", (long long)w->first_byte_ms);
}
