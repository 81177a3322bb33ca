/* SPDX-License-Identifier: MIT
 * Tests of src/lib/validate.c with the table of the message endpoint: what is accepted, and what is listed as wrong. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/endpoints.h"
#include "t/lib/api_rig.h"
#include "t/tap.h"
#include "turn/message.h"

#define HEAD                                                                                                           \
    "\"conversation_id\":\"c1\",\"message_id\":\"m1\",\"message_content\":\"hi\",\"sender_id\":\"u1\",\"sender_"       \
    "type\":\"user\""
#define REST                                                                                                           \
    "\"message_id\":\"m1\",\"message_content\":\"hi\",\"sender_id\":\"u1\",\"sender_type\":\"user\",\"timestamp\":1"

/* {"loc":["body",...],"msg":...,"type":...} */
#define WRONG(loc, msg, type) "{\"loc\":[\"body\"" loc "],\"msg\":\"" msg "\",\"type\":\"" type "\"}"
#define TIME_TEXT "Input should be a number of seconds or an ISO 8601 string"
#define TIME_RANGE "Input should be seconds since 1970-01-01, up to the year 9999"
#define MISSING(name) WRONG(",\"" name "\"", "Field required", "missing")

static int run(const char *text, struct arena *a, struct message *m, struct buf *detail)
{
    struct err e;
    json_t *json = json_read(sv_from(text), true, &e);
    int n;

    buf_clear(detail);
    if (json == NULL) {
        diag("%s", e.text);
        return -2;
    }
    n = validate(&endpoint_message_input, json, a, m, detail);
    json_decref(json);
    return n;
}

static void test_wrong(void)
{
    static const struct {
        int line;
        const char *body;
        int n;
        const char *detail;
    } table[] = {
        { __LINE__, "{}", 6,
          "[" MISSING("conversation_id") "," MISSING("message_id") "," MISSING("message_content") "," MISSING(
              "sender_id") "," MISSING("sender_type") "," MISSING("timestamp") "]" },
        { __LINE__, "[]", 1, "[" WRONG("", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, "7", 1, "[" WRONG("", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, "null", 1, "[" WRONG("", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, "{" REST "}", 1, "[" MISSING("conversation_id") "]" },
        { __LINE__, "{" REST ",\"conversation_id\":null}", 1,
          "[" WRONG(",\"conversation_id\"", "Input should be a valid string", "string_type") "]" },
        { __LINE__, "{" REST ",\"conversation_id\":12}", 1,
          "[" WRONG(",\"conversation_id\"", "Input should be a valid string", "string_type") "]" },
        { __LINE__, "{" REST ",\"conversation_id\":\"\"}", 1,
          "[" WRONG(",\"conversation_id\"", "String should have at least 1 character", "string_too_short") "]" },
        { __LINE__, "{" REST ",\"conversation_id\":\"a\\u0007\"}", 1,
          "[" WRONG(",\"conversation_id\"", "String should not contain control characters",
                    "string_control_character") "]" },
        { __LINE__, "{" REST ",\"conversation_id\":\"a\\u007f\"}", 1,
          "[" WRONG(",\"conversation_id\"", "String should not contain control characters",
                    "string_control_character") "]" },
        { __LINE__, "{" REST ",\"conversation_id\":\"\\u0085\"}", 1,
          "[" WRONG(",\"conversation_id\"", "String should not contain control characters",
                    "string_control_character") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":-1}", 1, "[" WRONG(",\"timestamp\"", TIME_RANGE, "timestamp_range") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":253402300800}", 1,
          "[" WRONG(",\"timestamp\"", TIME_RANGE, "timestamp_range") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":1e300}", 1,
          "[" WRONG(",\"timestamp\"", TIME_RANGE, "timestamp_range") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":9223372036854775807}", 1,
          "[" WRONG(",\"timestamp\"", TIME_RANGE, "timestamp_range") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":true}", 1, "[" WRONG(",\"timestamp\"", TIME_TEXT, "timestamp_type") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":null}", 1, "[" WRONG(",\"timestamp\"", TIME_TEXT, "timestamp_type") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":\"soon\"}", 1,
          "[" WRONG(",\"timestamp\"", TIME_TEXT, "timestamp_parsing") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":\"\"}", 1,
          "[" WRONG(",\"timestamp\"", TIME_TEXT, "timestamp_parsing") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":\"1699123456\"}", 1,
          "[" WRONG(",\"timestamp\"", TIME_TEXT, "timestamp_parsing") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":1,\"metadata\":[]}", 1,
          "[" WRONG(",\"metadata\"", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":1,\"metadata\":{\"bot_id\":7}}", 1,
          "[" WRONG(",\"metadata\",\"bot_id\"", "Input should be a valid string", "string_type") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":1,\"attachments\":{}}", 1,
          "[" WRONG(",\"attachments\"", "Input should be a valid list", "list_type") "]" },
        { __LINE__, "{" HEAD ",\"timestamp\":1,\"attachments\":[{},1,{},\"x\"]}", 2,
          "[" WRONG(",\"attachments\",1", "Input should be a valid dictionary", "dict_type") "," WRONG(
              ",\"attachments\",3", "Input should be a valid dictionary", "dict_type") "]" },
        { __LINE__,
          "{\"conversation_id\":\"c\",\"message_id\":\"m\",\"message_content\":\"\",\"sender_id\":\"u\",\"sender_"
          "type\":\"User\","
          "\"timestamp\":1}",
          2,
          "[" WRONG(",\"message_content\"", "String should have at least 1 character", "string_too_short") "," WRONG(
              ",\"sender_type\"", "Input should be 'user', 'agent', 'bot' or 'system'", "enum") "]" },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena *a = arena_new(0, 1 << 20);
        struct buf detail = { 0 };
        struct message m;
        is_int(run(table[i].body, a, &m, &detail), table[i].n, "line %d: how many are wrong", table[i].line);
        is_str(detail.p, table[i].detail, "line %d: which", table[i].line);
        buf_fini(&detail);
        arena_free(a);
    }
}

static void test_times(void)
{
    static const struct {
        int line;
        const char *json;
        int64_t ms;
    } table[] = {
        { __LINE__, "0", 0 },
        { __LINE__, "1", 1000 },
        { __LINE__, "1699123456.789", INT64_C(1699123456789) },
        { __LINE__, "1699123456.7894", INT64_C(1699123456789) },
        { __LINE__, "1.699123456789e9", INT64_C(1699123456789) },
        { __LINE__, "1e-999", 0 },
        { __LINE__, "-0.0", 0 },
        { __LINE__, "253402300799", INT64_C(253402300799000) },
        { __LINE__, "\"2023-11-04T18:44:16.789Z\"", INT64_C(1699123456789) },
        { __LINE__, "\"2023-11-05T01:44:16.789+07:00\"", INT64_C(1699123456789) },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena *a = arena_new(0, 1 << 20);
        struct buf detail = { 0 };
        struct message m;
        char body[512];
        (void)snprintf(body, sizeof(body), "{" HEAD ",\"timestamp\":%s}", table[i].json);
        is_int(run(body, a, &m, &detail), 0, "line %d: a timestamp", table[i].line);
        is_int(m.timestamp_ms, table[i].ms, "line %d: its value", table[i].line);
        buf_fini(&detail);
        arena_free(a);
    }
}

static void test_kept(void)
{
    struct arena *a = arena_new(0, 1 << 20);
    struct buf detail = { 0 };
    struct message m;

    is_int(run("{\"unknown\":[1],\"conversation_id\":\"h\xE1\xBB\x99i tho\xE1\xBA\xA1i {x}*\",\"message_id\":\" "
               "\",\"message_content\":"
               "\"T\\u00f4i\\n\\u0007\",\"sender_id\":\"u\",\"sender_type\":\"system\",\"timestamp\":2,"
               "\"metadata\":{\"bot_id\":null, \"b\":[1,2.5]},\"attachments\":[{\"u\":\"x\"}]}",
               a, &m, &detail),
           0, "a whole message with members that nobody knows");
    is_sv(m.conversation_id, SV("h\xE1\xBB\x99i tho\xE1\xBA\xA1i {x}*"), "conversation");
    is_sv(m.message_id, SV(" "), "a blank is an id");
    is_sv(m.content, SV("T\xC3\xB4i\n\x07"), "content as it came, control characters included");
    is_int(m.sender_type, SENDER_SYSTEM, "sender type");
    is_sv(m.metadata, SV("{\"bot_id\":null,\"b\":[1,2.5]}"), "metadata");
    is_sv(m.attachments, SV("[{\"u\":\"x\"}]"), "attachments");
    is_int(run("{" HEAD ",\"timestamp\":1,\"metadata\":null,\"attachments\":null}", a, &m, &detail), 0,
           "null for what is optional");
    is_sv(m.metadata, SV_NONE, "is absent");
    is_sv(m.attachments, SV_NONE, "is absent too");
    is_int(run("{" HEAD ",\"timestamp\":1,\"metadata\":{},\"attachments\":[]}", a, &m, &detail), 0, "empty ones");
    is_sv(m.metadata, SV("{}"), "are not absent");
    buf_fini(&detail);
    arena_free(a);
}

/* A body whose member `name` has `n` times `unit`. */
static char *sized(const char *name, const char *unit, size_t n)
{
    static const char *const names[] = { "conversation_id", "message_id", "message_content", "sender_id" };
    struct buf b = { 0 };
    char *text;

    buf_add(&b, SV("{\"sender_type\":\"bot\",\"timestamp\":1"));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        buf_printf(&b, ",\"%s\":\"", names[i]);
        for (size_t j = 0; j < (strcmp(names[i], name) == 0 ? n : 1); j++)
            buf_add(&b, sv_from(unit));
        buf_addc(&b, '"');
    }
    buf_addc(&b, '}');
    text = buf_take(&b);
    if (text == NULL)
        abort();
    return text;
}

static void test_sizes(void)
{
    static const struct {
        int line;
        const char *name, *unit;
        size_t n;
        int wrong;
    } table[] = {
        { __LINE__, "conversation_id", "a", 256, 0 },
        { __LINE__, "conversation_id", "a", 257, 1 },
        { __LINE__, "message_id", "a", 256, 0 },
        { __LINE__, "message_id", "a", 65536, 1 },
        { __LINE__, "sender_id", "a", 257, 1 },
        { __LINE__, "sender_id", "\xC3\xA9", 257, 1 },
        { __LINE__, "sender_id", "\xC3\xA9", MESSAGE_ID_MAX / 2 < 256 ? MESSAGE_ID_MAX / 2 : 256, 0 },
        { __LINE__, "message_content", "a", 65536, 0 },
        { __LINE__, "message_content", "a", 65537, 1 },
        { __LINE__, "message_content", "\xC3\xA9", 32768, 0 },
        { __LINE__, "message_content", "\xC3\xA9", 32769, 1 },
    };

    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena *a = arena_new(0, 1 << 20);
        struct buf detail = { 0 };
        struct message m;
        char *body = sized(table[i].name, table[i].unit, table[i].n);
        is_int(run(body, a, &m, &detail), table[i].wrong, "line %d: %s, %zu characters", table[i].line, table[i].name,
               table[i].n);
        if (table[i].wrong > 0)
            has_str(detail.p, "\"string_too_long\"", "line %d: why", table[i].line);
        free(body);
        buf_fini(&detail);
        arena_free(a);
    }
}

static void test_bounds(void)
{
    struct arena *a = arena_new(0, 1 << 20), *small = arena_new(0, 96);
    struct buf body = { 0 }, detail = { 0 };
    struct message m;
    size_t lines = 0;
    char *text;

    buf_add(&body, SV("{" HEAD ",\"timestamp\":1,\"attachments\":[1"));
    for (int i = 1; i < 5000; i++)
        buf_add(&body, SV(",1"));
    buf_add(&body, SV("]}"));
    is_int(run(body.p, a, &m, &detail), 5000, "thousands of wrong ones are counted");
    for (const char *p = detail.p; (p = strstr(p, "\"loc\"")) != NULL; p++)
        lines++;
    is_int(lines, VALIDATE_DETAILS_MAX, "and the first ones listed");
    text = sized("message_content", "a", 1000);
    is_int(run(text, small, &m, &detail), -1, "a full arena is no wrong field");
    free(text);
    buf_fini(&body);
    buf_fini(&detail);
    arena_free(a);
    arena_free(small);
}

int main(void)
{
    test_wrong();
    test_times();
    test_kept();
    test_sizes();
    test_bounds();
    return done_testing();
}
