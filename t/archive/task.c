/* SPDX-License-Identifier: MIT
 * Background tasks at the archive's door: what is refused and why, what is found in what somebody says, the document's examples, and a batch in which
 * poison of every kind stands among good items. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "archive/archive_item.h"
#include "lib/buf.h"
#include "t/archive/rig.h"

#define MESSAGE "\"message_id\":\"m\",\"content\":\"hi\",\"sender_id\":\"u\",\"sender_type\":\"user\",\"timestamp\":1760000000000"
#define SAVE "\"type\":\"save_message\",\"session_id\":\"c\""
#define STATE "\"type\":\"update_session_status\",\"session_id\":\"c\",\"at\":1760000000000"
#define SAID "\"type\":\"extract_customer_info\",\"session_id\":\"c\",\"sender_id\":\"u\",\"at\":1760000000000"

static const struct {
    int line;
    const char *item, *reason; /* NULL: taken */
} table[] = {
    { __LINE__, "{" SAVE ",\"message\":{" MESSAGE "}}", NULL },
    { __LINE__, "{" SAVE ",\"seq\":3,\"at\":5.5,\"message\":{" MESSAGE "},\"x\":[]}", NULL },
    { __LINE__, "{" SAVE ",\"conversation_id\":\"c\",\"message\":{" MESSAGE "}}", NULL },
    { __LINE__, "{" SAVE ",\"conversation_id\":null,\"message\":{" MESSAGE "}}", NULL },
    { __LINE__, "{" SAVE ",\"conversation_id\":\"d\",\"message\":{" MESSAGE "}}", "session_id: is another one" },
    { __LINE__, "{" SAVE ",\"conversation_id\":7,\"message\":{" MESSAGE "}}", "conversation_id: must be a string" },
    { __LINE__, "{\"type\":\"save_message\",\"message\":{" MESSAGE "}}", "conversation_id: must be a string" },
    { __LINE__, "{\"type\":\"save_message\",\"session_id\":[],\"message\":{" MESSAGE "}}", "session_id: must be a string" },
    { __LINE__, "{\"type\":\"save_message\",\"session_id\":\"\",\"message\":{" MESSAGE "}}", "session_id: must have" },
    { __LINE__, "{" SAVE "}", "message[0].*: must be an object" },
    { __LINE__, "{" SAVE ",\"at\":\"now\",\"message\":{" MESSAGE "}}", "at: must be a number" },
    { __LINE__, "{" SAVE ",\"message\":{\"content\":\"\",\"sender_id\":\"u\",\"sender_type\":\"user\",\"timestamp\":1}}", "message[0].message_id" },
    { __LINE__, "{" SAVE ",\"message\":{\"message_id\":\"\\u0000\"}}", "not JSON" },
    { __LINE__, "{" SAVE ",\"message\":{" MESSAGE ",\"metadata\":{\"n\":1e200000}}}", "not JSON" },
    { __LINE__, "{" STATE ",\"status\":\"closed\"}", NULL },
    { __LINE__, "{" STATE ",\"check_reply\":true}", NULL },
    { __LINE__, "{" STATE ",\"status\":null,\"check_reply\":false,\"check_reply_until\":null}", NULL },
    { __LINE__, "{" STATE ",\"check_reply\":false,\"check_reply_until\":1e300}", NULL },
    { __LINE__, "{" STATE "}", "status: must be there, or check_reply" },
    { __LINE__, "{" STATE ",\"status\":null,\"check_reply\":null}", "status: must be there, or check_reply" },
    { __LINE__, "{" STATE ",\"status\":\"Closed\"}", "status: must be active, closed or archived" },
    { __LINE__, "{" STATE ",\"status\":7,\"check_reply\":true}", "status: must be active, closed or archived" },
    { __LINE__, "{" STATE ",\"check_reply\":1}", "check_reply: must be true or false" },
    { __LINE__, "{" STATE ",\"check_reply\":\"true\"}", "check_reply: must be true or false" },
    { __LINE__, "{" STATE ",\"status\":\"closed\",\"check_reply_until\":5}", "check_reply_until: says nothing" },
    { __LINE__, "{" STATE ",\"check_reply\":true,\"check_reply_until\":\"later\"}", "check_reply_until: must be a number" },
    { __LINE__, "{\"type\":\"update_session_status\",\"session_id\":\"c\",\"status\":\"closed\"}", "at: must be a number" },
    { __LINE__, "{\"type\":\"update_session_status\",\"session_id\":\"c\",\"at\":null,\"status\":\"closed\"}", "at: must be a number" },
    { __LINE__, "{\"type\":\"update_session_status\",\"at\":1,\"status\":\"closed\"}", "conversation_id" },
    { __LINE__, "{" SAID "}", NULL },
    { __LINE__, "{" SAID ",\"message_id\":null,\"content\":null,\"entities\":null}", NULL },
    { __LINE__, "{" SAID ",\"message_id\":\"m\",\"content\":\"\",\"entities\":{}}", NULL },
    { __LINE__, "{" SAID ",\"entities\":{\"phone\":{\"a\":[[[[]]]]},\"name\":false,\"email\":1e300,\"address\":\"\\u0001\"}}", NULL },
    { __LINE__, "{" SAID ",\"entities\":[]}", "entities: must be an object" },
    { __LINE__, "{" SAID ",\"entities\":{\"name\":\"\\ud800\"}}", "not JSON" },
    { __LINE__, "{" SAID ",\"entities\":{\"name\":\"\xff\"}}", "not JSON" },
    { __LINE__, "{" SAID ",\"entities\":{\"phone\":1e200000}}", "not JSON" },
    { __LINE__, "{" SAID ",\"content\":{}}", "content: must be a string" },
    { __LINE__, "{" SAID ",\"content\":\"a\\u0000\"}", "not JSON" },
    { __LINE__, "{" SAID ",\"message_id\":7}", "message_id: must be a string" },
    { __LINE__, "{" SAID ",\"message_id\":\"\"}", "message_id: must have" },
    { __LINE__, "{\"type\":\"extract_customer_info\",\"session_id\":\"c\",\"at\":1}", "sender_id: must be a string" },
    { __LINE__, "{\"type\":\"extract_customer_info\",\"session_id\":\"c\",\"sender_id\":\"a\\u0009\",\"at\":1}", "sender_id: has control" },
    { __LINE__, "{\"type\":\"extract_customer_info\",\"session_id\":\"c\",\"sender_id\":\"u\"}", "at: must be a number" },
    { __LINE__, "{\"type\":\"extract_customer_info\",\"sender_id\":\"u\",\"at\":1}", "conversation_id: must be a string" },
    { __LINE__, "{\"type\":\"erase\",\"v\":1,\"conversation_id\":\"c\",\"user_id\":\"u\",\"at\":1}", NULL },
    { __LINE__, "{\"type\":\"erase\",\"user_id\":\"u\",\"at\":1}", NULL },
    { __LINE__, "{\"type\":\"erase\",\"at\":1}", "user_id: must be a string" },
    { __LINE__, "{\"type\":\"erase\",\"session_id\":\"c\",\"at\":1}", "user_id: must be a string" },
    { __LINE__, "{\"type\":\"erase\",\"conversation_id\":\"\",\"user_id\":\"u\",\"at\":1}", "conversation_id: must" },
    { __LINE__, "{\"type\":\"erase\",\"conversation_id\":\"c\"}", "at: must be a number" },
    { __LINE__, "{\"type\":\"erase\",\"user_id\":\"u\",\"at\":1760000000000000}", "at: lies in the future" },
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

static void check_sizes(void)
{
    struct arena *a = arena_new(0, 64u << 20);
    struct err e = { 0 };
    struct item item;
    char *text = arena_alloc(a, (1u << 20) + 1);

    memset(text, 'x', 1u << 20);
    ok(item_parse(a, arena_printf(a, "{" SAID ",\"content\":\"%.65536s\"}", text), &item, &e) == 0, "a content of 65,536 bytes is searched");
    ok(item_parse(a, arena_printf(a, "{" SAID ",\"content\":\"%s\"}", text), &item, &e) == -1, "one of 1 MB is not");
    has_str(e.text, "65536", "with the limit");
    ok(item_parse(a, arena_printf(a, "{" SAVE ",\"message\":{\"message_id\":\"m\",\"content\":\"%s\",\"sender_id\":\"u\",\"sender_type\":\"user\","
                                     "\"timestamp\":1}}", text), &item, &e) == -1, "nor is a message of 1 MB kept");
    ok(item_parse(a, arena_printf(a, "{\"type\":\"save_message\",\"session_id\":\"%.1025s\"}", text), &item, &e) == -1, "an id that no index could hold");
    memset(text, '[', 1u << 20);
    ok(item_parse(a, arena_printf(a, "{" SAID ",\"entities\":{\"phone\":%.100000s", text), &item, &e) == -1, "100,000 levels");
    has_str(e.text, "deep", "are too deep");
    arena_free(a);
}

/* ---- found ---- */

static const struct {
    int line;
    const char *members; /* behind SAID */
    const char *found[ITEM_FIELDS]; /* phone, email, name, address */
} finds[] = {
    { __LINE__, "\"content\":\"call 0912345678 or An@Example.COM\"", { "+84912345678", "An@example.com" } },
    { __LINE__, "\"content\":\"no, nothing\"", { NULL } },
    { __LINE__, "\"entities\":{\"phone\":\"0912345678\",\"email\":\"an@example.com\",\"name\":\"An\",\"address\":\"12 L\xc3\xaa\"}",
      { "+84912345678", "an@example.com", "An", "12 L\xc3\xaa" } },
    { __LINE__, "\"entities\":{\"phone_number\":\"0912345678\",\"e_mail\":\"an@example.com\",\"full_name\":\"An\",\"location\":\"x\"}",
      { "+84912345678", "an@example.com", "An", "x" } },
    { __LINE__, "\"entities\":{\"telephone\":\"0912345678\",\"mail\":\"an@example.com\",\"fullname\":\"An\",\"shipping_address\":\"x\"}",
      { "+84912345678", "an@example.com", "An", "x" } },
    { __LINE__, "\"entities\":{\"tel\":\"0912345678\",\"customer_name\":\"An\"}", { "+84912345678", NULL, "An" } },
    { __LINE__, "\"entities\":{\"mobile\":\"0912345678\",\"person\":\"An\"}", { "+84912345678", NULL, "An" } },
    { __LINE__, "\"entities\":{\"person_name\":\"An\",\"Phone\":\"0912345678\",\"other\":\"0912345678\"}", { NULL, NULL, "An" } },
    { __LINE__, "\"content\":\"0912345678 a@b.vn\",\"entities\":{\"phone\":\"0987654321\"}", { "+84987654321", "a@b.vn" } },
    { __LINE__, "\"content\":\"0912345678\",\"entities\":{\"phone\":\"no number\"}", { "+84912345678" } },
    { __LINE__, "\"content\":\"0912345678\",\"entities\":{\"phone\":null,\"tel\":\"0987654321\"}", { "+84987654321" } },
    { __LINE__, "\"entities\":{\"phone\":84912345678}", { "+84912345678" } },
    { __LINE__, "\"entities\":{\"phone\":8.4e10}", { NULL } },
    { __LINE__, "\"entities\":{\"phone\":-84912345678}", { NULL } },
    { __LINE__, "\"entities\":{\"name\":84912345678}", { NULL } },
    { __LINE__, "\"entities\":{\"name\":[\"first\",\"last\"]}", { NULL, NULL, "last" } },
    { __LINE__, "\"entities\":{\"name\":[\"first\",\"\",7,null,{}]}", { NULL, NULL, "first" } },
    { __LINE__, "\"entities\":{\"name\":[]}", { NULL } },
    { __LINE__, "\"entities\":{\"name\":{\"value\":\"An\",\"text\":\"no\"}}", { NULL, NULL, "An" } },
    { __LINE__, "\"entities\":{\"name\":{\"value\":\"\",\"text\":\"An\",\"score\":0.9}}", { NULL, NULL, "An" } },
    { __LINE__, "\"entities\":{\"phone\":[{\"value\":84912345678},{\"text\":\"?\"}]}", { "+84912345678" } },
    { __LINE__, "\"entities\":{\"name\":[{\"value\":[\"An\"]}]}", { NULL, NULL, "An" } },
    { __LINE__, "\"entities\":{\"name\":[[[[\"An\"]]]]}", { NULL } },
    { __LINE__, "\"entities\":{\"name\":\" \\t An\\u00a0 \\n\"}", { NULL, NULL, "An" } },
    { __LINE__, "\"entities\":{\"address\":\"12 L\xc3\xaa\\r\\nQ. 1\"}", { NULL, NULL, NULL, "12 L\xc3\xaa  Q. 1" } },
    { __LINE__, "\"entities\":{\"name\":\"A\\u0007n\",\"address\":\"\\u0085x\"}", { NULL } },
    { __LINE__, "\"entities\":{\"name\":\"A\x7f\",\"full_name\":\"\\\"An\\\"\"}", { NULL, NULL, "\"An\"" } },
    { __LINE__, "\"entities\":{\"name\":\"   \"}", { NULL } },
};

static void check_finds(void)
{
    static const char *const names[] = { "phone", "email", "name", "address" };

    for (size_t i = 0; i < ARRAY_LEN(finds); i++) {
        struct arena *a = arena_new(0, 1u << 20);
        struct err e = { 0 };
        struct item item;
        bool any = false;
        struct sv who = SV_NONE, where = SV_NONE, text = arena_printf(a, "{" SAID ",%s}", finds[i].members);
        ok(item_parse(a, text, &item, &e) == 0, "line %d is taken%s%s", finds[i].line, e.text[0] != '\0' ? ": " : "", e.text);
        for (unsigned f = 0; f < ITEM_FIELDS; f++) {
            any = any || finds[i].found[f] != NULL;
            is_sv(item.customer != NULL ? item.customer->fields[f] : SV_NONE, sv_from(finds[i].found[f]), "line %d: %s", finds[i].line, names[f]);
        }
        ok(archive_item_customer(a, text, &where, &who) == any, "line %d: %s about a customer", finds[i].line, any ? "something" : "nothing");
        ok(!any || (sv_eq(where, SV("c")) && sv_eq(who, SV("u"))), "line %d: which one", finds[i].line);
        arena_free(a);
    }
}

/* Of each length around the limit, in characters, not bytes. */
static void check_lengths(void)
{
    static const struct {
        const char *key;
        unsigned field;
        size_t max;
    } limits[] = { { "name", ITEM_NAME, 200 }, { "address", ITEM_ADDRESS, 500 } };

    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (size_t n = limits[i].max; n <= limits[i].max + 1; n++) {
            struct arena *a = arena_new(0, 1u << 20);
            struct buf b = { 0 };
            struct err e = { 0 };
            struct item item;
            buf_printf(&b, "{" SAID ",\"entities\":{\"%s\":\"  ", limits[i].key);
            for (size_t k = 0; k < n; k++)
                buf_add(&b, SV("\xe1\xbb\x87"));
            buf_add(&b, SV("  \"}}"));
            ok(item_parse(a, buf_sv(&b), &item, &e) == 0, "%s of %zu characters is taken", limits[i].key, n);
            is_int(item.customer != NULL ? item.customer->fields[limits[i].field].n : 0, n <= limits[i].max ? 3 * n : 0, "and %s",
                   n <= limits[i].max ? "kept" : "passed over");
            buf_fini(&b);
            arena_free(a);
        }
}

static void check_other_items(void)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct sv x, y;
    static const char *const items[] = { "", "extract_customer_info", "{" SAVE ",\"message\":{\"message_id\":\"extract_customer_info\"}}",
                                         "{" STATE ",\"status\":\"closed\",\"x\":\"extract_customer_info\"}" };

    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        ok(!archive_item_customer(a, sv_from(items[i]), &x, &y), "item %zu is about no customer", i);
    ok(!archive_item_customer(a, SV_NONE, &x, &y), "nor is none");
    arena_free(a);
}

/* ---- the document ---- */

/* The examples that other services are shown: the turn is the last. */
static void check_document(void)
{
    const char *top = getenv("top_srcdir");
    struct arena *a = arena_new(0, 1u << 20);
    struct buf b = { 0 };
    struct item item = { 0 };
    struct sv path = arena_printf(a, "%s/docs/message-queue.md", top != NULL ? top : ".");
    FILE *f = fopen(path.p, "re");
    char *p = buf_room(&b, 65537);
    unsigned n = 0, received = 0, states = 0, customers = 0, sessions = 0, users = 0;

    if (f == NULL || p == NULL)
        bail_out("%s cannot be read", path.p);
    buf_grown(&b, fread(p, 1, 65535, f));
    (void)fclose(f);
    b.p[b.n] = '\0';
    for (const char *begin = b.p, *end; (begin = strstr(begin, "```json\n")) != NULL; begin = end + 3) {
        struct err e = { 0 };
        begin += 8;
        end = strstr(begin, "```");
        if (end == NULL)
            break;
        ok(item_parse(a, (struct sv){ begin, (size_t)(end - begin) }, &item, &e) == 0, "example %u is an item%s%s", ++n, e.text[0] != '\0' ? ": " : "", e.text);
        received += item.fence == -1;
        states += item.state != NULL;
        sessions += item.erase != NULL && !item.erase->user && sv_eq(item.erase->id, SV("conv_12345"));
        users += item.erase != NULL && item.erase->user && sv_eq(item.erase->id, SV("user_123"));
        if (item.customer != NULL) {
            customers++;
            for (unsigned i = 0; i < ITEM_FIELDS; i++)
                ok((item.customer->fields[i].p != NULL) == (i != ITEM_EMAIL), "what it says is found: %u", i);
        }
    }
    ok(n == 6 && received == 1 && states == 1 && customers == 1 && sessions == 1 && users == 1 && item.said, "docs/message-queue.md has an example of each");
    buf_fini(&b);
    arena_free(a);
}

/* ---- among others ---- */

static struct sv good(struct rig *r, unsigned i)
{
    unsigned c = i % 37;

    switch (i % 5) {
    case 0:
        return arena_printf(r->arena, "{\"type\":\"save_message\",\"session_id\":\"mix%u\",\"message\":{\"message_id\":\"m%u\",\"content\":\"hi\","
                                      "\"sender_id\":\"u%u\",\"sender_type\":\"user\",\"timestamp\":1760000000000}}", c, i, c);
    case 1:
        return arena_printf(r->arena, "{\"type\":\"update_session_status\",\"session_id\":\"mix%u\",\"at\":%u,\"status\":\"closed\"}", c, i);
    case 2:
        return arena_printf(r->arena, "{\"type\":\"extract_customer_info\",\"session_id\":\"mix%u\",\"sender_id\":\"u%u\",\"at\":%u,"
                                      "\"entities\":{\"name\":\"N%u\"}}", c, c, i, i);
    case 3: {
        char name[16], id[16];
        (void)snprintf(name, sizeof(name), "mix%u", c);
        (void)snprintf(id, sizeof(id), "t%u", i);
        return rig_turn_item(r, &(struct turn){ .conversation = name, .turn = 0x9000 + i, .messages = id, .fence = 1, .reply = "r", .action = "executed" });
    }
    default:
        return arena_printf(r->arena, "{\"type\":\"extract_customer_info\",\"session_id\":\"mix%u\",\"sender_id\":\"u%u\",\"at\":%u,"
                                      "\"content\":\"nothing\"}", c, c, i);
    }
}

/* 500 items, 20 of them poison: each of these has a reason, and everything else is there. */
static void poison_among_others(struct rig *r)
{
    enum { N = 500, STEP = 25 };
    struct sv items[N];
    size_t next = 0, right = 0, rows = 0;

    for (unsigned i = 0; i < N; i++) {
        items[i] = good(r, i);
        if (i % STEP != 7)
            continue;
        do
            next = (next + 3) % ARRAY_LEN(table);
        while (table[next].reason == NULL);
        items[i] = sv_from(table[next].item);
    }
    for (int again = 0; again < 2; again++) {
        const struct answer *w = rig_write(r, items, N);
        is_int(w->status, ARCHIVE_DONE, "%s: a batch with 20 items of poison", r->name);
        right = 0;
        for (unsigned i = 0; w->status == ARCHIVE_DONE && i < N; i++)
            right += (w->verdicts[i] != NULL) == (i % STEP == 7);
        is_int(right, N, "%s: they, and only they, are refused", r->name);
    }
    for (unsigned i = 0; i < N; i++)
        rows += i % STEP != 7 && (i % 5 == 0 || i % 5 == 3);
    char want[32];
    (void)snprintf(want, sizeof(want), "%zu|%zu", rows, rows);
    is_str(rig_query(r, "SELECT count(*), (SELECT sum(total_messages) FROM conversations WHERE conversation_id LIKE 'mix%') FROM messages"
                        " WHERE conversation_id LIKE 'mix%'"), want, "%s: all messages are kept and counted once", r->name);
    is_str(rig_query(r, "SELECT count(*) FROM chat_sessions WHERE session_id LIKE 'mix%' AND status = 'closed'"), "37", "%s: all sessions", r->name);
    is_str(rig_query(r, "SELECT count(*), max(name_at) FROM customers WHERE sender_id LIKE 'u%' AND name = 'N' || name_at"), "37|497",
           "%s: all customers, with the newest name", r->name);
}

int main(void)
{
    struct rig r;
    const char *why;
    struct pgserver *server;

    check_table();
    check_sizes();
    check_finds();
    check_lengths();
    check_other_items();
    check_document();
    rig_open(&r, NULL, NULL);
    poison_among_others(&r);
    rig_close(&r);
    server = pgserver_start(&why);
    if (server == NULL) {
        skip(why);
    } else {
        rig_open(&r, server, "task");
        poison_among_others(&r);
        rig_close(&r);
        pgserver_end(server);
    }
    return done_testing();
}
