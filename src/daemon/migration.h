/* SPDX-License-Identifier: MIT
 * Applies missing migrations in the background when a daemon starts: the database may be away, and nothing else waits for it. */
#ifndef DAEMON_MIGRATION_H
#define DAEMON_MIGRATION_H

#include <stdbool.h>

#include "lib/err.h"

struct migration;
struct loop;

/* `run` is called on a thread of its own, again every few seconds until it succeeds or says ERR_RANGE or ERR_INVALID (which repeating does not
 * mend); then done(arg, ok) on the loop. NULL: no memory or no thread. */
struct migration *migration_start(struct loop *l, int (*run)(void *run_arg, int *applied, struct err *e), void *run_arg,
                                  void (*done)(void *arg, bool ok), void *arg) MUST_CHECK;
/* Waits for a try that is under way; done will not come. Before loop_free, which runs what that try has posted. */
void migration_free(struct migration *m);

#endif
