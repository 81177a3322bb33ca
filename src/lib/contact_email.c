/* SPDX-License-Identifier: MIT
 * E-mail addresses: a dot-atom, an @, a domain (RFC 5322, 3.4.1; RFC 5321, 4.5.3.1; RFC 1035, 2.3.4). No quoted local part, no literal, no comment. */
#include "config.h"

#include "lib/contact_parts.h"

enum { LOCAL_MAX = 64, LABEL_MAX = 63 };

static bool in(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

static bool alpha(char c)
{
    return contact_alnum(c) && (c < '0' || c > '9');
}

static bool good_local(struct sv s)
{
    if (s.n == 0 || s.n > LOCAL_MAX || s.p[0] == '.' || s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!contact_alnum(s.p[i]) && !in(s.p[i], "!#$%&'*+-/=?^_`{|}~") && (s.p[i] != '.' || s.p[i - 1] == '.'))
            return false;
    return true;
}

static bool good_label(struct sv s)
{
    if (s.n == 0 || s.n > LABEL_MAX || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!contact_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

static bool good_domain(struct sv s)
{
    struct sv label = SV_NONE;
    size_t labels = 0;
    while (s.p != NULL) {
        label = sv_split(&s, '.');
        if (!good_label(label))
            return false;
        labels++;
    }
    for (size_t i = 0; i < label.n; i++)
        if (!alpha(label.p[i]))
            return false;
    return labels >= 2 && label.n >= 2;
}

static bool put(struct sv local, struct sv domain, char out[CONTACT_EMAIL_SIZE])
{
    out[0] = '\0';
    if (!good_local(local) || local.n + 1 + domain.n >= CONTACT_EMAIL_SIZE || !good_domain(domain))
        return false;
    memcpy(out, local.p, local.n);
    out[local.n] = '@';
    char *to = out + local.n + 1;
    for (size_t i = 0; i < domain.n; i++)
        to[i] = domain.p[i] >= 'A' && domain.p[i] <= 'Z' ? (char)(domain.p[i] + ('a' - 'A')) : domain.p[i];
    to[domain.n] = '\0';
    return true;
}

/* What stands before the @. An ellipsis ends what is before it, two dots are a mistake of the writer's. */
static struct sv local_before(struct sv text, size_t at)
{
    size_t i = at, dots = 0;
    while (i > 0 && at - i <= LOCAL_MAX + 2 && (contact_alnum(text.p[i - 1]) || in(text.p[i - 1], "_+-.%&'~"))) {
        dots = text.p[i - 1] == '.' ? dots + 1 : 0;
        if (dots == 3)
            break;
        i--;
    }
    struct glyph g = contact_before(text, i);
    if (dots < 3 && g.n > 0 && (g.c == '@' || contact_letter(g.c).base != '\0' || contact_mark(g.c) != 0))
        return SV_NONE;
    while (i < at && !contact_alnum(text.p[i]) && text.p[i] != '_')
        i++;
    return (struct sv){ text.p + i, at - i };
}

/* A last label that goes on with a hyphen ends before it: "gmail.com-0912..". One with a capital behind small letters begins a sentence, if there
 * is a domain before it: "gmail.com.Em". */
static size_t domain_end(struct sv text, size_t from, size_t end)
{
    size_t last = end;
    while (last > from && text.p[last - 1] != '.')
        last--;
    if (last > from + 1 && last < end && text.p[last] >= 'A' && text.p[last] <= 'Z' && text.p[last - 2] >= 'a' &&
        text.p[last - 2] <= 'z' && memchr(text.p + from, '.', last - 1 - from) != NULL)
        return last - 1;
    size_t i = last;
    while (i < end && alpha(text.p[i]))
        i++;
    return i < end && i - last >= 2 && text.p[i] == '-' ? i : end;
}

static struct sv domain_after(struct sv text, size_t from)
{
    size_t i = from, end;
    while (i < text.n && i - from <= CONTACT_EMAIL_SIZE &&
           (contact_alnum(text.p[i]) || text.p[i] == '-' || (text.p[i] == '.' && (i == from || text.p[i - 1] != '.'))))
        i++;
    struct glyph g = contact_at(text, i);
    if (i - from > CONTACT_EMAIL_SIZE || g.c == '@' || contact_mark(g.c) != 0)
        return SV_NONE;
    if (g.n > 0 && contact_letter(g.c).base !=
                       '\0') { /* "gmail.com" and a word of one letter, which is how politeness ends in Vietnamese */
        struct glyph next = contact_at(text, i + g.n);
        if (contact_letter(next.c).base != '\0' || contact_digit(next.c) || next.c == '.')
            return SV_NONE;
    }
    end = i;
    while (end > from && text.p[end - 1] == '.')
        end--;
    return (struct sv){ text.p + from, domain_end(text, from, end) - from };
}

bool contact_address(struct sv text, size_t at, char out[CONTACT_EMAIL_SIZE])
{
    return put(local_before(text, at), domain_after(text, at + 1), out);
}

bool contact_email(struct sv text, char out[CONTACT_EMAIL_SIZE])
{
    text = sv_trim(text);
    struct sv domain = text, local = sv_split(&domain, '@');
    return put(local, domain, out);
}
