/* SPDX-License-Identifier: MIT
 * A lock between processes, and between threads with a lock each: fcntl(2) open file description lock on a file of its own. The kernel
 * frees it when its process dies, whatever way. SQLite's busy handler starves under load; whoever writes the state file takes this
 * lock around each write transaction instead, and so all get their turn:
 *
 *     filelock_take(l, timeout_ms, e) == 0  ->  BEGIN IMMEDIATE ... COMMIT  ->  filelock_release(l)
 *
 * Readers do without it; a COMMIT may therefore still meet one, so busy_timeout stays set on every connection.
 * Blocks: never on the loop's thread. Not recursive. The file belongs beside the state file as "<state file>.lock" and is never removed
 * (removing it would split those who hold it from those who come). */
#ifndef LIB_FILELOCK_H
#define LIB_FILELOCK_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/attr.h"
#include "lib/err.h"

struct filelock;

/* Makes the file (0600) when it is not there. One struct for one thread. */
struct filelock *filelock_open(const char *path, struct err *e) MUST_CHECK;
/* Waits at most timeout_ms (0: only tries). -1: ERR_UNAVAILABLE when another one held it all the time, ERR_IO otherwise. */
int filelock_take(struct filelock *l, int64_t timeout_ms, struct err *e) MUST_CHECK;
/* Frees it, then rests for about 0.1 ms, since a holder that takes it again at once would leave the others nothing. */
void filelock_release(struct filelock *l);
/* For the last release before something else than the next take: without the rest. */
void filelock_release_now(struct filelock *l);
bool filelock_is_held(const struct filelock *l); /* by this struct */
void filelock_close(struct filelock *l);         /* frees it too; NULL is allowed */

#endif
