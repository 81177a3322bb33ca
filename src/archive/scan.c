/* SPDX-License-Identifier: MIT
 * RFC 8259, by descent; the depth is bounded, so the stack is. Strings are skipped eight bytes at a time. */
#include "config.h"

#include <stdlib.h>

#include "archive/scan.h"

#define EACH_BYTE(c) (UINT64_C(0x0101010101010101) * (c))
#define UNIQUE_MAX 64
#define NUMBER_MAX 300

struct reader {
    struct scan *s;
    const char *p, *end;
    unsigned depth_left;
    const char *why; /* once something is wrong */
};

static bool wrong(struct reader *r, const char *why)
{
    if (r->why == NULL)
        r->why = why;
    return false;
}

/* ---- nodes ---- */

static const char no_memory[] = "out of memory";

static bool add(struct reader *r, enum scan_type type, const char *begin, uint32_t *at)
{
    struct scan *s = r->s;

    if (s->n == s->size) {
        uint32_t size = s->size * 2;
        struct scan_node *nodes = reallocarray(s->nodes, size, sizeof(*nodes));
        if (nodes == NULL)
            return wrong(r, no_memory);
        s->nodes = nodes;
        s->size = size;
    }
    *at = s->n++;
    s->nodes[*at] = (struct scan_node){ .begin = (uint32_t)(begin - s->text.p), .type = (uint8_t)type };
    return true;
}

static bool close_node(struct reader *r, uint32_t at, const char *end)
{
    r->s->nodes[at].end = (uint32_t)(end - r->s->text.p);
    r->s->nodes[at].next = r->s->n;
    return true;
}

/* ---- scalars ---- */

static int hex4(const char *p)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        int digit = sv_hex_digit(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* Behind the backslash; leaves p behind the escape. */
static bool skip_escape(struct reader *r)
{
    int high, low;

    if (r->p == r->end)
        return wrong(r, "a string without an end");
    if (*r->p != 'u') {
        if (strchr("\"\\/bfnrt", *r->p) == NULL || *r->p == '\0')
            return wrong(r, "an unknown escape");
        r->p++;
        return true;
    }
    high = r->end - r->p >= 5 ? hex4(r->p + 1) : -1;
    if (high < 0)
        return wrong(r, "an escape that is no character");
    if (high == 0)
        return wrong(r, "a NUL character");
    r->p += 5;
    if (high < 0xd800 || high > 0xdfff)
        return true;
    low = high <= 0xdbff && r->end - r->p >= 6 && r->p[0] == '\\' && r->p[1] == 'u' ? hex4(r->p + 2) : -1;
    if (low < 0xdc00 || low > 0xdfff)
        return wrong(r, "half a character");
    r->p += 6;
    return true;
}

/* Bytes that need no look one by one; *wide becomes true when some are not ASCII. */
static const char *skip_plain(const char *p, const char *end, uint64_t *wide)
{
    uint64_t x, quote, slash;

    for (; end - p >= 8; p += 8) {
        memcpy(&x, p, sizeof(x));
        quote = x ^ EACH_BYTE('"');
        slash = x ^ EACH_BYTE('\\');
        if ((((x - EACH_BYTE(0x20)) & ~x) | ((quote - EACH_BYTE(1)) & ~quote) | ((slash - EACH_BYTE(1)) & ~slash)) & EACH_BYTE(0x80))
            break;
        *wide |= x & EACH_BYTE(0x80);
    }
    return p;
}

/* At the opening quote. */
static bool read_string(struct reader *r)
{
    const char *begin = ++r->p;
    uint64_t wide = 0;
    uint32_t at;

    if (!add(r, SCAN_STRING, begin, &at))
        return false;
    for (;;) {
        r->p = skip_plain(r->p, r->end, &wide);
        if (r->p == r->end)
            return wrong(r, "a string without an end");
        unsigned char c = (unsigned char)*r->p;
        if (c == '"')
            break;
        if (c < 0x20)
            return wrong(r, "a control character");
        wide |= c & 0x80;
        r->p++;
        if (c == '\\') {
            r->s->nodes[at].escaped = true;
            if (!skip_escape(r))
                return false;
        }
    }
    if (wide != 0 && !sv_is_utf8((struct sv){ begin, (size_t)(r->p - begin) }))
        return wrong(r, "not UTF-8");
    (void)close_node(r, at, r->p);
    r->p++;
    return true;
}

static unsigned skip_digits(struct reader *r)
{
    const char *from = r->p;

    while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
        r->p++;
    return (unsigned)(r->p - from);
}

static bool read_number(struct reader *r)
{
    const char *begin = r->p, *exponent = NULL;
    uint32_t at;

    if (!add(r, SCAN_NUMBER, begin, &at))
        return false;
    if (*r->p == '-')
        r->p++;
    if (r->p < r->end && *r->p == '0')
        r->p++;
    else if (skip_digits(r) == 0)
        return wrong(r, "syntax error");
    if (r->p < r->end && *r->p == '.') {
        r->p++;
        if (skip_digits(r) == 0)
            return wrong(r, "a number without digits");
    }
    if (r->p < r->end && (*r->p == 'e' || *r->p == 'E')) {
        r->p++;
        if (r->p < r->end && (*r->p == '+' || *r->p == '-'))
            r->p++;
        exponent = r->p;
        if (skip_digits(r) == 0)
            return wrong(r, "a number without digits");
    }
    if (exponent != NULL) {
        while (exponent + 1 < r->p && *exponent == '0')
            exponent++;
        if (r->p - exponent > 3 || (r->p - exponent == 3 && *exponent >= '3'))
            r->s->odd = true;
    }
    r->s->odd = r->s->odd || r->p - begin > NUMBER_MAX;
    return close_node(r, at, r->p);
}

static bool read_word(struct reader *r, const char *word, enum scan_type type)
{
    size_t n = strlen(word);
    uint32_t at;

    if ((size_t)(r->end - r->p) < n || memcmp(r->p, word, n) != 0)
        return wrong(r, "syntax error");
    if (!add(r, type, r->p, &at))
        return false;
    r->p += n;
    return close_node(r, at, r->p);
}

/* ---- values ---- */

static bool read_value(struct reader *r);

/* To the next character that means something; 0 at the end. */
static char next_char(struct reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\n' || *r->p == '\r' || *r->p == '\t'))
        r->p++;
    return r->p < r->end ? *r->p : '\0';
}

static bool read_key(struct reader *r)
{
    if (next_char(r) != '"')
        return wrong(r, "a member without a name");
    if (!read_string(r))
        return false;
    if (next_char(r) != ':')
        return wrong(r, "a member without a value");
    r->p++;
    return true;
}

/* At the opening bracket. */
static bool read_container(struct reader *r, enum scan_type type, char closing)
{
    uint32_t at, n = 0;

    if (r->depth_left == 0)
        return wrong(r, "nested too deeply");
    if (!add(r, type, r->p, &at))
        return false;
    r->depth_left--;
    r->p++;
    if (next_char(r) != closing) {
        for (;;) {
            if ((type == SCAN_OBJECT && !read_key(r)) || !read_value(r))
                return false;
            n++;
            char c = next_char(r);
            if (c == closing)
                break;
            if (c != ',')
                return wrong(r, "syntax error");
            r->p++;
        }
    }
    r->p++;
    r->depth_left++;
    r->s->nodes[at].n = n;
    return close_node(r, at, r->p);
}

static bool read_value(struct reader *r)
{
    switch (next_char(r)) {
    case '{':
        return read_container(r, SCAN_OBJECT, '}');
    case '[':
        return read_container(r, SCAN_ARRAY, ']');
    case '"':
        return read_string(r);
    case 't':
        return read_word(r, "true", SCAN_TRUE);
    case 'f':
        return read_word(r, "false", SCAN_FALSE);
    case 'n':
        return read_word(r, "null", SCAN_NULL);
    case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        return read_number(r);
    default:
        return wrong(r, r->p == r->end ? "it ends too early" : "syntax error");
    }
}

int scan_read(struct scan *s, struct sv text, unsigned depth_max, struct err *e)
{
    struct reader r = { .s = s, .p = text.p, .depth_left = depth_max };

    *s = (struct scan){ .text = text, .size = (uint32_t)(text.n / 16) + 16 };
    if (text.p == NULL || text.n > UINT32_MAX)
        return err_set(e, ERR_INVALID, "not JSON: nothing, or too much");
    r.end = text.p + text.n;
    s->nodes = reallocarray(NULL, s->size, sizeof(*s->nodes));
    if (s->nodes == NULL)
        return err_set(e, ERR_MEMORY, no_memory);
    if (read_value(&r) && next_char(&r) == '\0' && r.p == r.end)
        return 0;
    (void)wrong(&r, "something follows the value");
    if (r.why == no_memory)
        return err_set(e, ERR_MEMORY, no_memory);
    return err_set(e, ERR_INVALID, "not JSON at byte %zu: %s", (size_t)(r.p - text.p), r.why);
}

void scan_fini(struct scan *s)
{
    free(s->nodes);
    s->nodes = NULL;
}

/* ---- looking ---- */

bool scan_is(const struct scan *s, scan_at at, enum scan_type type)
{
    return at != SCAN_NONE && s->nodes[at].type == type;
}

static struct sv bytes_of(const struct scan *s, scan_at at)
{
    return (struct sv){ s->text.p + s->nodes[at].begin, s->nodes[at].end - s->nodes[at].begin };
}

scan_at scan_member(const struct scan *s, scan_at object, const char *name)
{
    struct sv wanted = sv_from(name);

    if (!scan_is(s, object, SCAN_OBJECT))
        return SCAN_NONE;
    for (scan_at key = object + 1; key < s->nodes[object].next; key = s->nodes[key + 1].next)
        if (!s->nodes[key].escaped && sv_eq(bytes_of(s, key), wanted))
            return key + 1;
    return SCAN_NONE;
}

scan_at scan_first(const struct scan *s, scan_at array)
{
    return scan_is(s, array, SCAN_ARRAY) && s->nodes[array].n > 0 ? array + 1 : SCAN_NONE;
}

scan_at scan_after(const struct scan *s, scan_at array, scan_at element)
{
    return s->nodes[element].next < s->nodes[array].next ? s->nodes[element].next : SCAN_NONE;
}

uint32_t scan_count(const struct scan *s, scan_at at)
{
    return at != SCAN_NONE ? s->nodes[at].n : 0;
}

bool scan_unique(const struct scan *s, scan_at object)
{
    scan_at keys[UNIQUE_MAX];
    size_t n = 0;

    if (s->nodes[object].n > UNIQUE_MAX)
        return false;
    for (scan_at key = object + 1; key < s->nodes[object].next; key = s->nodes[key + 1].next) {
        for (size_t i = 0; i < n; i++)
            if (sv_eq(bytes_of(s, keys[i]), bytes_of(s, key)))
                return false;
        keys[n++] = key;
    }
    return true;
}

struct sv scan_raw(const struct scan *s, scan_at at)
{
    struct sv raw = bytes_of(s, at);

    return scan_is(s, at, SCAN_STRING) ? (struct sv){ raw.p - 1, raw.n + 2 } : raw;
}

/* ---- values ---- */

static char *put_utf8(char *out, int c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* Behind the backslash; what is checked already is not checked again. */
static const char *unescape(const char *p, char **out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *at;
    int c;

    if (*p != 'u') {
        at = strchr(from, *p);
        *(*out)++ = at != NULL ? to[at - from] : *p;
        return p + 1;
    }
    c = hex4(p + 1);
    p += 5;
    if (c >= 0xd800 && c <= 0xdbff) {
        c = 0x10000 + ((c - 0xd800) << 10) + (hex4(p + 2) - 0xdc00);
        p += 6;
    }
    *out = put_utf8(*out, c);
    return p;
}

struct sv scan_string(const struct scan *s, scan_at at, struct arena *a)
{
    struct sv raw = bytes_of(s, at);
    const char *p = raw.p, *end = raw.p + raw.n;
    char *text, *out;

    if (!s->nodes[at].escaped)
        return raw;
    text = arena_alloc(a, raw.n + 1); /* no escape is shorter than what it means */
    if (text == NULL)
        return SV_NONE;
    for (out = text; p < end;) {
        if (*p == '\\')
            p = unescape(p + 1, &out);
        else
            *out++ = *p++;
    }
    return (struct sv){ text, (size_t)(out - text) };
}

bool scan_i64(const struct scan *s, scan_at at, int64_t *out)
{
    return scan_is(s, at, SCAN_NUMBER) && sv_to_i64(bytes_of(s, at), out);
}

double scan_f64(const struct scan *s, scan_at at)
{
    struct sv raw = bytes_of(s, at);
    char text[NUMBER_MAX + 1];

    if (raw.n >= sizeof(text))
        raw.n = sizeof(text) - 1;
    memcpy(text, raw.p, raw.n);
    text[raw.n] = '\0';
    return strtod(text, NULL);
}
