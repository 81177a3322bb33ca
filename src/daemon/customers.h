/* SPDX-License-Identifier: MIT
 * Shows sessions what background tasks have found out about their customers: after the archive has it, it is read once more and put into the cache
 * of the session where it was said. A cache: what cannot be done is left, and found by whoever looks next. */
#ifndef DAEMON_CUSTOMERS_H
#define DAEMON_CUSTOMERS_H

#include "archive/archive.h"
#include "store/store.h"

struct customers;

/* ttl_ms: SESSION_CACHE_TTL. NULL: memory. */
struct customers *customers_new(struct store *s, struct archive *a, int64_t ttl_ms) MUST_CHECK;
void customers_set_ttl(struct customers *c, int64_t ttl_ms);
/* After these items of message_queue were archived. Borrowed until it returns. */
void customers_note(struct customers *c, const struct sv *items, size_t n);
/* Nothing is begun any more; what is under way comes back when archive and store are closed. */
void customers_stop(struct customers *c);
/* After those. NULL is allowed. */
void customers_free(struct customers *c);

#endif
