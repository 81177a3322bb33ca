/* SPDX-License-Identifier: MIT
 * Backends are chosen here and nowhere else. */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>

#include "lib/alive.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/metrics.h"
#include "setup.h"
#include "setup_parts.h"
#include "store/store_backends.h"
#include "turn/figures.h"
#include "turn/push.h"
#include "turn/recent.h"

#define HOUR_MS 3600000LL
#define BOTS_PATIENCE_MS 2000

static const char *state_path(const struct settings *s, struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", s->run_dir, name).p;
}

/* The last part of the path only: what is above belongs to the administrator. */
static int make_dir(const char *path, mode_t mode, struct err *e)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    return err_set_errno(e, errno, "the directory %s cannot be made", path);
}

static int make_state_dir(const char *file, struct arena *a, struct err *e)
{
    const char *slash = strrchr(file, '/');
    if (slash == NULL || slash == file)
        return 0;
    const char *dir = arena_str(a, (struct sv){ file, (size_t)(slash - file) });
    return dir == NULL ? err_set(e, ERR_MEMORY, "no memory") : make_dir(dir, 0750, e);
}

/* ---- store ---- */

static struct store *open_embedded(struct setup *u, struct err *e)
{
    const struct store_sqlite_options o = { .path = u->settings->state_file, .queue_max_bytes = u->settings->queue_max_bytes };
    return store_sqlite_open(u->loop, &o, e);
}

struct store_redis_options setup_redis(const struct settings *s, const struct settings_redis *r)
{
    return (struct store_redis_options){
        .host = r->host, .port = r->port, .unix_path = r->unix_path, .user = r->user, .password = r->password, .database = r->database,
        .command_timeout_ms = s->redis_command_timeout_ms, .idle_ms = s->redis_socket_timeout_s * 1000, .queue_max_bytes = s->queue_max_bytes,
    };
}

static struct store *open_redis(struct setup *u, const struct settings_redis *r, struct arena *a, struct err *e)
{
    const struct settings *s = u->settings;
    const struct store_redis_options o = setup_redis(s, r);
    enum store_fallback fallback = s->store_fallback == FALLBACK_REJECT  ? STORE_FALLBACK_REJECT
                                   : s->store_fallback == FALLBACK_SPOOL ? STORE_FALLBACK_SPOOL
                                                                         : STORE_FALLBACK_EMBEDDED;
    if (s->store_fallback == FALLBACK_AUTO && !r->local)
        fallback = STORE_FALLBACK_SPOOL;
    struct store *redis = store_redis_open(u->loop, &o, e);
    if (redis == NULL)
        return NULL;
    struct store *file = NULL;
    if (fallback != STORE_FALLBACK_REJECT && (file = open_embedded(u, e)) == NULL) {
        store_close(redis);
        return NULL;
    }
    const struct store_switch_options w = { .fallback = fallback, .mode_path = state_path(s, a, "store.mode"), .join = turns_join };
    struct store *both = store_switch_open(u->loop, redis, file, &w, e);
    if (both == NULL) {
        store_close(redis);
        store_close(file);
    }
    return both;
}

static int open_store(struct setup *u, struct arena *a, struct err *e)
{
    struct settings_redis r;
    if (settings_redis(u->settings, a, &r, e) != 0)
        return -1;
    u->store = r.used ? open_redis(u, &r, a, e) : open_embedded(u, e);
    return u->store == NULL ? -1 : 0;
}

/* ---- archive ---- */

static int open_archive(struct setup *u, struct arena *a, struct err *e)
{
    const struct settings *s = u->settings;
    if (settings_postgres(s, a, &u->conninfo, e) != 0)
        return -1;
    if (u->conninfo != NULL) {
        const struct archive_postgres_options o = { .conninfo = u->conninfo, .pool_size = (int)s->postgres_pool_size };
        u->archive = archive_postgres_open(u->loop, &o, e);
        return u->archive == NULL ? -1 : 0;
    }
    if (strcmp(s->state_file, ":memory:") == 0)
        return 0;
    int applied;
    if (setup_migrate(s, a, &applied, e) != 0)
        return -1;
    u->archive = archive_sqlite_open(u->loop, s->state_file, e);
    return u->archive == NULL ? -1 : 0;
}

int setup_migrate(const struct settings *s, struct arena *a, int *applied, struct err *e)
{
    const char *conninfo;
    if (settings_postgres(s, a, &conninfo, e) != 0)
        return -1;
    const char *dir = arena_printf(a, "%s/%s", s->sql_dir, conninfo != NULL ? "postgres" : "sqlite").p;
    if (dir == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    if (conninfo != NULL)
        return migrate_postgres(conninfo, dir, applied, e);
    *applied = 0;
    return strcmp(s->state_file, ":memory:") == 0 ? 0 : migrate_sqlite(s->state_file, dir, applied, e);
}

/* ---- figures ---- */

static int open_metrics(struct setup *u, struct arena *a, struct err *e)
{
    struct err why;
    u->metrics = metrics_open(state_path(u->settings, a, "metrics"), FIGURES_LAYOUT, &why);
    if (u->metrics == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    if (why.code != ERR_NONE)
        log_warning("this process counts for itself alone", "error", why.text, NULL);
    return 0;
}

/* ---- turns ---- */

/* Without it, histories that come while the store is away may be answered twice: worth a warning, not an end. */
static void open_recent(struct setup *u, struct arena *a)
{
    const char *path = state_path(u->settings, a, "recent");
    struct err why = { 0 };
    u->recent = path != NULL ? recent_open(path, &why) : NULL;
    if (u->recent == NULL)
        log_warning("what was accepted lately is not remembered", "error", why.text, NULL);
}

static int open_turns(struct setup *u, size_t turns_max, struct err *e)
{
    const struct turns_options o = {
        .loop = u->loop, .store = u->store, .ai = u->ai, .platform = u->platform, .archive = u->archive, .alive = u->alive,
        .metrics = u->metrics, .recent = u->recent, .log_content = u->settings->log_content,
        .bots = u->bots, .job_ttl_ms = u->settings->job_ttl_s * 1000, .session_ttl_ms = u->settings->session_cache_ttl_s * 1000,
        .history_days = u->settings->max_history_days, .sessions_max = (size_t)u->settings->max_sessions_per_user, .page_size = u->settings->page_size, .retention_ms = u->settings->retention_days * INT64_C(86400000),
        .policy = setup_policy(u->settings), .bot_id = "default", .bot_name = u->settings->bot_name,
        .context_max = (size_t)u->settings->context_messages, .mark_ttl_ms = 48 * HOUR_MS, .answer_ttl_ms = HOUR_MS,
        .turns_max = turns_max, .stuck_after_ms = u->settings->stuck_after_s * 1000,
    };
    u->hub = hub_new(u->loop, u->store, e);
    u->turns = u->hub != NULL ? turns_new(&o, e) : NULL;
    return u->turns == NULL ? -1 : 0;
}

int setup_open(struct setup *u, const struct settings *s, struct arena *a, size_t turns_max, struct err *e)
{
    *u = (struct setup){ .settings = s, .loop = loop_new() };
    if (u->loop == NULL)
        return err_set(e, ERR_MEMORY, "no event loop");
    const char *alive_dir = state_path(s, a, "alive");
    int rc = make_dir(s->run_dir, 0755, e);
    if (rc == 0 && strcmp(s->state_file, ":memory:") != 0)
        rc = make_state_dir(s->state_file, a, e);
    if (rc == 0 && (u->alive = alive_open(alive_dir, e)) == NULL)
        rc = -1;
    if (rc == 0)
        rc = open_metrics(u, a, e);
    if (rc == 0)
        rc = open_store(u, a, e);
    if (rc == 0)
        rc = open_archive(u, a, e);
    if (rc == 0)
        rc = setup_open_outside(u, e);
    if (rc == 0)
        rc = setup_open_bots(u, e); /* before the turns, which begin with them */
    if (rc == 0) {
        open_recent(u, a);
        rc = open_turns(u, turns_max, e);
    }
    if (rc != 0)
        setup_close(u);
    return rc;
}

void setup_close(struct setup *u)
{
    turns_free(u->turns);
    bots_stop(u->bots);
    setup_close_outside(u);
    if (u->archive != NULL)
        archive_close(u->archive);
    bots_free(u->bots);
    hub_free(u->hub);
    store_close(u->store);
    metrics_close(u->metrics);
    recent_close(u->recent);
    if (u->alive != NULL)
        alive_close(u->alive);
    if (u->loop != NULL)
        loop_free(u->loop);
    *u = (struct setup){ 0 };
}

void setup_await_bots(struct setup *u)
{
    int64_t until_ms = clock_mono_ms() + BOTS_PATIENCE_MS;
    struct loop_timer *tick = u->archive == NULL ? NULL : loop_timer_new(u->loop, (loop_fn *)loop_stop, u->loop);
    while (tick != NULL && !bots_is_settled(u->bots) && clock_mono_ms() < until_ms) {
        loop_timer_set(tick, 10);
        loop_run(u->loop);
    }
    loop_timer_free(tick);
}
