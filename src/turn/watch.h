/* SPDX-License-Identifier: MIT
 * Waiting for news of a turn: of the conversation that it belongs to, since a job may be answered by another turn than the one that was
 * promised. Events are hints and may be missed, so a watcher is woken from time to time in any case, and reads again what it waits for. */
#ifndef TURN_WATCH_H
#define TURN_WATCH_H

#include "turn/turn.h"

struct watch;

/* fn(arg) from the loop whenever something may have changed, at the latest every WATCH_EVERY_MS or so, and soon when the engine begins to
 * drain. fn may call turns_unwatch. NULL: memory. */
#define WATCH_EVERY_MS 5000
struct watch *turns_watch(struct turns *t, struct sv conversation_id, turns_fn *fn, void *arg) MUST_CHECK;
void turns_unwatch(struct watch *w); /* NULL is allowed; before turns_free */
/* Whoever waits should answer what it knows. */
bool turns_is_draining(const struct turns *t);

#endif
