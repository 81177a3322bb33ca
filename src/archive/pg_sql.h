/* SPDX-License-Identifier: MIT
 * Every statement that the archive sends to PostgreSQL, by name; the texts stand in pg_sql.c. */
#ifndef ARCHIVE_PG_SQL_H
#define ARCHIVE_PG_SQL_H

#include "archive/pg_link.h"

enum pg_sql {
    PG_SQL_MESSAGES, /* a batch */
    PG_SQL_ACTIONS,
    PG_SQL_SESSIONS,
    PG_SQL_JOBS,
    PG_SQL_STATES,
    PG_SQL_CUSTOMERS,
    PG_SQL_KNOWN,   /* conversation_id */
    PG_SQL_CONTEXT, /* conversation_id, limit */
    PG_SQL_MESSAGE, /* conversation_id, message_id */
    PG_SQL_STAT,
    PG_SQL_RETAIN, /* milliseconds, limit */
    PG_SQL_JOB, /* id as text */
    PG_SQL_SESSION,  /* session_id, before_ms */
    PG_SQL_CUSTOMER, /* sender_id */
    PG_SQL_SERVICES, /* version that is known */
    PG_SQL_EDITOR, /* makes the edits of all processes one after another */
    /* three each, in the order of enum archive_service */
    PG_SQL_INSERT, /* id as text, row as text */
    PG_SQL_REPLACE = PG_SQL_INSERT + 3, /* name or id, row, version or 0 */
    PG_SQL_DELETE = PG_SQL_REPLACE + 3, /* name or id, version or 0 */
    PG_SQL_N = PG_SQL_DELETE + 3,
};

#define PG_MESSAGE_COLUMNS 22
#define PG_ACTION_COLUMNS 11
#define PG_SESSION_COLUMNS 5
#define PG_JOB_COLUMNS 13
#define PG_STATE_COLUMNS 8
#define PG_CUSTOMER_COLUMNS 13

extern const struct pg_statement pg_sql[PG_SQL_N];

#endif
