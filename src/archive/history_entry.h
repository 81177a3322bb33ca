/* SPDX-License-Identifier: MIT
 * What both archives know about histories and figures before they ask their tables. */
#ifndef ARCHIVE_HISTORY_ENTRY_H
#define ARCHIVE_HISTORY_ENTRY_H

#include "archive/archive_history.h"

/* A place in the order of a history. */
struct history_key {
    int64_t ms;
    unsigned char id[ARCHIVE_UUID_BYTES];
};
/* A page's rows are those before it, and from from_ms on. INT64_MAX: there is no bound. */
struct history_key history_end(const struct archive_page *what);

/* yyyy-MM-dd, and a day of the calendar. */
bool history_is_day(struct sv day);
/* Whose figure it is: of user_<id>_messages the id, else SV_NONE. */
struct sv history_figure_user(struct sv metric);
/* Of the list what daily_analytics takes, in the order of day and metric, of each name the greatest value. `out` has room for n; returns how many. */
size_t history_figures(const struct archive_figure *list, size_t n, struct archive_figure *out);

#endif
