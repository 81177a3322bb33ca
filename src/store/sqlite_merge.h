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
    struct sv user_id; /* whose history it has; SV_NONE: nobody's */
    const struct sv *entries; /* newest first */
    const struct store_pair *fields;
    size_t entries_n, fields_n;
    int64_t history_left_ms;
    struct sv day; /* of figures, which go without a conversation; SV_NONE: none */
    const struct store_count *counts;
    size_t counts_n;
    int64_t counts_left_ms;
};

/* Answer of OP_STOCK: some small values that have not expired. */
struct sqlite_value {
    struct sv name, value;
    int64_t left_ms;
};
/* Answer of OP_TASTES: one user's preferences; NULL: there are none left. */
struct sqlite_tastes {
    struct sv user_id;
    const struct store_pair *pairs;
    size_t n;
};
struct sqlite_values {
    const struct sqlite_value *at;
    size_t n;
};

/* ---- between sqlite_merge.c and sqlite_merge_history.c ---- */

/* "merge:<file>:<n>:<version>:<number>", in the arena of `a`: no two states of any file ever get the same. */
int merge_make_key(struct session *x, struct answer *a, int64_t n, uint64_t version, int64_t number, struct sv *key) MUST_CHECK;
bool merge_key_fits(struct sv key, int64_t n, uint64_t version);
/* The history of w->id. */
int merge_read_history(struct session *x, struct answer *a, struct sqlite_whole *w) MUST_CHECK;
/* What is left when there is no conversation and no item: w->key SV_NONE: nothing. */
int merge_read_rest(struct session *x, struct answer *a, struct sqlite_whole *w) MUST_CHECK;
/* What went over under that key; `whole`: the conversation is as it was then, or there is none. */
int merge_drop_history(struct session *x, struct sv id, struct sv key, bool whole) MUST_CHECK;

#endif
