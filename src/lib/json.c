/* SPDX-License-Identifier: MIT
 * Strict reading through jansson and a streaming writer. An error never repeats what was read: it may end in a log or
 * an answer, and the input may be anything. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/json.h"

/* jansson recurses; 2,048 levels of its own limit are too many for a small stack. One pass, aware of strings. */
static bool too_deep(struct sv text)
{
    unsigned depth = 0;
    bool inside = false;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (inside) {
            if (c == '\\')
                i++;
            else if (c == '"')
                inside = false;
        } else if (c == '"') {
            inside = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX)
                return true;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static const char *reason(const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_out_of_memory:
        return "out of memory";
    case json_error_stack_overflow:
        return "nested too deeply";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "something follows the value";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a NUL character";
    case json_error_duplicate_key:
        return "a key stands twice";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_unknown:
    case json_error_invalid_argument:
    case json_error_cannot_open_file:
    case json_error_invalid_syntax:
    case json_error_invalid_format:
    case json_error_wrong_type:
    case json_error_null_value:
    case json_error_item_not_found:
    case json_error_index_out_of_range:
        break;
    }
    return "syntax error";
}

static enum err_code code_of(const json_error_t *error)
{
    if (json_error_code(error) == json_error_out_of_memory)
        return ERR_MEMORY;
    return json_error_code(error) == json_error_numeric_overflow ? ERR_RANGE : ERR_INVALID;
}

json_t *json_read(struct sv text, bool any, struct err *e)
{
    json_error_t error;
    json_t *value;

    if (text.p == NULL) {
        (void)err_set(e, ERR_INVALID, "no JSON: empty");
        return NULL;
    }
    if (too_deep(text)) {
        (void)err_set(e, ERR_INVALID, "invalid JSON: nested deeper than %d levels", JSON_DEPTH_MAX);
        return NULL;
    }
    value = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES | (any ? JSON_DECODE_ANY : 0u), &error);
    if (value == NULL)
        (void)err_set(e, code_of(&error), "invalid JSON in line %d, column %d: %s", error.line, error.column,
                      reason(&error));
    return value;
}

/* ---- escapes that are no characters ---- */

#define ESCAPE_SIZE 6 /* \uXXXX */

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The UTF-16 unit that is escaped at s; -1: none is. */
static int unit_at(struct sv s)
{
    int unit = 0;

    if (s.n < ESCAPE_SIZE || s.p[0] != '\\' || s.p[1] != 'u')
        return -1;
    for (size_t i = 2; i < ESCAPE_SIZE; i++) {
        int digit = digit_of(s.p[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high(int unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

/* What begins with a backslash. Returns how long it is. */
static size_t mend_escape(struct buf *b, struct sv s)
{
    int unit = unit_at(s);
    size_t n = unit >= 0 ? ESCAPE_SIZE : s.n < 2 ? s.n : 2;

    if (is_high(unit) && is_low(unit_at((struct sv){ s.p + ESCAPE_SIZE, s.n - ESCAPE_SIZE })))
        n = (size_t)2 * ESCAPE_SIZE;
    else if (is_high(unit) || is_low(unit))
        s = SV("\\ufffd");
    if (unit != 0)
        buf_add(b, (struct sv){ s.p, n });
    return n;
}

json_t *json_read_mended(struct sv text)
{
    struct buf b = { 0 };
    struct sv left = text;

    while (left.n > 0) {
        const char *at = memchr(left.p, '\\', left.n);
        size_t plain = at != NULL ? (size_t)(at - left.p) : left.n;
        buf_add(&b, (struct sv){ left.p, plain });
        left = (struct sv){ left.p + plain, left.n - plain };
        size_t n = left.n > 0 ? mend_escape(&b, left) : 0;
        left = (struct sv){ left.p + n, left.n - n };
    }
    json_t *value = buf_ok(&b) ? json_read(buf_sv(&b), false, NULL) : NULL;
    buf_fini(&b);
    return value;
}

const char *json_past_object(const char *at, const char *end)
{
    int depth = 0;
    bool in_string = false;
    for (; at < end; at++) {
        if (in_string && *at == '\\')
            at++;
        else if (*at == '"')
            in_string = !in_string;
        else if (!in_string && *at == '{')
            depth++;
        else if (!in_string && *at == '}' && --depth == 0)
            return at + 1;
    }
    return NULL;
}

static void release(void *value)
{
    json_decref(value);
}

json_t *json_read_in(struct arena *a, struct sv text, bool any, struct err *e)
{
    json_t *value = json_read(text, any, e);

    if (value != NULL && arena_defer(a, release, value) != 0) {
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    return value;
}

struct sv json_sv(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? (struct sv){ json_string_value(v), json_string_length(v) } : SV_NONE;
}

int64_t json_i64(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

double json_f64(const json_t *object, const char *key, double fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : fallback;
}

bool json_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

/* The writer */

static void begin_value(struct json_out *o)
{
    if (o->comma)
        buf_addc(o->b, ',');
    o->comma = true;
}

static void open_with(struct json_out *o, char c)
{
    begin_value(o);
    buf_addc(o->b, c);
    o->comma = false;
}

static void close_with(struct json_out *o, char c)
{
    buf_addc(o->b, c);
    o->comma = true;
}

void json_obj(struct json_out *o)
{
    open_with(o, '{');
}

void json_obj_end(struct json_out *o)
{
    close_with(o, '}');
}

void json_arr(struct json_out *o)
{
    open_with(o, '[');
}

void json_arr_end(struct json_out *o)
{
    close_with(o, ']');
}

void json_name(struct json_out *o, struct sv name)
{
    json_str(o, name);
    buf_addc(o->b, ':');
    o->comma = false;
}

void json_key(struct json_out *o, const char *key)
{
    size_t n = strlen(key);
    char *p = buf_room(o->b, n + 4);
    size_t at = 0;

    if (p == NULL)
        return;
    if (o->comma)
        p[at++] = ',';
    p[at++] = '"';
    memcpy(p + at, key, n);
    at += n;
    p[at++] = '"';
    p[at++] = ':';
    buf_grown(o->b, at);
    o->comma = false;
}

/* RFC 8259 section 7: what must be escaped, and how when there is a short form; 'u' for the long form. */
/* clang-format off */
static const char escapes[256] = {
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'b', 't', 'n', 'u', 'f', 'r', 'u', 'u',
    'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u', 'u',
    ['"'] = '"', ['\\'] = '\\',
};
/* clang-format on */

static void add_escaped(struct buf *b, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char text[6] = { '\\', escapes[c], '0', '0', digits[c >> 4], digits[c & 15] };

    buf_add(b, (struct sv){ text, escapes[c] == 'u' ? 6 : 2 });
}

#define EACH_BYTE(c) (0x0101010101010101u * (c))

/* Bytes from `i` on that need no escape, in steps of eight: looks for bytes below 0x20, '"' and '\\' all at once. */
static size_t skip_plain(struct sv s, size_t i)
{
    uint64_t x, quote, slash;

    for (; s.n - i >= sizeof(x); i += sizeof(x)) {
        memcpy(&x, s.p + i, sizeof(x));
        quote = x ^ EACH_BYTE('"');
        slash = x ^ EACH_BYTE('\\');
        if ((((x - EACH_BYTE(0x20)) & ~x) | ((quote - EACH_BYTE(1)) & ~quote) | ((slash - EACH_BYTE(1)) & ~slash)) &
            EACH_BYTE(0x80))
            break;
    }
    return i;
}

void json_str(struct json_out *o, struct sv s)
{
    size_t from = 0;

    if (s.p == NULL) {
        json_nul(o);
        return;
    }
    begin_value(o);
    buf_addc(o->b, '"');
    for (size_t i = skip_plain(s, 0); i < s.n; i++) {
        if (escapes[(unsigned char)s.p[i]] == 0)
            continue;
        buf_add(o->b, (struct sv){ s.p + from, i - from });
        add_escaped(o->b, (unsigned char)s.p[i]);
        from = i + 1;
        i = skip_plain(s, from) - 1;
    }
    buf_add(o->b, (struct sv){ s.p + from, s.n - from });
    buf_addc(o->b, '"');
}

void json_int(struct json_out *o, int64_t n)
{
    begin_value(o);
    buf_i64(o->b, n);
}

/* The shortest form that reads back as the same number. */
void json_num(struct json_out *o, double n)
{
    char text[32];

    if (!isfinite(n)) {
        json_nul(o);
        return;
    }
    begin_value(o);
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, n);
        if (strtod(text, NULL) == n)
            break;
    }
    buf_add(o->b, sv_from(text));
}

void json_ms(struct json_out *o, int64_t ms)
{
    uint64_t size = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    char fraction[4] = { '.', (char)('0' + size / 100 % 10), (char)('0' + size / 10 % 10), (char)('0' + size % 10) };

    begin_value(o);
    if (ms < 0)
        buf_addc(o->b, '-');
    buf_i64(o->b, (int64_t)(size / 1000));
    buf_add(o->b, (struct sv){ fraction, sizeof(fraction) });
}

void json_true_false(struct json_out *o, bool yes)
{
    begin_value(o);
    buf_add(o->b, yes ? SV("true") : SV("false"));
}

void json_nul(struct json_out *o)
{
    begin_value(o);
    buf_add(o->b, SV("null"));
}

void json_raw(struct json_out *o, struct sv json)
{
    begin_value(o);
    buf_add(o->b, json.n > 0 ? json : SV("null"));
}

void json_kstr(struct json_out *o, const char *key, struct sv s)
{
    json_key(o, key);
    json_str(o, s);
}

void json_kint(struct json_out *o, const char *key, int64_t n)
{
    json_key(o, key);
    json_int(o, n);
}

void json_kbool(struct json_out *o, const char *key, bool yes)
{
    json_key(o, key);
    json_true_false(o, yes);
}

void json_kms(struct json_out *o, const char *key, int64_t ms)
{
    json_key(o, key);
    json_ms(o, ms);
}

void json_kraw(struct json_out *o, const char *key, struct sv json)
{
    json_key(o, key);
    json_raw(o, json);
}

void json_kval(struct json_out *o, const char *key, const json_t *value)
{
    json_key(o, key);
    json_val(o, value);
}
