/* SPDX-License-Identifier: MIT
 * One function a kind of field. A check either stores the value or adds one line to the detail. A query is taken apart by lib/query.c first. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/query.h"
#include "lib/validate.h"

#define YEAR_10000_S 253402300800.0
#define NUMBER_MAX 40 /* characters of a number in a query */

struct check {
    const char *place; /* "body", "query" */
    bool text;         /* values come as text */
    bool any_case;
    int64_t element; /* of a list; -1: there is none */
    struct arena *a;
    struct json_out out; /* the array of details */
    int wrong;
    bool memory; /* it was short */
};

/* Where a field stands: "body", the member, and what is inside it. */
struct where {
    const char *outer, *inner; /* NULL: not that deep */
    int64_t index;             /* -1: none */
};

static void wrong(struct check *c, const struct where *w, const char *type, const char *msg)
{
    struct json_out *o = &c->out;

    if (c->wrong++ >= VALIDATE_DETAILS_MAX)
        return;
    json_obj(o);
    json_key(o, "loc");
    json_arr(o);
    json_str(o, sv_from(c->place));
    if (c->element >= 0)
        json_int(o, c->element);
    if (w->outer != NULL)
        json_str(o, sv_from(w->outer));
    if (w->inner != NULL)
        json_str(o, sv_from(w->inner));
    if (w->index >= 0)
        json_int(o, w->index);
    json_arr_end(o);
    json_kstr(o, "msg", sv_from(msg));
    json_kstr(o, "type", sv_from(type));
    json_obj_end(o);
}

void validate_line(struct json_out *o, const char *place, const char *field, const char *msg, const char *type)
{
    struct check c = { .place = place, .element = -1, .out = *o };

    wrong(&c, &(struct where){ .outer = field, .index = -1 }, type, msg);
    *o = c.out;
}

void validate_wrong(struct check *c, const char *field, const char *type, const char *msg)
{
    wrong(c, &(struct where){ .outer = field, .index = -1 }, type, msg);
}

static void too_long(struct check *c, const struct where *w, size_t limit, const char *unit)
{
    struct sv msg = arena_printf(c->a, "String should have at most %zu %s", limit, unit);

    c->memory = c->memory || msg.p == NULL;
    wrong(c, w, "string_too_long", msg.p != NULL ? msg.p : "");
}

static void keep(struct check *c, const struct field *f, char *target, struct sv value)
{
    struct sv copy;

    if (f->offset == FIELD_UNKEPT)
        return;
    copy = arena_sv(c->a, value);
    c->memory = c->memory || copy.p == NULL;
    memcpy(target + f->offset, &copy, sizeof(copy));
}

static size_t characters(struct sv s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static bool take_string(struct check *c, const struct field *f, const struct where *w, const json_t *value, struct sv *out)
{
    if (!json_is_string(value)) {
        wrong(c, w, "string_type", f->number_too ? "Input should be a valid string or integer" : "Input should be a valid string");
        return false;
    }
    *out = (struct sv){ json_string_value(value), json_string_length(value) };
    if (out->n == 0 && !f->empty_too) {
        wrong(c, w, "string_too_short", "String should have at least 1 character");
        return false;
    }
    return true;
}

static void check_id(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target)
{
    struct sv s;

    if (f->number_too && json_is_integer(value)) {
        s = arena_printf(c->a, "%lld", (long long)json_integer_value(value));
        c->memory = c->memory || s.p == NULL;
        keep(c, f, target, s);
        return;
    }
    if (!take_string(c, f, w, value, &s))
        return;
    if (characters(s) > VALIDATE_ID_CHARACTERS)
        too_long(c, w, VALIDATE_ID_CHARACTERS, "characters");
    else if (s.n > f->max)
        too_long(c, w, f->max, "bytes of UTF-8");
    else if (sv_has_control(s))
        wrong(c, w, "string_control_character", "String should not contain control characters");
    else
        keep(c, f, target, s);
}

static void check_text(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target)
{
    struct sv s;

    if (!take_string(c, f, w, value, &s))
        return;
    if (s.n > f->max)
        too_long(c, w, f->max, "bytes of UTF-8");
    else
        keep(c, f, target, s);
}

static void check_choice(struct check *c, const struct field *f, const struct where *w, const json_t *value,
                         char *target)
{
    struct buf msg = { 0 };

    for (int i = 0; json_is_string(value) && f->choices[i] != NULL; i++) {
        if (sv_eq((struct sv){ json_string_value(value), json_string_length(value) }, sv_from(f->choices[i]))) {
            memcpy(target + f->offset, &i, sizeof(i));
            return;
        }
    }
    buf_add(&msg, SV("Input should be "));
    for (size_t i = 0; f->choices[i] != NULL; i++)
        buf_printf(&msg, "%s'%s'", i == 0 ? "" : f->choices[i + 1] != NULL ? ", " : " or ", f->choices[i]);
    c->memory = c->memory || !buf_ok(&msg);
    wrong(c, w, "enum", msg.p != NULL ? msg.p : "");
    buf_fini(&msg);
}

static void check_time(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target)
{
    const char *should = f->text_only ? "Input should be an ISO 8601 string" : "Input should be a number of seconds or an ISO 8601 string";
    int64_t ms = 0;

    if (json_is_number(value) && !f->text_only) {
        double seconds = json_number_value(value);
        if (!(seconds >= 0 && seconds < YEAR_10000_S)) {
            wrong(c, w, "timestamp_range", "Input should be seconds since 1970-01-01, up to the year 9999");
            return;
        }
        ms = (int64_t)llround(seconds * 1000.0);
    } else if (!json_is_string(value)) {
        wrong(c, w, "timestamp_type", should);
        return;
    } else if (!clock_parse(json_string_value(value), &ms) && !(f->day_too && clock_parse_day(json_string_value(value), &ms))) {
        wrong(c, w, "timestamp_parsing", should);
        return;
    } else if (ms < 0 || ms >= (int64_t)(YEAR_10000_S * 1000.0)) {
        wrong(c, w, "timestamp_range", "Input should be between 1970-01-01 and the year 9999");
        return;
    }
    memcpy(target + f->offset, &ms, sizeof(ms));
}

static void check_day(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target)
{
    int64_t ms = 0;

    if (!json_is_string(value) || !clock_parse_day(json_string_value(value), &ms))
        wrong(c, w, "date_parsing", "Input should be a date, yyyy-MM-dd");
    else if (ms < 0)
        wrong(c, w, "date_range", "Input should be between 1970-01-01 and the year 9999");
    else
        memcpy(target + f->offset, &ms, sizeof(ms));
}

static void keep_json(struct check *c, const struct field *f, const json_t *value, char *target)
{
    struct buf text = { 0 };

    if (c->wrong > 0) /* nobody will look at it */
        return;
    json_dump_to(&text, value);
    if (buf_ok(&text))
        keep(c, f, target, buf_sv(&text));
    else
        c->memory = true;
    buf_fini(&text);
}

static void check_fields(struct check *c, const struct field *fields, size_t n, const char *outer, const json_t *object,
                         char *target);

static void check_object(struct check *c, const struct field *f, const struct where *w, const json_t *value,
                         char *target)
{
    if (!json_is_object(value)) {
        wrong(c, w, "dict_type", "Input should be a valid dictionary");
        return;
    }
    if (f->members_n > 0)
        check_fields(c, f->members, f->members_n, f->name, value, target);
    keep_json(c, f, value, target);
}

static void check_objects(struct check *c, const struct field *f, const struct where *w, const json_t *value,
                          char *target)
{
    if (!json_is_array(value)) {
        wrong(c, w, "list_type", "Input should be a valid list");
        return;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        struct where item = { .outer = w->outer, .inner = w->inner, .index = (int64_t)i };
        if (!json_is_object(json_array_get(value, i)))
            wrong(c, &item, "dict_type", "Input should be a valid dictionary");
    }
    keep_json(c, f, value, target);
}

/* Digits with at most one point among them and a minus before them, as people write numbers: no exponent, no hexadecimal, no infinity. */
static bool parse_number(struct sv s, double *out)
{
    char copy[NUMBER_MAX + 1];
    size_t digits = 0, points = 0;

    if (s.n == 0 || s.n > NUMBER_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        digits += s.p[i] >= '0' && s.p[i] <= '9';
        points += s.p[i] == '.';
    }
    if (digits == 0 || points > 1 || digits + points + (s.p[0] == '-') != s.n)
        return false;
    memcpy(copy, s.p, s.n);
    copy[s.n] = '\0';
    *out = strtod(copy, NULL);
    return true;
}

static bool in_range(struct check *c, const struct field *f, const struct where *w, double value)
{
    bool low = value < f->least;
    struct sv msg;

    if (!low && value <= f->most)
        return true;
    msg = arena_printf(c->a, "Input should be %s than or equal to %.15g", low ? "greater" : "less",
                       low ? f->least : f->most);
    c->memory = c->memory || msg.p == NULL;
    wrong(c, w, low ? "greater_than_equal" : "less_than_equal", msg.p != NULL ? msg.p : "");
    return false;
}

static struct sv text_of(const json_t *value)
{
    return json_is_string(value) ? (struct sv){ json_string_value(value), json_string_length(value) } : SV_NONE;
}

static void check_int(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target)
{
    int64_t n = 0;

    if (c->text) {
        if (!sv_to_i64(text_of(value), &n)) {
            wrong(c, w, "int_parsing", "Input should be a valid integer, unable to parse string as an integer");
            return;
        }
    } else if (json_is_integer(value)) {
        n = json_integer_value(value);
    } else {
        wrong(c, w, "int_type", "Input should be a valid integer");
        return;
    }
    if (in_range(c, f, w, (double)n))
        memcpy(target + f->offset, &n, sizeof(n));
}

static void check_number(struct check *c, const struct field *f, const struct where *w, const json_t *value,
                         char *target)
{
    double n = 0;

    if (c->text) {
        if (!parse_number(text_of(value), &n)) {
            wrong(c, w, "float_parsing", "Input should be a valid number, unable to parse string as a number");
            return;
        }
    } else if (json_is_number(value)) {
        n = json_number_value(value);
    } else {
        wrong(c, w, "float_type", "Input should be a valid number");
        return;
    }
    if (in_range(c, f, w, n))
        memcpy(target + f->offset, &n, sizeof(n));
}

static int parse_flag(struct sv s)
{
    static const char *const words[][2] = { { "false", "true" }, { "no", "yes" }, { "off", "on" }, { "0", "1" } };

    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        for (int yes = 0; yes <= 1; yes++) {
            if (sv_eq_nocase(s, sv_from(words[i][yes])))
                return yes;
        }
    }
    return -1;
}

static void check_flag(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target)
{
    int yes = json_is_boolean(value) ? json_is_true(value) : c->text ? parse_flag(text_of(value)) : -1;
    bool flag = yes == 1;

    if (yes >= 0)
        memcpy(target + f->offset, &flag, sizeof(flag));
    else if (c->text)
        wrong(c, w, "bool_parsing", "Input should be a valid boolean, unable to interpret input");
    else
        wrong(c, w, "bool_type", "Input should be a valid boolean");
}

typedef void check_fn(struct check *c, const struct field *f, const struct where *w, const json_t *value, char *target);

static check_fn *const checks[] = {
    [FIELD_ID] = check_id,     [FIELD_TEXT] = check_text,     [FIELD_CHOICE] = check_choice,
    [FIELD_DAY] = check_day,
    [FIELD_TIME] = check_time, [FIELD_OBJECT] = check_object, [FIELD_OBJECTS] = check_objects,
    [FIELD_INT] = check_int,   [FIELD_NUMBER] = check_number, [FIELD_FLAG] = check_flag,
};

/* What query_values says of a parameter besides its text. */
static bool is_usable(struct check *c, const struct where *w, const json_t *value)
{
    if (!c->text || json_is_string(value) || json_is_true(value))
        return true;
    if (json_is_array(value))
        wrong(c, w, "repeated", "Parameter should be given once");
    else
        wrong(c, w, "string_unicode", "Input should be percent-encoded UTF-8");
    return false;
}

static const json_t *member(const struct check *c, const json_t *object, const char *name)
{
    json_t *o = (json_t *)(uintptr_t)object; /* jansson's iterators take it without const and change nothing */
    const json_t *value = json_object_get(object, name);

    for (void *at = json_object_iter(o); value == NULL && c->any_case && at != NULL; at = json_object_iter_next(o, at))
        if (sv_eq_nocase(sv_from(json_object_iter_key(at)), sv_from(name)))
            value = json_object_iter_value(at);
    return value;
}

static void check_fields(struct check *c, const struct field *fields, size_t n, const char *outer, const json_t *object,
                         char *target)
{
    for (size_t i = 0; i < n; i++) {
        const struct field *f = &fields[i];
        const json_t *value = member(c, object, f->name);
        struct where w = { .outer = outer != NULL ? outer : f->name,
                           .inner = outer != NULL ? f->name : NULL,
                           .index = -1 };
        if (value == NULL || (json_is_null(value) && !f->required && !c->text)) {
            if (f->required)
                wrong(c, &w, "missing", "Field required");
            continue;
        }
        if (!is_usable(c, &w, value))
            continue;
        checks[f->kind](c, f, &w, value, target);
    }
}

static int finish(struct check *c, const struct buf *detail)
{
    json_arr_end(&c->out);
    return c->memory || !buf_ok(detail) ? -1 : c->wrong;
}

static void set_defaults(const struct input *in, void *target)
{
    if (in->defaults != NULL)
        memcpy(target, in->defaults, in->size);
    else
        memset(target, 0, in->size);
}

size_t input_size(const struct input *in)
{
    return in->list_max > 0 ? sizeof(struct input_list) : in->size;
}

/* One struct: `value` is an object, or something else. */
static void check_struct(struct check *c, const struct input *in, const json_t *value, void *target)
{
    set_defaults(in, target);
    if (!json_is_object(value)) {
        wrong(c, &(struct where){ .index = -1 }, "dict_type", "Input should be a valid dictionary");
        return;
    }
    check_fields(c, in->fields, in->fields_n, NULL, value, target);
    if (in->also != NULL)
        in->also(c, target);
}

static void check_list(struct check *c, const struct input *in, const json_t *body, struct input_list *list)
{
    size_t n = json_is_array(body) ? json_array_size(body) : 1;
    struct sv msg;

    *list = (struct input_list){ .several = json_is_array(body), .n = n };
    if (n == 0 || n > in->list_max) {
        msg = arena_printf(c->a, "List should have 1 to %zu items", in->list_max);
        c->memory = c->memory || msg.p == NULL;
        wrong(c, &(struct where){ .index = -1 }, n == 0 ? "too_short" : "too_long", msg.p != NULL ? msg.p : "");
        return;
    }
    list->elements = arena_array(c->a, n, in->size);
    c->memory = c->memory || list->elements == NULL;
    for (size_t i = 0; list->elements != NULL && i < n; i++) {
        c->element = list->several ? (int64_t)i : -1;
        check_struct(c, in, list->several ? json_array_get(body, i) : body, (char *)list->elements + i * in->size);
    }
}

int validate(const struct input *in, const json_t *body, struct arena *a, void *target, struct buf *detail)
{
    struct check c = { .place = "body", .any_case = in->any_case, .element = -1, .a = a, .out = { .b = detail } };

    json_arr(&c.out);
    if (in->whole)
        keep_json(&c, &(struct field){ .offset = 0 }, body, target);
    else if (in->list_max > 0)
        check_list(&c, in, body, target);
    else
        check_struct(&c, in, body, target);
    return finish(&c, detail);
}

int validate_query(const struct input *in, struct sv uri, struct arena *a, void *target, struct buf *detail)
{
    struct check c = { .place = "query", .text = true, .element = -1, .a = a, .out = { .b = detail } };
    json_t *values = query_values(in, uri, a);

    if (values == NULL)
        return -1;
    json_arr(&c.out);
    check_struct(&c, in, values, target);
    json_decref(values);
    return finish(&c, detail);
}
