/* SPDX-License-Identifier: MIT
 * Histories and the parts that they become: by tables, then random conversations written as markup and read back. */
#include "config.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "t/tap.h"
#include "turn/markup.h"
#include "turn/message.h"

static struct arena *arena;
static uint64_t state = 1;

static uint32_t below(uint32_t bound)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(((state >> 33) * bound) >> 31);
}

static void accepted(void)
{
    static const struct {
        const char *history, *want; /* parts as "U:text|B:text|" */
    } rows[] = {
        { "<USER>Hello, how are you?</USER><br><BOT>I'm doing well!</BOT><br>", "U:Hello, how are you?|B:I'm doing well!|" },
        { "<USER>a</USER>", "U:a|" },
        { "<USER>a</USER><BOT>b</BOT><USER>c</USER>", "U:a|B:b|U:c|" },
        { "<br><br/>\r\n <BR /> \xC2\xA0<user>a</User><br  / ><Bot>b</bOT>\t<bR>\n", "U:a|B:b|" },
        { "<USER >a</USER\n>", "U:a|" },
        { "<BOT>b</BOT><USER>a</USER>", "B:b|U:a|" },
        { "<USER>one<br>two<br/>three<BR />four</USER>", "U:one\ntwo\nthree\nfour|" },
        { "<USER>one\r\ntwo\rthree\nfour\r\r\nfive\n\nsix</USER>", "U:one\ntwo\nthree\nfour\n\nfive\n\nsix|" },
        { "<USER>one&#13;&#10;two&#13;three&#xd;\nfour\r&#xA;five\r<br>six</USER>", "U:one\ntwo\nthree\nfour\nfive\n\nsix|" },
        { "<USER> \t\r\n a  b \xC2\xA0&nbsp;<br></USER>", "U:a  b|" },
        { "<USER>&nbsp;a&nbsp;b&nbsp;</USER>", "U:a\xC2\xA0"
                                               "b|" },
        { "<USER>a &lt;b&gt; &amp;amp; &quot;c&quot; &#39;d&#x27; &apos;e&apos;</USER>", "U:a <b> &amp; \"c\" 'd' 'e'|" },
        { "<USER>&lt;/USER&gt;&lt;BOT&gt;</USER>", "U:</USER><BOT>|" },
        { "<USER>&amp;lt;/USER&amp;gt;</USER>", "U:&lt;/USER&gt;|" },
        { "<USER>&amp;#38;lt;</USER>", "U:&#38;lt;|" },
        { "<USER>AT&T, R&D; &foo &foo; && &; &lt</USER>", "U:AT&T, R&D; &foo &foo; && &; &lt|" },
        { "<USER>&#0;&#xD800;&#x110000;&#7;&#x80;</USER>", "U:&#0;&#xD800;&#x110000;&#7;&#x80;|" },
        { "<USER>x <b>bold</b> <i class=\"y\"></i> <3 a<b c>d </ USER> < USER></USER>", "U:x <b>bold</b> <i class=\"y\"></i> <3 a<b c>d </ USER> < USER>|" },
        { "<USER>a</BOT>b</USER>", "U:a</BOT>b|" },
        { "<BOT>a</USER>b</BOT><USER>u</USER>", "B:a</USER>b|U:u|" },
        { "<USER><USERS></USERS><USER id=\"1\"><BOTH><br class=\"x\"></br></USER>", "U:<USERS></USERS><USER id=\"1\"><BOTH><br class=\"x\"></br>|" },
        { "<USER></USER<br</USER>", "U:</USER<br|" },
        { "<USER><</USER>", "U:<|" },
        { "<USER></USER><BOT> </BOT><USER>a</USER><BOT><br>&nbsp;</BOT><USER>\n</USER>", "U:a|" },
        { "<USER>T\xC3\xB4i mu\xE1\xBB\x91n \xC4\x91\xE1\xBA\xB7t b\xC3\xA0n, c\xE1\xBA\xA3m \xC6\xA1n!</USER>",
          "U:T\xC3\xB4i mu\xE1\xBB\x91n \xC4\x91\xE1\xBA\xB7t b\xC3\xA0n, c\xE1\xBA\xA3m \xC6\xA1n!|" },
        { "<USER>Vi\xE1\xBB\x87t / Vie\xCC\xA3\xCC\x82t / Vi&#7879;t</USER>", "U:Vi\xE1\xBB\x87t / Vie\xCC\xA3\xCC\x82t / Vi\xE1\xBB\x87t|" },
        { "<USER>\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD</USER>",
          "U:\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7 \xF0\x9F\x91\x8D\xF0\x9F\x8F\xBD|" },
        { "<USER>\xE2\x80\x8F\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D (\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7)\xE2\x80\x8F</USER>",
          "U:\xE2\x80\x8F\xD7\xA9\xD7\x9C\xD7\x95\xD7\x9D (\xD9\x85\xD8\xB1\xD8\xAD\xD8\xA8\xD8\xA7)\xE2\x80\x8F|" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct markup m;
        struct err e = { 0 };
        struct buf b = { 0 };
        int rc = markup_parse(arena, sv_from(rows[i].history), &m, &e);
        for (size_t k = 0; k < m.n; k++) {
            buf_add(&b, m.parts[k].bot ? SV("B:") : SV("U:"));
            buf_add(&b, m.parts[k].text);
            buf_addc(&b, '|');
        }
        is_int(rc, 0, "accepted: row %zu %s", i, e.text);
        is_sv(buf_sv(&b), sv_from(rows[i].want), "the parts of row %zu", i);
        buf_fini(&b);
    }
}

static void refused(void)
{
    static const struct {
        struct sv history;
        const char *want;
    } rows[] = {
        { SV_NONE, "there is no <USER> part with a text" },
        { SV(""), "there is no <USER> part with a text" },
        { SV(" <br> "), "there is no <USER> part with a text" },
        { SV("<BOT>b</BOT>"), "there is no <USER> part with a text" },
        { SV("<USER> </USER><BOT>b</BOT><USER>&nbsp;<br></USER>"), "there is no <USER> part with a text" },
        { SV("Hello"), "text outside of <USER> and <BOT> at character 1" },
        { SV("<USER>\xE1\xBB\x87\xF0\x9F\x98\x80</USER>, <BOT>b</BOT>"), "text outside of <USER> and <BOT> at character 16" },
        { SV("<USER>a</USER><b><BOT>b</BOT>"), "text outside of <USER> and <BOT> at character 15" },
        { SV("<USER>a</USER>&nbsp;"), "text outside of <USER> and <BOT> at character 15" },
        { SV("<USER>a</USER></br>"), "text outside of <USER> and <BOT> at character 15" },
        { SV("<USER>a</USER><br"), "text outside of <USER> and <BOT> at character 15" },
        { SV("<USER>a</USER><USER"), "text outside of <USER> and <BOT> at character 15" },
        { SV("<USER>a</USER>\0"), "text outside of <USER> and <BOT> at character 15" },
        { SV("<USER>a"), "<USER> at character 1 is not closed" },
        { SV("<USER>a</USER"), "<USER> at character 1 is not closed" },
        { SV("<USER>a</BOT>"), "<USER> at character 1 is not closed" },
        { SV("<USER>a</USER><br><BOT>b</USER><br>"), "<BOT> at character 19 is not closed" },
        { SV("<USER>a<BOT>b</BOT></USER>"), "<USER> at character 1 is not closed before <BOT> at character 8" },
        { SV("<BOT>a<USER>b</USER>"), "<BOT> at character 1 is not closed before <USER> at character 7" },
        { SV("<USER>a<user >b</USER>"), "<USER> at character 1 is not closed before <USER> at character 8" },
        { SV("</USER>"), "</USER> at character 1 closes nothing" },
        { SV("<USER>a</USER></USER>"), "</USER> at character 15 closes nothing" },
        { SV("<USER>a</USER><br></bot>"), "</BOT> at character 19 closes nothing" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct markup m = { .n = 7 };
        struct err e = { 0 };
        is_int(markup_parse(arena, rows[i].history, &m, &e), -1, "refused: row %zu", i);
        is_int(e.code, ERR_INVALID, "as invalid");
        is_str(e.text, rows[i].want, "and it says why");
        ok(m.parts == NULL && m.n == 0, "without parts");
    }
}

static void add_many(struct buf *b, struct sv s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_add(b, s);
}

static void limits(void)
{
    struct buf b = { 0 };
    struct markup m;
    struct err e = { 0 };

    buf_add(&b, SV("<USER>a</USER><BOT> "));
    add_many(&b, SV("&eacute;"), MESSAGE_CONTENT_MAX / 2);
    buf_add(&b, SV(" </BOT>"));
    is_int(markup_parse(arena, buf_sv(&b), &m, &e), 0, "a text of the greatest length, decoded and trimmed: %s", e.text);
    is_int(m.n == 2 ? m.parts[1].text.n : 0, MESSAGE_CONTENT_MAX, "is there");
    buf_clear(&b);
    buf_add(&b, SV("<USER>\xE1\xBB\x87</USER><BOT>"));
    add_many(&b, SV("x"), MESSAGE_CONTENT_MAX + 1);
    buf_add(&b, SV("</BOT>"));
    is_int(markup_parse(arena, buf_sv(&b), &m, &e), -1, "one byte more is refused");
    is_str(e.text, "part 2, <BOT> at character 15, is longer than 65536 bytes", "with its place");

    buf_clear(&b);
    add_many(&b, SV("<USER>a</USER>"), MARKUP_PARTS_MAX);
    is_int(markup_parse(arena, buf_sv(&b), &m, &e), 0, "as many parts as there may be: %s", e.text);
    is_int(m.n, MARKUP_PARTS_MAX, "are there");
    buf_add(&b, SV("<BOT></BOT>"));
    is_int(markup_parse(arena, buf_sv(&b), &m, &e), -1, "one part more is refused, even an empty one");
    is_str(e.text, "there are more than 10000 parts", "with the reason");
    buf_fini(&b);

    struct arena *tight = arena_new(0, 64);
    is_int(markup_parse(tight, SV("<USER>0123456789012345678901234567890123456789</USER>"), &m, &e), -1, "an arena that is full");
    is_int(e.code, ERR_MEMORY, "is said to be");
    arena_free(tight);
}

/* What a careless parser takes quadratic time for: with 4 MiB that would be minutes. */
static void hostile(void)
{
    static const struct {
        struct sv begin, again;
    } rows[] = {
        { SV(""), SV("<") },           { SV(""), SV("<br ") },        { SV("<USER>"), SV("<") },        { SV("<USER>"), SV("<br ") },
        { SV("<USER>"), SV("</USER ") }, { SV("<USER>"), SV("</USER") }, { SV("<USER>"), SV("&#") },       { SV("<USER>"), SV("&#1") },
        { SV("<USER>&#"), SV("1") },   { SV("<USER>"), SV("&amp") },  { SV("<USER>"), SV("&lt;") },     { SV("<USER><br"), SV(" ") },
        { SV("<USER></USER"), SV(" ") }, { SV("<USER>"), SV("\xC2\xA0") }, { SV("<USER>x"), SV("\xC2\xA0") }, { SV("<USER>"), SV("\r") },
        { SV(""), SV("<br>") },        { SV("<USER>"), SV("<br>") },  { SV("<USER>"), SV("\xC2") },     { SV("<USER>"), SV("\xA0") },
        { SV("<USER>"), SV("&") },     { SV(""), SV("<USER>") },      { SV(""), SV("</USER>") },        { SV(""), SV("<USER></USER>") },
    };
    const size_t size = 4 << 20;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct arena *large = arena_new(0, 4 * size);
        struct buf b = { 0 };
        struct markup m;
        struct err e = { 0 };
        buf_add(&b, rows[i].begin);
        add_many(&b, rows[i].again, size / rows[i].again.n);
        is_int(markup_parse(large, buf_sv(&b), &m, &e), -1, "\"%.*s\" again and again", SV_FMT(rows[i].again));
        ok(e.code == ERR_INVALID && e.text[0] != '\0', "is refused: %s", e.text);
        buf_fini(&b);
        arena_free(large);
    }
}

/* A text that survives as it is: not blank at its ends. */
static struct sv draw_text(void)
{
    static const char *const pieces[] = {
        "a", "ok", " ", "  ", "\n", "<", ">", "&", "\"", "'", ";", "#", "/", "<USER>", "</USER>", "<BOT>", "</BOT>", "<br>", "<br/>", "<b>", "&lt;",
        "&#60;", "&amp;", "&nbsp;", "&#x0D;", "&", "AT&T", "\xE1\xBB\x87", "\xC4\x91", "\xF0\x9F\x98\x80", "\xE2\x80\x8F", "\xD7\xA9", "\xC2\xA0",
        "\xEF\xBB\xBF", "\xEF\xBF\xBD", "<!--", "-->", "]]>", "\t", "\x01",
    };
    struct buf b = { 0 };
    buf_add(&b, SV("|"));
    for (uint32_t n = below(12); n > 0; n--)
        buf_add(&b, sv_from(pieces[below(ARRAY_LEN(pieces))]));
    buf_add(&b, SV("|"));
    struct sv text = arena_sv(arena, buf_sv(&b));
    buf_fini(&b);
    return text;
}

/* As a platform may write it: only what must be escaped is escaped always. */
static void write_text(struct buf *b, struct sv text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        uint32_t way = below(4);
        if (c == '&')
            buf_add(b, way == 0 ? SV("&#38;") : SV("&amp;"));
        else if (c == '<')
            buf_add(b, way == 0 ? SV("&#x3c;") : SV("&lt;"));
        else if (c == '>' && way < 2)
            buf_add(b, SV("&gt;"));
        else if (c == '"' && way == 0)
            buf_add(b, SV("&quot;"));
        else if (c == '\n' && way > 0)
            buf_add(b, way == 1 ? SV("<br>") : way == 2 ? SV("<BR/>") : SV("&#10;"));
        else
            buf_addc(b, c);
    }
}

static void write_part(struct buf *b, struct markup_part part)
{
    static const char *const separators[] = { "", "<br>", "<br/>", "<br />\n", " ", "<br><br>", "\r\n" };
    static const char *const blanks[] = { "", "", " ", "\n", "<br>", "&nbsp;", "\t" };
    bool small = below(4) == 0;
    buf_add(b, part.bot ? small ? SV("<bot>") : SV("<BOT>") : small ? SV("<user>") : SV("<USER>"));
    buf_add(b, sv_from(blanks[below(ARRAY_LEN(blanks))]));
    write_text(b, part.text);
    buf_add(b, sv_from(blanks[below(ARRAY_LEN(blanks))]));
    buf_add(b, part.bot ? SV("</BOT>") : SV("</USER>"));
    buf_add(b, sv_from(separators[below(ARRAY_LEN(separators))]));
}

static void there_and_back(void)
{
    size_t wrong = 0;
    for (int round = 0; round < 5000 && wrong == 0; round++) {
        struct markup_part parts[20];
        size_t n = 1 + below(ARRAY_LEN(parts));
        struct buf b = { 0 };
        struct markup m;
        struct err e = { 0 };
        for (size_t i = 0; i < n; i++) {
            parts[i] = (struct markup_part){ .bot = i > 0 && below(2) == 0, .text = draw_text() };
            write_part(&b, parts[i]);
        }
        bool same = markup_parse(arena, buf_sv(&b), &m, &e) == 0 && m.n == n;
        for (size_t i = 0; same && i < n; i++)
            same = m.parts[i].bot == parts[i].bot && sv_eq(m.parts[i].text, parts[i].text);
        if (!same) {
            wrong++;
            diag("round %d: %s\n%.*s", round, e.text, SV_FMT(buf_sv(&b)));
        }
        buf_fini(&b);
        arena_reset(arena);
    }
    is_int(wrong, 0, "what was written as markup comes back");
}

static void questions(void)
{
    static const struct {
        const char *parts;
        size_t from, begin, end;
    } rows[] = {
        { "u", 0, 0, 1 },       { "uu", 0, 0, 2 },      { "ubu", 0, 2, 3 },     { "ubuu", 0, 2, 4 }, { "ubuu", 3, 3, 4 }, { "ubuu", 4, 4, 4 },
        { "uubb", 0, 0, 2 },    { "uubb", 1, 1, 2 },    { "uubb", 2, 2, 2 },    { "b", 0, 0, 0 },    { "", 0, 0, 0 },     { "ububb", 0, 2, 3 },
        { "uuubuuub", 5, 5, 7 }, { "buuub", 0, 1, 4 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct markup_part parts[10];
        size_t n = strlen(rows[i].parts);
        for (size_t k = 0; k < n; k++)
            parts[k] = (struct markup_part){ .bot = rows[i].parts[k] == 'b', .text = SV("x") };
        struct markup_run run = markup_question(parts, n, rows[i].from);
        ok(run.begin == rows[i].begin && run.end == rows[i].end, "of \"%s\" from %zu on: %zu to %zu", rows[i].parts, rows[i].from, run.begin, run.end);
    }
}

int main(void)
{
    arena = arena_new(0, 16 << 20);
    if (arena == NULL)
        bail_out("no memory");
    accepted();
    refused();
    limits();
    hostile();
    there_and_back();
    questions();
    arena_free(arena);
    return done_testing();
}
