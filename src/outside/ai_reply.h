/* SPDX-License-Identifier: MIT
 * What an AI service of the native provider is asked and answers, as JSON; no connection, no time. */
#ifndef OUTSIDE_AI_REPLY_H
#define OUTSIDE_AI_REPLY_H

#include "outside/ai.h"

/* {conversation_id, message_id, message, messages:[{role, content, timestamp, message_id}], metadata, bot} */
void ai_request_render(struct buf *b, const struct ai_request *r);

struct ai_reply { /* both references are the holder's */
    json_t *response, *actions;
};
/* Takes {"ai_response":{...},"actions":[...]} and the ai_response object alone (with `actions` in it or without).
 * response_text must be a string and actions, if there, an array; other fields of the seed with a wrong type are left
 * out. processing_time_ms and model_used are filled in where they are missing. -1: ERR_INVALID, and the text does not
 * quote the answer. */
int ai_reply_read(struct sv body, int64_t took_ms, const char *model, struct ai_reply *out, struct err *e) MUST_CHECK;
void ai_reply_fini(struct ai_reply *r);

#endif
