/* SPDX-License-Identifier: MIT
 * An answer of eight times as many pieces takes about eight times as long, not sixty-four: all of it is read in the one loop of its process. */
#include "config.h"

#include <stdio.h>
#include <time.h>

#include "outside/completion_calls.h"
#include "t/tap.h"

#ifdef __SANITIZE_ADDRESS__
/* Else AddressSanitizer looks through all that memmem is given, whatever it finds, and that is what would be measured. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "intercept_memmem=0";
}
#endif

enum { FEW = 1500, TIMES = 8, TRIES = 5, RATIO = 3 * TIMES };

static const struct {
    const char *name, *piece;
} all[] = {
    { "text", "{\"choices\":[{\"delta\":{\"content\":\"0123456789\"}}]}" },
    { "thoughts in a member of their own", "{\"choices\":[{\"delta\":{\"reasoning_content\":\"0123456789\"}}]}" },
    { "thoughts in a list", "{\"choices\":[{\"delta\":{\"reasoning_details\":[{\"text\":\"0123456789\"}]}}]}" },
    { "arguments, each with the name", "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":{}\"}}]}}]}" },
    { "arguments that are none", "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"f\",\"arguments\":\"{a}0123456789}\"}}]}}]}" },
};

/* Of this process alone: others may have the machine. */
static int64_t spent_us(void)
{
    return (int64_t)clock() * 1000000 / CLOCKS_PER_SEC;
}

/* Texts in which calls are looked for. */
static const char *const texts[] = { "<tool_call>{ \"a\" ", "<tool_call>{</tool_call>", "```<tool_call>{ } ", "`<tool_call>   {}", "<tool_call>{}{}</tool_call>", "<tool_call>      " };

/* Microseconds. */
static int64_t look(const char *piece, int n)
{
    struct completion c;
    completion_init(&c);
    c.tools = true;
    for (int i = 0; i < n; i++)
        buf_add(&c.text, sv_from(piece));
    int64_t begun_us = spent_us();
    if (completion_calls_written(&c) != 0)
        bail_out("memory");
    int64_t took_us = spent_us() - begun_us;
    completion_fini(&c);
    return took_us;
}

static int64_t once(const char *piece, int n)
{
    struct completion c;
    struct buf out = { 0 };
    struct json_out o = { .b = &out };
    struct err e;
    int64_t begun_us = spent_us();
    completion_init(&c);
    for (int i = 0; i < n; i++)
        completion_add(&c, sv_from(piece));
    if (completion_judge(&c, &e) == COMPLETION_LARGE)
        bail_out("%s", e.text);
    completion_render(&o, &c);
    int64_t took_us = spent_us() - begun_us;
    completion_fini(&c);
    buf_fini(&out);
    return took_us;
}

static int64_t least(int64_t (*measure)(const char *piece, int n), const char *piece, int n)
{
    int64_t least_us = INT64_MAX;
    for (int i = 0; i < TRIES; i++) {
        int64_t us = measure(piece, n);
        least_us = us < least_us ? us : least_us;
    }
    return least_us;
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        int64_t few_us = least(once, all[i].piece, FEW), many_us = least(once, all[i].piece, FEW * TIMES);
        ok(many_us < RATIO * few_us, "%s: %d pieces in %lld us, %d in %lld us", all[i].name, FEW, (long long)few_us, FEW * TIMES, (long long)many_us);
    }
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int64_t few_us = least(look, texts[i], FEW), many_us = least(look, texts[i], FEW * TIMES);
        ok(many_us < RATIO * few_us + 100000, "\"%s\": %d times in %lld us, %d in %lld us", texts[i], FEW, (long long)few_us, FEW * TIMES, (long long)many_us);
    }
    return done_testing();
}
