/* SPDX-License-Identifier: MIT
 * What the files of store_merge share: store_merge.c (conversations), store_merge_values.c, store_merge_history.c. */
#ifndef STORE_STORE_MERGE_INSIDE_H
#define STORE_STORE_MERGE_INSIDE_H

#include "store/sqlite_merge.h"
#include "store/store_backends.h"
#include "store/store_sqlite.h"

/* A message that `from` knows: its mark there (SV_NONE: only pending) and in `to`. */
struct known {
    struct sv message_id, ours, theirs;
};

struct merge {
    struct store *from, *to;
    store_join_fn *join;
    void *join_arg;
    store_status_fn *fn;
    void *arg;

    struct arena *arena; /* of one conversation, or one portion of values */
    enum store_status trouble;
    size_t under_way; /* calls that run side by side */

    struct sqlite_value *values;
    size_t values_n;

    struct sqlite_whole whole;
    int64_t mark_ttl_ms;
    struct store_view seen;
    struct known *known;
    size_t known_n, asked_n;
    unsigned tries;

    struct sv user_id; /* whose preferences are under way */
    int64_t erased_ms; /* when `to` erased this conversation; 0: it did not */
    const struct sv *there; /* entries that `to` has */
    const struct store_pair *there_fields;
    size_t there_n, there_fields_n;
    struct store_history_change history;
};

/* Tells the caller and frees. */
void merge_finish(struct merge *m, enum store_status status);
/* Once in the arena, borrowed bytes stay until the next conversation. False: memory is short. */
bool merge_keep(struct merge *m, struct sv *s) MUST_CHECK;
bool merge_keep_all(struct merge *m, const struct sv **items, size_t n) MUST_CHECK;
/* A text of a JSON object; SV_NONE. */
struct sv merge_member(struct merge *m, struct sv item, const char *name);

/* ---- the chain ---- */

void merge_next_values(struct merge *m); /* then preferences, then conversations */
void merge_next_conversation(struct merge *m);
/* Looks at what `to` has of the conversation's history, then merge_apply_all. */
void merge_see_history(struct merge *m);
void merge_apply_all(struct merge *m);

/* ---- histories ---- */

bool merge_keep_history(struct merge *m, struct sqlite_whole *w) MUST_CHECK;
/* What of ours is to be written; *change NULL: nothing. False: memory is short. */
bool merge_history(struct merge *m, const struct store_history_change **change) MUST_CHECK;

#endif
