/* SPDX-License-Identifier: MIT
 * Messages, the items they are kept as, and what is read out of an item without a parse. */
#include "config.h"

#include <stdlib.h>

#include "t/tap.h"
#include "turn/message.h"

#define DAY_MS (24LL * 3600 * 1000)
#define THEN 1700000000000LL

static struct arena *arena;

static struct message hello(void)
{
    return (struct message){ .conversation_id = SV("c1"), .message_id = SV("m1"), .content = SV("hello"), .sender_id = SV("u1"),
                             .sender_type = SENDER_USER, .timestamp_ms = THEN };
}

static void names(void)
{
    static const struct {
        enum sender_type type;
        const char *name, *role;
    } rows[] = {
        { SENDER_USER, "user", "user" }, { SENDER_AGENT, "agent", "agent" }, { SENDER_BOT, "bot", "assistant" }, { SENDER_SYSTEM, "system", "system" },
    };
    enum sender_type t = SENDER_SYSTEM;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        is_str(sender_type_name(rows[i].type), rows[i].name, "the name of a sender");
        is_str(sender_type_role(rows[i].type), rows[i].role, "the role of a %s", rows[i].name);
        ok(sender_type_parse(sv_from(rows[i].name), &t) && t == rows[i].type, "%s is read", rows[i].name);
    }
    const struct sv not[] = { SV_NONE, SV(""), SV("User"), SV("use"), SV("users"), SV("assistant") };
    for (size_t i = 0; i < ARRAY_LEN(not); i++)
        ok(!sender_type_parse(not[i], &t) && t == SENDER_SYSTEM, "\"%.*s\" is no sender", SV_FMT(not[i]));
}

static void formats(void)
{
    struct message m = hello();
    struct buf b = { 0 };
    message_format(&b, &m, THEN + 5, 7);
    is_sv(buf_sv(&b),
          SV("{\"message_id\":\"m1\",\"content\":\"hello\",\"sender_id\":\"u1\",\"sender_type\":\"user\",\"timestamp\":1700000000000,"
             "\"received\":1700000000005,\"seq\":7}"),
          "an item");
    buf_clear(&b);
    m.content = SV("say \"hi\"\n\\o/ \xe1\xbb\x87");
    m.metadata = SV("{\"content\":\"inner\",\"role\":\"system\",\"seq\":99}");
    m.attachments = SV("[{\"message_id\":\"x\"},\"]}\"]");
    m.sender_type = SENDER_AGENT;
    message_format(&b, &m, THEN, 8);
    struct err e;
    json_t *j = json_read_in(arena, buf_sv(&b), false, &e);
    ok(j != NULL, "an item with everything is JSON");
    is_sv(json_sv(j, "content"), m.content, "its content comes back");
    is_sv(json_sv(json_object_get(j, "metadata"), "content"), SV("inner"), "its metadata");
    is_int(json_array_size(json_object_get(j, "attachments")), 2, "its attachments");
    struct message_item item;
    is_int(message_look(buf_sv(&b), &item, &e), 0, "looked at");
    is_sv(item.role, SV("agent"), "the role is the message's, not its metadata's");
    is_int(item.seq, 8, "the number too");
    is_sv(item.message_id_json, SV("\"m1\""), "the id too");
    is_sv(message_text(arena, item.content_json), m.content, "the text comes back");
    is_sv(item.raw, buf_sv(&b), "the item itself");
    buf_fini(&b);
}

static void looks(void)
{
    static const struct {
        const char *item, *role, *id, *content; /* role NULL: not an item */
    } rows[] = {
        { "{\"role\":\"assistant\",\"content\":\"hi\",\"timestamp\":1,\"turn_id\":\"t\"}", "assistant", NULL, "\"hi\"" },
        { "{\"role\":\"bot\",\"content\":\"hi\"}", "assistant", NULL, "\"hi\"" },
        { "{\"sender_type\":\"bot\",\"content\":\"\",\"message_id\":null}", "assistant", NULL, "\"\"" },
        { "{\"content\":\"a\\\"b\\\\\",\"role\":\"user\",\"message_id\":\"m\\\"\"}", "user", "\"m\\\"\"", "\"a\\\"b\\\\\"" },
        { " { \"role\" : \"user\" , \"content\" : \"x\" } ", NULL, NULL, NULL },
        { "{ \"role\" : \"user\" , \"content\" : \"x\" }", "user", NULL, "\"x\"" },
        { "", NULL, NULL, NULL },
        { "{}", NULL, NULL, NULL },
        { "[]", NULL, NULL, NULL },
        { "[\"role\",\"content\"]", NULL, NULL, NULL },
        { "{\"role\":\"user\"}", NULL, NULL, NULL },
        { "{\"content\":\"x\"}", NULL, NULL, NULL },
        { "{\"role\":\"\",\"content\":\"x\"}", NULL, NULL, NULL },
        { "{\"role\":null,\"content\":\"x\"}", NULL, NULL, NULL },
        { "{\"role\":123,\"content\":\"x\"}", NULL, NULL, NULL },
        { "{\"role\":\"user\",\"content\":null}", NULL, NULL, NULL },
        { "{\"role\":\"user\",\"content\":12}", NULL, NULL, NULL },
        { "{\"role\":\"user\",\"content\":\"cut off", NULL, NULL, NULL },
        { "{\"role\":\"user\",\"content\":\"cut off\\\"", NULL, NULL, NULL },
        { "{\"role\":\"user\",\"content\":\"", NULL, NULL, NULL },
        { "{\"role\":\"user\",\"content\":\"x\",\"message_id\":5}", "user", NULL, "\"x\"" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct message_item item;
        struct err e = { 0 };
        int got = message_look(sv_from(rows[i].item), &item, &e);
        is_int(got, rows[i].role == NULL ? -1 : 0, "look at %s", rows[i].item);
        if (got != 0) {
            is_int(e.code, ERR_INVALID, "it says what it is not");
            continue;
        }
        is_sv(item.role, sv_from(rows[i].role), "role of %s", rows[i].item);
        is_sv(item.content_json, sv_from(rows[i].content), "content of %s", rows[i].item);
        is_sv(item.message_id_json, sv_from(rows[i].id), "id of %s", rows[i].item);
    }
}

static int64_t time_of(int64_t timestamp_ms, int64_t received_ms)
{
    struct message m = hello();
    struct buf b = { 0 };
    struct message_item item = { 0 };
    struct err e;
    m.timestamp_ms = timestamp_ms;
    message_format(&b, &m, received_ms, 1);
    ok(message_look(buf_sv(&b), &item, &e) == 0, "an item of %lld", (long long)timestamp_ms);
    buf_fini(&b);
    return item.timestamp_ms;
}

static void clamps(void)
{
    is_int(time_of(THEN - 1000, THEN), THEN - 1000, "a usual time stays");
    is_int(time_of(THEN - 30 * DAY_MS, THEN), THEN - 30 * DAY_MS, "thirty days back");
    is_int(time_of(THEN - 30 * DAY_MS - 1, THEN), THEN - 30 * DAY_MS, "and no further");
    is_int(time_of(THEN + 300000, THEN), THEN + 300000, "five minutes ahead");
    is_int(time_of(THEN + 300001, THEN), THEN + 300000, "and no further");
    is_int(time_of(INT64_MIN, THEN), THEN - 30 * DAY_MS, "the beginning of time");
    is_int(time_of(INT64_MAX, THEN), THEN + 300000, "its end");
    is_int(time_of(INT64_MAX, 0), INT64_MAX, "nothing to go by");
    struct message_item item;
    struct err e;
    ok(message_look(SV("{\"role\":\"user\",\"content\":\"x\",\"timestamp\":\"soon\",\"seq\":1.5}"), &item, &e) == 0 && item.timestamp_ms == 0 &&
           item.seq == 0,
       "what is no number is none");
}

static void texts(void)
{
    is_sv(message_text(arena, SV("\"plain\"")), SV("plain"), "a text");
    is_sv(message_text(arena, SV("\"\"")), SV(""), "an empty one");
    is_sv(message_text(arena, SV("\"a\\nb\\u1ec7\\\"\"")), SV("a\nb\xe1\xbb\x87\""), "one with escapes");
    is_sv(message_text(arena, SV("\"bad \\x\"")), SV_NONE, "one with an escape that is none");
    is_sv(message_text(arena, SV("\"cut off")), SV_NONE, "one without an end");
    is_sv(message_text(arena, SV("null")), SV_NONE, "null is no text");
    is_sv(message_text(arena, SV("12")), SV_NONE, "nor a number");
    is_sv(message_text(arena, SV("\"")), SV_NONE, "nor a quote");
    is_sv(message_text(arena, SV_NONE), SV_NONE, "nor nothing");
    char *large = malloc(100000);
    struct arena *small = arena_new(0, 8192);
    if (large == NULL || small == NULL)
        bail_out("no memory");
    memset(large, 'x', 100000);
    large[0] = large[99999] = '"';
    is_sv(message_text(small, (struct sv){ large, 100000 }), SV_NONE, "memory may be short");
    free(large);
    arena_free(small);
}

static void sorts(void)
{
    static const int64_t times[] = { 50, 10, 30, 10, 90, 50, 20, 10 };
    static const uint64_t want[] = { 1, 3, 7, 6, 2, 0, 5, 4 }; /* places of before; equal ones in their order */
    struct message_item items[ARRAY_LEN(times)];
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        items[i] = (struct message_item){ .timestamp_ms = times[i], .seq = i };
    message_sort(items, ARRAY_LEN(items));
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        is_int(items[i].seq, want[i], "place %zu", i);
    message_sort(items, 1);
    message_sort(items, 0);
    message_sort(NULL, 0);
    is_int(items[0].seq, 1, "one or none need no order");
}

static void hashes(void)
{
    struct message m = hello(), other = hello();
    char a[17], b[17];
    m.content = other.content = SV("abc");
    other.sender_id = SV("u2");
    other.timestamp_ms++;
    message_hash(&m, a);
    message_hash(&other, b);
    is_str(a, "ba7816bf8f01cfea", "the first half of the first half of SHA-256");
    is_str(b, a, "only the content counts");
    other.content = SV("abd");
    message_hash(&other, b);
    ok(strcmp(a, b) != 0, "and all of it");
}

/* From the second edit on its number counts: a wording may come back. */
static void hashes_of_edits(void)
{
    static const struct {
        const char *metadata;
        int64_t number;
    } rows[] = {
        { "{\"page_id\":\"1\",\"edit_number\":2}", 2 }, { "{\"edit_number\":3,\"edits\":\"m1\"}", 3 }, { "{\"edit_number\":1}", 0 }, { "{\"edit_number\":0}", 0 },
        { "{\"edit_number\":-2}", 0 },                     { "{\"edit_number\":\"2\"}", 0 },            { "{\"edit_number\":2.5}", 0 }, { "{\"a\":{\"edit_number\":2}}", 0 },
        { "{}", 0 },
    };
    struct message m = hello();
    char plain[17], hash[17], seen[ARRAY_LEN(rows)][17];
    size_t n = 0;
    m.metadata = SV_NONE;
    message_hash(&m, plain);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        m.metadata = sv_from(rows[i].metadata);
        message_hash(&m, hash);
        is_int(message_edit_number(m.metadata), rows[i].number, "the number in %s", rows[i].metadata);
        ok((strcmp(hash, plain) == 0) == (rows[i].number == 0), "and whether it counts");
        for (size_t k = 0; k < n; k++)
            ok(rows[i].number == 0 || strcmp(hash, seen[k]) != 0, "another one is another content");
        memcpy(seen[n++], hash, sizeof hash);
    }
    is_int(message_edit_number(SV_NONE), 0, "without metadata there is none");
}

/* Whatever stands in an item: what is found lies inside it. Run under a sanitizer this also shows that nothing else was read. */
static void never_leaves(void)
{
    const char item[] = "{\"message_id\":\"m1\",\"content\":\"a\\\"b\",\"sender_type\":\"user\",\"timestamp\":17,\"metadata\":{\"a\":[1,\"}\"]},\"seq\":7}";
    size_t n = sizeof(item) - 1, outside = 0;
    uint32_t random = 1;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525u + 1013904223u;
        size_t length = i % 2 == 0 ? n : (random >> 8) % (n + 1);
        char *bent = malloc(length + 1);
        if (bent == NULL)
            bail_out("no memory");
        memcpy(bent, item, length);
        for (int k = 0; k < 3 && length > 0; k++) {
            random = random * 1664525u + 1013904223u;
            bent[(random >> 16) % length] = "{}[]\",:\\x1"[(random >> 8) % 10];
        }
        char *exact = realloc(bent, length > 0 ? length : 1);
        struct message_item found;
        struct err e;
        if (message_look((struct sv){ exact, length }, &found, &e) == 0) {
            outside += found.content_json.p < exact || found.content_json.p + found.content_json.n > exact + length;
            struct sv text = message_text(arena, found.content_json);
            outside += text.p != NULL && text.n > length;
        }
        free(exact);
        if (i % 100 == 0)
            arena_reset(arena);
    }
    is_int(outside, 0, "nothing was found outside of an item");
}

int main(void)
{
    arena = arena_new(0, 1 << 20);
    if (arena == NULL)
        bail_out("no memory");
    names();
    formats();
    looks();
    clamps();
    texts();
    sorts();
    hashes();
    hashes_of_edits();
    never_leaves();
    arena_free(arena);
    return done_testing();
}
