/* SPDX-License-Identifier: MIT
 * Who is asked, and how a turn behaves, as the settings say; and the same again when they have changed while the program runs. */
#include "config.h"

#include "outside/breaker.h"
#include "outside/callback.h"
#include "setup_parts.h"

#define MINUTE_MS 60000LL
#define HOUR_MS 3600000LL

static struct ai_native_options native_options(const struct settings *s)
{
    return (struct ai_native_options){ .url = s->ai_url, .path = s->ai_path, .token = s->ai_token, .model = s->ai_model,
                                       .retries = (int)s->ai_retries };
}

struct ai_openai_options setup_openai(const struct settings *s)
{
    return (struct ai_openai_options){ .url = s->ai_url, .token = s->ai_token, .model = s->ai_model, .system_prompt = s->ai_system_prompt,
                                       .retries = (int)s->ai_retries, .rounds = (int)s->ai_rounds, .context_tokens = s->ai_context_tokens,
                                       .answer_tokens = s->ai_answer_tokens, .first_byte_ms = s->ai_first_byte_ms, .silence_ms = s->ai_silence_ms,
                                       .tools = s->ai_tools, .stream_usage = s->ai_stream_usage };
}

static struct platform_actions_options actions_options(const struct settings *s)
{
    return (struct platform_actions_options){ .url = s->pancake_url, .path = s->pancake_path, .token = s->pancake_token };
}

static struct callback_options callback_options(const struct settings *s)
{
    return (struct callback_options){ .allowlist = s->callback_allowlist, .secrets = s->callback_secret, .timeout_ms = s->callback_timeout_s * 1000 };
}

static struct ai *open_inner_ai(struct setup *u, struct err *e)
{
    const struct settings *s = u->settings;
    const struct ai_native_options native = native_options(s);
    const struct ai_openai_options openai = setup_openai(s);
    switch ((enum ai_provider)s->ai_provider) {
    case AI_PROVIDER_NATIVE:
        return ai_native_open(u->loop, u->http, &native, e);
    case AI_PROVIDER_OPENAI:
        return ai_openai_open(u->loop, u->http, &openai, e);
    case AI_PROVIDER_SIMULATED:
        return ai_simulated_open(u->loop, s->ai_simulated_delay_ms, e);
    }
    return NULL;
}

static int open_ai(struct setup *u, struct err *e)
{
    const struct settings *s = u->settings;
    u->ai_breaker = breaker_new("AI", (unsigned)s->breaker_failures, s->breaker_open_ms);
    if (u->ai_breaker == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    u->ai_inner = open_inner_ai(u, e);
    if (u->ai_inner == NULL)
        return -1;
    u->ai = ai_guarded_open(u->loop, u->ai_inner, u->ai_breaker, e);
    if (u->ai == NULL)
        ai_close(u->ai_inner);
    return u->ai == NULL ? -1 : 0;
}

static struct platform *open_inner_platform(struct setup *u, struct err *e)
{
    const struct settings *s = u->settings;
    const struct platform_actions_options actions = actions_options(s);
    switch ((enum pancake_provider)s->pancake_provider) {
    case PANCAKE_PROVIDER_ACTIONS:
        return platform_actions_open(u->loop, u->http, &actions, e);
    case PANCAKE_PROVIDER_PAGES_FM:
        return setup_open_page_platform(u, e);
    case PANCAKE_PROVIDER_LOG:
        return platform_log_open(u->loop, s->pancake_log_file, e);
    }
    return NULL;
}

static int open_platform(struct setup *u, struct err *e)
{
    const struct settings *s = u->settings;
    u->platform_breaker = breaker_new("platform", (unsigned)s->breaker_failures, s->breaker_open_ms);
    if (u->platform_breaker == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    u->platform_inner = open_inner_platform(u, e);
    if (u->platform_inner == NULL)
        return -1;
    u->platform = platform_guarded_open(u->loop, u->platform_inner, u->platform_breaker, e);
    if (u->platform == NULL)
        platform_close(u->platform_inner);
    return u->platform == NULL ? -1 : 0;
}

int setup_open_outside(struct setup *u, struct err *e)
{
    const struct http_options h = { 0 };
    if ((u->http = http_open(u->loop, &h, e)) == NULL)
        return -1;
    const struct callback_options callbacks = callback_options(u->settings);
    u->callback = callback_open(u->loop, u->http, &callbacks, e);
    return u->callback != NULL && open_ai(u, e) == 0 && setup_open_pages(u, e) == 0 && open_platform(u, e) == 0 ? 0 : -1;
}

void setup_close_outside(struct setup *u)
{
    if (u->platform != NULL)
        platform_close(u->platform);
    setup_close_pages(u);
    if (u->ai != NULL)
        ai_close(u->ai);
    breaker_free(u->platform_breaker);
    breaker_free(u->ai_breaker);
    callback_close(u->callback);
    if (u->http != NULL)
        http_close(u->http);
}

struct policy setup_policy(const struct settings *s)
{
    return (struct policy){
        .on_newer = (enum on_newer)s->on_newer,
        .debounce_ms = s->debounce_ms,
        .max_wait_ms = s->max_wait_ms,
        .restart_max = (uint32_t)s->restart_max,
        .pending_max = (uint32_t)s->pending_max,
        .lease_ttl_ms = s->lock_ttl_s * 1000,
        .human_lease_ms = s->human_lease_minutes * MINUTE_MS,
        .ai_timeout_ms = s->ai_timeout_s * 1000,
        .send_timeout_ms = s->pancake_timeout_s * 1000,
        .send_idempotent = s->pancake_idempotent || s->pancake_provider == PANCAKE_PROVIDER_PAGES_FM, /* what may have arrived is read back */
        .sends_max = 8,
        .attempts_max = (uint32_t)s->job_max_attempts,
        .retry_for_ms = s->retry_for_hours * HOUR_MS,
        .retry_base_ms = 1000,
        .retry_cap_ms = MINUTE_MS,
    };
}

int setup_check_change(const struct settings *s, struct err *e)
{
    const struct callback_options callbacks = callback_options(s);
    if (s->ai_provider != AI_PROVIDER_SIMULATED && http_check_url(s->ai_url, e) != 0)
        return -1;
    if (callback_check_options(&callbacks, e) != 0)
        return -1;
    return s->pancake_provider != PANCAKE_PROVIDER_LOG ? http_check_url(settings_pancake_url(s), e) : 0;
}

int setup_change(struct setup *u, const struct settings *s, struct err *e)
{
    const struct ai_native_options native = native_options(s);
    const struct ai_openai_options openai = setup_openai(s);
    const struct platform_actions_options actions = actions_options(s);
    const struct callback_options callbacks = callback_options(s);
    const struct turns_change turns = { .policy = setup_policy(s), .bot_name = s->bot_name, .job_ttl_ms = s->job_ttl_s * 1000, .session_ttl_ms = s->session_cache_ttl_s * 1000,
                                        .history_days = s->max_history_days, .sessions_max = (size_t)s->max_sessions_per_user, .page_size = s->page_size, .retention_ms = s->retention_days * INT64_C(86400000),
                                        .context_max = (size_t)s->context_messages, .log_content = s->log_content };
    int rc = 0;
    turns_set(u->turns, &turns);
    breaker_set(u->ai_breaker, (unsigned)s->breaker_failures, s->breaker_open_ms);
    breaker_set(u->platform_breaker, (unsigned)s->breaker_failures, s->breaker_open_ms);
    if (s->ai_provider == AI_PROVIDER_NATIVE && ai_native_set(u->ai_inner, &native, e) != 0)
        rc = -1;
    if (s->ai_provider == AI_PROVIDER_OPENAI && ai_openai_set(u->ai_inner, &openai, e) != 0)
        rc = -1;
    if (s->pancake_provider == PANCAKE_PROVIDER_ACTIONS && platform_actions_set(u->platform_inner, &actions, e) != 0)
        rc = -1;
    if (setup_change_pages(u, s, e) != 0)
        rc = -1;
    if (callback_set(u->callback, &callbacks, e) != 0)
        rc = -1;
    setup_change_bots(u, s);
    return rc;
}
