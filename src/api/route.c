/* SPDX-License-Identifier: MIT
 * Paths. REQUEST_URI is what all web servers pass on unchanged; PATH_INFO is missing or already decoded in some set-ups. */
#include "config.h"

#include "api/route.h"

#define SEGMENTS_MAX 16

struct path {
    struct sv segments[SEGMENTS_MAX];
    size_t n;
};

/* In place: *s becomes shorter. False: a wrong escape, a control character, or not UTF-8. */
static bool decode(struct sv *s, char *p)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '%') {
            int high = i + 2 < s->n ? sv_hex_digit(p[i + 1]) : -1;
            int low = high >= 0 ? sv_hex_digit(p[i + 2]) : -1;
            if (low < 0)
                return false;
            c = (unsigned char)(high << 4 | low);
            i += 2;
        }
        if (c < ' ' || c == 0x7F)
            return false;
        p[n++] = (char)c;
    }
    s->n = n;
    return sv_is_utf8(*s);
}

/* The path of an origin-form or absolute-form target, without query and fragment; SV_NONE: neither. */
static struct sv path_of(struct sv uri)
{
    struct sv rest = uri;
    struct sv path = sv_split(&rest, '?');

    rest = path;
    path = sv_split(&rest, '#');
    if (path.n >= 8 && path.p[0] != '/') {
        size_t skip = sv_eq_nocase((struct sv){ path.p, 7 }, SV("http://")) ? 7 : 8;
        const char *slash;
        if (skip == 8 && !sv_eq_nocase((struct sv){ path.p, 8 }, SV("https://")))
            return SV_NONE;
        slash = memchr(path.p + skip, '/', path.n - skip);
        if (slash == NULL)
            return SV("/");
        path = (struct sv){ slash, path.n - (size_t)(slash - path.p) };
    }
    return path.n > 0 && path.p[0] == '/' ? path : SV_NONE;
}

/* Cuts and decodes. UNKNOWN: a path that no pattern can describe. */
static enum route_result take_apart(struct sv path, struct arena *a, struct path *out)
{
    char *copy = arena_str(a, path);
    bool odd = false;

    if (copy == NULL)
        return ROUTE_BAD;
    path = (struct sv){ copy + 1, path.n - 1 };
    while (path.p != NULL) {
        struct sv one = sv_split(&path, '/');
        if (!decode(&one, copy + (one.p - copy)))
            return ROUTE_BAD;
        odd = odd || one.n == 0 || sv_eq(one, SV(".")) || sv_eq(one, SV("..")) || out->n == SEGMENTS_MAX;
        if (!odd)
            out->segments[out->n++] = one;
    }
    return odd ? ROUTE_UNKNOWN : ROUTE_FOUND;
}

static bool matches(const struct route *route, const struct path *path, struct sv args[ROUTE_ARGS_MAX])
{
    struct sv rest = { route->path + 1, strlen(route->path) - 1 };
    size_t args_n = 0;

    for (size_t i = 0; i < path->n; i++) {
        struct sv want;
        if (rest.p == NULL)
            return false;
        want = sv_split(&rest, '/');
        if (want.n > 0 && want.p[0] == '{' && args_n < ROUTE_ARGS_MAX)
            args[args_n++] = path->segments[i];
        else if (route->any_case ? !sv_eq_nocase(want, path->segments[i]) : !sv_eq(want, path->segments[i]))
            return false;
    }
    return rest.p == NULL;
}

enum route_result route_find(const struct route *table, size_t n, struct sv base, enum cgi_method method, struct sv uri,
                             struct arena *a, struct route_match *out)
{
    struct sv raw = path_of(uri);
    struct path path = { .n = 0 };
    enum route_result cut;

    *out = (struct route_match){ 0 };
    if (raw.p == NULL)
        return ROUTE_BAD;
    if (!sv_starts(raw, base) || raw.n == base.n || raw.p[base.n] != '/')
        return ROUTE_UNKNOWN;
    cut = take_apart((struct sv){ raw.p + base.n, raw.n - base.n }, a, &path);
    if (cut != ROUTE_FOUND)
        return cut;
    for (size_t i = 0; i < n; i++) {
        struct sv args[ROUTE_ARGS_MAX] = { { 0 } };
        if (!matches(&table[i], &path, args))
            continue;
        out->allow |= 1u << table[i].method;
        if (table[i].method == CGI_GET)
            out->allow |= 1u << CGI_HEAD;
        if (out->route == NULL && (table[i].method == method || (table[i].method == CGI_GET && method == CGI_HEAD))) {
            out->route = &table[i];
            memcpy(out->args, args, sizeof(args));
        }
    }
    if (out->route != NULL)
        return ROUTE_FOUND;
    return out->allow != 0 ? ROUTE_WRONG_METHOD : ROUTE_UNKNOWN;
}
