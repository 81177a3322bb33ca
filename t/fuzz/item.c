/* SPDX-License-Identifier: MIT
 * Any bytes as an item of message_queue (archive/archive_item.h). What passes the door must be what every database takes: UTF-8 without NUL, ids without
 * control characters, times that a calendar has, one of the forms that the writers know. How to run it: t/fuzz/markup.c. */
#include "config.h"

#include "archive/archive.h"
#include "archive/archive_item.h"
#include "t/fuzz/fuzz.h"

const char fuzz_name[] = "item";
const char *const fuzz_words[] = { "\"type\":\"save_message\"", "\"type\":\"update_session_status\"", "\"type\":\"extract_customer_info\"",
                                   "\"type\":\"turn\"", "\"session_id\":\"s\"", "\"conversation_id\":\"c\"", "\"sender_id\":\"u\"", "\"at\":1", ",", "{", "}", "[", "]",
                                   "\"entities\":{", "\"phone\":", "\"name\":", "\"address\":", "\"value\":", "\"text\":", "\"content\":\"", "\\u0000", "\\ud800",
                                   "\\n", "\xc2\xa0", "\xc2\x85", "\xff", "0912345678", "a@b.vn", "1e400", "1e200000", "-1", "null", "true", "\"check_reply\":",
                                   "\"check_reply_until\":", "\"status\":\"closed\"", "\"messages\":[", "\"job\":{}", "\"v\":2", NULL };

static bool is_text(struct sv s)
{
    return s.p == NULL || (sv_is_utf8(s) && (s.n == 0 || memchr(s.p, '\0', s.n) == NULL));
}

static bool is_ms(int64_t ms)
{
    return ms >= 0 && ms <= INT64_C(253402300799999);
}

static bool has_controls(struct sv s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

static void check_message(const struct item_message *m)
{
    must(item_is_id(m->message_id) && item_is_id(m->sender_id) && !has_controls(m->message_id) && !has_controls(m->sender_id));
    must(m->content.p != NULL && is_text(m->content) && m->content.n <= ITEM_CONTENT_MAX);
    must(is_ms(m->timestamp_ms) && is_ms(m->received_ms) && is_ms(m->order_ms) && m->seq >= 0);
    must(is_text(m->metadata) && is_text(m->attachments));
}

static void check_customer(const struct item_customer *c)
{
    bool any = false;

    for (unsigned f = 0; f < ITEM_FIELDS; f++) {
        any = any || c->fields[f].p != NULL;
        must(c->fields[f].p == NULL || (c->fields[f].n > 0 && c->fields[f].n <= 4 * 500 && is_text(c->fields[f]) && !has_controls(c->fields[f])));
    }
    must(any && item_is_id(c->sender_id) && c->source.p != NULL && is_text(c->source));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0, 64u << 20);
    struct sv text = { (const char *)data, size }, where, who;
    struct err e = { 0 };
    struct item item;

    must(a != NULL);
    if (item_parse(a, text, &item, &e) != 0) {
        must(e.text[0] != '\0' && !archive_item_customer(a, text, &where, &who));
        arena_free(a);
        return 0;
    }
    struct sv id = item.erase != NULL ? item.erase->id : item.conversation_id;
    must(item_is_id(id) && !has_controls(id) && is_ms(item.at_ms) && item.fence >= -1);
    must(is_text(item.reason) && is_text(item.reply) && is_text(item.storage) && is_text(item.model));
    must((item.messages_n > 0) + (item.state != NULL) + (item.customer != NULL) + (item.erase != NULL) <= 1 && (item.messages_n == 0 || item.status.n > 0));
    for (size_t i = 0; i < item.messages_n; i++)
        check_message(&item.messages[i]);
    if (item.state != NULL)
        must((item.state->status != NULL || item.state->has_check_reply) && (item.state->until_ms == -1 || is_ms(item.state->until_ms)));
    if (item.customer != NULL)
        check_customer(item.customer);
    if (item.customer != NULL)
        must(archive_item_customer(a, text, &where, &who) ? sv_eq(who, item.customer->sender_id)
                                                         : memmem(data, size, "extract_customer_info", strlen("extract_customer_info")) == NULL);
    arena_free(a);
    return 0;
}
