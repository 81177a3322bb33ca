/* SPDX-License-Identifier: MIT
 * See completion_calls.h. A fragment says which call it belongs to by an index, an id, a name, several of them, or none: indexes are left out
 * by some services and always 0 with others, ids come once, always or never. */
#include "config.h"

#include <stdlib.h>

#include "outside/completion_calls.h"

enum { READ_MAX = 16 }; /* braces that match and yet are no JSON */

static struct completion_call *by_index(struct completion *c, int64_t index)
{
    for (size_t i = c->calls_n; i > 0; i--)
        if (c->calls[i - 1].index == index)
            return &c->calls[i - 1];
    return NULL;
}

static struct completion_call *by_id(struct completion *c, struct sv id)
{
    for (size_t i = c->calls_n; id.n > 0 && i > 0; i--)
        if (sv_eq(buf_sv(&c->calls[i - 1].id), id))
            return &c->calls[i - 1];
    return NULL;
}

/* Each byte once, however often a fragment comes. */
static void see(struct completion_call *call)
{
    for (; call->seen.at < call->arguments.n; call->seen.at++) {
        char c = call->arguments.p[call->seen.at];
        bool in_string = call->seen.in_string;
        if (in_string && call->seen.escaped)
            call->seen.escaped = false;
        else if (in_string && c == '\\')
            call->seen.escaped = true;
        else if (c == '"')
            call->seen.in_string = !in_string;
        else if (!in_string && c == '{')
            call->seen.depth++;
        else if (!in_string && c == '}' && call->seen.depth > 0)
            call->seen.depth--;
    }
}

/* Nothing can follow: a fragment with a name is another call. */
static bool is_whole(struct completion_call *call)
{
    struct sv text = sv_trim(buf_sv(&call->arguments));
    see(call);
    if (text.n == 0 || text.p[text.n - 1] != '}' || call->seen.depth > 0 || call->seen.read == READ_MAX)
        return false;
    json_t *arguments = json_read(text, false, NULL);
    bool whole = arguments != NULL;
    call->seen.read++;
    json_decref(arguments);
    return whole;
}

/* A name comes once, in each fragment, or in pieces before the arguments begin. */
static bool begins_another(struct completion_call *call, struct sv name)
{
    if (name.n == 0 || call->name.n == 0 || call->arguments.n == 0)
        return false;
    return !sv_eq(buf_sv(&call->name), name) || is_whole(call);
}

/* NULL: the fragment begins a call. */
static struct completion_call *find(struct completion *c, int64_t index, struct sv id, struct sv name)
{
    struct completion_call *last = c->calls_n > 0 ? &c->calls[c->calls_n - 1] : NULL;
    struct completion_call *call = index >= 0 ? by_index(c, index) : last;
    if (call == NULL)
        return NULL;
    if (id.n > 0 && call->id.n > 0)
        return sv_eq(buf_sv(&call->id), id) ? call : by_id(c, id);
    if (index < 0 && name.n > 0 && call->name.n > 0 && call->arguments.n == 0 && !sv_eq(buf_sv(&call->name), name))
        return NULL; /* a new name, and nothing says that it is part of the one before */
    return begins_another(call, name) ? NULL : call;
}

static struct completion_call *begin(struct completion *c, int64_t index)
{
    if (c->calls_n == c->calls_size) {
        size_t size = c->calls_size == 0 ? 4 : c->calls_size * 2;
        struct completion_call *calls = realloc(c->calls, size * sizeof(*calls));
        if (calls == NULL)
            return NULL;
        c->calls = calls;
        c->calls_size = size;
    }
    struct completion_call *call = &c->calls[c->calls_n];
    *call = (struct completion_call){ .arguments.max = COMPLETION_CALL_MAX, .index = index, .raw = json_object() };
    if (call->raw == NULL)
        return NULL;
    c->calls_n++;
    return call;
}

/* Members that are not known here, of the call and of its function. */
static void keep_extras(struct completion_call *call, const json_t *from)
{
    json_t *plain = (json_t *)(uintptr_t)from, *function = json_object_get(plain, "function"), *kept = json_object_get(call->raw, "function");
    if (!json_is_object(kept)) {
        kept = json_object();
        (void)json_object_set_new(call->raw, "function", kept);
    }
    for (void *at = json_object_iter(plain); at != NULL; at = json_object_iter_next(plain, at))
        if (strcmp(json_object_iter_key(at), "function") != 0 && !json_is_null(json_object_iter_value(at)))
            (void)json_object_set(call->raw, json_object_iter_key(at), json_object_iter_value(at));
    if (json_is_object(function))
        (void)json_object_update(kept, function);
}

/* Arguments are a string; some services send the object that it should hold. */
static bool add_arguments(struct completion_call *call, const json_t *arguments)
{
    if (json_is_object(arguments))
        json_dump_to(&call->arguments, arguments);
    else if (json_is_string(arguments))
        buf_add(&call->arguments, (struct sv){ json_string_value(arguments), json_string_length(arguments) });
    else
        return arguments == NULL || json_is_null(arguments);
    return true;
}

bool completion_calls_add(struct completion *c, const json_t *call, bool whole)
{
    const json_t *function = json_object_get(call, "function");
    struct sv id = json_sv(call, "id"), name = json_sv(function, "name");
    int64_t index = whole ? -1 : json_i64(call, "index", -1);
    if (!json_is_object(call))
        return false;
    struct completion_call *to = whole ? NULL : find(c, index, id, name);
    if (to == NULL && c->calls_n >= COMPLETION_CALLS_MAX) {
        c->left_out++;
        return true;
    }
    if (to == NULL && (to = begin(c, index)) == NULL)
        return false;
    if (to->id.n == 0)
        buf_add(&to->id, id);
    if (to->name.n == 0 || (to->arguments.n == 0 && !sv_eq(buf_sv(&to->name), name)))
        buf_add(&to->name, name);
    keep_extras(to, call);
    return add_arguments(to, json_object_get(function, "arguments")) && buf_ok(&to->id) && buf_ok(&to->name);
}

void completion_calls_fini(struct completion *c)
{
    for (size_t i = 0; i < c->calls_n; i++) {
        buf_fini(&c->calls[i].id);
        buf_fini(&c->calls[i].name);
        buf_fini(&c->calls[i].arguments);
        json_decref(c->calls[i].raw);
    }
    free(c->calls);
}

/* ---- what is made of them ---- */

static bool is_flat(json_t *value, unsigned levels)
{
    bool flat = levels > 0 || (!json_is_object(value) && !json_is_array(value));
    for (size_t i = 0; flat && i < json_array_size(value); i++)
        flat = is_flat(json_array_get(value, i), levels - 1);
    for (void *at = json_object_iter(value); flat && at != NULL; at = json_object_iter_next(value, at))
        flat = is_flat(json_object_iter_value(at), levels - 1);
    return flat;
}

bool completion_is_flat(const json_t *value)
{
    return is_flat((json_t *)(uintptr_t)value, COMPLETION_DEPTH_MAX); /* jansson's iterators change nothing */
}

json_t *completion_arguments(const struct completion_call *call, struct err *e)
{
    struct sv text = buf_sv(&call->arguments);
    while (text.n > 0 && strchr(" \t\r\n", text.p[text.n - 1]) != NULL)
        text.n--;
    if (text.n == 0)
        return json_object();
    json_t *arguments = json_read(text, false, e);
    if (arguments == NULL || (json_is_object(arguments) && completion_is_flat(arguments)))
        return arguments;
    (void)err_set(e, ERR_INVALID, "the arguments are %s", json_is_object(arguments) ? "nested too deeply" : "not an object");
    json_decref(arguments);
    return NULL;
}

static bool has_id(const struct completion *c, size_t among, struct sv id)
{
    bool found = false;
    for (size_t i = 0; !found && i < among; i++)
        found = sv_eq(buf_sv(&c->calls[i].id), id);
    return found;
}

void completion_call_id(struct buf *out, const struct completion *c, size_t n)
{
    struct sv id = buf_sv(&c->calls[n].id);
    buf_clear(out);
    buf_add(out, id);
    if (id.n > 0 && !has_id(c, n, id))
        return;
    buf_clear(out);
    buf_printf(out, "call_%zu", n + 1);
    while (buf_ok(out) && has_id(c, c->calls_n, buf_sv(out)))
        buf_printf(out, "_%zu", n + 1);
}

static void render_members(struct json_out *o, json_t *object, const char *const *but)
{
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        const char *key = json_object_iter_key(at);
        bool own = false;
        for (size_t i = 0; !own && but[i] != NULL; i++)
            own = strcmp(key, but[i]) == 0;
        if (own)
            continue;
        json_name(o, sv_from(key));
        json_val(o, json_object_iter_value(at));
    }
}

static void render_call(struct json_out *o, const struct completion *c, size_t n, struct buf *id)
{
    static const char *const of_call[] = { "id", "type", "index", "function", NULL }, *const of_function[] = { "name", "arguments", NULL };
    const struct completion_call *call = &c->calls[n];
    completion_call_id(id, c, n);
    json_obj(o);
    json_kstr(o, "id", buf_sv(id));
    json_kstr(o, "type", SV("function"));
    json_key(o, "function");
    json_obj(o);
    json_kstr(o, "name", call->name.n > 0 ? buf_sv(&call->name) : SV(""));
    json_kstr(o, "arguments", call->arguments.n > 0 ? buf_sv(&call->arguments) : SV("{}"));
    render_members(o, json_object_get(call->raw, "function"), of_function);
    json_obj_end(o);
    render_members(o, call->raw, of_call);
    json_obj_end(o);
}

static void render_pieces(struct json_out *o, json_t *pieces)
{
    struct buf text = { 0 };
    size_t i;
    json_t *piece;
    for (void *at = json_object_iter(pieces); at != NULL; at = json_object_iter_next(pieces, at)) {
        if (!json_is_array(json_object_iter_value(at)))
            continue;
        buf_clear(&text);
        json_array_foreach(json_object_iter_value(at), i, piece) buf_add(&text, (struct sv){ json_string_value(piece), json_string_length(piece) });
        json_name(o, sv_from(json_object_iter_key(at)));
        json_str(o, text.n > 0 ? buf_sv(&text) : SV(""));
    }
    if (!buf_ok(&text))
        o->b->failed = true;
    buf_fini(&text);
}

void completion_render(struct json_out *o, const struct completion *c)
{
    static const char *const own[] = { NULL };
    struct buf id = { 0 }, content = { 0 };
    buf_add(&content, completion_said(c, NULL));
    if (content.n > 0 && c->unreadable.n > 0)
        buf_addc(&content, '\n');
    buf_add(&content, buf_sv(&c->unreadable));
    json_obj(o);
    json_kstr(o, "role", SV("assistant"));
    json_kstr(o, "content", content.n > 0 ? buf_sv(&content) : SV_NONE);
    if (c->calls_n > 0) {
        json_key(o, "tool_calls");
        json_arr(o);
        for (size_t i = 0; i < c->calls_n; i++)
            render_call(o, c, i, &id);
        json_arr_end(o);
    }
    if (c->extras != NULL)
        render_members(o, c->extras, own);
    render_pieces(o, c->pieces);
    json_obj_end(o);
    if (!buf_ok(&id) || !buf_ok(&content))
        o->b->failed = true;
    buf_fini(&id);
    buf_fini(&content);
}
