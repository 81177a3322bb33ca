/* SPDX-License-Identifier: MIT
 * Tests of src/api/reply.c: the bytes of answers. */
#include "config.h"

#include "api/cgi.h"
#include "api/reply.h"
#include "lib/json.h"
#include "t/tap.h"

#define SAFE "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nX-Request-ID: r1\r\n"
#define JSON "Content-Type: application/json\r\nContent-Length: 2\r\n"

static void test_format(void)
{
    static const struct {
        int line;
        struct reply reply;
        const char *text;
    } table[] = {
        { __LINE__, { .status = 200, .body = { "{}", 2 } }, "Status: 200 OK\r\n" JSON SAFE "\r\n{}" },
        { __LINE__, { .status = 200, .body = { "{}", 2 }, .head = true }, "Status: 200 OK\r\n" JSON SAFE "\r\n" },
        { __LINE__,
          { .status = 202, .body = { "{}", 2 }, .async = true },
          "Status: 202 Accepted\r\n" JSON SAFE "Preference-Applied: respond-async\r\n\r\n{}" },
        { __LINE__,
          { .status = 401, .body = { "{}", 2 } },
          "Status: 401 Unauthorized\r\n" JSON SAFE "WWW-Authenticate: Bearer\r\n\r\n{}" },
        { __LINE__,
          { .status = 405, .body = { "{}", 2 }, .allow = 1u << CGI_GET | 1u << CGI_HEAD | 1u << CGI_DELETE },
          "Status: 405 Method Not Allowed\r\n" JSON SAFE "Allow: GET, HEAD, DELETE\r\n\r\n{}" },
        { __LINE__,
          { .status = 503, .body = { "{}", 2 } },
          "Status: 503 Service Unavailable\r\n" JSON SAFE "Retry-After: 1\r\n\r\n{}" },
        { __LINE__,
          { .status = 503, .body = { "{}", 2 }, .retry_after_ms = 2001 },
          "Status: 503 Service Unavailable\r\n" JSON SAFE "Retry-After: 3\r\n\r\n{}" },
        { __LINE__,
          { .status = 409, .body = { "{}", 2 }, .retry_after_ms = 2000 },
          "Status: 409 Conflict\r\n" JSON SAFE "Retry-After: 2\r\n\r\n{}" },
        { __LINE__,
          { .status = 429, .body = { "{}", 2 }, .retry_after_ms = 41000, .rate = { 60, 0, 41 } },
          "Status: 429 Too Many Requests\r\n" JSON SAFE "Retry-After: 41\r\nRateLimit-Limit: 60\r\nRateLimit-Remaining: 0\r\nRateLimit-Reset: 41\r\n\r\n{}" },
        { __LINE__,
          { .status = 200, .body = { "{}", 2 }, .origin = "https://a.example" },
          "Status: 200 OK\r\n" JSON SAFE "Access-Control-Allow-Origin: https://a.example\r\nVary: Origin\r\n"
          "Access-Control-Expose-Headers: RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Cache, X-Request-ID\r\n\r\n{}" },
        { __LINE__,
          { .status = 204, .origin = "*", .preflight = true, .allow = 1u << CGI_POST },
          "Status: 204 No Content\r\n" SAFE "Access-Control-Allow-Origin: *\r\nVary: Origin\r\n"
          "Access-Control-Allow-Methods: POST\r\n"
          "Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID, Prefer, X-Request-ID, "
          "traceparent\r\n"
          "Access-Control-Max-Age: 600\r\n\r\n" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct reply r = table[i].reply;
        struct buf b = { 0 };
        r.request_id = "r1";
        reply_format(&b, &r);
        is_str(b.p, table[i].text, "line %d", table[i].line);
        buf_fini(&b);
    }
}

static void test_problems(void)
{
    static const struct {
        int line;
        enum problem problem;
        int status;
        const char *code;
    } table[] = {
        { __LINE__, PROBLEM_BAD_REQUEST, 400, "bad_request" },
        { __LINE__, PROBLEM_BODY_LENGTH, 400, "bad_request" },
        { __LINE__, PROBLEM_NOT_JSON, 400, "invalid_json" },
        { __LINE__, PROBLEM_UNAUTHORIZED, 401, "unauthorized" },
        { __LINE__, PROBLEM_FORBIDDEN, 403, "forbidden" },
        { __LINE__, PROBLEM_NOT_FOUND, 404, "not_found" },
        { __LINE__, PROBLEM_WRONG_METHOD, 405, "method_not_allowed" },
        { __LINE__, PROBLEM_TURN_RUNNING, 409, "turn_running" },
        { __LINE__, PROBLEM_NO_LENGTH, 411, "length_required" },
        { __LINE__, PROBLEM_TOO_LARGE, 413, "body_too_large" },
        { __LINE__, PROBLEM_MEDIA_TYPE, 415, "unsupported_media_type" },
        { __LINE__, PROBLEM_FIELDS, 422, "validation_error" },
        { __LINE__, PROBLEM_RATE_LIMITED, 429, "rate_limited" },
        { __LINE__, PROBLEM_INTERNAL, 500, "internal_error" },
        { __LINE__, PROBLEM_NOT_IMPLEMENTED, 501, "not_implemented" },
        { __LINE__, PROBLEM_BUSY, 503, "overloaded" },
        { __LINE__, PROBLEM_TOO_MANY_PENDING, 503, "too_many_pending" },
        { __LINE__, PROBLEM_UNAVAILABLE, 503, "unavailable" },
    };

    is_int(ARRAY_LEN(table), PROBLEMS - 1, "all are here");
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buf b = { 0 };
        struct err e;
        json_t *json;
        is_int(problem_status(table[i].problem), table[i].status, "line %d: status", table[i].line);
        reply_problem(&b, table[i].problem, SV_NONE, SV_NONE, "r1");
        json = json_read(buf_sv(&b), false, &e);
        is_sv(json_sv(json, "code"), sv_from(table[i].code), "line %d: code", table[i].line);
        ok(json_object_size(json) == 5 && !json_bool(json, "success", true) && json_sv(json, "error").n > 10,
           "line %d: members", table[i].line);
        json_decref(json);
        buf_fini(&b);
    }
}

static void test_body(void)
{
    struct buf b = { 0 };

    reply_problem(&b, PROBLEM_FIELDS, SV("a \"b\""), SV("[{\"x\":1}]"), "r-1");
    is_str(b.p,
           "{\"success\":false,\"status\":\"error\",\"error\":\"a "
           "\\\"b\\\"\",\"code\":\"validation_error\",\"detail\":[{\"x\":1}],"
           "\"request_id\":\"r-1\"}",
           "an error with details");
    buf_fini(&b);
}

/* What is said besides may not contradict what every error says. */
static void test_more(void)
{
#define BEGIN "{\"success\":false,\"status\":\"error\",\"error\":\"T\",\"code\":\"c\""
    static const struct {
        int line;
        struct sv detail, more;
        const char *text;
    } table[] = {
        { __LINE__, { NULL, 0 }, { NULL, 0 }, BEGIN ",\"request_id\":\"r1\"}" },
        { __LINE__, { NULL, 0 }, { "{}", 2 }, BEGIN ",\"request_id\":\"r1\"}" },
        { __LINE__,
          { "[1]", 3 },
          { "{\"a\":[{}],\"b\":\"x\"}", 18 },
          BEGIN ",\"detail\":[1],\"request_id\":\"r1\",\"a\":[{}],\"b\":\"x\"}" },
        { __LINE__,
          { NULL, 0 },
          { "{\"success\":true,\"code\":1,\"a\":2,\"request_id\":3}", 46 },
          BEGIN ",\"request_id\":\"r1\",\"a\":2}" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct buf b = { 0 };
        reply_error(&b, SV("c"), SV("T"), table[i].detail, table[i].more, "r1");
        is_str(b.p, table[i].text, "line %d", table[i].line);
        buf_fini(&b);
    }
}

int main(void)
{
    test_format();
    test_problems();
    test_body();
    test_more();
    return done_testing();
}
