/* SPDX-License-Identifier: MIT
 * POST /api/chathistory/sync: exchanges that were made elsewhere, one or several. */
#include "config.h"

#include "api/endpoint_history.h"
#include "turn/message.h"

#define SEVERAL_MAX 1000

#define EXCHANGE_FIELD(label, type, member) .name = label, .kind = type, .offset = offsetof(struct chat_exchange, member)

/* Who and where is looked at below: what is missing there is another answer than what is wrong. */
static const struct field fields[] = {
    { EXCHANGE_FIELD("messageId", FIELD_ID, message_id), .max = MESSAGE_ID_MAX },
    { EXCHANGE_FIELD("userId", FIELD_ID, user_id), .empty_too = true, .max = MESSAGE_ID_MAX },
    { EXCHANGE_FIELD("sessionId", FIELD_ID, session_id), .empty_too = true, .max = MESSAGE_ID_MAX },
    { EXCHANGE_FIELD("userMessage", FIELD_TEXT, user_message), .empty_too = true, .max = MESSAGE_CONTENT_MAX },
    { EXCHANGE_FIELD("aiResponse", FIELD_TEXT, ai_response), .empty_too = true, .max = MESSAGE_CONTENT_MAX },
    { EXCHANGE_FIELD("timestamp", FIELD_TIME, timestamp_ms), .text_only = true },
    { EXCHANGE_FIELD("metadata", FIELD_OBJECT, metadata) },
};
static const struct chat_exchange defaults = { .timestamp_ms = -1 };

const struct input endpoint_history_sync_input = { .fields = fields, .fields_n = ARRAY_LEN(fields), .size = sizeof(struct chat_exchange),
                                                   .defaults = &defaults, .any_case = true, .list_max = SEVERAL_MAX };

void endpoint_history_sync(struct request *r)
{
    const struct input_list *list = r->input;
    const struct chat_exchange *exchanges = list->elements;

    for (size_t i = 0; i < list->n; i++) {
        if (exchanges[i].user_id.n > 0 && exchanges[i].session_id.n > 0)
            continue;
        request_error(r, &(struct request_error){ .status = 400, .code = SV("ids_required"), .text = SV("UserId and SessionId are required"),
                                                  .detail = SV_NONE, .more = SV_NONE });
        return;
    }
    chat_sync(r->api->o.turns, exchanges, list->n, list->several, history_answer, r);
    request_park(r);
}
