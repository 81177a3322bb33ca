/* SPDX-License-Identifier: MIT
 * See sqlite_merge.h. Items are bound by a range of the owner <key> and the batch 0, which no taker gets; letters by a column. */
#include "config.h"

#include "lib/clock.h"
#include "store/sqlite_merge.h"

#define BATCH 0
#define VALUES_MAX 100
#define LETTERS_MAX 100

static const int64_t items_max[STORE_QUEUES] = { [STORE_QUEUE_MESSAGES] = 1000, [STORE_QUEUE_CALLBACKS] = 250 };

/* ---- OP_WHOLE ---- */

/* The key that is bound, in the arena of `a`; SV_NONE: none. */
static int bound_key(struct session *x, struct answer *a, struct sv *key)
{
    *key = SV_NONE;
    int rc = db_ask(x->db, SQL_BOUND, DB_NO_ARGS);
    if (rc != 1)
        return rc;
    *key = db_text(x->db, SQL_BOUND, 0);
    bool kept = answer_keep(a, key);
    db_end(x->db, SQL_BOUND);
    return kept ? 0 : db_no_memory(x->db);
}

/* One text of a statement without arguments but a number. */
static int one_text(struct session *x, enum sql which, int64_t n, struct answer *a, struct sv *text)
{
    *text = SV_NONE;
    int rc = db_ask(x->db, which, DB_ARGS(db_i(n)));
    if (rc != 1)
        return rc;
    *text = db_text(x->db, which, 0);
    bool kept = answer_keep(a, text);
    db_end(x->db, which);
    return kept ? 0 : db_no_memory(x->db);
}

/* Nobody takes from this file any more when it is emptied: what is taken is free again. */
static int free_queues(struct session *x)
{
    for (enum store_queue q = STORE_QUEUE_MESSAGES; q < STORE_QUEUES; q++) {
        struct queue_counts *c = &x->counts.queues[q];
        if (db_do(x->db, sql_queue(q, QUEUE_RANGES_FREE_ALL), DB_NO_ARGS) != 0)
            return -1;
        c->free += c->taken;
        c->taken = 0;
    }
    return 0;
}

/* Items and letters that can still be bound. */
static int64_t stock(const struct session *x)
{
    int64_t n = x->counts.dead;
    for (enum store_queue q = STORE_QUEUE_MESSAGES; q < STORE_QUEUES; q++)
        n += x->counts.queues[q].free;
    return n;
}

int merge_make_key(struct session *x, struct answer *a, int64_t n, uint64_t version, int64_t number, struct sv *key)
{
    struct arena *arena = answer_arena(a);
    if (db_ask(x->db, SQL_FILE_TOKEN, DB_NO_ARGS) != 1)
        return -1;
    int64_t file = db_int(x->db, SQL_FILE_TOKEN, 0);
    db_end(x->db, SQL_FILE_TOKEN);
    *key = arena != NULL ? arena_printf(arena, "merge:%lld:%lld:%llu:%lld", (long long)file, (long long)n, (unsigned long long)version,
                                        (long long)number)
                         : SV_NONE;
    return key->p != NULL ? 0 : db_no_memory(x->db);
}

bool merge_key_fits(struct sv key, int64_t n, uint64_t version)
{
    int64_t key_n = -1;
    uint64_t key_version = 0;
    (void)sv_split(&key, ':');
    (void)sv_split(&key, ':');
    return sv_to_i64(sv_split(&key, ':'), &key_n) && sv_to_u64(sv_split(&key, ':'), &key_version) && key_n == n && key_version == version;
}

static int64_t key_conversation(struct sv key)
{
    int64_t n = 0;
    (void)sv_split(&key, ':');
    (void)sv_split(&key, ':');
    return sv_to_i64(sv_split(&key, ':'), &n) ? n : 0;
}

static int read_marks(struct session *x, int64_t n, struct answer *a, struct sqlite_whole *w)
{
    struct sqlite_mark *marks = NULL;
    size_t room = 0;
    int64_t now_ms = clock_wall_ms();
    int rc = db_ask(x->db, SQL_MARKS_OF, DB_ARGS(db_i(n), db_i(now_ms)));
    for (; rc == 1; rc = db_next(x->db, SQL_MARKS_OF)) {
        if (w->marks_n == room) {
            room = room * 2 + 16;
            struct sqlite_mark *more = arena_array(a->arena, room, sizeof *more);
            if (more == NULL)
                return db_no_memory(x->db);
            if (w->marks_n > 0)
                memcpy(more, marks, w->marks_n * sizeof *more);
            marks = more;
        }
        struct sqlite_mark *m = &marks[w->marks_n++];
        *m = (struct sqlite_mark){ db_text(x->db, SQL_MARKS_OF, 0), db_text(x->db, SQL_MARKS_OF, 2),
                                   db_int(x->db, SQL_MARKS_OF, 1) - now_ms };
        if (!answer_keep(a, &m->message_id) || !answer_keep(a, &m->value))
            return db_no_memory(x->db);
    }
    w->marks = marks;
    return rc;
}

static int read_whole(struct session *x, struct answer *a, const struct row *c, struct sqlite_whole *w)
{
    w->record = c->version > 0 ? c->record : SV_NONE;
    w->version = c->version;
    w->pending_n = (size_t)(c->pending_next - c->pending_first);
    w->context_n = (size_t)(c->context_next - c->context_first);
    if (read_marks(x, c->n, a, w) != 0 || op_items(x, SQL_PENDING, c->n, w->pending_n, a, &w->pending) != 0)
        return -1;
    if (op_items(x, SQL_CONTEXT, c->n, w->context_n, a, &w->context) != 0)
        return -1;
    return merge_read_history(x, a, w);
}

static int read_bound_of(struct session *x, struct answer *a, struct sqlite_whole *w, enum store_queue q)
{
    enum sql owned = sql_queue(q, QUEUE_OWNER_ITEMS), bound = sql_queue(q, QUEUE_BOUND_ITEMS);
    if (db_ask(x->db, owned, DB_ARGS(db_s(w->key))) != 1)
        return -1;
    size_t max = (size_t)db_int(x->db, owned, 0), n = 0;
    db_end(x->db, owned);
    struct sv *items = arena_array(a->arena, max + 1, sizeof *items);
    if (items == NULL)
        return db_no_memory(x->db);
    int rc = db_ask(x->db, bound, DB_ARGS(db_s(w->key)));
    for (; rc == 1 && n < max; rc = db_next(x->db, bound), n++) {
        items[n] = db_text(x->db, bound, 0);
        if (!answer_keep(a, &items[n]))
            return db_no_memory(x->db);
    }
    w->queues[q] = (struct sqlite_items){ items, n };
    return rc < 0 ? -1 : 0;
}

/* The items of a key that is bound already. */
static int read_bound(struct session *x, struct answer *a, struct sqlite_whole *w)
{
    int rc = 0;
    for (enum store_queue q = STORE_QUEUE_MESSAGES; rc == 0 && q < STORE_QUEUES; q++)
        rc = read_bound_of(x, a, w, q);
    return rc;
}

static int read_letters(struct session *x, struct answer *a, struct sqlite_whole *w)
{
    struct store_letter *at = arena_array(a->arena, LETTERS_MAX, sizeof *at);
    if (at == NULL)
        return db_no_memory(x->db);
    w->letters = at;
    int rc = db_ask(x->db, SQL_LETTERS_BOUND, DB_ARGS(db_s(w->key), db_i(LETTERS_MAX)));
    for (; rc == 1; rc = db_next(x->db, SQL_LETTERS_BOUND)) {
        struct store_letter *one = &at[w->letters_n++];
        *one = (struct store_letter){ db_text(x->db, SQL_LETTERS_BOUND, 0), db_text(x->db, SQL_LETTERS_BOUND, 1) };
        if (!answer_keep(a, &one->id) || !answer_keep(a, &one->item))
            return db_no_memory(x->db);
    }
    return rc;
}

static int bind_items(struct session *x, struct answer *a, const struct row *c, struct sqlite_whole *w)
{
    if (merge_make_key(x, a, c->n, c->version, stock(x) > 0 ? x->counts.batch_next++ : 0, &w->key) != 0)
        return -1;
    for (enum store_queue q = STORE_QUEUE_MESSAGES; q < STORE_QUEUES; q++) {
        struct store_batch b = { 0 };
        if (x->counts.queues[q].free > 0 && op_queue_take(x, a, q, w->key, BATCH, items_max[q], &b) != 0)
            return -1;
        w->queues[q] = (struct sqlite_items){ b.items, b.n };
    }
    return db_do(x->db, SQL_LETTERS_BIND, DB_ARGS(db_s(w->key), db_i(LETTERS_MAX)));
}

/* is.other stays NULL: all is done; views are not taken along. */
static int whole_rest(struct session *x, struct answer *a, struct sqlite_whole *w)
{
    struct row none;
    if (merge_read_rest(x, a, w) != 0)
        return -1;
    if (w->key.p == NULL)
        return db_do(x->db, SQL_TEXTS_DROP_ALL, DB_NO_ARGS);
    a->is.other = w;
    if (op_row(x, w->id, a, &none) != 0)
        return -1;
    return op_session_last(x, w->id, &none, &w->last);
}

int op_whole(struct session *x, struct op *op)
{
    struct answer *a = op->answer;
    struct arena *arena = answer_arena(a);
    struct sqlite_whole *w = arena != NULL ? arena_alloc(arena, sizeof *w) : NULL;
    struct row c = { 0 };
    a->status = STORE_DONE;
    if (w == NULL)
        return db_no_memory(x->db);
    if (bound_key(x, a, &w->key) != 0)
        return -1;
    bool is_bound = w->key.p != NULL;
    if (!is_bound && free_queues(x) != 0)
        return -1;
    int rc = is_bound ? one_text(x, SQL_CONVERSATION_ID, key_conversation(w->key), a, &w->id)
                      : one_text(x, SQL_FIRST_CONVERSATION, 0, a, &w->id);
    if (rc != 0)
        return -1;
    if (!is_bound && w->id.p == NULL && stock(x) == 0)
        return op_wipe_noted(x) != 0 ? -1 : whole_rest(x, a, w);
    if ((w->id.p != NULL && op_row(x, w->id, a, &c) != 0) || (is_bound ? read_bound(x, a, w) : bind_items(x, a, &c, w)) != 0 ||
        read_letters(x, a, w) != 0)
        return -1;
    if (c.n == 0 && w->queues[STORE_QUEUE_MESSAGES].n + w->queues[STORE_QUEUE_CALLBACKS].n + w->letters_n == 0)
        return 0; /* rows were removed by hand: there is less than was counted */
    if (w->id.p == NULL)
        w->id = w->key; /* items without any conversation go with one that is forgotten at once */
    w->is_stale = !merge_key_fits(w->key, c.n, c.version);
    a->is.other = w;
    if (op_session_last(x, w->id, &c, &w->last) != 0)
        return -1;
    return read_whole(x, a, &c, w);
}

/* ---- OP_FORGET ---- */

static int drop_lists(struct session *x, const struct row *c)
{
    if (db_do(x->db, SQL_MARKS_DROP, DB_ARGS(db_i(c->n))) != 0 ||
        db_do(x->db, SQL_PENDING_DROP, DB_ARGS(db_i(c->n), db_i(c->pending_next))) != 0)
        return -1;
    return db_do(x->db, SQL_CONTEXT_DROP, DB_ARGS(db_i(c->n), db_i(c->context_next)));
}

static int drop_conversation(struct session *x, struct sv id, const struct row *c)
{
    if (drop_lists(x, c) != 0 || op_session_drop(x, id, c) != 0)
        return -1;
    if (c->version > 0)
        op_count(&x->counts, c->listed, c->due > 0, -1);
    return db_do(x->db, SQL_CONVERSATION_DROP, DB_ARGS(db_i(c->n)));
}

static int drop_letters(struct session *x, struct sv key)
{
    if (db_do(x->db, SQL_LETTERS_BOUND_DROP, DB_ARGS(db_s(key))) != 0)
        return -1;
    x->counts.dead -= db_changes(x->db);
    return 0;
}

int op_forget(struct session *x, struct op *op)
{
    struct row c;
    bool was;
    struct sv key = op->ask.forget.key;
    op->answer->status = STORE_DONE;
    for (enum store_queue q = STORE_QUEUE_MESSAGES; q < STORE_QUEUES; q++) {
        if ((op->ask.forget.merged ? op_queue_forget(x, q, key, BATCH, &was) : op_queue_free(x, q, key)) != 0)
            return -1;
    }
    if (!op->ask.forget.merged)
        return db_do(x->db, SQL_LETTERS_FREE, DB_ARGS(db_s(key)));
    /* the other store may be asked to erase it, and nothing of it is to be left here then */
    if (op_wipe_wanted(x) != 0 || drop_letters(x, key) != 0 || op_row(x, op->ask.forget.id, op->answer, &c) != 0)
        return -1;
    bool fits = c.n > 0 && merge_key_fits(key, c.n, c.version);
    if (merge_drop_history(x, op->ask.forget.id, key, fits) != 0)
        return -1;
    return fits ? drop_conversation(x, op->ask.forget.id, &c) : 0;
}

/* ---- OP_STOCK ---- */

int op_stock(struct session *x, struct op *op)
{
    struct arena *arena = answer_arena(op->answer);
    struct sqlite_values *v = arena != NULL ? arena_alloc(arena, sizeof *v) : NULL;
    struct sqlite_value *at = v != NULL ? arena_array(arena, VALUES_MAX, sizeof *at) : NULL;
    int64_t now_ms = clock_wall_ms();
    op->answer->status = STORE_DONE;
    if (at == NULL)
        return db_no_memory(x->db);
    v->at = at;
    op->answer->is.other = v;
    int rc = db_ask(x->db, SQL_FIRST_VALUES, DB_ARGS(db_i(now_ms), db_i(VALUES_MAX)));
    for (; rc == 1; rc = db_next(x->db, SQL_FIRST_VALUES)) {
        struct sqlite_value *one = &at[v->n++];
        *one = (struct sqlite_value){ db_text(x->db, SQL_FIRST_VALUES, 0), db_text(x->db, SQL_FIRST_VALUES, 2),
                                      db_int(x->db, SQL_FIRST_VALUES, 1) - now_ms };
        if (!answer_keep(op->answer, &one->name) || !answer_keep(op->answer, &one->value))
            return db_no_memory(x->db);
    }
    return rc;
}
