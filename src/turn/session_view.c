/* SPDX-License-Identifier: MIT
 * The view is written by this program alone, here and by the archive, so it is read without a parse. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "turn/session_view.h"

static const char *const by_role[][2] = { { "user", "user" }, { "agent", "agent" }, { "system", "system" }, { "assistant", "bot" }, { "bot", "bot" } };

struct session_last session_last_of(const struct sv *pending, size_t pending_n, const struct sv *context, size_t context_n)
{
    struct session_last last = { .message_id = SV_NONE, .content = SV_NONE, .sender_type = "system" };
    struct message_item m;
    struct err e;

    if (pending_n + context_n == 0 || message_look(pending_n > 0 ? pending[pending_n - 1] : context[context_n - 1], &m, &e) != 0)
        return last;
    last = (struct session_last){ .message_id = m.message_id_json, .content = m.content_json, .raw = true, .timestamp_ms = m.timestamp_ms,
                                  .sender_type = "system" };
    for (size_t i = 0; i < ARRAY_LEN(by_role); i++)
        if (sv_eq(m.role, sv_from(by_role[i][0])))
            last.sender_type = by_role[i][1];
    return last;
}

const char *session_status(const struct conversation *c)
{
    return c->archived ? "archived" : c->closed ? "closed" : "active";
}

bool session_check_reply(const struct conversation *c, int64_t now_ms)
{
    return !c->paused || (c->paused_until_ms != 0 && now_ms >= c->paused_until_ms);
}

int64_t session_silent_until_ms(const struct conversation *c, int64_t now_ms)
{
    return session_check_reply(c, now_ms) || c->paused_until_ms >= SESSION_FOR_EVER_MS ? 0 : c->paused_until_ms;
}

static void put_ms(struct json_out *o, const char *key, int64_t ms)
{
    json_key(o, key);
    if (ms != 0)
        json_ms(o, ms);
    else
        json_nul(o);
}

void session_put_status(struct json_out *o, const struct conversation *c, int64_t now_ms)
{
    json_kstr(o, "status", sv_from(session_status(c)));
    json_kbool(o, "check_reply", session_check_reply(c, now_ms));
    put_ms(o, "check_reply_until", session_silent_until_ms(c, now_ms));
}

static void put_text(struct json_out *o, const char *key, struct sv text, bool raw)
{
    if (raw && text.p != NULL)
        json_kraw(o, key, text);
    else
        json_kstr(o, key, text);
}

static void put_last(struct json_out *o, const struct session_last *last)
{
    json_key(o, "last_message");
    if (last->content.p == NULL) {
        json_nul(o);
        return;
    }
    json_obj(o);
    put_text(o, "message_id", last->message_id, last->raw);
    put_text(o, "content", last->content, last->raw);
    json_kstr(o, "sender_type", sv_from(last->sender_type));
    put_ms(o, "timestamp", last->timestamp_ms);
    json_obj_end(o);
}

void session_view_format(struct buf *b, struct sv id, const struct conversation *c, const struct session_last *last, int64_t now_ms)
{
    struct json_out o = { .b = b };

    json_obj(&o);
    json_kstr(&o, "session_id", id);
    json_kstr(&o, "user_id", c->user_id[0] != '\0' ? sv_from(c->user_id) : SV_NONE);
    session_put_status(&o, c, now_ms);
    put_ms(&o, "created_at", c->created_ms);
    put_ms(&o, "last_activity", c->activity_ms);
    json_kint(&o, "message_count", (int64_t)c->seq + c->earlier_n);
    put_last(&o, last);
    json_obj_end(&o);
}

/* Seconds as json_ms writes them. 0: null, or none. */
static int64_t ms_of(struct sv seconds)
{
    char text[40];
    size_t n = seconds.p != NULL && seconds.n < sizeof(text) ? seconds.n : 0;

    if (n == 0)
        return 0;
    memcpy(text, seconds.p, n);
    text[n] = '\0';
    return (int64_t)llround(strtod(text, NULL) * 1000.0);
}

void session_past_read(struct sv session, struct session_past *out)
{
    struct arena *a = arena_new(0, 65536);
    struct sv user = a != NULL ? message_text(a, json_raw_member(session, "user_id")) : SV_NONE;

    *out = (struct session_past){ .created_ms = ms_of(json_raw_member(session, "created_at")) };
    if (sv_eq(json_raw_member(session, "check_reply"), SV("false"))) {
        out->silent_until_ms = ms_of(json_raw_member(session, "check_reply_until"));
        if (out->silent_until_ms == 0)
            out->silent_until_ms = SESSION_FOR_EVER_MS;
    }
    if (!sv_to_i64(json_raw_member(session, "message_count"), &out->messages))
        out->messages = 0;
    if (!sv_to_i64(json_raw_member(session, "customer_messages"), &out->customers))
        out->customers = 0;
    if (user.n > 0 && user.n <= MESSAGE_ID_MAX)
        memcpy(out->user_id, user.p, user.n);
    arena_free(a);
}

void session_past_join(struct conversation *c, const struct session_past *past)
{
    bool told = c->past_known || c->earlier_n != 0;
    c->past_known = true;
    if (past->created_ms == 0 || told)
        return;
    c->earlier_n = past->messages;
    c->total += past->customers;
    c->earlier_total = past->customers;
    if (c->created_ms == 0 || past->created_ms < c->created_ms)
        c->created_ms = past->created_ms;
    if (past->user_id[0] != '\0') /* its first customer */
        memcpy(c->user_id, past->user_id, sizeof(c->user_id));
}

static void copy_member(struct json_out *o, struct buf *b, struct sv key, struct sv value)
{
    if (o->comma)
        buf_addc(b, ',');
    buf_addc(b, '"');
    buf_add(b, key);
    buf_add(b, SV("\":"));
    buf_add(b, value);
    o->comma = true;
}

void session_view_show(struct buf *b, struct sv view, struct sv customer, int64_t now_ms)
{
    struct json_out o = { .b = b };
    struct sv rest = json_raw_inside(view), key, value;
    int64_t until_ms = ms_of(json_raw_member(view, "check_reply_until"));
    bool over = until_ms != 0 && now_ms >= until_ms;

    json_obj(&o);
    while (json_raw_next(&rest, &key, &value)) {
        if (sv_eq(key, SV("customer_messages"))) /* of the archive, for session_past_read alone */
            continue;
        if (over && sv_eq(key, SV("check_reply")))
            value = SV("true");
        else if (over && sv_eq(key, SV("check_reply_until")))
            value = SV("null");
        copy_member(&o, b, key, value);
    }
    json_kraw(&o, "customer", customer.p != NULL ? customer : SV("null"));
    json_obj_end(&o);
}

/* What only the database knows as it was before the outage. */
static bool is_older(struct sv key)
{
    return sv_eq(key, SV("user_id")) || sv_eq(key, SV("created_at")) || sv_eq(key, SV("message_count"));
}

void session_view_join(struct buf *b, struct sv under, struct sv over, int64_t more)
{
    struct json_out o = { .b = b };
    struct sv rest = json_raw_inside(under), key, value;
    char count[24];
    int64_t n = 0;

    json_obj(&o);
    while (json_raw_next(&rest, &key, &value)) {
        char name[32];
        struct sv newer = SV_NONE;
        if (key.n < sizeof(name) && !is_older(key)) {
            memcpy(name, key.p, key.n);
            name[key.n] = '\0';
            newer = json_raw_member(over, name);
        }
        if (sv_eq(key, SV("message_count")) && sv_to_i64(value, &n)) {
            (void)snprintf(count, sizeof(count), "%lld", (long long)(n + more));
            newer = sv_from(count);
        }
        copy_member(&o, b, key, newer.p != NULL && !sv_eq(newer, SV("null")) ? newer : value);
    }
    json_obj_end(&o);
}
