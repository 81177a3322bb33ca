/* SPDX-License-Identifier: MIT
 *   ASKING ──open, as before──> WATCHING ──news, or a look──> ASKING
 *      └── changed, ended, unknown, no answer: fn
 * One question at a time; what happens during it makes another one. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_watch.h"
#include "lib/json.h"
#include "turn/watch.h"

#define STATE_SIZE 96

struct job_watch {
    struct turns *turns;
    struct watch *watch; /* NULL: its conversation is not known yet */
    job_watch_fn *fn;    /* NULL: freed while it was asking */
    void *arg;
    bool asking, again, tell; /* tell: whatever comes */
    char state[STATE_SIZE];   /* as it was told */
    char id[MESSAGE_ID_MAX + 1];
};

static void ask(struct job_watch *w);

static void free_now(struct job_watch *w)
{
    turns_unwatch(w->watch);
    free(w);
}

static struct sv unquoted(struct sv json)
{
    return json.n >= 2 && json.p[0] == '"' ? (struct sv){ json.p + 1, json.n - 2 } : SV_NONE;
}

static bool is_ended(struct sv status)
{
    return !sv_eq(status, SV("queued")) && !sv_eq(status, SV("processing"));
}

/* Which state it is in: the status, how often it was tried, and what it has been merged into. */
static void format_state(char out[STATE_SIZE], struct sv job)
{
    struct sv status = unquoted(json_raw_member(job, "status")), into = unquoted(json_raw_member(job, "merged_into"));

    (void)snprintf(out, STATE_SIZE, "%.*s-%.*s%s%.*s", SV_FMT(status), SV_FMT(json_raw_member(job, "attempts")), into.n > 0 ? "-" : "",
                   SV_FMT(into));
}

static void hint(void *arg)
{
    struct job_watch *w = arg;

    w->tell = w->tell || turns_is_draining(w->turns);
    if (w->asking)
        w->again = true;
    else
        ask(w);
}

/* False: there is nobody to wait with. */
static bool begin_watching(struct job_watch *w, struct sv job)
{
    struct arena *a = w->watch == NULL ? arena_new(0, 65536) : NULL;
    json_t *j = a == NULL ? NULL : json_read_in(a, json_raw_member(job, "conversation_id"), true, NULL);

    if (json_is_string(j))
        w->watch = turns_watch(w->turns, (struct sv){ json_string_value(j), json_string_length(j) }, hint, w);
    arena_free(a);
    return w->watch != NULL;
}

static void on_job(void *arg, enum store_status status, struct sv job)
{
    struct job_watch *w = arg;
    char state[STATE_SIZE] = "";

    w->asking = false;
    if (w->fn == NULL) {
        free_now(w);
        return;
    }
    struct job_news news = { .status = status, .job = job, .state = state };
    bool there = status == STORE_DONE && job.p != NULL;
    if (there)
        format_state(state, job);
    news.ended = there && is_ended(unquoted(json_raw_member(job, "status")));
    bool watched = w->watch != NULL;
    if (there && !news.ended && !begin_watching(w, job))
        news.status = STORE_FULL;
    /* what happened before it was watched was not told */
    bool changed = strcmp(state, w->state) != 0, again = w->again || (!watched && w->watch != NULL);
    memcpy(w->state, state, sizeof(state));
    w->again = false;
    if (again)
        ask(w);
    if (!there || news.ended || changed || w->tell || news.status != STORE_DONE) {
        w->tell = false;
        w->fn(w->arg, &news);
    }
}

static void ask(struct job_watch *w)
{
    w->asking = true;
    turns_job(w->turns, sv_from(w->id), on_job, w);
}

struct job_watch *job_watch_new(struct turns *t, struct sv job_id, job_watch_fn *fn, void *arg)
{
    struct job_watch *w = job_id.n > MESSAGE_ID_MAX ? NULL : calloc(1, sizeof(*w));

    if (w == NULL)
        return NULL;
    *w = (struct job_watch){ .turns = t, .fn = fn, .arg = arg, .tell = true };
    memcpy(w->id, job_id.p, job_id.n);
    ask(w);
    return w;
}

void job_watch_look(struct job_watch *w)
{
    w->tell = true;
    hint(w);
}

void job_watch_free(struct job_watch *w)
{
    if (w == NULL)
        return;
    w->fn = NULL;
    if (!w->asking) {
        free_now(w);
        return;
    }
    turns_unwatch(w->watch);
    w->watch = NULL;
}
