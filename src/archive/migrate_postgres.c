/* SPDX-License-Identifier: MIT
 * Blocking, on a connection of its own. The lock is an advisory one of the transaction, not of the session, so that it holds through a
 * pooler in transaction mode, too. */
#include "config.h"

#include <stdlib.h>

#include <libpq-fe.h>

#include "archive/archive.h"
#include "archive/migrate.h"

#define LOCK_KEY "7236541190528614" /* any number that nobody else takes */
#define LOCK_TIMEOUT_S "60"
#define ARENA_MAX (64u << 20)

static int refuse(struct err *e, const char *what, const char *why)
{
    char line[160];
    size_t n = 0;

    for (; *why != '\0' && n + 1 < sizeof(line); why++)
        line[n++] = (unsigned char)*why < 0x20 ? ' ' : *why;
    while (n > 0 && line[n - 1] == ' ')
        n--;
    line[n] = '\0';
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, line);
}

/* Several statements in one go; the last one's result. NULL with *e. */
static PGresult *run(PGconn *c, const char *what, const char *sql, struct err *e)
{
    PGresult *r = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(r);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return r;
    (void)refuse(e, what, PQerrorMessage(c));
    PQclear(r);
    return NULL;
}

static int run_only(PGconn *c, const char *what, const char *sql, struct err *e)
{
    PGresult *r = run(c, what, sql, e);

    PQclear(r);
    return r != NULL ? 0 : -1;
}

static int begin(void *db, struct err *e)
{
    PGresult *r;
    bool there;

    if (run_only(db, "beginning", "BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '" LOCK_TIMEOUT_S "s';"
                                  " SELECT pg_advisory_xact_lock(" LOCK_KEY ")", e) != 0)
        return -1;
    /* Not IF NOT EXISTS alone: that asks for the right to create even where there is nothing to do. */
    r = run(db, "schema_migrations", "SELECT to_regclass('schema_migrations') IS NOT NULL", e);
    if (r == NULL)
        return -1;
    there = PQgetvalue(r, 0, 0)[0] == 't';
    PQclear(r);
    if (there)
        return 0;
    return run_only(db, "schema_migrations", "CREATE TABLE schema_migrations (version integer PRIMARY KEY, name text NOT NULL,"
                                             " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())", e);
}

static int end(void *db, bool commit, struct err *e)
{
    return run_only(db, "ending", commit ? "COMMIT" : "ROLLBACK", e);
}

static int newest(void *db, int *version, struct err *e)
{
    PGresult *r = run(db, "schema_migrations", "SELECT coalesce(max(version), 0) FROM schema_migrations", e);
    int64_t n = 0;

    if (r == NULL)
        return -1;
    (void)sv_to_i64(sv_from(PQgetvalue(r, 0, 0)), &n);
    PQclear(r);
    *version = (int)n;
    return 0;
}

static PGresult *run_with(PGconn *c, const char *what, const char *sql, int n, const char *const *values, struct err *e)
{
    PGresult *r = PQexecParams(c, sql, n, NULL, values, NULL, NULL, 0);
    ExecStatusType status = PQresultStatus(r);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
        return r;
    (void)refuse(e, what, PQerrorMessage(c));
    PQclear(r);
    return NULL;
}

static int checksum(void *db, int version, char out[2 * DIGEST_SIZE + 1], struct err *e)
{
    char number[16];
    PGresult *r;

    (void)snprintf(number, sizeof(number), "%d", version);
    r = run_with(db, "schema_migrations", "SELECT checksum FROM schema_migrations WHERE version = $1::integer", 1,
                 (const char *const[]){ number }, e);
    if (r == NULL)
        return -1;
    out[0] = '\0';
    if (PQntuples(r) > 0)
        (void)snprintf(out, 2 * DIGEST_SIZE + 1, "%s", PQgetvalue(r, 0, 0));
    PQclear(r);
    return 0;
}

static int apply(void *db, const struct migration *m, struct err *e)
{
    char number[16];
    PGresult *r;

    if (run_only(db, m->name, m->sql, e) != 0)
        return -1;
    (void)snprintf(number, sizeof(number), "%d", m->version);
    r = run_with(db, "schema_migrations", "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1::integer, $2, $3)", 3,
                 (const char *const[]){ number, m->name, m->checksum }, e);
    PQclear(r);
    return r != NULL ? 0 : -1;
}

static void quiet(void *arg, const char *text)
{
    (void)arg, (void)text; /* notices of CREATE and the like */
}

static PGconn *connect_to(const char *conninfo, struct err *e)
{
    const char *const keys[] = { "connect_timeout", "fallback_application_name", "dbname", "client_encoding", NULL };
    const char *const values[] = { "5", "turnkeeper-migrate", conninfo, "UTF8", NULL };
    PGconn *c = PQconnectdbParams(keys, values, 1);
    const char *encoding;

    if (PQstatus(c) != CONNECTION_OK) {
        (void)refuse(e, "PostgreSQL", c != NULL ? PQerrorMessage(c) : "out of memory");
        PQfinish(c);
        return NULL;
    }
    (void)PQsetNoticeProcessor(c, quiet, NULL);
    encoding = PQparameterStatus(c, "server_encoding");
    if (encoding != NULL && strcmp(encoding, "UTF8") == 0)
        return c;
    (void)err_set(e, ERR_REFUSED, "PostgreSQL: the database's encoding must be UTF8");
    PQfinish(c);
    return NULL;
}

int migrate_postgres(const char *conninfo, const char *dir, int *applied, struct err *e)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    const struct migration *list;
    size_t n;
    PGconn *c = NULL;
    int rc = -1;

    *applied = 0;
    if (a == NULL)
        return err_set(e, ERR_MEMORY, "out of memory");
    if (migrations_read(a, dir, &list, &n, e) == 0)
        c = connect_to(conninfo, e);
    if (c != NULL) {
        const struct migration_db db = { c, begin, end, newest, checksum, apply };
        rc = migrations_apply(&db, list, n, applied, e);
        PQfinish(c);
    }
    arena_free(a);
    return rc;
}
