/* SPDX-License-Identifier: MIT
 * See completion_calls.h. Models are taught to write their calls between two tags, and servers to read them there; one that runs without its parser leaves
 * them in the text (https://github.com/NousResearch/Hermes-Function-Calling has the form, which Qwen took over). */
#include "config.h"

#include "outside/completion_calls.h"

static const struct sv begin = { "<tool_call>", 11 }, end = { "</tool_call>", 12 };

static struct sv behind(struct sv s, size_t n)
{
    return (struct sv){ s.p + n, s.n - n };
}

/* Who writes about the tag does not begin a line with it and go on with an object. */
static bool is_call(struct sv text, const char *at)
{
    const char *line = at, *to = text.p + text.n;
    while (line > text.p && (line[-1] == ' ' || line[-1] == '\t'))
        line--;
    at += begin.n;
    while (at < to && strchr(" \t\r\n", *at) != NULL)
        at++;
    return (line == text.p || line[-1] == '\n') && at < to && *at == '{';
}

/* The first tag that begins a call; NULL: there is none. */
static const char *find(struct sv text)
{
    const char *at = memmem(text.p, text.n, begin.p, begin.n);
    while (at != NULL && !is_call(text, at))
        at = memmem(at + 1, text.n - (size_t)(at + 1 - text.p), begin.p, begin.n);
    return at;
}

/* {"name":…, "arguments":{…}}; what is something else is a call that nobody knows, so that the model is told. */
static bool add(struct completion *c, struct sv text)
{
    json_t *written = json_read(text, false, NULL), *arguments = json_object_get(written, "arguments"), *call = NULL;
    const char *name = json_string_value(json_object_get(written, "name"));
    if (arguments == NULL)
        arguments = json_object_get(written, "parameters");
    if (name != NULL && (arguments == NULL || json_is_object(arguments) || json_is_string(arguments)))
        call = json_pack("{s:{s:s,s:O*}}", "function", "name", name, "arguments", arguments);
    else
        call = json_pack("{s:{s:s,s:s%}}", "function", "name", "tool_call", "arguments", text.p, text.n);
    bool added = call != NULL && completion_calls_add(c, call, true);
    json_decref(call);
    json_decref(written);
    return added;
}

static void add_line(struct buf *to, struct sv line)
{
    line = sv_trim_space(line);
    if (to->n > 0 && line.n > 0)
        buf_addc(to, '\n');
    buf_add(to, line);
}

int completion_calls_written(struct completion *c)
{
    struct sv left = completion_said(c, NULL);
    struct buf said = { .max = COMPLETION_MAX };
    bool added = true;
    const char *at = c->tools && left.n > 0 ? find(left) : NULL;
    if (at == NULL)
        return 0;
    for (; added && at != NULL; at = find(left)) {
        add_line(&said, (struct sv){ left.p, (size_t)(at - left.p) });
        left = behind(left, (size_t)(at - left.p) + begin.n);
        const char *to = memmem(left.p, left.n, end.p, end.n); /* the last one may be forgotten */
        added = add(c, sv_trim_space((struct sv){ left.p, to != NULL ? (size_t)(to - left.p) : left.n }));
        left = to != NULL ? behind(left, (size_t)(to - left.p) + end.n) : SV("");
    }
    add_line(&said, left);
    bool well = added && buf_ok(&said);
    buf_fini(&c->text);
    c->text = said;
    return well ? 0 : -1;
}

size_t completion_calls_before(struct sv text)
{
    const char *at = memmem(text.p, text.n, begin.p, begin.n);
    if (at != NULL)
        return (size_t)(at - text.p);
    for (size_t n = begin.n - 1; n > 0; n--)
        if (text.n >= n && memcmp(text.p + text.n - n, begin.p, n) == 0)
            return text.n - n;
    return text.n;
}
