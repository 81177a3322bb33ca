/* SPDX-License-Identifier: MIT
 * The body of an answer, cut anywhere, into a completion: a stream of events or one JSON object, whichever of the two the service chose to send. */
#ifndef OUTSIDE_COMPLETION_READ_H
#define OUTSIDE_COMPLETION_READ_H

#include "lib/sse.h"
#include "outside/completion.h"

#define COMPLETION_STREAM_MAX ((size_t)64 * 1024 * 1024) /* bytes of a stream: each token of an answer comes with some hundred bytes about it */

struct completion_read {
    struct completion completion;
    struct sse sse;
    struct buf whole; /* of one object */
    size_t bytes;
    enum { READ_NOTHING, READ_STREAM, READ_WHOLE } form;
    bool large;
};

void completion_read_init(struct completion_read *r);
void completion_read_fini(struct completion_read *r);
/* False: enough, it is too large. content_type: as in the answer, without parameters; it only decides where the first bytes do not. */
bool completion_read_add(struct completion_read *r, struct sv content_type, struct sv piece) MUST_CHECK;
/* There is no more: completion_judge. */
enum completion_state completion_read_end(struct completion_read *r, struct err *e) MUST_CHECK;

#endif
