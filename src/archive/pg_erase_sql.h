/* SPDX-License-Identifier: MIT
 * The statements about erasure and export; the texts stand in pg_erase_sql.c. */
#ifndef ARCHIVE_PG_ERASE_SQL_H
#define ARCHIVE_PG_ERASE_SQL_H

#include <endian.h>

#include "archive/pg_history_sql.h"

enum pg_erase_sql {
    PG_ERASE_GUARD, /* subjects, names, times, the first of these */
    PG_ERASE_WHEN,  /* the same: place in the list from 1, and milliseconds, of each that was erased at its time or later */
    PG_ERASE_SHARED, /* for writers that look for themselves */
    PG_ERASE_ALONE,
    PG_ERASE_SAY,     /* id as text, subject, name, time: the id that it has */
    PG_ERASE_RECEIPT, /* id as text, JSON as text */
    /* All of these take: name, time, id of the erasure as text, limit. They answer rows of: table, number of its rows that went (of those with a limit: that
     * were found, whoever deleted them), and with the table messages or jobs an id that the store may still know */
    PG_ERASE_MESSAGES,
    PG_ERASE_ACTIONS,
    PG_ERASE_JOBS,
    PG_ERASE_ORPHANS, /* actions whose message went */
    PG_ERASE_HOLD,    /* answers nothing: the conversation stays as it is until the transaction ends */
    PG_ERASE_CONVERSATION,
    PG_ERASE_RECOUNT, /* these two answer nothing */
    PG_ERASE_SESSION,
    PG_ERASE_SAID_HERE,     /* customers of whom nothing else is known */
    PG_ERASE_SAID_HERE_TOO, /* the others */
    PG_ERASE_LETTERS,
    PG_ERASE_CUSTOMER,
    PG_ERASE_CUSTOMER_TOO,
    PG_ERASE_PREFERENCES,
    PG_ERASE_FIGURES,
    PG_ERASE_TOLD,  /* what the receipt says so far */
    PG_ERASE_KNOWN, /* nothing goes: ids that the store may still know */
    PG_ERASE_SQL_N,
};
extern const struct pg_statement pg_erase_sql[PG_ERASE_SQL_N];

/* A parameter of type timestamptz. */
static inline struct sv pg_time(char to[8], int64_t ms)
{
    uint64_t wire = htobe64((uint64_t)((ms - PG_EPOCH_MS) * 1000));

    memcpy(to, &wire, sizeof(wire));
    return (struct sv){ to, sizeof(wire) };
}

#endif
