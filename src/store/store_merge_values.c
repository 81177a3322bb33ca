/* SPDX-License-Identifier: MIT
 * Going back, first part (store_merge.c has the whole of it): small values, and preferences, of which the younger copy is the one that the
 * store that stood in was given. Both may be put twice. */
#include "config.h"

#include "store/store_merge_inside.h"

static void merge_next_tastes(struct merge *m);

/* ---- small values ---- */

static void value_removed(void *arg, enum store_status status)
{
    struct merge *m = arg;
    if (status != STORE_DONE)
        m->trouble = status;
    if (--m->under_way > 0)
        return;
    if (m->trouble != STORE_DONE)
        merge_finish(m, m->trouble);
    else
        merge_next_values(m);
}

static void value_put(void *arg, enum store_status status)
{
    struct merge *m = arg;
    if (status != STORE_DONE)
        m->trouble = status;
    if (--m->under_way > 0)
        return;
    if (m->trouble != STORE_DONE) {
        merge_finish(m, m->trouble);
        return;
    }
    m->under_way = m->values_n;
    for (size_t i = 0, n = m->values_n; i < n; i++)
        store_put(m->from, m->values[i].name, SV_NONE, 0, value_removed, m);
}

/* One that says when a conversation was erased: the later one stands. */
struct erasure {
    struct merge *m;
    const struct sqlite_value *value;
};

static void erasure_there(void *arg, enum store_status status, int64_t at_ms)
{
    const struct erasure *x = arg;
    int64_t ours_ms = 0;
    if (status != STORE_DONE || (at_ms > 0 && (!sv_to_i64(x->value->value, &ours_ms) || ours_ms <= at_ms)))
        value_put(x->m, status);
    else
        store_put(x->m->to, x->value->name, x->value->value, x->value->left_ms, value_put, x->m);
}

/* A row of places, which others may have gone on with: none that is given out from now on is before those that were given out here. */
static void row_pushed(void *arg, enum store_status status, struct sv value)
{
    (void)value;
    value_put(arg, status);
}

/* False: memory is short. */
static bool put_one(struct merge *m, const struct sqlite_value *v)
{
    const struct sv head = SV("erased:"), row = SV("place:");
    if (sv_starts(v->name, row) && v->name.n <= STORE_ID_MAX) {
        store_place(m->to, &(struct store_place){ .name = v->name, .wait_ms = v->left_ms }, row_pushed, m);
        return true;
    }
    if (!sv_starts(v->name, head) || v->name.n == head.n || v->name.n > head.n + STORE_ID_MAX) {
        store_put(m->to, v->name, v->value, v->left_ms, value_put, m);
        return true;
    }
    struct erasure *x = arena_alloc(m->arena, sizeof *x);
    if (x == NULL)
        return false;
    *x = (struct erasure){ m, v };
    store_erased_at(m->to, (struct sv){ v->name.p + head.n, v->name.n - head.n }, erasure_there, x);
    return true;
}

static void values_read(void *arg, enum store_status status, const void *what)
{
    struct merge *m = arg;
    const struct sqlite_values *v = what;
    if (status != STORE_DONE) {
        merge_finish(m, status);
        return;
    }
    m->values_n = v->n;
    if (v->n == 0) {
        merge_next_tastes(m);
        return;
    }
    m->values = arena_array(m->arena, v->n, sizeof *m->values);
    bool kept = m->values != NULL;
    for (size_t i = 0; kept && i < v->n; i++) {
        m->values[i] = v->at[i];
        kept = merge_keep(m, &m->values[i].name) && merge_keep(m, &m->values[i].value);
    }
    if (!kept) {
        merge_finish(m, STORE_FULL);
        return;
    }
    m->under_way = v->n + 1; /* one for this function, so that no answer ends it before all are asked */
    for (size_t i = 0, n = v->n; i < n; i++) {
        if (!put_one(m, &m->values[i])) {
            m->trouble = STORE_FULL;
            m->under_way--;
        }
    }
    value_put(m, STORE_DONE);
}

void merge_next_values(struct merge *m)
{
    arena_reset(m->arena);
    store_sqlite_ask(m->from, &(struct op){ .kind = OP_STOCK },
                     &(struct answer){ .kind = ANSWER_OTHER, .fn.other = values_read, .arg = m });
}

/* ---- preferences ---- */

static void tastes_removed(void *arg, enum store_status status)
{
    struct merge *m = arg;
    if (status != STORE_DONE)
        merge_finish(m, status);
    else
        merge_next_tastes(m);
}

static void tastes_put(void *arg, enum store_status status)
{
    struct merge *m = arg;
    if (status != STORE_DONE)
        merge_finish(m, status);
    else
        store_preferences_put(m->from, m->user_id, NULL, 0, tastes_removed, m);
}

static void tastes_read(void *arg, enum store_status status, const void *what)
{
    struct merge *m = arg;
    const struct sqlite_tastes *t = what;
    if (status != STORE_DONE) {
        merge_finish(m, status);
        return;
    }
    if (t == NULL) {
        merge_next_conversation(m);
        return;
    }
    m->user_id = t->user_id;
    if (merge_keep(m, &m->user_id))
        store_preferences_put(m->to, t->user_id, t->pairs, t->n, tastes_put, m);
    else
        merge_finish(m, STORE_FULL);
}

static void merge_next_tastes(struct merge *m)
{
    arena_reset(m->arena);
    store_sqlite_ask(m->from, &(struct op){ .kind = OP_TASTES },
                     &(struct answer){ .kind = ANSWER_OTHER, .fn.other = tastes_read, .arg = m });
}
