/* SPDX-License-Identifier: MIT
 * The fields of a message that is sent to a session, whichever way it comes in: as a request, or over a WebSocket. */
#include "config.h"

#include "turn/session.h"

static const char *const sender_types[] = { [SENDER_USER] = "user", [SENDER_AGENT] = "agent", [SENDER_BOT] = "bot", [SENDER_SYSTEM] = "system", NULL };

#define MESSAGE_FIELD(label, type, member) .name = label, .kind = type, .offset = offsetof(struct session_message, member)

static const struct field metadata[] = { { MESSAGE_FIELD("bot_id", FIELD_ID, bot_id), .max = MESSAGE_ID_MAX } };

static const struct field fields[] = {
    { MESSAGE_FIELD("message_id", FIELD_ID, message_id), .max = MESSAGE_ID_MAX },
    { MESSAGE_FIELD("content", FIELD_TEXT, content), .required = true, .max = MESSAGE_CONTENT_MAX },
    { MESSAGE_FIELD("timestamp", FIELD_TIME, timestamp_ms) },
    { MESSAGE_FIELD("metadata", FIELD_OBJECT, metadata), .members = metadata, .members_n = ARRAY_LEN(metadata) },
    { MESSAGE_FIELD("attachments", FIELD_OBJECTS, attachments) },
    /* the last SENDER_FIELDS: */
    { MESSAGE_FIELD("sender_id", FIELD_ID, sender_id), .required = true, .max = MESSAGE_ID_MAX },
    { MESSAGE_FIELD("sender_type", FIELD_CHOICE, sender_type), .required = true, .choices = sender_types },
};
#define SENDER_FIELDS 2
static const struct session_message defaults = { .timestamp_ms = -1 };

const struct input session_message_input = { .fields = fields, .fields_n = ARRAY_LEN(fields), .size = sizeof(struct session_message),
                                             .defaults = &defaults };
const struct input session_message_user_input = { .fields = fields, .fields_n = ARRAY_LEN(fields) - SENDER_FIELDS,
                                                  .size = sizeof(struct session_message), .defaults = &defaults };
