/* SPDX-License-Identifier: MIT
 * Every setting of the programs: one table (settings.c) gives name, type, default, range, whether it reloads, and one line of help. Only the
 * mains and what they set up see this; the layers get their own option structs. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include <stdio.h>

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/jwt.h"

enum environment { ENVIRONMENT_DEVELOPMENT, ENVIRONMENT_TEST, ENVIRONMENT_STAGING, ENVIRONMENT_PRODUCTION };
enum ai_provider { AI_PROVIDER_NATIVE, AI_PROVIDER_OPENAI, AI_PROVIDER_SIMULATED };
enum pancake_provider { PANCAKE_PROVIDER_ACTIONS, PANCAKE_PROVIDER_PAGES_FM, PANCAKE_PROVIDER_LOG };
enum fallback_choice { FALLBACK_AUTO, FALLBACK_EMBEDDED, FALLBACK_SPOOL, FALLBACK_REJECT };

struct settings {
    const char *api_host;
    int64_t api_port;
    const char *base_path;
    bool debug;
    int environment;
    const char *log_level, *log_file;
    bool log_content;

    const char *platform_token, *admin_token;
    const char *jwt_secret, *jwt_public_key_file, *jwt_jwks_file, *jwt_issuer, *jwt_audience;
    const char *cors_origins;
    int64_t max_body_bytes, max_in_flight, rate_limit, sync_wait_ms;

    const char *redis_url, *redis_host, *redis_user, *redis_password;
    int64_t redis_port, redis_db, redis_command_timeout_ms;
    int64_t redis_max_connections, redis_socket_timeout_s;
    const char *state_file, *run_dir, *sql_dir, *admin_socket;
    const char *websocket_listen;
    int64_t websocket_max;
    int store_fallback;
    int64_t queue_max_bytes;

    const char *database_url, *postgres_host, *postgres_db, *postgres_user, *postgres_password;
    int postgres_sslmode; /* index into settings_sslmodes */
    int64_t postgres_port, postgres_pool_size;
    bool migrate;

    int ai_provider;
    const char *ai_url, *ai_path, *ai_token, *ai_model;
    const char *ai_system_prompt;
    int64_t ai_timeout_s, ai_retries, ai_simulated_delay_ms;
    int64_t ai_rounds, ai_context_tokens, ai_answer_tokens, ai_first_byte_ms, ai_silence_ms;
    bool ai_tools, ai_stream_usage;

    int pancake_provider;
    const char *pancake_url, *pancake_path, *pancake_token, *pancake_log_file;
    const char *pancake_page_tokens, *pancake_webhook_secret;
    int64_t pancake_timeout_s, pancake_calls_per_second, pancake_webhook_deadline_ms, pancake_sweep_minutes;
    bool pancake_idempotent;
    int64_t breaker_failures, breaker_open_ms;

    const char *bot_name;
    int on_newer; /* enum on_newer */
    int64_t debounce_ms, max_wait_ms, restart_max, pending_max, context_messages, human_lease_minutes;
    int64_t lock_ttl_s, state_ttl_s, lock_cleanup_ttl_s, cleanup_interval_s, retention_days;
    int64_t job_max_attempts, job_concurrency, job_ttl_s, session_cache_ttl_s, retry_for_hours, stuck_after_s;
    int64_t max_history_days, max_sessions_per_user, page_size;
    const char *callback_allowlist, *callback_secret;
    int64_t callback_timeout_s;
    bool public_status;
    int64_t shutdown_grace_s;
};

struct conf_source;

/* Reads, and checks what belongs together (tokens, production's rules, URLs). Strings live in the arena. path NULL: TURNKEEPER_CONF,
 * else $sysconfdir/turnkeeper/turnkeeper.conf when it is there. -1: the first error, with file and line when it is from a file. */
int settings_load(struct settings *s, const char *path, struct arena *a, struct err *e) MUST_CHECK;
/* As settings_load, but each value is checked for itself only: for a client that needs the admin socket's path and no token. */
int settings_read(struct settings *s, const char *path, struct arena *a, struct err *e) MUST_CHECK;
/* Where the admin socket is: ADMIN_SOCKET, else admin.sock in RUN_DIR. NULL: memory. */
const char *settings_admin_socket(const struct settings *s, struct arena *a);
/* Where WebSockets are listened for: WEBSOCKET_LISTEN, else ws.sock in RUN_DIR; "": nowhere. NULL: memory. */
const char *settings_websocket(const struct settings *s, struct arena *a);
/* The settings once more, from the same file and environment, for a reload. NULL: it is invalid. Lives in the arena. */
struct settings_again;
/* PANCAKE_BASE_URL; with PANCAKE_PROVIDER=pages_fm that of the page API where it says nothing else. */
#define PANCAKE_URL_DEFAULT "http://pancake:8000"
const char *settings_pancake_url(const struct settings *s);

/* What is allowed and yet hardly meant, each as a sentence that names the setting. */
typedef void settings_finding_fn(void *arg, bool wrong, const char *text);
void settings_doubts(const struct settings *s, settings_finding_fn *fn, void *arg);
void settings_log_doubt(void *arg, bool wrong, const char *text); /* one such function, for programs that run: a warning in the log */

struct settings_again *settings_again(struct arena *a, struct err *e) MUST_CHECK;
const struct settings *settings_of(const struct settings_again *again);
/* Takes over what the table marks as reloading (strings by pointer: the arena must live as long as s), and tells about each setting that
 * differs whether it was taken. */
typedef void settings_change_fn(void *arg, const char *name, bool taken);
void settings_adopt(struct settings *s, const struct settings_again *again, settings_change_fn *fn, void *arg);
void settings_dump(FILE *out);    /* NAME=value lines, secrets masked, of the last settings_load */
void settings_example(FILE *out); /* environment.example */

/* JWT_*, by pointer. */
struct jwt_options settings_jwt(const struct settings *s);

/* What the single variables and the URLs come to. */
struct settings_redis {
    bool used;
    const char *host, *user, *password, *unix_path;
    int port, database;
    bool local; /* loopback or a Unix socket */
};
int settings_redis(const struct settings *s, struct arena *a, struct settings_redis *out, struct err *e) MUST_CHECK;
/* libpq's connection string, NULL: no PostgreSQL. */
int settings_postgres(const struct settings *s, struct arena *a, const char **conninfo, struct err *e) MUST_CHECK;

#endif
