/* SPDX-License-Identifier: MIT
 * What the two sides of the archive in SQLite share (archive_sqlite.c says how): a job belongs to the worker from when it is queued until it is
 * posted back, but for what is marked as the loop's. */
#ifndef ARCHIVE_ARCHIVE_SQLITE_INSIDE_H
#define ARCHIVE_ARCHIVE_SQLITE_INSIDE_H

#include <pthread.h>

#include "archive/archive.h"
#include "archive/archive_entry.h"
#include "archive/lite.h"

enum job_kind { JOB_WRITE, JOB_CONTEXT, JOB_MESSAGE, JOB_JOB, JOB_SESSION, JOB_CUSTOMER, JOB_SERVICES, JOB_EDIT, JOB_STAT, JOB_RETAIN };

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
    struct sv id;                          /* JOB, SESSION, CUSTOMER */
    int64_t known;                         /* SERVICES */
    struct archive_edit edit;              /* EDIT */
    size_t max;
    int64_t before_ms; /* RETAIN, SESSION */
    union {
        archive_write_fn *write;
        archive_context_fn *context;
        archive_message_fn *message;
        archive_job_fn *job;
        archive_session_fn *session;
        archive_customer_fn *customer;
        archive_services_fn *services;
        archive_edit_fn *edit;
        archive_stat_fn *stat;
        archive_retain_fn *retain;
    } fn;
    void *arg;

    enum archive_status status;
    const char **verdicts;
    struct entries entries;
    struct sv outcome;  /* MESSAGE, JOB, SESSION; EDIT: the row */
    struct sv customer; /* SESSION, CUSTOMER */
    struct archive_services services;
    enum archive_edited edited;
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

/* The worker's thread: arg is a struct sqlite. Ends when `stop` is set. */
void *sqlite_worker(void *arg);
/* Either side's: hands a job back to the loop. */
void sqlite_post(struct sqlite *s, struct job *j, enum archive_status status);
/* The loop's, called for a job that was posted. */
void sqlite_back(void *arg);

#endif
