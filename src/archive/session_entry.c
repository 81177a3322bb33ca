/* SPDX-License-Identifier: MIT
 * What a person did to a row by hand is shown as far as it can be: sources that are no object are none. */
#include "config.h"

#include "archive/session_entry.h"
#include "lib/json.h"

static void put_ms(struct json_out *o, const char *key, struct sv text)
{
    int64_t ms = 0;

    if (text.p != NULL && sv_to_i64(text, &ms))
        json_kms(o, key, ms);
    else
        json_kstr(o, key, SV_NONE);
}

static struct sv finish(struct arena *a, struct buf *b)
{
    struct sv text = buf_ok(b) ? arena_sv(a, buf_sv(b)) : SV_NONE;

    buf_fini(b);
    return text;
}

static void put_last_message(struct json_out *o, const struct sv *c)
{
    bool replied = c[SESSION_REPLY].n > 0;

    json_key(o, "last_message");
    if (c[SESSION_SENDER_TYPE].p == NULL) {
        json_nul(o);
        return;
    }
    json_obj(o);
    json_kstr(o, "message_id", replied ? SV_NONE : c[SESSION_MESSAGE_ID]);
    json_kstr(o, "content", c[replied ? SESSION_REPLY : SESSION_CONTENT]);
    json_kstr(o, "sender_type", replied ? SV("bot") : c[SESSION_SENDER_TYPE]);
    put_ms(o, "timestamp", c[replied ? SESSION_REPLIED : SESSION_TIMESTAMP]);
    json_obj_end(o);
}

struct sv session_entry_format(struct arena *a, const struct sv columns[SESSION_COLUMNS])
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    int64_t messages = 0, customers = 0;

    (void)sv_to_i64(columns[SESSION_MESSAGES], &messages);
    (void)sv_to_i64(columns[SESSION_CUSTOMERS], &customers);
    json_obj(&o);
    json_kstr(&o, "session_id", columns[SESSION_ID]);
    json_kstr(&o, "user_id", columns[SESSION_USER]);
    json_kstr(&o, "status", columns[SESSION_STATUS]);
    json_kbool(&o, "check_reply", !sv_eq(columns[SESSION_CHECK_REPLY], SV("0")));
    put_ms(&o, "check_reply_until", columns[SESSION_CHECK_REPLY_UNTIL]);
    put_ms(&o, "created_at", columns[SESSION_CREATED]);
    put_ms(&o, "last_activity", columns[SESSION_ACTIVITY]);
    json_kint(&o, "message_count", messages);
    json_kint(&o, "customer_messages", customers);
    put_last_message(&o, columns);
    json_obj_end(&o);
    return finish(a, &b);
}

struct sv customer_entry_format(struct arena *a, const struct sv columns[CUSTOMER_COLUMNS])
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    struct sv sources = columns[CUSTOMER_SOURCES];

    json_obj(&o);
    json_kstr(&o, "sender_id", columns[CUSTOMER_SENDER_ID]);
    json_kstr(&o, "phone", columns[CUSTOMER_PHONE]);
    json_kstr(&o, "email", columns[CUSTOMER_EMAIL]);
    json_kstr(&o, "name", columns[CUSTOMER_NAME]);
    json_kstr(&o, "address", columns[CUSTOMER_ADDRESS]);
    json_kraw(&o, "sources", sources.n > 0 && sources.p[0] == '{' ? sources : SV("{}"));
    put_ms(&o, "created_at", columns[CUSTOMER_CREATED]);
    put_ms(&o, "updated_at", columns[CUSTOMER_UPDATED]);
    json_obj_end(&o);
    return finish(a, &b);
}
