/* SPDX-License-Identifier: MIT
 * POST /api/v1/enhanced-handle-message: one message in, what became of it out. Everything in between is the turn engine's. */
#include "config.h"

#include "api/endpoints.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "turn/turn.h"

static const char *const sender_types[] = {
    [SENDER_USER] = "user", [SENDER_AGENT] = "agent", [SENDER_BOT] = "bot", [SENDER_SYSTEM] = "system", NULL,
};
_Static_assert(sizeof(enum sender_type) == sizeof(int), "a choice is stored as int");

static const struct field metadata[] = {
    { .name = "bot_id", .kind = FIELD_ID, .max = MESSAGE_ID_MAX, .offset = offsetof(struct message, bot_id) },
};

#define MESSAGE_FIELD(label, type, member) .name = label, .kind = type, .offset = offsetof(struct message, member)

static const struct field fields[] = {
    { MESSAGE_FIELD("conversation_id", FIELD_ID, conversation_id), .required = true, .max = MESSAGE_ID_MAX },
    { MESSAGE_FIELD("message_id", FIELD_ID, message_id), .required = true, .max = MESSAGE_ID_MAX },
    { MESSAGE_FIELD("message_content", FIELD_TEXT, content), .required = true, .max = MESSAGE_CONTENT_MAX },
    { MESSAGE_FIELD("sender_id", FIELD_ID, sender_id), .required = true, .max = MESSAGE_ID_MAX },
    { MESSAGE_FIELD("sender_type", FIELD_CHOICE, sender_type), .required = true, .choices = sender_types },
    { MESSAGE_FIELD("timestamp", FIELD_TIME, timestamp_ms), .required = true },
    { MESSAGE_FIELD("metadata", FIELD_OBJECT, metadata), .members = metadata, .members_n = ARRAY_LEN(metadata) },
    { MESSAGE_FIELD("attachments", FIELD_OBJECTS, attachments) },
};

const struct input endpoint_message_input = { .fields = fields,
                                              .fields_n = ARRAY_LEN(fields),
                                              .size = sizeof(struct message) };

static void answer(struct request *r, const struct turn_answer *a, bool success)
{
    struct buf *body = request_body(r);
    struct json_out o = { .b = body };

    json_obj(&o);
    json_kbool(&o, "success", success);
    json_kraw(&o, "result", a->result);
    json_kms(&o, "timestamp", clock_wall_ms());
    json_key(&o, "processing_time_ms");
    json_num(&o, request_took_ms(r));
    json_obj_end(&o);
    request_answer(r, a->http_status, buf_sv(body));
}

static void on_answer(void *arg, const struct turn_answer *a)
{
    struct request *r = arg;

    switch (a->status) {
    case ANSWER_COMPLETED:
    case ANSWER_LOCKED:
    case ANSWER_RESTART_NEEDED:
    case ANSWER_RECORDED:
    case ANSWER_PROCESSING:
    case ANSWER_QUEUED:
    case ANSWER_CANCELLED:
        answer(r, a, true);
        break;
    case ANSWER_FAILED:
        answer(r, a, false);
        break;
    case ANSWER_TURN_RUNNING:
        request_fail(r, PROBLEM_TURN_RUNNING, a->retry_after_ms);
        break;
    case ANSWER_FULL:
        request_fail(r, PROBLEM_TOO_MANY_PENDING, a->retry_after_ms);
        break;
    case ANSWER_UNAVAILABLE:
        request_fail(r, PROBLEM_UNAVAILABLE, a->retry_after_ms);
        break;
    case ANSWER_TOO_LARGE:
        request_fail(r, PROBLEM_TOO_LARGE, 0);
        break;
    }
}

void endpoint_message(struct request *r)
{
    const struct submit_options o = {
        .respond_async = r->respond_async,
        .wait_ms = r->api->o.sync_wait_ms,
        .request_id = sv_from(r->id),
        .traceparent = r->traceparent,
    };

    turns_submit(r->api->o.turns, r->input, &o, on_answer, r);
    request_park(r);
}

struct sv endpoint_message_conversation(const struct request *r)
{
    return ((const struct message *)r->input)->conversation_id;
}
