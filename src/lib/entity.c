/* SPDX-License-Identifier: MIT
 * Character references of HTML, decoded one at a time. The names are a table that is searched by halves; what a browser would guess (a
 * reference without its semicolon, a number that is no character) is not guessed here. Knows nothing of tags. */
#include "config.h"

#include <stdlib.h>

#include "lib/attr.h"
#include "lib/entity.h"

#define NAME_MAX_BYTES 8
#define CODE_POINT_MAX 0x10FFFF

struct name {
    char text[NAME_MAX_BYTES];
    uint32_t code_point;
};

/* By strncmp. */
static const struct name names[] = {
    { "AElig", 0xC6 }, { "AMP", 0x26 }, { "Aacute", 0xC1 }, { "Acirc", 0xC2 }, { "Agrave", 0xC0 }, { "Aring", 0xC5 },
    { "Atilde", 0xC3 }, { "Auml", 0xC4 }, { "Ccedil", 0xC7 }, { "ETH", 0xD0 }, { "Eacute", 0xC9 }, { "Ecirc", 0xCA },
    { "Egrave", 0xC8 }, { "Euml", 0xCB }, { "GT", 0x3E }, { "Iacute", 0xCD }, { "Icirc", 0xCE }, { "Igrave", 0xCC },
    { "Iuml", 0xCF }, { "LT", 0x3C }, { "Ntilde", 0xD1 }, { "OElig", 0x152 }, { "Oacute", 0xD3 }, { "Ocirc", 0xD4 },
    { "Ograve", 0xD2 }, { "Oslash", 0xD8 }, { "Otilde", 0xD5 }, { "Ouml", 0xD6 }, { "QUOT", 0x22 }, { "THORN", 0xDE },
    { "Uacute", 0xDA }, { "Ucirc", 0xDB }, { "Ugrave", 0xD9 }, { "Uuml", 0xDC }, { "Yacute", 0xDD }, { "aacute", 0xE1 },
    { "acirc", 0xE2 }, { "acute", 0xB4 }, { "aelig", 0xE6 }, { "agrave", 0xE0 }, { "amp", 0x26 }, { "apos", 0x27 },
    { "aring", 0xE5 }, { "atilde", 0xE3 }, { "auml", 0xE4 }, { "bdquo", 0x201E }, { "brvbar", 0xA6 }, { "bull", 0x2022 },
    { "ccedil", 0xE7 }, { "cedil", 0xB8 }, { "cent", 0xA2 }, { "copy", 0xA9 }, { "curren", 0xA4 }, { "deg", 0xB0 },
    { "divide", 0xF7 }, { "eacute", 0xE9 }, { "ecirc", 0xEA }, { "egrave", 0xE8 }, { "emsp", 0x2003 }, { "ensp", 0x2002 },
    { "eth", 0xF0 }, { "euml", 0xEB }, { "euro", 0x20AC }, { "frac12", 0xBD }, { "frac14", 0xBC }, { "frac34", 0xBE },
    { "gt", 0x3E }, { "hellip", 0x2026 }, { "iacute", 0xED }, { "icirc", 0xEE }, { "iexcl", 0xA1 }, { "igrave", 0xEC },
    { "iquest", 0xBF }, { "iuml", 0xEF }, { "laquo", 0xAB }, { "ldquo", 0x201C }, { "lrm", 0x200E }, { "lsaquo", 0x2039 },
    { "lsquo", 0x2018 }, { "lt", 0x3C }, { "macr", 0xAF }, { "mdash", 0x2014 }, { "micro", 0xB5 }, { "middot", 0xB7 },
    { "nbsp", 0xA0 }, { "ndash", 0x2013 }, { "not", 0xAC }, { "ntilde", 0xF1 }, { "oacute", 0xF3 }, { "ocirc", 0xF4 },
    { "oelig", 0x153 }, { "ograve", 0xF2 }, { "ordf", 0xAA }, { "ordm", 0xBA }, { "oslash", 0xF8 }, { "otilde", 0xF5 },
    { "ouml", 0xF6 }, { "para", 0xB6 }, { "plusmn", 0xB1 }, { "pound", 0xA3 }, { "quot", 0x22 }, { "raquo", 0xBB },
    { "rdquo", 0x201D }, { "reg", 0xAE }, { "rlm", 0x200F }, { "rsaquo", 0x203A }, { "rsquo", 0x2019 }, { "sbquo", 0x201A },
    { "sect", 0xA7 }, { "shy", 0xAD }, { "sup1", 0xB9 }, { "sup2", 0xB2 }, { "sup3", 0xB3 }, { "szlig", 0xDF },
    { "thinsp", 0x2009 }, { "thorn", 0xFE }, { "times", 0xD7 }, { "trade", 0x2122 }, { "uacute", 0xFA }, { "ucirc", 0xFB },
    { "ugrave", 0xF9 }, { "uml", 0xA8 }, { "uuml", 0xFC }, { "yacute", 0xFD }, { "yen", 0xA5 }, { "yuml", 0xFF },
    { "zwj", 0x200D }, { "zwnj", 0x200C },
};

static int compare(const void *key, const void *entry)
{
    return strncmp(key, ((const struct name *)entry)->text, NAME_MAX_BYTES);
}

/* A character of text: no surrogate, and of the control characters only tab, line feed and carriage return. */
static bool is_text(uint32_t c)
{
    if (c < 0x20)
        return c == '\t' || c == '\n' || c == '\r';
    return (c < 0x7F || c > 0x9F) && (c < 0xD800 || c > 0xDFFF) && c <= CODE_POINT_MAX;
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* s begins behind "&#". Leading zeros may be many. */
static size_t number(struct sv s, uint32_t *code_point)
{
    bool hex = s.n > 0 && (s.p[0] == 'x' || s.p[0] == 'X');
    size_t begin = hex ? 1 : 0, i = begin;
    uint32_t c = 0, base = hex ? 16 : 10;
    for (; i < s.n; i++) {
        int digit = sv_hex_digit(s.p[i]);
        if (digit < 0 || (uint32_t)digit >= base)
            break;
        if (c <= CODE_POINT_MAX)
            c = c * base + (uint32_t)digit;
    }
    if (i == begin || i == s.n || s.p[i] != ';' || !is_text(c))
        return 0;
    *code_point = c;
    return i + 1;
}

size_t entity_decode(struct sv s, uint32_t *code_point)
{
    char key[NAME_MAX_BYTES + 1] = { 0 };
    size_t i = 1;

    if (s.n < 3 || s.p[0] != '&')
        return 0;
    if (s.p[1] == '#') {
        size_t n = number((struct sv){ s.p + 2, s.n - 2 }, code_point);
        return n > 0 ? n + 2 : 0;
    }
    for (; i < s.n && s.p[i] != ';'; i++) {
        if (i > NAME_MAX_BYTES || !is_alnum(s.p[i]))
            return 0;
        key[i - 1] = s.p[i];
    }
    const struct name *found = i < s.n ? bsearch(key, names, ARRAY_LEN(names), sizeof(names[0]), compare) : NULL;
    if (found == NULL)
        return 0;
    *code_point = found->code_point;
    return i + 1;
}

size_t entity_utf8(uint32_t c, char out[4])
{
    static const unsigned char lead[] = { 0, 0, 0xC0, 0xE0, 0xF0 };
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i > 1; i--) {
        out[i - 1] = (char)(0x80 | (c & 0x3F));
        c >>= 6;
    }
    out[0] = (char)(lead[n] | c);
    return n;
}
