/* SPDX-License-Identifier: MIT
 * Says in the store that this daemon lives: "heartbeat" is the last one of any daemon (the health endpoint shows it), "daemon:<owner>" this
 * one's own. Looks besides whether the store keeps what it is given, and warns when that changes. */
#ifndef DAEMON_HEARTBEAT_H
#define DAEMON_HEARTBEAT_H

#include "store/store.h"

#define HEARTBEAT_MS 5000
#define HEARTBEAT_TTL_MS 60000
#define HEARTBEAT_LOOK_MS 60000 /* between looks at durability */

struct heartbeat;
struct alive;
struct loop;

struct heartbeat *heartbeat_new(struct loop *l, struct store *s, struct alive *alive, const char *version) MUST_CHECK;
/* No further beats; the own key is removed if the store still answers. heartbeat_free: after the store is closed. */
void heartbeat_stop(struct heartbeat *h);
void heartbeat_free(struct heartbeat *h); /* NULL is allowed */

/* What is not durable about a store with these figures (struct store_stat's text): a sentence, or NULL when nothing is to be said. */
const char *heartbeat_durability(struct sv figures);

#endif
