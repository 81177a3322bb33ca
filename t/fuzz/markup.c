/* SPDX-License-Identifier: MIT
 * Any bytes as a history (turn/markup.h). Whatever they are, it is a refusal that says why, or parts that keep the header's word and that come back
 * when they are written as markup again.
 *
 * "make check" replays t/fuzz/corpus/markup and some thousand mutations of it (t/fuzz/replay.c). With libFuzzer, from the source directory, with
 * the config.h of a build in build/ (overlap in the place of markup for the other target):
 *   clang -g -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -Ibuild -Isrc -I. \
 *       t/fuzz/markup.c t/fuzz/failed.c src/turn/markup.c src/turn/overlap.c src/lib/entity.c src/lib/sv.c src/lib/arena.c src/lib/err.c \
 *       -o build/fuzz-markup
 *   mkdir -p build/found && build/fuzz-markup -max_len=4096 -max_total_time=300 build/found t/fuzz/corpus/markup
 * What it finds is minimised with -minimize_crash=1, becomes a file of the corpus and a row of t/turn/markup.c. */
#include "config.h"

#include <stdlib.h>

#include "t/fuzz/fuzz.h"
#include "turn/markup.h"
#include "turn/message.h"

const char fuzz_name[] = "markup";
const char *const fuzz_words[] = {
    "<USER>", "</USER>", "<BOT>", "</BOT>", "<br>", "<br />", "<BR/>", "<user", "</bot >", "&lt;", "&#60;", "&#x3C;", "&amp;", "&amp;lt;", "&nbsp;",
    "&#13;", "&#10;", "&#xD800;", "&#x110000;", "&#0;", "&#", "&", "\r\n", "\r", "\xC2\xA0", "\xC2", "\xA0", "\xF0\x9F\x98\x80", "\xE1\xBB\x87", " ",
    "<USER>x</USER>", "<BOT>y</BOT><br>", NULL,
};

static bool same(const struct markup *a, const struct markup *b, size_t n)
{
    if (a->n < n || b->n < n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (a->parts[i].bot != b->parts[i].bot || !sv_eq(a->parts[i].text, b->parts[i].text))
            return false;
    return true;
}

static void look_at_text(struct sv text, bool utf8)
{
    must(text.n >= 1 && text.n <= MESSAGE_CONTENT_MAX);
    must(memchr(text.p, '\r', text.n) == NULL);
    must(markup_space(text) == 0);
    must(markup_space((struct sv){ text.p + text.n - 1, 1 }) == 0);
    must(text.n < 2 || markup_space((struct sv){ text.p + text.n - 2, 2 }) != 2);
    must(!utf8 || sv_is_utf8(text));
}

static size_t put(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return n;
}

/* The parts as markup, each followed by `between`. */
static struct sv write_markup(struct arena *a, const struct markup *m, const char *between)
{
    size_t size = 1, n = 0;
    for (size_t i = 0; i < m->n; i++)
        size += m->parts[i].text.n * 5 + 13 + strlen(between);
    char *out = arena_array(a, size, 1);
    must(out != NULL);
    for (size_t i = 0; i < m->n; i++) {
        n += put(out + n, m->parts[i].bot ? "<BOT>" : "<USER>");
        for (size_t k = 0; k < m->parts[i].text.n; k++) {
            char c = m->parts[i].text.p[k];
            if (c == '<' || c == '&')
                n += put(out + n, c == '<' ? "&lt;" : "&amp;");
            else
                out[n++] = c;
        }
        n += put(out + n, m->parts[i].bot ? "</BOT>" : "</USER>");
        n += put(out + n, between);
    }
    return (struct sv){ out, n };
}

static void look_at_parts(struct arena *a, struct sv history, const struct markup *m)
{
    struct markup again;
    struct err e;
    size_t users = 0, bytes = 0;
    bool utf8 = sv_is_utf8(history);
    for (size_t i = 0; i < m->n; i++) {
        look_at_text(m->parts[i].text, utf8);
        users += !m->parts[i].bot;
        bytes += m->parts[i].text.n;
    }
    must(m->n <= MARKUP_PARTS_MAX && users > 0 && bytes <= history.n);
    must(markup_parse(a, write_markup(a, m, ""), &again, &e) == 0 && again.n == m->n && same(m, &again, m->n));
    must(markup_parse(a, write_markup(a, m, "<br>\n"), &again, &e) == 0 && again.n == m->n && same(m, &again, m->n));

    struct markup_run run = markup_question(m->parts, m->n, 0);
    must(run.begin < run.end && run.end <= m->n && !m->parts[run.begin].bot && !m->parts[run.end - 1].bot);
    must(run.begin == 0 || m->parts[run.begin - 1].bot);
}

/* What stands behind the last part changes nothing before it. */
static void add_behind(struct arena *a, struct sv history, const struct markup *m, int rc)
{
    static const char more[] = "<br><USER>z</USER>";
    struct markup longer;
    struct err e;
    char *text = arena_array(a, history.n + sizeof(more), 1);
    must(text != NULL);
    if (history.n > 0)
        memcpy(text, history.p, history.n);
    memcpy(text + history.n, more, sizeof(more));
    int longer_rc = markup_parse(a, (struct sv){ text, history.n + sizeof(more) - 1 }, &longer, &e);
    if (rc == 0)
        must(longer_rc == 0 && longer.n == m->n + 1 && same(m, &longer, m->n));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv history = { (const char *)data, size };
    struct arena *a = arena_new(0, 64 << 20), *tight = arena_new(0, size > 0 ? data[size - 1] * 16u : 0);
    struct markup m, cramped;
    struct err e = { 0 };
    must(a != NULL && tight != NULL);
    int rc = markup_parse(a, history, &m, &e);
    if (rc == 0) {
        look_at_parts(a, history, &m);
    } else {
        must(rc == -1 && e.code == ERR_INVALID && e.text[0] != '\0' && m.n == 0 && m.parts == NULL);
        must(sv_is_utf8(sv_from(e.text)) && strlen(e.text) < sizeof(e.text) - 1);
    }
    add_behind(a, history, &m, rc);
    int cramped_rc = markup_parse(tight, history, &cramped, &e);
    must(cramped_rc == 0 ? rc == 0 && cramped.n == m.n && same(&cramped, &m, m.n) : e.code == ERR_MEMORY || rc == -1);
    arena_free(tight);
    arena_free(a);
    return 0;
}
