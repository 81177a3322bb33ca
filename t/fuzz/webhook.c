/* SPDX-License-Identifier: MIT
 * Any bytes as a webhook (turn/webhook.h), and as HTML (turn/webhook_own.h). Whatever they are, it is wrong and said why, or a message that the engine can take.
 * t/fuzz/markup.c says how libFuzzer runs targets; this one takes src/turn/webhook_read.c, webhook_text.c, page_echo.c, message.c and what those need of src/lib. */
#include "config.h"

#include <stdlib.h>

#include "lib/json.h"
#include "t/fuzz/fuzz.h"
#include "turn/page_platform.h"
#include "turn/webhook.h"
#include "turn/webhook_own.h"

#define PAGE SV("100")

const char fuzz_name[] = "webhook";
const char *const fuzz_words[] = {
    "\"event_type\":", "\"messaging\"", "\"page_id\":", "\"100\"", "100", "\"data\":", "\"conversation\":", "\"message\":", "\"from\":", "\"id\":", "\"admin_id\":",
    "\"original_message\":", "\"attachments\":", "{\"type\":\"photo\"}", "\"is_removed\":true", "\"edit_history\":[{}]", "\"inserted_at\":", "\"2026-11-26T04:00:00.123456\"",
    "null", "true", "{}", "[]", "1e308", "-1", "\"\"", "\"\\u0000\"", "\"\\u200b\"", "<div>", "</div>", "<br>", "<!--", "-->", "<a href=\\\"", "&lt;", "&amp;lt;", "&nbsp;",
    "\xC2\xA0", "\xE1\xBB\x87", ",", ":", "{", "}", "\"", NULL,
};

static void look_at_id(struct sv id)
{
    must(id.n >= 1 && id.n <= MESSAGE_ID_MAX && sv_is_utf8(id) && !sv_has_control(id));
}

static void look_at_plain(struct sv plain)
{
    must(sv_is_utf8(plain));
    for (size_t i = 0; i < plain.n; i++) {
        must(plain.p[i] != '\n' && plain.p[i] != '\t' && plain.p[i] != '\r');
        must(plain.p[i] != ' ' || (i > 0 && i + 1 < plain.n && plain.p[i - 1] != ' '));
    }
}

static void look_at_message(struct arena *a, const struct webhook *w)
{
    const struct message *m = &w->message;
    struct err e;
    look_at_id(m->conversation_id);
    look_at_id(m->message_id);
    look_at_id(m->sender_id);
    must(m->content.n >= 1 && m->content.n <= MESSAGE_CONTENT_MAX && sv_is_utf8(m->content));
    must(!w->removed || (sv_eq(m->content, SV(WEBHOOK_REMOVED)) && m->attachments.p == NULL));
    must(m->sender_type == (w->kind == WEBHOOK_PAGE ? SENDER_AGENT : SENDER_USER));
    must(m->timestamp_ms >= 0);
    look_at_plain(w->plain);
    const json_t *metadata = json_read_in(a, m->metadata, false, &e);
    must(json_is_object(metadata) && sv_eq(json_sv(metadata, "page_id"), PAGE) && json_sv(metadata, "channel").n > 0);
    const json_t *list = m->attachments.p != NULL ? json_read_in(a, m->attachments, false, &e) : NULL, *one;
    must(m->attachments.p == NULL || json_array_size(list) > 0);
    size_t i;
    json_array_foreach(list, i, one)
        must(json_is_object(one));
}

static void look_at_html(struct sv html)
{
    struct buf text = { 0 }, plain = { 0 };
    bool utf8 = sv_is_utf8(html);
    webhook_text(&text, html);
    must(buf_ok(&text) && (!utf8 || sv_is_utf8(buf_sv(&text))));
    page_text_plain(&plain, html);
    must(buf_ok(&plain) && plain.n <= text.n);
    if (utf8)
        look_at_plain(buf_sv(&plain));
    buf_fini(&text);
    buf_fini(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = { (const char *)data, size };
    struct arena *a = arena_new(0, 64 << 20), *tight = arena_new(0, size > 0 ? data[size - 1] * 16u : 0);
    struct webhook w, cramped;
    struct err e;
    must(a != NULL && tight != NULL);
    look_at_html(text);
    const json_t *body = json_read_in(a, text, true, &e);
    if (body != NULL) {
        must(webhook_read(a, PAGE, body, &w, &e) == 0);
        must((w.kind == WEBHOOK_WRONG) == (w.why != NULL && w.why[0] != '\0'));
        if (w.kind == WEBHOOK_CUSTOMER || w.kind == WEBHOOK_PAGE)
            look_at_message(a, &w);
        else
            must(!w.edited && !w.removed && w.message.conversation_id.p == NULL);
        must(webhook_read(tight, PAGE, body, &cramped, &e) == 0 ? cramped.kind == w.kind : e.code == ERR_MEMORY);
    }
    arena_free(tight);
    arena_free(a);
    return 0;
}
