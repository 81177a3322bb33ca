/* SPDX-License-Identifier: MIT
 * See sqlite_db.h. How the file is kept:
 *
 * A rollback journal, since WAL has a bug before 3.51.3 that can corrupt a file which several connections write and
 * checkpoint; from that version on WAL. PERSIST, since the journal's blocks stay then: its syncs write no metadata, and
 * there is room for it when the disk is full.
 * synchronous FULL: a message that was accepted survives a power cut, not only a kill. That is five fdatasync a
 * transaction where NORMAL has four; a transaction is shared by all operations that wait, so the price is paid once for
 * many. What is deleted in the usual course is overwritten where that costs nothing; after an erasure the whole file is wiped
 * (lib/scrub.h), and the journal goes. Every transaction, reading ones too, runs under the lock file beside the state file: SQLite's own busy handler
 * starves. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/filelock.h"
#include "lib/id.h"
#include "lib/scrub.h"
#include "store/sqlite_db.h"

#define WAL_IS_SAFE 3051003
#define TIGHT_BYTES (16 << 20) /* less than this free: nothing new comes in */
#define TIGHT_EVERY_MS 1000

struct db {
    sqlite3 *handle;
    sqlite3_stmt *statements[SQL_N];
    struct filelock *lock; /* NULL: ":memory:" */
    char *path;
    int64_t timeout_ms;
    bool failed; /* until the transaction is over */
    enum store_status trouble;
    bool lost;
    char text[160];
    bool tight;
    int64_t tight_asked_ms;
};

/* ---- trouble ---- */

static int fail(struct db *d, int rc)
{
    if (d->failed)
        return -1;
    d->failed = true;
    int kind = rc & 0xff;
    bool is_bound = kind == SQLITE_FULL || kind == SQLITE_NOMEM || kind == SQLITE_TOOBIG;
    d->trouble = is_bound ? STORE_FULL : STORE_DOWN;
    d->lost =
        !is_bound && kind != SQLITE_ERROR && kind != SQLITE_CONSTRAINT && kind != SQLITE_RANGE && kind != SQLITE_MISUSE;
    (void)sqlite3_snprintf((int)sizeof d->text, d->text, "%s (%d)", d->handle != NULL ? sqlite3_errmsg(d->handle) : "",
                           d->handle != NULL ? sqlite3_extended_errcode(d->handle) : rc);
    return -1;
}

int db_no_memory(struct db *d)
{
    return fail(d, SQLITE_NOMEM);
}

enum store_status db_trouble(const struct db *d)
{
    return d->trouble;
}

bool db_is_lost(const struct db *d)
{
    return d->lost;
}

const char *db_trouble_text(const struct db *d)
{
    return d->text;
}

/* ---- statements ---- */

static sqlite3_stmt *prepared(struct db *d, enum sql which)
{
    if (d->failed)
        return NULL;
    if (d->statements[which] == NULL) {
        int rc = sqlite3_prepare_v3(d->handle, sqlite_sql[which], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[which],
                                    NULL);
        if (rc != SQLITE_OK)
            (void)fail(d, rc);
    }
    return d->statements[which];
}

static int bind(struct db *d, sqlite3_stmt *st, const struct db_arg *args, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int rc, at = (int)i + 1;
        if (!args[i].is_text)
            rc = sqlite3_bind_int64(st, at, args[i].i);
        else if (args[i].s.p == NULL)
            rc = sqlite3_bind_null(st, at);
        else
            rc = sqlite3_bind_text64(st, at, args[i].s.p, args[i].s.n, SQLITE_STATIC, SQLITE_UTF8);
        if (rc != SQLITE_OK)
            return fail(d, rc);
    }
    return 0;
}

int db_next(struct db *d, enum sql which)
{
    sqlite3_stmt *st = d->statements[which];
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        (void)fail(d, rc);
    (void)sqlite3_reset(st);
    return rc == SQLITE_DONE ? 0 : -1;
}

int db_ask(struct db *d, enum sql which, const struct db_arg *args, size_t n)
{
    sqlite3_stmt *st = prepared(d, which);
    if (st == NULL)
        return -1;
    (void)sqlite3_reset(st); /* read halfway before a failure */
    return bind(d, st, args, n) == 0 ? db_next(d, which) : -1;
}

int db_do(struct db *d, enum sql which, const struct db_arg *args, size_t n)
{
    int rc = db_ask(d, which, args, n);
    if (rc == 1)
        db_end(d, which);
    return rc < 0 ? -1 : 0;
}

void db_end(struct db *d, enum sql which)
{
    (void)sqlite3_reset(d->statements[which]);
}

int64_t db_int(const struct db *d, enum sql which, int column)
{
    return sqlite3_column_int64(d->statements[which], column);
}

struct sv db_text(const struct db *d, enum sql which, int column)
{
    sqlite3_stmt *st = d->statements[which];
    const char *p = (const char *)sqlite3_column_text(st, column);
    if (p == NULL)
        return SV_NONE;
    return (struct sv){ p, (size_t)sqlite3_column_bytes(st, column) };
}

/* ---- transactions ---- */

int db_begin(struct db *d, bool writes)
{
    struct err e;
    d->failed = false;
    if (d->lock != NULL && filelock_take(d->lock, d->timeout_ms, &e) != 0) {
        d->failed = d->lost = true;
        d->trouble = STORE_DOWN;
        (void)sqlite3_snprintf((int)sizeof d->text, d->text, "%s", e.text);
        return -1;
    }
    return db_do(d, writes ? SQL_BEGIN_WRITE : SQL_BEGIN_READ, DB_NO_ARGS);
}

static void reset_all(struct db *d)
{
    for (int i = 0; i < SQL_N; i++) {
        if (d->statements[i] != NULL)
            (void)sqlite3_reset(d->statements[i]);
    }
}

void db_rollback(struct db *d)
{
    enum store_status trouble = d->trouble;
    reset_all(d);
    if (sqlite3_get_autocommit(d->handle) == 0) {
        d->failed = false;
        if (db_do(d, SQL_ROLLBACK, DB_NO_ARGS) != 0) /* a hot journal is left; whoever begins next plays it back */
            reset_all(d);
    }
    d->trouble = trouble;
    d->failed = false;
}

int db_commit(struct db *d)
{
    if (!d->failed && db_do(d, SQL_COMMIT, DB_NO_ARGS) == 0)
        return 0;
    db_rollback(d);
    return -1;
}

void db_let_go(struct db *d, bool rest)
{
    if (d->lock == NULL || !filelock_is_held(d->lock))
        return;
    if (rest)
        filelock_release(d->lock);
    else
        filelock_release_now(d->lock);
}

int db_data_version(struct db *d, int64_t *version)
{
    d->failed = false;
    if (db_ask(d, SQL_DATA_VERSION, DB_NO_ARGS) != 1)
        return -1;
    *version = db_int(d, SQL_DATA_VERSION, 0);
    db_end(d, SQL_DATA_VERSION);
    return 0;
}

bool db_is_tight(struct db *d)
{
    struct statvfs v;
    if (d->lock == NULL)
        return false;
    int64_t now_ms = clock_mono_ms();
    if (now_ms - d->tight_asked_ms < TIGHT_EVERY_MS && d->tight_asked_ms != 0)
        return d->tight;
    d->tight_asked_ms = now_ms;
    d->tight = statvfs(d->path, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < TIGHT_BYTES;
    return d->tight;
}

int64_t db_size_bytes(const struct db *d)
{
    sqlite3_int64 pages = 0, size = 0;
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(d->handle, "SELECT page_count, page_size FROM pragma_page_count, pragma_page_size", -1, &st,
                           NULL) == SQLITE_OK &&
        sqlite3_step(st) == SQLITE_ROW) {
        pages = sqlite3_column_int64(st, 0);
        size = sqlite3_column_int64(st, 1);
    }
    (void)sqlite3_finalize(st);
    return pages * size;
}

int64_t db_changes(const struct db *d)
{
    return sqlite3_changes64(d->handle);
}

bool db_is_file(const struct db *d)
{
    return d->lock != NULL;
}

const char *db_version(void)
{
    return sqlite3_libversion();
}

/* ---- open ---- */

/* statfs(2) magic numbers of file systems between hosts. */
int db_check_place(const char *path, struct err *e)
{
    static const uint32_t magic[] = {
        0x6969 /* NFS */,        0x517b /* SMB */,       0xff534d42 /* CIFS */, 0xfe534d42 /* SMB2 */,
        0x5346414f /* AFS */,    0x73757245 /* Coda */,  0x01021997 /* 9P */,   0x00c36400 /* Ceph */,
        0x0bd00bd0 /* Lustre */, 0x7461636f /* OCFS2 */, 0x01161970 /* GFS2 */, 0x47504653 /* GPFS */,
    };
    struct statfs s;
    if (statfs(path, &s) != 0)
        return err_set_errno(e, errno, "%s", path);
    for (size_t i = 0; i < ARRAY_LEN(magic); i++) {
        if ((uint32_t)s.f_type == magic[i])
            return err_set(e, ERR_REFUSED, "%s is on a network file system, whose locks cannot be relied on", path);
    }
    return 0;
}

/* The file must be made before SQLite opens it, for its mode. A file that is there is not opened and closed here:
 * closing would drop the locks that another connection of this process holds on it. */
static int make_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : err_set_errno(e, errno, "%s", path);
    (void)close(fd);
    return 0;
}

static int open_lock(struct db *d, struct err *e)
{
    struct buf name = { 0 };
    if (make_file(d->path, e) != 0 || db_check_place(d->path, e) != 0)
        return -1;
    buf_printf(&name, "%s.lock", d->path);
    d->lock = buf_ok(&name) ? filelock_open(name.p, e) : NULL;
    buf_fini(&name);
    return d->lock != NULL ? 0 : -1;
}

static int run(struct db *d, const char *sql, struct err *e)
{
    if (sqlite3_exec(d->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", d->path, sqlite3_errmsg(d->handle));
}

/* The first column of the first row; 0: there is none. */
static int read_number(struct db *d, const char *sql, int64_t *number, struct err *e)
{
    sqlite3_stmt *st = NULL;
    *number = 0;
    int rc = sqlite3_prepare_v2(d->handle, sql, -1, &st, NULL);
    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        *number = sqlite3_column_int64(st, 0);
    rc = sqlite3_finalize(st);
    return rc == SQLITE_OK ? 0 : err_set(e, ERR_UNAVAILABLE, "%s: %s", d->path, sqlite3_errmsg(d->handle));
}

static int upgrade(struct db *d, struct err *e)
{
    int rc = 0;
    for (const struct sqlite_upgrade *u = sqlite_upgrades; rc == 0 && u->asks != NULL; u++) {
        int64_t is_there;
        rc = read_number(d, u->asks, &is_there, e);
        if (rc == 0 && is_there == 0)
            rc = run(d, u->add, e);
    }
    return rc;
}

/* Under the lock. Tables are made when missing; the archive's tables live in the same file and are none of our
 * business. */
static int make_tables(struct db *d, struct err *e)
{
    int64_t version;
    uint32_t token;
    char sql[160];
    if (run(d, "BEGIN IMMEDIATE", e) != 0 || run(d, sqlite_schema, e) != 0 ||
        read_number(d, "SELECT value FROM state_meta WHERE key = 'version'", &version, e) != 0)
        return -1;
    if (version > SQLITE_SCHEMA_VERSION)
        return err_set(e, ERR_REFUSED, "%s has state of version %lld, this program knows %d", d->path,
                       (long long)version, SQLITE_SCHEMA_VERSION);
    if (upgrade(d, e) != 0)
        return -1;
    id_random(&token, sizeof token);
    (void)sqlite3_snprintf((int)sizeof sql, sql,
                           "INSERT OR IGNORE INTO state_meta VALUES('file', %lld);"
                           " INSERT OR REPLACE INTO state_meta VALUES('version', %d); COMMIT",
                           (long long)token, SQLITE_SCHEMA_VERSION);
    return run(d, sql, e);
}

static int set_up(struct db *d, struct err *e)
{
    struct buf journal = { 0 };
    bool wal = sqlite3_libversion_number() >= WAL_IS_SAFE;
    buf_printf(&journal, "PRAGMA journal_mode = %s", wal ? "WAL" : "PERSIST");
    int rc = buf_ok(&journal) ? 0 : err_set(e, ERR_MEMORY, "no memory");
    (void)sqlite3_extended_result_codes(d->handle, 1);
    (void)sqlite3_busy_timeout(d->handle, (int)d->timeout_ms);
    if (rc == 0)
        rc = run(d, journal.p, e);
    buf_fini(&journal);
    if (rc == 0)
        rc = run(d,
                 "PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY; PRAGMA "
                 "cache_size = -16384;"
                 " PRAGMA journal_size_limit = 4194304",
                 e);
    return rc == 0 ? make_tables(d, e) : -1;
}

static int open_all(struct db *d, struct err *e)
{
    bool in_memory = strcmp(d->path, ":memory:") == 0;
    if (!in_memory && open_lock(d, e) != 0)
        return -1;
    if (sqlite3_open_v2(d->path, &d->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return err_set(e, ERR_IO, "%s: %s", d->path, d->handle != NULL ? sqlite3_errmsg(d->handle) : "no memory");
    if (d->lock != NULL && filelock_take(d->lock, d->timeout_ms, e) != 0)
        return -1;
    int rc = set_up(d, e);
    db_let_go(d, false);
    return rc;
}

struct db *db_open(const char *path, int64_t timeout_ms, struct err *e)
{
    struct db *d = calloc(1, sizeof *d);
    if (d == NULL || (d->path = strdup(path)) == NULL) {
        free(d);
        (void)err_set(e, ERR_MEMORY, "no memory for the state file's connection");
        return NULL;
    }
    d->timeout_ms = timeout_ms;
    if (open_all(d, e) == 0)
        return d;
    db_close(d);
    return NULL;
}

void db_close(struct db *d)
{
    if (d == NULL)
        return;
    for (int i = 0; i < SQL_N; i++)
        (void)sqlite3_finalize(d->statements[i]);
    (void)sqlite3_close(d->handle);
    filelock_close(d->lock);
    free(d->path);
    free(d);
}

/* ---- wiping ---- */

static int read_file(void *arg, void *to, size_t n, int64_t at)
{
    sqlite3_file *f = arg;
    return f->pMethods->xRead(f, to, (int)n, at);
}

static int write_file(void *arg, const void *from, size_t n, int64_t at)
{
    sqlite3_file *f = arg;
    return f->pMethods->xWrite(f, from, (int)n, at);
}

/* In an exclusive transaction. On SQLite's own descriptor: to close another one would drop SQLite's locks. */
static int wipe_file(struct db *d, struct err *e)
{
    sqlite3_file *f = NULL;
    sqlite3_int64 size = 0;
    (void)sqlite3_db_release_memory(d->handle); /* pages in memory still have what is wiped in the file */
    if (sqlite3_file_control(d->handle, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK || f == NULL || f->pMethods == NULL ||
        f->pMethods->xFileSize(f, &size) != SQLITE_OK)
        return err_set(e, ERR_IO, "%s: no access", d->path);
    return scrub(&(struct scrub_file){ .arg = f, .read = read_file, .write = write_file, .size = size }, e);
}

/* What others have in memory is dropped there since this one has committed a change. The journal, which has the rows as they were, goes. */
int db_wipe(struct db *d, struct err *e)
{
    bool wal = sqlite3_libversion_number() >= WAL_IS_SAFE;
    int64_t busy = 0;
    if (d->lock == NULL)
        return 0;
    if (wal && read_number(d, "PRAGMA wal_checkpoint(TRUNCATE)", &busy, e) != 0)
        return -1;
    if (busy != 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: somebody reads the log", d->path);
    if (run(d, "BEGIN EXCLUSIVE", e) != 0)
        return -1;
    if (wipe_file(d, e) != 0 ||
        run(d, "INSERT INTO state_meta VALUES('wiped', 1) ON CONFLICT DO UPDATE SET value = value + 1;"
               "DELETE FROM state_meta WHERE key = 'wipe'; COMMIT", e) != 0) {
        (void)sqlite3_exec(d->handle, "ROLLBACK", NULL, NULL, NULL);
        return -1;
    }
    return wal ? 0 : run(d, "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = PERSIST", e);
}
