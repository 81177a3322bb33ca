/* SPDX-License-Identifier: MIT
 * One pass over the line; a word is never longer than what it was written as. What a line may hold is decided here alone: bytes
 * that are no UTF-8 and bare control characters never reach a command. */
#include "config.h"

#include "daemon/words.h"

struct reader {
    struct sv line;
    size_t at;
    char *to; /* of the word being read */
    size_t n;
    struct err *e;
};

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7F;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Behind a backslash. */
static int read_escape(struct reader *r)
{
    char c = r->at < r->line.n ? r->line.p[r->at++] : '\0';
    int high, low;

    switch (c) {
    case '"':
    case '\\':
        r->to[r->n++] = c;
        return 0;
    case 'n':
        r->to[r->n++] = '\n';
        return 0;
    case 'r':
        r->to[r->n++] = '\r';
        return 0;
    case 't':
        r->to[r->n++] = '\t';
        return 0;
    case 'x':
        high = r->at + 1 < r->line.n ? hex(r->line.p[r->at]) : -1;
        low = high >= 0 ? hex(r->line.p[r->at + 1]) : -1;
        if (low < 0)
            return err_set(r->e, ERR_INVALID, "\\x needs two hexadecimal digits");
        r->to[r->n++] = (char)(high << 4 | low);
        r->at += 2;
        return 0;
    default:
        return err_set(r->e, ERR_INVALID, "a backslash stands before \" \\ n r t or x");
    }
}

static int read_quoted(struct reader *r)
{
    while (r->at < r->line.n) {
        char c = r->line.p[r->at++];
        if (c == '"')
            return 0;
        if (is_control(c) && c != '\t')
            return err_set(r->e, ERR_INVALID, "a control character must be escaped");
        if (c != '\\')
            r->to[r->n++] = c;
        else if (read_escape(r) != 0)
            return -1;
    }
    return err_set(r->e, ERR_INVALID, "a quote has no end");
}

static int read_word(struct reader *r)
{
    while (r->at < r->line.n && !is_blank(r->line.p[r->at])) {
        char c = r->line.p[r->at++];
        if (c == '"') {
            if (read_quoted(r) != 0)
                return -1;
        } else if (is_control(c)) {
            return err_set(r->e, ERR_INVALID, "a control character must be escaped");
        } else {
            r->to[r->n++] = c;
        }
    }
    return 0;
}

int words_split(struct arena *a, struct sv line, struct sv words[WORDS_MAX], size_t *n, struct err *e)
{
    struct reader r = { .line = line, .e = e };

    *n = 0;
    if (!sv_is_utf8(line))
        return err_set(e, ERR_INVALID, "the line is not UTF-8");
    r.to = arena_alloc(a, line.n + 1);
    if (r.to == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    while (true) {
        while (r.at < line.n && is_blank(line.p[r.at]))
            r.at++;
        if (r.at == line.n)
            return 0;
        if (*n == WORDS_MAX)
            return err_set(e, ERR_INVALID, "too many words");
        size_t from = r.n;
        if (read_word(&r) != 0)
            return -1;
        words[*n] = (struct sv){ r.to + from, r.n - from };
        if (!sv_is_utf8(words[(*n)++]))
            return err_set(e, ERR_INVALID, "a word is not UTF-8");
    }
}

bool words_take_json(struct sv *line)
{
    static const char option[] = "--json";
    const size_t n = sizeof(option) - 1;
    struct sv text = sv_trim(*line);

    if (text.n < n || memcmp(text.p + text.n - n, option, n) != 0 || (text.n > n && !is_blank(text.p[text.n - n - 1])))
        return false;
    *line = (struct sv){ text.p, text.n - n };
    return true;
}

void words_add(struct buf *b, struct sv word)
{
    bool plain = word.n > 0 && !sv_starts(word, SV("--")); /* what is quoted is never an option */

    for (size_t i = 0; i < word.n; i++)
        plain = plain && !is_control(word.p[i]) && !is_blank(word.p[i]) && word.p[i] != '"';
    if (plain) {
        buf_add(b, word);
        return;
    }
    buf_addc(b, '"');
    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];
        if (c == '"' || c == '\\')
            buf_addc(b, '\\');
        if (is_control(c))
            buf_printf(b, "\\x%02x", (unsigned char)c);
        else
            buf_addc(b, c);
    }
    buf_addc(b, '"');
}
