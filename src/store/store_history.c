/* SPDX-License-Identifier: MIT
 * The port's front, third part: checks for what store_history.h has, by the rules of store.c. */
#include "config.h"

#include <stdlib.h>

#include "store/store_check.h"

#define DAY_BYTES 10 /* yyyy-MM-dd */

bool store_are_pairs(const struct store_pair *pairs, size_t n)
{
    if (n > 0 && pairs == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (pairs[i].key.n == 0 || pairs[i].value.p == NULL)
            return false;
    }
    return true;
}

static bool is_day(struct sv day)
{
    return day.p != NULL && day.n == DAY_BYTES;
}

void store_check_history(const struct store_history_change *c)
{
    if (c == NULL)
        return;
    store_must(c->user_id.p == NULL || c->ttl_ms > 0, "apply", "TTL of the history");
    store_must(store_is_list(c->entries, c->entries_n), "apply", "entries");
    store_must(c->entries_n == 0 || c->entries_max > 0, "apply", "a bound of the entries");
    store_must(store_are_pairs(c->fields, c->fields_n), "apply", "fields");
    store_must(c->counts_n == 0 || (c->counts != NULL && c->counts_ttl_ms > 0 && is_day(c->day)), "apply",
               "counts with a day and a TTL");
}

void store_check_erase(const struct store_change *c)
{
    const struct store_erase *e = c->erase;
    if (e == NULL)
        return;
    store_must(c->forget && e->at_ms > 0 && c->mark_ttl_ms > 0, "apply", "forgetting, a time and a TTL of the marks beside erasing");
    store_must(store_is_list(e->jobs, e->jobs_n), "apply", "ids of jobs");
    store_must((e->day_metric.p == NULL) == (e->day_into.p == NULL), "apply", "a figure and where it goes");
}

bool store_history_fits(const struct store_history_change *c)
{
    if (c == NULL)
        return true;
    for (size_t i = 0; i < c->counts_n; i++) {
        if (!store_is_name(c->counts[i].metric))
            return false;
    }
    return c->user_id.p == NULL || store_is_id(c->user_id);
}

bool store_erase_fits(const struct store_erase *e)
{
    if (e == NULL)
        return true;
    for (size_t i = 0; i < e->jobs_n; i++) {
        if (!store_is_id(e->jobs[i]))
            return false;
    }
    return (e->user_id.p == NULL || store_is_id(e->user_id)) &&
           (e->day_metric.p == NULL || (store_is_name(e->day_metric) && store_is_name(e->day_into)));
}

void store_history(struct store *s, struct sv conversation_id, struct sv user_id, store_history_fn *fn, void *arg)
{
    store_must(fn != NULL, "history", "a callback");
    if (!store_is_id(conversation_id) || (user_id.p != NULL && !store_is_id(user_id))) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_HISTORY, .status = STORE_FULL, .fn.history = fn, .arg = arg });
        return;
    }
    s->ops->history->history(s, conversation_id, user_id, fn, arg);
}

void store_user(struct store *s, struct sv user_id, store_user_fn *fn, void *arg)
{
    store_must(fn != NULL, "user", "a callback");
    if (!store_is_id(user_id)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_USER, .status = STORE_FULL, .fn.user = fn, .arg = arg });
        return;
    }
    s->ops->history->user(s, user_id, fn, arg);
}

static void refuse_pairs(struct store *s, store_pairs_fn *fn, void *arg)
{
    store_refuse(s, &(struct answer){ .kind = ANSWER_PAIRS, .status = STORE_FULL, .fn.pairs = fn, .arg = arg });
}

void store_figures(struct store *s, struct sv day, store_pairs_fn *fn, void *arg)
{
    store_must(fn != NULL, "figures", "a callback");
    if (is_day(day))
        s->ops->history->figures(s, day, fn, arg);
    else
        refuse_pairs(s, fn, arg);
}

void store_preferences_put(struct store *s, struct sv user_id, const struct store_pair *pairs, size_t n, store_status_fn *fn,
                           void *arg)
{
    store_must(fn != NULL && store_are_pairs(pairs, n), "preferences_put", "a callback, and pairs");
    if (store_is_id(user_id))
        s->ops->history->preferences_put(s, user_id, pairs, n, fn, arg);
    else
        store_refuse_status(s, fn, arg);
}

void store_preferences(struct store *s, struct sv user_id, store_pairs_fn *fn, void *arg)
{
    store_must(fn != NULL, "preferences", "a callback");
    if (store_is_id(user_id))
        s->ops->history->preferences(s, user_id, fn, arg);
    else
        refuse_pairs(s, fn, arg);
}

void store_erased_at(struct store *s, struct sv conversation_id, store_erased_fn *fn, void *arg)
{
    store_must(fn != NULL, "erased_at", "a callback");
    if (!store_is_id(conversation_id)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_ERASED, .status = STORE_FULL, .fn.erased = fn, .arg = arg });
        return;
    }
    s->ops->history->erased_at(s, conversation_id, fn, arg);
}
