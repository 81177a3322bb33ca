/* SPDX-License-Identifier: MIT
 * A double of the engine's jobs for tests of the HTTP side: turn_history.c, replay.c and watch.c. Link it before the library. */
#ifndef T_LIB_JOBS_DOUBLE_H
#define T_LIB_JOBS_DOUBLE_H

#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "turn/history.h"

/* Changed only on the loop's thread, or while nothing is asked. */
struct jobs_script {
    struct history_answer history; /* zero: STARTED, with ids */
    const char *job;               /* what turns_job answers; NULL: {"job_id":ID} alone */
    bool draining;
};
extern struct jobs_script jobs_script;

/* The last history that came in: "conversation fresh|known sender bot metadata callback U:text B:text ...", "-" where there is nothing. */
extern struct buf jobs_seen;
extern atomic_int jobs_histories, jobs_reads, jobs_watchers;

void jobs_double_open(struct loop *loop);
/* On the loop's thread: everybody who watches is woken. */
void jobs_double_wake(void *arg);

#endif
