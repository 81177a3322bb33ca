/* SPDX-License-Identifier: MIT
 * The head of a WebSocket handshake (RFC 6455 4.2.1): an HTTP/1.1 request as bytes, taken apart. Pure, reads hostile bytes, and is strict: what is
 * not plainly one request is none. Nothing is decided here. */
#ifndef DAEMON_WEBSOCKET_HEAD_H
#define DAEMON_WEBSOCKET_HEAD_H

#include "lib/arena.h"

#define WEBSOCKET_HEAD_MAX 16384 /* bytes: cookies of the page's host come along */

enum head_status { HEAD_PART, HEAD_WHOLE, HEAD_BAD };

/* All borrowed from the bytes. Headers that are not there are SV_NONE. */
struct websocket_head {
    size_t n;               /* bytes of the head, its empty line among them */
    struct sv method, path; /* path: as it came */
    struct sv query;        /* SV_NONE: none */
    struct sv authorization, last_event_id, key, version, request_id;
    bool upgrade;           /* it asks to go over to "websocket" */
};

/* BAD: no HTTP/1.1 request, a header twice that may be there once, or a body. */
enum head_status websocket_head_read(struct sv bytes, struct websocket_head *out);

/* What a request is about. Strings are in the arena. */
struct websocket_ask {
    struct sv session_id;
    struct sv ticket; /* SV_NONE: none */
    bool resumes;
    uint64_t after;   /* when it resumes: the number of the last event that was seen */
    const char *wrong; /* what is wrong with it, as a sentence; NULL: nothing */
};

/* False: the path is not <base>/ws/chat/<one segment>, or memory is short. Of ?after= and Last-Event-ID the latter counts: it is what was
 * really seen last. */
bool websocket_head_ask(const struct websocket_head *head, struct sv base, struct arena *a, struct websocket_ask *out) MUST_CHECK;

#endif
