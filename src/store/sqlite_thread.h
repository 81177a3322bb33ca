/* SPDX-License-Identifier: MIT
 * The thread that owns the connection to the state file. All operations that wait are run in one transaction; their
 * answers come back together, told by one write to an eventfd. Between processes the transactions take turns
 * (lib/filelock.h). Knows operations (sqlite_op.h), not what the port promises about time and callbacks; store_sqlite.c
 * does that. */
#ifndef STORE_SQLITE_THREAD_H
#define STORE_SQLITE_THREAD_H

#include "store/sqlite_op.h"
#include "store/store_backends.h"

struct sqlite_thread;

/* What went out of the thread since it was last asked. Operations stay owned by whoever asked them; events are the
 * taker's. */
struct sqlite_done {
    struct op *ops;        /* in the order in which they were asked */
    struct answer *events; /* ANSWER_EVENT and ANSWER_PUSH, without function and argument */
};

/* event_fd becomes readable when something is done. The options' path is borrowed while the thread lives. */
struct sqlite_thread *sqlite_thread_start(const struct store_sqlite_options *o, int event_fd, struct err *e) MUST_CHECK;
void sqlite_thread_ask(struct sqlite_thread *t, struct op *op);
/* True: it was not taken yet and never will be. False: it comes back. */
bool sqlite_thread_take_back(struct sqlite_thread *t, struct op *op) MUST_CHECK;
struct sqlite_done sqlite_thread_done(struct sqlite_thread *t);
/* False while the file cannot be had. */
bool sqlite_thread_is_up(const struct sqlite_thread *t);
/* Whether anybody wants to hear which conversations have logged events; at first nobody does. */
void sqlite_thread_listens(struct sqlite_thread *t, bool listens);
/* Ends the thread after the transaction that it is in. No operation is touched any more when it returns. */
void sqlite_thread_stop(struct sqlite_thread *t);

#endif
