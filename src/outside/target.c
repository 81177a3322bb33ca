/* SPDX-License-Identifier: MIT
 * See target.h. The grammar is RFC 3986 without user information, empty ports, fragments, other schemes and relative forms.
 * Hosts are names of letters, digits, hyphens and underscores, or addresses as inet_pton reads them: the old forms of IPv4
 * (127.1, 2130706433, 0x7f.1) are names to that grammar and end in a number, which no name does. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "outside/target.h"

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* ---- taking apart ---- */

static size_t find_any(struct sv s, const char *set)
{
    size_t i = 0;
    while (i < s.n && !is_one_of(s.p[i], set))
        i++;
    return i;
}

static struct sv from(struct sv s, size_t at)
{
    return (struct sv){ s.p + at, s.n - at };
}

void target_split(struct sv text, struct target_parts *out)
{
    *out = (struct target_parts){ 0 };
    size_t n = find_any(text, ":/?#[");
    if (text.n - n >= 3 && memcmp(text.p + n, "://", 3) == 0) {
        out->scheme = (struct sv){ text.p, n };
        text = from(text, n + 3);
    }
    n = find_any(text, "/?#");
    if (n < text.n)
        out->path = from(text, n);
    out->host = (struct sv){ text.p, n };
    size_t inside = find_any(out->host, "]"), colon = inside < n ? inside + 1 : find_any(out->host, ":");
    if (colon < n && out->host.p[colon] == ':') {
        out->port = from(out->host, colon + 1);
        out->host.n = colon;
    }
}

/* ---- hosts and ports ---- */

static bool is_label(struct sv s)
{
    if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
            return false;
    return true;
}

/* As browsers and the C library take one: decimal, octal, or hexadecimal behind 0x, where nothing may follow. */
static bool is_number(struct sv s)
{
    bool hex = s.n >= 2 && s.p[0] == '0' && (s.p[1] == 'x' || s.p[1] == 'X');
    for (size_t i = hex ? 2 : 0; i < s.n; i++)
        if (hex ? sv_hex_digit(s.p[i]) < 0 : s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

static bool is_name(struct sv s)
{
    struct sv label = SV_NONE;
    while (s.p != NULL) {
        label = sv_split(&s, '.');
        if (!is_label(label))
            return false;
    }
    return label.n > 0 && !is_number(label);
}

int target_host(struct sv host, char *out, bool *is_address, struct address *address, struct err *e)
{
    *is_address = false;
    if (host.n == 0)
        return err_set(e, ERR_INVALID, "the URL names no host");
    if (host.p[0] == '[') {
        struct sv inner = { host.p + 1, host.n - 1 };
        bool closed = host.p[host.n - 1] == ']' && inner.n > 0;
        inner.n -= closed;
        if (!closed || !address_parse(inner, address) || address->size != 16)
            return err_set(e, ERR_INVALID, "what stands in brackets is not an address");
        *is_address = true;
    } else {
        host.n -= host.p[host.n - 1] == '.';
        if (host.n > TARGET_HOST_MAX)
            return err_set(e, ERR_INVALID, "the host's name is longer than %d characters", TARGET_HOST_MAX);
        *is_address = address_parse(host, address) && address->size == 4;
        if (!*is_address && !is_name(host))
            return err_set(e, ERR_INVALID, "the host is neither a name in ASCII nor an address in its usual form");
    }
    if (*is_address) {
        address_text(address, out);
        return 0;
    }
    for (size_t i = 0; i < host.n; i++)
        out[i] = (char)(host.p[i] >= 'A' && host.p[i] <= 'Z' ? host.p[i] - 'A' + 'a' : host.p[i]);
    out[host.n] = '\0';
    return 0;
}

int target_port(struct sv port, unsigned *out, struct err *e)
{
    uint64_t n;
    if (!sv_to_u64(port, &n) || n < 1 || n > 65535 || port.p[0] == '0')
        return err_set(e, ERR_RANGE, "the port is not a number from 1 to 65535");
    *out = (unsigned)n;
    return 0;
}

/* ---- paths ---- */

/* RFC 3986 pchar, and what separates. */
static bool is_clean(struct sv s, const char *also)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%') {
            if (s.n - i < 3 || sv_hex_digit(s.p[i + 1]) < 0 || sv_hex_digit(s.p[i + 2]) < 0)
                return false;
        } else if (!is_alnum(s.p[i]) && !is_one_of(s.p[i], "-._~!$&'()*+,;=:@") && !is_one_of(s.p[i], also)) {
            return false;
        }
    }
    return true;
}

/* Escapes become what they stand for, once. False: there was none. */
static bool unescape(char *text, size_t *n)
{
    size_t to = 0;
    bool any = false;
    for (size_t i = 0; i < *n; i++, to++) {
        int high = text[i] == '%' && *n - i >= 3 ? sv_hex_digit(text[i + 1]) : -1;
        int low = high >= 0 ? sv_hex_digit(text[i + 2]) : -1;
        text[to] = low >= 0 ? (char)(high * 16 + low) : text[i];
        any = any || low >= 0;
        i += low >= 0 ? 2 : 0;
    }
    *n = to;
    return any;
}

/* "." or "..", also with parameters behind a semicolon, which some servers take off. */
static bool is_dots(struct sv segment)
{
    struct sv name = sv_split(&segment, ';');
    return sv_eq(name, SV(".")) || sv_eq(name, SV(".."));
}

static bool is_plain(struct sv path)
{
    for (size_t i = 0; i < path.n; i++)
        if ((unsigned char)path.p[i] < ' ' || path.p[i] == 0x7f || path.p[i] == '\\')
            return false;
    if (!sv_is_utf8(path)) /* an overlong dot */
        return false;
    while (path.p != NULL)
        if (is_dots(sv_split(&path, '/')))
            return false;
    return true;
}

/* Servers and what stands before them decode once, or again: no layer may hide something. */
int target_path(struct sv path, struct err *e)
{
    char text[TARGET_URL_MAX];
    size_t n = path.n;
    if (n > sizeof(text))
        return err_set(e, ERR_RANGE, "the path is longer than %d bytes", TARGET_URL_MAX);
    if (!is_clean(path, "/"))
        return err_set(e, ERR_INVALID, "the path has a character that must be escaped, or a broken escape");
    if (n > 0)
        memcpy(text, path.p, n);
    do {
        if (!is_plain((struct sv){ text, n }))
            return err_set(
                e, ERR_INVALID,
                "the path has a segment . or .., a backslash, a control character or bytes that are not UTF-8");
    } while (unescape(text, &n));
    return 0;
}

/* ---- the whole ---- */

static int check_characters(struct sv url, struct err *e)
{
    if (url.n == 0)
        return err_set(e, ERR_INVALID, "the URL is empty");
    if (url.n > TARGET_URL_MAX)
        return err_set(e, ERR_RANGE, "the URL is longer than %d bytes", TARGET_URL_MAX);
    for (size_t i = 0; i < url.n; i++)
        if (url.p[i] <= ' ' || url.p[i] >= 0x7f || url.p[i] == '\\')
            return err_set(e, ERR_INVALID, "the URL has a blank, a backslash, a control character or one beyond ASCII");
    if (memchr(url.p, '#', url.n) != NULL)
        return err_set(e, ERR_INVALID, "the URL has a fragment");
    return 0;
}

static int write_url(struct target *t, struct sv query, struct sv path, struct err *e)
{
    char port[8] = "";
    bool v6 = t->is_address && t->address.size == 16;
    if (t->port != (t->tls ? 443U : 80U))
        (void)snprintf(port, sizeof(port), ":%u", t->port);
    int n = snprintf(t->url, sizeof(t->url), "%s://%s%s%s%s", t->tls ? "https" : "http", v6 ? "[" : "", t->host,
                     v6 ? "]" : "", port);
    int m = n < 0 ? n
                  : snprintf(t->url + n, sizeof(t->url) - (size_t)n, "%.*s%s%.*s", SV_FMT(path),
                             query.p != NULL ? "?" : "", SV_FMT(query));
    if (m < 0 || (size_t)n + (size_t)m >= sizeof(t->url))
        return err_set(e, ERR_INTERNAL, "the URL does not fit");
    t->path = (struct sv){ t->url + n, path.n };
    return 0;
}

int target_parse(struct target *out, struct sv url, struct err *e)
{
    struct target_parts parts;
    if (check_characters(url, e) != 0)
        return -1;
    target_split(url, &parts);
    out->tls = sv_eq_nocase(parts.scheme, SV("https"));
    if (!out->tls && !sv_eq_nocase(parts.scheme, SV("http")))
        return err_set(e, ERR_INVALID, "the URL does not begin with https:// or http://");
    if (memchr(url.p, '@', url.n - parts.path.n) != NULL)
        return err_set(e, ERR_INVALID, "the URL has a user in front of its host");
    if (target_host(parts.host, out->host, &out->is_address, &out->address, e) != 0)
        return -1;
    out->port = out->tls ? 443 : 80;
    if (parts.port.p != NULL && target_port(parts.port, &out->port, e) != 0)
        return -1;
    struct sv query = parts.path, path = sv_split(&query, '?');
    if (path.n == 0)
        path = SV("/");
    if (target_path(path, e) != 0)
        return -1;
    if (!is_clean(query, "/?"))
        return err_set(e, ERR_INVALID, "the query has a character that must be escaped, or a broken escape");
    return write_url(out, query, path, e);
}
