/* SPDX-License-Identifier: MIT
 * The bots of the database: the default bot that stands behind all of them, and the AIs and platforms that they name, each behind a circuit
 * breaker of its own. What a row does not say is as the settings have it when it is opened. */
#include "config.h"

#include "outside/breaker.h"
#include "setup_parts.h"
#include "turn/bot_row.h"

_Static_assert(ENVIRONMENT_DEVELOPMENT == 0 && ENVIRONMENT_PRODUCTION == 3, "row_environments has the environments in this order");

static struct breaker *new_breaker(const struct settings *s, const char *name, struct err *e)
{
    struct breaker *b = breaker_new(name, (unsigned)s->breaker_failures, s->breaker_open_ms);
    if (b == NULL)
        (void)err_set(e, ERR_MEMORY, "no memory");
    return b;
}

/* ---- the factory ---- */

/* The settings' model is that of the settings' service: a row names its own. */
static struct ai *open_openai(struct setup *u, const struct bot_core *c, struct err *e)
{
    struct ai_openai_options o = setup_openai(u->settings);
    o.url = c->url;
    o.path = c->path;
    o.token = c->secret;
    o.model = c->model; /* NULL: it says so */
    o.retries = c->retries >= 0 ? c->retries : o.retries;
    return ai_openai_open(u->loop, u->http, &o, e);
}

static struct ai *open_inner_ai(struct setup *u, const struct bot_core *c, struct err *e)
{
    const struct settings *s = u->settings;
    const struct ai_native_options native = {
        .url = c->url,
        .path = c->path != NULL ? c->path : s->ai_path,
        .token = c->secret,
        .model = c->model != NULL ? c->model : s->ai_model,
        .retries = c->retries >= 0 ? c->retries : (int)s->ai_retries,
    };
    if (c->provider == BOT_SIMULATED)
        return ai_simulated_open(u->loop, c->delay_ms >= 0 ? c->delay_ms : s->ai_simulated_delay_ms, e);
    if (c->provider == BOT_OPENAI)
        return open_openai(u, c, e);
    return ai_native_open(u->loop, u->http, &native, e);
}

static struct ai *open_ai(void *arg, const struct bot_core *c, struct breaker **breaker, struct err *e)
{
    struct setup *u = arg;
    struct breaker *b = new_breaker(u->settings, c->name, e);
    struct ai *inner = b == NULL ? NULL : open_inner_ai(u, c, e);
    struct ai *ai = inner == NULL ? NULL : ai_guarded_open(u->loop, inner, b, e);
    *breaker = b;
    if (ai != NULL)
        return ai;
    if (inner != NULL)
        ai_close(inner);
    breaker_free(b);
    *breaker = NULL;
    return NULL;
}

static void close_ai(void *arg, struct ai *ai, struct breaker *breaker)
{
    (void)arg;
    ai_close(ai);
    breaker_free(breaker);
}

static struct platform *open_inner_platform(struct setup *u, const struct bot_platform *p, struct err *e)
{
    const struct settings *s = u->settings;
    const struct platform_actions_options actions = { .url = p->url, .path = p->path != NULL ? p->path : s->pancake_path, .token = p->secret };
    if (p->provider == BOT_PAGES_FM)
        return setup_open_page_row(u, p, e);
    if (p->provider == BOT_LOG)
        return platform_log_open(u->loop, s->pancake_log_file, e);
    return platform_actions_open(u->loop, u->http, &actions, e);
}

static struct platform *open_platform(void *arg, const struct bot_platform *p, struct breaker **breaker, struct err *e)
{
    struct setup *u = arg;
    struct breaker *b = new_breaker(u->settings, p->name, e);
    struct platform *inner = b == NULL ? NULL : open_inner_platform(u, p, e);
    struct platform *platform = inner == NULL ? NULL : platform_guarded_open(u->loop, inner, b, e);
    *breaker = b;
    if (platform != NULL)
        return platform;
    if (inner != NULL)
        platform_close(inner);
    breaker_free(b);
    *breaker = NULL;
    return NULL;
}

static void close_platform(void *arg, struct platform *platform, struct breaker *breaker)
{
    (void)arg;
    platform_close(platform);
    breaker_free(breaker);
}

/* ---- the registry ---- */

static struct bot base_of(const struct setup *u, const struct settings *s)
{
    return (struct bot){
        .bot_id = "default", .name = s->bot_name, .enabled = true, .policy = setup_policy(s), .context_max = (size_t)s->context_messages,
        .json = SV("{}"), .ai = u->ai, .platform = u->platform, .deliver = true,
    };
}

int setup_open_bots(struct setup *u, struct err *e)
{
    const struct bot base = base_of(u, u->settings);
    const struct bots_options o = {
        .loop = u->loop, .archive = u->archive, .environment = row_environments[u->settings->environment], .base = &base,
        .factory = { .open_ai = open_ai, .close_ai = close_ai, .open_platform = open_platform, .close_platform = close_platform, .arg = u },
    };
    u->bots = bots_new(&o, e);
    return u->bots == NULL ? -1 : 0;
}

void setup_change_bots(struct setup *u, const struct settings *s)
{
    const struct bot base = base_of(u, s);
    bots_set_base(u->bots, &base);
}
