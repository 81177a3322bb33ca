/* SPDX-License-Identifier: MIT
 * The platform backends: what is sent, and what each answer is taken for; above all that nothing goes out twice and
 * that doubt is called doubt. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "outside/platform.h"
#include "t/outside/rig.h"
#include "t/tap.h"

struct told {
    int times;
    struct platform_answer answer;
};

static void tell(void *arg, const struct platform_answer *a)
{
    struct told *t = arg;
    t->times++;
    t->answer = *a;
}

static bool was_told(void *arg)
{
    return ((struct told *)arg)->times > 0;
}

static const char *const outcomes[] = {
    [PLATFORM_SENT] = "sent",         [PLATFORM_FAILED] = "failed",   [PLATFORM_UNREACHABLE] = "unreachable",
    [PLATFORM_TOO_LATE] = "too late", [PLATFORM_UNKNOWN] = "unknown",
};

static struct platform_request delivery(void)
{
    return (struct platform_request){ .body = SV("{\"conversation_id\":\"c1\",\"actions\":[{},{},{}]}"),
                                      .idempotency_key = SV("turn-1"),
                                      .conversation_id = SV("c1"),
                                      .actions_n = 3,
                                      .timeout_ms = PLENTY_MS };
}

static struct platform *actions_at(struct rig *r, int port, const char *token)
{
    struct err e = { 0 };
    struct platform_actions_options o = { .url = rig_url(port, ""), .path = "/api/v1/actions", .token = token };
    struct platform *p = platform_actions_open(r->loop, r->http, &o, &e);
    if (p == NULL)
        bail_out("%s", e.text);
    return p;
}

static void deliver(struct rig *r, struct platform *p, const struct platform_request *q, struct told *t)
{
    *t = (struct told){ 0 };
    if (platform_send(p, q, tell, t) == NULL || t->times != 0)
        bail_out("an answer from inside the call");
    rig_until(r, was_told, t);
}

/* ---- what answers mean ---- */

#define ANSWER(line, length, body)                                                                                     \
    {                                                                                                                  \
        .answer = "HTTP/1.1 " line "\r\nContent-Length: " #length "\r\n\r\n" body                                      \
    }
#define NO "{\"success\":false}"

struct answer_case {
    const char *name;
    struct peer_step step;
    enum platform_outcome outcome;
    int64_t executed;
    int64_t timeout_ms;
};

static const struct answer_case answer_cases[] = {
    { "success with a number", ANSWER("200 OK", 37, "{\"success\":true,\"actions_executed\":2}"), PLATFORM_SENT, 2, 0 },
    { "success with zero", ANSWER("200 OK", 37, "{\"success\":true,\"actions_executed\":0}"), PLATFORM_SENT, 0, 0 },
    { "success without a number", ANSWER("200 OK", 16, "{\"success\":true}"), PLATFORM_SENT, 3, 0 },
    { "a number below zero", ANSWER("200 OK", 23, "{\"actions_executed\":-1}"), PLATFORM_SENT, 3, 0 },
    { "a number with a fraction", ANSWER("200 OK", 24, "{\"actions_executed\":1.5}"), PLATFORM_SENT, 3, 0 },
    { "a number as text", ANSWER("200 OK", 24, "{\"actions_executed\":\"1\"}"), PLATFORM_SENT, 3, 0 },
    { "201", ANSWER("201 Created", 2, "{}"), PLATFORM_SENT, 3, 0 },
    { "204", { .answer = "HTTP/1.1 204 X\r\n\r\n" }, PLATFORM_SENT, 3, 0 },
    { "200 with plain text", ANSWER("200 OK", 2, "ok"), PLATFORM_SENT, 3, 0 },
    { "200 with success: false", ANSWER("200 OK", 17, NO), PLATFORM_FAILED, 0, 0 },
    { "200, success: false behind blanks", ANSWER("200 OK", 20, " \r\n" NO), PLATFORM_FAILED, 0, 0 },
    { "500 with success: false", ANSWER("500 X", 17, NO), PLATFORM_FAILED, 0, 0 },
    { "400 with success: true", ANSWER("400 X", 16, "{\"success\":true}"), PLATFORM_FAILED, 0, 0 },
    { "200 with half an object", ANSWER("200 OK", 16, "{\"success\":true,"), PLATFORM_UNKNOWN, 0, 0 },
    { "400", ANSWER("400 X", 0, ""), PLATFORM_FAILED, 0, 0 },
    { "401", ANSWER("401 X", 0, ""), PLATFORM_FAILED, 0, 0 },
    { "404", ANSWER("404 X", 0, ""), PLATFORM_FAILED, 0, 0 },
    { "422", ANSWER("422 X", 0, ""), PLATFORM_FAILED, 0, 0 },
    { "302", ANSWER("302 X\r\nLocation: /", 0, ""), PLATFORM_FAILED, 0, 0 },
    { "408", ANSWER("408 X", 0, ""), PLATFORM_UNKNOWN, 0, 0 },
    { "429", ANSWER("429 X", 0, ""), PLATFORM_UNREACHABLE, 0, 0 },
    { "429 with success: false", ANSWER("429 X", 17, NO), PLATFORM_UNREACHABLE, 0, 0 },
    { "503", ANSWER("503 X", 0, ""), PLATFORM_UNREACHABLE, 0, 0 },
    { "500", ANSWER("500 X", 2, "{}"), PLATFORM_UNKNOWN, 0, 0 },
    { "502", ANSWER("502 X", 0, ""), PLATFORM_UNKNOWN, 0, 0 },
    { "504", ANSWER("504 X", 0, ""), PLATFORM_UNKNOWN, 0, 0 },
    { "cut in the head", { .answer = "HTTP/1.1 200 OK\r\nConte", .then = PEER_CLOSE }, PLATFORM_UNKNOWN, 0, 0 },
    { "cut in the body",
      { .answer = "HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"succ", .then = PEER_CLOSE },
      PLATFORM_UNKNOWN,
      0,
      0 },
    { "cut without an answer", { .then = PEER_CLOSE }, PLATFORM_UNKNOWN, 0, 0 },
    { "reset without an answer", { .then = PEER_RESET }, PLATFORM_UNKNOWN, 0, 0 },
    { "no HTTP", { .answer = "oops\r\n\r\n", .then = PEER_CLOSE }, PLATFORM_UNKNOWN, 0, 0 },
    { "never", { .then = PEER_HANG }, PLATFORM_UNKNOWN, 0, 1000 },
};

static void test_answers(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(answer_cases); i++) {
        const struct answer_case *c = &answer_cases[i];
        struct peer *peer = peer_start(&c->step, 1);
        struct platform *p = actions_at(r, peer_port(peer), "");
        struct platform_request q = delivery();
        struct told t;
        if (c->timeout_ms != 0)
            q.timeout_ms = c->timeout_ms;
        deliver(r, p, &q, &t);
        is_str(outcomes[t.answer.outcome], outcomes[c->outcome], "%s (%s)", c->name, t.answer.err.text);
        is_int(t.answer.actions_executed, c->executed, "%s: executed", c->name);
        is_int(peer_requests(peer), 1, "%s: sent once", c->name);
        ok((t.answer.err.text[0] != '\0') == (c->outcome != PLATFORM_SENT), "%s: a reason when it was not sent",
           c->name);
        platform_close(p);
        peer_stop(peer);
    }
}

static void test_request(struct rig *r)
{
    static const struct peer_step step = ANSWER("503 X\r\nRetry-After: 9", 0, "");
    struct peer *peer = peer_start(&step, 1);
    struct platform *p = actions_at(r, peer_port(peer), "out");
    struct platform_request q = delivery();
    struct told t;
    q.request_id = SV("r1");
    deliver(r, p, &q, &t);
    is_int(t.answer.retry_after_ms, 9000, "Retry-After");
    const char *got = peer_request(peer, 0);
    has_str(got, "POST /api/v1/actions HTTP/1.1\r\n", "path");
    has_str(got, "\r\nIdempotency-Key: turn-1\r\n", "key");
    has_str(got, "\r\nX-Request-ID: r1\r\n", "request id");
    has_str(got, "\r\nAuthorization: Bearer out\r\n", "token");
    has_str(got, "\r\n\r\n{\"conversation_id\":\"c1\",\"actions\":[{},{},{}]}", "body");
    platform_close(p);
    p = actions_at(r, peer_port(peer), "");
    q.request_id = SV_NONE;
    deliver(r, p, &q, &t);
    ok(strstr(peer_request(peer, 1), "Authorization") == NULL && strstr(peer_request(peer, 1), "X-Request") == NULL,
       "no token, no header");
    is_str(platform_name(p), "actions", "name");
    platform_close(p);
    peer_stop(peer);
}

/* The platform reads a reply on a kept connection, applies it perhaps, and closes: it must not come a second time. */
static void test_stale(struct rig *r)
{
    static const struct peer_step steps[] = { ANSWER("200 OK", 0, ""),
                                              { .then = PEER_CLOSE },
                                              ANSWER("200 OK", 0, "") };
    struct peer *peer = peer_start(steps, ARRAY_LEN(steps));
    struct platform *p = actions_at(r, peer_port(peer), "");
    struct platform_request q = delivery();
    struct told t;
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "sent", "the first");
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "unknown", "closed without an answer: %s", t.answer.err.text);
    is_int(peer_requests(peer), 2, "and not sent again");
    platform_close(p);
    peer_stop(peer);
}

static void test_not_sent(struct rig *r)
{
    static const struct peer_step step = ANSWER("200 OK", 0, "");
    struct peer *peer = peer_start(&step, 1);
    struct platform *dead = actions_at(r, peer_dead_port(), ""), *p = actions_at(r, peer_port(peer), "");
    struct platform_request q = delivery();
    struct told t;
    deliver(r, dead, &q, &t);
    is_str(outcomes[t.answer.outcome], "unreachable", "nobody listens: %s", t.answer.err.text);
    q.send_before_ms = clock_mono_ms();
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "too late", "the deadline has passed");
    is_int(peer_requests(peer), 0, "nothing was sent");
    platform_close(dead);
    platform_close(p);
    peer_stop(peer);
    struct err e = { 0 };
    struct platform_actions_options o = { .url = "pancake:8000", .path = "", .token = "" };
    ok(platform_actions_open(r->loop, r->http, &o, &e) == NULL && e.code == ERR_INVALID, "not a URL: %s", e.text);
}

static void test_abort(struct rig *r)
{
    static const struct peer_step hang = { .then = PEER_HANG };
    struct peer *peer = peer_start(&hang, 1);
    struct platform *p = actions_at(r, peer_port(peer), "");
    struct platform_request q = delivery();
    struct told t = { 0 };
    platform_abort(p, platform_send(p, &q, tell, &t));
    platform_abort(p, NULL);
    ok(platform_send(p, &q, tell, &t) != NULL, "sent");
    rig_settle(r);
    platform_close(p);
    rig_settle(r);
    is_int(t.times, 0, "aborted or closed: never answered");
    peer_stop(peer);
}

/* ---- a file ---- */

static char *read_file(const char *path)
{
    struct buf b = { 0 };
    FILE *f = fopen(path, "r");
    int c;
    while (f != NULL && (c = fgetc(f)) != EOF)
        buf_addc(&b, (char)c);
    if (f != NULL)
        (void)fclose(f);
    return buf_take(&b);
}

struct count {
    int got, sent;
};

static void count_one(void *arg, const struct platform_answer *a)
{
    struct count *c = arg;
    c->got++;
    c->sent += a->outcome == PLATFORM_SENT;
}

static bool counted_100(void *arg)
{
    return ((struct count *)arg)->got == 100;
}

static void test_file(struct rig *r, const char *dir)
{
    char path[256];
    struct err e = { 0 };
    struct told t = { 0 };
    (void)snprintf(path, sizeof path, "%s/replies", dir);
    struct platform *p = platform_log_open(r->loop, path, &e);
    if (p == NULL)
        bail_out("%s", e.text);
    struct platform_request q = delivery();
    q.body = SV("{\n\"a\":1,\r\n\"b\":\"x\\ny\"}");
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "sent", "written");
    is_int(t.answer.actions_executed, 3, "all actions");
    char *text = read_file(path);
    is_str(text, "{ \"a\":1,  \"b\":\"x\\ny\"}\n", "one line, whatever blanks the body has");
    free(text);
    q.send_before_ms = clock_mono_ms();
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "too late", "past its deadline nothing is written");
    q = delivery();
    struct count c = { 0 };
    for (int i = 0; i < 100; i++)
        if (platform_send(p, &q, count_one, &c) == NULL)
            bail_out("memory");
    rig_until(r, counted_100, &c);
    is_int(c.sent, 100, "a hundred at once");
    t.times = 0;
    platform_abort(p, platform_send(p, &q, tell, &t));
    ok(platform_send(p, &q, tell, &t) != NULL, "sent");
    platform_close(p);
    rig_settle(r);
    is_int(t.times, 0, "aborted or closed: never answered");
    text = read_file(path);
    int lines = 0;
    for (const char *at = text; at != NULL && (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    is_int(lines, 103, "what was sent stays sent");
    free(text);
    (void)unlink(path);
    ok(platform_log_open(r->loop, "/nowhere/replies", &e) == NULL && e.code == ERR_IO, "a path that cannot be: %s",
       e.text);
}

static void test_full(struct rig *r)
{
    struct err e;
    struct told t;
    struct platform *p = platform_log_open(r->loop, "/dev/full", &e);
    struct platform_request q = delivery();
    if (p == NULL) {
        skip("no /dev/full");
        return;
    }
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "unreachable", "the disk is full: %s", t.answer.err.text);
    platform_close(p);
}

static void test_log(struct rig *r, const char *dir)
{
    char path[256];
    struct err e;
    struct told t;
    (void)snprintf(path, sizeof path, "%s/log", dir);
    is_int(log_open("test", path, LOG_INFO, &e), 0, "a log");
    struct platform *p = platform_log_open(r->loop, "", &e);
    struct platform_request q = delivery();
    q.body = SV("{\"actions\":[{\"data\":{\"message\":\"private\"}}]}");
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "sent", "logged");
    is_int(t.answer.actions_executed, 3, "all actions");
    q.send_before_ms = clock_mono_ms();
    deliver(r, p, &q, &t);
    is_str(outcomes[t.answer.outcome], "too late", "past its deadline");
    int before = t.times;
    ok(platform_send(p, &q, tell, &t) != NULL, "sent");
    platform_close(p);
    rig_settle(r);
    is_int(t.times, before, "closed: never answered");
    char *text = read_file(path);
    has_str(text, "\"conversation_id\":\"c1\"", "the conversation is in the log");
    ok(text != NULL && strstr(text, "private") == NULL, "the message is not");
    free(text);
    log_close();
    (void)unlink(path);
}

int main(void)
{
    struct rig r;
    char dir[] = "/tmp/turnkeeper-platform-XXXXXX";
    if (mkdtemp(dir) == NULL)
        bail_out("no directory");
    rig_open(&r, NULL);
    test_answers(&r);
    test_request(&r);
    test_stale(&r);
    test_not_sent(&r);
    test_abort(&r);
    test_file(&r, dir);
    test_full(&r);
    test_log(&r, dir);
    rig_close(&r);
    (void)rmdir(dir);
    return done_testing();
}
