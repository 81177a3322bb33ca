/* SPDX-License-Identifier: MIT
 * The archive's door: what is refused and why, what is taken and how it is read, and that a PostgreSQL server takes whatever passed. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "archive/archive_item.h"
#include "lib/buf.h"
#include "t/archive/rig.h"

#define TURN "\"type\":\"turn\",\"v\":1,\"conversation_id\":\"c\",\"turn_id\":\"01890000-0000-7000-8000-000000000001\"," \
    "\"status\":\"completed\",\"at\":1760000000000"
#define MESSAGE "\"message_id\":\"m\",\"content\":\"hi\",\"sender_id\":\"u\",\"sender_type\":\"user\",\"timestamp\":1760000000000"
#define ONE "\"messages\":[{" MESSAGE "}]"

/* ---- refused ---- */

static const struct {
    int line;
    const char *item, *reason; /* NULL: taken */
} table[] = {
    { __LINE__, "{" TURN "," ONE "}", NULL },
    { __LINE__, "{\"type\":\"message\",\"v\":1,\"conversation_id\":\"c\",\"seq\":7,\"reason\":\"agent_message\",\"message\":{" MESSAGE "}}", NULL },
    { __LINE__, "", "not JSON" },
    { __LINE__, "null", "object" },
    { __LINE__, "[]", "object" },
    { __LINE__, "{}", "type" },
    { __LINE__, "{\"type\":\"turn\"}", "conversation_id" },
    { __LINE__, "{" TURN "," ONE, "not JSON" },
    { __LINE__, "{" TURN "," ONE "} x", "not JSON" },
    { __LINE__, "{" TURN "," ONE ",\"v\":1}", "twice" },
    { __LINE__, "{\"type\":\"turn\",\"v\":2,\"conversation_id\":\"c\"}", "version" },
    { __LINE__, "{\"type\":\"keep_message\",\"v\":1,\"conversation_id\":\"c\"}", "type" },
    { __LINE__, "{\"type\":null,\"v\":1,\"conversation_id\":\"c\"}", "type" },
    { __LINE__, "{\"type\":\"turn\",\"session_id\":\"c\"}", "conversation_id" },
    { __LINE__, "{\"type\":\"turn\",\"v\":1,\"conversation_id\":7}", "conversation_id: must be a string" },
    { __LINE__, "{\"type\":\"turn\",\"v\":1,\"conversation_id\":\"\"}", "conversation_id: must have" },
    { __LINE__, "{\"type\":\"turn\",\"v\":1,\"conversation_id\":\"a\\nb\"}", "control" },
    { __LINE__, "{\"type\":\"turn\",\"v\":1,\"conversation_id\":\"c\",\"turn_id\":\"x\"}", "turn_id" },
    { __LINE__, "{" TURN "}", "messages" },
    { __LINE__, "{" TURN ",\"messages\":[]}", "messages" },
    { __LINE__, "{" TURN ",\"messages\":[7]}", "messages[0].*: must be an object" },
    { __LINE__, "{" TURN ",\"messages\":[{" MESSAGE "},{}]}", "messages[1].message_id" },
    { __LINE__, "{" TURN "," ONE ",\"fence\":-1}", "fence" },
    { __LINE__, "{" TURN "," ONE ",\"fence\":\"1\"}", "fence" },
    { __LINE__, "{" TURN "," ONE ",\"fence\":9223372036854775807}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"fence\":9223372036854775808}", "fence" },
    { __LINE__, "{" TURN "," ONE ",\"restarts\":2147483648}", "restarts" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":[]}", "reply: must be an object" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":null,\"actions\":null,\"reason\":null}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"actions\":{}}", "actions: must be an array" },
    { __LINE__, "{" TURN "," ONE ",\"actions\":[{\"type\":\"x\",\"status\":\"done\"}]}", "actions[0].status" },
    { __LINE__, "{" TURN "," ONE ",\"actions\":[{\"type\":null,\"data\":null,\"status\":\"dropped\",\"reason\":\"unknown\"}]}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"actions\":[{\"type\":\"x\",\"data\":\"text\",\"status\":\"dropped\"}]}", NULL },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"message_id\":\"m\",\"content\":\"\",\"sender_id\":\"u\","
                "\"sender_type\":\"agent\",\"timestamp\":1.5}}", NULL },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"message_id\":\"m\",\"content\":\"\",\"sender_id\":\"u\","
                "\"sender_type\":\"robot\",\"timestamp\":1}}", "sender_type" },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"message_id\":\"m\",\"content\":null,\"sender_id\":\"u\","
                "\"sender_type\":\"user\",\"timestamp\":1}}", "content" },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"message_id\":\"m\",\"content\":\"\",\"sender_id\":\"u\","
                "\"sender_type\":\"user\"}}", "timestamp" },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{" MESSAGE ",\"metadata\":[]}}", "metadata" },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{" MESSAGE ",\"attachments\":{}}}", "attachments" },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{" MESSAGE ",\"seq\":-1}}", "seq" },
    { __LINE__, "{" TURN "," ONE ",\"job\":null}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"job\":{}}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"attempts\":1,\"created_at\":1,\"started_at\":2.5,\"bot_id\":\"b\",\"callback_urls\":[],\"error\":\"e\"}}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"attempts\":null,\"started_at\":null,\"bot_id\":null,\"callback_urls\":null,\"error\":null,\"x\":1}}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"job\":[]}", "job[0].*: must be an object" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"error\":\"a\",\"error\":\"b\"}}", "twice" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"attempts\":-1}}", "job[0].attempts" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"attempts\":\"1\"}}", "job[0].attempts" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"created_at\":null}}", "job[0].created_at" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"started_at\":\"now\"}}", "job[0].started_at" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"bot_id\":7}}", "job[0].bot_id" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"error\":{}}}", "job[0].error" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"callback_urls\":\"https://x\"}}", "job[0].callback_urls" },
    { __LINE__, "{" TURN "," ONE ",\"job\":{\"callback_urls\":[\"https://x\",7]}}", "job[0].callback_urls" },
    /* what a server would refuse */
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"response_text\":\"a\\u0000b\"}}", "not JSON" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"response_text\":\"\\ud800\"}}", "not JSON" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"response_text\":\"\xff\"}}", "not JSON" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"response_text\":\"\xed\xa0\x80\"}}", "not JSON" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"n\":1e200000}}", "not JSON" },
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"n\":1e-200000}}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"reply\":{\"n\":1e308}}", NULL },
    { __LINE__, "{" TURN "," ONE ",\"reason\":\"a\\u0000b\"}", "not JSON" },
    { __LINE__, "{\"type\":\"message\",\"conversation_id\":\"a\\u0000b\",\"message\":{" MESSAGE "}}", "not JSON" },
};

static void check_table(void)
{
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct arena *a = arena_new(0, 1u << 20);
        struct err e = { 0 };
        struct item item;
        int rc = item_parse(a, sv_from(table[i].item), &item, &e);
        if (table[i].reason == NULL)
            ok(rc == 0, "line %d is taken%s%s", table[i].line, rc != 0 ? ": " : "", rc != 0 ? e.text : "");
        else if (ok(rc == -1, "line %d is refused", table[i].line))
            has_str(e.text, table[i].reason, "line %d: the reason", table[i].line);
        arena_free(a);
    }
}

static struct sv repeat(struct arena *a, const char *head, const char *piece, size_t n, const char *tail)
{
    struct buf b = { 0 };
    buf_add(&b, sv_from(head));
    for (size_t i = 0; i < n; i++)
        buf_add(&b, sv_from(piece));
    buf_add(&b, sv_from(tail));
    struct sv s = arena_sv(a, buf_sv(&b));
    buf_fini(&b);
    return s;
}

static void check_sizes(void)
{
    struct arena *a = arena_new(0, 400u << 20);
    struct err e = { 0 };
    struct item item;
    const char *open = "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{" MESSAGE ",\"metadata\":";

    ok(item_parse(a, repeat(a, open, "{\"a\":", 60, "1" "}}}}}}}}}}}}}}}}}}}}" "}}}}}}}}}}}}}}}}}}}}" "}}}}}}}}}}}}}}}}}}}}" "}}"), &item, &e) == 0,
       "62 levels are taken");
    ok(item_parse(a, repeat(a, open, "[", 100000, ""), &item, &e) == -1, "100,000 levels are refused");
    has_str(e.text, "deep", "for being deep");
    const char *before = "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"message_id\":\"m\",\"sender_id\":\"u\","
                         "\"sender_type\":\"user\",\"timestamp\":1,\"content\":\"";
    ok(item_parse(a, repeat(a, before, "x", 65536, "\"}}"), &item, &e) == 0, "a content of 65,536 bytes is taken");
    ok(item_parse(a, repeat(a, before, "x", 65537, "\"}}"), &item, &e) == -1, "one more is refused");
    has_str(e.text, "65536", "with the limit");
    const char *id = "{\"type\":\"message\",\"message\":{" MESSAGE "},\"conversation_id\":\"";
    ok(item_parse(a, repeat(a, id, "\xf0\x9f\x98\x80", 256, "\"}"), &item, &e) == 0, "an id of 256 characters is taken, whatever they are");
    ok(item_parse(a, repeat(a, id, "x", 1025, "\"}"), &item, &e) == -1, "an id that no index could hold is refused");
    ok(item_parse(a, repeat(a, "", " ", ITEM_BYTES_MAX + 1, "{}"), &item, &e) == -1, "an item over 64 MiB is refused");
    has_str(e.text, "large", "for being large");
    const char *reason = "{" TURN "," ONE ",\"reason\":\"";
    ok(item_parse(a, repeat(a, reason, "\xc3\xa9", 5000, "\"}"), &item, &e) == 0 && item.reason.n <= 1000 && sv_is_utf8(item.reason),
       "a long reason is cut between characters");
    arena_free(a);
}

/* ---- read ---- */

static void check_turn(void)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct item item;
    struct err e = { 0 };
    char id[37];

    is_int(item_parse(a, SV("{" TURN ",\"fence\":9,\"restarts\":2,\"storage\":\"Redis\",\"ai_ms\":900,\"seq\":5,\"messages\":["
                            "{\"message_id\":\"m5\",\"seq\":5,\"content\":\"b\",\"sender_id\":\"u\",\"sender_type\":\"user\","
                            "\"timestamp\":1760000000500,\"received\":1760000000600,\"metadata\":{\"k\":1}},"
                            "{\"message_id\":\"m4\",\"seq\":4,\"content\":\"a\",\"sender_id\":\"u\",\"sender_type\":\"user\","
                            "\"timestamp\":1760000000400,\"received\":1760000000500}],"
                            "\"reply\":{\"response_text\":\"yes\",\"processing_time_ms\":12.5,\"model_used\":\"gpt-4\"},"
                            "\"actions\":[{\"type\":\"send_message\",\"data\":{\"message\":\"yes\"},\"status\":\"executed\"}]}"),
                      &item, &e), 0, "a whole turn");
    is_int(item.messages_n, 2, "both messages");
    is_int(item.newest, 0, "the newest is the one that arrived last, wherever it stands");
    is_int(item.fence, 9, "fence");
    is_int(item.restarts, 2, "restarts");
    is_sv(item.model, SV("gpt-4"), "model");
    is_sv(item.storage, SV("Redis"), "storage");
    ok(item.has_ai_ms && item.ai_ms > 12.4 && item.ai_ms < 12.6, "the reply's own time goes before ai_ms");
    ok(item.said, "an executed action means that the reply was said");
    item_uuid_format(item.turn_id, id);
    is_str(id, "01890000-0000-7000-8000-000000000001", "turn id");
    is_int(item.actions_n, 1, "actions");
    ok(item.messages[0].metadata.p != NULL && item.messages[1].metadata.p == NULL, "metadata where there are any");

    is_int(item_parse(a, SV("{" TURN "," ONE ",\"ai_ms\":900,\"actions\":[{\"type\":\"x\",\"status\":\"withheld\"}]}"), &item, &e), 0, "withheld");
    ok(item.has_ai_ms && item.ai_ms > 899 && item.ai_ms < 901, "ai_ms where the reply names no time");
    ok(!item.said, "a withheld reply was not said");
    is_int(item_parse(a, SV("{" TURN "," ONE ",\"actions\":[{\"type\":\"x\",\"status\":\"unknown\"}]}"), &item, &e), 0, "unknown");
    ok(item.said, "one whose outcome is unknown may have been");
    is_int(item_parse(a, SV("{" TURN "," ONE ",\"actions\":[{\"type\":\"x\",\"status\":\"proposed\"}]}"), &item, &e), 0, "proposed");
    ok(item.said && item.job == NULL, "one that is handed to whoever asks for it was");
    is_int(item_parse(a, SV("{\"type\":\"message\",\"conversation_id\":\"c\",\"seq\":7,\"reason\":\"bot_paused\",\"message\":{" MESSAGE "}}"), &item, &e), 0,
           "a single message");
    is_sv(item.status, SV("recorded"), "its status");
    is_sv(item.reason, SV("bot_paused"), "its reason");
    is_int(item.messages[0].seq, 7, "its arrival number may stand outside");
    ok(!item.has_turn, "it has no turn");
    arena_free(a);
}

static void check_job(void)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct item item;
    struct err e = { 0 };

    is_int(item_parse(a, SV("{" TURN "," ONE ",\"job\":{\"attempts\":3,\"created_at\":1760000000001,\"started_at\":1760000000002,\"bot_id\":\"b\","
                            "\"callback_urls\":[\"https://1\",\"https://2\"],\"error\":\"no\"}}"), &item, &e), 0, "a job");
    if (ok(item.job != NULL, "is there")) {
        is_int(item.job->attempts, 3, "attempts");
        is_int(item.job->created_ms, 1760000000001, "when it was made");
        is_int(item.job->started_ms, 1760000000002, "when it was begun");
        is_sv(item.job->bot_id, SV("b"), "whose it is");
        is_sv(item.job->callback_url, SV("https://1"), "where its result goes first");
        is_sv(item.job->error, SV("no"), "why not");
        is_str(item.job->status, "completed", "its status is the turn's");
    }
    is_int(item_parse(a, SV("{" TURN "," ONE ",\"job\":{}}"), &item, &e), 0, "an empty one");
    if (ok(item.job != NULL, "is one, too")) {
        is_int(item.job->created_ms, 1760000000000, "made when it ended");
        is_int(item.job->started_ms, -1, "never begun");
        ok(item.job->bot_id.p == NULL && item.job->callback_url.p == NULL && item.job->error.p == NULL, "without the rest");
    }
    static const struct {
        const char *status, *job;
    } statuses[] = { { "completed", "completed" }, { "recorded", "completed" }, { "failed", "failed" }, { "cancelled", "cancelled" },
                     { "something_else", "completed" } };
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
        struct sv text = arena_printf(a, "{\"type\":\"turn\",\"conversation_id\":\"c\",\"turn_id\":\"01890000-0000-7000-8000-000000000001\","
                                         "\"status\":\"%s\",\"at\":1," ONE ",\"job\":{}}", statuses[i].status);
        ok(item_parse(a, text, &item, &e) == 0 && item.job != NULL && strcmp(item.job->status, statuses[i].job) == 0, "a turn that is %s is a job that is %s",
           statuses[i].status, statuses[i].job);
    }
    arena_free(a);
}

/* order_ms and id of a message. */
static int64_t read_times(const char *timestamp, const char *received, int64_t seq, char id[37], int64_t *timestamp_ms)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct item item;
    struct err e = { 0 };
    int64_t order = -1;
    struct sv text = arena_printf(a, "{\"type\":\"message\",\"conversation_id\":\"c\",\"message\":{\"message_id\":\"m\",\"content\":\"\","
                                     "\"sender_id\":\"u\",\"sender_type\":\"user\",\"timestamp\":%s,\"received\":%s,\"seq\":%lld}}",
                                  timestamp, received, (long long)seq);
    if (item_parse(a, text, &item, &e) == 0) {
        order = item.messages[0].order_ms;
        *timestamp_ms = item.messages[0].timestamp_ms;
        item_uuid_format(item.messages[0].id, id);
    } else {
        diag("%s", e.text);
    }
    arena_free(a);
    return order;
}

static void check_times(void)
{
    char a[37], b[37], c[37];
    int64_t shown;

    is_int(read_times("1760000000000", "1760000000100", 1, a, &shown), 1760000000000, "a sane time orders as it is");
    is_int(read_times("1600000000000", "1760000000000", 1, a, &shown), 1760000000000 - 30 * INT64_C(86400000), "30 days back at most");
    is_int(shown, 1600000000000, "but is shown as it is");
    is_int(read_times("1860000000000", "1760000000000", 1, a, &shown), 1760000300000, "5 minutes ahead at most");
    is_int(read_times("-9e300", "-1", 1, a, &shown), 0, "nothing is before 1970");
    is_int(read_times("9e300", "9223372036854775807", 1, a, &shown), INT64_C(253402300799999), "nothing is after 9999");
    (void)read_times("1760000000000", "1760000000100", 1, a, &shown);
    (void)read_times("1760000000000", "1760000000900", 1, b, &shown);
    is_str(a, b, "the same message has the same id, whenever it is written");
    is_int(a[14], '7', "of version 7");
    (void)read_times("1760000000000", "1760000000100", 2, b, &shown);
    (void)read_times("1760000000001", "1760000000100", 1, c, &shown);
    ok(strcmp(a, b) < 0 && strcmp(b, c) < 0, "ids are in the order of time and arrival");
    (void)read_times("1760000000000", "1760000000100", INT64_C(1) << 33, c, &shown);
    ok(strcmp(b, c) < 0, "with 34 bits of arrival");
    unsigned char bytes[16];
    ok(item_uuid_parse(SV("01890000-ABCD-7000-8000-00000000000f"), bytes) && bytes[4] == 0xab, "upper case is read");
    ok(!item_uuid_parse(SV("01890000-abcd-7000-8000-00000000000"), bytes) && !item_uuid_parse(SV("01890000+abcd-7000-8000-00000000000f"), bytes) &&
           !item_uuid_parse(SV("g1890000-abcd-7000-8000-00000000000f"), bytes), "what is no UUID is not");
    ok(item_is_id(SV("x")) && !item_is_id(SV("")) && !item_is_id(SV("a\0b")) && !item_is_id(SV("\xff")), "ids to ask for");
}

/* ---- accepted here, accepted there ---- */

static uint64_t seed = UINT64_C(0x9e3779b97f4a7c15); /* always the same cases */

static unsigned below(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % n);
}

/* A JSON string, often an unpleasant one. */
static void put_text(struct buf *b, unsigned max)
{
    static const char *const pieces[] = { "a", " ", "\\n", "\\u0000", "\\u0001", "\\ud83d\\ude00", "\\ud800", "\\udc00", "\xc3\xa9", "\xff", "\xef\xbf\xbf",
                                          "\xef\xbf\xbe", "\xf0\x9f\x98\x80", "\\u007f", "\x7f", "'", "\\\\", "\\\"", "{}", "$1", "\\u202e", "\xe2\x80\xa8",
                                          "\xed\xa0\x80", "\xc0\x80", "NULL", "\\t", "%s", "--", "\xf4\x8f\xbf\xbf" };
    buf_addc(b, '"');
    for (unsigned n = below(max); n > 0; n--) {
        unsigned i = below(ARRAY_LEN(pieces) * 8); /* mostly harmless, or nothing would ever pass */
        buf_add(b, sv_from(i < ARRAY_LEN(pieces) ? pieces[i] : "x"));
    }
    buf_addc(b, '"');
}

static void put_number(struct buf *b)
{
    static const char *const numbers[] = { "0", "-0", "1", "-1", "1.5", "1e308", "-1e308", "1e-308", "5e-324", "1e-400", "1e309", "1e200000", "1e-200000",
                                           "9223372036854775807", "-9223372036854775808", "9223372036854775808", "18446744073709551616", "0.1",
                                           "123456789012345678901234567890.5", "1760000000000", "253402300800000", "2147483648", "1e15" };
    buf_add(b, sv_from(numbers[below(4) != 0 ? below(6) : below(ARRAY_LEN(numbers))]));
}

static void put_value(struct buf *b, unsigned depth)
{
    unsigned n = below(4);
    switch (below(depth == 0 ? 4 : 6)) {
    case 0: buf_add(b, sv_from(below(2) != 0 ? "null" : "true")); return;
    case 1: put_number(b); return;
    case 2:
    case 3: put_text(b, 12); return;
    case 4:
        buf_addc(b, '[');
        for (unsigned i = 0; i < n; i++) {
            buf_add(b, sv_from(i > 0 ? "," : ""));
            put_value(b, depth - 1);
        }
        buf_addc(b, ']');
        return;
    default:
        buf_addc(b, '{');
        for (unsigned i = 0; i < n; i++) {
            buf_printf(b, "%s\"k%u\":", i > 0 ? "," : "", i);
            put_value(b, depth - 1);
        }
        buf_addc(b, '}');
    }
}

static void put_object(struct buf *b, unsigned depth)
{
    buf_add(b, SV("{\"a\":"));
    put_value(b, depth);
    buf_addc(b, ',');
    put_text(b, 3);
    buf_addc(b, ':');
    put_value(b, depth);
    buf_addc(b, '}');
}

static void put_member(struct buf *b, const char *key, void (*value)(struct buf *b))
{
    buf_printf(b, ",\"%s\":", key);
    value(b);
}

static void any_time(struct buf *b)
{
    if (below(3) != 0)
        buf_printf(b, "%llu", 1760000000000ULL + below(1000000));
    else
        put_number(b);
}

static void any_count(struct buf *b)
{
    if (below(2) != 0)
        buf_printf(b, "%u", below(100));
    else
        put_number(b);
}

static void any_text(struct buf *b)
{
    put_text(b, below(20) == 0 ? 3000 : 20);
}

static void any_object(struct buf *b)
{
    put_object(b, below(10) == 0 ? 30 : 3);
}

static void put_random_message(struct buf *b)
{
    static const char *const types[] = { "user", "agent", "bot", "system" };
    buf_add(b, SV("{\"message_id\":"));
    buf_printf(b, "\"m%u", below(3000));
    for (unsigned n = below(30) == 0 ? 1000 : below(3); n > 0; n--)
        buf_add(b, sv_from(below(50) != 0 ? "y" : "\xf0\x9f\x98\x80"));
    buf_printf(b, "\",\"sender_type\":\"%s\",\"sender_id\":\"u%u\",\"content\":", types[below(4)], below(9));
    any_text(b);
    put_member(b, "timestamp", any_time);
    if (below(2) != 0)
        put_member(b, "received", any_time);
    if (below(2) != 0)
        put_member(b, "seq", any_count);
    if (below(2) != 0)
        put_member(b, "metadata", any_object);
    if (below(4) == 0) {
        buf_add(b, SV(",\"attachments\":["));
        any_object(b);
        buf_addc(b, ']');
    }
    buf_addc(b, '}');
}

static void put_random_job(struct buf *b)
{
    buf_addc(b, '{');
    buf_printf(b, "\"attempts\":%u", below(9));
    if (below(2) != 0)
        put_member(b, "created_at", any_time);
    if (below(2) != 0)
        put_member(b, "started_at", any_time);
    if (below(2) != 0)
        put_member(b, "bot_id", any_text);
    if (below(2) != 0)
        put_member(b, "error", any_text);
    if (below(2) != 0) {
        buf_add(b, SV(",\"callback_urls\":["));
        put_text(b, below(20) == 0 ? 6000 : 9);
        buf_addc(b, ']');
    }
    buf_addc(b, '}');
}

static void put_random_turn(struct buf *b)
{
    static const char *const statuses[] = { "proposed", "sending", "executed", "failed", "withheld", "unknown", "dropped" };
    char uuid[37];
    rig_uuid(below(2000), uuid);
    buf_printf(b, "{\"type\":\"turn\",\"conversation_id\":\"c%u\",\"turn_id\":\"%s\",\"status\":\"%s\"", below(50), uuid, below(9) != 0 ? "completed" : "failed");
    put_member(b, "at", any_time);
    if (below(2) != 0)
        put_member(b, "fence", any_count);
    if (below(4) == 0)
        put_member(b, "restarts", any_count);
    if (below(4) == 0)
        put_member(b, "reason", any_text);
    if (below(4) == 0)
        put_member(b, "storage", any_text);
    if (below(4) == 0)
        put_member(b, "ai_ms", any_count);
    if (below(2) != 0)
        put_member(b, "reply", any_object);
    if (below(3) == 0)
        put_member(b, "job", put_random_job);
    buf_add(b, SV(",\"messages\":["));
    for (unsigned i = 0, n = 1 + below(3); i < n; i++) {
        buf_add(b, sv_from(i > 0 ? "," : ""));
        put_random_message(b);
    }
    buf_add(b, SV("],\"actions\":["));
    for (unsigned i = 0, n = below(3); i < n; i++) {
        buf_printf(b, "%s{\"status\":\"%s\"", i > 0 ? "," : "", statuses[below(7)]);
        put_member(b, "type", any_text);
        put_member(b, "data", any_object);
        if (below(3) == 0)
            put_member(b, "retry_count", any_count);
        buf_addc(b, '}');
    }
    buf_add(b, SV("]}"));
}

static void put_random_task(struct buf *b)
{
    static const char *const keys[] = { "phone", "tel", "email", "name", "person", "address", "location" };
    unsigned kind = below(3);
    buf_printf(b, "{\"type\":\"%s\",\"%s\":\"c%u\"", kind == 0 ? "save_message" : kind == 1 ? "update_session_status" : "extract_customer_info",
               below(2) != 0 ? "session_id" : "conversation_id", below(50));
    put_member(b, "at", any_time);
    if (kind == 0)
        put_member(b, "message", put_random_message);
    if (kind == 1 && below(2) != 0)
        buf_printf(b, ",\"status\":\"%s\"", below(9) != 0 ? "closed" : "shut");
    if (kind == 1)
        buf_printf(b, ",\"check_reply\":%s", below(9) != 0 ? "false" : "null");
    if (kind == 1 && below(2) != 0)
        put_member(b, "check_reply_until", any_time);
    if (kind == 2) {
        buf_printf(b, ",\"sender_id\":\"u%u\",\"entities\":{\"mail\":\"u%u@b.vn\"", below(9), below(9));
        for (unsigned n = below(4); n > 0; n--)
            put_member(b, keys[below(ARRAY_LEN(keys))], below(2) != 0 ? any_text : any_object);
        buf_addc(b, '}');
        put_member(b, "content", any_text);
    }
    buf_addc(b, '}');
}

static struct sv random_item(struct rig *r)
{
    struct buf b = { 0 };
    if (below(4) == 0) {
        put_random_task(&b);
    } else if (below(3) == 0) {
        buf_printf(&b, "{\"type\":\"message\",\"conversation_id\":\"c%u\",\"reason\":", below(50));
        any_text(&b);
        buf_add(&b, SV(",\"message\":"));
        put_random_message(&b);
        buf_addc(&b, '}');
    } else {
        put_random_turn(&b);
    }
    struct sv s = arena_sv(r->arena, buf_sv(&b));
    buf_fini(&b);
    return s;
}

#define CASES 4000 /* or what DOOR_CASES says */
#define AT_ONCE 200

/* A verdict from the door is right by definition; one from the database means that the door let something through. */
static void check_against(struct rig *r)
{
    unsigned passed = 0, refused = 0;
    bool good = true;
    uint64_t cases = CASES;

    if (getenv("DOOR_CASES") != NULL)
        (void)sv_to_u64(sv_from(getenv("DOOR_CASES")), &cases);
    for (unsigned done = 0; done < cases && good; done += AT_ONCE) {
        struct sv items[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++)
            items[i] = random_item(r);
        const struct answer *w = rig_write(r, items, AT_ONCE);
        good = ok(w->status == ARCHIVE_DONE, "%s: cases from %u on are answered", r->name, done);
        for (unsigned i = 0; good && i < AT_ONCE; i++) {
            passed += w->verdicts[i] == NULL;
            refused += w->verdicts[i] != NULL;
            if (w->verdicts[i] != NULL && strstr(w->verdicts[i], "refused it") != NULL) {
                good = ok(false, "%s: what the door takes, the database takes: %s", r->name, w->verdicts[i]);
                diag("%.*s", SV_FMT(items[i]));
            }
        }
    }
    ok(passed > cases / 5 && refused > cases / 5, "%s: %u cases passed, %u did not", r->name, passed, refused);
}

/* That these are real: what the door keeps away, a server refuses. */
static void check_poison(struct rig *r)
{
    static const struct {
        const char *sql, *sqlstate;
    } poison[] = {
        { "SELECT '\"\\u0000\"'::jsonb", "22P05" },
        { "SELECT '\"\\ud800\"'::jsonb", "22P02" },
        { "SELECT E'\\xff'", "22021" },
        { "SELECT '1e200000'::jsonb", "22003" },
        { "SELECT repeat('[', 20000)::jsonb", "54001" },
        { "INSERT INTO conversations (id, conversation_id, last_message_timestamp) SELECT gen_random_uuid(), string_agg(md5(i::text), ''), now()"
          " FROM generate_series(1, 300) i", "54000" },
        { "SELECT '9223372036854775808'::bigint", "22003" },
        { "INSERT INTO message_actions (conversation_id, turn_id, position, action_type, status, created_at) VALUES ('nobody',"
          " gen_random_uuid(), 0, 'x', 'executed', now())", "23503" },
    };

    for (size_t i = 0; i < ARRAY_LEN(poison); i++)
        is_str(pgserver_try(r->place, poison[i].sql), poison[i].sqlstate, "poison %zu is poison", i);
}

int main(void)
{
    struct rig r;
    const char *why;
    struct pgserver *server;

    check_table();
    check_sizes();
    check_turn();
    check_job();
    check_times();
    rig_open(&r, NULL, NULL);
    check_against(&r);
    rig_close(&r);
    server = pgserver_start(&why);
    if (server == NULL) {
        skip(why);
    } else {
        rig_open(&r, server, "item");
        check_poison(&r);
        check_against(&r);
        rig_close(&r);
        pgserver_end(server);
    }
    return done_testing();
}
