/* SPDX-License-Identifier: MIT
 * The provider openai against a server that says exactly what services were seen to say: what is tried again, what is asked back, what becomes of
 * each answer. What a body alone means stands in t/outside/completion.c. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "outside/ai.h"
#include "t/outside/openai_rows.h"
#include "t/tap.h"

/* ---- what becomes of answers ---- */

static const struct openai_row rows[] = {
    /* good ones */
    ROW("a stream", GOOD, (), AI_ANSWERED, 1, SAID("ok")),
    ROW("a whole completion", WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\"")), (), AI_ANSWERED, 1, SAID("ok"), .whole = true,
        .response = "\"model_used\":\"gpt\",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2,\"total_tokens\":7},\"finish_reason\":\"stop\""),
    ROW("a stream to one who did not ask", GOOD, (), AI_ANSWERED, 1, SAID("ok"), .whole = true),
    ROW("a completion to one who asked for a stream", WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\"")), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("comments", STREAM(": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n" TEXT("ok") ":\n\n" FINISH("stop") DONE), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("no [DONE]", STREAM(TEXT("ok") FINISH("stop")), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("no finish_reason", STREAM(TEXT("ok") DONE), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("usage in a last chunk of its own",
        STREAM(TEXT("ok") FINISH("stop") DATA("{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}}") DONE), (), AI_ANSWERED, 1, SAID("ok"),
        .response = "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":1,\"total_tokens\":4}"),
    ROW("content null, absent, and reasoning", STREAM(DELTA("{\"role\":\"assistant\",\"content\":null}") DELTA("{\"reasoning_content\":\"hm\"}") DELTA("{}") TEXT("ok") FINISH("stop") DONE),
        (), AI_ANSWERED, 1, SAID("ok")),
    ROW("a BOM and CR alone", STREAM("\xef\xbb\xbf" "data: {\"choices\":[{\"delta\":{\"content\":\"ok\"}}]}\r\rdata: [DONE]\r\r"), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("the connection stays open behind [DONE]", RAW(.answer = HEAD("200 OK", "text/event-stream") TEXT("ok") FINISH("stop") DONE), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("and behind finish_reason", RAW(.answer = HEAD("200 OK", "text/event-stream") TEXT("ok") FINISH("stop")), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("cut behind its end", RAW(.answer = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" TEXT("ok") FINISH("stop") DONE, .then = PEER_CLOSE), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("a character cut in halves", STREAM(TEXT("a\\ud83d") TEXT("\\ude00b") FINISH("stop") DONE), (), AI_ANSWERED, 1, SAID("a\xef\xbf\xbd\xef\xbf\xbd" "b")),
    ROW("a NUL", WHOLE(ONE("{\"content\":\"o\\u0000k\"}", "\"stop\"")), (), AI_ANSWERED, 1, SAID("ok"), .whole = true),

    /* such as fail, and pass */
    ROW("an error within a stream", STREAM(TEXT("no") DATA("{\"error\":{\"code\":502,\"message\":\"x\"},\"choices\":[]}") DONE), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("an error instead of a stream", WHOLE("{\"error\":{\"type\":\"overloaded_error\"}}"), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("an error instead of a completion", WHOLE("{\"error\":{\"type\":\"overloaded_error\"}}"), (WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\""))), AI_ANSWERED, 2, SAID("ok"),
        .whole = true),
    ROW("choices empty", STREAM(DATA("{\"choices\":[]}") DONE), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("nothing said", STREAM(FINISH("stop") DONE), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("the end without an end", STREAM(TEXT("no")), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("the end within a call", STREAM(DELTA("{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"send_message\",\"arguments\":\"{\\\"me\"}}]}")), (GOOD),
        AI_ANSWERED, 2, SAID("ok")),
    ROW("cut in the middle", RAW(.answer = "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" TEXT("no"), .then = PEER_RESET), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("half a completion", RAW(.answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{\"choices\":[", .then = PEER_CLOSE),
        (WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\""))), AI_ANSWERED, 2, SAID("ok"), .whole = true),
    ROW("no connection", RAW(.then = PEER_RESET), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("length", STREAM(TEXT("no") FINISH("length") DONE), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("no UTF-8", STREAM(TEXT("\xff") FINISH("stop") DONE), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("a page", RAW(.answer = HEAD("200 OK", "text/html") "<html>", .then = PEER_CLOSE), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("408 and 409", ERROR("408 X", ""), (ERROR("409 X", "{}"), GOOD), AI_ANSWERED, 3, SAID("ok")),
    ROW("500 and 503", ERROR("500 X", "oops"), (ERROR("503 X", ""), GOOD), AI_ANSWERED, 3, SAID("ok")),
    ROW("429 with seconds", LATER("1"), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("429 with a date long ago", LATER("Wed, 21 Oct 2015 07:28:00 GMT"), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("no first byte", RAW(.then = PEER_HANG), (GOOD), AI_ANSWERED, 2, SAID("ok"), .first_byte_ms = 400),
    ROW("silence", RAW(.answer = HEAD("200 OK", "text/event-stream") TEXT("no"), .then = PEER_HANG), (GOOD), AI_ANSWERED, 2, SAID("ok"), .silence_ms = 400),
    ROW("who is slow with a whole answer is waited for", RAW(.answer = WHOLE_OK, .delay_ms = 900, .then = PEER_CLOSE), (), AI_ANSWERED, 1, SAID("ok"), .first_byte_ms = 300, .whole = true),
    ROW("and who begins it long before", RAW(.answer = WHOLE_OK, .pieces = 2, .pause_ms = 900, .then = PEER_CLOSE), (), AI_ANSWERED, 1, SAID("ok"), .silence_ms = 300, .whole = true),
    ROW("but not longer than there is time", RAW(.then = PEER_HANG), (GOOD), AI_UNREACHABLE, 1, NULL, .first_byte_ms = 100, .silence_ms = 100, .timeout_ms = 900, .whole = true),

    /* such as fail for good */
    ROW("length, always", STREAM(TEXT("no") FINISH("length") DONE), (STREAM(TEXT("no") FINISH("length") DONE)), AI_INVALID, 3, NULL, .error = "(length)"),
    ROW("503, always", ERROR("503 X", ""), (), AI_UNREACHABLE, 1, NULL, .error = "status 503", .retries = -1),
    ROW("an error, always", WHOLE("{\"error\":{\"code\":502}}"), (), AI_UNREACHABLE, 1, NULL, .error = "502", .retries = -1),
    ROW("cut, always", STREAM(TEXT("no")), (), AI_UNREACHABLE, 1, NULL, .error = "ends before its end", .retries = -1),
    ROW("Retry-After beyond the time", LATER("60"), (GOOD), AI_UNREACHABLE, 1, NULL, .error = "status 429", .timeout_ms = 5000, .retry_after_ms = 60000),
    ROW("a date beyond the time", LATER("Wed, 21 Oct 2099 07:28:00 GMT"), (GOOD), AI_UNREACHABLE, 1, NULL, .error = "status 429", .timeout_ms = 5000, .retry_after_ms = 86400000),
    ROW("429, no quota", ERROR("429 X", "{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"sk-secret\"}}"), (GOOD), AI_DENIED, 1, NULL, .error = "insufficient_quota"),
    ROW("400", ERROR("400 X", "{\"error\":{\"code\":\"unknown_parameter\",\"param\":\"stream_options\"}}"), (GOOD), AI_REFUSED, 1, NULL, .error = "stream_options"),
    ROW("401", ERROR("401 X", "{\"error\":{\"message\":\"wrong key sk-secret\"}}"), (GOOD), AI_DENIED, 1, NULL, .error = "status 401"),
    ROW("401 with the token for a code", ERROR("401 X", "{\"error\":{\"type\":\"denied\",\"code\":\"key_sk-secret\",\"param\":\"p\"}}"), (GOOD), AI_DENIED, 1, NULL, .error = "status 401: denied, key_[masked]"),
    ROW("the same within a 200", WHOLE("{\"error\":{\"type\":\"invalid_api_key\",\"code\":\"x.sk-secret\"}}"), (GOOD), AI_DENIED, 1, NULL, .error = "invalid_api_key, x.[masked]"),
    ROW("403", ERROR("403 X", ""), (GOOD), AI_REFUSED, 1, NULL, .error = "status 403"),
    ROW("404", ERROR("404 X", "<html>"), (GOOD), AI_DENIED, 1, NULL, .error = "status 404"),
    ROW("a redirect", RAW(.answer = "HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"), (GOOD), AI_DENIED, 1, NULL, .error = "status 302"),
    ROW("a line behind its end that was cut", RAW(.answer = HEAD("200 OK", "text/event-stream") TEXT("ok") FINISH("stop") "data: {\"choices\":[],\"usage\":{\"prompt_tok", .then = PEER_CLOSE), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("a line behind its end that is none", STREAM(TEXT("ok") FINISH("stop") "data: bye\n\n"), (), AI_ANSWERED, 1, SAID("ok")),
    ROW("one before its end that is none", STREAM(TEXT("no") "data: bye\n\n" FINISH("stop")), (GOOD), AI_ANSWERED, 2, SAID("ok")),
    ROW("an invalid key within a 200, in words", WHOLE("{\"error\":\"Invalid API key\"}"), (GOOD), AI_DENIED, 1, NULL, .error = "an error"),
    ROW("402", ERROR("402 X", ""), (GOOD), AI_DENIED, 1, NULL, .error = "status 402"),
    ROW("400, no such model", ERROR("400 X", "{\"error\":{\"type\":\"invalid_request_error\",\"code\":\"model_not_found\"}}"), (GOOD), AI_DENIED, 1, NULL, .error = "model_not_found"),
    ROW("404 within a 200", WHOLE("{\"error\":{\"message\":\"x\",\"code\":404}}"), (GOOD), AI_DENIED, 1, NULL, .error = "404"),
    ROW("a long question, within a 200", WHOLE("{\"error\":{\"code\":\"context_length_exceeded\",\"type\":\"invalid_request_error\"}}"), (GOOD), AI_REFUSED, 1, NULL, .error = "context_length"),
    ROW("no quota, within a 200", STREAM(DATA("{\"error\":{\"code\":\"insufficient_quota\"}}")), (GOOD), AI_DENIED, 1, NULL, .error = "insufficient_quota"),
    ROW("a refusal", STREAM(DELTA("{\"refusal\":\"no\"}") FINISH("stop") DONE), (GOOD), AI_REFUSED, 1, NULL, .error = "refuses"),
    ROW("content_filter", WHOLE(ONE("{\"content\":\"n\"}", "\"content_filter\"")), (GOOD), AI_REFUSED, 1, NULL, .error = "content_filter", .whole = true),
    ROW("no HTTP", RAW(.answer = "oops\r\n\r\n", .then = PEER_CLOSE), (GOOD), AI_INVALID, 1, NULL),
    ROW("a huge completion", RAW(.answer = HEAD("200 OK", "application/json") "          ", .repeat = 1200000, .then = PEER_CLOSE), (GOOD), AI_INVALID, 1, NULL, .whole = true),
    ROW("a huge text", RAW(.answer = HEAD("200 OK", "text/event-stream") TEXT("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"),
                         .repeat = 60000, .then = PEER_CLOSE), (GOOD), AI_INVALID, 1, NULL, .error = "too large"),
    ROW("too late", RAW(.then = PEER_HANG), (GOOD), AI_UNREACHABLE, 1, NULL, .timeout_ms = 300),

    /* calls */
    ROW("a call", CALLS(CALL("a", "transfer_to_agent", "")), (), AI_ANSWERED, 1, "[{\"type\":\"transfer_to_agent\",\"data\":{}}]", .whole = true),
    ROW("a text beside it is said first", WHOLE(ONE("{\"content\":\" Bye. \",\"tool_calls\":[" CALL("a", "end_conversation", "{}") "]}", "\"tool_calls\"")), (), AI_ANSWERED, 1,
        "[{\"type\":\"send_message\",\"data\":{\"message\":\"Bye.\"}},{\"type\":\"end_conversation\",\"data\":{}}]", .whole = true),
    ROW("unless a call says it", WHOLE(ONE("{\"content\":\"Hi\\n\",\"tool_calls\":[" CALL("a", "send_message", "{\\\"message\\\":\\\"Hi\\\"}") "]}", "\"tool_calls\"")), (), AI_ANSWERED, 1,
        SAID("Hi"), .whole = true),
    ROW("the same call twice counts once", CALLS(CALL("a", "send_message", "{\\\"message\\\":\\\"Hi\\\"}") "," CALL("b", "send_message", "{ \\\"message\\\": \\\"Hi\\\" }")), (), AI_ANSWERED, 1,
        SAID("Hi"), .whole = true),
    ROW("a stream of calls without an index", STREAM(DELTA("{\"tool_calls\":[{\"id\":\"a\",\"function\":{\"name\":\"send_message\",\"arguments\":\"{\\\"message\\\":\"}}]}")
            DELTA("{\"tool_calls\":[{\"function\":{\"arguments\":\"\\\"Hi\\\"}\"}}]}") DELTA("{\"tool_calls\":[{\"id\":\"b\",\"function\":{\"name\":\"end_conversation\"}}]}") FINISH("tool_calls") DONE),
        (), AI_ANSWERED, 1, "[{\"type\":\"send_message\",\"data\":{\"message\":\"Hi\"}},{\"type\":\"end_conversation\",\"data\":{}}]"),
    ROW("unknown, then right", CALLS(CALL("a", "format_disk", "{}")), (CALLS(CALL("b", "transfer_to_agent", "{}"))), AI_ANSWERED, 2,
        "[{\"type\":\"transfer_to_agent\",\"data\":{}}]", .response = "\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":4,\"total_tokens\":14}", .whole = true),
    ROW("one is right, one is mended, the right one is said again",
        CALLS(CALL("a", "send_message", "{\\\"message\\\":\\\"Hi\\\"}") "," CALL("b", "send_quick_replies", "{\\\"message\\\":\\\"q\\\"}")),
        (CALLS(CALL("c", "send_message", "{\\\"message\\\":\\\"Hi\\\"}") "," CALL("d", "send_quick_replies", "{\\\"message\\\":\\\"q\\\",\\\"quick_replies\\\":[\\\"x\\\"]}"))), AI_ANSWERED, 2,
        "[{\"type\":\"send_message\",\"data\":{\"message\":\"Hi\"}},{\"type\":\"send_quick_replies\",\"data\":{\"message\":\"q\",\"quick_replies\":[\"x\"]}}]", .whole = true),
    ROW("a key twice, then a text", CALLS(CALL("a", "send_message", "{\\\"message\\\":\\\"a\\\",\\\"message\\\":\\\"b\\\"}")), (WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\""))), AI_ANSWERED, 2,
        SAID("ok"), .whole = true),
    ROW("never right", CALLS(CALL("a", "send_message", "{\\\"text\\\":1}") "," CALL("b", "end_conversation", "{\\\"")), (CALLS(CALL("a", "send_message", "{\\\"text\\\":1}") "," CALL("b", "end_conversation", "{\\\""))),
        AI_ANSWERED, 3, "[]",
        "[{\"type\":\"send_message\",\"data\":{\"text\":1},\"reason\":\"data_message_required\"},{\"type\":\"end_conversation\",\"data\":{},\"reason\":\"data_is_no_object\"}]", .whole = true),
    ROW("a round that cannot be asked takes nothing away", CALLS(CALL("a", "send_message", "{\\\"message\\\":\\\"Hi\\\"}") "," CALL("b", "format_disk", "{}")), (ERROR("400 X", "")), AI_ANSWERED, 2,
        SAID("Hi"), "[{\"type\":\"format_disk\",\"data\":{},\"reason\":\"unknown_type\"}]", .whole = true),
    ROW("but one that had nothing fails with it", CALLS(CALL("b", "format_disk", "{}")), (ERROR("400 X", "")), AI_REFUSED, 2, NULL, .whole = true),
    ROW("a round that is tried again", CALLS(CALL("a", "format_disk", "{}")), (ERROR("503 X", ""), CALLS(CALL("b", "transfer_to_agent", "{}"))), AI_ANSWERED, 3,
        "[{\"type\":\"transfer_to_agent\",\"data\":{}}]", .whole = true),

    /* blocks */
    ROW("a block", STREAM(TEXT("Sure.\\n``") TEXT("`json\\n{\\\"actions\\\":[{\\\"type\\\":\\\"transfer_to_agent\\\"}],\\\"intent\\\":\\\"help\\\",\\\"confidence\\\":0.5}\\n```") FINISH("stop") DONE), (),
        AI_ANSWERED, 1, "[{\"type\":\"send_message\",\"data\":{\"message\":\"Sure.\"}},{\"type\":\"transfer_to_agent\",\"data\":{}}]", .response = "\"response_text\":\"Sure.\",\"intent\":\"help\",\"confidence\":0.5"),
    ROW("an answer that is one object",
        STREAM(TEXT("{\\\"response_text\\\":\\\"Hi ``` x\\\",\\\"entities\\\":{\\\"a\\\":1},\\\"actions\\\":[{\\\"type\\\":\\\"send_message\\\",\\\"data\\\":{\\\"message\\\":\\\"``` y\\\"}}]}") FINISH("stop") DONE), (),
        AI_ANSWERED, 1, SAID("``` y"), .response = "\"entities\":{\"a\":1}"),
    ROW("JSON that the customer wanted", STREAM(TEXT("{\\\"a\\\":1}") FINISH("stop") DONE), (), AI_ANSWERED, 1, SAID("{\\\"a\\\":1}")),
    ROW("a block beside a call", WHOLE(ONE("{\"content\":\"Bye\\n```json\\n{\\\"intent\\\":\\\"x\\\"}\\n```\",\"tool_calls\":[" CALL("a", "end_conversation", "{}") "]}", "\"tool_calls\"")), (),
        AI_ANSWERED, 1, "[{\"type\":\"send_message\",\"data\":{\"message\":\"Bye\"}},{\"type\":\"end_conversation\",\"data\":{}}]", .response = "\"response_text\":\"Bye\",\"intent\":\"x\"", .whole = true),
};

/* ---- what is asked ---- */

static void test_request(struct rig *r)
{
    static const struct peer_step steps[] = { ERROR("503 X", ""), CALLS("{\"id\":\"a\",\"function\":{\"name\":\"format_disk\",\"arguments\":\"\"},\"extra_content\":{\"thought_signature\":\"s\"}}"),
                                              WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\"")) };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct ai_openai_options o = openai_options(peer_port(p));
    struct ai *ai = openai_opened(r, &o);
    struct ai_request q = openai_question(false);
    struct told t = { 0 };
    char request_id[] = "r1", turn_id[] = "turn-9";
    q.request_id = sv_from(request_id);
    q.turn_id = sv_from(turn_id);
    q.traceparent = SV("00-a-b-01");
    ok(ai_ask(ai, &q, tell, &t) != NULL, "asked");
    memset(request_id, 'x', sizeof request_id); /* the request is borrowed during the call only */
    memset(turn_id, 'x', sizeof turn_id);
    rig_until(r, was_told, &t);
    const char *first = peer_request(p, 0), *second = peer_request(p, 1), *third = peer_request(p, 2);
    if (third == NULL)
        bail_out("no third request");
    has_str(first, "POST /v1/chat/completions HTTP/1.1\r\n", "base and path, one slash between them");
    has_str(first, "\r\nX-Request-ID: r1\r\n", "request id");
    has_str(first, "\r\nIdempotency-Key: turn-9\r\n", "key");
    has_str(first, "\r\ntraceparent: 00-a-b-01\r\n", "trace");
    has_str(first, "\r\nAuthorization: Bearer sk-secret\r\n", "token");
    has_str(first, "{\"model\":\"m\",\"tools\":[{", "the question");
    has_str(first, "{\"role\":\"user\",\"content\":\"two\"}]}", "what is to be answered last");
    ok(strstr(first, "\"stream\"") == NULL, "no stream where nobody listens");
    is_str(second, first, "the second try is the same request");
    has_str(third, "\r\nIdempotency-Key: turn-9.2\r\n", "a round is another one");
    has_str(third, "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"format_disk\",\"arguments\":\"{}\"},"
                   "\"extra_content\":{\"thought_signature\":\"s\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"a\",\"content\":\"{\\\"error\\\":\\\"unknown_type\\\"",
            "the call as it came, and what is wrong with it");
    is_str(ai_name(ai), "openai", "name");
    ai_close(ai);
    peer_stop(p);
    told_free(&t);
}

/* ---- partial texts ---- */

static void test_partial(struct rig *r)
{
    static const struct peer_step steps[] = { { .answer = HEAD("200 OK", "text/event-stream") TEXT("Xin ") TEXT("ch\xc3\xa0o ") TEXT("b\xe1\xba\xa1n `") TEXT("``json\\n{\\\"intent\\\":\\\"x\\\"}\\n```") FINISH("stop") DONE,
                                                .then = PEER_CLOSE, .pieces = 120 } };
    static const struct peer_step again[] = { { .answer = HEAD("200 OK", "text/event-stream") TEXT("first try"), .then = PEER_HANG },
                                              { .answer = HEAD("200 OK", "text/event-stream") TEXT("second") FINISH("stop") DONE } };
    struct peer *p = peer_start(steps, 1), *twice = peer_start(again, 2);
    struct ai_openai_options o = openai_options(peer_port(p)), o2 = openai_options(peer_port(twice));
    o2.silence_ms = 400;
    struct ai *ai = openai_opened(r, &o), *ai2 = openai_opened(r, &o2);
    struct ai_request q = openai_question(true);
    struct told t = { 0 };
    ok(ai_ask(ai, &q, tell, &t) != NULL, "asked");
    rig_until(r, was_told, &t);
    has_str(peer_request(p, 0), "\"stream\":true,\"stream_options\":{\"include_usage\":true}", "a stream where somebody listens");
    ok(t.partials >= 2, "it was seen to grow, %d times", t.partials);
    is_str(t.partial.p, "Xin ch\xc3\xa0o b\xe1\xba\xa1n", "to all of the text, without its block: %s", t.all.p);
    ok(strchr(t.all.p, '`') == NULL, "of which nothing was ever seen");
    told_free(&t);

    ok(ai_ask(ai2, &q, tell, &t) != NULL, "asked");
    rig_until(r, was_told, &t);
    is_str(t.all.p, "first try|second|", "what is tried again begins anew");
    is_sv(json_sv(t.answer.response, "response_text"), SV("second"), "the answer is the last one");
    told_free(&t);

    struct ai_call *c = NULL;
    t.ai = ai;
    t.abort = &c;
    c = ai_ask(ai, &q, tell, &t);
    for (int i = 0; i < 400 && t.partials == 0; i++)
        loop_turn(r->loop, true);
    rig_settle(r);
    is_int(t.partials, 1, "aborted from inside a partial text");
    is_int(t.times, 0, "which is the end of it");
    told_free(&t);
    ai_close(ai);
    ai_close(ai2);
    peer_stop(p);
    peer_stop(twice);
}

/* ---- the end of calls ---- */

static void test_abort(struct rig *r)
{
    static const struct peer_step hang = { .answer = HEAD("200 OK", "text/event-stream") TEXT("x"), .then = PEER_HANG }, later = LATER("10");
    struct peer *p = peer_start(&hang, 1), *busy = peer_start(&later, 1);
    struct ai_openai_options o = openai_options(peer_port(p)), o2 = openai_options(peer_port(busy));
    struct ai *ai = openai_opened(r, &o), *waits = openai_opened(r, &o2);
    struct ai_request q = openai_question(true);
    check_abort(r, ai, p, waits, busy, &q);
    peer_stop(p);
    peer_stop(busy);
}

static void test_close_inside(struct rig *r)
{
    static const struct peer_step good = WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\""));
    struct peer *p = peer_start(&good, 1);
    struct ai_openai_options o = openai_options(peer_port(p));
    struct ai *ai = openai_opened(r, &o);
    struct ai_request q = openai_question(false);
    check_close_inside(r, ai, &q);
    peer_stop(p);
}

/* ---- opening, and other options while it runs ---- */

static void test_open(struct rig *r)
{
    static const char *const urls[] = { "", "127.0.0.1:80", "ftp://x/", "http://", "http:// x/" };
    struct err e = { 0 };
    struct ai_openai_options o = openai_options(1);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        o.url = urls[i];
        ok(ai_openai_open(r->loop, r->http, &o, &e) == NULL, "not a URL: \"%s\"", urls[i]);
        is_int(e.code, ERR_INVALID, "and so it says: %s", e.text);
    }
    o = openai_options(1);
    o.model = "";
    ok(ai_openai_open(r->loop, r->http, &o, &e) == NULL, "no model");
    has_str(e.text, "model", "and so it says");
}

static void test_set(struct rig *r)
{
    static const struct peer_step good = WHOLE(ONE("{\"content\":\"ok\"}", "\"stop\""));
    struct peer *p = peer_start(&good, 1), *other = peer_start(&good, 1);
    struct ai_openai_options o = openai_options(peer_port(p));
    struct ai *ai = openai_opened(r, &o);
    struct ai_request q = openai_question(false);
    struct told t = { 0 };
    struct err e;
    o = openai_options(peer_port(other));
    o.model = "m2";
    o.path = "/other";
    o.token = "";
    o.system_prompt = "Be brief.";
    is_int(ai_openai_set(ai, &o, &e), 0, "set");
    ok(ai_ask(ai, &q, tell, &t) != NULL, "asked");
    rig_until(r, was_told, &t);
    has_str(peer_request(other, 0), "POST /v1/other HTTP/1.1\r\n", "another URL and path");
    has_str(peer_request(other, 0), "{\"model\":\"m2\"", "another model");
    has_str(peer_request(other, 0), "Be brief.", "another prompt");
    ok(strstr(peer_request(other, 0), "Authorization") == NULL, "no token");
    o.model = "";
    is_int(ai_openai_set(ai, &o, &e), -1, "no model: refused");
    o = openai_options(peer_port(p));
    o.url = "x";
    is_int(ai_openai_set(ai, &o, &e), -1, "no URL: refused");
    told_free(&t);
    ok(ai_ask(ai, &q, tell, &t) != NULL, "asked");
    rig_until(r, was_told, &t);
    is_int(peer_requests(other), 2, "and nothing has changed");
    is_int(peer_requests(p), 0, "at all");
    told_free(&t);
    ai_close(ai);
    peer_stop(p);
    peer_stop(other);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    openai_rows(&r, rows, ARRAY_LEN(rows), 1);
    openai_rows(&r, rows, ARRAY_LEN(rows), 13);
    test_request(&r);
    test_partial(&r);
    test_abort(&r);
    test_close_inside(&r);
    test_open(&r);
    test_set(&r);
    rig_close(&r);
    openai_rig_free();
    return done_testing();
}
