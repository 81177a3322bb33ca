/* SPDX-License-Identifier: MIT
 * Operations on one conversation: load, apply, renew. */
#include "config.h"

#include "lib/clock.h"
#include "store/sqlite_op.h"

#define EVENTS_KEPT 4096 /* whoever is further behind hears that events were missed */
#define EVENTS_CUT_EVERY 256

int op_row(struct session *x, struct sv id, struct answer *a, struct row *c)
{
    enum sql q = SQL_CONVERSATION;
    *c = (struct row){ 0 };
    int rc = db_ask(x->db, q, DB_ARGS(db_s(id)));
    if (rc != 1)
        return rc;
    *c = (struct row){
        .n = db_int(x->db, q, 0),
        .version = (uint64_t)db_int(x->db, q, 1),
        .record = db_text(x->db, q, 2),
        .token = db_text(x->db, q, 3),
        .lease_until = db_int(x->db, q, 4),
        .due = db_int(x->db, q, 5),
        .pending_first = db_int(x->db, q, 6),
        .pending_next = db_int(x->db, q, 7),
        .context_first = db_int(x->db, q, 8),
        .context_next = db_int(x->db, q, 9),
        .listed = db_int(x->db, q, 10),
        .activity = db_int(x->db, q, 11),
        .active = db_int(x->db, q, 12),
        .waiting = db_int(x->db, q, 13),
        .paused = db_int(x->db, q, 14),
        .events = db_int(x->db, q, 15),
        .events_until = db_int(x->db, q, 16),
    };
    if (c->version == 0)
        *c = (struct row){ .n = c->n };
    bool kept = answer_keep(a, &c->record) && answer_keep(a, &c->token);
    db_end(x->db, q);
    return kept ? 0 : db_no_memory(x->db);
}

int op_items(struct session *x, enum sql which, int64_t n, size_t count, struct answer *a, const struct sv **items)
{
    struct arena *arena = answer_arena(a);
    struct sv *kept = arena != NULL ? arena_array(arena, count + 1, sizeof *kept) : NULL;
    if (kept == NULL)
        return db_no_memory(x->db);
    *items = kept;
    size_t i = 0;
    int rc = db_ask(x->db, which, DB_ARGS(db_i(n)));
    for (; rc == 1 && i < count; rc = db_next(x->db, which), i++) {
        kept[i] = db_text(x->db, which, 0);
        if (!answer_keep(a, &kept[i])) {
            db_end(x->db, which);
            return db_no_memory(x->db);
        }
    }
    for (; i < count; i++) /* somebody has deleted rows by hand */
        kept[i] = SV("");
    if (rc == 1)
        db_end(x->db, which);
    return rc < 0 ? -1 : 0;
}

struct sv op_lease(const struct row *c, int64_t now_ms)
{
    return c->token.p != NULL && c->lease_until > now_ms ? c->token : SV_NONE;
}

/* The live mark of a message, or SV_NONE. */
static int mark_read(struct session *x, const struct row *c, struct sv message_id, int64_t now_ms, struct answer *a,
                     struct sv *mark)
{
    *mark = SV_NONE;
    if (c->n == 0 || message_id.p == NULL)
        return 0;
    int rc = db_ask(x->db, SQL_MARK, DB_ARGS(db_i(c->n), db_s(message_id), db_i(now_ms)));
    if (rc != 1)
        return rc;
    *mark = db_text(x->db, SQL_MARK, 0);
    bool kept = answer_keep(a, mark);
    db_end(x->db, SQL_MARK);
    return kept ? 0 : db_no_memory(x->db);
}

int op_load(struct session *x, struct op *op)
{
    const struct store_load *what = &op->ask.load;
    struct store_view *v = &op->answer->is.view;
    struct row c;
    v->now_ms = clock_wall_ms();
    op->answer->status = STORE_DONE;
    if (op_row(x, what->conversation_id, op->answer, &c) != 0 ||
        mark_read(x, &c, what->message_id, v->now_ms, op->answer, &v->mark) != 0)
        return -1;
    v->version = c.version;
    v->record = c.record;
    v->lease_token = op_lease(&c, v->now_ms);
    v->lease_left_ms = v->lease_token.p != NULL ? c.lease_until - v->now_ms : 0;
    if (!what->want_lists)
        return 0;
    v->pending_n = (size_t)(c.pending_next - c.pending_first);
    v->context_n = (size_t)(c.context_next - c.context_first);
    if (op_items(x, SQL_PENDING, c.n, v->pending_n, op->answer, &v->pending) != 0)
        return -1;
    return op_items(x, SQL_CONTEXT, c.n, v->context_n, op->answer, &v->context);
}

/* ---- apply ---- */

static bool is_full(struct session *x, const struct store_change *c)
{
    bool admits = c->queue_add_n > 0 || c->pending_add.p != NULL || c->pending_more_n > 0 || c->mark_new.key.p != NULL;
    if (!admits || c->finishing || c->forget)
        return false;
    int64_t bytes = x->counts.queues[STORE_QUEUE_MESSAGES].bytes;
    for (size_t i = 0; i < c->queue_add_n; i++)
        bytes += (int64_t)c->queue_add[i].n;
    return (x->queue_max_bytes > 0 && bytes > x->queue_max_bytes) || db_is_tight(x->db);
}

/* What forbids the change, read before anything is written. */
static int may_apply(struct session *x, struct op *op, const struct row *old, int64_t now_ms)
{
    const struct store_change *c = &op->ask.apply;
    struct answer *a = op->answer;
    struct store_applied *applied = &a->is.applied;
    int64_t erased_ms = 0;
    a->status = STORE_DONE;
    if (c->expect_version == 0 && !c->forget && op_erased(x, op->arena, c->conversation_id, now_ms, &erased_ms) != 0)
        return -1;
    if (old->version != c->expect_version || (erased_ms > 0 && c->decided_ms <= erased_ms)) {
        a->status = STORE_CONFLICT;
        return 0;
    }
    if (c->need_token.p != NULL) {
        struct sv held = op_lease(old, now_ms);
        if (held.p == NULL || !sv_eq(held, c->need_token)) {
            a->status = STORE_LEASE_LOST;
            return 0;
        }
    }
    if (mark_read(x, old, c->mark_new.key, now_ms, a, &applied->mark) != 0)
        return -1;
    if (applied->mark.p != NULL)
        a->status = STORE_DUPLICATE;
    else if (is_full(x, c))
        a->status = STORE_FULL;
    return 0;
}

/* How the row looks after the change; where its lists end follows from what is there. */
static struct row changed(const struct row *old, const struct store_change *c, int64_t now_ms)
{
    struct row new = *old;
    int64_t pending = old->pending_next - old->pending_first, dropped;
    new.version = store_next_version(c);
    new.record = c->record;
    if (c->lease != STORE_LEASE_KEEP) {
        bool take = c->lease == STORE_LEASE_TAKE;
        new.token = take ? c->lease_token : SV_NONE;
        new.lease_until = take ? now_ms + c->lease_ttl_ms : 0;
    }
    new.due = c->due_ms;
    new.listed = c->in;
    new.activity = c->activity_ms;
    new.active = c->active_ms;
    new.waiting = c->waiting_ms;
    new.paused = c->paused_ms;
    int64_t added = (int64_t)c->pending_more_n + (c->pending_add.p != NULL);
    new.pending_next += added;
    pending += added;
    dropped = c->pending_drop < (size_t)pending ? (int64_t)c->pending_drop : pending;
    new.pending_first += dropped;
    int64_t appended = (int64_t)c->context_add_n + (c->pending_drop_to_context ? dropped : 0);
    new.context_next += appended;
    if (appended > 0 && c->context_max > 0 && (size_t)(new.context_next - new.context_first) > c->context_max)
        new.context_first = new.context_next - (int64_t)c->context_max;
    return new;
}

static struct db_arg due_arg(int64_t due_ms)
{
    return due_ms > 0 ? db_i(due_ms) : db_s(SV_NONE);
}

static int write_row(struct session *x, struct sv id, const struct row *old, struct row *c)
{
    bool is_new = old->n == 0;
    if (is_new)
        c->n = x->counts.conversation_next++;
    if (old->version > 0)
        op_count(&x->counts, old->listed, old->due > 0, -1);
    op_count(&x->counts, c->listed, c->due > 0, 1);
    const struct db_arg args[] = {
        db_i(c->n),
        db_i((int64_t)c->version),
        db_s(c->record),
        db_s(c->token),
        db_i(c->lease_until),
        due_arg(c->due),
        db_i(c->pending_first),
        db_i(c->pending_next),
        db_i(c->context_first),
        db_i(c->context_next),
        db_i(c->listed),
        db_i(c->activity),
        db_i(c->active),
        db_i(c->waiting),
        db_i(c->paused),
        db_i(c->events),
        db_i(c->events_until),
        db_s(id),
    };
    return is_new ? db_do(x->db, SQL_CONVERSATION_ADD, args, ARRAY_LEN(args))
                  : db_do(x->db, SQL_CONVERSATION_SET, args, ARRAY_LEN(args) - 1);
}

void op_count(union counts *c, int64_t listed, bool is_due, int64_t by)
{
    c->conversations += by;
    c->active += (listed & STORE_IN_ACTIVE) != 0 ? by : 0;
    c->waiting += (listed & STORE_IN_WAITING) != 0 ? by : 0;
    c->paused += (listed & STORE_IN_PAUSED) != 0 ? by : 0;
    c->due += is_due ? by : 0;
}

int op_marks_write(struct session *x, const struct store_change *c, int64_t n, int64_t now_ms)
{
    int64_t until = now_ms + c->mark_ttl_ms;
    int rc = 0;
    if (c->mark_new.key.p != NULL)
        rc = db_do(x->db, SQL_MARK_SET, DB_ARGS(db_i(n), db_s(c->mark_new.key), db_i(until), db_s(c->mark_new.value)));
    for (size_t i = 0; rc == 0 && i < c->marks_n; i++)
        rc = db_do(x->db, SQL_MARK_SET, DB_ARGS(db_i(n), db_s(c->marks[i].key), db_i(until), db_s(c->marks[i].value)));
    return rc;
}

/* `old` and `new` say which numbers are in use before and after. */
static int write_lists(struct session *x, const struct store_change *c, const struct row *old, const struct row *new)
{
    int rc = 0;
    int64_t at = old->context_next, last = old->pending_next;
    if (c->pending_add.p != NULL)
        rc = db_do(x->db, SQL_PENDING_ADD, DB_ARGS(db_i(new->n), db_i(last++), db_s(c->pending_add)));
    for (size_t i = 0; rc == 0 && i < c->pending_more_n; i++)
        rc = db_do(x->db, SQL_PENDING_ADD, DB_ARGS(db_i(new->n), db_i(last++), db_s(c->pending_more[i])));
    if (rc == 0 && new->pending_first > old->pending_first) {
        if (c->pending_drop_to_context) {
            rc = db_do(x->db, SQL_PENDING_TO_CONTEXT,
                       DB_ARGS(db_i(new->n), db_i(new->pending_first), db_i(at - old->pending_first)));
            at += new->pending_first - old->pending_first;
        }
        if (rc == 0)
            rc = db_do(x->db, SQL_PENDING_DROP, DB_ARGS(db_i(new->n), db_i(new->pending_first)));
    }
    for (size_t i = 0; rc == 0 && i < c->context_add_n; i++)
        rc = db_do(x->db, SQL_CONTEXT_ADD, DB_ARGS(db_i(new->n), db_i(at++), db_s(c->context_add[i])));
    if (rc == 0 && new->context_first > old->context_first)
        rc = db_do(x->db, SQL_CONTEXT_DROP, DB_ARGS(db_i(new->n), db_i(new->context_first)));
    return rc;
}

static int write_job(struct session *x, struct op *op, int64_t now_ms)
{
    const struct store_change *c = &op->ask.apply;
    if (c->job.key.p == NULL)
        return 0;
    struct sv name = arena_printf(op->arena, "job:%.*s", SV_FMT(c->job.key));
    if (name.p == NULL)
        return db_no_memory(x->db);
    return op_value_set(x, name, c->job.value, now_ms + c->job_ttl_ms);
}

int op_event_add(struct session *x, struct sv event, struct sv push)
{
    bool told = event.p != NULL;
    if (!told && push.p == NULL)
        return 0;
    int64_t seq = x->counts.event_next++;
    if (db_do(x->db, SQL_EVENT_ADD, DB_ARGS(db_i(seq), db_s(told ? event : SV("")), db_s(push), db_i(told))) != 0)
        return -1;
    return seq % EVENTS_CUT_EVERY == 0 ? db_do(x->db, SQL_EVENTS_DROP, DB_ARGS(db_i(seq - EVENTS_KEPT))) : 0;
}

/* What the dedupe marks need stays: a row with a number of its own. Without a record there is nothing: listings are made of the rows. */
int op_forget_row(struct session *x, const struct row *old, int64_t now_ms)
{
    if (old->version == 0)
        return 0;
    op_count(&x->counts, old->listed, old->due > 0, -1);
    if (db_do(x->db, SQL_PENDING_DROP, DB_ARGS(db_i(old->n), db_i(old->pending_next))) != 0 ||
        db_do(x->db, SQL_CONTEXT_DROP, DB_ARGS(db_i(old->n), db_i(old->context_next))) != 0 ||
        db_ask(x->db, SQL_MARKS_UNTIL, DB_ARGS(db_i(old->n))) != 1)
        return -1;
    int64_t until = db_int(x->db, SQL_MARKS_UNTIL, 0);
    db_end(x->db, SQL_MARKS_UNTIL);
    if (until <= now_ms) {
        if (db_do(x->db, SQL_MARKS_DROP, DB_ARGS(db_i(old->n))) != 0)
            return -1;
        return db_do(x->db, SQL_CONVERSATION_DROP, DB_ARGS(db_i(old->n)));
    }
    int64_t n = x->counts.conversation_next++;
    if (db_do(x->db, SQL_MARKS_MOVE, DB_ARGS(db_i(old->n), db_i(n))) != 0)
        return -1;
    return db_do(x->db, SQL_CONVERSATION_FORGET, DB_ARGS(db_i(old->n), db_i(n), db_i(until)));
}

int op_apply(struct session *x, struct op *op)
{
    const struct store_change *c = &op->ask.apply;
    struct store_applied *applied = &op->answer->is.applied;
    struct row old, new;
    applied->now_ms = clock_wall_ms();
    applied->version = store_next_version(c);
    if (op_row(x, c->conversation_id, op->answer, &old) != 0 || may_apply(x, op, &old, applied->now_ms) != 0)
        return -1;
    if (op->answer->status != STORE_DONE)
        return 0;
    if (c->forget) {
        if (c->erase != NULL ? op_erase(x, op, &old, applied->now_ms) != 0
                             : op_session_forget(x, c->conversation_id, &old, applied->now_ms) != 0 ||
                                   op_forget_row(x, &old, applied->now_ms) != 0)
            return -1;
        return op_event_add(x, c->event, SV_NONE);
    }
    new = changed(&old, c, applied->now_ms);
    if (op_session_count(x, c, &new, applied->now_ms) != 0 || write_row(x, c->conversation_id, &old, &new) != 0 || op_marks_write(x, c, new.n, applied->now_ms) != 0 ||
        write_lists(x, c, &old, &new) != 0 || op_queue_add(x, STORE_QUEUE_MESSAGES, c->queue_add, c->queue_add_n) != 0 ||
        op_queue_add(x, STORE_QUEUE_CALLBACKS, c->callbacks_add, c->callbacks_add_n) != 0 ||
        op_letters_add(x, c->letters, c->letters_n) != 0 || write_job(x, op, applied->now_ms) != 0 ||
        op_session_write(x, op, &old, &new, applied->now_ms) != 0 || op_history_write(x, c, applied->now_ms) != 0)
        return -1;
    return op_event_add(x, c->event, c->session != NULL && c->session->events_n > 0 ? c->conversation_id : SV_NONE);
}

/* ---- renew ---- */

int op_renew(struct session *x, struct op *op)
{
    struct row c;
    int64_t now_ms = clock_wall_ms(), until = now_ms + op->ask.renew.ttl_ms;
    op->answer->status = STORE_DONE;
    if (op_row(x, op->ask.renew.id, op->answer, &c) != 0)
        return -1;
    struct sv held = op_lease(&c, now_ms);
    if (held.p == NULL || !sv_eq(held, op->ask.renew.token)) {
        op->answer->status = STORE_LEASE_LOST;
        return 0;
    }
    x->counts.due += c.due == 0;
    return db_do(x->db, SQL_LEASE_SET, DB_ARGS(db_i(c.n), db_i(until), db_i(until)));
}
