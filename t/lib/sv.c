/* SPDX-License-Identifier: MIT
 * Borrowed bytes: splitting, numbers at their limits, and the UTF-8 of RFC 3629 section 4. */
#include "config.h"

#include "t/tap.h"

static void test_numbers(void)
{
    static const struct {
        const char *text;
        bool valid;
        int64_t value;
    } table[] = {
        { "0", true, 0 },
        { "-0", true, 0 },
        { "007", true, 7 },
        { "9223372036854775807", true, INT64_MAX },
        { "9223372036854775808", false, 0 },
        { "-9223372036854775808", true, INT64_MIN },
        { "-9223372036854775809", false, 0 },
        { "99999999999999999999999", false, 0 },
        { "", false, 0 },
        { "-", false, 0 },
        { "+1", false, 0 },
        { " 1", false, 0 },
        { "1 ", false, 0 },
        { "0x10", false, 0 },
        { "1e3", false, 0 },
    };
    uint64_t u = 77;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t got = 77;
        is_int(sv_to_i64(sv_from(table[i].text), &got), table[i].valid, "\"%s\"", table[i].text);
        is_int(got, table[i].valid ? table[i].value : 77, "  its value");
    }
    ok(sv_to_u64(SV("18446744073709551615"), &u) && u == UINT64_MAX, "the largest unsigned number");
    ok(!sv_to_u64(SV("18446744073709551616"), &u) && u == UINT64_MAX, "one more leaves the result alone");
    ok(!sv_to_u64(SV("-1"), &u), "no sign for unsigned");
}

static void test_utf8(void)
{
    static const struct {
        struct sv s;
        bool valid;
    } table[] = {
        { { "", 0 }, true },
        { { NULL, 0 }, true },
        { SV("plain ascii, longer than eight bytes"), true },
        { SV("nine byte\xC3\xA9"), true },
        { SV("Ti\xE1\xBA\xBFng Vi\xE1\xBB\x87t"), true },
        { SV("\xF0\x9F\x98\x80"), true },
        { SV("\x00"), true },
        { SV("\xC0\x80"), false },         /* overlong NUL */
        { SV("\xC1\xBF"), false },         /* overlong */
        { SV("\xE0\x9F\xBF"), false },     /* overlong */
        { SV("\xE0\xA0\x80"), true },      /* U+0800 */
        { SV("\xED\x9F\xBF"), true },      /* U+D7FF */
        { SV("\xED\xA0\x80"), false },     /* U+D800, a surrogate */
        { SV("\xEE\x80\x80"), true },      /* U+E000 */
        { SV("\xF0\x8F\xBF\xBF"), false }, /* overlong */
        { SV("\xF4\x8F\xBF\xBF"), true },  /* U+10FFFF */
        { SV("\xF4\x90\x80\x80"), false }, /* beyond */
        { SV("\xF5\x80\x80\x80"), false },
        { SV("\x80"), false },
        { SV("\xFF"), false },
        { SV("\xC3"), false }, /* cut */
        { SV("\xE1\xBA"), false },
        { SV("\xF0\x9F\x98"), false },
        { SV("\xC3\x28"), false },
        { SV("12345678\xFF"), false },
        { SV("1234567\xC3\xA9"
             "12345678\xC3"),
          false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_int(sv_is_utf8(table[i].s), table[i].valid, "UTF-8 row %zu", i);
}

static void test_cut(void)
{
    const struct sv text = SV("a\xC3\xA9\xF0\x9F\x98\x80z");
    static const size_t want[] = { 0, 1, 1, 3, 3, 3, 3, 7, 8, 8 };

    for (size_t max = 0; max < ARRAY_LEN(want); max++)
        is_int(sv_cut_utf8(text, max).n, want[max], "cut at %zu", max);
    is_int(sv_cut_utf8(SV_NONE, 3).n, 0, "nothing to cut");
}

static void test_split(void)
{
    struct sv rest = SV("a,,b");

    is_sv(sv_split(&rest, ','), SV("a"), "first");
    is_sv(sv_split(&rest, ','), SV(""), "empty one");
    is_sv(sv_split(&rest, ','), SV("b"), "last");
    is_sv(rest, SV_NONE, "then absent");
    rest = SV("a,");
    (void)sv_split(&rest, ',');
    is_sv(rest, SV(""), "an empty rest is not an absent one");
    is_sv(sv_split(&rest, ','), SV(""), "and is given out");
    is_sv(rest, SV_NONE, "once");
}

int main(void)
{
    test_numbers();
    test_utf8();
    test_cut();
    test_split();
    is_sv(sv_trim(SV(" \t a b\t ")), SV("a b"), "trim");
    is_int(sv_trim(SV(" \t ")).n, 0, "trim to nothing");
    is_sv(sv_trim(SV("\na \r\n")), SV("\na \r\n"), "but no line ends");
    is_sv(sv_trim_space(SV("\r\n\t a\nb \n\n")), SV("a\nb"), "white space, of line ends too");
    is_int(sv_trim_space(SV(" \n\t\r")).n + sv_trim_space(SV("")).n + sv_trim_space(SV_NONE).n, 0, "to nothing");
    ok(sv_eq_nocase(SV("Content-TYPE[]"), SV("content-type[]")), "case of letters is ignored");
    ok(!sv_eq_nocase(SV("["), SV("{")) && !sv_eq_nocase(SV("@"), SV("`")), "of letters only");
    ok(sv_starts(SV("abc"), SV("ab")) && sv_starts(SV("abc"), SV("")) && !sv_starts(SV("a"), SV("ab")), "prefix");
    is_int(sv_hex_digit('0') * 100 + sv_hex_digit('9'), 9, "hexadecimal digits");
    ok(sv_hex_digit('a') == 10 && sv_hex_digit('F') == 15, "letters of either case");
    ok(sv_hex_digit('g') == -1 && sv_hex_digit('G') == -1 && sv_hex_digit('/') == -1 && sv_hex_digit(':') == -1 && sv_hex_digit('\0') == -1, "and no others");
    ok(sv_eq(SV_NONE, SV("")), "absent equals empty");
    return done_testing();
}
