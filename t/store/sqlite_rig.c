/* SPDX-License-Identifier: MIT
 * See sqlite_rig.h. */
#include "config.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/store/sqlite_rig.h"

static const struct backend plain = { .name = "sqlite", .real_clock = true };
char dir[64], path[80];

void place_open(struct rig *r, const char *name)
{
    *r = (struct rig){ .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 1u << 30) };
    (void)snprintf(dir, sizeof dir, "/tmp/%s.XXXXXX", name);
    if (r->loop == NULL || r->arena == NULL || mkdtemp(dir) == NULL)
        bail_out("no memory or directory");
    (void)snprintf(path, sizeof path, "%s/state.db", dir);
}

void place_close(struct rig *r)
{
    ok(rmdir(dir) == 0, "no file was left");
    arena_free(r->arena);
    loop_free(r->loop);
}

struct store *try_open(struct rig *r, const struct store_sqlite_options *o, struct err *e)
{
    r->heard = r->connected = r->pushes = 0;
    r->s = store_sqlite_open(r->loop, o, e);
    if (r->s != NULL) {
        store_subscribe(r->s, rig_event, r);
        store_on_push(r->s, rig_push, r);
    }
    return r->s;
}

void open_file(struct rig *r, int64_t timeout_ms)
{
    struct err e;
    if (try_open(r, &(struct store_sqlite_options){ .path = path, .poll_ms = 5, .timeout_ms = timeout_ms }, &e) == NULL)
        bail_out("%s", e.text);
}

void close_and_wipe(struct rig *r)
{
    static const char *const ends[] = { "", "-journal", "-wal", "-shm", ".lock" };
    store_close(r->s);
    r->s = NULL;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char name[100];
        (void)snprintf(name, sizeof name, "%s%s", path, ends[i]);
        (void)unlink(name);
    }
    loop_turn(r->loop, false);
    r->calls = NULL;
    arena_reset(r->arena);
}

static int take_number(void *arg, int n, char **values, char **names)
{
    (void)names;
    if (n > 0 && values[0] != NULL)
        *(long *)arg = strtol(values[0], NULL, 10);
    return 0;
}

long by_hand(const char *sql)
{
    sqlite3 *db = NULL;
    long number = 0;
    char *error = NULL;
    if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_busy_timeout(db, 10000) != SQLITE_OK ||
        sqlite3_exec(db, sql, take_number, &number, &error) != SQLITE_OK)
        bail_out("%s: %s", sql, error);
    (void)sqlite3_close(db);
    return number;
}
