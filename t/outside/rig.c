/* SPDX-License-Identifier: MIT
 * See rig.h. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/outside/rig.h"
#include "t/tap.h"

enum { PATIENCE_MS = 120000, TICK_MS = 2, SETTLE_ROUNDS = 20 };

const char *const http_outcomes[] = {
    [HTTP_ANSWERED] = "answered",
    [HTTP_NOT_SENT] = "not sent",
    [HTTP_TOO_LATE] = "too late",
    [HTTP_UNKNOWN] = "unknown",
};

void rig_open(struct rig *r, const struct http_options *o)
{
    static const struct http_options usual = { 0 };
    struct err e = { 0 };
    r->loop = loop_new();
    r->http = r->loop != NULL ? http_open(r->loop, o != NULL ? o : &usual, &e) : NULL;
    if (r->http == NULL)
        bail_out("rig: %s", e.text);
}

void rig_close(struct rig *r)
{
    http_close(r->http);
    loop_free(r->loop);
}

/* Counts its own ticks, since tests may stop the clock. */
struct patience {
    struct loop_timer *timer;
    int left;
};

static void tick(void *arg)
{
    struct patience *p = arg;
    p->left -= TICK_MS;
    loop_timer_set(p->timer, TICK_MS);
}

void rig_until(struct rig *r, bool (*condition)(void *arg), void *arg)
{
    struct patience p = { .left = PATIENCE_MS };
    p.timer = loop_timer_new(r->loop, tick, &p);
    if (p.timer == NULL)
        bail_out("rig: memory");
    loop_timer_set(p.timer, TICK_MS);
    while (!condition(arg)) {
        if (p.left <= 0)
            bail_out("rig: waited for %d s in vain", PATIENCE_MS / 1000);
        loop_turn(r->loop, true);
    }
    loop_timer_free(p.timer);
}

void rig_settle(struct rig *r)
{
    for (int i = 0; i < SETTLE_ROUNDS; i++) {
        loop_turn(r->loop, false);
        (void)poll(NULL, 0, 1);
    }
}

void heard_free(struct heard *h)
{
    free(h->body);
    free(h->type);
    *h = (struct heard){ 0 };
}

void hear(void *arg, const struct http_answer *a)
{
    struct heard *h = arg;
    int times = h->times + 1;
    heard_free(h);
    h->times = times;
    h->answer = *a;
    h->body = strndup(a->body.p != NULL ? a->body.p : "", a->body.n);
    h->answer.body.p = h->body;
    h->type = a->content_type.p != NULL ? strndup(a->content_type.p, a->content_type.n) : NULL;
    h->answer.content_type.p = h->type;
}

static bool was_heard(void *arg)
{
    return ((struct heard *)arg)->times > 0;
}

void rig_post(struct rig *r, const struct http_request *q, struct heard *h)
{
    heard_free(h);
    struct http_call *c = http_post(r->http, q, hear, h);
    if (c == NULL || h->times != 0)
        bail_out("rig: the answer came from inside the call");
    rig_until(r, was_heard, h);
}

bool pieces_take(void *arg, struct sv type, struct sv piece)
{
    struct pieces *x = arg;
    x->n++;
    buf_add(&x->text, piece);
    buf_clear(&x->type);
    buf_add(&x->type, type.p != NULL ? type : SV("none"));
    return x->left == 0 || --x->left > 0;
}

struct http_request pieces_request(struct peer *p, struct pieces *x)
{
    return (struct http_request){ .url = rig_url(peer_port(p), "/s?token=hidden"),
                                  .body = SV("{}"),
                                  .timeout_ms = PLENTY_MS,
                                  .on_piece = pieces_take,
                                  .on_piece_arg = x };
}

void pieces_free(struct pieces *x)
{
    buf_fini(&x->text);
    buf_fini(&x->type);
    *x = (struct pieces){ 0 };
}

const char *pieces_text(const struct pieces *x)
{
    return x->text.p != NULL ? x->text.p : "";
}

const char *rig_url(int port, const char *path)
{
    static char url[4][128];
    static unsigned next;
    char *at = url[next++ % ARRAY_LEN(url)];
    (void)snprintf(at, sizeof url[0], "http://127.0.0.1:%d%s", port, path);
    return at;
}
