/* SPDX-License-Identifier: MIT
 * What in an answer's text is ours and what is the customer's, as models write it. */
#include "config.h"

#include "outside/answer_block.h"
#include "t/tap.h"

#define F(json) "```json\n" json "\n```"
#define BROKEN "{\"actions\":[{\"type\":\"transfer_to_agent\",}]}"
#define TEN "``` ``` ``` ``` ``` ``` ``` ``` ``` ``` "
#define DEEP "[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]"

struct row {
    const char *text;
    const char *known, *broken; /* NULL: none */
    const char *rest;           /* NULL: the text as it is */
};

static const struct row rows[] = {
    /* that can be read */
    { "Hi", NULL, NULL, NULL },
    { "Hi\n" F("{\"intent\":\"x\"}"), "{\"intent\":\"x\"}", NULL, "Hi" },
    { "Hi\n" F("{\"intent\":\"x\"}") "\nBye", "{\"intent\":\"x\"}", NULL, "Hi\nBye" },
    { "Hi\n```json\n{\"intent\":\"x\"}", "{\"intent\":\"x\"}", NULL, "Hi" },
    { "Hi ```\n{\"entities\":{}}``` ", "{\"entities\":{}}", NULL, "Hi" },
    { "Hi ```JSON5\n{\"entities\":{}}``` ", "{\"entities\":{}}", NULL, "Hi" },
    { F("{\"actions\":[],\"response_text\":\"Yes\"}"), "{\"actions\":[],\"response_text\":\"Yes\"}", NULL, "Yes" },
    { " {\"response_text\":\"Yes\",\"confidence\":0.5}\n", "{\"response_text\":\"Yes\",\"confidence\":0.5}", NULL, "Yes" },
    { "{\"intent\":\"x\"}", "{\"intent\":\"x\"}", NULL, "" },
    { "Hi\n" F("{\"intent\":null,\"confidence\":null}"), "{\"intent\":null,\"confidence\":null}", NULL, "Hi" },
    { "Hi\n" F("{\"intent\":\"x\",\"confidence\":\"high\"}"), "{\"intent\":\"x\",\"confidence\":\"high\"}", NULL, "Hi" },
    { F("{\"a\":1}") " ```json {\"intent\":\"```\"} ```", "{\"intent\":\"```\"}", NULL, F("{\"a\":1}") },
    { "Hi\n" F("{\"intent\":\"" TEN TEN "\"}") "\nBye", "{\"intent\":\"" TEN TEN "\"}", NULL, "Hi\nBye" },
    { "5\" and \\n```json\n{\"intent\":\"x\"}```", "{\"intent\":\"x\"}", NULL, "5\" and \\n" },
    { "\\```json\n{\"intent\":\"x\"}```", "{\"intent\":\"x\"}", NULL, "\\" },
    { "```c\nint i;\n``` and ```json\n{\"intent\":\"x\"}```", "{\"intent\":\"x\"}", NULL, "```c\nint i;\n``` and" },
    { "Hi\n" F("{\"intent\":\"x\"}") "\n" F("{\"actions\":[1],\"intent\":\"y\"}") "\nBye\n" F("{\"actions\":[2]}"), "{\"intent\":\"x\",\"actions\":[1,2]}", NULL, "Hi\nBye" },

    /* a list of actions, and comments */
    { "Hi\n" F("[{\"type\":\"a\",\"data\":{}},{\"type\":\"b\",\"data\":{\"x\":1}}]"), "{\"actions\":[{\"type\":\"a\",\"data\":{}},{\"type\":\"b\",\"data\":{\"x\":1}}]}", NULL, "Hi" },
    { F("[{\"type\":\"a\",\"data\":{}}]") F("{\"actions\":[1]}"), "{\"actions\":[{\"type\":\"a\",\"data\":{}},1]}", NULL, "" },
    { "Hi\n" F("[{\"type\":\"a\",\"data\":{\"a\":" DEEP "}}]"), NULL, "[{\"type\":\"a\",\"data\":{\"a\":" DEEP "}}]", "Hi" },
    { "Hi\n" F("// what the customer wants\n{\"intent\":\"x\"}"), "{\"intent\":\"x\"}", NULL, "Hi" },
    { "Hi\n" F("// 5\" wide\n{\"intent\":\"x\"}") "\nBye", "{\"intent\":\"x\"}", NULL, "Hi\nBye" },
    { "Hi\n" F("// in C:\\\n{\"intent\":\"```\"}"), "{\"intent\":\"```\"}", NULL, "Hi" },
    { "Hi\n" F("// one\n\n  // two\r\n{\"actions\":[],}"), NULL, "{\"actions\":[],}", "Hi" },
    { "Hi\n```json\n// one\n{\"int", NULL, "{\"int", "Hi" },
    { "Hi\n```json\n// one", NULL, NULL, "Hi" },

    /* without a fence, at the end */
    { "Hello\n\n{\"intent\":\"x\",\"confidence\":0.5}", "{\"intent\":\"x\",\"confidence\":0.5}", NULL, "Hello" },
    { "Hello\n  {\n  \"intent\": \"}\"\n}\n", "{\"intent\":\"}\"}", NULL, "Hello" },
    { "Hello\n" F("{\"response_text\":\"\",\"actions\":[1]}"), "{\"response_text\":\"\",\"actions\":[1]}", NULL, "Hello" },
    { "{\"response_text\":\"\",\"actions\":[1]}", "{\"response_text\":\"\",\"actions\":[1]}", NULL, "" },
    { "Hello\n{\"response_text\":\"Yes\"}", "{\"response_text\":\"Yes\"}", NULL, "Yes" },
    { "a " F("{\"intent\":\"x\"}") "\nb\n{\"entities\":{}}", "{\"intent\":\"x\",\"entities\":{}}", NULL, "a\nb" },
    { F("{\"a\":1}") "\n{\"intent\":\"x\"}", "{\"intent\":\"x\"}", NULL, F("{\"a\":1}") },
    { "One:\n{\"a\":1}\n{\"intent\":\"x\"}", "{\"intent\":\"x\"}", NULL, "One:\n{\"a\":1}" },
    { "One: \n{\"a\":\n{\"intent\":\"x\"}", NULL, "{\"a\":\n{\"intent\":\"x\"}", "One:" },
    { "Hello\n" BROKEN, NULL, BROKEN, "Hello" },
    { "Hello\n{\"intent\":\"x\",\"conf", NULL, "{\"intent\":\"x\",\"conf", "Hello" },
    { "Hello\n{'actions': [{'type': 'it's'}]}", NULL, "{'actions': [{'type': 'it's'}]}", "Hello" },
    { "Hello\n{\"actions\":{}}", NULL, "{\"actions\":{}}", "Hello" },

    /* that have nothing in them */
    { "Answer\n```json\n", NULL, NULL, "Answer" },
    { "Answer\n```json", NULL, NULL, "Answer" },
    { "Answer\n```JSON", NULL, NULL, "Answer" },
    { "Hello ```json", NULL, NULL, "Hello" },
    { "Hello ```json5", NULL, NULL, "Hello" },
    { "Hello\n```jsonc\n", NULL, NULL, "Hello" },
    { "Hello ```json5```", NULL, NULL, "Hello" },
    { "Hello\n```json\n```", NULL, NULL, "Hello" },
    { "Hello\n```json\n``` Bye", NULL, NULL, "Hello\nBye" },
    { "Hello\n" F("null"), NULL, NULL, "Hello" },
    { "Hello\n" F("{}") "\nBye", NULL, NULL, "Hello\nBye" },
    { "Hello\n```json\n{ }", NULL, NULL, "Hello" },
    { "Hello\n" F("[]"), NULL, NULL, "Hello" },
    { F("{}"), NULL, NULL, "" },
    { "a " F("") " b " F(BROKEN) " c " F("{\"intent\":\"x\"}"), "{\"intent\":\"x\"}", BROKEN, "a\nb\nc" },

    /* that cannot */
    { "Hi\n" F(BROKEN), NULL, BROKEN, "Hi" },
    { "Hi\n" F(BROKEN) "\nBye", NULL, BROKEN, "Hi\nBye" },
    { "Hi\n```json\n" BROKEN, NULL, BROKEN, "Hi" },
    { "Hi\n```\n" BROKEN "\n```", NULL, BROKEN, "Hi" },
    { F(BROKEN), NULL, BROKEN, "" },
    { BROKEN, NULL, BROKEN, "" },
    { " " BROKEN "\n", NULL, BROKEN, "" },
    { "Hi\n```json\n{\"actions\":[{\"type\":\"send_message\",\"data\":{\"mess", NULL, "{\"actions\":[{\"type\":\"send_message\",\"data\":{\"mess", "Hi" },
    { "Hi\n```json\n{\"int", NULL, "{\"int", "Hi" },
    { "Hi\n```json\n{", NULL, "{", "Hi" },
    { "Hi\n```json\n[\n", NULL, "[", "Hi" },
    { "{\"response_text\":\"Hi\",\"ac", NULL, "{\"response_text\":\"Hi\",\"ac", "" },
    { "{\"response_text\":\"Hi\"}\nBye", NULL, "{\"response_text\":\"Hi\"}\nBye", "" },
    { "{'actions': [{'type': 'end_conversation'}]}", NULL, "{'actions': [{'type': 'end_conversation'}]}", "" },
    { "Hi\n" F("{actions: []}"), NULL, "{actions: []}", "Hi" },
    { "Hi\n```\n{'actions': []}\n```", NULL, "{'actions': []}", "Hi" },
    { "Hi\n" F("{\\\"actions\\\": []}"), NULL, "{\\\"actions\\\": []}", "Hi" },
    { "Hi\n" F("{\xe2\x80\x9c" "actions\xe2\x80\x9d: []}"), NULL, "{\xe2\x80\x9c" "actions\xe2\x80\x9d: []}", "Hi" },
    { "Hi\n" F("[{\"type\":\"send_message\",\"data\":{\"message\":\"x\",}}]"), NULL, "[{\"type\":\"send_message\",\"data\":{\"message\":\"x\",}}]", "Hi" },
    { "Hi\n" F("{\"actions\":[{\"data\":{\"message\":\"```c\nx\n```\"}}]}") "\nBye", NULL, "{\"actions\":[{\"data\":{\"message\":\"```c\nx\n```\"}}]}", "Hi\nBye" },
    { "Hi\n" F("{\"actions\":[{\"data\":{\"mess") "\nBye", NULL, "{\"actions\":[{\"data\":{\"mess", "Hi\nBye" },
    { "Hi\n" F("{\"actions\":[{\"data\":{\"message\":\"a ``` b\"},}]}") "\nBye", NULL, "{\"actions\":[{\"data\":{\"message\":\"a ``` b\"},}]}", "Hi\nBye" },
    { "{\"intent\":\"x\",\"intent\":\"y\"}", NULL, "{\"intent\":\"x\",\"intent\":\"y\"}", "" },
    { "Hi\n" F("{\"intent\":\"x\",\"entities\":{\"a\":" DEEP "}}"), NULL, "{\"intent\":\"x\",\"entities\":{\"a\":" DEEP "}}", "Hi" },
    { "Hi\n" F("{\"actions\":{\"type\":\"end_conversation\"},\"intent\":\"x\"}"), NULL, "{\"actions\":{\"type\":\"end_conversation\"},\"intent\":\"x\"}", "Hi" },
    { "{\"response_text\":[\"Hi\"]}", NULL, "{\"response_text\":[\"Hi\"]}", "" },
    { "Hi\n" F("{\"confidence\":\"high\"}"), NULL, "{\"confidence\":\"high\"}", "Hi" },
    { "a " F(BROKEN) " b " F("{\"intent\":\"x\"}") " c " F("{\"entities\":}"), "{\"intent\":\"x\"}", BROKEN "\n{\"entities\":}", "a\nb\nc" },

    { "\\```json\n{\"actions\":\"```\"}", NULL, "{\"actions\":\"", "\\\n\"}" },

    /* the customer's */
    { "{\"a\":1}", NULL, NULL, NULL },
    { F("{\"a\":1}"), NULL, NULL, NULL },
    { F("{\"a\":1,}"), NULL, NULL, NULL },
    { "{\"a\":1,}", NULL, NULL, NULL },
    { F("{\"type\":\"shoe\",}"), NULL, NULL, NULL },
    { F("{\"type\":\"shoe\",\"data\":{}}"), NULL, NULL, NULL },
    { F("{\"list\":[{\"type\":\"shoe\",\"data\":{}}],\"transactions\":[]}"), NULL, NULL, NULL },
    { F("{\"transactions\":[],}"), NULL, NULL, NULL },
    { F("{\"a\":\"your actions\",}"), NULL, NULL, NULL },
    { F("[1,2,"), NULL, NULL, NULL },
    { F("{"), NULL, NULL, NULL },
    { "```js\nconst a = {actions: [}\n```", NULL, NULL, NULL },
    { "```\n{ state: {}, actions: {} }\n```", NULL, NULL, NULL },
    { "{ actions: {} }", NULL, NULL, NULL },
    { F("{ type: 'x', data: {} }"), NULL, NULL, NULL },
    { "```yaml\nactions:\n  - a\n```", NULL, NULL, NULL },
    { "```\nactions: [\n```", NULL, NULL, NULL },
    { "{name}, these are your actions: one", NULL, NULL, NULL },
    { "{ } actions: none", NULL, NULL, NULL },
    { "Our actions: one, two", NULL, NULL, NULL },
    { F("[{\"type\":\"a\",\"data\":{}},{\"type\":\"b\"}]"), NULL, NULL, NULL },
    { "```\n[{\"type\":\"a\",\"data\":{}}]\n```", NULL, NULL, NULL },
    { F("// so:\n{\"a\":1}"), NULL, NULL, NULL },
    { "Hello {\"intent\":\"x\"}", NULL, NULL, NULL },
    { "Hello\n{\"intent\":\"x\"}\nBye", NULL, NULL, NULL },
    { "Hello\n{\"a\":1}", NULL, NULL, NULL },
    { "Hello\n{\"a\":1,}", NULL, NULL, NULL },
    { "Hello\n{ actions: {} }", NULL, NULL, NULL },
    { "Hello\n{\"list\":[\n{\"intent\":\"x\"}\n]}", NULL, NULL, NULL },
    { "```js\n{\"actions\": [}\n```\nSo.", NULL, NULL, NULL },
    { "```js\n{\"intent\": 1}", NULL, NULL, NULL },
    { "Hello\n{", NULL, NULL, NULL },
    { "```\n{}\n```", NULL, NULL, NULL }, { "Hi ```jsonl", NULL, NULL, NULL }, { F("{\"a\":null}"), NULL, NULL, NULL },
    { "", NULL, NULL, NULL }, { " ", NULL, NULL, NULL }, { "```", NULL, NULL, NULL }, { "``````", NULL, NULL, NULL }, { "{", NULL, NULL, NULL }, { "``` \n{", NULL, NULL, NULL },
};

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *row = &rows[i];
        struct answer_block b = { 0 };
        struct buf known = { 0 };
        is_int(answer_block_read(sv_from(row->text), &b), 0, "\"%s\"", row->text);
        if (b.known != NULL)
            json_dump_to(&known, b.known);
        is_str(known.p, row->known, "what is known of \"%s\"", row->text);
        is_str(b.broken.p, row->broken, "what is broken of \"%s\"", row->text);
        is_str(b.rest.p != NULL ? b.rest.p : "", row->rest != NULL ? row->rest : row->text, "the rest of \"%s\"", row->text);
        buf_fini(&known);
        answer_block_fini(&b);
    }
    return done_testing();
}
