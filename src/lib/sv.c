/* SPDX-License-Identifier: MIT
 * Questions about borrowed bytes that are too long to stand in the header. Locale is never asked. */
#include "config.h"

#include "lib/sv.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool sv_eq_nocase(struct sv a, struct sv b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

bool sv_starts(struct sv s, struct sv prefix)
{
    return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static bool is_in(char c, struct sv set)
{
    return memchr(set.p, c, set.n) != NULL;
}

static struct sv trim(struct sv s, struct sv set)
{
    while (s.n > 0 && is_in(s.p[0], set)) {
        s.p++;
        s.n--;
    }
    while (s.n > 0 && is_in(s.p[s.n - 1], set))
        s.n--;
    return s;
}

struct sv sv_trim(struct sv s)
{
    return trim(s, SV(" \t"));
}

struct sv sv_trim_space(struct sv s)
{
    return trim(s, SV(" \t\r\n"));
}

struct sv sv_split(struct sv *s, char sep)
{
    struct sv head = *s;
    const char *at = s->n > 0 ? memchr(s->p, sep, s->n) : NULL;

    if (at == NULL) {
        *s = SV_NONE;
        return head;
    }
    head.n = (size_t)(at - s->p);
    *s = (struct sv){ at + 1, s->n - head.n - 1 };
    return head;
}

bool sv_to_u64(struct sv s, uint64_t *out)
{
    uint64_t n = 0;

    if (s.n == 0)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9' || __builtin_mul_overflow(n, (uint64_t)10, &n) ||
            __builtin_add_overflow(n, (uint64_t)(s.p[i] - '0'), &n))
            return false;
    }
    *out = n;
    return true;
}

bool sv_to_i64(struct sv s, int64_t *out)
{
    bool minus = s.n > 0 && s.p[0] == '-';
    uint64_t n;

    if (!sv_to_u64(minus ? (struct sv){ s.p + 1, s.n - 1 } : s, &n) || n > (uint64_t)INT64_MAX + minus)
        return false;
    *out = minus ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

/* Length of the well-formed sequence at p with n > 0 bytes left; 0: malformed. RFC 3629 section 4, its table turned
 * into code. */
static size_t sequence(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t len;

    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xC2 && p[0] <= 0xDF) {
        len = 2;
    } else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
        len = 3;
        low = p[0] == 0xE0 ? 0xA0 : low;
        high = p[0] == 0xED ? 0x9F : high;
    } else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
        len = 4;
        low = p[0] == 0xF0 ? 0x90 : low;
        high = p[0] == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (n < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool sv_is_utf8(struct sv s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    size_t i = 0;

    while (i < s.n) {
        uint64_t eight;
        if (s.n - i >= sizeof(eight)) { /* most text is ASCII */
            memcpy(&eight, p + i, sizeof(eight));
            if ((eight & 0x8080808080808080u) == 0) {
                i += sizeof(eight);
                continue;
            }
        }
        size_t len = sequence(p + i, s.n - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

/* U+0080 to U+009F are C2 80 to C2 9F. */
bool sv_has_control(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 0x7F || (c == 0xC2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xA0))
            return true;
    }
    return false;
}

struct sv sv_cut_utf8(struct sv s, size_t max)
{
    if (s.n <= max)
        return s;
    while (max > 0 && ((unsigned char)s.p[max] & 0xC0) == 0x80)
        max--;
    s.n = max;
    return s;
}

int sv_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}
