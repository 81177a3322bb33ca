/* SPDX-License-Identifier: MIT
 * Endpoints that stream, for tests of the HTTP side: rooms, in which whoever listens gets what is sent into them.
 *
 *   GET  /api/v1/chat/sessions/{room}/events   a stream; begins with the event "hello" and what the client had seen: {"seen":"7"}
 *   POST /test/rooms/{room}/emit               the next event to all who listen there: id N, data {"n":N}; N counts through all rooms
 *   POST /test/rooms/{room}/flood              64 events of 1 KiB each
 *   POST /test/rooms/{room}/end                ends their streams
 *   GET  /test/rooms                           {"open":N,"gone":N,"failed":N}: those that listen, those that have gone by themselves, and
 *                                              writes that failed
 * POSTs answer with {"to":N}, how many there were. */
#ifndef T_LIB_STREAM_RIG_H
#define T_LIB_STREAM_RIG_H

#include <stdatomic.h>

#include "api/route.h"

struct stream_seen {
    atomic_int open, gone, failed;
};
extern struct stream_seen stream_seen;

/* These endpoints, and all of the program. */
const struct route *stream_rig_routes(size_t *n);

#endif
