/* SPDX-License-Identifier: MIT
 * The actions as an AI is told of them that may call them as tools (struct ai_request of outside/ai.h). */
#ifndef TURN_ACTION_TOOLS_H
#define TURN_ACTION_TOOLS_H

#include "lib/json.h"

/* ai_request.tools: a JSON array with one function for each type of action, its parameters being the action's `data`
 * (https://platform.openai.com/docs/api-reference/chat/create). talks_only: without execute_api (platform_talks_only). In the arena; SV_NONE: memory. */
struct sv action_tools(struct arena *a, bool talks_only) MUST_CHECK;
/* An ai_fault_fn: the reason for which actions_extract would drop such an action; NULL: none. */
const char *action_fault(struct sv type, const json_t *data);

#endif
