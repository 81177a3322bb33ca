/* SPDX-License-Identifier: MIT
 * The archive in the file of the embedded store. Two sides:
 *
 *   the loop's thread   copies what a call brings into a job, queues it, answers it when it comes back, or DOWN when that takes too long
 *   the worker          owns the connection; takes all that waits, runs writes that stand together in as few transactions as
 *                       the others who need the file allow
 *
 * A job belongs to the worker from when it is queued until it is posted back, but for what is marked as the loop's. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/archive.h"
#include "archive/lite_rows.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define TIMEOUT_MS 5000
#define BYTES_PER_MS 1024 /* what a write gets on top of that: a disk that is slower than 1 MB/s ... */
#define ITEM_MS 5         /* ... and 200 items/s counts as down */
#define SLICE_US 4000 /* of one transaction: the turns of this host wait for the same file */
#define QUEUE_MAX 10000
#define PROBE_MS 1000 /* when the file could not be used: between looks whether it can be again */
#define ARENA_MAX (512u << 20)

enum job_kind { JOB_WRITE, JOB_CONTEXT, JOB_MESSAGE, JOB_STAT, JOB_RETAIN };

struct job {
    struct job *queued; /* the next one that waits. Guarded by the mutex */
    bool posted;        /* comes back to the loop. The worker's, and close's after it */

    struct sqlite *owner;      /* NULL: closed. Loop */
    struct job *next, **link;  /* all that are not back, oldest first. Loop */
    bool answered;             /* Loop */
    int64_t deadline_ms;

    struct arena *arena; /* all below, and the job itself */
    enum job_kind kind;
    struct sv *items; /* WRITE */
    size_t n, bytes;
    struct sv conversation_id, message_id; /* CONTEXT, MESSAGE */
    size_t max;
    int64_t before_ms; /* RETAIN */
    union {
        archive_write_fn *write;
        archive_context_fn *context;
        archive_message_fn *message;
        archive_stat_fn *stat;
        archive_retain_fn *retain;
    } fn;
    void *arg;

    enum archive_status status;
    const char **verdicts;
    struct entries entries;
    struct sv outcome;
    int64_t size_bytes, commits;
    size_t deleted;
};

struct sqlite {
    struct archive archive;
    struct loop *loop;
    struct loop_timer *timer, *probe; /* for the oldest job; while it is not up */
    char *path;
    struct job *first, **end; /* all jobs that are not back */
    size_t jobs_n;
    int64_t latest_ms; /* deadline of the last one */
    bool up;

    struct lite *lite; /* the worker's */
    int64_t commits;   /* the worker's */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct job *queue, **queue_end; /* guarded by mutex */
    atomic_bool stop;
};

/* ---- the worker ---- */

static void on_back(void *arg);

static void post(struct sqlite *s, struct job *j, enum archive_status status)
{
    j->status = status;
    j->posted = true; /* from here on it may be gone */
    if (loop_post(s->loop, on_back, j))
        return;
    j->posted = false;
    log_error("out of memory: an answer of the archive", NULL); /* the deadline answers it, and closing frees it */
}

/* -1: the whole transaction is lost. */
static int write_one(struct sqlite *s, struct job *j, size_t i)
{
    struct err e = { 0 };
    struct item item;

    if (item_parse(j->arena, j->items[i], &item, &e) != 0) {
        j->verdicts[i] = arena_str(j->arena, sv_from(e.text));
        return e.code == ERR_MEMORY || j->verdicts[i] == NULL ? -1 : 0;
    }
    if (lite_item(s->lite) != 0)
        return -1;
    if (lite_write_item(s->lite, &item) == 0)
        return lite_item_done(s->lite);
    if (lite_trouble(s->lite) != LITE_ROW)
        return -1;
    j->verdicts[i] = arena_printf(j->arena, "SQLite refused it: %s", lite_text(s->lite)).p;
    if (j->verdicts[i] == NULL)
        j->verdicts[i] = "SQLite refused it";
    return lite_item_undo(s->lite);
}

/* Commits what has been written for SLICE_US and goes on in a new transaction, with a rest between them for whoever waits. */
static int slice(struct sqlite *s, int64_t *began_us)
{
    if (clock_mono_us() - *began_us < SLICE_US)
        return 0;
    if (lite_commit(s->lite, true) != 0)
        return -1;
    s->commits++;
    if (lite_begin(s->lite, true) != 0)
        return -1;
    *began_us = clock_mono_us();
    return 0;
}

/* Writes that stand together, from *at on; all end in the same way. Leaves *at behind them. When it fails halfway, what is committed already
 * is written again some time, which changes nothing. */
static void write_group(struct sqlite *s, struct job **at)
{
    struct job *first = *at, *j = first, *next;
    int rc = lite_begin(s->lite, true);
    int64_t began_us = clock_mono_us();

    for (; j != NULL && j->kind == JOB_WRITE; j = j->queued)
        for (size_t i = 0; rc == 0 && i < j->n; i++)
            rc = write_one(s, j, i) == 0 ? slice(s, &began_us) : -1;
    *at = j;
    if (rc == 0)
        rc = lite_commit(s->lite, j != NULL);
    else
        lite_rollback(s->lite);
    if (rc != 0)
        log_warning("the archive does not take a batch", "reason", lite_text(s->lite), NULL);
    s->commits += rc == 0;
    for (; first != j; first = next) {
        next = first->queued;
        post(s, first, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
    }
}

static int read_one(struct sqlite *s, struct job *j)
{
    switch (j->kind) {
    case JOB_CONTEXT:
        if (entries_init(&j->entries, j->arena, j->max) != 0)
            return -1;
        return item_is_id(j->conversation_id) ? lite_read_context(s->lite, j->conversation_id, &j->entries) : 0;
    case JOB_MESSAGE:
        if (!item_is_id(j->conversation_id) || !item_is_id(j->message_id))
            return 0;
        return lite_read_outcome(s->lite, j->arena, j->conversation_id, j->message_id, &j->outcome);
    case JOB_STAT:
        j->commits = s->commits;
        return lite_read_size(s->lite, &j->size_bytes);
    case JOB_WRITE:
    case JOB_RETAIN:
        break;
    }
    return -1;
}

static void read_job(struct sqlite *s, struct job *j)
{
    int rc = lite_begin(s->lite, false);

    if (rc == 0) {
        rc = read_one(s, j);
        lite_rollback(s->lite);
    }
    if (rc != 0)
        log_warning("the archive cannot be read", "reason", lite_text(s->lite), NULL);
    post(s, j, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
}

/* What is committed already when it fails halfway stays deleted. */
static int forget_old(struct sqlite *s, struct job *j)
{
    struct sv *pairs;
    size_t n, gone;
    int64_t began_us;

    if (lite_begin(s->lite, true) != 0)
        return -1;
    began_us = clock_mono_us();
    if (lite_read_old(s->lite, j->arena, j->before_ms, j->max, &pairs, &n) != 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (lite_forget_message(s->lite, pairs + 2 * i, &gone) != 0 || slice(s, &began_us) != 0)
            return -1;
        j->deleted += gone;
    }
    if (lite_commit(s->lite, true) != 0)
        return -1;
    s->commits++;
    return 0;
}

static void retain_job(struct sqlite *s, struct job *j)
{
    int rc = forget_old(s, j);

    if (rc != 0) {
        lite_rollback(s->lite);
        log_warning("the archive does not forget what is old", "reason", lite_text(s->lite), NULL);
    }
    post(s, j, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
}

static struct job *wait_for_jobs(struct sqlite *s)
{
    struct job *jobs;

    (void)pthread_mutex_lock(&s->mutex);
    while (s->queue == NULL && !atomic_load(&s->stop))
        (void)pthread_cond_wait(&s->wake, &s->mutex);
    jobs = s->queue;
    s->queue = NULL;
    s->queue_end = &s->queue;
    (void)pthread_mutex_unlock(&s->mutex);
    return jobs;
}

static void *worker(void *arg)
{
    struct sqlite *s = arg;

    while (!atomic_load(&s->stop)) {
        struct job *j = wait_for_jobs(s);
        while (j != NULL && !atomic_load(&s->stop)) { /* what is left then is answered by close */
            if (j->kind == JOB_WRITE) {
                write_group(s, &j);
            } else {
                struct job *next = j->queued;
                if (j->kind == JOB_RETAIN)
                    retain_job(s, j);
                else
                    read_job(s, j);
                j = next;
            }
        }
    }
    return NULL;
}

/* ---- the loop's side ---- */

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
    case JOB_STAT:
        answer_stat(j, status);
        return;
    case JOB_RETAIN:
        j->fn.retain(j->arg, status, done ? j->deleted : 0);
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

static void on_back(void *arg)
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
        post(s, j, ARCHIVE_DOWN);
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
    .write = sqlite_write,
    .context = sqlite_context,
    .message = sqlite_message,
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
    rc = pthread_create(&s->thread, NULL, worker, s);
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
