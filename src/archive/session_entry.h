/* SPDX-License-Identifier: MIT
 * What the archive answers about sessions and customers, for every backend the same: rows, as the statements of pg_sql.c and lite_sql.c give them,
 * become JSON. */
#ifndef ARCHIVE_SESSION_ENTRY_H
#define ARCHIVE_SESSION_ENTRY_H

#include "lib/arena.h"
#include "lib/sv.h"

/* Columns; times are milliseconds, truth is 0 or 1, all in text. */
enum customer_column {
    CUSTOMER_SENDER_ID,
    CUSTOMER_PHONE,
    CUSTOMER_EMAIL,
    CUSTOMER_NAME,
    CUSTOMER_ADDRESS,
    CUSTOMER_SOURCES, /* JSON */
    CUSTOMER_CREATED,
    CUSTOMER_UPDATED,
    CUSTOMER_COLUMNS,
};
enum session_column {
    SESSION_ID,
    SESSION_USER,
    SESSION_STATUS,
    SESSION_CHECK_REPLY,
    SESSION_CHECK_REPLY_UNTIL,
    SESSION_CREATED,
    SESSION_ACTIVITY,
    SESSION_MESSAGES,
    SESSION_MESSAGE_ID, /* of the newest message, absent when there is none; the same for the next three */
    SESSION_CONTENT,
    SESSION_SENDER_TYPE,
    SESSION_TIMESTAMP,
    SESSION_REPLY, /* that was said to it */
    SESSION_REPLIED,
    SESSION_CUSTOMERS, /* messages of senders of type user */
    SESSION_CUSTOMER, /* here the customer's columns begin, all absent when nothing is known about him */
    SESSION_COLUMNS = SESSION_CUSTOMER + CUSTOMER_COLUMNS,
};

/* As archive_session and archive_customer tell it. SV_NONE: memory is short. */
struct sv session_entry_format(struct arena *a, const struct sv columns[SESSION_COLUMNS]);
struct sv customer_entry_format(struct arena *a, const struct sv columns[CUSTOMER_COLUMNS]);

#endif
