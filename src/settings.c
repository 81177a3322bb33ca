/* SPDX-License-Identifier: MIT
 * The table of settings. Names are the contract with users: they stay. */
#include "config.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/conf.h"
#include "settings.h"
#include "settings_check.h"

#define AT(field) .offset = offsetof(struct settings, field)
#define TEXT(n, field, def, text) { .name = (n), .type = CONF_STRING, AT(field), .fallback = (def), .help = (text) }
#define SECRET(n, field, text) { .name = (n), .type = CONF_STRING, AT(field), .fallback = "", .flags = CONF_SECRET, .help = (text) }
#define NUMBER(n, field, def, lo, hi, text) \
    { .name = (n), .type = CONF_INT, AT(field), .fallback = (def), .min = (lo), .max = (hi), .help = (text) }
#define YES_NO(n, field, def, text) { .name = (n), .type = CONF_BOOL, AT(field), .fallback = (def), .help = (text) }
#define CHOICE(n, field, def, list, text) \
    { .name = (n), .type = CONF_ENUM, AT(field), .fallback = (def), .choices = (list), .help = (text) }

static const struct conf_option table[] = {
    TEXT("API_HOST", api_host, "127.0.0.1", "address that the web server of contrib/quickstart listens on"),
    NUMBER("API_PORT", api_port, "8000", 1, 65535, "its port"),
    TEXT("BASE_PATH", base_path, "", "path prefix under which the web server forwards requests, without a trailing slash"),
    YES_NO("DEBUG", debug, "no", "same as LOG_LEVEL=DEBUG; refused in production"),
    CHOICE("ENVIRONMENT", environment, "production", "development|test|staging|production", "production refuses the example tokens and DEBUG"),
    TEXT("LOG_LEVEL", log_level, "INFO", "DEBUG, INFO, WARNING or ERROR"),
    TEXT("LOG_FILE", log_file, "", "file for the log; empty: standard error"),

    SECRET("PANCAKE_ACCESS_TOKEN", platform_token, "token of the chat platform; several, separated by commas, while rotating"),
    SECRET("ADMIN_ACCESS_TOKEN", admin_token, "token of the administrators; several, separated by commas, while rotating"),
    TEXT("CORS_ORIGINS", cors_origins, "", "origins of browsers that may call, separated by commas"),
    NUMBER("MAX_BODY_BYTES", max_body_bytes, "262144", 1024, 16777216, "largest request body"),
    NUMBER("MAX_IN_FLIGHT", max_in_flight, "0", 0, 1000000, "requests that one responder holds at once; 0: what its descriptor limit carries"),
    NUMBER("SYNC_WAIT_MS", sync_wait_ms, "60000", 1, 3600000, "how long a request waits for its answer before it gets 202"),

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

    CHOICE("AI_PROVIDER", ai_provider, "native", "native|simulated", "who writes the answers"),
    TEXT("AI_SERVICE_URL", ai_url, "http://ai-service:8001", "the AI service"),
    TEXT("AI_SERVICE_PATH", ai_path, "/process", "its path"),
    SECRET("AI_SERVICE_TOKEN", ai_token, "bearer token for the AI service"),
    TEXT("AI_MODEL", ai_model, "unknown", "model_used where the AI's reply names none"),
    NUMBER("AI_SERVICE_TIMEOUT", ai_timeout_s, "30", 1, 3600, "seconds for one answer, retries included"),
    NUMBER("AI_SERVICE_RETRIES", ai_retries, "2", 0, 20, "retries within that time"),
    NUMBER("AI_SIMULATED_DELAY_MS", ai_simulated_delay_ms, "2000", 0, 600000, "how long the simulated AI thinks"),

    CHOICE("PANCAKE_PROVIDER", pancake_provider, "actions", "actions|log", "where actions go; log: one line each into PANCAKE_LOG_FILE"),
    TEXT("PANCAKE_BASE_URL", pancake_url, "http://pancake:8000", "the chat platform"),
    TEXT("PANCAKE_ACTIONS_PATH", pancake_path, "/api/v1/actions", "its path for actions"),
    SECRET("PANCAKE_OUTBOUND_TOKEN", pancake_token, "bearer token for the chat platform"),
    TEXT("PANCAKE_LOG_FILE", pancake_log_file, "", "file for PANCAKE_PROVIDER=log; empty: the program's log"),
    NUMBER("PANCAKE_TIMEOUT", pancake_timeout_s, "10", 1, 600, "seconds for one delivery"),
    YES_NO("PANCAKE_IDEMPOTENT", pancake_idempotent, "no", "the platform drops repeats by Idempotency-Key, so unknown outcomes may be repeated"),

    TEXT("BOT_NAME", bot_name, "Default Bot", "name of the default bot"),
    CHOICE("ON_NEWER", on_newer, "restart", "restart|finish|interrupt|reject", "what newer messages do to a running turn"),
    NUMBER("DEBOUNCE_MS", debounce_ms, "0", 0, 600000, "quiet window before the AI is asked"),
    NUMBER("MAX_WAIT_MS", max_wait_ms, "10000", 0, 3600000, "cap of that wait"),
    NUMBER("RESTART_MAX", restart_max, "3", 0, 1000, "replies withheld in a row before one is sent whatever came since"),
    NUMBER("PENDING_MAX", pending_max, "500", 1, 10000, "unanswered messages of one conversation"),
    NUMBER("CONTEXT_MESSAGES", context_messages, "40", 1, 1000, "answered messages that the AI is told"),
    NUMBER("HUMAN_LEASE_MINUTES", human_lease_minutes, "30", 1, 525600, "how long the bot is silent after a person's message"),
    NUMBER("PROCESSING_LOCK_TTL", lock_ttl_s, "30", 1, 3600, "seconds that a lease lasts without renewal"),
    NUMBER("CONVERSATION_STATE_TTL", state_ttl_s, "86400", 60, INT32_MAX, "seconds after which idle, archived state may be forgotten"),
    NUMBER("JOB_MAX_ATTEMPTS", job_max_attempts, "5", 1, 100, "tries of a turn that fails for another reason than an unreachable peer"),
    NUMBER("RETRY_FOR_HOURS", retry_for_hours, "24", 1, 8760, "how long an unreachable AI or platform is tried for one message"),
    NUMBER("SHUTDOWN_GRACE", shutdown_grace_s, "25", 0, 3600, "seconds that running turns get to finish after TERM"),
};

static struct settings last;
static struct conf_source sources[ARRAY_LEN(table)];

extern char **environ;

int settings_load(struct settings *s, const char *path, struct arena *a, struct err *e)
{
    const char *from_env = getenv("TURNKEEPER_CONF");
    if (path == NULL && from_env != NULL && *from_env != '\0')
        path = from_env;
    if (path == NULL && access(DEFAULT_CONF, F_OK) == 0)
        path = DEFAULT_CONF;
    *s = (struct settings){ 0 };
    if (conf_load(table, ARRAY_LEN(table), path, environ, a, s, sources, e) != 0)
        return -1;
    if (settings_check(s, e) != 0)
        return -1;
    last = *s;
    return 0;
}

void settings_dump(FILE *out)
{
    conf_dump(table, ARRAY_LEN(table), &last, sources, out);
}

void settings_example(FILE *out)
{
    conf_example(table, ARRAY_LEN(table), out);
}
