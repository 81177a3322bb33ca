/* SPDX-License-Identifier: MIT
 * Erasure in the state file: everything that one conversation has there, and the note that keeps what was decided before from coming back
 * ("erased:<id>", a small value). */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "store/sqlite_op.h"

static struct sv name_of(struct session *x, struct arena *arena, const char *head, struct sv id)
{
    struct sv name = arena_printf(arena, "%s%.*s", head, SV_FMT(id));
    if (name.p == NULL)
        (void)db_no_memory(x->db);
    return name;
}

int op_erased(struct session *x, struct arena *arena, struct sv id, int64_t now_ms, int64_t *at_ms)
{
    struct sv name = name_of(x, arena, "erased:", id);
    *at_ms = 0;
    if (name.p == NULL)
        return -1;
    int rc = db_ask(x->db, SQL_VALUE, DB_ARGS(db_s(name), db_i(now_ms)));
    if (rc != 1)
        return rc;
    if (!sv_to_i64(db_text(x->db, SQL_VALUE, 0), at_ms))
        *at_ms = 0; /* written by hand */
    db_end(x->db, SQL_VALUE);
    return 0;
}

static int note(struct session *x, struct op *op, int64_t now_ms)
{
    const struct store_change *c = &op->ask.apply;
    int64_t at_ms;
    char text[24];
    if (op_erased(x, op->arena, c->conversation_id, now_ms, &at_ms) != 0)
        return -1;
    (void)snprintf(text, sizeof text, "%lld", (long long)(c->erase->at_ms > at_ms ? c->erase->at_ms : at_ms));
    struct sv name = name_of(x, op->arena, "erased:", c->conversation_id);
    return name.p != NULL ? op_value_set(x, name, sv_from(text), now_ms + c->mark_ttl_ms) : -1;
}

static int drop_jobs(struct session *x, struct op *op, int64_t now_ms)
{
    const struct store_erase *e = op->ask.apply.erase;
    for (size_t i = 0; i < e->jobs_n; i++) {
        struct sv name = name_of(x, op->arena, "job:", e->jobs[i]);
        int rc = name.p != NULL ? db_ask(x->db, SQL_VALUE, DB_ARGS(db_s(name), db_i(now_ms))) : -1;
        if (rc == 1)
            db_end(x->db, SQL_VALUE);
        if (rc < 0 || op_value_set(x, name, SV_NONE, 0) != 0)
            return -1;
        op->answer->erased.jobs += rc;
    }
    return 0;
}

int op_history_drop(struct session *x, struct sv id, struct sv user_id, int64_t now_ms, int64_t *entries)
{
    if (db_do(x->db, SQL_FIELDS_DROP, DB_ARGS(db_s(id))) != 0 || db_do(x->db, SQL_INFO_DROP, DB_ARGS(db_s(id))) != 0)
        return -1;
    int rc = user_id.p != NULL ? db_ask(x->db, SQL_USER_ROW, DB_ARGS(db_s(user_id), db_s(id))) : 0;
    if (rc != 1)
        return rc;
    int64_t n = db_int(x->db, SQL_USER_ROW, 0), until = db_int(x->db, SQL_USER_ROW, 1);
    db_end(x->db, SQL_USER_ROW);
    if (db_do(x->db, SQL_ENTRIES_DROP, DB_ARGS(db_i(n))) != 0)
        return -1;
    *entries += until > now_ms ? db_changes(x->db) : 0;
    return db_do(x->db, SQL_USER_UNLIST, DB_ARGS(db_i(n)));
}

/* As if it had just been forgotten, so that there is a row for its marks. */
static int add_forgotten(struct session *x, struct sv id, int64_t n, int64_t until_ms)
{
    const struct db_arg zero = db_i(0), args[] = { db_i(n), zero, db_s(SV("")), db_s(SV_NONE), db_i(until_ms), db_s(SV_NONE), zero, zero,
                                                   zero, zero, zero, zero, zero, zero, zero, zero, zero, db_s(id) };
    return db_do(x->db, SQL_CONVERSATION_ADD, args, ARRAY_LEN(args));
}

/* The marks of a conversation whose record is gone already, if it ever had one. */
static int write_marks(struct session *x, struct op *op, int64_t now_ms)
{
    const struct store_change *c = &op->ask.apply;
    struct row row;
    int64_t until_ms = now_ms + c->mark_ttl_ms;
    if (c->marks_n == 0)
        return 0;
    if (op_row(x, c->conversation_id, op->answer, &row) != 0)
        return -1;
    int64_t n = row.n > 0 ? row.n : x->counts.conversation_next++;
    if (op_marks_write(x, c, n, now_ms) != 0)
        return -1;
    if (row.n == 0)
        return add_forgotten(x, c->conversation_id, n, until_ms);
    if (db_ask(x->db, SQL_MARKS_UNTIL, DB_ARGS(db_i(n))) != 1)
        return -1;
    until_ms = db_int(x->db, SQL_MARKS_UNTIL, 0);
    db_end(x->db, SQL_MARKS_UNTIL);
    return db_do(x->db, SQL_CONVERSATION_FORGET, DB_ARGS(db_i(n), db_i(n), db_i(until_ms)));
}

static int count_events(struct session *x, const struct row *old, int64_t now_ms, int64_t *n)
{
    if (old->n == 0 || old->events_until <= now_ms)
        return 0;
    if (db_ask(x->db, SQL_LOG_COUNT, DB_ARGS(db_i(old->n))) != 1)
        return -1;
    *n = db_int(x->db, SQL_LOG_COUNT, 0);
    db_end(x->db, SQL_LOG_COUNT);
    return 0;
}

static int wipe_now(struct session *x)
{
    x->wipe = true;
    return db_do(x->db, SQL_WIPE_SET, DB_NO_ARGS);
}

/* What waits in the queues may be about it, and is deleted when it is acknowledged. */
static int wipe_later(struct session *x)
{
    for (int q = 0; q < STORE_QUEUES; q++) {
        const struct queue_counts *c = &x->counts.queues[q];
        if (c->free + c->taken > 0 && db_do(x->db, SQL_WIPE_AFTER_SET, DB_ARGS(db_i(q), db_i(c->next))) != 0)
            return -1;
    }
    return 0;
}

/* The first column of its only row, at most; 1, 0, -1. */
static int ask_one(struct session *x, enum sql which, const struct db_arg *args, size_t n, int64_t *value)
{
    int rc = db_ask(x->db, which, args, n);
    bool has = rc == 1 && db_text(x->db, which, 0).p != NULL;
    if (has)
        *value = db_int(x->db, which, 0);
    if (rc == 1)
        db_end(x->db, which);
    return rc < 0 ? -1 : has;
}

int op_wipe_after(struct session *x, enum store_queue q)
{
    int64_t number, first = 0;
    int rc = ask_one(x, SQL_WIPE_AFTER, DB_ARGS(db_i(q)), &number);
    if (rc != 1)
        return rc;
    rc = ask_one(x, sql_queue(q, QUEUE_FIRST), DB_NO_ARGS, &first);
    if (rc < 0)
        return -1;
    if (rc == 1 && first < number)
        return 0;
    return db_do(x->db, SQL_WIPE_AFTER_DROP, DB_ARGS(db_i(q))) != 0 ? -1 : wipe_now(x);
}

int op_wipe_too(struct session *x)
{
    int64_t one;
    int rc = ask_one(x, SQL_ANY_ERASED, DB_NO_ARGS, &one);
    return rc == 1 ? wipe_now(x) : rc;
}

int op_wipe_wanted(struct session *x)
{
    return db_do(x->db, SQL_WIPE_SET, DB_NO_ARGS);
}

int op_wipe_noted(struct session *x)
{
    int64_t noted;
    int rc = ask_one(x, SQL_WIPE, DB_NO_ARGS, &noted);
    x->wipe = x->wipe || rc == 1;
    return rc < 0 ? -1 : 0;
}

int op_erase(struct session *x, struct op *op, const struct row *old, int64_t now_ms)
{
    const struct store_change *c = &op->ask.apply;
    const struct store_erase *e = c->erase;
    struct store_erased *n = &op->answer->erased;
    n->messages = (old->pending_next - old->pending_first) + (old->context_next - old->context_first);
    if (count_events(x, old, now_ms, &n->events) != 0 || drop_jobs(x, op, now_ms) != 0 ||
        op_history_drop(x, c->conversation_id, e->user_id, now_ms, &n->messages) != 0 ||
        op_session_forget(x, c->conversation_id, old, now_ms) != 0 || op_forget_row(x, old, now_ms) != 0 ||
        write_marks(x, op, now_ms) != 0 || op_queue_add(x, STORE_QUEUE_MESSAGES, c->queue_add, c->queue_add_n) != 0 ||
        note(x, op, now_ms) != 0 || wipe_later(x) != 0 || wipe_now(x) != 0)
        return -1;
    if (e->day_metric.p == NULL)
        return 0;
    if (db_do(x->db, SQL_FIGURE_MOVE, DB_ARGS(db_s(e->day_metric), db_s(e->day_into))) != 0)
        return -1;
    return db_do(x->db, SQL_FIGURE_MOVED, DB_ARGS(db_s(e->day_metric)));
}

int op_erased_at(struct session *x, struct op *op)
{
    op->answer->status = STORE_DONE;
    return op_erased(x, op->arena, op->ask.history.id, clock_wall_ms(), &op->answer->is.at_ms);
}
