/* SPDX-License-Identifier: MIT
 * The lock between processes is the state file's own. */
#include "config.h"

#include "archive/archive.h"
#include "archive/lite.h"
#include "archive/migrate.h"
#include "lib/clock.h"

#define TIMEOUT_MS 60000
#define ARENA_MAX (64u << 20)

enum sql { SQL_NEWEST, SQL_CHECKSUM, SQL_ADD, SQL_N };

static const char *const statements[SQL_N] = {
    [SQL_NEWEST] = "SELECT coalesce(max(version), 0) FROM schema_migrations",
    [SQL_CHECKSUM] = "SELECT checksum FROM schema_migrations WHERE version = ?1",
    [SQL_ADD] = "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)",
};

static int refuse(struct lite *l, const char *what, struct err *e)
{
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, lite_text(l));
}

static int begin(void *db, struct err *e)
{
    if (lite_begin(db, true) != 0)
        return refuse(db, "beginning", e);
    if (lite_script(db, "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,"
                        " checksum TEXT NOT NULL, applied_at INTEGER NOT NULL) STRICT") == 0)
        return 0;
    (void)refuse(db, "schema_migrations", e);
    lite_rollback(db);
    return -1;
}

static int end(void *db, bool commit, struct err *e)
{
    if (!commit)
        lite_rollback(db);
    else if (lite_commit(db, false) != 0)
        return refuse(db, "ending", e);
    return 0;
}

static int newest(void *db, int *version, struct err *e)
{
    if (lite_ask(db, SQL_NEWEST, NULL, 0) != 1)
        return refuse(db, "schema_migrations", e);
    *version = (int)lite_int(db, SQL_NEWEST, 0);
    lite_end(db, SQL_NEWEST);
    return 0;
}

static int checksum(void *db, int version, char out[2 * DIGEST_SIZE + 1], struct err *e)
{
    const struct lite_arg arg = lite_i(version);
    int rc = lite_ask(db, SQL_CHECKSUM, &arg, 1);
    struct sv found = rc > 0 ? lite_value(db, SQL_CHECKSUM, 0) : SV_NONE;

    if (rc < 0)
        return refuse(db, "schema_migrations", e);
    if (found.n > 2 * DIGEST_SIZE)
        found.n = 2 * DIGEST_SIZE;
    if (found.n > 0)
        memcpy(out, found.p, found.n);
    out[found.n] = '\0';
    lite_end(db, SQL_CHECKSUM);
    return 0;
}

static int apply(void *db, const struct migration *m, struct err *e)
{
    const struct lite_arg args[] = { lite_i(m->version), lite_s(sv_from(m->name)), lite_s(sv_from(m->checksum)), lite_i(clock_wall_ms()) };

    if (lite_script(db, m->sql) != 0 || lite_do(db, SQL_ADD, args, ARRAY_LEN(args)) != 0)
        return refuse(db, m->name, e);
    return 0;
}

int migrate_sqlite(const char *path, const char *dir, int *applied, struct err *e)
{
    struct arena *a = arena_new(0, ARENA_MAX);
    const struct migration *list;
    size_t n;
    struct lite *l = NULL;
    int rc = -1;

    *applied = 0;
    if (a == NULL)
        return err_set(e, ERR_MEMORY, "out of memory");
    if (migrations_read(a, dir, &list, &n, e) == 0)
        l = lite_open(&(struct lite_options){ .path = path, .sql = statements, .sql_n = SQL_N, .timeout_ms = TIMEOUT_MS }, e);
    if (l != NULL) {
        const struct migration_db db = { l, begin, end, newest, checksum, apply };
        rc = migrations_apply(&db, list, n, applied, e);
        lite_close(l);
    }
    arena_free(a);
    return rc;
}
