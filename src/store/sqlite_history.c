/* SPDX-License-Identifier: MIT
 * Recent history, figures and preferences in the state file. Entries of one user and conversation have a row of their own in state_user,
 * which says whether the session is in the user's set; its time and that of the session's fields are renewed by each change. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "store/sqlite_op.h"

/* ---- what a change does ---- */

static int write_entries(struct session *x, const struct store_history_change *h, int64_t n, int64_t next)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < h->entries_n; i++)
        rc = db_do(x->db, SQL_ENTRY_ADD, DB_ARGS(db_i(n), db_i(next + (int64_t)i), db_s(h->entries[i])));
    if (rc != 0 || h->entries_n == 0)
        return rc;
    return db_do(x->db, SQL_ENTRIES_CUT, DB_ARGS(db_i(n), db_i(next + (int64_t)h->entries_n - (int64_t)h->entries_max)));
}

static int write_user(struct session *x, struct sv id, const struct store_history_change *h, int64_t now_ms)
{
    int64_t n = 0, until = 0, next = 1, listed = 0;
    int rc = db_ask(x->db, SQL_USER_ROW, DB_ARGS(db_s(h->user_id), db_s(id)));
    if (rc < 0)
        return -1;
    if (rc == 1) {
        n = db_int(x->db, SQL_USER_ROW, 0);
        until = db_int(x->db, SQL_USER_ROW, 1);
        next = db_int(x->db, SQL_USER_ROW, 2);
        listed = db_int(x->db, SQL_USER_ROW, 3);
        db_end(x->db, SQL_USER_ROW);
    }
    if (n == 0)
        n = x->counts.conversation_next++;
    else if (until <= now_ms && db_do(x->db, SQL_ENTRIES_DROP, DB_ARGS(db_i(n))) != 0)
        return -1;
    if (db_do(x->db, SQL_USER_SET, DB_ARGS(db_i(n), db_s(h->user_id), db_s(id), db_i(now_ms + h->ttl_ms), db_i(next + (int64_t)h->entries_n))) != 0 ||
        write_entries(x, h, n, next) != 0)
        return -1;
    if (h->sessions_max == 0 || (listed != 0 && until > now_ms))
        return 0;
    return db_do(x->db, SQL_USER_CUT, DB_ARGS(db_s(h->user_id), db_i((int64_t)h->sessions_max), db_i(now_ms)));
}

/* What is past its time goes first: it would come back with a new time. */
static int renew(struct session *x, enum sql asks, enum sql drop, enum sql set, struct sv key, int64_t until_ms, int64_t now_ms)
{
    int64_t until = INT64_MAX;
    int rc = db_ask(x->db, asks, DB_ARGS(db_s(key)));
    if (rc < 0)
        return -1;
    if (rc == 1) {
        until = db_int(x->db, asks, 0);
        db_end(x->db, asks);
    }
    if (until <= now_ms && db_do(x->db, drop, DB_ARGS(db_s(key))) != 0)
        return -1;
    return db_do(x->db, set, DB_ARGS(db_s(key), db_i(until_ms)));
}

static int write_fields(struct session *x, struct sv id, const struct store_history_change *h, int64_t now_ms)
{
    int rc = renew(x, SQL_INFO, SQL_FIELDS_DROP, SQL_INFO_SET, id, now_ms + h->ttl_ms, now_ms);
    for (size_t i = 0; rc == 0 && i < h->fields_n; i++)
        rc = db_do(x->db, SQL_FIELD_SET, DB_ARGS(db_s(id), db_s(h->fields[i].key), db_s(h->fields[i].value)));
    return rc;
}

int op_history_write(struct session *x, const struct store_change *c, int64_t now_ms)
{
    const struct store_history_change *h = c->history;
    if (h == NULL)
        return 0;
    /* the fields first: which session leaves the user's set follows from them */
    if (h->user_id.p != NULL && (write_fields(x, c->conversation_id, h, now_ms) != 0 || write_user(x, c->conversation_id, h, now_ms) != 0))
        return -1;
    if (h->counts_n == 0)
        return 0;
    int rc = renew(x, SQL_DAY, SQL_FIGURES_DROP, SQL_DAY_SET, h->day, now_ms + h->counts_ttl_ms, now_ms);
    for (size_t i = 0; rc == 0 && i < h->counts_n; i++)
        rc = db_do(x->db, SQL_FIGURE_ADD, DB_ARGS(db_s(h->day), db_s(h->counts[i].metric), db_i(h->counts[i].n)));
    return rc;
}

int op_history_sweep(struct session *x, int64_t now_ms, int64_t max)
{
    static const enum sql which[] = { SQL_ENTRIES_SWEEP, SQL_USERS_SWEEP, SQL_FIELDS_SWEEP, SQL_INFOS_SWEEP, SQL_FIGURES_SWEEP, SQL_DAYS_SWEEP };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(which); i++)
        rc = db_do(x->db, which[i], DB_ARGS(db_i(now_ms), db_i(max)));
    return rc;
}

/* ---- reading ---- */

void *op_room(struct answer *a, void *at, size_t n, size_t size)
{
    if (n > 0 && (n < 16 || (n & (n - 1)) != 0))
        return at;
    struct arena *arena = answer_arena(a);
    void *more = arena != NULL ? arena_array(arena, n < 16 ? 16 : n * 2, size) : NULL;
    if (more != NULL && n > 0)
        memcpy(more, at, n * size);
    return more;
}

int op_pairs(struct session *x, enum sql which, int rc, struct answer *a, const struct store_pair **pairs, size_t *n)
{
    struct store_pair *at = NULL;
    *n = 0;
    for (; rc == 1; rc = db_next(x->db, which)) {
        at = op_room(a, at, *n, sizeof *at);
        if (at == NULL)
            return db_no_memory(x->db);
        struct store_pair *one = &at[(*n)++];
        *one = (struct store_pair){ db_text(x->db, which, 0), db_text(x->db, which, 1) };
        if (!answer_keep(a, &one->key) || !answer_keep(a, &one->value))
            return db_no_memory(x->db);
    }
    *pairs = at;
    return rc;
}

int op_entries(struct session *x, struct sv id, struct sv user_id, int64_t now_ms, struct answer *a, const struct sv **entries, size_t *n)
{
    struct sv *at = NULL;
    *n = 0;
    int rc = db_ask(x->db, SQL_USER_ENTRIES, DB_ARGS(db_s(user_id), db_s(id), db_i(now_ms)));
    for (; rc == 1; rc = db_next(x->db, SQL_USER_ENTRIES)) {
        at = op_room(a, at, *n, sizeof *at);
        if (at == NULL)
            return db_no_memory(x->db);
        at[*n] = db_text(x->db, SQL_USER_ENTRIES, 0);
        if (!answer_keep(a, &at[(*n)++]))
            return db_no_memory(x->db);
    }
    *entries = at;
    return rc;
}

int op_history(struct session *x, struct op *op)
{
    struct store_history *h = &op->answer->is.history;
    struct row c;
    op->answer->status = STORE_DONE;
    h->now_ms = clock_wall_ms();
    if (op_row(x, op->ask.history.id, op->answer, &c) != 0)
        return -1;
    h->version = c.version;
    h->record = c.record;
    h->pending_n = (size_t)(c.pending_next - c.pending_first);
    if (op_items(x, SQL_PENDING, c.n, h->pending_n, op->answer, &h->pending) != 0 ||
        (op->ask.history.user_id.p != NULL &&
         op_entries(x, op->ask.history.id, op->ask.history.user_id, h->now_ms, op->answer, &h->entries, &h->entries_n) != 0))
        return -1;
    return op_pairs(x, SQL_FIELDS, db_ask(x->db, SQL_FIELDS, DB_ARGS(db_s(op->ask.history.id), db_i(h->now_ms))), op->answer,
                      &h->fields, &h->fields_n);
}

/* Rows are a session's id and one of its fields, those of a session one behind the other. */
int op_user(struct session *x, struct op *op)
{
    struct answer *a = op->answer;
    struct store_user_session *at = NULL, *one = NULL;
    struct store_pair *fields = NULL;
    size_t n = 0;
    a->status = STORE_DONE;
    int rc = db_ask(x->db, SQL_USER_SESSIONS, DB_ARGS(db_s(op->ask.history.user_id), db_i(clock_wall_ms())));
    for (; rc == 1; rc = db_next(x->db, SQL_USER_SESSIONS)) {
        struct sv id = db_text(x->db, SQL_USER_SESSIONS, 0);
        if (one == NULL || !sv_eq(one->id, id)) {
            at = op_room(a, at, n, sizeof *at);
            if (at == NULL || !answer_keep(a, &id))
                return db_no_memory(x->db);
            one = &at[n++];
            *one = (struct store_user_session){ .id = id };
            fields = NULL;
        }
        fields = op_room(a, fields, one->fields_n, sizeof *fields);
        if (fields == NULL)
            return db_no_memory(x->db);
        struct store_pair *field = &fields[one->fields_n++];
        *field = (struct store_pair){ db_text(x->db, SQL_USER_SESSIONS, 1), db_text(x->db, SQL_USER_SESSIONS, 2) };
        one->fields = fields;
        if (!answer_keep(a, &field->key) || !answer_keep(a, &field->value))
            return db_no_memory(x->db);
    }
    a->is.user = (struct answer_user){ at, n };
    return rc;
}

int op_figures(struct session *x, struct op *op)
{
    struct answer_pairs *p = &op->answer->is.pairs;
    op->answer->status = STORE_DONE;
    return op_pairs(x, SQL_FIGURES, db_ask(x->db, SQL_FIGURES, DB_ARGS(db_s(op->ask.history.id), db_i(clock_wall_ms()))), op->answer,
                      &p->at, &p->n);
}

/* ---- preferences ---- */

int op_preferences_put(struct session *x, struct op *op)
{
    struct sv user_id = op->ask.history.user_id;
    op->answer->status = STORE_DONE;
    int rc = db_do(x->db, SQL_PREFERENCES_DROP, DB_ARGS(db_s(user_id)));
    for (size_t i = 0; rc == 0 && i < op->ask.history.n; i++)
        rc = db_do(x->db, SQL_PREFERENCE_SET,
                   DB_ARGS(db_s(user_id), db_s(op->ask.history.pairs[i].key), db_s(op->ask.history.pairs[i].value)));
    return rc;
}

int op_preferences(struct session *x, struct op *op)
{
    struct answer_pairs *p = &op->answer->is.pairs;
    op->answer->status = STORE_DONE;
    return op_pairs(x, SQL_PREFERENCES, db_ask(x->db, SQL_PREFERENCES, DB_ARGS(db_s(op->ask.history.user_id))), op->answer, &p->at,
                      &p->n);
}
