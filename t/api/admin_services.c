/* SPDX-License-Identifier: MIT
 * Tests of src/api/endpoint_admin_services.c: what each request about bots, AI cores and platforms asks of turn/control_services.h, with which
 * row, and what becomes of its answers. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "api/endpoints.h"
#include "t/lib/api_rig.h"
#include "t/lib/control_double.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define V1 "/api/v1/admin/"
#define ADMIN "HTTP_AUTHORIZATION", "Bearer " RIG_ADMIN
#define NO_BODY NULL

static struct rig rig;
static const char *const admin[] = { ADMIN, NULL };

static void ask(const char *method, const char *uri, const char *body, struct fcgi_answer *a)
{
    struct buf b = { 0 };

    put_request(&b, method, uri, admin, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

static void test_questions(void)
{
    static const struct {
        int line;
        const char *method, *uri, *body, *asked;
    } table[] = {
        { __LINE__, "GET", V1 "bots", NO_BODY, "rows of bots 50 -" },
        { __LINE__, "GET", V1 "ai-cores?limit=500&cursor=c%2F1", NO_BODY, "rows of ai_cores 500 c/1" },
        { __LINE__, "HEAD", V1 "platforms?limit=1&cursor=", NO_BODY, "rows of platforms 1 -" },
        { __LINE__, "GET", V1 "bots/sales", NO_BODY, "row of bots sales" },
        { __LINE__, "GET", V1 "ai-cores/a%2Fb%20c", NO_BODY, "row of ai_cores a/b c" },
        { __LINE__, "HEAD", V1 "platforms/p", NO_BODY, "row of platforms p" },
        { __LINE__, "POST", V1 "bots", "{ \"bot_id\" : \"\\u0061\" , \"n\":1.50,\"s\":{\"x\":[]}}",
          "create bots - {\"bot_id\":\"a\",\"n\":1.5,\"s\":{\"x\":[]}} 0" },
        { __LINE__, "POST", V1 "ai-cores?version=7", "{}", "create ai_cores - {} 0" },
        { __LINE__, "POST", V1 "platforms", "[1]", "create platforms - [1] 0" },
        { __LINE__, "POST", V1 "platforms", "null", "create platforms - null 0" },
        { __LINE__, "PUT", V1 "bots/sales", "{\"name\":\"x\"}", "replace bots sales {\"name\":\"x\"} 0" },
        { __LINE__, "PUT", V1 "ai-cores/c?version=3", "{}", "replace ai_cores c {} 3" },
        { __LINE__, "PUT", V1 "platforms/p%25?version=", "{}", "replace platforms p% {} 0" },
        { __LINE__, "DELETE", V1 "bots/sales", NO_BODY, "delete bots sales 0" },
        { __LINE__, "DELETE", V1 "ai-cores/c?version=9007199254740991", NO_BODY, "delete ai_cores c 9007199254740991" },
        { __LINE__, "DELETE", V1 "platforms/p", "not looked at", "delete platforms p 0" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        buf_clear(&control_seen);
        ask(table[i].method, table[i].uri, table[i].body, &a);
        is_int(a.status, 200, "line %d: %s %s", table[i].line, table[i].method, table[i].uri);
        is_sv(buf_sv(&control_seen), sv_from(table[i].asked), "line %d: what is asked", table[i].line);
        answer_fini(&a);
    }
}

static void test_refusals(void)
{
    static const struct {
        int line;
        const char *method, *uri, *body;
        int status;
        const char *text;
    } table[] = {
        { __LINE__, "POST", V1 "bots", "{", 400, "\"invalid_json\"" },
        { __LINE__, "POST", V1 "bots", "{\"a\":1,\"a\":2}", 400, "\"invalid_json\"" },
        { __LINE__, "PUT", V1 "bots/a", "", 400, "\"invalid_json\"" },
        { __LINE__, "PUT", V1 "bots/a?version=0", "{}", 422, "{\"loc\":[\"query\",\"version\"]" },
        { __LINE__, "DELETE", V1 "bots/a?version=x", NO_BODY, 422, "\"int_parsing\"" },
        { __LINE__, "GET", V1 "bots?limit=501", NO_BODY, 422, "{\"loc\":[\"query\",\"limit\"]" },
        { __LINE__, "DELETE", V1 "bots", NO_BODY, 405, "Allow: GET, HEAD, POST\r\n" },
        { __LINE__, "PATCH", V1 "ai-cores/a", "{}", 405, "Allow: GET, HEAD, PUT, DELETE\r\n" },
        { __LINE__, "GET", V1 "bots/a/b", NO_BODY, 404, "\"not_found\"" },
        { __LINE__, "GET", V1 "ai_cores", NO_BODY, 404, "\"not_found\"" },
    };
    int before = atomic_load(&control_calls);

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        ask(table[i].method, table[i].uri, table[i].body, &a);
        is_int(a.status, table[i].status, "line %d: %s %s", table[i].line, table[i].method, table[i].uri);
        has_str(a.out.p, table[i].text, "line %d: and why", table[i].line);
        answer_fini(&a);
    }
    is_int(atomic_load(&control_calls), before, "nobody was asked");
}

static void test_long_names(void)
{
    static const char *const codes[][2] = {
        { "bots/", "unknown_bot" }, { "ai-cores/", "unknown_ai_core" }, { "platforms/", "unknown_platform" },
    };
    static const char *const methods[][2] = { { "GET", NULL }, { "PUT", "{}" }, { "DELETE", NULL } };

    for (size_t i = 0; i < ARRAY_LEN(codes) * ARRAY_LEN(methods); i++) {
        const char *const *code = codes[i / ARRAY_LEN(methods)], *const *method = methods[i % ARRAY_LEN(methods)];
        for (int size = 256; size <= 257; size++) {
            char name[300] = { 0 }, uri[400];
            struct fcgi_answer a;
            memset(name, 'a', (size_t)size);
            (void)snprintf(uri, sizeof(uri), V1 "%s%s", code[0], name);
            ask(method[0], uri, method[1], &a);
            is_int(a.status, size == 256 ? 200 : 404, "%s %s with %d bytes", method[0], code[0], size);
            if (size > 256)
                has_str(a.out.p, code[1], "its code");
            answer_fini(&a);
        }
    }
}

#define TEXT(s) { s, sizeof(s) - 1 }

static void test_answers(void)
{
    static const struct {
        int line;
        struct control_answer answer;
        int status;
        const char *text;
    } table[] = {
        { __LINE__, { .http_status = 201, .result = TEXT("{\"bot_id\":\"a\"}") }, 201, "\r\n\r\n{\"bot_id\":\"a\"}" },
        { __LINE__, { .http_status = 200, .result = TEXT("{\"bot_id\":\"a\"}") }, 200, "\r\n\r\n{\"bot_id\":\"a\"}" },
        { __LINE__,
          { .http_status = 422,
            .code = "validation_error",
            .message = "Some fields are missing or wrong.",
            .detail = TEXT("[{\"loc\":[\"body\",\"name\"],\"msg\":\"Field required\",\"type\":\"missing\"}]") },
          422,
          "\"error\":\"Some fields are missing or wrong.\",\"code\":\"validation_error\",\"detail\":[{\"loc\":[\"body\",\"name\"],"
          "\"msg\":\"Field required\",\"type\":\"missing\"}],\"request_id\":" },
        { __LINE__, { .http_status = 409, .code = "in_use", .message = "M.", .result = TEXT("{\"bots\":[\"a\"]}") }, 409, ",\"bots\":[\"a\"]}" },
        { __LINE__, { .http_status = 503, .code = "no_database", .message = "M.", .retry_after_ms = 1000 }, 503, "\"no_database\"" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct fcgi_answer a;
        control_script.answer = table[i].answer;
        ask("POST", V1 "bots", "{}", &a);
        is_int(a.status, table[i].status, "line %d: its status", table[i].line);
        has_str(a.out.p, table[i].text, "line %d: its body", table[i].line);
        answer_fini(&a);
    }
    control_script.answer = (struct control_answer){ 0 };
}

int main(void)
{
    struct api_options o = rig_options();

    rig_start(&rig, &o);
    control_double_open(rig.loop);
    test_questions();
    test_refusals();
    test_long_names();
    test_answers();
    rig_stop(&rig);
    buf_fini(&control_seen);
    return done_testing();
}
