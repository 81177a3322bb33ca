/* SPDX-License-Identifier: MIT
 * One pass over the history. Texts are decoded into one piece of the arena that is as long as the history: nothing grows when it is decoded.
 * Knows nothing of what is stored; that is turn/overlap.h. */
#include "config.h"

#include "lib/entity.h"
#include "turn/markup.h"
#include "turn/message.h"

enum tag { TAG_NONE, TAG_USER, TAG_BOT, TAG_USER_END, TAG_BOT_END, TAG_BREAK };

static const struct {
    struct sv begin; /* up to where white space is allowed */
    bool slash;      /* "/" may stand before ">" */
} tags[] = {
    [TAG_USER] = { { "<USER", 5 }, false },
    [TAG_BOT] = { { "<BOT", 4 }, false },
    [TAG_USER_END] = { { "</USER", 6 }, false },
    [TAG_BOT_END] = { { "</BOT", 5 }, false },
    [TAG_BREAK] = { { "<br", 3 }, true },
};

struct parse {
    struct sv in;
    size_t at;
    char *out; /* as many bytes as `in` */
    size_t out_n;
    bool after_cr; /* the last character was a CR, which became a LF */
    struct markup_part *parts;
    size_t n, users, seen; /* seen: with the empty ones */
    struct err *e;
};

static struct sv rest(struct sv s, size_t from)
{
    return (struct sv){ s.p + from, s.n - from };
}

size_t markup_space(struct sv s)
{
    if (s.n == 0)
        return 0;
    if (s.p[0] == ' ' || (s.p[0] >= '\t' && s.p[0] <= '\r'))
        return 1;
    return s.n >= 2 && s.p[0] == '\xC2' && s.p[1] == '\xA0' ? 2 : 0;
}

static size_t spaces(struct sv s)
{
    size_t n = 0;
    for (size_t one; (one = markup_space(rest(s, n))) > 0;)
        n += one;
    return n;
}

static struct sv trim(struct sv s)
{
    s = rest(s, spaces(s));
    for (;;) {
        if (s.n >= 1 && markup_space(rest(s, s.n - 1)) == 1)
            s.n--;
        else if (s.n >= 2 && markup_space(rest(s, s.n - 2)) == 2)
            s.n -= 2;
        else
            return s;
    }
}

/* The tag that s begins with, and its length. White space is looked at once for each "<" before it, so all of it at most once. */
static enum tag tag_at(struct sv s, size_t *length)
{
    if (s.n == 0 || s.p[0] != '<')
        return TAG_NONE;
    for (size_t i = TAG_USER; i < ARRAY_LEN(tags); i++) {
        size_t n = tags[i].begin.n;
        if (s.n <= n || !sv_eq_nocase((struct sv){ s.p, n }, tags[i].begin))
            continue;
        n += spaces(rest(s, n));
        if (tags[i].slash && n < s.n && s.p[n] == '/') {
            n++;
            n += spaces(rest(s, n));
        }
        if (n < s.n && s.p[n] == '>') {
            *length = n + 1;
            return (enum tag)i;
        }
    }
    return TAG_NONE;
}

static size_t count_opened(struct sv s)
{
    size_t n = 0, length;
    for (size_t i = 0; i < s.n; i++) {
        enum tag t = s.p[i] == '<' ? tag_at(rest(s, i), &length) : TAG_NONE;
        n += t == TAG_USER || t == TAG_BOT;
    }
    return n;
}

/* The number of the character at this byte, for people. */
static size_t place(const struct parse *p, size_t at)
{
    size_t n = 1;
    for (size_t i = 0; i < at; i++)
        n += ((unsigned char)p->in.p[i] & 0xC0) != 0x80;
    return n;
}

static void put(struct parse *p, char c)
{
    bool second = c == '\n' && p->after_cr;
    p->after_cr = c == '\r';
    if (!second)
        p->out[p->out_n++] = c == '\r' ? '\n' : c;
}

/* One character of a part's text, or one byte of it. */
static void take(struct parse *p)
{
    struct sv s = rest(p->in, p->at);
    uint32_t code_point;
    size_t length = s.p[0] == '&' ? entity_decode(s, &code_point) : 0;
    char utf8[4];
    if (length == 0) {
        put(p, s.p[0]);
        p->at++;
        return;
    }
    size_t n = entity_utf8(code_point, utf8);
    for (size_t i = 0; i < n; i++)
        put(p, utf8[i]);
    p->at += length;
}

/* p->at is behind the opening tag, which began at `opened`. */
static int text_of(struct parse *p, bool bot, size_t opened, struct sv *text)
{
    const char *name = bot ? "BOT" : "USER";
    const enum tag end = bot ? TAG_BOT_END : TAG_USER_END;
    size_t begin = p->out_n, length = 0;
    p->after_cr = false;
    while (p->at < p->in.n) {
        enum tag t = tag_at(rest(p->in, p->at), &length);
        if (t == end) {
            p->at += length;
            *text = trim((struct sv){ p->out + begin, p->out_n - begin });
            return 0;
        }
        if (t == TAG_USER || t == TAG_BOT)
            return err_set(p->e, ERR_INVALID, "<%s> at character %zu is not closed before <%s> at character %zu", name, place(p, opened),
                           t == TAG_BOT ? "BOT" : "USER", place(p, p->at));
        if (t == TAG_BREAK) {
            p->after_cr = false;
            put(p, '\n');
            p->at += length;
        } else {
            take(p);
        }
    }
    return err_set(p->e, ERR_INVALID, "<%s> at character %zu is not closed", name, place(p, opened));
}

static int part(struct parse *p, bool bot, size_t opened)
{
    struct sv text;
    if (++p->seen > MARKUP_PARTS_MAX)
        return err_set(p->e, ERR_INVALID, "there are more than %d parts", MARKUP_PARTS_MAX);
    if (text_of(p, bot, opened, &text) != 0)
        return -1;
    if (text.n > MESSAGE_CONTENT_MAX)
        return err_set(p->e, ERR_INVALID, "part %zu, <%s> at character %zu, is longer than %d bytes", p->seen, bot ? "BOT" : "USER",
                       place(p, opened), MESSAGE_CONTENT_MAX);
    if (text.n == 0)
        return 0;
    p->parts[p->n++] = (struct markup_part){ .bot = bot, .text = text };
    p->users += !bot;
    return 0;
}

static int parts(struct parse *p)
{
    while (p->at < p->in.n) {
        size_t opened = p->at, length = markup_space(rest(p->in, opened));
        enum tag t = length > 0 ? TAG_BREAK : tag_at(rest(p->in, opened), &length);
        p->at += length;
        switch (t) {
        case TAG_BREAK:
            break;
        case TAG_USER:
        case TAG_BOT:
            if (part(p, t == TAG_BOT, opened) != 0)
                return -1;
            break;
        case TAG_USER_END:
        case TAG_BOT_END:
            return err_set(p->e, ERR_INVALID, "</%s> at character %zu closes nothing", t == TAG_BOT_END ? "BOT" : "USER", place(p, opened));
        case TAG_NONE:
            return err_set(p->e, ERR_INVALID, "text outside of <USER> and <BOT> at character %zu", place(p, opened));
        }
    }
    return p->users > 0 ? 0 : err_set(p->e, ERR_INVALID, "there is no <USER> part with a text");
}

int markup_parse(struct arena *a, struct sv history, struct markup *out, struct err *e)
{
    struct parse p = { .in = history.p != NULL ? history : SV(""), .e = e };
    size_t most = count_opened(p.in);
    *out = (struct markup){ 0 };
    p.out = arena_array(a, p.in.n, 1);
    p.parts = arena_array(a, most < MARKUP_PARTS_MAX ? most : MARKUP_PARTS_MAX, sizeof(*p.parts));
    if (p.out == NULL || p.parts == NULL)
        return err_set(e, ERR_MEMORY, "no memory for the history");
    if (parts(&p) != 0)
        return -1;
    *out = (struct markup){ .parts = p.parts, .n = p.n };
    return 0;
}

struct markup_run markup_question(const struct markup_part *all, size_t n, size_t from)
{
    struct markup_run run = { n, n };
    while (run.end > from && all[run.end - 1].bot)
        run.end--;
    run.begin = run.end;
    while (run.begin > from && !all[run.begin - 1].bot)
        run.begin--;
    return run;
}
