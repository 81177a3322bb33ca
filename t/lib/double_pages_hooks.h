/* SPDX-License-Identifier: MIT
 * Webhooks that the double sends: as often as is wanted, mixed, many at once, again when they are refused. Keeps what became of them. */
#ifndef T_LIB_DOUBLE_PAGES_HOOKS_H
#define T_LIB_DOUBLE_PAGES_HOOKS_H

#include "lib/loop.h"
#include "t/lib/double_pages_rules.h"

struct hooks;
struct hooks_batch;

/* The options are the caller's, read when something is sent. NULL: memory. */
struct hooks *hooks_open(struct loop *l, const struct pages_options *options);
/* What is under way is aborted. */
void hooks_close(struct hooks *h);

/* Deliveries that belong together. done(arg) when each has an answer or was given up; NULL: nobody waits. */
struct hooks_batch *hooks_batch_new(struct hooks *h, loop_fn *done, void *arg);
void hooks_batch_add(struct hooks_batch *b, struct sv page, struct sv body, int64_t times);
/* seed 0: in the order of their coming, else mixed; each begins delay_ms and a part of spread_ms from now. The batch is no longer the caller's. */
void hooks_batch_go(struct hooks_batch *b, uint64_t seed, int64_t delay_ms, int64_t spread_ms);
/* done will not come; between go and done. */
void hooks_batch_forget(struct hooks_batch *b);

/* What became of all so far: waiting, running, done, statuses, given_up, took_ms, failures (texts of the last ones). */
void hooks_write(const struct hooks *h, struct json_out *o);
/* Forgets the figures. */
void hooks_clear(struct hooks *h);

#endif
