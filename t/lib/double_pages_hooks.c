/* SPDX-License-Identifier: MIT
 * See double_pages_hooks.h. A delivery is owned by the list of all; it is due (in the queue), later (its timer is set) or running (it has a call). */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/digest.h"
#include "outside/http.h"
#include "t/lib/double_pages_hooks.h"

enum { STATUSES = 600, FAILURES = 5 };

struct delivery {
    struct delivery *next, *prev; /* of all */
    struct delivery *due;         /* in the queue */
    struct hooks *hooks;
    struct hooks_batch *batch;
    struct loop_timer *timer;
    struct http_call *call;
    struct buf url, body;
    int64_t tries;
};

struct hooks_batch {
    struct hooks *hooks;
    struct delivery **list; /* until they go */
    size_t n, size, open;
    loop_fn *done;
    void *arg;
};

struct hooks {
    struct loop *loop;
    const struct pages_options *options;
    struct http *http;
    struct delivery *all, *queue, **queue_end;
    int64_t waiting, running, done, given_up, statuses[STATUSES];
    int64_t *took_ms;
    size_t took_n, took_size;
    char *failures[FAILURES];
    uint64_t failed;
};

struct hooks *hooks_open(struct loop *l, const struct pages_options *options)
{
    struct err e;
    struct hooks *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->loop = l;
    h->options = options;
    h->queue_end = &h->queue;
    h->http = http_open(l, &(struct http_options){ .connect_timeout_ms = 5000 }, &e);
    if (h->http == NULL) {
        free(h);
        return NULL;
    }
    return h;
}

static void delivery_free(struct delivery *d)
{
    if (d->call != NULL)
        http_abort(d->call);
    loop_timer_free(d->timer);
    if (d->prev != NULL)
        d->prev->next = d->next;
    else
        d->hooks->all = d->next;
    if (d->next != NULL)
        d->next->prev = d->prev;
    buf_fini(&d->url);
    buf_fini(&d->body);
    if (--d->batch->open == 0)
        free(d->batch);
    free(d);
}

void hooks_clear(struct hooks *h)
{
    h->done = h->given_up = 0;
    h->took_n = 0;
    h->failed = 0;
    memset(h->statuses, 0, sizeof h->statuses);
    for (size_t i = 0; i < FAILURES; i++) {
        free(h->failures[i]);
        h->failures[i] = NULL;
    }
}

void hooks_close(struct hooks *h)
{
    while (h->all != NULL)
        delivery_free(h->all);
    hooks_clear(h);
    free(h->took_ms);
    http_close(h->http);
    free(h);
}

/* ---- sending ---- */

static void pump(struct hooks *h);

static void enqueue(void *arg)
{
    struct delivery *d = arg;
    struct hooks *h = d->hooks;
    d->due = NULL;
    *h->queue_end = d;
    h->queue_end = &d->due;
    pump(h);
}

static void note_failure(struct hooks *h, const struct http_answer *a)
{
    struct buf b = { 0 };
    char **at = &h->failures[h->failed++ % FAILURES];
    buf_printf(&b, "%d %s %.*s", a->status, a->outcome == HTTP_ANSWERED ? "" : a->err.text, (int)(a->body.n < 300 ? a->body.n : 300),
               a->body.n > 0 ? a->body.p : "");
    free(*at);
    *at = buf_take(&b);
}

static void note_took(struct hooks *h, int64_t took_ms)
{
    if (h->took_n == h->took_size) {
        h->took_size = h->took_size > 0 ? h->took_size * 2 : 1024;
        h->took_ms = realloc(h->took_ms, h->took_size * sizeof *h->took_ms);
        if (h->took_ms == NULL)
            abort();
    }
    h->took_ms[h->took_n++] = took_ms;
}

static void on_answer(void *arg, const struct http_answer *a)
{
    struct delivery *d = arg;
    struct hooks *h = d->hooks;
    d->call = NULL;
    h->running--;
    int status = a->outcome == HTTP_ANSWERED && a->status < STATUSES ? a->status : 0;
    h->statuses[status]++;
    note_took(h, a->took_ms);
    bool refused = status < 200 || status > 299;
    if (refused)
        note_failure(h, a);
    if (refused && d->tries <= h->options->webhook_retries) {
        loop_timer_set(d->timer, h->options->webhook_retry_ms);
        pump(h);
        return;
    }
    h->done++;
    h->waiting--;
    if (refused)
        h->given_up++;
    struct hooks_batch *b = d->batch;
    if (b->open == 1 && b->done != NULL)
        b->done(b->arg);
    delivery_free(d);
    pump(h);
}

static void sign(const struct pages_options *o, struct sv body, struct buf *out)
{
    unsigned char mac[DIGEST_SIZE];
    digest_hmac(sv_from(o->webhook_secret != NULL ? o->webhook_secret : ""), &body, 1, mac);
    buf_add(out, SV("sha256="));
    for (size_t i = 0; i < sizeof mac; i++)
        buf_printf(out, "%02x", mac[i]);
}

static void begin(struct delivery *d)
{
    const struct pages_options *o = d->hooks->options;
    struct sv auth = sv_from(o->webhook_auth != NULL ? o->webhook_auth : "secret");
    struct buf url = { 0 }, value = { 0 };
    struct http_header headers[2] = { 0 };
    buf_add(&url, buf_sv(&d->url));
    if (sv_eq(auth, SV("secret"))) {
        buf_printf(&url, "?secret=%s", o->webhook_secret != NULL ? o->webhook_secret : "");
    } else if (sv_eq(auth, SV("signature"))) {
        sign(o, buf_sv(&d->body), &value);
        headers[0] = (struct http_header){ "X-Pancake-Signature", buf_sv(&value) };
    } else if (sv_eq(auth, SV("bearer"))) {
        buf_printf(&value, "Bearer %s", o->webhook_token != NULL ? o->webhook_token : "");
        headers[0] = (struct http_header){ "Authorization", buf_sv(&value) };
    }
    d->tries++;
    d->hooks->running++;
    d->call = http_post(d->hooks->http,
                        &(struct http_request){ .url = url.p,
                                                .body = buf_sv(&d->body),
                                                .body_borrowed = true,
                                                .headers = headers,
                                                .headers_n = headers[0].name != NULL,
                                                .timeout_ms = o->webhook_timeout_ms,
                                                .once = true },
                        on_answer, d);
    if (d->call == NULL)
        abort();
    buf_fini(&url);
    buf_fini(&value);
}

static void pump(struct hooks *h)
{
    while (h->queue != NULL && h->running < h->options->connections) {
        struct delivery *d = h->queue;
        h->queue = d->due;
        if (h->queue == NULL)
            h->queue_end = &h->queue;
        begin(d);
    }
}

/* ---- batches ---- */

struct hooks_batch *hooks_batch_new(struct hooks *h, loop_fn *done, void *arg)
{
    struct hooks_batch *b = calloc(1, sizeof *b);
    if (b == NULL)
        abort();
    *b = (struct hooks_batch){ .hooks = h, .done = done, .arg = arg };
    return b;
}

static void add_one(struct hooks_batch *b, struct sv page, struct sv body)
{
    struct hooks *h = b->hooks;
    struct delivery *d = calloc(1, sizeof *d);
    if (d == NULL)
        abort();
    d->hooks = h;
    d->batch = b;
    d->next = h->all;
    if (d->next != NULL)
        d->next->prev = d;
    h->all = d;
    d->timer = loop_timer_new(h->loop, enqueue, d);
    if (d->timer == NULL)
        abort();
    buf_printf(&d->url, "%s/%.*s", h->options->webhook_url != NULL ? h->options->webhook_url : "", SV_FMT(page));
    buf_add(&d->body, body);
    if (b->n == b->size) {
        b->size = b->size > 0 ? b->size * 2 : 16;
        b->list = realloc(b->list, b->size * sizeof(struct delivery *));
        if (b->list == NULL)
            abort();
    }
    b->list[b->n++] = d;
    h->waiting++;
}

void hooks_batch_add(struct hooks_batch *b, struct sv page, struct sv body, int64_t times)
{
    for (int64_t i = 0; i < times; i++)
        add_one(b, page, body);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void go_empty(void *arg)
{
    struct hooks_batch *b = arg;
    if (b->done != NULL)
        b->done(b->arg);
    free(b);
}

void hooks_batch_go(struct hooks_batch *b, uint64_t seed, int64_t delay_ms, int64_t spread_ms)
{
    uint64_t state = seed != 0 ? seed : 0x9e3779b97f4a7c15u;
    struct delivery **list = b->list;
    size_t n = b->open = b->n;
    b->list = NULL;
    for (size_t i = n; seed != 0 && i > 1; i--) {
        size_t k = (size_t)(next_random(&state) % i);
        struct delivery *d = list[i - 1];
        list[i - 1] = list[k];
        list[k] = d;
    }
    if (n == 0)
        loop_soon(b->hooks->loop, go_empty, b);
    for (size_t i = 0; i < n; i++) {
        int64_t part = spread_ms > 0 ? (int64_t)(next_random(&state) % (uint64_t)spread_ms) : 0;
        if (delay_ms + part > 0)
            loop_timer_set(list[i]->timer, delay_ms + part);
        else
            enqueue(list[i]);
    }
    free(list);
}

void hooks_batch_forget(struct hooks_batch *b)
{
    b->done = NULL;
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void write_took(const struct hooks *h, struct json_out *o)
{
    json_key(o, "took_ms");
    json_obj(o);
    if (h->took_n > 0) {
        qsort(h->took_ms, h->took_n, sizeof *h->took_ms, by_size);
        json_kint(o, "p50", h->took_ms[h->took_n / 2]);
        json_kint(o, "p95", h->took_ms[h->took_n * 95 / 100]);
        json_kint(o, "max", h->took_ms[h->took_n - 1]);
    }
    json_obj_end(o);
}

void hooks_write(const struct hooks *h, struct json_out *o)
{
    json_obj(o);
    json_kint(o, "waiting", h->waiting);
    json_kint(o, "running", h->running);
    json_kint(o, "done", h->done);
    json_kint(o, "given_up", h->given_up);
    json_key(o, "statuses");
    json_obj(o);
    for (int i = 0; i < STATUSES; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%d", i);
        if (h->statuses[i] > 0)
            json_kint(o, name, h->statuses[i]);
    }
    json_obj_end(o);
    write_took(h, o);
    json_key(o, "failures");
    json_arr(o);
    for (size_t i = 0; i < FAILURES; i++)
        if (h->failures[i] != NULL)
            json_str(o, sv_is_utf8(sv_from(h->failures[i])) ? sv_from(h->failures[i]) : SV("not UTF-8"));
    json_arr_end(o);
    json_obj_end(o);
}
