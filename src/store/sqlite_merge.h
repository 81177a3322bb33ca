/* SPDX-License-Identifier: MIT
 * What store_merge asks the state file that it empties: conversation by conversation, the whole of it at once, with a
 * part of each queue and of the dead letters bound to it. The binding is written to the file before anything goes out, under a key that stands
 * for exactly this state of the conversation and these items. The other store gets the key as a mark, in the step that
 * takes them over. So after a crash at any moment the next run knows whether that step was done. */
#ifndef STORE_SQLITE_MERGE_H
#define STORE_SQLITE_MERGE_H

#include "store/sqlite_op.h"

struct sqlite_mark {
    struct sv message_id, value;
    int64_t left_ms;
};

/* Answer of OP_WHOLE (ANSWER_OTHER); NULL: nothing is left. */
struct sqlite_whole {
    struct sv id, record; /* record SV_NONE: forgotten, marks are left; or none, only items and letters */
    uint64_t version;
    int64_t last; /* number of its last event */
    struct sv key;
    bool is_stale; /* written again after it got its key: find out about the key, then ask OP_FORGET */
    const struct sqlite_mark *marks;
    size_t marks_n;
    const struct sv *pending, *context;
    struct sqlite_items {
        const struct sv *at;
        size_t n;
    } queues[STORE_QUEUES]; /* what goes along of each */
    const struct store_letter *letters;
    size_t pending_n, context_n, letters_n;
};

/* Answer of OP_STOCK: some small values that have not expired. */
struct sqlite_value {
    struct sv name, value;
    int64_t left_ms;
};
struct sqlite_values {
    const struct sqlite_value *at;
    size_t n;
};

#endif
