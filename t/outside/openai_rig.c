/* SPDX-License-Identifier: MIT
 * See openai_rig.h. */
#include "config.h"

#include "t/outside/openai_rig.h"
#include "t/tap.h"
#include "turn/action_tools.h"
#include "turn/actions.h"

static const struct ai_message messages[] = {
    { SV("user"), SV("\"before\""), 1000, SV("\"m0\"") },
    { SV("assistant"), SV("\"answered\""), 2000, SV_NONE },
    { SV("user"), SV("\"two\""), 4000, SV("\"m3\"") },
};

static struct arena *tools_arena;

struct ai_request openai_question(bool stream)
{
    if (tools_arena == NULL)
        tools_arena = arena_new(0, 1 << 24);
    return (struct ai_request){ .conversation_id = SV("c1"), .message_id = SV("m3"), .message = SV("two"), .messages = messages, .messages_n = ARRAY_LEN(messages),
                                .turn_id = SV("turn-1"), .tools = action_tools(tools_arena, false), .fault = action_fault, .partial = stream ? tell_partial : NULL,
                                .timeout_ms = PLENTY_MS };
}

struct ai_openai_options openai_options(int port)
{
    return (struct ai_openai_options){ .url = rig_url(port, "/v1/"), .token = "sk-secret", .model = "m", .system_prompt = "Be kind.", .retries = 2, .rounds = 3,
                                       .context_tokens = 8000, .growth_ms = -1, .tools = true, .stream_usage = true };
}

struct ai *openai_opened(struct rig *r, const struct ai_openai_options *o)
{
    struct err e = { 0 };
    struct ai *ai = ai_openai_open(r->loop, r->http, o, &e);
    if (ai == NULL)
        bail_out("%s", e.text);
    return ai;
}

void openai_rig_free(void)
{
    arena_free(tools_arena);
    tools_arena = NULL;
}
