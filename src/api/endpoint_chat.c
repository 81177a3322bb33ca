/* SPDX-License-Identifier: MIT
 * POST /api/v1/chat/message: a conversation's history in, the job that answers what is new in it out. Knows the markup's place in the body and
 * what the answer looks like; what is new is found out by turn/turn_history.c. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/endpoints.h"
#include "lib/id.h"
#include "lib/json.h"
#include "outside/callback.h"
#include "turn/history.h"

#define HISTORY_MAX (16u << 20) /* MAX_BODY_BYTES bounds it before that */
#define CALLBACK_URL_MAX 2048

struct chat {
    struct sv conversation_id, history, resources;
    struct sv user_id, bot_id, callback_url; /* of resources */
};

#define CHAT_FIELD(label, type, member) .name = label, .kind = type, .offset = offsetof(struct chat, member)

static const struct field resources[] = {
    { CHAT_FIELD("user_id", FIELD_ID, user_id), .max = MESSAGE_ID_MAX, .number_too = true },
    { CHAT_FIELD("bot_id", FIELD_ID, bot_id), .max = MESSAGE_ID_MAX, .number_too = true },
    { CHAT_FIELD("callback_url", FIELD_TEXT, callback_url), .max = CALLBACK_URL_MAX },
};

static const struct field fields[] = {
    { CHAT_FIELD("conversation_id", FIELD_ID, conversation_id), .max = MESSAGE_ID_MAX },
    { CHAT_FIELD("history", FIELD_TEXT, history), .required = true, .max = HISTORY_MAX },
    { CHAT_FIELD("resources", FIELD_OBJECT, resources), .members = resources, .members_n = ARRAY_LEN(resources) },
};

const struct input endpoint_chat_input = { .fields = fields, .fields_n = ARRAY_LEN(fields), .size = sizeof(struct chat) };

/* ---- the answer ---- */

struct chatting {
    struct request *r;
    char conversation_id[MESSAGE_ID_MAX + 1];
};

static const struct {
    const char *status, *action, *message;
} said[] = {
    [HISTORY_STARTED] = { "ai_processing_started", "lock_acquired", "Message received and AI processing started" },
    [HISTORY_LOCKED] = { "locked", "lock_exists", "Conversation is being processed, the job answers these messages too" },
    [HISTORY_KNOWN] = { "already_processed", "none", "Nothing in this history is new" },
    [HISTORY_RECORDED] = { "recorded", "recorded", "Message recorded, the bot is silent in this conversation" },
};

static void put_text(struct json_out *o, const char *key, const char *text)
{
    json_kstr(o, key, *text != '\0' ? sv_from(text) : SV_NONE);
}

static void answer(struct chatting *c, const struct history_answer *a)
{
    struct buf *body = request_body(c->r);
    struct json_out o = { .b = body };

    json_obj(&o);
    json_kbool(&o, "success", true);
    json_kstr(&o, "status", sv_from(said[a->outcome].status));
    json_kstr(&o, "message", sv_from(said[a->outcome].message));
    json_kstr(&o, "error", SV_NONE);
    json_kstr(&o, "action", sv_from(said[a->outcome].action));
    put_text(&o, "ai_job_id", a->job_id);
    put_text(&o, "lock_id", a->lock_id);
    json_kint(&o, "consolidated_messages", (int64_t)a->consolidated);
    json_kstr(&o, "bot_name", sv_from(a->bot_name));
    json_kstr(&o, "conversation_id", sv_from(c->conversation_id));
    if (a->reason != NULL)
        json_kstr(&o, "reason", sv_from(a->reason));
    json_obj_end(&o);
    request_answer(c->r, 200, buf_sv(body));
}

static void on_answer(void *arg, const struct history_answer *a)
{
    struct chatting *c = arg;

    switch (a->outcome) {
    case HISTORY_STARTED:
    case HISTORY_LOCKED:
    case HISTORY_KNOWN:
    case HISTORY_RECORDED:
        answer(c, a);
        break;
    case HISTORY_REJECTED:
        request_fail(c->r, PROBLEM_TURN_RUNNING, a->retry_after_ms);
        break;
    case HISTORY_FULL:
        request_fail(c->r, PROBLEM_TOO_MANY_PENDING, a->retry_after_ms);
        break;
    case HISTORY_UNAVAILABLE:
        request_fail(c->r, PROBLEM_UNAVAILABLE, a->retry_after_ms);
        break;
    case HISTORY_TOO_LARGE:
        request_fail(c->r, PROBLEM_TOO_LARGE, 0);
        break;
    }
    free(c);
}

/* ---- the question ---- */

/* What the table cannot check. False: answered. */
static bool is_right(struct request *r, const struct chat *in, struct markup *m)
{
    struct err e;

    if (markup_parse(r->f.scratch, in->history, m, &e) != 0) {
        if (e.code == ERR_MEMORY)
            request_fail(r, PROBLEM_TOO_LARGE, 0);
        else
            request_invalid(r, "body", "history", e.text, "history_markup");
        return false;
    }
    if (in->callback_url.p == NULL || callback_check_url(r->api->o.callback, in->callback_url, &e) == 0)
        return true;
    request_invalid_in(r, "body", "resources", "callback_url", e.text, "callback_url");
    return false;
}

static void submit(struct request *r, const struct chat *in, const struct markup *m, struct chatting *c)
{
    char anonymous[MESSAGE_ID_MAX + sizeof("anonymous:")];
    struct sv sender = in->user_id;

    if (in->conversation_id.n == 0) {
        id_uuid4(c->conversation_id);
    } else {
        memcpy(c->conversation_id, in->conversation_id.p, in->conversation_id.n);
    }
    if (sender.n == 0) {
        (void)snprintf(anonymous, sizeof(anonymous), "anonymous:%s", c->conversation_id);
        sender = sv_cut_utf8(sv_from(anonymous), MESSAGE_ID_MAX);
    }
    const struct history h = { .conversation_id = sv_from(c->conversation_id), .fresh = in->conversation_id.n == 0, .parts = m->parts,
                               .parts_n = m->n, .sender_id = sender, .bot_id = in->bot_id, .metadata = in->resources,
                               .callback_url = in->callback_url, .request_id = sv_from(r->id), .traceparent = r->traceparent };
    turns_submit_history(r->api->o.turns, &h, on_answer, c);
    request_park(r);
}

void endpoint_chat(struct request *r)
{
    const struct chat *in = r->input;
    struct markup m;
    struct chatting *c;

    if (!is_right(r, in, &m))
        return;
    c = calloc(1, sizeof(*c));
    if (c == NULL) {
        request_fail(r, PROBLEM_UNAVAILABLE, 1000);
        return;
    }
    c->r = r;
    submit(r, in, &m, c);
}

struct sv endpoint_chat_conversation(const struct request *r)
{
    return ((const struct chat *)r->input)->conversation_id;
}
