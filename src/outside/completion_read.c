/* SPDX-License-Identifier: MIT
 * See completion_read.h. A service that was asked for a stream may answer with a whole completion or an error object, whatever type it says
 * that is; and no line of a stream begins with a brace. */
#include "config.h"

#include "outside/completion_read.h"

#define BOM "\xef\xbb\xbf"

void completion_read_init(struct completion_read *r)
{
    *r = (struct completion_read){ .whole.max = COMPLETION_MAX * 2, .sse.max = COMPLETION_MAX * 2 };
    completion_init(&r->completion);
}

void completion_read_fini(struct completion_read *r)
{
    completion_fini(&r->completion);
    sse_fini(&r->sse);
    buf_fini(&r->whole);
}

static bool take_event(void *arg, struct sv event, struct sv data)
{
    struct completion_read *r = arg;
    completion_add(&r->completion, data);
    if (sv_eq(event, SV("error")) && r->completion.error.code == ERR_NONE)
        (void)err_set(&r->completion.error, ERR_UNAVAILABLE, "the AI service answered with an event that is an error");
    return true;
}

/* What the bytes so far are, once it shows. */
static void look(struct completion_read *r, struct sv content_type)
{
    struct sv s = buf_sv(&r->whole);
    if (sv_starts(s, SV(BOM)))
        s = (struct sv){ s.p + 3, s.n - 3 };
    else if (s.n < 3 && sv_starts(SV(BOM), s))
        return;
    while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL)
        s.p++, s.n--;
    if (s.n == 0)
        return;
    bool stream = s.p[0] != '{' && (sv_eq(content_type, SV("text/event-stream")) || strchr(":dei", s.p[0]) != NULL);
    r->form = stream ? READ_STREAM : READ_WHOLE;
}

bool completion_read_add(struct completion_read *r, struct sv content_type, struct sv piece)
{
    bool known = r->form == READ_STREAM;
    r->bytes += piece.n;
    if (!known)
        buf_add(&r->whole, piece);
    if (r->form == READ_NOTHING)
        look(r, content_type);
    if (r->form == READ_STREAM) {
        struct sv bytes = known ? piece : buf_sv(&r->whole);
        r->large |= r->bytes > COMPLETION_STREAM_MAX || sse_add(&r->sse, bytes, take_event, r) != 0;
    }
    r->large |= !buf_ok(&r->whole);
    return !r->large;
}

enum completion_state completion_read_end(struct completion_read *r, struct err *e)
{
    struct sv whole = buf_sv(&r->whole);
    if (r->form == READ_STREAM && !r->large)
        r->large = sse_end(&r->sse, take_event, r) != 0;
    else if (r->form == READ_WHOLE)
        completion_add_whole(&r->completion, sv_starts(whole, SV(BOM)) ? (struct sv){ whole.p + 3, whole.n - 3 } : whole);
    if (r->large)
        return (void)err_set(e, ERR_RANGE, "the AI service's answer is too large"), COMPLETION_LARGE;
    return completion_judge(&r->completion, e);
}
