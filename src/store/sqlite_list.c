/* SPDX-License-Identifier: MIT
 * Operations that list: conversations by one of their scores, and dead letters. Each reads as many rows as it returns, from an index in
 * the wanted order. Knows nothing of what records and letters mean. */
#include "config.h"

#include "lib/clock.h"
#include "store/sqlite_op.h"

#define PAGE_MAX 10000 /* whatever is asked */

_Static_assert(SQL_LIST_PAUSED_NEWEST == SQL_LIST + 2 * STORE_PAUSED + 1, "two statements for each listing");

/* ---- conversations ---- */

/* SV_NONE is above all ids, "" below. */
struct edge {
    int64_t ms;
    struct sv id;
};

/* Where the page begins, and the bound at its far end. */
static struct edge edge_of(const struct store_list *what, int64_t now_ms, int64_t *bound_ms)
{
    int64_t high_ms = what->max_ms > 0 ? what->max_ms : INT64_MAX, low_ms = what->min_ms > 0 ? what->min_ms : 0;
    struct edge after = { what->after_ms, what->after_id };
    if (what->until_now && now_ms < high_ms)
        high_ms = now_ms;
    *bound_ms = what->newest_first ? low_ms : high_ms;
    if (what->newest_first)
        return after.id.p == NULL || after.ms > high_ms ? (struct edge){ high_ms, SV_NONE } : after;
    return after.id.p == NULL || after.ms < low_ms ? (struct edge){ low_ms, SV("") } : after;
}

static int read_page(struct session *x, struct answer *a, enum sql which, const struct db_arg *args, size_t max,
                     bool *more)
{
    struct store_listing *l = &a->is.list;
    struct store_listed *items = arena_array(a->arena, max + 1, sizeof *items);
    if (items == NULL)
        return db_no_memory(x->db);
    l->items = items;
    *more = false;
    int rc = db_ask(x->db, which, args, 5);
    for (; rc == 1 && !*more; rc = *more ? rc : db_next(x->db, which)) {
        *more = l->n == max;
        if (*more)
            break;
        struct store_listed *one = &items[l->n++];
        *one = (struct store_listed){ db_text(x->db, which, 0), db_text(x->db, which, 2), db_int(x->db, which, 1) };
        if (!answer_keep(a, &one->id) || !answer_keep(a, &one->record))
            return db_no_memory(x->db);
    }
    if (rc == 1)
        db_end(x->db, which);
    return rc < 0 ? -1 : 0;
}

/* The first score after now. */
static int find_next(struct session *x, enum sql which, struct store_listing *l)
{
    int rc = db_ask(x->db, which,
                    DB_ARGS(db_i(l->now_ms), db_s(SV_NONE), db_i(INT64_MAX), db_i(1), db_i(0)));
    if (rc != 1)
        return rc;
    l->next_ms = db_int(x->db, which, 1) - l->now_ms;
    db_end(x->db, which);
    return 0;
}

int op_list(struct session *x, struct op *op)
{
    const struct store_list *what = &op->ask.list;
    struct store_listing *l = &op->answer->is.list;
    enum sql up = (enum sql)(SQL_LIST + 2 * (int)what->index);
    size_t max = what->max < PAGE_MAX ? what->max : PAGE_MAX;
    int64_t bound_ms;
    bool more;
    op->answer->status = STORE_DONE;
    if (answer_arena(op->answer) == NULL)
        return db_no_memory(x->db);
    *l = (struct store_listing){ .now_ms = clock_wall_ms(), .next_ms = -1 };
    struct edge from = edge_of(what, l->now_ms, &bound_ms);
    const struct db_arg args[] = { db_i(from.ms), db_s(from.id), db_i(bound_ms), db_i((int64_t)max + 1),
                                   db_i(what->want_records) };
    if (read_page(x, op->answer, what->newest_first ? (enum sql)(up + 1) : up, args, max, &more) != 0)
        return -1;
    if (!what->until_now)
        return 0;
    l->next_ms = more ? 0 : -1;
    return more ? 0 : find_next(x, up, l);
}

/* ---- dead letters ---- */

static int read_letters(struct session *x, struct answer *a, enum sql which, const struct db_arg *args, size_t args_n,
                        size_t max)
{
    struct arena *arena = answer_arena(a);
    struct store_letter *at = arena != NULL ? arena_array(arena, max + 1, sizeof *at) : NULL;
    struct answer_letters *l = &a->is.letters;
    if (at == NULL)
        return db_no_memory(x->db);
    *l = (struct answer_letters){ .at = at };
    size_t bytes = 0;
    int rc = db_ask(x->db, which, args, args_n);
    for (bool full = false; rc == 1 && l->n < max && !full; rc = db_next(x->db, which)) {
        struct store_letter *one = &at[l->n++];
        full = bytes >= STORE_LIST_BYTES;
        *one = (struct store_letter){ db_text(x->db, which, 0), full ? SV("") : db_text(x->db, which, 1) };
        bytes += one->item.n;
        if (!answer_keep(a, &one->id) || !answer_keep(a, &one->item))
            return db_no_memory(x->db);
    }
    if (rc == 1)
        db_end(x->db, which);
    return rc < 0 ? -1 : 0;
}

int op_letters(struct session *x, struct op *op)
{
    const struct store_letters *what = &op->ask.letters;
    size_t max = what->max < PAGE_MAX ? what->max : PAGE_MAX;
    op->answer->status = STORE_DONE;
    if (what->op == STORE_LETTERS_GET)
        return read_letters(x, op->answer, SQL_LETTER, DB_ARGS(db_s(what->id)), 1);
    return read_letters(x, op->answer, SQL_LETTERS, DB_ARGS(db_s(what->id), db_i((int64_t)max)), max);
}

int op_letters_change(struct session *x, struct op *op)
{
    const struct store_letters *what = &op->ask.letters;
    op->answer->status = STORE_DONE;
    if (read_letters(x, op->answer, SQL_LETTER, DB_ARGS(db_s(what->id)), 1) != 0)
        return -1;
    if (op->answer->is.letters.n == 0)
        return 0;
    x->counts.dead--;
    if (db_do(x->db, SQL_LETTER_DROP, DB_ARGS(db_s(what->id))) != 0 || op_wipe_too(x) != 0)
        return -1;
    return what->op == STORE_LETTERS_AGAIN ? op_queue_add(x, what->queue, &what->item, 1) : 0;
}

int op_letters_add(struct session *x, const struct store_letter *letters, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc = db_ask(x->db, SQL_LETTER, DB_ARGS(db_s(letters[i].id)));
        if (rc == 1)
            db_end(x->db, SQL_LETTER);
        if (rc < 0 || db_do(x->db, SQL_LETTER_SET, DB_ARGS(db_s(letters[i].id), db_s(letters[i].item))) != 0)
            return -1;
        x->counts.dead += rc == 0;
    }
    return 0;
}
