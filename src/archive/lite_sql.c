/* SPDX-License-Identifier: MIT
 * The same as pg_sql.c in SQLite's words, a row at a time instead of a batch: the rules are told there. */
#include "config.h"

#include "archive/lite_erase_sql.h"
#include "archive/lite_export_sql.h"
#include "archive/lite_history_sql.h"
#include "archive/lite_sql.h"

#define REPLY "ai_response, ai_processing_time_ms, model_used, restarts, storage_backend, answered_at, said"

/* ---- sessions and customers ---- */

#define STATUS_IS_NEWER "(excluded.status_at, excluded.status) > (o.status_at, o.status)"
#define CHECK_IS_NEWER \
    "(excluded.check_reply_at, NOT excluded.check_reply, coalesce(excluded.check_reply_until, -1)) >" \
    " (o.check_reply_at, NOT o.check_reply, coalesce(o.check_reply_until, -1))"
/* Later than, or at the same time as, what is there: the value, its time and its source. */
#define FIELD(name) \
    "UPDATE customers SET " name " = ?2, " name "_at = ?3, updated_at = max(updated_at, ?3)," \
    " sources = json_set(CASE WHEN json_valid(sources) AND json_type(sources) = 'object' THEN sources ELSE '{}' END, '$." name "', json(?4))" \
    " WHERE sender_id = ?1 AND " name "_at <= ?3"
#define CUSTOMER_ROW "k.sender_id, k.phone, k.email, k.name, k.address, iif(json_valid(k.sources), k.sources, NULL), k.created_at, k.updated_at"

/* ---- the configuration of bots: pg_sql.c says how; here looking and writing are two statements of one transaction ---- */

#define ROW_OPEN(column) "json(CASE WHEN json_valid(t." column ") THEN t." column " ELSE 'null' END)"
#define ROW_TRUTH(column) "json(CASE WHEN t." column " THEN 'true' ELSE 'false' END)"
#define ROW_END \
    "'settings', " ROW_OPEN("settings") ", 'environments', " ROW_OPEN("environments") ", 'version', t.version," \
    " 'created_at', t.created_at, 'updated_at', t.updated_at)"
#define BOT_ROW \
    "json_object('id', t.id, 'bot_id', t.bot_id, 'name', t.name, 'ai_core', (SELECT name FROM ai_cores WHERE id = t.ai_core_id)," \
    " 'platform', (SELECT name FROM platforms WHERE id = t.platform_id), 'system_prompt', t.system_prompt, 'enabled', " \
    ROW_TRUTH("enabled") ", " ROW_END
#define CORE_ROW \
    "json_object('id', t.id, 'name', t.name, 'provider', t.provider, 'base_url', t.base_url, 'path', t.path, 'model', t.model," \
    " 'api_key', t.api_key, 'timeout_ms', t.timeout_ms, " ROW_END
#define PLATFORM_ROW \
    "json_object('id', t.id, 'name', t.name, 'provider', t.provider, 'base_url', t.base_url, 'path', t.path, 'token', t.token," \
    " 'deliver', " ROW_TRUTH("deliver") ", " ROW_END

/* A row by its name or its id. */
#define NAMED(columns, table, key, name) \
    "SELECT " columns " FROM " table " WHERE " key " = " name " OR id = lower(" name ") ORDER BY " key " = " name " DESC LIMIT 1"

/* A member of the new row. */
#define AT(row, member) "json_extract(" row ", '$." member "')"
#define OR(member, otherwise) "coalesce(" AT("?2", member) ", " otherwise ")"
#define OPEN_VALUES OR("settings", "'{}'") ", " OR("environments", "'{}'")

#define NOT_THERE(member, table, word) \
    " WHEN " AT("?3", member) " IS NOT NULL AND NOT EXISTS (" NAMED("1", table, "name", AT("?3", member)) ") THEN '" word "'"
#define BOT_LOOK NOT_THERE("ai_core", "ai_cores", "no_core") NOT_THERE("platform", "platforms", "no_platform")
#define BOT_COLUMNS "bot_id, name, ai_core_id, platform_id, system_prompt, enabled, settings, environments"
#define BOT_VALUES \
    AT("?2", "bot_id") ", " AT("?2", "name") ", (" NAMED("id", "ai_cores", "name", AT("?2", "ai_core")) ")," \
    " (" NAMED("id", "platforms", "name", AT("?2", "platform")) "), " AT("?2", "system_prompt") ", " OR("enabled", "1") ", " OPEN_VALUES
#define CORE_COLUMNS "name, provider, base_url, path, model, api_key, timeout_ms, settings, environments"
#define CORE_VALUES \
    AT("?2", "name") ", " AT("?2", "provider") ", " AT("?2", "base_url") ", " AT("?2", "path") ", " AT("?2", "model") ", " \
    AT("?2", "api_key") ", " AT("?2", "timeout_ms") ", " OPEN_VALUES
#define PLATFORM_COLUMNS "name, provider, base_url, path, token, deliver, settings, environments"
#define PLATFORM_VALUES \
    AT("?2", "name") ", " AT("?2", "provider") ", " AT("?2", "base_url") ", " AT("?2", "path") ", " AT("?2", "token") ", " \
    OR("deliver", "1") ", " OPEN_VALUES
#define IN_USE(column) " WHEN ?1 = 2 AND EXISTS (SELECT 1 FROM bots WHERE " column " = old.id) THEN 'in_use'"

/* ?1 is enum archive_edit_op: 0 has no old row, 2 no new one. */
#define SERVICE(service, table, key, row, look, in_use, columns, values) \
    [LITE_ROWS + (service)] = "SELECT " row ", count(*) OVER () FROM " table " t WHERE ?1 IS NULL OR t.id = ?1 ORDER BY t." key, \
    [LITE_LOOK + (service)] = \
        "WITH old AS (" NAMED("id, version", table, key, "?2") ")" \
        " SELECT CASE WHEN ?1 > 0 AND old.id IS NULL THEN 'unknown' WHEN ?4 <> 0 AND old.version <> ?4 THEN 'stale'" \
        " WHEN EXISTS (SELECT 1 FROM " table " o WHERE o." key " = " AT("?3", key) " AND o.id IS NOT old.id) THEN 'exists'" look in_use \
        " ELSE 'done' END, old.id FROM (SELECT 1) LEFT JOIN old", \
    [LITE_INSERT + (service)] = "INSERT INTO " table " (id, created_at, updated_at, " columns ") SELECT ?1, ?3, ?3, " values, \
    [LITE_REPLACE + (service)] = "UPDATE " table " SET (" columns ") = (SELECT " values ") WHERE id = ?1", \
    [LITE_DELETE + (service)] = "DELETE FROM " table " WHERE id = ?1"

const char *const lite_sql[LITE_SQL_N] = {
    [LITE_CONVERSATION] = "INSERT INTO conversations (id, conversation_id, created_at, last_message_timestamp) VALUES (?1, ?2, ?3, ?4)"
                          " ON CONFLICT (conversation_id) DO NOTHING",
    [LITE_MESSAGE] = "INSERT INTO messages AS o (conversation_id, id, message_id, seq, sender_id, sender_type, content, \"timestamp\","
                     " received_at, metadata, attachments, status, reason, turn_id, fence, " REPLY ")"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22)"
                     " ON CONFLICT (conversation_id, message_id) DO UPDATE SET status = excluded.status, reason = excluded.reason,"
                     " turn_id = excluded.turn_id, fence = excluded.fence, revision = o.revision + 1,"
                     " ai_response = excluded.ai_response, ai_processing_time_ms = excluded.ai_processing_time_ms,"
                     " model_used = excluded.model_used, restarts = excluded.restarts, storage_backend = excluded.storage_backend,"
                     " answered_at = excluded.answered_at, said = excluded.said WHERE o.fence < excluded.fence"
                     " RETURNING revision",
    [LITE_COUNT] = "UPDATE conversations SET last_message_timestamp = max(last_message_timestamp, ?2), last_seq = max(last_seq, ?3),"
                   " total_messages = total_messages + ?4, customer_messages = customer_messages + ?5,"
                   " created_at = min(created_at, ?6), active_at = max(active_at, ?7) WHERE conversation_id = ?1",
    [LITE_ACTION] = "INSERT INTO message_actions AS o (conversation_id, turn_id, position, message_id, action_type, data, status,"
                    " reason, retry_count, fence, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)"
                    " ON CONFLICT (conversation_id, turn_id, position) DO UPDATE SET message_id = excluded.message_id,"
                    " action_type = excluded.action_type, data = excluded.data, status = excluded.status,"
                    " reason = excluded.reason, retry_count = excluded.retry_count, fence = excluded.fence"
                    " WHERE o.fence < excluded.fence",
    [LITE_SESSION] = "INSERT INTO chat_sessions AS o (id, session_id, user_id, user_seq, created_at, updated_at)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?5)"
                     " ON CONFLICT (session_id) DO UPDATE SET user_id = excluded.user_id, user_seq = excluded.user_seq"
                     " WHERE excluded.user_seq < o.user_seq",
    [LITE_JOB] = "INSERT INTO jobs AS o (id, conversation_id, bot_id, status, attempts, consolidated_messages, callback_url, result, error,"
                 " created_at, started_at, completed_at, fence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
                 " ON CONFLICT (id) DO UPDATE SET bot_id = excluded.bot_id, status = excluded.status, attempts = excluded.attempts,"
                 " consolidated_messages = excluded.consolidated_messages, callback_url = excluded.callback_url,"
                 " result = excluded.result, error = excluded.error, created_at = excluded.created_at,"
                 " started_at = excluded.started_at, completed_at = excluded.completed_at, fence = excluded.fence"
                 " WHERE o.fence < excluded.fence AND o.conversation_id = excluded.conversation_id",
    [LITE_STATE] = "INSERT INTO chat_sessions AS o (id, session_id, created_at, updated_at, status, status_at, check_reply, check_reply_until,"
                   " check_reply_at) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6, ?7, ?8)"
                   " ON CONFLICT (session_id) DO UPDATE SET updated_at = max(o.updated_at, excluded.updated_at),"
                   " status = CASE WHEN " STATUS_IS_NEWER " THEN excluded.status ELSE o.status END,"
                   " status_at = max(o.status_at, excluded.status_at),"
                   " check_reply = CASE WHEN " CHECK_IS_NEWER " THEN excluded.check_reply ELSE o.check_reply END,"
                   " check_reply_until = CASE WHEN " CHECK_IS_NEWER " THEN excluded.check_reply_until ELSE o.check_reply_until END,"
                   " check_reply_at = max(o.check_reply_at, excluded.check_reply_at) WHERE " STATUS_IS_NEWER " OR " CHECK_IS_NEWER,
    [LITE_CUSTOMER] = "INSERT INTO customers AS o (id, sender_id, created_at, updated_at) VALUES (?1, ?2, ?3, ?3)"
                      " ON CONFLICT (sender_id) DO UPDATE SET created_at = excluded.created_at WHERE excluded.created_at < o.created_at",
    [LITE_FIELD + 0] = FIELD("phone"),
    [LITE_FIELD + 1] = FIELD("email"),
    [LITE_FIELD + 2] = FIELD("name"),
    [LITE_FIELD + 3] = FIELD("address"),
    [LITE_CONTEXT] = "SELECT sender_type, content, id, message_id,"
                     " CASE WHEN said THEN json_extract(ai_response, '$.response_text') END, answered_at"
                     " FROM messages WHERE conversation_id = ?1 AND sender_type <> 'bot' ORDER BY id DESC LIMIT ?2",
    [LITE_OUTCOME] = "SELECT status, turn_id, reason FROM messages WHERE conversation_id = ?1 AND message_id = ?2",
    [LITE_READ_JOB] = "SELECT id, conversation_id, status, created_at, started_at, completed_at, attempts, consolidated_messages, result,"
                      " error FROM jobs WHERE id = lower(?1)",
    [LITE_READ_SESSION] =
        "SELECT c.conversation_id, s.user_id, coalesce(s.status, 'active'), coalesce(s.check_reply, 1), s.check_reply_until,"
        " c.created_at, max(c.active_at, c.created_at),"
        " CASE WHEN ?2 = 0 THEN c.total_messages ELSE (SELECT count(*) FROM messages b WHERE b.conversation_id = ?1"
        " AND b.received_at < ?2) END, m.message_id, m.content, m.sender_type, m.\"timestamp\","
        " CASE WHEN m.said THEN json_extract(m.ai_response, '$.response_text') END, m.answered_at,"
        " CASE WHEN ?2 = 0 THEN c.customer_messages ELSE (SELECT count(*) FROM messages b WHERE b.conversation_id = ?1"
        " AND b.sender_type = 'user' AND b.received_at < ?2) END, " CUSTOMER_ROW
        " FROM conversations c LEFT JOIN chat_sessions s ON s.session_id = c.conversation_id"
        " LEFT JOIN customers k ON k.sender_id = s.user_id"
        " LEFT JOIN messages m ON m.conversation_id = c.conversation_id"
        " AND m.id = (SELECT max(id) FROM messages WHERE conversation_id = c.conversation_id) WHERE c.conversation_id = ?1",
    [LITE_READ_CUSTOMER] = "SELECT " CUSTOMER_ROW " FROM customers k WHERE k.sender_id = ?1",
    [LITE_SIZE] = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
    [LITE_OLD] = "SELECT conversation_id, message_id FROM messages WHERE received_at < ?1 ORDER BY received_at LIMIT ?2",
    [LITE_FORGET_ACTIONS] = "DELETE FROM message_actions WHERE conversation_id = ?1 AND message_id = ?2",
    [LITE_FORGET_JOB] = "DELETE FROM jobs WHERE conversation_id = ?1 AND id = (SELECT turn_id FROM messages WHERE conversation_id = ?1"
                        " AND message_id = ?2)",
    [LITE_FORGET_COUNT] = "UPDATE conversations SET forgotten_messages = forgotten_messages + 1 WHERE conversation_id = ?1 AND EXISTS"
                          " (SELECT 1 FROM messages WHERE conversation_id = ?1 AND message_id = ?2 AND sender_type = 'user')",
    [LITE_FORGET_MESSAGE] = "DELETE FROM messages WHERE conversation_id = ?1 AND message_id = ?2",
    [LITE_VERSION] = "SELECT coalesce((SELECT version FROM service_version), 0)",
    LITE_HISTORY_SQL,
    LITE_ERASE_SQL,
    LITE_EXPORT_SQL,
    SERVICE(0, "bots", "bot_id", BOT_ROW, BOT_LOOK, "", BOT_COLUMNS, BOT_VALUES),
    SERVICE(1, "ai_cores", "name", CORE_ROW, "", IN_USE("ai_core_id"), CORE_COLUMNS, CORE_VALUES),
    SERVICE(2, "platforms", "name", PLATFORM_ROW, "", IN_USE("platform_id"), PLATFORM_COLUMNS, PLATFORM_VALUES),
};
