/* SPDX-License-Identifier: MIT
 * How each backend of the contract test is started, emptied and tampered with. Redis stands in contract_redis.c. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "t/store/contract.h"

extern const struct backend contract_redis;

static bool nothing_to_start(struct rig *r, const char **why)
{
    (void)r;
    (void)why;
    return true;
}

static void nothing(struct rig *r)
{
    (void)r;
}

static struct store *open_memory(struct rig *r, size_t bound)
{
    return store_memory_open(r->loop, bound);
}

static const struct backend memory = {
    .name = "memory",
    .start = nothing_to_start,
    .stop = nothing,
    .wipe = nothing,
    .open = open_memory,
};

static struct store *open_fail(struct rig *r, size_t bound)
{
    return store_fail_open(r->loop, store_memory_open(r->loop, bound), 0, false, false);
}

static const struct backend fail_never = {
    .name = "fail-never",
    .start = nothing_to_start,
    .stop = nothing,
    .wipe = nothing,
    .open = open_fail,
};

/* ---- SQLite ---- */

struct sqlite_files {
    char dir[64], path[80];
};

static bool sqlite_start(struct rig *r, const char **why)
{
    static struct sqlite_files f;
    (void)snprintf(f.dir, sizeof f.dir, "/tmp/contract.XXXXXX");
    if (mkdtemp(f.dir) == NULL) {
        *why = "no directory for the file";
        return false;
    }
    (void)snprintf(f.path, sizeof f.path, "%s/state.db", f.dir);
    r->own = &f;
    return true;
}

static void sqlite_wipe(struct rig *r)
{
    static const char *const ends[] = { "", "-journal", "-wal", "-shm", ".lock" };
    const struct sqlite_files *f = r->own;
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[100];
        (void)snprintf(path, sizeof path, "%s%s", f->path, ends[i]);
        (void)unlink(path);
    }
}

static void sqlite_stop(struct rig *r)
{
    const struct sqlite_files *f = r->own;
    sqlite_wipe(r);
    ok(rmdir(f->dir) == 0, "sqlite: no other file was left beside the state file");
}

static struct store *open_sqlite_at(struct rig *r, const char *path, size_t bound)
{
    struct err e;
    struct store_sqlite_options o = { .path = path, .poll_ms = 5, .queue_max_bytes = (int64_t)bound * 1000 };
    struct store *s = store_sqlite_open(r->loop, &o, &e);
    if (s == NULL)
        diag("%s", e.text);
    return s;
}

static struct store *open_sqlite(struct rig *r, size_t bound)
{
    return open_sqlite_at(r, ((const struct sqlite_files *)r->own)->path, bound);
}

static void sqlite_cut_lock(struct rig *r, const char *id)
{
    sqlite3 *db = NULL;
    char *sql = sqlite3_mprintf("UPDATE state_conversation SET lease_token = NULL WHERE id = %Q", id);
    ok(sqlite3_open(((const struct sqlite_files *)r->own)->path, &db) == SQLITE_OK &&
           sqlite3_busy_timeout(db, 5000) == SQLITE_OK && sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK &&
           sqlite3_changes(db) == 1,
       "a person deletes the lock with SQL");
    sqlite3_free(sql);
    (void)sqlite3_close(db);
}

static const struct backend sqlite_file = {
    .name = "sqlite",
    .start = sqlite_start,
    .stop = sqlite_stop,
    .wipe = sqlite_wipe,
    .open = open_sqlite,
    .cut_lock = sqlite_cut_lock,
    .shared = true,
};

static struct store *open_sqlite_memory(struct rig *r, size_t bound)
{
    return open_sqlite_at(r, ":memory:", bound);
}

static const struct backend sqlite_memory = {
    .name = "sqlite-memory",
    .start = nothing_to_start,
    .stop = nothing,
    .wipe = nothing,
    .open = open_sqlite_memory,
};

/* The switch: what it adds must not show, neither while the first store is in force nor while the second is. */

static char mode_path[80];

static bool switch_start(struct rig *r, const char **why)
{
    char dir[] = "/tmp/contract.XXXXXX";
    (void)r;
    if (mkdtemp(dir) == NULL) {
        *why = "no directory for the mode file";
        return false;
    }
    (void)snprintf(mode_path, sizeof mode_path, "%s/mode", dir);
    return true;
}

static void switch_wipe(struct rig *r)
{
    (void)r;
    (void)unlink(mode_path);
}

static void switch_stop(struct rig *r)
{
    switch_wipe(r);
    *strrchr(mode_path, '/') = '\0';
    ok(rmdir(mode_path) == 0, "switch: no other file was left beside the mode file");
}

static int never_join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out)
{
    (void)arg;
    (void)a;
    (void)in;
    (void)out;
    return -1;
}

static struct store *open_switch_with(struct rig *r, struct store *first, struct store *second)
{
    struct err e;
    struct store_switch_options o = { .mode_path = mode_path, .patience_ms = 1, .settle_ms = LONG_MS, .join = never_join };
    struct store *s = store_switch_open(r->loop, first, second, &o, &e);
    if (s == NULL)
        diag("%s", e.text);
    return s;
}

static struct store *open_switch(struct rig *r, size_t bound)
{
    return open_switch_with(r, store_memory_open(r->loop, bound), open_sqlite_at(r, ":memory:", bound));
}

static const struct backend switch_first = {
    .name = "switch",
    .start = switch_start,
    .stop = switch_stop,
    .wipe = switch_wipe,
    .open = open_switch,
};

static struct store *open_switch_over(struct rig *r, size_t bound)
{
    static const struct store_redis_options nowhere = { .host = "", .unix_path = "/nonexistent/redis.sock", .user = "", .password = "" };
    struct err e;
    rig_versions = UINT64_C(1) << 48; /* the host has changed once */
    return open_switch_with(r, store_redis_open(r->loop, &nowhere, &e), open_sqlite_at(r, ":memory:", bound));
}

static void switch_over_stop(struct rig *r)
{
    rig_versions = 0;
    switch_stop(r);
}

static const struct backend switch_second = {
    .name = "switch-over",
    .start = switch_start,
    .stop = switch_over_stop,
    .wipe = switch_wipe,
    .open = open_switch_over,
    .real_clock = true,
};

const struct backend *const backends[] = {
    &memory, &fail_never, &sqlite_memory, &sqlite_file, &contract_redis, &switch_first, &switch_second, NULL,
};
