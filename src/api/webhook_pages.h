/* SPDX-License-Identifier: MIT
 * What a responder leaves in the store about the webhooks of each page, for those who fetch what did not come (docs/peers.md, section 3):
 *   page:<id>:seen      when one was accepted last, written every 10 s at most
 *   page:<id>:deferred  when the first one came that was not accepted, since somebody last looked after that; written as soon as the store takes it
 * Both are milliseconds since 1970, in decimal. Loop thread only. */
#ifndef API_WEBHOOK_PAGES_H
#define API_WEBHOOK_PAGES_H

#include "lib/err.h"
#include "lib/loop.h"
#include "store/store.h"

#define WEBHOOK_SEEN_EVERY_MS 10000
#define WEBHOOK_PAGES_TTL_MS (30 * 86400 * INT64_C(1000))

struct webhook_pages;

/* NULL: memory. */
struct webhook_pages *webhook_pages_new(struct loop *loop, struct store *store, struct err *e) MUST_CHECK;
/* Calls of the store may still be under way. NULL is allowed. */
void webhook_pages_free(struct webhook_pages *p);
/* What memory is short for, and pages with ids beyond 240 bytes, are not written about: a sweep comes all the same. */
void webhook_pages_accepted(struct webhook_pages *p, struct sv page_id);
void webhook_pages_missed(struct webhook_pages *p, struct sv page_id);

#endif
