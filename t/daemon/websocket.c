/* SPDX-License-Identifier: MIT
 * Push over WebSocket from the handshake to the end: who is let in, events, pings, readers that do not read, limits, the drain. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/websocket_place.h"
#include "t/daemon/websocket_rig.h"
#include "t/tap.h"

#define BEARER "Authorization: Bearer platform\r\n"

static struct sv text;

/* ---- who is let in ---- */

static void test_door(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w;

    o.base_path = "/bot";
    w = rig_open(&o);
    const struct {
        int status;
        const char *target, *more;
    } table[] = {
        { 101, "/bot/ws/chat/c1", BEARER },
        { 101, "/bot/ws/chat/c1", "Authorization: Bearer admin\r\n" },
        { 101, "/bot/ws/chat/c1?after=5", BEARER },
        { 101, arena_printf(rig_arena, "/bot/ws/chat/c%%20%%2F1?ticket=%s", rig_ticket("c /1", NULL, SENDER_USER, 60000).p).p, "" },
        { 101, arena_printf(rig_arena, "/bot/ws/chat/c1?ticket=%s", rig_ticket("c1", "u1", SENDER_USER, 60000).p).p,
          "Authorization: Basic eDp5\r\n" },
        { 401, "/bot/ws/chat/c1", "" },
        { 401, "/bot/ws/chat/c1", "Authorization: Bearer wrong\r\n" },
        { 401, "/bot/ws/chat/c1?ticket=abc.def", "" },
        { 401, "/bot/ws/chat/c1?ticket=platform", "" },
        { 401, arena_printf(rig_arena, "/bot/ws/chat/c1?ticket=%s", rig_ticket("c1", NULL, SENDER_USER, -1000).p).p, "" },
        { 403, arena_printf(rig_arena, "/bot/ws/chat/c2?ticket=%s", rig_ticket("c1", NULL, SENDER_USER, 60000).p).p, "" },
        { 401, "/bot/ws/chat/c1?after=x", "" },
        { 400, "/bot/ws/chat/c1?after=x", BEARER },
        { 400, "/bot/ws/chat/%00", BEARER },
        { 404, "/ws/chat/c1", BEARER },
        { 404, "/bot/ws/chat/", BEARER },
        { 404, "/bot/ws/chat/c1/x", BEARER },
        { 400, "/bot/ws/chat/c1", BEARER "Content-Length: 5\r\n" },
        { 400, "/bot/ws/chat/c1", BEARER "Sec-WebSocket-Version: 13\r\n" },
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct client *c = client_new(w);
        is_int(client_greet(c, table[i].target, table[i].more), table[i].status, "%d: %.40s", table[i].status, table[i].target);
        client_free(c);
    }
    ok(rig_close(w), "it ends");
}

static int raw(struct websocket *w, struct sv bytes, bool *over)
{
    struct client *c = client_new(w);
    int status;

    client_send(c, bytes);
    *over = client_is_over(c);
    status = c->in.n > 12 ? (int)strtol(c->in.p + 9, NULL, 10) : 0;
    client_free(c);
    return status;
}

static void test_heads(void)
{
    static char big[20000];
    struct websocket_options o = rig_options();
    bool over;

    o.handshake_ms = 60;
    struct websocket *w = rig_open(&o);
    is_int(raw(w, SV("POST /ws/chat/c1 HTTP/1.1\r\n" BEARER "\r\n"), &over), 405, "POST");
    is_int(raw(w, SV("GET /ws/chat/c1 HTTP/1.1\r\n" BEARER "\r\n"), &over), 426, "no WebSocket");
    is_int(raw(w, SV("GET /ws/chat/c1 HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                     "Sec-WebSocket-Version: 8\r\n" BEARER "\r\n"), &over), 426, "an old version");
    is_int(raw(w, SV("\x16\x03\x01 nonsense\r\n\r\n"), &over), 400, "no HTTP");
    is_int(raw(w, SV("GET /ws/chat/c1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" BEARER "\r\n\x81\x80xxxx"), &over),
           400, "a frame before the answer");
    is_int(raw(w, SV("GET /ws/chat/c1 HTTP/1.1\r\nHost: x\r\n"), &over), 408, "half a request, in time");
    ok(over, "its connection is closed");
    is_int(raw(w, SV_NONE, &over), 0, "silence");
    ok(over, "is closed as well");
    memset(big, 'x', sizeof(big));
    memcpy(big, "GET / HTTP/1.1\r\nCookie: ", 24);
    is_int(raw(w, (struct sv){ big, sizeof(big) }, &over), 431, "headers without end");
    struct client *c = client_new(w);
    is_int(client_greet(c, "/ws/chat/c1", ""), 401, "who is refused");
    ok(client_is_over(c), "has his connection closed");
    has_str(c->in.p, "\r\nWWW-Authenticate: Bearer\r\n", "is told how to come in");
    has_str(c->in.p, "{\"success\":false,\"status\":\"error\",\"error\":\"A valid credential is required.\",\"code\":\"unauthorized\",\"request_id\":\"",
            "as the API does");
    client_free(c);
    struct websocket_stat n;
    websocket_stat(w, &n);
    is_int(n.connections, 0, "nobody has come in");
    ok(rig_close(w), "it ends");
}

static void test_tokens(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c1", BEARER), *other;
    const char *with = arena_printf(rig_arena, "/ws/chat/c1?ticket=%s", rig_ticket("c1", NULL, SENDER_USER, 10000).p).p;

    is_int(rig_set(w, "", "boss", 4096), -1, "no token is no configuration");
    other = client_open(w, "/ws/chat/c1", BEARER);
    client_free(other);
    is_int(rig_set(w, "fresh", "boss, admin", 4096), 0, "other tokens");
    other = client_new(w);
    is_int(client_greet(other, "/ws/chat/c1", BEARER), 401, "the old one is refused");
    client_free(other);
    other = client_open(w, "/ws/chat/c1", "Authorization: Bearer fresh\r\n");
    client_free(other);
    other = client_open(w, with, "");
    client_free(other);
    is_int(rig_set(w, "fresh", "boss", 4096), 0, "the secret of the tickets is gone");
    other = client_new(w);
    is_int(client_greet(other, with, ""), 401, "so are the tickets");
    client_free(other);
    rig_emit("c1", 1, SV("{\"seq\":1}"));
    is_int(client_next(c, &text), OP_TEXT, "who is connected stays");
    client_free(c);
    ok(rig_close(w), "it ends");
}

/* ---- events ---- */

static void test_events(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c1", BEARER);
    static char big[200000];

    ok(rig_after() == HUB_NOW, "without a number: from now on");
    struct client *d = client_open(w, "/ws/chat/c2?after=7", BEARER);
    is_int(rig_after(), 7, "after=7");
    client_free(d);
    d = client_open(w, "/ws/chat/c2?after=7", BEARER "Last-Event-ID: 9\r\n");
    is_int(rig_after(), 9, "Last-Event-ID wins");
    memset(big, 'x', sizeof(big));
    rig_emit("c1", 1, SV("{\"seq\":1,\"type\":\"message\"}"));
    rig_emit("c2", 1, SV("{\"seq\":1}"));
    is_int(client_next(c, &text), OP_TEXT, "an event is a text frame");
    is_sv(text, SV("{\"seq\":1,\"type\":\"message\"}"), "as it is");
    rig_emit("c1", 2, (struct sv){ big, sizeof(big) });
    is_int(client_next(c, &text), OP_TEXT, "a large one");
    is_int(text.n, sizeof(big), "is one frame, too");
    ok(memcmp(text.p, big, sizeof(big)) == 0, "and whole");
    is_int(client_next(d, &text), OP_TEXT, "another session's goes there");
    is_sv(text, SV("{\"seq\":1}"), "and only there");
    client_frame(c, OP_PING | OP_LAST, SV("hello"));
    is_int(client_next(c, &text), OP_PONG, "a ping is answered");
    is_sv(text, SV("hello"), "with its payload");
    client_frame(c, OP_CLOSE | OP_LAST, SV("\x03\xe8" "bye"));
    is_int(client_closed(c), 1000, "a closing is answered");
    ok(client_is_over(c), "and then it is over");
    is_int(rig_listeners("c1"), 0, "nobody listens any more");
    client_free(c);
    client_free(d);
    ok(rig_close(w), "it ends");
}

/* What many listeners of a session get is kept once. */
static void test_sharing(void)
{
    enum { N = 50 };
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c[N];
    int good = 0;

    for (int i = 0; i < N; i++)
        c[i] = client_open(w, "/ws/chat/c1", BEARER);
    for (uint64_t seq = 1; seq <= 3; seq++) /* nothing is sent before the loop turns */
        rig_emit("c1", seq, arena_printf(rig_arena, "{\"seq\":%d}", (int)seq));
    struct frame *f = frames_get(w->frames, SV("c1"), 2, SV("{\"seq\":2}")), *other = frames_get(w->frames, SV("c1"), 2, SV("{\"seq\":9}"));
    is_int(f->refs, N + 1, "one frame for %d listeners", (int)N);
    ok(other != f && other->refs == 1, "another text is another frame, whatever its number");
    frame_unref(other);
    frame_unref(f);
    for (int i = 0; i < N; i++) {
        for (int seq = 1; seq <= 3; seq++)
            good += client_next(c[i], &text) == OP_TEXT && sv_eq(text, arena_printf(rig_arena, "{\"seq\":%d}", seq));
        client_free(c[i]);
    }
    is_int(good, 3 * N, "all get them");
    f = frames_get(w->frames, SV("c1"), 2, SV("{\"seq\":2}"));
    is_int(f->refs, 1, "and let go of them");
    frame_unref(f);
    ok(rig_close(w), "it ends");
}

/* ---- those who do not read or answer ---- */

static void test_pings(void)
{
    struct websocket_options o = rig_options();
    int pings = 0, op;

    o.ping_ms = 30;
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c1", BEARER);
    for (int i = 0; i < 5; i++) {
        is_int(client_next(c, &text), OP_PING, "ping %d", i);
        client_frame(c, OP_PONG | OP_LAST, text);
    }
    while ((op = client_next(c, &text)) == OP_PING)
        pings++;
    is_int(pings, 2, "two without an answer");
    is_int(op, OP_CLOSE, "and it is closed");
    is_sv(text, SV("\x03\xf5"), "1013: try again later");
    client_free(c);
    ok(rig_close(w), "it ends");
}

static bool stalls(void *arg)
{
    static uint64_t seq;
    static char event[8000];

    memset(event, 'e', sizeof(event));
    rig_emit("c1", ++seq, (struct sv){ event, sizeof(event) });
    *(uint64_t *)arg = seq;
    return rig_held("c1") == 1;
}

static bool listens(void *arg)
{
    (void)arg;
    return rig_held("c1") == 0;
}

static void test_stall(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c1", BEARER);
    uint64_t seq = 0, got = 0;
    struct websocket_stat n;

    ok(rig_wait(stalls, &seq), "who does not read hears of nothing after a while");
    is_int(w->first->state, PEER_STALLED, "he is stalled");
    ok(w->first->queue_bytes <= WEBSOCKET_QUEUE_MAX, "%zu bytes wait for him", w->first->queue_bytes);
    while (got + 1 < seq && client_next(c, &text) == OP_TEXT)
        got++;
    is_int(got, seq - 1, "he reads all that he was given");
    ok(rig_wait(listens, NULL), "then there is room again");
    is_int(w->first->state, PEER_OPEN, "and he is not stalled any more");
    client_free(c);
    ok(rig_close(w), "it ends");

    o.stall_ms = 50;
    w = rig_open(&o);
    c = client_open(w, "/ws/chat/c1", BEARER);
    ok(rig_wait(stalls, &seq), "another one");
    w->first->w->o.stall_ms = 50;
    while (w->n.cut == 0)
        rig_turn();
    is_int(client_closed(c), 1013, "who takes too long has his connection closed");
    websocket_stat(w, &n);
    is_int(n.cut, 1, "and is counted");
    client_free(c);
    ok(rig_close(w), "it ends");
}

/* ---- limits ---- */

static bool nobody(void *arg)
{
    struct websocket_stat n;

    websocket_stat(arg, &n);
    return n.connections == 0;
}

static void test_max(void)
{
    struct websocket_options o = rig_options();

    o.connections_max = 2;
    struct websocket *w = rig_open(&o);
    struct client *a = client_open(w, "/ws/chat/c1", BEARER), *b = client_open(w, "/ws/chat/c1", BEARER), *c = client_new(w);
    is_int(client_greet(c, "/ws/chat/c1", BEARER), 503, "one too many");
    has_str(c->in.p, "\r\nRetry-After: ", "is told to come again");
    client_free(a);
    client_free(b);
    client_free(c);
    ok(rig_wait(nobody, w), "who goes makes room");
    client_free(client_open(w, "/ws/chat/c1", BEARER));
    ok(rig_close(w), "it ends");
}

static void test_protocol(void)
{
    static char most[4097];
    static const struct {
        int line, code;
        int op[3];
        struct sv payload[3];
    } table[] = {
        { __LINE__, 1003, { OP_BINARY | OP_LAST }, { SV("x") } },
        { __LINE__, 1003, { OP_BINARY, OP_MORE | OP_LAST }, { SV("x"), SV("y") } },
        { __LINE__, 1007, { OP_TEXT | OP_LAST }, { SV("\xff") } },
        { __LINE__, 1007, { OP_TEXT | OP_LAST }, { SV("\xc3") } },
        { __LINE__, 1007, { OP_TEXT, OP_MORE | OP_LAST }, { SV("\xc3"), SV("x") } },
        { __LINE__, 1009, { OP_TEXT | OP_LAST }, { { most, 4097 } } },
        { __LINE__, 1009, { OP_TEXT, OP_MORE, OP_MORE | OP_LAST }, { { most, 2048 }, { most, 2048 }, { most, 1 } } },
        { __LINE__, 1002, { OP_MORE | OP_LAST }, { SV("x") } },
        { __LINE__, 1002, { OP_TEXT, OP_TEXT | OP_LAST }, { SV("x"), SV("y") } },
        { __LINE__, 1002, { 3 | OP_LAST }, { SV("x") } },
        { __LINE__, 1002, { OP_TEXT | OP_LAST | 0x40 }, { SV("x") } },
        { __LINE__, 1002, { OP_PING }, { SV("x") } },
    };
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);

    memset(most, ' ', sizeof(most));
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct client *c = client_open(w, "/ws/chat/c1", BEARER);
        for (size_t f = 0; f < ARRAY_LEN(table[i].op) && table[i].payload[f].p != NULL; f++)
            client_frame(c, table[i].op[f], table[i].payload[f]);
        is_int(client_closed(c), table[i].code, "line %d: closed with %d", table[i].line, table[i].code);
        client_free(c);
    }
    struct client *c = client_open(w, "/ws/chat/c1", BEARER);
    client_frame(c, OP_TEXT, (struct sv){ most, 4000 });
    client_frame(c, OP_PING | OP_LAST, SV("x"));
    is_int(client_next(c, &text), OP_PONG, "half a message");
    is_int(rig_set(w, "platform", "admin", 1024), 0, "the limit shrinks below it");
    client_frame(c, OP_MORE | OP_LAST, SV(" "));
    is_int(client_closed(c), 1009, "then it is too large");
    client_free(c);
    ok(rig_close(w), "it ends");
}

/* ---- messages ---- */

static void is_next(struct client *c, struct sv want, const char *name)
{
    if (is_int(client_next(c, &text), OP_TEXT, "%s: an answer", name))
        is_sv(text, want, "%s", name);
}

static bool has_said(void *arg)
{
    return rig_said_n >= *(size_t *)arg;
}

#define HELLO "\"content\":\"hello\",\"sender_id\":\"u9\",\"sender_type\":\"agent\""
#define ACCEPTED "{\"accepted\":true,\"message_id\":\"m1\"}"
static const struct control_answer accepted = { .http_status = 202, .result = { ACCEPTED, sizeof(ACCEPTED) - 1 } };

static void test_says(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c%201", BEARER);
    size_t n = 1;

    rig_said_n = 0;
    client_text(c, "{\"type\":\"ping\",\"id\":\"7\"}");
    is_next(c, SV("{\"type\":\"pong\",\"id\":\"7\"}"), "a ping of a script");
    client_text(c, "{\"id\":\"a\\u00e9\"," HELLO "}");
    ok(rig_wait(has_said, &n), "a message is submitted");
    is_str(rig_said[0].session, "c 1", "to its session");
    is_str(rig_said[0].content, "hello", "with its content");
    is_str(rig_said[0].sender_id, "u9", "its sender");
    is_int(rig_said[0].sender_type, SENDER_AGENT, "and his type");
    rig_answer(0, &accepted);
    is_next(c, SV("{\"type\":\"accepted\",\"id\":\"a\xc3\xa9\",\"accepted\":true,\"message_id\":\"m1\"}"), "accepted");
    n = 2;
    client_frame(c, OP_TEXT, SV("{\"type\":\"message\","));
    client_frame(c, OP_PING | OP_LAST, SV("between"));
    client_frame(c, OP_MORE, SV(""));
    client_frame(c, OP_MORE | OP_LAST, SV(HELLO "}"));
    is_int(client_next(c, &text), OP_PONG, "a ping between fragments");
    ok(rig_wait(has_said, &n), "fragments are one message");
    const struct control_answer no = { .http_status = 409, .code = "turn_running", .message = "Later." };
    rig_answer(1, &no);
    is_next(c, SV("{\"type\":\"error\",\"code\":\"turn_running\",\"error\":\"Later.\"}"), "refused");
    client_text(c, "{\"id\":\"x\",\"content\":\"\"}");
    is_int(client_next(c, &text), OP_TEXT, "wrong fields");
    has_str(text.p, "{\"type\":\"error\",\"id\":\"x\",\"code\":\"validation_error\",\"error\":\"Some fields are missing or wrong.\",\"detail\":[{\"loc\":[\"body\",\"content\"]",
            "each is named");
    static const char *const bad[][2] = {
        { "{", "invalid_json" }, { "[]", "invalid_json" }, { "", "invalid_json" }, { "{\"id\":1}", "bad_id" }, { "{\"type\":\"dance\"}", "unknown_type" },
        { "{\"type\":1}", "unknown_type" }, { "{\"a\":1,\"a\":2}", "invalid_json" },
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        client_text(c, bad[i][0]);
        is_int(client_next(c, &text), OP_TEXT, "%s is answered", bad[i][0]);
        has_str(text.p, bad[i][1], "with %s", bad[i][1]);
    }
    is_int(rig_said_n, 2, "nothing of that was submitted");
    client_free(c);
    ok(rig_close(w), "it ends");
}

/* A ticket says who is writing. */
static void test_forced(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, arena_printf(rig_arena, "/ws/chat/c1?ticket=%s", rig_ticket("c1", "u1", SENDER_USER, 10000).p).p, "");
    size_t n = 1;

    rig_said_n = 0;
    client_text(c, "{" HELLO "}");
    ok(rig_wait(has_said, &n), "a message");
    is_str(rig_said[0].sender_id, "u1", "is from the ticket's sender");
    is_int(rig_said[0].sender_type, SENDER_USER, "of his type");
    client_text(c, "{\"content\":\"x\"}");
    n = 2;
    ok(rig_wait(has_said, &n), "he need not be named");
    client_free(c);
    c = client_open(w, arena_printf(rig_arena, "/ws/chat/c1?ticket=%s", rig_ticket("c1", NULL, SENDER_AGENT, 10000).p).p, "");
    client_text(c, "{\"content\":\"x\",\"sender_id\":\"u7\",\"sender_type\":\"user\"}");
    n = 3;
    ok(rig_wait(has_said, &n), "a ticket without a sender");
    is_str(rig_said[2].sender_id, "u7", "leaves him to the message");
    is_int(rig_said[2].sender_type, SENDER_AGENT, "but not his type");
    for (size_t i = 0; i < 3; i++)
        rig_answer(i, &accepted);
    client_free(c);
    ok(rig_close(w), "answers for nobody harm nobody");
}

static void test_says_bound(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c1", BEARER);
    size_t n = WEBSOCKET_SAYS_MAX;
    int answers = 0;

    rig_said_n = 0;
    for (int i = 0; i < 40; i++)
        client_text(c, "{" HELLO "}");
    ok(rig_wait(has_said, &n), "as many as may wait at once");
    for (int i = 0; i < 50; i++)
        rig_turn();
    is_int(rig_said_n, n, "and no more");
    for (size_t i = 0; i < 40; i++) {
        n = i + 1;
        ok(rig_wait(has_said, &n), "message %zu", i);
        rig_answer(i, &accepted);
    }
    while (answers < 40 && client_next(c, &text) == OP_TEXT)
        answers++;
    is_int(answers, 40, "all are answered in the end");
    client_free(c);
    ok(rig_close(w), "it ends");
}

/* ---- the end, and the beginning ---- */

static bool over_at_last(void *arg)
{
    return *(bool *)arg;
}

static void set_true(void *arg)
{
    *(bool *)arg = true;
}

static void test_drain(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o);
    struct client *c = client_open(w, "/ws/chat/c1", BEARER), *half = client_new(w), *mute = client_open(w, "/ws/chat/c2", BEARER);
    bool done = false;
    size_t n = 1;

    rig_said_n = 0;
    client_text(c, "{" HELLO "}");
    ok(rig_wait(has_said, &n), "a message waits for its answer");
    client_send(half, SV("GET /ws"));
    rig_turn();
    websocket_stop(w, set_true, &done);
    is_int(client_closed(c), 1001, "told to go");
    client_frame(c, OP_CLOSE | OP_LAST, SV("\x03\xe9"));
    ok(client_is_over(c), "and gone");
    ok(access(rig_path, F_OK) != 0, "the socket is gone");
    ok(client_is_over(half), "who was half in as well");
    ok(client_is_over(mute), "who does not answer is cut");
    ok(!done, "an answer is owed");
    rig_answer(0, &accepted);
    ok(rig_wait(over_at_last, &done), "then it is over");
    websocket_free(w);
    client_free(c);
    client_free(half);
    client_free(mute);
    w = rig_open(&o);
    c = client_open(w, "/ws/chat/c1", BEARER);
    websocket_free(w);
    is_int(client_closed(c), 0, "freed without being stopped: cut");
    is_int(rig_listeners("c1"), 0, "nothing is left behind");
    client_free(c);
}

static bool is_listening(void *arg)
{
    struct websocket_stat n;

    websocket_stat(arg, &n);
    return n.listening;
}

static void test_socket(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w = rig_open(&o), *other = rig_open(&o);
    struct stat st;

    ok(stat(rig_path, &st) == 0 && (st.st_mode & 07777) == 0666, "any web server may connect");
    ok(is_listening(w) && !is_listening(other), "one of two listens");
    ok(rig_close(w), "it ends");
    ok(rig_wait(is_listening, other), "then the other one does");
    client_free(client_open(other, "/ws/chat/c1", BEARER));
    ok(rig_close(other), "it ends, too");
    w = rig_open(&o);
    ok(link(rig_path, arena_printf(rig_arena, "%s.dead", rig_path).p) == 0, "a file that outlives its daemon");
    ok(rig_close(w), "it ends");
    ok(rename(arena_printf(rig_arena, "%s.dead", rig_path).p, rig_path) == 0, "is in the way");
    w = rig_open(&o);
    ok(is_listening(w), "and is replaced");
    ok(rig_close(w), "it ends");
    o.listen = "127.0.0.1:0";
    w = rig_open(&o);
    ok(is_listening(w), "an address");
    ok(rig_close(w), "it ends");
}

static void test_places(void)
{
    static const struct {
        const char *place;
        bool good;
    } table[] = {
        { "/run/ws.sock", true }, { "./ws.sock", true }, { "127.0.0.1:8001", true }, { "localhost:8001", true }, { "[::1]:8001", true },
        { "0.0.0.0:1", true }, { "ws.sock", false }, { "8001", false }, { ":8001", false }, { "localhost:", false }, { "localhost:http", false },
        { "::1:8001", false }, { "chat.example:8001", false }, { "", false }, { "127.0.0.1:8001x", false }, { "[::1]", false },
        { "/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/0123456789/", false },
    };
    struct err e;

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_int(websocket_place_check(table[i].place, &e) == 0, table[i].good, "\"%s\"", table[i].place);
}

int main(void)
{
    rig_begin();
    test_places();
    test_door();
    test_heads();
    test_tokens();
    test_events();
    test_sharing();
    test_pings();
    test_stall();
    test_max();
    test_protocol();
    test_says();
    test_forced();
    test_says_bound();
    test_drain();
    test_socket();
    rig_end();
    return done_testing();
}
