/* SPDX-License-Identifier: MIT
 * Text that waits to be sent, once for all who get the same: thousands may listen to one session. */
#ifndef DAEMON_WEBSOCKET_FRAME_H
#define DAEMON_WEBSOCKET_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "lib/attr.h"
#include "lib/sv.h"

#define FRAME_ROOM 16 /* in front of the text, for the header, which is the same for all */

struct frames; /* of events that somebody still has to get */

struct frame {
    unsigned refs;
    size_t n;
    unsigned char *text; /* n bytes */
    struct frames *of;   /* NULL: of one connection alone */
    size_t key_n;
    char *key;
};

struct frames *frames_new(void) MUST_CHECK;
void frames_free(struct frames *f); /* there must be none left of it. NULL is allowed */
/* A reference to the frame of this event. NULL: memory. */
struct frame *frames_get(struct frames *f, struct sv session_id, uint64_t seq, struct sv text) MUST_CHECK;
/* A frame that is not shared. NULL: memory. */
struct frame *frame_new(struct sv text) MUST_CHECK;
void frame_unref(struct frame *f); /* NULL is allowed */

#endif
