/* SPDX-License-Identifier: MIT
 * Options: the file's grammar, who wins, errors with file and line and without secrets, and dumps that read back. */
#include "config.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/conf.h"
#include "t/tap.h"

struct target {
    const char *name, *token;
    int64_t port;
    bool debug;
    int mode;
};

static const struct conf_option table[] = {
    { .name = "NAME",
      .type = CONF_STRING,
      .offset = offsetof(struct target, name),
      .fallback = "a name",
      .help = "Who." },
    { .name = "TOKEN",
      .type = CONF_STRING,
      .offset = offsetof(struct target, token),
      .flags = CONF_SECRET,
      .help = "A secret." },
    { .name = "PORT",
      .type = CONF_INT,
      .offset = offsetof(struct target, port),
      .fallback = "80",
      .min = 1,
      .max = 65535,
      .help = "Where." },
    { .name = "DEBUG",
      .type = CONF_BOOL,
      .offset = offsetof(struct target, debug),
      .fallback = "false",
      .help = "Much talk." },
    { .name = "MODE",
      .type = CONF_ENUM,
      .offset = offsetof(struct target, mode),
      .fallback = "spool",
      .choices = "embedded|spool|reject",
      .help = "How." },
};
#define COUNT ARRAY_LEN(table)

static char dir[] = "/tmp/t-conf-XXXXXX";
static char path[64], secret[64];
static struct arena *a;
static struct conf_source sources[COUNT];

static void write_file(const char *name, struct sv text)
{
    FILE *f = fopen(name, "w");

    if (f == NULL || fwrite(text.p, 1, text.n, f) != text.n || fclose(f) != 0)
        bail_out("%s", name);
}

static int load(const char *text, char *const *environment, struct target *t, struct err *e)
{
    *t = (struct target){ 0 };
    *e = (struct err){ 0 };
    arena_reset(a);
    if (text != NULL)
        write_file(path, sv_from(text));
    return conf_load(table, COUNT, text != NULL ? path : NULL, environment, a, t, sources, e);
}

static void test_strings(void)
{
    static const struct {
        const char *line, *want; /* want NULL: an error */
    } rows[] = {
        { "NAME=plain", "plain" },
        { "  export NAME = spaced out  ", "spaced out" },
        { "NAME=", "" },
        { "NAME=a#b", "a#b" },
        { "NAME=a # comment", "a" },
        { "NAME= # comment", "" },
        { "NAME=#x", "#x" },
        { "NAME='lit\\n \"x\" # y' # z", "lit\\n \"x\" # y" },
        { "NAME=\"a\\n\\t\\\"\\\\b # c\"", "a\n\t\"\\b # c" },
        { "NAME=\"\"", "" },
        { "NAME=it's", "it's" },
        { "NAME=a=b", "a=b" },
        { "\xEF\xBB\xBFNAME=bom", "bom" },
        { "# c\n\n  # d\nNAME=x\r\n", "x" },
        { "NAME=Ti\xE1\xBA\xBFng", "Ti\xE1\xBA\xBFng" },
        { "NAME='open", NULL },
        { "NAME=\"open", NULL },
        { "NAME=\"open\\\"", NULL },
        { "NAME=\"a\\q\"", NULL },
        { "NAME='a' b", NULL },
        { "NAME=\"a\"b", NULL },
        { "NAME", NULL },
        { "name=x", NULL },
        { "OTHER=x", NULL },
        { "NAME_FILE=/etc/hostname", NULL },
        { "=x", NULL },
        { "NAME=\xFF", NULL },
        { "NAME=x\nPORT=1\nNAME=y", NULL },
        { "TOKEN=x\nTOKEN_FILE=y", NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t;
        struct err e;
        int rc = load(rows[i].line, NULL, &t, &e);
        is_int(rc, rows[i].want != NULL ? 0 : -1, "string %zu: %s", i, e.text);
        if (rows[i].want != NULL)
            is_str(t.name, rows[i].want, "  its value");
        else
            ok(strncmp(e.text, path, strlen(path)) == 0 && strchr(e.text + strlen(path) + 1, ':') != NULL,
               "  says where");
    }
}

static void test_types(void)
{
    static const struct {
        const char *line, *error;
        int64_t port;
        bool debug;
        int mode;
    } rows[] = {
        { "", NULL, 80, false, 1 },
        { "PORT=65535\nDEBUG=YES\nMODE=Reject", NULL, 65535, true, 2 },
        { "PORT=1\nDEBUG=on\nMODE='embedded'", NULL, 1, true, 0 },
        { "DEBUG=1", NULL, 80, true, 1 },
        { "DEBUG=off", NULL, 80, false, 1 },
        { "\n\nPORT=0", ":3: PORT: must be a number from 1 to 65535", 0, false, 0 },
        { "PORT=65536", ":1: PORT: must be", 0, false, 0 },
        { "PORT=8o", ":1: PORT: must be", 0, false, 0 },
        { "PORT=", ":1: PORT: must be", 0, false, 0 },
        { "DEBUG=maybe", ":1: DEBUG: must be yes or no", 0, false, 0 },
        { "MODE=spoo", ":1: MODE: must be one of embedded|spool|reject", 0, false, 0 },
        { "MODE=", ":1: MODE: must be one of", 0, false, 0 },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t;
        struct err e;
        int rc = load(rows[i].line, NULL, &t, &e);
        is_int(rc, rows[i].error == NULL ? 0 : -1, "row %zu: %s", i, e.text);
        if (rows[i].error != NULL)
            has_str(e.text, rows[i].error, "  its error");
        else
            ok(t.port == rows[i].port && t.debug == rows[i].debug && t.mode == rows[i].mode, "  its values");
    }
}

static void test_order(void)
{
    char name[] = "NAME=from env", token[] = "TOKEN=weak", file[128], none[] = "TOKEN_FILE=", other[] = "HOME=/x",
         bad[] = "PORT=hush";
    struct target t;
    struct err e;

    (void)snprintf(file, sizeof(file), "TOKEN_FILE=%s", secret);
    write_file(secret, SV("from file\n\n"));
    is_int(load("NAME=f\nTOKEN=f\nPORT=7\n", (char *[]){ other, name, file, token, NULL }, &t, &e), 0,
           "all origins: %s", e.text);
    is_str(t.name, "from env", "environment over file");
    is_str(t.token, "from file\n", "NAME_FILE over NAME; one newline is cut");
    is_int(t.port, 7, "file over default");
    is_str(sources[0].what, "environment", "source: environment");
    is_str(sources[1].what, secret, "source: the secret's file");
    ok(strcmp(sources[2].what, path) == 0 && sources[2].line == 3, "source: file and line");
    is_str(sources[3].what, "default", "source: default");
    is_int(load(NULL, (char *[]){ none, token, NULL }, &t, &e), 0, "an empty NAME_FILE counts as none");
    is_str(t.token, "weak", "its value");
    is_int(load(file, (char *[]){ token, NULL }, &t, &e), 0, "NAME_FILE in the file");
    is_str(t.token, "weak", "the environment is stronger");
    is_int(load(NULL, (char *[]){ bad, NULL }, &t, &e), -1, "a bad value in the environment");
    has_str(e.text, "environment variable PORT: must be a number from 1 to 65535", "its error");
    (void)snprintf(file, sizeof(file), "TOKEN_FILE=%s/none", dir);
    is_int(load(NULL, (char *[]){ file, NULL }, &t, &e), -1, "a secret's file that is not there");
    has_str(e.text, "none", "its error");
    write_file(secret, SV("to\0ken"));
    (void)snprintf(file, sizeof(file), "TOKEN_FILE=%s", secret);
    is_int(load(NULL, (char *[]){ file, NULL }, &t, &e), -1, "a NUL in a secret");
    write_file(secret, SV("hush\xFF"));
    is_int(load(NULL, (char *[]){ file, NULL }, &t, &e), -1, "a secret that is not UTF-8");
    ok(strstr(e.text, "hush") == NULL, "the secret is not told: %s", e.text);
    is_int(load("TOKEN=\"hush", NULL, &t, &e), -1, "a broken secret in the file");
    ok(strstr(e.text, "hush") == NULL, "is not told either: %s", e.text);
    (void)unlink(path);
    is_int(conf_load(table, COUNT, path, NULL, a, &t, sources, &e), -1, "a file that is not there: %s", e.text);
}

static void test_dump(void)
{
    struct target t, again;
    struct err e;
    char text[4096];
    FILE *out = fmemopen(text, sizeof(text), "w");

    is_int(load("NAME=\" a#'\\\"\\n\"\nTOKEN=hush\nPORT=8\nDEBUG=yes\nMODE=reject\n", NULL, &t, &e), 0, "to be dumped");
    conf_dump(table, COUNT, &t, sources, out);
    (void)fclose(out);
    has_str(text, "TOKEN=*** # ", "secrets are masked");
    ok(strstr(text, "hush") == NULL, "really");
    is_int(load(text, NULL, &again, &e), 0, "the dump reads back: %s", e.text);
    is_str(again.name, " a#'\"\n", "a difficult string");
    ok(again.port == 8 && again.debug && again.mode == 2, "and the rest");
    out = fmemopen(text, sizeof(text), "w");
    conf_example(table, COUNT, out);
    (void)fclose(out);
    has_str(text, "# Where.\n# a number from 1 to 65535\n#PORT=80\n", "the example");
    has_str(text, "#NAME=\"a name\"\n", "its defaults are quoted where they must be");
    for (char *p = text; (p = strstr(p, "\n#")) != NULL; p++)
        if (p[2] != ' ')
            p[1] = ' ';
    is_int(load(text, NULL, &again, &e), 0, "the example reads back when the marks are removed: %s", e.text);
    is_int(again.port, 80, "with the defaults");
}

int main(void)
{
    if (mkdtemp(dir) == NULL)
        bail_out("mkdtemp");
    (void)snprintf(path, sizeof(path), "%s/conf", dir);
    (void)snprintf(secret, sizeof(secret), "%s/secret", dir);
    a = arena_new(0, 1u << 20);
    test_strings();
    test_types();
    test_order();
    test_dump();
    arena_free(a);
    (void)unlink(path);
    (void)unlink(secret);
    (void)rmdir(dir);
    return done_testing();
}
