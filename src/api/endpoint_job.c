/* SPDX-License-Identifier: MIT
 * /api/v1/chat/jobs/{job_id}: how far a turn or job is, now or as soon as it has come a step on (?wait=); and the end of it. */
#include "config.h"

#include <stdlib.h>

#include "api/endpoint_admin.h"
#include "api/endpoint_job.h"

#define RETRY_AFTER_MS 1000
#define WAIT_MAX_S 60

struct job_query {
    double wait_s;
};

static const struct field fields[] = {
    { .name = "wait", .kind = FIELD_NUMBER, .least = 0, .most = WAIT_MAX_S, .offset = offsetof(struct job_query, wait_s) },
};
const struct input endpoint_job_query = { .fields = fields, .fields_n = ARRAY_LEN(fields), .size = sizeof(struct job_query) };

struct waiting {
    struct request *r;
    struct job_watch *watch;
    struct loop_timer *over;
    bool first; /* nothing was heard so far */
};

static void waiting_free(void *arg)
{
    struct waiting *w = arg;

    job_watch_free(w->watch);
    loop_timer_free(w->over);
    free(w);
}

void endpoint_job_answer(struct request *r, const struct job_news *news, int status)
{
    request_on_closed(r, NULL, NULL);
    if (news->status != STORE_DONE)
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
    else if (news->job.p == NULL)
        request_fail(r, PROBLEM_NOT_FOUND, 0);
    else
        request_answer(r, status, status == 204 ? SV_NONE : news->job);
}

static void on_news(void *arg, const struct job_news *news)
{
    struct waiting *w = arg;
    bool open = news->status == STORE_DONE && news->job.p != NULL && !news->ended;

    if (open && w->first) {
        w->first = false; /* held until it changes */
        return;
    }
    endpoint_job_answer(w->r, news, 200);
    waiting_free(w);
}

static void on_over(void *arg)
{
    struct waiting *w = arg;

    w->first = false;
    job_watch_look(w->watch);
}

static struct waiting *waiting_new(struct request *r, double wait_s)
{
    struct waiting *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    *w = (struct waiting){ .r = r, .first = true, .over = loop_timer_new(r->api->o.loop, on_over, w) };
    w->watch = w->over != NULL ? job_watch_new(r->api->o.turns, r->args[0], on_news, w) : NULL;
    if (w->watch == NULL) {
        waiting_free(w);
        return NULL;
    }
    loop_timer_set(w->over, (int64_t)(wait_s * 1000));
    return w;
}

static void on_job(void *arg, enum store_status status, struct sv job)
{
    endpoint_job_answer(arg, &(struct job_news){ .status = status, .job = job, .state = "" }, 200);
}

void endpoint_job(struct request *r)
{
    const struct job_query *q = r->query;
    struct waiting *w;

    if (r->args[0].n > MESSAGE_ID_MAX) {
        request_fail(r, PROBLEM_NOT_FOUND, 0);
        return;
    }
    if (q->wait_s <= 0) {
        turns_job(r->api->o.turns, r->args[0], on_job, r);
        return;
    }
    w = waiting_new(r, q->wait_s);
    if (w == NULL) {
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
        return;
    }
    request_on_closed(r, waiting_free, w);
    request_park(r);
}

void endpoint_job_cancel(struct request *r)
{
    if (!admin_id(r, "unknown_job", "There is no such job."))
        return;
    control_cancel_job(r->api->o.turns, r->args[0], admin_answer, r);
}
