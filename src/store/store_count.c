/* SPDX-License-Identifier: MIT
 * The port's front for numbers, by the rules of store.c. */
#include "config.h"

#include "store/store_check.h"
#include "store/store_count.h"

void store_count(struct store *s, struct sv name, int64_t ttl_ms, store_value_fn *fn, void *arg)
{
    store_must(fn != NULL && ttl_ms > 0, "count", "a callback and a TTL");
    if (!store_is_id(name)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_VALUE, .status = STORE_FULL, .fn.value = fn, .arg = arg });
        return;
    }
    s->ops->value(s, &(struct store_value){ .name = name, .ttl_ms = ttl_ms, .count = true }, fn, arg);
}
