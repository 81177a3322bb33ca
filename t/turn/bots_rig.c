/* SPDX-License-Identifier: MIT
 * See bots_rig.h. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/log.h"
#include "outside/breaker.h"
#include "outside/ai.h"
#include "outside/platform.h"
#include "t/tap.h"
#include "t/turn/bots_rig.h"

/* ---- a factory ---- */

struct made {
    struct ai ai;
    struct platform platform;
    char text[512]; /* "name url path model secret timeout retries delay" */
};

struct registry registry;
static const struct platform_ops named = { .name = "double" };
static struct made env = { .text = "environment", .platform = { &named } };

static const char *or_default(const char *s)
{
    return s != NULL ? s : "-";
}

static struct made *make(struct breaker **breaker, struct err *e)
{
    struct made *m = calloc(1, sizeof(*m));
    if (registry.refuse || m == NULL) {
        free(m);
        (void)err_set(e, ERR_INVALID, "the factory has none");
        return NULL;
    }
    *breaker = breaker_new("double", 5, 1000);
    registry.opened++;
    return m;
}

static struct ai *open_ai(void *arg, const struct bot_core *c, struct breaker **breaker, struct err *e)
{
    struct made *m = make(breaker, e);
    (void)arg;
    if (m == NULL)
        return NULL;
    (void)snprintf(m->text, sizeof(m->text), "%s %s %s %s %s %lld %d %lld%s", c->name, or_default(c->url), or_default(c->path),
                   or_default(c->model), c->secret, (long long)c->timeout_ms, c->retries, (long long)c->delay_ms,
                   c->provider == BOT_SIMULATED ? " simulated" : "");
    return &m->ai;
}

static void close_ai(void *arg, struct ai *ai, struct breaker *breaker)
{
    (void)arg;
    registry.closed++;
    breaker_free(breaker);
    free(CONTAINER_OF(ai, struct made, ai));
}

static struct platform *open_platform(void *arg, const struct bot_platform *p, struct breaker **breaker, struct err *e)
{
    struct made *m = make(breaker, e);
    (void)arg;
    if (m == NULL)
        return NULL;
    (void)snprintf(m->text, sizeof(m->text), "%s %s %s %s %lld%s%s", p->name, or_default(p->url), or_default(p->path), p->secret,
                   (long long)p->timeout_ms, p->provider == BOT_LOG ? " log" : p->provider == BOT_PAGES_FM ? " page " : "",
                   p->page_id != NULL ? p->page_id : "");
    return &m->platform;
}

static void close_platform(void *arg, struct platform *p, struct breaker *breaker)
{
    (void)arg;
    registry.closed++;
    breaker_free(breaker);
    free(CONTAINER_OF(p, struct made, platform));
}

const char *registry_ai_of(const struct bot *bot)
{
    return bot->ai != NULL ? CONTAINER_OF(bot->ai, struct made, ai)->text : "none";
}

const char *registry_platform_of(const struct bot *bot)
{
    return bot->platform != NULL ? CONTAINER_OF(bot->platform, struct made, platform)->text : "none";
}

/* ---- a registry ---- */

struct bot registry_base = {
    .bot_id = "default", .name = "Default Bot", .enabled = true, .deliver = true, .context_max = 40,
    .policy = { .on_newer = ON_NEWER_RESTART, .debounce_ms = 5, .max_wait_ms = 10000, .restart_max = 3, .pending_max = 500,
                .lease_ttl_ms = 30000, .human_lease_ms = 1800000, .ai_timeout_ms = 30000, .send_timeout_ms = 10000, .sends_max = 5,
                .attempts_max = 5, .retry_for_ms = 86400000, .retry_base_ms = 1000, .retry_cap_ms = 60000 },
};

void registry_open_on(struct archive *archive, int64_t look_ms)
{
    struct err e = { .text = "" };
    registry_base.ai = &env.ai;
    registry_base.platform = &env.platform;
    const struct bots_options o = {
        .loop = registry.loop, .archive = archive, .environment = "staging", .base = &registry_base, .look_ms = look_ms,
        .factory = { open_ai, close_ai, open_platform, close_platform, NULL },
    };
    registry.opened = registry.closed = 0;
    registry.bots = bots_new(&o, &e);
    if (registry.bots == NULL)
        bail_out("bots_new: %s", e.text);
}

void registry_open_db(int64_t look_ms)
{
    archive_double_open(&registry.db, registry.loop);
    registry_open_on(&registry.db.archive, look_ms);
}

void registry_settle(void)
{
    for (int i = 0; i < 10; i++)
        loop_turn(registry.loop, false);
}

/* A look that was asked for, and its answer. */
void registry_refresh(void)
{
    int before = registry.db.looks;
    bots_look(registry.bots);
    for (int i = 0; i < 2000 && registry.db.looks == before; i++) {
        loop_turn(registry.loop, false);
        usleep(100);
    }
    registry_settle();
}

void registry_close_db(void)
{
    bots_stop(registry.bots);
    archive_double_close(&registry.db);
    registry_settle();
    bots_free(registry.bots);
    is_int(registry.closed, registry.opened, "everything that was opened is closed");
}

struct bot *registry_find(const char *id)
{
    return bots_find(registry.bots, sv_from(id));
}

const char *registry_trouble(const char *id)
{
    static char text[400];
    struct bot *bot = registry_find(id);
    (void)snprintf(text, sizeof(text), "%s", bot == NULL ? "(no bot)" : bot->trouble == NULL ? "(none)" : bot->trouble);
    bot_release(bot);
    return text;
}

void registry_core(const char *name, const char *more)
{
    char row[1024];
    (void)snprintf(row, sizeof(row), "{\"id\":\"id-%s\",\"name\":\"%s\",\"version\":1,%s}", name, name, more);
    archive_double_put(&registry.db, ARCHIVE_AI_CORES, row);
}

void registry_platform(const char *name, const char *more)
{
    char row[1024];
    (void)snprintf(row, sizeof(row), "{\"id\":\"id-%s\",\"name\":\"%s\",\"version\":1,%s}", name, name, more);
    archive_double_put(&registry.db, ARCHIVE_PLATFORMS, row);
}

void registry_bot(const char *id, int version, const char *more)
{
    char row[1024];
    (void)snprintf(row, sizeof(row), "{\"id\":\"id-%s\",\"bot_id\":\"%s\",\"version\":%d,%s}", id, id, version, more);
    archive_double_put(&registry.db, ARCHIVE_BOTS, row);
}

/* Lines of the log that have this text. */
int registry_logged(const char *text)
{
    static char line[8192];
    FILE *in = fopen(registry.log_path, "re");
    int n = 0;
    while (in != NULL && fgets(line, sizeof(line), in) != NULL)
        n += strstr(line, text) != NULL;
    if (in != NULL)
        (void)fclose(in);
    return n;
}

/* ---- the whole test ---- */

void registry_begin(const char *name)
{
    struct err e;
    (void)snprintf(registry.log_path, sizeof(registry.log_path), "/tmp/tk-%s-%ld.log", name, (long)getpid());
    if (log_open("bots.t", registry.log_path, LOG_INFO, &e) != 0)
        bail_out("%s", e.text);
    registry.loop = loop_new();
}

void registry_end(void)
{
    loop_free(registry.loop);
    log_close();
    (void)unlink(registry.log_path);
}
