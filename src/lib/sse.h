/* SPDX-License-Identifier: MIT
 * Reads a stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6): bytes in, cut anywhere, events out. LF, CRLF and CR end
 * lines; a BOM is skipped; comments, "id", "retry" and unknown fields are left out. Knows nothing of what the data is. */
#ifndef LIB_SSE_H
#define LIB_SSE_H

#include "lib/buf.h"

/* event SV_NONE: "message". Borrowed until it returns. False: enough. */
typedef bool sse_fn(void *arg, struct sv event, struct sv data);

struct sse {
    struct buf line, data, event;
    size_t max;      /* of an event's data, and of a line; 0: 1 MiB */
    bool begun;      /* something came: no BOM any more */
    bool cr;         /* the last byte was a CR: an LF that follows belongs to it */
    bool has_data;
    bool over;       /* fn said so, or it was too much */
};

/* Zeroed is a new one. -1: fn said false, or a line or an event is larger than max, or memory is short; everything after it is left out. */
int sse_add(struct sse *s, struct sv bytes, sse_fn *fn, void *arg) MUST_CHECK;
/* The stream has ended: what was begun counts as an event, although no blank line came (many servers forget the last one). */
int sse_end(struct sse *s, sse_fn *fn, void *arg) MUST_CHECK;
void sse_fini(struct sse *s);

#endif
