/* SPDX-License-Identifier: MIT
 * What is sent is remembered as a row of commands, and results are counted off against it: libpq answers each command of a pipeline with its
 * results and a NULL, and the whole with one PGRES_PIPELINE_SYNC. The first error ends the rest up to there.
 * A pooler in front that gives each transaction another server breaks prepared statements (26000, 42P05): from then on the
 * link sends the text each time. */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

#include "archive/pg_link.h"
#include "lib/backoff.h"
#include "lib/log.h"
#include "lib/loop.h"

#define RETRY_BASE_MS 100
#define RETRY_CAP_MS 5000
#define COMMANDS_MAX (2 * PG_STATEMENTS_MAX + 4)

_Static_assert(PG_STATEMENTS_MAX == 64, "prepared statements are a 64 bit mask");

/* A connection attempt: shared by the link and its thread, freed by whoever lets go last. */
struct dial {
    pthread_mutex_t mutex;
    struct pg_link *link; /* NULL: nobody waits any more. Guarded by mutex, and so is the post to the loop */
    struct loop *loop;
    char *conninfo;
    char timeout_s[24];
    PGconn *conn;
    int refs;
};

enum phase { PHASE_SETUP, PHASE_REQUEST, PHASE_ROLLBACK }; /* of a pipeline that is under way */

struct pg_link {
    struct loop *loop;
    struct pg_link_options o;
    enum pg_link_state state;
    struct dial *dial;        /* CONNECTING, until the thread is done */
    struct loop_timer *timer; /* deadline when something is under way, backoff when WAITING */
    unsigned failures;
    char error[200];

    PGconn *conn;
    struct loop_fd *fd;
    uint64_t prepared; /* bits of pg_statement.index */
    bool by_text;      /* prepared statements do not survive here */
    bool read_only;    /* the server refused to write: another one of the list may not */
    bool broken;       /* the timer is set to lose it */
    bool late;         /* the deadline has passed: what has come by now still counts */

    enum phase phase;
    struct pg_request request;
    bool tried_again;
    int8_t commands[COMMANDS_MAX]; /* what was sent: index of a statement that is prepared, or -1 */
    unsigned commands_n, answered;
    struct pg_outcome outcome; /* of the request, so far */
};

/* ---- results ---- */

size_t pg_rows(const struct pg_outcome *o)
{
    return o->rows != NULL ? (size_t)PQntuples(o->rows) : 0;
}

struct sv pg_value(const struct pg_outcome *o, size_t row, unsigned column)
{
    if (PQgetisnull(o->rows, (int)row, (int)column))
        return SV_NONE;
    return (struct sv){ PQgetvalue(o->rows, (int)row, (int)column), (size_t)PQgetlength(o->rows, (int)row, (int)column) };
}

/* Server messages have line breaks; a log line and a verdict have none. */
static void copy_line(char *out, size_t size, const char *text)
{
    size_t n = 0;

    for (; text != NULL && *text != '\0' && n + 1 < size; text++)
        out[n++] = (unsigned char)*text < 0x20 ? ' ' : *text;
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

/* ---- connecting, on a thread ---- */

static void dial_let_go(struct dial *d) /* mutex held; frees it on the last call */
{
    int left = --d->refs;

    (void)pthread_mutex_unlock(&d->mutex);
    if (left > 0)
        return;
    if (d->conn != NULL)
        PQfinish(d->conn);
    (void)pthread_mutex_destroy(&d->mutex);
    free(d->conninfo);
    free(d);
}

static void dialled(void *arg);

static void *dial_main(void *arg)
{
    struct dial *d = arg;
    /* What stands before dbname is overridden by the connection string, what stands behind it overrides that. */
    const char *const keys[] = { "connect_timeout", "fallback_application_name", "keepalives_idle", "dbname", "client_encoding", NULL };
    const char *const values[] = { d->timeout_s, "turnkeeper", "30", d->conninfo, "UTF8", NULL };
    PGconn *conn = PQconnectdbParams(keys, values, 1);

    (void)pthread_mutex_lock(&d->mutex);
    d->conn = conn;
    d->refs++; /* the posted call's */
    while (d->link != NULL && !loop_post(d->loop, dialled, d)) { /* memory is short: the link must hear of it all the same */
        (void)pthread_mutex_unlock(&d->mutex);
        (void)nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
        (void)pthread_mutex_lock(&d->mutex);
    }
    if (d->link == NULL)
        d->refs--;
    dial_let_go(d);
    return NULL;
}

static int start_thread(struct dial *d)
{
    sigset_t all, before;
    pthread_t thread;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the loop's thread */
    rc = pthread_create(&thread, NULL, dial_main, d);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc == 0)
        (void)pthread_detach(thread);
    return rc;
}

static struct dial *dial_new(struct pg_link *k)
{
    struct dial *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return NULL;
    d->conninfo = strdup(k->o.conninfo);
    if (d->conninfo == NULL || pthread_mutex_init(&d->mutex, NULL) != 0) {
        free(d->conninfo);
        free(d);
        return NULL;
    }
    d->loop = k->loop;
    d->link = k;
    d->refs = 2;
    (void)snprintf(d->timeout_s, sizeof(d->timeout_s), "%lld", (long long)(k->o.timeout_ms < 2000 ? 2 : k->o.timeout_ms / 1000));
    if (start_thread(d) == 0)
        return d;
    d->refs = 1;
    (void)pthread_mutex_lock(&d->mutex);
    dial_let_go(d);
    return NULL;
}

static void dial_cancel(struct pg_link *k)
{
    struct dial *d = k->dial;

    k->dial = NULL;
    if (d == NULL)
        return;
    (void)pthread_mutex_lock(&d->mutex);
    d->link = NULL;
    dial_let_go(d);
}

/* ---- losing and coming back ---- */

static void hang_up(struct pg_link *k)
{
    loop_fd_free(k->fd);
    k->fd = NULL;
    if (k->conn != NULL)
        PQfinish(k->conn);
    k->conn = NULL;
    k->prepared = 0;
    k->read_only = k->broken = k->late = false;
}

static void wait_and_dial(struct pg_link *k, const char *why)
{
    copy_line(k->error, sizeof(k->error), why);
    hang_up(k);
    k->state = PG_LINK_WAITING;
    loop_timer_set(k->timer, backoff_ms(k->failures++, RETRY_BASE_MS, RETRY_CAP_MS));
}

static void dial(struct pg_link *k)
{
    k->state = PG_LINK_CONNECTING;
    k->dial = dial_new(k);
    if (k->dial == NULL)
        wait_and_dial(k, "no thread for connecting");
}

/* The end of a request: the link is ready for the next one, or lost, before the caller hears. Nothing may follow. */
static void answer(struct pg_link *k)
{
    struct pg_outcome o = k->outcome;
    struct pg_request r = k->request;

    k->outcome = (struct pg_outcome){ 0 };
    k->request = (struct pg_request){ 0 };
    if (r.fn != NULL)
        r.fn(r.arg, &o);
    PQclear(o.rows);
}

static void lose(struct pg_link *k, const char *why)
{
    bool busy = k->state == PG_LINK_BUSY;

    copy_line(k->outcome.text, sizeof(k->outcome.text), why != NULL && *why != '\0' ? why : "the connection is lost");
    wait_and_dial(k, k->outcome.text);
    k->outcome.status = PG_LOST;
    k->outcome.sqlstate[0] = '\0';
    answer(k);
    if (!busy) /* else the link may be gone by now */
        k->o.changed(k->o.arg);
}

/* ---- sending ---- */

/* What fails while sending is met by the timer, so that nobody is called back from inside their call. */
static void lose_soon(struct pg_link *k)
{
    k->broken = true;
    loop_timer_set(k->timer, 0);
}

static void want(struct pg_link *k)
{
    int left = PQflush(k->conn);

    if (left < 0)
        lose_soon(k);
    else
        loop_fd_want(k->fd, LOOP_READ | (left > 0 ? LOOP_WRITE : 0));
}

static bool sent(struct pg_link *k, int ok, int prepared)
{
    if (ok != 1)
        return false;
    k->commands[k->commands_n++] = (int8_t)prepared;
    return true;
}

static bool send_text(struct pg_link *k, const char *sql)
{
    return sent(k, PQsendQueryParams(k->conn, sql, 0, NULL, NULL, NULL, NULL, 0), -1);
}

static bool send_query(struct pg_link *k, const struct pg_query *q)
{
    const struct pg_statement *s = q->statement;
    const char *values[PG_PARAMS_MAX];
    int lengths[PG_PARAMS_MAX], formats[PG_PARAMS_MAX];

    for (unsigned i = 0; i < s->params_n; i++) {
        if (q->params[i].n > INT32_MAX)
            return false;
        values[i] = q->params[i].p;
        lengths[i] = (int)q->params[i].n;
        formats[i] = 1;
    }
    if (k->by_text)
        return sent(k, PQsendQueryParams(k->conn, s->sql, (int)s->params_n, s->types, values, lengths, formats, 0), -1);
    if ((k->prepared >> s->index & 1) == 0 &&
        !sent(k, PQsendPrepare(k->conn, s->name, s->sql, (int)s->params_n, s->types), (int)s->index))
        return false;
    k->prepared |= UINT64_C(1) << s->index; /* taken back when it fails */
    return sent(k, PQsendQueryPrepared(k->conn, s->name, (int)s->params_n, values, lengths, formats, 0), -1);
}

static void under_way(struct pg_link *k, enum phase phase, bool ok)
{
    k->phase = phase;
    if (ok && PQpipelineSync(k->conn) == 1)
        want(k);
    else
        lose_soon(k);
}

static void send_request(struct pg_link *k)
{
    const struct pg_request *r = &k->request;
    bool ok = true;

    k->commands_n = k->answered = 0;
    if (r->transaction)
        ok = send_text(k, "BEGIN ISOLATION LEVEL READ COMMITTED"); /* each statement sees what was committed before it */
    for (size_t i = 0; ok && i < r->n; i++)
        ok = send_query(k, &r->queries[i]);
    if (ok && r->transaction)
        ok = send_text(k, r->trial ? "ROLLBACK" : "COMMIT");
    under_way(k, PHASE_REQUEST, ok);
}

void pg_link_run(struct pg_link *k, const struct pg_request *r)
{
    k->state = PG_LINK_BUSY;
    k->request = *r;
    k->tried_again = k->late = false;
    loop_timer_set(k->timer, k->o.timeout_ms);
    send_request(k);
}

/* ---- receiving ---- */

static void keep_error(struct pg_link *k, const PGresult *r)
{
    const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    if (k->outcome.status != PG_DONE)
        return;
    k->outcome.status = PG_REFUSED;
    copy_line(k->outcome.sqlstate, sizeof(k->outcome.sqlstate), sqlstate != NULL ? sqlstate : "XX000");
    copy_line(k->outcome.text, sizeof(k->outcome.text), PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
    if (strcmp(k->outcome.sqlstate, "25006") == 0)
        k->read_only = true;
}

static void take_result(struct pg_link *k, PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);

    if (status == PGRES_TUPLES_OK) {
        PQclear(k->outcome.rows);
        k->outcome.rows = r;
        return;
    }
    if (status != PGRES_COMMAND_OK && k->answered < k->commands_n && k->commands[k->answered] >= 0)
        k->prepared &= ~(UINT64_C(1) << k->commands[k->answered]);
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE)
        keep_error(k, r);
    PQclear(r);
}

static bool wants_text(const struct pg_link *k)
{
    return !k->by_text && k->outcome.status == PG_REFUSED &&
           (strcmp(k->outcome.sqlstate, "26000") == 0 || strcmp(k->outcome.sqlstate, "42P05") == 0);
}

static void finish_setup(struct pg_link *k)
{
    if (k->outcome.status != PG_DONE) {
        lose(k, k->outcome.text);
    } else if (!sv_eq(pg_value(&k->outcome, 0, 0), SV("UTF8"))) {
        lose(k, "the database's encoding is not UTF8");
    } else {
        PQclear(k->outcome.rows);
        k->outcome = (struct pg_outcome){ 0 };
        loop_timer_stop(k->timer);
        k->failures = 0;
        k->error[0] = '\0';
        k->state = PG_LINK_IDLE;
        k->o.changed(k->o.arg);
    }
}

static void finish_request(struct pg_link *k)
{
    if (wants_text(k) && !k->tried_again) {
        k->by_text = k->tried_again = true;
        PQclear(k->outcome.rows);
        k->outcome = (struct pg_outcome){ 0 };
        send_request(k);
        return;
    }
    loop_timer_stop(k->timer);
    if (k->read_only)
        wait_and_dial(k, k->outcome.text);
    else
        k->state = PG_LINK_IDLE;
    answer(k);
}

/* The whole pipeline has been answered. */
static void synced(struct pg_link *k)
{
    if (PQtransactionStatus(k->conn) != PQTRANS_IDLE && k->phase == PHASE_ROLLBACK) {
        lose(k, "the transaction cannot be rolled back");
    } else if (PQtransactionStatus(k->conn) != PQTRANS_IDLE) {
        k->commands_n = k->answered = 0;
        under_way(k, PHASE_ROLLBACK, send_text(k, "ROLLBACK"));
    } else if (k->phase == PHASE_SETUP) {
        finish_setup(k);
    } else {
        finish_request(k);
    }
}

/* At most one pipeline is under way, so everything up to its sync belongs to it. */
static void read_results(struct pg_link *k)
{
    while (!PQisBusy(k->conn)) {
        PGresult *r = PQgetResult(k->conn);
        if (r == NULL) {
            if (k->answered >= k->commands_n)
                return; /* nothing more for now */
            k->answered++;
        } else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            synced(k);
            return;
        } else {
            take_result(k, r);
        }
    }
}

static void on_socket(void *arg, int events)
{
    struct pg_link *k = arg;

    if ((events & LOOP_READ) != 0 && PQconsumeInput(k->conn) == 0) {
        lose(k, PQerrorMessage(k->conn));
        return;
    }
    if ((events & LOOP_WRITE) != 0)
        want(k);
    read_results(k); /* notices of an idle connection, too */
}

/* ---- the new connection ---- */

static void on_notice(void *arg, const char *text)
{
    char line[200];

    (void)arg;
    copy_line(line, sizeof(line), text);
    log_debug("PostgreSQL says", "notice", line, NULL);
}

/* The server gives up with us, plans without JIT (its compiler costs more than these statements), and commits for good. */
#define SETUP \
    "SELECT current_setting('server_encoding'), set_config('statement_timeout', '%lld', false), set_config('jit', 'off', false)," \
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'" \
    " ELSE current_setting('synchronous_commit') END, false)"

static void set_up(struct pg_link *k)
{
    char sql[sizeof(SETUP) + 24];

    (void)snprintf(sql, sizeof(sql), SETUP, (long long)k->o.timeout_ms);
    (void)PQsetNoticeProcessor(k->conn, on_notice, NULL);
    k->fd = loop_fd_new(k->loop, PQsocket(k->conn), on_socket, k);
    if (k->fd == NULL || PQsetnonblocking(k->conn, 1) != 0 || PQenterPipelineMode(k->conn) != 1) {
        lose(k, "the connection cannot be used");
        return;
    }
    loop_timer_set(k->timer, k->o.timeout_ms);
    k->commands_n = k->answered = 0;
    under_way(k, PHASE_SETUP, send_text(k, sql));
}

static void dialled(void *arg)
{
    struct dial *d = arg;
    struct pg_link *k;
    PGconn *conn = NULL;

    (void)pthread_mutex_lock(&d->mutex);
    k = d->link;
    if (k != NULL) {
        conn = d->conn;
        d->conn = NULL;
        k->dial = NULL;
        d->refs--; /* the link's */
    }
    dial_let_go(d);
    if (k == NULL)
        return;
    k->conn = conn;
    if (PQstatus(conn) == CONNECTION_OK)
        set_up(k);
    else
        lose(k, conn != NULL ? PQerrorMessage(conn) : "out of memory");
}

static void on_timer(void *arg)
{
    struct pg_link *k = arg;

    if (k->state == PG_LINK_WAITING) {
        dial(k);
        k->o.changed(k->o.arg);
    } else if (!k->broken && !k->late) { /* it may have been this process that stood still: its timers come first, then what the server said */
        k->late = true;
        loop_timer_set(k->timer, 0);
    } else {
        lose(k, k->broken ? PQerrorMessage(k->conn) : "no answer in time");
    }
}

/* ---- life ---- */

struct pg_link *pg_link_new(struct loop *l, const struct pg_link_options *o)
{
    struct pg_link *k = calloc(1, sizeof(*k));

    if (k == NULL)
        return NULL;
    k->loop = l;
    k->o = *o;
    k->timer = loop_timer_new(l, on_timer, k);
    if (k->timer == NULL) {
        free(k);
        return NULL;
    }
    return k;
}

void pg_link_wake(struct pg_link *k)
{
    if (k->state == PG_LINK_OFF)
        dial(k);
}

enum pg_link_state pg_link_state(const struct pg_link *k)
{
    return k->state;
}

const char *pg_link_error(const struct pg_link *k)
{
    return k->error;
}

void pg_link_free(struct pg_link *k)
{
    if (k == NULL)
        return;
    dial_cancel(k);
    hang_up(k);
    PQclear(k->outcome.rows);
    loop_timer_free(k->timer);
    free(k);
}
