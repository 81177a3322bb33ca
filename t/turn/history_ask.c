/* SPDX-License-Identifier: MIT
 * See history_ask.h. */
#include "config.h"

#include <stdio.h>

#include "lib/clock.h"
#include "store/store_history.h"
#include "t/tap.h"
#include "t/turn/history_ask.h"
#include "turn/message.h"

#define ITEMS_MAX 1200

static char text[200000];
static char items[ITEMS_MAX][4000];

struct asking {
    bool done;
    size_t i, n;
    const char *key;
    struct buf b;
};

static void wait_for(struct rig *r, struct asking *q)
{
    for (int i = 0; i < 10000 && !q->done; i++)
        loop_turn(r->loop, false);
    if (!q->done)
        bail_out("the store gives no answer");
}

static const char *end(struct asking *q)
{
    (void)snprintf(text, sizeof(text), "%s", q->b.p != NULL ? q->b.p : "");
    buf_fini(&q->b);
    return text;
}

static void put(struct buf *b, const char *before, struct sv json)
{
    if (json.p != NULL && !sv_eq(json, SV("null")))
        buf_printf(b, "%s%.*s", before, (int)json.n - 2, json.p + 1);
}

static void on_entries(void *arg, enum store_status status, const struct store_history *h)
{
    struct asking *q = arg;
    q->done = true;
    for (size_t i = status == STORE_DONE ? h->entries_n : 0; i > 0; i--) {
        struct sv e = h->entries[i - 1];
        put(&q->b, q->b.n > 0 ? " " : "", json_raw_member(e, "messageId"));
        put(&q->b, ":", json_raw_member(e, "status"));
        put(&q->b, "/", json_raw_member(e, "reason"));
        put(&q->b, "=", json_raw_member(e, "aiResponse"));
    }
}

static const char *ask(struct rig *r, const char *conversation, const char *user, store_history_fn *fn, struct asking *q)
{
    store_history(r->store, sv_from(conversation), sv_from(user), fn, q);
    wait_for(r, q);
    return end(q);
}

const char *history_entries(struct rig *r, const char *conversation, const char *user)
{
    struct asking q = { 0 };
    return ask(r, conversation, user, on_entries, &q);
}

static void on_entry(void *arg, enum store_status status, const struct store_history *h)
{
    struct asking *q = arg;
    q->done = true;
    if (status == STORE_DONE && q->i < h->entries_n)
        buf_add(&q->b, h->entries[q->i]);
}

const char *history_entry(struct rig *r, const char *conversation, const char *user, size_t i)
{
    struct asking q = { .i = i };
    return ask(r, conversation, user, on_entry, &q);
}

static void on_field(void *arg, enum store_status status, const struct store_history *h)
{
    struct asking *q = arg;
    q->done = true;
    for (size_t i = 0; status == STORE_DONE && i < h->fields_n; i++) {
        if (!sv_eq(h->fields[i].key, sv_from(q->key)))
            continue;
        buf_clear(&q->b);
        buf_add(&q->b, h->fields[i].value);
        return;
    }
    buf_add(&q->b, SV("(none)"));
}

const char *history_field(struct rig *r, const char *conversation, const char *key)
{
    struct asking q = { .key = key };
    return ask(r, conversation, NULL, on_field, &q);
}

static void on_context(void *arg, enum store_status status, const struct store_view *v)
{
    struct asking *q = arg;
    struct message_item m;
    struct err e;
    q->done = true;
    for (size_t i = 0; status == STORE_DONE && i < v->context_n; i++) {
        if (message_look(v->context[i], &m, &e) != 0)
            bail_out("an entry of the context cannot be read");
        put(&q->b, q->b.n > 0 ? " " : "", m.message_id_json.p != NULL ? m.message_id_json : SV("\"-\""));
        buf_printf(&q->b, ":%.*s", SV_FMT(m.role));
        put(&q->b, "=", m.content_json);
    }
}

const char *history_context(struct rig *r, const char *conversation)
{
    struct asking q = { 0 };
    const struct store_load what = { .conversation_id = sv_from(conversation), .want_lists = true };
    store_load(r->store, &what, on_context, &q);
    wait_for(r, &q);
    return end(&q);
}

static void on_figures(void *arg, enum store_status status, const struct store_pair *pairs, size_t n)
{
    struct asking *q = arg;
    int64_t value = 0;
    q->done = true;
    for (size_t i = 0; status == STORE_DONE && i < n; i++)
        if (sv_eq(pairs[i].key, sv_from(q->key)) && sv_to_i64(pairs[i].value, &value))
            q->n = (size_t)value;
}

long long history_figure(struct rig *r, const char *metric)
{
    struct asking q = { .key = metric };
    char day[25];
    clock_format(clock_wall_ms(), day);
    store_figures(r->store, (struct sv){ day, 10 }, on_figures, &q);
    wait_for(r, &q);
    return (long long)q.n;
}

static void on_sessions(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    struct asking *q = arg;
    (void)sessions;
    q->done = true;
    q->n = status == STORE_DONE ? n : 0;
}

size_t history_sessions(struct rig *r, const char *user)
{
    struct asking q = { 0 };
    store_user(r->store, sv_from(user), on_sessions, &q);
    wait_for(r, &q);
    return q.n;
}

static char taken[200]; /* the batch */

static void on_acked(void *arg, enum store_status status)
{
    struct asking *q = arg;
    (void)status;
    q->done = true;
}

static void on_taken(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct asking *q = arg;
    q->done = true;
    (void)snprintf(taken, sizeof(taken), "%.*s", SV_FMT(status == STORE_DONE ? batch->name : SV_NONE));
    for (size_t i = 0; status == STORE_DONE && i < batch->n && q->n < ITEMS_MAX; i++)
        (void)snprintf(items[q->n++], sizeof(items[0]), "%.*s", SV_FMT(batch->items[i]));
}

size_t history_items(struct rig *r)
{
    struct asking q = { 0 };
    store_take(r->store, STORE_QUEUE_MESSAGES, SV("test"), ITEMS_MAX, on_taken, &q);
    wait_for(r, &q);
    if (q.n > 0) {
        const struct store_ack ack = { .batch = sv_from(taken) };
        q.done = false;
        store_ack(r->store, &ack, on_acked, &q);
        wait_for(r, &q);
    }
    return q.n;
}

const char *history_item(size_t i)
{
    return items[i];
}
