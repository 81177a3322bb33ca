/* SPDX-License-Identifier: MIT
 * The worker's side of the archive in SQLite: owns the connection, takes all that waits, runs writes that stand together in as few transactions
 * as the others who need the file allow. Knows nothing of callbacks. */
#include "config.h"

#include "archive/archive_sqlite_inside.h"
#include "archive/archive_trial.h"
#include "archive/lite_erase.h"
#include "archive/lite_rows.h"
#include "archive/lite_services.h"
#include "archive/lite_tasks.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"

#define SLICE_US 4000 /* of one transaction: the turns of this host wait for the same file */

void sqlite_post(struct sqlite *s, struct job *j, enum archive_status status)
{
    j->status = status;
    j->posted = true; /* from here on it may be gone */
    if (loop_post(s->loop, sqlite_back, j))
        return;
    j->posted = false;
    log_error("out of memory: an answer of the archive", NULL); /* the deadline answers it, and closing frees it */
}

/* Whether the file takes harmless items, of which nothing stays. */
static bool passes_trial(struct sqlite *s, struct arena *a)
{
    struct item items[TRIAL_ITEMS];
    int rc = trial_items(a, NULL, items);

    if (rc != 0 || lite_item(s->lite) != 0)
        return false;
    for (size_t i = 0; rc == 0 && i < TRIAL_ITEMS; i++)
        rc = lite_write_item(s->lite, &items[i]);
    return rc == 0 && lite_item_undo(s->lite) == 0;
}

/* What an item says is to be erased; done when the others are written. */
struct to_erase {
    struct to_erase *next;
    struct lite_erasure erasure;
};

static int erase_later(struct job *j, const struct item *item)
{
    struct to_erase *e = arena_alloc(j->arena, sizeof(*e));

    if (e == NULL)
        return -1;
    e->erasure.what = (struct archive_erase){ item->erase->user ? ARCHIVE_USER : ARCHIVE_SESSION, item->erase->id, item->at_ms };
    e->erasure.tally.arena = j->arena;
    e->next = j->data;
    j->data = e;
    return 0;
}

/* The rows of one that cannot be wiped are gone all the same. That it will never be does not hold up all that comes behind it; whoever asks for an
 * erasure himself is told. */
static int erase_all(struct sqlite *s, const struct job *j)
{
    int rc = 0;

    for (struct to_erase *e = j->data; rc == 0 && e != NULL; e = e->next) {
        do
            rc = sqlite_erase_some(s, &e->erasure);
        while (rc > 0 && !atomic_load(&s->stop));
        if (rc < 0 && e->erasure.wipe && lite_trouble(s->lite) == LITE_ODD) {
            log_error("what was erased may be left in free parts of the state file", "reason", lite_text(s->lite), NULL);
            rc = 0;
        }
    }
    return rc == 0 ? 0 : -1;
}

/* -1: the whole transaction is lost. */
static int write_one(struct sqlite *s, struct job *j, size_t i)
{
    struct err e = { 0 };
    struct item item;
    bool odd;
    int left;

    if (item_parse(j->arena, j->items[i], &item, &e) != 0) {
        j->verdicts[i] = arena_str(j->arena, sv_from(e.text));
        return e.code == ERR_MEMORY || j->verdicts[i] == NULL ? -1 : 0;
    }
    if (item.erase != NULL)
        return erase_later(j, &item);
    left = lite_cut(s->lite, j->arena, &item);
    if (left <= 0)
        return left; /* it was erased before it came */
    if (lite_item(s->lite) != 0)
        return -1;
    if (lite_write_item(s->lite, &item) == 0)
        return lite_item_done(s->lite);
    odd = lite_trouble(s->lite) == LITE_ODD;
    if (!odd && lite_trouble(s->lite) != LITE_ROW)
        return -1;
    j->verdicts[i] = arena_printf(j->arena, "SQLite refused it: %s", lite_text(s->lite)).p;
    if (j->verdicts[i] == NULL)
        j->verdicts[i] = "SQLite refused it";
    if (lite_item_undo(s->lite) != 0)
        return -1;
    return odd && !passes_trial(s, j->arena) ? -1 : 0;
}

int sqlite_slice(struct sqlite *s, int64_t *began_us)
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
            rc = write_one(s, j, i) == 0 ? sqlite_slice(s, &began_us) : -1;
    *at = j;
    if (rc == 0)
        rc = lite_commit(s->lite, j != NULL);
    else
        lite_rollback(s->lite);
    s->commits += rc == 0;
    for (struct job *k = first; rc == 0 && k != j; k = k->queued)
        rc = erase_all(s, k);
    if (rc != 0)
        log_warning("the archive does not take a batch", "reason", lite_text(s->lite), NULL);
    for (; first != j; first = next) {
        next = first->queued;
        sqlite_post(s, first, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
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
    case JOB_JOB:
        return lite_read_job(s->lite, j->arena, j->id, &j->outcome);
    case JOB_SESSION:
        return item_is_id(j->id) ? lite_read_session(s->lite, j->arena, j->id, j->before_ms, &j->outcome, &j->customer) : 0;
    case JOB_CUSTOMER:
        return item_is_id(j->id) ? lite_read_customer(s->lite, j->arena, j->id, &j->customer) : 0;
    case JOB_SERVICES:
        return lite_services_read(s->lite, j->arena, j->known, &j->services);
    case JOB_STAT:
        j->commits = s->commits;
        return lite_read_size(s->lite, &j->size_bytes);
    case JOB_WRITE:
    case JOB_EDIT:
    case JOB_RETAIN:
    case JOB_OTHER:
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
    sqlite_post(s, j, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
}

static void edit_job(struct sqlite *s, struct job *j)
{
    int rc = lite_begin(s->lite, true);

    if (rc == 0)
        rc = lite_services_edit(s->lite, j->arena, &j->edit, &j->edited, &j->outcome);
    if (rc == 0 && j->edited == ARCHIVE_EDIT_DONE) {
        rc = lite_commit(s->lite, false);
        s->commits += rc == 0;
    } else {
        if (rc != 0 && lite_trouble(s->lite) == LITE_ROW) {
            j->edited = ARCHIVE_EDIT_REFUSED;
            rc = 0;
        }
        lite_rollback(s->lite);
    }
    if (rc != 0 || j->edited == ARCHIVE_EDIT_REFUSED)
        log_warning("the archive does not take an edit", "reason", lite_text(s->lite), NULL);
    sqlite_post(s, j, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
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
        if (lite_forget_message(s->lite, pairs + 2 * i, &gone) != 0 || sqlite_slice(s, &began_us) != 0)
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
    sqlite_post(s, j, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
}

static void queue_again(struct sqlite *s, struct job *j)
{
    (void)pthread_mutex_lock(&s->mutex);
    j->queued = NULL;
    *s->queue_end = j;
    s->queue_end = &j->queued;
    (void)pthread_mutex_unlock(&s->mutex);
}

static void other_job(struct sqlite *s, struct job *j)
{
    const struct job_type *type = j->type;
    int rc = type->mode == JOB_ALONE ? 0 : lite_begin(s->lite, type->mode == JOB_WRITES);
    bool begun = rc == 0;

    if (begun)
        rc = type->run(s, j);
    if (rc > 0) {
        queue_again(s, j);
        return;
    }
    if (begun && rc == 0 && type->mode == JOB_WRITES) {
        rc = lite_commit(s->lite, false);
        s->commits += rc == 0;
    } else if (begun && (rc != 0 || type->mode == JOB_READS)) {
        lite_rollback(s->lite);
    }
    if (rc != 0)
        log_warning(type->trouble, "reason", lite_text(s->lite), NULL);
    sqlite_post(s, j, rc == 0 ? ARCHIVE_DONE : ARCHIVE_DOWN);
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

void *sqlite_worker(void *arg)
{
    struct sqlite *s = arg;

    while (!atomic_load(&s->stop)) {
        struct job *j = wait_for_jobs(s);
        while (j != NULL && !atomic_load(&s->stop)) { /* what is left then is answered by close */
            if (j->kind == JOB_WRITE) {
                write_group(s, &j);
            } else {
                struct job *next = j->queued; /* before it is queued again, or gone */
                if (j->kind == JOB_RETAIN)
                    retain_job(s, j);
                else if (j->kind == JOB_EDIT)
                    edit_job(s, j);
                else if (j->kind == JOB_OTHER)
                    other_job(s, j);
                else
                    read_job(s, j);
                j = next;
            }
        }
    }
    return NULL;
}
