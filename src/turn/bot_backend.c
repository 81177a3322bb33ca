/* SPDX-License-Identifier: MIT
 * Whom bots ask: one instance for each row of ai_cores and platforms that a bot names, shared by all of them. Closed from a timer, never where
 * the last bot is released: that may be inside a callback of the very instance. */
#include "config.h"

#include "lib/loop.h"
#include "turn/bot_row.h"
#include "turn/bots_own.h"
#include "turn/secret.h"

#define ARENA_CAP (1u << 20)

static int64_t number(const json_t *row, const char *name, int64_t fallback)
{
    return json_i64(row, name, row_setting(row, name, fallback));
}

/* NULL where the row has none. -1: memory. */
static int text(struct backend *k, const json_t *row, const char *name, const char **to)
{
    struct sv s = json_sv(row, name);
    *to = s.p == NULL ? NULL : arena_str(k->a, s);
    return s.p != NULL && *to == NULL ? -1 : 0;
}

static void in_trouble(struct backend *k, const char *why)
{
    struct sv s = arena_sv(k->a, sv_from(why));
    k->trouble = s.p != NULL ? s.p : "memory is short";
}

/* "" for none. NULL: k->trouble says why. */
static const char *secret_of(struct backend *k, const json_t *row)
{
    const char *name = NULL, *value = "";
    struct err e = { .text = "memory is short" };
    if (text(k, row, k->service == ARCHIVE_AI_CORES ? "api_key" : "token", &name) != 0)
        value = NULL;
    else if (name != NULL)
        value = secret_read(k->a, name, &e);
    if (value == NULL)
        in_trouble(k, e.text);
    return value;
}

static void open_core(struct backend *k, const json_t *row, const char *secret, const char *path, struct err *e)
{
    const struct bot_core core = {
        .name = k->name,
        .provider = strcmp(k->provider, "simulated") == 0 ? BOT_SIMULATED : strcmp(k->provider, "openai") == 0 ? BOT_OPENAI : BOT_NATIVE,
        .url = k->url,
        .path = path,
        .model = k->model,
        .secret = secret,
        .timeout_ms = k->timeout_ms,
        .retries = (int)row_setting(row, "retries", -1),
        .delay_ms = row_setting(row, "delay_ms", -1),
    };
    const struct bot_factory *f = &k->owner->o.factory;
    k->ai = f->open_ai(f->arg, &core, &k->breaker, e);
}

static bool is_pages(const struct backend *k)
{
    return k->service == ARCHIVE_PLATFORMS && strcmp(k->provider, "pages_fm") == 0;
}

static void open_platform(struct backend *k, const char *secret, const char *path, struct err *e)
{
    const struct bot_platform platform = {
        .name = k->name,
        .provider = strcmp(k->provider, "log") == 0 ? BOT_LOG : is_pages(k) ? BOT_PAGES_FM : BOT_ACTIONS,
        .url = k->url,
        .page_id = k->page_id,
        .path = path,
        .secret = secret,
        .timeout_ms = k->timeout_ms,
    };
    const struct bot_factory *f = &k->owner->o.factory;
    k->platform = f->open_platform(f->arg, &platform, &k->breaker, e);
}

static void open_it(struct backend *k)
{
    const char *path = NULL, *secret;
    struct err e = { .text = "memory is short" };
    const json_t *row = row_read(k->a, k->service, k->row, k->owner->o.environment, &k->trouble);
    if (row == NULL) {
        if (k->trouble == NULL)
            in_trouble(k, e.text);
        return;
    }
    if (text(k, row, "provider", &k->provider) != 0 || text(k, row, "base_url", &k->url) != 0 || text(k, row, "path", &path) != 0 ||
        text(k, row, "model", &k->model) != 0) {
        in_trouble(k, e.text);
        return;
    }
    if (is_pages(k) && text(k, json_object_get(row, "settings"), "page_id", &k->page_id) != 0) {
        in_trouble(k, e.text);
        return;
    }
    k->timeout_ms = number(row, "timeout_ms", 0);
    k->deliver = json_bool(row, "deliver", true);
    int idempotent = row_setting_choice(k->service, row, "idempotent", -1);
    k->idempotent_said = idempotent >= 0 || is_pages(k);
    k->idempotent = idempotent == 1 || is_pages(k); /* what may have arrived is read back */
    secret = secret_of(k, row);
    if (secret == NULL)
        return;
    if (k->service == ARCHIVE_AI_CORES)
        open_core(k, row, secret, path, &e);
    else
        open_platform(k, secret, path, &e);
    if (k->ai == NULL && k->platform == NULL)
        in_trouble(k, e.text);
}

struct backend *backend_hold(struct bots *b, enum archive_service service, struct sv name, struct sv row)
{
    struct backend *k = map_find(b->backends[service], row);
    if (k != NULL) {
        k->bots++;
        return k;
    }
    struct arena *a = arena_new(0, ARENA_CAP + row.n);
    k = a == NULL ? NULL : arena_alloc(a, sizeof(*k));
    if (k != NULL)
        *k = (struct backend){ .owner = b, .service = service, .a = a, .row = arena_sv(a, row), .bots = 1,
                               .name = arena_str(a, name), .provider = "" };
    if (k == NULL || k->row.p == NULL || k->name == NULL || map_put(b->backends[service], k->row, k, NULL) != 0) {
        arena_free(a);
        return NULL;
    }
    k->findable = true;
    k->link = &b->live;
    k->next = b->live;
    if (k->next != NULL)
        k->next->link = &k->next;
    b->live = k;
    open_it(k);
    return k;
}

void backend_hide(struct backend *k)
{
    if (k->findable)
        (void)map_take(k->owner->backends[k->service], k->row);
    k->findable = false;
}

void backend_release(struct backend *k)
{
    if (k == NULL || --k->bots > 0)
        return;
    backend_hide(k);
    loop_timer_set(k->owner->close, 0);
}

static void close_it(struct backend *k)
{
    const struct bot_factory *f = &k->owner->o.factory;
    if (k->ai != NULL)
        f->close_ai(f->arg, k->ai, k->breaker);
    if (k->platform != NULL)
        f->close_platform(f->arg, k->platform, k->breaker);
    *k->link = k->next;
    if (k->next != NULL)
        k->next->link = k->link;
    arena_free(k->a);
}

void backends_close(struct bots *b)
{
    struct backend *next;
    for (struct backend *k = b->live; k != NULL; k = next) {
        next = k->next;
        if (k->bots == 0)
            close_it(k);
    }
}

void bots_each(const struct bots *b, bots_each_fn *fn, void *arg)
{
    for (const struct backend *k = b->live; k != NULL; k = k->next) {
        const struct bots_backend told = {
            .service = k->service, .name = k->name, .provider = k->provider, .url = k->url, .breaker = k->breaker, .trouble = k->trouble,
            .bots = k->bots, .current = k->listed > 0,
        };
        if (k->bots > 0)
            fn(arg, &told);
    }
}
