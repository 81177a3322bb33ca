/* SPDX-License-Identifier: MIT
 * See completion_calls.h. Models are taught to write their calls between two tags, and servers to read them there; one that runs without its parser leaves
 * them in the text (https://github.com/NousResearch/Hermes-Function-Calling has the form, which Qwen took over). */
#include "config.h"

#include "outside/completion_calls.h"

static const struct sv begin = { "<tool_call>", 11 }, end = { "</tool_call>", 12 }, fence = { "```", 3 }, other = { "<function=", 10 };

struct scan {
    struct completion *c;
    struct sv left;                /* of the text */
    const char *tag, *mark, *close; /* the next of each in it; NULL: none */
    const char *from;              /* of the text that is not said yet */
    struct buf said;
    unsigned objects;              /* that were looked at closely */
    bool in_fence, some, failed;
};

static const char *find(struct sv s, struct sv what)
{
    return s.n > 0 ? memmem(s.p, s.n, what.p, what.n) : NULL;
}

/* On to `at`. Each of the three is looked for again only once it is passed: all of it takes time in proportion to the text. */
static void go_to(struct scan *s, const char *at)
{
    s->left = (struct sv){ at, s->left.n - (size_t)(at - s->left.p) };
    if (s->tag != NULL && s->tag < at)
        s->tag = find(s->left, begin);
    if (s->mark != NULL && s->mark < at)
        s->mark = find(s->left, fence);
    if (s->close != NULL && s->close < at)
        s->close = find(s->left, end);
}

/* Lines around what is taken out stay lines. */
static void say(struct scan *s, const char *to)
{
    struct sv line = sv_trim_space((struct sv){ s->from, (size_t)(to - s->from) });
    if (s->said.n > 0 && line.n > 0)
        buf_addc(&s->said, '\n');
    buf_add(&s->said, line);
}

/* Of an object that s begins with; NULL: it is not closed, or too long for a call. */
static const char *object_end(struct sv s)
{
    return json_past_object(s.p, s.p + (s.n < COMPLETION_CALL_MAX ? s.n : COMPLETION_CALL_MAX));
}

/* {"name":…, "arguments":{…}}; what is something else cannot be read. */
static bool add(struct completion *c, struct sv text)
{
    json_t *written = json_read(text, false, NULL), *arguments = json_object_get(written, "arguments");
    const char *name = json_string_value(json_object_get(written, "name"));
    bool added = true;
    if (arguments == NULL)
        arguments = json_object_get(written, "parameters");
    if (name != NULL && (arguments == NULL || json_is_object(arguments) || json_is_string(arguments))) {
        json_t *call = json_pack("{s:{s:s,s:O*}}", "function", "name", name, "arguments", arguments);
        added = call != NULL && completion_calls_add(c, call, true);
        json_decref(call);
    } else {
        if (c->unreadable.n > 0)
            buf_addc(&c->unreadable, '\n');
        buf_add(&c->unreadable, text);
    }
    json_decref(written);
    return added;
}

/* Whether the next tag begins a call. *rest: behind it, blanks, and tags that are repeated. */
static bool is_call(const struct scan *s, struct sv *rest)
{
    const char *at = s->tag;
    bool quoted = at > s->left.p && strchr("`\"'", at[-1]) != NULL; /* who writes about the tag */
    *rest = (struct sv){ at, s->left.n - (size_t)(at - s->left.p) };
    while (sv_starts(*rest, begin))
        *rest = thoughts_behind_blanks((struct sv){ rest->p + begin.n, rest->n - begin.n });
    return !s->in_fence && !quoted && (sv_starts(*rest, SV("{")) || sv_starts(*rest, other));
}

/* The calls of one tag, and the tag that ends them, which may be forgotten, or repeated. */
static void take(struct scan *s, struct sv content)
{
    say(s, s->tag);
    s->some = true;
    for (go_to(s, content.p); s->left.n > 0 && !s->failed;) {
        const char *to = s->left.p[0] == '{' && s->objects++ < COMPLETION_CALLS_MAX ? object_end(s->left) : NULL;
        if (to == NULL)
            to = s->close != NULL ? s->close : s->left.p + s->left.n;
        s->failed = !add(s->c, sv_trim_space((struct sv){ s->left.p, (size_t)(to - s->left.p) }));
        go_to(s, to);
        struct sv rest = thoughts_behind_blanks(s->left);
        bool closed = sv_starts(rest, end);
        while (sv_starts(rest, end))
            rest = thoughts_behind_blanks((struct sv){ rest.p + end.n, rest.n - end.n });
        if (closed || sv_starts(rest, SV("{")))
            go_to(s, rest.p);
        if (closed || !sv_starts(rest, SV("{")))
            break;
    }
    s->from = s->left.p;
}

int completion_calls_written(struct completion *c)
{
    struct sv text = completion_said(c, NULL);
    struct scan s = { .c = c, .left = text, .tag = c->tools ? find(text, begin) : NULL, .mark = find(text, fence), .close = find(text, end), .from = text.p, .said.max = COMPLETION_MAX };
    while (s.tag != NULL && !s.failed) {
        if (s.mark != NULL && s.mark < s.tag) {
            s.in_fence = !s.in_fence;
            go_to(&s, s.mark + fence.n);
            continue;
        }
        struct sv rest;
        if (is_call(&s, &rest))
            take(&s, rest);
        else
            go_to(&s, rest.p);
    }
    if (!s.some)
        return s.failed ? -1 : 0;
    say(&s, text.p + text.n);
    bool well = !s.failed && buf_ok(&s.said) && buf_ok(&c->unreadable);
    buf_fini(&c->text);
    c->text = s.said;
    return well ? 0 : -1;
}

size_t completion_calls_before(struct sv text)
{
    const char *at = find(text, begin);
    if (at != NULL)
        return (size_t)(at - text.p);
    for (size_t n = begin.n - 1; n > 0; n--)
        if (text.n >= n && memcmp(text.p + text.n - n, begin.p, n) == 0)
            return text.n - n;
    return text.n;
}
