/* SPDX-License-Identifier: MIT
 * JSON for a person at a terminal: an array of objects becomes a table with aligned columns, an object a list of names and values, with what
 * is nested below it. Knows no command; what it shows is what the JSON says. */
#ifndef DAEMON_TABLE_H
#define DAEMON_TABLE_H

#include "lib/json.h"

#define TABLE_COLUMNS_MAX 24

/* Appends lines, each with its newline. Control characters are shown as \xHH, so that a value never breaks a line nor reaches the
 * terminal. Members named *_at, *_until, at, timestamp and last_activity that hold seconds since 1970 are shown as dates. Columns stand in
 * the order in which their names first come; more than TABLE_COLUMNS_MAX are left out. */
void table_format(struct buf *b, json_t *value);

#endif
