/* SPDX-License-Identifier: MIT
 * Tests of src/api/route.c: which path is whose, and which is nobody's. */
#include "config.h"

#include <stdio.h>

#include "api/endpoints.h"
#include "t/tap.h"

static const struct route table[] = {
    { .method = CGI_GET, .path = "/health" },
    { .method = CGI_POST, .path = "/api/things" },
    { .method = CGI_GET, .path = "/api/things/{id}" },
    { .method = CGI_DELETE, .path = "/api/things/{id}" },
    { .method = CGI_GET, .path = "/api/{user}/sessions/{id}" },
    { .method = CGI_GET, .path = "/api/things/all" },
    { .method = CGI_GET, .path = "/api/logs/of/{id}", .any_case = true },
    { .method = CGI_GET, .path = "/api/logs/{user}/of", .any_case = true },
    { .method = CGI_PUT, .path = "/api/logs/{user}/of", .any_case = true },
};

#define F ROUTE_FOUND
#define B ROUTE_BAD
#define U ROUTE_UNKNOWN
#define W ROUTE_WRONG_METHOD

static void test_find(void)
{
    static const struct {
        int line;
        enum cgi_method method;
        const char *uri;
        enum route_result result;
        int index; /* of the route */
        const char *first, *second;
    } cases[] = {
        { __LINE__, CGI_GET, "/health", F, 0, NULL, NULL },
        { __LINE__, CGI_HEAD, "/health", F, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health?x=/../%zz", F, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health#x", F, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/%68ealth", F, 0, NULL, NULL },
        { __LINE__, CGI_GET, "http://example.org/health", F, 0, NULL, NULL },
        { __LINE__, CGI_GET, "HTTPS://example.org:1/health?x", F, 0, NULL, NULL },
        { __LINE__, CGI_GET, "http://example.org", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "ftp://example.org/health", B, 0, NULL, NULL },
        { __LINE__, CGI_POST, "/health", W, 0, NULL, NULL },
        { __LINE__, CGI_OTHER, "/health", W, 0, NULL, NULL },
        { __LINE__, CGI_OPTIONS, "/health", W, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health/", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/Health", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/healthy", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "//health", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/./health", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/x/../health", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/%2e%2e/health", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health%2f", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health;x", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "health", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "*", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, NULL, B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health%", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health%4", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health%zz", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health%4g", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/health%00", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/a%0Ab", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/a%7fb", B, 0, NULL, NULL },
        { __LINE__, CGI_GET,
          "/a\x01"
          "b",
          B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/a%c3", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/a%ed%a0%80", B, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/api/things/7", F, 2, "7", NULL },
        { __LINE__, CGI_DELETE, "/api/things/7", F, 3, "7", NULL },
        { __LINE__, CGI_GET, "/api/things/a%2Fb", F, 2, "a/b", NULL },
        { __LINE__, CGI_GET, "/api/things/%2F..%2F", F, 2, "/../", NULL },
        { __LINE__, CGI_GET, "/api/things/a%20b+c", F, 2, "a b+c", NULL },
        { __LINE__, CGI_GET, "/api/things/%C3%A9", F, 2, "\xC3\xA9", NULL },
        { __LINE__, CGI_GET, "/api/things/%25zz", F, 2, "%zz", NULL },
        { __LINE__, CGI_GET, "/api/things/{id}", F, 2, "{id}", NULL },
        { __LINE__, CGI_GET, "/api/things/", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/api/things", W, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/api/things/..", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/api/things/7/x", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/api/u1/sessions/s1", F, 4, "u1", "s1" },
        { __LINE__, CGI_GET, "/api//sessions/s1", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/Api/LOGS/U1/Of", F, 7, "U1", NULL },
        { __LINE__, CGI_GET, "/api/logs/of/Of", F, 6, "Of", NULL }, /* the first in the table of those that fit */
        { __LINE__, CGI_PUT, "/api/logs/of/Of", F, 8, "of", NULL },
        { __LINE__, CGI_GET, "/api/Logs/%6Ff/%4Ff", F, 6, "Of", NULL },
        { __LINE__, CGI_POST, "/API/logs/of/x", W, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/api/logs/o/f", U, 0, NULL, NULL },
        { __LINE__, CGI_GET, "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17", U, 0, NULL, NULL },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(0, 65536);
        struct route_match m;
        enum route_result got =
            route_find(table, ARRAY_LEN(table), SV(""), cases[i].method, sv_from(cases[i].uri), a, &m);
        is_int(got, cases[i].result, "line %d: %s", cases[i].line, cases[i].uri != NULL ? cases[i].uri : "no target");
        if (got == F && cases[i].result == F) {
            is_int(m.route - table, cases[i].index, "line %d: the route", cases[i].line);
            is_sv(m.args[0], sv_from(cases[i].first), "line %d: first argument", cases[i].line);
            is_sv(m.args[1], sv_from(cases[i].second), "line %d: second argument", cases[i].line);
        }
        arena_free(a);
    }
}

static void test_allow(void)
{
    struct arena *a = arena_new(0, 65536);
    struct route_match m;

    is_int(route_find(table, ARRAY_LEN(table), SV(""), CGI_PUT, SV("/api/things/7"), a, &m), W, "PUT of a thing");
    is_int(m.allow, 1u << CGI_GET | 1u << CGI_HEAD | 1u << CGI_DELETE, "what is allowed instead");
    is_int(route_find(table, ARRAY_LEN(table), SV(""), CGI_GET, SV("/nothing"), a, &m), U, "nothing");
    is_int(m.allow, 0, "allows nothing");
    arena_free(a);
}

static void test_base(void)
{
    static const struct {
        int line;
        const char *uri;
        enum route_result result;
    } cases[] = {
        { __LINE__, "/chat/health", F }, { __LINE__, "/health", U },         { __LINE__, "/chathealth", U },
        { __LINE__, "/chat", U },        { __LINE__, "/chat/", U },          { __LINE__, "/chat//health", U },
        { __LINE__, "/Chat/health", U }, { __LINE__, "/chat/../health", U }, { __LINE__, "http://h/chat/health", F },
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena *a = arena_new(0, 65536);
        struct route_match m;
        is_int(route_find(table, ARRAY_LEN(table), SV("/chat"), CGI_GET, sv_from(cases[i].uri), a, &m), cases[i].result,
               "line %d: %s below /chat", cases[i].line, cases[i].uri);
        arena_free(a);
    }
}

static void test_memory(void)
{
    struct arena *a = arena_new(0, 64);
    struct route_match m;
    char uri[200];

    memset(uri, 'a', sizeof(uri));
    uri[0] = '/';
    is_int(route_find(table, ARRAY_LEN(table), SV(""), CGI_GET, (struct sv){ uri, sizeof(uri) }, a, &m), B,
           "a full arena");
    arena_free(a);
}

/* Properties of the real table. */
static void test_endpoints(void)
{
    for (size_t i = 0; i < endpoints_n; i++) {
        const struct route *r = &endpoints[i];
        bool lone = true;
        ok(r->path[0] == '/' && r->handle != NULL, "%s can be served", r->path);
        ok(r->access != ACCESS_PUBLIC || strcmp(r->path, "/health") == 0, "%s needs a credential", r->path);
        ok(r->access != ACCESS_STATUS || strcmp(r->path, "/api/v1/status/handler") == 0, "%s needs one, whatever the settings say", r->path);
        ok(r->input == NULL || r->method == CGI_POST || r->method == CGI_PUT || r->method == CGI_PATCH, "%s reads a body only when one is sent to it", r->path);
        ok(r->input == NULL || r->query == NULL || r->input->whole, "%s can list at once what is wrong", r->path);
        ok(strncmp(r->path, "/api/v1/admin/", 14) != 0 || r->access == ACCESS_ADMIN, "%s is for administrators",
           r->path);
        ok(r->access != ACCESS_ADMIN || r->parks, "%s waits, and is counted", r->path);
        for (size_t j = 0; j < endpoints_n; j++)
            lone = lone && (i == j || endpoints[j].method != r->method || strcmp(endpoints[j].path, r->path) != 0);
        ok(lone, "%s %s stands there once", cgi_method_name(r->method), r->path);
    }
}

int main(void)
{
    test_find();
    test_allow();
    test_base();
    test_memory();
    test_endpoints();
    return done_testing();
}
