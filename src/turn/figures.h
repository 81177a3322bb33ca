/* SPDX-License-Identifier: MIT
 * What is counted, for all processes of the host together (lib/metrics.h). Append only: the numbers are in shared memory; when their
 * meaning changes, FIGURES_LAYOUT grows. */
#ifndef TURN_FIGURES_H
#define TURN_FIGURES_H

#define FIGURES_LAYOUT 1u

enum figure {
    FIGURE_MESSAGES,   /* accepted, of any sender */
    FIGURE_COMPLETED,  /* turns, by how they ended */
    FIGURE_RESTARTED,
    FIGURE_RECORDED,
    FIGURE_QUEUED,
    FIGURE_FAILED,
    FIGURE_CANCELLED,
    FIGURE_UNKNOWN,
    FIGURE_LOCKED,     /* answers to messages */
    FIGURE_DEFERRED,
    FIGURE_REPLAYED,
    FIGURE_REJECTED,
    FIGURE_AI_CALLS, FIGURE_AI_FAILURES,
    FIGURE_SENDS, FIGURE_SEND_FAILURES,
    FIGURE_ARCHIVED,   /* items, after COMMIT */
    FIGURE_DEAD,       /* new dead letters */
    FIGURE_CLEANED,    /* conversations forgotten */
    FIGURE_SWEPT,      /* leases of lost owners taken over or ended */
    FIGURE_CACHE_HIT, FIGURE_CACHE_MISS, FIGURE_CACHE_BYPASS, /* sessions read */
    FIGURE_N
};

enum figure_time {
    FIGURE_AI_TIME,    /* one AI call */
    FIGURE_SEND_TIME,  /* one request to the platform */
    FIGURE_OWN_TIME,   /* a turn from its arrival to its answer, less AI and platform */
    FIGURE_TIME_N
};

#endif
