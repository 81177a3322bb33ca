/* SPDX-License-Identifier: MIT
 * That the JSON of an answer is found in time that grows as the answer does, whatever stands there: all customers wait meanwhile. */
#include "config.h"

#include <time.h>

#include "outside/answer_block.h"
#include "t/tap.h"

#ifdef __SANITIZE_ADDRESS__
/* Else AddressSanitizer looks through all that memmem is given, whatever it finds, and that is what would be measured. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "intercept_memmem=0";
}
#endif

enum {
    SIZE = 128 * 1024,
    TIMES = 8,      /* the larger text is so much longer */
    RATIO_MAX = 24, /* and what grows with the square takes 64 times as long */
    TRIES = 9,
    LONG_US = 1000000,
};

struct row {
    const char *begin, *unit; /* the unit again and again */
};

static const struct row rows[] = {
    { "", "a " },
    { "", "`" },
    { "", "```\n" },
    { "", "\n" },
    /* fences that are none, or in strings, or never closed */
    { "", "\\```" },
    { "", "\\```{" },
    { "", "\\```{\"" },
    { "", "\\```json{\"a\":1" },
    { "", "```{\\" },
    { "", "```{\"\\" },
    { "", "```json" },
    { "", "```json " },
    { "", "```json {" },
    { "", "```json {\"" },
    { "", "```json\n{\"\n" },
    { "", "```\n{" },
    { "", "```\n{\"" },
    { "", "```\n{\"\"\"" },
    { "", "```[\"a" },
    { "", "```[[" },
    { "\"", "```{\"a\":\"" },
    { "", "\"```{\"" },
    { "", "\"```\n{\"a\":\"b\"}\n" },
    { "```{\"", "{\"a\":\"\n```\n" },
    { "", "```json // \"\n{" },
    { "", "```json // \"\n{\"" },
    { "", "```json // ```\n{\"" },
    { "", "```json\n// \\\n{\"a\":\"" },
    { "", "```json // " },
    { "```json\n", "// a\n" },
    { "```json\n", "// ```\n" },
    { "", "```{\"intent\n" },
    { "```{\"", "```{type" },
    /* many that are the customer's, ours, broken, or empty */
    { "", "```json\n{\"a\":1}\n```\n" },
    { "", "```json\n{\"a\":1,}\n```\n" },
    { "", "```json\n{\"a\":\"```\"}\n```\n" },
    { "", "```\n[[1]]\n```\n" },
    { "", "```json\n{\"actions\":[1],\"intent\":\"x\"}\n```\n" },
    { "", "```json\n{\"actions\":[,]}\n```\n" },
    { "", "```json\n{\"actions\":[\"\n```\n" },
    { "", "```json\n{\"actions\":[\"\n```\n\"" },
    { "", "```{\"actions\":\\\n```\n" },
    { "", "```json\n{}\n```\n" },
    { "", "```json\n[{\"type\":\"a\",\"data\":{}}]\n```\n" },
    /* one that is long */
    { "```json\n{\"actions\":[1", ",1" },
    { "```json\n{\"actions\":[\"", "```c\\n" },
    { "```json\n{\"actions\":[\"", "\n```c\n" },
    { "```json\n{\"", "actions" },
    { "```json\n{\"actions", "\\" },
    { "```json\n{\"actions", " " },
    { "```json\n", " " },
    { "{\"actions\":[1", ",1" },
    { "{\"", "type\" " },
    /* without a fence */
    { "", "{\"a\"\n" },
    { "", "{\"a\":\n" },
    { "", "{\"a\":1}\n" },
    { "", "{\"a\":\"\n" },
    { "", "{\"a\":\"}\n" },
    { "", "{a" },
    { "", "{ " },
    { "", "\n{" },
    { "a\n", "{\"a\":[\n```\n" },
    { "a\n{\"intent\":", "\"\n{\"b\":" },
};

static void write_text(struct buf *b, const struct row *row, size_t size)
{
    buf_clear(b);
    buf_add(b, sv_from(row->begin));
    while (b->n < size)
        buf_add(b, sv_from(row->unit));
}

/* Of this process alone: what else the machine does is not counted. */
static int64_t cpu_us(void)
{
    return (int64_t)clock() * 1000000 / CLOCKS_PER_SEC;
}

static int64_t time_once(struct sv text)
{
    struct answer_block b = { 0 };
    int64_t begun = cpu_us();
    int failed = answer_block_read(text, &b);
    int64_t took = cpu_us() - begun;
    answer_block_fini(&b);
    if (failed != 0)
        bail_out("no memory");
    return took + 1;
}

/* The least of several; one is enough where it is at most `enough`, or long in itself. */
static int64_t least(struct sv text, int64_t enough)
{
    int64_t best = INT64_MAX;
    for (int i = 0; i < TRIES && best > enough && (i == 0 || best < LONG_US); i++) {
        int64_t took = time_once(text);
        best = took < best ? took : best;
    }
    return best;
}

int main(void)
{
    struct buf small = { 0 }, large = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        write_text(&small, row, SIZE);
        write_text(&large, row, (size_t)SIZE * TIMES);
        int64_t one = least(buf_sv(&small), 0), limit = one * RATIO_MAX, many = least(buf_sv(&large), limit / 2);
        if (!ok(many < limit, "\"%s\", then \"%s\" again and again", row->begin, row->unit))
            diag("%d bytes take %lld us, %d times as many %lld us", SIZE, (long long)one, TIMES, (long long)many);
    }
    buf_fini(&small);
    buf_fini(&large);
    return done_testing();
}
