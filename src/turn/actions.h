/* SPDX-License-Identifier: MIT
 * What an AI's reply asks the platform to do. The reply is hostile input: every action is checked against its type's table; what
 * is unknown or invalid is dropped and kept with its reason. */
#ifndef TURN_ACTIONS_H
#define TURN_ACTIONS_H

#include "lib/json.h"

#define ACTIONS_MAX 50 /* of one reply; more are dropped */

struct reply {
    struct sv text;     /* response_text, without a json block that was cut out of it */
    struct sv response; /* JSON object: the seed's ai_response */
    struct sv actions;  /* JSON array of {"type","data"}: what is to be executed */
    struct sv dropped;  /* JSON array of {"type","data","reason"} */
    size_t actions_n, dropped_n;
    bool transfers, ends; /* transfer_to_agent, end_conversation is among them */
    int64_t ai_ms;
};

/* Without control characters (lib/plain.h): response_text, and every string in the data of what is to be executed, whoever answered.
 * From `actions` (may be NULL) of the AI's reply; else from a fenced json block with "actions" in response_text; else one
 * send_message with the text (none when the text is empty). Everything lives in the arena. */
int actions_extract(struct arena *a, const json_t *response, const json_t *actions, struct reply *out, struct err *e) MUST_CHECK;
/* NULL-terminated: the types that there are, in the order of the seed's health answer. */
extern const char *const action_types[];

#endif
