/* SPDX-License-Identifier: MIT
 * Times as text, in both directions, against the C library's calendar; and the fake clock. */
#include "config.h"

#include <stdio.h>
#include <time.h>

#include "lib/clock.h"
#include "t/tap.h"

static void test_parse(void)
{
    static const struct {
        const char *text;
        bool valid;
        int64_t wall_ms;
    } table[] = {
        { "1970-01-01T00:00:00Z", true, 0 },
        { "1970-01-01 00:00:00", true, 0 },
        { "1970-01-01t00:00:00.001z", true, 1 },
        { "1970-01-01T00:00:00,5", true, 500 },
        { "1970-01-01T00:00:00.123999999Z", true, 123 },
        { "1969-12-31T23:59:59.999Z", true, -1 },
        { "2024-02-29T12:00:00Z", true, 1709208000000 },
        { "2023-11-04T18:44:16.789+00:00", true, 1699123456789 },
        { "2023-11-05T01:44:16.789+07:00", true, 1699123456789 },
        { "2023-11-05T01:44:16.789+0700", true, 1699123456789 },
        { "2023-11-05T01:44:16.789+07", true, 1699123456789 },
        { "2023-11-04T13:14:16.789-05:30", true, 1699123456789 },
        { "2016-12-31T23:59:60Z", true, 1483228800000 },
        { "2023-02-29T00:00:00Z", false, 0 },
        { "1900-02-29T00:00:00Z", false, 0 },
        { "2023-04-31T00:00:00Z", false, 0 },
        { "2023-13-01T00:00:00Z", false, 0 },
        { "2023-00-01T00:00:00Z", false, 0 },
        { "2023-01-00T00:00:00Z", false, 0 },
        { "2023-01-01T24:00:00Z", false, 0 },
        { "2023-01-01T00:60:00Z", false, 0 },
        { "2023-01-01T00:00:61Z", false, 0 },
        { "2023-01-01T00:00:00.Z", false, 0 },
        { "2023-01-01T00:00:00+24:00", false, 0 },
        { "2023-01-01T00:00:00+7:00", false, 0 },
        { "2023-01-01T00:00:00+07:", false, 0 },
        { "2023-01-01T00:00:00+07:0", false, 0 },
        { "2023-01-01T00:00:00Zx", false, 0 },
        { "2023-01-01T00:00Z", false, 0 },
        { "2023-01-01", false, 0 },
        { "2023-1-1T00:00:00Z", false, 0 },
        { "23-01-01T00:00:00Z", false, 0 },
        { "", false, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t got = 0;
        is_int(clock_parse(table[i].text, &got), table[i].valid, "\"%s\"", table[i].text);
        is_int(got, table[i].wall_ms, "  its time");
    }
}

static void test_format(void)
{
    char got[25], want[64];
    int64_t back;
    int wrong = 0;

    for (int64_t s = -62167219200; s <= 253402300799; s += 86400 * 13 + 12345) { /* years 0 to 9999 */
        time_t t = (time_t)s;
        struct tm tm;
        clock_format(s * 1000 + 7, got);
        (void)gmtime_r(&t, &tm);
        (void)snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02d.007Z", tm.tm_year + 1900, tm.tm_mon + 1,
                       tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        if ((strcmp(got, want) != 0 || !clock_parse(got, &back) || back != s * 1000 + 7) && wrong++ == 0)
            is_str(got, want, "as gmtime_r");
    }
    is_int(wrong, 0, "ten thousand years agree with gmtime_r and read back");
    clock_format(-1, got);
    is_str(got, "1969-12-31T23:59:59.999Z", "before 1970");
    clock_format(INT64_MAX, got);
    is_str(got, "9999-12-31T23:59:59.999Z", "the far future is cut");
    clock_format(INT64_MIN, got);
    is_str(got, "0000-01-01T00:00:00.000Z", "so is the far past");
}

static void test_day(void)
{
    static const struct { const char *text; bool valid; int64_t ms; } table[] = {
        { "1970-01-01", true, 0 },
        { "2024-02-29", true, 1709164800000 },
        { "0000-01-01", true, -62167219200000 },
        { "9999-12-31", true, 253402214400000 },
        { "2023-02-29", false, 0 },
        { "2024-00-01", false, 0 },
        { "2024-13-01", false, 0 },
        { "2024-01-32", false, 0 },
        { "2024-1-1", false, 0 },
        { "2024-01-01 ", false, 0 },
        { "2024-01-01T00:00:00Z", false, 0 },
        { "24-01-01", false, 0 },
        { "", false, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        int64_t got = 0;
        is_int(clock_parse_day(table[i].text, &got), table[i].valid, "the day \"%s\"", table[i].text);
        is_int(got, table[i].ms, "its first moment");
    }
}

int main(void)
{
    int64_t before = clock_mono_us(), wall = clock_wall_ms();

    test_parse();
    test_format();
    test_day();
    ok(wall > 1700000000000 && clock_mono_us() >= before, "real clocks run");
    clock_fake(1000);
    before = clock_mono_ms();
    is_int(clock_wall_ms(), 1000, "faked");
    clock_fake_move(250);
    is_int(clock_wall_ms(), 1250, "moved");
    is_int(clock_mono_ms() - before, 250, "the monotonic one moved along");
    clock_real();
    ok(clock_wall_ms() >= wall, "real again");
    return done_testing();
}
