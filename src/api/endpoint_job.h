/* SPDX-License-Identifier: MIT
 * What the endpoints about one job have in common. */
#ifndef API_ENDPOINT_JOB_H
#define API_ENDPOINT_JOB_H

#include "api/job_watch.h"
#include "api/request.h"

/* Ends a request that has not been answered: the job with this status (204: without it), 404 when there is none, 503 when the store does not
 * say. */
void endpoint_job_answer(struct request *r, const struct job_news *news, int status);

#endif
