/* SPDX-License-Identifier: MIT
 * SHOW LEASES and SHOW JOBS: what runs and what waits, from the store's listings and the records in them. Costs what it shows. */
#include "config.h"

#include "daemon/command_own.h"
#include "lib/alive.h"
#include "lib/map.h"
#include "turn/conversation.h"

#define ROWS 100
#define ROWS_MAX 500

struct row {
    struct call *call;
    struct sv id;
    struct conversation record;
    const char *state;
    int64_t left_ms;
    bool gone; /* the turn ended while we looked */
};

struct listing {
    struct row *rows;
    size_t n, left; /* left: whose lease is still being asked for */
    bool more;
    int64_t now_ms;
    size_t limit;
    struct map *seen; /* JOBS: conversations of the first listing */
};

/* SV_NONE where there is none yet. */
static struct sv text_or_none(const char *text)
{
    return text[0] != '\0' ? sv_from(text) : SV_NONE;
}

static struct listing *listing_new(struct call *c)
{
    static const char *const names[] = { "limit", NULL };
    int64_t limit;
    if (!call_only(c, names) || !call_number(c, "limit", 1, ROWS_MAX, ROWS, &limit))
        return NULL;
    struct listing *l = arena_alloc(c->a, sizeof(*l));
    if (l != NULL)
        l->rows = arena_array(c->a, 2 * (size_t)limit, sizeof(*l->rows));
    if (l == NULL || l->rows == NULL) {
        call_err(c, "unavailable", SV("no memory"));
        return NULL;
    }
    l->limit = (size_t)limit;
    c->state = l;
    return l;
}

static void take_rows(struct call *c, const struct store_listing *list)
{
    struct listing *l = c->state;
    l->now_ms = list->now_ms;
    l->more = l->more || list->n == l->limit;
    for (size_t i = 0; i < list->n; i++) {
        struct row *r = &l->rows[l->n];
        struct err e;
        *r = (struct row){ .call = c, .id = arena_sv(c->a, list->items[i].id) };
        if (r->id.p == NULL || (l->seen != NULL && map_find(l->seen, r->id) != NULL))
            continue;
        if (list->items[i].record.p == NULL || conversation_parse(list->items[i].record, &r->record, &e) != 0)
            continue; /* gone meanwhile; an orphan is the cleanup's */
        if (l->seen != NULL && map_put(l->seen, r->id, r, NULL) != 0)
            continue;
        l->n++;
    }
}

static void down(struct call *c)
{
    call_err(c, "unavailable", SV("the store does not answer"));
}

/* Only where something was left out; a table needs no word about it otherwise. */
static void end_list(struct json_out *o, const struct listing *l)
{
    json_arr_end(o);
    if (l->more)
        json_kbool(o, "more", true);
    json_obj_end(o);
}

/* ---- SHOW LEASES ---- */

static void write_lease(struct json_out *o, const struct listing *l, const struct row *r)
{
    const struct conversation *x = &r->record;
    json_obj(o);
    json_kstr(o, "conversation_id", r->id);
    json_kstr(o, "state", sv_from(r->state));
    json_kstr(o, "phase", sv_from(phase_name(x->phase)));
    json_key(o, "age_seconds");
    json_num(o, (double)(l->now_ms - x->began_ms) / 1000);
    json_key(o, "left_seconds");
    json_num(o, (double)r->left_ms / 1000);
    json_kint(o, "fence", (int64_t)x->fence);
    json_kstr(o, "turn_id", text_or_none(x->turn_id));
    json_kstr(o, "owner", text_or_none(x->owner));
    json_obj_end(o);
}

static void show_leases(struct call *c, const struct listing *l)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_key(&o, "leases");
    json_arr(&o);
    for (size_t i = 0; i < l->n; i++)
        if (!l->rows[i].gone)
            write_lease(&o, l, &l->rows[i]);
    end_list(&o, l);
    call_out(c, &b);
}

static void on_lease(void *arg, enum store_status status, const struct store_view *v)
{
    struct row *r = arg;
    struct call *c = r->call;
    struct listing *l = c->state;
    struct err e;
    if (status != STORE_DONE || conversation_parse(v->record, &r->record, &e) != 0) {
        r->state = "unknown";
    } else {
        bool held = v->lease_token.n > 0 && sv_eq(v->lease_token, sv_from(r->record.token));
        r->gone = r->record.token[0] == '\0';
        r->left_ms = held ? v->lease_left_ms : 0;
        r->state = alive_is_dead(c->owner->o.alive, r->record.owner) ? "owner is dead" : held ? "held" : "expired";
    }
    if (--l->left == 0)
        show_leases(c, l);
}

static void on_active(void *arg, enum store_status status, const struct store_listing *list)
{
    struct call *c = arg;
    struct listing *l = c->state;
    if (status != STORE_DONE) {
        down(c);
        return;
    }
    take_rows(c, list);
    l->left = l->n;
    if (l->n == 0) {
        show_leases(c, l); /* ends the call, and its memory */
        return;
    }
    for (size_t i = 0, n = l->n; i < n; i++) { /* the last answer ends the call, and never comes from inside */
        const struct store_load what = { .conversation_id = l->rows[i].id };
        store_load(c->owner->o.store, &what, on_lease, &l->rows[i]);
    }
}

void command_leases(struct call *c)
{
    struct listing *l = listing_new(c);
    if (l == NULL)
        return;
    const struct store_list what = { .index = STORE_ACTIVE, .max = l->limit, .want_records = true };
    store_list(c->owner->o.store, &what, on_active, c);
}

/* ---- SHOW JOBS ---- */

static void write_job(struct json_out *o, const struct listing *l, const struct row *r)
{
    const struct conversation *x = &r->record;
    bool runs = x->phase == PHASE_THINKING || x->phase == PHASE_SENDING;
    int64_t since_ms = runs ? x->began_ms : x->oldest_ms;
    json_obj(o);
    json_kstr(o, "turn_id", text_or_none(x->turn_id));
    json_kstr(o, "conversation_id", r->id);
    json_kstr(o, "bot_id", text_or_none(x->bot_id));
    json_kstr(o, "status", runs ? SV("processing") : SV("queued"));
    json_kstr(o, "phase", sv_from(phase_name(x->phase)));
    json_kint(o, "messages", runs ? (int64_t)x->covered_n : (int64_t)x->pending_n);
    json_kint(o, "newer", runs && x->pending_n > x->covered_n ? (int64_t)(x->pending_n - x->covered_n) : 0);
    json_key(o, "age_seconds");
    json_num(o, since_ms > 0 ? (double)(l->now_ms - since_ms) / 1000 : 0);
    json_kint(o, "restarts", (int64_t)x->restarts);
    json_kint(o, "attempts", (int64_t)x->attempts);
    json_key(o, "retry_in_seconds");
    if (!runs && x->retry_at_ms > 0)
        json_num(o, x->retry_at_ms > l->now_ms ? (double)(x->retry_at_ms - l->now_ms) / 1000 : 0);
    else
        json_nul(o);
    json_kstr(o, "reason", text_or_none(x->reason));
    json_obj_end(o);
}

static void on_waiting(void *arg, enum store_status status, const struct store_listing *list)
{
    struct call *c = arg;
    struct listing *l = c->state;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (status != STORE_DONE) {
        down(c);
        return;
    }
    take_rows(c, list);
    json_obj(&o);
    json_key(&o, "jobs");
    json_arr(&o);
    for (size_t i = 0; i < l->n; i++)
        write_job(&o, l, &l->rows[i]);
    end_list(&o, l);
    call_out(c, &b);
}

static void on_running(void *arg, enum store_status status, const struct store_listing *list)
{
    struct call *c = arg;
    struct listing *l = c->state;
    if (status != STORE_DONE) {
        down(c);
        return;
    }
    take_rows(c, list);
    const struct store_list what = { .index = STORE_WAITING, .max = l->limit, .want_records = true };
    store_list(c->owner->o.store, &what, on_waiting, c);
}

static void free_map(void *arg)
{
    map_free(arg);
}

void command_jobs(struct call *c)
{
    struct listing *l = listing_new(c);
    if (l == NULL)
        return;
    l->seen = map_new();
    if (l->seen == NULL || arena_defer(c->a, free_map, l->seen) != 0) {
        call_err(c, "unavailable", SV("no memory"));
        return;
    }
    const struct store_list what = { .index = STORE_ACTIVE, .max = l->limit, .want_records = true };
    store_list(c->owner->o.store, &what, on_running, c);
}
