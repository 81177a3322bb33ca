/* SPDX-License-Identifier: MIT
 * The memory store: recent history, figures of a day, preferences, and what an erasure takes along. Knows nothing of what they say. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/clock.h"
#include "store/store_memory_inside.h"

/* Of one conversation and user. */
struct entries {
    struct list list; /* oldest first */
    int64_t until_ms;
};

/* Fields, figures, preferences; a user's sessions: keys alone. */
struct pairs {
    struct store_pair *at; /* owned copies */
    size_t n, size;
    int64_t until_ms;
};

/* ---- pairs ---- */

static size_t place_of(const struct pairs *p, struct sv key)
{
    size_t i = 0;
    while (i < p->n && !sv_eq(p->at[i].key, key))
        i++;
    return i;
}

static void set(struct pairs *p, struct sv key, struct sv value)
{
    size_t i = place_of(p, key);
    if (i < p->n) {
        memory_drop(&p->at[i].value);
    } else {
        if (p->n == p->size) {
            p->size = p->size * 2 + 8;
            p->at = memory_need(realloc(p->at, p->size * sizeof *p->at));
        }
        p->at[p->n++].key = memory_copy(key);
    }
    p->at[i].value = memory_copy(value);
}

static void unset(struct pairs *p, size_t i)
{
    memory_drop(&p->at[i].key);
    memory_drop(&p->at[i].value);
    p->at[i] = p->at[--p->n];
}

static void pairs_empty(struct pairs *p)
{
    while (p != NULL && p->n > 0)
        unset(p, p->n - 1);
}

/* NULL: there is none, or its time is over. */
static struct pairs *find(const struct map *m, struct sv key)
{
    struct pairs *p = map_find(m, key);
    return p != NULL && p->until_ms > clock_wall_ms() ? p : NULL;
}

static struct pairs *find_or_add(struct map *m, struct sv key, int64_t ttl_ms)
{
    struct pairs *p = map_find(m, key);
    if (p == NULL) {
        p = memory_need(calloc(1, sizeof *p));
        if (map_put(m, key, p, NULL) != 0)
            abort();
    }
    if (p->until_ms <= clock_wall_ms())
        pairs_empty(p);
    p->until_ms = clock_wall_ms() + ttl_ms;
    return p;
}

static struct sv value_of(const struct pairs *p, struct sv key)
{
    size_t i = p != NULL ? place_of(p, key) : 0;
    return p != NULL && i < p->n ? p->at[i].value : SV_NONE;
}

static const struct store_pair *keep_pairs(struct answer *a, const struct pairs *p, size_t *n)
{
    *n = p != NULL ? p->n : 0;
    struct store_pair *kept = memory_need(arena_array(memory_need(answer_arena(a)), *n + 1, sizeof *kept));
    for (size_t i = 0; i < *n; i++) {
        kept[i] = p->at[i];
        memory_keep(a, &kept[i].key);
        memory_keep(a, &kept[i].value);
    }
    return kept;
}

static void add(struct pairs *figures, struct sv metric, int64_t n)
{
    char text[24];
    int64_t old = 0;
    struct sv is = value_of(figures, metric);
    if (is.p != NULL && !sv_to_i64(is, &old))
        return;
    (void)snprintf(text, sizeof text, "%lld", (long long)(old + n));
    set(figures, metric, sv_from(text));
}

/* ---- entries ---- */

/* To be freed. */
static struct sv entries_key(struct sv user_id, struct sv id)
{
    char head[24];
    int n = snprintf(head, sizeof head, "%zu:", user_id.n);
    size_t head_n = n > 0 ? (size_t)n : 0;
    char *p = memory_need(malloc(head_n + user_id.n + id.n));
    memcpy(p, head, head_n);
    memcpy(p + head_n, user_id.p, user_id.n);
    memcpy(p + head_n + user_id.n, id.p, id.n);
    return (struct sv){ p, head_n + user_id.n + id.n };
}

static struct entries *find_entries(const struct memory *m, struct sv user_id, struct sv id)
{
    struct sv key = entries_key(user_id, id);
    struct entries *e = map_find(m->entries, key);
    memory_drop(&key);
    return e;
}

static struct entries *find_or_add_entries(struct memory *m, struct sv user_id, struct sv id)
{
    struct entries *e = find_entries(m, user_id, id);
    if (e != NULL)
        return e;
    struct sv key = entries_key(user_id, id);
    e = memory_need(calloc(1, sizeof *e));
    if (map_put(m->entries, key, e, NULL) != 0)
        abort();
    memory_drop(&key);
    return e;
}

static bool are_there(const struct entries *e)
{
    return e != NULL && e->until_ms > clock_wall_ms();
}

static void change_entries(struct memory *m, struct sv id, const struct store_history_change *h)
{
    struct entries *e = find_or_add_entries(m, h->user_id, id);
    if (e->until_ms <= clock_wall_ms())
        memory_list_shift(&e->list, e->list.n, NULL);
    e->until_ms = clock_wall_ms() + h->ttl_ms;
    for (size_t i = 0; i < h->entries_n; i++)
        memory_list_add(&e->list, memory_copy(h->entries[i]));
    if (h->entries_n > 0 && e->list.n > h->entries_max)
        memory_list_shift(&e->list, e->list.n - h->entries_max, NULL);
}

/* ---- what a change does ---- */

/* Whose lastActivity is smallest; no field at all is smaller than any. */
static size_t oldest_session(const struct memory *m, const struct pairs *sessions)
{
    size_t oldest = 0;
    struct sv least = SV_NONE;
    for (size_t i = 0; i < sessions->n; i++) {
        struct sv at = value_of(find(m->fields, sessions->at[i].key), SV("lastActivity"));
        int order = i == 0 || at.p == NULL || least.p == NULL ? 0 : memcmp(at.p, least.p, at.n < least.n ? at.n : least.n);
        bool is_less = i == 0 || (at.p == NULL && least.p != NULL) ||
                       (at.p != NULL && least.p != NULL && (order < 0 || (order == 0 && at.n < least.n)));
        if (!is_less)
            continue;
        oldest = i;
        least = at;
    }
    return oldest;
}

static void change_user(struct memory *m, struct sv id, const struct store_history_change *h)
{
    struct pairs *sessions = find_or_add(m->users, h->user_id, h->ttl_ms);
    bool is_new = place_of(sessions, id) == sessions->n;
    if (!is_new)
        return;
    set(sessions, id, SV(""));
    while (h->sessions_max > 0 && sessions->n > h->sessions_max)
        unset(sessions, oldest_session(m, sessions));
}

void memory_history_change(struct memory *m, const struct store_change *c)
{
    const struct store_history_change *h = c->history;
    if (h == NULL)
        return;
    if (h->user_id.p != NULL) {
        change_entries(m, c->conversation_id, h);
        struct pairs *fields = find_or_add(m->fields, c->conversation_id, h->ttl_ms);
        for (size_t i = 0; i < h->fields_n; i++)
            set(fields, h->fields[i].key, h->fields[i].value);
        change_user(m, c->conversation_id, h);
    }
    if (h->counts_n == 0)
        return;
    struct pairs *figures = find_or_add(m->figures, h->day, h->counts_ttl_ms);
    for (size_t i = 0; i < h->counts_n; i++)
        add(figures, h->counts[i].metric, h->counts[i].n);
}

/* ---- erasure ---- */

/* To be freed. */
static struct sv name_of(const char *head, struct sv id)
{
    size_t head_n = strlen(head);
    char *p = memory_need(malloc(head_n + id.n));
    memcpy(p, head, head_n);
    memcpy(p + head_n, id.p, id.n);
    return (struct sv){ p, head_n + id.n };
}

int64_t memory_erased_at(const struct memory *m, struct sv id)
{
    int64_t at_ms = 0;
    struct sv name = name_of("erased:", id), value = memory_timed_get(m->values, name);
    memory_drop(&name);
    return value.p != NULL && sv_to_i64(value, &at_ms) ? at_ms : 0;
}

static void mark_erased(struct memory *m, const struct store_change *c)
{
    char text[24];
    int64_t old_ms = memory_erased_at(m, c->conversation_id);
    struct sv name = name_of("erased:", c->conversation_id);
    (void)snprintf(text, sizeof text, "%lld", (long long)(c->erase->at_ms > old_ms ? c->erase->at_ms : old_ms));
    memory_timed_put(m->values, name, sv_from(text), c->mark_ttl_ms);
    memory_drop(&name);
}

struct moving {
    struct sv from, into;
};

static void move_figure(void *arg, struct sv day, void *value)
{
    const struct moving *g = arg;
    struct pairs *figures = value;
    int64_t n;
    (void)day;
    size_t i = place_of(figures, g->from);
    if (i == figures->n)
        return;
    if (sv_to_i64(figures->at[i].value, &n))
        add(figures, g->into, n);
    unset(figures, place_of(figures, g->from));
}

static int64_t drop_jobs(struct memory *m, const struct store_erase *e)
{
    int64_t n = 0;
    for (size_t i = 0; i < e->jobs_n; i++) {
        struct sv name = name_of("job:", e->jobs[i]);
        n += memory_timed_get(m->values, name).p != NULL;
        memory_timed_put(m->values, name, SV_NONE, 0);
        memory_drop(&name);
    }
    return n;
}

void memory_history_erase(struct memory *m, const struct store_change *c, struct store_erased *counts)
{
    const struct store_erase *e = c->erase;
    struct entries *entries = e->user_id.p != NULL ? find_entries(m, e->user_id, c->conversation_id) : NULL;
    struct pairs *sessions = e->user_id.p != NULL ? map_find(m->users, e->user_id) : NULL;
    counts->messages += are_there(entries) ? (int64_t)entries->list.n : 0;
    counts->jobs = drop_jobs(m, e);
    if (entries != NULL)
        memory_list_shift(&entries->list, entries->list.n, NULL);
    pairs_empty(map_find(m->fields, c->conversation_id));
    if (sessions != NULL && place_of(sessions, c->conversation_id) < sessions->n)
        unset(sessions, place_of(sessions, c->conversation_id));
    if (e->day_metric.p != NULL)
        map_each(m->figures, move_figure, &(struct moving){ e->day_metric, e->day_into });
    mark_erased(m, c);
}

/* ---- operations ---- */

static void memory_history(struct store *s, struct sv id, struct sv user_id, store_history_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_HISTORY, .fn.history = fn, .arg = arg });
    struct store_history *h = &a->is.history;
    const struct conversation *c = map_find(m->conversations, id);
    const struct entries *e = user_id.p != NULL ? find_entries(m, user_id, id) : NULL;
    h->now_ms = clock_wall_ms();
    if (c != NULL) {
        h->version = c->version;
        h->record = c->record;
        h->pending_n = c->pending.n;
        h->pending = memory_keep_all(a, c->pending.at, c->pending.n);
        memory_keep(a, &h->record);
    }
    if (are_there(e)) {
        struct sv *newest_first = memory_need(arena_array(memory_need(answer_arena(a)), e->list.n + 1, sizeof *newest_first));
        h->entries_n = e->list.n;
        for (size_t i = 0; i < e->list.n; i++)
            newest_first[i] = e->list.at[e->list.n - 1 - i];
        h->entries = memory_keep_all(a, newest_first, e->list.n);
    }
    h->fields = keep_pairs(a, find(m->fields, id), &h->fields_n);
    answers_later(m->answers, a);
}

static void memory_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_USER, .fn.user = fn, .arg = arg });
    struct pairs *sessions = find(m->users, user_id);
    size_t max = sessions != NULL ? sessions->n : 0;
    struct store_user_session *at = memory_need(arena_array(memory_need(answer_arena(a)), max + 1, sizeof *at));
    for (size_t i = max; i > 0; i--) {
        struct store_user_session *one = &at[a->is.user.n];
        one->id = sessions->at[i - 1].key;
        one->fields = keep_pairs(a, find(m->fields, one->id), &one->fields_n);
        memory_keep(a, &one->id);
        if (one->fields_n > 0)
            a->is.user.n++;
        else
            unset(sessions, i - 1);
    }
    a->is.user.at = at;
    answers_later(m->answers, a);
}

static void tell_pairs(struct memory *m, const struct pairs *p, store_pairs_fn *fn, void *arg)
{
    struct answer *a = answer_new(&(struct answer){ .kind = ANSWER_PAIRS, .fn.pairs = fn, .arg = arg });
    a->is.pairs.at = keep_pairs(a, p, &a->is.pairs.n);
    answers_later(m->answers, a);
}

static void memory_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg)
{
    tell_pairs(memory_of(s), find(memory_of(s)->figures, day), fn, arg);
}

static void memory_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n,
                                   store_status_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    struct pairs *p = find_or_add(m->preferences, user_id, 0);
    p->until_ms = INT64_MAX;
    pairs_empty(p);
    for (size_t i = 0; i < n; i++)
        set(p, pairs[i].key, pairs[i].value);
    memory_later(m, &(struct answer){ .kind = ANSWER_STATUS, .fn.status = fn, .arg = arg });
}

static void memory_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg)
{
    tell_pairs(memory_of(s), find(memory_of(s)->preferences, user_id), fn, arg);
}

static void memory_erased(struct store *s, struct sv id, store_erased_fn *fn, void *arg)
{
    struct memory *m = memory_of(s);
    memory_later(m, &(struct answer){ .kind = ANSWER_ERASED, .fn.erased = fn, .arg = arg, .is.at_ms = memory_erased_at(m, id) });
}

const struct store_history_ops memory_history_ops = {
    .history = memory_history,
    .user = memory_user,
    .figures = memory_figures,
    .preferences_put = memory_preferences_put,
    .preferences = memory_preferences,
    .erased_at = memory_erased,
};

/* ---- begin, end ---- */

void memory_history_init(struct memory *m)
{
    struct map **maps[] = { &m->entries, &m->fields, &m->users, &m->figures, &m->preferences };
    for (size_t i = 0; i < ARRAY_LEN(maps); i++)
        *maps[i] = memory_need(map_new());
}

static void entries_fini(void *arg, struct sv key, void *value)
{
    struct entries *e = value;
    (void)arg;
    (void)key;
    memory_list_fini(&e->list);
    free(e);
}

static void pairs_fini(void *arg, struct sv key, void *value)
{
    struct pairs *p = value;
    (void)arg;
    (void)key;
    pairs_empty(p);
    free(p->at);
    free(p);
}

void memory_history_fini(struct memory *m)
{
    struct map *maps[] = { m->fields, m->users, m->figures, m->preferences };
    map_each(m->entries, entries_fini, NULL);
    map_free(m->entries);
    for (size_t i = 0; i < ARRAY_LEN(maps); i++) {
        map_each(maps[i], pairs_fini, NULL);
        map_free(maps[i]);
    }
}
