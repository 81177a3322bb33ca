/* SPDX-License-Identifier: MIT
 * See job_ask.h. Every answer comes once, and never from inside the call. */
#include "config.h"

#include <stdio.h>

#include "t/tap.h"
#include "t/turn/job_ask.h"

static void on_told(void *arg, const struct history_answer *a)
{
    struct told *t = arg;
    if (t->done)
        bail_out("a client was answered twice");
    *t = (struct told){ .done = true, .outcome = a->outcome, .consolidated = a->consolidated };
    snprintf(t->job_id, sizeof(t->job_id), "%s", a->job_id);
    snprintf(t->lock_id, sizeof(t->lock_id), "%s", a->lock_id);
    snprintf(t->bot_name, sizeof(t->bot_name), "%s", a->bot_name != NULL ? a->bot_name : "");
    snprintf(t->reason, sizeof(t->reason), "%s", a->reason != NULL ? a->reason : "");
}

struct told post_with(struct rig *r, const char *conversation, const char *markup, const char *callback)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct told told = { 0 };
    struct markup m;
    struct err e;
    if (markup_parse(a, sv_from(markup), &m, &e) != 0)
        bail_out("%s: %s", markup, e.text);
    const struct history h = { .conversation_id = sv_from(conversation), .parts = m.parts, .parts_n = m.n, .sender_id = SV("customer"),
                               .metadata = SV("{\"session_type\":\"web\"}"), .callback_url = sv_from(callback) };
    turns_submit_history(r->turns, &h, on_told, &told);
    if (told.done)
        bail_out("an answer from inside the call");
    arena_free(a); /* it was copied */
    for (int i = 0; i < 20000 && !told.done; i++)
        loop_turn(r->loop, false);
    if (!told.done)
        bail_out("no answer");
    return told;
}

struct told post(struct rig *r, const char *conversation, const char *markup)
{
    return post_with(r, conversation, markup, NULL);
}

struct job {
    bool done;
    json_t *json;
};

static void on_job(void *arg, enum store_status status, struct sv job)
{
    struct job *j = arg;
    j->done = true;
    j->json = status == STORE_DONE && job.p != NULL ? json_read(job, false, NULL) : NULL;
}

json_t *job_of(struct rig *r, const char *id)
{
    struct job j = { 0 };
    turns_job(r->turns, sv_from(id), on_job, &j);
    for (int i = 0; i < 1000 && !j.done; i++)
        loop_turn(r->loop, false);
    return j.json;
}

void is_job(struct rig *r, const char *id, const char *status, const char *what)
{
    json_t *j = job_of(r, id);
    is_sv(json_sv(j, "status"), sv_from(status), "%s: job %s", what, status);
    json_decref(j);
}
