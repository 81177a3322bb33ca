/* SPDX-License-Identifier: MIT
 * A look goes through the listings one after another and through what each returns one by one:
 *
 *   LISTING ──items──> per item: record there ──> VISIT (old ones)
 *                                no record ──> LOAD ──> nothing pending: forgotten, which takes the member out
 *                                                  └──> something pending: a record is made that waits for its turn now
 *                                record is idle, yet listed as running or waiting ──> it is listed and unlisted again, since a store only
 *                                                  touches the listings that a record was known to be in
 * A conversation that comes to life meanwhile has another version, and is left alone. */
#include "config.h"

#include <stdlib.h>

#include "daemon/orphans.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/conversation.h"

#define INDEXES 5

struct cursor {
    char id[STORE_ID_MAX + 1];
    size_t id_n; /* 0: from the start */
    int64_t score_ms;
};

struct orphans {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    int64_t ttl_ms;
    struct cursor cursors[INDEXES];

    /* the look under way */
    struct arena *a;
    orphans_fn *fn;
    void *arg;
    bool all;
    size_t index, at, n, repaired, visited;
    struct store_listed *items;
    struct sv id, record; /* of the item being repaired */
    int64_t activity_ms;
};

static const enum store_index indexes[INDEXES] = { STORE_DUE, STORE_ACTIVE, STORE_WAITING, STORE_PAUSED, STORE_ACTIVITY };

static void next_item(void *arg);
static void next_index(void *arg);

static void end(struct orphans *o)
{
    orphans_fn *fn = o->fn;
    o->fn = NULL;
    arena_reset(o->a);
    fn(o->arg, o->repaired, o->visited);
}

/* The store does not answer: another time. */
static void give_up(struct orphans *o)
{
    o->index = INDEXES;
    o->n = o->at = 0;
    loop_soon(o->loop, next_index, o);
}

static void proceed(struct orphans *o)
{
    o->at++;
    loop_soon(o->loop, next_item, o);
}

/* ---- a member without a record ---- */

static void say(const struct orphans *o, const char *what)
{
    char id[STORE_ID_MAX + 1];
    memcpy(id, o->id.p, o->id.n);
    id[o->id.n] = '\0';
    log_warning(what, "conversation_id", id, NULL);
}

static void forgotten(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct orphans *o = arg;
    (void)applied;
    if (status == STORE_DONE) {
        o->repaired++;
        say(o, "an orphan was removed: it was listed and had no record");
    }
    proceed(o);
}

static void made_to_answer(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct orphans *o = arg;
    (void)applied;
    if (status == STORE_DONE) {
        o->repaired++;
        say(o, "messages without a record were found; they are answered");
    }
    proceed(o);
}

static void make_record(struct orphans *o, const struct store_view *v)
{
    struct conversation c = { .created_ms = v->now_ms, .activity_ms = v->now_ms, .pending_n = (uint32_t)v->pending_n,
                              .total = (int64_t)v->pending_n, .phase = PHASE_QUEUED, .oldest_ms = v->now_ms, .retry_at_ms = v->now_ms };
    struct buf b = { 0 };
    id_uuid7(c.turn_id);
    conversation_format(&b, &c);
    const struct store_change change = {
        .conversation_id = o->id,
        .record = buf_sv(&b),
        .lease = STORE_LEASE_DROP,
        .due_ms = v->now_ms,
        .in = STORE_IN_WAITING,
        .activity_ms = v->now_ms,
        .waiting_ms = v->now_ms,
        .decided_ms = v->now_ms,
        .finishing = true,
    };
    if (buf_ok(&b))
        store_apply(o->store, &change, made_to_answer, o);
    else
        proceed(o);
    buf_fini(&b);
}

static void repair(struct orphans *o, const struct store_view *v)
{
    const struct store_change change = { .conversation_id = o->id, .forget = true };
    if (v->pending_n > 0)
        make_record(o, v);
    else
        store_apply(o->store, &change, forgotten, o);
}

/* ---- a member whose record says otherwise ---- */

static bool is_idle(const struct conversation *c)
{
    return c->phase == PHASE_IDLE && c->pending_n == 0 && !c->paused && c->token[0] == '\0';
}

static void unlisted(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct orphans *o = arg;
    (void)applied;
    if (status == STORE_DONE) {
        o->repaired++;
        say(o, "an idle conversation was listed as busy; it is not any more");
    }
    proceed(o);
}

static struct store_change listing(const struct orphans *o, uint64_t version, unsigned in)
{
    return (struct store_change){ .conversation_id = o->id, .expect_version = version, .record = o->record, .in = in,
                                  .activity_ms = o->activity_ms, .active_ms = o->activity_ms, .waiting_ms = o->activity_ms,
                                  .paused_ms = o->activity_ms, .finishing = true };
}

static void relisted(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct orphans *o = arg;
    if (status != STORE_DONE) {
        proceed(o);
        return;
    }
    const struct store_change change = listing(o, applied->version, 0);
    store_apply(o->store, &change, unlisted, o);
}

static void unlist(struct orphans *o, const struct store_view *v)
{
    struct conversation c;
    struct err e;
    bool fits = conversation_parse(v->record, &c, &e) == 0 && is_idle(&c) && c.send_deadline_ms <= v->now_ms && v->pending_n == 0;
    o->record = fits ? arena_sv(o->a, v->record) : SV_NONE;
    o->activity_ms = c.activity_ms > 0 ? c.activity_ms : v->now_ms;
    if (o->record.p == NULL) {
        proceed(o);
        return;
    }
    const struct store_change change = listing(o, v->version, STORE_IN_ACTIVE | STORE_IN_WAITING | STORE_IN_PAUSED);
    store_apply(o->store, &change, relisted, o);
}

/* Whether this listing cannot be meant: a first look, before the conversation itself is loaded. */
static bool is_stale(enum store_index index, struct sv record)
{
    struct conversation c;
    struct err e;
    bool busy = index == STORE_ACTIVE || index == STORE_WAITING || index == STORE_PAUSED;
    return busy && conversation_parse(record, &c, &e) == 0 && is_idle(&c);
}

static void loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct orphans *o = arg;
    if (status == STORE_DONE && v->version == 0)
        repair(o, v);
    else if (status == STORE_DONE)
        unlist(o, v);
    else
        proceed(o);
}

/* ---- the items of one listing ---- */

static void visited(void *arg)
{
    struct orphans *o = arg;
    o->visited++;
    proceed(o);
}

static void next_item(void *arg)
{
    struct orphans *o = arg;
    enum store_index index = indexes[o->index < INDEXES ? o->index : 0];
    bool may_visit = !o->all && (index == STORE_ACTIVE || index == STORE_WAITING || index == STORE_DUE);
    while (o->at < o->n && o->items[o->at].record.n > 0 && !may_visit)
        o->at++;
    if (o->at >= o->n) {
        o->index++;
        next_index(o);
        return;
    }
    o->id = o->items[o->at].id;
    if (o->items[o->at].record.n > 0) {
        turns_begin(o->turns, o->id, visited, o);
        return;
    }
    const struct store_load what = { .conversation_id = o->id, .want_lists = true };
    store_load(o->store, &what, loaded, o);
}

static void remember(struct cursor *c, const struct store_listing *list)
{
    *c = (struct cursor){ .id_n = 0 };
    if (list->n < ORPHANS_LOOK_MAX)
        return; /* the end: the next look begins at the start */
    const struct store_listed *last = &list->items[list->n - 1];
    c->id_n = last->id.n <= STORE_ID_MAX ? last->id.n : 0;
    memcpy(c->id, last->id.p, c->id_n);
    c->score_ms = last->score_ms;
}

static void listed(void *arg, enum store_status status, const struct store_listing *list)
{
    struct orphans *o = arg;
    if (status != STORE_DONE) {
        give_up(o);
        return;
    }
    arena_reset(o->a);
    o->items = arena_array(o->a, list->n + 1, sizeof(*o->items));
    o->n = o->at = 0;
    for (size_t i = 0; o->items != NULL && i < list->n; i++) {
        struct sv record = list->items[i].record;
        bool fine = record.p != NULL && !is_stale(indexes[o->index], record);
        struct sv id = arena_sv(o->a, list->items[i].id);
        if (id.p == NULL)
            break;
        o->items[o->n++] = (struct store_listed){ .id = id, .record = fine ? SV("fine") : SV_NONE };
    }
    remember(&o->cursors[o->index], list);
    loop_soon(o->loop, next_item, o);
}

static void next_index(void *arg)
{
    struct orphans *o = arg;
    if (o->index >= INDEXES) {
        end(o);
        return;
    }
    const struct cursor *c = &o->cursors[o->index];
    struct store_list what = {
        .index = indexes[o->index],
        .max_ms = o->all ? 0 : clock_wall_ms() - o->ttl_ms,
        .max = ORPHANS_LOOK_MAX,
        .want_records = true,
    };
    if (c->id_n > 0) {
        what.after_id = (struct sv){ c->id, c->id_n };
        what.after_ms = c->score_ms;
    }
    store_list(o->store, &what, listed, o);
}

void orphans_look(struct orphans *o, bool all, orphans_fn *fn, void *arg)
{
    o->fn = fn;
    o->arg = arg;
    o->all = all;
    o->index = o->repaired = o->visited = 0;
    loop_soon(o->loop, next_index, o);
}

struct orphans *orphans_new(struct loop *l, struct store *s, struct turns *t, int64_t ttl_ms)
{
    struct orphans *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return NULL;
    *o = (struct orphans){ .loop = l, .store = s, .turns = t, .ttl_ms = ttl_ms, .a = arena_new(65536, 16u << 20) };
    if (o->a == NULL) {
        free(o);
        return NULL;
    }
    return o;
}

void orphans_free(struct orphans *o)
{
    if (o == NULL)
        return;
    arena_free(o->a);
    free(o);
}
