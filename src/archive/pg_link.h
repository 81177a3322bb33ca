/* SPDX-License-Identifier: MIT
 * One connection to PostgreSQL on the loop. Connecting, with all that blocks in it (names, password files, TLS, Kerberos), happens on a
 * thread that lives only for that; from then on the socket is non-blocking and in pipeline mode: a request is a list of prepared
 * statements that goes out and comes back as a whole. Knows no table and no pool.
 *
 *   OFF ──wake──> CONNECTING ──> IDLE <──────> BUSY
 *                  ^   │failed     │ lost        │ lost, or deadline
 *                  │   v           v             v
 *                  └─ WAITING <────┴─────────────┘      (backoff) */
#ifndef ARCHIVE_PG_LINK_H
#define ARCHIVE_PG_LINK_H

#include "archive/pg_array.h"
#include "lib/err.h"

struct pg_link;
struct loop;

#define PG_STATEMENTS_MAX 64
#define PG_PARAMS_MAX 32

struct pg_statement {
    const char *name; /* of the prepared statement */
    const char *sql;
    unsigned index;   /* below PG_STATEMENTS_MAX, its own among all that a link gets */
    unsigned params_n;
    uint32_t types[PG_PARAMS_MAX]; /* OIDs */
};

struct pg_query {
    const struct pg_statement *statement;
    const struct sv *params; /* binary; SV_NONE is NULL */
};

enum pg_status {
    PG_DONE,
    PG_REFUSED, /* the server said no: sqlstate, text. Nothing of the request remains */
    PG_LOST,    /* no answer: unknown whether it was done */
};

struct pg_outcome {
    enum pg_status status;
    char sqlstate[6];
    char text[200];
    void *rows; /* of the last statement that returned any */
};
size_t pg_rows(const struct pg_outcome *o);
/* Text form; SV_NONE for NULL. Borrowed from the outcome. */
struct sv pg_value(const struct pg_outcome *o, size_t row, unsigned column);

typedef void pg_outcome_fn(void *arg, const struct pg_outcome *o);

struct pg_request {
    const struct pg_query *queries; /* valid until the outcome */
    size_t n;
    bool transaction; /* BEGIN before, COMMIT after: DONE means committed */
    bool trial;       /* of a transaction: ROLLBACK instead: DONE means that it could be done */
    pg_outcome_fn *fn; /* once, on the loop, never from inside pg_link_run. The link may be freed in it */
    void *arg;
};

enum pg_link_state { PG_LINK_OFF, PG_LINK_CONNECTING, PG_LINK_IDLE, PG_LINK_BUSY, PG_LINK_WAITING };

struct pg_link_options {
    const char *conninfo;
    int64_t timeout_ms; /* of one request; the server is told to give up then, too */
    /* After each change of state but those that pg_link_run and the end of a request cause. The link must not be freed in it. */
    void (*changed)(void *arg);
    void *arg;
};

struct pg_link *pg_link_new(struct loop *l, const struct pg_link_options *o) MUST_CHECK; /* options are kept, strings by pointer */
void pg_link_wake(struct pg_link *k); /* connects when OFF */
enum pg_link_state pg_link_state(const struct pg_link *k);
const char *pg_link_error(const struct pg_link *k); /* why it is WAITING */
/* IDLE only. */
void pg_link_run(struct pg_link *k, const struct pg_request *r);
/* A request that runs is not answered any more. */
void pg_link_free(struct pg_link *k);

#endif
