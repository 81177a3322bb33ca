/* SPDX-License-Identifier: MIT
 * How many webhooks have failed lately. Those that were accepted in between do not make earlier failures undone, since the platform counts those, too. */
#include "config.h"

#include "api/webhook_guard.h"

bool webhook_guard_may_fail(struct webhook_guard *g, int64_t now_ms)
{
    bool many = g->n == WEBHOOK_FAILURES_MAX && now_ms - g->at_ms[g->next] < WEBHOOK_FAILURES_MS;

    g->deferring = g->deferring || many;
    if (g->deferring)
        return false;
    g->at_ms[g->next] = now_ms;
    g->next = (g->next + 1) % WEBHOOK_FAILURES_MAX;
    if (g->n < WEBHOOK_FAILURES_MAX)
        g->n++;
    return true;
}

void webhook_guard_accepted(struct webhook_guard *g)
{
    g->deferring = false;
}
