/* SPDX-License-Identifier: MIT
 * See sqlite_thread.h. A transaction runs at most GROUP_MAX operations, so that other processes wait no longer than
 * some milliseconds. When the database fails in the middle of a group, all of it is undone and each operation is tried
 * alone, so only the one that cannot be done is answered with the failure.
 *
 * Events of other processes are looked for every poll_ms while there is nothing to do: PRAGMA data_version first, which
 * costs a look at the file's first page; the table is read only when somebody has committed. Transactions of our own
 * read it in passing. */
#include "config.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "store/sqlite_thread.h"

#define GROUP_MAX 256
#define SWEEP_EVERY_MS 1000
#define SWEEP_ROWS 200
#define SWEEP_LOGS 10 /* each may have some hundred rows */
#define WIPE_AGAIN_MS 5000
#define REOPEN_AFTER 20 /* polls without success, then the file is opened anew */
#define NOT_BEGUN -2

struct ops {
    struct op *first, **last;
};

struct sqlite_thread {
    struct store_sqlite_options o;
    int event_fd;
    pthread_t thread;

    pthread_mutex_t mutex; /* guards the next five */
    pthread_cond_t wake;
    struct ops waiting, done;
    struct answer *events, **events_last;
    bool closing;

    atomic_bool up;
    atomic_bool listens;

    struct session x; /* from here on the thread's own */
    int64_t data_version, event_seen;
    int64_t sweep_at_ms; /* monotonic */
    int64_t wipe_at_ms;  /* the same: not again before that, when it went wrong */
    bool more_to_sweep, told_trouble, told_unwiped;
    unsigned polls_down;
};

static void ops_init(struct ops *l)
{
    l->first = NULL;
    l->last = &l->first;
}

static void ops_add(struct ops *l, struct op *op)
{
    op->next = NULL;
    *l->last = op;
    l->last = &op->next;
}

/* ---- one transaction ---- */

_Static_assert(sizeof(union counts) == sizeof((union counts){ 0 }.all), "every number is a column");

static int read_counts(struct session *x)
{
    if (db_ask(x->db, SQL_COUNTS, DB_NO_ARGS) != 1)
        return -1;
    for (int i = 0; i < (int)ARRAY_LEN(x->counts.all); i++)
        x->counts.all[i] = db_int(x->db, SQL_COUNTS, i);
    db_end(x->db, SQL_COUNTS);
    return 0;
}

static int write_counts(struct session *x)
{
    struct db_arg args[ARRAY_LEN(x->counts.all)];
    for (size_t i = 0; i < ARRAY_LEN(args); i++)
        args[i] = db_i(x->counts.all[i]);
    return db_do(x->db, SQL_COUNTS_SET, args, ARRAY_LEN(args));
}

static struct answer *event_of(enum answer_kind kind, struct sv event)
{
    struct answer *a = answer_new(&(struct answer){ .kind = kind, .status = STORE_DONE, .is.value = event });
    if (!answer_keep(a, &a->is.value)) { /* the subscribers are told that they may have missed something */
        a->kind = ANSWER_EVENT;
        a->is.value = SV_NONE;
    }
    return a;
}

/* All events after the last one that was seen, ours too; a gap is told as SV_NONE. Chained at *end. */
static int read_events(struct sqlite_thread *t, struct answer **end, int64_t *seen)
{
    *seen = t->event_seen;
    if (t->x.counts.event_next == t->event_seen + 1)
        return 0;
    int rc = db_ask(t->x.db, SQL_EVENTS, DB_ARGS(db_i(t->event_seen)));
    for (; rc == 1; rc = db_next(t->x.db, SQL_EVENTS)) {
        int64_t seq = db_int(t->x.db, SQL_EVENTS, 0);
        if (seq != *seen + 1) {
            *end = event_of(ANSWER_EVENT, SV_NONE);
            end = &(*end)->next;
        }
        struct sv push = db_text(t->x.db, SQL_EVENTS, 2);
        if (db_int(t->x.db, SQL_EVENTS, 3) != 0) {
            *end = event_of(ANSWER_EVENT, db_text(t->x.db, SQL_EVENTS, 1));
            end = &(*end)->next;
        }
        if (push.p != NULL && atomic_load(&t->listens)) {
            *end = event_of(ANSWER_PUSH, push);
            end = &(*end)->next;
        }
        *seen = seq;
    }
    return rc;
}

static void free_events(struct answer *a)
{
    while (a != NULL) {
        struct answer *next = a->next;
        answer_free(a);
        a = next;
    }
}

static int sweep(struct sqlite_thread *t)
{
    int64_t now_ms = clock_mono_ms();
    if (!t->more_to_sweep && now_ms < t->sweep_at_ms)
        return 0;
    t->sweep_at_ms = now_ms + SWEEP_EVERY_MS;
    const struct db_arg args[] = { db_i(clock_wall_ms()), db_i(SWEEP_ROWS) };
    if (db_do(t->x.db, SQL_MARKS_SWEEP, args, 2) != 0)
        return -1;
    t->more_to_sweep = db_changes(t->x.db) == SWEEP_ROWS;
    if (db_do(t->x.db, SQL_VALUES_SWEEP, args, 2) != 0)
        return -1;
    const struct db_arg logs[] = { args[0], db_i(SWEEP_LOGS) };
    if (db_do(t->x.db, SQL_TEXTS_SWEEP, args, 2) != 0 || db_do(t->x.db, SQL_LOGS_SWEEP, logs, 2) != 0 ||
        db_do(t->x.db, SQL_LOGS_SWEPT, logs, 2) != 0 || op_history_sweep(&t->x, args[0].i, HISTORY_SWEEP) != 0)
        return -1;
    return db_do(t->x.db, SQL_FORGOTTEN_SWEEP, args, 2);
}

static int run_all(struct sqlite_thread *t, struct op *first, const struct op *end, struct answer **events,
                   int64_t *seen)
{
    bool writes = false;
    for (const struct op *op = first; op != end && !writes; op = op->next)
        writes = op_writes(op);
    if (db_begin(t->x.db, writes) != 0)
        return NOT_BEGUN;
    if (read_counts(&t->x) != 0)
        return -1;
    union counts before = t->x.counts;
    for (struct op *op = first; op != end; op = op->next) {
        if (op_run(&t->x, op) != 0)
            return -1;
    }
    if (writes && sweep(t) != 0)
        return -1;
    if (memcmp(&before, &t->x.counts, sizeof before) != 0 && write_counts(&t->x) != 0)
        return -1;
    return read_events(t, events, seen);
}

static void up(struct sqlite_thread *t)
{
    t->told_trouble = false;
    t->polls_down = 0;
    if (!atomic_exchange(&t->up, true))
        log_info("state file: usable", "path", t->o.path, NULL);
}

/* Noted in the file, so whoever opens it next does it when this process cannot. */
static void wipe(struct sqlite_thread *t)
{
    struct err e;
    if (!t->x.wipe || (t->told_unwiped && clock_mono_ms() < t->wipe_at_ms))
        return;
    t->x.wipe = db_wipe(t->x.db, &e) != 0;
    if (t->x.wipe && !t->told_unwiped)
        log_error("state file: what was erased could not be wiped, it is tried again", "path", t->o.path, "why", e.text, NULL);
    t->told_unwiped = t->x.wipe;
    t->wipe_at_ms = clock_mono_ms() + WIPE_AGAIN_MS;
}

/* Runs operations from `first` up to, not with, `end`. -1: nothing was done; NOT_BEGUN: the file cannot be had. *events
 * gets what was heard. The lock may still be held when it returns. */
static int transaction(struct sqlite_thread *t, struct op *first, const struct op *end, struct answer **events)
{
    bool was_up = atomic_load(&t->up);
    int64_t seen = 0;
    *events = NULL;
    int rc = run_all(t, first, end, events, &seen);
    if (rc == 0)
        rc = db_commit(t->x.db);
    if (rc == 0) {
        t->event_seen = seen;
        up(t);
        wipe(t);
        if (!was_up) { /* whoever waits for something shall read it again */
            struct answer *a = event_of(ANSWER_EVENT, SV_NONE);
            a->next = *events;
            *events = a;
        }
        return 0;
    }
    db_rollback(t->x.db);
    free_events(*events);
    *events = NULL;
    return rc;
}

/* ---- what goes out ---- */

static void hand_out(struct sqlite_thread *t, struct op *first, const struct op *end, struct answer *events)
{
    static const uint64_t one = 1;
    (void)pthread_mutex_lock(&t->mutex);
    while (first != end) {
        struct op *next = first->next;
        ops_add(&t->done, first);
        first = next;
    }
    *t->events_last = events;
    while (*t->events_last != NULL)
        t->events_last = &(*t->events_last)->next;
    (void)pthread_mutex_unlock(&t->mutex);
    ssize_t rc = write(t->event_fd, &one, sizeof one);
    (void)rc; /* only fails when it is readable anyway */
}

/* Logged once until it works again. FULL says nothing against the file. */
static void failed(struct sqlite_thread *t, struct op *first, const struct op *end)
{
    enum store_status status = db_trouble(t->x.db);
    if (!t->told_trouble)
        log_warning("state file: a transaction failed", "path", t->o.path, "why", db_trouble_text(t->x.db), NULL);
    t->told_trouble = true;
    if (db_is_lost(t->x.db))
        atomic_store(&t->up, false);
    for (; first != end; first = first->next) {
        answer_clear(first->answer);
        first->answer->status = status;
    }
}

/* Each in a transaction of its own. */
static void one_by_one(struct sqlite_thread *t, struct op *first, const struct op *end)
{
    while (first != end) {
        struct answer *events;
        struct op *next = first->next;
        if (transaction(t, first, next, &events) != 0)
            failed(t, first, next);
        hand_out(t, first, next, events);
        db_let_go(t->x.db, true);
        first = next;
    }
}

static void run_group(struct sqlite_thread *t, struct op *first, const struct op *end, bool more)
{
    struct answer *events;
    int rc = transaction(t, first, end, &events);
    if (rc == 0) {
        hand_out(t, first, end, events);
        db_let_go(t->x.db, more);
        return;
    }
    db_let_go(t->x.db, true);
    if (rc != NOT_BEGUN && first->next != end) {
        one_by_one(t, first, end);
        return;
    }
    failed(t, first, end);
    hand_out(t, first, end, NULL);
}

/* ---- the thread ---- */

static void reopen(struct sqlite_thread *t)
{
    struct err e;
    struct db *d = db_is_file(t->x.db) ? db_open(t->o.path, t->o.timeout_ms, &e) : NULL;
    if (d == NULL)
        return; /* the old one stays; next time perhaps */
    db_close(t->x.db);
    t->x.db = d;
    t->data_version = -1;
}

/* Nothing is asked: looks for events of others, and whether the file is usable again. */
static void poll_file(struct sqlite_thread *t)
{
    int64_t version;
    bool is_up = atomic_load(&t->up);
    struct answer *events;
    if (!is_up && ++t->polls_down % REOPEN_AFTER == 0)
        reopen(t);
    if (db_data_version(t->x.db, &version) != 0) {
        db_rollback(t->x.db);
        return;
    }
    if (is_up && version == t->data_version && !t->x.wipe)
        return;
    if (transaction(t, NULL, NULL, &events) == 0) {
        t->data_version = version;
        if (events != NULL)
            hand_out(t, NULL, NULL, events);
    } else {
        failed(t, NULL, NULL); /* calls that came meanwhile may have been given up unseen: nobody else would say it */
    }
    db_let_go(t->x.db, false);
}

/* Up to GROUP_MAX of those that wait; NULL: it is time to poll, or to end. *more: others are left. */
static struct op *take_waiting(struct sqlite_thread *t, bool *more, bool *closing)
{
    struct timespec until = clock_wait_until(t->o.poll_ms);
    (void)pthread_mutex_lock(&t->mutex);
    while (t->waiting.first == NULL && !t->closing) {
        if (pthread_cond_timedwait(&t->wake, &t->mutex, &until) != 0)
            break;
    }
    *closing = t->closing;
    struct op *first = *closing ? NULL : t->waiting.first, **end = &t->waiting.first;
    for (int n = 0; first != NULL && *end != NULL && n < GROUP_MAX; n++) {
        (*end)->taken = true;
        end = &(*end)->next;
    }
    *more = false;
    if (first != NULL) {
        t->waiting.first = *end;
        *end = NULL;
        *more = t->waiting.first != NULL;
        if (!*more)
            t->waiting.last = &t->waiting.first;
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return first;
}

static void *run(void *arg)
{
    struct sqlite_thread *t = arg;
    for (;;) {
        bool more, closing;
        struct op *first = take_waiting(t, &more, &closing);
        if (closing)
            return NULL;
        if (first != NULL)
            run_group(t, first, NULL, true);
        else
            poll_file(t);
    }
}

/* ---- the loop's side ---- */

static int first_look(struct sqlite_thread *t, struct err *e)
{
    int rc = db_begin(t->x.db, false);
    if (rc == 0)
        rc = read_counts(&t->x);
    int to_wipe = rc == 0 ? db_ask(t->x.db, SQL_WIPE, DB_NO_ARGS) : 0;
    if (to_wipe == 1)
        db_end(t->x.db, SQL_WIPE);
    if (to_wipe < 0)
        rc = -1;
    t->x.wipe = to_wipe == 1;
    if (rc == 0)
        rc = db_commit(t->x.db);
    if (rc != 0) {
        (void)err_set(e, ERR_UNAVAILABLE, "%s: %s", t->o.path, db_trouble_text(t->x.db));
        db_rollback(t->x.db);
    }
    db_let_go(t->x.db, false);
    t->event_seen = t->x.counts.event_next - 1;
    return rc;
}

static int start(struct sqlite_thread *t, struct err *e)
{
    pthread_condattr_t attr;
    (void)pthread_mutex_init(&t->mutex, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&t->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    t->x.db = db_open(t->o.path, t->o.timeout_ms, e);
    if (t->x.db == NULL || first_look(t, e) != 0)
        return -1;
    int rc = pthread_create(&t->thread, NULL, run, t);
    return rc == 0 ? 0 : err_set_errno(e, rc, "a thread for the state file");
}

static void fini(struct sqlite_thread *t)
{
    db_close(t->x.db);
    free_events(t->events);
    (void)pthread_cond_destroy(&t->wake);
    (void)pthread_mutex_destroy(&t->mutex);
    free(t);
}

struct sqlite_thread *sqlite_thread_start(const struct store_sqlite_options *o, int event_fd, struct err *e)
{
    struct sqlite_thread *t = calloc(1, sizeof *t);
    if (t == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for the state file's thread");
        return NULL;
    }
    t->o = *o;
    t->event_fd = event_fd;
    t->x.queue_max_bytes = o->queue_max_bytes;
    t->data_version = -1;
    ops_init(&t->waiting);
    ops_init(&t->done);
    t->events_last = &t->events;
    atomic_store(&t->up, true);
    if (start(t, e) == 0)
        return t;
    fini(t);
    return NULL;
}

void sqlite_thread_ask(struct sqlite_thread *t, struct op *op)
{
    (void)pthread_mutex_lock(&t->mutex);
    bool was_empty = t->waiting.first == NULL;
    ops_add(&t->waiting, op);
    (void)pthread_mutex_unlock(&t->mutex);
    if (was_empty)
        (void)pthread_cond_signal(&t->wake);
}

bool sqlite_thread_take_back(struct sqlite_thread *t, struct op *op)
{
    (void)pthread_mutex_lock(&t->mutex);
    bool mine = !op->taken;
    if (mine) {
        struct op **at = &t->waiting.first;
        while (*at != op)
            at = &(*at)->next;
        *at = op->next;
        if (*at == NULL)
            t->waiting.last = at;
    }
    (void)pthread_mutex_unlock(&t->mutex);
    return mine;
}

struct sqlite_done sqlite_thread_done(struct sqlite_thread *t)
{
    (void)pthread_mutex_lock(&t->mutex);
    struct sqlite_done d = { t->done.first, t->events };
    ops_init(&t->done);
    t->events = NULL;
    t->events_last = &t->events;
    (void)pthread_mutex_unlock(&t->mutex);
    return d;
}

bool sqlite_thread_is_up(const struct sqlite_thread *t)
{
    return atomic_load(&t->up);
}

void sqlite_thread_listens(struct sqlite_thread *t, bool listens)
{
    atomic_store(&t->listens, listens);
}

void sqlite_thread_stop(struct sqlite_thread *t)
{
    (void)pthread_mutex_lock(&t->mutex);
    t->closing = true;
    (void)pthread_mutex_unlock(&t->mutex);
    (void)pthread_cond_signal(&t->wake);
    (void)pthread_join(t->thread, NULL);
    fini(t);
}
