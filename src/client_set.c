/* SPDX-License-Identifier: MIT
 * Rows of a file to the daemon. What stands in them is the daemon's to judge; here it only has to be JSON. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "daemon/words.h"
#include "lib/json.h"
#include "program.h"

#define FILE_MAX (64u << 20)

static int fail(const char *path, const char *why, int exit_code)
{
    fprintf(stderr, "turnkeeperctl: %s: %s\n", strcmp(path, "-") == 0 ? "standard input" : path, why);
    return exit_code;
}

static bool read_all(FILE *in, struct buf *b)
{
    size_t n;
    do {
        char *to = buf_room(b, 65536);
        n = to != NULL ? fread(to, 1, 65536, in) : 0;
        if (n > 0)
            buf_grown(b, n);
    } while (n > 0);
    return !ferror(in) && buf_ok(b);
}

/* NULL: said why. */
static json_t *read_json(const char *path, int *exit_code)
{
    struct buf b = { .max = FILE_MAX };
    struct err e = { .text = "" };
    json_t *value = NULL;
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    *exit_code = EXIT_USE;
    if (in == NULL || !read_all(in, &b)) {
        *exit_code = fail(path, errno != 0 ? strerror(errno) : "cannot be read", EXIT_USE);
    } else {
        value = json_read(b.n > 0 ? buf_sv(&b) : SV_NONE, false, &e);
        if (value == NULL)
            *exit_code = fail(path, e.text, EXIT_USE);
    }
    if (in != NULL && in != stdin)
        (void)fclose(in);
    buf_fini(&b);
    return value;
}

static int send_row(const struct client_options *o, const char *kind, const json_t *row)
{
    struct buf line = { 0 };
    int exit_code = EXIT_LATER;
    buf_printf(&line, "%s SET ", kind);
    json_dump_to(&line, row); /* one line: control characters are escaped */
    if (line.n >= WORDS_LINE_MAX - sizeof(" --json"))
        exit_code = fail(o->about != NULL ? o->about : "a row", "is too large", EXIT_USE);
    else if (buf_ok(&line))
        exit_code = client_run(o, buf_sv(&line));
    buf_fini(&line);
    return exit_code;
}

/* An array, or what a list printed. NULL: it is one row. */
static const json_t *rows_of(const json_t *value)
{
    static const char *const names[] = { "bots", "ai_cores", "platforms" };
    if (json_is_array(value))
        return value;
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (json_is_array(json_object_get(value, names[i])))
            return json_object_get(value, names[i]);
    return NULL;
}

/* "row 2 of 3: sales". The name is what the file says: no terminal sees its control characters. */
static void describe(struct buf *b, size_t i, size_t n, const json_t *row)
{
    struct sv bot = json_sv(row, "bot_id"), name = bot.p != NULL ? bot : json_sv(row, "name");
    buf_printf(b, "row %zu of %zu%s", i + 1, n, name.n > 0 ? ": " : "");
    for (size_t k = 0; k < name.n; k++)
        buf_addc(b, (unsigned char)name.p[k] < ' ' || name.p[k] == 0x7F ? '?' : name.p[k]);
    buf_addc(b, '\0');
}

static int send_one_of(const struct client_options *o, const char *kind, const json_t *rows, size_t i)
{
    const json_t *row = json_array_get(rows, i);
    struct client_options with = *o;
    struct buf about = { 0 };
    describe(&about, i, json_array_size(rows), row);
    with.about = buf_ok(&about) ? about.p : NULL;
    int exit_code = send_row(&with, kind, row);
    buf_fini(&about);
    return exit_code;
}

int client_set(const struct client_options *o, const char *kind, const char *path)
{
    int exit_code;
    json_t *value = read_json(path, &exit_code);
    const json_t *rows = rows_of(value);
    if (value == NULL)
        return exit_code;
    exit_code = rows == NULL ? send_row(o, kind, value) : EXIT_FINE;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        int rc = send_one_of(o, kind, rows, i);
        exit_code = exit_code == EXIT_FINE ? rc : exit_code;
    }
    json_decref(value);
    return exit_code;
}
