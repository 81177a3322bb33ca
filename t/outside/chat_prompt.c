/* SPDX-License-Identifier: MIT
 * What a service is asked: the members of the body, which messages fit into a budget, and what a round of corrections adds. */
#include "config.h"

#include <stdlib.h>

#include "outside/chat_prompt.h"
#include "outside/completion_read.h"
#include "t/tap.h"

static const struct chat_prompt_options usual = { .model = SV("m"), .system_prompt = SV("Be \"kind\"."), .context_tokens = 8000, .tools = true, .stream_usage = true };

static const struct ai_message talk[] = {
    { SV("user"), SV("\"one \\u00e0 \\\"x\\\"\""), 1, SV("\"m1\"") },
    { SV("assistant"), SV("\"two\""), 2, SV_NONE },
    { SV("system"), SV("\"three\""), 3, SV_NONE },
    { SV("agent"), SV("\"four\""), 4, SV_NONE },
    { SV("user"), SV("\"\""), 5, SV_NONE },
    { SV("user"), SV("\"five\""), 5, SV("\"m2\"") },
};

static struct ai_request asked(const struct ai_message *messages, size_t n)
{
    return (struct ai_request){ .message = SV("five"), .messages = messages, .messages_n = n, .tools = SV("[{\"type\":\"function\",\"function\":{\"name\":\"f\"}}]") };
}

/* The body, parsed: it must be JSON. */
static json_t *body_of(const struct chat_prompt *p)
{
    struct buf b = { 0 };
    struct err e = { 0 };
    chat_prompt_render(&b, p);
    json_t *j = json_read(buf_sv(&b), false, &e);
    if (j == NULL)
        bail_out("%s: %s", e.text, b.p);
    buf_fini(&b);
    return j;
}

static json_t *ask(const struct chat_prompt_options *o, const struct ai_request *r)
{
    struct chat_prompt p = { 0 };
    chat_prompt_init(&p, o, r);
    json_t *j = body_of(&p);
    chat_prompt_fini(&p);
    return j;
}

static struct sv message(const json_t *body, size_t n, const char *field)
{
    return json_sv(json_array_get(json_object_get(body, "messages"), n), field);
}

static size_t messages(const json_t *body)
{
    return json_array_size(json_object_get(body, "messages"));
}

static void partial(void *arg, struct sv text)
{
    (void)arg;
    (void)text;
}

static void test_members(void)
{
    struct ai_request r = asked(talk, ARRAY_LEN(talk));
    json_t *b = ask(&usual, &r);
    is_sv(json_sv(b, "model"), SV("m"), "model");
    is_int((int)json_array_size(json_object_get(b, "tools")), 1, "tools");
    is_sv(json_sv(b, "tool_choice"), SV("auto"), "tool_choice");
    ok(json_object_get(b, "stream") == NULL && json_object_get(b, "stream_options") == NULL && json_object_get(b, "max_tokens") == NULL, "nothing else");
    is_int((int)messages(b), 6, "the system's, and all but the empty one");
    is_sv(message(b, 0, "role"), SV("system"), "first what the model is told");
    ok(sv_starts(message(b, 0, "content"), SV("Be \"kind\".\n\n")), "the prompt of the settings first");
    has_str(message(b, 0, "content").p, "call one only when it is needed", "then what tools are for");
    has_str(message(b, 0, "content").p, "```json", "and which block may stand at the end");
    is_sv(message(b, 1, "role"), SV("user"), "a user's");
    is_sv(message(b, 1, "content"), SV("one \xc3\xa0 \"x\""), "as it was said");
    is_sv(message(b, 2, "role"), SV("assistant"), "the assistant's");
    is_sv(message(b, 3, "role"), SV("system"), "the system's");
    is_sv(message(b, 4, "role"), SV("assistant"), "a person's");
    is_sv(message(b, 4, "content"), SV("[agent] four"), "marked as such");
    is_sv(message(b, 5, "content"), SV("five"), "the question last");
    json_decref(b);

    struct chat_prompt_options o = usual;
    r.partial = partial;
    o.answer_tokens = 77;
    o.tools = false;
    b = ask(&o, &r);
    ok(json_is_true(json_object_get(b, "stream")), "a stream where somebody listens");
    ok(json_is_true(json_object_get(json_object_get(b, "stream_options"), "include_usage")), "with its usage");
    is_int(json_i64(b, "max_tokens", 0), 77, "max_tokens");
    ok(json_object_get(b, "max_completion_tokens") == NULL, "by this name alone");
    ok(json_object_get(b, "tools") == NULL && json_object_get(b, "tool_choice") == NULL, "no tools");
    has_str(message(b, 0, "content").p, "\"actions\"", "but actions in the block");
    has_str(message(b, 0, "content").p, "{\"name\":\"f\"}", "with their shapes");
    json_decref(b);
    o.stream_usage = false;
    b = ask(&o, &r);
    ok(json_object_get(b, "stream_options") == NULL, "a service that does not know stream_options");
    json_decref(b);
}

static void test_system_prompt(void)
{
    static const struct {
        struct sv bot, begins;
    } all[] = {
        { SV("{\"id\":\"b\",\"system_prompt\":\"You are \\\"B\\\"\\n\\u00e0.\",\"model\":null}"), SV("You are \"B\"\n\xc3\xa0.\n\n") },
        { SV("{\"system_prompt\":null}"), SV("Be \"kind\".\n\n") },
        { SV("{\"system_prompt\":\"\"}"), SV("Be \"kind\".\n\n") },
        { SV("{}"), SV("Be \"kind\".\n\n") },
        { SV_NONE, SV("Be \"kind\".\n\n") },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct ai_request r = asked(talk, ARRAY_LEN(talk));
        r.bot = all[i].bot;
        json_t *b = ask(&usual, &r);
        ok(sv_starts(message(b, 0, "content"), all[i].begins), "system prompt %zu: %s", i, message(b, 0, "content").p);
        ok(strstr(message(b, 0, "content").p, "kind") == NULL || i > 0, "one of them only");
        json_decref(b);
    }
    struct chat_prompt_options o = usual;
    o.system_prompt = SV("");
    struct ai_request r = asked(talk, ARRAY_LEN(talk));
    json_t *b = ask(&o, &r);
    ok(sv_starts(message(b, 0, "content"), SV("Your answer's text")), "no prompt at all");
    json_decref(b);
}

static void test_cost(void)
{
    static const struct {
        struct sv json;
        int cost;
    } all[] = {
        { SV("\"\""), 0 }, { SV_NONE, 0 }, { SV("\"abcd\""), 12 }, { SV("\"\\n\\\"\\\\\""), 9 }, { SV("\"\xc3\xa0\""), 8 }, { SV("\"\\u00e0\""), 8 }, { SV("\"\\u0041\""), 3 },
        { SV("\"\\ud83c\\udf00x\""), 11 }, { SV("\"\xf0\x9f\x8c\x80\""), 8 }, { SV("\"\\u1ebf\""), 8 },
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        is_int(chat_prompt_cost(all[i].json), all[i].cost, "cost of %.*s", SV_FMT(all[i].json));
}

static struct sv json_of(struct buf *b, char c, size_t n)
{
    buf_addc(b, '"');
    for (size_t i = 0; i < n; i++)
        buf_addc(b, c);
    buf_addc(b, '"');
    return buf_sv(b);
}

/* The estimate of everything that is asked. */
static int64_t whole_cost(const json_t *body)
{
    int64_t sum = 0;
    for (size_t i = 0; i < messages(body); i++) {
        struct buf b = { 0 };
        struct json_out o = { .b = &b };
        json_str(&o, message(body, i, "content"));
        sum += chat_prompt_cost(buf_sv(&b)) + 48;
        buf_fini(&b);
    }
    return sum;
}

static void test_budget(void)
{
    struct buf of_400 = { 0 }, of_40000 = { 0 };
    struct sv hundred = json_of(&of_400, 'a', 400), many = json_of(&of_40000, 'b', 40000); /* tokens: 100 and 10,000 */
    struct ai_message m[40];
    struct chat_prompt_options o = usual;
    for (size_t i = 0; i < ARRAY_LEN(m); i++)
        m[i] = (struct ai_message){ i % 2 == 0 ? SV("user") : SV("assistant"), hundred, 1, SV_NONE };
    struct ai_request r = asked(m, 39); /* the last one is the user's */
    size_t last = 0;
    for (o.context_tokens = 1000; o.context_tokens <= 8000; o.context_tokens += 250) {
        json_t *b = ask(&o, &r);
        ok(messages(b) >= last && messages(b) >= 2, "%lld tokens carry %zu messages", (long long)o.context_tokens, messages(b));
        ok(whole_cost(b) <= o.context_tokens * 12, "and are not exceeded");
        is_sv(message(b, messages(b) - 1, "role"), SV("user"), "the newest are kept");
        ok(strstr(message(b, 1, "content").p, "left out") == NULL, "older context leaves without a word");
        last = messages(b);
        json_decref(b);
    }
    is_int((int)last, 40, "all of it in the end");

    struct ai_message open[] = { { SV("user"), hundred, 1, SV_NONE }, { SV("assistant"), hundred, 2, SV_NONE }, { SV("user"), many, 3, SV_NONE }, { SV("user"), SV("\"last\""), 4, SV_NONE } };
    r = asked(open, 4);
    o.context_tokens = 2000;
    json_t *b = ask(&o, &r);
    is_int((int)messages(b), 3, "what is to be answered is too large: no context");
    ok(sv_starts(message(b, 1, "content"), SV("[What was said before this is left out.]\nbbb")), "its oldest part is cut");
    ok(message(b, 1, "content").n > 3000 && whole_cost(b) <= 24000, "to what there is room for: %zu bytes", message(b, 1, "content").n);
    is_sv(message(b, 2, "content"), SV("last"), "the newest is whole");
    json_decref(b);

    r = asked(&open[2], 1);
    o.context_tokens = 256; /* the fixed paragraph alone has nearly as much */
    b = ask(&o, &r);
    is_int((int)messages(b), 2, "however little there is, the question is asked");
    ok(message(b, 1, "content").n > 100, "with some of its text");
    json_decref(b);
    buf_fini(&of_400);
    buf_fini(&of_40000);
}

/* Between characters, wherever the budget falls. */
static void test_cut(void)
{
    static const char *const units[] = { "\xe1\xba\xbf", "\\u1ebf", "\\ud83c\\udf00", "\\n", "\\\\", "\xf0\x9f\x8c\x80" };
    struct chat_prompt_options o = usual;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        struct buf text = { 0 };
        buf_addc(&text, '"');
        for (int k = 0; k < 4000; k++)
            buf_add(&text, sv_from(units[i]));
        buf_addc(&text, '"');
        struct ai_message m = { SV("agent"), buf_sv(&text), 1, SV_NONE };
        struct ai_request r = asked(&m, 1);
        bool good = true;
        for (o.context_tokens = 300; o.context_tokens < 340; o.context_tokens++) {
            json_t *b = ask(&o, &r); /* which reads it strictly */
            good = good && sv_starts(message(b, 1, "content"), SV("[What was said before this is left out.]\n[agent] ")) && message(b, 1, "content").n < 2000;
            json_decref(b);
        }
        ok(good, "cut between two of %s", units[i]);
        buf_fini(&text);
    }
}

static void test_nothing_said(void)
{
    struct ai_message empty = { SV("user"), SV("\"\""), 1, SV_NONE };
    struct ai_request r = asked(&empty, 1);
    json_t *b = ask(&usual, &r);
    is_int((int)messages(b), 2, "no text in any message");
    is_sv(message(b, 1, "content"), SV("five"), "the newest message's own");
    json_decref(b);
}

static const char *verdict(void *arg, size_t call)
{
    (void)arg;
    return call == 1 ? "unknown_type" : NULL;
}

static void test_round(void)
{
    static const char answer[] = "{\"choices\":[{\"message\":{\"content\":\"a\",\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"},\"x\":1},"
                                 "{\"id\":\"z\",\"function\":{\"name\":\"g\",\"arguments\":\"{\"}}]},\"finish_reason\":\"tool_calls\"}]}";
    struct ai_request r = asked(talk, ARRAY_LEN(talk));
    struct completion c;
    struct chat_prompt p = { 0 };
    completion_init(&c);
    completion_add_whole(&c, sv_from(answer));
    chat_prompt_init(&p, &usual, &r);
    chat_prompt_add_round(&p, &c, verdict, NULL);
    json_t *b = body_of(&p), *list = json_object_get(b, "messages");
    is_int((int)messages(b), 9, "the answer, and a message for each call");
    json_t *calls = json_object_get(json_array_get(list, 6), "tool_calls");
    is_sv(message(b, 6, "content"), SV("a"), "the answer as it came");
    is_int(json_i64(json_array_get(calls, 0), "x", 0), 1, "with what is not known here");
    is_sv(message(b, 7, "role"), SV("tool"), "right behind it");
    is_sv(message(b, 7, "tool_call_id"), json_sv(json_array_get(calls, 0), "id"), "the first call's");
    is_sv(message(b, 7, "content"), SV("{\"ok\":true}"), "that it was right");
    is_sv(message(b, 8, "tool_call_id"), SV("z"), "the second's");
    has_str(message(b, 8, "content").p, "{\"error\":\"unknown_type\"", "why it was not");
    json_decref(b);
    chat_prompt_add_round(&p, &c, verdict, NULL);
    b = body_of(&p);
    is_int((int)messages(b), 12, "another round");
    json_decref(b);
    chat_prompt_fini(&p);
    completion_fini(&c);
}

int main(void)
{
    test_members();
    test_system_prompt();
    test_cost();
    test_budget();
    test_cut();
    test_nothing_said();
    test_round();
    return done_testing();
}
