/* SPDX-License-Identifier: MIT
 * Characters of a text that may be broken UTF-8, and the letters of Vietnamese as an ASCII letter and its diacritics. */
#include "config.h"

#include "lib/contact_parts.h"

enum {
    CIRCUMFLEX = 1,
    BREVE = 2,
    HORN = 4,
    STROKE = 8,
    GRAVE = 16,
    ACUTE = 32,
    HOOK = 64,
    TILDE = 128,
    DOT = 256
};
enum { NO_UTF8 = 0xFFFD };

struct glyph contact_at(struct sv text, size_t i)
{
    if (i >= text.n)
        return (struct glyph){ 0, 0 };
    unsigned char first = (unsigned char)text.p[i];
    if (first < 0x80)
        return (struct glyph){ first, 1 };
    size_t n = first < 0xC2 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 1;
    if (n == 1 || n > text.n - i || !sv_is_utf8((struct sv){ text.p + i, n }))
        return (struct glyph){ NO_UTF8, 1 };
    uint32_t c = first & (0x7Fu >> n);
    for (size_t k = 1; k < n; k++)
        c = c << 6 | ((unsigned char)text.p[i + k] & 0x3Fu);
    return (struct glyph){ c >= 0xFF01 && c <= 0xFF5E ? c - 0xFEE0 : c, n };
}

struct glyph contact_before(struct sv text, size_t i)
{
    text.n = i < text.n ? i : text.n;
    for (size_t n = 1; n <= 4 && n <= i; n++) {
        struct glyph g = contact_at(text, i - n);
        if (g.n == n && (n > 1 || (unsigned char)text.p[i - 1] < 0x80))
            return g;
    }
    return i > 0 ? (struct glyph){ NO_UTF8, 1 } : (struct glyph){ 0, 0 };
}

/* U+1EA0 to U+1EF9: each a capital and its small letter. */
static const struct letter vietnamese[] = {
    { 'a', DOT }, { 'a', HOOK }, { 'a', CIRCUMFLEX | ACUTE }, { 'a', CIRCUMFLEX | GRAVE }, { 'a', CIRCUMFLEX | HOOK }, { 'a', CIRCUMFLEX | TILDE },
    { 'a', CIRCUMFLEX | DOT }, { 'a', BREVE | ACUTE }, { 'a', BREVE | GRAVE }, { 'a', BREVE | HOOK }, { 'a', BREVE | TILDE }, { 'a', BREVE | DOT },
    { 'e', DOT }, { 'e', HOOK }, { 'e', TILDE }, { 'e', CIRCUMFLEX | ACUTE }, { 'e', CIRCUMFLEX | GRAVE }, { 'e', CIRCUMFLEX | HOOK },
    { 'e', CIRCUMFLEX | TILDE }, { 'e', CIRCUMFLEX | DOT }, { 'i', HOOK }, { 'i', DOT },
    { 'o', DOT }, { 'o', HOOK }, { 'o', CIRCUMFLEX | ACUTE }, { 'o', CIRCUMFLEX | GRAVE }, { 'o', CIRCUMFLEX | HOOK }, { 'o', CIRCUMFLEX | TILDE },
    { 'o', CIRCUMFLEX | DOT }, { 'o', HORN | ACUTE }, { 'o', HORN | GRAVE }, { 'o', HORN | HOOK }, { 'o', HORN | TILDE }, { 'o', HORN | DOT },
    { 'u', DOT }, { 'u', HOOK }, { 'u', HORN | ACUTE }, { 'u', HORN | GRAVE }, { 'u', HORN | HOOK }, { 'u', HORN | TILDE }, { 'u', HORN | DOT },
    { 'y', GRAVE }, { 'y', DOT }, { 'y', HOOK }, { 'y', TILDE },
};
_Static_assert(sizeof(vietnamese) / sizeof(vietnamese[0]) == (0x1EF9 - 0x1EA0 + 1) / 2, "the whole block");

/* Latin-1 and Latin Extended-A and -B, by the small letter. */
static const struct {
    uint16_t c;
    struct letter letter;
} latin[] = {
    { 0xE0, { 'a', GRAVE } }, { 0xE1, { 'a', ACUTE } }, { 0xE2, { 'a', CIRCUMFLEX } }, { 0xE3, { 'a', TILDE } }, { 0xE8, { 'e', GRAVE } },
    { 0xE9, { 'e', ACUTE } }, { 0xEA, { 'e', CIRCUMFLEX } }, { 0xEC, { 'i', GRAVE } }, { 0xED, { 'i', ACUTE } }, { 0xF2, { 'o', GRAVE } },
    { 0xF3, { 'o', ACUTE } }, { 0xF4, { 'o', CIRCUMFLEX } }, { 0xF5, { 'o', TILDE } }, { 0xF9, { 'u', GRAVE } }, { 0xFA, { 'u', ACUTE } },
    { 0xFD, { 'y', ACUTE } }, { 0x103, { 'a', BREVE } }, { 0x111, { 'd', STROKE } }, { 0x129, { 'i', TILDE } }, { 0x169, { 'u', TILDE } },
    { 0x1A1, { 'o', HORN } }, { 0x1B0, { 'u', HORN } },
};

struct letter contact_letter(uint32_t c)
{
    if (c < 0x80) {
        char small = (char)(c | 0x20);
        return (struct letter){ small >= 'a' && small <= 'z' ? small : '\0', 0 };
    }
    if (c >= 0x1EA0 && c <= 0x1EF9)
        return vietnamese[(c - 0x1EA0) / 2];
    uint32_t small = c >= 0xC0 && c <= 0xDE ? c + 0x20 : c == 0x1A0 ? 0x1A1 : c == 0x1AF ? 0x1B0 : c >= 0x100 && c < 0x180 ? c | 1 : c;
    for (size_t i = 0; i < sizeof(latin) / sizeof(latin[0]); i++)
        if (latin[i].c == small)
            return latin[i].letter;
    bool other = (c >= 0xC0 && c < 0x250 && c != 0xD7 && c != 0xF7) || (c >= 0x370 && c < 0x590) || (c >= 0x1E00 && c < 0x2000);
    return (struct letter){ other ? '?' : '\0', 0 };
}

uint16_t contact_mark(uint32_t c)
{
    static const struct {
        uint16_t c, mark;
    } marks[] = { { 0x300, GRAVE }, { 0x301, ACUTE }, { 0x302, CIRCUMFLEX }, { 0x303, TILDE }, { 0x306, BREVE }, { 0x309, HOOK }, { 0x31B, HORN }, { 0x323, DOT } };
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (marks[i].c == c)
            return marks[i].mark;
    return 0;
}

bool contact_line_break(uint32_t c)
{
    return c == '\n' || c == '\r' || c == '\v' || c == '\f' || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool contact_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F || c == 0x3000 || contact_line_break(c);
}

bool contact_unseen(uint32_t c)
{
    return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x2069) || c == 0x20E3 || c == 0xFE0F || c == 0xFEFF;
}

bool contact_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
