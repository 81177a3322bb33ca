/* SPDX-License-Identifier: MIT
 * Queries (https://url.spec.whatwg.org/#urlencoded-parsing), from REQUEST_URI: QUERY_STRING is the same text, but the path comes from there
 * too, and one source cannot contradict itself. */
#include "config.h"

#include "lib/query.h"

/* p has room for s.n bytes. False: a wrong escape, NUL, or not UTF-8. */
static bool decode(struct sv s, char *p, struct sv *out)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? sv_hex_digit(s.p[i + 1]) : -1;
            int low = high >= 0 ? sv_hex_digit(s.p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        }
        if (c == '\0')
            return false;
        p[n++] = c;
    }
    *out = (struct sv){ p, n };
    return sv_is_utf8(*out);
}

static const struct field *find_field(const struct input *in, struct sv name)
{
    for (size_t i = 0; i < in->fields_n; i++) {
        struct sv field = sv_from(in->fields[i].name);
        if (in->any_case ? sv_eq_nocase(field, name) : sv_eq(field, name))
            return &in->fields[i];
    }
    return NULL;
}

/* The value of one parameter; NULL: memory is short. */
static json_t *make_value(const struct field *f, struct sv raw, char *scratch)
{
    struct sv text;

    if (raw.p == NULL && f->kind == FIELD_FLAG)
        return json_true();
    if (!decode(raw, scratch, &text))
        return json_null();
    return json_stringn(text.p, text.n);
}

json_t *query_values(const struct input *in, struct sv uri, struct arena *a)
{
    struct sv rest = uri, fragment;
    json_t *values = json_object();
    char *scratch = arena_alloc(a, uri.n + 1);
    bool whole = values != NULL && scratch != NULL;

    (void)sv_split(&rest, '?');
    fragment = rest;
    rest = rest.p != NULL ? sv_split(&fragment, '#') : SV_NONE;
    while (whole && rest.p != NULL) {
        struct sv value = sv_split(&rest, '&'), name;
        const struct field *f;
        name = sv_split(&value, '=');
        f = decode(name, scratch, &name) ? find_field(in, name) : NULL;
        if (f == NULL || (value.n == 0 && !f->empty_too && (value.p != NULL || f->kind != FIELD_FLAG)))
            continue;
        if (json_object_get(values, f->name) != NULL)
            whole = json_object_set_new(values, f->name, json_array()) == 0;
        else
            whole = json_object_set_new(values, f->name, make_value(f, value, scratch)) == 0;
    }
    if (whole)
        return values;
    json_decref(values);
    return NULL;
}
