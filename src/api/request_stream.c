/* SPDX-License-Identifier: MIT
 * Answers of server-sent events: their text, and the comments that keep them alive.
 *
 * A comment is what makes most web servers notice that a client has gone, and what keeps proxies from giving up. All streams of a process
 * share one timer: each stands in a list behind those that are due before it, and goes to its end when it has got its comment. Many that
 * are due at once get theirs in portions, so that the loop is not held up. */
#include "config.h"

#include "api/request.h"
#include "lib/clock.h"

#define BUFFER_MAX 65536 /* bytes that may wait for a client */
#define EVENT_BESIDE 512 /* bytes of an event besides its data: fields, framing, comments */
#define PORTION 200      /* comments before other events get their turn */
#define COMMENT SV(":\n\n")

/* ---- the list ---- */

static void append(struct request *r)
{
    struct api *a = r->api;

    r->stream.due_ms = clock_mono_ms() + a->o.keepalive_ms;
    r->stream.next = NULL;
    r->stream.prev = a->streams.last;
    if (a->streams.last != NULL)
        a->streams.last->stream.next = r;
    else
        a->streams.first = r;
    a->streams.last = r;
}

static void take_out(struct request *r)
{
    struct api *a = r->api;

    if (r->stream.prev != NULL)
        r->stream.prev->stream.next = r->stream.next;
    else
        a->streams.first = r->stream.next;
    if (r->stream.next != NULL)
        r->stream.next->stream.prev = r->stream.prev;
    else
        a->streams.last = r->stream.prev;
}

static void set_timer(struct api *a, int64_t now_ms)
{
    if (a->streams.first != NULL)
        loop_timer_set(a->streams.timer, a->streams.first->stream.due_ms - now_ms);
}

/* Whoever cannot be written to is told so by fcgi_stream. */
void request_stream_keep_alive(void *arg)
{
    struct api *a = arg;
    int64_t now_ms = clock_mono_ms();

    for (int i = 0; i < PORTION && a->streams.first != NULL && a->streams.first->stream.due_ms <= now_ms; i++) {
        struct request *r = a->streams.first;
        take_out(r);
        append(r);
        (void)fcgi_stream_write(&r->f, COMMENT);
    }
    set_timer(a, now_ms);
}

/* ---- beginning and end ---- */

static void forget(struct request *r)
{
    take_out(r);
    atomic_fetch_sub(&r->api->streams.n, 1);
}

static void on_gone(void *arg)
{
    struct request *r = arg;

    forget(r);
    r->stream.gone(r->stream.arg);
}

static void on_room(void *arg)
{
    struct request *r = arg;

    r->stream.room(r->stream.arg);
}

void request_stream(struct request *r, loop_fn *gone, void *arg)
{
    struct api *a = r->api;
    bool whole = request_format(r, &(struct reply){ .status = 200, .events = true }).n > 0;

    r->stream.gone = gone;
    r->stream.arg = arg;
    append(r);
    atomic_fetch_add(&a->streams.n, 1);
    if (!loop_timer_is_set(a->streams.timer))
        set_timer(a, clock_mono_ms());
    if (whole && r->method != CGI_HEAD)
        buf_add(&a->answer, COMMENT); /* some web servers keep the headers until there is a body */
    fcgi_stream(&r->f, buf_sv(&a->answer), BUFFER_MAX, on_gone, r);
    if (!whole || r->method == CGI_HEAD)
        fcgi_stream_leave(&r->f);
    request_park(r);
}

void request_stream_end(struct request *r)
{
    forget(r);
    fcgi_stream_end(&r->f);
}

/* ---- events ---- */

static struct sv first_line(struct sv text)
{
    size_t n = 0;

    while (n < text.n && text.p[n] != '\n' && text.p[n] != '\r')
        n++;
    return (struct sv){ text.p, n };
}

static void add_field(struct buf *b, struct sv name, struct sv value)
{
    buf_add(b, name);
    buf_add(b, value);
    buf_addc(b, '\n');
}

/* A line of the text for each: CR, LF and CR LF end one. */
static void add_data(struct buf *b, struct sv data)
{
    bool more = true;

    while (more) {
        struct sv line = first_line(data);
        size_t n = line.n;
        add_field(b, SV("data: "), line);
        more = n < data.n;
        if (n + 1 < data.n && data.p[n] == '\r' && data.p[n + 1] == '\n')
            n++;
        if (more)
            data = (struct sv){ data.p + n + 1, data.n - n - 1 };
    }
}

static int send_text(struct request *r)
{
    struct buf *b = &r->api->answer;

    buf_addc(b, '\n');
    if (buf_ok(b))
        return fcgi_stream_write(&r->f, buf_sv(b));
    fcgi_stream_leave(&r->f); /* an event must not be missing: the client comes back for it */
    return -1;
}

int request_event(struct request *r, struct sv id, struct sv event, struct sv data)
{
    struct buf *b = &r->api->answer;

    buf_clear(b);
    if (id.p != NULL)
        add_field(b, SV("id: "), first_line(id));
    if (event.p != NULL)
        add_field(b, SV("event: "), first_line(event));
    add_data(b, data);
    return send_text(r);
}

bool request_event_fits(const struct request *r, size_t n)
{
    size_t waiting = fcgi_stream_waiting(&r->f);

    return waiting == 0 || waiting + n + EVENT_BESIDE <= BUFFER_MAX;
}

void request_stream_on_room(struct request *r, loop_fn *fn)
{
    r->stream.room = fn;
    fcgi_stream_on_room(&r->f, on_room); /* `gone` has r as its argument, too */
}

int request_event_retry(struct request *r, int64_t ms)
{
    struct buf *b = &r->api->answer;

    buf_clear(b);
    buf_add(b, SV("retry: "));
    buf_i64(b, ms);
    buf_addc(b, '\n');
    return send_text(r);
}
