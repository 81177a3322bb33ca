/* SPDX-License-Identifier: MIT
 * Operations on what all conversations share: the queues, small values, numbers, places.
 * An item of a queue is written once and deleted once. Taking moves a number (its counts' head) and notes a range;
 * giving back only forgets whose range it was, so items come back in the order in which they once were put. */
#include "config.h"

#include "lib/clock.h"
#include "store/place.h"
#include "store/sqlite_op.h"

#define ITEMS_MAX 10000 /* of one batch, whatever is asked */
#define HEADS_MAX 16    /* ranges whose first item stat tells: the first of them is the oldest */

int op_queue_add(struct session *x, enum store_queue q, const struct sv *items, size_t n)
{
    struct queue_counts *c = &x->counts.queues[q];
    for (size_t i = 0; i < n; i++) {
        if (db_do(x->db, sql_queue(q, QUEUE_ADD), DB_ARGS(db_i(c->next), db_i((int64_t)items[i].n), db_s(items[i]))) != 0)
            return -1;
        c->next++;
        c->free++;
        c->bytes += (int64_t)items[i].n;
    }
    return 0;
}

struct range {
    int64_t first, last;
};

/* The first row of a SELECT of ranges. 1, 0, -1. */
static int range_ask(struct session *x, enum sql which, const struct db_arg *args, size_t n, struct range *r)
{
    int rc = db_ask(x->db, which, args, n);
    if (rc != 1)
        return rc;
    *r = (struct range){ db_int(x->db, which, 0), db_int(x->db, which, 1) };
    db_end(x->db, which);
    return 1;
}

struct taking {
    struct answer *answer;
    enum store_queue queue;
    struct sv owner;
    int64_t batch;
    struct sv *items; /* with room for all */
    size_t n, bytes;
};

static bool is_full(const struct taking *t)
{
    return t->bytes >= STORE_TAKE_BYTES;
}

/* Which of the range's items is the last one that the batch takes: at least the first. -1. */
static int fit_range(struct session *x, const struct taking *t, struct range *r)
{
    enum sql fits = sql_queue(t->queue, QUEUE_FITS);
    if (db_ask(x->db, fits, DB_ARGS(db_i(r->first), db_i(r->last), db_i((int64_t)(STORE_TAKE_BYTES - t->bytes)))) != 1)
        return -1;
    r->last = db_int(x->db, fits, 0);
    db_end(x->db, fits);
    return 0;
}

/* Notes the range as the batch's and reads its items. */
static int take_range(struct session *x, struct taking *t, struct range r)
{
    struct queue_counts *c = &x->counts.queues[t->queue];
    enum sql items = sql_queue(t->queue, QUEUE_ITEMS);
    if (db_do(x->db, sql_queue(t->queue, QUEUE_RANGE_SET),
              DB_ARGS(db_i(r.first), db_i(r.last), db_i(t->batch), db_s(t->owner))) != 0)
        return -1;
    int64_t count = r.last - r.first + 1;
    c->free -= count;
    c->taken += count;
    int rc = db_ask(x->db, items, DB_ARGS(db_i(r.first), db_i(r.last)));
    for (; rc == 1; rc = db_next(x->db, items), t->n++) {
        t->items[t->n] = db_text(x->db, items, 0);
        if (!answer_keep(t->answer, &t->items[t->n]))
            return db_no_memory(x->db);
        t->bytes += t->items[t->n].n;
    }
    return rc;
}

static int take_some(struct session *x, struct taking *t, int64_t max)
{
    struct queue_counts *c = &x->counts.queues[t->queue];
    struct range r;
    int rc = 1;
    while (max > 0 && rc == 1 && !is_full(t)) {
        rc = range_ask(x, sql_queue(t->queue, QUEUE_RANGES_FREE), DB_NO_ARGS, &r);
        if (rc != 1)
            break;
        int64_t last = r.last;
        if (r.last - r.first + 1 > max)
            r.last = r.first + max - 1;
        if (fit_range(x, t, &r) != 0)
            return -1;
        if (r.last < last && db_do(x->db, sql_queue(t->queue, QUEUE_RANGE_SET), /* its rest stays free */
                                   DB_ARGS(db_i(r.last + 1), db_i(last), db_s(SV_NONE), db_s(SV_NONE))) != 0)
            return -1;
        max -= r.last - r.first + 1;
        if (take_range(x, t, r) != 0)
            return -1;
    }
    int64_t waiting = c->next - c->head, more = max < waiting ? max : waiting;
    if (rc < 0 || more == 0 || is_full(t))
        return rc < 0 ? -1 : 0;
    r = (struct range){ c->head, c->head + more - 1 };
    if (fit_range(x, t, &r) != 0)
        return -1;
    c->head = r.last + 1;
    return take_range(x, t, r);
}

int op_queue_take(struct session *x, struct answer *a, enum store_queue q, struct sv owner, int64_t batch, int64_t max,
                  struct store_batch *b)
{
    struct arena *arena = answer_arena(a);
    struct taking t = { .answer = a, .queue = q, .owner = owner, .batch = batch };
    if (max > x->counts.queues[q].free)
        max = x->counts.queues[q].free;
    t.items = arena != NULL ? arena_array(arena, (size_t)max + 1, sizeof *t.items) : NULL;
    if (t.items == NULL)
        return db_no_memory(x->db);
    if (take_some(x, &t, max) != 0)
        return -1;
    b->items = t.items;
    b->n = t.n;
    b->left = (size_t)x->counts.queues[q].free;
    return 0;
}

int op_take(struct session *x, struct op *op)
{
    struct store_batch *b = &op->answer->is.batch;
    enum store_queue q = op->ask.take.queue;
    int64_t max = op->ask.take.max < ITEMS_MAX ? (int64_t)op->ask.take.max : ITEMS_MAX;
    op->answer->status = STORE_DONE;
    b->name = SV("");
    if (x->counts.queues[q].free <= 0)
        return 0;
    int64_t batch = x->counts.batch_next++;
    if (op_queue_take(x, op->answer, q, op->ask.take.owner, batch, max, b) != 0)
        return -1;
    b->name = arena_printf(op->answer->arena, "%.*s:%lld", SV_FMT(op->ask.take.owner), (long long)batch);
    return b->name.p != NULL ? 0 : db_no_memory(x->db);
}

/* "owner:number" */
static bool parse_batch(struct sv name, struct sv *owner, int64_t *batch)
{
    size_t colon = name.n;
    while (colon > 0 && name.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    *owner = (struct sv){ name.p, colon - 1 };
    return sv_to_i64((struct sv){ name.p + colon, name.n - colon }, batch);
}

int op_queue_forget(struct session *x, enum store_queue q, struct sv owner, int64_t batch, bool *was)
{
    struct queue_counts *c = &x->counts.queues[q];
    enum sql of = sql_queue(q, QUEUE_RANGES_OF), bytes = sql_queue(q, QUEUE_BYTES);
    struct range r;
    int rc;
    *was = false;
    while ((rc = range_ask(x, of, DB_ARGS(db_i(batch), db_s(owner)), &r)) == 1) {
        *was = true;
        if (db_ask(x->db, bytes, DB_ARGS(db_i(r.first), db_i(r.last))) != 1)
            return -1;
        c->bytes -= db_int(x->db, bytes, 0);
        db_end(x->db, bytes);
        c->taken -= r.last - r.first + 1;
        if (db_do(x->db, sql_queue(q, QUEUE_DROP), DB_ARGS(db_i(r.first), db_i(r.last))) != 0 ||
            db_do(x->db, sql_queue(q, QUEUE_RANGE_DROP), DB_ARGS(db_i(r.first))) != 0)
            return -1;
    }
    return rc;
}

/* Below every number that is in use, as a range that was given back. */
static int put_in_front(struct session *x, enum store_queue q, const struct sv *items, size_t n)
{
    struct queue_counts *c = &x->counts.queues[q];
    enum sql lowest_of = sql_queue(q, QUEUE_LOWEST);
    if (n == 0)
        return 0;
    if (db_ask(x->db, lowest_of, DB_NO_ARGS) != 1)
        return -1;
    bool has_ranges = db_text(x->db, lowest_of, 0).p != NULL;
    int64_t lowest = has_ranges ? db_int(x->db, lowest_of, 0) : c->head;
    db_end(x->db, lowest_of);
    int64_t first = lowest - (int64_t)n;
    for (size_t i = 0; i < n; i++) {
        if (db_do(x->db, sql_queue(q, QUEUE_ADD),
                  DB_ARGS(db_i(first + (int64_t)i), db_i((int64_t)items[i].n), db_s(items[i]))) != 0)
            return -1;
        c->bytes += (int64_t)items[i].n;
    }
    c->free += (int64_t)n;
    return db_do(x->db, sql_queue(q, QUEUE_RANGE_SET),
                 DB_ARGS(db_i(first), db_i(lowest - 1), db_s(SV_NONE), db_s(SV_NONE)));
}

int op_ack(struct session *x, struct op *op)
{
    const struct store_ack *ack = &op->ask.ack;
    struct sv owner;
    int64_t batch;
    bool was = false;
    op->answer->status = STORE_DONE;
    if (!parse_batch(ack->batch, &owner, &batch))
        return 0;
    if (op_queue_forget(x, ack->queue, owner, batch, &was) != 0)
        return -1;
    if (!was) /* acknowledged before, or given back meanwhile: nothing may come twice */
        return 0;
    if (op_letters_add(x, ack->dead, ack->dead_n) != 0 || put_in_front(x, ack->queue, ack->again, ack->again_n) != 0)
        return -1;
    return op_wipe_after(x, ack->queue);
}

int op_owners(struct session *x, struct op *op)
{
    struct arena *arena = answer_arena(op->answer);
    struct owners *l = arena != NULL ? arena_alloc(arena, sizeof *l) : NULL;
    enum sql all = sql_queue(op->ask.recover.queue, QUEUE_OWNERS);
    struct sv *owners = NULL;
    size_t room = 0;
    if (l == NULL)
        return db_no_memory(x->db);
    *l = (struct owners){ 0 };
    op->answer->is.other = l;
    op->answer->status = STORE_DONE;
    int rc = db_ask(x->db, all, DB_NO_ARGS);
    for (; rc == 1; rc = db_next(x->db, all)) {
        if (l->n == room) {
            room = room * 2 + 16;
            struct sv *more = arena_array(arena, room, sizeof *more);
            if (more == NULL)
                return db_no_memory(x->db);
            if (l->n > 0)
                memcpy(more, owners, l->n * sizeof *more);
            owners = more;
        }
        owners[l->n] = db_text(x->db, all, 0);
        if (!answer_keep(op->answer, &owners[l->n]))
            return db_no_memory(x->db);
        l->n++;
    }
    l->at = owners;
    return rc;
}

int op_queue_free(struct session *x, enum store_queue q, struct sv owner)
{
    enum sql items = sql_queue(q, QUEUE_OWNER_ITEMS);
    if (db_ask(x->db, items, DB_ARGS(db_s(owner))) != 1)
        return -1;
    int64_t n = db_int(x->db, items, 0);
    db_end(x->db, items);
    x->counts.queues[q].free += n;
    x->counts.queues[q].taken -= n;
    return db_do(x->db, sql_queue(q, QUEUE_OWNER_FREE), DB_ARGS(db_s(owner)));
}

int op_recover(struct session *x, struct op *op)
{
    op->answer->status = STORE_DONE;
    for (size_t i = 0; i < op->ask.recover.n; i++) {
        if (op_queue_free(x, op->ask.recover.queue, op->ask.recover.owners[i]) != 0)
            return -1;
    }
    return 0;
}

/* ---- small values, numbers ---- */

int op_value_set(struct session *x, struct sv name, struct sv value, int64_t until_ms)
{
    if (value.p == NULL)
        return db_do(x->db, SQL_VALUE_DROP, DB_ARGS(db_s(name)));
    return db_do(x->db, SQL_VALUE_SET, DB_ARGS(db_s(name), db_i(until_ms), db_s(value)));
}

int op_put(struct session *x, struct op *op)
{
    op->answer->status = STORE_DONE;
    if (op->ask.value.value.p == NULL && sv_starts(op->ask.value.name, SV("job:")) && op_wipe_too(x) != 0)
        return -1;
    return op_value_set(x, op->ask.value.name, op->ask.value.value, clock_wall_ms() + op->ask.value.ttl_ms);
}

/* rc: of db_ask. */
static int take_value(struct session *x, struct op *op, enum sql sql, int rc)
{
    struct sv *value = &op->answer->is.value;
    op->answer->status = STORE_DONE;
    *value = SV_NONE;
    if (rc != 1)
        return rc;
    *value = db_text(x->db, sql, 0);
    bool kept = answer_keep(op->answer, value);
    db_end(x->db, sql);
    return kept ? 0 : db_no_memory(x->db);
}

int op_get(struct session *x, struct op *op)
{
    return take_value(x, op, SQL_VALUE, db_ask(x->db, SQL_VALUE, DB_ARGS(db_s(op->ask.value.name), db_i(clock_wall_ms()))));
}

int op_one_more(struct session *x, struct op *op)
{
    const struct store_value *v = &op->ask.value;
    return take_value(x, op, SQL_VALUE_COUNT, db_ask(x->db, SQL_VALUE_COUNT, DB_ARGS(db_s(v->name), db_i(clock_wall_ms()), db_i(v->ttl_ms))));
}

int op_place(struct session *x, struct op *op)
{
    const struct store_value *v = &op->ask.value;
    struct place_taken taken;
    int64_t now_ms = clock_wall_ms();
    int rc = take_value(x, op, SQL_VALUE, db_ask(x->db, SQL_VALUE, DB_ARGS(db_s(v->name), db_i(now_ms))));
    if (rc != 0)
        return rc;
    place_take(v->place, op->answer->is.value, now_ms, &taken);
    op->answer->is.value = taken.value[0] != '\0' ? sv_from(taken.value) : SV_NONE;
    if (!answer_keep(op->answer, &op->answer->is.value))
        return db_no_memory(x->db);
    return taken.changed ? op_value_set(x, v->name, sv_from(taken.next), taken.next_ms) : 0;
}

static int active_since(struct session *x, int64_t since_ms, int64_t *count)
{
    if (db_ask(x->db, SQL_ACTIVE_SINCE, DB_ARGS(db_i(since_ms))) != 1)
        return -1;
    *count = db_int(x->db, SQL_ACTIVE_SINCE, 0);
    db_end(x->db, SQL_ACTIVE_SINCE);
    return 0;
}

/* Appends the texts of a statement that was asked with `rc`. */
static int read_heads(struct session *x, enum sql which, int rc, struct answer *a, struct sv *heads, size_t *n)
{
    for (; rc == 1; rc = db_next(x->db, which)) {
        heads[*n] = db_text(x->db, which, 0);
        if (!answer_keep(a, &heads[(*n)++]))
            return db_no_memory(x->db);
    }
    return rc;
}

/* Of message_queue. What was given back or is taken stands before the rest of the queue. */
static int find_heads(struct session *x, struct answer *a)
{
    struct store_stat *s = &a->is.stat;
    struct sv *heads = arena_array(a->arena, HEADS_MAX + 1, sizeof *heads);
    enum sql ranges = sql_queue(STORE_QUEUE_MESSAGES, QUEUE_HEADS), items = sql_queue(STORE_QUEUE_MESSAGES, QUEUE_ITEMS);
    int64_t head = x->counts.queues[STORE_QUEUE_MESSAGES].head;
    if (heads == NULL)
        return db_no_memory(x->db);
    s->heads = heads;
    int rc = db_ask(x->db, ranges, DB_ARGS(db_i(HEADS_MAX)));
    if (read_heads(x, ranges, rc, a, heads, &s->heads_n) != 0)
        return -1;
    rc = db_ask(x->db, items, DB_ARGS(db_i(head), db_i(head)));
    return read_heads(x, items, rc, a, heads, &s->heads_n);
}

static int write_text(struct session *x, struct arena *arena, struct sv *text)
{
    static const char *const names[] = { "off", "normal", "full", "extra" };
    if (db_ask(x->db, SQL_SYNCHRONOUS, DB_NO_ARGS) != 1)
        return -1;
    int64_t synchronous = db_int(x->db, SQL_SYNCHRONOUS, 0);
    db_end(x->db, SQL_SYNCHRONOUS);
    if (db_ask(x->db, SQL_JOURNAL_MODE, DB_NO_ARGS) != 1)
        return -1;
    *text = arena_printf(arena,
                         "{\"sqlite_version\":\"%s\",\"file_bytes\":%lld,\"queue_bytes\":%lld,"
                         "\"journal_mode\":\"%.*s\",\"synchronous\":\"%s\"}",
                         db_version(), (long long)db_size_bytes(x->db), (long long)x->counts.queues[STORE_QUEUE_MESSAGES].bytes,
                         SV_FMT(db_text(x->db, SQL_JOURNAL_MODE, 0)),
                         synchronous >= 0 && synchronous < (int64_t)ARRAY_LEN(names) ? names[synchronous] : "unknown");
    db_end(x->db, SQL_JOURNAL_MODE);
    return text->p != NULL ? 0 : db_no_memory(x->db);
}

/* Walks those that are cached now: it is asked for by an administrator alone. */
static int count_views(struct session *x, struct store_stat *s)
{
    if (db_ask(x->db, SQL_VIEWS, DB_ARGS(db_i(s->now_ms), db_i(TEXT_VIEW))) != 1)
        return -1;
    s->sessions = db_int(x->db, SQL_VIEWS, 0);
    db_end(x->db, SQL_VIEWS);
    return 0;
}

int op_stat(struct session *x, struct op *op)
{
    struct store_stat *s = &op->answer->is.stat;
    const union counts *c = &x->counts;
    struct arena *arena = answer_arena(op->answer);
    op->answer->status = STORE_DONE;
    if (arena == NULL)
        return db_no_memory(x->db);
    *s = (struct store_stat){
        .up = true,
        .conversations = c->conversations,
        .active = c->active,
        .waiting = c->waiting,
        .paused = c->paused,
        .due = c->due,
        .queue = c->queues[STORE_QUEUE_MESSAGES].free,
        .queue_taken = c->queues[STORE_QUEUE_MESSAGES].taken,
        .callbacks = c->queues[STORE_QUEUE_CALLBACKS].free,
        .callbacks_taken = c->queues[STORE_QUEUE_CALLBACKS].taken,
        .dead = c->dead,
        .now_ms = clock_wall_ms(),
    };
    if (active_since(x, s->now_ms - STORE_HOUR_MS, &s->recent) != 0 ||
        active_since(x, s->now_ms - STORE_DAY_MS, &s->day) != 0 || find_heads(x, op->answer) != 0 ||
        count_views(x, s) != 0)
        return -1;
    return write_text(x, arena, &s->text);
}
