/* SPDX-License-Identifier: MIT
 * The statements about histories, figures and preferences; the texts stand in pg_history_sql.c. */
#ifndef ARCHIVE_PG_HISTORY_SQL_H
#define ARCHIVE_PG_HISTORY_SQL_H

#include "archive/pg_sql.h"

enum pg_history_sql {
    PG_HISTORY_PAGE,        /* conversation, from, end, end's id, skip, max, total (enum pg_total), message ids, end of what is counted */
    PG_HISTORY_SESSIONS,    /* user, max */
    PG_HISTORY_IDS,         /* user, behind, max */
    PG_HISTORY_FIGURES,     /* from, to, whether those of users, too */
    PG_HISTORY_FIGURES_PUT, /* days, metrics, values, in the order of their keys; when they were read, as a number and as a time */
    PG_HISTORY_PREFERENCES, /* user */
    PG_HISTORY_EDITOR,      /* user: makes his edits one after another */
    PG_HISTORY_CLEAR,       /* user */
    PG_HISTORY_SET,         /* user, keys, values */
    PG_HISTORY_SQL_N,
};
/* What is asked about how many there are. */
enum pg_total { PG_TOTAL_NONE, PG_TOTAL_ALL, PG_TOTAL_WITHIN };

/* Rows of PAGE: what it is; then the total, or which of the message ids is there (from 1), or an exchange. */
enum pg_page_row { PG_ROW_TOTAL, PG_ROW_KNOWN, PG_ROW_EXCHANGE };

extern const struct pg_statement pg_history_sql[PG_HISTORY_SQL_N];

#endif
