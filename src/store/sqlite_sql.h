/* SPDX-License-Identifier: MIT
 * Every statement of the SQLite store by name; the texts stand in sqlite_sql.c. */
#ifndef STORE_SQLITE_SQL_H
#define STORE_SQLITE_SQL_H

#include "store/store.h"

/* What there is for each queue, see sql_queue(). */
enum queue_sql {
    QUEUE_ADD,
    QUEUE_ITEMS,
    QUEUE_BYTES, QUEUE_FITS,
    QUEUE_DROP,
    QUEUE_RANGES_FREE,
    QUEUE_RANGES_OF,
    QUEUE_RANGE_SET,
    QUEUE_RANGE_DROP,
    QUEUE_OWNERS,
    QUEUE_OWNER_ITEMS,
    QUEUE_OWNER_FREE,
    QUEUE_LOWEST, QUEUE_FIRST,
    QUEUE_HEADS,
    QUEUE_BOUND_ITEMS, /* for store_merge */
    QUEUE_RANGES_FREE_ALL,
    QUEUE_SQL_N,
};

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
    SQL_MARKS_UNTIL,
    SQL_MARKS_MOVE,
    SQL_CONVERSATION_FORGET,

    SQL_LIST, /* two for each enum store_index, in its order: lowest score first, highest first */
    SQL_LIST_DUE = SQL_LIST,
    SQL_LIST_DUE_NEWEST,
    SQL_LIST_ACTIVITY,
    SQL_LIST_ACTIVITY_NEWEST,
    SQL_LIST_ACTIVE,
    SQL_LIST_ACTIVE_NEWEST,
    SQL_LIST_WAITING,
    SQL_LIST_WAITING_NEWEST,
    SQL_LIST_PAUSED,
    SQL_LIST_PAUSED_NEWEST,
    SQL_ACTIVE_SINCE,

    SQL_VALUE,
    SQL_VALUE_SET,
    SQL_VALUE_DROP,
    SQL_VALUE_COUNT,

    SQL_QUEUE, /* all of enum queue_sql for each enum store_queue, in its order */
    SQL_QUEUE_LAST = SQL_QUEUE + STORE_QUEUES * QUEUE_SQL_N - 1,

    SQL_LETTER,
    SQL_LETTER_SET,
    SQL_LETTER_DROP,
    SQL_LETTERS,

    SQL_TEXT, /* views and what is like them, see enum session_text */
    SQL_VIEWS,
    SQL_TEXTS,
    SQL_TEXT_SET,
    SQL_TEXT_DROP,
    SQL_TEXTS_DROP,
    SQL_TEXTS_DROP_ALL,
    SQL_TEXTS_SWEEP,
    SQL_LOG_ADD,
    SQL_LOG_AT,
    SQL_LOG_TAKE,
    SQL_LOG_LAST,
    SQL_LOG,
    SQL_LOG_CUT,
    SQL_LOG_DROP,
    SQL_LOGS_SWEEP,
    SQL_LOGS_SWEPT,

    SQL_USER_ROW, /* history: see sqlite_history.c */
    SQL_USER_SET,
    SQL_USER_CUT,
    SQL_USER_UNLIST,
    SQL_USER_ENTRIES,
    SQL_USER_SESSIONS,
    SQL_ENTRY_ADD,
    SQL_ENTRIES_CUT,
    SQL_ENTRIES_DROP,
    SQL_INFO,
    SQL_INFO_SET,
    SQL_INFO_DROP,
    SQL_FIELDS,
    SQL_FIELD_SET,
    SQL_FIELDS_DROP,
    SQL_DAY,
    SQL_DAY_SET,
    SQL_FIGURES,
    SQL_FIGURE_ADD,
    SQL_FIGURES_DROP,
    SQL_FIGURE_MOVE,
    SQL_FIGURE_MOVED,
    SQL_PREFERENCES,
    SQL_PREFERENCE_SET,
    SQL_PREFERENCES_DROP,
    SQL_LOG_COUNT,
    SQL_WIPE,
    SQL_WIPE_SET,
    SQL_WIPE_AFTER,      /* queue */
    SQL_WIPE_AFTER_SET,  /* queue, number */
    SQL_WIPE_AFTER_DROP, /* queue */
    SQL_ANY_ERASED,
    SQL_ENTRIES_SWEEP,
    SQL_USERS_SWEEP,
    SQL_FIELDS_SWEEP,
    SQL_INFOS_SWEEP,
    SQL_FIGURES_SWEEP,
    SQL_DAYS_SWEEP,

    SQL_EVENT_ADD,
    SQL_EVENTS,
    SQL_EVENTS_DROP,

    SQL_MARKS_SWEEP,
    SQL_VALUES_SWEEP,
    SQL_FORGOTTEN_SWEEP,

    SQL_JOURNAL_MODE,
    SQL_SYNCHRONOUS,

    SQL_FILE_TOKEN, /* for store_merge */
    SQL_FIRST_CONVERSATION,
    SQL_CONVERSATION_ID,
    SQL_CONVERSATION_DROP,
    SQL_MARKS_OF,
    SQL_MARKS_DROP,
    SQL_BOUND,
    SQL_LETTERS_BIND,
    SQL_LETTERS_BOUND,
    SQL_LETTERS_BOUND_DROP,
    SQL_LETTERS_FREE,
    SQL_FIRST_VALUES,
    SQL_USER_OF,
    SQL_USER_FIRST,
    SQL_DAY_FIRST,
    SQL_DAY_BIND,
    SQL_FIGURES_BIND,
    SQL_DAY_BOUND_DROP,
    SQL_FIGURES_BOUND_DROP,
    SQL_INFOS_DROP_ALL,
    SQL_FIELDS_DROP_ALL,
    SQL_PREFERENCES_FIRST,

    SQL_N,
};

/* Of one conversation: its view, its customer; of a forgotten one, the number of its last event. */
enum session_text { TEXT_VIEW, TEXT_CUSTOMER, TEXT_LAST };

extern const char *const sqlite_sql[SQL_N];

/* The version of the tables below; a file with a higher one is refused. */
#define SQLITE_SCHEMA_VERSION 5
extern const char sqlite_schema[];
/* What a table lacks that was made by an older version: `add` is to be run when `asks` gives 0. */
struct sqlite_upgrade {
    const char *asks, *add;
};
extern const struct sqlite_upgrade sqlite_upgrades[]; /* ends with NULL */

static inline enum sql sql_queue(enum store_queue q, enum queue_sql which)
{
    return (enum sql)(SQL_QUEUE + (int)q * QUEUE_SQL_N + (int)which);
}

#endif
