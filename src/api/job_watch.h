/* SPDX-License-Identifier: MIT
 * A job that somebody waits for: read now, and again whenever its conversation may have news. Knows nothing of how the news is told. */
#ifndef API_JOB_WATCH_H
#define API_JOB_WATCH_H

#include "turn/turn.h"

struct job_watch;

struct job_news {
    enum store_status status; /* not DONE: the store could not be asked */
    struct sv job;            /* the record as JSON; SV_NONE: there is no such job */
    const char *state;        /* a word that differs whenever the job has come a step on: fit for an event id. "" unless there is a job */
    bool ended;               /* nothing more will come */
};
/* Borrowed until it returns. It may free the watch. */
typedef void job_watch_fn(void *arg, const struct job_news *news);

/* fn with what is known now, then each time that the state has changed; after anything else than an open job, never again. When the engine
 * drains, fn with what is known then. fn never comes from inside a call. NULL: memory. */
struct job_watch *job_watch_new(struct turns *t, struct sv job_id, job_watch_fn *fn, void *arg) MUST_CHECK;
/* fn with what is known now, changed or not. */
void job_watch_look(struct job_watch *w);
/* fn will not come any more. NULL is allowed. */
void job_watch_free(struct job_watch *w);

#endif
