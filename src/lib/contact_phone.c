/* SPDX-License-Identifier: MIT
 * The digits of a telephone number: Viet Nam's numbering plan (mobile numbers of ten digits since 2018, area codes since 2017), and of other
 * countries the code and how many digits follow it (ITU-T E.164 and its list of country codes). Knows nothing of the words around them. */
#include "config.h"

#include "lib/contact_parts.h"

enum {
    DIGITS_MAX = 20, /* that are read; more make no number */
    UNSEEN_MAX = 40, /* characters that take no room, in one group or gap */
    NATIONAL = 9,    /* digits of a mobile number without its 0 */
    LONGEST = 15,
    SHORTEST = 8
};

enum gap { GAP_NONE, GAP_TIGHT, GAP_SPACE, GAP_LOOSE };

/* Groups of digits in a row; gap[i] is what stands behind group i. */
struct chain {
    char digits[2 * DIGITS_MAX];
    size_t n, groups;
    size_t size[DIGITS_MAX + 1], begin[DIGITS_MAX + 1], end[DIGITS_MAX + 1];
    enum gap gap[DIGITS_MAX + 1];
    bool parens[DIGITS_MAX + 1]; /* in that gap */
    bool plus, trunk;            /* trunk: an own group "(0)" was left out */
};

static bool dash(uint32_t c)
{
    return c == '-' || (c >= 0x2010 && c <= 0x2015) || c == 0x2212;
}

static bool paren(uint32_t c)
{
    return c == '(' || c == ')';
}

/* The digits at *i; *end is behind the last. */
static size_t read_group(struct sv text, size_t i, char *digits, size_t *end)
{
    size_t n = 0, unseen = 0;
    *end = i;
    for (struct glyph g = contact_at(text, i); n <= DIGITS_MAX && unseen < UNSEEN_MAX && (contact_digit(g.c) || contact_unseen(g.c)); g = contact_at(text, i)) {
        i += g.n;
        if (contact_digit(g.c)) {
            if (n < DIGITS_MAX)
                digits[n] = (char)g.c;
            n++;
            *end = i;
        } else {
            unseen++;
        }
    }
    return n;
}

/* What separates two groups: at most one point or hyphen, a few blanks, parentheses. */
static enum gap read_gap(struct sv text, size_t *i, bool *parens)
{
    size_t points = 0, spaces = 0, round = 0, unseen = 0;
    struct glyph g = contact_at(text, *i);
    for (;; g = contact_at(text, *i)) {
        if (g.c == '.' || g.c == 0xB7 || dash(g.c))
            points++;
        else if (paren(g.c))
            round++;
        else if (contact_space(g.c) && !contact_line_break(g.c))
            spaces++;
        else if (contact_unseen(g.c))
            unseen++;
        else
            break;
        if (points > 1 || spaces > 3 || round > 2 || unseen > UNSEEN_MAX)
            return GAP_NONE;
        *i += g.n;
    }
    *parens = round > 0;
    if (!contact_digit(g.c) || points + spaces + round == 0)
        return GAP_NONE;
    return round > 0 || (points > 0 && spaces > 0) ? GAP_LOOSE : points > 0 ? GAP_TIGHT : GAP_SPACE;
}

/* As many groups as a number can have, and one more. */
static void read_chain(struct sv text, size_t i, struct chain *c)
{
    while (c->groups < DIGITS_MAX && c->n <= LONGEST + 3) {
        size_t g = c->groups, next;
        char *to = c->digits + c->n;
        c->begin[g] = i;
        c->size[g] = read_group(text, i, to, &c->end[g]);
        next = c->end[g];
        c->gap[g] = read_gap(text, &next, &c->parens[g]);
        if (g > 0 && c->size[g] == 1 && to[0] == '0' && c->parens[g - 1] && c->parens[g] && !c->trunk) {
            c->trunk = true;
            c->end[g - 1] = c->end[g];
        } else {
            c->n += c->size[g];
            c->groups++;
        }
        if (c->gap[g] == GAP_NONE || c->size[g] > DIGITS_MAX) {
            if (c->groups > 0)
                c->gap[c->groups - 1] = GAP_NONE;
            return;
        }
        i = next;
    }
}

/* How many groups make so many digits; 0: none do. */
static size_t groups_of(const struct chain *c, size_t digits)
{
    size_t n = 0, k = 0;
    while (k < c->groups && n < digits)
        n += c->size[k++];
    return n == digits ? k : 0;
}

/* `d` and `n` digits without 0 or 84, as they are now. Area codes: the list of the Ministry of Information and Communications, 2017. */
static bool national(const char *d, size_t n, char out[CONTACT_PHONE_SIZE])
{
    static const char areas[10][10] = { "3456789", "012345689", "01256789", "23456789", "", "12456789", "01239", "01234567", "", "01234679" };
    static const struct {
        char old[4], now[3];
    } moved[] = { { "120", "70" }, { "121", "79" }, { "122", "77" }, { "126", "76" }, { "128", "78" }, { "123", "83" }, { "124", "84" }, { "125", "85" },
                  { "127", "81" }, { "129", "82" }, { "162", "32" }, { "163", "33" }, { "164", "34" }, { "165", "35" }, { "166", "36" }, { "167", "37" },
                  { "168", "38" }, { "169", "39" }, { "186", "56" }, { "188", "58" }, { "199", "59" } };
    memcpy(out, "+84", 3);
    memcpy(out + 3, d, n);
    out[3 + n] = '\0';
    if (n == NATIONAL)
        return d[0] == '3' || d[0] == '5' || (d[0] >= '7' && d[0] <= '9');
    if (n != NATIONAL + 1 || (d[0] != '1' && d[0] != '2'))
        return false;
    if (d[0] == '2')
        return d[1] == '4' || d[1] == '8' || strchr(areas[d[1] - '0'], d[2]) != NULL;
    for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++) {
        if (memcmp(d, moved[i].old, 3) == 0) {
            memcpy(out + 3, moved[i].now, 2);
            memcpy(out + 5, d + 3, n - 3);
            out[4 + n - 2] = '\0';
            return true;
        }
    }
    return false;
}

/* Behind `from` digits of 84 or 0; a 0 of the trunk may follow 84. Returns how many groups it takes. */
static size_t vietnamese(const struct chain *c, size_t from, char out[CONTACT_PHONE_SIZE])
{
    from += from != 1 && from < c->n && c->digits[from] == '0' && !c->trunk;
    if (from + NATIONAL > c->n)
        return 0;
    size_t n = c->digits[from] == '1' || c->digits[from] == '2' ? NATIONAL + 1 : NATIONAL;
    size_t groups = groups_of(c, from + n);
    return groups > 0 && national(c->digits + from, n, out) ? groups : 0;
}

struct country {
    char code[4];
    uint8_t min, max; /* digits behind the code */
};

static const struct country *country_of(const char *digits, size_t n)
{
    static const struct country countries[] = {
        { "1", 10, 10 }, { "7", 10, 10 }, { "20", 8, 10 }, { "27", 9, 9 }, { "30", 10, 10 }, { "31", 9, 9 }, { "32", 8, 9 }, { "33", 9, 9 }, { "34", 9, 9 },
        { "36", 8, 9 }, { "39", 6, 11 }, { "40", 9, 9 }, { "41", 9, 9 }, { "43", 7, 13 }, { "44", 9, 10 }, { "45", 8, 8 }, { "46", 7, 10 }, { "47", 8, 8 },
        { "48", 9, 9 }, { "49", 6, 12 }, { "52", 10, 10 }, { "55", 10, 11 }, { "60", 8, 10 }, { "61", 9, 9 }, { "62", 8, 12 }, { "63", 8, 10 },
        { "64", 8, 10 }, { "65", 8, 8 }, { "66", 8, 9 }, { "81", 9, 10 }, { "82", 8, 11 }, { "86", 10, 11 }, { "90", 10, 10 }, { "91", 10, 10 },
        { "351", 9, 9 }, { "353", 7, 9 }, { "358", 6, 11 }, { "420", 9, 9 }, { "852", 8, 8 }, { "853", 8, 8 }, { "855", 8, 9 }, { "856", 8, 10 },
        { "886", 8, 9 }, { "966", 8, 9 }, { "971", 8, 9 }, { "972", 8, 9 },
    };
    for (size_t i = 0; i < sizeof(countries) / sizeof(countries[0]); i++) {
        size_t length = strlen(countries[i].code);
        if (n > length && memcmp(digits, countries[i].code, length) == 0)
            return &countries[i];
    }
    return NULL;
}

/* "+10.000.000" is money. */
static bool amount(const struct chain *c, size_t groups)
{
    bool points = groups > 1 && c->size[groups - 1] == 3;
    size_t n = 0;
    for (size_t g = 0; g < groups; g++) {
        n += c->size[g];
        points = points && (g + 1 == groups || c->gap[g] == GAP_TIGHT);
    }
    return points && memcmp(c->digits + n - 3, "000", 3) == 0;
}

/* Another country's, whose code begins at digit `from`. */
static size_t foreign(const struct chain *c, size_t from, char out[CONTACT_PHONE_SIZE])
{
    const char *d = c->digits + from;
    size_t left = c->n > from ? c->n - from : 0;
    const struct country *country = country_of(d, left);
    size_t code = country != NULL ? strlen(country->code) : 0, n = 0, used = 0, groups = 0;
    size_t min = country != NULL ? code + country->min : SHORTEST, max = country != NULL ? code + country->max : LONGEST;
    if (left < SHORTEST || d[0] == '0' || (from > 0 && (country == NULL || d[code] == '0')))
        return 0;
    for (size_t g = 0; g < c->groups; g++) {
        n += c->size[g];
        if (n >= from + min && n >= from + SHORTEST && n <= from + max && c->size[g] <= DIGITS_MAX) {
            groups = g + 1;
            used = n - from;
        }
    }
    if (groups == 0 || (d[0] == '1' && (d[1] < '2' || d[4] < '2')) || amount(c, groups))
        return 0;
    out[0] = '+';
    memcpy(out + 1, d, used);
    out[1 + used] = '\0';
    return groups;
}

static int two(const char *d)
{
    return (d[0] - '0') * 10 + d[1] - '0';
}

/* 09-12-2024, and what follows it */
static bool date(const struct chain *c, size_t groups)
{
    const char *d = c->digits;
    return groups > 2 && c->size[0] == 2 && c->size[1] == 2 && c->size[2] == 4 && c->gap[0] == GAP_TIGHT && c->gap[1] == GAP_TIGHT &&
           two(d) >= 1 && two(d) <= 31 && two(d + 2) >= 1 && two(d + 2) <= 12 && (two(d + 4) == 19 || two(d + 4) == 20);
}

/* 05 06 07 08 09 */
static bool counting(const struct chain *c, size_t groups)
{
    for (size_t g = 0; g < groups; g++)
        if (c->size[g] != 2 || (g > 0 && two(c->digits + 2 * g) != two(c->digits + 2 * g - 2) + 1))
            return false;
    return true;
}

/* Groups of two and more digits; a single one where a country's or the trunk's code stands or may follow. Or all are single. */
static bool plausible(const struct chain *c, size_t groups, bool abroad)
{
    size_t single = 0, inside = 0;
    for (size_t g = 0; g < groups; g++) {
        single += c->size[g] == 1;
        inside += c->size[g] == 1 && g > (abroad ? 2u : 0u);
    }
    if (groups > 1 && single == groups)
        return true;
    bool fraction = !abroad && groups == 2 && c->size[0] == 1 && c->gap[0] == GAP_TIGHT;
    return inside == 0 && !fraction && !date(c, groups) && !counting(c, groups);
}

/* 00, a province, the century and the sex, the year of birth (Circular 59/2021/TT-BCA). */
static bool citizen(const struct chain *c)
{
    return c->size[0] == 12 && strchr("12468", c->digits[2]) != NULL && c->digits[3] <= '3';
}

static size_t shape(const struct chain *c, char out[CONTACT_PHONE_SIZE])
{
    const char *d = c->digits;
    size_t from = !c->plus && d[0] == '0' && d[1] == '0' ? 2 : 0, groups;
    if (c->n < SHORTEST || c->size[0] > LONGEST + 2)
        return 0;
    bool vn = d[from] == '8' && d[from + 1] == '4';
    if (from == 0 && d[0] == '0') {
        groups = vietnamese(c, 1, out);
        return groups > 0 && plausible(c, groups, false) ? groups : 0;
    }
    if (!vn && (from == 2 || c->plus)) {
        groups = from == 2 && citizen(c) ? 0 : foreign(c, from, out);
        return groups > 0 && plausible(c, groups, true) ? groups : 0;
    }
    if (!vn || (!c->plus && from == 0 && c->size[0] > 2 && d[2] < '3'))
        return 0;
    groups = vietnamese(c, from + 2, out);
    return groups > 0 && plausible(c, groups, true) ? groups : 0;
}

/* A plus sign before the first digit, or before the parenthesis that it stands in. */
static size_t find_plus(struct sv text, size_t i, bool *plus)
{
    size_t begin = i, left = 3;
    struct glyph g = contact_before(text, i);
    while (left-- > 0 && (g.c == ' ' || g.c == '(' || (contact_unseen(g.c) && g.n > 0))) {
        i -= g.n;
        begin = g.c == '(' ? i : begin;
        g = contact_before(text, i);
    }
    *plus = g.c == '+';
    if (!*plus)
        return begin;
    i -= g.n;
    g = contact_before(text, i);
    return g.c == '(' ? i - g.n : i;
}

/* Whether the digits go on behind the number: another number or, behind a blank, a few digits that are something else, may. */
static bool goes_on(struct sv text, const struct chain *c, size_t groups)
{
    enum gap gap = c->gap[groups - 1];
    char other[CONTACT_PHONE_SIZE];
    if (gap == GAP_NONE || (gap != GAP_TIGHT && (groups == 1 || (groups < c->groups && c->size[groups] <= 2))))
        return false;
    struct chain next = { 0 };
    if (groups < c->groups)
        read_chain(text, c->begin[groups], &next);
    return groups == c->groups || shape(&next, other) == 0;
}

bool contact_number(struct sv text, size_t i, struct number *out)
{
    struct chain c = { 0 };
    out->begin = find_plus(text, i, &c.plus);
    read_chain(text, i, &c);
    size_t groups = shape(&c, out->e164);
    if (groups == 0)
        return false;
    out->end = c.end[groups - 1];
    out->one_run = groups == 1;
    return !goes_on(text, &c, groups);
}

bool contact_phone(struct sv text, char out[CONTACT_PHONE_SIZE])
{
    struct number number;
    size_t first = 0;
    text = sv_trim(text);
    while (first < text.n && first < 12 && !contact_digit(contact_at(text, first).c))
        first += contact_at(text, first).n;
    out[0] = '\0';
    if (!contact_number(text, first, &number))
        return false;
    size_t end = number.end;
    for (struct glyph g = contact_at(text, end); g.n > 0 && (g.c == ')' || contact_unseen(g.c)); g = contact_at(text, end))
        end += g.n;
    for (struct glyph g = contact_before(text, number.begin); g.n > 0 && contact_unseen(g.c); g = contact_before(text, number.begin))
        number.begin -= g.n;
    if (number.begin > 0 || end < text.n)
        return false;
    memcpy(out, number.e164, sizeof(number.e164));
    return true;
}
