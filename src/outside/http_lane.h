/* SPDX-License-Identifier: MIT
 * curl's multi interface on the loop: sockets, timers, connection pools; nothing of requests. A lane is one multi
 * handle with its pool. There are several, because curl searches a pool from its beginning for each transfer (measured
 * with 9,000 waiting calls: 315 µs of CPU a call with one pool, 62 µs with lanes of 64). */
#ifndef OUTSIDE_HTTP_LANE_H
#define OUTSIDE_HTTP_LANE_H

#include "lib/attr.h"
#include "lib/loop.h"

struct http_lanes;
struct http_lane;
struct sockaddr;

/* A transfer ended with that CURLcode; the easy handle has left its lane. Never from inside http_lanes_add. */
typedef void http_lane_fn(void *arg, void *easy, int code);
/* connections_max: in parallel and kept, per host; 0: no bound. NULL: memory is short. */
struct http_lanes *http_lanes_new(struct loop *l, long connections_max, http_lane_fn *fn, void *arg) MUST_CHECK;
/* All transfers must have been removed. Allowed inside fn. */
void http_lanes_free(struct http_lanes *all);

/* Sockets that a transfer opened and that have not yet carried a request. One in each call; n is zeroed before each
 * transfer. */
struct http_opened {
    struct http_lanes *lanes;
    int fd[8];
    unsigned n;
    /* Asked about each address before a socket to it is made; NULL: all are good. */
    bool (*may_connect)(void *arg, const struct sockaddr *address);
    void *may_connect_arg;
    bool any_allowed, any_barred; /* what it said in this transfer */
};
/* Once for each easy handle; `opened` lives as long as it. */
void http_lane_prepare(void *easy, struct http_opened *opened);
/* The transfer's connection is established: its socket stays in the loop between transfers, until curl closes it. */
void http_lane_established(struct http_opened *opened, const char *local_ip, int local_port);

/* Begins the transfer in the next round of the loop, in the lane that is returned. NULL: memory is short. */
struct http_lane *http_lane_add(struct http_lanes *all, void *easy) MUST_CHECK;
/* Closes the connection of an unfinished transfer at once. */
void http_lane_remove(struct http_lane *l, void *easy);

#endif
