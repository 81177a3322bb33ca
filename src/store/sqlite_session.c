/* SPDX-License-Identifier: MIT
 * Views and event logs in the state file. The number of a conversation's last event stands in its row; when that goes, it is kept for a
 * day as a text of its own, which is looked for when a record's first event comes. */
#include "config.h"

#include <stdio.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "store/sqlite_op.h"

#define LAST_MAX ((INT64_C(1) << 53) - 1)

static int text_set(struct session *x, struct sv id, enum session_text what, struct sv value, int64_t until_ms)
{
    return db_do(x->db, SQL_TEXT_SET, DB_ARGS(db_s(id), db_i(what), db_i(until_ms), db_s(value)));
}

int op_session_last(struct session *x, struct sv id, const struct row *c, int64_t *last)
{
    *last = c->events;
    if (*last > 0)
        return 0;
    int rc = db_ask(x->db, SQL_TEXT, DB_ARGS(db_s(id), db_i(TEXT_LAST), db_i(clock_wall_ms())));
    if (rc != 1)
        return rc;
    if (!sv_to_i64(db_text(x->db, SQL_TEXT, 0), last) || *last < 0 || *last > LAST_MAX)
        *last = 0; /* written by hand */
    db_end(x->db, SQL_TEXT);
    return 0;
}

/* ---- what a change does ---- */

int op_session_count(struct session *x, const struct store_change *c, struct row *new, int64_t now_ms)
{
    const struct store_session_change *s = c->session;
    if (s == NULL || (s->events_n == 0 && s->seq_least == 0))
        return 0;
    if (op_session_last(x, c->conversation_id, new, &new->events) != 0)
        return -1;
    if (new->events < (int64_t)s->seq_least)
        new->events = (int64_t)s->seq_least;
    new->events += (int64_t)s->events_n;
    if (s->events_n > 0)
        new->events_until = now_ms + s->ttl_ms;
    return 0;
}

/* What is past its time goes. */
static int log_goes_on(struct session *x, const struct row *old, int64_t n, int64_t now_ms)
{
    return old->events_until > 0 && old->events_until <= now_ms ? db_do(x->db, SQL_LOG_DROP, DB_ARGS(db_i(n))) : 0;
}

static int log_events(struct session *x, struct op *op, const struct row *old, const struct row *new, int64_t now_ms)
{
    const struct store_session_change *s = op->ask.apply.session;
    int64_t seq = new->events - (int64_t)s->events_n;
    if (log_goes_on(x, old, new->n, now_ms) != 0)
        return -1;
    for (size_t i = 0; i < s->events_n; i++) {
        struct sv members = { s->events[i].p + 1, s->events[i].n - 1 };
        struct buf b = { 0 };
        buf_printf(&b, "{\"seq\":%lld,", (long long)++seq);
        buf_add(&b, members);
        int rc = buf_ok(&b) ? db_do(x->db, SQL_LOG_ADD, DB_ARGS(db_i(new->n), db_i(seq), db_s(buf_sv(&b))))
                            : db_no_memory(x->db);
        buf_fini(&b);
        if (rc != 0)
            return -1;
    }
    return db_do(x->db, SQL_LOG_CUT, DB_ARGS(db_i(new->n), db_i((int64_t)s->events_max)));
}

int op_session_write(struct session *x, struct op *op, const struct row *old, const struct row *new, int64_t now_ms)
{
    const struct store_change *c = &op->ask.apply;
    const struct store_session_change *s = c->session;
    int rc = 0;
    if (s == NULL)
        return 0;
    switch (s->view_op) {
    case STORE_VIEW_KEEP:
        break;
    case STORE_VIEW_SET:
        rc = text_set(x, c->conversation_id, TEXT_VIEW, s->view, now_ms + s->ttl_ms);
        break;
    case STORE_VIEW_DROP:
        rc = db_do(x->db, SQL_TEXT_DROP, DB_ARGS(db_s(c->conversation_id), db_i(TEXT_VIEW)));
        break;
    }
    return rc == 0 && s->events_n > 0 ? log_events(x, op, old, new, now_ms) : rc;
}

int op_session_drop(struct session *x, struct sv id, const struct row *c)
{
    if (c->n > 0 && db_do(x->db, SQL_LOG_DROP, DB_ARGS(db_i(c->n))) != 0)
        return -1;
    return db_do(x->db, SQL_TEXTS_DROP, DB_ARGS(db_s(id)));
}

int op_session_forget(struct session *x, struct sv id, const struct row *old, int64_t now_ms)
{
    int64_t last;
    char text[24];
    if (op_session_last(x, id, old, &last) != 0 || op_session_drop(x, id, old) != 0)
        return -1;
    (void)snprintf(text, sizeof text, "%lld", (long long)last);
    return last > 0 ? text_set(x, id, TEXT_LAST, sv_from(text), now_ms + STORE_LAST_MS) : 0;
}

/* ---- operations ---- */

int op_session(struct session *x, struct op *op)
{
    struct store_session *s = &op->answer->is.session;
    bool kept = true;
    op->answer->status = STORE_DONE;
    int rc = db_ask(x->db, SQL_TEXTS, DB_ARGS(db_s(op->ask.events.id), db_i(clock_wall_ms())));
    for (; rc == 1; rc = db_next(x->db, SQL_TEXTS)) {
        int64_t what = db_int(x->db, SQL_TEXTS, 0);
        struct sv *to = what == TEXT_VIEW ? &s->view : what == TEXT_CUSTOMER ? &s->customer : NULL;
        if (to == NULL)
            continue;
        *to = db_text(x->db, SQL_TEXTS, 1);
        kept = kept && answer_keep(op->answer, to);
    }
    return rc == 0 && !kept ? db_no_memory(x->db) : rc;
}

int op_session_fill(struct session *x, struct op *op)
{
    const struct store_session_fill *what = &op->ask.fill;
    struct sv id = what->conversation_id;
    int64_t now_ms = clock_wall_ms();
    int64_t erased_ms = 0;
    struct row c;
    op->answer->status = STORE_DONE;
    if (op_erased(x, op->arena, id, now_ms, &erased_ms) != 0)
        return -1;
    if (erased_ms > 0)
        return 0;
    if (what->view.p != NULL) {
        if (op_row(x, id, op->answer, &c) != 0)
            return -1;
        int rc = db_ask(x->db, SQL_TEXT, DB_ARGS(db_s(id), db_i(TEXT_VIEW), db_i(now_ms)));
        if (rc == 1)
            db_end(x->db, SQL_TEXT);
        if (rc < 0 || (rc == 0 && c.version == what->version &&
                       text_set(x, id, TEXT_VIEW, what->view, now_ms + what->ttl_ms) != 0))
            return -1;
    }
    if (what->customer.p == NULL)
        return 0;
    return text_set(x, id, TEXT_CUSTOMER, what->customer, now_ms + what->ttl_ms);
}

int op_events(struct session *x, struct op *op)
{
    struct sv id = op->ask.events.id, *at = NULL;
    struct store_events *e = &op->answer->is.events;
    struct row c;
    int64_t last;
    size_t room = 0;
    op->answer->status = STORE_DONE;
    if (op_row(x, id, op->answer, &c) != 0 || op_session_last(x, id, &c, &last) != 0)
        return -1;
    e->last = (uint64_t)last;
    if (op->ask.events.after >= e->last || c.events_until <= clock_wall_ms())
        return 0;
    struct arena *arena = answer_arena(op->answer);
    if (arena == NULL)
        return db_no_memory(x->db);
    int rc = db_ask(x->db, SQL_LOG, DB_ARGS(db_i(c.n), db_i((int64_t)op->ask.events.after)));
    for (; rc == 1; rc = db_next(x->db, SQL_LOG)) {
        if (e->n == room) {
            room = room * 2 + 16;
            struct sv *more = arena_array(arena, room, sizeof *more);
            if (more == NULL)
                return db_no_memory(x->db);
            if (e->n > 0)
                memcpy(more, at, e->n * sizeof *more);
            e->events = at = more;
        }
        at[e->n] = db_text(x->db, SQL_LOG, 0);
        if (!answer_keep(op->answer, &at[e->n++]))
            return db_no_memory(x->db);
    }
    return rc;
}

static int log_say(struct session *x, const struct row *c, int64_t last, const struct store_event_say *what)
{
    struct buf b = { 0 };
    int rc = db_ask(x->db, SQL_LOG_AT, DB_ARGS(db_i(c->n), db_i(last)));
    if (rc < 0)
        return -1;
    bool replaces = store_event_number(&b, (uint64_t)last + 1, rc == 1 ? db_text(x->db, SQL_LOG_AT, 0) : SV_NONE, what);
    if (rc == 1)
        db_end(x->db, SQL_LOG_AT);
    rc = replaces ? db_do(x->db, SQL_LOG_TAKE, DB_ARGS(db_i(c->n), db_i(last))) : 0;
    if (rc == 0)
        rc = buf_ok(&b) ? db_do(x->db, SQL_LOG_ADD, DB_ARGS(db_i(c->n), db_i(last + 1), db_s(buf_sv(&b)))) : db_no_memory(x->db);
    buf_fini(&b);
    return rc == 0 ? db_do(x->db, SQL_LOG_CUT, DB_ARGS(db_i(c->n), db_i((int64_t)what->events_max))) : -1;
}

int op_event_say(struct session *x, struct op *op)
{
    const struct store_event_say *what = &op->ask.say;
    int64_t now_ms = clock_wall_ms(), last;
    struct row c;
    op->answer->status = STORE_DONE;
    if (op_row(x, what->conversation_id, op->answer, &c) != 0)
        return -1;
    struct sv held = op_lease(&c, now_ms);
    if (held.p == NULL || !sv_eq(held, what->need_token)) {
        op->answer->status = STORE_LEASE_LOST;
        return 0;
    }
    if (op_session_last(x, what->conversation_id, &c, &last) != 0 || log_goes_on(x, &c, c.n, now_ms) != 0 ||
        log_say(x, &c, last, what) != 0 ||
        db_do(x->db, SQL_LOG_LAST, DB_ARGS(db_i(c.n), db_i(last + 1), db_i(now_ms + what->ttl_ms))) != 0)
        return -1;
    return op_event_add(x, SV_NONE, what->conversation_id);
}
