/* SPDX-License-Identifier: MIT
 * GET /api/v1/chat/jobs/{job_id}: how far a turn or job is. */
#include "config.h"

#include "api/endpoints.h"
#include "turn/turn.h"

#define RETRY_AFTER_MS 1000

static void on_job(void *arg, enum store_status status, struct sv job)
{
    struct request *r = arg;

    switch (status) {
    case STORE_DONE:
        if (job.p == NULL)
            request_fail(r, PROBLEM_NOT_FOUND, 0);
        else
            request_answer(r, 200, job);
        return;
    case STORE_FULL:
    case STORE_DOWN:
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
        return;
    case STORE_CONFLICT:
    case STORE_LEASE_LOST:
    case STORE_DUPLICATE:
        break;
    }
    request_fail(r, PROBLEM_INTERNAL, 0);
}

void endpoint_job(struct request *r)
{
    if (r->args[0].n > MESSAGE_ID_MAX)
        request_fail(r, PROBLEM_NOT_FOUND, 0);
    else
        turns_job(r->api->o.turns, r->args[0], on_job, r);
}
