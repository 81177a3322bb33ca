/* SPDX-License-Identifier: MIT
 * The port's front: hands each call to the backend. */
#include "config.h"

#include "outside/ai.h"

struct ai_call *ai_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg)
{
    return ai->ops->ask(ai, r, fn, arg);
}

void ai_abort(struct ai *ai, struct ai_call *call)
{
    if (call != NULL)
        ai->ops->abort(ai, call);
}

int64_t ai_wait_ms(const struct ai *ai)
{
    return ai->ops->wait_ms != NULL ? ai->ops->wait_ms(ai) : 0;
}

const char *ai_name(const struct ai *ai)
{
    return ai->ops->name;
}

bool ai_can_stream(const struct ai *ai)
{
    return ai->ops->streams;
}

void ai_close(struct ai *ai)
{
    if (ai != NULL)
        ai->ops->close(ai);
}
