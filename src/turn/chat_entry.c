/* SPDX-License-Identifier: MIT
 * What stands in the store is passed on piece by piece, without a parse. */
#include "config.h"

#include "lib/clock.h"
#include "turn/chat_entry.h"
#include "turn/message.h"

#define TIME_MAX_MS INT64_C(253402300799999) /* of the year 9999: what the archive makes of a later one */
#define WAITING SV("\"received\"")           /* as the archive calls a message about which nothing is decided yet */

static int64_t number(struct sv raw)
{
    int64_t n = 0;

    return sv_to_i64(raw, &n) ? n : 0;
}

static struct sv no_null(struct sv raw)
{
    return sv_eq(raw, SV("null")) ? SV_NONE : raw;
}

static bool read_time(struct arena *a, struct sv raw, int64_t *ms)
{
    struct sv text = message_text(a, raw);

    if (text.p == NULL)
        return sv_to_i64(raw, ms);
    return clock_parse(text.p, ms);
}

struct numbers { int64_t seq; bool synced; };

static int finish(struct arena *a, struct sv session_id, struct chat_entry *e, const struct numbers *n)
{
    e->message_id = message_text(a, e->message_id_json);
    if (e->message_id.n == 0 || e->message_json.n < 2)
        return -1;
    e->key.ms = e->key.ms < 0 ? 0 : e->key.ms > TIME_MAX_MS ? TIME_MAX_MS : e->key.ms;
    archive_message_uuid(session_id, e->message_id, e->key.ms, e->received_ms, n->seq, n->synced, e->key.id);
    return 0;
}

int chat_entry_read(struct arena *a, struct sv session_id, struct sv text, struct chat_entry *out)
{
    struct sv rest = json_raw_inside(text), key, value, timestamp = SV_NONE;
    struct numbers n = { 0 };

    *out = (struct chat_entry){ .received_ms = 0 };
    while (rest.p != NULL && json_raw_next(&rest, &key, &value)) {
        if (sv_eq(key, SV("messageId")))
            out->message_id_json = value;
        else if (sv_eq(key, SV("userId")))
            out->user_id_json = value;
        else if (sv_eq(key, SV("userMessage")))
            out->message_json = value;
        else if (sv_eq(key, SV("aiResponse")))
            out->response_json = no_null(value);
        else if (sv_eq(key, SV("timestamp")))
            timestamp = value;
        else if (sv_eq(key, SV("metadata")))
            out->metadata_json = no_null(value);
        else if (sv_eq(key, SV("status")))
            out->status_json = no_null(value);
        else if (sv_eq(key, SV("reason")))
            out->reason_json = no_null(value);
        else if (sv_eq(key, SV("received")))
            out->received_ms = number(value);
        else if (sv_eq(key, SV("seq")))
            n.seq = number(value);
        else if (sv_eq(key, SV("synced")))
            n.synced = sv_eq(value, SV("true"));
    }
    return read_time(a, timestamp, &out->key.ms) ? finish(a, session_id, out, &n) : -1;
}

int chat_entry_read_pending(struct arena *a, struct sv session_id, struct sv text, struct chat_entry *out)
{
    struct sv rest = json_raw_inside(text), key, value;
    struct numbers n = { 0 };

    *out = (struct chat_entry){ .status_json = WAITING };
    while (rest.p != NULL && json_raw_next(&rest, &key, &value)) {
        if (sv_eq(key, SV("message_id")))
            out->message_id_json = value;
        else if (sv_eq(key, SV("sender_id")))
            out->user_id_json = value;
        else if (sv_eq(key, SV("content")))
            out->message_json = value;
        else if (sv_eq(key, SV("timestamp")))
            out->key.ms = number(value);
        else if (sv_eq(key, SV("received")))
            out->received_ms = number(value);
        else if (sv_eq(key, SV("seq")))
            n.seq = number(value);
        else if (sv_eq(key, SV("metadata")))
            out->metadata_json = no_null(value);
    }
    return finish(a, session_id, out, &n);
}

void chat_put_time(struct json_out *o, const char *key, int64_t ms)
{
    char text[25];

    clock_format(ms, text);
    json_kstr(o, key, sv_from(text));
}

static void put_raw(struct json_out *o, const char *key, struct sv json, struct sv otherwise)
{
    json_kraw(o, key, json.p != NULL ? json : otherwise);
}

void chat_entry_put(struct json_out *o, struct sv session_id, const struct chat_entry *e)
{
    json_obj(o);
    json_kraw(o, "messageId", e->message_id_json);
    put_raw(o, "userId", e->user_id_json, SV("null"));
    json_kstr(o, "sessionId", session_id);
    json_kraw(o, "userMessage", e->message_json);
    put_raw(o, "aiResponse", e->response_json, SV("null"));
    chat_put_time(o, "timestamp", e->key.ms);
    put_raw(o, "metadata", e->metadata_json, SV("{}"));
    put_raw(o, "status", e->status_json, SV("null"));
    put_raw(o, "reason", e->reason_json, SV("null"));
    json_obj_end(o);
}

void chat_row_put(struct json_out *o, struct sv session_id, const struct archive_exchange *row)
{
    json_obj(o);
    json_kstr(o, "messageId", row->message_id);
    json_kstr(o, "userId", row->sender_id);
    json_kstr(o, "sessionId", session_id);
    json_kstr(o, "userMessage", row->content);
    json_kstr(o, "aiResponse", row->reply);
    chat_put_time(o, "timestamp", row->timestamp_ms);
    put_raw(o, "metadata", row->metadata, SV("{}"));
    json_kstr(o, "status", row->status);
    json_kstr(o, "reason", row->reason);
    json_obj_end(o);
}
