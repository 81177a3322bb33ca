/* SPDX-License-Identifier: MIT
 * See double_query.h. Its callers are tests: what is written wrongly is read somehow. */
#include "config.h"

#include "t/lib/double_query.h"

void query_decode(struct buf *out, struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '%' && i + 2 < s.n) {
            buf_addc(out, (char)(sv_hex_digit(s.p[i + 1]) << 4 | sv_hex_digit(s.p[i + 2])));
            i += 2;
        } else {
            buf_addc(out, s.p[i] == '+' ? ' ' : s.p[i]);
        }
    }
}

void query_value(struct buf *out, struct sv query, struct sv name)
{
    buf_clear(out);
    while (query.n > 0) {
        struct sv value = sv_split(&query, '&'), is = sv_split(&value, '=');
        if (!sv_eq(is, name))
            continue;
        buf_clear(out);
        query_decode(out, value);
    }
}

int64_t query_number(struct sv query, struct sv name, int64_t fallback)
{
    struct buf b = { 0 };
    int64_t n = fallback;
    query_value(&b, query, name);
    if (!sv_to_i64(buf_sv(&b), &n))
        n = fallback;
    buf_fini(&b);
    return n;
}
