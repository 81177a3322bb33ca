/* SPDX-License-Identifier: MIT
 * Sorted, so that two writers wait for each other in one direction only; merged, since a statement cannot touch a row twice. */
#include "config.h"

#include <stdlib.h>

#include "archive/pg_tasks.h"
#include "lib/json.h"

struct pg_task {
    const struct item *item;
    struct sv key; /* session or sender */
    size_t place;
};

const enum pg_type pg_state_columns[PG_STATE_COLUMNS] = { PG_UUID, PG_TEXT, PG_TIMESTAMPTZ, PG_TEXT, PG_BIGINT, PG_BOOLEAN, PG_TIMESTAMPTZ, PG_BIGINT };
const enum pg_type pg_customer_columns[PG_CUSTOMER_COLUMNS] = { PG_UUID, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_BIGINT, PG_BIGINT,
                                                                PG_BIGINT, PG_BIGINT, PG_JSONB, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ };

static int compare(const void *pa, const void *pb)
{
    const struct pg_task *a = pa, *b = pb;
    int c = memcmp(a->key.p, b->key.p, a->key.n < b->key.n ? a->key.n : b->key.n);

    if (c == 0)
        c = (a->key.n > b->key.n) - (a->key.n < b->key.n);
    return c != 0 ? c : (a->place > b->place) - (a->place < b->place);
}

static void sort(struct pg_tasks *t)
{
    if (t->n > 1)
        qsort(t->rows, t->n, sizeof(*t->rows), compare);
}

static size_t run_of(const struct pg_tasks *t, size_t first)
{
    size_t end = first + 1;

    while (end < t->n && sv_eq(t->rows[end].key, t->rows[first].key))
        end++;
    return end - first;
}

/* ---- sessions ---- */

/* Which of two words stands when both were spoken at the same time is the same as in the database: STATUS_IS_NEWER, CHECK_IS_NEWER. */
static bool status_is_newer(const struct item *a, const struct item *b)
{
    if (b == NULL || a->at_ms != b->at_ms)
        return b == NULL || a->at_ms > b->at_ms;
    return strcmp(a->state->status, b->state->status) > 0;
}

static bool check_is_newer(const struct item *a, const struct item *b)
{
    if (b == NULL || a->at_ms != b->at_ms)
        return b == NULL || a->at_ms > b->at_ms;
    if (a->state->check_reply != b->state->check_reply)
        return b->state->check_reply;
    return a->state->until_ms > b->state->until_ms;
}

static void put_state(struct pg_array *c, const struct pg_task *run, size_t n)
{
    const struct item *status = NULL, *check = NULL, *first = run->item;

    for (const struct pg_task *r = run; r < run + n; r++) {
        if (r->item->state->status != NULL && status_is_newer(r->item, status))
            status = r->item;
        if (r->item->state->has_check_reply && check_is_newer(r->item, check))
            check = r->item;
        if (r->item->at_ms < first->at_ms)
            first = r->item;
    }
    pg_array_uuid(&c[0], first->state->id);
    pg_array_text(&c[1], run->key);
    pg_array_ms(&c[2], first->at_ms);
    pg_array_text(&c[3], status != NULL ? sv_from(status->state->status) : SV_NONE);
    pg_array_bigint(&c[4], status != NULL ? status->at_ms : -1);
    if (check != NULL)
        pg_array_boolean(&c[5], check->state->check_reply);
    else
        pg_array_null(&c[5]);
    if (check != NULL && check->state->until_ms >= 0)
        pg_array_ms(&c[6], check->state->until_ms);
    else
        pg_array_null(&c[6]);
    pg_array_bigint(&c[7], check != NULL ? check->at_ms : -1);
}

/* ---- customers ---- */

static void put_sources(struct pg_array *c, const struct item *const of[ITEM_FIELDS])
{
    static const char *const names[ITEM_FIELDS] = { [ITEM_PHONE] = "phone", [ITEM_EMAIL] = "email", [ITEM_NAME] = "name", [ITEM_ADDRESS] = "address" };
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    json_obj(&o);
    for (unsigned f = 0; f < ITEM_FIELDS; f++)
        if (of[f] != NULL)
            json_kraw(&o, names[f], of[f]->customer->source);
    json_obj_end(&o);
    if (buf_ok(&b))
        pg_array_json(c, buf_sv(&b));
    else
        c->b.failed = true;
    buf_fini(&b);
}

/* Where two were said at the same time, the one that was written later. */
static void put_customer(struct pg_array *c, const struct pg_task *run, size_t n)
{
    const struct item *of[ITEM_FIELDS] = { NULL }, *first = run->item, *last = run->item;

    for (const struct pg_task *r = run; r < run + n; r++) {
        for (unsigned f = 0; f < ITEM_FIELDS; f++)
            if (r->item->customer->fields[f].p != NULL && (of[f] == NULL || r->item->at_ms >= of[f]->at_ms))
                of[f] = r->item;
        first = r->item->at_ms < first->at_ms ? r->item : first;
        last = r->item->at_ms > last->at_ms ? r->item : last;
    }
    pg_array_uuid(&c[0], first->customer->id);
    pg_array_text(&c[1], run->key);
    for (unsigned f = 0; f < ITEM_FIELDS; f++) {
        pg_array_text(&c[2 + f], of[f] != NULL ? of[f]->customer->fields[f] : SV_NONE);
        pg_array_bigint(&c[6 + f], of[f] != NULL ? of[f]->at_ms : -1);
    }
    put_sources(&c[10], of);
    pg_array_ms(&c[11], first->at_ms);
    pg_array_ms(&c[12], last->at_ms);
}

/* ---- the whole ---- */

int pg_tasks_fill(struct pg_tasks *t, const struct item *const *items, size_t n, struct pg_array *states, struct pg_array *customers)
{
    if (n > t->size) {
        struct pg_task *rows = reallocarray(t->rows, n, sizeof(*rows));
        if (rows == NULL)
            return -1;
        t->rows = rows;
        t->size = n;
    }
    t->n = 0;
    for (size_t i = 0; i < n; i++)
        if (items[i]->state != NULL)
            t->rows[t->n++] = (struct pg_task){ items[i], items[i]->conversation_id, i };
    sort(t);
    for (size_t i = 0, run; i < t->n; i += run) {
        run = run_of(t, i);
        put_state(states, &t->rows[i], run);
    }
    t->n = 0;
    for (size_t i = 0; i < n; i++)
        if (items[i]->customer != NULL)
            t->rows[t->n++] = (struct pg_task){ items[i], items[i]->customer->sender_id, i };
    sort(t);
    for (size_t i = 0, run; i < t->n; i += run) {
        run = run_of(t, i);
        put_customer(customers, &t->rows[i], run);
    }
    return 0;
}

void pg_tasks_fini(struct pg_tasks *t)
{
    free(t->rows);
    *t = (struct pg_tasks){ 0 };
}
