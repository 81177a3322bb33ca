/* SPDX-License-Identifier: MIT
 * Time, and ISO 8601 to and from milliseconds. Calendar arithmetic is Gregorian throughout ("days from civil"); no time
 * zone database and no locale is asked. The fake clock is for tests; threads may read it while the test moves it. */
#include "config.h"

#include <stdatomic.h>
#include <time.h>

#include "lib/clock.h"

#define DAY_MS 86400000
#define YEAR_0000_MS (-62167219200000)
#define YEAR_9999_END_MS 253402300799999
#define FAKE_MONO_US 1000000000

static atomic_bool fake;
static _Atomic int64_t fake_wall_ms, fake_mono_us;

static int64_t read_us(clockid_t which)
{
    struct timespec t;

    if (clock_gettime(which, &t) != 0)
        return 0;
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_mono_us(void)
{
    return atomic_load_explicit(&fake, memory_order_relaxed) ? fake_mono_us : read_us(CLOCK_BOOTTIME);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_us() / 1000;
}

int64_t clock_wall_ms(void)
{
    return atomic_load_explicit(&fake, memory_order_relaxed) ? fake_wall_ms : read_us(CLOCK_REALTIME) / 1000;
}

void clock_fake(int64_t wall_ms)
{
    fake_wall_ms = wall_ms;
    fake_mono_us = FAKE_MONO_US;
    fake = true;
}

void clock_fake_move(int64_t by_ms)
{
    fake_wall_ms += by_ms;
    fake_mono_us += by_ms * 1000;
}

void clock_real(void)
{
    fake = false;
}

static char *put_digits(char *out, int64_t number, int width)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return out + width;
}

void clock_format(int64_t wall_ms, char out[25])
{
    int64_t days, rest, era, day, year_of_era, day_of_year, month;

    if (wall_ms < YEAR_0000_MS)
        wall_ms = YEAR_0000_MS;
    if (wall_ms > YEAR_9999_END_MS)
        wall_ms = YEAR_9999_END_MS;
    days = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0);
    rest = wall_ms - days * DAY_MS;
    days += 719468; /* from 0000-03-01, so that a leap day ends its year */
    era = (days >= 0 ? days : days - 146096) / 146097;
    day = days - era * 146097;
    year_of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    month = (5 * day_of_year + 2) / 153; /* 0 is March */
    day = day_of_year - (153 * month + 2) / 5 + 1;

    out = put_digits(out, era * 400 + year_of_era + (month >= 10), 4);
    *out++ = '-';
    out = put_digits(out, month < 10 ? month + 3 : month - 9, 2);
    *out++ = '-';
    out = put_digits(out, day, 2);
    *out++ = 'T';
    out = put_digits(out, rest / 3600000, 2);
    *out++ = ':';
    out = put_digits(out, rest / 60000 % 60, 2);
    *out++ = ':';
    out = put_digits(out, rest / 1000 % 60, 2);
    *out++ = '.';
    out = put_digits(out, rest % 1000, 3);
    *out++ = 'Z';
    *out = '\0';
}

static bool get_digits(const char **text, int width, int *number)
{
    *number = 0;
    for (int i = 0; i < width; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *number = *number * 10 + (**text - '0');
    }
    return true;
}

static bool get_char(const char **text, const char *among)
{
    for (; *among != '\0'; among++) {
        if (**text == *among) {
            (*text)++;
            return true;
        }
    }
    return false;
}

static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int days_in_month(int year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 2 && (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)) ? 29 : days[month - 1];
}

/* "Z", "+07:00", "+0700", "+07" or nothing; minutes east of UTC. */
static bool get_offset(const char **text, int *minutes)
{
    int sign, hour, minute = 0;

    *minutes = 0;
    if (get_char(text, "Zz") || **text == '\0')
        return true;
    sign = **text == '-' ? -1 : 1;
    if (!get_char(text, "+-") || !get_digits(text, 2, &hour))
        return false;
    if ((get_char(text, ":") || **text != '\0') && !get_digits(text, 2, &minute))
        return false;
    *minutes = sign * (hour * 60 + minute);
    return hour < 24 && minute < 60;
}

static bool get_day(const char **text, int64_t *days)
{
    int year, month, day;

    if (!get_digits(text, 4, &year) || !get_char(text, "-") || !get_digits(text, 2, &month) || !get_char(text, "-") || !get_digits(text, 2, &day) ||
        month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

bool clock_parse_day(const char *text, int64_t *wall_ms)
{
    int64_t days;

    if (!get_day(&text, &days) || *text != '\0')
        return false;
    *wall_ms = days * DAY_MS;
    return true;
}

bool clock_parse(const char *text, int64_t *wall_ms)
{
    int hour, minute, second, offset, ms = 0;
    int64_t days;

    if (!get_day(&text, &days) || !get_char(&text, "Tt ") || !get_digits(&text, 2, &hour) || !get_char(&text, ":") || !get_digits(&text, 2, &minute) ||
        !get_char(&text, ":") || !get_digits(&text, 2, &second))
        return false;
    if (get_char(&text, ".,")) {
        if (*text < '0' || *text > '9')
            return false;
        for (int scale = 100; *text >= '0' && *text <= '9'; text++, scale /= 10)
            ms += (*text - '0') * scale;
    }
    if (!get_offset(&text, &offset) || *text != '\0')
        return false;
    if (hour > 23 || minute > 59 || second > 60) /* 60: a leap second, which POSIX time does not have */
        return false;
    *wall_ms = days * DAY_MS + ((int64_t)(hour * 60 + minute - offset) * 60 + second) * 1000 + ms;
    return true;
}

struct timespec clock_wait_until(int64_t in_ms)
{
    struct timespec at;
    (void)clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(in_ms / 1000);
    at.tv_nsec += (long)(in_ms % 1000) * 1000000;
    if (at.tv_nsec >= 1000000000) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000;
    }
    return at;
}
