/* SPDX-License-Identifier: MIT
 * The numbered files of a directory, and the order of work that both databases share. Knows neither database: they are a struct migration_db
 * each. What callers use is in archive.h. */
#ifndef ARCHIVE_MIGRATE_H
#define ARCHIVE_MIGRATE_H

#include "lib/arena.h"
#include "lib/digest.h"
#include "lib/err.h"

struct migration { /* one file NNN_name.sql */
    int version;
    const char *name; /* of the file */
    const char *sql;
    char checksum[2 * DIGEST_SIZE + 1];
};

struct migration_db {
    void *db;
    /* Begins a transaction that no other migrator can have at the same time; makes schema_migrations when it is not there. */
    int (*begin)(void *db, struct err *e);
    /* Ends it. commit false: rolls back. */
    int (*end)(void *db, bool commit, struct err *e);
    int (*newest)(void *db, int *version, struct err *e); /* 0: none */
    /* "" when the version has not been applied. */
    int (*checksum)(void *db, int version, char out[2 * DIGEST_SIZE + 1], struct err *e);
    /* The file and its row. */
    int (*apply)(void *db, const struct migration *m, struct err *e);
};

/* -1: a file that cannot be read, two with one number, a gap in the numbers, or none at all. */
int migrations_read(struct arena *a, const char *dir, const struct migration **list, size_t *n, struct err *e) MUST_CHECK;
int migrations_apply(const struct migration_db *db, const struct migration *list, size_t n, int *applied, struct err *e) MUST_CHECK;

#endif
