/* SPDX-License-Identifier: MIT
 * The archive in PostgreSQL (tables: sql/postgres). Writing is in pg_write.c; the configuration of bots in pg_services.c; histories, figures and
 * preferences in pg_history.c; here are the port, the other questions, and retention. */
#include "config.h"

#include <stdlib.h>

#include "archive/archive_entry.h"
#include "archive/archive_item.h"
#include "archive/archive_postgres_inside.h"
#include "archive/pg_services.h"
#include "archive/pg_sql.h"
#include "archive/session_entry.h"
#include "lib/buf.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

#define TIMEOUT_MS 5000
#define POOL_SIZE 4
#define ARENA_MAX (256u << 20)

/* One call of context, message, job, session, customer, stat or retain: its parameters until the outcome, its answer until the callback is done. */
struct question {
    struct question *next;
    struct postgres *pg;
    struct arena *arena;
    enum pg_sql sql;
    struct pg_query query;
    struct sv params[2];
    char limit[8], before[8]; /* bigint, big endian */
    size_t max;
    union {
        archive_context_fn *context;
        archive_message_fn *message;
        archive_job_fn *job;
        archive_session_fn *session;
        archive_customer_fn *customer;
        archive_stat_fn *stat;
        archive_retain_fn *retain;
    } fn;
    void *arg;
};

/* ---- answers ---- */

static int64_t number(const struct pg_outcome *o, size_t row, unsigned column)
{
    int64_t n = 0;

    (void)sv_to_i64(pg_value(o, row, column), &n);
    return n;
}

static int collect(struct question *q, const struct pg_outcome *o, struct entries *e)
{
    if (entries_init(e, q->arena, q->max) != 0)
        return -1;
    for (size_t row = 0; row < pg_rows(o) && !entries_full(e); row++) {
        struct entry entry = { .sender_type = pg_value(o, row, 0),
                               .content = pg_value(o, row, 1),
                               .timestamp_ms = item_uuid_ms(pg_value(o, row, 2)),
                               .message_id = pg_value(o, row, 3),
                               .reply = pg_value(o, row, 4),
                               .replied_ms = number(o, row, 5) };
        if (entries_add(e, &entry) != 0)
            return -1;
    }
    return 0;
}

static void answer_context(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    struct entries e = { 0 };

    if (status == ARCHIVE_DONE && o != NULL && collect(q, o, &e) != 0)
        status = ARCHIVE_DOWN;
    q->fn.context(q->arg, status, status == ARCHIVE_DONE && e.n > 0 ? entries_list(&e) : NULL, status == ARCHIVE_DONE ? e.n : 0);
}

static void answer_message(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    struct sv outcome = SV_NONE;

    if (status == ARCHIVE_DONE && o != NULL && pg_rows(o) > 0) {
        outcome = outcome_format(q->arena, pg_value(o, 0, 0), pg_value(o, 0, 1), pg_value(o, 0, 2));
        if (outcome.p == NULL)
            status = ARCHIVE_DOWN;
    }
    q->fn.message(q->arg, status, outcome);
}

static void answer_job(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    struct sv job = SV_NONE;

    if (status == ARCHIVE_DONE && o != NULL && pg_rows(o) > 0) {
        const struct job_entry row = { .id = pg_value(o, 0, 0),
                                       .conversation_id = pg_value(o, 0, 1),
                                       .status = pg_value(o, 0, 2),
                                       .created_ms = pg_value(o, 0, 3),
                                       .started_ms = pg_value(o, 0, 4),
                                       .completed_ms = pg_value(o, 0, 5),
                                       .attempts = pg_value(o, 0, 6),
                                       .consolidated_messages = pg_value(o, 0, 7),
                                       .result = pg_value(o, 0, 8),
                                       .error = pg_value(o, 0, 9) };
        job = job_entry_format(q->arena, &row);
        if (job.p == NULL)
            status = ARCHIVE_DOWN;
    }
    q->fn.job(q->arg, status, job);
}

/* SV_NONE where there is none. -1: memory is short. */
static int format_customer(struct question *q, const struct sv *columns, struct sv *customer)
{
    *customer = columns[CUSTOMER_SENDER_ID].p != NULL ? customer_entry_format(q->arena, columns) : SV_NONE;
    return customer->p != NULL || columns[CUSTOMER_SENDER_ID].p == NULL ? 0 : -1;
}

static void answer_session(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    struct sv session = SV_NONE, customer = SV_NONE, columns[SESSION_COLUMNS];

    if (status == ARCHIVE_DONE && o != NULL && pg_rows(o) > 0) {
        for (unsigned i = 0; i < SESSION_COLUMNS; i++)
            columns[i] = pg_value(o, 0, i);
        session = session_entry_format(q->arena, columns);
        if (session.p == NULL || format_customer(q, columns + SESSION_CUSTOMER, &customer) != 0)
            status = ARCHIVE_DOWN;
    }
    if (status != ARCHIVE_DONE)
        session = customer = SV_NONE;
    q->fn.session(q->arg, status, session, customer);
}

static void answer_customer(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    struct sv customer = SV_NONE, columns[CUSTOMER_COLUMNS];

    if (status == ARCHIVE_DONE && o != NULL && pg_rows(o) > 0) {
        for (unsigned i = 0; i < CUSTOMER_COLUMNS; i++)
            columns[i] = pg_value(o, 0, i);
        if (format_customer(q, columns, &customer) != 0)
            status = ARCHIVE_DOWN;
    }
    q->fn.customer(q->arg, status, customer);
}

static void answer_stat(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    static const char *const names[] = { "connections", "database_size_bytes", "commit_total" };
    struct archive_stat stat = { .pool_size = q->pg != NULL ? pg_pool_size(q->pg->pool) : 0 };
    struct buf b = { 0 };
    struct json_out out = { .b = &b };

    json_obj(&out);
    for (unsigned i = 0; status == ARCHIVE_DONE && o != NULL && pg_rows(o) > 0 && i < ARRAY_LEN(names); i++)
        json_kint(&out, names[i], number(o, 0, i));
    json_obj_end(&out);
    stat.up = status == ARCHIVE_DONE;
    stat.in_use = q->pg != NULL ? pg_pool_in_use(q->pg->pool) : 0;
    stat.text = buf_ok(&b) ? buf_sv(&b) : SV("{}");
    q->fn.stat(q->arg, status, &stat);
    buf_fini(&b);
}

static void answer(struct question *q, enum archive_status status, const struct pg_outcome *o)
{
    if (q->sql == PG_SQL_CONTEXT)
        answer_context(q, status, o);
    else if (q->sql == PG_SQL_MESSAGE)
        answer_message(q, status, o);
    else if (q->sql == PG_SQL_JOB)
        answer_job(q, status, o);
    else if (q->sql == PG_SQL_SESSION)
        answer_session(q, status, o);
    else if (q->sql == PG_SQL_CUSTOMER)
        answer_customer(q, status, o);
    else if (q->sql == PG_SQL_RETAIN)
        q->fn.retain(q->arg, status, status == ARCHIVE_DONE && o != NULL && pg_rows(o) > 0 ? (size_t)number(o, 0, 0) : 0);
    else
        answer_stat(q, status, o);
}

static void on_outcome(void *arg, const struct pg_outcome *o)
{
    struct question *q = arg;
    const struct pg_statement *asked = q->query.statement;

    if (asked == &pg_sql[PG_SQL_KNOWN] && o->status == PG_DONE && pg_rows(o) > 0) {
        q->query.statement = &pg_sql[q->sql];
        pg_pool_run(q->pg->pool, PG_READ, &(struct pg_request){ .queries = &q->query, .n = 1, .fn = on_outcome, .arg = q });
        return;
    }
    if (o->status == PG_REFUSED)
        log_warning("PostgreSQL refuses a question", "statement", asked->name, "sqlstate", o->sqlstate, "reason", o->text,
                    NULL);
    answer(q, o->status == PG_DONE ? ARCHIVE_DONE : ARCHIVE_DOWN, o);
    arena_free(q->arena);
}

/* ---- questions ---- */

static struct question *question_new(struct postgres *pg, enum pg_sql sql, void *arg)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    struct question *q = a != NULL ? arena_alloc(a, sizeof(*q)) : NULL;

    if (q == NULL) {
        log_error("out of memory: a question to the archive", NULL);
        abort();
    }
    q->pg = pg;
    q->arena = a;
    q->sql = sql;
    q->arg = arg;
    q->query = (struct pg_query){ &pg_sql[sql], q->params };
    return q;
}

static void answer_unasked(void *arg)
{
    struct question *q = arg;

    if (q->pg == NULL) { /* closed meanwhile, and answered then */
        arena_free(q->arena);
        return;
    }
    for (struct question **at = &q->pg->unasked; *at != NULL; at = &(*at)->next)
        if (*at == q) {
            *at = q->next;
            break;
        }
    answer(q, ARCHIVE_DONE, NULL);
    arena_free(q->arena);
}

/* `ids` that cannot be in a database are not looked for: nothing is known of them. */
static void ask(struct question *q, bool ids)
{
    struct postgres *pg = q->pg;

    if (ids) {
        pg_pool_run(pg->pool, PG_READ, &(struct pg_request){ .queries = &q->query, .n = 1, .fn = on_outcome, .arg = q });
        return;
    }
    q->next = pg->unasked;
    pg->unasked = q;
    loop_soon(pg->loop, answer_unasked, q);
}

static struct sv keep(struct question *q, struct sv id)
{
    struct sv copy = arena_sv(q->arena, id);

    if (copy.p == NULL) {
        log_error("out of memory: a question to the archive", NULL);
        abort();
    }
    return copy;
}

static struct sv bigint(char to[8], int64_t n)
{
    for (size_t i = 0; i < 8; i++)
        to[i] = (char)((uint64_t)n >> (56 - 8 * i));
    return (struct sv){ to, 8 };
}

static void postgres_context(struct archive *a, struct sv conversation_id, size_t max, archive_context_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_CONTEXT, arg);
    bool ids = item_is_id(conversation_id);

    q->fn.context = fn;
    q->max = max;
    q->query.statement = &pg_sql[PG_SQL_KNOWN];
    q->params[0] = ids ? keep(q, conversation_id) : SV_NONE;
    q->params[1] = bigint(q->limit, (int64_t)max);
    ask(q, ids);
}

static void postgres_message(struct archive *a, struct sv conversation_id, struct sv message_id, archive_message_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_MESSAGE, arg);
    bool ids = item_is_id(conversation_id) && item_is_id(message_id);

    q->fn.message = fn;
    q->params[0] = ids ? keep(q, conversation_id) : SV_NONE;
    q->params[1] = ids ? keep(q, message_id) : SV_NONE;
    ask(q, ids);
}

static void postgres_job(struct archive *a, struct sv job_id, archive_job_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_JOB, arg);
    unsigned char uuid[ITEM_UUID_BYTES];
    bool ids = item_uuid_parse(job_id, uuid);

    q->fn.job = fn;
    q->params[0] = ids ? keep(q, job_id) : SV_NONE;
    ask(q, ids);
}

static void postgres_session(struct archive *a, struct sv session_id, int64_t before_ms, archive_session_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_SESSION, arg);
    bool ids = item_is_id(session_id);

    q->fn.session = fn;
    q->params[0] = ids ? keep(q, session_id) : SV_NONE;
    q->params[1] = bigint(q->limit, before_ms);
    ask(q, ids);
}

static void postgres_customer(struct archive *a, struct sv sender_id, archive_customer_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_CUSTOMER, arg);
    bool ids = item_is_id(sender_id);

    q->fn.customer = fn;
    q->params[0] = ids ? keep(q, sender_id) : SV_NONE;
    ask(q, ids);
}

static void postgres_services(struct archive *a, int64_t known, archive_services_fn *fn, void *arg)
{
    pg_services_read(postgres_of(a)->pool, known, fn, arg);
}

static void postgres_edit(struct archive *a, const struct archive_edit *edit, archive_edit_fn *fn, void *arg)
{
    pg_services_edit(postgres_of(a)->pool, edit, fn, arg);
}

static void postgres_stat(struct archive *a, archive_stat_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_STAT, arg);

    q->fn.stat = fn;
    ask(q, true);
}

static void postgres_retain(struct archive *a, int64_t older_than_ms, size_t max, archive_retain_fn *fn, void *arg)
{
    struct question *q = question_new(postgres_of(a), PG_SQL_RETAIN, arg);

    q->fn.retain = fn;
    q->params[0] = bigint(q->before, older_than_ms);
    q->params[1] = bigint(q->limit, (int64_t)max);
    pg_pool_run(q->pg->pool, PG_WRITE,
                &(struct pg_request){ .queries = &q->query, .n = 1, .transaction = true, .fn = on_outcome, .arg = q });
}

static void postgres_write(struct archive *a, const struct sv *items, size_t n, archive_write_fn *fn, void *arg)
{
    struct postgres *pg = postgres_of(a);

    pg_writer_write(pg->writer, items, n, fn, arg);
}

static bool postgres_is_up(const struct archive *a)
{
    const struct postgres *pg = (const struct postgres *)a;

    return pg_pool_is_up(pg->pool);
}

/* ---- life ---- */

static void postgres_close(struct archive *a)
{
    struct postgres *pg = postgres_of(a);

    pg_pool_close(pg->pool);
    pg_writer_free(pg->writer);
    while (pg->unasked != NULL) {
        struct question *q = pg->unasked;
        pg->unasked = q->next;
        q->pg = NULL;
        answer(q, ARCHIVE_DOWN, NULL);
    }
    free(pg);
}

static const struct archive_ops ops = {
    .name = "PostgreSQL",
    .history = &pg_history_ops,
    .write = postgres_write,
    .context = postgres_context,
    .message = postgres_message,
    .job = postgres_job,
    .session = postgres_session,
    .customer = postgres_customer,
    .services = postgres_services,
    .edit = postgres_edit,
    .stat = postgres_stat,
    .retain = postgres_retain,
    .is_up = postgres_is_up,
    .close = postgres_close,
};

struct archive *archive_postgres_open(struct loop *l, const struct archive_postgres_options *o, struct err *e)
{
    struct postgres *pg = calloc(1, sizeof(*pg));

    if (pg == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for the archive");
        return NULL;
    }
    pg->archive.ops = &ops;
    pg->loop = l;
    pg->pool = pg_pool_open(l, o->conninfo, o->pool_size > 0 ? o->pool_size : POOL_SIZE, o->timeout_ms > 0 ? o->timeout_ms : TIMEOUT_MS, e);
    pg->writer = pg->pool != NULL ? pg_writer_new(l, pg->pool) : NULL;
    if (pg->writer != NULL)
        return &pg->archive;
    if (pg->pool != NULL)
        (void)err_set(e, ERR_MEMORY, "no memory for the archive");
    pg_pool_close(pg->pool);
    free(pg);
    return NULL;
}
