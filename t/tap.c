/* SPDX-License-Identifier: MIT
 * The counting and printing behind tap.h. */
#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "t/tap.h"

static int run, failed, planned;

void plan(int count)
{
    planned = count;
    (void)printf("1..%d\n", count);
}

int done_testing(void)
{
    if (planned == 0)
        (void)printf("1..%d\n", run);
    else if (planned != run)
        diag("planned %d, ran %d", planned, run);
    if (failed > 0)
        diag("%d of %d failed", failed, run);
    return failed > 0 || (planned != 0 && planned != run);
}

int skip_all(const char *why)
{
    (void)printf("1..0 # SKIP %s\n", why);
    return 0;
}

void skip(const char *why)
{
    (void)printf("ok %d # SKIP %s\n", ++run, why);
    (void)fflush(stdout);
}

void diag(const char *format, ...)
{
    va_list args;

    (void)fflush(stdout);
    (void)fputs("# ", stderr);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

void bail_out(const char *format, ...)
{
    va_list args;

    (void)fputs("Bail out! ", stdout);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)putchar('\n');
    (void)fflush(stdout);
    exit(255);
}

static bool result(const char *file, int line, bool passed, const char *format, va_list args) PRINTF_LIKE(4, 0);

static bool result(const char *file, int line, bool passed, const char *format, va_list args)
{
    (void)printf("%sok %d - ", passed ? "" : "not ", ++run);
    (void)vprintf(format, args);
    (void)putchar('\n');
    (void)fflush(stdout);
    if (!passed) {
        failed++;
        diag("failed at %s:%d", file, line);
    }
    return passed;
}

static void print_sv(const char *label, struct sv s)
{
    if (s.p == NULL)
        diag("%s: absent", label);
    else
        diag("%s: \"%.*s\" (%zu bytes)", label, SV_FMT(s), s.n);
}

bool tap_ok(const char *file, int line, bool passed, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)result(file, line, passed, format, args);
    va_end(args);
    return passed;
}

bool tap_is_int(const char *file, int line, long long got, long long want, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (!result(file, line, got == want, format, args)) {
        diag("     got: %lld", got);
        diag("expected: %lld", want);
    }
    va_end(args);
    return got == want;
}

bool tap_is_sv(const char *file, int line, struct sv got, struct sv want, const char *format, ...)
{
    bool same = sv_eq(got, want) && (got.p == NULL) == (want.p == NULL);
    va_list args;

    va_start(args, format);
    if (!result(file, line, same, format, args)) {
        print_sv("     got", got);
        print_sv("expected", want);
    }
    va_end(args);
    return same;
}

bool tap_has_str(const char *file, int line, const char *text, const char *part, const char *format, ...)
{
    bool has = text != NULL && strstr(text, part) != NULL;
    va_list args;

    va_start(args, format);
    if (!result(file, line, has, format, args)) {
        print_sv("        got", sv_from(text));
        print_sv("must contain", sv_from(part));
    }
    va_end(args);
    return has;
}
