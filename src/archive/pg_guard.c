/* SPDX-License-Identifier: MIT
 * A user is one subject an item, however often he stands in the batch: looking a name up twice costs less here than sorting them all each time, since
 * they are looked up only after an erasure. */
#include "config.h"

#include <stdlib.h>

#include "archive/item_erased.h"
#include "archive/pg_guard.h"

struct pg_subject {
    enum archive_subject subject;
    struct sv name;
    int64_t erased_ms;
};

static void add(void *arg, enum archive_subject subject, struct sv name, int64_t since_ms)
{
    struct pg_guard *g = arg;

    if (g->n == g->size) {
        size_t size = g->size > 0 ? 2 * g->size : 64;
        struct pg_subject *list = reallocarray(g->list, size, sizeof(*list));
        g->failed = g->failed || list == NULL;
        if (list == NULL)
            return;
        g->list = list;
        g->size = size;
    }
    g->list[g->n++] = (struct pg_subject){ subject, name, ITEM_NEVER_ERASED };
    pg_array_text(&g->columns[0], sv_from(erased_word(subject)));
    pg_array_text(&g->columns[1], name);
    pg_array_ms(&g->columns[2], since_ms);
}

static void earliest(void *arg, enum archive_subject subject, struct sv name, int64_t since_ms)
{
    int64_t *ms = arg;

    (void)subject, (void)name;
    if (since_ms < *ms)
        *ms = since_ms;
}

int pg_guard_fill(struct pg_guard *g, const struct item *const *items, size_t n)
{
    static const enum pg_type types[] = { PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ };
    int64_t ms = INT64_MAX;

    g->n = 0;
    g->failed = false;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        pg_array_start(&g->columns[i], types[i]);
    for (size_t i = 0; i < n; i++) {
        item_subjects(items[i], add, g);
        item_subjects(items[i], earliest, &ms);
    }
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        g->params[i] = pg_array_end(&g->columns[i]);
        g->failed = g->failed || g->params[i].p == NULL;
    }
    g->params[3] = ms < INT64_MAX ? pg_time(g->earliest, ms) : SV_NONE;
    return g->failed ? -1 : 0;
}

struct pg_query pg_guard_query(const struct pg_guard *g)
{
    return (struct pg_query){ &pg_erase_sql[PG_ERASE_GUARD], g->params };
}

struct pg_query pg_guard_question(const struct pg_guard *g)
{
    return (struct pg_query){ &pg_erase_sql[PG_ERASE_WHEN], g->params };
}

static int compare(const void *pa, const void *pb) /* the erased ones first, by name */
{
    const struct pg_subject *a = pa, *b = pb;
    bool a_never = a->erased_ms == ITEM_NEVER_ERASED, b_never = b->erased_ms == ITEM_NEVER_ERASED;
    int c = (a_never ? 1 : 0) - (b_never ? 1 : 0);

    if (c == 0)
        c = (a->subject > b->subject) - (a->subject < b->subject);
    if (c == 0)
        c = memcmp(a->name.p, b->name.p, a->name.n < b->name.n ? a->name.n : b->name.n);
    return c != 0 ? c : (a->name.n > b->name.n) - (a->name.n < b->name.n);
}

/* The list is not in the columns' order any more, and ends behind the erased ones. */
void pg_guard_learn(struct pg_guard *g, const struct pg_outcome *o)
{
    size_t erased = 0;

    for (size_t row = 0; row < pg_rows(o); row++) {
        int64_t at = 0, ms = 0;
        if (sv_to_i64(pg_value(o, row, 0), &at) && sv_to_i64(pg_value(o, row, 1), &ms) && at >= 1 && (uint64_t)at <= g->n) {
            g->list[at - 1].erased_ms = ms;
            erased++;
        }
    }
    if (g->n > 1)
        qsort(g->list, g->n, sizeof(*g->list), compare);
    g->n = erased;
}

int64_t pg_guard_erased(void *arg, enum archive_subject subject, struct sv name)
{
    const struct pg_guard *g = arg;
    /* any time that is one will do: the order has none */
    const struct pg_subject key = { subject, name, 0 }, *found = g->n > 0 ? bsearch(&key, g->list, g->n, sizeof(key), compare) : NULL;

    return found != NULL ? found->erased_ms : ITEM_NEVER_ERASED;
}

void pg_guard_fini(struct pg_guard *g)
{
    for (size_t i = 0; i < ARRAY_LEN(g->columns); i++)
        pg_array_fini(&g->columns[i]);
    free(g->list);
}
