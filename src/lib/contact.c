/* SPDX-License-Identifier: MIT
 * One way through the text: at the first digit of a group, is there a number (contact_phone.c), and may it stand where it stands (contact_word.c);
 * at an @, is there an address (contact_email.c). */
#include "config.h"

#include "lib/contact_parts.h"

struct scan {
    struct sv text;
    bool url;            /* since the last blank */
    size_t group_end;    /* of the digits before; 0: there are none */
    size_t group_digits; /* how many; 0 in a URL */
    size_t number_end;   /* of the number before; 0: there is none */
};

static bool ends_nocase(struct sv s, struct sv end)
{
    return s.n >= end.n && sv_eq_nocase((struct sv){ s.p + s.n - end.n, end.n }, end);
}

/* An address whose path is a telephone number. */
static bool chat_link(struct sv before)
{
    return ends_nocase(before, SV("zalo.me/")) || ends_nocase(before, SV("wa.me/"));
}

/* Behind "Lan-" or "sdt." a number may stand, behind "DH-" and "shop.vn/" not. */
static bool after_word(struct sv text, size_t end, bool slash)
{
    struct spelled word = contact_word_before(text, end);
    struct glyph g = contact_before(text, word.begin);
    if (word.kind == WORD_PHONE)
        return true;
    if (word.code || word.kind == WORD_TRAP || word.kind == WORD_NEAR_TRAP)
        return false;
    return !slash || (g.c != '.' && g.c != '/' && g.c != '-' && g.c != '=' && !contact_digit(g.c));
}

/* Several groups behind a third: "1903 0912 345 678" is one number, and too long; "size 39 0912 345 678" are two. */
static bool goes_back(const struct scan *s, const struct number *number)
{
    size_t i = number->begin, left = 3;
    struct glyph g = contact_before(s->text, i);
    while (left-- > 0 && contact_space(g.c) && !contact_line_break(g.c)) {
        i -= g.n;
        g = contact_before(s->text, i);
    }
    return !number->one_run && i > 0 && i == s->group_end && i != s->number_end && s->group_digits > 2;
}

static bool may_begin(const struct scan *s, const struct number *number)
{
    size_t i = number->begin;
    struct glyph g = contact_before(s->text, i);
    if (chat_link((struct sv){ s->text.p, i }))
        return true;
    if (s->url || goes_back(s, number))
        return false;
    if (g.n > 0 && s->number_end == i)
        return true;
    if (contact_letter(g.c).base != '\0' || contact_mark(g.c) != 0)
        return contact_word_before(s->text, i).kind == WORD_PHONE;
    if (contact_digit(g.c) || (g.n > 0 && g.c < 0x80 && strchr("#_@$%\\", (int)g.c) != NULL) || g.c == 0xA3 ||
        g.c == 0x20AB || g.c == 0x20AC || g.c == 0x2116)
        return false;
    if (g.n == 0 || (g.c != '.' && g.c != '-' && g.c != '/' && g.c != 0x2013 && g.c != ':'))
        return true;
    i -= g.n;
    struct glyph before = contact_before(s->text, i);
    if (contact_digit(before.c))
        return i == s->number_end;
    if (contact_letter(before.c).base != '\0' && g.c != ':')
        return after_word(s->text, i, g.c == '/');
    return g.c != '/' || before.c != '/';
}

/* At the first digit of a group; returns where to go on. */
static size_t at_digit(struct scan *s, size_t i, char phone[CONTACT_PHONE_SIZE])
{
    struct number number;
    if (contact_number(s->text, i, &number) && may_begin(s, &number) &&
        contact_may_follow(s->text, number.begin, number.end)) {
        s->number_end = s->group_end = number.end;
        if (!contact_named_other(s->text, number.begin, number.end))
            memcpy(phone, number.e164, sizeof(number.e164));
        return number.end;
    }
    s->group_digits = 0;
    for (struct glyph g = contact_at(s->text, i); contact_digit(g.c) || (contact_unseen(g.c) && g.n > 0);
         g = contact_at(s->text, i)) {
        i += g.n;
        s->group_digits += contact_digit(g.c) && !s->url;
        s->group_end = i;
    }
    return i;
}

bool contact_find(struct sv text, struct contact *out)
{
    struct scan s = { .text = text };
    char email[CONTACT_EMAIL_SIZE];
    out->phone[0] = out->email[0] = '\0';
    bool begin = true; /* of what no blank interrupts */
    for (size_t i = 0; i < text.n;) {
        struct sv rest = { text.p + i, text.n - i };
        struct glyph g = contact_at(text, i);
        if (contact_digit(g.c)) {
            i = at_digit(&s, i, out->phone);
            begin = false;
            continue;
        }
        if (contact_space(g.c))
            s.url = false;
        else if ((g.c == ':' && sv_starts(rest, SV("://"))) ||
                 (begin && rest.n >= 4 && sv_eq_nocase((struct sv){ rest.p, 4 }, SV("www."))))
            s.url = true;
        else if (g.c == '@' && g.n == 1 && !s.url && contact_address(text, i, email))
            memcpy(out->email, email, sizeof(email));
        begin = contact_space(g.c);
        i += g.n;
    }
    return out->phone[0] != '\0' || out->email[0] != '\0';
}
