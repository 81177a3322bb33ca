/* SPDX-License-Identifier: MIT
 * Reading a session, and setting its state.
 *
 *   cache ──HIT──> told
 *     └──not there──> record ──there──> put back into the cache, told             (MISS)
 *                       └──not there──> archive ──> put back, told                (MISS)
 *   a store that stands in, or none: record, laid over what the archive has       (BYPASS)
 *
 * A cached session never waits for the database: a customer who is not cached is looked up behind the answer. */
#include "config.h"

#include "store/store_session.h"
#include "turn/control_own.h"
#include "turn/session.h"
#include "turn/session_view.h"

#define PATIENCE_MS 250 /* for the customer, where the session was not cached */
#define LOOKUPS_MAX 64  /* customers that one process looks up behind answers */

struct reading {
    struct control_call c;
    struct sv id, view, customer; /* customer SV_NONE: not known; JSON, "null" among it */
    uint64_t version;             /* of the record that the view was made of */
    bool from_record, fill;
    int64_t before_ms, more; /* of a record that does not know what was before it: its own messages are counted by it, the others by the archive */
    bool partial; /* the record's lists do not have what was said last: that was before it */
    bool store_down;
    const char *cache;
    struct loop_timer *patience;
};

static void unknown(struct control_call *c)
{
    control_refuse(c, 404, "unknown_session", "This session is not known.", NULL);
}

static void tell(struct reading *q)
{
    struct buf b = { 0 };

    session_view_show(&b, q->view, q->customer, turns_store_now(q->c.t));
    turns_count(q->c.t, strcmp(q->cache, "HIT") == 0    ? FIGURE_CACHE_HIT
                        : strcmp(q->cache, "MISS") == 0 ? FIGURE_CACHE_MISS
                                                        : FIGURE_CACHE_BYPASS);
    q->c.cache = q->cache;
    control_tell(&q->c, &b);
}

static void end(struct reading *q)
{
    loop_timer_free(q->patience);
    control_end(&q->c);
}

static void filled(void *arg, enum store_status status)
{
    struct reading *q = arg;

    (void)status; /* not cached this time: the next reader tries again */
    if (q->c.fn != NULL)
        tell(q);
    end(q);
}

/* Then it is told, if it was not before. */
static void put_back(struct reading *q)
{
    const struct store_session_fill what = { .conversation_id = q->id, .view = q->fill ? q->view : SV_NONE, .version = q->version,
                                             .customer = q->customer, .ttl_ms = session_ttl_ms(q->c.t) };

    if (store_is_standing_in(q->c.t->o.store) || (!q->fill && q->customer.p == NULL))
        filled(q, STORE_DONE);
    else
        store_session_fill(q->c.t->o.store, &what, filled, q);
}

/* ---- the customer ---- */

static void got_customer(void *arg, enum archive_status status, struct sv customer)
{
    struct reading *q = arg;

    q->c.t->lookups--;
    if (status == ARCHIVE_DONE)
        q->customer = customer.p != NULL ? arena_sv(q->c.a, customer) : SV("null");
    if (q->patience != NULL)
        loop_timer_stop(q->patience);
    put_back(q);
}

static void customer_is_late(void *arg)
{
    tell(arg);
}

/* Whether an answer is waited for: where one is due. */
static bool look_up_customer(struct reading *q)
{
    struct turns *t = q->c.t;
    struct sv user = message_text(q->c.a, json_raw_member(q->view, "user_id"));

    if (user.n == 0 || t->o.archive == NULL || !archive_is_up(t->o.archive) || t->lookups >= LOOKUPS_MAX)
        return false;
    if (q->c.fn != NULL) {
        q->patience = loop_timer_new(t->o.loop, customer_is_late, q);
        if (q->patience == NULL)
            return false;
        loop_timer_set(q->patience, PATIENCE_MS);
    }
    t->lookups++;
    archive_customer(t->o.archive, user, got_customer, q);
    return true;
}

/* ---- the archive ---- */

static void answer_unknown(struct reading *q)
{
    q->c.cache = strcmp(q->cache, "BYPASS") == 0 ? q->cache : NULL;
    if (q->store_down)
        control_unavailable(&q->c);
    else
        unknown(&q->c);
    end(q);
}

static void use_archived(struct reading *q, struct sv session, struct sv customer)
{
    struct buf b = { 0 };

    if (q->from_record) { /* of a store that stands in, or only a part */
        session_view_join(&b, session, q->view, q->more);
        session = buf_ok(&b) ? buf_sv(&b) : session;
    }
    q->view = arena_sv(q->c.a, session);
    q->customer = customer.p != NULL ? arena_sv(q->c.a, customer) : SV("null");
    buf_fini(&b);
}

static void got_archived(void *arg, enum archive_status status, struct sv session, struct sv customer)
{
    struct reading *q = arg;

    if (status == ARCHIVE_DONE && session.p != NULL)
        use_archived(q, session, customer);
    if (q->view.p != NULL) {
        put_back(q);
    } else if (status == ARCHIVE_DONE) {
        answer_unknown(q);
    } else {
        control_refuse(&q->c, 503, "archive_unavailable", "The store does not know it, and the archive gives no answer now.", NULL);
        end(q);
    }
}

static void ask_archive(struct reading *q)
{
    if (q->c.t->o.archive != NULL)
        archive_session(q->c.t->o.archive, q->id, q->before_ms, got_archived, q);
    else
        got_archived(q, ARCHIVE_DONE, SV_NONE, SV_NONE);
}

/* ---- the record ---- */

static struct sv view_of(struct reading *q, const struct store_view *v, const struct conversation *c)
{
    struct session_last last = session_last_of(v->pending, v->pending_n, v->context, v->context_n);
    struct buf b = { 0 };

    session_view_format(&b, q->id, c, &last, v->now_ms);
    struct sv view = buf_ok(&b) ? arena_sv(q->c.a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return view;
}

static void on_record(void *arg, enum store_status status, const struct store_view *v)
{
    struct reading *q = arg;
    struct conversation c;
    struct err e;
    bool there = status == STORE_DONE && v->version > 0 && conversation_parse(v->record, &c, &e) == 0;

    q->store_down = status != STORE_DONE;
    if (q->store_down || store_is_standing_in(q->c.t->o.store))
        q->cache = "BYPASS";
    q->fill = strcmp(q->cache, "MISS") == 0;
    if (there) {
        q->view = view_of(q, v, &c);
        if (!q->fill && c.earlier_n == 0) {
            q->before_ms = c.created_ms;
            q->more = (int64_t)c.seq;
        } else if (!q->fill) { /* the record knows all of it */
            q->before_ms = 1;
            q->more = (int64_t)c.seq + c.earlier_n;
        }
        q->partial = v->pending_n + v->context_n == 0 && c.earlier_n > 0;
        q->version = v->version;
        q->from_record = true;
    }
    if (q->view.p == NULL || !q->fill || q->partial) {
        ask_archive(q);
        return;
    }
    if (q->customer.p == NULL && look_up_customer(q))
        return;
    put_back(q);
}

static void load(struct reading *q)
{
    const struct store_load what = { .conversation_id = q->id, .want_lists = true };

    q->cache = "MISS";
    store_load(q->c.t->o.store, &what, on_record, q);
}

/* ---- the cache ---- */

static void on_cached(void *arg, enum store_status status, const struct store_session *s)
{
    struct reading *q = arg;

    if (status == STORE_DONE && s->customer.p != NULL)
        q->customer = arena_sv(q->c.a, s->customer);
    if (status != STORE_DONE || s->view.p == NULL || store_is_standing_in(q->c.t->o.store)) {
        load(q);
        return;
    }
    q->view = arena_sv(q->c.a, s->view);
    q->cache = "HIT";
    tell(q);
    if (q->customer.p != NULL || !look_up_customer(q))
        end(q);
}

void session_get(struct turns *t, struct sv session_id, control_fn *fn, void *arg)
{
    struct reading *q = control_begin(t, sizeof(*q), fn, arg);

    if (q == NULL)
        return;
    q->id = arena_sv(q->c.a, session_id);
    q->view = q->customer = SV_NONE;
    if (q->id.p == NULL)
        control_short_of_memory(&q->c);
    else if (store_is_standing_in(t->o.store))
        load(q);
    else
        store_session(t->o.store, q->id, on_cached, q);
}

/* ---- its state ---- */

struct setting {
    struct control_call c;
    struct sv id;
    struct session_change change;
    bool archived; /* the store has forgotten it: it gets a record anew, with ... */
    struct session_past past;
};

static void try_setting(struct setting *q);

static void known_to_archive(void *arg, enum archive_status status, struct sv session, struct sv customer)
{
    struct setting *q = arg;

    (void)customer;
    if (status == ARCHIVE_DONE && session.p != NULL) {
        q->archived = true;
        session_past_read(session, &q->past);
        try_setting(q);
        return;
    }
    if (status == ARCHIVE_DONE)
        unknown(&q->c);
    else
        control_refuse(&q->c, 503, "archive_unavailable", "The store does not know it, and the archive gives no answer now.", NULL);
    control_end(&q->c);
}

static void set_done(struct transact *x)
{
    struct setting *q = x->arg;

    if (x->status == TRANSACT_STRANGE && q->c.t->o.archive != NULL) {
        archive_session(q->c.t->o.archive, q->id, 0, known_to_archive, q);
        return;
    }
    if (x->status == TRANSACT_DONE) { /* what the next read shows is the answer */
        session_get(q->c.t, q->id, q->c.fn, q->c.arg);
    } else if (x->status == TRANSACT_STRANGE) {
        unknown(&q->c);
    } else {
        control_unavailable(&q->c);
    }
    control_end(&q->c);
}

static int fill_past(struct transact *x, struct store_change *c)
{
    const struct setting *q = x->arg;

    (void)c;
    if (q->archived && x->version == 0)
        session_past_join(&x->decision.next, &q->past);
    return 0;
}

static void try_setting(struct setting *q)
{
    struct transact *x = transact_new(q->c.t, q->id, EVENT_SESSION, set_done, q);

    if (x == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    x->event.status = q->change.status;
    x->event.reply = q->change.reply;
    x->event.until_ms = q->change.until_ms;
    x->want_lists = true;
    x->fill = fill_past;
    x->only_existing = !q->archived;
    transact_go(x);
}

void session_patch(struct turns *t, struct sv session_id, const struct session_change *change, control_fn *fn, void *arg)
{
    struct setting *q = control_begin(t, sizeof(*q), fn, arg);

    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->id = arena_sv(q->c.a, session_id);
    q->change = *change;
    if (q->id.p == NULL)
        control_short_of_memory(&q->c);
    else
        try_setting(q);
}

/* ---- the customer alone ---- */

static void on_customer(void *arg, enum archive_status status, struct sv customer)
{
    struct control_call *c = arg;
    struct buf b = { 0 };

    if (status == ARCHIVE_DONE && customer.p != NULL) {
        buf_add(&b, customer);
        control_tell(c, &b);
    } else if (status == ARCHIVE_DONE) {
        control_refuse(c, 404, "unknown_customer", "Nothing is known about this customer.", NULL);
    } else {
        control_refuse(c, 503, "archive_unavailable", "The archive gives no answer now.", NULL);
    }
    control_end(c);
}

void session_customer(struct turns *t, struct sv sender_id, control_fn *fn, void *arg)
{
    struct control_call *c = control_begin(t, sizeof(*c), fn, arg);

    if (c == NULL)
        return;
    if (t->o.archive != NULL)
        archive_customer(t->o.archive, sender_id, on_customer, c);
    else
        on_customer(c, ARCHIVE_DONE, SV_NONE); /* ":memory:" without a database */
}
