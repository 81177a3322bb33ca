/* SPDX-License-Identifier: MIT
 * Messages and the items that they are kept as. Knows nothing of turns. */
#include "config.h"

#include <stdio.h>

#include "lib/digest.h"
#include "turn/message.h"

#define CLAMP_BACK_MS (30LL * 24 * 3600 * 1000)
#define CLAMP_AHEAD_MS (5LL * 60 * 1000)

static const char *const names[] = {
    [SENDER_USER] = "user",
    [SENDER_AGENT] = "agent",
    [SENDER_BOT] = "bot",
    [SENDER_SYSTEM] = "system",
};

const char *sender_type_name(enum sender_type t)
{
    return names[t];
}

bool sender_type_parse(struct sv name, enum sender_type *out)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (sv_eq(name, sv_from(names[i]))) {
            *out = (enum sender_type)i;
            return true;
        }
    }
    return false;
}

const char *sender_type_role(enum sender_type t)
{
    return t == SENDER_BOT ? "assistant" : names[t];
}

void message_format(struct buf *b, const struct message *m, int64_t received_ms, uint64_t seq)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kstr(&o, "message_id", m->message_id);
    json_kstr(&o, "content", m->content);
    json_kstr(&o, "sender_id", m->sender_id);
    json_kstr(&o, "sender_type", sv_from(sender_type_name(m->sender_type)));
    json_kint(&o, "timestamp", m->timestamp_ms);
    json_kint(&o, "received", received_ms);
    json_kint(&o, "seq", (int64_t)seq);
    if (m->metadata.p != NULL)
        json_kraw(&o, "metadata", m->metadata);
    if (m->attachments.p != NULL)
        json_kraw(&o, "attachments", m->attachments);
    if (m->callback_url.n > 0) {
        json_key(&o, "callback");
        json_obj(&o);
        json_kstr(&o, "url", m->callback_url);
        json_kstr(&o, "job_id", m->callback_job_id);
        json_obj_end(&o);
    }
    if (m->request_id.n > 0)
        json_kstr(&o, "request_id", m->request_id);
    if (m->traceparent.n > 0)
        json_kstr(&o, "traceparent", m->traceparent);
    json_obj_end(&o);
}

static int64_t clamp(int64_t ms, int64_t received_ms)
{
    if (received_ms == 0)
        return ms;
    if (ms < received_ms - CLAMP_BACK_MS)
        return received_ms - CLAMP_BACK_MS;
    return ms > received_ms + CLAMP_AHEAD_MS ? received_ms + CLAMP_AHEAD_MS : ms;
}

/* A JSON string from its first quote to its last. */
static bool is_string(struct sv raw)
{
    if (raw.n < 2 || raw.p[0] != '"' || raw.p[raw.n - 1] != '"')
        return false;
    size_t escapes = 0;
    while (raw.p[raw.n - 2 - escapes] == '\\')
        escapes++;
    return escapes % 2 == 0;
}

static struct sv unquoted(struct sv raw)
{
    return is_string(raw) ? (struct sv){ raw.p + 1, raw.n - 2 } : SV_NONE;
}

static int64_t number(struct sv raw)
{
    int64_t n = 0;
    return sv_to_i64(raw, &n) ? n : 0;
}

int message_look(struct sv item, struct message_item *out, struct err *e)
{
    struct sv rest = json_raw_inside(item), key, value;
    int64_t timestamp_ms = 0;
    *out = (struct message_item){ .raw = item };
    while (json_raw_next(&rest, &key, &value)) {
        if (sv_eq(key, SV("content")))
            out->content_json = value;
        else if (sv_eq(key, SV("message_id")))
            out->message_id_json = value;
        else if (sv_eq(key, SV("role")) || sv_eq(key, SV("sender_type")))
            out->role = sv_eq(value, SV("\"bot\"")) ? SV("assistant") : unquoted(value);
        else if (sv_eq(key, SV("timestamp")))
            timestamp_ms = number(value);
        else if (sv_eq(key, SV("received")))
            out->received_ms = number(value);
        else if (sv_eq(key, SV("seq")))
            out->seq = (uint64_t)number(value);
    }
    out->timestamp_ms = clamp(timestamp_ms, out->received_ms);
    if (!is_string(out->message_id_json))
        out->message_id_json = SV_NONE;
    return out->role.n > 0 && is_string(out->content_json) ? 0 : err_set(e, ERR_INVALID, "item without role or content");
}

struct sv message_text(struct arena *a, struct sv text)
{
    if (!is_string(text))
        return SV_NONE;
    if (memchr(text.p, '\\', text.n) == NULL)
        return arena_sv(a, unquoted(text));
    json_t *j = json_read_in(a, text, true, NULL);
    return json_is_string(j) ? (struct sv){ json_string_value(j), json_string_length(j) } : SV_NONE;
}

/* Insertion sort: stable, and the lists come nearly sorted. */
void message_sort(struct message_item *items, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct message_item moved = items[i];
        size_t j = i;
        for (; j > 0 && items[j - 1].timestamp_ms > moved.timestamp_ms; j--)
            items[j] = items[j - 1];
        items[j] = moved;
    }
}

int64_t message_edit_number(struct sv metadata)
{
    int64_t n = 0;
    return sv_to_i64(json_raw_member(metadata, "edit_number"), &n) && n > 1 ? n : 0;
}

void message_hash_of(struct sv content, struct sv metadata, char out[17])
{
    int64_t number = message_edit_number(metadata);
    char text[48];
    digest_hex(content, 8, out);
    if (number == 0)
        return;
    (void)snprintf(text, sizeof(text), "%s %lld", out, (long long)number);
    digest_hex(sv_from(text), 8, out);
}

void message_hash(const struct message *m, char out[17])
{
    message_hash_of(m->content, m->metadata, out);
}
