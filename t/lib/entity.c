/* SPDX-License-Identifier: MIT
 * Character references: what is one, what is none, and that the table of names is in order. Includes the source for its table. */
#include "config.h"

#include <stdio.h>

#include "../../src/lib/entity.c"
#include "t/tap.h"

static void table_of_names(void)
{
    size_t latin = 0, wrong = 0;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (i > 0 && strncmp(names[i - 1].text, names[i].text, NAME_MAX_BYTES) >= 0) {
            wrong++;
            diag("%s is out of order", names[i].text);
        }
        latin += names[i].code_point >= 0xA0 && names[i].code_point <= 0xFF;
        char text[NAME_MAX_BYTES + 3];
        uint32_t c = 0;
        int n = snprintf(text, sizeof(text), "&%.*s;", NAME_MAX_BYTES, names[i].text);
        if (entity_decode((struct sv){ text, (size_t)n }, &c) != (size_t)n || c != names[i].code_point) {
            wrong++;
            diag("%s is not found", text);
        }
        if (entity_decode((struct sv){ text, (size_t)n - 1 }, &c) != 0) {
            wrong++;
            diag("%s is taken without its end", text);
        }
    }
    is_int(wrong, 0, "every name is in order and found");
    is_int(latin, 96, "all of Latin-1 is there");
}

static void one_by_one(void)
{
    static const struct {
        struct sv text;
        const char *want; /* NULL: no reference */
        size_t length;
    } rows[] = {
        { SV("&lt;"), "<", 4 },
        { SV("&gt;;"), ">", 4 },
        { SV("&amp;lt;"), "&", 5 },
        { SV("&quot;x"), "\"", 6 },
        { SV("&apos;"), "'", 6 },
        { SV("&AMP;"), "&", 5 },
        { SV("&nbsp;"), "\xC2\xA0", 6 },
        { SV("&eacute;"), "\xC3\xA9", 8 },
        { SV("&Eacute;"), "\xC3\x89", 8 },
        { SV("&EACUTE;"), NULL, 0 },
        { SV("&hellip;"), "\xE2\x80\xA6", 8 },
        { SV("&rlm;"), "\xE2\x80\x8F", 5 },
        { SV("&#65;"), "A", 5 },
        { SV("&#x41;"), "A", 6 },
        { SV("&#X41;"), "A", 6 },
        { SV("&#0000000000000000000065;"), "A", 25 },
        { SV("&#7879;"), "\xE1\xBB\x87", 7 },
        { SV("&#x1F600;"), "\xF0\x9F\x98\x80", 9 },
        { SV("&#x10FFFF;"), "\xF4\x8F\xBF\xBF", 10 },
        { SV("&#x10ffff;"), "\xF4\x8F\xBF\xBF", 10 },
        { SV("&#9;"), "\t", 4 },
        { SV("&#10;"), "\n", 5 },
        { SV("&#xD;"), "\r", 5 },
        { SV("&#126;"), "~", 6 },
        { SV("&#xA0;"), "\xC2\xA0", 6 },
        { SV("&#xD7FF;"), "\xED\x9F\xBF", 8 },
        { SV("&#xE000;"), "\xEE\x80\x80", 8 },
        { SV("&#0;"), NULL, 0 },
        { SV("&#8;"), NULL, 0 },
        { SV("&#11;"), NULL, 0 },
        { SV("&#31;"), NULL, 0 },
        { SV("&#127;"), NULL, 0 },
        { SV("&#x9F;"), NULL, 0 },
        { SV("&#xD800;"), NULL, 0 },
        { SV("&#xDFFF;"), NULL, 0 },
        { SV("&#x110000;"), NULL, 0 },
        { SV("&#4294967361;"), NULL, 0 },                /* 2^32 + 65 */
        { SV("&#18446744073709551681;"), NULL, 0 },      /* 2^64 + 65 */
        { SV("&#x100000000000000000000041;"), NULL, 0 }, /* 2^92 + 65 */
        { SV("&#;"), NULL, 0 },
        { SV("&#x;"), NULL, 0 },
        { SV("&#-65;"), NULL, 0 },
        { SV("&# 65;"), NULL, 0 },
        { SV("&#6a;"), NULL, 0 },
        { SV("&#65"), NULL, 0 },
        { SV("&#x41"), NULL, 0 },
        { SV("&#"), NULL, 0 },
        { SV("&#x"), NULL, 0 },
        { SV("&"), NULL, 0 },
        { SV("&;"), NULL, 0 },
        { SV("& lt;"), NULL, 0 },
        { SV("&lt"), NULL, 0 },
        { SV("&lt ;"), NULL, 0 },
        { SV("&lt\0;"), NULL, 0 },
        { SV("&l&lt;"), NULL, 0 },
        { SV("&foo;"), NULL, 0 },
        { SV("&verylongname;"), NULL, 0 },
        { SV("&thinspthinsp;"), NULL, 0 },
        { SV("lt;"), NULL, 0 },
        { SV_NONE, NULL, 0 },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        uint32_t c = 12345;
        char utf8[4];
        size_t n = entity_decode(rows[i].text, &c);
        is_int(n, rows[i].length, "length of \"%.*s\"", SV_FMT(rows[i].text));
        if (rows[i].want != NULL)
            is_sv(((struct sv){ utf8, entity_utf8(c, utf8) }), sv_from(rows[i].want), "and what it means");
        else
            is_int(c, 12345, "and nothing is written");
    }
}

static void utf8(void)
{
    uint32_t wrong = 0;
    for (uint32_t c = 1; c <= CODE_POINT_MAX; c++) {
        char out[4], text[16];
        size_t n = entity_utf8(c, out);
        bool valid = sv_is_utf8((struct sv){ out, n });
        int hex = snprintf(text, sizeof(text), "&#x%X;", c);
        uint32_t back = 0;
        size_t length = entity_decode((struct sv){ text, (size_t)hex }, &back);
        wrong += valid != (c < 0xD800 || c > 0xDFFF) || (length > 0 && (back != c || n > length || length != (size_t)hex));
        wrong += length == 0 && c >= 0xA0 && valid;
    }
    is_int(wrong, 0, "every code point becomes UTF-8 that is no longer than its reference");
}

int main(void)
{
    table_of_names();
    one_by_one();
    utf8();
    return done_testing();
}
