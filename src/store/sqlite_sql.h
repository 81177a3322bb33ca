/* SPDX-License-Identifier: MIT
 * Every statement of the SQLite store by name; the texts stand in sqlite_sql.c. */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

enum sql {
    SQL_BEGIN_READ,
    SQL_BEGIN_WRITE,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_DATA_VERSION,

    SQL_COUNTS,
    SQL_COUNTS_SET,

    SQL_CONVERSATION,
    SQL_CONVERSATION_ADD,
    SQL_CONVERSATION_SET,
    SQL_LEASE_SET,
    SQL_MARK,
    SQL_MARK_SET,
    SQL_PENDING,
    SQL_PENDING_ADD,
    SQL_PENDING_TO_CONTEXT,
    SQL_PENDING_DROP,
    SQL_CONTEXT,
    SQL_CONTEXT_ADD,
    SQL_CONTEXT_DROP,
    SQL_DUE,

    SQL_VALUE,
    SQL_VALUE_SET,
    SQL_VALUE_DROP,

    SQL_QUEUE_ADD,
    SQL_QUEUE_ITEMS,
    SQL_QUEUE_BYTES,
    SQL_QUEUE_DROP,
    SQL_RANGES_FREE,
    SQL_RANGES_OF,
    SQL_RANGE_SET,
    SQL_RANGE_DROP,
    SQL_OWNERS,
    SQL_OWNER_ITEMS,
    SQL_OWNER_FREE,
    SQL_DEAD_ADD,

    SQL_EVENT_ADD,
    SQL_EVENTS,
    SQL_EVENTS_DROP,

    SQL_MARKS_SWEEP,
    SQL_VALUES_SWEEP,

    SQL_FILE_TOKEN, /* for store_merge */
    SQL_FIRST_CONVERSATION,
    SQL_CONVERSATION_ID,
    SQL_CONVERSATION_EMPTY,
    SQL_CONVERSATION_DROP,
    SQL_MARKS_OF,
    SQL_MARKS_DROP,
    SQL_BOUND,
    SQL_BOUND_ITEMS,
    SQL_RANGES_FREE_ALL,
    SQL_DEAD_TO_QUEUE,
    SQL_DEAD_DROP,
    SQL_FIRST_VALUES,

    SQL_N,
};

extern const char *const sqlite_sql[SQL_N];

/* The version of the tables below; a file with a higher one is refused. */
#define SQLITE_SCHEMA_VERSION 1
extern const char sqlite_schema[];

#endif
