/* SPDX-License-Identifier: MIT
 * The SQLite store's own door beside the port, for store_merge. Nobody else has business here. */
#ifndef STORE_STORE_SQLITE_H
#define STORE_STORE_SQLITE_H

#include "store/sqlite_op.h"

extern const struct store_ops store_sqlite_ops;

/* As a call of the port: both are copied, the answer comes through the loop. `s` must be a SQLite store. */
void store_sqlite_ask(struct store *s, const struct op *op, const struct answer *answer);

#endif
