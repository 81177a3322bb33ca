/* SPDX-License-Identifier: MIT
 * The port's front for numbers and places, by the rules of store.c. */
#include "config.h"

#include <stdio.h>

#include "store/place.h"
#include "store/store_check.h"
#include "store/store_count.h"

static bool is_named(struct store *s, struct sv name, store_value_fn *fn, void *arg)
{
    if (store_is_id(name))
        return true;
    store_refuse(s, &(struct answer){ .kind = ANSWER_VALUE, .status = STORE_FULL, .fn.value = fn, .arg = arg });
    return false;
}

void store_count(struct store *s, struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg)
{
    store_must(fn != NULL && ttl_ms > 0, "count", "a callback and a TTL");
    if (is_named(s, name, fn, arg))
        s->ops->value(s, &(struct store_value){ .name = name, .ttl_ms = ttl_ms, .count = true }, fn, arg);
}

void store_place(struct store *s, const struct store_place *p, store_value_fn *fn, void *arg)
{
    store_must(fn != NULL && (p->n == 0 || p->every_ms > 0), "place", "a callback, and how far places are from each other");
    if (is_named(s, p->name, fn, arg))
        s->ops->value(s, &(struct store_value){ .name = p->name, .place = p }, fn, arg);
}

void place_take(const struct store_place *p, struct sv before, int64_t now_ms, struct place_taken *out)
{
    int64_t next_ms = 0;
    (void)sv_to_i64(before, &next_ms);
    *out = (struct place_taken){ .next_ms = next_ms };
    if (p->n == 0) {
        out->changed = p->wait_ms > 0 && now_ms + p->wait_ms > next_ms;
        if (out->changed)
            out->next_ms = now_ms + p->wait_ms;
    } else {
        int64_t ahead_ms = next_ms > now_ms ? next_ms - now_ms : 0;
        out->changed = ahead_ms == 0 || ahead_ms <= p->ahead_max_ms;
        if (out->changed)
            out->next_ms = now_ms + ahead_ms + p->n * p->every_ms;
        (void)snprintf(out->value, sizeof out->value, "%lld", (long long)(out->changed ? ahead_ms : -ahead_ms));
    }
    (void)snprintf(out->next, sizeof out->next, "%lld", (long long)out->next_ms);
}
