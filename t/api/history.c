/* SPDX-License-Identifier: MIT
 * Tests of src/api/endpoint_history*.c: what each request of /api/chathistory asks of turn/chat.h and for whom, what is refused before, and that
 * all that is wrong is said at once. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "lib/json.h"
#include "lib/jwt.h"
#include "t/lib/api_rig.h"
#include "t/lib/control_double.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define H "/api/chathistory"
#define SECRET "a secret of thirty-two bytes, or more"
#define NO_BODY NULL
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X256 X64 X64 X64 X64

static struct rig rig;
static char user_token[1024];
static const char *const by_admin[] = { "HTTP_AUTHORIZATION", "Bearer " RIG_ADMIN, NULL };
static const char *const by_platform[] = { "HTTP_AUTHORIZATION", "Bearer " RIG_PLATFORM, NULL };
static const char *const by_user[] = { "HTTP_AUTHORIZATION", user_token, NULL };
static const char *const by_nobody[] = { NULL };

static void ask(const char *method, const char *uri, const char *const *who, const char *body, struct fcgi_answer *a)
{
    struct buf b = { 0 };

    buf_clear(&control_seen);
    put_request(&b, method, uri, who, sv_from(body));
    client_ask(rig.path, buf_sv(&b), a);
    buf_fini(&b);
}

/* ---- which question a request becomes ---- */

static const struct {
    int line;
    const char *const *who;
    const char *method, *uri, *body, *asked;
} questions[] = {
    { __LINE__, by_user, "GET", H "/u1/sessions/s1", NO_BODY, "page u1: u1 s1 1 of 0 from -1 to -1 " },
    { __LINE__, by_user, "HEAD", H "/u1/sessions/s1", NO_BODY, "page u1: u1 s1 1 of 0 from -1 to -1 " },
    { __LINE__, by_admin, "GET", H "/u1/sessions/s1", NO_BODY, "page admin: u1 s1 1 of 0 from -1 to -1 " },
    { __LINE__, by_user, "GET", H "/u2/sessions/s1", NO_BODY, "page u1: u2 s1 1 of 0 from -1 to -1 " }, /* chat_page refuses */
    { __LINE__, by_user, "GET", "/API/ChatHistory/u1/SESSIONS/s1", NO_BODY, "page u1: u1 s1 1 of 0 from -1 to -1 " },
    { __LINE__, by_user, "GET", "/api/ChatHistory/U1/sessions/S1", NO_BODY, "page u1: U1 S1 1 of 0 from -1 to -1 " },
    { __LINE__, by_user, "GET", H "/u%2F1/sessions/a%20b?page=2", NO_BODY, "page u1: u/1 a b 2 of 0 from -1 to -1 " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=3&pageSize=100", NO_BODY, "page u1: u1 s1 3 of 100 from -1 to -1 " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?PAGE=2147483647&Pagesize=1", NO_BODY, "page u1: u1 s1 2147483647 of 1 from -1 to -1 " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?fromDate=1970-01-02T00:00:00Z&ToDate=1970-01-02T00:00:00.001Z", NO_BODY,
      "page u1: u1 s1 1 of 0 from 86400000 to 86400001 " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?fromDate=1970-01-02&toDate=1970-01-02", NO_BODY, "page u1: u1 s1 1 of 0 from 86400000 to 86400000 " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=&pageSize=&fromDate=&toDate=&x=y", NO_BODY, "page u1: u1 s1 1 of 0 from -1 to -1 " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?cursor=", NO_BODY, "page u1: u1 s1 1 of 0 from -1 to -1 behind " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?cursor=aB-_9&pageSize=5", NO_BODY, "page u1: u1 s1 1 of 5 from -1 to -1 behind aB-_9" },
    { __LINE__, by_user, "GET", H "/u1/sessions", NO_BODY, "sessions u1: u1" },
    { __LINE__, by_admin, "GET", H "/u1/sessions", NO_BODY, "sessions admin: u1" },
    { __LINE__, by_user, "GET", H "/sessions/s1", NO_BODY, "session u1: s1" },
    { __LINE__, by_user, "GET", H "/Sessions/sessions", NO_BODY, "session u1: sessions" }, /* and not those of a user called so */
    { __LINE__, by_user, "GET", H "/sessions/sessions/sessions", NO_BODY, "page u1: sessions sessions 1 of 0 from -1 to -1 " },
    { __LINE__, by_user, "PATCH", H "/sessions/s1/archive", NO_BODY, "archive u1: s1" },
    { __LINE__, by_user, "PATCH", H "/sessions/s1/Archive", "", "archive u1: s1" },
    { __LINE__, by_admin, "PATCH", H "/sessions/s1/archive", "not json, and nobody looks", "archive admin: s1" },
    { __LINE__, by_admin, "GET", H "/analytics/2024-02-29", NO_BODY, "analytics 2024-02-29 -" },
    { __LINE__, by_admin, "GET", H "/Analytics?from=2024-01-01&to=2024-12-31", NO_BODY, "analytics 2024-01-01 2024-12-31" },
    { __LINE__, by_admin, "GET", H "/analytics?From=2024-01-01&TO=2024-01-01", NO_BODY, "analytics 2024-01-01 2024-01-01" },
    { __LINE__, by_user, "DELETE", H "/u1/sessions/s1", NO_BODY, "erase u1: u1 s1" },
    { __LINE__, by_admin, "DELETE", "/Api/CHATHISTORY/u1/Sessions/s1", NO_BODY, "erase admin: u1 s1" },
    { __LINE__, by_user, "DELETE", H "/u2/sessions/s%2F1", NO_BODY, "erase u1: u2 s/1" }, /* chat_erase refuses */
    { __LINE__, by_user, "DELETE", H "/u1", NO_BODY, "erase u1: u1 -" },
    { __LINE__, by_user, "GET", H "/u1/Export", NO_BODY, "export u1: u1" },
    { __LINE__, by_admin, "GET", H "/sessions/export", NO_BODY, "session admin: export" }, /* which is the session of that name */
    { __LINE__, by_admin, "DELETE", H "/sessions", NO_BODY, "erase admin: sessions -" },
    { __LINE__, by_user, "GET", H "/u1/preferences", NO_BODY, "preferences u1: u1" },
    { __LINE__, by_user, "PUT", H "/u1/preferences", "{}", "put u1: u1" },
    { __LINE__, by_user, "PUT", H "/u1/preferences", "{\"theme\":\"dark\",\"size\":12,\"ratio\":0.95,\"beta\":true,\"none\":\"\"}",
      "put u1: u1 theme=dark size=12 ratio=0.95 beta=true none=" },
    { __LINE__, by_admin, "DELETE", H "/u1/preferences", NO_BODY, "put admin: u1" },
    { __LINE__, by_platform, "POST", H "/sync", "{\"userId\":\"u1\",\"sessionId\":\"s1\"}", "sync 1 one: - u1 s1 [-] [-] -1 -" },
    { __LINE__, by_admin, "POST", H "/Sync",
      "{\"messageId\":\"uuid\",\"userId\":\"user123\",\"sessionId\":\"session456\",\"userMessage\":\"Hello\",\"aiResponse\":\"Hi there!\","
      "\"timestamp\":\"2024-01-01T10:00:00Z\",\"metadata\":{\"aiModel\":\"gemini-1.5-flash\",\"responseTime\":1.2,\"confidence\":0.95}}",
      "sync 1 one: uuid user123 session456 [Hello] [Hi there!] 1704103200000 {\"aiModel\":\"gemini-1.5-flash\",\"responseTime\":1.2,\"confidence\":0.95}" },
    { __LINE__, by_platform, "POST", H "/sync", "{\"MessageId\":\"m\",\"UserId\":\"u1\",\"SESSIONID\":\"s1\",\"UserMessage\":\"x\",\"AiResponse\":\"\"}",
      "sync 1 one: m u1 s1 [x] [] -1 -" },
    { __LINE__, by_platform, "POST", H "/sync", "{\"USERID\":\"no\",\"userId\":\"u1\",\"sessionId\":\"s1\"}", "sync 1 one: - u1 s1 [-] [-] -1 -" },
    { __LINE__, by_platform, "POST", H "/sync",
      "{\"messageId\":null,\"userId\":\"u1\",\"sessionId\":\"s1\",\"userMessage\":null,\"aiResponse\":null,\"timestamp\":null,\"metadata\":null}",
      "sync 1 one: - u1 s1 [-] [-] -1 -" },
    { __LINE__, by_platform, "POST", H "/sync", "[{\"userId\":\"u1\",\"sessionId\":\"s1\"},{\"userId\":\"u2\",\"sessionId\":\"s2\",\"userMessage\":\"b\"}]",
      "sync 2 several: - u2 s2 [b] [-] -1 -" },
    { __LINE__, by_platform, "POST", H "/sync", "[{\"userId\":\"u1\",\"sessionId\":\"s1\"}]", "sync 1 several: - u1 s1 [-] [-] -1 -" },
};

static void test_questions(void)
{
    for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
        struct fcgi_answer a;
        ask(questions[i].method, questions[i].uri, questions[i].who, questions[i].body, &a);
        is_int(a.status, 200, "line %d: %s %s", questions[i].line, questions[i].method, questions[i].uri);
        is_sv(buf_sv(&control_seen), sv_from(questions[i].asked), "line %d: what is asked", questions[i].line);
        answer_fini(&a);
    }
}

/* ---- what is refused before anything is asked ---- */

#define EXCHANGE "\"userId\":\"u\",\"sessionId\":\"s\""

static const struct {
    int line;
    const char *const *who;
    const char *method, *uri, *body;
    int status;
    const char *says; /* the loc of each detail with blanks between; else the code */
} refused[] = {
    { __LINE__, by_nobody, "GET", H "/u1/sessions/s1", NO_BODY, 401, "unauthorized" },
    { __LINE__, by_platform, "GET", H "/u1/sessions/s1", NO_BODY, 403, "forbidden" },
    { __LINE__, by_platform, "GET", H "/u1/sessions", NO_BODY, 403, "forbidden" },
    { __LINE__, by_platform, "GET", H "/sessions/s1", NO_BODY, 403, "forbidden" },
    { __LINE__, by_platform, "PATCH", H "/sessions/s1/archive", NO_BODY, 403, "forbidden" },
    { __LINE__, by_platform, "PUT", H "/u1/preferences", "{}", 403, "forbidden" },
    { __LINE__, by_user, "POST", H "/sync", "{" EXCHANGE "}", 403, "forbidden" },
    { __LINE__, by_user, "GET", H "/analytics/2024-01-01", NO_BODY, 403, "forbidden" },
    { __LINE__, by_platform, "GET", H "/analytics?from=2024-01-01&to=2024-01-01", NO_BODY, 403, "forbidden" },
    { __LINE__, by_user, "POST", H "/u1/sessions/s1", "{}", 405, "method_not_allowed" },
    { __LINE__, by_user, "GET", H "/sync", NO_BODY, 405, "method_not_allowed" },
    { __LINE__, by_user, "GET", H "/u1/session/s1", NO_BODY, 404, "not_found" },
    { __LINE__, by_user, "GET", "/api/chat-history/u1/sessions", NO_BODY, 404, "not_found" },
    { __LINE__, by_user, "GET", H "/" X256 "x/sessions/s1", NO_BODY, 403, "forbidden" },
    { __LINE__, by_user, "GET", H "/sessions/" X256 "x", NO_BODY, 403, "forbidden" },
    { __LINE__, by_admin, "GET", H "/u1/sessions/" X256 "x", NO_BODY, 404, "history_not_found" },
    { __LINE__, by_admin, "GET", H "/sessions/" X256 "x", NO_BODY, 404, "session_not_found" },
    { __LINE__, by_admin, "GET", H "/" X256 "x/preferences", NO_BODY, 404, "user_not_found" },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=0&pageSize=0", NO_BODY, 422, "query.page query.pageSize " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=-1&pageSize=101", NO_BODY, 422, "query.page query.pageSize " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=two&pageSize=99999999999999999999&fromDate=yesterday&toDate=2024-02-30T00:00:00Z", NO_BODY, 422,
      "query.page query.pageSize query.fromDate query.toDate " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=1.5&page_size=0&fromDate=1700000000", NO_BODY, 422, "query.page query.fromDate " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=2147483648", NO_BODY, 422, "query.page " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?page=1&Page=2", NO_BODY, 422, "query.page " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?pageSize=0&fromDate=2024-01-02&toDate=2024-01-01", NO_BODY, 422, "query.pageSize query.toDate " },
    { __LINE__, by_user, "GET", H "/u1/sessions/s1?cursor=" X256 "x", NO_BODY, 422, "query.cursor " },
    { __LINE__, by_admin, "GET", H "/analytics/2024-02-30", NO_BODY, 422, "path.date " },
    { __LINE__, by_admin, "GET", H "/analytics/today", NO_BODY, 422, "path.date " },
    { __LINE__, by_admin, "GET", H "/analytics/2024-1-1", NO_BODY, 422, "path.date " },
    { __LINE__, by_admin, "GET", H "/analytics/1969-12-31", NO_BODY, 422, "path.date " },
    { __LINE__, by_admin, "GET", H "/analytics", NO_BODY, 422, "query.from query.to " },
    { __LINE__, by_admin, "GET", H "/analytics?from=2024-01-01", NO_BODY, 422, "query.to " },
    { __LINE__, by_admin, "GET", H "/analytics?from=2024-01-01T00:00:00Z&to=x", NO_BODY, 422, "query.from query.to " },
    { __LINE__, by_admin, "GET", H "/analytics?from=2024-01-02&to=2024-01-01", NO_BODY, 422, "query.to " },
    { __LINE__, by_admin, "GET", H "/analytics?from=2024-01-01&to=2025-01-01", NO_BODY, 422, "query.to " },
    { __LINE__, by_platform, "POST", H "/sync", "{}", 400, "ids_required" },
    { __LINE__, by_platform, "POST", H "/sync", "{\"userId\":\"u\"}", 400, "ids_required" },
    { __LINE__, by_platform, "POST", H "/sync", "{\"userId\":\"\",\"sessionId\":\"s\"}", 400, "ids_required" },
    { __LINE__, by_platform, "POST", H "/sync", "{\"userId\":\"u\",\"sessionId\":null}", 400, "ids_required" },
    { __LINE__, by_platform, "POST", H "/sync", "[{" EXCHANGE "},{\"userId\":\"u\"}]", 400, "ids_required" },
    { __LINE__, by_platform, "POST", H "/sync", "not json", 400, "invalid_json" },
    { __LINE__, by_platform, "POST", H "/sync", "[]", 422, "body " },
    { __LINE__, by_platform, "POST", H "/sync", "\"x\"", 422, "body " },
    { __LINE__, by_platform, "POST", H "/sync", "[{" EXCHANGE "},7]", 422, "body.1 " },
    { __LINE__, by_platform, "POST", H "/sync",
      "{\"messageId\":7,\"userId\":7,\"sessionId\":\"\\u0001\",\"userMessage\":[],\"aiResponse\":false,\"timestamp\":\"noon\",\"metadata\":\"x\"}", 422,
      "body.messageId body.userId body.sessionId body.userMessage body.aiResponse body.timestamp body.metadata " },
    { __LINE__, by_platform, "POST", H "/sync", "[{\"messageId\":\"\"," EXCHANGE "},{" EXCHANGE "},{" EXCHANGE ",\"timestamp\":-1,\"metadata\":[]}]", 422,
      "body.0.messageId body.2.timestamp body.2.metadata " },
    { __LINE__, by_platform, "POST", H "/sync", "{\"userId\":\"\",\"metadata\":7}", 422, "body.metadata " },
    { __LINE__, by_user, "PUT", H "/u1/preferences", "[]", 422, "body " },
    { __LINE__, by_user, "PUT", H "/u1/preferences", "{\"a\":null,\"b\":{},\"c\":[],\"\":\"x\",\"ok\":1}", 422, "body.a body.b body.c body. " },
};

/* "body.1.field body.2 " */
static void list_locs(const json_t *detail, struct buf *out)
{
    for (size_t i = 0; i < json_array_size(detail); i++) {
        const json_t *loc = json_object_get(json_array_get(detail, i), "loc");
        for (size_t k = 0; k < json_array_size(loc); k++) {
            const json_t *part = json_array_get(loc, k);
            if (k > 0)
                buf_addc(out, '.');
            if (json_is_integer(part))
                buf_i64(out, json_integer_value(part));
            else
                buf_add(out, (struct sv){ json_string_value(part), json_string_length(part) });
        }
        buf_addc(out, ' ');
    }
}

static void test_refused(void)
{
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct fcgi_answer a;
        struct buf got = { 0 };
        ask(refused[i].method, refused[i].uri, refused[i].who, refused[i].body, &a);
        json_t *j = json_read(answer_body(&a), false, NULL);
        if (refused[i].status == 422)
            list_locs(json_object_get(j, "detail"), &got);
        else
            buf_add(&got, json_sv(j, "code"));
        is_int(a.status, refused[i].status, "line %d: %s %s", refused[i].line, refused[i].method, refused[i].uri);
        is_sv(buf_sv(&got), sv_from(refused[i].says), "line %d: what is said", refused[i].line);
        is_int(control_seen.n, 0, "line %d: nothing is asked", refused[i].line);
        if (refused[i].status == 400 && strcmp(refused[i].says, "ids_required") == 0)
            is_sv(json_sv(j, "error"), SV("UserId and SessionId are required"), "line %d: in the words of old", refused[i].line);
        json_decref(j);
        buf_fini(&got);
        answer_fini(&a);
    }
}

/* ---- bounds ---- */

/* before, then n times head, a number and tail, with commas between, then behind. */
static void put_many(size_t n, struct buf *b, const char *before, const char *head, const char *tail, const char *behind)
{
    buf_add(b, sv_from(before));
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(b, ',');
        buf_printf(b, "%s%zu%s", head, i, tail);
    }
    buf_add(b, sv_from(behind));
}

static void expect_body(const char *method, const char *uri, const char *const *who, struct buf *body, int status, const char *name)
{
    struct fcgi_answer a;

    ask(method, uri, who, body->p, &a);
    is_int(a.status, status, "%s", name);
    answer_fini(&a);
    buf_fini(body);
}

static void test_bounds(void)
{
    struct buf b = { 0 };

    put_many(1000, &b, "[", "{" EXCHANGE ",\"messageId\":\"", "\"}", "]");
    expect_body("POST", H "/sync", by_platform, &b, 200, "a thousand exchanges");
    put_many(1001, &b, "[", "{" EXCHANGE ",\"messageId\":\"", "\"}", "]");
    expect_body("POST", H "/sync", by_platform, &b, 422, "one more is too many");
    put_many(100, &b, "{", "\"k", "\":1", "}");
    expect_body("PUT", H "/u1/preferences", by_user, &b, 200, "a hundred preferences");
    put_many(101, &b, "{", "\"k", "\":1", "}");
    expect_body("PUT", H "/u1/preferences", by_user, &b, 422, "one more is too many");
    put_many(64, &b, "{\"k\":\"", X64, "", "\"}");
    expect_body("PUT", H "/u1/preferences", by_user, &b, 422, "a value of more than 4096 bytes");
    put_many(1, &b, "{\"" X64 X64 "\":\"", "", "", "\"}");
    expect_body("PUT", H "/u1/preferences", by_user, &b, 200, "a name of 128 bytes");
    put_many(1, &b, "{\"" X64 X64 "x\":\"", "", "", "\"}");
    expect_body("PUT", H "/u1/preferences", by_user, &b, 422, "a name of 129 bytes");
}

/* ---- what becomes of an answer ---- */

static void test_answers(void)
{
    struct fcgi_answer a;

    control_script.answer = (struct control_answer){ .http_status = 200, .result = SV("[]"), .cache = "BYPASS" };
    ask("GET", H "/u1/sessions", by_user, NO_BODY, &a);
    is_sv(answer_body(&a), SV("[]"), "a list is the body");
    is_sv(answer_header(&a, "X-Cache"), SV("BYPASS"), "and where it comes from a header");
    answer_fini(&a);
    control_script.answer = (struct control_answer){ .http_status = 404, .code = "history_not_found", .message = "Chat history not found", .result = SV_NONE };
    ask("GET", H "/u1/sessions/s1", by_user, NO_BODY, &a);
    is_int(a.status, 404, "an empty history");
    has_str((const char *)a.out.p, "\"code\":\"history_not_found\"", "by its code");
    answer_fini(&a);
    control_script.answer = (struct control_answer){ .http_status = 503, .code = "archive_unavailable", .message = "x", .result = SV_NONE, .retry_after_ms = 1000 };
    ask("GET", H "/u1/sessions/s1", by_user, NO_BODY, &a);
    is_sv(answer_header(&a, "Retry-After"), SV("1"), "503 with a time");
    answer_fini(&a);
    control_script.answer = (struct control_answer){ .http_status = 0 };
}

static void make_token(void)
{
    const struct jwt_signing with = { .secret = SECRET };
    struct buf token = { 0 }, claims = { 0 };
    struct err e;

    buf_printf(&claims, "{\"userId\":\"u1\",\"exp\":%" PRId64 "}", clock_wall_ms() / 1000 + 3600);
    if (jwt_sign(&with, buf_sv(&claims), &token, &e) != 0)
        bail_out("no token: %s", e.text);
    (void)snprintf(user_token, sizeof(user_token), "Bearer %.*s", SV_FMT(buf_sv(&token)));
    buf_fini(&token);
    buf_fini(&claims);
}

int main(void)
{
    struct api_options o = rig_options();

    make_token();
    o.jwt.secret = SECRET;
    rig_start(&rig, &o);
    test_questions();
    test_refused();
    test_bounds();
    test_answers();
    rig_stop(&rig);
    return done_testing();
}
