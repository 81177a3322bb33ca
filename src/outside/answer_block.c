/* SPDX-License-Identifier: MIT
 * See answer_block.h. A block is taken only when something known is in it: customers may ask for JSON, and it is theirs then. */
#include "config.h"

#include "outside/answer_block.h"
#include "outside/completion.h"

enum { CLOSINGS_MAX = 8 }; /* a string in the block may hold backticks */

static const char fence[] = "```";

static struct sv trimmed(struct sv s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[0]) != NULL)
        s.p++, s.n--;
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]) != NULL)
        s.n--;
    return s;
}

/* NULL: it is no such object. */
static json_t *known(struct sv text)
{
    json_t *j = text.n > 0 && text.p[0] == '{' ? json_read(text, false, NULL) : NULL;
    if (j == NULL || !completion_is_flat(j)) {
        json_decref(j);
        return NULL;
    }
    if (json_is_array(json_object_get(j, "actions")) || json_is_string(json_object_get(j, "intent")) || json_is_number(json_object_get(j, "confidence")) ||
        json_is_object(json_object_get(j, "entities")) || json_is_string(json_object_get(j, "response_text")))
        return j;
    json_decref(j);
    return NULL;
}

static const char *find(const char *from, const char *end)
{
    return memmem(from, (size_t)(end - from), fence, sizeof(fence) - 1);
}

/* Behind ```, and the word json after it or nothing. */
static const char *content_of(const char *at, const char *end)
{
    at += sizeof(fence) - 1;
    if (end - at >= 4 && sv_eq_nocase((struct sv){ at, 4 }, SV("json")))
        at += 4;
    return at;
}

/* *before and *after are what stands around it. */
static json_t *fenced(struct sv text, struct sv *before, struct sv *after)
{
    const char *end = text.p + text.n;
    for (const char *at = find(text.p, end); at != NULL; at = find(at + 1, end)) {
        const char *from = content_of(at, end), *to = from;
        for (int i = 0; to != end && i < CLOSINGS_MAX; i++) {
            const char *closing = find(i == 0 ? to : to + 1, end);
            to = closing != NULL ? closing : end; /* the last fence may be forgotten */
            json_t *j = known(trimmed((struct sv){ from, (size_t)(to - from) }));
            if (j == NULL)
                continue;
            size_t left = (size_t)(end - to), of_fence = left < sizeof(fence) - 1 ? left : sizeof(fence) - 1;
            *before = trimmed((struct sv){ text.p, (size_t)(at - text.p) });
            *after = trimmed((struct sv){ to + of_fence, left - of_fence });
            return j;
        }
    }
    return NULL;
}

json_t *answer_block_take(struct sv text, struct buf *rest)
{
    struct sv all = trimmed(text), before = SV(""), after = SV("");
    json_t *j = all.n == 0 ? NULL : known(all);
    if (j == NULL && all.n > 0)
        j = fenced(all, &before, &after);
    struct sv said = json_sv(j, "response_text");
    if (j == NULL)
        buf_add(rest, text);
    else if (said.p != NULL)
        buf_add(rest, said);
    else {
        buf_add(rest, before);
        if (before.n > 0 && after.n > 0)
            buf_addc(rest, '\n');
        buf_add(rest, after);
    }
    return j;
}
