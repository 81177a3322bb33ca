/* SPDX-License-Identifier: MIT
 * Tests of src/daemon/websocket_head.c: handshakes as browsers and proxies send them, and bytes that are none. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/websocket_head.h"
#include "t/tap.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define LINE "GET /ws/chat/c1?after=7&ticket=abc.def HTTP/1.1\r\n"
#define REST "Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"

static struct arena *a;

static void test_whole(void)
{
    static const char text[] = LINE REST "authorization:  Bearer x \r\nLast-Event-ID: 9\r\nX-Request-ID: r1\r\nCookie: a=\xc3\xa9\r\n\r\nmore";
    struct websocket_head h;
    int early = 0;

    is_int(websocket_head_read(sv_from(text), &h), HEAD_WHOLE, "a handshake");
    is_int(h.n, sizeof(text) - 1 - 4, "ends where it ends");
    is_sv(h.method, SV("GET"), "method");
    is_sv(h.path, SV("/ws/chat/c1"), "path");
    is_sv(h.query, SV("after=7&ticket=abc.def"), "query");
    is_sv(h.authorization, SV("Bearer x"), "Authorization");
    is_sv(h.last_event_id, SV("9"), "Last-Event-ID");
    is_sv(h.request_id, SV("r1"), "X-Request-ID");
    is_sv(h.key, SV(KEY), "key");
    is_sv(h.version, SV("13"), "version");
    ok(h.upgrade, "it wants to be a WebSocket");
    for (size_t n = 0; n < h.n; n++)
        early += websocket_head_read((struct sv){ text, n }, &h) != HEAD_PART;
    is_int(early, 0, "every beginning of it is a part");
}

static void test_bad(void)
{
    static const char *const bad[] = {
        "\r\n\r\n", "GET / HTTP/1.0\r\n\r\n", "GET /\r\n\r\n", "GET  / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1 \r\n\r\n", "G(T / HTTP/1.1\r\n\r\n",
        "GET x HTTP/1.1\r\n\r\n", "GET http://x/ HTTP/1.1\r\n\r\n", "GET /\xc3\xa9 HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\nA: b\r\n\r\n",
        LINE "A\r\n\r\n", LINE "A : b\r\n\r\n", LINE " folded: b\r\n\r\n", LINE ": b\r\n\r\n", LINE "A: b\rc\r\n\r\n", LINE "A: b\nc: d\r\n\r\n",
        LINE "A: \x01\r\n\r\n", LINE "A: \x7f\r\n\r\n", LINE "Content-Length: 1\r\n\r\n", LINE "Transfer-Encoding: chunked\r\n\r\n",
        LINE "Authorization: a\r\nAuthorization: b\r\n\r\n", LINE "Last-Event-ID: 1\r\nLast-Event-ID: 1\r\n\r\n",
        LINE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n\r\n", LINE "Sec-WebSocket-Key: x\r\n\r\n",
        LINE "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Key: " KEY "\r\n\r\n", LINE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n\r\n",
        LINE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=A\r\n\r\n", LINE "Sec-WebSocket-Key: Zm9v\r\n\r\n",
    };
    struct websocket_head h;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        is_int(websocket_head_read(sv_from(bad[i]), &h), HEAD_BAD, "bad %zu", i);
    is_int(websocket_head_read(SV(LINE "A: \0\r\n\r\n"), &h), HEAD_BAD, "a NUL");
    is_int(websocket_head_read(SV(LINE "Content-Length: 0\r\n\r\n"), &h), HEAD_WHOLE, "no body");
}

static void test_upgrade(void)
{
    static const struct {
        const char *headers;
        bool upgrade;
    } table[] = {
        { "Connection: keep-alive, upgrade\r\nUpgrade: WebSocket\r\n", true },
        { "Connection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n", true },
        { "Connection: Upgrade\r\n", false },
        { "Upgrade: websocket\r\n", false },
        { "Connection: close\r\nUpgrade: websocket\r\n", false },
        { "Connection: upgraded\r\nUpgrade: websockets\r\n", false },
        { "", false },
    };
    char text[256];
    struct websocket_head h;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        (void)snprintf(text, sizeof(text), "%s%s\r\n", LINE, table[i].headers);
        is_int(websocket_head_read(sv_from(text), &h), HEAD_WHOLE, "upgrade %zu", i);
        is_int(h.upgrade, table[i].upgrade, "upgrade %zu: it is asked for or not", i);
    }
}

static bool ask(const char *target, const char *last, const char *base, struct websocket_ask *out)
{
    struct websocket_head h;
    struct sv text = arena_printf(a, "GET %s HTTP/1.1\r\n%s%s%s\r\n", target, last != NULL ? "Last-Event-ID: " : "", last != NULL ? last : "",
                                  last != NULL ? "\r\n" : "");
    if (websocket_head_read(text, &h) != HEAD_WHOLE)
        bail_out("%s", target);
    return websocket_head_ask(&h, sv_from(base), a, out);
}

static void test_paths(void)
{
    static const struct {
        const char *base, *target, *id; /* id NULL: not found; "": found and wrong */
    } table[] = {
        { "", "/ws/chat/c1", "c1" },
        { "", "/ws/chat/c1?x=y", "c1" },
        { "", "/ws/chat/a%2Fb%20c%c3%A9", "a/b c\xc3\xa9" },
        { "", "/ws/chat/..", ".." },
        { "", "/ws/chat/a+b", "a+b" },
        { "/bot", "/bot/ws/chat/c1", "c1" },
        { "/bot", "/ws/chat/c1", NULL },
        { "", "/ws/chat/", NULL },
        { "", "/ws/chat", NULL },
        { "", "/ws/chat/a/b", NULL },
        { "", "/ws//chat/a", NULL },
        { "", "/WS/chat/a", NULL },
        { "", "/", NULL },
        { "", "/ws/chat/%", "" },
        { "", "/ws/chat/%2", "" },
        { "", "/ws/chat/%zz", "" },
        { "", "/ws/chat/a%00", "" },
        { "", "/ws/chat/a%0a", "" },
        { "", "/ws/chat/%ff", "" },
        { "", "/ws/chat/%7f", "" },
    };
    struct websocket_ask out;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        bool found = ask(table[i].target, NULL, table[i].base, &out);
        is_int(found, table[i].id != NULL, "%s below \"%s\"", table[i].target, table[i].base);
        if (!found)
            continue;
        if (table[i].id[0] == '\0')
            ok(out.wrong != NULL, "%s is no id", table[i].target);
        else
            ok(out.wrong == NULL && sv_eq(out.session_id, sv_from(table[i].id)), "%s: the id", table[i].target);
    }
    char longest[800] = "/ws/chat/";
    for (size_t i = 0; i < 256; i++)
        memcpy(longest + strlen(longest), "%41", 4);
    ok(ask(longest, NULL, "", &out) && out.wrong == NULL && out.session_id.n == 256, "256 bytes are an id");
    memcpy(longest + strlen(longest), "A", 2);
    ok(ask(longest, NULL, "", &out) && out.wrong != NULL, "257 are none");
}

static void test_queries(void)
{
    static const struct {
        const char *query, *last;
        bool fine, resumes;
        uint64_t after;
        const char *ticket;
    } table[] = {
        { "", NULL, true, false, 0, NULL },
        { "?", NULL, true, false, 0, NULL },
        { "?after=0", NULL, true, true, 0, NULL },
        { "?after=17&x=1", NULL, true, true, 17, NULL },
        { "?ticket=a.b%2D_&after=3", NULL, true, true, 3, "a.b-_" },
        { "?after=3", "9", true, true, 9, NULL },
        { "", "9", true, true, 9, NULL },
        { "?ticket", NULL, true, false, 0, "" },
        { "?ticket=%zz", NULL, true, false, 0, "" },
        { "?Ticket=a", NULL, true, false, 0, NULL },
        { "?after=", NULL, false, false, 0, NULL },
        { "?after", NULL, false, false, 0, NULL },
        { "?after=-1", NULL, false, false, 0, NULL },
        { "?after=1x", NULL, false, false, 0, NULL },
        { "?after=%31", NULL, false, false, 0, NULL },
        { "?after=18446744073709551615", NULL, false, false, 0, NULL },
        { "?after=1&after=1", NULL, false, false, 0, NULL },
        { "?ticket=a&ticket=a", NULL, false, false, 0, "a" },
        { "", "x", false, false, 0, NULL },
        { "?after=x", "5", false, false, 0, NULL },
    };
    struct websocket_ask out;

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *target = arena_printf(a, "/ws/chat/c%s", table[i].query).p;
        ok(ask(target, table[i].last, "", &out), "%s", target);
        is_int(out.wrong == NULL, table[i].fine, "%s: fine", target);
        is_sv(out.ticket, sv_from(table[i].ticket), "%s: ticket", target);
        if (table[i].fine)
            ok(out.resumes == table[i].resumes && (!out.resumes || out.after == table[i].after), "%s: where it goes on", target);
    }
}

int main(void)
{
    a = arena_new(0, 1u << 20);
    if (a == NULL)
        bail_out("no memory");
    test_whole();
    test_bad();
    test_upgrade();
    test_paths();
    test_queries();
    arena_free(a);
    return done_testing();
}
