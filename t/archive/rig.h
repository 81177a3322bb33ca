/* SPDX-License-Identifier: MIT
 * What the tests of the archives are made of: a place (a database or a file) with its tables made, archives opened on it, one call at
 * a time with its answer, items made from a few words, and SQL beside the archive to look at what it did. */
#ifndef T_ARCHIVE_RIG_H
#define T_ARCHIVE_RIG_H

#include "archive/archive.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/loop.h"
#include "t/lib/pgserver.h"
#include "t/tap.h"

struct rig {
    const char *name;
    struct loop *loop;
    struct loop_timer *tick; /* kept: a handle that closes keeps the loop from waiting */
    struct archive *a;
    struct pgserver *server; /* NULL: SQLite */
    const char *place;       /* conninfo or path */
    char path[64];
    struct arena *arena; /* items and copies of answers, for the whole test */
};

/* Directory of the SQL files. */
const char *rig_sql_dir(const char *database);
/* An empty place with its tables. `database` is the name on a server; server NULL: a file in a temporary directory. */
void rig_open(struct rig *r, struct pgserver *server, const char *database);
struct archive *rig_archive(struct rig *r, int64_t timeout_ms, int pool_size); /* another one on the same place */
void rig_close(struct rig *r);
/* SQL on the place, as pgserver_query. */
const char *rig_query(const struct rig *r, const char *sql);

/* One answer. */
struct answer {
    struct rig *r;
    bool inside; /* the call has not returned yet */
    int count;
    enum archive_status status;
    size_t n;              /* items of a write, entries of a context */
    const char **verdicts; /* copies */
    struct sv *entries;
    struct sv outcome;
    struct archive_stat stat;
};
void rig_start_write(struct rig *r, struct archive *a, struct answer *w, const struct sv *items, size_t n);
void rig_start_context(struct rig *r, struct archive *a, struct answer *w, struct sv conversation, size_t max);
void rig_start_message(struct rig *r, struct archive *a, struct answer *w, struct sv conversation, struct sv message);
void rig_start_job(struct rig *r, struct archive *a, struct answer *w, struct sv id); /* its outcome is the job */
void rig_start_stat(struct rig *r, struct archive *a, struct answer *w);
void rig_wait(struct rig *r, const struct answer *w); /* bails out when it does not come */
bool rig_until(struct rig *r, bool (*done)(void *arg), void *arg);
void rig_turn(struct rig *r); /* one round of the loop, at most 10 ms */

/* Ask r->a and wait. */
const struct answer *rig_write(struct rig *r, const struct sv *items, size_t n);
const struct answer *rig_context(struct rig *r, const char *conversation, size_t max);
struct sv rig_message(struct rig *r, const char *conversation, const char *message);
struct sv rig_job(struct rig *r, unsigned turn);
/* Everything kept; a diagnosis when not. */
bool rig_kept(struct rig *r, const struct sv *items, size_t n);

/* Items. Times are RIG_NOW + at. */
#define RIG_NOW INT64_C(1760000000000)
struct turn {
    const char *conversation;
    unsigned turn;         /* number of the turn's UUID */
    const char *status;    /* NULL: completed */
    unsigned fence;
    const char *messages;  /* "m1 m2": ids; seq is the number in the id */
    const char *user;      /* NULL: user_1 */
    const char *reply;     /* text; NULL: none */
    const char *action;    /* status of the one action; NULL: none */
    int64_t at;
    int64_t received;      /* RIG_NOW + received */
    const char *job;       /* JSON of the member; NULL: none */
};
struct sv rig_turn_item(struct rig *r, const struct turn *t);
struct sv rig_message_item(struct rig *r, const char *conversation, const char *message, const char *sender_type, const char *reason,
                           int64_t timestamp);
void rig_uuid(unsigned n, char out[37]);

#endif
