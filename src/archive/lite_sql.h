/* SPDX-License-Identifier: MIT
 * Every statement that the archive runs on SQLite, by number; the texts stand in lite_sql.c. */
#ifndef ARCHIVE_LITE_SQL_H
#define ARCHIVE_LITE_SQL_H

#include "archive/lite.h"

enum lite_sql {
    LITE_CONVERSATION,
    LITE_MESSAGE,
    LITE_COUNT,
    LITE_ACTION,
    LITE_SESSION,
    LITE_JOB,
    LITE_STATE,
    LITE_CUSTOMER,
    LITE_FIELD, /* four, in the order of enum item_field: sender_id, value, milliseconds, source */
    LITE_CONTEXT = LITE_FIELD + 4,
    LITE_OUTCOME,
    LITE_READ_JOB,
    LITE_READ_SESSION,
    LITE_READ_CUSTOMER,
    LITE_SIZE,
    LITE_OLD,
    LITE_FORGET_ACTIONS,
    LITE_FORGET_JOB,
    LITE_FORGET_COUNT, /* before the message itself */
    LITE_FORGET_MESSAGE,
    LITE_VERSION,
    /* three each, in the order of enum archive_service */
    LITE_ROWS,                     /* id, NULL: all. The row's JSON and how many there are */
    LITE_LOOK = LITE_ROWS + 3,     /* op, name, row, version: what is to be said, and the row's id */
    LITE_INSERT = LITE_LOOK + 3,   /* id, row, milliseconds */
    LITE_REPLACE = LITE_INSERT + 3, /* id, row */
    LITE_DELETE = LITE_REPLACE + 3, /* id */
    /* histories, figures, preferences: lite_history_sql.h */
    LITE_PAGE = LITE_DELETE + 3, /* conversation, from, end, end's id, skip, max */
    LITE_TOTAL,                  /* conversation */
    LITE_TOTAL_WITHIN,           /* conversation, from, end */
    LITE_USER_SESSIONS,          /* user, max */
    LITE_USER_IDS,               /* user, behind, max */
    LITE_FIGURES,                /* from, to, whether those of users, too */
    LITE_FIGURE_PUT,             /* day, metric, value, when it was read */
    LITE_PREFERENCES,            /* user */
    LITE_PREFERENCES_CLEAR,      /* user */
    LITE_PREFERENCE,             /* user, key, value, milliseconds */
    /* erasure: lite_erase_sql.h */
    LITE_ERASE_YOUNGER, /* time: whether anything was erased then or later */
    LITE_ERASE_SALT,
    LITE_ERASE_WHEN,     /* hash, time */
    LITE_ERASE_SAY,      /* id, subject, hash, time, now: the id and made_at that it has */
    LITE_ERASE_RECEIPT,  /* id, JSON */
    LITE_ERASE_MESSAGES, /* rows that went: id, whether the store may still know it */
    LITE_ERASE_ACTIONS,
    LITE_ERASE_JOBS,     /* as messages */
    LITE_ERASE_ORPHANS,  /* actions whose message went */
    LITE_ERASE_SESSIONS,
    LITE_ERASE_CONVERSATION,
    LITE_ERASE_LAST,     /* the greatest id */
    LITE_ERASE_RECOUNT,
    LITE_ERASE_SESSION,
    LITE_ERASE_SAID_HERE,     /* customers of whom nothing else is known */
    LITE_ERASE_SAID_HERE_TOO, /* the others */
    LITE_ERASE_LETTERS,
    LITE_ERASE_CUSTOMER,
    LITE_ERASE_CUSTOMER_TOO,
    LITE_ERASE_PREFERENCES,
    LITE_ERASE_FOLD, /* before the figures */
    LITE_ERASE_FIGURES,
    LITE_ERASE_DUE,    /* says that the file is to be wiped */
    LITE_ERASE_IS_DUE,
    LITE_ERASE_TOLD,           /* id: what the receipt says */
    LITE_ERASE_KNOWN_MESSAGES, /* name, time: ids that the store may still know */
    LITE_ERASE_KNOWN_JOBS,
    LITE_EXPORT, /* seven, in the order of enum export_table: name, key, position, limit: lite_export_sql.h */
    LITE_EXPORT_LAST = LITE_EXPORT + 6,
    LITE_SQL_N,
};
extern const char *const lite_sql[LITE_SQL_N];

#endif
