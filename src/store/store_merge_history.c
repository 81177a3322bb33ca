/* SPDX-License-Identifier: MIT
 * Going back: histories and figures (store_merge.c has the whole of it). Entries that the other side lacks are appended; of fields the
 * later and the greater stand; figures are added. What the other side has erased meanwhile does not come back: of a conversation that it
 * erased, only messages that were received after that go over.
 * Knows of entries and pending items "messageId" and "received", and of fields createdAt, lastActivity and messageCount. */
#include "config.h"

#include <stdio.h>

#include "lib/json.h"
#include "store/store_merge_inside.h"

static bool keep_pairs(struct merge *m, const struct store_pair **pairs, size_t n)
{
    struct store_pair *kept = arena_array(m->arena, n + 1, sizeof *kept);
    for (size_t i = 0; kept != NULL && i < n; i++) {
        kept[i] = (*pairs)[i];
        if (!merge_keep(m, &kept[i].key) || !merge_keep(m, &kept[i].value))
            return false;
    }
    *pairs = kept;
    return kept != NULL;
}

bool merge_keep_history(struct merge *m, struct sqlite_whole *w)
{
    struct store_count *counts = arena_array(m->arena, w->counts_n + 1, sizeof *counts);
    for (size_t i = 0; counts != NULL && i < w->counts_n; i++) {
        counts[i] = w->counts[i];
        if (!merge_keep(m, &counts[i].metric))
            return false;
    }
    w->counts = counts;
    return counts != NULL && merge_keep(m, &w->user_id) && merge_keep(m, &w->day) && merge_keep_all(m, &w->entries, w->entries_n) &&
           keep_pairs(m, &w->fields, w->fields_n);
}

/* ---- what was erased ---- */

static bool is_younger(struct merge *m, struct sv item, int64_t at_ms)
{
    json_t *o = json_read_in(m->arena, item, false, NULL);
    json_t *received = o != NULL ? json_object_get(o, "received") : NULL;
    return json_is_integer(received) && json_integer_value(received) > at_ms;
}

/* False: memory is short. */
static bool keep_younger(struct merge *m, const struct sv **items, size_t *n)
{
    struct sv *left = arena_array(m->arena, *n + 1, sizeof *left);
    size_t left_n = 0;
    for (size_t i = 0; left != NULL && i < *n; i++) {
        if (is_younger(m, (*items)[i], m->erased_ms))
            left[left_n++] = (*items)[i];
    }
    *items = left;
    *n = left_n;
    return left != NULL;
}

/* Context does not say when it was received. The record goes with the last message that is left of it. */
static bool prune(struct merge *m)
{
    struct sqlite_whole *w = &m->whole;
    if (!keep_younger(m, &w->pending, &w->pending_n) || !keep_younger(m, &w->entries, &w->entries_n))
        return false;
    w->context_n = 0;
    if (w->pending_n == 0)
        w->record = SV_NONE;
    if (w->pending_n == 0 && w->entries_n == 0) {
        w->fields_n = 0;
        w->user_id = SV_NONE;
    }
    for (size_t i = 0; i < m->known_n; i++) {
        if (m->known[i].ours.p != NULL && !is_younger(m, m->known[i].ours, m->erased_ms))
            m->known[i].ours = SV("{\"status\":\"erased\"}");
    }
    return true;
}

/* ---- looking ---- */

static void history_seen(void *arg, enum store_status status, const struct store_history *h)
{
    struct merge *m = arg;
    if (status != STORE_DONE) {
        merge_finish(m, status);
        return;
    }
    m->there = h->entries;
    m->there_n = h->entries_n;
    m->there_fields = h->fields;
    m->there_fields_n = h->fields_n;
    if (merge_keep_all(m, &m->there, m->there_n) && keep_pairs(m, &m->there_fields, m->there_fields_n))
        merge_apply_all(m);
    else
        merge_finish(m, STORE_FULL);
}

static void erasure_seen(void *arg, enum store_status status, int64_t at_ms)
{
    struct merge *m = arg;
    if (status != STORE_DONE) {
        merge_finish(m, status);
        return;
    }
    m->erased_ms = at_ms;
    if (at_ms > 0 && !prune(m)) {
        merge_finish(m, STORE_FULL);
        return;
    }
    m->there_n = m->there_fields_n = 0;
    if (m->whole.user_id.p != NULL)
        store_history(m->to, m->whole.id, m->whole.user_id, history_seen, m);
    else
        merge_apply_all(m);
}

void merge_see_history(struct merge *m)
{
    store_erased_at(m->to, m->whole.id, erasure_seen, m);
}

/* ---- what goes over ---- */

/* Oldest first. */
static bool select_entries(struct merge *m, struct store_history_change *h)
{
    const struct sqlite_whole *w = &m->whole;
    struct sv *add = arena_array(m->arena, w->entries_n + 1, sizeof *add);
    struct sv *ids = arena_array(m->arena, m->there_n + 1, sizeof *ids);
    if (add == NULL || ids == NULL)
        return false;
    for (size_t i = 0; i < m->there_n; i++)
        ids[i] = merge_member(m, m->there[i], "messageId");
    for (size_t i = w->entries_n; i > 0; i--) {
        struct sv one = w->entries[i - 1], id = merge_member(m, one, "messageId");
        bool there = false;
        for (size_t k = 0; k < m->there_n && !there; k++)
            there = sv_eq(m->there[k], one) || (id.p != NULL && ids[k].p != NULL && sv_eq(ids[k], id));
        if (!there)
            add[h->entries_n++] = one;
    }
    h->entries = add;
    h->entries_max = m->there_n + h->entries_n + 1; /* the next one that is appended cuts them */
    return true;
}

static struct sv field(const struct store_pair *fields, size_t n, struct sv name)
{
    for (size_t i = 0; i < n; i++) {
        if (sv_eq(fields[i].key, name))
            return fields[i].value;
    }
    return SV_NONE;
}

/* -1, 0, 1; SV_NONE is smaller than any. */
static int order(struct sv a, struct sv b)
{
    if (a.p == NULL || b.p == NULL)
        return (a.p != NULL) - (b.p != NULL);
    int first = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);
    return first != 0 ? (first > 0) - (first < 0) : (a.n > b.n) - (a.n < b.n);
}

/* What `to` lacks of our pending messages. */
static size_t new_pending(struct merge *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->whole.pending_n; i++) {
        struct sv id = merge_member(m, m->whole.pending[i], "message_id");
        bool there = id.p == NULL;
        for (size_t k = 0; k < m->seen.pending_n && !there; k++) {
            struct sv other = merge_member(m, m->seen.pending[k], "message_id");
            there = other.p != NULL && sv_eq(other, id);
        }
        n += !there;
    }
    return n;
}

/* Never less than there are: whether a history is whole is decided by it. */
static struct sv count_of(struct merge *m, struct sv ours, struct sv theirs, size_t entries_n)
{
    int64_t mine = 0, other = 0;
    if (!sv_to_i64(theirs, &other) || !sv_to_i64(ours, &mine))
        return ours;
    other += (int64_t)(entries_n + new_pending(m));
    return arena_printf(m->arena, "%lld", (long long)(mine > other ? mine : other));
}

static bool select_fields(struct merge *m, struct store_history_change *h)
{
    const struct sqlite_whole *w = &m->whole;
    struct store_pair *set = arena_array(m->arena, w->fields_n + 1, sizeof *set);
    struct sv activity = SV("lastActivity");
    bool later = order(field(w->fields, w->fields_n, activity), field(m->there_fields, m->there_fields_n, activity)) > 0;
    for (size_t i = 0; set != NULL && i < w->fields_n; i++) {
        struct store_pair one = w->fields[i];
        struct sv theirs = field(m->there_fields, m->there_fields_n, one.key);
        bool takes = theirs.p == NULL || later;
        if (theirs.p != NULL && sv_eq(one.key, SV("createdAt")))
            takes = order(one.value, theirs) < 0;
        if (theirs.p != NULL && sv_eq(one.key, SV("messageCount"))) {
            one.value = count_of(m, one.value, theirs, h->entries_n);
            takes = true;
        }
        if (one.value.p == NULL)
            return false;
        if (takes)
            set[h->fields_n++] = one;
    }
    h->fields = set;
    return set != NULL;
}

bool merge_history(struct merge *m, const struct store_history_change **change)
{
    const struct sqlite_whole *w = &m->whole;
    struct store_history_change *h = &m->history;
    *h = (struct store_history_change){ .user_id = w->user_id, .ttl_ms = w->history_left_ms, .day = w->day, .counts = w->counts,
                                        .counts_n = w->counts_n, .counts_ttl_ms = w->counts_left_ms };
    *change = w->user_id.p != NULL || w->counts_n > 0 ? h : NULL;
    return w->user_id.p == NULL || (select_entries(m, h) && select_fields(m, h));
}
