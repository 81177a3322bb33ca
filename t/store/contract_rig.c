/* SPDX-License-Identifier: MIT
 * Asks a store one thing, turns the loop until it answers, keeps a copy. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "t/store/contract.h"

#define PATIENCE_S 20

uint64_t rig_versions;

static int64_t real_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nothing(void *arg)
{
    (void)arg;
}

/* loop_turn(true) sleeps until something happens; the timer bounds that. */
bool rig_until(struct rig *r, bool (*done)(struct rig *r, void *arg), void *arg)
{
    int64_t give_up_ms = real_ms() + PATIENCE_S * 1000;
    r->inside = false;
    struct loop_timer *t = loop_timer_new(r->loop, nothing, NULL);
    bool is = done(r, arg);
    while (!is && real_ms() < give_up_ms) {
        loop_timer_set(t, 10);
        loop_turn(r->loop, true);
        is = done(r, arg);
    }
    loop_timer_free(t);
    return is;
}

static bool was_answered(struct rig *r, void *arg)
{
    const struct call *c = arg;
    (void)r;
    return c->answers > 0;
}

void rig_wait(struct rig *r, const struct call *c)
{
    if (!rig_until(r, was_answered, (void *)(uintptr_t)c))
        bail_out("%s: a call was not answered in %d s", r->backend->name, PATIENCE_S);
}

static bool is_later(struct rig *r, void *arg)
{
    (void)r;
    return real_ms() >= *(const int64_t *)arg;
}

void rig_pass(struct rig *r, int64_t ms)
{
    if (!r->backend->real_clock) {
        clock_fake_move(ms);
        return;
    }
    int64_t until_ms = real_ms() + ms;
    (void)rig_until(r, is_later, &until_ms);
}

struct call *rig_call(struct rig *r)
{
    struct call *c = arena_alloc(r->arena, sizeof *c);
    if (c == NULL)
        bail_out("no memory");
    c->r = r;
    c->next = r->calls;
    r->calls = c;
    r->inside = true;
    return c;
}

static void answered(struct call *c, enum store_status status)
{
    if (c->r->inside)
        ok(false, "%s: a callback came from inside the call", c->r->backend->name);
    c->answers++;
    c->status = status;
}

static struct sv keep(struct rig *r, struct sv s)
{
    if (s.p == NULL)
        return s;
    s = arena_sv(r->arena, s);
    if (s.p == NULL)
        bail_out("no memory");
    return s;
}

static const struct sv *keep_all(struct rig *r, const struct sv *items, size_t n)
{
    struct sv *kept = arena_array(r->arena, n + 1, sizeof *kept);
    if (kept == NULL)
        bail_out("no memory");
    for (size_t i = 0; i < n; i++)
        kept[i] = keep(r, items[i]);
    return kept;
}

void rig_loaded(void *arg, enum store_status status, const struct store_view *view)
{
    struct call *c = arg;
    answered(c, status);
    if ((status == STORE_DONE) != (view != NULL))
        ok(false, "a view comes with DONE and only with it");
    if (view == NULL)
        return;
    c->view = *view;
    if (view->version > 0)
        c->view.version -= rig_versions;
    c->view.record = keep(c->r, view->record);
    c->view.lease_token = keep(c->r, view->lease_token);
    c->view.mark = keep(c->r, view->mark);
    c->view.pending = keep_all(c->r, view->pending, view->pending_n);
    c->view.context = keep_all(c->r, view->context, view->context_n);
}

void rig_applied(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct call *c = arg;
    answered(c, status);
    if ((status == STORE_DONE || status == STORE_DUPLICATE) != (applied != NULL))
        ok(false, "what was applied comes with DONE and DUPLICATE and only with them");
    if (applied == NULL)
        return;
    c->applied = *applied;
    if (applied->version > 0)
        c->applied.version -= rig_versions;
    c->applied.mark = keep(c->r, applied->mark);
}

void rig_status(void *arg, enum store_status status)
{
    answered(arg, status);
}

void rig_list(void *arg, enum store_status status, const struct store_listing *listing)
{
    struct call *c = arg;
    answered(c, status);
    if ((status == STORE_DONE) != (listing != NULL))
        ok(false, "a listing comes with DONE and only with it");
    if (listing == NULL)
        return;
    c->listing = *listing;
    c->n = listing->n;
    c->next_ms = listing->next_ms;
    struct store_listed *kept = arena_array(c->r->arena, c->n + 1, sizeof *kept);
    struct sv *ids = arena_array(c->r->arena, c->n + 1, sizeof *ids);
    if (kept == NULL || ids == NULL)
        bail_out("no memory");
    for (size_t i = 0; i < c->n; i++) {
        kept[i] = listing->items[i];
        kept[i].id = ids[i] = keep(c->r, kept[i].id);
        kept[i].record = keep(c->r, kept[i].record);
    }
    c->listing.items = kept;
    c->items = ids;
}

void rig_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct call *c = arg;
    answered(c, status);
    c->n = n;
    struct store_letter *kept = arena_array(c->r->arena, n + 1, sizeof *kept);
    if (kept == NULL)
        bail_out("no memory");
    for (size_t i = 0; i < n; i++)
        kept[i] = (struct store_letter){ keep(c->r, letters[i].id), keep(c->r, letters[i].item) };
    c->letters = kept;
}

void rig_batch(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct call *c = arg;
    answered(c, status);
    if (batch == NULL)
        return;
    c->batch = *batch;
    c->batch.name = keep(c->r, batch->name);
    c->batch.items = keep_all(c->r, batch->items, batch->n);
}

void rig_value(void *arg, enum store_status status, struct sv value)
{
    struct call *c = arg;
    answered(c, status);
    c->value = keep(c->r, value);
}

void rig_stat(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct call *c = arg;
    answered(c, status);
    if (stat == NULL)
        return;
    c->stat = *stat;
    c->stat.text = keep(c->r, stat->text);
    c->stat.heads = keep_all(c->r, stat->heads, stat->heads_n);
}

void rig_event(void *arg, struct sv event)
{
    struct rig *r = arg;
    if (r->inside)
        ok(false, "%s: an event came from inside a call", r->backend->name);
    r->heard++;
    r->connected += event.p == NULL;
    r->event = keep(r, event);
}

void rig_session(void *arg, enum store_status status, const struct store_session *session)
{
    struct call *c = arg;
    answered(c, status);
    if ((status == STORE_DONE) != (session != NULL))
        ok(false, "a session comes with DONE and only with it");
    if (session != NULL)
        c->session = (struct store_session){ keep(c->r, session->view), keep(c->r, session->customer) };
}

void rig_events(void *arg, enum store_status status, const struct store_events *events)
{
    struct call *c = arg;
    answered(c, status);
    if ((status == STORE_DONE) != (events != NULL))
        ok(false, "events come with DONE and only with it");
    if (events != NULL)
        c->events = (struct store_events){ keep_all(c->r, events->events, events->n), events->n, events->last };
}

static const struct store_pair *keep_pairs(struct rig *r, const struct store_pair *pairs, size_t n)
{
    struct store_pair *kept = arena_array(r->arena, n + 1, sizeof *kept);
    if (kept == NULL)
        bail_out("no memory");
    for (size_t i = 0; i < n; i++)
        kept[i] = (struct store_pair){ keep(r, pairs[i].key), keep(r, pairs[i].value) };
    return kept;
}

void rig_history(void *arg, enum store_status status, const struct store_history *h)
{
    struct call *c = arg;
    answered(c, status);
    if ((status == STORE_DONE) != (h != NULL))
        ok(false, "a history comes with DONE and only with it");
    if (h == NULL)
        return;
    c->history = *h;
    if (h->version > 0)
        c->history.version -= rig_versions;
    c->history.record = keep(c->r, h->record);
    c->history.pending = keep_all(c->r, h->pending, h->pending_n);
    c->history.entries = keep_all(c->r, h->entries, h->entries_n);
    c->history.fields = keep_pairs(c->r, h->fields, h->fields_n);
}

void rig_user(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    struct call *c = arg;
    answered(c, status);
    struct store_user_session *kept = arena_array(c->r->arena, n + 1, sizeof *kept);
    if (kept == NULL)
        bail_out("no memory");
    for (size_t i = 0; i < n; i++)
        kept[i] = (struct store_user_session){ keep(c->r, sessions[i].id),
                                               keep_pairs(c->r, sessions[i].fields, sessions[i].fields_n), sessions[i].fields_n };
    c->sessions = kept;
    c->n = n;
}

void rig_pairs(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct call *c = arg;
    answered(c, status);
    c->pairs = keep_pairs(c->r, pairs, n);
    c->n = n;
}

void rig_erased(void *arg, enum store_status status, int64_t at_ms)
{
    struct call *c = arg;
    answered(c, status);
    c->at_ms = at_ms;
}

void rig_push(void *arg, struct sv id, struct sv event)
{
    struct rig *r = arg;
    if (r->inside)
        ok(false, "%s: a push came from inside a call", r->backend->name);
    if (id.p == NULL) {
        r->pushed_all++;
        return;
    }
    r->pushes++;
    r->push_id = keep(r, id);
    r->push_event = keep(r, event);
}

static struct call *wait_for(struct rig *r, struct call *c)
{
    rig_wait(r, c);
    return c;
}

const struct store_view *load_of(struct rig *r, struct sv id, struct sv message_id)
{
    struct call *c = rig_call(r);
    store_load(r->s, &(struct store_load){ id, message_id, true }, rig_loaded, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: load answered %d", r->backend->name, (int)c->status);
    return &c->view;
}

const struct store_view *load(struct rig *r, const char *id)
{
    return load_of(r, sv_from(id), SV("m"));
}

struct store_change filled(const struct store_change *c)
{
    struct store_change all = *c;
    if (all.expect_version > 0)
        all.expect_version += rig_versions;
    else if (all.first_version == 0 && !all.forget)
        all.first_version = 1;
    if (all.record.p == NULL && !all.forget)
        all.record = SV("r");
    if (all.mark_ttl_ms == 0)
        all.mark_ttl_ms = LONG_MS;
    return all;
}

struct call *apply(struct rig *r, const struct store_change *change)
{
    struct call *c = rig_call(r);
    struct store_change all = filled(change);
    store_apply(r->s, &all, rig_applied, c);
    return wait_for(r, c);
}

enum store_status renew(struct rig *r, const char *id, const char *token, int64_t ttl_ms)
{
    struct call *c = rig_call(r);
    store_renew(r->s, sv_from(id), sv_from(token), ttl_ms, rig_status, c);
    return wait_for(r, c)->status;
}

struct call *due(struct rig *r, size_t max)
{
    return list(r, &(struct store_list){ .index = STORE_DUE, .until_now = true, .max = max });
}

struct call *list(struct rig *r, const struct store_list *what)
{
    struct call *c = rig_call(r);
    store_list(r->s, what, rig_list, c);
    return wait_for(r, c);
}

struct call *letters(struct rig *r, const struct store_letters *what)
{
    struct call *c = rig_call(r);
    store_letters(r->s, what, rig_letters, c);
    return wait_for(r, c);
}

const struct store_batch *take_of(struct rig *r, enum store_queue q, const char *owner, size_t max)
{
    struct call *c = rig_call(r);
    store_take(r->s, q, sv_from(owner), max, rig_batch, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: take answered %d", r->backend->name, (int)c->status);
    return &c->batch;
}

const struct store_batch *take(struct rig *r, const char *owner, size_t max)
{
    return take_of(r, STORE_QUEUE_MESSAGES, owner, max);
}

enum store_status ack(struct rig *r, const struct store_ack *a)
{
    struct call *c = rig_call(r);
    store_ack(r->s, a, rig_status, c);
    return wait_for(r, c)->status;
}

static bool starts_with(void *arg, struct sv owner)
{
    return sv_starts(owner, sv_from(arg));
}

enum store_status recover_of(struct rig *r, enum store_queue q, const char *dead)
{
    struct call *c = rig_call(r);
    store_recover(r->s, q, starts_with, (void *)(uintptr_t)dead, rig_status, c);
    return wait_for(r, c)->status;
}

enum store_status recover(struct rig *r, const char *dead)
{
    return recover_of(r, STORE_QUEUE_MESSAGES, dead);
}

enum store_status put(struct rig *r, const char *name, const char *value, int64_t ttl_ms)
{
    struct call *c = rig_call(r);
    store_put(r->s, sv_from(name), sv_from(value), ttl_ms, rig_status, c);
    return wait_for(r, c)->status;
}

struct sv get(struct rig *r, const char *name)
{
    struct call *c = rig_call(r);
    store_get(r->s, sv_from(name), rig_value, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: get answered %d", r->backend->name, (int)c->status);
    return c->value;
}

struct sv count(struct rig *r, const char *name, int64_t ttl_ms)
{
    struct call *c = rig_call(r);
    store_count(r->s, sv_from(name), ttl_ms, rig_value, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: count answered %d", r->backend->name, (int)c->status);
    return c->value;
}

const struct store_stat *stat_of(struct rig *r)
{
    struct call *c = rig_call(r);
    store_stat(r->s, rig_stat, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: stat answered %d", r->backend->name, (int)c->status);
    return &c->stat;
}

const struct store_session *session_of(struct rig *r, const char *id)
{
    struct call *c = rig_call(r);
    store_session(r->s, sv_from(id), rig_session, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: session answered %d", r->backend->name, (int)c->status);
    return &c->session;
}

enum store_status session_fill(struct rig *r, const struct store_session_fill *what)
{
    struct call *c = rig_call(r);
    struct store_session_fill all = *what;
    if (all.version > 0)
        all.version += rig_versions;
    if (all.ttl_ms == 0)
        all.ttl_ms = LONG_MS;
    store_session_fill(r->s, &all, rig_status, c);
    return wait_for(r, c)->status;
}

const struct store_events *events_of(struct rig *r, const char *id, uint64_t after)
{
    struct call *c = rig_call(r);
    store_events(r->s, sv_from(id), after, rig_events, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: events answered %d", r->backend->name, (int)c->status);
    return &c->events;
}

const struct store_history *history_of(struct rig *r, const char *id, const char *user_id)
{
    struct call *c = rig_call(r);
    store_history(r->s, sv_from(id), user_id != NULL ? sv_from(user_id) : SV_NONE, rig_history, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: history answered %d", r->backend->name, (int)c->status);
    return &c->history;
}

static int text_order(const void *a, const void *b)
{
    const struct sv *x = a, *y = b;
    int order = memcmp(x->p, y->p, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

static struct sv sorted(struct rig *r, struct sv *items, size_t n, const char *between)
{
    struct buf b = { 0 };
    if (n > 1)
        qsort(items, n, sizeof *items, text_order);
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s%.*s", i > 0 ? between : "", SV_FMT(items[i]));
    struct sv all = keep(r, n > 0 ? buf_sv(&b) : SV(""));
    buf_fini(&b);
    return all;
}

struct sv fields_of(struct rig *r, const struct store_pair *pairs, size_t n)
{
    struct sv *items = arena_array(r->arena, n + 1, sizeof *items);
    for (size_t i = 0; items != NULL && i < n; i++)
        items[i] = arena_printf(r->arena, "%.*s=%.*s", SV_FMT(pairs[i].key), SV_FMT(pairs[i].value));
    return sorted(r, items, n, " ");
}

struct sv user_of(struct rig *r, const char *user_id)
{
    struct call *c = rig_call(r);
    store_user(r->s, sv_from(user_id), rig_user, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: user answered %d", r->backend->name, (int)c->status);
    struct sv *items = arena_array(r->arena, c->n + 1, sizeof *items);
    for (size_t i = 0; items != NULL && i < c->n; i++)
        items[i] = arena_printf(r->arena, "%.*s: %.*s", SV_FMT(c->sessions[i].id),
                                SV_FMT(fields_of(r, c->sessions[i].fields, c->sessions[i].fields_n)));
    return sorted(r, items, c->n, "; ");
}

struct sv figures_of(struct rig *r, const char *day)
{
    struct call *c = rig_call(r);
    store_figures(r->s, sv_from(day), rig_pairs, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: figures answered %d", r->backend->name, (int)c->status);
    return fields_of(r, c->pairs, c->n);
}

struct sv preferences_of(struct rig *r, const char *user_id)
{
    struct call *c = rig_call(r);
    store_preferences(r->s, sv_from(user_id), rig_pairs, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: preferences answered %d", r->backend->name, (int)c->status);
    return fields_of(r, c->pairs, c->n);
}

int64_t erased_at(struct rig *r, const char *id)
{
    struct call *c = rig_call(r);
    store_erased_at(r->s, sv_from(id), rig_erased, c);
    if (wait_for(r, c)->status != STORE_DONE)
        bail_out("%s: erased_at answered %d", r->backend->name, (int)c->status);
    return c->at_ms;
}

struct sv joined(struct rig *r, const struct sv *items, size_t n)
{
    struct buf b = { 0 };
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_addc(&b, ',');
        buf_add(&b, items[i]);
    }
    struct sv all = keep(r, n > 0 ? buf_sv(&b) : SV(""));
    buf_fini(&b);
    return all;
}

struct sv drain_of(struct rig *r, enum store_queue q)
{
    struct sv parts[64];
    size_t n = 0;
    for (;;) {
        const struct store_batch *b = take_of(r, q, "drain", 1000);
        if (b->n == 0)
            return joined(r, parts, n);
        if (n < 64)
            parts[n++] = joined(r, b->items, b->n);
        if (ack(r, &(struct store_ack){ .queue = q, .batch = b->name }) != STORE_DONE)
            bail_out("%s: ack failed", r->backend->name);
    }
}

struct sv drain(struct rig *r)
{
    return drain_of(r, STORE_QUEUE_MESSAGES);
}
