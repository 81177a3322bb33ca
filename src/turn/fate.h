/* SPDX-License-Identifier: MIT
 * What became of one message, told from what turns have left behind: its mark, the conversation's record, the archive. Pure. */
#ifndef TURN_FATE_H
#define TURN_FATE_H

#include "turn/conversation.h"

struct fate {
    struct sv message_id;
    struct json_t *mark;     /* NULL: gone, or unknown */
    struct json_t *archived; /* {"status","turn_id"}; NULL: not asked, or unknown */
    const struct conversation *record;
    bool pending;            /* it is the pending list's ... */
    size_t index;            /* ... index-th */
    int64_t received_ms;     /* where the mark does not say it; 0: not known */
};

/* {"message_id","status","reason","received_at","turn_id","superseded":[],"ended_at","steps":[...]}, without its braces. */
void fate_put(struct json_out *o, const struct fate *f);

#endif
