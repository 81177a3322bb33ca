/* SPDX-License-Identifier: MIT
 * One connection to the SQLite file that store and archive share: opening it, the lock between processes, transactions, statements.
 * The only file of this layer that includes sqlite3.h. Knows no table. Belongs to one thread at a time.
 *
 * After a failure every call answers -1 until lite_rollback or lite_rollback_item; lite_trouble tells whose fault it was. */
#ifndef ARCHIVE_LITE_H
#define ARCHIVE_LITE_H

#include <stdatomic.h>
#include "lib/err.h"
#include "lib/sv.h"

struct lite;

struct lite_options {
    const char *path;           /* made 0600 when missing; the lock is <path>.lock */
    const char *const *sql;     /* statements by number; prepared when first used */
    size_t sql_n;
    int64_t timeout_ms;         /* of waiting for other processes */
    const atomic_bool *give_up; /* true: stop waiting. NULL: never */
};

/* Strings and the table are kept by pointer. NULL with *e. */
struct lite *lite_open(const struct lite_options *o, struct err *e) MUST_CHECK;
void lite_close(struct lite *l); /* NULL is allowed */

enum lite_trouble {
    LITE_FINE,
    LITE_ROW,  /* this row is refused, whenever it comes (a constraint, a size) */
    LITE_FILE, /* the file, the disk, another process, memory: later it may go */
    LITE_ODD,  /* a statement that fails: for this row, or for all (a table is missing) */
};
enum lite_trouble lite_trouble(const struct lite *l);
const char *lite_text(const struct lite *l); /* why */

/* Takes the lock, then begins. -1: nothing is held. */
int lite_begin(struct lite *l, bool writes) MUST_CHECK;
/* -1: nothing was committed. The transaction is over and the lock free in any case; `rest`: more follows at once, so leave the others a
 * moment. */
int lite_commit(struct lite *l, bool rest) MUST_CHECK;
/* Outside of transactions, after one that deleted what nobody may find again: what was deleted is neither left in the file nor in one beside it
 * (lib/scrub.h: one look at each page). `change`: a statement that changes a row, so that other connections read the file anew. LITE_ODD: the file has a
 * shape that cannot be wiped. */
int lite_wipe(struct lite *l, const char *change) MUST_CHECK;
void lite_rollback(struct lite *l);
/* A part of a transaction that may fail for itself. */
int lite_item(struct lite *l) MUST_CHECK;
int lite_item_done(struct lite *l) MUST_CHECK;
int lite_item_undo(struct lite *l) MUST_CHECK; /* forgets the trouble, too */

enum lite_kind { LITE_NULL, LITE_INT, LITE_REAL, LITE_TEXT, LITE_BLOB };
struct lite_arg {
    enum lite_kind kind;
    int64_t i;
    double d;
    struct sv s;
};
static inline struct lite_arg lite_i(int64_t i)
{
    return (struct lite_arg){ .kind = LITE_INT, .i = i };
}
static inline struct lite_arg lite_d(bool there, double d)
{
    return (struct lite_arg){ .kind = there ? LITE_REAL : LITE_NULL, .d = d };
}
static inline struct lite_arg lite_s(struct sv s) /* SV_NONE is NULL */
{
    return (struct lite_arg){ .kind = s.p != NULL ? LITE_TEXT : LITE_NULL, .s = s };
}
static inline struct lite_arg lite_b(const void *p, size_t n)
{
    return (struct lite_arg){ .kind = LITE_BLOB, .s = { p, n } };
}

/* The first row: 1, none: 0, -1. Arguments are borrowed until lite_end. */
int lite_ask(struct lite *l, unsigned statement, const struct lite_arg *args, size_t n) MUST_CHECK;
int lite_next(struct lite *l, unsigned statement) MUST_CHECK;
void lite_end(struct lite *l, unsigned statement);
int64_t lite_int(const struct lite *l, unsigned statement, int column);
struct sv lite_value(const struct lite *l, unsigned statement, int column); /* text or bytes, borrowed until the next step */
/* Runs a statement whose rows do not matter. */
int lite_do(struct lite *l, unsigned statement, const struct lite_arg *args, size_t n) MUST_CHECK;
/* Several statements without arguments, as a file has them. */
int lite_script(struct lite *l, const char *sql) MUST_CHECK;
int64_t lite_changes(const struct lite *l);

#endif
