/* SPDX-License-Identifier: MIT
 * The buffer: its sticky error, its limit at each function's edge, and what stays behind. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "t/tap.h"

static void test_growth(void)
{
    struct buf b = { 0 };
    size_t wrong = 0;

    is_sv(buf_sv(&b), SV(""), "a zeroed struct is empty");
    for (int i = 0; i < 100000; i++)
        buf_addc(&b, (char)('a' + i % 26));
    for (size_t i = 0; i < b.n; i++)
        wrong += b.p[i] != (char)('a' + i % 26);
    ok(buf_ok(&b) && b.n == 100000 && wrong == 0 && b.p[b.n] == '\0', "grows byte by byte");
    buf_consume(&b, 99999);
    is_sv(buf_sv(&b), SV("d"), "consumed but for the last byte");
    buf_consume(&b, 5);
    is_sv(buf_sv(&b), SV(""), "consuming too much empties it");
    buf_fini(&b);
    ok(b.p == NULL && b.size == 0, "freed");
}

static void test_numbers(void)
{
    static const int64_t numbers[] = { 0, 7, -7, 1699123456789, INT64_MAX, INT64_MIN };
    char want[32];

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        struct buf b = { 0 };
        buf_i64(&b, numbers[i]);
        (void)snprintf(want, sizeof(want), "%lld", (long long)numbers[i]);
        is_str(b.p, want, "number %s", want);
        buf_fini(&b);
    }
}

static void test_printf(void)
{
    for (int width = 1; width < 300; width += 13) {
        struct buf b = { 0 };
        buf_add(&b, SV("<"));
        buf_printf(&b, "%0*d", width, 5);
        buf_add(&b, SV(">"));
        if (!buf_ok(&b) || b.n != (size_t)width + 2 || b.p[width] != '5' || b.p[width + 1] != '>')
            is_int(b.n, width + 2, "printf of %d characters", width);
        buf_fini(&b);
    }
    struct buf b = { .max = 10 };
    buf_printf(&b, "%s", "0123456789");
    ok(buf_ok(&b) && b.n == 10, "printf up to the limit");
    buf_printf(&b, "%s", "");
    ok(buf_ok(&b), "nothing more is fine");
    buf_printf(&b, "%s", "x");
    ok(!buf_ok(&b) && b.n == 10 && b.p[10] == '\0', "one more fails and leaves what was there");
    buf_fini(&b);
}

static void test_limit(void)
{
    struct buf b = { .max = 4 };
    char *taken;

    buf_add(&b, SV("abc"));
    ok(buf_room(&b, 1) != NULL, "room for one more");
    buf_add(&b, SV("de"));
    ok(!buf_ok(&b), "past the limit");
    buf_addc(&b, 'x');
    is_sv(buf_sv(&b), SV("abc"), "the error is sticky");
    ok(buf_room(&b, 0) == NULL, "no room either");
    ok(buf_take(&b) == NULL && b.p == NULL, "nothing to take from a failed one");
    ok(buf_ok(&b) && b.max == 4, "empty and usable, the limit stays");
    buf_add(&b, SV("abcd"));
    taken = buf_take(&b);
    is_str(taken, "abcd", "taken");
    free(taken);
    ok(buf_take(&b) == NULL, "an empty one gives nothing");
    buf_add(&b, SV("abcde"));
    buf_clear(&b);
    buf_addc(&b, 'x');
    is_str(b.p, "x", "clear forgets the error");
    buf_fini(&b);
    b = (struct buf){ 0 };
    ok(buf_room(&b, SIZE_MAX) == NULL && !buf_ok(&b), "a size that overflows");
    buf_fini(&b);
}

int main(void)
{
    struct buf b = { 0 };
    char *p;

    test_growth();
    test_numbers();
    test_printf();
    test_limit();
    p = buf_room(&b, 3);
    memcpy(p, "abc", 3);
    buf_grown(&b, 3);
    is_sv(buf_sv(&b), SV("abc"), "written in place");
    buf_fini(&b);
    return done_testing();
}
