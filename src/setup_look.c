/* SPDX-License-Identifier: MIT
 * -tt's look at files and directories: would the programs, run by who asks, find them or make them? By access(2) alone: a lock that was tried, or a database that
 * was opened, would leave a file. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "setup_parts.h"
#include "store/sqlite_db.h"

struct look {
    const struct settings *settings;
    struct arena *arena;
    settings_finding_fn *fn;
    void *arg;
    const char *setting; /* whose turn it is */
};

static void tell(const struct look *l, bool wrong, const char *what, const char *path, int number)
{
    char text[600];
    struct err why;
    (void)err_set_errno(&why, number, "%.180s", path);
    (void)snprintf(text, sizeof(text), "%s: %s%s", l->setting, what, why.text);
    l->fn(l->arg, wrong, text);
}

/* What the owner of this process may, as open(2) sees it. 0, or an errno value. */
static int denied(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : errno;
}

/* The directory that `path` stands in; NULL: memory. */
static const char *parent_of(const struct look *l, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    return n == 0 ? "." : arena_str(l->arena, (struct sv){ path, n });
}

/* 0, or why it cannot be had with these rights. */
static int directory_denied(const char *path, int mode)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    return S_ISDIR(st.st_mode) ? denied(path, mode) : ENOTDIR;
}

static int file_denied(const char *path, int mode)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    return S_ISDIR(st.st_mode) ? EISDIR : denied(path, mode);
}

/* True: it is there and can be used. When it is missing the programs make it, the last part of the path alone. */
static bool look_at_directory(const struct look *l, const char *path, int mode)
{
    int number = directory_denied(path, mode);
    const char *parent = number == ENOENT ? parent_of(l, path) : NULL;
    if (parent != NULL && (number = directory_denied(parent, W_OK | X_OK)) != 0)
        tell(l, true, "the directory is missing and cannot be made: ", path, number);
    else if (number != 0)
        tell(l, true, "", path, number);
    return number == 0 && parent == NULL;
}

/* In a directory where it can be made. */
static void look_at_file(const struct look *l, bool wrong, const char *path)
{
    int number = path != NULL ? file_denied(path, R_OK | W_OK) : ENOMEM;
    if (number != 0 && number != ENOENT)
        tell(l, wrong, "", path != NULL ? path : "", number);
}

/* ---- the settings ---- */

/* Whether a store, or the archive, is in the state file. */
static bool uses_state_file(const struct settings *s, bool redis, bool postgres)
{
    return !redis || !postgres || s->store_fallback != FALLBACK_REJECT;
}

static void look_at_state_file(struct look *l, bool used)
{
    static const char *const beside[] = { "", ".lock", "-wal", "-shm" };
    const char *file = l->settings->state_file;
    const char *directory = parent_of(l, file);
    struct err e;
    l->setting = "STATE_FILE";
    if (directory == NULL || !look_at_directory(l, directory, used ? W_OK | X_OK : X_OK) || !used)
        return;
    for (size_t i = 0; i < ARRAY_LEN(beside); i++)
        look_at_file(l, true, arena_printf(l->arena, "%s%s", file, beside[i]).p);
    if (db_check_place(denied(file, F_OK) == 0 ? file : directory, &e) != 0)
        l->fn(l->arg, true, e.text);
}

static void look_at_run_dir(struct look *l, bool has_mode)
{
    const char *directory = l->settings->run_dir;
    l->setting = "RUN_DIR";
    if (!look_at_directory(l, directory, W_OK | X_OK))
        return;
    const char *alive = arena_printf(l->arena, "%s/alive", directory).p;
    int number = alive != NULL ? directory_denied(alive, R_OK | W_OK | X_OK) : ENOMEM;
    if (number != 0 && number != ENOENT)
        tell(l, true, "", alive != NULL ? alive : directory, number);
    if (has_mode)
        look_at_file(l, true, arena_printf(l->arena, "%s/store.mode", directory).p);
    look_at_file(l, false, arena_printf(l->arena, "%s/metrics", directory).p); /* without these two the programs run */
    look_at_file(l, false, arena_printf(l->arena, "%s/recent", directory).p);
}

static void look_at_migrations(struct look *l)
{
    const char *directory = arena_printf(l->arena, "%s/sqlite", l->settings->sql_dir).p;
    int number = directory != NULL ? directory_denied(directory, R_OK | X_OK) : ENOMEM;
    l->setting = "SQL_DIR";
    if (number != 0)
        tell(l, true, "", directory != NULL ? directory : "", number);
}

/* A file that lines are added to; its directory is not made. */
static void look_at_log(struct look *l, const char *setting, const char *path)
{
    int number = path[0] != '\0' ? file_denied(path, W_OK) : 0;
    const char *parent = number == ENOENT ? parent_of(l, path) : NULL;
    l->setting = setting;
    if (parent != NULL)
        number = directory_denied(parent, W_OK | X_OK);
    if (number != 0)
        tell(l, true, "", path, number);
}

void setup_look(const struct settings *s, settings_finding_fn *fn, void *arg)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct look l = { .settings = s, .arena = a, .fn = fn, .arg = arg };
    struct settings_redis redis;
    const char *conninfo;
    struct err e;
    if (a == NULL)
        (void)err_set(&e, ERR_MEMORY, "no memory");
    if (a == NULL || settings_redis(s, a, &redis, &e) != 0 || settings_postgres(s, a, &conninfo, &e) != 0) {
        fn(arg, true, e.text);
        arena_free(a);
        return;
    }
    bool in_memory = strcmp(s->state_file, ":memory:") == 0;
    look_at_log(&l, "LOG_FILE", s->log_file);
    if (s->pancake_provider == PANCAKE_PROVIDER_LOG)
        look_at_log(&l, "PANCAKE_LOG_FILE", s->pancake_log_file);
    look_at_run_dir(&l, redis.used && s->store_fallback != FALLBACK_REJECT);
    if (!in_memory)
        look_at_state_file(&l, uses_state_file(s, redis.used, conninfo != NULL));
    if (!in_memory && conninfo == NULL)
        look_at_migrations(&l);
    arena_free(a);
}
