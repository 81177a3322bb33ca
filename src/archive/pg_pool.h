/* SPDX-License-Identifier: MIT
 * A handful of links and a line of requests before them. Links are opened when they are needed and kept. Of two or more links neither
 * readers nor writers ever hold all, so that a slow batch delays no question and a flood of questions no batch. Who
 * waits longer than the timeout, or comes while the server is known to be unreachable, is told PG_LOST. Knows no table. */
#ifndef ARCHIVE_PG_POOL_H
#define ARCHIVE_PG_POOL_H

#include "archive/pg_link.h"

struct pg_pool;

#define PG_POOL_MAX 64

enum pg_kind { PG_READ, PG_WRITE };
#define PG_KINDS 2

/* Starts connecting. `conninfo` is copied. */
struct pg_pool *pg_pool_open(struct loop *l, const char *conninfo, int size, int64_t timeout_ms, struct err *e) MUST_CHECK;
/* As pg_link_run, but any number at once; the queries and what they point to stay valid until the outcome. The outcome comes once, never from
 * inside the call; the pool may be closed in it. */
void pg_pool_run(struct pg_pool *p, enum pg_kind kind, const struct pg_request *r);
bool pg_pool_is_up(const struct pg_pool *p);
int pg_pool_size(const struct pg_pool *p);
int pg_pool_in_use(const struct pg_pool *p);
/* Requests that wait or run end as PG_LOST before it returns. */
void pg_pool_close(struct pg_pool *p);

#endif
