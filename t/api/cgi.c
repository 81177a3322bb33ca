/* SPDX-License-Identifier: MIT
 * Tests of src/api/cgi.c: parameters and the syntax of headers. */
#include "config.h"

#include <stdio.h>

#include "api/cgi.h"
#include "t/tap.h"

/* The texts as an environment, which is not const. */
static bool parse(const char *const *texts, struct cgi_head *h)
{
    static char copies[16][64];
    char *env[16] = { 0 };

    for (size_t i = 0; texts[i] != NULL; i++) {
        (void)snprintf(copies[i], sizeof(copies[i]), "%s", texts[i]);
        env[i] = copies[i];
    }
    return cgi_parse(env, h);
}

static void test_parse(void)
{
    static const char *const env[] = {
        "FCGI_ROLE=RESPONDER",
        "REQUEST_METHOD=POST",
        "HTTP_AUTHORIZATION=Bearer a=b",
        "REQUEST_URI=/x?y=z",
        "HTTP_X_REQUEST_ID=",
        "BROKEN",
        "=odd",
        "REQUEST_METHODS=GET",
        NULL,
    };
    static const char *const twice[] = { "HTTP_ORIGIN=a", "HTTP_HOST=x", "HTTP_ORIGIN=b", NULL };
    static const char *const others[] = { "HTTP_HOST=a", "HTTP_HOST=b", NULL };
    struct cgi_head h;

    ok(parse(env, &h), "an environment");
    is_sv(h.param[CGI_REQUEST_METHOD], SV("POST"), "method");
    is_sv(h.param[CGI_AUTHORIZATION], SV("Bearer a=b"), "a value with an equals sign");
    is_sv(h.param[CGI_REQUEST_URI], SV("/x?y=z"), "target");
    is_sv(h.param[CGI_REQUEST_ID], SV(""), "empty is not absent");
    is_sv(h.param[CGI_ORIGIN], SV_NONE, "absent");
    ok(!parse(twice, &h), "one that stands twice is refused");
    ok(parse(others, &h), "one that nobody looks at may");
}

static void test_methods(void)
{
    for (int m = CGI_OTHER + 1; m < CGI_METHODS; m++)
        is_int(cgi_method_parse(sv_from(cgi_method_name((enum cgi_method)m))), m, "%s",
               cgi_method_name((enum cgi_method)m));
    is_int(cgi_method_parse(SV("get")), CGI_OTHER, "methods have a case");
    is_int(cgi_method_parse(SV("TRACE")), CGI_OTHER, "TRACE");
    is_int(cgi_method_parse(SV("")), CGI_OTHER, "nothing");
    is_int(cgi_method_parse(SV_NONE), CGI_OTHER, "none");
}

static void test_media_type(void)
{
    static const struct {
        int line;
        const char *text;
        bool json;
    } table[] = {
        { __LINE__, "application/json", true },
        { __LINE__, "Application/JSON", true },
        { __LINE__, " application/json ; charset=UTF-8", true },
        { __LINE__, "application/json;charset=\"utf-8\"", true },
        { __LINE__, "application/json; x=y", true },
        { __LINE__, "application/json;", true },
        { __LINE__, "application/json; charset=latin1", false },
        { __LINE__, "application/jsonx", false },
        { __LINE__, "application/problem+json", false },
        { __LINE__, "text/plain", false },
        { __LINE__, "text/plain; application/json", false },
        { __LINE__, "", false },
        { __LINE__, NULL, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_int(cgi_is_json(sv_from(table[i].text)), table[i].json, "line %d: %s", table[i].line, table[i].text);
}

static void test_prefer(void)
{
    static const struct {
        int line;
        const char *text;
        bool yes;
    } table[] = {
        { __LINE__, "respond-async", true },
        { __LINE__, "Respond-Async", true },
        { __LINE__, "return=minimal, respond-async; x=1", true },
        { __LINE__, "wait=10,respond-async", true },
        { __LINE__, "respond-asyncs", false },
        { __LINE__, "x; respond-async", false },
        { __LINE__, "x=respond-async", false },
        { __LINE__, "", false },
        { __LINE__, NULL, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_int(cgi_prefers(sv_from(table[i].text), SV("respond-async")), table[i].yes, "line %d: %s", table[i].line,
               table[i].text);
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void test_traceparent(void)
{
    static const struct {
        int line;
        const char *text;
        bool good;
    } table[] = {
        { __LINE__, "00-" TRACE "-" SPAN "-01", true },
        { __LINE__, "00-" TRACE "-" SPAN "-01-x", false },
        { __LINE__, "01-" TRACE "-" SPAN "-01-x", true },
        { __LINE__, "01-" TRACE "-" SPAN "-01x", false },
        { __LINE__, "01-" TRACE "-" SPAN "-01-\r", false },
        { __LINE__, "ff-" TRACE "-" SPAN "-01", false },
        { __LINE__, "00-4BF92F3577b34da6a3ce929d0e0e4736-" SPAN "-01", false },
        { __LINE__, "00-00000000000000000000000000000000-" SPAN "-01", false },
        { __LINE__, "00-" TRACE "-0000000000000000-01", false },
        { __LINE__, "00-" TRACE "-" SPAN "-0", false },
        { __LINE__, "00-" TRACE "-" SPAN "-zz", false },
        { __LINE__, "00_" TRACE "-" SPAN "-01", false },
        { __LINE__, "", false },
        { __LINE__, NULL, false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        is_int(cgi_is_traceparent(sv_from(table[i].text)), table[i].good, "line %d", table[i].line);
}

static void test_request_id(void)
{
    char text[CGI_REQUEST_ID_MAX + 2];

    memset(text, 'a', sizeof(text));
    ok(cgi_is_request_id((struct sv){ text, CGI_REQUEST_ID_MAX }), "as long as allowed");
    ok(!cgi_is_request_id((struct sv){ text, CGI_REQUEST_ID_MAX + 1 }), "one longer");
    ok(cgi_is_request_id(SV("aZ09._-")), "all kinds of characters");
    ok(!cgi_is_request_id(SV("")), "empty");
    ok(!cgi_is_request_id(SV_NONE), "none");
    for (int c = 0; c < 256; c++) {
        bool sane = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                    c == '_' || c == '-';
        text[3] = (char)c;
        if (cgi_is_request_id((struct sv){ text, 8 }) != sane)
            ok(false, "character %d", c);
    }
}

int main(void)
{
    test_parse();
    test_methods();
    test_media_type();
    test_prefer();
    test_traceparent();
    test_request_id();
    return done_testing();
}
