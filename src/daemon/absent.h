/* SPDX-License-Identifier: MIT
 * Owners of batches on other hosts. Of a process of this host the kernel says whether it is dead (lib/alive); of one on another host only its
 * heartbeat speaks, "daemon:<owner>" in the store. Whoever has had none for LOCK_CLEANUP_TTL, watched from here all that time, will not
 * come back: its host is gone or its container was thrown away, and what it had taken is given back. Writing a batch a second time
 * changes nothing, so a mistake would cost work, not truth. Knows no batch. */
#ifndef DAEMON_ABSENT_H
#define DAEMON_ABSENT_H

#include "store/store.h"

struct absent;
struct loop;

/* patience_ms: LOCK_CLEANUP_TTL. look_ms: how often heartbeats are looked for; 0: 60,000. */
struct absent *absent_new(struct loop *l, struct store *s, int64_t patience_ms, int64_t look_ms) MUST_CHECK;
/* Asked about a name it has not heard of, it begins to watch it. At most 256 at once; those asked about no more are forgotten. */
bool absent_for_good(struct absent *a, const char *owner);
/* After the store is closed (answers may be under way until then); absent_stop before. NULL is allowed. */
void absent_stop(struct absent *a);
void absent_free(struct absent *a);

#endif
