/* SPDX-License-Identifier: MIT
 * Settings that go together with the rest and yet hardly do what was meant. None is refused: a proxy may add what is missing here. */
#include "config.h"

#include <stdio.h>

#include "lib/log.h"
#include "settings.h"

struct telling {
    settings_finding_fn *fn;
    void *arg;
};

static void doubt(const struct telling *t, const char *text)
{
    t->fn(t->arg, false, text);
}

/* Pancake brings webhooks to the address that it was given: what lets them in must stand there, or be added by what is before us. */
static void doubt_webhooks(const struct settings *s, const struct telling *t)
{
    static const char *const without =
        "PANCAKE_WEBHOOK_SECRET is empty: Pancake sends no bearer token, so its webhooks are refused (401) unless a proxy adds PANCAKE_ACCESS_TOKEN; ";
    bool swept = s->pancake_sweep_minutes > 0 && s->pancake_page_tokens[0] != '\0';
    char text[400];
    if (s->pancake_provider == PANCAKE_PROVIDER_PAGES_FM && s->pancake_webhook_secret[0] == '\0') {
        (void)snprintf(text, sizeof(text), "%s%s", without,
                       swept ? "messages come only every PANCAKE_SWEEP_MINUTES then" : "no message comes then, since pages are not swept regularly either");
        doubt(t, text);
    }
    for (const char *c = s->pancake_webhook_secret; *c != '\0'; c++) {
        if (strchr("+&%#", *c) == NULL)
            continue;
        doubt(t, "PANCAKE_WEBHOOK_SECRET has a character (+ & % #) that must be percent-encoded in the address that Pancake is given");
        return;
    }
}

static bool ends_in(const char *url, const char *path)
{
    struct sv base = sv_from(url), end = sv_from(path);
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    while (end.n > 0 && (end.p[end.n - 1] == '/'))
        end.n--;
    return end.n > 1 && base.n > end.n && memcmp(base.p + base.n - end.n, end.p, end.n) == 0;
}

void settings_doubts(const struct settings *s, settings_finding_fn *fn, void *arg)
{
    const struct telling t = { fn, arg };
    if (s->ai_provider == AI_PROVIDER_NATIVE && ends_in(s->ai_url, s->ai_path))
        doubt(&t, "AI_SERVICE_URL ends in AI_SERVICE_PATH, which is put behind it once more");
    if (s->pancake_provider == PANCAKE_PROVIDER_ACTIONS && ends_in(s->pancake_url, s->pancake_path))
        doubt(&t, "PANCAKE_BASE_URL ends in PANCAKE_ACTIONS_PATH, which is put behind it once more");
    doubt_webhooks(s, &t);
}

void settings_log_doubt(void *arg, bool wrong, const char *text)
{
    (void)arg;
    (void)wrong;
    log_warning("a setting is hardly meant so", "why", text, NULL);
}
