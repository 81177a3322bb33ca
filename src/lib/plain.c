/* SPDX-License-Identifier: MIT
 * See plain.h. */
#include "config.h"

#include "lib/plain.h"

#define NEL "\xc2\x85"
#define LINE_SEPARATOR "\xe2\x80\xa8"
#define PARAGRAPH_SEPARATOR "\xe2\x80\xa9"

/* How many bytes at its beginning do not stay as they are; 0: the first one does. *as: what stands for them, '\0' nothing. */
static size_t control(struct sv s, char *as)
{
    unsigned char c = (unsigned char)s.p[0];
    *as = '\n';
    if (c == '\r')
        return s.n > 1 && s.p[1] == '\n' ? 2 : 1;
    if (c == '\v' || c == '\f')
        return 1;
    if (sv_starts(s, SV(NEL)))
        return 2;
    if (sv_starts(s, SV(LINE_SEPARATOR)) || sv_starts(s, SV(PARAGRAPH_SEPARATOR)))
        return 3;
    *as = '\0';
    if ((c < ' ' && c != '\n' && c != '\t') || c == 0x7f)
        return 1;
    return c == 0xc2 && s.n > 1 && (unsigned char)s.p[1] < 0xa0 ? 2 : 0;
}

/* The first part of *s, which goes on behind it: what stays, or (SV_NONE) what a control became, *as. */
static struct sv next_part(struct sv *s, char *as)
{
    size_t n = control(*s, as), stays = 0;
    struct sv rest = { s->p + n, s->n - n }, part = SV_NONE;
    for (char ignored; n == 0 && stays < s->n && control((struct sv){ s->p + stays, s->n - stays }, &ignored) == 0;)
        stays++;
    if (n == 0) {
        part = (struct sv){ s->p, stays };
        rest = (struct sv){ s->p + stays, s->n - stays };
    }
    *s = rest;
    return part;
}

void plain_add(struct buf *b, struct sv text)
{
    while (text.n > 0) {
        char as;
        struct sv part = next_part(&text, &as);
        if (part.p != NULL)
            buf_add(b, part);
        else if (as != '\0')
            buf_addc(b, as);
    }
}

bool plain_is_blank(struct sv text)
{
    bool blank = true;
    while (blank && text.n > 0) {
        char as;
        struct sv part = next_part(&text, &as);
        for (size_t i = 0; blank && i < part.n; i++)
            blank = strchr(" \t\n", part.p[i]) != NULL;
    }
    return blank;
}

static bool is_plain(struct sv text)
{
    char as;
    return text.n == 0 || (next_part(&text, &as).p != NULL && text.n == 0);
}

/* ---- values ---- */

static bool all_plain(json_t *value)
{
    bool plain = !json_is_string(value) || is_plain((struct sv){ json_string_value(value), json_string_length(value) });
    for (size_t i = 0; plain && i < json_array_size(value); i++)
        plain = all_plain(json_array_get(value, i));
    for (void *at = json_object_iter(value); plain && at != NULL; at = json_object_iter_next(value, at))
        plain = all_plain(json_object_iter_value(at));
    return plain;
}

static int make_plain(json_t *value)
{
    int failed = 0;
    if (json_is_string(value)) {
        struct buf b = { 0 };
        plain_add(&b, (struct sv){ json_string_value(value), json_string_length(value) });
        failed = !buf_ok(&b) || json_string_setn(value, b.n > 0 ? b.p : "", b.n) != 0;
        buf_fini(&b);
    }
    for (size_t i = 0; failed == 0 && i < json_array_size(value); i++)
        failed = make_plain(json_array_get(value, i));
    for (void *at = json_object_iter(value); failed == 0 && at != NULL; at = json_object_iter_next(value, at))
        failed = make_plain(json_object_iter_value(at));
    return failed;
}

json_t *plain_json(const json_t *value)
{
    json_t *own = (json_t *)(uintptr_t)value; /* a reference counts, nothing else changes */
    if (all_plain(own))
        return json_incref(own);
    json_t *copy = json_deep_copy(value);
    if (copy == NULL || make_plain(copy) == 0)
        return copy;
    json_decref(copy);
    return NULL;
}
