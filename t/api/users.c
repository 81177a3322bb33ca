/* SPDX-License-Identifier: MIT
 * Tests of what users may, with a JSON Web Token: every route is either closed to them or gives them only what is theirs, and nothing tells another's session from
 * one that does not exist. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/endpoints.h"
#include "lib/clock.h"
#include "t/lib/api_rig.h"
#include "t/lib/control_double.h"
#include "t/lib/fcgi_client.h"
#include "t/lib/jwt_rig.h"
#include "t/lib/session_double.h"
#include "t/tap.h"
#include "turn/session_owner.h"
#include "turn/ticket.h"

#define UUID "0b0c1f8e-5a3c-4a36-9d1c-0a8f6d2f9b11"
#define CHAT "/api/v1/chat/sessions/"
#define TEXT "{\"content\":\"hi\",\"message_id\":\"m1\"}"
#define NO_BODY NULL

static struct rig rig;

/* A header with a token that has these claims besides exp. */
static const char *bearer(const char *claims)
{
    static char text[4096];
    char all[512];
    struct buf b = { 0 };

    (void)snprintf(all, sizeof(all), "{\"exp\":%" PRId64 ",%s}", clock_wall_ms() / 1000 + 300, claims);
    rig_token(&b, SV("{\"alg\":\"HS256\"}"), sv_from(all), RIG_HS256);
    (void)snprintf(text, sizeof(text), "Bearer %s", b.p);
    buf_fini(&b);
    return text;
}

static void ask_as(const char *claims, const char *method, const char *uri, const char *body, struct fcgi_answer *a)
{
    const char *const headers[] = { "HTTP_AUTHORIZATION", bearer(claims), "HTTP_X_REQUEST_ID", "r1", NULL };
    struct buf b = { 0 };

    put_request(&b, method, uri, headers, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

static int status_as(const char *claims, const char *method, const char *uri, const char *body)
{
    struct fcgi_answer a;
    int status;

    ask_as(claims, method, uri, body, &a);
    status = a.status;
    answer_fini(&a);
    return status;
}

#define USER "\"sub\":\"u1\""

static void session_is(int status, const char *json, const char *cache)
{
    control_script.answer = (struct control_answer){ .http_status = status, .result = sv_from(json), .cache = cache,
                                                     .code = status < 300 ? NULL : "x", .message = status < 300 ? NULL : "X." };
}

/* ---- routes ---- */

/* A path of the pattern, with u1 and the like in it. */
static void path_of(const struct route *route, char *out, size_t size)
{
    size_t n = 0;

    for (const char *p = route->path; *p != '\0' && n + 2 < size; p++) {
        if (*p == '{')
            p = strchr(p, '}'), out[n++] = 'x';
        else
            out[n++] = *p;
    }
    out[n] = '\0';
}

static void test_routes(void)
{
    session_is(404, NULL, NULL);
    for (size_t i = 0; i < endpoints_n; i++) {
        const struct route *route = &endpoints[i];
        char path[200];
        int as_user;
        path_of(route, path, sizeof(path));
        as_user = status_as(USER, cgi_method_name(route->method), path, "{\"session_id\":\"x\",\"content\":\"x\"}");
        switch (route->access) {
        case ACCESS_PLATFORM:
        case ACCESS_ADMIN:
        case ACCESS_CHAT: /* nothing is his in this test */
        case ACCESS_SESSION:
        case ACCESS_WEBHOOK:
            is_int(as_user, 403, "%s %s is not for a user", cgi_method_name(route->method), path);
            break;
        case ACCESS_USER:
            ok(as_user != 401, "%s %s is for users", cgi_method_name(route->method), path);
            break;
        case ACCESS_PUBLIC:
        case ACCESS_STATUS:
            ok(as_user != 401 && as_user != 403, "%s %s is for everybody", cgi_method_name(route->method), path);
            break;
        }
    }
    is_int(atomic_load(&rig_seen.submits), 0, "no message went to the engine");
    session_is(0, NULL, NULL);
}

static void test_roles(void)
{
    is_int(status_as("\"role\":\"Admin\"", "GET", "/api/v1/admin/queue", NO_BODY), 200, "Admin is as the token of the administrators");
    is_int(status_as("\"role\":\"Platform\"", "GET", "/api/v1/admin/queue", NO_BODY), 403, "Platform is not");
    is_int(status_as("\"roles\":[\"Platform\"],\"sub\":\"x\"", "GET", CHAT "s1", NO_BODY), 200, "but is as the platform's");
    is_int(status_as("\"role\":\"Guest\"", "GET", CHAT "s1", NO_BODY), 401, "another role without a user is nobody's");
    is_int(status_as("\"userId\":\"\"", "GET", CHAT "s1", NO_BODY), 401, "so is an empty user");
    is_int(status_as("\"sub\":\"u1\",\"aud\":\"shop\"", "GET", CHAT "s1", NO_BODY), 401, "and a token for somebody else");
}

/* Whatever is wrong with a credential, the answer is the same. */
static void test_one_answer(void)
{
    static const char *const bad[] = { "Bearer guess", "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic eDp5" };
    struct fcgi_answer first, a;

    ask_as("\"sub\":\"\"", "GET", CHAT "s1", NO_BODY, &first);
    is_sv(answer_header(&first, "WWW-Authenticate"), SV("Bearer"), "WWW-Authenticate");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *const headers[] = { "HTTP_AUTHORIZATION", bad[i], "HTTP_X_REQUEST_ID", "r1", NULL };
        struct buf b = { 0 };
        put_request(&b, "GET", CHAT "s1", headers, SV_NONE);
        client_ask(rig.path, buf_sv(&b), &a);
        is_sv(buf_sv(&a.out), buf_sv(&first.out), "the answer to %s", bad[i]);
        answer_fini(&a);
        buf_fini(&b);
    }
    answer_fini(&first);
}

/* ---- sessions ---- */

static const struct { const char *method, *uri, *body; } ways[] = {
    { "GET", CHAT UUID, NULL },
    { "GET", CHAT "s1", NULL },
    { "GET", CHAT UUID "/events", NULL },
    { "GET", CHAT UUID "/events?after=0", NULL },
    { "POST", CHAT "s1/messages", TEXT },
    { "POST", "/api/v1/tickets", "{\"session_id\":\"" UUID "\"}" },
};

static void test_foreign(void)
{
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        static const struct { int status; const char *json; } strange[] = {
            { 200, "{\"session_id\":\"s1\",\"user_id\":\"u2\"}" }, { 200, "{\"session_id\":\"s1\",\"user_id\":null}" },
            { 200, "{\"session_id\":\"s1\",\"user_id\":\"u1 \"}" }, { 200, "{\"session_id\":\"u1\",\"user_id\":\"\"}" },
        };
        struct fcgi_answer unknown, a;
        session_is(404, NULL, NULL);
        ask_as(USER, ways[i].method, ways[i].uri, ways[i].body, &unknown);
        is_int(unknown.status, 403, "%s %s of an unknown session", ways[i].method, ways[i].uri);
        for (size_t k = 0; k < ARRAY_LEN(strange); k++) {
            session_is(strange[k].status, strange[k].json, "HIT");
            ask_as(USER, ways[i].method, ways[i].uri, ways[i].body, &a);
            is_sv(buf_sv(&a.out), buf_sv(&unknown.out), "%s: the same bytes", strange[k].json);
            answer_fini(&a);
        }
        answer_fini(&unknown);
        session_is(503, NULL, NULL);
        is_int(status_as(USER, ways[i].method, ways[i].uri, ways[i].body), 503, "it cannot be found out");
        session_is(404, NULL, "BYPASS");
        is_int(status_as(USER, ways[i].method, ways[i].uri, ways[i].body), 503, "the store that stands in does not know it");
    }
    is_int(atomic_load(&session_double_listeners), 0, "nobody listens");
    session_is(0, NULL, NULL);
}

static void test_own(void)
{
    struct fcgi_answer a;

    session_is(200, "{\"session_id\":\"s1\",\"user_id\":\"u1\"}", "HIT");
    ask_as(USER, "GET", CHAT "s1", NO_BODY, &a);
    is_int(a.status, 200, "his own session");
    is_sv(answer_body(&a), SV("{\"session_id\":\"s1\",\"user_id\":\"u1\"}"), "as it is");
    is_sv(answer_header(&a, "X-Cache"), SV("HIT"), "and from where");
    answer_fini(&a);
    is_int(status_as(USER, "PATCH", CHAT "s1", "{\"status\":\"closed\"}"), 403, "he sets nothing");
    is_int(status_as(USER, "GET", CHAT "s1?ticket=x", NO_BODY), 200, "a ticket does not matter");
    session_is(200, "{\"session_id\":\"s1\",\"user_id\":\"\\u1EC7 \\\"\"}", "HIT");
    is_int(status_as("\"sub\":\"\xE1\xBB\x87 \\\"\"", "GET", CHAT "s1", NO_BODY), 200, "an id with escapes");
    session_is(0, NULL, NULL);
}

static void posts(const char *uri, const char *body, const char *seen, const char *name)
{
    is_int(status_as(USER, "POST", uri, body), control_script.answer.http_status, "%s", name);
    buf_addc(&control_seen, '\0');
    is_str(control_seen.p, seen, "%s: what was sent", name);
}

static void test_message(void)
{
    session_is(200, "{\"user_id\":\"u1\"}", "HIT");
    posts(CHAT "s1/messages", TEXT, "submit s1 m1 u1 hi 0 -1", "without a sender");
    posts(CHAT "s1/messages", "{\"content\":\"hi\",\"message_id\":\"m1\",\"sender_id\":\"u2\",\"sender_type\":\"agent\"}", "submit s1 m1 u1 hi 0 -1",
          "with another's name");
    posts(CHAT "s1/messages", "{\"content\":\"hi\",\"message_id\":\"m1\",\"sender_id\":7,\"sender_type\":[]}", "submit s1 m1 u1 hi 0 -1",
          "with a name that is none");
    is_int(status_as(USER, "POST", CHAT "s1/messages", "{}"), 422, "content is required all the same");
    is_int(status_as("\"role\":\"Platform\"", "POST", CHAT "s1/messages", TEXT), 422, "the platform says who is writing");
    session_is(404, NULL, NULL);
    posts(CHAT UUID "/messages", TEXT, "submit " UUID " m1 u1 hi 0 -1", "he begins a session");
    posts(CHAT "0190F3B2-7C1E-7000-8000-00000000ABCD/messages", TEXT, "submit 0190F3B2-7C1E-7000-8000-00000000ABCD m1 u1 hi 0 -1",
          "with a UUID of version 7 in large letters");
    session_is(200, "{\"user_id\":\"u2\"}", "HIT");
    is_int(status_as(USER, "POST", CHAT UUID "/messages", TEXT), 403, "another has begun it");
    session_is(0, NULL, NULL);
}

static void test_may_begin(void)
{
    static const char *const no[] = { "", "s1", "123456", "0b0c1f8e-5a3c-1a36-9d1c-0a8f6d2f9b11", "0b0c1f8e-5a3c-5a36-9d1c-0a8f6d2f9b11",
                                      "0b0c1f8e-5a3c-4a36-cd1c-0a8f6d2f9b11", "0b0c1f8e5a3c4a369d1c0a8f6d2f9b11", UUID "0", " " UUID,
                                      "{" UUID "}", "0b0c1f8e-5a3c-4a36-9d1c-0a8f6d2f9b1g", "00000000-0000-0000-0000-000000000000" };

    ok(session_may_begin(SV(UUID)), "a random UUID");
    for (size_t i = 0; i < ARRAY_LEN(no); i++)
        ok(!session_may_begin(sv_from(no[i])), "not \"%s\"", no[i]);
}

static void test_ticket(void)
{
    struct fcgi_answer a;
    struct err e;
    struct tickets *t = tickets_new(RIG_ADMIN, &e);
    struct arena *memory = arena_new(0, 65536);
    struct ticket ticket;
    json_t *j;

    session_is(200, "{\"user_id\":\"u1\"}", "HIT");
    ask_as(USER, "POST", "/api/v1/tickets", "{\"session_id\":\"s1\",\"sender_id\":\"u2\",\"sender_type\":\"agent\"}", &a);
    is_int(a.status, 201, "a ticket for his own session");
    j = json_read(answer_body(&a), false, &e);
    if (ok(ticket_check(t, memory, json_sv(j, "ticket"), clock_wall_ms(), &ticket), "which is one")) {
        is_sv(ticket.session_id, SV("s1"), "of that session");
        is_sv(ticket.sender_id, SV("u1"), "in his name");
        is_int(ticket.sender_type, SENDER_USER, "as a user");
    }
    json_decref(j);
    answer_fini(&a);
    arena_free(memory);
    tickets_free(t);
    session_is(0, NULL, NULL);
}

static void test_customer(void)
{
    is_int(status_as(USER, "GET", "/api/v1/customers/u1", NO_BODY), 200, "what is known about him");
    is_int(status_as(USER, "GET", "/api/v1/customers/u2", NO_BODY), 403, "not about others");
    is_int(status_as("\"role\":\"Platform\"", "GET", "/api/v1/customers/u2", NO_BODY), 200, "the platform may know");
}

/* Another key: the old tokens are nobody's. A bad one: everything stays. */
static void reload(void *arg)
{
    struct err e;

    is_int(api_reload(rig.api, arg, &e), ((struct api_options *)arg)->jwt.secret[0] == 's' ? -1 : 0, "a reload");
}

static void test_reload(void)
{
    struct api_options o = rig_options();

    o.jwt.secret = "short";
    rig_run(&rig, reload, &o);
    is_int(status_as(USER, "GET", "/api/v1/customers/u1", NO_BODY), 200, "a key that is too short is refused, the old one stays");
    o.jwt.secret = RIG_OTHER_SECRET;
    rig_run(&rig, reload, &o);
    is_int(status_as(USER, "GET", "/api/v1/customers/u1", NO_BODY), 401, "with another key the token is nobody's");
}

int main(void)
{
    struct api_options o = rig_options();

    o.jwt.secret = RIG_SECRET;
    rig_start(&rig, &o);
    test_routes();
    test_roles();
    test_one_answer();
    test_foreign();
    test_own();
    test_message();
    test_may_begin();
    test_ticket();
    test_customer();
    test_reload();
    rig_stop(&rig);
    buf_fini(&control_seen);
    return done_testing();
}
