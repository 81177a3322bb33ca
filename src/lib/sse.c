/* SPDX-License-Identifier: MIT
 * See sse.h. A line that lies whole in what was added is read where it lies; only what a cut leaves over is kept in `line`. */
#include "config.h"

#include "lib/sse.h"

enum { MAX_USUAL = 1024 * 1024 };

#define BOM "\xef\xbb\xbf"

static bool pass_on(struct sse *s, sse_fn *fn, void *arg)
{
    bool more = true;
    if (s->has_data) {
        struct sv event = s->event.n > 0 ? buf_sv(&s->event) : SV_NONE;
        more = fn(arg, event, s->data.n > 0 ? buf_sv(&s->data) : SV(""));
    }
    buf_clear(&s->data);
    buf_clear(&s->event);
    s->has_data = false;
    return more;
}

/* False: enough, or too much. */
static bool read_line(struct sse *s, struct sv line, sse_fn *fn, void *arg)
{
    if (line.n > s->line.max)
        return false;
    if (!s->begun && sv_starts(line, SV(BOM)))
        line = (struct sv){ line.p + sizeof(BOM) - 1, line.n - (sizeof(BOM) - 1) };
    s->begun = true;
    if (line.n == 0)
        return pass_on(s, fn, arg);
    struct sv value = line, name = sv_split(&value, ':'); /* a comment has no name */
    if (value.n > 0 && value.p[0] == ' ')
        value = (struct sv){ value.p + 1, value.n - 1 };
    if (sv_eq(name, SV("data"))) {
        if (s->has_data)
            buf_addc(&s->data, '\n');
        buf_add(&s->data, value);
        s->has_data = true;
    } else if (sv_eq(name, SV("event"))) {
        buf_clear(&s->event);
        buf_add(&s->event, value);
    }
    return buf_ok(&s->data) && buf_ok(&s->event);
}

/* A line's end was found: what was kept of it, and the rest. */
static bool end_line(struct sse *s, struct sv rest, sse_fn *fn, void *arg)
{
    if (s->line.n == 0)
        return read_line(s, rest, fn, arg);
    buf_add(&s->line, rest);
    bool more = buf_ok(&s->line) && read_line(s, buf_sv(&s->line), fn, arg);
    buf_clear(&s->line);
    return more;
}

int sse_add(struct sse *s, struct sv bytes, sse_fn *fn, void *arg)
{
    size_t at = 0, from;
    s->line.max = s->data.max = s->event.max = s->max != 0 ? s->max : MAX_USUAL;
    if (s->cr && bytes.n > 0) {
        at = bytes.p[0] == '\n';
        s->cr = false;
    }
    from = at;
    for (; at < bytes.n && !s->over; at++) {
        if (bytes.p[at] != '\n' && bytes.p[at] != '\r')
            continue;
        s->over = !end_line(s, (struct sv){ bytes.p + from, at - from }, fn, arg);
        if (bytes.p[at] == '\r' && at + 1 == bytes.n)
            s->cr = true;
        else if (bytes.p[at] == '\r' && bytes.p[at + 1] == '\n')
            at++;
        from = at + 1;
    }
    if (!s->over && from < bytes.n) {
        buf_add(&s->line, (struct sv){ bytes.p + from, bytes.n - from });
        s->over = !buf_ok(&s->line);
    }
    return s->over ? -1 : 0;
}

int sse_end(struct sse *s, sse_fn *fn, void *arg)
{
    if (!s->over && s->line.n > 0)
        s->over = !end_line(s, SV(""), fn, arg);
    if (!s->over)
        s->over = !pass_on(s, fn, arg);
    return s->over ? -1 : 0;
}

void sse_fini(struct sse *s)
{
    buf_fini(&s->line);
    buf_fini(&s->data);
    buf_fini(&s->event);
}
