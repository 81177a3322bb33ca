/* SPDX-License-Identifier: MIT
 * Checks across settings, and the URLs taken apart. */
#include "config.h"

#include <stdio.h>

#include "api/api.h"
#include "api/webhook_keys.h"
#include "daemon/websocket_place.h"
#include "lib/buf.h"
#include "lib/log.h"
#include "outside/callback.h"
#include "outside/http.h"
#include "outside/openai_base.h"
#include "outside/pages_tokens.h"
#include "settings_check.h"

#define BASE_SHOWN 100 /* bytes of a URL in an error */

static const char *const sslmodes[] = { "disable", "allow", "prefer", "require", "verify-ca", "verify-full" };

/* The tokens that the documents print. */
static const char *const examples[] = {
    "your-secure-pancake-token-here", "your-secure-admin-token-here", "your-pancake-token-here", "your-admin-token-here",
    "change-me-platform-token", "change-me-admin-token",
};

static int check_word(const char *name, struct sv token, struct err *e)
{
    for (size_t i = 0; i < token.n; i++)
        if (token.p[i] <= ' ' || token.p[i] > '~')
            return err_set(e, ERR_RANGE, "%s holds a character that no token has", name);
    return 0;
}

static int check_token(const struct settings *s, const char *name, const char *value, struct err *e)
{
    struct sv rest = sv_from(value);
    bool one = false;
    while (rest.p != NULL) {
        struct sv token = sv_trim(sv_split(&rest, ','));
        if (token.n == 0)
            continue;
        one = true;
        for (size_t i = 0; s->environment == ENVIRONMENT_PRODUCTION && i < ARRAY_LEN(examples); i++)
            if (sv_eq(token, sv_from(examples[i])))
                return err_set(e, ERR_RANGE, "%s is an example's token: ENVIRONMENT=production refuses it", name);
        if (check_word(name, token, e) != 0)
            return -1;
    }
    return one ? 0 : err_set(e, ERR_RANGE, "%s is empty: nobody could be let in", name);
}

static int check_secrets(const char *list, struct err *e)
{
    struct webhook_keys *keys = webhook_keys_new(list, e);
    webhook_keys_free(keys);
    return keys != NULL ? 0 : -1;
}

static int check_url(const char *name, const char *url, struct err *e)
{
    struct sv s = sv_from(url);
    if (!sv_starts(s, SV("http://")) && !sv_starts(s, SV("https://")))
        return err_set(e, ERR_RANGE, "%s must begin with http:// or https://", name);
    struct sv rest = { strchr(url, ':') + 3, 0 };
    rest.n = strcspn(rest.p, "/?#");
    if (rest.n == 0)
        return err_set(e, ERR_RANGE, "%s names no host", name);
    if (memchr(rest.p, '@', rest.n) != NULL) /* it would stand in logs and dumps */
        return err_set(e, ERR_RANGE, "%s must not hold a user or password: tokens have settings of their own", name);
    if (strpbrk(url, "?#") != NULL)
        return err_set(e, ERR_RANGE, "%s must not have a query or a fragment: a path is put behind it", name);
    return http_check_url(url, NULL) == 0 ? 0 : err_set(e, ERR_RANGE, "%s is no URL", name);
}

static int check_ai(const struct settings *s, struct err *e)
{
    if (check_url("AI_SERVICE_URL", s->ai_url, e) != 0)
        return -1;
    struct sv base = s->ai_provider == AI_PROVIDER_OPENAI ? openai_base(sv_from(s->ai_url)) : SV_NONE;
    return base.p == NULL ? 0
                          : err_set(e, ERR_RANGE, "AI_SERVICE_URL must be the base, to which AI_PROVIDER=openai adds /chat/completions: %.*s",
                                    (int)(base.n < BASE_SHOWN ? base.n : BASE_SHOWN), base.p);
}

/* ---- the chat platform ---- */

const char *settings_pancake_url(const struct settings *s)
{
    bool unsaid = strcmp(s->pancake_url, PANCAKE_URL_DEFAULT) == 0;
    return s->pancake_provider == PANCAKE_PROVIDER_PAGES_FM && unsaid ? "https://pages.fm/api" : s->pancake_url;
}

static int check_pages(const struct settings *s, struct err *e)
{
    struct pages_tokens tokens;
    struct err why;
    if (pages_tokens_set(&tokens, s->pancake_page_tokens, "", &why) != 0)
        return err_set(e, why.code == ERR_MEMORY ? ERR_MEMORY : ERR_RANGE, "PANCAKE_PAGE_TOKENS: %s", why.text);
    bool none = tokens.n == 0 && s->pancake_token[0] == '\0';
    pages_tokens_fini(&tokens);
    return none && s->pancake_provider == PANCAKE_PROVIDER_PAGES_FM
               ? err_set(e, ERR_RANGE, "PANCAKE_PAGE_TOKENS is empty, and so is PANCAKE_OUTBOUND_TOKEN: PANCAKE_PROVIDER=pages_fm needs one of them")
               : 0;
}

/* ---- Redis ---- */

static bool is_local(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding (RFC 3986 2.1) of a URL's user or password. */
static const char *decoded(struct arena *a, struct sv s)
{
    char *out = arena_str(a, s);
    char *to = out;
    for (size_t i = 0; out != NULL && i < s.n; i++) {
        bool escape = s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0;
        *to++ = escape ? (char)((unsigned)hex(s.p[i + 1]) << 4 | (unsigned)hex(s.p[i + 2])) : s.p[i];
        i += escape ? 2 : 0;
    }
    if (to != NULL)
        *to = '\0';
    return out;
}

static int parse_authority(struct sv authority, struct arena *a, struct settings_redis *out, struct err *e)
{
    const char *at = authority.n > 0 ? memrchr(authority.p, '@', authority.n) : NULL;
    if (at != NULL) {
        struct sv password = { authority.p, (size_t)(at - authority.p) };
        struct sv user = sv_split(&password, ':');
        out->user = decoded(a, user);
        out->password = password.p != NULL ? decoded(a, password) : "";
        authority = (struct sv){ at + 1, authority.n - (size_t)(at + 1 - authority.p) };
    }
    struct sv host = authority, port = SV_NONE;
    if (authority.n > 0 && authority.p[0] == '[') { /* an IPv6 address */
        const char *end = memchr(authority.p, ']', authority.n);
        if (end == NULL)
            return err_set(e, ERR_RANGE, "REDIS_URL: the address has no closing bracket");
        host = (struct sv){ authority.p + 1, (size_t)(end - authority.p - 1) };
        port = (struct sv){ end + 1, authority.n - (size_t)(end + 1 - authority.p) };
        if (port.n > 0 && port.p[0] == ':')
            port.p++, port.n--;
    } else {
        port = authority;
        host = sv_split(&port, ':');
    }
    uint64_t n = 6379;
    if (port.n > 0 && (!sv_to_u64(port, &n) || n == 0 || n > 65535))
        return err_set(e, ERR_RANGE, "REDIS_URL: the port is not a number from 1 to 65535");
    out->port = (int)n;
    out->host = host.n > 0 ? arena_str(a, host) : "localhost";
    return out->host == NULL ? err_set(e, ERR_MEMORY, "no memory") : 0;
}

static int parse_redis_url(const char *text, struct arena *a, struct settings_redis *out, struct err *e)
{
    struct sv url = sv_from(text);
    if (sv_starts(url, SV("unix:"))) {
        const char *path = text + 5;
        while (path[0] == '/' && path[1] == '/')
            path++;
        out->unix_path = path;
        out->host = "";
        return 0;
    }
    if (!sv_starts(url, SV("redis://")))
        return err_set(e, ERR_RANGE, "REDIS_URL must begin with redis:// or unix:");
    struct sv rest = { url.p + 8, url.n - 8 };
    struct sv authority = sv_split(&rest, '/');
    uint64_t database = 0;
    if (rest.n > 0 && (!sv_to_u64(rest, &database) || database > 1023))
        return err_set(e, ERR_RANGE, "REDIS_URL: the database is not a number");
    out->database = (int)database;
    return parse_authority(authority, a, out, e);
}

int settings_redis(const struct settings *s, struct arena *a, struct settings_redis *out, struct err *e)
{
    *out = (struct settings_redis){ .used = s->redis_url[0] != '\0' || s->redis_host[0] != '\0',
                                    .host = s->redis_host,
                                    .user = s->redis_user,
                                    .password = s->redis_password,
                                    .unix_path = "",
                                    .port = (int)s->redis_port,
                                    .database = (int)s->redis_db };
    if (s->redis_url[0] != '\0') {
        if (parse_redis_url(s->redis_url, a, out, e) != 0)
            return -1;
    } else if (s->redis_host[0] == '/') {
        out->unix_path = s->redis_host;
    }
    if (out->password[0] == '\0')
        out->password = s->redis_password; /* a URL without a password and REDIS_PASSWORD beside it, as seed B prints */
    out->local = out->unix_path[0] != '\0' || is_local(out->host);
    return 0;
}

/* ---- PostgreSQL ---- */

/* libpq's quoting of a keyword's value: single quotes, backslash before quote and backslash. */
static void quoted(struct buf *b, const char *key, const char *value)
{
    buf_printf(b, "%s%s='", b->n > 0 ? " " : "", key);
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            buf_addc(b, '\\');
        buf_addc(b, *value);
    }
    buf_addc(b, '\'');
}

int settings_postgres(const struct settings *s, struct arena *a, const char **conninfo, struct err *e)
{
    *conninfo = NULL;
    struct sv url = sv_from(s->database_url);
    if (url.n > 0) {
        static const char driver[] = "postgresql+asyncpg://"; /* as seed B prints it */
        struct sv rest = { url.p + sizeof(driver) - 1, url.n - (sizeof(driver) - 1) };
        *conninfo = sv_starts(url, sv_from(driver)) ? arena_printf(a, "postgresql://%.*s", SV_FMT(rest)).p : s->database_url;
        return *conninfo == NULL ? err_set(e, ERR_MEMORY, "no memory") : 0;
    }
    if (s->postgres_host[0] == '\0')
        return 0;
    struct buf b = { 0 };
    quoted(&b, "host", s->postgres_host);
    buf_printf(&b, " port=%d", (int)s->postgres_port);
    quoted(&b, "dbname", s->postgres_db);
    quoted(&b, "user", s->postgres_user);
    if (s->postgres_password[0] != '\0')
        quoted(&b, "password", s->postgres_password);
    quoted(&b, "sslmode", sslmodes[s->postgres_sslmode]);
    quoted(&b, "application_name", "turnkeeper");
    *conninfo = buf_ok(&b) ? arena_str(a, buf_sv(&b)) : NULL;
    buf_fini(&b);
    return *conninfo == NULL ? err_set(e, ERR_MEMORY, "no memory") : 0;
}

/* ---- JSON Web Tokens ---- */

struct jwt_options settings_jwt(const struct settings *s)
{
    return (struct jwt_options){ .secret = s->jwt_secret, .public_key_file = s->jwt_public_key_file, .jwks_file = s->jwt_jwks_file,
                                 .issuer = s->jwt_issuer, .audience = s->jwt_audience };
}

static int check_keys(const char *name, struct jwt_options o, struct err *e)
{
    struct err why;
    struct jwt_keys *keys = jwt_is_on(&o) ? jwt_keys_new(&o, &why) : NULL;
    bool wrong = jwt_is_on(&o) && keys == NULL;
    jwt_keys_free(keys);
    return wrong ? err_set(e, ERR_RANGE, "%s: %s", name, why.text) : 0;
}

/* Each for itself, so that the right one is blamed, then all together. */
static int check_jwt(const struct settings *s, const char **name, struct err *e)
{
    *name = "JWT_SECRET";
    if (check_keys(*name, (struct jwt_options){ .secret = s->jwt_secret }, e) != 0)
        return -1;
    *name = "JWT_PUBLIC_KEY_FILE";
    if (check_keys(*name, (struct jwt_options){ .public_key_file = s->jwt_public_key_file }, e) != 0)
        return -1;
    *name = "JWT_JWKS_FILE";
    return check_keys(*name, settings_jwt(s), e);
}

/* ---- all of it ---- */

static bool is_conninfo(const char *text)
{
    struct sv s = sv_from(text);
    bool url = sv_starts(s, SV("postgresql://")) || sv_starts(s, SV("postgres://")) || sv_starts(s, SV("postgresql+asyncpg://"));
    return s.n == 0 || url || (strstr(text, "://") == NULL && strchr(text, '=') != NULL);
}

static int check_redis(const struct settings *s, struct err *e)
{
    struct arena *a = arena_new(0, 65536);
    struct settings_redis redis;
    if (a == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    int rc = settings_redis(s, a, &redis, e);
    arena_free(a);
    return rc;
}

static int check_names(const struct settings *s, const char **name, struct err *e)
{
    enum log_level level;
    *name = "PANCAKE_ACCESS_TOKEN";
    if (check_token(s, *name, s->platform_token, e) != 0)
        return -1;
    *name = "ADMIN_ACCESS_TOKEN";
    if (check_token(s, *name, s->admin_token, e) != 0)
        return -1;
    *name = "PANCAKE_OUTBOUND_TOKEN";
    if (check_word(*name, sv_from(s->pancake_token), e) != 0)
        return -1;
    *name = "AI_SERVICE_TOKEN";
    if (check_word(*name, sv_from(s->ai_token), e) != 0)
        return -1;
    *name = "PANCAKE_WEBHOOK_SECRET";
    if (check_secrets(s->pancake_webhook_secret, e) != 0)
        return -1;
    if (check_jwt(s, name, e) != 0)
        return -1;
    *name = "DEBUG";
    if (s->debug && s->environment == ENVIRONMENT_PRODUCTION)
        return err_set(e, ERR_RANGE, "DEBUG is not allowed with ENVIRONMENT=production");
    *name = "LOG_LEVEL";
    if (!log_level_parse(s->log_level, &level))
        return err_set(e, ERR_RANGE, "LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR");
    *name = "CORS_ORIGINS";
    if (api_check_origins(s->cors_origins, e) != 0)
        return -1;
    const struct callback_options callbacks = { s->callback_allowlist, s->callback_secret, s->callback_timeout_s * 1000 };
    *name = s->callback_allowlist[0] != '\0' && s->callback_secret[0] == '\0' ? "CALLBACK_SECRET" : "CALLBACK_ALLOWLIST";
    if (callback_check_options(&callbacks, e) != 0)
        return -1;
    *name = "WEBSOCKET_LISTEN";
    struct err why;
    if (s->websocket_listen[0] != '\0' && strcmp(s->websocket_listen, "off") != 0 && websocket_place_check(s->websocket_listen, &why) != 0)
        return err_set(e, ERR_RANGE, "WEBSOCKET_LISTEN: %s", why.text);
    *name = "BASE_PATH";
    if (s->base_path[0] != '\0' && (s->base_path[0] != '/' || s->base_path[strlen(s->base_path) - 1] == '/'))
        return err_set(e, ERR_RANGE, "BASE_PATH must begin with a slash and not end with one");
    return 0;
}

/* "unknown" is what it is when nobody has set it. */
static int check_model(const struct settings *s, struct err *e)
{
    if (s->ai_provider != AI_PROVIDER_OPENAI || (s->ai_model[0] != '\0' && strcmp(s->ai_model, "unknown") != 0))
        return 0;
    return err_set(e, ERR_RANGE, "AI_MODEL is not set: AI_PROVIDER=openai needs the name of a model");
}

int settings_check(const struct settings *s, const char **name, struct err *e)
{
    if (check_names(s, name, e) != 0)
        return -1;
    *name = "AI_SERVICE_URL";
    if (s->ai_provider != AI_PROVIDER_SIMULATED && check_ai(s, e) != 0)
        return -1;
    *name = "AI_MODEL";
    if (check_model(s, e) != 0)
        return -1;
    *name = "PANCAKE_BASE_URL";
    if (s->pancake_provider != PANCAKE_PROVIDER_LOG && check_url(*name, settings_pancake_url(s), e) != 0)
        return -1;
    *name = "PANCAKE_PAGE_TOKENS";
    if (check_pages(s, e) != 0)
        return -1;
    *name = "REDIS_URL";
    if (check_redis(s, e) != 0)
        return -1;
    *name = "DATABASE_URL";
    return is_conninfo(s->database_url)
               ? 0
               : err_set(e, ERR_RANGE, "DATABASE_URL must begin with postgresql:// or be a connection string of PostgreSQL");
}
