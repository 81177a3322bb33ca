/* SPDX-License-Identifier: MIT
 * Many actions in one answer: each once, the first hundred, and in time that grows as the answer does. */
#include "config.h"

#include <time.h>

#include "outside/openai_reply.h"
#include "t/tap.h"

enum {
    SIZE = 16 * 1024,
    TIMES = 8,      /* the larger answer is so much longer */
    RATIO_MAX = 24, /* and what grows with the square takes 64 times as long */
    TRIES = 9,
    LONG_US = 1000000, /* once is enough */
};

/* An answer of this text, with a call. */
static void complete(struct completion *c, struct sv text)
{
    struct buf b = { 0 };
    json_t *root = json_pack("{s:[{s:s,s:{s:s%,s:[{s:s,s:{s:s,s:s}}]}}]}", "choices", "finish_reason", "tool_calls", "message", "content", text.p, text.n, "tool_calls", "id", "a",
                             "function", "name", "call", "arguments", "{\"x\":[1,2],\"y\":{}}");
    if (root == NULL)
        bail_out("no memory");
    json_dump_to(&b, root);
    completion_init(c);
    completion_add_whole(c, buf_sv(&b));
    json_decref(root);
    buf_fini(&b);
}

/* An action is a number that no other one has, between these two. */
static void write_block(struct buf *b, const char *before, const char *after, size_t size)
{
    buf_clear(b);
    buf_add(b, SV("```json\n{\"actions\":["));
    for (int i = 0; b->n < size; i++)
        buf_printf(b, "%s%s%d%s", i > 0 ? "," : "", before, i, after);
    buf_add(b, SV("]}\n```"));
}

/* Of this process alone: what else the machine does is not counted. */
static int64_t cpu_us(void)
{
    return (int64_t)clock() * 1000000 / CLOCKS_PER_SEC;
}

static int64_t time_once(const struct completion *c)
{
    struct openai_reply r = { 0 };
    json_t *response, *actions;
    int64_t begun = cpu_us();
    if (openai_reply_add(&r, c, NULL) != 0 || openai_reply_make(&r, 0, "m", &response, &actions) != 0)
        bail_out("no memory");
    int64_t took = cpu_us() - begun;
    json_decref(response);
    json_decref(actions);
    openai_reply_fini(&r);
    return took + 1;
}

static int64_t least(struct buf *text)
{
    struct completion c;
    int64_t best = INT64_MAX;
    complete(&c, buf_sv(text));
    for (int i = 0; i < TRIES && (i == 0 || best < LONG_US); i++) {
        int64_t took = time_once(&c);
        best = took < best ? took : best;
    }
    completion_fini(&c);
    return best;
}

static void test_time(void)
{
    static const char *const rows[][2] = {
        { "", "" }, { "\"", "\"" }, { "[", "]" }, { "{\"type\":\"a\",\"data\":{\"message\":\"", "\"}}" }, { "{\"type\":\"", "\"}" }, { "{\"data\":", "}" },
    };
    struct buf small = { 0 }, large = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        write_block(&small, rows[i][0], rows[i][1], SIZE);
        write_block(&large, rows[i][0], rows[i][1], (size_t)SIZE * TIMES);
        int64_t one = least(&small), many = least(&large);
        if (!ok(many < one * RATIO_MAX, "actions that are numbers between %s and %s", rows[i][0], rows[i][1]))
            diag("%d bytes take %lld us, %d times as many %lld us", SIZE, (long long)one, TIMES, (long long)many);
    }
    buf_fini(&small);
    buf_fini(&large);
}

static void write_numbers(struct buf *b, int n)
{
    buf_add(b, SV("Hi\n```json\n{\"actions\":["));
    for (int i = 0; i < n; i++)
        buf_printf(b, "%s%d", i > 0 ? "," : "", i);
    buf_add(b, SV("]}\n```"));
}

static void test_many(int n, size_t kept)
{
    struct buf text = { 0 };
    struct completion c;
    struct openai_reply r = { 0 };
    json_t *response = NULL, *actions = NULL;
    write_numbers(&text, n);
    complete(&c, buf_sv(&text));
    is_int(openai_reply_add(&r, &c, NULL), 0, "%d actions and a call", n);
    is_int(openai_reply_make(&r, 0, "m", &response, &actions), 0, "%d: its answer", n);
    is_int(json_array_size(actions), 2 + kept, "%d: the text, the call, and so many", n);
    is_int(json_integer_value(json_array_get(actions, 1 + kept)), kept - 1, "%d: the first ones", n);
    is_int(r.left_out, (size_t)n - kept, "%d: the others are counted", n);
    is_str(json_sv(response, "response_text").p, "Hi", "%d: the text is said", n);
    json_decref(response);
    json_decref(actions);
    openai_reply_fini(&r);
    completion_fini(&c);
    buf_fini(&text);
}

/* In blocks, beside the call. */
static void test_same(void)
{
    static const struct {
        const char *actions;
        int n; /* of all, with the call */
    } rows[] = {
        { "{\"type\":\"call\",\"data\":{\"y\":{},\"x\":[1,2]}}", 1 },
        { "{\"data\":{\"x\":[1,2],\"y\":{}},\"why\":1,\"type\":\"call\"}", 1 },
        { "{\"type\":\"call\",\"data\":{\"x\":[2,1],\"y\":{}}}", 2 },
        { "{\"type\":\"call\",\"data\":{\"x\":[1.0,2],\"y\":{}}}", 2 },
        { "{\"type\":\"a\"},{\"type\":\"a\",\"data\":{}},{\"data\":{},\"type\":\"a\"}", 2 },
        { "{\"type\":\"a\"},{\"type\":\"a\",\"data\":null},{\"type\":\"a\",\"data\":[]}", 4 },
        { "1,\"1\",1,[1],{\"1\":1},null,\"1\"", 6 },
        { "{\"type\":\"a\",\"data\":{\"message\":\"\\u0000\"}}", 0 }, /* no JSON for us */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf text = { 0 };
        struct completion c;
        struct openai_reply r = { 0 };
        json_t *response = NULL, *actions = NULL;
        buf_printf(&text, "{\"actions\":[%s]}", rows[i].actions);
        complete(&c, buf_sv(&text));
        ok(openai_reply_add(&r, &c, NULL) == 0 && openai_reply_make(&r, 0, "m", &response, &actions) == 0, "a call and %s", rows[i].actions);
        if (rows[i].n > 0)
            is_int(json_array_size(actions), rows[i].n, "%s: each once", rows[i].actions);
        else
            ok(openai_reply_is_broken(&r), "%s: cannot be read", rows[i].actions);
        json_decref(response);
        json_decref(actions);
        openai_reply_fini(&r);
        completion_fini(&c);
        buf_fini(&text);
    }
}

int main(void)
{
    test_same();
    test_many(99, 99);
    test_many(OPENAI_REPLY_ACTIONS_MAX, OPENAI_REPLY_ACTIONS_MAX);
    test_many(OPENAI_REPLY_ACTIONS_MAX + 30, OPENAI_REPLY_ACTIONS_MAX);
    test_time();
    return done_testing();
}
