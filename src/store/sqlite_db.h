/* SPDX-License-Identifier: MIT
 * One connection to the state file: opening it safely, transactions, prepared statements by name (sqlite_sql.h). The
 * only file that includes sqlite3.h. Knows nothing of conversations. Belongs to one thread at a time.
 *
 * Errors are sticky within a transaction: after the first one every call answers -1 until db_rollback, and db_trouble()
 * says what to tell the callers. So a caller may run several statements and look once. */
#ifndef STORE_SQLITE_DB_H
#define STORE_SQLITE_DB_H

#include "store/sqlite_sql.h"
#include "store/store_ops.h"

struct db;

/* ":memory:" or a file, made 0600 when missing. Refuses network file systems (their locks cannot be relied on) and
 * newer schemas. Waits at most timeout_ms wherever it waits. NULL with *e. */
struct db *db_open(const char *path, int64_t timeout_ms, struct err *e) MUST_CHECK;
/* What db_open asks of the file system of a file or directory that is there. -1 with *e: it is one between hosts. */
int db_check_place(const char *path, struct err *e) MUST_CHECK;
void db_close(struct db *d); /* NULL is allowed */

/* Takes the lock between processes, then begins. -1: see db_trouble; nothing is held then. */
int db_begin(struct db *d, bool writes) MUST_CHECK;
/* -1: nothing was committed and the transaction is over. */
int db_commit(struct db *d) MUST_CHECK;
void db_rollback(struct db *d);
/* After db_begin, whatever it ended with, when the answers have been passed on: lets other processes have the lock.
 * `rest`: more follows at once, so wait a moment lest nobody else gets it. */
void db_let_go(struct db *d, bool rest);

enum store_status db_trouble(const struct db *d); /* of the last failure: FULL or DOWN */
/* True when it was about the file (locked, unreadable, damaged), not about what was asked. */
bool db_is_lost(const struct db *d);
const char *db_trouble_text(const struct db *d);
/* True when the file can take nothing new: the disk is nearly full. What was begun may still be finished in what is
 * left. */
bool db_is_tight(struct db *d);
/* Changes when another connection has committed. -1: see db_trouble. */
int db_data_version(struct db *d, int64_t *version) MUST_CHECK;

/* Values of a statement, ?1 first. SV_NONE is NULL. Texts are borrowed until the statement is finished. */
struct db_arg {
    bool is_text;
    int64_t i;
    struct sv s;
};

static inline struct db_arg db_i(int64_t i)
{
    return (struct db_arg){ .i = i };
}

static inline struct db_arg db_s(struct sv s)
{
    return (struct db_arg){ .is_text = true, .s = s };
}

#define DB_ARGS(...)                                                                                                   \
    (const struct db_arg[]){ __VA_ARGS__ }, sizeof((const struct db_arg[]){ __VA_ARGS__ }) / sizeof(struct db_arg)
#define DB_NO_ARGS NULL, 0

/* Runs a statement that has no rows. */
int db_do(struct db *d, enum sql which, const struct db_arg *args, size_t n) MUST_CHECK;
/* The first row: 1, none: 0, -1. After 1 the columns may be read, until db_next or db_end. */
int db_ask(struct db *d, enum sql which, const struct db_arg *args, size_t n) MUST_CHECK;
int db_next(struct db *d, enum sql which) MUST_CHECK;
void db_end(struct db *d, enum sql which); /* only needed when not read to the end */
int64_t db_int(const struct db *d, enum sql which, int column);
struct sv db_text(const struct db *d, enum sql which, int column); /* NULL: SV_NONE; borrowed until the next step */
/* As an error of the database: memory is short. Returns -1. */
int db_no_memory(struct db *d);

/* Between two transactions, with the lock still held: nothing that was deleted is left in the file and its journal. A note that this is to be
 * done (state_meta "wipe") goes with it. -1: it is not done, or not all of it. */
int db_wipe(struct db *d, struct err *e) MUST_CHECK;
int64_t db_changes(const struct db *d); /* rows of the last statement */
bool db_is_file(const struct db *d);    /* not ":memory:" */
int64_t db_size_bytes(const struct db *d);
const char *db_version(void); /* of the library */

#endif
