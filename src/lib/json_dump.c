/* SPDX-License-Identifier: MIT
 * jansson's values written by our own writer: a real comes out as short as it came in (0.95, where jansson 2.14 prints
 * 0.94999999999999996) and stays a real (1.0). Members keep jansson's order, which is that of their insertion. */
#include "config.h"

#include "lib/json.h"

#define NESTED_MAX 256 /* far beyond what json_read lets in: a guard for values that were built */

static void put(struct json_out *o, const json_t *value, unsigned depth);

static void put_real(struct json_out *o, double n)
{
    size_t from = o->b->n;
    json_num(o, n);
    if (!buf_ok(o->b))
        return;
    struct sv text = { o->b->p + from, o->b->n - from };
    for (size_t i = 0; i < text.n; i++)
        if (strchr(".en", text.p[i]) != NULL) /* a fraction, an exponent, null */
            return;
    buf_add(o->b, SV(".0"));
}

static void put_object(struct json_out *o, const json_t *value, unsigned depth)
{
    json_t *object = (json_t *)(uintptr_t)value; /* jansson's iterators take it without const and change nothing */
    json_obj(o);
    for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at)) {
        json_name(o, sv_from(json_object_iter_key(at))); /* without NUL: json_read refuses those */
        put(o, json_object_iter_value(at), depth + 1);
    }
    json_obj_end(o);
}

static void put_array(struct json_out *o, const json_t *value, unsigned depth)
{
    json_arr(o);
    for (size_t i = 0; i < json_array_size(value); i++)
        put(o, json_array_get(value, i), depth + 1);
    json_arr_end(o);
}

static void put(struct json_out *o, const json_t *value, unsigned depth)
{
    if (depth > NESTED_MAX) {
        o->b->failed = true;
        return;
    }
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        put_object(o, value, depth);
        return;
    case JSON_ARRAY:
        put_array(o, value, depth);
        return;
    case JSON_STRING:
        json_str(o, (struct sv){ json_string_value(value), json_string_length(value) });
        return;
    case JSON_INTEGER:
        json_int(o, json_integer_value(value));
        return;
    case JSON_REAL:
        put_real(o, json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        json_true_false(o, json_is_true(value));
        return;
    case JSON_NULL:
        json_nul(o);
        return;
    }
}

void json_val(struct json_out *o, const json_t *value)
{
    if (value == NULL)
        json_nul(o);
    else
        put(o, value, 0);
}

void json_dump_to(struct buf *b, const json_t *value)
{
    struct json_out o = { .b = b };
    json_val(&o, value);
}
