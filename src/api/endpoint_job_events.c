/* SPDX-License-Identifier: MIT
 * GET /api/v1/chat/jobs/{job_id}/events: the job's states as server-sent events, from what it is now to its end. An event's id is the state, so
 * that whoever connects again (Last-Event-ID) is told only what is new; who has seen the end gets 204, after which an EventSource stays away. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/endpoint_job.h"
#include "api/endpoints.h"
#include "turn/watch.h"

#define RETRY_AFTER_MS 1000
#define LAST_ID_MAX 100

struct streaming {
    struct request *r;
    struct job_watch *watch;
    bool begun;
    char last_id[LAST_ID_MAX]; /* that the client has seen */
};

static void streaming_free(void *arg)
{
    struct streaming *s = arg;

    job_watch_free(s->watch);
    free(s);
}

static void begin(struct streaming *s)
{
    s->begun = true;
    request_on_closed(s->r, NULL, NULL);
    request_stream(s->r, streaming_free, s);
    (void)request_event_retry(s->r, RETRY_AFTER_MS); /* a reader that is gone is told of by `gone` */
}

static void on_news(void *arg, const struct job_news *news)
{
    struct streaming *s = arg;
    bool there = news->status == STORE_DONE && news->job.p != NULL;

    if (!s->begun && (!there || (news->ended && strcmp(news->state, s->last_id) == 0))) {
        endpoint_job_answer(s->r, news, 204); /* before the first byte: an ordinary answer */
        streaming_free(s);
        return;
    }
    if (!s->begun)
        begin(s);
    if (there && strcmp(news->state, s->last_id) != 0) {
        (void)snprintf(s->last_id, sizeof(s->last_id), "%s", news->state);
        if (request_event(s->r, sv_from(news->state), SV("job"), news->job) != 0)
            return;
    }
    if (there && !news->ended && !turns_is_draining(s->r->api->o.turns))
        return;
    request_stream_end(s->r); /* also when the store is away: the client comes again */
    streaming_free(s);
}

void endpoint_job_events(struct request *r)
{
    struct streaming *s = r->args[0].n > MESSAGE_ID_MAX ? NULL : calloc(1, sizeof(*s));

    if (r->args[0].n > MESSAGE_ID_MAX) {
        request_fail(r, PROBLEM_NOT_FOUND, 0);
        return;
    }
    if (s == NULL) {
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
        return;
    }
    s->r = r;
    (void)snprintf(s->last_id, sizeof(s->last_id), "%.*s", SV_FMT(r->last_event_id));
    s->watch = job_watch_new(r->api->o.turns, r->args[0], on_news, s);
    if (s->watch == NULL) {
        free(s);
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
        return;
    }
    request_on_closed(r, streaming_free, s);
    request_park(r);
}
