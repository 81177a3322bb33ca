/* SPDX-License-Identifier: MIT
 * Tests src/lib/plain.c: what goes, what stays, and that both are the same wherever a text is cut. */
#include "config.h"

#include "lib/plain.h"
#include "t/tap.h"

#define FAMILY "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7" /* two people, joined */
#define THUMB "\xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd"
#define HEART "\xe2\x9d\xa4\xef\xb8\x8f"
#define VIET "Ti\xc3\xaa\xcc\x81ng Vi\xe1\xbb\x87t" /* one mark is combining, the other is not */
#define BIDI "\xe2\x80\xae" "abc" "\xe2\x80\xac\xd8\x9c"

static const struct {
    const char *text, *plain;
    bool blank;
} rows[] = {
    { "", "", true }, { "Hi", "Hi", false }, { " \t\n", " \t\n", true }, { "a\nb\tc", "a\nb\tc", false },
    { "a\rb\r\nc\n\rd\r", "a\nb\nc\n\nd\n", false }, { "a\vb\fc", "a\nb\nc", false }, { "a\xc2\x85" "b", "a\nb", false }, { "a\xe2\x80\xa8" "b\xe2\x80\xa9", "a\nb\n", false },
    { "\x01\x07\b\x1b[31mred\x1f\x7f", "[31mred", false }, { "\xc2\x80" "a\xc2\x9f\xc2\xa0", "a\xc2\xa0", false }, { "\a\xc2\x9b", "", true }, { " \x7f\r", " \n", true },
    { FAMILY THUMB HEART, FAMILY THUMB HEART, false }, { VIET, VIET, false }, { BIDI, BIDI, false }, { "\xe2\x80\xa7\xe2\x80\xaa", "\xe2\x80\xa7\xe2\x80\xaa", false },
    { "\xef\xbb\xbf\xe2\x80\x8b", "\xef\xbb\xbf\xe2\x80\x8b", false }, { "\xc3\x82\xc2\xa9\xc3\x85", "\xc3\x82\xc2\xa9\xc3\x85", false },
};

static void test_texts(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sv text = sv_from(rows[i].text);
        struct buf all = { 0 }, part = { 0 };
        plain_add(&all, text);
        is_str(all.n > 0 ? all.p : "", rows[i].plain, "row %zu", i);
        is_int(plain_is_blank(text), rows[i].blank, "row %zu: blank", i);
        for (size_t cut = 0; cut <= text.n; cut++) {
            struct sv begin = { text.p, cut };
            if (!sv_is_utf8(begin))
                continue;
            buf_clear(&part);
            plain_add(&part, begin);
            ok(sv_starts(buf_sv(&all), buf_sv(&part)), "row %zu: of %zu bytes the beginning", i, cut);
        }
        buf_clear(&part);
        plain_add(&part, buf_sv(&all));
        ok(sv_eq(buf_sv(&part), buf_sv(&all)), "row %zu: once is enough", i);
        buf_fini(&all);
        buf_fini(&part);
    }
}

static void test_values(void)
{
    static const struct {
        const char *json, *plain; /* NULL: as it is, and not copied */
    } values[] = {
        { "\"a\"", NULL }, { "7", NULL }, { "null", NULL }, { "{\"a\":[\"\",{\"b\":\"c\\n\"},1.5,true]}", NULL }, { "\"a\\u0007\"", "\"a\"" },
        { "{\"a\":[\"\\u001b\",{\"b\":\"c\\r\\nd\",\"e\":1.0}],\"f\":\"g\"}", "{\"a\":[\"\",{\"b\":\"c\\nd\",\"e\":1.0}],\"f\":\"g\"}" }, { "{\"a\\u0007\":1}", NULL },
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        json_t *value = json_read(sv_from(values[i].json), true, NULL), *before = json_deep_copy(value), *plain = plain_json(value);
        struct buf text = { 0 };
        json_dump_to(&text, plain);
        is_str(text.p, values[i].plain != NULL ? values[i].plain : values[i].json, "%s", values[i].json);
        is_int(plain == value, values[i].plain == NULL, "%s: copied where needed", values[i].json);
        ok(json_equal(value, before), "%s: and left as it is", values[i].json);
        buf_fini(&text);
        json_decref(plain);
        json_decref(before);
        json_decref(value);
    }
    ok(plain_json(NULL) == NULL, "nothing is nothing");
}

int main(void)
{
    test_texts();
    test_values();
    return done_testing();
}
