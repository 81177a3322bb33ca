/* SPDX-License-Identifier: MIT
 * Answers that come piece by piece, what type an answer has, and GET. */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/sse.h"
#include "t/outside/rig.h"
#include "t/tap.h"

#define HEAD "HTTP/1.1 200 OK\r\n"
#define STREAM HEAD "Content-Type: text/event-stream\r\n"

/* ---- pieces ---- */

#define EVENTS "data: {\"a\":\"\xe1\xbb\x87\xf0\x9f\x98\x80\"}\r\n\r\n: x\n\ndata: b\ndata: c\n\ndata: [DONE]\n\n"

struct framing {
    const char *name, *answer;
    enum peer_then then;
};

static const struct framing framings[] = {
    { "with a length", STREAM "Content-Length: 61\r\n\r\n" EVENTS, PEER_KEEP },
    { "until it is closed", STREAM "\r\n" EVENTS, PEER_CLOSE },
    { "chunked",
      STREAM "Transfer-Encoding: chunked\r\n\r\ne\r\ndata: {\"a\":\"\xe1\xbb\r\n2c\r\n"
             "\x87\xf0\x9f\x98\x80\"}\r\n\r\n: x\n\ndata: b\ndata: c\n\ndata: [DONE\r\n3\r\n]\n\n\r\n0\r\nT: t\r\n"
             "Content-Type: x/y\r\n\r\n",
      PEER_KEEP },
};

static bool add_event(void *arg, struct sv event, struct sv data)
{
    (void)event;
    buf_add(arg, data);
    buf_addc(arg, '|');
    return true;
}

struct stream {
    struct sse sse;
    struct buf events;
    bool good;
};

static bool read_events(void *arg, struct sv type, struct sv piece)
{
    struct stream *s = arg;
    s->good = s->good && sv_eq(type, SV("text/event-stream"));
    return sse_add(&s->sse, piece, add_event, &s->events) == 0;
}

/* The peer writes in 1, 2, 3, … pieces, so that the cuts are everywhere. */
static void test_cuts(struct rig *r)
{
    _Static_assert(sizeof(EVENTS) - 1 == 61, "the length that is said");
    for (size_t i = 0; i < ARRAY_LEN(framings); i++) {
        bool good = true;
        for (int k = 1; k < 160 && good; k = k < 24 ? k + 1 : k * 2) {
            struct peer_step step = {
                .answer = framings[i].answer, .then = framings[i].then, .pieces = k, .pause_ms = 1
            };
            struct peer *p = peer_start(&step, 1);
            struct stream s = { .good = true };
            struct heard h = { 0 };
            struct http_request q = pieces_request(p, NULL);
            q.on_piece = read_events;
            q.on_piece_arg = &s;
            q.silence_ms = k % 2 == 1 ? PLENTY_MS : 0;
            rig_post(r, &q, &h);
            good = h.answer.outcome == HTTP_ANSWERED && h.answer.status == 200 && s.good && h.answer.body.n == 0 &&
                   sv_eq(h.answer.content_type, SV("text/event-stream")) &&
                   sse_end(&s.sse, add_event, &s.events) == 0 &&
                   strcmp((s.events.p != NULL ? s.events.p : ""),
                          "{\"a\":\"\xe1\xbb\x87\xf0\x9f\x98\x80\"}|b\nc|[DONE]|") == 0;
            if (!good)
                diag("%s in %d pieces: \"%s\" %s", framings[i].name, k, (s.events.p != NULL ? s.events.p : ""),
                     h.answer.err.text);
            sse_fini(&s.sse);
            buf_fini(&s.events);
            heard_free(&h);
            peer_stop(p);
        }
        ok(good, "a stream %s", framings[i].name);
    }
}

/* More than an answer may have is not too much for a stream. */
static void test_long(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(800000, "01234567"), .repeat = 100000 };
    struct peer *p = peer_start(&step, 1);
    struct pieces x = { 0 };
    struct heard h = { 0 };
    struct http_request q = pieces_request(p, &x);
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "answered", "a long one");
    is_int(x.text.n, 800000, "all of it, in %d pieces", x.n);
    q.on_piece = NULL;
    rig_post(r, &q, &h);
    has_str(h.answer.err.text, "larger than 65536", "too long for an answer that is kept");
    pieces_free(&x);
    heard_free(&h);
    peer_stop(p);
}

struct kept_case {
    const char *name, *answer;
    int status;
    const char *body, *type, *pieces;
    enum peer_then then;
};

static const struct kept_case kept_cases[] = {
    { "429", "HTTP/1.1 429 No\r\nContent-Type: application/json\r\nRetry-After: 7\r\nContent-Length: 5\r\n\r\n{\"e\"}",
      429, "{\"e\"}", "application/json", "", PEER_KEEP },
    { "500, chunked", "HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", 500, "abc",
      NULL, "", PEER_KEEP },
    { "302", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nr", 302, "r",
      "text/html", "", PEER_KEEP },
    { "199 is interim, 200 is not", "HTTP/1.1 199 X\r\nContent-Type: a/b\r\n\r\n" HEAD "Content-Length: 2\r\n\r\nok",
      200, "", NULL, "ok", PEER_KEEP },
    { "299", "HTTP/1.1 299 Fine\r\nContent-Type: a/b\r\nContent-Length: 2\r\n\r\nok", 299, "", "a/b", "ok", PEER_KEEP },
    { "300", "HTTP/1.1 300 Many\r\nContent-Length: 2\r\n\r\nok", 300, "ok", NULL, "", PEER_KEEP },
    { "204", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", NULL, "", PEER_KEEP },
    { "no body", HEAD "Content-Length: 0\r\n\r\n", 200, "", NULL, "", PEER_KEEP },
    { "HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata", 200, "", "text/event-stream",
      "data", PEER_CLOSE },
};

/* What is kept although somebody listens, one after another on one prepared call. */
static void test_kept(struct rig *r)
{
    for (size_t i = 0; i < ARRAY_LEN(kept_cases); i++) {
        const struct kept_case *c = &kept_cases[i];
        struct peer_step step = { .answer = c->answer, .then = c->then, .pieces = 7 };
        struct peer *p = peer_start(&step, 1);
        struct pieces x = { 0 };
        struct heard h = { 0 };
        struct http_request q = pieces_request(p, &x);
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], "answered", "%s: %s", c->name, h.answer.err.text);
        is_int(h.answer.status, c->status, "%s: status", c->name);
        is_str(h.body, c->body, "%s: body", c->name);
        is_str(h.type, c->type, "%s: type", c->name);
        is_str(pieces_text(&x), c->pieces, "%s: pieces", c->name);
        if (c->status == 429)
            is_int(h.answer.retry_after_ms, 7000, "%s: Retry-After", c->name);
        pieces_free(&x);
        heard_free(&h);
        peer_stop(p);
    }
}

/* Broken off: what came was passed on, and nobody says that it was whole. */
static void test_cut_off(struct rig *r)
{
    static const struct peer_step steps[] = {
        { .answer = STREAM "Content-Length: 10\r\n\r\nabc", .then = PEER_CLOSE },
        { .answer = STREAM "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", .then = PEER_CLOSE },
        { .answer = STREAM "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz", .then = PEER_CLOSE },
    };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct peer *p = peer_start(&steps[i], 1);
        struct pieces x = { 0 };
        struct heard h = { 0 };
        struct http_request q = pieces_request(p, &x);
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], "unknown", "cut off (%zu): %s", i, h.answer.err.text);
        ok(strstr(h.answer.err.text, "hidden") == NULL, "without the query");
        is_str(pieces_text(&x), "abc", "what came was passed on");
        is_int(peer_requests(p), 1, "and it is not asked again");
        pieces_free(&x);
        heard_free(&h);
        peer_stop(p);
    }
}

/* on_piece says that it is enough: at the first piece, in the middle, at the last. */
static void test_enough(struct rig *r)
{
    static const struct peer_step steps[] = {
        { .answer = STREAM "Content-Length: 3\r\n\r\nabc" },
        { .answer = STREAM "\r\n0123456789", .repeat = 10000, .then = PEER_HANG },
        { .answer = STREAM "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n" },
    };
    static const int lefts[] = { 1, 2, 3 };
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct peer *p = peer_start(&steps[i], 1);
        struct pieces x = { .left = lefts[i] };
        struct heard h = { 0 };
        struct http_request q = pieces_request(p, &x);
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], "unknown", "enough (%zu)", i);
        is_int(h.answer.err.code, ERR_PROTOCOL, "its code: %s", h.answer.err.text);
        has_str(h.answer.err.text, "not wanted", "and why");
        is_int(x.n, lefts[i], "no piece behind it");
        x.left = 0;
        if (steps[i].then == PEER_KEEP) {
            rig_post(r, &q, &h);
            is_str(http_outcomes[h.answer.outcome], "answered", "the next one is well");
            is_int(peer_connections(p), 2,
                   "on a connection of its own: the rest of the first answer would be on the other");
        }
        pieces_free(&x);
        heard_free(&h);
        peer_stop(p);
    }
}

/* ---- cutting ---- */

static bool has_piece(void *arg)
{
    return ((struct pieces *)arg)->n > 0;
}

static bool all_closed(void *arg)
{
    return peer_closed(arg) == peer_connections(arg);
}

static void test_abort(struct rig *r)
{
    static const struct peer_step steps[] = { { .answer = STREAM "\r\nabc", .then = PEER_HANG },
                                              { .answer = PEER_OK(2, "{}") } };
    struct peer *p = peer_start(steps, ARRAY_LEN(steps));
    struct heard h = { 0 };
    struct pieces x = { 0 };
    struct http_request q = pieces_request(p, &x);
    q.silence_ms = q.first_byte_ms = 300;
    struct http_call *c = http_post(r->http, &q, hear, &h);
    rig_until(r, has_piece, &x);
    http_abort(c);
    rig_until(r, all_closed, p);
    ok(true, "the peer sees the end of a stream that is aborted");
    (void)usleep(400000);
    rig_settle(r);
    is_int(h.times, 0, "no answer, also when its limits have passed");
    is_int(x.n, 1, "no further piece");
    pieces_free(&x);
    rig_post(r, &q, &h);
    is_str(http_outcomes[h.answer.outcome], "answered", "the next one is well");
    is_str(pieces_text(&x), "{}", "its pieces");
    is_str(x.type.p, "application/json", "their type");
    pieces_free(&x);
    heard_free(&h);
    peer_stop(p);
}

/* ---- the type of an answer ---- */

static void test_types(struct rig *r)
{
    static const char long_type[] =
        "Content-Type: application/x0123456789012345678901234567890123456789012345678901234567890123"
        "4567890123456789012345678901234567890123456789012345678901234567890123456789\r\n";
    static const struct {
        const char *head, *type;
    } cases[] = {
        { "Content-Type: application/json\r\n", "application/json" },
        { "content-type: Text/Event-STREAM; charset=UTF-8\r\n", "text/event-stream" },
        { "CONTENT-TYPE:text/event-stream;Charset=\"a;b\"\r\n", "text/event-stream" },
        { "cOnTeNt-TyPe: \t  APPLICATION/problem+JSON \t ; x=y\r\n", "application/problem+json" },
        { "Content-Type: text/plain   \r\n", "text/plain" },
        { "Content-Type: text/plain\n", "text/plain" },
        { "Content-Type:\r\n", NULL },
        { "Content-Type: ; charset=utf-8\r\n", NULL },
        { "Content-Typ: a/b\r\nContent-Types: a/b\r\nX-Content-Type: a/b\r\n", NULL },
        { "Content-Encoding: identity\r\nCache-Control: no\r\n", NULL },
        { "", NULL },
        { long_type, NULL },
    };
    struct buf answer = { 0 };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (int listens = 0; listens < 2; listens++) {
            buf_clear(&answer);
            buf_printf(&answer, HEAD "%sContent-Length: 2\r\n\r\n{}", cases[i].head);
            struct peer_step step = { .answer = answer.p };
            struct peer *p = peer_start(&step, 1);
            struct heard h = { 0 };
            struct pieces x = { 0 };
            struct http_request q = pieces_request(p, &x);
            if (listens == 0)
                q.on_piece = NULL;
            rig_post(r, &q, &h);
            is_str(h.type, cases[i].type, "type %zu", i);
            is_str(h.body, listens ? "" : "{}", "body");
            if (listens)
                is_str(x.type.p, cases[i].type != NULL ? cases[i].type : "none", "with the piece");
            pieces_free(&x);
            heard_free(&h);
            peer_stop(p);
        }
    buf_fini(&answer);
}

/* ---- GET ---- */

/* On one prepared call, in turn with POST. */
static void test_get(struct rig *r)
{
    static const struct peer_step step = { .answer = PEER_OK(2, "{}") };
    const struct http_header headers[] = { { "Authorization", SV("Bearer x") }, { "Accept", SV("text/plain") } };
    struct peer *p = peer_start(&step, 1);
    struct heard h = { 0 };
    struct buf want = { 0 };
    for (int i = 0; i < 6; i++) {
        bool get = i != 2 && i != 4;
        struct http_request q = { .url = rig_url(peer_port(p), "/a?b=c&token=t"),
                                  .get = get,
                                  .body = SV("never"),
                                  .body_borrowed = i < 3,
                                  .headers = headers,
                                  .headers_n = ARRAY_LEN(headers),
                                  .timeout_ms = PLENTY_MS,
                                  .once = i == 5 };
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], "answered", "%s: %s", get ? "GET" : "POST", h.answer.err.text);
        is_str(h.body, "{}", "its body");
        buf_clear(&want);
        buf_printf(
            &want,
            "%s /a?b=c&token=t HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%sAuthorization: Bearer x\r\nAccept: text/plain\r\n%s",
            get ? "GET" : "POST", peer_port(p), get ? "" : "Content-Type: application/json\r\n",
            get ? "\r\n" : "Content-Length: 5\r\n\r\nnever");
        is_str(peer_request(p, i), want.p, "the request, byte by byte");
    }
    is_int(peer_connections(p), 1, "all on one connection");
    buf_fini(&want);
    heard_free(&h);
    peer_stop(p);
}

/* The kept connection is closed when the request has come: it is repeated, unless it is to go out once. */
static void test_get_stale(struct rig *r)
{
    static const struct peer_step steps[] = { { .answer = PEER_OK(2, "{}") },
                                              { .then = PEER_CLOSE },
                                              { .answer = PEER_OK(5, "again") } };
    for (int once = 0; once < 2; once++) {
        struct peer *p = peer_start(steps, ARRAY_LEN(steps));
        struct http_request q = { .url = rig_url(peer_port(p), "/?token=hidden"),
                                  .get = true,
                                  .timeout_ms = PLENTY_MS };
        struct heard h = { 0 };
        struct pieces x = { 0 };
        rig_post(r, &q, &h);
        q.once = once;
        q.on_piece = pieces_take;
        q.on_piece_arg = &x;
        q.first_byte_ms = PLENTY_MS;
        rig_post(r, &q, &h);
        is_str(http_outcomes[h.answer.outcome], once ? "unknown" : "answered", "GET on a dead connection, once=%d: %s", once,
               h.answer.err.text);
        ok(strstr(h.answer.err.text, "hidden") == NULL, "without the query");
        is_int(peer_requests(p), once ? 2 : 3, "requests");
        is_str(pieces_text(&x), once ? "" : "again", "pieces");
        pieces_free(&x);
        heard_free(&h);
        peer_stop(p);
    }
}

int main(void)
{
    struct rig r;
    rig_open(&r, &(struct http_options){ .answer_max = 65536 });
    test_cuts(&r);
    test_long(&r);
    test_kept(&r);
    test_cut_off(&r);
    test_enough(&r);
    test_abort(&r);
    test_types(&r);
    test_get(&r);
    test_get_stale(&r);
    rig_close(&r);
    return done_testing();
}
