/* SPDX-License-Identifier: MIT
 * Users at the door of the WebSockets: let in where the session is theirs, once that is known and not before; and whatever may happen while it is being found out. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "t/daemon/websocket_rig.h"
#include "t/lib/jwt_rig.h"
#include "t/tap.h"

static struct sv text;

/* A header with a token that has these claims besides exp. */
static const char *bearer(const char *claims, enum rig_how how)
{
    char all[512];
    struct buf b = { 0 };
    const char *line;

    (void)snprintf(all, sizeof(all), "{\"exp\":%" PRId64 ",%s}", clock_wall_ms() / 1000 + 300, claims);
    rig_token(&b, SV("{\"alg\":\"HS256\"}"), sv_from(all), how);
    line = arena_printf(rig_arena, "Authorization: Bearer %s\r\n", b.p).p;
    buf_fini(&b);
    return line;
}

static struct websocket *open_with(struct websocket_options o)
{
    o.jwt.secret = RIG_SECRET;
    rig_asked_n = rig_said_n = 0;
    return rig_open(&o);
}

static bool asked(void *arg)
{
    return rig_asked_n >= *(const size_t *)arg;
}

/* Somebody who has sent his handshake and whose session is being looked for. */
static struct client *knock(struct websocket *w, const char *target, const char *more)
{
    struct client *c = client_new(w);
    size_t n = rig_asked_n + 1;

    client_ask(c, target, more);
    if (!rig_wait(asked, &n))
        bail_out("nobody was asked about %s", target);
    return c;
}

static void say_whose(size_t i, enum session_owner whose)
{
    rig_asked[i].fn(rig_asked[i].arg, whose);
}

static const char *body_of(const struct client *c)
{
    const char *body = c->in.n > 0 ? strstr(c->in.p, "\r\n\r\n{\"success\"") : NULL;

    return body != NULL ? body : "(none)";
}

static void test_own(void)
{
    struct websocket *w = open_with(rig_options());
    struct client *c = knock(w, "/ws/chat/c%201?after=7", bearer("\"userId\":\"u1\",\"sub\":\"u9\"", RIG_HS256));
    struct websocket_stat n;

    is_str(rig_asked[0].session, "c 1", "whose session is asked for");
    is_str(rig_asked[0].user, "u1", "and who asks");
    for (int i = 0; i < 3; i++)
        rig_turn();
    is_int(c->in.n, 0, "nothing is said before it is known");
    is_int(rig_listeners("c 1"), 0, "nor heard");
    say_whose(0, SESSION_HIS);
    is_int(client_status(c), 101, "he is let in");
    is_int(rig_listeners("c 1"), 1, "listens");
    is_int(rig_after(), 7, "from where he had been");
    rig_emit("c 1", 8, SV("{\"seq\":8}"));
    is_int(client_next(c, &text), OP_TEXT, "hears");
    client_text(c, "{\"content\":\"hi\",\"sender_id\":\"u2\",\"sender_type\":\"agent\"}");
    client_text(c, "{\"content\":\"ho\"}");
    while (rig_said_n < 2)
        rig_turn();
    is_str(rig_said[0].sender_id, "u1", "writes in his own name");
    is_int(rig_said[0].sender_type, SENDER_USER, "as a user");
    is_str(rig_said[1].sender_id, "u1", "also where he says none");
    for (size_t i = 0; i < 2; i++)
        rig_answer(i, &(struct control_answer){ .http_status = 202, .result = SV("{\"accepted\":true}") });
    websocket_stat(w, &n);
    is_int(n.connections, 1, "one is connected");
    client_free(c);
    ok(rig_close(w), "it ends");
}

static void test_strange(void)
{
    static const struct { enum session_owner whose; int status; } rows[] = {
        { SESSION_NOBODY_KNOWS_IT, 403 }, { SESSION_NOT_HIS, 403 }, { SESSION_OWNER_UNSURE, 503 },
    };
    struct websocket *w = open_with(rig_options());
    struct client *c[ARRAY_LEN(rows)];
    const char *user = bearer("\"sub\":\"u1\"", RIG_HS256);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        c[i] = knock(w, "/ws/chat/0b0c1f8e-5a3c-4a36-9d1c-0a8f6d2f9b11", user);
        say_whose(i, rows[i].whose);
        is_int(client_status(c[i]), rows[i].status, "he is not let in");
    }
    ok(strncmp(body_of(c[0]), body_of(c[1]), strlen("\r\n\r\n{\"success\":false,\"status\":\"error\",\"error\":\"")) == 0 && strlen(body_of(c[0])) == strlen(body_of(c[1])) &&
           c[0]->in.n == c[1]->in.n, "another's session and an unknown one are told the same");
    has_str(c[0]->in.p, "\"code\":\"forbidden\"", "that it is not for him");
    has_str(c[2]->in.p, "\r\nRetry-After: 1\r\n", "what is not known may be tried again");
    is_int(rig_listeners("0b0c1f8e-5a3c-4a36-9d1c-0a8f6d2f9b11"), 0, "nobody listens");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        client_free(c[i]);
    rig_owner_fails = true;
    c[0] = client_new(w);
    is_int(client_greet(c[0], "/ws/chat/c1", user), 503, "memory is short");
    client_free(c[0]);
    rig_owner_fails = false;
    ok(rig_close(w), "it ends");
}

static void test_credentials(void)
{
    struct websocket *w = open_with(rig_options());
    const struct { int status; const char *target, *more; } rows[] = {
        { 401, "/ws/chat/c1", bearer("\"sub\":\"u1\"", RIG_HS256_OTHER) },
        { 401, "/ws/chat/c1", bearer("\"sub\":\"\"", RIG_HS256) },
        { 401, "/ws/chat/c1", bearer("\"name\":\"x\"", RIG_HS256) },
        { 101, "/ws/chat/c1", bearer("\"role\":\"Platform\"", RIG_HS256) },
        { 101, "/ws/chat/c1", bearer("\"role\":\"Admin\",\"sub\":\"u1\"", RIG_HS256) },
        { 101, arena_printf(rig_arena, "/ws/chat/c1?ticket=%s", rig_ticket("c1", "u1", SENDER_USER, 60000).p).p, bearer("\"sub\":\"\"", RIG_HS256) },
        { 400, "/ws/chat/c1?after=x", bearer("\"sub\":\"u1\"", RIG_HS256) },
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct client *c = client_new(w);
        is_int(client_greet(c, rows[i].target, rows[i].more), rows[i].status, "%d: row %zu", rows[i].status, i);
        client_free(c);
    }
    is_int(rig_asked_n, 0, "nobody's session was looked for");
    ok(rig_close(w), "it ends");
}

/* ---- while it is being found out ---- */

static void test_meanwhile(void)
{
    struct websocket_options o = rig_options();
    struct websocket *w;
    struct client *c;
    const char *user = bearer("\"sub\":\"u1\"", RIG_HS256);

    o.handshake_ms = 60;
    o.connections_max = 1;
    w = open_with(o);
    c = knock(w, "/ws/chat/c1", user);
    is_int(client_status(c), 408, "it takes too long");
    say_whose(0, SESSION_HIS);
    is_int(rig_listeners("c1"), 0, "a late answer is for nobody");
    client_free(c);
    c = knock(w, "/ws/chat/c1", user);
    client_free(c);
    rig_turn();
    say_whose(1, SESSION_HIS);
    for (int i = 0; i < 5; i++)
        rig_turn();
    is_int(rig_listeners("c1"), 0, "nobody is left who was let in");
    c = knock(w, "/ws/chat/c1", user);
    struct client *other = client_open(w, "/ws/chat/c1", "Authorization: Bearer platform\r\n");
    say_whose(2, SESSION_HIS);
    is_int(client_status(c), 503, "meanwhile others have taken the room");
    client_free(c);
    client_free(other);
    ok(rig_close(w), "it ends");
}

static void stopped(void *arg)
{
    *(bool *)arg = true;
}

static void test_stop(void)
{
    struct websocket *w = open_with(rig_options());
    struct client *c = knock(w, "/ws/chat/c1", bearer("\"sub\":\"u1\"", RIG_HS256));
    bool done = false;

    websocket_stop(w, stopped, &done);
    client_free(c);
    for (int i = 0; i < 5; i++)
        rig_turn();
    ok(!done, "an answer is owed");
    say_whose(0, SESSION_HIS);
    for (int i = 0; i < 2000 && !done; i++)
        rig_turn();
    ok(done, "then it ends");
    websocket_free(w);
}

int main(void)
{
    rig_begin();
    test_own();
    test_strange();
    test_credentials();
    test_meanwhile();
    test_stop();
    rig_end();
    return done_testing();
}
