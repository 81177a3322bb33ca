/* SPDX-License-Identifier: MIT
 * See sqlite_merge.h: histories, figures and preferences that go over. A history goes with its conversation, or alone when that was
 * forgotten; its key is then made of its row's number and time. Figures of a day are bound by the key being written behind their day. */
#include "config.h"

#include "lib/clock.h"
#include "store/sqlite_merge.h"

#define DAY_BYTES 10

/* The oldest row of a conversation's history; n 0: none. */
struct owner {
    int64_t n, until;
    struct sv user_id;
};

static int find_owner(struct session *x, struct answer *a, struct sv id, struct owner *o)
{
    *o = (struct owner){ 0 };
    int rc = db_ask(x->db, SQL_USER_OF, DB_ARGS(db_s(id)));
    if (rc != 1)
        return rc;
    *o = (struct owner){ db_int(x->db, SQL_USER_OF, 0), db_int(x->db, SQL_USER_OF, 2), db_text(x->db, SQL_USER_OF, 1) };
    bool kept = a == NULL || answer_keep(a, &o->user_id);
    db_end(x->db, SQL_USER_OF);
    return kept ? 0 : db_no_memory(x->db);
}

int merge_read_history(struct session *x, struct answer *a, struct sqlite_whole *w)
{
    int64_t now_ms = clock_wall_ms();
    struct owner o;
    if (find_owner(x, a, w->id, &o) != 0)
        return -1;
    if (o.n == 0 || o.until <= now_ms)
        return 0;
    w->user_id = o.user_id;
    w->history_left_ms = o.until - now_ms;
    if (op_entries(x, w->id, o.user_id, now_ms, a, &w->entries, &w->entries_n) != 0)
        return -1;
    return op_pairs(x, SQL_FIELDS, db_ask(x->db, SQL_FIELDS, DB_ARGS(db_s(w->id), db_i(now_ms))), a, &w->fields, &w->fields_n);
}

/* ---- figures ---- */

/* "<day>", or "<day> <key>". */
static int bind(struct session *x, struct answer *a, struct sqlite_whole *w, struct sv *name)
{
    if (name->n > DAY_BYTES) {
        w->key = (struct sv){ name->p + DAY_BYTES + 1, name->n - DAY_BYTES - 1 };
        return 0;
    }
    if (merge_make_key(x, a, 0, 0, x->counts.batch_next++, &w->key) != 0)
        return -1;
    struct sv bound = arena_printf(a->arena, "%.*s %.*s", SV_FMT(*name), SV_FMT(w->key));
    if (bound.p == NULL)
        return db_no_memory(x->db);
    if (db_do(x->db, SQL_DAY_BIND, DB_ARGS(db_s(*name), db_s(bound))) != 0 ||
        db_do(x->db, SQL_FIGURES_BIND, DB_ARGS(db_s(*name), db_s(bound))) != 0)
        return -1;
    *name = bound;
    return 0;
}

static int read_figures(struct session *x, struct answer *a, struct sqlite_whole *w, int64_t now_ms)
{
    int rc = db_ask(x->db, SQL_DAY_FIRST, DB_ARGS(db_i(now_ms)));
    if (rc != 1)
        return rc;
    struct sv name = db_text(x->db, SQL_DAY_FIRST, 0);
    w->counts_left_ms = db_int(x->db, SQL_DAY_FIRST, 1) - now_ms;
    bool kept = answer_keep(a, &name);
    db_end(x->db, SQL_DAY_FIRST);
    if (!kept)
        return db_no_memory(x->db);
    if (bind(x, a, w, &name) != 0)
        return -1;
    w->id = w->key;
    w->day = (struct sv){ name.p, DAY_BYTES };
    struct store_count *counts = NULL;
    rc = db_ask(x->db, SQL_FIGURES, DB_ARGS(db_s(name), db_i(now_ms)));
    for (; rc == 1; rc = db_next(x->db, SQL_FIGURES)) {
        counts = op_room(a, counts, w->counts_n, sizeof *counts);
        if (counts == NULL)
            return db_no_memory(x->db);
        struct store_count *one = &counts[w->counts_n++];
        *one = (struct store_count){ db_text(x->db, SQL_FIGURES, 0), db_int(x->db, SQL_FIGURES, 1) };
        if (!answer_keep(a, &one->metric))
            return db_no_memory(x->db);
    }
    w->counts = counts;
    return rc;
}

/* ---- what has no conversation ---- */

int merge_read_rest(struct session *x, struct answer *a, struct sqlite_whole *w)
{
    int64_t now_ms = clock_wall_ms();
    if (op_history_sweep(x, now_ms, -1) != 0 || read_figures(x, a, w, now_ms) != 0)
        return -1;
    if (w->key.p != NULL)
        return 0;
    int rc = db_ask(x->db, SQL_USER_FIRST, DB_NO_ARGS);
    if (rc < 0)
        return -1;
    if (rc == 0) {
        if (db_do(x->db, SQL_INFOS_DROP_ALL, DB_NO_ARGS) != 0)
            return -1;
        return db_do(x->db, SQL_FIELDS_DROP_ALL, DB_NO_ARGS);
    }
    int64_t n = db_int(x->db, SQL_USER_FIRST, 0), until = db_int(x->db, SQL_USER_FIRST, 1);
    w->id = db_text(x->db, SQL_USER_FIRST, 2);
    bool kept = answer_keep(a, &w->id);
    db_end(x->db, SQL_USER_FIRST);
    if (!kept)
        return db_no_memory(x->db);
    return merge_make_key(x, a, n, (uint64_t)until, 0, &w->key) != 0 ? -1 : merge_read_history(x, a, w);
}

int merge_drop_history(struct session *x, struct sv id, struct sv key, bool whole)
{
    struct owner o;
    int64_t entries = 0;
    if (db_do(x->db, SQL_FIGURES_BOUND_DROP, DB_ARGS(db_s(key))) != 0 || db_do(x->db, SQL_DAY_BOUND_DROP, DB_ARGS(db_s(key))) != 0 ||
        find_owner(x, NULL, id, &o) != 0)
        return -1;
    if (o.n == 0 || (!whole && !merge_key_fits(key, o.n, (uint64_t)o.until)))
        return 0;
    if (op_history_drop(x, id, SV_NONE, 0, &entries) != 0 || db_do(x->db, SQL_ENTRIES_DROP, DB_ARGS(db_i(o.n))) != 0)
        return -1;
    return db_do(x->db, SQL_USER_UNLIST, DB_ARGS(db_i(o.n)));
}

/* ---- preferences ---- */

int op_tastes(struct session *x, struct op *op)
{
    struct answer *a = op->answer;
    struct arena *arena = answer_arena(a);
    struct sqlite_tastes *t = arena != NULL ? arena_alloc(arena, sizeof *t) : NULL;
    a->status = STORE_DONE;
    if (t == NULL)
        return db_no_memory(x->db);
    int rc = db_ask(x->db, SQL_PREFERENCES_FIRST, DB_NO_ARGS);
    if (rc != 1)
        return rc;
    t->user_id = db_text(x->db, SQL_PREFERENCES_FIRST, 0);
    bool kept = answer_keep(a, &t->user_id);
    db_end(x->db, SQL_PREFERENCES_FIRST);
    if (!kept)
        return db_no_memory(x->db);
    a->is.other = t;
    return op_pairs(x, SQL_PREFERENCES, db_ask(x->db, SQL_PREFERENCES, DB_ARGS(db_s(t->user_id))), a, &t->pairs, &t->n);
}
