/* SPDX-License-Identifier: MIT
 * See jobs_double.h. A job whose id is "down" gets no answer of the store, "unknown" is none. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "t/lib/jobs_double.h"
#include "turn/watch.h"

struct jobs_script jobs_script;
struct buf jobs_seen;
atomic_int jobs_histories, jobs_reads, jobs_watchers;

static struct loop *the_loop;

void jobs_double_open(struct loop *loop)
{
    the_loop = loop;
}

/* ---- histories ---- */

struct posted {
    history_fn *fn;
    void *arg;
};

static void answer_history(void *arg)
{
    struct posted *p = arg;
    struct history_answer a = jobs_script.history;

    if (a.job_id == NULL)
        a = (struct history_answer){ .outcome = a.outcome, .job_id = "11111111-1111-7111-8111-111111111111",
                                     .lock_id = "22222222-2222-4222-8222-222222222222", .consolidated = 1, .bot_name = "Default Bot",
                                     .reason = a.reason, .retry_after_ms = a.retry_after_ms };
    p->fn(p->arg, &a);
    free(p);
}

static void put(struct sv s)
{
    buf_add(&jobs_seen, s.n > 0 ? s : SV("-"));
    buf_addc(&jobs_seen, ' ');
}

void turns_submit_history(struct turns *t, const struct history *h, history_fn *fn, void *arg)
{
    struct posted *p = calloc(1, sizeof(*p));

    (void)t;
    if (p == NULL)
        abort();
    *p = (struct posted){ fn, arg };
    buf_clear(&jobs_seen);
    put(h->conversation_id);
    put(h->fresh ? SV("fresh") : SV("known"));
    put(h->sender_id);
    put(h->bot_id);
    put(h->metadata);
    put(h->callback_url);
    for (size_t i = 0; i < h->parts_n; i++)
        buf_printf(&jobs_seen, "%s%s:%.*s", i > 0 ? " " : "", h->parts[i].bot ? "B" : "U", SV_FMT(h->parts[i].text));
    atomic_fetch_add(&jobs_histories, 1);
    loop_soon(the_loop, answer_history, p);
}

/* ---- jobs ---- */

struct question {
    turn_job_fn *fn;
    void *arg;
    char id[MESSAGE_ID_MAX + 1];
};

static void answer_job(void *arg)
{
    struct question *q = arg;
    struct buf job = { 0 };
    struct json_out o = { .b = &job };

    if (strcmp(q->id, "down") == 0) {
        q->fn(q->arg, STORE_DOWN, SV_NONE);
    } else if (strcmp(q->id, "unknown") == 0) {
        q->fn(q->arg, STORE_DONE, SV_NONE);
    } else if (jobs_script.job != NULL) {
        q->fn(q->arg, STORE_DONE, sv_from(jobs_script.job));
    } else {
        json_obj(&o);
        json_kstr(&o, "job_id", sv_from(q->id));
        json_obj_end(&o);
        q->fn(q->arg, STORE_DONE, buf_sv(&job));
    }
    buf_fini(&job);
    free(q);
}

void turns_job(struct turns *t, struct sv job_id, turn_job_fn *fn, void *arg)
{
    struct question *q = calloc(1, sizeof(*q));

    (void)t;
    if (q == NULL)
        abort();
    q->fn = fn;
    q->arg = arg;
    memcpy(q->id, job_id.p, job_id.n);
    atomic_fetch_add(&jobs_reads, 1);
    loop_soon(the_loop, answer_job, q);
}

/* ---- watchers ---- */

struct watch {
    struct watch *prev, *next;
    turns_fn *fn;
    void *arg;
};
static struct watch *first;

struct watch *turns_watch(struct turns *t, struct sv conversation_id, turns_fn *fn, void *arg)
{
    struct watch *w = calloc(1, sizeof(*w));

    (void)t, (void)conversation_id;
    if (w == NULL)
        abort();
    *w = (struct watch){ .next = first, .fn = fn, .arg = arg };
    if (first != NULL)
        first->prev = w;
    first = w;
    atomic_fetch_add(&jobs_watchers, 1);
    return w;
}

void turns_unwatch(struct watch *w)
{
    if (w == NULL)
        return;
    if (w->prev != NULL)
        w->prev->next = w->next;
    else
        first = w->next;
    if (w->next != NULL)
        w->next->prev = w->prev;
    atomic_fetch_sub(&jobs_watchers, 1);
    free(w);
}

void jobs_double_wake(void *arg)
{
    (void)arg;
    for (struct watch *w = first, *next; w != NULL; w = next) {
        next = w->next;
        w->fn(w->arg);
    }
}

bool turns_is_draining(const struct turns *t)
{
    (void)t;
    return jobs_script.draining;
}

void watches_wake(struct turns *t, struct sv conversation_id);
void watches_wake_all(struct turns *t);
void watches_free(struct turns *t);

/* What else is in watch.c, so that the library's is not linked. */
void watches_wake(struct turns *t, struct sv conversation_id)
{
    (void)t, (void)conversation_id;
}

void watches_wake_all(struct turns *t)
{
    (void)t;
}

void watches_free(struct turns *t)
{
    (void)t;
}
