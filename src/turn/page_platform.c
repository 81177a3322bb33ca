/* SPDX-License-Identifier: MIT
 * The port's side of the page API: places for a reply, a request taken apart, calls that may be aborted while the store still owes an answer. What happens in a
 * delivery is in page_send.c. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "turn/page_own.h"

#define ARENA_CAP (8u << 20)
#define SPARE_PERCENT 112
#define READ_EVERY_MS 1200
#define SEND_AHEAD_MS 300000
#define READ_AHEAD_MS 60000
#define PAGE_ID_MAX 200 /* its names in the store have room beside it */
#define HELD_FOR_MS 60000
#define HELD_MAX 64
#define WAIT_FIRST_MS 1000
#define WAIT_MOST_MS 60000

/* ---- places ---- */

struct store_place page_place(struct arena *a, struct sv page_id, enum page_row row, unsigned n, int64_t calls_per_second)
{
    bool send = row == PAGE_ROW_SEND;
    int64_t sends = calls_per_second > 1 ? calls_per_second - 1 : 1;
    return (struct store_place){
        .name = arena_printf(a, "place:page:%.*s:%s", SV_FMT(page_id), send ? "send" : "read"),
        .every_ms = send ? (1000 * SPARE_PERCENT / 100 + sends - 1) / sends : READ_EVERY_MS,
        .ahead_max_ms = send ? SEND_AHEAD_MS : READ_AHEAD_MS,
        .n = n,
    };
}

struct over {
    struct page_platform *p;
    int64_t now_ms;
};

static void drop_over(void *arg, struct sv key, void *value)
{
    struct over *o = arg;
    struct page_held *h = value;
    if (h->at_ms + HELD_FOR_MS < o->now_ms)
        free(map_take(o->p->held, key));
}

static void drop_all(void *arg, struct sv key, void *value)
{
    (void)value;
    free(map_take(arg, key));
}

/* Without memory the place is lost, and another one is taken when it is sent. */
static void hold(struct page_platform *p, struct sv conversation_id, const struct page_held *from)
{
    void *old = NULL;
    struct page_held *h = malloc(sizeof(*h));
    if (h == NULL)
        return;
    if (map_count(p->held) >= p->held_max) {
        map_each(p->held, drop_over, &(struct over){ p, clock_mono_ms() });
        p->held_max = map_count(p->held) * 2 > HELD_MAX ? map_count(p->held) * 2 : HELD_MAX;
    }
    *h = *from;
    if (map_put(p->held, conversation_id, h, &old) != 0)
        free(h);
    free(old);
}

void page_take_held(struct platform_call *c)
{
    struct page_held *h = map_take(c->p->held, c->conversation_id);
    c->held = h != NULL ? *h : (struct page_held){ 0 };
    free(h);
}

/* ---- a page that said "too many" ---- */

static unsigned char *waits_of(struct platform_call *c)
{
    unsigned hash = 0;
    for (size_t i = 0; i < c->page_id.n; i++)
        hash = hash * 31 + (unsigned char)c->page_id.p[i];
    return &c->p->waits[hash % PAGE_WAITS];
}

void page_was_good(struct platform_call *c)
{
    *waits_of(c) = 0;
}

static void moved(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    (void)value;
    c->store_failed |= status != STORE_DONE;
    (void)page_heard(c);
}

void page_leave_alone(struct platform_call *c, int64_t said_ms)
{
    unsigned char *waits = waits_of(c);
    int64_t ms = said_ms, most_ms = PAGE_LIMITED_MAX_MS;
    if (ms < 0) {
        ms = WAIT_FIRST_MS << *waits;
        most_ms = WAIT_MOST_MS;
        if (ms < WAIT_MOST_MS)
            (*waits)++;
    }
    ms = ms < 1 ? 1 : ms > most_ms ? most_ms : ms;
    c->retry_after_ms = ms;
    page_ask(c);
    store_put(c->p->o.store, sv_from(c->limit), SV("1"), ms, page_written, c);
    for (int row = PAGE_ROW_SEND; row <= PAGE_ROW_READ; row++) {
        struct store_place q = page_place(c->a, c->page_id, (enum page_row)row, 0, c->p->o.calls_per_second);
        q.wait_ms = ms;
        page_ask(c);
        store_place(c->p->o.store, &q, moved, c);
    }
}

/* ---- calls ---- */

void page_call_end(struct platform_call *c)
{
    if (c->p != NULL) {
        calls_leave(&c->link);
        loop_timer_free(c->timer);
        if (c->call != NULL)
            pages_abort(c->call);
        map_free(c->seen);
        c->p = NULL;
    }
    if (c->asked == 0)
        arena_free(c->a);
}

void page_answer(struct platform_call *c, const struct platform_answer *answer)
{
    platform_fn *fn = c->fn;
    void *arg = c->arg;
    struct platform_answer a = *answer;
    a.took_ms = clock_mono_ms() - c->began_ms;
    page_call_end(c); /* the answer may close everything */
    fn(arg, &a);
}

static void fired(void *arg)
{
    struct platform_call *c = arg;
    c->then(c);
}

void page_after(struct platform_call *c, int64_t ms, void (*then)(struct platform_call *c))
{
    c->then = then;
    loop_timer_set(c->timer, ms);
}

void page_ask(struct platform_call *c)
{
    c->asked++;
}

bool page_heard(struct platform_call *c)
{
    c->asked--;
    if (c->p == NULL) {
        if (c->asked == 0)
            arena_free(c->a);
        return false;
    }
    if (c->asked == 0)
        c->then(c);
    return true;
}

void page_written(void *arg, enum store_status status)
{
    struct platform_call *c = arg;
    c->store_failed |= status != STORE_DONE;
    (void)page_heard(c);
}

/* ---- a request ---- */

static struct sv without_edit(struct sv id)
{
    return sv_split(&id, '~');
}

static bool copy(struct arena *a, struct sv s, struct sv *to)
{
    *to = s.p != NULL ? arena_sv(a, s) : SV_NONE;
    return s.p == NULL || to->p != NULL;
}

/* What the request says; what is wrong with it stands in c->err. False: memory. */
static bool take(struct platform_call *c, const struct platform_request *r)
{
    const struct page_platform *p = c->p;
    const json_t *metadata = r->metadata.n > 0 ? json_read_in(c->a, r->metadata, false, NULL) : NULL;
    struct sv page_id = json_sv(metadata, "page_id");
    c->comment = sv_eq(json_sv(metadata, "channel"), SV("COMMENT"));
    if (page_id.n == 0)
        page_id = sv_from(p->o.page_id);
    if (!copy(c->a, page_id, &c->page_id) || !copy(c->a, r->conversation_id, &c->conversation_id) || !copy(c->a, without_edit(r->message_id), &c->message_id) ||
        !copy(c->a, r->idempotency_key, &c->key))
        return false;
    c->again = r->again;
    if (page_id.n == 0)
        (void)err_set(&c->err, ERR_REFUSED, "not sent: neither the message nor the settings say which page it is for");
    else if (page_id.n > PAGE_ID_MAX || !pages_has(p->o.pages, page_id))
        (void)err_set(&c->err, ERR_REFUSED, "not sent: there is no token for this page");
    else if (c->comment && c->message_id.n == 0)
        (void)err_set(&c->err, ERR_REFUSED, "not sent: there is no comment that it could answer");
    struct err e;
    if (page_text(c->a, r->actions.n > 0 ? r->actions : SV("[]"), page_chars_max(page_id), &c->text, &e) == 0)
        return true;
    if (e.code == ERR_MEMORY)
        return false;
    (void)err_set(&c->err, ERR_REFUSED, "not sent: %s", e.text);
    return true;
}

struct platform_call *page_call_new(struct page_platform *p, const struct platform_request *r)
{
    struct arena *a = arena_new(4096, ARENA_CAP);
    struct platform_call *c = a == NULL ? NULL : arena_alloc(a, sizeof(*c));
    if (c == NULL) {
        arena_free(a);
        return NULL;
    }
    *c = (struct platform_call){ .p = p, .a = a, .began_ms = clock_mono_ms(), .retry_after_ms = -1 };
    calls_enter(&p->calls, &c->link);
    c->timer = loop_timer_new(p->o.loop, fired, c);
    if (c->timer != NULL && take(c, r))
        return c;
    page_call_end(c);
    return NULL;
}

/* ---- the port ---- */

static void give_place(struct platform_call *c, const struct platform_place *place)
{
    platform_place_fn *fn = c->place_fn;
    void *arg = c->arg;
    page_call_end(c);
    fn(arg, place);
}

/* There is nothing to send, and that is said when it is sent. */
static void place_now(struct platform_call *c)
{
    give_place(c, &(struct platform_place){ .outcome = PLATFORM_PLACE, .at_ms = clock_mono_ms(), .retry_after_ms = -1 });
}

static void no_then(struct platform_call *c)
{
    (void)c;
}

static void placed(void *arg, enum store_status status, struct sv value)
{
    struct platform_call *c = arg;
    int64_t ms = 0;
    if (!page_heard(c))
        return;
    struct platform_place place = { .outcome = PLATFORM_NO_PLACE, .retry_after_ms = -1 };
    if (status == STORE_DONE && sv_to_i64(value, &ms) && ms >= 0) {
        place = (struct platform_place){ .outcome = PLATFORM_PLACE, .at_ms = clock_mono_ms() + ms, .retry_after_ms = -1 };
        c->held.at_ms = place.at_ms;
        hold(c->p, c->conversation_id, &c->held);
    } else if (status == STORE_DONE) {
        place.retry_after_ms = -ms;
    }
    give_place(c, &place);
}

static struct platform_call *place(struct platform *platform, const struct platform_request *r, platform_place_fn *fn, void *arg)
{
    struct page_platform *p = (struct page_platform *)platform;
    struct platform_call *c = page_call_new(p, r);
    if (c == NULL)
        return NULL;
    c->place_fn = fn;
    c->arg = arg;
    if (c->err.code != ERR_NONE || c->text.n == 0) {
        page_after(c, 0, place_now);
        return c;
    }
    struct store_place q = page_place(c->a, c->page_id, PAGE_ROW_SEND, (unsigned)c->text.n, p->o.calls_per_second);
    if (q.name.p == NULL) {
        page_call_end(c);
        return NULL;
    }
    c->held = (struct page_held){ .every_ms = q.every_ms, .n = c->text.n };
    c->then = no_then;
    page_ask(c);
    store_place(p->o.store, &q, placed, c);
    return c;
}

static void tell_left_out(const struct platform_call *c)
{
    char n[24];
    (void)snprintf(n, sizeof(n), "%zu", c->text.not_executed);
    log_warning("a part of a reply cannot be sent: no counterpart on a page, or too many pieces", "conversation_id", c->conversation_id.p, "page_id", c->page_id.p, "actions", n, NULL);
}

static struct platform_call *send(struct platform *platform, const struct platform_request *r, platform_fn *fn, void *arg)
{
    struct page_platform *p = (struct page_platform *)platform;
    struct platform_call *c = page_call_new(p, r);
    if (c == NULL)
        return NULL;
    c->fn = fn;
    c->arg = arg;
    c->deadline_ms = c->began_ms + r->timeout_ms;
    c->send_before_ms = r->send_before_ms > 0 && r->send_before_ms < c->deadline_ms ? r->send_before_ms : c->deadline_ms;
    const json_t *body = json_read_in(c->a, r->body, false, NULL);
    c->stopped = r->look_only;
    c->first_try_ms = (int64_t)(json_f64(body, "timestamp", 0) * 1000);
    if (c->err.code == ERR_NONE && c->text.not_executed > 0 && !c->again)
        tell_left_out(c);
    page_after(c, 0, page_send_begin);
    return c;
}

static void abort_call(struct platform *platform, struct platform_call *c)
{
    (void)platform;
    page_call_end(c);
}

/* What has left is waited for. */
static void stop(struct platform *platform, struct platform_call *c)
{
    (void)platform;
    c->stopped = true;
}

static void close_it(struct platform *platform)
{
    struct page_platform *p = (struct page_platform *)platform;
    while (p->calls != NULL)
        page_call_end(CONTAINER_OF(p->calls, struct platform_call, link));
    if (p->held != NULL)
        map_each(p->held, drop_all, p->held);
    map_free(p->held);
    void (*closed)(void *arg) = p->o.closed;
    void *arg = p->o.closed_arg;
    free((char *)(uintptr_t)p->o.page_id);
    free(p);
    if (closed != NULL)
        closed(arg);
}

static const struct platform_ops page_ops = {
    .name = "pages_fm",
    .send = send,
    .abort = abort_call,
    .stop = stop,
    .close = close_it,
    .place = place,
    .talks_only = true,
};

void page_platform_set(struct platform *platform, int64_t calls_per_second)
{
    ((struct page_platform *)platform)->o.calls_per_second = calls_per_second;
}

struct platform *page_platform_open(const struct page_platform_options *o, struct err *e)
{
    struct page_platform *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    *p = (struct page_platform){ .platform = { &page_ops }, .o = *o, .held_max = HELD_MAX, .held = map_new() };
    p->o.page_id = o->page_id != NULL ? strdup(o->page_id) : NULL;
    if (p->held != NULL && (o->page_id == NULL || p->o.page_id != NULL))
        return &p->platform;
    (void)err_set(e, ERR_MEMORY, "no memory");
    p->o.closed = NULL;
    close_it(&p->platform);
    return NULL;
}
