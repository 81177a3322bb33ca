/* SPDX-License-Identifier: MIT
 * The table of settings. Names are the contract with users: they stay. */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf.h"
#include "settings.h"
#include "settings_check.h"

#define AT(field) .offset = offsetof(struct settings, field)
/* The last arguments of a row: its help, and RELOADS when HUP takes it over. */
#define RELOADS CONF_RELOAD
#define REST(kind, text, ...) .help = (text), .flags = (kind) | FIRST(__VA_ARGS__, 0)
#define FIRST(flags, ...) (flags)
#define TEXT(n, field, def, ...) { .name = (n), .type = CONF_STRING, AT(field), .fallback = (def), REST(0, __VA_ARGS__, 0) }
#define SECRET(n, field, ...) { .name = (n), .type = CONF_STRING, AT(field), .fallback = "", REST(CONF_SECRET, __VA_ARGS__, 0) }
#define NUMBER(n, field, def, lo, hi, ...) \
    { .name = (n), .type = CONF_INT, AT(field), .fallback = (def), .min = (lo), .max = (hi), REST(0, __VA_ARGS__, 0) }
#define YES_NO(n, field, def, ...) { .name = (n), .type = CONF_BOOL, AT(field), .fallback = (def), REST(0, __VA_ARGS__, 0) }
#define CHOICE(n, field, def, list, ...) \
    { .name = (n), .type = CONF_ENUM, AT(field), .fallback = (def), .choices = (list), REST(0, __VA_ARGS__, 0) }

static const struct conf_option table[] = {
    TEXT("API_HOST", api_host, "127.0.0.1", "address that the web server of contrib/quickstart listens on"),
    NUMBER("API_PORT", api_port, "8000", 1, 65535, "its port"),
    TEXT("BASE_PATH", base_path, "", "path prefix under which the web server forwards requests, without a trailing slash"),
    YES_NO("DEBUG", debug, "no", "same as LOG_LEVEL=DEBUG; refused in production", RELOADS),
    CHOICE("ENVIRONMENT", environment, "production", "development|test|staging|production", "production refuses the example tokens and DEBUG"),
    TEXT("LOG_LEVEL", log_level, "INFO", "DEBUG, INFO, WARNING or ERROR", RELOADS),
    TEXT("LOG_FILE", log_file, "", "file for the log; empty: standard error", RELOADS),
    YES_NO("LOG_CONTENT", log_content, "no", "texts of messages and replies stand in the log too", RELOADS),

    SECRET("PANCAKE_ACCESS_TOKEN", platform_token, "token of the chat platform; several, separated by commas, while rotating", RELOADS),
    SECRET("ADMIN_ACCESS_TOKEN", admin_token, "token of the administrators; several, separated by commas, while rotating", RELOADS),
    SECRET("JWT_SECRET", jwt_secret, "secret of HS256 for JSON Web Tokens of users and services, 32 bytes and more; empty: none", RELOADS),
    TEXT("JWT_PUBLIC_KEY_FILE", jwt_public_key_file, "", "PEM file of the key for their signatures: RSA is for RS256, EC P-256 for ES256; empty: none", RELOADS),
    TEXT("JWT_JWKS_FILE", jwt_jwks_file, "", "JWK set with keys for them, picked by kid; read anew on HUP; empty: none", RELOADS),
    TEXT("JWT_ISSUER", jwt_issuer, "", "iss that they must have; empty: any", RELOADS),
    TEXT("JWT_AUDIENCE", jwt_audience, "", "aud that they must have; empty: they must have none", RELOADS),
    TEXT("CORS_ORIGINS", cors_origins, "", "origins of browsers that may call, separated by commas", RELOADS),
    NUMBER("MAX_BODY_BYTES", max_body_bytes, "262144", 1024, 16777216, "largest request body", RELOADS),
    NUMBER("MAX_IN_FLIGHT", max_in_flight, "0", 0, 1000000, "requests that one responder holds at once; 0: what its descriptor limit carries", RELOADS),
    NUMBER("RATE_LIMIT_PER_MINUTE", rate_limit, "0", 0, 1000000, "requests of one credential, and messages of one conversation, in a minute; 0: no limit", RELOADS),
    YES_NO("PUBLIC_STATUS", public_status, "yes", "GET /api/v1/status/handler needs no credential", RELOADS),
    NUMBER("SYNC_WAIT_MS", sync_wait_ms, "60000", 1, 3600000, "how long a request waits for its answer before it gets 202", RELOADS),

    SECRET("REDIS_URL", redis_url, "redis://[user:password@]host[:port][/database] or unix:/path; wins over REDIS_HOST and the like"),
    TEXT("REDIS_HOST", redis_host, "", "Redis server; empty (and no REDIS_URL): the embedded store"),
    NUMBER("REDIS_PORT", redis_port, "6379", 1, 65535, "its port"),
    NUMBER("REDIS_DB", redis_db, "0", 0, 1023, "its database number"),
    TEXT("REDIS_USER", redis_user, "", "user for AUTH; empty: the default user"),
    SECRET("REDIS_PASSWORD", redis_password, "password for AUTH"),
    NUMBER("REDIS_MAX_CONNECTIONS", redis_max_connections, "20", 2, 10000, "most connections of one process (it uses two)"),
    NUMBER("REDIS_SOCKET_TIMEOUT", redis_socket_timeout_s, "30", 1, 3600, "seconds after which an idle connection is tried, 5 at most"),
    NUMBER("REDIS_COMMAND_TIMEOUT_MS", redis_command_timeout_ms, "1000", 10, 60000, "limit of one command"),
    TEXT("STATE_FILE", state_file, DEFAULT_STATE_FILE, "SQLite file of the embedded store; :memory: for one process in tests"),
    TEXT("RUN_DIR", run_dir, DEFAULT_RUN_DIR, "directory for what the processes of this host share: liveness, the store in force"),
    TEXT("ADMIN_SOCKET", admin_socket, "", "Unix socket of the daemon for turnkeeperctl; empty: admin.sock in RUN_DIR"),
    TEXT("WEBSOCKET_LISTEN", websocket_listen, "", "where the daemon listens for WebSockets: the path of a Unix socket, host:port, or off; empty: ws.sock in RUN_DIR"),
    NUMBER("WEBSOCKET_MAX", websocket_max, "0", 0, 1000000, "WebSockets that one daemon holds at once; 0: what its descriptor limit carries"),
    TEXT("SQL_DIR", sql_dir, DEFAULT_SQL_DIR, "directory with the numbered migrations"),
    CHOICE("STORE_FALLBACK", store_fallback, "auto", "auto|embedded|spool|reject",
           "what happens while Redis is away; auto: embedded when Redis is on this host, else spool"),
    NUMBER("QUEUE_MAX_BYTES", queue_max_bytes, "1073741824", 0, INT64_MAX, "bound of message_queue; 0: none"),

    SECRET("DATABASE_URL", database_url, "PostgreSQL's URL or connection string; wins over POSTGRES_HOST and the like"),
    TEXT("POSTGRES_HOST", postgres_host, "", "PostgreSQL server; empty (and no DATABASE_URL): history stays in STATE_FILE"),
    NUMBER("POSTGRES_PORT", postgres_port, "5432", 1, 65535, "its port"),
    TEXT("POSTGRES_DB", postgres_db, "enhanced_chatbot", "its database"),
    TEXT("POSTGRES_USER", postgres_user, "postgres", "its user"),
    SECRET("POSTGRES_PASSWORD", postgres_password, "that user's password"),
    CHOICE("POSTGRES_SSLMODE", postgres_sslmode, "prefer", "disable|allow|prefer|require|verify-ca|verify-full", "TLS towards PostgreSQL"),
    NUMBER("POSTGRES_POOL_SIZE", postgres_pool_size, "4", 1, 100, "connections of one process"),
    YES_NO("MIGRATE", migrate, "yes", "the daemon applies missing migrations when it starts"),

    CHOICE("AI_PROVIDER", ai_provider, "native", "native|openai|simulated", "who writes the answers; openai: any service with OpenAI's chat completions"),
    TEXT("AI_SERVICE_URL", ai_url, "http://ai-service:8001", "the AI service; openai: the base, such as https://api.openai.com/v1", RELOADS),
    TEXT("AI_SERVICE_PATH", ai_path, "/process", "its path; openai: always /chat/completions", RELOADS),
    SECRET("AI_SERVICE_TOKEN", ai_token, "bearer token for the AI service", RELOADS),
    TEXT("AI_MODEL", ai_model, "unknown", "model_used where the AI's reply names none; openai: the model to ask", RELOADS),
    NUMBER("AI_SERVICE_TIMEOUT", ai_timeout_s, "30", 1, 3600, "seconds for one answer, retries included", RELOADS),
    NUMBER("AI_SERVICE_RETRIES", ai_retries, "2", 0, 20, "retries within that time", RELOADS),
    TEXT("AI_SYSTEM_PROMPT", ai_system_prompt, "", "openai: what the model is told first, of a bot without a system_prompt of its own", RELOADS),
    NUMBER("AI_CONTEXT_TOKENS", ai_context_tokens, "8000", 256, 10000000, "openai: estimated tokens of a question, context included", RELOADS),
    NUMBER("AI_ANSWER_TOKENS", ai_answer_tokens, "0", 0, 10000000, "openai: max_tokens of an answer, or max_completion_tokens where the service wants that; 0: not said", RELOADS),
    YES_NO("AI_TOOLS", ai_tools, "yes", "openai: actions are offered as tools", RELOADS),
    NUMBER("AI_ROUNDS", ai_rounds, "3", 1, 10, "openai: times that a question is asked in all, when the model's calls of tools are wrong", RELOADS),
    YES_NO("AI_STREAM_USAGE", ai_stream_usage, "yes", "openai: streamed answers are asked for their usage (stream_options), which some services refuse", RELOADS),
    NUMBER("AI_FIRST_BYTE_MS", ai_first_byte_ms, "20000", 0, 3600000, "openai: limit for the first byte of a streamed answer; 0, and for others: only AI_SERVICE_TIMEOUT", RELOADS),
    NUMBER("AI_SILENCE_MS", ai_silence_ms, "15000", 0, 3600000, "openai: limit for silence within a streamed answer; 0, and for others: only AI_SERVICE_TIMEOUT", RELOADS),
    NUMBER("AI_SIMULATED_DELAY_MS", ai_simulated_delay_ms, "2000", 0, 600000, "how long the simulated AI thinks"),

    CHOICE("PANCAKE_PROVIDER", pancake_provider, "actions", "actions|pages_fm|log", "where actions go; pages_fm: Pancake's own page API; log: one line each into PANCAKE_LOG_FILE"),
    TEXT("PANCAKE_BASE_URL", pancake_url, "http://pancake:8000", "the chat platform; pages_fm, where it is not set: https://pages.fm/api", RELOADS),
    TEXT("PANCAKE_ACTIONS_PATH", pancake_path, "/api/v1/actions", "its path for actions", RELOADS),
    SECRET("PANCAKE_OUTBOUND_TOKEN", pancake_token, "bearer token for the chat platform; pages_fm: the token of pages that PANCAKE_PAGE_TOKENS does not name", RELOADS),
    SECRET("PANCAKE_PAGE_TOKENS", pancake_page_tokens, "pages_fm: page=token, separated by commas", RELOADS),
    SECRET("PANCAKE_WEBHOOK_SECRET", pancake_webhook_secret, "lets webhooks in as ?secret=, or signs them; several, separated by commas, while rotating; empty: only bearer tokens do, which Pancake does not send", RELOADS),
    NUMBER("PANCAKE_CALLS_PER_SECOND", pancake_calls_per_second, "5", 2, 1000, "pages_fm: calls that a page may get in a second from all hosts together", RELOADS),
    NUMBER("PANCAKE_WEBHOOK_DEADLINE_MS", pancake_webhook_deadline_ms, "2000", 100, 60000, "a webhook is answered by then, accepted or not", RELOADS),
    NUMBER("PANCAKE_SWEEP_MINUTES", pancake_sweep_minutes, "10", 0, 1440, "pages_fm: between two looks for messages whose webhook did not come; 0: only after outages", RELOADS),
    TEXT("PANCAKE_LOG_FILE", pancake_log_file, "", "file for PANCAKE_PROVIDER=log; empty: the program's log"),
    NUMBER("PANCAKE_TIMEOUT", pancake_timeout_s, "10", 1, 600, "seconds for one delivery", RELOADS),
    YES_NO("PANCAKE_IDEMPOTENT", pancake_idempotent, "no", "the platform drops repeats by Idempotency-Key, so unknown outcomes may be repeated", RELOADS),

    NUMBER("BREAKER_FAILURES", breaker_failures, "5", 0, 1000, "failures in a row after which the AI or the platform is not asked for a while; 0: never", RELOADS),
    NUMBER("BREAKER_OPEN_MS", breaker_open_ms, "10000", 100, 60000, "how long that is at first; doubled to 60,000 while it keeps failing", RELOADS),

    TEXT("BOT_NAME", bot_name, "Default Bot", "name of the default bot", RELOADS),
    CHOICE("ON_NEWER", on_newer, "restart", "restart|finish|interrupt|reject", "what newer messages do to a running turn", RELOADS),
    NUMBER("DEBOUNCE_MS", debounce_ms, "0", 0, 600000, "quiet window before the AI is asked", RELOADS),
    NUMBER("MAX_WAIT_MS", max_wait_ms, "10000", 0, 3600000, "cap of that wait", RELOADS),
    NUMBER("RESTART_MAX", restart_max, "3", 0, 1000, "replies withheld in a row before one is sent whatever came since", RELOADS),
    NUMBER("PENDING_MAX", pending_max, "500", 1, 10000, "unanswered messages of one conversation", RELOADS),
    NUMBER("CONTEXT_MESSAGES", context_messages, "40", 1, 1000, "answered messages that the AI is told", RELOADS),
    NUMBER("HUMAN_LEASE_MINUTES", human_lease_minutes, "30", 1, 525600, "how long the bot is silent after a person's message", RELOADS),
    NUMBER("PROCESSING_LOCK_TTL", lock_ttl_s, "30", 1, 3600, "seconds that a lease lasts without renewal"),
    NUMBER("CONVERSATION_STATE_TTL", state_ttl_s, "86400", 60, INT32_MAX, "seconds after which idle, archived state may be forgotten", RELOADS),
    NUMBER("LOCK_CLEANUP_TTL", lock_cleanup_ttl_s, "86400", 60, INT32_MAX, "seconds after which what has lost its owner is cleaned up at the latest"),
    NUMBER("CLEANUP_INTERVAL_SECONDS", cleanup_interval_s, "300", 1, 86400, "seconds between the daemon's own cleanups", RELOADS),
    NUMBER("RETENTION_DAYS", retention_days, "0", 0, 36500, "days after which messages are deleted from the archive; 0: never", RELOADS),
    NUMBER("JOB_MAX_ATTEMPTS", job_max_attempts, "5", 1, 100,
           "tries of a job (not of a webhook's message), whatever the reason, of any other turn that fails for another reason than an unreachable peer, and of a callback", RELOADS),
    NUMBER("JOB_CONCURRENCY", job_concurrency, "1000", 1, 100000, "jobs and other turns that one daemon runs at once", RELOADS),
    NUMBER("JOB_TTL", job_ttl_s, "86400", 60, INT32_MAX, "seconds that the record of a job is kept after its end", RELOADS),
    NUMBER("SESSION_CACHE_TTL", session_cache_ttl_s, "3600", 1, INT32_MAX, "seconds that a session is cached, and that its last events are kept for listeners that come back", RELOADS),
    NUMBER("MAX_HISTORY_DAYS", max_history_days, "30", 1, 3650, "days that the store keeps a session's recent history, and the figures of a day", RELOADS),
    NUMBER("MAX_SESSIONS_PER_USER", max_sessions_per_user, "100", 1, 10000, "sessions of one user that are listed, those of the newest activity", RELOADS),
    NUMBER("PAGE_SIZE", page_size, "20", 1, 100, "exchanges on a page of a history where the caller does not say", RELOADS),
    TEXT("CALLBACK_ALLOWLIST", callback_allowlist, "", "where results of jobs may go besides: https://host, host, *.host, networks, separated by commas; empty: nowhere", RELOADS),
    SECRET("CALLBACK_SECRET", callback_secret, "signs callbacks (Standard Webhooks, whsec_...); several, separated by commas, while rotating", RELOADS),
    NUMBER("CALLBACK_TIMEOUT", callback_timeout_s, "10", 1, 300, "seconds for one callback", RELOADS),
    NUMBER("RETRY_FOR_HOURS", retry_for_hours, "24", 1, 8760, "how long an unreachable AI or platform is tried for one message", RELOADS),
    NUMBER("STUCK_AFTER_SECONDS", stuck_after_s, "120", 1, 86400, "seconds after which a conversation whose oldest message still waits is shown as stuck"),
    NUMBER("SHUTDOWN_GRACE", shutdown_grace_s, "25", 0, 3600, "seconds that running turns get to finish after TERM", RELOADS),
};

static struct settings last;
static struct conf_source sources[ARRAY_LEN(table)];
static const char *last_path; /* as the program was told: -c */

extern char **environ;

static int read_values(struct settings *s, struct conf_source *from, const char *path, struct arena *a, struct err *e)
{
    const char *from_env = getenv("TURNKEEPER_CONF");
    if (path == NULL && from_env != NULL && *from_env != '\0')
        path = from_env;
    if (path == NULL && access(DEFAULT_CONF, F_OK) == 0)
        path = DEFAULT_CONF;
    *s = (struct settings){ 0 };
    return conf_load(table, ARRAY_LEN(table), path, environ, a, s, from, e);
}

static int load(struct settings *s, struct conf_source *from, const char *path, struct arena *a, struct err *e)
{
    if (read_values(s, from, path, a, e) != 0)
        return -1;
    const char *name = "";
    struct err why;
    return settings_check(s, &name, &why) == 0 ? 0 : conf_blame(table, ARRAY_LEN(table), from, name, why.text, e);
}

int settings_load(struct settings *s, const char *path, struct arena *a, struct err *e)
{
    last_path = path;
    if (load(s, sources, path, a, e) != 0)
        return -1;
    last = *s;
    return 0;
}

int settings_read(struct settings *s, const char *path, struct arena *a, struct err *e)
{
    last_path = path;
    if (read_values(s, sources, path, a, e) != 0)
        return -1;
    last = *s;
    return 0;
}

const char *settings_admin_socket(const struct settings *s, struct arena *a)
{
    return s->admin_socket[0] != '\0' ? s->admin_socket : arena_printf(a, "%s/admin.sock", s->run_dir).p;
}

const char *settings_websocket(const struct settings *s, struct arena *a)
{
    if (strcmp(s->websocket_listen, "off") == 0)
        return "";
    return s->websocket_listen[0] != '\0' ? s->websocket_listen : arena_printf(a, "%s/ws.sock", s->run_dir).p;
}

/* ---- again ---- */

struct settings_again {
    struct settings s;
    struct conf_source sources[ARRAY_LEN(table)];
};

struct settings_again *settings_again(struct arena *a, struct err *e)
{
    struct settings_again *again = arena_alloc(a, sizeof(*again));
    if (again == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory");
        return NULL;
    }
    return load(&again->s, again->sources, last_path, a, e) == 0 ? again : NULL;
}

const struct settings *settings_of(const struct settings_again *again)
{
    return &again->s;
}

void settings_adopt(struct settings *s, const struct settings_again *again, settings_change_fn *fn, void *arg)
{
    conf_adopt(table, ARRAY_LEN(table), s, sources, &again->s, again->sources, fn, arg);
    last = *s;
}

/* Defaults that depend on other settings are shown as they are in force. */
void settings_dump(FILE *out)
{
    struct settings shown = last;
    shown.pancake_url = settings_pancake_url(&last);
    conf_dump(table, ARRAY_LEN(table), &shown, sources, out);
}

void settings_example(FILE *out)
{
    conf_example(table, ARRAY_LEN(table), out);
}
