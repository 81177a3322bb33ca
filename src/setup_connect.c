/* SPDX-License-Identifier: MIT
 * -tt: each configured server is tried, and nothing else is opened. What the programs share in files would be theirs who ask, perhaps root's, and the
 * programs could not use it afterwards; files are only looked at (setup_look.c). */
#include "config.h"

#include <stdio.h>

#include "archive/pg_link.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "setup_parts.h"

#define PATIENCE_MS 5000
#define AGAIN_MS 1000 /* who has failed at once may be just beginning */
#define SILENT "no answer in five seconds"

struct servers {
    const struct settings *settings;
    struct settings_redis at;
    struct loop *loop;
    struct store *redis;      /* NULL: the store is none */
    struct pg_link *postgres; /* NULL: the archive is none */
};

static void stop(void *loop)
{
    loop_stop(loop);
}

/* ---- what is said ---- */

static void tell_redis(const struct servers *v, settings_finding_fn *fn, void *arg)
{
    char text[600];
    const struct settings_redis *r = &v->at;
    const char *reason = store_redis_reason(v->redis);
    bool is_unix = r->unix_path[0] != '\0', is_ip6 = strchr(r->host, ':') != NULL;
    const char *settings = v->settings->redis_url[0] != '\0' ? "REDIS_URL" : is_unix ? "REDIS_HOST" : "REDIS_HOST, REDIS_PORT";
    if (reason[0] == '\0')
        reason = SILENT;
    if (is_unix)
        (void)snprintf(text, sizeof(text), "Redis (%s) cannot be reached at %.200s: %s", settings, r->unix_path, reason);
    else
        (void)snprintf(text, sizeof(text), "Redis (%s) cannot be reached at %s%.200s%s:%d: %s", settings, is_ip6 ? "[" : "", r->host, is_ip6 ? "]" : "", r->port,
                       reason);
    fn(arg, true, text);
}

/* How libpq begins when it cannot read a connection string. It cites what it stumbles over, which may be of the password: one with a character that should
 * have been written %XX makes other parts of it. */
static bool is_unreadable(const char *reason)
{
    static const char *const begins[] = {
        "missing \"=\"", "unterminated quoted", "invalid connection option", "invalid integer value", "invalid port number", "end of string reached", "IPv6 host",
        "unexpected character", "extra key/value", "missing key/value", "invalid URI", "invalid percent-encoded", "forbidden value", "could not match",
    };
    const char *host = strstr(reason, "host name \"");
    for (size_t i = 0; i < ARRAY_LEN(begins); i++)
        if (sv_starts(sv_from(reason), sv_from(begins[i])))
            return true;
    return host != NULL && strchr(host, '@') != NULL;
}

static void tell_postgres(const struct servers *v, settings_finding_fn *fn, void *arg)
{
    char text[600];
    const struct settings *s = v->settings;
    const char *reason = pg_link_error(v->postgres);
    if (reason[0] == '\0')
        reason = SILENT;
    else if (is_unreadable(reason))
        reason = "libpq cannot read this; in a URL a password's special characters are written %XX";
    if (s->database_url[0] != '\0') /* where it is, libpq says */
        (void)snprintf(text, sizeof(text), "PostgreSQL (DATABASE_URL) cannot be reached: %s", reason);
    else
        (void)snprintf(text, sizeof(text), "PostgreSQL (POSTGRES_HOST, POSTGRES_PORT) cannot be reached at %.200s:%d: %s", s->postgres_host, (int)s->postgres_port, reason);
    fn(arg, true, text);
}

/* ---- trying ---- */

static int begin_redis(struct servers *v, struct arena *a, struct err *e)
{
    if (settings_redis(v->settings, a, &v->at, e) != 0)
        return -1;
    if (!v->at.used)
        return 0;
    const struct store_redis_options o = setup_redis(v->settings, &v->at);
    v->redis = store_redis_open(v->loop, &o, e);
    return v->redis == NULL ? -1 : 0;
}

static int begin_postgres(struct servers *v, struct arena *a, struct err *e)
{
    const char *conninfo;
    if (settings_postgres(v->settings, a, &conninfo, e) != 0)
        return -1;
    if (conninfo == NULL)
        return 0;
    v->postgres = pg_link_new(v->loop, &(struct pg_link_options){ .conninfo = conninfo, .timeout_ms = PATIENCE_MS, .changed = stop, .arg = v->loop });
    if (v->postgres == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    pg_link_wake(v->postgres);
    return 0;
}

/* Up, or not configured; or, where that will do, tried in vain. */
static bool redis_is_settled(const struct servers *v, bool failed)
{
    return v->redis == NULL || store_is_up(v->redis) || (failed && store_redis_reason(v->redis)[0] != '\0');
}

static bool postgres_is_settled(const struct servers *v, bool failed)
{
    return v->postgres == NULL || pg_link_state(v->postgres) == PG_LINK_IDLE || (failed && pg_link_error(v->postgres)[0] != '\0');
}

static void await(struct servers *v, settings_finding_fn *fn, void *arg)
{
    int64_t begun_ms = clock_mono_ms(), waited_ms = 0;
    struct loop_timer *tick = loop_timer_new(v->loop, stop, v->loop);
    while (tick != NULL && waited_ms < PATIENCE_MS && !(redis_is_settled(v, waited_ms >= AGAIN_MS) && postgres_is_settled(v, waited_ms >= AGAIN_MS))) {
        loop_timer_set(tick, 50);
        loop_run(v->loop);
        waited_ms = clock_mono_ms() - begun_ms;
    }
    if (!redis_is_settled(v, false))
        tell_redis(v, fn, arg);
    if (!postgres_is_settled(v, false))
        tell_postgres(v, fn, arg);
    loop_timer_free(tick);
}

static void try_servers(struct servers *v, struct arena *a, settings_finding_fn *fn, void *arg)
{
    struct err e;
    if (begin_redis(v, a, &e) != 0)
        fn(arg, true, e.text);
    if (begin_postgres(v, a, &e) != 0)
        fn(arg, true, e.text);
    await(v, fn, arg);
    pg_link_free(v->postgres);
    if (v->redis != NULL)
        store_close(v->redis);
}

void setup_connect(const struct settings *s, settings_finding_fn *fn, void *arg)
{
    struct arena *a = arena_new(0, 1u << 20);
    struct servers v = { .settings = s, .loop = loop_new() };
    enum log_level level = log_threshold;
    if (a == NULL || v.loop == NULL) {
        fn(arg, true, "no memory");
    } else {
        log_threshold = LOG_ERROR; /* why a server cannot be reached is told as a finding */
        setup_look(s, fn, arg);
        try_servers(&v, a, fn, arg);
        setup_probe(s, fn, arg);
        log_threshold = level;
    }
    if (v.loop != NULL)
        loop_free(v.loop);
    arena_free(a);
}
