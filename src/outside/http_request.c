/* SPDX-License-Identifier: MIT
 * What goes out, as text: the URL's two halves, and the lines of a request's head that are ours. */
#include "config.h"

#include "outside/http_own.h"

void http_join_url(struct buf *b, const char *base, const char *path)
{
    size_t n = strlen(base);
    while (n > 0 && base[n - 1] == '/')
        n--;
    buf_add(b, (struct sv){ base, n });
    if (*path != '\0' && *path != '/')
        buf_addc(b, '/');
    buf_add(b, sv_from(path));
}

static bool is_clean(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\r' || s.p[i] == '\n' || s.p[i] == '\0')
            return false;
    return true;
}

int http_head_lines(struct buf *lines, const struct http_request *r, size_t at[HTTP_HEADERS_MAX], size_t *n,
                    struct err *e)
{
    static const char fixed[] = "Accept:\0Expect:\0Content-Type: application/json";
    buf_clear(lines);
    buf_add(lines, (struct sv){ fixed, sizeof(fixed) });
    at[0] = 0;
    at[1] = sizeof("Accept:");
    at[2] = sizeof("Accept:\0Expect:");
    *n = r->get ? 2 : 3;
    if (r->headers_n > HTTP_HEADERS_MAX - 3)
        return err_set(e, ERR_RANGE, "more than %d headers", HTTP_HEADERS_MAX - 3);
    for (size_t i = 0; i < r->headers_n; i++) {
        const struct http_header *x = &r->headers[i];
        if (!is_clean(x->value) || x->name[strcspn(x->name, "\r\n:; ")] != '\0')
            return err_set(e, ERR_INVALID, "header %zu has a character that must not be there", i + 1);
        at[(*n)++] = lines->n;
        buf_add(lines, sv_from(x->name));
        buf_add(lines, x->value.n > 0 ? SV(": ") : SV(";"));
        buf_add(lines, x->value);
        buf_addc(lines, '\0');
    }
    return buf_ok(lines) ? 0 : err_set(e, ERR_MEMORY, "headers");
}
