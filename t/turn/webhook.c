/* SPDX-License-Identifier: MIT
 * What webhooks say: every form in t/data/webhooks, forms that are none, and HTML as text. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/json.h"
#include "t/tap.h"
#include "turn/page_platform.h"
#include "turn/webhook.h"
#include "turn/webhook_own.h"

#define PAGE "104852931847"
#define CUSTOMER "7402118834521990"
#define CONVERSATION PAGE "_" CUSTOMER
#define HOA "\"customer_name\":\"Nguyễn Thị Hoa\"}"
#define INBOX "{\"page_id\":\"" PAGE "\",\"channel\":\"INBOX\","
#define COMMENT "{\"page_id\":\"" PAGE "\",\"channel\":\"COMMENT\","
#define AT INT64_C(1795665600000)

static struct arena *arena;

/* A form that says a message, and what is read of it. Strings NULL: none. */
static const struct {
    const char *file, *page_id;
    enum webhook_kind kind;
    const char *conversation_id, *message_id, *content, *plain, *sender_id, *metadata, *attachments;
    int64_t at_ms;
    bool edited, removed;
} forms[] = {
    { "inbox-text", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0001", "Shop ơi còn áo size M không?", "Shop ơi còn áo size M không?", CUSTOMER,
      INBOX HOA, NULL, AT + 123, false, false },
    { "inbox-html", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0002", "Giá < 200k & giao hôm nay?\nCảm ơn shop", "Giá < 200k & giao hôm nay? Cảm ơn shop",
      CUSTOMER, INBOX HOA, NULL, AT + 123, false, false },
    { "image", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0003", "[image]", "[image]", CUSTOMER, INBOX HOA,
      "[{\"id\":\"at_1\",\"type\":\"photo\",\"url\":\"https://content.example/1.jpg\",\"image_data\":{\"width\":720,\"height\":1280}}]", AT + 123, false, false },
    { "attachments", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0004", "[image] [video] [file] [attachment]", "[image] [video] [file] [attachment]", CUSTOMER,
      INBOX HOA,
      "[{\"type\":\"photo\",\"url\":\"https://content.example/1.jpg\"},{\"type\":\"video\",\"url\":\"https://content.example/2.mp4\"},"
      "{\"type\":\"file\",\"url\":\"https://content.example/3.pdf\",\"name\":\"đơn hàng.pdf\",\"mime_type\":\"application/pdf\"},"
      "{\"type\":\"template\",\"payload\":{\"template_type\":\"receipt\"}}]",
      AT + 123, false, false },
    { "image-and-text", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0005", "mẫu này", "mẫu này", CUSTOMER, INBOX HOA,
      "[{\"type\":\"photo\",\"url\":\"https://content.example/1.jpg\"}]", AT + 123, false, false },
    { "sticker", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0006", "[sticker]", "[sticker]", CUSTOMER, INBOX HOA,
      "[{\"type\":\"sticker\",\"url\":\"https://content.example/s.png\",\"sticker_id\":369239263222822}]", AT + 123, false, false },
    { "audio", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0007", "[audio]", "[audio]", CUSTOMER, INBOX HOA,
      "[{\"type\":\"audio\",\"url\":\"https://content.example/a.mp4\",\"duration\":3}]", AT + 123, false, false },
    { "comment", PAGE, WEBHOOK_CUSTOMER, PAGE "_9981_c1", "9981_556677", "Giá bao nhiêu ạ", "Giá bao nhiêu ạ", CUSTOMER,
      COMMENT "\"post_id\":\"" PAGE "_9981\"," HOA, NULL, AT + 123, false, false },
    { "comment-reply", PAGE, WEBHOOK_CUSTOMER, PAGE "_9981_c1", "9981_556678", "Vâng", "Vâng", CUSTOMER, COMMENT "\"post_id\":\"9981\"," HOA, NULL, AT + 123,
      false, false },
    { "page-own", PAGE, WEBHOOK_PAGE, CONVERSATION, "m_Hq3cZ1xW-0008", "Dạ còn ạ & có sẵn", "Dạ còn ạ & có sẵn", "page:" PAGE,
      "{\"page_id\":\"" PAGE "\",\"channel\":\"INBOX\"}", NULL, AT + 123, false, false },
    { "staff", PAGE, WEBHOOK_PAGE, CONVERSATION, "m_Hq3cZ1xW-0009", "Em đây, để em xem", "Em đây, để em xem", "a3c1-77",
      INBOX "\"agent_name\":\"Trần Minh\"}", NULL, AT + 123, false, false },
    { "staff-uid", PAGE, WEBHOOK_PAGE, CONVERSATION, "m_Hq3cZ1xW-0010", "[image]", "[image]", "100023", "{\"page_id\":\"" PAGE "\",\"channel\":\"INBOX\"}",
      "[{\"type\":\"photo\",\"url\":\"https://content.example/9.jpg\"}]", AT + 123, false, false },
    { "edited", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0001", "Shop ơi còn áo size L không?", "Shop ơi còn áo size L không?", CUSTOMER, INBOX HOA, NULL,
      AT + 123, true, false },
    { "removed", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0001", "[removed]", "[removed]", CUSTOMER, INBOX HOA, NULL, AT + 123, false, true },
    { "removed-with-text", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0001", "[removed]", "[removed]", CUSTOMER, INBOX HOA, NULL, AT + 123, true, true },
    { "phone", PAGE, WEBHOOK_CUSTOMER, CONVERSATION, "m_Hq3cZ1xW-0011", "Số mình là 0912345678", "Số mình là 0912345678", CUSTOMER, INBOX HOA, NULL, AT + 123,
      false, false },
    { "instagram", "igo_17841405822304914", WEBHOOK_CUSTOMER, "igo_17841405822304914_7745901122334455", "aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQ", "hi 💕", "hi 💕",
      "7745901122334455", "{\"page_id\":\"igo_17841405822304914\",\"channel\":\"INBOX\",\"customer_name\":\"Lan\"}", NULL, AT + 123, false, false },
    { "zalo", "zo_579745863508352884", WEBHOOK_CUSTOMER, "zo_579745863508352884_8812763549", "pzl_f7a1c9d0e2", "giá sỉ?", "giá sỉ?", "8812763549",
      "{\"page_id\":\"zo_579745863508352884\",\"channel\":\"INBOX\",\"customer_name\":\"Lan\"}", NULL, AT + 123, false, false },
    { "tiktok", "ttm_-000abcDEF", WEBHOOK_CUSTOMER, "ttm_-000abcDEF_7123456789012345678", "7412399988877766655", "ship?", "ship?", "7123456789012345678",
      "{\"page_id\":\"ttm_-000abcDEF\",\"channel\":\"INBOX\",\"customer_name\":\"Lan\"}", NULL, AT + 123, false, false },
    { "whatsapp", "waba_108811223344", WEBHOOK_CUSTOMER, "waba_108811223344_84912345678", "wamid.HBgLODQ5MTIzNDU2NzgVAgASGBQzQTdBQjU2RkQ2NzA4OTlGRkE5QgA=", "hello",
      "hello", "84912345678", "{\"page_id\":\"waba_108811223344\",\"channel\":\"INBOX\",\"customer_name\":\"Lan\"}", NULL, AT + 123, false, false },
    { "numbers", PAGE, WEBHOOK_CUSTOMER, "1048529318477402", "556677", "plain <3", "plain <3", "77", INBOX "\"customer_name\":\"Hoa\"}", NULL, AT + 500, false,
      false },
    { "milliseconds", PAGE, WEBHOOK_CUSTOMER, "c-1", "m-1", "hi", "hi", "77", "{\"page_id\":\"" PAGE "\",\"channel\":\"INBOX\"}", NULL, AT + 123, false, false },
};

static json_t *load(const char *name)
{
    const char *top = getenv("top_srcdir");
    char path[512];
    struct buf b = { 0 };
    struct err e;
    (void)snprintf(path, sizeof(path), "%s/t/data/webhooks/%s.json", top != NULL ? top : ".", name);
    FILE *f = fopen(path, "r");
    if (f == NULL)
        bail_out("%s is not there", path);
    for (size_t n = 1; n > 0;) {
        char *room = buf_room(&b, 4096);
        n = room != NULL ? fread(room, 1, 4096, f) : 0;
        buf_grown(&b, n);
    }
    (void)fclose(f);
    json_t *j = json_read_in(arena, buf_sv(&b), true, &e);
    if (j == NULL)
        bail_out("%s: %s", path, e.text);
    buf_fini(&b);
    return j;
}

static void recorded(void)
{
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct webhook w;
        struct err e;
        const char *file = forms[i].file;
        const struct message *m = &w.message;
        is_int(webhook_read(arena, sv_from(forms[i].page_id), load(file), &w, &e), 0, "%s is read", file);
        is_int(w.kind, forms[i].kind, "%s: kind (%s)", file, w.kind == WEBHOOK_WRONG ? w.why : "");
        is_sv(m->conversation_id, sv_from(forms[i].conversation_id), "%s: conversation", file);
        is_sv(m->message_id, sv_from(forms[i].message_id), "%s: message", file);
        is_sv(m->content, sv_from(forms[i].content), "%s: content", file);
        is_sv(w.plain, sv_from(forms[i].plain), "%s: plain", file);
        is_sv(m->sender_id, sv_from(forms[i].sender_id), "%s: sender", file);
        is_int(m->sender_type, w.kind == WEBHOOK_PAGE ? SENDER_AGENT : SENDER_USER, "%s: what that is", file);
        is_sv(m->metadata, sv_from(forms[i].metadata), "%s: metadata", file);
        is_sv(m->attachments, sv_from(forms[i].attachments), "%s: attachments", file);
        is_int(m->timestamp_ms, forms[i].at_ms, "%s: time", file);
        ok(w.edited == forms[i].edited && w.removed == forms[i].removed, "%s: edited, removed", file);
    }
}

static void left(void)
{
    static const char *const files[] = { "nothing", "conversation", "post", "connect-status", "subscription", "unknown-event" };
    struct webhook w;
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        is_int(webhook_read(arena, SV(PAGE), load(files[i]), &w, &e), 0, "%s is read", files[i]);
        is_int(w.kind, WEBHOOK_OTHER, "%s is nothing to be answered", files[i]);
        ok(w.message.conversation_id.p == NULL && !w.edited && !w.removed, "and no message");
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        is_int(webhook_read(arena, SV("1"), load(forms[i].file), &w, &e), 0, "%s under another page's path", forms[i].file);
        is_int(w.kind, WEBHOOK_WRONG, "is wrong");
    }
    is_int(webhook_read(arena, SV("1"), load("post"), &w, &e), 0, "another event under another page's path");
    is_int(w.kind, WEBHOOK_WRONG, "is wrong, too");
}

#define DATA(conversation, message) "{\"event_type\":\"messaging\",\"data\":{\"conversation\":" conversation ",\"message\":" message "}}"
#define C "{\"id\":\"c\"}"
#define FROM "\"from\":{\"id\":\"u\"}"
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void garbage(void)
{
    static const struct {
        int line;
        const char *body;
        enum webhook_kind kind;
    } rows[] = {
        { __LINE__, "[]", WEBHOOK_WRONG },
        { __LINE__, "[{\"data\":{}}]", WEBHOOK_WRONG },
        { __LINE__, "\"messaging\"", WEBHOOK_WRONG },
        { __LINE__, "17", WEBHOOK_WRONG },
        { __LINE__, "null", WEBHOOK_WRONG },
        { __LINE__, "{}", WEBHOOK_WRONG },
        { __LINE__, "{\"data\":null}", WEBHOOK_WRONG },
        { __LINE__, "{\"data\":[]}", WEBHOOK_WRONG },
        { __LINE__, "{\"event_type\":\"messaging\"}", WEBHOOK_WRONG },
        { __LINE__, "{\"event_type\":\"messaging\",\"data\":{}}", WEBHOOK_WRONG },
        { __LINE__, "{\"event_type\":1,\"data\":{}}", WEBHOOK_WRONG },
        { __LINE__, "{\"event_type\":{},\"data\":{}}", WEBHOOK_WRONG },
        { __LINE__, "{\"page_id\":{},\"event_type\":\"post\"}", WEBHOOK_WRONG },
        { __LINE__, "{\"page_id\":1.5,\"event_type\":\"post\"}", WEBHOOK_WRONG },
        { __LINE__, "{\"page_id\":null,\"event_type\":\"post\"}", WEBHOOK_OTHER },
        { __LINE__, "{\"event_type\":null,\"data\":{\"conversation\":{}}}", WEBHOOK_OTHER },
        { __LINE__, "{\"event_type\":\"post\",\"data\":{\"page_id\":\"2\"}}", WEBHOOK_WRONG },
        { __LINE__, DATA(C, "null"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "\"hi\""), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "[{}]"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":\"x\"}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":\"x\",\"from\":{}}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":\"x\",\"from\":\"u\"}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":\"x\",\"from\":{\"id\":true}}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"\",\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":1.5,\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"a\\nb\",\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"" LONG LONG LONG LONG "a\",\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"" LONG LONG LONG LONG "\",\"message\":\"x\"," FROM "}"), WEBHOOK_CUSTOMER },
        { __LINE__, DATA("{}", "{\"id\":\"m\",\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA("[]", "{\"id\":\"m\",\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA("null", "{\"id\":\"m\",\"conversation_id\":\"c\",\"message\":\"x\"," FROM "}"), WEBHOOK_CUSTOMER },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":\"x\",\"page_id\":\"2\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA("{\"id\":\"c\",\"page_id\":2}", "{\"id\":\"m\",\"message\":\"x\"," FROM "}"), WEBHOOK_WRONG },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":17,\"attachments\":{\"type\":\"photo\"}," FROM "}"), WEBHOOK_OTHER },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"attachments\":[\"photo\",[],null]," FROM "}"), WEBHOOK_OTHER },
        { __LINE__, DATA(C, "{\"id\":\"m\",\"message\":\"x\",\"inserted_at\":\"yesterday\",\"created_at\":-5,\"edit_history\":{},\"is_removed\":\"no\"," FROM "}"),
          WEBHOOK_CUSTOMER },
        { __LINE__, DATA("{\"id\":\"c\",\"type\":7,\"from\":[],\"post_id\":{}}", "{\"id\":\"m\",\"message\":\"x\",\"from\":{\"id\":\"u\",\"name\":[]}}"), WEBHOOK_CUSTOMER },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct webhook w;
        struct err e;
        const json_t *body = json_read_in(arena, sv_from(rows[i].body), true, &e);
        ok(body != NULL && webhook_read(arena, SV("1"), body, &w, &e) == 0, "line %d is read", rows[i].line);
        is_int(w.kind, rows[i].kind, "line %d: %s", rows[i].line, w.kind == WEBHOOK_WRONG ? w.why : "");
        ok((w.kind == WEBHOOK_WRONG) == (w.why != NULL), "it is said why, where it is wrong");
        if (w.kind == WEBHOOK_CUSTOMER)
            ok(w.message.timestamp_ms == 0 && !w.edited && !w.removed && w.message.content.n == 1, "what cannot be used is as if it were not there");
    }
    const json_t *body = json_read_in(arena, SV(DATA(C, "{\"id\":\"m\",\"message\":\"x\"," FROM "}")), true, NULL);
    struct arena *small = arena_new(32, 32);
    struct webhook w;
    struct err e;
    is_int(webhook_read(small, SV("1"), body, &w, &e), -1, "without memory it is not read");
    arena_free(small);
}

/* How often it was edited, from the second time on. */
static void edit_numbers(void)
{
    static const struct {
        const char *more, *metadata;
    } rows[] = {
        { "\"edit_history\":null", "{\"page_id\":\"1\",\"channel\":\"INBOX\"}" },
        { "\"edit_history\":[]", "{\"page_id\":\"1\",\"channel\":\"INBOX\"}" },
        { "\"edit_history\":[{}]", "{\"page_id\":\"1\",\"channel\":\"INBOX\"}" },
        { "\"edit_history\":[{},\"x\"]", "{\"page_id\":\"1\",\"channel\":\"INBOX\",\"edit_number\":2}" },
        { "\"edit_history\":[1,2,3]", "{\"page_id\":\"1\",\"channel\":\"INBOX\",\"edit_number\":3}" },
        { "\"edit_history\":{\"a\":1,\"b\":2}", "{\"page_id\":\"1\",\"channel\":\"INBOX\"}" },
        { "\"edit_history\":[1,2,3],\"is_removed\":true", "{\"page_id\":\"1\",\"channel\":\"INBOX\"}" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[256];
        struct webhook w;
        struct err e;
        (void)snprintf(text, sizeof text, DATA(C, "{\"id\":\"m\",\"message\":\"x\"," FROM ",%s}"), rows[i].more);
        const json_t *body = json_read_in(arena, sv_from(text), true, &e);
        ok(body != NULL && webhook_read(arena, SV("1"), body, &w, &e) == 0, "%s is read", rows[i].more);
        is_sv(w.message.metadata, sv_from(rows[i].metadata), "%s", rows[i].more);
    }
}

static void long_content(void)
{
    struct buf b = { 0 };
    struct webhook w;
    struct err e;
    buf_add(&b, SV("{\"data\":{\"conversation\":{\"id\":\"c\"},\"message\":{\"id\":\"m\",\"from\":{\"id\":\"u\"},\"original_message\":\"a"));
    for (int i = 0; i < 40000; i++)
        buf_add(&b, SV("é"));
    buf_add(&b, SV("\"}}}"));
    const json_t *body = json_read_in(arena, buf_sv(&b), true, &e);
    is_int(webhook_read(arena, SV("1"), body, &w, &e), 0, "a long one is read");
    is_int(w.message.content.n, MESSAGE_CONTENT_MAX - 1, "and cut");
    ok(sv_is_utf8(w.message.content), "at a character");
    buf_fini(&b);
}

static void html(void)
{
    static const struct {
        const char *html, *text, *plain;
    } rows[] = {
        { "", "", "" },
        { "plain", "plain", "plain" },
        { "  a \n b  ", "a \n b", "a b" },
        { "<div>one</div><div>two</div>", "one\ntwo", "one two" },
        { "<p>one<br/>two</P><ul><li>three</li><li>four</li></ul>", "one\ntwo\nthree\nfour", "one two three four" },
        { "a<br>b<BR />c<br><br>d", "a\nb\nc\n\nd", "a b c d" },
        { "&lt;b&gt; &amp;amp; &#233; &nope; AT&T", "<b> &amp; é &nope; AT&T", "<b> &amp; é &nope; AT&T" },
        { "a&nbsp;b\xC2\xA0" "c\xE2\x80\x8B", "a b c\xE2\x80\x8B", "a b c" },
        { "I <3 you, 1 < 2 > 0, a<b", "I <3 you, 1 < 2 > 0, a<b", "I <3 you, 1 < 2 > 0, a<b" },
        { "<a href=\"x>y\" title='<b>'>link</a>!", "link!", "link!" },
        { "<!-- > --><i>x</i><!---->y", "xy", "xy" },
        { "<!-- never <b>ends</b>", "<!-- never <b>ends</b>", "<!-- never <b>ends</b>" },
        { "<a href=\"never <b>ends</b>", "<a href=\"never <b>ends</b>", "<a href=\"never <b>ends</b>" },
        { "<e@mail.example> </> <-> <b", "<e@mail.example> </> <-> <b", "<e@mail.example> </> <-> <b" },
        { "<div> <br> </div>", "", "" },
        { "&lt;", "<", "<" },
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = { 0 };
        buf_add(&b, SV(">>"));
        webhook_text(&b, sv_from(rows[i].html));
        is_str(b.p + 2, rows[i].text, "row %zu as text", i);
        buf_clear(&b);
        buf_add(&b, SV(">>"));
        page_text_plain(&b, sv_from(rows[i].html));
        is_str(b.p + 2, rows[i].plain, "row %zu, plain", i);
        buf_fini(&b);
    }
}

/* What is written and what is shown have one mark; others have others. */
static void marks(void)
{
    char a[PAGE_ECHO_SIZE], b[PAGE_ECHO_SIZE];
    page_echo_text(a, SV("1"), SV("2"), SV("hi"));
    page_echo_text(b, SV("1"), SV("2"), SV("hi"));
    is_str(a, b, "one mark");
    is_int(strlen(a), PAGE_ECHO_SIZE - 3, "of this size");
    has_str(a, "echo:", "with its prefix");
    page_echo_text(b, SV("12"), SV(""), SV("hi"));
    ok(strcmp(a, b) != 0, "the parts are told apart");
    page_echo_text(b, SV("1"), SV("2"), SV("hi!"));
    ok(strcmp(a, b) != 0, "another text");
    page_echo_id(b, SV("1"), SV("2"));
    ok(strcmp(a, b) != 0, "an id is no text");
}

int main(void)
{
    arena = arena_new(0, 64u << 20);
    recorded();
    left();
    garbage();
    edit_numbers();
    long_content();
    html();
    marks();
    arena_free(arena);
    return done_testing();
}
