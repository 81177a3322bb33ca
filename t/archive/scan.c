/* SPDX-License-Identifier: MIT
 * The scanner against a table, and against jansson: what one takes the other takes, and reads the same in it. */
#include "config.h"

#include <stdlib.h>

#include "archive/scan.h"
#include "lib/json.h"
#include "t/tap.h"

#define DEPTH 64

static bool takes(struct sv text)
{
    struct scan s;
    bool is = scan_read(&s, text, DEPTH, NULL) == 0;
    scan_fini(&s);
    return is;
}

static const struct {
    const char *text;
    bool good;
} table[] = {
    { "{}", true }, { "[]", true }, { " \t\r\n{ \"a\" : [ 1 , -2.5e+10 , true , false , null , \"x\" ] } ", true }, { "\"\"", true }, { "0", true },
    { "-0", true }, { "-0.0e-0", true }, { "1E5", true }, { "123456789012345678901234567890", true }, { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00\"", true },
    { "\"\x7f\"", true }, { "\"\xc3\xa9\xf0\x9f\x98\x80\"", true }, { "\"12345678\xc3\xa9\"", true }, { "{\"a\":1,\"a\":2}", true }, { "\"\\u0001\"", true },
    { "", false }, { " ", false }, { "{", false }, { "}", false }, { "[1,]", false }, { "[,1]", false }, { "{\"a\"}", false }, { "{\"a\":}", false }, { "{a:1}", false },
    { "{\"a\":1,}", false }, { "{1:2}", false }, { "[1 2]", false }, { "[1}", false }, { "01", false }, { "-", false }, { "+1", false }, { ".5", false }, { "1.", false },
    { "1e", false }, { "1e+", false }, { "0x1", false }, { "NaN", false }, { "tru", false }, { "nullx", false }, { "\"", false }, { "\"a", false }, { "\"\\", false },
    { "\"\\u12", false }, { "\"\\u12g4\"", false }, { "\"\\x41\"", false }, { "\"\\u0000\"", false }, { "\"\\ud800\"", false }, { "\"\\ud800\\u0041\"", false },
    { "\"\\ud800x\"", false }, { "\"\\udc00\"", false }, { "\"\t\"", false }, { "\"12345678\n\"", false }, { "\"\xff\"", false }, { "\"\xc0\x80\"", false },
    { "\"\xed\xa0\x80\"", false }, { "\"\xf4\x90\x80\x80\"", false }, { "\"12345678\xe2\x80\"", false }, { "\xef\xbb\xbf{}", false }, { "{} {}", false }, { "'a'", false },
    { "{\"a\":1}x", false }, { "[\"a\":1]", false },
};

static void check_table(void)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        if (!is_int(takes(sv_from(table[i].text)), table[i].good, "text %zu is %s", i, table[i].good ? "JSON" : "none"))
            diag("%s", table[i].text);
    ok(!takes(SV("\"a\0b\"")) && !takes(SV("{}\0")) && !takes(SV("\0")), "no NUL anywhere");
    ok(!takes(SV_NONE), "nothing is none");
    char deep[2 * DEPTH + 3];
    memset(deep, '[', DEPTH + 1);
    memset(deep + DEPTH + 1, ']', DEPTH + 1);
    ok(takes((struct sv){ deep + 1, 2 * DEPTH }), "%d levels", DEPTH);
    ok(!takes((struct sv){ deep, 2 * DEPTH + 2 }), "and not one more");
}

static void check_access(void)
{
    struct scan s;
    struct arena *a = arena_new(0, 1u << 20);
    struct sv text = SV("{\"n\":-42,\"f\":2.5,\"s\":\"a\\u00e9\\n\\ud83d\\ude00\\/\",\"list\":[1,{\"deep\":[true]},\"x\"],\"o\":{\"n\":7},\"e\":[],\"b\\u0061d\":1,\"big\":9223372036854775808}");
    int64_t n = 0;

    is_int(scan_read(&s, text, DEPTH, NULL), 0, "read");
    is_int(scan_count(&s, 0), 8, "members");
    ok(scan_i64(&s, scan_member(&s, 0, "n"), &n) && n == -42, "a number");
    ok(!scan_i64(&s, scan_member(&s, 0, "f"), &n) && !scan_i64(&s, scan_member(&s, 0, "big"), &n) && !scan_i64(&s, scan_member(&s, 0, "s"), &n), "what is no integer that fits");
    ok(scan_f64(&s, scan_member(&s, 0, "f")) > 2.49 && scan_f64(&s, scan_member(&s, 0, "f")) < 2.51, "a fraction");
    is_sv(scan_string(&s, scan_member(&s, 0, "s"), a), SV("a\xc3\xa9\n\xf0\x9f\x98\x80/"), "a string with escapes");
    is_sv(scan_raw(&s, scan_member(&s, 0, "s")), SV("\"a\\u00e9\\n\\ud83d\\ude00\\/\""), "as it stands");
    is_sv(scan_raw(&s, scan_member(&s, 0, "o")), SV("{\"n\":7}"), "an object as it stands");
    is_int(scan_member(&s, 0, "deep"), SCAN_NONE, "members of members are not members");
    is_int(scan_member(&s, 0, "bad"), SCAN_NONE, "nor are names with escapes");
    is_int(scan_member(&s, scan_member(&s, 0, "nothing"), "x"), SCAN_NONE, "nothing has no members");
    scan_at list = scan_member(&s, 0, "list"), v = scan_first(&s, list);
    is_sv(scan_raw(&s, v), SV("1"), "first element");
    v = scan_after(&s, list, v);
    is_sv(scan_raw(&s, v), SV("{\"deep\":[true]}"), "second");
    v = scan_after(&s, list, v);
    is_sv(scan_string(&s, v, a), SV("x"), "third");
    is_int(scan_after(&s, list, v), SCAN_NONE, "no more");
    is_int(scan_first(&s, scan_member(&s, 0, "e")), SCAN_NONE, "an empty list");
    ok(scan_unique(&s, 0), "each name once");
    scan_fini(&s);
    is_int(scan_read(&s, SV("{\"a\":1,\"b\":{\"a\":1},\"a\":2}"), DEPTH, NULL), 0, "a name twice is JSON");
    ok(!scan_unique(&s, 0), "but is noticed");
    scan_fini(&s);
    static const struct {
        const char *text;
        bool odd;
    } odd[] = { { "1e299", false }, { "1e300", true }, { "1e-0299", false }, { "1e-300", true }, { "1e99999999999", true }, { "0.1", false }, { "1e000000000", false } };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        ok(scan_read(&s, sv_from(odd[i].text), DEPTH, NULL) == 0 && s.odd == odd[i].odd, "%s is %s", odd[i].text, odd[i].odd ? "odd" : "plain");
        scan_fini(&s);
    }
    arena_free(a);
}

/* ---- against jansson ---- */

static uint64_t seed = UINT64_C(0x2545f4914f6cdd1d);

static unsigned below(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % n);
}

static void put_value(struct buf *b, unsigned depth)
{
    static const char *const scalars[] = { "0", "-1", "1.5", "1e5", "12345678901", "true", "false", "null", "\"\"", "\"abc\"", "\"a\\nb\"", "\"\\u00e9\"", "\"\xc3\xa9 \xf0\x9f\x98\x80\"",
                                           "\"\\ud83d\\ude00 long enough to be read in steps\"", "\"\\\\\"" };
    unsigned n = below(4);
    bool object = below(2) != 0;

    if (depth == 0 || below(3) == 0) {
        buf_add(b, sv_from(scalars[below(ARRAY_LEN(scalars))]));
        return;
    }
    buf_addc(b, object ? '{' : '[');
    for (unsigned i = 0; i < n; i++) {
        buf_add(b, sv_from(i == 0 ? "" : below(5) == 0 ? " , " : ","));
        if (object)
            buf_printf(b, "\"k%u\":", i);
        put_value(b, depth - 1);
    }
    buf_addc(b, object ? '}' : ']');
}

/* One byte of a good text becomes another, goes, or comes. */
static void damage(struct buf *b)
{
    static const char bytes[] = "{}[]\",:\\u0123456789aeEtfn.+- \n\t\x01\x1f\x7f\x80\xbf\xc3\xed\xf4\xff/d8";
    size_t at = below((unsigned)b->n);
    char c = bytes[below(sizeof(bytes))]; /* NUL is one of them */

    switch (below(3)) {
    case 0:
        b->p[at] = c;
        break;
    case 1:
        memmove(b->p + at, b->p + at + 1, b->n - at - 1);
        b->n--;
        break;
    default:
        buf_addc(b, c);
        memmove(b->p + at + 1, b->p + at, b->n - 1 - at);
        b->p[at] = c;
    }
}

static bool same(const struct scan *s, scan_at at, const json_t *v, struct arena *a)
{
    size_t i;
    const char *key;
    json_t *one;
    scan_at e;

    switch (json_typeof(v)) {
    case JSON_NULL:
        return scan_is(s, at, SCAN_NULL);
    case JSON_TRUE:
        return scan_is(s, at, SCAN_TRUE);
    case JSON_FALSE:
        return scan_is(s, at, SCAN_FALSE);
    case JSON_INTEGER:
    case JSON_REAL:
        return scan_is(s, at, SCAN_NUMBER) && !(scan_f64(s, at) < json_number_value(v)) && !(scan_f64(s, at) > json_number_value(v));
    case JSON_STRING:
        return scan_is(s, at, SCAN_STRING) && sv_eq(scan_string(s, at, a), (struct sv){ json_string_value(v), json_string_length(v) });
    case JSON_ARRAY:
        e = scan_first(s, at);
        json_array_foreach(v, i, one)
        {
            if (e == SCAN_NONE || !same(s, e, one, a))
                return false;
            e = scan_after(s, at, e);
        }
        return scan_is(s, at, SCAN_ARRAY) && e == SCAN_NONE;
    case JSON_OBJECT:
        if (!scan_is(s, at, SCAN_OBJECT))
            return false;
        if (!scan_unique(s, at))
            return true; /* jansson keeps the last, the scanner finds the first */
        json_object_foreach((json_t *)(uintptr_t)v, key, one)
        {
            e = scan_member(s, at, key);
            if (e != SCAN_NONE && !same(s, e, one, a)) /* a damaged key may have got an escape */
                return false;
        }
        return true;
    }
    return false;
}

#define CASES 200000

static void check_against_jansson(void)
{
    struct buf b = { 0 };
    unsigned good = 0, bad = 0;
    bool agree = true;
    struct arena *a = arena_new(0, 1u << 20);

    for (unsigned i = 0; i < CASES && agree; i++) {
        struct scan s;
        json_error_t error;
        buf_clear(&b);
        put_value(&b, 4);
        for (unsigned n = below(4); n > 0 && b.n > 0; n--)
            damage(&b);
        json_t *v = json_loadb(b.p, b.n, JSON_DECODE_ANY, &error);
        bool here = scan_read(&s, buf_sv(&b), DEPTH, NULL) == 0;
        good += here;
        bad += !here;
        bool nul = memchr(b.p, '\0', b.n) != NULL; /* jansson takes one behind a number for the end */
        bool number = v == NULL && here && json_error_code(&error) == json_error_numeric_overflow; /* integers of any size are JSON */
        if ((here != (v != NULL) && !number && !nul) || (nul && here)) {
            agree = ok(false, "case %u: scanner %s, jansson %s (%s)", i, here ? "takes it" : "does not", v != NULL ? "does" : "does not", error.text);
            diag("%.*s", SV_FMT(buf_sv(&b)));
        } else if (here && v != NULL && !same(&s, 0, v, a)) {
            agree = ok(false, "case %u is read differently", i);
            diag("%.*s", SV_FMT(buf_sv(&b)));
        }
        json_decref(v);
        scan_fini(&s);
        arena_reset(a);
    }
    ok(agree && good > CASES / 10 && bad > CASES / 10, "%u texts taken by both, %u by none", good, bad);
    buf_fini(&b);
    arena_free(a);
}

int main(void)
{
    check_table();
    check_access();
    check_against_jansson();
    return done_testing();
}
