/* SPDX-License-Identifier: MIT
 * An exchange as the store and the archive have it, and as it is shown (docs/history.md): a reader and a writer. Private to turn/. */
#ifndef TURN_CHAT_ENTRY_H
#define TURN_CHAT_ENTRY_H

#include "archive/archive_history.h"
#include "lib/json.h"
#include "turn/chat_merge.h"

/* Of the store. All are JSON values but message_id, borrowed from the text that was read; SV_NONE: not said. */
struct chat_entry {
    struct chat_key key;
    struct sv message_id; /* its text, in the arena */
    struct sv message_id_json, user_id_json, message_json, response_json, metadata_json, status_json, reason_json;
    int64_t received_ms;
};
/* From an entry of the history, or from an item of the pending list (turn/message.h), which has no answer so far. Both are JSON that this program wrote.
 * -1: it is no exchange, or memory is short. */
int chat_entry_read(struct arena *a, struct sv session_id, struct sv text, struct chat_entry *out) MUST_CHECK;
int chat_entry_read_pending(struct arena *a, struct sv session_id, struct sv text, struct chat_entry *out) MUST_CHECK;

/* The user is who wrote the message. {"messageId","userId","sessionId","userMessage","aiResponse","timestamp","metadata","status","reason"} */
void chat_entry_put(struct json_out *o, struct sv session_id, const struct chat_entry *e);
void chat_row_put(struct json_out *o, struct sv session_id, const struct archive_exchange *row);

/* "2024-01-01T10:00:00.000Z" as a member. */
void chat_put_time(struct json_out *o, const char *key, int64_t ms);

#endif
