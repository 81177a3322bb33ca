/* SPDX-License-Identifier: MIT
 * Tables stand in the order in which the erasure came to them, those of which nothing went, too. */
#include "config.h"

#include "archive/erase_tally.h"

int erase_tally_rows(struct erase_tally *t, struct sv table, int64_t n)
{
    size_t i = 0;

    while (i < t->tables_n && !sv_eq(t->tables[i].table, table))
        i++;
    if (i == ARCHIVE_TABLES_MAX)
        return -1;
    if (i == t->tables_n) {
        t->tables[i].table = arena_sv(t->arena, table);
        if (t->tables[i].table.p == NULL)
            return -1;
        t->tables_n++;
    }
    t->tables[i].n += n;
    return 0;
}

void erase_tally_in_all(struct erase_tally *t, struct sv table, int64_t n)
{
    for (size_t i = 0; i < t->tables_n; i++)
        if (sv_eq(t->tables[i].table, table))
            t->tables[i].n = n;
}

int erase_tally_id(struct erase_tally *t, struct erase_ids *ids, struct sv id)
{
    if (ids->n == ids->size) {
        size_t size = ids->size > 0 ? 2 * ids->size : 64;
        struct sv *list = arena_array(t->arena, size, sizeof(*list));
        if (list == NULL)
            return -1;
        if (ids->n > 0)
            memcpy(list, ids->list, ids->n * sizeof(*list));
        ids->list = list;
        ids->size = size;
    }
    ids->list[ids->n] = arena_sv(t->arena, id);
    return ids->list[ids->n++].p != NULL ? 0 : -1;
}

int erase_tally_answer(struct erase_tally *t, struct sv erasure_id, struct archive_erased *out)
{
    for (size_t i = 0; i < t->tables_n; i++) {
        t->pairs[i] = (struct archive_pair){ t->tables[i].table, arena_printf(t->arena, "%lld", (long long)t->tables[i].n) };
        if (t->pairs[i].value.p == NULL)
            return -1;
    }
    *out = (struct archive_erased){ .tables = t->pairs,
                                    .tables_n = t->tables_n,
                                    .erasure_id = erasure_id,
                                    .message_ids = t->messages.list,
                                    .message_ids_n = t->messages.n,
                                    .job_ids = t->jobs.list,
                                    .job_ids_n = t->jobs.n };
    return 0;
}
