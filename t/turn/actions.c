/* SPDX-License-Identifier: MIT
 * What of an AI's answer is to be executed, said and dropped; and that no control character gets to a platform. */
#include "config.h"

#include "outside/ai.h"
#include "t/tap.h"
#include "turn/actions.h"

#define MESSAGE(t) "{\"type\":\"send_message\",\"data\":{\"message\":\"" t "\"}}"
#define BLOCK(list) "```json\\n{\\\"actions\\\":" list "}\\n```"

static const struct row {
    const char *name, *response, *actions;
    const char *good, *bad, *text;
    const char *as; /* the response that goes on; NULL: as it came */
} rows[] = {
    { "a text", "{\"response_text\":\"Hi\"}", NULL, "[" MESSAGE("Hi") "]", "[]", "Hi", NULL },
    { "no text", "{\"response_text\":\"\"}", NULL, "[]", "[]", "", NULL },
    { "actions", "{\"response_text\":\"Hi\"}", "[{\"type\":\"transfer_to_agent\"}]", "[{\"type\":\"transfer_to_agent\",\"data\":{}}]", "[]", "Hi", NULL },
    { "none of which is right", "{\"response_text\":\"Hi\"}", "[{\"type\":\"x\",\"data\":{\"a\":1}},7]", "[" MESSAGE("Hi") "]",
      "[{\"type\":\"x\",\"data\":{\"a\":1},\"reason\":\"unknown_type\"},{\"type\":\"unknown\",\"data\":{},\"reason\":\"not_an_action\"}]", "Hi", NULL },
    { "a block", "{\"response_text\":\"Hi\\n" BLOCK("[{\\\"type\\\":\\\"end_conversation\\\"}]") "\"}", NULL, "[{\"type\":\"end_conversation\",\"data\":{}}," MESSAGE("Hi") "]", "[]", "Hi",
      "{\"response_text\":\"Hi\"}" },
    { "a block that could not be read", "{\"response_text\":\"Hi\"}", "[" MESSAGE("Hi") ",{\"type\":\"" AI_BLOCK "\",\"data\":{\"text\":\"{\"}}]", "[" MESSAGE("Hi") "]",
      "[{\"type\":\"json_block\",\"data\":{\"text\":\"{\"},\"reason\":\"unreadable\"}]", "Hi", NULL },

    /* controls */
    { "controls in a text", "{\"response_text\":\"a\\u0007b\\r\\nc\\u0085\\u2028d\\u007f\",\"intent\":\"x\"}", NULL, "[" MESSAGE("ab\\nc\\n\\nd") "]", "[]", "ab\nc\n\nd",
      "{\"response_text\":\"ab\\nc\\n\\nd\",\"intent\":\"x\"}" },
    { "nothing else in it", "{\"response_text\":\"\\u0007\"}", NULL, "[]", "[]", "", "{\"response_text\":\"\"}" },
    { "controls in actions", "{\"response_text\":\"Hi\"}", "[{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"a\\u001b[0m\",\"quick_replies\":[\"\\u0001b\",{\"title\":\"c\\u009f\"}]}}]",
      "[{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"a[0m\",\"quick_replies\":[\"b\",{\"title\":\"c\"}]}}]", "[]", "Hi", NULL },
    { "an action that says nothing else", "{\"response_text\":\"Hi\"}", "[" MESSAGE("\\u0007") "]", "[" MESSAGE("Hi") "]",
      "[{\"type\":\"send_message\",\"data\":{\"message\":\"\"},\"reason\":\"data_message_required\"}]", "Hi", NULL },
    { "controls in a block's text and its actions", "{\"response_text\":\"H\\u0008i\\r\\n" BLOCK("[{\\\"type\\\":\\\"send_message\\\",\\\"data\\\":{\\\"message\\\":\\\"a\\\\u0008\\\"}}]") "\"}", NULL,
      "[" MESSAGE("a") "]", "[]", "Hi", "{\"response_text\":\"Hi\"}" },
    { "what is no control", "{\"response_text\":\"\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xc3\xaa\xcc\x81\\t\xe2\x80\xae\"}", NULL,
      "[" MESSAGE("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xc3\xaa\xcc\x81\\t\xe2\x80\xae") "]", "[]", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xc3\xaa\xcc\x81\t\xe2\x80\xae", NULL },
};

static void test_row(const struct row *row)
{
    struct arena *a = arena_new(0, 1 << 20);
    struct reply reply;
    struct err e = { 0 };
    json_t *response = json_read(sv_from(row->response), false, NULL), *actions = row->actions != NULL ? json_read(sv_from(row->actions), false, NULL) : NULL;
    json_t *before = json_deep_copy(response);
    is_int(actions_extract(a, response, actions, &reply, &e), 0, "%s: %s", row->name, e.text);
    is_sv(reply.actions, sv_from(row->good), "%s: actions", row->name);
    is_sv(reply.dropped, sv_from(row->bad), "%s: dropped", row->name);
    is_sv(reply.text, sv_from(row->text), "%s: text", row->name);
    is_sv(reply.response, sv_from(row->as != NULL ? row->as : row->response), "%s: response", row->name);
    ok(json_equal(response, before), "%s: what came is as it was", row->name);
    json_decref(before);
    json_decref(actions);
    json_decref(response);
    arena_free(a);
}

int main(void)
{
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        test_row(&rows[i]);
    return done_testing();
}
