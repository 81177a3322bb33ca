/* SPDX-License-Identifier: MIT
 * An exchange's place is the number of those that are newer. A row's is its place in the archive plus the unarchived ones before it; so with U unarchived
 * ones, the places lo..hi-1 are taken by the archive's rows lo-U..hi-1 and what lies between them. With a key to go on from, the next `size` are
 * among the next `size` rows and the unarchived ones behind the key. One row more says whether there are older ones. */
#include "config.h"

#include <stdlib.h>

#include "turn/chat_merge.h"

int chat_key_compare(const struct chat_key *a, const struct chat_key *b)
{
    if (a->ms != b->ms)
        return a->ms < b->ms ? -1 : 1;
    return memcmp(a->id, b->id, sizeof(a->id));
}

static int compare_ids(struct sv a, struct sv b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int d = n > 0 ? memcmp(a.p, b.p, n) : 0;

    return d != 0 ? d : (a.n > b.n) - (a.n < b.n);
}

/* ---- the order of what is recent ---- */

struct named { struct sv message_id; size_t place; };

static int by_id(const void *a, const void *b)
{
    const struct named *x = a, *y = b;
    int d = compare_ids(x->message_id, y->message_id);

    return d != 0 ? d : (x->place > y->place) - (x->place < y->place);
}

static int newest_first(const void *a, const void *b)
{
    const struct chat_recent *x = a, *y = b;

    return chat_key_compare(&y->key, &x->key);
}

/* Sorted by id; NULL: memory is short. */
static struct named *names_of(struct arena *a, const struct chat_recent *list, size_t n)
{
    struct named *names = arena_array(a, n + 1, sizeof(*names));

    for (size_t i = 0; names != NULL && i < n; i++)
        names[i] = (struct named){ .message_id = list[i].message_id, .place = i };
    if (names != NULL)
        qsort(names, n, sizeof(*names), by_id);
    return names;
}

int64_t chat_recent_order(struct arena *scratch, struct chat_recent *list, size_t n)
{
    struct named *names = names_of(scratch, list, n);
    bool *again = arena_array(scratch, n + 1, sizeof(*again));
    size_t left = 0;

    if (names == NULL || again == NULL)
        return -1;
    for (size_t i = 1; i < n; i++)
        again[names[i].place] = sv_eq(names[i].message_id, names[i - 1].message_id);
    for (size_t i = 0; i < n; i++)
        if (!again[i])
            list[left++] = list[i];
    qsort(list, left, sizeof(*list), newest_first);
    return (int64_t)left;
}

/* ---- the page ---- */

struct chat_ask chat_merge_ask(const struct chat_wish *w, size_t unarchived)
{
    size_t low = w->by_cursor ? 0 : (w->page - 1) * w->size;
    size_t skip = low > unarchived ? low - unarchived : 0;

    return (struct chat_ask){ .skip = skip, .max = low + w->size - skip + (w->by_cursor ? 1 : 0) };
}

struct merge {
    const struct chat_wish *w;
    const struct chat_parts *p;
    const struct named *names;
    size_t *loose; /* the unarchived ones within the bounds, as indexes of p->recent; newest first */
    size_t loose_n;
    size_t low, high; /* the places that are wanted */
    struct chat_line *lines;
    size_t n, place;
};

static bool is_loose(const struct chat_wish *w, const struct chat_recent *r)
{
    return !r->archived && r->key.ms >= w->from_ms && r->key.ms <= w->to_ms;
}

static bool is_behind(const struct chat_wish *w, const struct chat_recent *r)
{
    return !w->by_cursor || !w->after || chat_key_compare(&r->key, &w->last) < 0;
}

/* The recent exchange that a row is, or CHAT_NOWHERE. */
static size_t recent_of(const struct merge *m, struct sv message_id)
{
    size_t low = 0, high = m->p->recent_n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_ids(m->names[middle].message_id, message_id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < m->p->recent_n && sv_eq(m->names[low].message_id, message_id);
    return found ? m->names[low].place : CHAT_NOWHERE;
}

static void put(struct merge *m, struct chat_line line)
{
    if (m->place >= m->low && m->place < m->high)
        m->lines[m->n++] = line;
    m->place++;
}

/* From the first row that was asked for on; unarchived ones that are newer than it come before it, and before the page, too, when rows were skipped. */
static void lay(struct merge *m)
{
    size_t loose = 0, row = 0;
    const struct chat_parts *p = m->p;

    if (p->ask.skip > 0) {
        while (loose < m->loose_n && p->rows_n > 0 && chat_key_compare(&p->recent[m->loose[loose]].key, &p->rows[0].key) > 0)
            loose++;
        m->place = p->ask.skip + loose;
    }
    while (loose < m->loose_n || row < p->rows_n) {
        const struct chat_recent *r = loose < m->loose_n ? &p->recent[m->loose[loose]] : NULL;
        if (r == NULL || (row < p->rows_n && chat_key_compare(&p->rows[row].key, &r->key) >= 0)) {
            put(m, (struct chat_line){ .recent = recent_of(m, p->rows[row].message_id), .row = row, .key = p->rows[row].key });
            row++;
        } else {
            put(m, (struct chat_line){ .recent = m->loose[loose], .row = CHAT_NOWHERE, .key = r->key });
            loose++;
        }
    }
}

static void turn_round(struct chat_line *lines, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        struct chat_line line = lines[i];
        lines[i] = lines[n - 1 - i];
        lines[n - 1 - i] = line;
    }
}

static int prepare(struct merge *m, struct arena *a, struct chat_merged *out)
{
    m->names = names_of(a, m->p->recent, m->p->recent_n);
    m->loose = arena_array(a, m->p->recent_n + 1, sizeof(*m->loose));
    m->lines = arena_array(a, m->w->size + 1, sizeof(*m->lines));
    if (m->names == NULL || m->loose == NULL || m->lines == NULL)
        return -1;
    for (size_t i = 0; i < m->p->recent_n; i++) {
        const struct chat_recent *r = &m->p->recent[i];
        if (!is_loose(m->w, r))
            continue;
        out->unarchived++;
        if (is_behind(m->w, r))
            m->loose[m->loose_n++] = i;
    }
    m->low = m->w->by_cursor ? 0 : (m->w->page - 1) * m->w->size;
    m->high = m->low + m->w->size;
    return 0;
}

int chat_merge(struct arena *a, const struct chat_wish *w, const struct chat_parts *p, struct chat_merged *out)
{
    struct merge m = { .w = w, .p = p };

    *out = (struct chat_merged){ .total = -1 };
    if (prepare(&m, a, out) != 0)
        return -1;
    if (!w->by_cursor) {
        out->total = p->rows_total + (int64_t)out->unarchived;
        out->again = p->ask.skip > 0 && p->ask.skip + out->unarchived > m.low;
        out->more = out->total > (int64_t)m.high;
        if (out->again || out->total <= (int64_t)m.low)
            return 0;
    }
    lay(&m);
    if (w->by_cursor)
        out->more = m.place > w->size;
    turn_round(m.lines, m.n);
    out->lines = m.lines;
    out->n = m.n;
    return 0;
}
