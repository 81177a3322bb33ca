/* SPDX-License-Identifier: MIT
 * A PostgreSQL server of a test's own: made by initdb in a temporary directory, on a Unix socket there, as an unprivileged user when the
 * test runs as root, gone when the test ends, however it ends. */
#ifndef T_LIB_PGSERVER_H
#define T_LIB_PGSERVER_H

#include <stdbool.h>
#include "lib/attr.h"

struct pgserver;

/* Runs and takes connections. NULL: *why says why not; only "not installed" is a reason to skip, anything else bails out. */
struct pgserver *pgserver_start(const char **why) MUST_CHECK;
/* Of the database of that name; made when missing. The string lives as long as the server. */
const char *pgserver_database(struct pgserver *s, const char *name) MUST_CHECK;
/* Stops (SIGSTOP) or continues all processes of the server. */
void pgserver_freeze(struct pgserver *s, bool frozen);
/* All processes at once, as a crash; nothing listens then. */
void pgserver_kill(struct pgserver *s);
/* After pgserver_kill: recovers and takes connections again. */
void pgserver_restart(struct pgserver *s);
/* User and system time of all its processes that live, in microseconds. */
long long pgserver_cpu_us(const struct pgserver *s);
void pgserver_end(struct pgserver *s);

/* Columns by '|', rows by a line break, NULL as nothing. Bails out on an error. Valid until the next call. */
const char *pgserver_query(const char *conninfo, const char *sql);
/* The SQLSTATE, "" when it went well. */
const char *pgserver_try(const char *conninfo, const char *sql);
/* Runs `sql` in a transaction that stays open, with all its locks, until it is rolled back by pgserver_let_go or committed by pgserver_commit. */
void *pgserver_hold(const char *conninfo, const char *sql);
void pgserver_let_go(void *held);
void pgserver_commit(void *held);

#endif
