/* SPDX-License-Identifier: MIT
 * The archive in the file of the embedded store. Two sides:
 *
 *   the loop's thread   here: copies what a call brings into a job, queues it, answers it when it comes back, or DOWN when that takes too long
 *   the worker          archive_sqlite_worker.c: owns the connection */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/archive_item.h"
#include "archive/archive_sqlite_inside.h"
#include "archive/lite_sql.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define TIMEOUT_MS 5000
#define BYTES_PER_MS 1024 /* what a write gets on top of that: a disk that is slower than 1 MB/s ... */
#define ITEM_MS 5         /* ... and 200 items/s counts as down */
#define QUEUE_MAX 10000
#define PROBE_MS 1000 /* when the file could not be used: between looks whether it can be again */
#define ARENA_MAX (512u << 20)

/* ---- answers ---- */

static void answer_stat(struct job *j, enum archive_status status)
{
    char text[160];
    struct archive_stat stat = { .up = status == ARCHIVE_DONE, .pool_size = 1, .in_use = j->owner->jobs_n > 0, .text = SV("{}") };

    if (status == ARCHIVE_DONE) {
        (void)snprintf(text, sizeof(text), "{\"connections\":1,\"database_size_bytes\":%lld,\"commit_total\":%lld}",
                       (long long)j->size_bytes, (long long)j->commits);
        stat.text = sv_from(text);
    }
    j->fn.stat(j->arg, status, &stat);
}

static void answer(struct job *j, enum archive_status status)
{
    bool done = status == ARCHIVE_DONE;

    if (j->answered)
        return;
    j->answered = true;
    switch (j->kind) {
    case JOB_WRITE:
        j->fn.write(j->arg, status, done ? j->verdicts : NULL);
        return;
    case JOB_CONTEXT:
        j->fn.context(j->arg, status, done && j->entries.n > 0 ? entries_list(&j->entries) : NULL, done ? j->entries.n : 0);
        return;
    case JOB_MESSAGE:
        j->fn.message(j->arg, status, done ? j->outcome : SV_NONE);
        return;
    case JOB_JOB:
        j->fn.job(j->arg, status, done ? j->outcome : SV_NONE);
        return;
    case JOB_SESSION:
        j->fn.session(j->arg, status, done ? j->outcome : SV_NONE, done ? j->customer : SV_NONE);
        return;
    case JOB_CUSTOMER:
        j->fn.customer(j->arg, status, done ? j->customer : SV_NONE);
        return;
    case JOB_SERVICES:
        j->fn.services(j->arg, status, done ? &j->services : NULL);
        return;
    case JOB_EDIT:
        done = done && j->edited == ARCHIVE_EDIT_DONE;
        j->fn.edit(j->arg, status, status == ARCHIVE_DONE ? j->edited : ARCHIVE_EDIT_REFUSED, done ? j->outcome : SV_NONE);
        return;
    case JOB_STAT:
        answer_stat(j, status);
        return;
    case JOB_RETAIN:
        j->fn.retain(j->arg, status, done ? j->deleted : 0);
        return;
    case JOB_OTHER:
        j->type->answer(j, status);
        return;
    }
}

static void job_free(struct job *j)
{
    arena_free(j->arena);
}

static void set_timer(struct sqlite *s)
{
    const struct job *j = s->first;

    while (j != NULL && j->answered)
        j = j->next;
    if (j == NULL)
        loop_timer_stop(s->timer);
    else
        loop_timer_set(s->timer, j->deadline_ms - clock_mono_ms());
}

/* Only to be called for jobs that are in the list. */
static void unlist(struct job *j)
{
    struct sqlite *s = j->owner;

    *j->link = j->next;
    if (j->next != NULL)
        j->next->link = j->link;
    else
        s->end = j->link;
    s->jobs_n--;
}

static void set_up(struct sqlite *s, bool up)
{
    if (!up && !loop_timer_is_set(s->probe))
        loop_timer_set(s->probe, PROBE_MS);
    s->up = up;
}

void sqlite_back(void *arg)
{
    struct job *j = arg;
    struct sqlite *s = j->owner;

    if (s != NULL) {
        unlist(j);
        set_up(s, j->status == ARCHIVE_DONE);
        set_timer(s);
        answer(j, j->status); /* last: the archive may be closed in it */
    }
    job_free(j);
}

static void on_timer(void *arg)
{
    struct sqlite *s = arg;
    struct job *j = s->first;

    while (j != NULL && (j->answered || j->deadline_ms > clock_mono_ms()))
        j = j->next;
    if (j == NULL) {
        set_timer(s);
        return;
    }
    set_up(s, false);
    loop_timer_set(s->timer, 0); /* for the next one */
    answer(j, ARCHIVE_DOWN);
}

/* ---- calls ---- */

static struct job *job_new(struct archive *a, enum job_kind kind, void *arg)
{
    struct arena *arena = arena_new(0, ARENA_MAX);
    struct job *j = arena != NULL ? arena_alloc(arena, sizeof(*j)) : NULL;

    if (j == NULL) {
        log_error("out of memory: a call of the archive", NULL);
        abort();
    }
    j->owner = CONTAINER_OF(a, struct sqlite, archive);
    j->arena = arena;
    j->kind = kind;
    j->arg = arg;
    return j;
}

/* `complete`: false when memory was short for what it needs. */
static void submit(struct job *j, bool complete)
{
    struct sqlite *s = j->owner;

    j->deadline_ms = clock_mono_ms() + TIMEOUT_MS + (int64_t)(j->bytes / BYTES_PER_MS + j->n * ITEM_MS);
    if (j->deadline_ms < s->latest_ms)
        j->deadline_ms = s->latest_ms; /* it waits behind that one */
    s->latest_ms = j->deadline_ms;
    j->link = s->end;
    *s->end = j;
    s->end = &j->next;
    s->jobs_n++;
    if (!complete || s->jobs_n > QUEUE_MAX) {
        sqlite_post(s, j, ARCHIVE_DOWN);
        return;
    }
    (void)pthread_mutex_lock(&s->mutex);
    *s->queue_end = j;
    s->queue_end = &j->queued;
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->mutex);
    if (!loop_timer_is_set(s->timer))
        set_timer(s);
}

struct job *sqlite_job_new(struct archive *a, const struct job_type *type, size_t data_size, void *arg)
{
    struct job *j = job_new(a, JOB_OTHER, arg);

    j->type = type;
    j->data = arena_alloc(j->arena, data_size);
    if (j->data == NULL) {
        log_error("out of memory: a call of the archive", NULL);
        abort();
    }
    return j;
}

void sqlite_job_submit(struct job *j, bool complete)
{
    submit(j, complete);
}

static bool copy_items(struct job *j, const struct sv *items, size_t n)
{
    j->items = arena_array(j->arena, n, sizeof(*j->items));
    j->verdicts = arena_array(j->arena, n, sizeof(const char *));
    j->n = n;
    for (size_t i = 0; j->items != NULL && i < n; i++) {
        j->bytes += items[i].n;
        j->items[i] = arena_sv(j->arena, items[i]);
        if (j->items[i].p == NULL && items[i].p != NULL)
            return false;
    }
    return j->items != NULL && j->verdicts != NULL;
}

static void sqlite_write(struct archive *a, const struct sv *items, size_t n, archive_write_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_WRITE, arg);

    j->fn.write = fn;
    submit(j, copy_items(j, items, n));
}

static void sqlite_context(struct archive *a, struct sv conversation_id, size_t max, archive_context_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_CONTEXT, arg);

    j->fn.context = fn;
    j->max = max;
    j->conversation_id = arena_sv(j->arena, conversation_id);
    submit(j, j->conversation_id.p != NULL || conversation_id.p == NULL);
}

static void sqlite_message(struct archive *a, struct sv conversation_id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_MESSAGE, arg);

    j->fn.message = fn;
    j->conversation_id = arena_sv(j->arena, conversation_id);
    j->message_id = arena_sv(j->arena, message_id);
    submit(j, (j->conversation_id.p != NULL || conversation_id.p == NULL) && (j->message_id.p != NULL || message_id.p == NULL));
}

static void sqlite_job(struct archive *a, struct sv job_id, archive_job_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_JOB, arg);
    unsigned char uuid[ITEM_UUID_BYTES];
    bool is_uuid = item_uuid_parse(job_id, uuid);

    j->fn.job = fn;
    j->id = is_uuid ? arena_sv(j->arena, job_id) : SV_NONE; /* no other can be there */
    submit(j, j->id.p != NULL || !is_uuid);
}

static void sqlite_session(struct archive *a, struct sv session_id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_SESSION, arg);

    j->fn.session = fn;
    j->before_ms = before_ms;
    j->id = arena_sv(j->arena, session_id);
    submit(j, j->id.p != NULL || session_id.p == NULL);
}

static void sqlite_customer(struct archive *a, struct sv sender_id, archive_customer_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_CUSTOMER, arg);

    j->fn.customer = fn;
    j->id = arena_sv(j->arena, sender_id);
    submit(j, j->id.p != NULL || sender_id.p == NULL);
}

static void sqlite_services(struct archive *a, int64_t known, archive_services_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_SERVICES, arg);

    j->fn.services = fn;
    j->known = known;
    submit(j, true);
}

static void sqlite_edit(struct archive *a, const struct archive_edit *edit, archive_edit_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_EDIT, arg);

    j->fn.edit = fn;
    j->edit = *edit;
    j->edit.name = arena_sv(j->arena, edit->name);
    j->edit.row = arena_sv(j->arena, edit->row);
    submit(j, (j->edit.name.p != NULL || edit->name.p == NULL) && (j->edit.row.p != NULL || edit->row.p == NULL));
}

static void sqlite_stat(struct archive *a, archive_stat_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_STAT, arg);

    j->fn.stat = fn;
    submit(j, true);
}

static void sqlite_retain(struct archive *a, int64_t older_than_ms, size_t max, archive_retain_fn *fn, void *arg)
{
    struct job *j = job_new(a, JOB_RETAIN, arg);

    j->fn.retain = fn;
    j->before_ms = older_than_ms;
    j->max = max;
    j->n = max; /* for its deadline */
    submit(j, true);
}

static void probed(void *arg, enum archive_status status, const struct archive_stat *stat)
{
    (void)arg, (void)status, (void)stat; /* coming back has set what there is to know */
}

static void on_probe(void *arg)
{
    struct sqlite *s = arg;

    if (!s->up)
        sqlite_stat(&s->archive, probed, NULL);
}

static bool sqlite_is_up(const struct archive *a)
{
    return ((const struct sqlite *)a)->up;
}

/* ---- life ---- */

static void free_all(struct sqlite *s)
{
    lite_close(s->lite);
    loop_timer_free(s->timer);
    loop_timer_free(s->probe);
    (void)pthread_cond_destroy(&s->wake);
    (void)pthread_mutex_destroy(&s->mutex);
    free(s->path);
    free(s);
}

static void sqlite_close(struct archive *a)
{
    struct sqlite *s = CONTAINER_OF(a, struct sqlite, archive);

    (void)pthread_mutex_lock(&s->mutex);
    atomic_store(&s->stop, true);
    (void)pthread_cond_signal(&s->wake);
    (void)pthread_mutex_unlock(&s->mutex);
    (void)pthread_join(s->thread, NULL);
    while (s->first != NULL) {
        struct job *j = s->first;
        unlist(j);
        answer(j, ARCHIVE_DOWN);
        j->owner = NULL;
        if (!j->posted)
            job_free(j);
    }
    free_all(s);
}

static const struct archive_ops ops = {
    .name = "SQLite",
    .history = &lite_history_ops,
    .write = sqlite_write,
    .context = sqlite_context,
    .message = sqlite_message,
    .job = sqlite_job,
    .session = sqlite_session,
    .customer = sqlite_customer,
    .services = sqlite_services,
    .edit = sqlite_edit,
    .stat = sqlite_stat,
    .retain = sqlite_retain,
    .is_up = sqlite_is_up,
    .close = sqlite_close,
};

static int start(struct sqlite *s, struct err *e)
{
    sigset_t all, before;
    int rc;

    s->lite = lite_open(&(struct lite_options){ .path = s->path,
                                                .sql = lite_sql,
                                                .sql_n = LITE_SQL_N,
                                                .timeout_ms = TIMEOUT_MS,
                                                .give_up = &s->stop }, e);
    if (s->lite == NULL)
        return -1;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop's thread */
    rc = pthread_create(&s->thread, NULL, sqlite_worker, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc == 0 ? 0 : err_set_errno(e, rc, "a thread for the archive");
}

struct archive *archive_sqlite_open(struct loop *l, const char *path, struct err *e)
{
    struct sqlite *s;

    if (strcmp(path, ":memory:") == 0) {
        (void)err_set(e, ERR_INVALID, "the archive needs a file: %s has no tables", path);
        return NULL;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for the archive");
        return NULL;
    }
    s->archive.ops = &ops;
    s->loop = l;
    s->end = &s->first;
    s->queue_end = &s->queue;
    s->up = true;
    (void)pthread_mutex_init(&s->mutex, NULL);
    (void)pthread_cond_init(&s->wake, NULL);
    s->path = strdup(path);
    s->timer = loop_timer_new(l, on_timer, s);
    s->probe = loop_timer_new(l, on_probe, s);
    if (s->path == NULL || s->timer == NULL || s->probe == NULL)
        (void)err_set(e, ERR_MEMORY, "no memory for the archive");
    else if (start(s, e) == 0)
        return &s->archive;
    free_all(s);
    return NULL;
}
