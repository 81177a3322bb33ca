/* SPDX-License-Identifier: MIT
 * The AI backends: what the native one sends, when it asks again and what it makes of answers; the simulated one. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "outside/ai.h"
#include "t/outside/ai_rig.h"
#include "t/tap.h"

static const struct ai_message messages[] = {
    { SV("user"), SV("\"before\""), 1000, SV("\"m0\"") },
    { SV("assistant"), SV("\"answered\""), 2000, SV_NONE },
    { SV("user"), SV("\"Xin ch\\u00e0o\""), 3000, SV("\"m1\"") },
    { SV("agent"), SV("\"a colleague\""), 3500, SV("\"m2\"") },
    { SV("user"), SV("\"two\""), 4000, SV("\"m3\"") },
};

static struct ai_request question(void)
{
    return (struct ai_request){ .conversation_id = SV("c1"),
                                .message_id = SV("m3"),
                                .message = SV("two"),
                                .messages = messages,
                                .messages_n = ARRAY_LEN(messages),
                                .turn_id = SV("turn-1"),
                                .timeout_ms = PLENTY_MS };
}

static struct ai *native_at(struct rig *r, int port, int retries, const char *token)
{
    struct err e = { 0 };
    struct ai_native_options o = {
        .url = rig_url(port, "/base/"), .path = "/process", .token = token, .model = "m", .retries = retries
    };
    struct ai *ai = ai_native_open(r->loop, r->http, &o, &e);
    if (ai == NULL)
        bail_out("%s", e.text);
    return ai;
}

/* ---- what is made of answers ---- */

#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 2\r\n\r\n{}"
#define GOOD PEER_OK(22, "{\"response_text\":\"ok\"}")

struct native_case {
    const char *name;
    struct peer_step steps[3];
    int retries;
    enum ai_outcome outcome;
    int requests;
    int64_t timeout_ms; /* 0: plenty */
    int64_t retry_after_ms;
};

static const struct native_case native_cases[] = {
    { "an answer", { { .answer = GOOD } }, 2, AI_ANSWERED, 1, 0, -1 },
    { "500, then an answer", { { .answer = STATUS("500 X") }, { .answer = GOOD } }, 2, AI_ANSWERED, 2, 0, -1 },
    { "429 and 503, then an answer",
      { { .answer = STATUS("429 X") }, { .answer = STATUS("503 X") }, { .answer = GOOD } },
      2,
      AI_ANSWERED,
      3,
      0,
      -1 },
    { "408, then an answer", { { .answer = STATUS("408 X") }, { .answer = GOOD } }, 2, AI_ANSWERED, 2, 0, -1 },
    { "cut, then an answer", { { .then = PEER_RESET }, { .answer = GOOD } }, 2, AI_ANSWERED, 2, 0, -1 },
    { "cut in the middle, then an answer",
      { { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"resp", .then = PEER_CLOSE }, { .answer = GOOD } },
      2,
      AI_ANSWERED,
      2,
      0,
      -1 },
    { "500 for ever",
      { { .answer = STATUS("500 X") }, { .answer = STATUS("500 X") }, { .answer = STATUS("500 X") } },
      2,
      AI_UNREACHABLE,
      3,
      0,
      -1 },
    { "no second try",
      { { .answer = STATUS("500 X") }, { .answer = GOOD }, { .answer = GOOD } },
      0,
      AI_UNREACHABLE,
      1,
      0,
      -1 },
    { "Retry-After beyond the time",
      { { .answer = "HTTP/1.1 429 X\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n" } },
      2,
      AI_UNREACHABLE,
      1,
      5000,
      60000 },
    { "never", { { .then = PEER_HANG } }, 2, AI_UNREACHABLE, 1, 1000, -1 },
    { "400", { { .answer = STATUS("400 X") } }, 2, AI_REFUSED, 1, 0, -1 },
    { "401", { { .answer = STATUS("401 X") } }, 2, AI_DENIED, 1, 0, -1 },
    { "402", { { .answer = STATUS("402 X") } }, 2, AI_DENIED, 1, 0, -1 },
    { "403", { { .answer = STATUS("403 X") } }, 2, AI_REFUSED, 1, 0, -1 },
    { "404", { { .answer = STATUS("404 X") } }, 2, AI_DENIED, 1, 0, -1 },
    { "422", { { .answer = STATUS("422 X") } }, 2, AI_REFUSED, 1, 0, -1 },
    { "a redirect",
      { { .answer = "HTTP/1.1 302 X\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" } },
      2,
      AI_DENIED,
      1,
      0,
      -1 },
    { "no text", { { .answer = STATUS("200 OK") } }, 2, AI_INVALID, 1, 0, -1 },
    { "no JSON", { { .answer = PEER_OK(4, "oops") } }, 2, AI_INVALID, 1, 0, -1 },
    { "204", { { .answer = "HTTP/1.1 204 X\r\n\r\n" } }, 2, AI_INVALID, 1, 0, -1 },
    { "no HTTP", { { .answer = "oops\r\n\r\n", .then = PEER_CLOSE } }, 2, AI_INVALID, 1, 0, -1 },
    { "huge",
      { { .answer = PEER_OK(50000000, "0123456789"), .repeat = 600000, .then = PEER_CLOSE } },
      2,
      AI_INVALID,
      1,
      0,
      -1 },
};

static void test_native(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(native_cases); i++) {
        const struct native_case *c = &native_cases[i];
        struct peer *p = peer_start(c->steps, ARRAY_LEN(c->steps));
        struct ai *ai = native_at(r, peer_port(p), c->retries, "");
        struct ai_request q = question();
        struct told t = { 0 };
        if (c->timeout_ms != 0)
            q.timeout_ms = c->timeout_ms;
        ask_and_wait(r, ai, &q, &t);
        is_str(ai_outcomes[t.answer.outcome], ai_outcomes[c->outcome], "%s (%s)", c->name, t.answer.err.text);
        is_int(peer_requests(p), c->requests, "%s: requests", c->name);
        is_int(t.answer.retry_after_ms, c->retry_after_ms, "%s: Retry-After", c->name);
        ok((t.answer.response != NULL) == (c->outcome == AI_ANSWERED), "%s: a response with an answer only", c->name);
        ok((t.answer.err.text[0] != '\0') == (c->outcome != AI_ANSWERED), "%s: a reason without one only", c->name);
        ai_close(ai);
        peer_stop(p);
        told_free(&t);
    }
}

static void test_request(struct rig *r)
{
    static const struct peer_step steps[] = {
        { .answer = STATUS("503 X") },
        { .answer = PEER_OK(82, "{\"ai_response\":{\"response_text\":\"ok\",\"model_used\":\"gpt\"},"
                                "\"actions\":[{\"type\":\"x\"}]}") }
    };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct ai *ai = native_at(r, peer_port(p), 2, "secret");
    struct ai_request q = question();
    struct told t = { 0 };
    char request_id[] = "r1", turn_id[] = "turn-9";
    q.request_id = sv_from(request_id);
    q.turn_id = sv_from(turn_id);
    q.traceparent = SV("00-a-b-01");
    ok(ai_ask(ai, &q, tell, &t) != NULL, "asked");
    memset(request_id, 'x', sizeof request_id); /* the request is borrowed during the call only */
    memset(turn_id, 'x', sizeof turn_id);
    rig_until(r, was_told, &t);
    const char *first = peer_request(p, 0), *second = peer_request(p, 1);
    if (first == NULL || second == NULL)
        bail_out("no second try");
    has_str(first, "POST /base/process HTTP/1.1\r\n", "base and path, one slash between them");
    has_str(first, "\r\nX-Request-ID: r1\r\n", "request id");
    has_str(first, "\r\nIdempotency-Key: turn-9\r\n", "key");
    has_str(first, "\r\ntraceparent: 00-a-b-01\r\n", "trace");
    has_str(first, "\r\nAuthorization: Bearer secret\r\n", "token");
    has_str(first, "{\"conversation_id\":\"c1\",\"message_id\":\"m3\",\"message\":\"two\",\"messages\":[",
            "the question");
    is_str(second, first, "the second try is the same request");
    is_sv(json_sv(t.answer.response, "model_used"), SV("gpt"), "what the reply names is kept");
    ok(json_is_integer(json_object_get(t.answer.response, "processing_time_ms")), "what it does not name is filled in");
    is_int((long long)json_array_size(t.answer.actions), 1, "actions");
    q.request_id = q.traceparent = SV_NONE;
    ask_and_wait(r, ai, &q, &t);
    ok(strstr(peer_request(p, 2), "X-Request-ID") == NULL && strstr(peer_request(p, 2), "traceparent") == NULL,
       "absent headers are not sent");
    is_str(ai_name(ai), "native", "name");
    ai_close(ai);
    peer_stop(p);
    told_free(&t);
}

static void test_refused_connection(struct rig *r)
{
    struct ai *ai = native_at(r, peer_dead_port(), 1, "");
    struct ai_request q = question();
    struct told t = { 0 };
    ask_and_wait(r, ai, &q, &t);
    is_str(ai_outcomes[t.answer.outcome], "unreachable", "nobody listens: %s", t.answer.err.text);
    ai_close(ai);
    told_free(&t);
}

static void test_abort(struct rig *r)
{
    static const struct peer_step hang = { .then = PEER_HANG },
                                  later = { .answer =
                                                "HTTP/1.1 503 X\r\nRetry-After: 10\r\nContent-Length: 0\r\n\r\n" };
    struct peer *p = peer_start(&hang, 1), *busy = peer_start(&later, 1);
    struct ai *ai = native_at(r, peer_port(p), 2, ""), *waits = native_at(r, peer_port(busy), 2, "");
    struct ai_request q = question();
    check_abort(r, ai, p, waits, busy, &q);
    peer_stop(p);
    peer_stop(busy);
}

static void test_open(struct rig *r)
{
    static const char *const urls[] = { "", "127.0.0.1:80", "ftp://x/", "http://", "http:// x/" };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct err e = { 0 };
        struct ai_native_options o = { .url = urls[i], .path = "", .token = "", .model = "" };
        ok(ai_native_open(r->loop, r->http, &o, &e) == NULL, "not a URL: \"%s\"", urls[i]);
        is_int(e.code, ERR_INVALID, "and so it says: %s", e.text);
    }
}

/* ---- simulated ---- */

static void test_simulated(struct rig *r)
{
    struct err e;
    struct ai *ai = ai_simulated_open(r->loop, 1, &e);
    struct ai_request q = question();
    struct told t = { 0 };
    ask_and_wait(r, ai, &q, &t);
    const char *text = json_string_value(json_object_get(t.answer.response, "response_text"));
    has_str(text, "Xin ch\xc3\xa0o", "the first open question");
    has_str(text, "two", "the second");
    ok(strstr(text, "before") == NULL && strstr(text, "colleague") == NULL, "nothing else: %s", text);
    is_sv(json_sv(t.answer.response, "intent"), SV("simulated"), "intent");
    is_int((long long)json_object_size(json_object_get(t.answer.response, "entities")), 0, "entities");
    ok(json_is_real(json_object_get(t.answer.response, "confidence")), "confidence");
    ok(json_integer_value(json_object_get(t.answer.response, "processing_time_ms")) >= 1, "time");
    ok(t.answer.actions == NULL, "no actions");
    struct ai_message many[40];
    struct buf large = { 0 };
    buf_addc(&large, '"');
    for (int i = 0; i < 3000; i++)
        buf_add(&large, SV("\xc3\xa1\xe2\x82\xac"));
    buf_addc(&large, '"');
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct ai_message){ SV("user"), buf_sv(&large), 1, SV_NONE };
    q.messages = many;
    q.messages_n = ARRAY_LEN(many);
    ask_and_wait(r, ai, &q, &t);
    struct sv whole = json_sv(t.answer.response, "response_text");
    ok(whole.n < 16384 && sv_is_utf8(whole), "a large burst gives a text of %zu bytes", whole.n);
    has_str(whole.p, " and 20 more", "that says how many are not shown");
    q.messages_n = 0;
    ask_and_wait(r, ai, &q, &t);
    is_int(t.answer.outcome, AI_ANSWERED, "no message at all");
    int before = t.times;
    ai_abort(ai, ai_ask(ai, &q, tell, &t));
    ok(ai_ask(ai, &q, tell, &t) != NULL, "asked");
    ai_close(ai);
    rig_settle(r);
    is_int(t.times, before, "aborted or closed: never answered");
    buf_fini(&large);
    told_free(&t);
}

static void test_close_inside(struct rig *r)
{
    static const struct peer_step good = { .answer = GOOD };
    struct peer *p = peer_start(&good, 1);
    struct err e;
    struct ai_request q = question();
    struct ai *both[] = { native_at(r, peer_port(p), 0, ""), ai_simulated_open(r->loop, 0, &e) };
    for (size_t i = 0; i < ARRAY_LEN(both); i++)
        check_close_inside(r, both[i], &q);
    peer_stop(p);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    test_native(&r);
    test_request(&r);
    test_refused_connection(&r);
    test_abort(&r);
    test_open(&r);
    test_simulated(&r);
    test_close_inside(&r);
    rig_close(&r);
    return done_testing();
}
