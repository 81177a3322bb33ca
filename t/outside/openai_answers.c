/* SPDX-License-Identifier: MIT
 * What in the text of an answer is not for the customer, and what becomes of the answer then: JSON blocks that cannot be read, what the model thought,
 * control characters; each cut in six ways. What is taken for a block or a thought stands in t/outside/answer_block.c and thoughts.c. */
#include "config.h"

#include "t/outside/openai_rows.h"
#include "t/tap.h"

#define SAYS(t) STREAM(TEXT(t) FINISH("stop") DONE)
#define MESSAGE(t) "{\"type\":\"send_message\",\"data\":{\"message\":\"" t "\"}}"
#define DROPPED(t) "[{\"type\":\"json_block\",\"data\":{\"text\":\"" t "\"},\"reason\":\"unreadable\"}]"
/* Inside a JSON string. */
#define FENCE(json) "```json\\n" json "\\n```"
#define COMMA "{\\\"actions\\\":[{\\\"type\\\":\\\"transfer_to_agent\\\",}]}"
#define CUT "{\\\"actions\\\":[{\\\"type\\\":\\\"send_message\\\",\\\"data\\\":{\\\"mess"
#define LIST(items) "{\\\"actions\\\":[" items "]}"
#define PICK "{\\\"type\\\":\\\"send_quick_replies\\\",\\\"data\\\":{\\\"message\\\":\\\"Pick\\\",\\\"quick_replies\\\":[\\\"x\\\"]}}"
#define PICKED "{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"Pick\",\"quick_replies\":[\"x\"]}}"
#define OTHER "{\\\"type\\\":\\\"send_message\\\",\\\"data\\\":{\\\"message\\\":\\\"Other\\\"}}"
#define TRANSFER "{\\\"type\\\":\\\"transfer_to_agent\\\"}"
#define TRANSFERRED "{\"type\":\"transfer_to_agent\",\"data\":{}}"
/* A text, and calls beside it. */
#define BESIDE(text, calls) WHOLE(ONE("{\"content\":\"" text "\",\"tool_calls\":[" calls "]}", "\"tool_calls\""))
#define TO_AGENT CALL("a", "transfer_to_agent", "{}")
#define WRITTEN(name, arguments) "<tool_call>\\n{\\\"name\\\": \\\"" name "\\\", \\\"arguments\\\": " arguments "}\\n</tool_call>"
#define WRONG CALL("a", "format_disk", "{}")
#define RIGHT "{\\\"actions\\\":[{\\\"type\\\":\\\"transfer_to_agent\\\"}]}"

static const struct openai_row rows[] = {
    /* a block that cannot be read, and a text */
    ROW("a comma too many", SAYS("Sure.\\n" FENCE(COMMA)), (), AI_ANSWERED, 1, SAID("Sure."), DROPPED(COMMA), .response = "{\"response_text\":\"Sure.\",\"processing"),
    ROW("behind it, too", SAYS("Sure.\\n" FENCE(COMMA) "\\nBye."), (), AI_ANSWERED, 1, SAID("Sure.\\nBye."), DROPPED(COMMA)),
    ROW("no fence at its end", SAYS("Sure.\\n```json\\n" COMMA), (), AI_ANSWERED, 1, SAID("Sure."), DROPPED(COMMA)),
    ROW("cut without a word", SAYS("Sure.\\n```json\\n" CUT), (), AI_ANSWERED, 1, SAID("Sure."), DROPPED(CUT)),
    ROW("cut at once", SAYS("Sure.\\n```json\\n{"), (), AI_ANSWERED, 1, SAID("Sure."), DROPPED("{")),
    ROW("one that is right beside it", SAYS("Sure.\\n" FENCE(COMMA) "\\n" FENCE(RIGHT)), (), AI_ANSWERED, 1, "[" MESSAGE("Sure.") ",{\"type\":\"transfer_to_agent\",\"data\":{}}]", DROPPED(COMMA)),
    ROW("two that are right", SAYS("Sure.\\n" FENCE(RIGHT) "\\n" FENCE("{\\\"actions\\\":[{\\\"type\\\":\\\"end_conversation\\\"}],\\\"intent\\\":\\\"x\\\"}")), (), AI_ANSWERED, 1,
        "[" MESSAGE("Sure.") ",{\"type\":\"transfer_to_agent\",\"data\":{}},{\"type\":\"end_conversation\",\"data\":{}}]", .response = "\"response_text\":\"Sure.\",\"intent\":\"x\""),
    ROW("a call beside it", WHOLE(ONE("{\"content\":\"Bye\\n" FENCE(COMMA) "\",\"tool_calls\":[" CALL("a", "end_conversation", "{}") "]}", "\"tool_calls\"")), (), AI_ANSWERED, 1,
        "[" MESSAGE("Bye") ",{\"type\":\"end_conversation\",\"data\":{}}]", DROPPED(COMMA), .response = "\"response_text\":\"Bye\"", .whole = true),
    ROW("a call alone beside it", WHOLE(ONE("{\"content\":\"" COMMA "\",\"tool_calls\":[" CALL("a", "end_conversation", "{}") "]}", "\"tool_calls\"")), (), AI_ANSWERED, 1,
        "[{\"type\":\"end_conversation\",\"data\":{}}]", DROPPED(COMMA), .response = "\"response_text\":\"\"", .whole = true),

    /* a block's actions, and the text around it */
    ROW("the text is said first", SAYS("Answer\\n" FENCE(LIST(PICK))), (), AI_ANSWERED, 1, "[" MESSAGE("Answer") "," PICKED "]", .response = "{\"response_text\":\"Answer\",\"processing"),
    ROW("that between two blocks, too", SAYS("a\\n" FENCE(LIST(PICK)) "\\nb\\n" FENCE(LIST(TRANSFER)) "\\nc"), (), AI_ANSWERED, 1, "[" MESSAGE("a\\nb\\nc") "," PICKED "," TRANSFERRED "]",
        .response = "{\"response_text\":\"a\\nb\\nc\",\"processing"),
    ROW("unless the block has a message", SAYS("Answer\\n" FENCE(LIST(PICK "," OTHER))), (), AI_ANSWERED, 1, "[" PICKED "," MESSAGE("Other") "]", .response = "{\"response_text\":\"Answer\""),
    ROW("or says the same", SAYS("Pick\\n" FENCE(LIST(PICK))), (), AI_ANSWERED, 1, "[" PICKED "]"),
    ROW("a message without a text is none", SAYS("Answer\\n" FENCE(LIST("{\\\"type\\\":\\\"send_message\\\"}," PICK))), (), AI_ANSWERED, 1, "[" MESSAGE("Answer") "," PICKED "]",
        "[{\"type\":\"send_message\",\"data\":{},\"reason\":\"data_message_required\"}]"),
    ROW("a block alone", SAYS(FENCE(LIST(PICK))), (), AI_ANSWERED, 1, "[" PICKED "]", .response = "{\"response_text\":\"\""),
    ROW("what it does twice is done twice", SAYS(FENCE(LIST(OTHER "," OTHER))), (), AI_ANSWERED, 1, "[" MESSAGE("Other") "," MESSAGE("Other") "]"),

    ROW("an object without a fence", SAYS("Answer\\n\\n" LIST(PICK)), (), AI_ANSWERED, 1, "[" MESSAGE("Answer") "," PICKED "]", .response = "{\"response_text\":\"Answer\",\"processing"),
    ROW("one that cannot be read", SAYS("Answer\\n\\n" CUT), (), AI_ANSWERED, 1, SAID("Answer"), DROPPED(CUT)),
    ROW("a list", SAYS("Answer\\n" FENCE("[" PICK "]")), (), AI_ANSWERED, 1, "[" MESSAGE("Answer") "," PICKED "]", .response = "{\"response_text\":\"Answer\",\"processing"),
    ROW("a comment in front of it", SAYS("Answer\\n" FENCE("// so\\n" LIST(PICK))), (), AI_ANSWERED, 1, "[" MESSAGE("Answer") "," PICKED "]"),

    /* a block's actions, and calls */
    ROW("behind them", BESIDE("Answer\\n" FENCE(LIST(PICK)), TO_AGENT), (), AI_ANSWERED, 1, "[" MESSAGE("Answer") "," TRANSFERRED "," PICKED "]", .whole = true),
    ROW("each once", BESIDE(FENCE(LIST(PICK "," TRANSFER "," PICK)), TO_AGENT), (), AI_ANSWERED, 1, "[" TRANSFERRED "," PICKED "]", .whole = true),
    ROW("wrong ones are dropped", BESIDE(FENCE(LIST("{\\\"type\\\":\\\"format_disk\\\",\\\"data\\\":{}},1")), TO_AGENT), (), AI_ANSWERED, 1, "[" TRANSFERRED "]",
        "[{\"type\":\"format_disk\",\"data\":{},\"reason\":\"unknown_type\"},{\"type\":\"unknown\",\"data\":{},\"reason\":\"not_an_action\"}]", .whole = true),
    ROW("with a message of its own", BESIDE("Answer\\n" FENCE(LIST(OTHER)), TO_AGENT), (), AI_ANSWERED, 1, "[" TRANSFERRED "," MESSAGE("Other") "]", .whole = true),
    ROW("beside a call that is put right", BESIDE("Answer\\n" FENCE(LIST(PICK)), WRONG), (CALLS(TO_AGENT)), AI_ANSWERED, 2, "[" MESSAGE("Answer") "," TRANSFERRED "," PICKED "]", .whole = true),
    ROW("and by a text", BESIDE("No\\n" FENCE(LIST(OTHER "," PICK)), WRONG), (SAYS("Sure.\\n" FENCE(LIST(PICK "," TRANSFER)))), AI_ANSWERED, 2,
        "[" MESSAGE("Sure.") "," MESSAGE("Other") "," PICKED "," TRANSFERRED "]", .whole = true),

    /* blocks with nothing in them */
    ROW("an open fence at the end", SAYS("Answer\\n```json\\n"), (), AI_ANSWERED, 1, SAID("Answer"), .response = "{\"response_text\":\"Answer\",\"processing"),
    ROW("an empty object in one", SAYS("Answer\\n" FENCE("{}")), (), AI_ANSWERED, 1, SAID("Answer")),
    ROW("nothing but that, at first", SAYS(FENCE("{}")), (SAYS("Hi")), AI_ANSWERED, 2, SAID("Hi")),
    ROW("nothing but nulls", SAYS("{\\\"response_text\\\":null,\\\"actions\\\":null}"), (), AI_INVALID, 3, NULL, .error = "answer is empty"),
    ROW("nulls beside a text", SAYS("Hi\\n" FENCE("{\\\"response_text\\\":null,\\\"actions\\\":null}")), (), AI_ANSWERED, 1, SAID("Hi")),
    ROW("nothing, behind a text that was said", WHOLE(ONE("{\"content\":\"Sure.\",\"tool_calls\":[" CALL("a", "format_disk", "{}") "]}", "\"tool_calls\"")), (SAYS("```json")), AI_ANSWERED, 2, SAID("Sure."),
        .whole = true),

    /* nothing but such a block */
    ROW("it is put right", SAYS(FENCE(COMMA)), (SAYS("Sure.\\n" FENCE(RIGHT))), AI_ANSWERED, 2, "[" MESSAGE("Sure.") ",{\"type\":\"transfer_to_agent\",\"data\":{}}]"),
    ROW("an object as a whole is, too", SAYS("{\\\"response_text\\\":\\\"Sure.\\\",}"), (SAYS("{\\\"response_text\\\":\\\"Sure.\\\"}")), AI_ANSWERED, 2, SAID("Sure.")),
    ROW("in the third round", SAYS(COMMA), (SAYS("```json\\n" CUT), SAYS("Sure.")), AI_ANSWERED, 3, SAID("Sure.")),
    ROW("never", SAYS(COMMA), (), AI_INVALID, 3, NULL, .error = "cannot be read"),
    ROW("never, in a whole completion", WHOLE(ONE("{\"content\":\"" CUT "\"}", "\"stop\"")), (), AI_INVALID, 3, NULL, .error = "cannot be read", .whole = true),
    ROW("the round fails", SAYS(COMMA), (ERROR("400 X", "")), AI_REFUSED, 2, NULL),
    ROW("it comes behind a text that was said", WHOLE(ONE("{\"content\":\"Sure.\",\"tool_calls\":[" CALL("a", "format_disk", "{}") "]}", "\"tool_calls\"")), (SAYS(COMMA)), AI_ANSWERED, 2, SAID("Sure."),
        DROPPED(COMMA), .whole = true),
    ROW("a call that is wrong beside it", WHOLE(ONE("{\"content\":\"" COMMA "\",\"tool_calls\":[" CALL("a", "format_disk", "{}") "]}", "\"tool_calls\"")), (SAYS("Sure.")), AI_ANSWERED, 2, SAID("Sure."),
        .whole = true),
    ROW("and both stay wrong", WHOLE(ONE("{\"content\":\"" COMMA "\",\"tool_calls\":[" CALL("a", "format_disk", "{}") "]}", "\"tool_calls\"")), (), AI_INVALID, 3, NULL, .error = "cannot be read",
        .whole = true),

    /* the customer's */
    ROW("JSON that he wanted, with a comma too many", SAYS(FENCE("{\\\"a\\\":1,}")), (), AI_ANSWERED, 1, SAID(FENCE("{\\\"a\\\":1,}"))),
    ROW("all of it JSON", SAYS("{\\\"a\\\":1,}"), (), AI_ANSWERED, 1, SAID("{\\\"a\\\":1,}")),
    ROW("code", SAYS("So:\\n```js\\nconst a = {actions: [};\\n```"), (), AI_ANSWERED, 1, SAID("So:\\n```js\\nconst a = {actions: [};\\n```")),

    /* thoughts */
    ROW("thoughts", SAYS("<think>\\nHm.\\n</think>\\n\\nHi"), (), AI_ANSWERED, 1, SAID("Hi"), .response = "{\"response_text\":\"Hi\""),
    ROW("thoughts in many chunks", STREAM(TEXT("<th") TEXT("ink>Hm") TEXT(" {\\\"actions\\\":") TEXT("</thi") TEXT("nk") TEXT(">") TEXT("\\n\\n") TEXT("Hi") FINISH("stop") DONE), (), AI_ANSWERED, 1, SAID("Hi")),
    ROW("that began in the template", SAYS("Hm.\\n</think>\\n\\nHi"), (), AI_ANSWERED, 1, SAID("Hi"), .response = "{\"response_text\":\"Hi\""),
    ROW("in a whole completion", WHOLE(ONE("{\"content\":\"<think>Hm.</think>Hi\"}", "\"stop\"")), (), AI_ANSWERED, 1, SAID("Hi"), .whole = true),
    ROW("of another name", SAYS("[THINK]Hm.[/THINK]Hi"), (), AI_ANSWERED, 1, SAID("Hi")),
    ROW("in members of their own", STREAM(DELTA("{\"reasoning_content\":\"Hm\"}") DELTA("{\"reasoning\":\"hm\",\"reasoning_details\":[{\"text\":\"hm\"}]}") TEXT("Hi") FINISH("stop") DONE), (), AI_ANSWERED, 1,
        SAID("Hi"), .response = "{\"response_text\":\"Hi\",\"processing"),
    ROW("and nothing else, at first", SAYS("<think>Hm.</think>\\n"), (SAYS("Hi")), AI_ANSWERED, 2, SAID("Hi")),
    ROW("and nothing else in a member of their own", STREAM(DELTA("{\"reasoning_content\":\"Hm\"}") FINISH("stop") DONE), (SAYS("Hi")), AI_ANSWERED, 2, SAID("Hi")),
    ROW("that never end", SAYS("<think>Hm. Hi"), (), AI_INVALID, 3, NULL, .error = "empty"),
    ROW("cut by the bound", STREAM(TEXT("<think>Hm.") FINISH("length") DONE), (), AI_INVALID, 3, NULL, .error = "(length)"),
    ROW("a tag within a text", SAYS("Write <think> and </think>."), (), AI_ANSWERED, 1, SAID("Write <think> and </think>.")),
    ROW("a block behind them", SAYS("<think>```json {\\\"actions\\\":[</think>Sure.\\n" FENCE(RIGHT)), (), AI_ANSWERED, 1, "[" MESSAGE("Sure.") ",{\"type\":\"transfer_to_agent\",\"data\":{}}]"),
    ROW("a block behind them that cannot be read", SAYS("<think>Hm</think>" FENCE(COMMA)), (SAYS("<think>Hm</think>Sure.")), AI_ANSWERED, 2, SAID("Sure.")),
    ROW("a call behind them", WHOLE(ONE("{\"content\":\"<think>Hm.\",\"tool_calls\":[" CALL("a", "end_conversation", "{}") "]}", "\"tool_calls\"")), (), AI_ANSWERED, 1,
        "[{\"type\":\"end_conversation\",\"data\":{}}]", .response = "{\"response_text\":\"\"", .whole = true),

    /* calls that the server has left in the text */
    ROW("a call in the text", SAYS("Sure.\\n" WRITTEN("send_message", "{\\\"message\\\":\\\"Pick\\\"}") "\\n" WRITTEN("transfer_to_agent", "{}")), (), AI_ANSWERED, 1,
        "[" MESSAGE("Sure.") "," MESSAGE("Pick") "," TRANSFERRED "]", .response = "{\"response_text\":\"Sure.\",\"processing"),
    ROW("alone, and not closed", SAYS("<tool_call>{\\\"name\\\":\\\"transfer_to_agent\\\",\\\"parameters\\\":{}}"), (), AI_ANSWERED, 1, "[" TRANSFERRED "]", .response = "{\"response_text\":\"\""),
    ROW("arguments in a string, or none", SAYS(WRITTEN("send_message", "\\\"{\\\\\\\"message\\\\\\\":\\\\\\\"Pick\\\\\\\"}\\\"") "<tool_call>{\\\"name\\\":\\\"end_conversation\\\"}</tool_call>"), (), AI_ANSWERED, 1,
        "[" MESSAGE("Pick") ",{\"type\":\"end_conversation\",\"data\":{}}]"),
    ROW("behind thoughts", SAYS("<think>A <tool_call>\\n{?</think>\\n\\n" WRITTEN("transfer_to_agent", "{}")), (), AI_ANSWERED, 1, "[" TRANSFERRED "]"),
    ROW("beside one that is none of the text", BESIDE("Hi\\n" WRITTEN("end_conversation", "{}"), TO_AGENT), (), AI_ANSWERED, 1, "[" MESSAGE("Hi") "," TRANSFERRED ",{\"type\":\"end_conversation\",\"data\":{}}]", .whole = true),
    ROW("one that is wrong is put right", SAYS(WRITTEN("format_disk", "{}")), (SAYS("Sure.")), AI_ANSWERED, 2, SAID("Sure.")),
    ROW("one that cannot be read is dropped where there is a text", SAYS("Sure.\\n<tool_call>\\n{\\\"name\\\":\\n</tool_call>"), (), AI_ANSWERED, 1, SAID("Sure."), DROPPED("{\\\"name\\\":")),
    ROW("else it is put right", SAYS("<tool_call>\\n{\\\"name\\\":\\n</tool_call>"), (SAYS("<tool_call>\\n{\\\"name\\\": \\\"transfer_to_agent\\\", \\\"arguments\\\": {}}\\n</tool_call>")), AI_ANSWERED, 2, "[" TRANSFERRED "]"),
    ROW("or never", SAYS("<tool_call>{'name':'x'}</tool_call>"), (), AI_INVALID, 3, NULL, .error = "cannot be read"),
    ROW("a list is no argument", SAYS("<tool_call>\\n{\\\"name\\\": \\\"send_message\\\", \\\"arguments\\\": [1]}\\n</tool_call>"), (SAYS("Sure.")), AI_ANSWERED, 2, SAID("Sure.")),
    ROW("another form cannot be read", SAYS("<tool_call>\\n<function=send_message>\\n<parameter=message>\\nHi\\n</parameter>\\n</function>\\n</tool_call>"), (SAYS("Hi")), AI_ANSWERED, 2, SAID("Hi")),
    ROW("its end within a string", SAYS("<tool_call>\\n{\\\"name\\\": \\\"send_message\\\", \\\"arguments\\\": {\\\"message\\\": \\\"It is </tool_call>, {\\\\\\\"x\\\\\\\"\\\"}}\\n</tool_call>"), (), AI_ANSWERED, 1, SAID("It is </tool_call>, {\\\"x\\\"")),
    ROW("in the middle of a line", SAYS("Wait. <tool_call>\\n{\\\"name\\\": \\\"transfer_to_agent\\\", \\\"arguments\\\": {}}\\n</tool_call> and <tool_call>\\n{\\\"name\\\": \\\"end_conversation\\\", \\\"arguments\\\": {}}\\n</tool_call> Bye."), (), AI_ANSWERED, 1, "[" MESSAGE("Wait.\\nand\\nBye.") "," TRANSFERRED ",{\"type\":\"end_conversation\",\"data\":{}}" "]"),
    ROW("tags that are repeated", SAYS("<tool_call>\\n<tool_call>\\n{\\\"name\\\": \\\"transfer_to_agent\\\", \\\"arguments\\\": {}}\\n</tool_call>\\n</tool_call>\\n"), (), AI_ANSWERED, 1, "[" TRANSFERRED "]"),
    ROW("two in one", SAYS("<tool_call>{\\\"name\\\":\\\"transfer_to_agent\\\"}\\n{\\\"name\\\":\\\"end_conversation\\\"}</tool_call>"), (), AI_ANSWERED, 1, "[" TRANSFERRED ",{\"type\":\"end_conversation\",\"data\":{}}" "]"),
    ROW("a forgotten end, and a text", SAYS("<tool_call>{\\\"name\\\":\\\"transfer_to_agent\\\"}\\nBye."), (), AI_ANSWERED, 1, "[" MESSAGE("Bye.") "," TRANSFERRED "]"),
    ROW("one in a fence is code", SAYS("So:\\n```\\n<tool_call>\\n{\\\"name\\\": \\\"transfer_to_agent\\\", \\\"arguments\\\": {}}\\n</tool_call>\\n```"), (), AI_ANSWERED, 1, SAID("So:\\n```\\n<tool_call>\\n{\\\"name\\\": \\\"transfer_to_agent\\\", \\\"arguments\\\": {}}\\n</tool_call>\\n```")),
    ROW("one behind a fence is none", SAYS("```\\na\\n```\\n<tool_call>\\n{\\\"name\\\": \\\"transfer_to_agent\\\", \\\"arguments\\\": {}}\\n</tool_call>"), (), AI_ANSWERED, 1, "[" MESSAGE("```\\na\\n```") "," TRANSFERRED "]"),
    ROW("one in quotation marks is text", SAYS("Write `<tool_call>{}</tool_call>`."), (), AI_ANSWERED, 1, SAID("Write `<tool_call>{}</tool_call>`.")),
    ROW("a text about it is text", SAYS("Write <tool_call> and\\n<tool_call> please"), (), AI_ANSWERED, 1, SAID("Write <tool_call> and\\n<tool_call> please")),
    ROW("an object behind a mark of the byte order", SAYS("\xef\xbb\xbf{\\\"response_text\\\":\\\"Hi\\\"}"), (), AI_ANSWERED, 1, SAID("Hi")),

    /* controls */
    ROW("control characters", SAYS("H\\u0008i\\u001b[1m\\u0085you\\u007f\\r\\n\\u2028"), (), AI_ANSWERED, 1, SAID("Hi[1m\\nyou\\n\\n"), .response = "{\"response_text\":\"Hi[1m\\nyou\\n\\n\""),
    ROW("nothing else, at first", SAYS("\\u0007\\u0085"), (SAYS("Hi")), AI_ANSWERED, 2, SAID("Hi")),
    ROW("in a call", CALLS(CALL("a", "send_message", "{\\\"message\\\":\\\"H\\\\u0008i\\\"}")), (), AI_ANSWERED, 1, SAID("Hi"), .whole = true),
    ROW("in a block", SAYS(FENCE("{\\\"actions\\\":[{\\\"type\\\":\\\"send_message\\\",\\\"data\\\":{\\\"message\\\":\\\"H\\\\u0008i\\\"}}]}")), (), AI_ANSWERED, 1, SAID("Hi")),
    ROW("joined, combining and directed", SAYS("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 Ti\xc3\xaa\xcc\x81ng \xe2\x80\xae"), (), AI_ANSWERED, 1,
        SAID("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 Ti\xc3\xaa\xcc\x81ng \xe2\x80\xae")),
};

/* What the model is told in the round between. */
static void test_told_back(struct rig *r)
{
    static const struct peer_step steps[] = {
        WHOLE(ONE("{\"content\":\"<think>Hm.</think>\\n\\n" COMMA "\"}", "\"stop\"")),
        WHOLE(ONE("{\"content\":\"Sure.\"}", "\"stop\"")),
    };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct ai_openai_options o = openai_options(peer_port(p));
    struct ai *ai = openai_opened(r, &o);
    struct ai_request q = openai_question(false);
    struct told t = { 0 };
    ask_and_wait(r, ai, &q, &t);
    const char *second = peer_request(p, 1);
    if (second == NULL)
        bail_out("no second request");
    has_str(second, "\r\nIdempotency-Key: turn-1.2\r\n", "a question of its own");
    has_str(second, "{\"role\":\"assistant\",\"content\":\"" COMMA "\"},{\"role\":\"user\",\"content\":\"[The JSON in your answer cannot be read", "the answer as it came, but for its thoughts, and what is wrong with it");
    ok(strstr(second, "Hm.") == NULL, "nothing of what was thought");
    ai_close(ai);
    peer_stop(p);
    told_free(&t);
}

int main(void)
{
    static const int pieces[] = { 1, 2, 3, 7, 13, 40 };
    struct rig r;
    rig_open(&r, NULL);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        openai_rows(&r, rows, ARRAY_LEN(rows), pieces[i]);
    test_told_back(&r);
    rig_close(&r);
    openai_rig_free();
    return done_testing();
}
