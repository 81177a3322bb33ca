/* SPDX-License-Identifier: MIT
 * Looks into JSON without parsing it. A conversation's context is some forty small objects that this program wrote itself and passes on
 * piece by piece: a tree of each would cost more than all the rest of a turn. Never leaves its input, whatever that is. */
#include "config.h"

#include "lib/json.h"

/* Behind the string that begins at p (its opening quote); end when it does not end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end;) {
        const char *quote = memchr(p, '"', (size_t)(end - p));
        if (quote == NULL)
            return end;
        const char *back = quote;
        while (back > p && back[-1] == '\\')
            back--;
        p = quote + 1;
        if ((quote - back) % 2 == 0)
            return p;
    }
    return end;
}

static const char *skip_value(const char *p, const char *end)
{
    unsigned depth = 0;
    while (p < end) {
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            if (depth == 0)
                return p;
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            if (depth == 0)
                return p;
            if (--depth == 0)
                return p + 1;
            break;
        case ',':
            if (depth == 0)
                return p;
            break;
        default:
            break;
        }
        p++;
    }
    return end;
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == ',' || *p == ':'))
        p++;
    return p;
}

struct sv json_raw_inside(struct sv value)
{
    bool container = value.n > 0 && (value.p[0] == '{' || value.p[0] == '[');
    return container ? (struct sv){ value.p + 1, value.n - 1 } : SV_NONE;
}

bool json_raw_next(struct sv *rest, struct sv *key, struct sv *value)
{
    const char *p = rest->p, *end = p + rest->n;
    p = skip_space(p, end);
    if (p >= end || *p == '}' || *p == ']')
        return false;
    if (key != NULL) {
        if (*p != '"')
            return false;
        const char *behind = skip_string(p, end);
        *key = (struct sv){ p + 1, behind - p >= 2 ? (size_t)(behind - p - 2) : 0 };
        p = skip_space(behind, end);
    }
    const char *behind = skip_value(p, end);
    *value = (struct sv){ p, (size_t)(behind - p) };
    behind = skip_space(behind, end);
    *rest = (struct sv){ behind, (size_t)(end - behind) };
    return value->n > 0;
}

struct sv json_raw_member(struct sv object, const char *key)
{
    struct sv rest = json_raw_inside(object), name, value;
    struct sv want = sv_from(key);
    while (json_raw_next(&rest, &name, &value))
        if (sv_eq(name, want))
            return value;
    return SV_NONE;
}
