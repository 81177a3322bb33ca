/* SPDX-License-Identifier: MIT
 * What the archive answers, for every backend the same: context entries, collected from rows that come newest first, what became
 * of one message, a job, and the words in which a database says what came of an edit. */
#ifndef ARCHIVE_ARCHIVE_ENTRY_H
#define ARCHIVE_ARCHIVE_ENTRY_H

#include "archive/archive.h"

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

/* A row of jobs. */
struct job_entry {
    struct sv id, conversation_id, status;
    struct sv created_ms, started_ms, completed_ms; /* decimal; SV_NONE: never */
    struct sv attempts, consolidated_messages;
    struct sv result; /* JSON */
    struct sv error;
};
/* What archive_job answers. SV_NONE: memory is short. */
struct sv job_entry_format(struct arena *a, const struct job_entry *row);

/* done, unknown, exists ... False: none of the words. */
bool edited_read(struct sv word, enum archive_edited *edited) MUST_CHECK;

#endif
