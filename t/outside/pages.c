/* SPDX-License-Identifier: MIT
 * The client of the page API: what is asked, what each answer is taken for, and that the token is nowhere but in the request. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "outside/pages.h"
#include "t/outside/rig.h"
#include "t/tap.h"

#define TOKEN "s3cret.Token_%/+"
#define TOKENS "101=first,102 = " TOKEN " ,igo_1=with=sign"

struct told {
    int times;
    struct pages_answer answer;
    char id[64], body[256];
};

static void tell(void *arg, const struct pages_answer *a)
{
    struct told *t = arg;
    t->times++;
    t->answer = *a;
    (void)snprintf(t->id, sizeof t->id, "%.*s", SV_FMT(a->id.p != NULL ? a->id : SV("(none)")));
    char *text = a->body != NULL ? json_dumps(a->body, JSON_COMPACT) : NULL;
    (void)snprintf(t->body, sizeof t->body, "%s", text != NULL ? text : "(none)");
    free(text);
}

static bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

static const char *const outcomes[] = {
    [PAGES_DONE] = "done",         [PAGES_REFUSED] = "refused",   [PAGES_LIMITED] = "limited", [PAGES_UNREACHABLE] = "unreachable",
    [PAGES_TOO_LATE] = "too late", [PAGES_UNKNOWN] = "unknown",
};

static struct pages *pages_at(struct rig *r, const char *url, const char *tokens, const char *token)
{
    struct err e = { 0 };
    const struct pages_options o = { .url = url, .tokens = tokens, .token = token };
    struct pages *p = pages_open(r->loop, r->http, &o, &e);
    if (p == NULL)
        bail_out("%s", e.text);
    return p;
}

static struct pages_message message(void)
{
    return (struct pages_message){ .page_id = SV("102"), .conversation_id = SV("102_7"), .action = PAGES_REPLY_INBOX, .text = SV("hi"), .timeout_ms = PLENTY_MS };
}

static void await(struct rig *r, const struct pages_call *c, struct told *t)
{
    if (c == NULL || t->times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, t);
}

static void say(struct rig *r, struct pages *p, const struct pages_message *m, struct told *t)
{
    *t = (struct told){ 0 };
    await(r, pages_send(p, m, tell, t), t);
}

static void is_secret(const struct told *t, const char *name)
{
    ok(strstr(t->answer.err.text, "s3cret") == NULL && strstr(t->answer.err.text, "page_access_token") == NULL, "%s: no token in \"%s\"", name, t->answer.err.text);
}

/* ---- what answers mean ---- */

#define ANSWER(line, length, body)                                                     \
    {                                                                                  \
        .answer = "HTTP/1.1 " line "\r\nContent-Length: " #length "\r\n\r\n" body      \
    }
/* A 200 whose end is that of the connection. */
#define SUCCESS(value) { .answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"success\":" value ",\"id\":\"m_1\"}", .then = PEER_CLOSE }
#define YES "{\"success\":true,\"id\":\"m_1\",\"message\":\"hi\"}"
#define NO "{\"success\":false,\"message\":\"" "page_access_token=s3cret" "\",\"error_code\":105}"

struct answer_case {
    const char *name;
    struct peer_step step;
    enum pages_outcome outcome;
    const char *id;
    int64_t timeout_ms;
};

static const struct answer_case answer_cases[] = {
    { "success", ANSWER("200 OK", 42, YES), PAGES_DONE, "m_1", 0 },
    { "an id that is a number", ANSWER("200 OK", 31, "{\"success\":true,\"id\":123456789}"), PAGES_DONE, "123456789", 0 },
    { "an id that is nothing", ANSWER("200 OK", 26, "{\"success\":true,\"id\":null}"), PAGES_DONE, "(none)", 0 },
    { "an empty id", ANSWER("200 OK", 24, "{\"success\":true,\"id\":\"\"}"), PAGES_DONE, "(none)", 0 },
    { "nothing about success", ANSWER("200 OK", 12, "{\"id\":\"m_2\"}"), PAGES_DONE, "m_2", 0 },
    { "success: null", SUCCESS("null"), PAGES_UNKNOWN, "(none)", 0 },
    { "success: 1", SUCCESS("1"), PAGES_DONE, "m_1", 0 },
    { "success: 1.0", SUCCESS("1.0"), PAGES_DONE, "m_1", 0 },
    { "success: \"true\"", SUCCESS("\"true\""), PAGES_DONE, "m_1", 0 },
    { "success: \"1\"", SUCCESS("\"1\""), PAGES_DONE, "m_1", 0 },
    { "success: 0", SUCCESS("0"), PAGES_REFUSED, "(none)", 0 },
    { "success: 0.0", SUCCESS("0.0"), PAGES_REFUSED, "(none)", 0 },
    { "success: \"false\"", SUCCESS("\"false\""), PAGES_REFUSED, "(none)", 0 },
    { "success: \"False\"", SUCCESS("\"False\""), PAGES_REFUSED, "(none)", 0 },
    { "success: \"0\"", SUCCESS("\"0\""), PAGES_REFUSED, "(none)", 0 },
    { "success: 2", SUCCESS("2"), PAGES_UNKNOWN, "(none)", 0 },
    { "success: -1", SUCCESS("-1"), PAGES_UNKNOWN, "(none)", 0 },
    { "success: a text", SUCCESS("\"ok\""), PAGES_UNKNOWN, "(none)", 0 },
    { "success: no text", SUCCESS("\"\""), PAGES_UNKNOWN, "(none)", 0 },
    { "success: an object", SUCCESS("{}"), PAGES_UNKNOWN, "(none)", 0 },
    { "success: an array", SUCCESS("[true]"), PAGES_UNKNOWN, "(none)", 0 },
    { "400 and success: null", { .answer = "HTTP/1.1 400 X\r\nConnection: close\r\n\r\n{\"success\":null}", .then = PEER_CLOSE }, PAGES_REFUSED, "(none)", 0 },
    { "500 and success: 0", { .answer = "HTTP/1.1 500 X\r\nConnection: close\r\n\r\n{\"success\":0}", .then = PEER_CLOSE }, PAGES_UNKNOWN, "(none)", 0 },
    { "201", ANSWER("201 Created", 2, "{}"), PAGES_DONE, "(none)", 0 },
    { "200 and no", ANSWER("200 OK", 71, NO), PAGES_REFUSED, "(none)", 0 },
    { "500 and no", ANSWER("500 X", 71, NO), PAGES_UNKNOWN, "(none)", 0 },
    { "400 and yes", ANSWER("400 X", 42, YES), PAGES_REFUSED, "(none)", 0 },
    { "204", { .answer = "HTTP/1.1 204 X\r\n\r\n" }, PAGES_UNKNOWN, "(none)", 0 },
    { "200 with nothing", ANSWER("200 OK", 0, ""), PAGES_UNKNOWN, "(none)", 0 },
    { "200 with text", ANSWER("200 OK", 2, "ok"), PAGES_UNKNOWN, "(none)", 0 },
    { "200 with HTML", ANSWER("200 OK", 28, "<html>502 Bad Gateway</html>"), PAGES_UNKNOWN, "(none)", 0 },
    { "200 with an array", ANSWER("200 OK", 18, "[{\"success\":true}]"), PAGES_UNKNOWN, "(none)", 0 },
    { "200 with half an object", ANSWER("200 OK", 16, "{\"success\":true,"), PAGES_UNKNOWN, "(none)", 0 },
    { "200, the key twice", ANSWER("200 OK", 33, "{\"success\":false,\"success\":true}\n"), PAGES_UNKNOWN, "(none)", 0 },
    { "400", ANSWER("400 X", 0, ""), PAGES_REFUSED, "(none)", 0 },
    { "401", ANSWER("401 X", 0, ""), PAGES_UNREACHABLE, "(none)", 0 },
    { "403", ANSWER("403 X", 0, ""), PAGES_REFUSED, "(none)", 0 },
    { "404", ANSWER("404 X", 0, ""), PAGES_REFUSED, "(none)", 0 },
    { "302", ANSWER("302 X\r\nLocation: /", 0, ""), PAGES_UNKNOWN, "(none)", 0 },
    { "408", ANSWER("408 X", 0, ""), PAGES_UNKNOWN, "(none)", 0 },
    { "429", ANSWER("429 X", 0, ""), PAGES_LIMITED, "(none)", 0 },
    { "429 and no", ANSWER("429 X", 71, NO), PAGES_LIMITED, "(none)", 0 },
    { "503", ANSWER("503 X", 0, ""), PAGES_UNREACHABLE, "(none)", 0 },
    { "503 and no", ANSWER("503 X", 71, NO), PAGES_UNREACHABLE, "(none)", 0 },
    { "500", ANSWER("500 X", 2, "{}"), PAGES_UNKNOWN, "(none)", 0 },
    { "502", ANSWER("502 X", 0, ""), PAGES_UNKNOWN, "(none)", 0 },
    { "504", ANSWER("504 X", 0, ""), PAGES_UNKNOWN, "(none)", 0 },
    { "cut in the head", { .answer = "HTTP/1.1 200 OK\r\nConte", .then = PEER_CLOSE }, PAGES_UNKNOWN, "(none)", 0 },
    { "cut in the body", { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n{\"succ", .then = PEER_CLOSE }, PAGES_UNKNOWN, "(none)", 0 },
    { "cut without an answer", { .then = PEER_CLOSE }, PAGES_UNKNOWN, "(none)", 0 },
    { "reset without an answer", { .then = PEER_RESET }, PAGES_UNKNOWN, "(none)", 0 },
    { "no HTTP", { .answer = "oops\r\n\r\n", .then = PEER_CLOSE }, PAGES_UNKNOWN, "(none)", 0 },
    { "never", { .then = PEER_HANG }, PAGES_UNKNOWN, "(none)", 1000 },
};

static void test_answers(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct peer *peer = peer_start(&c->step, 1);
        struct pages *p = pages_at(r, rig_url(peer_port(peer), ""), TOKENS, "");
        struct pages_message m = message();
        struct told t;
        m.timeout_ms = c->timeout_ms != 0 ? c->timeout_ms : m.timeout_ms;
        say(r, p, &m, &t);
        is_str(outcomes[t.answer.outcome], outcomes[c->outcome], "%s (%s)", c->name, t.answer.err.text);
        is_str(t.id, c->id, "%s: the id", c->name);
        is_int(peer_requests(peer), 1, "%s: sent once", c->name);
        ok((t.answer.err.text[0] != '\0') == (c->outcome != PAGES_DONE), "%s: a reason when it is not done", c->name);
        is_secret(&t, c->name);
        pages_close(p);
        peer_stop(peer);
    }
}

static void test_retry_after(struct rig *r)
{
    static const struct peer_step steps[] = { ANSWER("429 X\r\nRetry-After: 9", 0, ""), ANSWER("503 X", 0, ""), ANSWER("200 OK", 71, NO),
                                              ANSWER("200 OK", 76, "{\"success\":false,\"e_code\":10,\"e_subcode\":2018278,\"error_code\":\"s3cret\"}     ") };
    struct peer *peer = peer_start(steps, ARRAY_LEN(steps));
    struct pages *p = pages_at(r, rig_url(peer_port(peer), ""), TOKENS, "");
    struct pages_message m = message();
    struct told t;
    say(r, p, &m, &t);
    is_int(t.answer.retry_after_ms, 9000, "Retry-After");
    is_int(t.answer.http_status, 429, "the status");
    say(r, p, &m, &t);
    is_int(t.answer.retry_after_ms, -1, "none");
    say(r, p, &m, &t);
    has_str(t.answer.err.text, "status 200, error_code 105: refused", "the API's own number of what is wrong");
    is_int(t.answer.err.code, ERR_REFUSED, "refused");
    say(r, p, &m, &t);
    has_str(t.answer.err.text, "status 200, e_code 10, e_subcode 2018278: refused", "its other numbers, and numbers alone");
    pages_close(p);
    peer_stop(peer);
}

/* ---- what is asked ---- */

static void test_requests(struct rig *r)
{
    static const struct peer_step steps[] = { ANSWER("200 OK", 42, YES), ANSWER("200 OK", 42, YES), ANSWER("200 OK", 31, "{\"messages\":[],\"success\":true}\n"),
                                              ANSWER("200 OK", 21, "{\"conversations\":[1]}"), ANSWER("200 OK", 21, "{\"conversations\":[]}\n"),
                                              ANSWER("200 OK", 42, YES) };
    struct peer *peer = peer_start(steps, ARRAY_LEN(steps));
    struct pages *p = pages_at(r, rig_url(peer_port(peer), "/api/public_api/v1/"), TOKENS, "other");
    struct pages_message m = message();
    struct told t;
    m.text = SV("a \"b\"\n\xC3\xA9");
    say(r, p, &m, &t);
    const char *got = peer_request(peer, 0);
    has_str(got, "POST /api/public_api/v1/pages/102/conversations/102_7/messages?page_access_token=s3cret.Token_%25%2F%2B HTTP/1.1\r\n", "a reply: its URL");
    has_str(got, "\r\n\r\n{\"action\":\"reply_inbox\",\"message\":\"a \\\"b\\\"\\n\xC3\xA9\"}", "its body");
    ok(strcasestr(got, "Authorization") == NULL, "no other credential");
    m = (struct pages_message){ .page_id = SV("igo_1"), .conversation_id = SV("a/b?c#d%e \xC3\xA9"), .action = PAGES_REPLY_COMMENT, .message_id = SV("c_9"), .text = SV("x"),
                                .timeout_ms = PLENTY_MS };
    say(r, p, &m, &t);
    got = peer_request(peer, 1);
    has_str(got, "/pages/igo_1/conversations/a%2Fb%3Fc%23d%25e%20%C3%A9/messages?page_access_token=with%3Dsign ", "ids are path segments; a token may have a sign");
    has_str(got, "{\"action\":\"reply_comment\",\"message_id\":\"c_9\",\"message\":\"x\"}", "a comment's reply");
    t = (struct told){ 0 };
    await(r, pages_messages(p, &(struct pages_reading){ SV("101"), SV("c"), 30, PLENTY_MS }, tell, &t), &t);
    is_str(outcomes[t.answer.outcome], "done", "messages: %s", t.answer.err.text);
    is_str(t.body, "{\"messages\":[],\"success\":true}", "the body is handed on");
    has_str(peer_request(peer, 2), "GET /api/public_api/v1/pages/101/conversations/c/messages?current_count=30&page_access_token=first HTTP", "read");
    t = (struct told){ 0 };
    await(r, pages_conversations(p, &(struct pages_listing){ SV("999"), 1700000000999, 1700000100001, SV_NONE, PLENTY_MS }, tell, &t), &t);
    is_str(outcomes[t.answer.outcome], "done", "conversations");
    has_str(peer_request(peer, 3), "GET /api/public_api/v2/pages/999/conversations?since=1700000000&until=1700000101&page_access_token=other HTTP",
            "listed, with the token of pages that are not named; whole seconds hold all that was meant");
    t = (struct told){ 0 };
    await(r, pages_conversations(p, &(struct pages_listing){ SV("999"), 0, 1000, SV("z z"), PLENTY_MS }, tell, &t), &t);
    has_str(peer_request(peer, 4), "?since=0&until=1&last_conversation_id=z%20z&page_access_token=other ", "from where it was");
    t = (struct told){ 0 };
    await(r, pages_messages(p, &(struct pages_reading){ SV("101"), SV("c"), 0, PLENTY_MS }, tell, &t), &t);
    is_str(outcomes[t.answer.outcome], "unknown", "success without the messages: %s", t.answer.err.text);
    pages_close(p);
    peer_stop(peer);
}

/* Messages are there, and it is not said that they are all. */
static void test_doubtful_reading(struct rig *r)
{
    static const struct {
        const char *body, *outcome;
    } cases[] = {
        { "{\"messages\":[],\"success\":true}", "done" },   { "{\"messages\":[],\"success\":1}", "done" },       { "{\"messages\":[]}", "done" },
        { "{\"messages\":[],\"success\":null}", "unknown" }, { "{\"messages\":[],\"success\":\"\"}", "unknown" }, { "{\"messages\":[],\"success\":0}", "refused" },
        { "{\"success\":1}", "unknown" },
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char answer[256];
        (void)snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(cases[i].body), cases[i].body);
        const struct peer_step step = { .answer = answer };
        struct peer *peer = peer_start(&step, 1);
        struct pages *p = pages_at(r, rig_url(peer_port(peer), ""), TOKENS, "");
        struct told t = { 0 };
        await(r, pages_messages(p, &(struct pages_reading){ SV("101"), SV("c"), 0, PLENTY_MS }, tell, &t), &t);
        is_str(outcomes[t.answer.outcome], cases[i].outcome, "read: %s (%s)", cases[i].body, t.answer.err.text);
        pages_close(p);
        peer_stop(peer);
    }
}

static void test_not_sent(struct rig *r)
{
    static const struct peer_step step = ANSWER("200 OK", 42, YES);
    struct peer *peer = peer_start(&step, 1);
    struct pages *dead = pages_at(r, rig_url(peer_dead_port(), ""), TOKENS, ""), *p = pages_at(r, rig_url(peer_port(peer), ""), TOKENS, "");
    struct pages_message m = message();
    struct told t;
    say(r, dead, &m, &t);
    is_str(outcomes[t.answer.outcome], "unreachable", "nobody listens: %s", t.answer.err.text);
    is_secret(&t, "nobody listens");
    m.send_before_ms = clock_mono_ms();
    say(r, p, &m, &t);
    is_str(outcomes[t.answer.outcome], "too late", "the deadline has passed: %s", t.answer.err.text);
    is_secret(&t, "too late");
    m = message();
    m.page_id = SV("103");
    say(r, p, &m, &t);
    is_str(outcomes[t.answer.outcome], "refused", "a page without a token: %s", t.answer.err.text);
    is_int(peer_requests(peer), 0, "nothing was sent");
    pages_close(dead);
    pages_close(p);
    peer_stop(peer);
}

/* A kept connection that the peer closes: nothing is repeated, a read neither, since the page counts it. */
static void test_stale(struct rig *r)
{
    static const struct peer_step steps[] = { ANSWER("200 OK", 42, YES), { .then = PEER_CLOSE }, ANSWER("200 OK", 15, "{\"messages\":[]}"), { .then = PEER_CLOSE }, ANSWER("200 OK", 15, "{\"messages\":[]}") };
    struct peer *peer = peer_start(steps, ARRAY_LEN(steps));
    struct pages *p = pages_at(r, rig_url(peer_port(peer), ""), TOKENS, "");
    struct pages_message m = message();
    const struct pages_reading reading = { .page_id = m.page_id, .conversation_id = SV("c"), .timeout_ms = 5000 };
    struct told t;
    say(r, p, &m, &t);
    say(r, p, &m, &t);
    is_str(outcomes[t.answer.outcome], "unknown", "closed without an answer: %s", t.answer.err.text);
    is_int(peer_requests(peer), 2, "and not sent again");
    for (int i = 0; i < 2; i++) {
        t = (struct told){ 0 };
        ok(pages_messages(p, &reading, tell, &t) != NULL, "read");
        rig_until(r, was_told, &t);
        is_str(outcomes[t.answer.outcome], i == 0 ? "done" : "unknown", "read: %s", t.answer.err.text);
    }
    is_int(peer_requests(peer), 4, "and not asked again");
    pages_close(p);
    peer_stop(peer);
}

static void test_abort(struct rig *r)
{
    static const struct peer_step hang = { .then = PEER_HANG };
    struct peer *peer = peer_start(&hang, 1);
    struct pages *p = pages_at(r, rig_url(peer_port(peer), ""), TOKENS, "");
    struct pages_message m = message(), unknown = message();
    struct told t = { 0 };
    unknown.page_id = SV("103");
    pages_abort(pages_send(p, &m, tell, &t));
    pages_abort(pages_send(p, &unknown, tell, &t));
    ok(pages_send(p, &m, tell, &t) != NULL && pages_send(p, &unknown, tell, &t) != NULL, "sent");
    pages_close(p);
    pages_close(NULL);
    rig_settle(r);
    is_int(t.times, 0, "aborted or closed: never answered");
    peer_stop(peer);
}

/* ---- options ---- */

static void note(void *arg, struct sv page_id)
{
    buf_printf(arg, "%.*s ", SV_FMT(page_id));
}

static void test_options(struct rig *r)
{
    static const struct {
        const char *url, *tokens, *why;
    } wrong[] = {
        { "pages.fm", "", "" },
        { "", "101", "entry 1 is not page=token" },
        { "", "=x", "entry 1 is not page=token" },
        { "", "101=a, 102=", "entry 2 has no token" },
        { "", "101=s3cret one", "character that no token has" },
        { "", "101=s3cret,101=b", "entry 2 names a page that another one names" },
    };
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        const struct pages_options o = { wrong[i].url, wrong[i].tokens, "" };
        e = (struct err){ 0 };
        ok(pages_open(r->loop, r->http, &o, &e) == NULL && e.code == ERR_INVALID, "wrong options %zu: %s", i, e.text);
        has_str(e.text, wrong[i].why, "and why");
        ok(strstr(e.text, "s3cret") == NULL, "without a token");
    }
    struct buf b = { 0 };
    struct pages *p = pages_at(r, "", TOKENS ",,", "");
    pages_each(p, note, &b);
    is_str(b.p, "101 102 igo_1 ", "the pages that are named");
    ok(pages_has(p, SV("102")) && !pages_has(p, SV("10")) && !pages_has(p, SV("")) && !pages_has(p, SV_NONE), "who has a token");
    ok(pages_set(p, &(struct pages_options){ "http://x", "nonsense", "" }, &e) != 0 && pages_has(p, SV("102")), "a change that is wrong changes nothing");
    ok(pages_set(p, &(struct pages_options){ "http://x", "7=t", "other" }, &e) == 0, "a change");
    ok(pages_has(p, SV("102")) && pages_has(p, SV("7")) && !pages_has(p, SV("")), "then every page has one");
    pages_close(p);
    buf_fini(&b);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    test_answers(&r);
    test_retry_after(&r);
    test_requests(&r);
    test_doubtful_reading(&r);
    test_not_sent(&r);
    test_stale(&r);
    test_abort(&r);
    test_options(&r);
    rig_close(&r);
    return done_testing();
}
