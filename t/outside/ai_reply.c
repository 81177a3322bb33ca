/* SPDX-License-Identifier: MIT
 * The question as it is written, and what is taken and refused of answers. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "outside/ai_reply.h"
#include "t/tap.h"

struct reply_case {
    const char *name, *body;
    const char *text;     /* response_text; NULL: the answer is refused */
    const char *response; /* the whole response, when that matters */
    const char *actions;  /* NULL: none */
};

#define FILLED "\"processing_time_ms\":12,\"model_used\":\"m1\""

static const struct reply_case cases[] = {
    { "the text alone", "{\"response_text\":\"hi\"}", "hi", "{\"response_text\":\"hi\"," FILLED "}", NULL },
    { "an empty text", "{\"response_text\":\"\"}", "", NULL, NULL },
    { "the seed's object",
      "{\"response_text\":\"Ch\\u00e0o\",\"intent\":\"i\",\"confidence\":0.75,\"entities\":{\"a\":\"b\"},\"processing_"
      "time_ms\":1234.5,"
      "\"model_used\":\"gpt-4\"}",
      "Ch\xc3\xa0o",
      "{\"response_text\":\"Ch\xc3\xa0o\",\"intent\":\"i\",\"confidence\":0.75,\"entities\":{\"a\":\"b\"},\"processing_"
      "time_ms\":1234.5,"
      "\"model_used\":\"gpt-4\"}",
      NULL },
    { "wrapped, with actions",
      "{\"ai_response\":{\"response_text\":\"hi\"},\"actions\":[{\"type\":\"end_conversation\"}]}", "hi",
      "{\"response_text\":\"hi\"," FILLED "}", "[{\"type\":\"end_conversation\"}]" },
    { "wrapped, without actions", "{\"ai_response\":{\"response_text\":\"hi\"}}", "hi", NULL, NULL },
    { "actions beside the text", "{\"response_text\":\"hi\",\"actions\":[1,2]}", "hi",
      "{\"response_text\":\"hi\"," FILLED "}", "[1,2]" },
    { "actions inside the wrapped object", "{\"ai_response\":{\"response_text\":\"hi\",\"actions\":[3]}}", "hi",
      "{\"response_text\":\"hi\"," FILLED "}", "[3]" },
    { "the outer actions win", "{\"ai_response\":{\"response_text\":\"hi\",\"actions\":[3]},\"actions\":[4]}", "hi",
      "{\"response_text\":\"hi\"," FILLED "}", "[4]" },
    { "no actions, said with null", "{\"response_text\":\"hi\",\"actions\":null}", "hi",
      "{\"response_text\":\"hi\"," FILLED "}", NULL },
    { "empty actions", "{\"response_text\":\"hi\",\"actions\":[]}", "hi", NULL, "[]" },
    { "other fields stay", "{\"response_text\":\"hi\",\"usage\":{\"t\":1}}", "hi",
      "{\"response_text\":\"hi\",\"usage\":{\"t\":1}," FILLED "}", NULL },
    { "optional fields of a wrong type are left out",
      "{\"response_text\":\"hi\",\"intent\":1,\"confidence\":\"high\",\"entities\":[],\"processing_time_ms\":\"x\","
      "\"model_used\":{}}",
      "hi", "{\"response_text\":\"hi\"," FILLED "}", NULL },
    { "null for optional fields", "{\"response_text\":\"hi\",\"intent\":null,\"model_used\":null,\"entities\":null}",
      "hi", "{\"response_text\":\"hi\"," FILLED "}", NULL },
    { "no text", "{\"intent\":\"x\"}", NULL, NULL, NULL },
    { "text is a number", "{\"response_text\":1}", NULL, NULL, NULL },
    { "text is null", "{\"response_text\":null}", NULL, NULL, NULL },
    { "wrapped text is an array", "{\"ai_response\":{\"response_text\":[]}}", NULL, NULL, NULL },
    { "ai_response is a string", "{\"ai_response\":\"hi\"}", NULL, NULL, NULL },
    { "ai_response is null", "{\"ai_response\":null,\"response_text\":\"hi\"}", NULL, NULL, NULL },
    { "actions is an object", "{\"response_text\":\"hi\",\"actions\":{}}", NULL, NULL, NULL },
    { "actions is a string", "{\"response_text\":\"hi\",\"actions\":\"[]\"}", NULL, NULL, NULL },
    { "an array", "[{\"response_text\":\"hi\"}]", NULL, NULL, NULL },
    { "a string", "\"hi\"", NULL, NULL, NULL },
    { "nothing", "", NULL, NULL, NULL },
    { "no JSON", "<html>", NULL, NULL, NULL },
    { "cut", "{\"response_text\":\"hi\"", NULL, NULL, NULL },
    { "something behind it", "{\"response_text\":\"hi\"} x", NULL, NULL, NULL },
    { "bad UTF-8", "{\"response_text\":\"\xff\"}", NULL, NULL, NULL },
    { "half a surrogate", "{\"response_text\":\"\\ud800\"}", NULL, NULL, NULL },
    { "a NUL in the text", "{\"response_text\":\"a\\u0000b\"}", NULL, NULL, NULL },
    { "the same key twice", "{\"response_text\":\"a\",\"response_text\":\"b\"}", NULL, NULL, NULL },
};

static char *dump(const json_t *value)
{
    struct buf b = { 0 };
    if (value != NULL)
        json_dump_to(&b, value);
    return buf_take(&b);
}

static void test_cases(void)
{
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct reply_case *c = &cases[i];
        struct ai_reply r;
        struct err e = { 0 };
        int rc = ai_reply_read(sv_from(c->body), 12, "m1", &r, &e);
        is_int(rc, c->text != NULL ? 0 : -1, "%s", c->name);
        if (rc != 0) {
            is_int(e.code, ERR_INVALID, "%s: %s", c->name, e.text);
            ok(r.response == NULL && r.actions == NULL, "%s: nothing is left", c->name);
            continue;
        }
        char *response = dump(r.response), *actions = dump(r.actions);
        is_sv(json_sv(r.response, "response_text"), sv_from(c->text), "%s: text", c->name);
        if (c->response != NULL)
            is_str(response, c->response, "%s: response", c->name);
        is_str(actions, c->actions, "%s: actions", c->name);
        ai_reply_fini(&r);
        free(response);
        free(actions);
    }
}

static void test_deep(void)
{
    struct buf b = { 0 };
    struct ai_reply r;
    struct err e;
    buf_add(&b, SV("{\"response_text\":\"x\",\"entities\":"));
    for (int i = 0; i < 100000; i++)
        buf_add(&b, SV("{\"a\":"));
    is_int(ai_reply_read(buf_sv(&b), 1, "m", &r, &e), -1, "deeper than any reply: %s", e.text);
    buf_fini(&b);
}

static void test_request(void)
{
    const struct ai_message messages[] = {
        { SV("user"), SV("\"a \\\"b\\\"\""), 1699123456789, SV("\"m1\"") },
        { SV("assistant"), SV("\"\xc3\xa1\""), 1699123457000, SV_NONE },
        { SV("user"), SV("\"c\""), 1699123458001, SV("\"m2\"") },
    };
    struct ai_request q = { .conversation_id = SV("c\"1"),
                            .message_id = SV("m2"),
                            .message = SV("c"),
                            .messages = messages,
                            .messages_n = 3,
                            .metadata = SV("{\"platform\":\"web\"}"),
                            .bot = SV("{\"id\":\"b\"}") };
    struct buf b = { 0 };
    ai_request_render(&b, &q);
    is_str(b.p,
           "{\"conversation_id\":\"c\\\"1\",\"message_id\":\"m2\",\"message\":\"c\",\"messages\":["
           "{\"role\":\"user\",\"content\":\"a \\\"b\\\"\",\"timestamp\":1699123456.789,\"message_id\":\"m1\"},"
           "{\"role\":\"assistant\",\"content\":\"\xc3\xa1\",\"timestamp\":1699123457.000,\"message_id\":null},"
           "{\"role\":\"user\",\"content\":\"c\",\"timestamp\":1699123458.001,\"message_id\":\"m2\"}],"
           "\"metadata\":{\"platform\":\"web\"},\"bot\":{\"id\":\"b\"}}",
           "the question");
    buf_fini(&b);
    q = (struct ai_request){ .conversation_id = SV("c"), .message_id = SV("m"), .message = SV("") };
    ai_request_render(&b, &q);
    is_str(
        b.p,
        "{\"conversation_id\":\"c\",\"message_id\":\"m\",\"message\":\"\",\"messages\":[],\"metadata\":{},\"bot\":{}}",
        "the least of one");
    buf_fini(&b);
}

int main(void)
{
    test_cases();
    test_deep();
    test_request();
    return done_testing();
}
