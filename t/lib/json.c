/* SPDX-License-Identifier: MIT
 * JSON: what is refused and why, the depth limit, and that the writer's output is JSON that reads back. */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "lib/json.h"
#include "t/tap.h"

static void test_read(void)
{
    static const struct {
        struct sv text;
        bool any;
        const char *error; /* NULL: accepted */
    } table[] = {
        { SV("{}"), false, NULL },
        { SV(" [1, 2.5, -3e2, \"a\\u00e9\", null, true] \n"), false, NULL },
        { SV("\"text\""), true, NULL },
        { SV("17"), true, NULL },
        { SV("\"text\""), false, "syntax" },
        { SV(""), false, "ends too early" },
        { SV_NONE, true, "empty" },
        { SV("{"), false, "ends too early" },
        { SV("{} x"), false, "follows" },
        { SV("{\"a\":1,\"a\":2}"), false, "twice" },
        { SV("{\"a\":1,}"), false, "syntax" },
        { SV("{'a':1}"), false, "syntax" },
        { SV("[01]"), false, "syntax" },
        { SV("[NaN]"), false, "syntax" },
        { SV("[9223372036854775808]"), false, "too large" },
        { SV("[1e400]"), false, "too large" },
        { SV("[\"\xFF\"]"), false, "UTF-8" },
        { SV("[\"\xED\xA0\x80\"]"), false, "UTF-8" },
        { SV("[\"\\ud800\"]"), false, "syntax" },
        { SV("[\"\\u0000\"]"), false, "NUL" },
        { SV("[\"a\x00\"]"), false, "syntax" },
        { SV("{}\x00"), false, "follows" },
        { SV("\xEF\xBB\xBF{}"), false, "syntax" },
        { SV("[\"secret"), false, "ends too early" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct err e = { 0 };
        json_t *value = json_read(table[i].text, table[i].any, &e);
        is_int(value != NULL, table[i].error == NULL, "text %zu", i);
        if (table[i].error != NULL) {
            has_str(e.text, table[i].error, "  its reason");
            is_int(e.code, strcmp(table[i].error, "too large") == 0 ? ERR_RANGE : ERR_INVALID, "  its code");
            ok(strstr(e.text, "secret") == NULL, "  the input is not quoted");
        }
        json_decref(value);
    }
}

static void test_depth(void)
{
    char text[400];

    for (int depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        struct err e = { 0 };
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        json_t *value = json_read((struct sv){ text, 2 * (size_t)depth }, false, &e);
        is_int(value != NULL, depth == JSON_DEPTH_MAX, "depth %d", depth);
        json_decref(value);
    }
    json_t *value =
        json_read(SV("[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[[[[[\\\\\",[]]"), false, NULL);
    ok(value != NULL, "brackets inside strings do not count");
    json_decref(value);
    memset(text, '[', sizeof(text));
    ok(json_read((struct sv){ text, sizeof(text) }, false, NULL) == NULL, "unclosed and deep, error not wanted");
}

static void test_members(void)
{
    struct arena *a = arena_new(0, 100000);
    const json_t *o =
        json_read_in(a, SV("{\"s\":\"x\",\"e\":\"\",\"i\":5,\"f\":2.5,\"t\":true,\"n\":null}"), false, NULL);

    is_sv(json_sv(o, "s"), SV("x"), "string");
    is_sv(json_sv(o, "e"), SV(""), "empty string");
    is_sv(json_sv(o, "i"), SV_NONE, "a number is no string");
    is_sv(json_sv(o, "none"), SV_NONE, "absent");
    is_sv(json_sv(NULL, "s"), SV_NONE, "of nothing");
    is_int(json_i64(o, "i", -1), 5, "integer");
    is_int(json_i64(o, "f", -1), -1, "a fraction is no integer");
    ok(json_f64(o, "f", 0) == 2.5 && json_f64(o, "i", 0) == 5 && json_f64(o, "s", 7) == 7, "numbers");
    ok(json_bool(o, "t", false) && json_bool(o, "n", true) && !json_bool(o, "i", false), "booleans");
    arena_free(a);
    a = arena_new(16, 16);
    while (arena_alloc(a, 1) != NULL)
        ;
    struct err e = { 0 };
    ok(json_read_in(a, SV("{}"), false, &e) == NULL && e.code == ERR_MEMORY,
       "an arena without room: an error, no leak");
    arena_free(a);
}

static void test_write(void)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_t *value = json_pack("{s:[i]}", "x", 1);

    json_obj(&o);
    json_kstr(&o, "s", SV("a\"\\\b\f\n\r\t\x01\x1f\x7f/\xC3\xA9"));
    json_kstr(&o, "none", SV_NONE);
    json_kstr(&o, "empty", SV(""));
    json_kint(&o, "i", INT64_MIN);
    json_kbool(&o, "yes", true);
    json_kms(&o, "ms", 1699123456789);
    json_key(&o, "a");
    json_arr(&o);
    json_ms(&o, -1005);
    json_num(&o, 0.1);
    json_num(&o, 5);
    json_num(&o, 1.0 / 3);
    json_num(&o, (double)NAN);
    json_num(&o, (double)INFINITY);
    json_obj(&o);
    json_obj_end(&o);
    json_arr(&o);
    json_arr_end(&o);
    json_nul(&o);
    json_true_false(&o, false);
    json_str(&o, SV("z"));
    json_arr_end(&o);
    json_kraw(&o, "raw", SV("[1,2]"));
    json_kval(&o, "val", value);
    json_kval(&o, "noval", NULL);
    json_obj_end(&o);
    is_str(
        b.p,
        "{\"s\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/"
        "\xC3\xA9\",\"none\":null,\"empty\":\"\",\"i\":-9223372036854775808,"
        "\"yes\":true,\"ms\":1699123456.789,\"a\":[-1.005,0.1,5,0.3333333333333333,null,null,{},[],null,false,\"z\"],"
        "\"raw\":[1,2],\"val\":{\"x\":[1]},\"noval\":null}",
        "all of the writer");
    json_t *back = json_read(buf_sv(&b), false, NULL);
    is_sv(json_sv(back, "s"), SV("a\"\\\b\f\n\r\t\x01\x1f\x7f/\xC3\xA9"), "reads back");
    json_decref(back);
    json_decref(value);
    buf_fini(&b);

    b = (struct buf){ .max = 5 };
    o = (struct json_out){ .b = &b };
    value = json_pack("[s]", "longer than the limit");
    json_val(&o, value);
    ok(!buf_ok(&b), "a full buffer keeps its error");
    json_decref(value);
    buf_fini(&b);
}

/* Every byte at every place of a word, against the rule. */
static void test_escapes(void)
{
    int wrong = 0;

    for (int c = 0; c < 0x80; c++) {
        for (size_t at = 0; at < 20; at++) {
            char text[20];
            struct buf b = { 0 };
            struct json_out o = { .b = &b };
            memset(text, '~', sizeof(text));
            text[at] = (char)c;
            if (at > 1)
                memcpy(text, "\xC3\xA9", 2);
            json_arr(&o);
            json_str(&o, (struct sv){ text, sizeof(text) });
            json_arr_end(&o);
            json_t *back = json_loadb(b.p, b.n, JSON_ALLOW_NUL, NULL);
            const json_t *s = json_array_get(back, 0);
            bool plain = c >= 0x20 && c != '"' && c != '\\';
            wrong += json_string_length(s) != sizeof(text) || memcmp(json_string_value(s), text, sizeof(text)) != 0 ||
                     plain != (b.n == sizeof(text) + 4);
            json_decref(back);
            buf_fini(&b);
        }
    }
    is_int(wrong, 0, "every character at every place");
}

static void reals(void)
{
    static const char *const texts[] = {
        "{\"a\":0.95,\"b\":1.0,\"c\":1699123456.789,\"d\":0.1234567890123456,\"e\":-2.5,\"f\":[1,2.0,\"\\u20ac\",null,true,{}]}",
        "[1e300]", "[]", "[[],[[\"\\\"\"]]]",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct err e;
        struct buf b = { 0 };
        json_t *first = json_read(sv_from(texts[i]), true, &e), *second;
        json_dump_to(&b, first);
        ok(buf_ok(&b), "text %zu is dumped", i);
        second = json_read(buf_sv(&b), true, &e);
        ok(first != NULL && json_equal(first, second), "and comes back as it was: %.*s", SV_FMT(buf_sv(&b)));
        if (i == 0)
            has_str(b.p, "\"a\":0.95,\"b\":1.0,\"c\":1699123456.789,", "reals are short, and reals");
        json_decref(first);
        json_decref(second);
        buf_fini(&b);
    }
}

static void raw(void)
{
    struct sv text = SV("{\"a\":\"x\\\"y\\\\\",\"b\":{\"a\":[1,2]},\"c\":[{\"k\":1},{\"k\":\"}\"}],\"d\":-1.5e3,\"e\":null}"), one;
    is_sv(json_raw_member(text, "a"), SV("\"x\\\"y\\\\\""), "a string with escapes");
    is_sv(json_raw_member(text, "b"), SV("{\"a\":[1,2]}"), "an object");
    is_sv(json_raw_member(text, "d"), SV("-1.5e3"), "a number");
    is_sv(json_raw_member(text, "e"), SV("null"), "null");
    ok(json_raw_member(text, "x").p == NULL, "what is not there");
    struct sv rest = json_raw_inside(json_raw_member(text, "c"));
    ok(json_raw_next(&rest, NULL, &one), "an element");
    is_sv(one, SV("{\"k\":1}"), "the first");
    ok(json_raw_next(&rest, NULL, &one), "another");
    is_sv(one, SV("{\"k\":\"}\"}"), "the second, with a bracket in a string");
    ok(!json_raw_next(&rest, NULL, &one), "no third");
    static const char *const odd[] = { "", "{", "{\"", "{\"a", "{\"a\":", "{\"a\":\"", "[", "[[[[", "}", "{\"a\":\"\\", "nonsense" };
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct sv found = json_raw_member(sv_from(odd[i]), "a");
        ok(found.p == NULL || (found.p >= odd[i] && found.p + found.n <= odd[i] + strlen(odd[i])), "odd text %zu stays inside", i);
    }
}

/* Halves of pairs and NULs, wherever they stand; everything else as it is. */
static void mended(void)
{
    static const struct {
        const char *json, *s; /* {"s":...}; NULL: it cannot be read */
    } table[] = {
        { "\"plain\"", "plain" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"a\\ud83db\"", "a\xef\xbf\xbd" "b" },
        { "\"a\\ude00\"", "a\xef\xbf\xbd" },
        { "\"\\ud83d\"", "\xef\xbf\xbd" },
        { "\"\\ud83d\\ud83d\\ude00\"", "\xef\xbf\xbd\xf0\x9f\x98\x80" },
        { "\"\\uD83D\\n\"", "\xef\xbf\xbd\n" },
        { "\"a\\u0000b\"", "ab" },
        { "\"a\\\\u0000b\"", "a\\u0000b" },
        { "\"a\\\\\\u0000b\"", "a\\b" },
        { "\"\\u0041\\u00e9\"", "A\xc3\xa9" },
        { "\"\\\"\\u0000\"", "\"" },
        { "\"\\ud8\"", NULL },
        { "\"\\ud83\"", NULL },
        { "\"\\", NULL },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct buf b = { 0 };
        buf_printf(&b, "{\"s\":%s}", table[i].json);
        json_t *value = json_read_mended(buf_sv(&b));
        is_sv(json_sv(value, "s"), table[i].s != NULL ? sv_from(table[i].s) : SV_NONE, "mended: %s", table[i].json);
        json_decref(value);
        buf_fini(&b);
    }
    ok(json_read_mended(SV_NONE) == NULL, "mended: nothing");
    static const char object[] = "{\"a\": {\"}\\\"}\": 1}} {\"b\": {}";
    ok(json_past_object(object, object + sizeof object - 1) == object + 18, "an object ends where its brace is closed");
    ok(json_past_object(object + 19, object + sizeof object - 1) == NULL, "or not");
}

int main(void)
{
    test_escapes();
    test_read();
    test_depth();
    test_members();
    test_write();
    reals();
    raw();
    mended();
    return done_testing();
}
