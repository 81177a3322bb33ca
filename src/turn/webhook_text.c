/* SPDX-License-Identifier: MIT
 * HTML as the page API shows messages, as text. Not a parser of HTML: whoever wrote the message decides what it says, and nobody renders the result. */
#include "config.h"

#include "lib/entity.h"
#include "turn/webhook_own.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Length of the tag that s begins with, 0: it is none. A '>' in an attribute's quotes does not end it. *name: letters and digits. *open: the text ends before
 * it does. */
static size_t tag(struct sv s, struct sv *name, bool *open)
{
    size_t i = s.n > 1 && s.p[1] == '/' ? 2 : 1, begin = i;
    char quote = 0;

    if (i >= s.n || !is_letter(s.p[i]))
        return 0;
    while (i < s.n && (is_letter(s.p[i]) || (s.p[i] >= '0' && s.p[i] <= '9')))
        i++;
    *name = (struct sv){ s.p + begin, i - begin };
    if (i < s.n && s.p[i] != '>' && s.p[i] != '/' && s.p[i] != ' ' && s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r')
        return 0;
    for (; i < s.n; i++) {
        if (quote != 0 ? s.p[i] == quote : s.p[i] == '>') {
            if (quote == 0)
                return i + 1;
            quote = 0;
        } else if (quote == 0 && (s.p[i] == '"' || s.p[i] == '\'') && s.p[i - 1] == '=') {
            quote = s.p[i];
        }
    }
    *open = true;
    return 0;
}

static size_t comment(struct sv s, bool *open)
{
    if (!sv_starts(s, SV("<!--")))
        return 0;
    for (size_t i = 4; i + 3 <= s.n; i++) {
        if (memcmp(s.p + i, "-->", 3) == 0)
            return i + 3;
    }
    *open = true;
    return 0;
}

static bool is_block(struct sv name)
{
    static const char *const blocks[] = { "p", "div", "li", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "blockquote" };
    bool found = false;

    for (size_t i = 0; !found && i < ARRAY_LEN(blocks); i++)
        found = sv_eq_nocase(name, sv_from(blocks[i]));
    return found;
}

static void add_tag(struct buf *b, size_t start, struct sv name)
{
    if (sv_eq_nocase(name, SV("br")))
        buf_addc(b, '\n');
    else if (is_block(name) && b->n > start && b->p[b->n - 1] != '\n')
        buf_addc(b, '\n');
}

static size_t add_reference(struct buf *b, struct sv s)
{
    uint32_t c = 0;
    size_t n = entity_decode(s, &c);
    char out[4];

    if (n > 0 && c == 0xA0)
        buf_addc(b, ' ');
    else if (n > 0)
        buf_add(b, (struct sv){ out, entity_utf8(c, out) });
    return n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void trim(struct buf *b, size_t start)
{
    size_t n = start;

    if (!buf_ok(b) || b->n == start)
        return;
    while (b->n > start && is_space(b->p[b->n - 1]))
        b->n--;
    while (n < b->n && is_space(b->p[n]))
        n++;
    memmove(b->p + start, b->p + n, b->n - n);
    b->n -= n - start;
    b->p[b->n] = '\0';
}

void webhook_text(struct buf *b, struct sv html)
{
    size_t start = b->n, i = 0;
    bool open = false; /* something was begun and never ends: what comes behind it is text */

    while (i < html.n) {
        struct sv rest = { html.p + i, html.n - i }, name = SV_NONE;
        size_t n = 0;
        if (rest.p[0] == '<' && !open) {
            n = comment(rest, &open);
            if (n == 0 && !open && (n = tag(rest, &name, &open)) > 0)
                add_tag(b, start, name);
        } else if (rest.p[0] == '&') {
            n = add_reference(b, rest);
        } else if (rest.n > 1 && (unsigned char)rest.p[0] == 0xC2 && (unsigned char)rest.p[1] == 0xA0) {
            buf_addc(b, ' ');
            n = 2;
        }
        if (n == 0)
            buf_addc(b, html.p[i]);
        i += n > 0 ? n : 1;
    }
    trim(b, start);
}
