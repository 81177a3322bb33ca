/* SPDX-License-Identifier: MIT
 * See page_split.h. What people see as one character may be several code points: a letter with its marks, an emoji with its tone, a family joined by U+200D, a flag. The
 * table has what joins the one before it (Unicode 15: general categories Mn, Me, Mc of the scripts in use, variation selectors, tags, tones), coarsely: a
 * gap inside a block of marks counts as one. */
#include "config.h"

#include "lib/attr.h"
#include "turn/page_split.h"

#define JOINER 0x200D

struct range {
    uint32_t first, last;
};

static const struct range extending[] = {
    { 0x0300, 0x036F },   { 0x0483, 0x0489 },   { 0x0591, 0x05BD },   { 0x05BF, 0x05BF },   { 0x05C1, 0x05C2 },   { 0x05C4, 0x05C5 },   { 0x05C7, 0x05C7 },
    { 0x0610, 0x061A },   { 0x064B, 0x065F },   { 0x0670, 0x0670 },   { 0x06D6, 0x06DC },   { 0x06DF, 0x06E4 },   { 0x06E7, 0x06E8 },   { 0x06EA, 0x06ED },
    { 0x0711, 0x0711 },   { 0x0730, 0x074A },   { 0x07A6, 0x07B0 },   { 0x07EB, 0x07F3 },   { 0x0816, 0x082D },   { 0x0859, 0x085B },   { 0x08CA, 0x08E1 },
    { 0x08E3, 0x0903 },   { 0x093A, 0x093C },   { 0x093E, 0x094F },   { 0x0951, 0x0957 },   { 0x0962, 0x0963 },   { 0x0981, 0x0983 },   { 0x09BC, 0x09BC },
    { 0x09BE, 0x09CD },   { 0x09D7, 0x09D7 },   { 0x09E2, 0x09E3 },   { 0x0A01, 0x0A03 },   { 0x0A3C, 0x0A51 },   { 0x0A70, 0x0A71 },   { 0x0A75, 0x0A75 },
    { 0x0A81, 0x0A83 },   { 0x0ABC, 0x0ABC },   { 0x0ABE, 0x0ACD },   { 0x0AE2, 0x0AE3 },   { 0x0B01, 0x0B03 },   { 0x0B3C, 0x0B3C },   { 0x0B3E, 0x0B57 },
    { 0x0B82, 0x0B82 },   { 0x0BBE, 0x0BCD },   { 0x0BD7, 0x0BD7 },   { 0x0C00, 0x0C04 },   { 0x0C3C, 0x0C3C },   { 0x0C3E, 0x0C56 },   { 0x0C81, 0x0C83 },
    { 0x0CBC, 0x0CBC },   { 0x0CBE, 0x0CD6 },   { 0x0D00, 0x0D03 },   { 0x0D3B, 0x0D3C },   { 0x0D3E, 0x0D4D },   { 0x0D57, 0x0D57 },   { 0x0DCA, 0x0DDF },
    { 0x0E31, 0x0E31 },   { 0x0E34, 0x0E3A },   { 0x0E47, 0x0E4E },   { 0x0EB1, 0x0EB1 },   { 0x0EB4, 0x0EBC },   { 0x0EC8, 0x0ECE },   { 0x0F35, 0x0F39 },
    { 0x0F71, 0x0F84 },   { 0x0F8D, 0x0FBC },   { 0x102B, 0x103E },   { 0x1056, 0x1059 },   { 0x1160, 0x11FF },   { 0x135D, 0x135F },   { 0x17B4, 0x17D3 },
    { 0x180B, 0x180F },   { 0x1AB0, 0x1AFF },   { 0x1B34, 0x1B44 },   { 0x1DC0, 0x1DFF },   { 0x200C, 0x200D },   { 0x20D0, 0x20FF },   { 0x302A, 0x302F },
    { 0x3099, 0x309A },   { 0xA66F, 0xA67D },   { 0xA8E0, 0xA8F1 },   { 0xFE00, 0xFE0F },   { 0xFE20, 0xFE2F },   { 0x1F3FB, 0x1F3FF }, { 0xE0020, 0xE007F },
    { 0xE0100, 0xE01EF },
};

static bool extends(uint32_t c)
{
    size_t low = 0, high = ARRAY_LEN(extending);
    while (low < high) {
        size_t at = (low + high) / 2;
        if (c > extending[at].last)
            low = at + 1;
        else if (c < extending[at].first)
            high = at;
        else
            return true;
    }
    return false;
}

/* The code point at s.p[at] and its length; 0 at the end. */
static uint32_t code_point(struct sv s, size_t at, size_t *n)
{
    if (at >= s.n) {
        *n = 0;
        return 0;
    }
    unsigned char first = (unsigned char)s.p[at];
    uint32_t c = first < 0x80 ? first : first < 0xE0 ? first & 0x1Fu : first < 0xF0 ? first & 0x0Fu : first & 0x07u;
    *n = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (*n > s.n - at)
        *n = s.n - at;
    for (size_t i = 1; i < *n; i++)
        c = c << 6 | ((unsigned char)s.p[at + i] & 0x3Fu);
    return c;
}

/* Those that page_text_plain folds. */
static bool is_space(uint32_t c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || c == 0x200B || c == 0xFEFF;
}

static bool is_flag_part(uint32_t c)
{
    return c >= 0x1F1E6 && c <= 0x1F1FF;
}

static bool is_among(uint32_t c, const uint32_t *some, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (some[i] == c)
            return true;
    return false;
}

/* ---- where a piece may end ---- */

enum cut { CUT_CHARACTER, CUT_WORD, CUT_SENTENCE, CUT_LINE, CUT_PARAGRAPH, CUTS };

/* A cut of that kind is taken when the piece has this part of what it may have. */
static const size_t least_percent[] = { [CUT_CHARACTER] = 0, [CUT_WORD] = 0, [CUT_SENTENCE] = 50, [CUT_LINE] = 50, [CUT_PARAGRAPH] = 33 };
_Static_assert(ARRAY_LEN(least_percent) == CUTS, "each kind of cut has its least");

struct walk {
    struct sv s;
    size_t at, chars;       /* before `next` */
    uint32_t last, next;    /* the code points around the place; 0: none */
    size_t next_n;
    unsigned flag_parts;    /* in a row before it */
    bool ended;             /* a sentence has ended; only closing marks came since */
    size_t cut_at[CUTS], cut_chars[CUTS]; /* the last of each kind */
};

static void note(struct walk *w, enum cut kind)
{
    w->cut_at[kind] = w->at;
    w->cut_chars[kind] = w->chars;
}

/* `next` is white space: what ends before it? */
static enum cut kind_of_space(const struct walk *w)
{
    size_t at = w->at, n;
    unsigned lines = 0;
    for (uint32_t c = code_point(w->s, at, &n); n > 0 && is_space(c); c = code_point(w->s, at, &n)) {
        lines += c == '\n';
        at += n;
    }
    return lines > 1 ? CUT_PARAGRAPH : lines == 1 ? CUT_LINE : w->ended ? CUT_SENTENCE : CUT_WORD;
}

/* The cuts that there are between `last` and `next`. */
static void look(struct walk *w)
{
    static const uint32_t wide_ends[] = { 0x3002, 0xFF01, 0xFF1F };
    bool joined = extends(w->next) || w->last == JOINER || (is_flag_part(w->next) && w->flag_parts % 2 == 1) || (w->last == '\r' && w->next == '\n');
    if (w->chars == 0 || joined)
        return;
    note(w, CUT_CHARACTER);
    if (is_space(w->next) && !is_space(w->last)) {
        size_t n;
        if (!extends(code_point(w->s, w->at + w->next_n, &n)))
            note(w, kind_of_space(w));
    } else if (is_among(w->last, wide_ends, ARRAY_LEN(wide_ends)) && !is_space(w->next)) {
        note(w, CUT_SENTENCE);
    }
}

static void step(struct walk *w)
{
    static const uint32_t ends[] = { '.', '!', '?', 0x2026, 0x3002, 0xFF01, 0xFF1F }, closers[] = { '"', '\'', ')', ']', 0x201D, 0x2019, 0xBB };
    w->ended = is_among(w->next, ends, ARRAY_LEN(ends)) || (w->ended && is_among(w->next, closers, ARRAY_LEN(closers)));
    w->flag_parts = is_flag_part(w->next) ? w->flag_parts + 1 : 0;
    w->last = w->next;
    w->at += w->next_n;
    w->chars++;
    w->next = code_point(w->s, w->at, &w->next_n);
}

static size_t best_cut(const struct walk *w, size_t chars_max)
{
    for (size_t kind = CUTS; kind-- > 0;)
        if (w->cut_chars[kind] > 0 && w->cut_chars[kind] * 100 >= least_percent[kind] * chars_max)
            return w->cut_at[kind];
    return w->at; /* one character is longer than a piece */
}

static struct sv trim_begin(struct sv s)
{
    size_t n, n_after;
    for (uint32_t c = code_point(s, 0, &n); n > 0 && is_space(c) && !extends(code_point(s, n, &n_after)); c = code_point(s, 0, &n))
        s = (struct sv){ s.p + n, s.n - n };
    return s;
}

static struct sv trim_end(struct sv s)
{
    while (s.n > 0) {
        size_t at = s.n - 1, n;
        while (at > 0 && ((unsigned char)s.p[at] & 0xC0u) == 0x80u)
            at--;
        if (!is_space(code_point(s, at, &n)))
            break;
        s.n = at;
    }
    return s;
}

struct sv page_split_next(struct sv *rest, size_t chars_max)
{
    struct sv s = trim_end(trim_begin(*rest));
    struct walk w = { .s = s };
    *rest = SV_NONE;
    if (s.n == 0)
        return SV_NONE;
    w.next = code_point(s, 0, &w.next_n);
    while (w.next_n > 0) {
        look(&w);
        if (w.chars == chars_max)
            break;
        step(&w);
    }
    if (w.next_n == 0)
        return s;
    size_t cut = best_cut(&w, chars_max);
    *rest = (struct sv){ s.p + cut, s.n - cut };
    return trim_end((struct sv){ s.p, cut });
}
