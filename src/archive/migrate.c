/* SPDX-License-Identifier: MIT
 * Each file is one transaction under the lock, and whether it has been applied is asked inside it: so any number of processes may do this at
 * once, and one that is killed leaves whole files behind. A file that has changed since it was applied is an error: what the database
 * has is then not what the files say. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "archive/migrate.h"
#include "lib/buf.h"

#define FILE_MAX_BYTES (4u << 20)
#define FILES_MAX 1000

/* ---- files ---- */

static int version_of(const char *name) /* 0: not a migration */
{
    size_t n = strlen(name);
    int version = 0;

    if (n < sizeof("001_.sql") - 1 || name[3] != '_' || strcmp(name + n - 4, ".sql") != 0)
        return 0;
    for (size_t i = 0; i < 3; i++) {
        if (name[i] < '0' || name[i] > '9')
            return 0;
        version = version * 10 + (name[i] - '0');
    }
    return version;
}

static int read_file(const char *path, struct buf *b, struct err *e)
{
    FILE *f = fopen(path, "re");
    size_t n = 0;
    char *p;
    int rc = 0;

    if (f == NULL)
        return err_set_errno(e, errno, "%s", path);
    b->max = FILE_MAX_BYTES;
    while ((p = buf_room(b, 65536)) != NULL && (n = fread(p, 1, 65536, f)) > 0)
        buf_grown(b, n);
    if (p == NULL)
        rc = err_set(e, ERR_RANGE, "%s: too large", path);
    else if (ferror(f))
        rc = err_set_errno(e, errno, "%s", path);
    else if (b->n == 0 || memchr(b->p, '\0', b->n) != NULL)
        rc = err_set(e, ERR_INVALID, "%s: empty, or not a text", path);
    (void)fclose(f);
    return rc;
}

static int read_migration(struct arena *a, const char *dir, const char *name, struct migration *m, struct err *e)
{
    struct buf path = { 0 }, text = { 0 };
    int rc = -1;

    buf_printf(&path, "%s/%s", dir, name);
    if (!buf_ok(&path))
        (void)err_set(e, ERR_MEMORY, "out of memory");
    else
        rc = read_file(path.p, &text, e);
    if (rc == 0) {
        m->version = version_of(name);
        m->name = arena_str(a, sv_from(name));
        m->sql = arena_str(a, buf_sv(&text));
        digest_hex(buf_sv(&text), DIGEST_SIZE, m->checksum);
        if (m->name == NULL || m->sql == NULL)
            rc = err_set(e, ERR_MEMORY, "out of memory");
    }
    buf_fini(&path);
    buf_fini(&text);
    return rc;
}

static int by_version(const void *a, const void *b)
{
    const struct migration *x = a, *y = b;

    return (x->version > y->version) - (x->version < y->version);
}

static int check_numbers(const struct migration *list, size_t n, const char *dir, struct err *e)
{
    if (n == 0)
        return err_set(e, ERR_IO, "%s: no file NNN_name.sql", dir);
    for (size_t i = 0; i < n; i++)
        if (list[i].version != (int)i + 1)
            return err_set(e, ERR_INVALID, "%s: number %03zu is missing or there twice", dir, i + 1);
    return 0;
}

int migrations_read(struct arena *a, const char *dir, const struct migration **list, size_t *n, struct err *e)
{
    struct migration *all = arena_array(a, FILES_MAX, sizeof(*all));
    DIR *d = opendir(dir);
    int rc = 0;

    *n = 0;
    if (d == NULL)
        return err_set_errno(e, errno, "%s", dir);
    if (all == NULL)
        rc = err_set(e, ERR_MEMORY, "out of memory");
    for (const struct dirent *entry; rc == 0 && (entry = readdir(d)) != NULL;) {
        if (version_of(entry->d_name) == 0)
            continue;
        if (*n == FILES_MAX)
            rc = err_set(e, ERR_RANGE, "%s: more than %d files", dir, FILES_MAX);
        else
            rc = read_migration(a, dir, entry->d_name, &all[(*n)++], e);
    }
    (void)closedir(d);
    if (rc != 0)
        return -1;
    qsort(all, *n, sizeof(*all), by_version);
    *list = all;
    return check_numbers(all, *n, dir, e);
}

/* ---- applying ---- */

/* Inside the transaction: 1 it was applied now, 0 it was already. */
static int apply_one(const struct migration_db *db, const struct migration *m, int last, struct err *e)
{
    char checksum[sizeof(m->checksum)] = "";
    int newest = 0;

    if (db->newest(db->db, &newest, e) != 0 || db->checksum(db->db, m->version, checksum, e) != 0)
        return -1;
    if (newest > last)
        return err_set(e, ERR_RANGE, "the database has version %d, this program knows %d: it is older than the database", newest, last);
    if (checksum[0] == '\0')
        return db->apply(db->db, m, e) == 0 ? 1 : -1;
    if (strcmp(checksum, m->checksum) != 0)
        return err_set(e, ERR_INVALID, "%s has changed since it was applied", m->name);
    return 0;
}

int migrations_apply(const struct migration_db *db, const struct migration *list, size_t n, int *applied, struct err *e)
{
    *applied = 0;
    for (size_t i = 0; i < n; i++) {
        int rc;
        if (db->begin(db->db, e) != 0)
            return -1;
        rc = apply_one(db, &list[i], list[n - 1].version, e);
        if (rc < 0) {
            (void)db->end(db->db, false, NULL);
            return -1;
        }
        if (db->end(db->db, true, e) != 0)
            return -1;
        *applied += rc;
    }
    return 0;
}
