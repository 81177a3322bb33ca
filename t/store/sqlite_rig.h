/* SPDX-License-Identifier: MIT
 * What the tests of the SQLite store alone share: a directory with a state file, a store on it, and a person with the sqlite3 program. */
#ifndef T_STORE_SQLITE_RIG_H
#define T_STORE_SQLITE_RIG_H

#include "t/store/contract.h"

extern char dir[64], path[80]; /* of the state file */

void place_open(struct rig *r, const char *name); /* makes the directory, and what the rig needs */
void place_close(struct rig *r);                  /* no file must be left in it */

struct store *try_open(struct rig *r, const struct store_sqlite_options *o, struct err *e); /* NULL with *e */
void open_file(struct rig *r, int64_t timeout_ms);                                         /* 0: as long as usual */
void close_and_wipe(struct rig *r);
/* Returns the first column of the last row, or 0. */
long by_hand(const char *sql);

#endif
