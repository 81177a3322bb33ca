/* SPDX-License-Identifier: MIT
 * Lines apart and together again. */
#include "config.h"

#include <stdlib.h>

#include "daemon/words.h"
#include "lib/id.h"
#include "t/tap.h"

static struct arena *a;

/* "one|two" of the words, or "!reason". */
static const char *split(struct sv line)
{
    struct sv words[WORDS_MAX];
    struct err e;
    size_t n;
    struct buf b = { 0 };
    if (words_split(a, line, words, &n, &e) != 0)
        return arena_printf(a, "!%s", e.text).p;
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(&b, '|');
        buf_add(&b, words[i]);
    }
    struct sv text = buf_ok(&b) && b.n > 0 ? arena_sv(a, buf_sv(&b)) : SV("");
    buf_fini(&b);
    return text.p;
}

static void apart(void)
{
    static const struct {
        const char *line, *want;
    } rows[] = {
        { "", "" },
        { "   \t ", "" },
        { "PING", "PING" },
        { " show\t status  ", "show|status" },
        { "GET \"a b\"", "GET|a b" },
        { "GET \"a\\\"b\\\\c\"", "GET|a\"b\\c" },
        { "GET \"a\\nb\\x41\\t\"", "GET|a\nbA\t" },
        { "x max_age_hours=\"2 4\"", "x|max_age_hours=2 4" },
        { "GET \"\"", "GET|" },
        { "GET a\\b", "GET|a\\b" },
        { "GET \"a", "!a quote has no end" },
        { "GET \"a\\", "!a backslash stands before \" \\ n r t or x" },
        { "GET \"\\q\"", "!a backslash stands before \" \\ n r t or x" },
        { "GET \"\\x4\"", "!\\x needs two hexadecimal digits" },
        { "GET \"\\xff\"", "!a word is not UTF-8" },
        { "GET \xff", "!the line is not UTF-8" },
        { "GET a\x01", "!a control character must be escaped" },
        { "GET \"a\x1b\"", "!a control character must be escaped" },
        { "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16" },
        { "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "!too many words" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        is_str(split(sv_from(rows[i].line)), rows[i].want, "%s", rows[i].want);
    is_str(split((struct sv){ "GET a\0b", 7 }), "!a control character must be escaped", "NUL");
}

static void json_option(void)
{
    static const struct {
        const char *line, *left;
        bool yes;
    } rows[] = {
        { "PING --json", "PING ", true }, { "PING --json  ", "PING ", true }, { "PING\t--json", "PING\t", true }, { "--json", "", true },
        { "PING", "PING", false },        { "GET x--json", "GET x--json", false }, { "GET \"--json\"", "GET \"--json\"", false },
        { "--json PING", "--json PING", false },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sv line = sv_from(rows[i].line);
        is_int(words_take_json(&line), rows[i].yes, "--json in: %s", rows[i].line);
        is_sv(line, sv_from(rows[i].left), "what is left");
    }
}

/* Whatever an id holds, it comes back as one word of one line. */
static void together(void)
{
    static const char *const ids[] = { "plain", "a b", "a\"b", "a\\", "\\", "", "a\nCANCEL b", "a\rb", "\t", "--json", "--", "=", "x=\"", "\x7f", "Đặng #1" };
    struct buf b = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        struct sv words[WORDS_MAX];
        struct err e;
        size_t n = 0;
        buf_clear(&b);
        buf_add(&b, SV("GET "));
        words_add(&b, sv_from(ids[i]));
        struct sv line = buf_sv(&b);
        ok(memchr(line.p, '\n', line.n) == NULL && memchr(line.p, '\r', line.n) == NULL, "%zu: one line", i);
        ok(!words_take_json(&line), "%zu: no option", i);
        ok(words_split(a, line, words, &n, &e) == 0 && n == 2 && sv_eq(words[1], sv_from(ids[i])), "%zu: the same word again", i);
    }
    buf_fini(&b);
}

/* Noise: an answer or a reason, never more words than there is room for. */
static void noise(void)
{
    bool fine = true;
    for (int i = 0; i < 20000 && fine; i++) {
        char line[64];
        struct sv words[WORDS_MAX];
        struct err e;
        size_t n, length = (size_t)id_random_below(sizeof(line));
        id_random(line, length);
        for (size_t k = 0; k < length; k++)
            line[k] = i % 2 == 0 ? line[k] : " \"\\axn=\t0"[(unsigned char)line[k] % 9];
        arena_reset(a);
        int rc = words_split(a, (struct sv){ line, length }, words, &n, &e);
        fine = (rc == 0 && n <= WORDS_MAX) || (rc == -1 && e.code == ERR_INVALID);
    }
    ok(fine, "20,000 lines of noise");
}

int main(void)
{
    a = arena_new(0, 1u << 20);
    apart();
    json_option();
    together();
    noise();
    arena_free(a);
    return done_testing();
}
