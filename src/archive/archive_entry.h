/* SPDX-License-Identifier: MIT
 * What the archive answers, for every backend the same: context entries, collected from rows that come newest first, and what became
 * of one message. */
#ifndef ARCHIVE_ARCHIVE_ENTRY_H
#define ARCHIVE_ARCHIVE_ENTRY_H

#include "lib/arena.h"

struct entries {
    struct arena *arena;
    struct sv *slots; /* filled from the end */
    size_t max, n;
};

/* A row of messages. */
struct entry {
    struct sv sender_type, content, message_id; /* user, agent or system */
    int64_t timestamp_ms;
    struct sv reply; /* what was said to it; SV_NONE: nothing */
    int64_t replied_ms;
};

int entries_init(struct entries *e, struct arena *a, size_t max) MUST_CHECK;
/* The next older row; nothing once there are `max` entries. -1: memory is short. */
int entries_add(struct entries *e, const struct entry *row) MUST_CHECK;
bool entries_full(const struct entries *e);
/* Oldest first. */
const struct sv *entries_list(const struct entries *e);

/* What archive_message answers: {"status":..,"turn_id":..,"reason":..}, the latter two where there are any. SV_NONE: memory is short. */
struct sv outcome_format(struct arena *a, struct sv status, struct sv turn_id, struct sv reason);

#endif
