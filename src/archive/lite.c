/* SPDX-License-Identifier: MIT
 * The rules of the file are the store's, since it is the same file: rollback journal TRUNCATE before SQLite 3.51.3, whose WAL can corrupt a
 * file that several connections write (from then on WAL); synchronous FULL, so that what was committed survives a power cut; every
 * transaction under the lock file, since SQLite's own waiting starves under load.
 * The state file is never opened and closed here beside SQLite: closing any descriptor of it would drop the locks that other connections
 * of this process hold. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "archive/lite.h"
#include "lib/buf.h"
#include "lib/clock.h"
#include "lib/filelock.h"
#include "lib/scrub.h"

#define WAL_IS_SAFE 3051003
#define WAIT_MS 100 /* between looks at give_up */

struct lite {
    struct lite_options o;
    sqlite3 *handle;
    sqlite3_stmt **statements;
    struct filelock *lock;
    enum lite_trouble trouble;
    char text[200];
};

/* ---- trouble ---- */

static int fail_as(struct lite *l, enum lite_trouble trouble, const char *text)
{
    if (l->trouble == LITE_FINE) {
        l->trouble = trouble;
        (void)sqlite3_snprintf((int)sizeof(l->text), l->text, "%s", text);
    }
    return -1;
}

static int fail(struct lite *l)
{
    switch (sqlite3_errcode(l->handle) & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_TOOBIG:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
        return fail_as(l, LITE_ROW, sqlite3_errmsg(l->handle));
    case SQLITE_ERROR:
        return fail_as(l, LITE_ODD, sqlite3_errmsg(l->handle));
    default:
        return fail_as(l, LITE_FILE, sqlite3_errmsg(l->handle));
    }
}

enum lite_trouble lite_trouble(const struct lite *l)
{
    return l->trouble;
}

const char *lite_text(const struct lite *l)
{
    return l->text;
}

/* ---- statements ---- */

static int prepare(struct lite *l, unsigned statement)
{
    if (l->statements[statement] != NULL)
        return 0;
    if (sqlite3_prepare_v3(l->handle, l->o.sql[statement], -1, SQLITE_PREPARE_PERSISTENT, &l->statements[statement], NULL) == SQLITE_OK)
        return 0;
    return fail(l);
}

static int bind(sqlite3_stmt *s, int at, const struct lite_arg *a)
{
    switch (a->kind) {
    case LITE_NULL:
        return sqlite3_bind_null(s, at);
    case LITE_INT:
        return sqlite3_bind_int64(s, at, a->i);
    case LITE_REAL:
        return sqlite3_bind_double(s, at, a->d);
    case LITE_TEXT:
        return sqlite3_bind_text64(s, at, a->s.p, a->s.n, SQLITE_STATIC, SQLITE_UTF8);
    case LITE_BLOB:
        return sqlite3_bind_blob64(s, at, a->s.p, a->s.n, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

int lite_next(struct lite *l, unsigned statement)
{
    int rc = l->trouble == LITE_FINE ? sqlite3_step(l->statements[statement]) : SQLITE_ABORT;

    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        (void)fail(l);
    (void)sqlite3_reset(l->statements[statement]);
    return rc == SQLITE_DONE ? 0 : -1;
}

int lite_ask(struct lite *l, unsigned statement, const struct lite_arg *args, size_t n)
{
    if (l->trouble != LITE_FINE || prepare(l, statement) != 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (bind(l->statements[statement], (int)i + 1, &args[i]) != SQLITE_OK)
            return fail(l);
    return lite_next(l, statement);
}

void lite_end(struct lite *l, unsigned statement)
{
    if (l->statements[statement] != NULL)
        (void)sqlite3_reset(l->statements[statement]);
}

int lite_do(struct lite *l, unsigned statement, const struct lite_arg *args, size_t n)
{
    int rc = lite_ask(l, statement, args, n);

    while (rc > 0)
        rc = lite_next(l, statement);
    return rc;
}

int lite_script(struct lite *l, const char *sql)
{
    if (l->trouble != LITE_FINE)
        return -1;
    return sqlite3_exec(l->handle, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(l);
}

int64_t lite_int(const struct lite *l, unsigned statement, int column)
{
    return sqlite3_column_int64(l->statements[statement], column);
}

struct sv lite_value(const struct lite *l, unsigned statement, int column)
{
    const void *p = sqlite3_column_text(l->statements[statement], column);

    return (struct sv){ p, p != NULL ? (size_t)sqlite3_column_bytes(l->statements[statement], column) : 0 };
}

int64_t lite_changes(const struct lite *l)
{
    return sqlite3_changes64(l->handle);
}

/* ---- transactions ---- */

static int take_lock(struct lite *l)
{
    int64_t until_ms = clock_mono_ms() + l->o.timeout_ms;
    struct err e = { 0 };

    while (filelock_take(l->lock, WAIT_MS, &e) != 0) {
        bool give_up = l->o.give_up != NULL && atomic_load(l->o.give_up);
        if (e.code != ERR_UNAVAILABLE || give_up || clock_mono_ms() >= until_ms)
            return fail_as(l, LITE_FILE, e.text);
    }
    return 0;
}

static void let_go(struct lite *l, bool rest)
{
    if (!filelock_is_held(l->lock))
        return;
    if (rest)
        filelock_release(l->lock);
    else
        filelock_release_now(l->lock);
}

int lite_begin(struct lite *l, bool writes)
{
    l->trouble = LITE_FINE;
    if (take_lock(l) != 0)
        return -1;
    if (lite_script(l, writes ? "BEGIN IMMEDIATE" : "BEGIN") == 0)
        return 0;
    let_go(l, false);
    return -1;
}

static void undo(struct lite *l)
{
    for (size_t i = 0; i < l->o.sql_n; i++)
        lite_end(l, (unsigned)i);
    /* When it fails, a hot journal is left, which whoever comes next plays back. */
    if (sqlite3_get_autocommit(l->handle) == 0)
        (void)sqlite3_exec(l->handle, "ROLLBACK", NULL, NULL, NULL);
}

int lite_commit(struct lite *l, bool rest)
{
    int rc = lite_script(l, "COMMIT");

    if (rc != 0)
        undo(l);
    let_go(l, rest);
    return rc;
}

void lite_rollback(struct lite *l)
{
    undo(l);
    let_go(l, false);
}

int lite_item(struct lite *l)
{
    return lite_script(l, "SAVEPOINT item");
}

int lite_item_done(struct lite *l)
{
    return lite_script(l, "RELEASE item");
}

int lite_item_undo(struct lite *l)
{
    for (size_t i = 0; i < l->o.sql_n; i++)
        lite_end(l, (unsigned)i);
    l->trouble = LITE_FINE;
    return lite_script(l, "ROLLBACK TO item; RELEASE item");
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

/* In an exclusive transaction, on SQLite's own descriptor: to close another one would drop its locks. Pages in memory still have what is wiped. */
static int wipe_file(struct lite *l)
{
    sqlite3_file *f = NULL;
    sqlite3_int64 size = 0;
    struct err e = { 0 };

    (void)sqlite3_db_release_memory(l->handle);
    if (sqlite3_file_control(l->handle, "main", SQLITE_FCNTL_FILE_POINTER, &f) != SQLITE_OK || f == NULL || f->pMethods == NULL ||
        f->pMethods->xFileSize(f, &size) != SQLITE_OK)
        return fail_as(l, LITE_FILE, "no access to the file");
    if (scrub(&(struct scrub_file){ .arg = f, .read = read_file, .write = write_file, .size = size }, &e) == 0)
        return 0;
    return fail_as(l, e.code == ERR_REFUSED || e.code == ERR_PROTOCOL ? LITE_ODD : LITE_FILE, e.text);
}

/* Of a write-ahead log; fails where somebody who does not know of the lock reads the file. A rollback journal is cut to nothing by each commit. */
static int empty_log(struct lite *l)
{
    return sqlite3_wal_checkpoint_v2(l->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) == SQLITE_OK ? 0 : fail(l);
}

int lite_wipe(struct lite *l, const char *change)
{
    int rc;

    l->trouble = LITE_FINE;
    if (take_lock(l) != 0)
        return -1;
    rc = empty_log(l);
    if (rc == 0)
        rc = lite_script(l, "BEGIN EXCLUSIVE");
    if (rc == 0)
        rc = wipe_file(l);
    if (rc == 0)
        rc = lite_script(l, change);
    if (rc == 0)
        rc = lite_script(l, "COMMIT");
    if (rc == 0)
        rc = empty_log(l);
    if (rc != 0)
        undo(l);
    let_go(l, false);
    return rc;
}

/* ---- opening ---- */

static int make_file(const char *path, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno == EEXIST ? 0 : err_set_errno(e, errno, "%s", path);
    (void)close(fd);
    return 0;
}

static int open_lock(struct lite *l, struct err *e)
{
    struct buf name = { 0 };

    buf_printf(&name, "%s.lock", l->o.path);
    if (buf_ok(&name))
        l->lock = filelock_open(name.p, e);
    else
        (void)err_set(e, ERR_MEMORY, "out of memory");
    buf_fini(&name);
    return l->lock != NULL ? 0 : -1;
}

static int set_up(struct lite *l)
{
    const char *journal =
        sqlite3_libversion_number() >= WAL_IS_SAFE ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = TRUNCATE";
    int rc = take_lock(l);

    if (rc == 0)
        rc = lite_script(l, journal);
    if (rc == 0)
        rc = lite_script(l, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
                            " PRAGMA secure_delete = FAST"); /* ON leaves copies behind, too: lite_wipe */
    let_go(l, false);
    return rc;
}

static int open_all(struct lite *l, struct err *e)
{
    if (make_file(l->o.path, e) != 0 || open_lock(l, e) != 0)
        return -1;
    if (sqlite3_open_v2(l->o.path, &l->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return err_set(e, ERR_IO, "%s: %s", l->o.path, l->handle != NULL ? sqlite3_errmsg(l->handle) : "out of memory");
    (void)sqlite3_busy_timeout(l->handle, (int)l->o.timeout_ms);
    if (set_up(l) != 0)
        return err_set(e, ERR_UNAVAILABLE, "%s: %s", l->o.path, l->text);
    return 0;
}

struct lite *lite_open(const struct lite_options *o, struct err *e)
{
    struct lite *l = calloc(1, sizeof(*l));

    if (l == NULL || (l->statements = calloc(o->sql_n + 1, sizeof(sqlite3_stmt *))) == NULL) {
        free(l);
        (void)err_set(e, ERR_MEMORY, "out of memory");
        return NULL;
    }
    l->o = *o;
    if (open_all(l, e) == 0)
        return l;
    lite_close(l);
    return NULL;
}

void lite_close(struct lite *l)
{
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->o.sql_n; i++)
        (void)sqlite3_finalize(l->statements[i]);
    (void)sqlite3_close(l->handle);
    filelock_close(l->lock);
    free(l->statements);
    free(l);
}
