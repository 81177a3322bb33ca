/* SPDX-License-Identifier: MIT
 * Peers that say nothing: the limits for the first byte of an answer and for silence within it. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "t/outside/rig.h"
#include "t/tap.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define STREAM HEAD "Content-Type: text/event-stream\r\n"

/* ---- limits ---- */

struct limit_case {
    const char *name;
    struct peer_step step;
    int64_t first_byte_ms, silence_ms;
    const char *outcome, *text, *pieces;
    int64_t least_ms;
    bool status_only;
};

static const struct limit_case limit_cases[] = {
    { "no answer",
      { .then = PEER_HANG },
      60,
      0,
      "unknown",
      "no first byte of an answer came within 60 ms",
      "",
      60,
      false },
    { "no answer, both limits", { .then = PEER_HANG }, 60, 30, "unknown", "no first byte", "", 60, false },
    { "an interim one is no answer",
      { .answer = "HTTP/1.1 102 Wait\r\n\r\n", .then = PEER_HANG },
      60,
      30,
      "unknown",
      "no first byte",
      "",
      60,
      false },
    { "silence in the head",
      { .answer = STREAM "X: y\r\n", .then = PEER_HANG },
      PLENTY_MS,
      60,
      "unknown",
      "nothing came for 60 ms",
      "",
      60,
      false },
    { "silence behind the head",
      { .answer = STREAM "\r\n", .then = PEER_HANG },
      0,
      60,
      "unknown",
      "nothing came for 60 ms",
      "",
      60,
      false },
    { "silence in the body",
      { .answer = STREAM "\r\nabc", .then = PEER_HANG },
      PLENTY_MS,
      60,
      "unknown",
      "nothing came for 60 ms",
      "abc",
      60,
      false },
    { "silence in the body of an error",
      { .answer = "HTTP/1.1 500 Oh\r\nContent-Length: 9\r\n\r\nabc", .then = PEER_HANG },
      PLENTY_MS,
      60,
      "unknown",
      "nothing came for 60 ms",
      "",
      60,
      false },
    { "silence before the last chunk",
      { .answer = STREAM "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .then = PEER_HANG },
      PLENTY_MS,
      60,
      "unknown",
      "nothing came for 60 ms",
      "abc",
      60,
      false },
    { "slow, but never silent: longer than either limit",
      { .answer = STREAM "Content-Length: 200\r\n\r\n0123456789", .repeat = 20, .pieces = 12, .pause_ms = 200 },
      1500,
      1500,
      "answered",
      NULL,
      NULL,
      2000,
      false },
    { "the first byte's limit is not the body's",
      { .answer = STREAM "Content-Length: 200\r\n\r\n0123456789", .repeat = 20, .pieces = 6, .pause_ms = 300 },
      1000,
      0,
      "answered",
      NULL,
      NULL,
      1300,
      false },
    { "only the status: it is there, the rest may be silent",
      { .answer = HEAD "Content-Length: 9\r\n\r\nabc", .then = PEER_HANG },
      PLENTY_MS,
      60,
      "answered",
      NULL,
      "",
      60,
      true },
    { "only the status, and it does not come",
      { .answer = HEAD, .then = PEER_HANG },
      PLENTY_MS,
      60,
      "unknown",
      "nothing came for 60 ms",
      "",
      60,
      true },
};

static void test_limits(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(limit_cases); i++) {
        const struct limit_case *c = &limit_cases[i];
        struct peer *p = peer_start(&c->step, 1);
        struct pieces x = { 0 };
        struct heard h = { 0 };
        struct http_request q = pieces_request(p, &x);
        q.first_byte_ms = c->first_byte_ms;
        q.silence_ms = c->silence_ms;
        q.status_only = c->status_only;
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], c->outcome, "%s: %s", c->name, h.answer.err.text);
        if (c->text != NULL)
            has_str(h.answer.err.text, c->text, "%s: why", c->name);
        if (c->text != NULL)
            is_int(h.answer.err.code, ERR_UNAVAILABLE, "%s: code", c->name);
        ok(strstr(h.answer.err.text, "hidden") == NULL, "%s: without the query", c->name);
        if (c->pieces != NULL)
            is_str(pieces_text(&x), c->pieces, "%s: what was passed on", c->name);
        ok(h.answer.took_ms >= c->least_ms, "%s: not before its time (%lld ms)", c->name, (long long)h.answer.took_ms);
        is_int(peer_requests(p), 1, "%s: one request", c->name);
        is_int(h.times, 1, "%s: one answer", c->name);
        pieces_free(&x);
        heard_free(&h);
        peer_stop(p);
    }
}

/* Not sent at all; the total limit before the others; the limits of the last call are gone. */
static void test_other_limits(struct rig *r)
{
    static const struct peer_step steps[] = {
        { .answer = STREAM "Content-Length: 3\r\n\r\nabc" },
        { .answer = STREAM "Content-Length: 20\r\n\r\n01234567890123456789", .pieces = 4, .pause_ms = 80 },
        { .then = PEER_HANG },
    };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct heard h = { 0 };
    struct pieces x = { 0 };
    struct http_request q = pieces_request(p, &x);
    q.first_byte_ms = PLENTY_MS;
    q.silence_ms = 2000;
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "answered", "within its limits: %s", h.answer.err.text);
    (void)usleep(2100000);
    rig_settle(r);
    is_int(h.times, 1, "a limit ends with its call");
    q.first_byte_ms = q.silence_ms = 0;
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "answered", "a slow one without limits: %s", h.answer.err.text);
    q.first_byte_ms = PLENTY_MS;
    q.timeout_ms = 80;
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "unknown", "the whole time: %s", h.answer.err.text);
    ok(strstr(h.answer.err.text, "first byte") == NULL, "it is named, and not the other");
    q.url = rig_url(peer_full_port(), "/?token=hidden");
    q.timeout_ms = PLENTY_MS;
    q.first_byte_ms = 60;
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "not sent", "the first byte's limit while connecting: %s", h.answer.err.text);
    has_str(h.answer.err.text, "no first byte", "it says which limit");
    pieces_free(&x);
    heard_free(&h);
    peer_stop(p);
}

static bool was_heard(void *arg)
{
    return ((struct heard *)arg)->times > 0;
}

struct held {
    struct pieces x;
    struct heard h;
};

static bool goes_on(void *arg)
{
    return ((struct held *)arg)->x.n > 0 || ((struct held *)arg)->h.times > 0;
}

/* A process that is held up for longer than a limit, twice, while the next piece comes to its socket. */
static void test_held_up(struct rig *r)
{
    static const struct peer_step step = { .answer = STREAM "Content-Length: 900\r\n\r\n012345678901234567890123456789",
                                           .repeat = 30,
                                           .pieces = 3,
                                           .pause_ms = 600 };
    struct peer *p = peer_start(&step, 1);
    struct held held = { .h = { 0 } };
    struct http_request q = pieces_request(p, &held.x);
    q.silence_ms = 150;
    ok(http_post(r->http, &q, hear, &held.h) != NULL, "posted");
    for (int i = 0; i < 2; i++) {
        rig_until(r, goes_on, &held);
        held.x.n = 0;
        (void)usleep(1000000);
    }
    rig_until(r, was_heard, &held.h);
    is_str(http_outcomes[held.h.answer.outcome], "answered", "what lies there counts: %s", held.h.answer.err.text);
    is_int(held.x.text.n, 900, "all of it");
    pieces_free(&held.x);
    heard_free(&held.h);
    peer_stop(p);
}

struct closing {
    struct rig *rig;
    int times;
};

static void close_all(void *arg, const struct http_answer *a)
{
    struct closing *c = arg;
    c->times++;
    is_str(http_outcomes[a->outcome], "unknown", "%s", a->err.text);
    http_close(c->rig->http);
    c->rig->http = NULL;
}

static bool has_closed(void *arg)
{
    return ((struct closing *)arg)->times > 0;
}

/* Everything is closed from inside the answer of a call whose limit has passed; the limits of others are pending (loop_free would abort for a timer
 * that is left). */
static void test_close(void)
{
    static const struct peer_step step = { .answer = STREAM "\r\nabc", .then = PEER_HANG };
    struct peer *p = peer_start(&step, 1);
    struct rig r;
    struct heard h = { 0 };
    struct pieces x = { 0 };
    struct http_request q = pieces_request(p, &x);
    rig_open(&r, NULL);
    struct closing c = { .rig = &r };
    q.silence_ms = PLENTY_MS;
    for (int i = 0; i < 20; i++)
        ok(http_post(r.http, &q, hear, &h) != NULL, "posted");
    q.silence_ms = 30;
    ok(http_post(r.http, &q, close_all, &c) != NULL, "posted");
    rig_until(&r, has_closed, &c);
    rig_settle(&r);
    is_int(c.times, 1, "ended once");
    is_int(h.times, 0, "the others never");
    rig_close(&r);
    pieces_free(&x);
    heard_free(&h);
    peer_stop(p);
}

int main(void)
{
    struct rig r;
    rig_open(&r, NULL);
    test_limits(&r);
    test_other_limits(&r);
    test_held_up(&r);
    test_close();
    rig_close(&r);
    return done_testing();
}
