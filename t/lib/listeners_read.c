/* SPDX-License-Identifier: MIT
 * What comes over a connection: the head of an HTTP answer, chunks with server-sent events in them (WHATWG HTML 9.2), or WebSocket frames as a
 * server may send them (RFC 6455 section 5). */
#include "config.h"

#include <stdlib.h>

#include "t/lib/listeners.h"

/* What RFC 6455 section 1.3 gives for the key that listeners_link.c sends. */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

enum { OP_CONTINUE = 0, OP_TEXT = 1, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10, FIN = 0x80, MASKED = 0x80 };

static const char *find(struct sv in, const char *what)
{
    return in.n > 0 ? memmem(in.p, in.n, what, strlen(what)) : NULL;
}

static struct sv behind(struct sv in, size_t at)
{
    return (struct sv){ in.p + at, in.n - at };
}

/* ---- the head ---- */

int read_head(struct link *l)
{
    struct sv in = buf_sv(&l->in);
    const char *end = find(in, "\r\n\r\n");

    if (end == NULL)
        return 0;
    struct sv head = { in.p, (size_t)(end - in.p) + 4 };
    int status = sv_starts(head, SV("HTTP/1.1 ")) ? (int)strtol(head.p + 9, NULL, 10) : 599;
    l->chunked = find(head, "chunked") != NULL;
    if (l->kind == LINK_SSE && status == 200 && find(head, "text/event-stream") == NULL)
        status = 599;
    if (l->kind == LINK_WS && status == 101 && find(head, ACCEPT) == NULL)
        status = 599;
    if (status == 599)
        check_fails(l, "an odd answer", head);
    buf_consume(&l->in, head.n);
    return status;
}

/* ---- server-sent events ---- */

static void read_event(struct link *l, struct sv text)
{
    struct sv rest = text, id = SV_NONE, data = SV_NONE;

    while (rest.p != NULL) {
        struct sv line = sv_split(&rest, '\n');
        if (sv_starts(line, SV("id: ")))
            id = behind(line, 4);
        else if (sv_starts(line, SV("data: ")))
            data = behind(line, 6); /* JSON of ours is one line */
        else if (sv_starts(line, SV(":")))
            l->c->n.pings++;
    }
    if (data.p != NULL)
        check_event(l, id.p != NULL ? id : SV(""), data);
}

static void read_events(struct link *l)
{
    struct sv rest = buf_sv(&l->text);
    const char *end;

    while ((end = find(rest, "\n\n")) != NULL) {
        size_t n = (size_t)(end - rest.p);
        read_event(l, (struct sv){ rest.p, n });
        rest = behind(rest, n + 2);
    }
    buf_consume(&l->text, l->text.n - rest.n);
}

/* Bytes of the chunk's whole text; 0: not whole. *data: what it carries. */
static size_t take_chunk(struct link *l, struct sv in, struct sv *data)
{
    const char *end = find(in, "\r\n");

    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - in.p) + 2, size = strtoul(in.p, NULL, 16);
    if (in.n < head + size + 2)
        return 0;
    *data = (struct sv){ in.p + head, size };
    l->over = size == 0;
    return head + size + 2;
}

bool read_stream(struct link *l)
{
    struct sv rest = buf_sv(&l->in), data = rest;
    size_t n = rest.n;

    if (!l->chunked)
        buf_add(&l->text, rest);
    while (l->chunked && rest.n > 0 && (n = take_chunk(l, rest, &data)) > 0) {
        buf_add(&l->text, data);
        rest = behind(rest, n);
    }
    buf_consume(&l->in, l->chunked ? l->in.n - rest.n : l->in.n);
    if (l->text.n > 0)
        read_events(l);
    if (l->in.n + l->text.n <= 2 * FRAME_MAX && buf_ok(&l->in) && buf_ok(&l->text))
        return true;
    l->c->n.malformed++;
    check_fails(l, "no end of an event", buf_sv(&l->in));
    return false;
}

/* ---- WebSocket frames ---- */

struct ws_frame {
    unsigned op;
    bool last;
    struct sv data;
};

/* Bytes of the frame; 0: not whole; SIZE_MAX: none that a server may send. */
static size_t take_frame(struct sv in, struct ws_frame *f)
{
    const unsigned char *p = (const unsigned char *)in.p;
    size_t head = 2;

    if (in.n < 2)
        return 0;
    uint64_t size = p[1] & 0x7f;
    unsigned more = size == 126 ? 2 : size == 127 ? 8 : 0;
    if ((p[0] & 0x70) != 0 || (p[1] & MASKED) != 0)
        return SIZE_MAX;
    if (in.n < head + more)
        return 0;
    if (more > 0)
        size = 0;
    for (unsigned i = 0; i < more; i++)
        size = size << 8 | p[head + i];
    head += more;
    *f = (struct ws_frame){ .op = p[0] & 15, .last = (p[0] & FIN) != 0, .data = { in.p + head, (size_t)size } };
    if (size > FRAME_MAX || (f->op >= OP_CLOSE && (size > 125 || !f->last)))
        return SIZE_MAX;
    return in.n < head + size ? 0 : head + (size_t)size;
}

/* A client's frame, of at most 125 bytes. */
static void say_frame(struct link *l, unsigned op, struct sv data)
{
    unsigned char out[2 + 4 + 125] = { (unsigned char)(FIN | op), (unsigned char)(MASKED | data.n) };

    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = (unsigned char)crowd_random(l->c, 256);
    for (size_t i = 0; i < data.n; i++)
        out[6 + i] = (unsigned char)data.p[i] ^ out[2 + i % 4];
    link_say(l, (struct sv){ (const char *)out, 6 + data.n });
}

void say_close(struct link *l)
{
    say_frame(l, OP_CLOSE, SV("\x03\xe8")); /* 1000 */
}

/* False: out of place. */
static bool read_frame(struct link *l, const struct ws_frame *f)
{
    bool inside = l->text.n > 0;

    switch (f->op) {
    case OP_CONTINUE:
    case OP_TEXT:
        if ((f->op == OP_CONTINUE) != inside)
            return false;
        buf_add(&l->text, f->data);
        if (f->last) {
            check_event(l, SV_NONE, buf_sv(&l->text));
            buf_clear(&l->text);
        }
        return l->text.n <= FRAME_MAX;
    case OP_CLOSE:
        if (!l->leaving)
            say_frame(l, OP_CLOSE, f->data);
        l->over = true;
        return true;
    case OP_PING:
        l->c->n.pings++;
        if (!l->leaving)
            say_frame(l, OP_PONG, f->data);
        return true;
    case OP_PONG:
        return true;
    default:
        return false;
    }
}

bool read_frames(struct link *l)
{
    struct sv rest = buf_sv(&l->in);
    struct ws_frame f;
    size_t n;

    while (!l->over && (n = take_frame(rest, &f)) > 0) {
        if (n == SIZE_MAX || !read_frame(l, &f)) {
            l->c->n.malformed++;
            check_fails(l, "no frame", rest);
            return false;
        }
        rest = behind(rest, n);
    }
    buf_consume(&l->in, l->in.n - rest.n);
    return true;
}
