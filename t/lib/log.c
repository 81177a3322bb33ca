/* SPDX-License-Identifier: MIT
 * Log lines: each one is one line of JSON whatever it is fed, at most 4,096 bytes, and reopening follows a rotation. */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "t/tap.h"

static char dir[] = "/tmp/t-log-XXXXXX";
static char path[64], rotated[64];
static char text[1 << 20];

static struct sv content(const char *name)
{
    FILE *f = fopen(name, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text), f) : 0;

    if (f != NULL)
        (void)fclose(f);
    return (struct sv){ text, n };
}

/* The only line of the file, parsed; the file is emptied. */
static json_t *take_line(void)
{
    struct sv all = content(path), line = sv_split(&all, '\n');
    struct err e = { 0 };
    json_t *value = json_read(line, false, &e);

    ok(value != NULL && all.p != NULL && all.n == 0 && line.n < 4096, "one line of JSON, %zu bytes %s", line.n, e.text);
    if (truncate(path, 0) != 0)
        bail_out("truncate");
    return value;
}

static void test_values(void)
{
    static char junk[5000], letters[3000];
    const char *missing = NULL;
    json_t *v;

    errno = 77;
    log_warning("hello", "a", "x\"\\y", "b", "tab\tnl\n\x1b[31m\x7f", "c", "\xC3\xA9\xFF\xC2\x9Bz", "d", missing, "#n", "-120",
                "#m", "12 \"x", "#z", "", NULL);
    is_int(errno, 77, "errno is kept");
    v = take_line();
    is_sv(json_sv(v, "time"), SV("2023-11-04T18:44:16.789Z"), "time");
    is_sv(json_sv(v, "level"), SV("WARNING"), "level");
    is_sv(json_sv(v, "program"), SV("tester"), "program");
    is_int(json_i64(v, "pid", 0), getpid(), "pid");
    is_sv(json_sv(v, "message"), SV("hello"), "message");
    is_sv(json_sv(v, "a"), SV("x\"\\y"), "quotes");
    is_sv(json_sv(v, "b"), SV("tab\tnl\n\x1b[31m\x7f"), "control characters come back");
    is_sv(json_sv(v, "c"), SV("\xC3\xA9\\xff\xC2\x9Bz"), "invalid bytes are spelt out");
    ok(json_object_get(v, "d") == NULL, "a missing value is left out");
    is_int(json_i64(v, "n", 0), -120, "a number has no quotes");
    is_sv(json_sv(v, "m"), SV("12 \"x"), "what is none has them");
    is_sv(json_sv(v, "z"), SV(""), "nor is nothing one");
    json_decref(v);

    for (size_t i = 0; i < sizeof(junk) - 1; i++)
        junk[i] = (char)(1 + i * 7 % 255);
    memset(letters, 'x', sizeof(letters) - 1);
    log_error(junk, "a", junk + 1, "b", junk + 2, "c", junk + 3, NULL);
    v = take_line();
    ok(json_bool(v, "cut", false), "too much is cut, and said so");
    json_decref(v);
    log_info("m", "a", letters, "b", letters, "c", letters, "d", letters, "e", letters, NULL);
    v = take_line();
    is_int(json_sv(v, "a").n, 1024, "values are cut at 1,024 bytes");
    ok(json_bool(v, "cut", false), "said so");
    json_decref(v);
    for (size_t n = 900; n < 1024; n++) { /* the end of the line falls on every kind of place */
        letters[n] = '\0';
        log_info("m", "a", letters, "b", letters, "c", letters, "d", letters, "e", "\n", "f", "\xFF", "g", "\"", "h",
                 "1", NULL);
        letters[n] = 'x';
        struct sv all = content(path), line = sv_split(&all, '\n');
        json_t *one = json_read(line, false, NULL);
        if (one == NULL || all.n != 0)
            ok(false, "values of %zu bytes", n);
        json_decref(one);
        if (truncate(path, 0) != 0)
            bail_out("truncate");
    }
}

static void *write_many(void *arg)
{
    for (int i = 0; i < 300; i++)
        log_info("many", "from", (const char *)arg, NULL);
    return NULL;
}

static void test_threads(void)
{
    pthread_t threads[2];
    static char names[2][2] = { "1", "2" };
    struct sv all;
    int lines = 0, wrong = 0;

    for (int i = 0; i < 2; i++)
        if (pthread_create(&threads[i], NULL, write_many, names[i]) != 0)
            bail_out("pthread_create");
    ok(rename(path, rotated) == 0 && log_reopen(NULL) == 0, "reopened meanwhile");
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    for (int file = 0; file < 2; file++) {
        all = content(file == 0 ? rotated : path);
        while (all.n > 0) {
            json_t *v = json_read(sv_split(&all, '\n'), false, NULL);
            wrong += v == NULL;
            lines++;
            json_decref(v);
        }
    }
    ok(lines == 600 && wrong == 0, "%d whole lines in both files", lines);
}

int main(void)
{
    enum log_level level = LOG_ERROR;
    struct err e = { 0 };

    if (mkdtemp(dir) == NULL)
        bail_out("mkdtemp");
    (void)snprintf(path, sizeof(path), "%s/log", dir);
    (void)snprintf(rotated, sizeof(rotated), "%s/log.1", dir);
    is_int(log_open("tester", "/nonexistent/x", LOG_INFO, &e), -1, "a path that cannot be opened");
    is_int(log_open("tester", path, LOG_INFO, &e), 0, "opened");
    clock_fake(1699123456789);
    log_debug("not seen", NULL);
    is_int(content(path).n, 0, "a level that is off");
    test_values();
    test_threads();
    ok(log_level_parse("warn", &level) && level == LOG_WARNING && log_level_parse("DEBUG", &level) &&
           level == LOG_DEBUG,
       "levels");
    ok(!log_level_parse("loud", &level) && !log_level_parse("", &level) && level == LOG_DEBUG, "no levels");
    is_str(log_level_name(LOG_ERROR), "ERROR", "name");
    log_close();
    (void)unlink(path);
    (void)unlink(rotated);
    (void)rmdir(dir);
    return done_testing();
}
