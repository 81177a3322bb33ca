/* SPDX-License-Identifier: MIT
 * Tests of src/api/endpoint_admin*.c: what each of an administrator's requests asks of turn/control.h, who may ask it, and what becomes
 * of every kind of answer. */
#include "config.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/endpoints.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "t/lib/api_rig.h"
#include "t/lib/control_double.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define V1 "/api/v1/admin/"
#define C V1 "conversations"
#define D V1 "queue/dead"
#define ADMIN "HTTP_AUTHORIZATION", "Bearer " RIG_ADMIN
#define PLATFORM "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM
#define NO_BODY NULL

static struct rig rig;
static const char *const admin[] = { ADMIN, NULL };

static void ask(const char *method, const char *uri, const char *const *more, const char *body, struct fcgi_answer *a)
{
    struct buf b = { 0 };

    put_request(&b, method, uri, more, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

static void expect(const char *method, const char *uri, const char *const *more, const char *body, int status,
                   const char *name)
{
    struct fcgi_answer a;

    ask(method, uri, more, body, &a);
    is_int(a.status, status, "%s", name);
    answer_fini(&a);
}

/* ---- which question a request becomes ---- */

static void test_questions(void)
{
    static const struct {
        int line;
        const char *method, *uri, *body, *asked;
    } table[] = {
        { __LINE__, "GET", C, NO_BODY, "list all 50 -" },
        { __LINE__, "GET", C "?limit=&cursor=&state=", NO_BODY, "list all 50 -" },
        { __LINE__, "GET", C "?limit=1&cursor=abc%3D&state=stuck", NO_BODY, "list stuck 1 abc=" },
        { __LINE__, "GET", C "?state=active", NO_BODY, "list active 50 -" },
        { __LINE__, "GET", C "?state=paused&limit=500&nobody=knows", NO_BODY, "list paused 500 -" },
        { __LINE__, "GET", C "/c1", NO_BODY, "show c1" },
        { __LINE__, "HEAD", C "/c1", NO_BODY, "show c1" },
        { __LINE__, "GET", C "/a%2Fb%20h%E1%BB%99i%3F%25", NO_BODY, "show a/b h\xE1\xBB\x99i?%" },
        { __LINE__, "GET", C "/cancel", NO_BODY, "show cancel" },
        { __LINE__, "POST", C "/c1/cancel", NO_BODY, "cancel c1" },
        { __LINE__, "POST", C "/c1/cancel", "", "cancel c1" },
        { __LINE__, "POST", C "/c1/cancel", "not json, and nobody looks", "cancel c1" },
        { __LINE__, "POST", C "/%7Bid%7D/cancel", NO_BODY, "cancel {id}" },
        { __LINE__, "POST", C "/{id}/cancel", NO_BODY, "cancel {id}" },
        { __LINE__, "POST", C "/a%2Fcancel/cancel", NO_BODY, "cancel a/cancel" },
        { __LINE__, "POST", C "/c1/resume", NO_BODY, "resume c1" },
        { __LINE__, "POST", C "/c1/pause", NO_BODY, "pause c1 0" },
        { __LINE__, "POST", C "/c1/pause", "", "pause c1 0" },
        { __LINE__, "POST", C "/c1/pause", "{}", "pause c1 0" },
        { __LINE__, "POST", C "/c1/pause", "{\"minutes\":null,\"until\":null}", "pause c1 0" },
        { __LINE__, "POST", C "/c1/pause", "{\"until\":4102444800}", "pause c1 4102444800000" },
        { __LINE__, "POST", C "/c1/pause", "{\"until\":\"2100-01-01T00:00:00Z\",\"minutes\":null}",
          "pause c1 4102444800000" },
        { __LINE__, "GET", V1 "messages/m1?conversation_id=c1", NO_BODY, "fate c1 m1" },
        { __LINE__, "GET", V1 "messages/m%2F1?conversation_id=c/1+x%2B", NO_BODY, "fate c/1 x+ m/1" },
        { __LINE__, "GET", V1 "health", NO_BODY, "health" },
        { __LINE__, "HEAD", V1 "health", NO_BODY, "health" },
        { __LINE__, "GET", V1 "stats", NO_BODY, "stats" },
        { __LINE__, "POST", V1 "system/cleanup", NO_BODY, "cleanup 86400000 real within 60000" },
        { __LINE__, "POST", "/admin/system/cleanup", NO_BODY, "cleanup 86400000 real within 60000" },
        { __LINE__, "POST", V1 "system/cleanup?max_age_hours=24", NO_BODY, "cleanup 86400000 real within 60000" },
        { __LINE__, "POST", V1 "system/cleanup?max_age_hours=24&dry_run=", "", "cleanup 86400000 real within 60000" },
        { __LINE__, "POST", V1 "system/cleanup?max_age_hours=0&dry_run=true", NO_BODY, "cleanup 0 dry within 60000" },
        { __LINE__, "POST", "/admin/system/cleanup?dry_run&max_age_hours=0.5", NO_BODY,
          "cleanup 1800000 dry within 60000" },
        { __LINE__, "GET", V1 "queue", NO_BODY, "queue" },
        { __LINE__, "GET", D, NO_BODY, "dead 50 -" },
        { __LINE__, "GET", D "?limit=2&cursor=z", NO_BODY, "dead 2 z" },
        { __LINE__, "POST", D "/d1/retry", NO_BODY, "retry d1" },
        { __LINE__, "DELETE", D "/d1", NO_BODY, "discard d1" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        buf_clear(&control_seen);
        ask(table[i].method, table[i].uri, admin, table[i].body, &a);
        is_int(a.status, 200, "line %d: %s %s", table[i].line, table[i].method, table[i].uri);
        is_sv(buf_sv(&control_seen), sv_from(table[i].asked), "line %d: what is asked", table[i].line);
        is_sv(answer_body(&a), strcmp(table[i].method, "HEAD") == 0 ? SV("") : SV("{\"ok\":true}"),
              "line %d: the answer as it is", table[i].line);
        answer_fini(&a);
    }
}

static void test_minutes(void)
{
    static const struct {
        int line;
        const char *body;
        int64_t ms;
    } table[] = {
        { __LINE__, "{\"minutes\":5}", 300000 },
        { __LINE__, "{\"minutes\":0.5,\"until\":null}", 30000 },
        { __LINE__, "{\"minutes\":5256000}", INT64_C(315360000000) },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        int64_t before = clock_wall_ms(), until = 0;
        ask("POST", C "/c1/pause", admin, table[i].body, &a);
        is_int(a.status, 200, "line %d: a pause", table[i].line);
        is_int(sscanf(control_seen.p, "pause c1 %" SCNd64, &until), 1, "line %d: until some time", table[i].line);
        ok(until >= before + table[i].ms && until <= clock_wall_ms() + table[i].ms, "line %d: from now on",
           table[i].line);
        answer_fini(&a);
    }
}

/* curl -X POST sends neither a body nor its type; curl -d '' a type of its own. */
static void test_bodies(void)
{
    static const struct {
        int line;
        const char *type, *length, *body;
        int status;
    } table[] = {
        { __LINE__, NULL, NULL, "", 200 },
        { __LINE__, NULL, "", "", 200 },
        { __LINE__, NULL, "0", "", 200 },
        { __LINE__, "application/x-www-form-urlencoded", "0", "", 200 },
        { __LINE__, "application/x-www-form-urlencoded", NULL, "", 200 },
        { __LINE__, "application/json", "0", "", 200 },
        { __LINE__, "application/json", NULL, "{\"minutes\":1}", 200 },
        { __LINE__, "application/json", NULL, "{\"minutes\":0}", 422 },
        { __LINE__, "application/json", NULL, "{", 400 },
        { __LINE__, "application/json", "13", "{\"minutes\":1}", 200 },
        { __LINE__, "application/json", "13", "", 400 },
        { __LINE__, "application/x-www-form-urlencoded", "13", "{\"minutes\":1}", 415 },
        { __LINE__, "application/x-www-form-urlencoded", NULL, "{\"minutes\":1}", 415 },
        { __LINE__, NULL, NULL, "{\"minutes\":1}", 415 },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *pairs[16] = { "REQUEST_METHOD", "POST", "REQUEST_URI", C "/c1/pause", ADMIN };
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

/* What lighttpd has refused comes as GET. A POST without Content-Length is the only such one that is worked on. */
static void test_verdicts(void)
{
    static const struct {
        int line;
        const char *uri, *verdict;
        int status;
        const char *text;
    } table[] = {
        { __LINE__, C "/c1/cancel", "411", 200, "{\"ok\":true}" },
        { __LINE__, C "/c1/pause", "411", 200, "{\"ok\":true}" },
        { __LINE__, "/admin/system/cleanup?max_age_hours=24", "411", 200, "{\"ok\":true}" },
        { __LINE__, C, "411", 405, "\"method_not_allowed\"" },
        { __LINE__, "/api/v1/enhanced-handle-message", "411", 415, "\"unsupported_media_type\"" },
        { __LINE__, C "/c1/cancel", "200", 405, "\"method_not_allowed\"" },
        { __LINE__, C, "200", 200, "{\"ok\":true}" },
        { __LINE__, C, "", 200, "{\"ok\":true}" },
        { __LINE__, C, "400", 400, "\"bad_request\"" },
        { __LINE__, C, "403", 403, "\"forbidden\"" },
        { __LINE__, C, "404", 404, "\"not_found\"" },
        { __LINE__, C, "413", 413, "\"body_too_large\"" },
        { __LINE__, C, "431", 400, "\"bad_request\"" },
        { __LINE__, C, "500", 500, "\"internal_error\"" },
        { __LINE__, C, "501", 501, "\"not_implemented\"" },
        { __LINE__, C, "505", 400, "\"bad_request\"" },
        { __LINE__, C, "503", 503, "\"unavailable\"" },
        { __LINE__, C, "504", 503, "\"unavailable\"" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *more[] = { ADMIN, "REDIRECT_STATUS", table[i].verdict, NULL };
        int before = atomic_load(&control_calls);
        struct fcgi_answer a;
        ask("GET", table[i].uri, more, NO_BODY, &a);
        is_int(a.status, table[i].status, "line %d: %s after %s", table[i].line, table[i].uri, table[i].verdict);
        has_str(a.out.p, table[i].text, "line %d: its body", table[i].line);
        is_int(atomic_load(&control_calls), before + (table[i].status == 200), "line %d: what was refused asks nobody",
               table[i].line);
        answer_fini(&a);
    }
    expect("GET", C "/c1/cancel", (const char *const[]){ "REDIRECT_STATUS", "411", NULL }, NO_BODY, 401,
           "credentials are checked all the same");
    expect("GET", C "/c1/pause",
           (const char *const[]){ ADMIN, "REDIRECT_STATUS", "411", "CONTENT_TYPE", "application/json", NULL }, NO_BODY,
           411, "a body that the web server has dropped is not taken for none");
}

/* ---- what is refused before anybody is asked ---- */

static void test_refused(void)
{
    static const struct {
        int line;
        const char *method, *uri, *body;
        int status;
        const char *text;
    } table[] = {
        { __LINE__, "GET", C "?limit=0", NO_BODY, 422, "\"loc\":[\"query\",\"limit\"]" },
        { __LINE__, "GET", C "?limit=501", NO_BODY, 422, "\"less_than_equal\"" },
        { __LINE__, "GET", C "?state=all&state=all", NO_BODY, 422, "\"repeated\"" },
        { __LINE__, "GET", C "?limit=x&state=y", NO_BODY, 422,
          "\"detail\":[{\"loc\":[\"query\",\"limit\"],\"msg\":\"Input should be a valid integer, unable to parse "
          "string as an integer\","
          "\"type\":\"int_parsing\"},{\"loc\":[\"query\",\"state\"],\"msg\":\"Input should be 'all', 'active', 'stuck' "
          "or 'paused'\","
          "\"type\":\"enum\"}]" },
        { __LINE__, "HEAD", C "?limit=x", NO_BODY, 422, "Status: 422" },
        { __LINE__, "GET", D "?limit=0", NO_BODY, 422, "\"loc\":[\"query\",\"limit\"]" },
        { __LINE__, "POST", V1 "system/cleanup?max_age_hours=-1", NO_BODY, 422, "\"greater_than_equal\"" },
        { __LINE__, "POST", V1 "system/cleanup?max_age_hours=soon&dry_run=perhaps", NO_BODY, 422,
          "\"type\":\"float_parsing\"},{\"loc\":[\"query\",\"dry_run\"]" },
        { __LINE__, "POST", "/admin/system/cleanup?max_age_hours=1&max_age_hours=2", NO_BODY, 422, "\"repeated\"" },
        { __LINE__, "GET", V1 "messages/m1", NO_BODY, 422,
          "\"detail\":[{\"loc\":[\"query\",\"conversation_id\"],\"msg\":\"Field required\",\"type\":\"missing\"}]" },
        { __LINE__, "GET", V1 "messages/m1?conversation_id=%07", NO_BODY, 422, "\"string_control_character\"" },
        { __LINE__, "POST", C "/c1/pause", "{\"minutes\":0,\"until\":-1}", 422,
          "\"type\":\"greater_than_equal\"},{\"loc\":[\"body\",\"until\"]" },
        { __LINE__, "POST", C "/c1/pause", "{\"minutes\":\"5\"}", 422, "\"float_type\"" },
        { __LINE__, "POST", C "/c1/pause", "{\"minutes\":5,\"until\":4102444800}", 422, "\"one_of\"" },
        { __LINE__, "POST", C "/c1/pause", "{\"until\":1699123456}", 422, "\"datetime_future\"" },
        { __LINE__, "POST", C "/c1/pause", "{\"until\":0}", 422, "\"datetime_future\"" },
        { __LINE__, "POST", C "/c1/pause", "[]", 422, "\"dict_type\"" },
        { __LINE__, "POST", C "/c1/pause", "minutes=5", 400, "\"invalid_json\"" },
        { __LINE__, "GET", C "/", NO_BODY, 404, "\"not_found\"" },
        { __LINE__, "GET", C "/c1/cancel/now", NO_BODY, 404, "\"not_found\"" },
        { __LINE__, "GET", V1 "messages/?conversation_id=c1", NO_BODY, 404, "\"not_found\"" },
        { __LINE__, "GET", C "/c1/cancel", NO_BODY, 405, "Allow: POST\r\n" },
        { __LINE__, "DELETE", C "/c1", NO_BODY, 405, "Allow: GET, HEAD\r\n" },
        { __LINE__, "POST", C, "{}", 405, "Allow: GET, HEAD\r\n" },
        { __LINE__, "PATCH", V1 "queue", "{}", 405, "Allow: GET, HEAD\r\n" },
        { __LINE__, "GET", D "/d1", NO_BODY, 405, "Allow: DELETE\r\n" },
        { __LINE__, "GET", V1 "system/cleanup", NO_BODY, 405, "Allow: POST\r\n" },
        { __LINE__, "GET", "/admin/system/cleanup", NO_BODY, 405, "Allow: POST\r\n" },
    };
    int before = atomic_load(&control_calls);

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        ask(table[i].method, table[i].uri, admin, table[i].body, &a);
        is_int(a.status, table[i].status, "line %d: %s %s", table[i].line, table[i].method, table[i].uri);
        has_str(a.out.p, table[i].text, "line %d: and why", table[i].line);
        answer_fini(&a);
    }
    is_int(atomic_load(&control_calls), before, "nobody was asked");
}

static void test_long_ids(void)
{
    static const char *const paths[][4] = {
        { "GET", C "/", "", "unknown_conversation" },
        { "POST", C "/", "/cancel", "unknown_conversation" },
        { "POST", C "/", "/resume", "unknown_conversation" },
        { "POST", C "/", "/pause", "unknown_conversation" },
        { "GET", V1 "messages/", "?conversation_id=c1", "unknown_message" },
        { "POST", D "/", "/retry", "unknown_dead_letter" },
        { "DELETE", D "/", "", "unknown_dead_letter" },
    };

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        for (int size = 256; size <= 257; size++) {
            char id[300] = { 0 }, code[64];
            struct buf uri = { 0 };
            struct fcgi_answer a;
            memset(id, 'a', (size_t)size);
            buf_printf(&uri, "%s%s%s", paths[i][1], id, paths[i][2]);
            ask(paths[i][0], uri.p, admin, NO_BODY, &a);
            is_int(a.status, size == 256 ? 200 : 404, "%s %s with %d bytes", paths[i][0], paths[i][1], size);
            (void)snprintf(code, sizeof(code), "\"code\":\"%s\"", paths[i][3]);
            if (size > 256)
                has_str(a.out.p, code, "its code");
            answer_fini(&a);
            buf_fini(&uri);
        }
    }
}

/* Every route of the real table that belongs to administrators. */
static void test_credentials(void)
{
    static const char *const method_names[] = { [CGI_GET] = "GET", [CGI_POST] = "POST", [CGI_DELETE] = "DELETE",
                                                [CGI_PUT] = "PUT" };
    static const char *const platform[] = { PLATFORM, NULL }, *const wrong[] = { "HTTP_AUTHORIZATION", "Bearer x",
                                                                                 NULL };
    int before = atomic_load(&control_calls), routes = 0;

    for (size_t i = 0; i < endpoints_n; i++) {
        const struct route *route = &endpoints[i];
        const struct {
            const char *const *more;
            int status;
            const char *code;
        } tries[] = { { NULL, 401, "unauthorized" }, { wrong, 401, "unauthorized" }, { platform, 403, "forbidden" } };
        if (route->access != ACCESS_ADMIN)
            continue;
        routes++;
        for (size_t j = 0; j < ARRAY_LEN(tries); j++) {
            struct fcgi_answer a;
            char code[64];
            ask(method_names[route->method], route->path, tries[j].more, NO_BODY, &a);
            is_int(a.status, tries[j].status, "%s %s, credential %zu", method_names[route->method], route->path, j);
            (void)snprintf(code, sizeof(code), "\"code\":\"%s\"", tries[j].code);
            has_str(a.out.p, code, "its code");
            is_sv(answer_header(&a, "WWW-Authenticate"), tries[j].status == 401 ? SV("Bearer") : SV_NONE,
                  "WWW-Authenticate");
            answer_fini(&a);
        }
    }
    is_int(routes, 32, "all of an administrator's routes were tried");
    is_int(atomic_load(&control_calls), before, "nobody was asked");
}

/* ---- what becomes of an answer ---- */

static void test_answers(void)
{
    static const struct {
        int line;
        const char *method, *uri;
        struct control_answer answer;
        int status;
        const char *retry, *text;
        bool as_it_is;
    } table[] = {
        { __LINE__,
          "GET",
          C "/c1",
          { .http_status = 200, .result = { "{\"a\":1}", 7 } },
          200,
          NULL,
          "{\"a\":1}",
          true },
        { __LINE__,
          "GET",
          C "/c1",
          { .http_status = 404, .code = "unknown_conversation", .message = "It is \"not\" known." },
          404,
          NULL,
          "{\"success\":false,\"status\":\"error\",\"error\":\"It is \\\"not\\\" "
          "known.\",\"code\":\"unknown_conversation\",\"request_id\":\"",
          false },
        { __LINE__,
          "POST",
          C "/c1/cancel",
          { .http_status = 409,
            .code = "too_late",
            .message = "The reply is being sent.",
            .result = { "{\"freed\":true,\"code\":\"x\",\"list\":[1,{}]}", 39 } },
          409,
          "1",
          "\"code\":\"too_late\",\"request_id\":\"",
          false },
        { __LINE__,
          "POST",
          C "/c1/cancel",
          { .http_status = 409,
            .code = "too_late",
            .message = "The reply is being sent.",
            .result = { "{\"freed\":true,\"code\":\"x\",\"list\":[1,{}]}", 39 } },
          409,
          "1",
          ",\"freed\":true,\"list\":[1,{}]}",
          false },
        { __LINE__,
          "POST",
          C "/c1/cancel",
          { .http_status = 409, .code = "too_late", .message = "M.", .result = { "{}", 2 } },
          409,
          "1",
          "\"}",
          false },
        { __LINE__,
          "GET",
          C "?cursor=z",
          { .http_status = 422, .code = "bad_cursor", .message = "It is none." },
          422,
          NULL,
          "\"code\":\"bad_cursor\",\"detail\":[{\"loc\":[\"query\",\"cursor\"],\"msg\":\"It is "
          "none.\",\"type\":\"bad_cursor\"}],",
          false },
        { __LINE__,
          "GET",
          D,
          { .http_status = 503, .code = "unavailable", .message = "M.", .retry_after_ms = 2500 },
          503,
          "3",
          "\"code\":\"unavailable\"",
          false },
        { __LINE__, "GET", V1 "stats", { .http_status = 503 }, 503, "1", "\"code\":\"internal_error\"", false },
        { __LINE__,
          "GET",
          V1 "health",
          { .http_status = 503, .code = "unhealthy", .message = "M.", .result = { "{\"status\":\"unhealthy\"}", 22 } },
          503,
          "1",
          "{\"status\":\"unhealthy\"}",
          true },
        { __LINE__,
          "GET",
          V1 "health",
          { .http_status = 503, .code = "unavailable", .message = "M." },
          503,
          "1",
          "\"code\":\"unavailable\"",
          false },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        struct err e;
        json_t *json;
        control_script.answer = table[i].answer;
        ask(table[i].method, table[i].uri, admin, NO_BODY, &a);
        is_int(a.status, table[i].status, "line %d: status", table[i].line);
        is_sv(answer_header(&a, "Retry-After"), sv_from(table[i].retry), "line %d: Retry-After", table[i].line);
        has_str(a.out.p, table[i].text, "line %d: the body", table[i].line);
        if (table[i].as_it_is)
            is_sv(answer_body(&a), sv_from(table[i].text), "line %d: is nothing else", table[i].line);
        json = json_read(answer_body(&a), false, &e);
        ok(json != NULL, "line %d: JSON without a member twice", table[i].line);
        json_decref(json);
        answer_fini(&a);
    }
    control_script.answer = (struct control_answer){ 0 };
}

static void test_cors(void)
{
    static const struct {
        const char *uri, *methods;
    } table[] = {
        { C, "GET, HEAD" }, { C "/c1/pause", "POST" }, { D "/d1", "DELETE" }, { "/admin/system/cleanup", "POST" }
    };
    static const char *const preflight[] = { "HTTP_ORIGIN", "https://a.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD",
                                             "GET", NULL };
    static const char *const plain[] = { ADMIN, "HTTP_ORIGIN", "https://a.example", NULL };
    struct api_options o = rig_options();
    struct fcgi_answer a;

    o.cors_origins = "https://a.example";
    rig_start(&rig, &o);
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        ask("OPTIONS", table[i].uri, preflight, NO_BODY, &a);
        is_int(a.status, 204, "a preflight for %s, without a credential", table[i].uri);
        is_sv(answer_header(&a, "Access-Control-Allow-Methods"), sv_from(table[i].methods), "its methods");
        answer_fini(&a);
    }
    ask("GET", C, plain, NO_BODY, &a);
    is_sv(answer_header(&a, "Access-Control-Allow-Origin"), SV("https://a.example"), "the answer may be read");
    answer_fini(&a);
    ask("OPTIONS", C, admin, NO_BODY, &a);
    is_int(a.status, 405, "OPTIONS that is no preflight");
    answer_fini(&a);
    rig_stop(&rig);
}

/* ---- room ---- */

#define MESSAGE                                                                                                        \
    "{\"conversation_id\":\"c1\",\"message_id\":\"m1\",\"message_content\":\"hi\",\"sender_id\":\"u1\",\"sender_"      \
    "type\":\"user\",\"timestamp\":1699123456.789}"
#define A_PATH "/api/v1/enhanced-handle-message"
#define PLACES 32 /* an administrator's own */

static void open_many(int *fds, int n, const char *method, const char *uri, const char *const *more, const char *body)
{
    struct buf b = { 0 };

    put_request(&b, method, uri, more, sv_from(body));
    for (int i = 0; i < n; i++) {
        fds[i] = client_connect(rig.path);
        (void)client_send(fds[i], buf_sv(&b));
    }
    buf_fini(&b);
}

static void close_many(const int *fds, int n, const char *what)
{
    int good = 0;

    for (int i = 0; i < n; i++) {
        struct fcgi_answer a;
        client_read(fds[i], &a, 20000);
        good += a.status == 200;
        answer_fini(&a);
        (void)close(fds[i]);
    }
    is_int(good, n, "%s", what);
}

/* A place is free again when its connection has ended, which is a moment after its client has read the answer. */
static bool only_open(int64_t n)
{
    struct api_stat s;

    for (int i = 0; i < 4000; i++) {
        api_stat(rig.api, &s);
        if (s.connections == n)
            return true;
        (void)poll(NULL, 0, 5);
    }
    return false;
}

static void test_room(void)
{
    static const char *const platform[] = { PLATFORM, NULL };
    struct api_options o = rig_options();
    int fds[2], places[PLACES];
    int submits = atomic_load(&rig_seen.submits), calls;

    o.in_flight_max = 2;
    rig_start(&rig, &o);
    atomic_store(&rig_script.hold, true);
    open_many(fds, 2, "POST", A_PATH, platform, MESSAGE);
    ok(rig_wait_int(&rig_seen.submits, submits + 2), "messages take all the room there is");
    expect("POST", A_PATH, platform, MESSAGE, 503, "one more is refused");
    expect("POST", A_PATH, admin, MESSAGE, 503, "an administrator's message too");
    expect("GET", V1 "health", admin, NO_BODY, 200, "but he can look in");
    expect("POST", C "/c1/cancel", admin, NO_BODY, 200, "and do something about it");
    calls = atomic_load(&control_calls);
    atomic_store(&control_script.hold, true);
    ok(only_open(2), "he has left");
    open_many(places, PLACES, "GET", V1 "stats", admin, NO_BODY);
    ok(rig_wait_int(&control_calls, calls + PLACES), "administrators take all of theirs");
    expect("GET", V1 "health", admin, NO_BODY, 503, "one more is refused");
    expect("GET", V1 "health", platform, NO_BODY, 403, "credentials are checked first");
    rig_answer_all(&rig);
    close_many(fds, 2, "messages are answered");
    ok(only_open(PLACES), "they have left");
    expect("POST", A_PATH, platform, MESSAGE, 200, "and have room while administrators have none");
    rig_run(&rig, control_double_release, NULL);
    close_many(places, PLACES, "administrators are answered");
    ok(only_open(0), "all have left");
    expect("GET", V1 "health", admin, NO_BODY, 200, "and have room again");
    rig_stop(&rig);
}

int main(void)
{
    struct api_options o = rig_options();

    rig_start(&rig, &o);
    test_questions();
    test_minutes();
    test_bodies();
    test_verdicts();
    test_refused();
    test_long_ids();
    test_credentials();
    test_answers();
    rig_stop(&rig);
    test_cors();
    test_room();
    return done_testing();
}
