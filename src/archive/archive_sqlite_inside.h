/* SPDX-License-Identifier: MIT
 * What the two sides of the archive in SQLite share (archive_sqlite.c says how): a job belongs to the worker from when it is queued until it is
 * posted back, but for what is marked as the loop's. */
#ifndef ARCHIVE_ARCHIVE_SQLITE_INSIDE_H
#define ARCHIVE_ARCHIVE_SQLITE_INSIDE_H

#include <pthread.h>

#include "archive/archive_entry.h"
#include "archive/archive_history.h"
#include "archive/lite.h"

enum job_kind { JOB_WRITE, JOB_CONTEXT, JOB_MESSAGE, JOB_JOB, JOB_SESSION, JOB_CUSTOMER, JOB_SERVICES, JOB_EDIT, JOB_STAT, JOB_RETAIN, JOB_OTHER };

struct job;
struct sqlite;

/* What a call is that has a file of its own (lite_history.c ...). */
enum job_mode {
    JOB_READS,  /* run is called inside a transaction that is undone */
    JOB_WRITES, /* ... inside one that is committed when it returns 0 */
    JOB_ALONE,  /* ... outside: it makes its own. After -1 one that is open is undone */
};
struct job_type {
    enum job_mode mode;
    const char *trouble;                                       /* for the log, when run fails */
    int (*run)(struct sqlite *s, struct job *j);               /* the worker's. -1: DOWN; 1, ALONE: it has more to do, behind those that wait */
    void (*answer)(struct job *j, enum archive_status status); /* the loop's; what run has found counts with DONE only */
};

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
    const struct job_type *type;           /* OTHER */
    void *data;                            /* OTHER: the type's own, in the arena. WRITE: the worker's */
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
        void (*other)(void); /* as the type knows it */
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

/* A call of a type with its data zeroed, to be filled and submitted. `complete`: false when memory was short for what it needs: DOWN. */
struct job *sqlite_job_new(struct archive *a, const struct job_type *type, size_t data_size, void *arg) MUST_CHECK;
void sqlite_job_submit(struct job *j, bool complete);
extern const struct archive_history_ops lite_history_ops;
void lite_erase_call(struct archive *a, const struct archive_erase *what, archive_erased_fn *fn, void *arg);
void lite_erase_ids_call(struct archive *a, struct sv session_id, int64_t at_ms, archive_erased_fn *fn, void *arg);
void lite_receipt_call(struct archive *a, struct sv erasure_id, struct sv counts, archive_done_fn *fn, void *arg);
void lite_export_call(struct archive *a, const struct archive_export *what, archive_export_fn *fn, void *arg);

/* The worker's: commits what has been written when that took long, and goes on in a new transaction, with a rest between them for whoever waits. */
int sqlite_slice(struct sqlite *s, int64_t *began_us) MUST_CHECK;
struct lite_erasure;
/* The worker's: one transaction of an erasure. 1: there is more to do; 0: it is done; -1. */
int sqlite_erase_some(struct sqlite *s, struct lite_erasure *e) MUST_CHECK;
/* The worker's thread: arg is a struct sqlite. Ends when `stop` is set. */
void *sqlite_worker(void *arg);
/* Either side's: hands a job back to the loop. */
void sqlite_post(struct sqlite *s, struct job *j, enum archive_status status);
/* The loop's, called for a job that was posted. */
void sqlite_back(void *arg);

#endif
