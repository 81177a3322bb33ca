/* SPDX-License-Identifier: MIT
 * Copies what the store has counted (docs/history.md) into the archive's daily_analytics every minute: today and yesterday, and at the start and after
 * an outage each day that may not have been copied to its end. Figures only grow and the archive keeps the greater one, so any number of daemons may
 * do it, and a copy that is made twice changes nothing. Knows no figure. */
#ifndef DAEMON_FIGURES_COPY_H
#define DAEMON_FIGURES_COPY_H

#include "archive/archive.h"
#include "store/store.h"

struct figures_copy;
struct loop;

struct figures_copy_options {
    struct loop *loop;
    struct store *store;
    struct archive *archive; /* with its tables */
    int64_t days;            /* that the store keeps figures for (MAX_HISTORY_DAYS): so far back the first round looks */
    int64_t every_ms, first_ms; /* 0: a minute; some seconds after the start */
};

#define FIGURES_COPY_BATCH 500    /* figures in one transaction */
#define FIGURES_COPY_DAYS_MAX 400 /* the first round looks no further back */

struct figures_copy *figures_copy_new(const struct figures_copy_options *o) MUST_CHECK;
/* A last round, then fn; no further ones. */
void figures_copy_stop(struct figures_copy *c, void (*fn)(void *arg), void *arg);
void figures_copy_free(struct figures_copy *c); /* after fn, or before the loop ran; NULL is allowed */

#endif
