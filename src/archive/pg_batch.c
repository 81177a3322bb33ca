/* SPDX-License-Identifier: MIT
 * Sorting is what keeps two writers from waiting for each other in a circle, and one statement from touching a row twice. */
#include "config.h"

#include <stdlib.h>

#include "archive/pg_batch.h"
#include "archive/pg_guard.h"
#include "archive/pg_tasks.h"

#define ARRAYS_MAX PG_MESSAGE_COLUMNS

#define TABLES (PG_SQL_CUSTOMERS + 1)

_Static_assert(PG_ACTION_COLUMNS <= ARRAYS_MAX && PG_SESSION_COLUMNS <= ARRAYS_MAX && PG_JOB_COLUMNS <= ARRAYS_MAX &&
                   PG_STATE_COLUMNS <= ARRAYS_MAX && PG_CUSTOMER_COLUMNS <= ARRAYS_MAX, "one size for all");

struct message_row {
    const struct item *item;
    const struct item_message *m;
};

struct action_row {
    const struct item *item;
    const struct item_action *a;
    int32_t position;
};

struct table {
    struct pg_array columns[ARRAYS_MAX];
    struct sv params[ARRAYS_MAX];
};

struct pg_batch {
    struct message_row *messages;
    size_t messages_n, messages_size;
    struct action_row *actions;
    size_t actions_n, actions_size;
    const struct item **jobs; /* items that have one */
    size_t jobs_n, jobs_size;
    struct pg_tasks tasks;
    struct pg_guard guard;
    struct table tables[TABLES]; /* by pg_sql: messages, actions, sessions, jobs, states, customers */
    struct pg_query queries[TABLES + 1];
    size_t queries_n;
};

/* ---- rows ---- */

static int compare_sv(struct sv a, struct sv b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int compare_fence(const struct item *a, const struct item *b) /* highest first */
{
    return (a->fence < b->fence) - (a->fence > b->fence);
}

static int compare_messages(const void *pa, const void *pb)
{
    const struct message_row *a = pa, *b = pb;
    int c = compare_sv(a->item->conversation_id, b->item->conversation_id);

    if (c == 0)
        c = compare_sv(a->m->message_id, b->m->message_id);
    return c != 0 ? c : compare_fence(a->item, b->item);
}

static int compare_actions(const void *pa, const void *pb)
{
    const struct action_row *a = pa, *b = pb;
    int c = compare_sv(a->item->conversation_id, b->item->conversation_id);

    if (c == 0)
        c = memcmp(a->item->turn_id, b->item->turn_id, ITEM_UUID_BYTES);
    if (c == 0)
        c = (a->position > b->position) - (a->position < b->position);
    return c != 0 ? c : compare_fence(a->item, b->item);
}

static int compare_jobs(const void *pa, const void *pb)
{
    const struct item *a = *(const struct item *const *)pa, *b = *(const struct item *const *)pb;
    int c = memcmp(a->turn_id, b->turn_id, ITEM_UUID_BYTES);

    return c != 0 ? c : compare_fence(a, b);
}

static bool same_message(const struct message_row *a, const struct message_row *b)
{
    return sv_eq(a->m->message_id, b->m->message_id) && sv_eq(a->item->conversation_id, b->item->conversation_id);
}

static bool same_action(const struct action_row *a, const struct action_row *b)
{
    return a->position == b->position && memcmp(a->item->turn_id, b->item->turn_id, ITEM_UUID_BYTES) == 0 &&
           sv_eq(a->item->conversation_id, b->item->conversation_id);
}

/* Grows *size to n rows. NULL: memory is short, the old rows stay. */
static void *reserve(void *rows, size_t *size, size_t n, size_t row_size)
{
    void *p = n > *size ? reallocarray(rows, n, row_size) : rows;

    if (p != NULL && n > *size)
        *size = n;
    return p;
}

static int reserve_rows(struct pg_batch *b, const struct item *const *items, size_t n)
{
    size_t messages = 1, actions = 1; /* never 0, so that NULL means failure */
    void *p;

    for (size_t i = 0; i < n; i++) {
        messages += items[i]->messages_n;
        actions += items[i]->actions_n;
    }
    p = reserve(b->messages, &b->messages_size, messages, sizeof(*b->messages));
    if (p == NULL)
        return -1;
    b->messages = p;
    p = reserve(b->actions, &b->actions_size, actions, sizeof(*b->actions));
    if (p == NULL)
        return -1;
    b->actions = p;
    p = reserve(b->jobs, &b->jobs_size, n + 1, sizeof(*b->jobs));
    if (p == NULL)
        return -1;
    b->jobs = p;
    return 0;
}

static int collect(struct pg_batch *b, const struct item *const *items, size_t n)
{
    if (reserve_rows(b, items, n) != 0)
        return -1;
    b->messages_n = b->actions_n = b->jobs_n = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < items[i]->messages_n; k++)
            b->messages[b->messages_n++] = (struct message_row){ items[i], &items[i]->messages[k] };
        for (size_t k = 0; k < items[i]->actions_n; k++)
            b->actions[b->actions_n++] = (struct action_row){ items[i], &items[i]->actions[k], (int32_t)k };
        if (items[i]->job != NULL)
            b->jobs[b->jobs_n++] = items[i];
    }
    return 0;
}

/* Sorted, each key once: the first of its kind, which has the highest fence. */
static void sort_rows(struct pg_batch *b)
{
    size_t kept = 0;

    if (b->messages_n > 1)
        qsort(b->messages, b->messages_n, sizeof(*b->messages), compare_messages);
    for (size_t i = 0; i < b->messages_n; i++)
        if (kept == 0 || !same_message(&b->messages[kept - 1], &b->messages[i]))
            b->messages[kept++] = b->messages[i];
    b->messages_n = kept;
    if (b->actions_n > 1)
        qsort(b->actions, b->actions_n, sizeof(*b->actions), compare_actions);
    kept = 0;
    for (size_t i = 0; i < b->actions_n; i++)
        if (kept == 0 || !same_action(&b->actions[kept - 1], &b->actions[i]))
            b->actions[kept++] = b->actions[i];
    b->actions_n = kept;
    if (b->jobs_n > 1)
        qsort(b->jobs, b->jobs_n, sizeof(*b->jobs), compare_jobs);
    kept = 0;
    for (size_t i = 0; i < b->jobs_n; i++)
        if (kept == 0 || memcmp(b->jobs[kept - 1]->turn_id, b->jobs[i]->turn_id, ITEM_UUID_BYTES) != 0)
            b->jobs[kept++] = b->jobs[i];
    b->jobs_n = kept;
}

/* ---- columns ---- */

/* The turn and its outcome: the same columns on each of its messages. */
static void put_turn(struct pg_array *c, const struct item *item)
{
    pg_array_text(&c[0], item->status);
    pg_array_text(&c[1], item->reason);
    if (item->has_turn)
        pg_array_uuid(&c[2], item->turn_id);
    else
        pg_array_null(&c[2]);
    pg_array_bigint(&c[3], item->fence);
}

/* On the newest message of a turn. */
static void put_reply(struct pg_array *c, const struct item *item)
{
    pg_array_json(&c[0], item->reply);
    if (item->has_ai_ms)
        pg_array_double(&c[1], item->ai_ms);
    else
        pg_array_null(&c[1]);
    pg_array_text(&c[2], item->model);
    pg_array_integer(&c[3], (int32_t)item->restarts);
    pg_array_text(&c[4], item->storage);
    pg_array_ms(&c[5], item->at_ms);
    pg_array_boolean(&c[6], item->said);
}

static void put_no_reply(struct pg_array *c)
{
    for (unsigned i = 0; i < 6; i++)
        pg_array_null(&c[i]);
    pg_array_boolean(&c[6], false);
}

static void put_message(struct pg_array *c, const struct message_row *r)
{
    const struct item_message *m = r->m;

    pg_array_text(&c[0], r->item->conversation_id);
    pg_array_uuid(&c[1], m->id);
    pg_array_text(&c[2], m->message_id);
    pg_array_bigint(&c[3], m->seq);
    pg_array_text(&c[4], m->sender_id);
    pg_array_text(&c[5], sv_from(m->sender_type));
    pg_array_text(&c[6], m->content);
    pg_array_ms(&c[7], m->timestamp_ms);
    pg_array_ms(&c[8], m->received_ms);
    pg_array_json(&c[9], m->metadata);
    pg_array_json(&c[10], m->attachments);
    put_turn(&c[11], r->item);
    if (r->item->has_turn && m == &r->item->messages[r->item->newest])
        put_reply(&c[15], r->item);
    else
        put_no_reply(&c[15]);
}

static void put_action(struct pg_array *c, const struct action_row *r)
{
    const struct item *item = r->item;

    pg_array_text(&c[0], item->conversation_id);
    pg_array_uuid(&c[1], item->turn_id);
    pg_array_integer(&c[2], r->position);
    pg_array_text(&c[3], item->messages[item->newest].message_id);
    pg_array_text(&c[4], r->a->type);
    pg_array_json(&c[5], r->a->data);
    pg_array_text(&c[6], sv_from(r->a->status));
    pg_array_text(&c[7], r->a->reason);
    pg_array_integer(&c[8], (int32_t)r->a->retry_count);
    pg_array_bigint(&c[9], item->fence);
    pg_array_ms(&c[10], item->at_ms);
}

static void put_job(struct pg_array *c, const struct item *item)
{
    const struct item_job *job = item->job;

    pg_array_uuid(&c[0], item->turn_id);
    pg_array_text(&c[1], item->conversation_id);
    pg_array_text(&c[2], job->bot_id);
    pg_array_text(&c[3], sv_from(job->status));
    pg_array_integer(&c[4], (int32_t)job->attempts);
    pg_array_integer(&c[5], (int32_t)item->messages_n);
    pg_array_text(&c[6], job->callback_url);
    pg_array_json(&c[7], item->reply);
    pg_array_text(&c[8], job->error);
    pg_array_ms(&c[9], job->created_ms);
    if (job->started_ms >= 0)
        pg_array_ms(&c[10], job->started_ms);
    else
        pg_array_null(&c[10]);
    pg_array_ms(&c[11], item->at_ms);
    pg_array_bigint(&c[12], item->fence);
}

/* One conversation: the rows [first, end) are its messages. Its user is the first customer that spoke. */
static void put_session(struct pg_array *c, const struct message_row *first, const struct message_row *end)
{
    const struct item_message *user = NULL, *oldest = first->m;

    for (const struct message_row *r = first; r < end; r++) {
        bool customer = strcmp(r->m->sender_type, "user") == 0;
        if (customer && (user == NULL || item_user_seq(r->m) < item_user_seq(user)))
            user = r->m;
        if (r->m->order_ms < oldest->order_ms)
            oldest = r->m;
    }
    pg_array_uuid(&c[0], oldest->id);
    pg_array_text(&c[1], first->item->conversation_id);
    pg_array_text(&c[2], user != NULL ? user->sender_id : SV_NONE);
    pg_array_bigint(&c[3], user != NULL ? item_user_seq(user) : INT64_MAX);
    pg_array_ms(&c[4], oldest->order_ms);
}

static void put_sessions(struct pg_batch *b)
{
    const struct message_row *end = b->messages + b->messages_n;

    for (const struct message_row *first = b->messages, *r; first < end; first = r) {
        for (r = first + 1; r < end && sv_eq(r->item->conversation_id, first->item->conversation_id);)
            r++;
        put_session(b->tables[PG_SQL_SESSIONS].columns, first, r);
    }
}

/* ---- the whole ---- */

static void start(struct table *t, const enum pg_type *types, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pg_array_start(&t->columns[i], types[i]);
}

static int finish(struct pg_batch *b, enum pg_sql which)
{
    struct table *t = &b->tables[which];

    if (t->columns[0].n == 0)
        return 0;
    for (unsigned i = 0; i < pg_sql[which].params_n; i++) {
        t->params[i] = pg_array_end(&t->columns[i]);
        if (t->params[i].p == NULL)
            return -1;
    }
    b->queries[b->queries_n++] = (struct pg_query){ &pg_sql[which], t->params };
    return 0;
}

static void start_all(struct pg_batch *b)
{
    static const enum pg_type message[] = { PG_TEXT, PG_UUID, PG_TEXT, PG_BIGINT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ,
                                            PG_TIMESTAMPTZ, PG_JSONB, PG_JSONB, PG_TEXT, PG_TEXT, PG_UUID, PG_BIGINT, PG_JSONB,
                                            PG_DOUBLE, PG_TEXT, PG_INTEGER, PG_TEXT, PG_TIMESTAMPTZ, PG_BOOLEAN };
    static const enum pg_type action[] = { PG_TEXT, PG_UUID, PG_INTEGER, PG_TEXT, PG_TEXT, PG_JSONB,
                                           PG_TEXT, PG_TEXT, PG_INTEGER, PG_BIGINT, PG_TIMESTAMPTZ };
    static const enum pg_type session[] = { PG_UUID, PG_TEXT, PG_TEXT, PG_BIGINT, PG_TIMESTAMPTZ };
    static const enum pg_type job[] = { PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_INTEGER, PG_INTEGER, PG_TEXT, PG_JSONB, PG_TEXT,
                                        PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_BIGINT };
    _Static_assert(ARRAY_LEN(message) == PG_MESSAGE_COLUMNS && ARRAY_LEN(action) == PG_ACTION_COLUMNS &&
                       ARRAY_LEN(session) == PG_SESSION_COLUMNS && ARRAY_LEN(job) == PG_JOB_COLUMNS, "columns");
    b->queries_n = 0;
    start(&b->tables[PG_SQL_MESSAGES], message, ARRAY_LEN(message));
    start(&b->tables[PG_SQL_ACTIONS], action, ARRAY_LEN(action));
    start(&b->tables[PG_SQL_SESSIONS], session, ARRAY_LEN(session));
    start(&b->tables[PG_SQL_JOBS], job, ARRAY_LEN(job));
    start(&b->tables[PG_SQL_STATES], pg_state_columns, PG_STATE_COLUMNS);
    start(&b->tables[PG_SQL_CUSTOMERS], pg_customer_columns, PG_CUSTOMER_COLUMNS);
}

int pg_batch_fill(struct pg_batch *b, const struct item *const *items, size_t n, bool guarded)
{
    start_all(b);
    if (collect(b, items, n) != 0 || pg_guard_fill(&b->guard, items, guarded ? n : 0) != 0)
        return -1;
    b->queries[b->queries_n++] = pg_guard_query(&b->guard);
    sort_rows(b);
    for (size_t i = 0; i < b->messages_n; i++)
        put_message(b->tables[PG_SQL_MESSAGES].columns, &b->messages[i]);
    for (size_t i = 0; i < b->actions_n; i++)
        put_action(b->tables[PG_SQL_ACTIONS].columns, &b->actions[i]);
    put_sessions(b);
    for (size_t i = 0; i < b->jobs_n; i++)
        put_job(b->tables[PG_SQL_JOBS].columns, b->jobs[i]);
    if (pg_tasks_fill(&b->tasks, items, n, b->tables[PG_SQL_STATES].columns, b->tables[PG_SQL_CUSTOMERS].columns) != 0)
        return -1;
    for (unsigned t = 0; t < TABLES; t++)
        if (finish(b, t) != 0)
            return -1;
    return 0;
}

const struct pg_query *pg_batch_queries(const struct pg_batch *b, size_t *n)
{
    *n = b->queries_n;
    return b->queries;
}

struct pg_guard *pg_batch_guard(struct pg_batch *b)
{
    return &b->guard;
}

struct pg_batch *pg_batch_new(void)
{
    return calloc(1, sizeof(struct pg_batch));
}

void pg_batch_free(struct pg_batch *b)
{
    if (b == NULL)
        return;
    for (size_t t = 0; t < ARRAY_LEN(b->tables); t++)
        for (size_t i = 0; i < ARRAYS_MAX; i++)
            pg_array_fini(&b->tables[t].columns[i]);
    free(b->messages);
    free(b->actions);
    free(b->jobs);
    pg_tasks_fini(&b->tasks);
    pg_guard_fini(&b->guard);
    free(b);
}
