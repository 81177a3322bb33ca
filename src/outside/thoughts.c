/* SPDX-License-Identifier: MIT
 * See thoughts.h. The tags are those that models were made with: think (DeepSeek-R1, QwQ, Qwen3, GLM, MiniMax), thinking, thought (EXAONE Deep, Gemini),
 * reasoning (Reka), seed:think (Seed-OSS), [THINK] (Magistral). */
#include "config.h"

#include "lib/attr.h"
#include "outside/thoughts.h"

static const struct {
    struct sv begin, end;
    bool in_template; /* there are templates that have the first one */
} tags[] = {
    { { "<think>", 7 }, { "</think>", 8 }, true },
    { { "<thought>", 9 }, { "</thought>", 10 }, true },
    { { "<thinking>", 10 }, { "</thinking>", 11 }, false },
    { { "<reasoning>", 11 }, { "</reasoning>", 12 }, false },
    { { "<seed:think>", 12 }, { "</seed:think>", 13 }, false },
    { { "[THINK]", 7 }, { "[/THINK]", 8 }, false },
};

static struct sv behind(struct sv s, size_t n)
{
    return (struct sv){ s.p + n, s.n - n };
}

struct sv thoughts_behind_blanks(struct sv s)
{
    static const struct sv blanks[] = { { " ", 1 }, { "\t", 1 }, { "\r", 1 }, { "\n", 1 }, { "\xef\xbb\xbf", 3 }, { "\xe2\x80\x8b", 3 } };
    for (size_t i = 0; i < ARRAY_LEN(blanks);) {
        bool blank = sv_starts(s, blanks[i]);
        s = blank ? behind(s, blanks[i].n) : s;
        i = blank ? 0 : i + 1;
    }
    return s;
}

static const char *find(struct sv s, struct sv tag)
{
    return s.n == 0 ? NULL : memmem(s.p, s.n, tag.p, tag.n);
}

/* s is behind the tag that opens. */
static enum thoughts to_end(struct sv s, struct sv end, struct sv *rest)
{
    const char *at = find(s, end);
    *rest = at == NULL ? SV("") : thoughts_behind_blanks(behind(s, (size_t)(at - s.p) + end.n));
    return at == NULL ? THOUGHTS_OPEN : THOUGHTS_OVER;
}

/* A block that s begins with. */
static enum thoughts opened(struct sv s, struct sv *rest)
{
    bool maybe = false;
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        if (sv_starts(s, tags[i].begin))
            return to_end(behind(s, tags[i].begin.n), tags[i].end, rest);
        maybe = maybe || (s.n > 0 && sv_starts(tags[i].begin, s));
    }
    return maybe ? THOUGHTS_MAYBE : THOUGHTS_NONE;
}

/* Who writes about the tag puts it in quotation marks. */
static bool is_quoted(struct sv s, const char *at)
{
    return at > s.p && strchr("`\"'", at[-1]) != NULL;
}

static enum thoughts unopened(struct sv s, struct sv *rest)
{
    for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
        const char *end = tags[i].in_template ? find(s, tags[i].end) : NULL;
        while (end != NULL && is_quoted(s, end))
            end = find(behind(s, (size_t)(end - s.p) + 1), tags[i].end);
        if (end == NULL || find((struct sv){ s.p, (size_t)(end - s.p) }, tags[i].begin) != NULL)
            continue;
        *rest = thoughts_behind_blanks(behind(s, (size_t)(end - s.p) + tags[i].end.n));
        return THOUGHTS_UNOPENED;
    }
    return THOUGHTS_NONE;
}

enum thoughts thoughts_in(struct sv text, struct sv *said)
{
    struct sv s = thoughts_behind_blanks(text), rest = SV("");
    enum thoughts first = opened(s, &rest), next = first;
    *said = text.n > 0 ? text : SV("");
    if (first == THOUGHTS_NONE) {
        first = unopened(s, &rest);
        if (first == THOUGHTS_UNOPENED)
            *said = rest;
        return first;
    }
    while (next == THOUGHTS_OVER) { /* some begin again at once */
        *said = rest;
        next = opened(*said, &rest);
    }
    if (next == THOUGHTS_OPEN)
        *said = SV("");
    return next == THOUGHTS_NONE ? first : next;
}

bool thoughts_are_likely(struct sv model)
{
    static const char *const names[] = { "deepseek", "exaone", "glm-", "minimax", "nemotron", "qwen3", "qwq", "r1", "reason", "think" };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        for (size_t at = 0, n = strlen(names[i]); at + n <= model.n; at++)
            if (sv_eq_nocase((struct sv){ model.p + at, n }, sv_from(names[i])))
                return true;
    return false;
}
