/* SPDX-License-Identifier: MIT
 * Tests of src/api/request.c, api.c and endpoint_*.c: which answer a request gets, from its parameters to its last header. */
#include "config.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/json.h"
#include "t/lib/api_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define A_PATH "/api/v1/enhanced-handle-message"
#define JOB "/api/v1/chat/jobs/"
#define HEAD                                                                                                           \
    "{\"conversation_id\":\"c1\",\"message_id\":\"m1\",\"message_content\":\"hi\",\"sender_id\":\"u1\",\"sender_"      \
    "type\":\"user\""
#define MESSAGE HEAD ",\"timestamp\":1699123456.789}"
#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

#define PLATFORM "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM
#define ADMIN "HTTP_AUTHORIZATION", "Bearer " RIG_ADMIN
#define NO_BODY NULL

static struct rig rig;

static void ask(const char *method, const char *uri, const char *const *more, const char *body, struct fcgi_answer *a)
{
    struct buf b = { 0 };

    put_request(&b, method, uri, more, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

static void test_status(void)
{
    static const struct {
        int line;
        const char *method, *uri;
        const char *more[8];
        const char *body;
        int status;
        const char *code; /* of an error */
    } table[] = {
        { __LINE__, "POST", A_PATH, { PLATFORM }, MESSAGE, 200, NULL },
        { __LINE__, "POST", A_PATH, { ADMIN }, MESSAGE, 200, NULL },
        { __LINE__, "POST", A_PATH, { "HTTP_AUTHORIZATION", "Bearer platform-token-2" }, MESSAGE, 200, NULL },
        { __LINE__, "POST", A_PATH "?x=1", { PLATFORM }, MESSAGE, 200, NULL },
        /* no credential, before anything else is looked at */
        { __LINE__, "POST", A_PATH, { NULL }, MESSAGE, 401, "unauthorized" },
        { __LINE__, "POST", A_PATH, { NULL }, "not json", 401, "unauthorized" },
        { __LINE__, "POST", A_PATH, { "HTTP_AUTHORIZATION", "Bearer x" }, MESSAGE, 401, "unauthorized" },
        { __LINE__, "POST", A_PATH, { "HTTP_X_API_TOKEN", RIG_PLATFORM }, MESSAGE, 401, "unauthorized" },
        { __LINE__, "POST", A_PATH "?token=" RIG_PLATFORM, { NULL }, MESSAGE, 401, "unauthorized" },
        { __LINE__, "POST", A_PATH, { "HTTP_COOKIE", "token=" RIG_PLATFORM }, MESSAGE, 401, "unauthorized" },
        { __LINE__, "GET", JOB "j1", { NULL }, NO_BODY, 401, "unauthorized" },
        { __LINE__, "HEAD", JOB "j1", { NULL }, NO_BODY, 401, NULL },
        /* twice, or in two spellings */
        { __LINE__, "POST", A_PATH, { PLATFORM, PLATFORM }, MESSAGE, 400, "bad_request" },
        { __LINE__, "POST", A_PATH, { PLATFORM, "CONTENT_LENGTH", "5" }, MESSAGE, 400, "bad_request" },
        { __LINE__, "POST", A_PATH, { PLATFORM, "REQUEST_METHOD", "GET" }, MESSAGE, 400, "bad_request" },
        /* paths and methods */
        { __LINE__, "GET", "/health", { NULL }, NO_BODY, 200, NULL },
        { __LINE__, "HEAD", "/health", { NULL }, NO_BODY, 200, NULL },
        { __LINE__, "GET", "/health", { NULL }, "a body that nobody wants", 200, NULL },
        { __LINE__, "GET", "/nothing", { NULL }, NO_BODY, 404, "not_found" },
        { __LINE__, "GET", "/nothing", { ADMIN }, NO_BODY, 404, "not_found" },
        { __LINE__, "GET", "//health", { NULL }, NO_BODY, 404, "not_found" },
        { __LINE__, "GET", "/health%0a", { NULL }, NO_BODY, 400, "bad_request" },
        { __LINE__, "GET", "/health%", { NULL }, NO_BODY, 400, "bad_request" },
        { __LINE__, "POST", "/health", { NULL }, MESSAGE, 405, "method_not_allowed" },
        { __LINE__, "GET", A_PATH, { PLATFORM }, NO_BODY, 405, "method_not_allowed" },
        { __LINE__, "GARB", A_PATH, { PLATFORM }, MESSAGE, 405, "method_not_allowed" },
        { __LINE__, "TRACE", "/health", { NULL }, NO_BODY, 405, "method_not_allowed" },
        { __LINE__,
          "OPTIONS",
          A_PATH,
          { "HTTP_ORIGIN", "https://a.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "POST" },
          NO_BODY,
          405,
          "method_not_allowed" },
        /* jobs */
        { __LINE__, "GET", JOB "j1", { PLATFORM }, NO_BODY, 200, NULL },
        { __LINE__, "HEAD", JOB "j1", { PLATFORM }, NO_BODY, 200, NULL },
        { __LINE__, "GET", JOB "unknown", { PLATFORM }, NO_BODY, 404, "not_found" },
        { __LINE__, "GET", JOB "down", { PLATFORM }, NO_BODY, 503, "unavailable" },
        { __LINE__, "GET", JOB, { PLATFORM }, NO_BODY, 404, "not_found" },
        /* bodies */
        { __LINE__, "POST", A_PATH, { PLATFORM }, "", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, "{", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, MESSAGE "x", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":1,\"timestamp\":1}", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":1,\"x\":\"\xFF\"}", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":1,\"x\":\"\\u0000\"}", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":NaN}", 400, "invalid_json" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, "{}", 422, "validation_error" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, "[]", 422, "validation_error" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, "\"x\"", 422, "validation_error" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":1e99}", 422, "validation_error" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":1e999}", 422, "validation_error" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, HEAD ",\"timestamp\":9223372036854775808}", 422, "validation_error" },
        { __LINE__, "POST", A_PATH, { PLATFORM }, NO_BODY, 415, "unsupported_media_type" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        struct err e;
        json_t *json;
        ask(table[i].method, table[i].uri, table[i].more, table[i].body, &a);
        is_int(a.status, table[i].status, "line %d: %s %s", table[i].line, table[i].method, table[i].uri);
        ok(a.ended && a.closed && !a.reset, "line %d: a whole answer", table[i].line);
        is_sv(answer_header(&a, "X-Content-Type-Options"), SV("nosniff"), "line %d: nosniff", table[i].line);
        is_sv(answer_header(&a, "Cache-Control"), SV("no-store"), "line %d: no-store", table[i].line);
        ok(answer_header(&a, "X-Request-ID").n == 36, "line %d: a request id", table[i].line);
        if (table[i].code != NULL) {
            json = json_read(answer_body(&a), false, &e);
            is_sv(json_sv(json, "code"), sv_from(table[i].code), "line %d: its code", table[i].line);
            is_sv(json_sv(json, "request_id"), answer_header(&a, "X-Request-ID"), "line %d: its request id",
                  table[i].line);
            is_int(json_is_array(json_object_get(json, "detail")), a.status == 422, "line %d: details", table[i].line);
            json_decref(json);
        }
        answer_fini(&a);
    }
}

/* The type and the length that are declared, apart from what comes. */
static void test_declared(void)
{
    static const struct {
        int line;
        const char *type, *length, *body;
        int status;
    } table[] = {
        { __LINE__, "application/json", NULL, MESSAGE, 200 }, /* chunked, without a length */
        { __LINE__, "application/json", "", MESSAGE, 200 },
        { __LINE__, "application/json; charset=utf-8", NULL, MESSAGE, 200 },
        { __LINE__, "application/json; charset=utf-16", NULL, MESSAGE, 415 },
        { __LINE__, "text/json", NULL, MESSAGE, 415 },
        { __LINE__, NULL, NULL, MESSAGE, 415 },
        { __LINE__, "application/json", "1", MESSAGE, 400 },
        { __LINE__, "application/json", "5000", MESSAGE, 400 },
        { __LINE__, "application/json", "+10", MESSAGE, 400 },
        { __LINE__, "application/json", "-1", MESSAGE, 400 },
        { __LINE__, "application/json", "0x10", MESSAGE, 400 },
        { __LINE__, "application/json", "99999999999999999999", MESSAGE, 400 },
        { __LINE__, "application/json", "262144", "{}", 400 },
        { __LINE__, "application/json", "262145", "{}", 413 },
        { __LINE__, "application/json", "9223372036854775807", "{}", 413 },
        { __LINE__, "text/plain", "262145", "{}", 413 },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *pairs[16] = { "REQUEST_METHOD", "POST", "REQUEST_URI", A_PATH, PLATFORM };
        struct buf b = { 0 };
        struct fcgi_answer a;
        size_t n = 6;
        if (table[i].type != NULL) {
            pairs[n++] = "CONTENT_TYPE";
            pairs[n++] = table[i].type;
        }
        if (table[i].length != NULL) {
            pairs[n++] = "CONTENT_LENGTH";
            pairs[n++] = table[i].length;
        }
        put_begin(&b, 1, ROLE_IS_RESPONDER, false);
        put_params(&b, 1, pairs);
        put_stdin(&b, 1, sv_from(table[i].body));
        client_ask(rig.path, buf_sv(&b), &a);
        is_int(a.status, table[i].status, "line %d", table[i].line);
        answer_fini(&a);
        buf_fini(&b);
    }
}

static void test_limit(void)
{
    for (int over = 0; over <= 1; over++) {
        for (int declared = 0; declared <= 1; declared++) {
            const char *pairs[] = { "REQUEST_METHOD",
                                    "POST",
                                    "REQUEST_URI",
                                    A_PATH,
                                    PLATFORM,
                                    "CONTENT_TYPE",
                                    "application/json",
                                    declared ? "CONTENT_LENGTH" : NULL,
                                    over ? "262145" : "262144",
                                    NULL };
            struct buf b = { 0 }, body = { 0 };
            struct fcgi_answer a;
            buf_add(&body, SV(MESSAGE));
            while (body.n < 262144u + (unsigned)over)
                buf_addc(&body, ' ');
            put_begin(&b, 1, ROLE_IS_RESPONDER, false);
            put_params(&b, 1, pairs);
            put_stdin(&b, 1, buf_sv(&body));
            client_ask(rig.path, buf_sv(&b), &a);
            is_int(a.status, over ? 413 : 200, "%s limit, length %s", over ? "over the" : "at the",
                   declared ? "declared" : "not declared");
            answer_fini(&a);
            buf_fini(&b);
            buf_fini(&body);
        }
    }
}

static void test_message(void)
{
    const char *const more[] = { PLATFORM, "HTTP_X_REQUEST_ID", "req-1.A_b", "HTTP_TRACEPARENT", TRACE, NULL };
    struct fcgi_answer a;
    struct err e;
    json_t *json;

    ask("POST", A_PATH, more, HEAD ",\"timestamp\":1699123456.789,\"metadata\":{\"a\":1},\"attachments\":[{}]}", &a);
    is_int(a.status, 200, "a message");
    is_sv(buf_sv(&rig_seen.conversation_id), SV("c1"), "the engine gets the conversation");
    is_sv(buf_sv(&rig_seen.message_id), SV("m1"), "the id");
    is_sv(buf_sv(&rig_seen.content), SV("hi"), "the content");
    is_sv(buf_sv(&rig_seen.sender_id), SV("u1"), "the sender");
    is_int(rig_seen.sender_type, SENDER_USER, "its type");
    is_int(rig_seen.timestamp_ms, INT64_C(1699123456789), "the time");
    is_sv(buf_sv(&rig_seen.metadata), SV("{\"a\":1}"), "metadata");
    is_sv(buf_sv(&rig_seen.attachments), SV("[{}]"), "attachments");
    is_sv(buf_sv(&rig_seen.request_id), SV("req-1.A_b"), "the request id");
    is_sv(buf_sv(&rig_seen.traceparent), SV(TRACE), "traceparent");
    is_int(rig_seen.wait_ms, 60000, "how long it may take");
    ok(!atomic_load(&rig_seen.respond_async), "not asynchronously");
    is_sv(answer_header(&a, "X-Request-ID"), SV("req-1.A_b"), "the answer names the request");
    is_sv(answer_header(&a, "Content-Type"), SV("application/json"), "its type");
    json = json_read(answer_body(&a), false, &e);
    ok(json_bool(json, "success", false), "success");
    is_sv(json_sv(json_object_get(json, "result"), "status"), SV("completed"), "result");
    ok(json_f64(json, "timestamp", 0) > 1.6e9, "timestamp in seconds");
    ok(json_f64(json, "processing_time_ms", -1) >= 0 && json_f64(json, "processing_time_ms", -1) < 60000,
       "processing_time_ms");
    is_int(json_object_size(json), 4, "nothing else");
    json_decref(json);
    answer_fini(&a);
}

static void test_odd_headers(void)
{
    const char *const odd[] = { PLATFORM,      "HTTP_X_REQUEST_ID",     "a b\"", "HTTP_TRACEPARENT", "00-x",
                                "HTTP_PREFER", "Respond-Async, wait=5", NULL };
    struct fcgi_answer a;

    rig_script.http_status = 202;
    rig_script.status = ANSWER_PROCESSING;
    rig_script.result = "{\"status\":\"processing\",\"job_id\":\"t1\"}";
    ask("POST", A_PATH, odd, MESSAGE, &a);
    is_int(a.status, 202, "Prefer: respond-async");
    ok(atomic_load(&rig_seen.respond_async), "the engine hears of it");
    is_sv(answer_header(&a, "Preference-Applied"), SV("respond-async"), "the client too");
    is_int(rig_seen.traceparent.n, 0, "a traceparent that is none is not passed on");
    is_int(rig_seen.request_id.n, 36, "a request id that is none is replaced");
    has_str(a.out.p, "\"result\":{\"status\":\"processing\",\"job_id\":\"t1\"}", "the engine's result");
    answer_fini(&a);
}

static void test_answers(void)
{
    static const struct {
        int line;
        enum answer_status status;
        int http_status;
        int64_t retry_after_ms;
        int want;
        const char *retry, *text;
    } table[] = {
        { __LINE__, ANSWER_LOCKED, 200, 0, 200, NULL, "\"success\":true" },
        { __LINE__, ANSWER_RESTART_NEEDED, 200, 0, 200, NULL, "\"success\":true" },
        { __LINE__, ANSWER_RECORDED, 200, 0, 200, NULL, "\"success\":true" },
        { __LINE__, ANSWER_QUEUED, 202, 0, 202, NULL, "\"success\":true" },
        { __LINE__, ANSWER_CANCELLED, 200, 0, 200, NULL, "\"success\":true" },
        { __LINE__, ANSWER_FAILED, 200, 0, 200, NULL, "\"success\":false,\"result\":{" },
        { __LINE__, ANSWER_TURN_RUNNING, 409, 1500, 409, "2", "\"code\":\"turn_running\"" },
        { __LINE__, ANSWER_FULL, 503, 5000, 503, "5", "\"code\":\"too_many_pending\"" },
        { __LINE__, ANSWER_UNAVAILABLE, 503, 0, 503, "1", "\"code\":\"unavailable\"" },
        { __LINE__, ANSWER_TOO_LARGE, 413, 0, 413, NULL, "\"code\":\"body_too_large\"" },
    };
    const char *const more[] = { PLATFORM, NULL };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        rig_script.status = table[i].status;
        rig_script.http_status = table[i].http_status;
        rig_script.retry_after_ms = table[i].retry_after_ms;
        rig_script.result = "{}";
        ask("POST", A_PATH, more, MESSAGE, &a);
        is_int(a.status, table[i].want, "line %d: status", table[i].line);
        is_sv(answer_header(&a, "Retry-After"), sv_from(table[i].retry), "line %d: Retry-After", table[i].line);
        has_str(a.out.p, table[i].text, "line %d: the body", table[i].line);
        answer_fini(&a);
    }
    rig_script.status = ANSWER_COMPLETED;
    rig_script.http_status = 0;
    rig_script.retry_after_ms = 0;
    rig_script.result = NULL;
}

static void test_health(void)
{
    static const struct {
        int line;
        bool store, archive;
        int status;
        const char *body;
        bool standing_in;
    } table[] = {
        { __LINE__, true, true, 200, "{\"status\":\"ok\"}", false },
        { __LINE__, true, true, 200, "{\"status\":\"degraded\"}", true },
        { __LINE__, true, false, 200, "{\"status\":\"degraded\"}", false },
        { __LINE__, false, true, 503, "{\"status\":\"unavailable\"}", false },
        { __LINE__, false, false, 503, "{\"status\":\"unavailable\"}", false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        atomic_store(&rig_script.store_up, table[i].store);
        atomic_store(&rig_script.archive_up, table[i].archive);
        atomic_store(&rig_script.standing_in, table[i].standing_in);
        ask("GET", "/health", NULL, NO_BODY, &a);
        is_int(a.status, table[i].status, "line %d: status", table[i].line);
        is_sv(answer_body(&a), sv_from(table[i].body), "line %d: body", table[i].line);
        answer_fini(&a);
        ask("HEAD", "/health", NULL, NO_BODY, &a);
        is_int(a.status, table[i].status, "line %d: HEAD", table[i].line);
        is_sv(answer_body(&a), SV(""), "line %d: without a body", table[i].line);
        answer_fini(&a);
    }
    atomic_store(&rig_script.store_up, true);
    atomic_store(&rig_script.archive_up, true);
    atomic_store(&rig_script.standing_in, false);
}

static void test_job(void)
{
    const char *const more[] = { PLATFORM, NULL };
    char path[400] = JOB;
    struct fcgi_answer a;

    ask("GET", JOB "a%2Fb%22%C3%A9", more, NO_BODY, &a);
    is_sv(answer_body(&a), SV("{\"job_id\":\"a/b\\\"\xC3\xA9\"}"), "an id is decoded, with its slash");
    answer_fini(&a);
    memset(path + strlen(JOB), 'a', 300);
    ask("GET", path, more, NO_BODY, &a);
    is_int(a.status, 404, "an id that cannot be one");
    answer_fini(&a);
}

/* One body for every cause of 401. */
static void test_same_refusal(void)
{
    static const char *const causes[][3] = {
        { NULL },
        { "HTTP_AUTHORIZATION", "Bearer platform-token-", NULL },
        { "HTTP_AUTHORIZATION", "Bearer a, Bearer b", NULL },
        { "HTTP_AUTHORIZATION", "Basic YTpi", NULL },
    };
    struct fcgi_answer first = { 0 };

    for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
        const char *more[6] = { "HTTP_X_REQUEST_ID", "same", causes[i][0], causes[i][0] != NULL ? causes[i][1] : NULL };
        struct fcgi_answer a;
        ask("POST", A_PATH, more, MESSAGE, i == 0 ? &first : &a);
        if (i == 0) {
            is_sv(answer_header(&first, "WWW-Authenticate"), SV("Bearer"), "WWW-Authenticate");
            continue;
        }
        is_sv(buf_sv(&a.out), buf_sv(&first.out), "cause %zu: the same bytes", i);
        answer_fini(&a);
    }
    answer_fini(&first);
}

static void test_in_flight(void)
{
    struct api_options o = rig_options();
    const char *const more[] = { PLATFORM, NULL };
    int fds[3], before = atomic_load(&rig_seen.submits);
    struct buf b = { 0 };
    struct fcgi_answer a;

    o.in_flight_max = 3;
    rig_start(&rig, &o);
    atomic_store(&rig_script.hold, true);
    put_request(&b, "POST", A_PATH, more, SV(MESSAGE));
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(rig.path);
        (void)client_send(fds[i], buf_sv(&b));
    }
    ok(rig_wait_int(&rig_seen.submits, before + 3), "as many as allowed wait");
    for (int i = 0; i < 3; i++) {
        ask("POST", A_PATH, more, MESSAGE, &a);
        is_int(a.status, 503, "one more is refused");
        has_str(a.out.p, "\"code\":\"overloaded\"", "with the reason");
        is_sv(answer_header(&a, "Retry-After"), SV("1"), "and told when to come again");
        answer_fini(&a);
    }
    ask("POST", A_PATH, NULL, MESSAGE, &a);
    is_int(a.status, 401, "credentials are checked first");
    answer_fini(&a);
    ask("GET", "/health", NULL, NO_BODY, &a);
    is_int(a.status, 200, "health is always answered");
    answer_fini(&a);
    rig_answer_all(&rig);
    for (int i = 0; i < 3; i++) {
        client_read(fds[i], &a, 20000);
        is_int(a.status, 200, "who waited is answered");
        answer_fini(&a);
        (void)close(fds[i]);
    }
    ask("POST", A_PATH, more, MESSAGE, &a);
    is_int(a.status, 200, "there is room again");
    answer_fini(&a);
    buf_fini(&b);
    rig_stop(&rig);
}

static void test_cors(void)
{
    static const struct {
        int line;
        const char *origins, *origin;
        const char *allowed; /* what the answer says */
    } table[] = {
        { __LINE__, "https://a.example, https://b.example:8443", "https://a.example", "https://a.example" },
        { __LINE__, "https://a.example, https://b.example:8443", "https://b.example:8443", "https://b.example:8443" },
        { __LINE__, "https://a.example", "https://a.example.evil", NULL },
        { __LINE__, "https://a.example", "https://A.example", NULL },
        { __LINE__, "https://a.example", "null", NULL },
        { __LINE__, "https://a.example", "", NULL },
        { __LINE__, "*", "https://x.example", "*" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct api_options o = rig_options();
        const char *const more[] = { "HTTP_ORIGIN", table[i].origin, NULL };
        const char *const preflight[] = { "HTTP_ORIGIN", table[i].origin, "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "POST",
                                          NULL };
        struct fcgi_answer a;
        o.cors_origins = table[i].origins;
        rig_start(&rig, &o);
        ask("GET", "/health", more, NO_BODY, &a);
        is_sv(answer_header(&a, "Access-Control-Allow-Origin"), sv_from(table[i].allowed), "line %d: an answer",
              table[i].line);
        answer_fini(&a);
        ask("POST", A_PATH, more, MESSAGE, &a);
        is_sv(answer_header(&a, "Access-Control-Allow-Origin"), sv_from(table[i].allowed), "line %d: a refusal",
              table[i].line);
        answer_fini(&a);
        ask("OPTIONS", A_PATH, preflight, NO_BODY, &a);
        is_int(a.status, table[i].allowed != NULL ? 204 : 405, "line %d: a preflight", table[i].line);
        is_sv(answer_header(&a, "Access-Control-Allow-Methods"), table[i].allowed != NULL ? SV("POST") : SV_NONE,
              "line %d: methods", table[i].line);
        answer_fini(&a);
        ask("OPTIONS", "/nothing", preflight, NO_BODY, &a);
        is_int(a.status, 404, "line %d: a preflight for nothing", table[i].line);
        answer_fini(&a);
        rig_stop(&rig);
    }
}

static void test_base_path(void)
{
    struct api_options o = rig_options();
    struct fcgi_answer a;

    o.base_path = "/chat";
    rig_start(&rig, &o);
    ask("GET", "/chat/health", NULL, NO_BODY, &a);
    is_int(a.status, 200, "below the base path");
    answer_fini(&a);
    ask("GET", "/health", NULL, NO_BODY, &a);
    is_int(a.status, 404, "not beside it");
    answer_fini(&a);
    rig_stop(&rig);
}

struct reload {
    struct api_options o;
    int rc;
    struct err e;
};

static void do_reload(void *arg)
{
    struct reload *r = arg;

    r->rc = api_reload(rig.api, &r->o, &r->e);
}

static void test_reload(void)
{
    const char *const old[] = { PLATFORM, NULL };
    const char *const new[] = { "HTTP_AUTHORIZATION", "Bearer rotated", NULL };
    struct reload r = { .o = rig_options() };
    struct fcgi_answer a;
    struct api_stat s;

    rig_start(&rig, &r.o);
    r.o.platform_tokens = "";
    rig_run(&rig, do_reload, &r);
    is_int(r.rc, -1, "an empty token is refused");
    ask("POST", A_PATH, old, MESSAGE, &a);
    is_int(a.status, 200, "the old one stays");
    answer_fini(&a);
    r.o.platform_tokens = "rotated";
    r.o.body_max = 20;
    r.o.in_flight_max = 77;
    rig_run(&rig, do_reload, &r);
    is_int(r.rc, 0, "a new token");
    api_stat(rig.api, &s);
    is_int(s.in_flight_max, 77, "a new bound");
    ask("POST", A_PATH, old, MESSAGE, &a);
    is_int(a.status, 401, "the old one is void");
    answer_fini(&a);
    ask("POST", A_PATH, new, MESSAGE, &a);
    is_int(a.status, 413, "the new one and the new limit hold");
    answer_fini(&a);
    rig_stop(&rig);
}

static void test_configuration(void)
{
    static const struct {
        int line;
        const char *platform, *admin, *origins, *base;
        int64_t body_max;
    } table[] = {
        { __LINE__, "", "a", "", "", 1000 },
        { __LINE__, "p", "", "", "", 1000 },
        { __LINE__, "p", "a", "a.example", "", 1000 },
        { __LINE__, "p", "a", "https://a.example/", "", 1000 },
        { __LINE__, "p", "a", "https://", "", 1000 },
        { __LINE__, "p", "a", "https://a.example,,*", "", 1000 },
        { __LINE__, "p", "a", "https://a\r\nb", "", 1000 },
        { __LINE__, "p", "a", "", "chat", 1000 },
        { __LINE__, "p", "a", "", "/chat/", 1000 },
        { __LINE__, "p", "a", "", "/", 1000 },
        { __LINE__, "p", "a", "", "", 0 },
        { __LINE__, "p", "a", "", "", INT64_C(1) << 40 },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct api_options o = rig_options();
        struct err e;
        o.platform_tokens = table[i].platform;
        o.admin_tokens = table[i].admin;
        o.cors_origins = table[i].origins;
        o.base_path = table[i].base;
        o.body_max = table[i].body_max;
        ok(api_open(&o, &e) == NULL && (e.code == ERR_INVALID || e.code == ERR_RANGE), "line %d: refused",
           table[i].line);
    }
}

int main(void)
{
    struct api_options o = rig_options();

    test_configuration();
    rig_start(&rig, &o);
    test_status();
    test_declared();
    test_limit();
    test_message();
    test_odd_headers();
    test_answers();
    test_health();
    test_job();
    test_same_refusal();
    rig_stop(&rig);
    test_in_flight();
    test_cors();
    test_base_path();
    test_reload();
    return done_testing();
}
