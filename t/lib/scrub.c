/* SPDX-License-Identifier: MIT
 * Tests src/lib/scrub.c on files that SQLite made: rows of all sizes come, change, move and go; afterwards none of what is gone is found in
 * the file, everything else reads as before, and SQLite finds nothing wrong with it. Damaged files are refused, not made worse. */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/scrub.h"
#include "t/tap.h"

#define KINDS 40 /* of rows: those of an even kind go */

static char path[64];
static uint64_t seed;

static unsigned below(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)((seed >> 33) % n);
}

static int read_at(void *arg, void *to, size_t n, int64_t at)
{
    return fseek(arg, (long)at, SEEK_SET) != 0 || fread(to, 1, n, arg) != n;
}

static int write_at(void *arg, const void *from, size_t n, int64_t at)
{
    return fseek(arg, (long)at, SEEK_SET) != 0 || fwrite(from, 1, n, arg) != n;
}

static int scrub_file(struct err *e)
{
    FILE *f = fopen(path, "r+b");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        bail_out("no file");
    int rc = scrub(&(struct scrub_file){ .arg = f, .read = read_at, .write = write_at, .size = ftell(f) }, e);
    (void)fclose(f);
    return rc;
}

static sqlite3 *open_db(void)
{
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK)
        bail_out("no database");
    return db;
}

static void run(sqlite3 *db, const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bail_out("%s: %s", sql, sqlite3_errmsg(db));
}

/* One text; to be freed with sqlite3_free. */
static char *text_of(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK || sqlite3_step(st) != SQLITE_ROW)
        bail_out("%s: %s", sql, sqlite3_errmsg(db));
    char *text = sqlite3_mprintf("%s", sqlite3_column_text(st, 0));
    (void)sqlite3_finalize(st);
    return text;
}

static void row(sqlite3 *db, const char *table, unsigned kind, unsigned number)
{
    char one[16];
    unsigned size = below(20) == 0 ? below(30000) : below(900);
    char *content = malloc(size + sizeof one);
    size_t n = 0;
    (void)snprintf(one, sizeof one, "KIND%02u-", kind);
    for (; n < size; n += strlen(one))
        memcpy(content + n, one, strlen(one) + 1);
    content[n] = '\0';
    char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO %s VALUES(%u, %u, '%q')", table, kind, number, content);
    run(db, sql);
    sqlite3_free(sql);
    free(content);
}

static void make(unsigned page, const char *secure)
{
    static const char *const tables[] = { "a", "b" };
    char sql[160];
    (void)unlink(path);
    sqlite3 *db = open_db();
    (void)snprintf(sql, sizeof sql, "PRAGMA page_size = %u; PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF;"
                               " PRAGMA secure_delete = %s", page, secure);
    run(db, sql);
    run(db, "CREATE TABLE a(kind INTEGER, number INTEGER, content TEXT, PRIMARY KEY(kind, number)) WITHOUT ROWID;"
            "CREATE TABLE b(kind INTEGER, number INTEGER, content TEXT, PRIMARY KEY(kind, number)); CREATE INDEX c ON b(content)");
    for (unsigned i = 0; i < 60; i++) {
        run(db, "BEGIN");
        for (unsigned k = 0; k < 25; k++)
            row(db, tables[below(2)], below(KINDS), below(12));
        (void)snprintf(sql, sizeof sql, "DELETE FROM a WHERE kind = %u; DELETE FROM b WHERE kind = %u AND number < 6", below(KINDS),
                       below(KINDS));
        run(db, sql);
        run(db, "COMMIT");
    }
    run(db, "DELETE FROM a WHERE kind % 2 = 0; DELETE FROM b WHERE kind % 2 = 0");
    (void)sqlite3_close(db);
}

/* Kinds that are gone and still in the file. */
static unsigned left_over(void)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL || fseek(f, 0, SEEK_END) != 0)
        bail_out("no file");
    size_t size = (size_t)ftell(f);
    char *all = malloc(size), name[16];
    if (all == NULL || read_at(f, all, size, 0) != 0)
        bail_out("no memory");
    unsigned left = 0;
    for (unsigned kind = 0; kind < KINDS; kind += 2) {
        (void)snprintf(name, sizeof name, "KIND%02u-", kind);
        left += memmem(all, size, name, strlen(name)) != NULL;
    }
    free(all);
    (void)fclose(f);
    return left;
}

static const char *const digest = "SELECT group_concat(kind || ':' || number || ':' || length(content) || ':' || hex(content)) FROM"
                                  " (SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY 1, 2, 3)";

static void test_pages(unsigned page)
{
    struct err e;
    unsigned found = 0, left = 0, wrong = 0;
    for (unsigned round = 0; round < 4; round++) {
        seed = page * 100 + round;
        make(page, round % 2 == 0 ? "OFF" : "FAST");
        found += left_over();
        sqlite3 *db = open_db();
        char *before = text_of(db, digest);
        (void)sqlite3_close(db);
        wrong += scrub_file(&e) != 0;
        left += left_over();
        db = open_db();
        char *after = text_of(db, digest), *sound = text_of(db, "PRAGMA integrity_check");
        wrong += strcmp(before, after) != 0 || strcmp(sound, "ok") != 0;
        for (unsigned i = 0; i < 200; i++)
            row(db, below(2) == 0 ? "a" : "b", 1 + 2 * below(KINDS / 2), below(12));
        char *still = text_of(db, "PRAGMA integrity_check");
        wrong += strcmp(still, "ok") != 0;
        (void)sqlite3_close(db);
        sqlite3_free(before);
        sqlite3_free(after);
        sqlite3_free(sound);
        sqlite3_free(still);
    }
    ok(found > 30, "pages of %u bytes: what is gone is found %u times before", page, found);
    is_int(left, 0, "and never after");
    is_int(wrong, 0, "all else is as it was, and goes on");
}

/* Some bytes of the file are others: it ends, and what SQLite can still read stays so where it was refused at once. */
static void test_damage(void)
{
    struct err e;
    unsigned refused = 0;
    for (unsigned round = 0; round < 60; round++) {
        seed = round;
        if (round % 20 == 0)
            make(1024, "OFF");
        FILE *f = fopen(path, "r+b");
        if (f == NULL || fseek(f, 0, SEEK_END) != 0)
            bail_out("no file");
        unsigned size = (unsigned)ftell(f);
        for (unsigned i = 0; i < 50; i++) {
            unsigned char byte = (unsigned char)below(256);
            if (write_at(f, &byte, 1, 100 + below(size - 100)) != 0)
                bail_out("no file");
        }
        (void)fclose(f);
        refused += scrub_file(&e) != 0;
    }
    ok(refused > 10, "damaged files end in an error (%u of 60)", refused);
    sqlite3 *db;
    (void)unlink(path);
    db = open_db();
    run(db, "PRAGMA auto_vacuum = FULL; CREATE TABLE x(y)");
    (void)sqlite3_close(db);
    is_int(scrub_file(&e), -1, "auto_vacuum is refused");
    FILE *f = fopen(path, "wb");
    (void)fputs("no database, but a text that is longer than the head of a database would be, which has a hundred bytes in all", f);
    (void)fclose(f);
    is_int(scrub_file(&e), -1, "so is what is no database");
    f = fopen(path, "wb");
    (void)fclose(f);
    is_int(scrub_file(&e), 0, "an empty file has nothing to wipe");
}

int main(void)
{
    (void)snprintf(path, sizeof path, "/tmp/scrub.%ld", (long)getpid());
    test_pages(512);
    test_pages(1024);
    test_pages(4096);
    test_pages(65536);
    test_damage();
    (void)unlink(path);
    return done_testing();
}
