/* SPDX-License-Identifier: MIT
 * The statements of a batch take one array a column. They must be sent with their rows in the order of the keys, so that two
 * writers whose batches overlap wait for each other in one direction only.
 *
 * Messages: a row that is there already is replaced only by a later decision (a higher fence), and then counts as a revision. Only new
 * rows (revision 0) count for the conversation, so that a batch may be written any number of times. The conversation's row is written
 * in the same statement: foreign keys are checked at the statement's end, and its own id is that of its first message. The time that orders a
 * message is in its id. */
#include "config.h"

#include "archive/pg_sql.h"

#define TEXTS 1009
#define UUIDS 2951
#define BIGINTS 1016
#define INTEGERS 1007
#define DOUBLES 1022
#define BOOLEANS 1000
#define TIMES 1185
#define JSONBS 3807

#define MESSAGES_TEXT \
    "WITH m AS (" \
    "INSERT INTO messages AS o (conversation_id, id, message_id, seq, sender_id, sender_type, content, \"timestamp\", received_at," \
    " metadata, attachments, status, reason, turn_id, fence, ai_response, ai_processing_time_ms, model_used, restarts," \
    " storage_backend, answered_at, said)" \
    " SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]," \
    " $9::timestamptz[], $10::jsonb[], $11::jsonb[], $12::text[], $13::text[], $14::uuid[], $15::bigint[], $16::jsonb[]," \
    " $17::double precision[], $18::text[], $19::integer[], $20::text[], $21::timestamptz[], $22::boolean[])" \
    " ON CONFLICT ON CONSTRAINT messages_once DO UPDATE SET status = excluded.status, reason = excluded.reason," \
    " turn_id = excluded.turn_id, fence = excluded.fence, revision = o.revision + 1, ai_response = excluded.ai_response," \
    " ai_processing_time_ms = excluded.ai_processing_time_ms, model_used = excluded.model_used, restarts = excluded.restarts," \
    " storage_backend = excluded.storage_backend, answered_at = excluded.answered_at, said = excluded.said" \
    " WHERE o.fence < excluded.fence" \
    " RETURNING conversation_id, id, revision, sender_type, seq, received_at, answered_at)" \
    " INSERT INTO conversations AS c (id, conversation_id, created_at, last_message_timestamp, last_seq, total_messages," \
    " customer_messages, active_at)" \
    " SELECT min(id::text)::uuid, conversation_id, min(received_at)," \
    " to_timestamp(max(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint) / 1000.0)," \
    " max(seq), count(*) FILTER (WHERE revision = 0), count(*) FILTER (WHERE revision = 0 AND sender_type = 'user')," \
    " max(greatest(received_at, answered_at)) FROM m GROUP BY conversation_id ORDER BY conversation_id" \
    " ON CONFLICT (conversation_id) DO UPDATE SET created_at = least(c.created_at, excluded.created_at)," \
    " last_message_timestamp = greatest(c.last_message_timestamp, excluded.last_message_timestamp)," \
    " last_seq = greatest(c.last_seq, excluded.last_seq), total_messages = c.total_messages + excluded.total_messages," \
    " customer_messages = c.customer_messages + excluded.customer_messages, active_at = greatest(c.active_at, excluded.active_at)"

#define ACTIONS_TEXT \
    "INSERT INTO message_actions AS o (conversation_id, turn_id, position, message_id, action_type, data, status, reason," \
    " retry_count, fence, created_at)" \
    " SELECT * FROM unnest($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::text[], $6::jsonb[], $7::text[], $8::text[]," \
    " $9::integer[], $10::bigint[], $11::timestamptz[])" \
    " ON CONFLICT (conversation_id, turn_id, position) DO UPDATE SET message_id = excluded.message_id," \
    " action_type = excluded.action_type, data = excluded.data, status = excluded.status, reason = excluded.reason," \
    " retry_count = excluded.retry_count, fence = excluded.fence WHERE o.fence < excluded.fence"

/* Looks before it writes: a conflict that changes nothing would still lock the row. */
#define SESSIONS_TEXT \
    "INSERT INTO chat_sessions AS o (id, session_id, user_id, user_seq, created_at)" \
    " SELECT n.id, n.session_id, n.user_id, n.user_seq, n.created_at" \
    " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::timestamptz[])" \
    " AS n (id, session_id, user_id, user_seq, created_at)" \
    " WHERE NOT EXISTS (SELECT FROM chat_sessions s WHERE s.session_id = n.session_id AND s.user_seq <= n.user_seq)" \
    " ON CONFLICT (session_id) DO UPDATE SET user_id = excluded.user_id, user_seq = excluded.user_seq" \
    " WHERE excluded.user_seq < o.user_seq"

/* Behind its messages, which have made the conversation. An id belongs to one conversation for good. */
#define JOBS_TEXT \
    "INSERT INTO jobs AS o (id, conversation_id, bot_id, status, attempts, consolidated_messages, callback_url, result, error," \
    " created_at, started_at, completed_at, fence)" \
    " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::text[], $8::jsonb[]," \
    " $9::text[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[], $13::bigint[])" \
    " ON CONFLICT (id) DO UPDATE SET bot_id = excluded.bot_id, status = excluded.status, attempts = excluded.attempts," \
    " consolidated_messages = excluded.consolidated_messages, callback_url = excluded.callback_url, result = excluded.result," \
    " error = excluded.error, created_at = excluded.created_at, started_at = excluded.started_at," \
    " completed_at = excluded.completed_at, fence = excluded.fence" \
    " WHERE o.fence < excluded.fence AND o.conversation_id = excluded.conversation_id"

/* A batch's tasks have one transaction, its messages another: conversations come before sessions in each, so that nobody who holds a session's row
 * waits for a conversation's. A word that was spoken at the same time as another one counts when it is the greater of the two, so that any order has
 * the same end. */
#define STATUS_IS_NEWER "(excluded.status_at, excluded.status) > (o.status_at, o.status)"
#define CHECK_IS_NEWER \
    "(excluded.check_reply_at, NOT excluded.check_reply, coalesce(excluded.check_reply_until, '-infinity')) >" \
    " (o.check_reply_at, NOT o.check_reply, coalesce(o.check_reply_until, '-infinity'))"
#define STATES_TEXT \
    "WITH n AS MATERIALIZED (SELECT * FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::bigint[], $6::boolean[]," \
    " $7::timestamptz[], $8::bigint[]) AS n (id, session_id, at, status, status_at, check_reply, check_reply_until, check_reply_at))," \
    " c AS (INSERT INTO conversations (id, conversation_id, created_at, last_message_timestamp)" \
    " SELECT n.id, n.session_id, n.at, to_timestamp(0) FROM n" \
    " WHERE NOT EXISTS (SELECT FROM conversations c WHERE c.conversation_id = n.session_id) ON CONFLICT (conversation_id) DO NOTHING)" \
    " INSERT INTO chat_sessions AS o (id, session_id, created_at, updated_at, status, status_at, check_reply, check_reply_until," \
    " check_reply_at)" \
    " SELECT id, session_id, at, at, coalesce(status, 'active'), status_at, coalesce(check_reply, true), check_reply_until," \
    " check_reply_at FROM n" \
    " ON CONFLICT (session_id) DO UPDATE SET updated_at = greatest(o.updated_at, excluded.updated_at)," \
    " status = CASE WHEN " STATUS_IS_NEWER " THEN excluded.status ELSE o.status END," \
    " status_at = greatest(o.status_at, excluded.status_at)," \
    " check_reply = CASE WHEN " CHECK_IS_NEWER " THEN excluded.check_reply ELSE o.check_reply END," \
    " check_reply_until = CASE WHEN " CHECK_IS_NEWER " THEN excluded.check_reply_until ELSE o.check_reply_until END," \
    " check_reply_at = greatest(o.check_reply_at, excluded.check_reply_at)" \
    " WHERE " STATUS_IS_NEWER " OR " CHECK_IS_NEWER

/* What is not said has the time -1. sources brings only what is said. */
#define SAID_LATER(field) "(excluded." field "_at >= 0 AND excluded." field "_at >= o." field "_at)"
#define LATER(field) \
    field " = CASE WHEN " SAID_LATER(field) " THEN excluded." field " ELSE o." field " END, " field "_at = greatest(o." field "_at, excluded." field "_at)"
#define LATER_SOURCE(field) \
    " || CASE WHEN " SAID_LATER(field) " THEN jsonb_build_object('" field "', excluded.sources -> '" field "') ELSE '{}' END"
#define CUSTOMERS_TEXT \
    "INSERT INTO customers AS o (id, sender_id, phone, email, name, address, phone_at, email_at, name_at, address_at, sources, created_at," \
    " updated_at)" \
    " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[]," \
    " $9::bigint[], $10::bigint[], $11::jsonb[], $12::timestamptz[], $13::timestamptz[])" \
    " ON CONFLICT (sender_id) DO UPDATE SET " LATER("phone") ", " LATER("email") ", " LATER("name") ", " LATER("address") "," \
    " sources = CASE WHEN jsonb_typeof(o.sources) = 'object' THEN o.sources ELSE '{}' END" LATER_SOURCE("phone") LATER_SOURCE("email") \
        LATER_SOURCE("name") LATER_SOURCE("address") "," \
    " created_at = least(o.created_at, excluded.created_at), updated_at = greatest(o.updated_at, excluded.updated_at)" \
    " WHERE " SAID_LATER("phone") " OR " SAID_LATER("email") " OR " SAID_LATER("name") " OR " SAID_LATER("address")

/* Asked before the context is: most of those who are asked for are new, and one index says so, where that of each partition would be opened else. */
#define KNOWN_TEXT "SELECT FROM conversations WHERE conversation_id = $1"

/* Without the echoes of what the bot said: its replies are there already. */
#define CONTEXT_TEXT \
    "SELECT sender_type, content, id, message_id, CASE WHEN said THEN ai_response ->> 'response_text' END," \
    " (extract(epoch FROM answered_at) * 1000)::bigint" \
    " FROM messages WHERE conversation_id = $1 AND sender_type <> 'bot' ORDER BY id DESC LIMIT $2"

/* The order keeps the planner from taking another index than the one that has both: pg_history_sql.c. */
#define MESSAGE_TEXT \
    "SELECT status, turn_id, reason FROM messages WHERE conversation_id = $1 AND message_id >= $2 AND message_id <= $2" \
    " ORDER BY message_id LIMIT 1"

#define STAT_TEXT \
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend')," \
    " pg_database_size(current_database())," \
    " (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())"

/* Rows that somebody else is just writing or deleting are left for another time. Their conversations are locked in the order in which writers take
 * them. What is deleted is no longer one of those that a history has. */
#define RETAIN_TEXT \
    "WITH old AS (SELECT conversation_id, id FROM messages WHERE received_at < to_timestamp($1 / 1000.0)" \
    " ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)," \
    " held AS MATERIALIZED (SELECT conversation_id FROM conversations WHERE conversation_id IN (SELECT conversation_id FROM old)" \
    " ORDER BY conversation_id FOR NO KEY UPDATE)," \
    " gone AS (DELETE FROM messages m USING old o WHERE m.conversation_id = o.conversation_id AND m.id = o.id" \
    " RETURNING m.conversation_id, m.message_id, m.turn_id, m.sender_type)," \
    " less AS (UPDATE conversations c SET forgotten_messages = c.forgotten_messages + g.n FROM held h, (SELECT conversation_id, count(*) AS n" \
    " FROM gone WHERE sender_type = 'user' GROUP BY conversation_id) g" \
    " WHERE c.conversation_id = g.conversation_id AND h.conversation_id = g.conversation_id)," \
    " done AS (DELETE FROM jobs j USING gone g WHERE j.id = g.turn_id AND j.conversation_id = g.conversation_id)," \
    " acts AS (DELETE FROM message_actions a USING gone g WHERE a.conversation_id = g.conversation_id AND a.message_id = g.message_id)" \
    " SELECT count(*) FROM gone"

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"

#define JOB_TEXT \
    "SELECT id, conversation_id, status, " MS("created_at") ", " MS("started_at") ", " MS("completed_at") ", attempts," \
    " consolidated_messages, result, error FROM jobs WHERE id = $1::uuid"

#define CUSTOMER_ROW "k.sender_id, k.phone, k.email, k.name, k.address, k.sources, " MS("k.created_at") ", " MS("k.updated_at")
#define CUSTOMER_TEXT "SELECT " CUSTOMER_ROW " FROM customers k WHERE k.sender_id = $1"

/* The columns of struct session_entry, then those of its customer. A conversation without a message was last active when it was made. */
#define SESSION_TEXT \
    "SELECT c.conversation_id, s.user_id, coalesce(s.status, 'active'), coalesce(s.check_reply, true)::integer, " \
    MS("s.check_reply_until") ", " MS("c.created_at") "," \
    " " MS("greatest(c.active_at, c.created_at)") ", CASE WHEN $2 = 0 THEN c.total_messages ELSE (SELECT count(*) FROM messages b" \
    " WHERE b.conversation_id = $1 AND b.received_at < to_timestamp($2 / 1000.0)) END, m.message_id, m.content, m.sender_type, " MS("m.\"timestamp\"") "," \
    " CASE WHEN m.said THEN m.ai_response ->> 'response_text' END, " MS("m.answered_at") ", CASE WHEN $2 = 0 THEN c.customer_messages" \
    " ELSE (SELECT count(*) FROM messages b WHERE b.conversation_id = $1 AND b.sender_type = 'user'" \
    " AND b.received_at < to_timestamp($2 / 1000.0)) END, " CUSTOMER_ROW \
    " FROM conversations c LEFT JOIN chat_sessions s ON s.session_id = c.conversation_id" \
    " LEFT JOIN customers k ON k.sender_id = s.user_id" \
    " LEFT JOIN LATERAL (SELECT * FROM messages WHERE conversation_id = $1 ORDER BY id DESC LIMIT 1) m ON true" \
    " WHERE c.conversation_id = $1"

/* ---- the configuration of bots ----
 * Reading is one statement, and so one snapshot: the version first, then the rows, whose tables are not touched when the version is the one that
 * is known (the condition does not depend on a row, so it is looked at once).
 *
 * An edit is a statement that looks, writes, and says in one word what came of it. Before it, in the same transaction, EDITOR waits for all other
 * editors to commit, so that what it looks at is what it writes to. The triggers of 004_services.sql do the rest. */

#define ROW_END \
    "'settings', t.settings, 'environments', t.environments, 'version', t.version, 'created_at', " MS("t.created_at") "," \
    " 'updated_at', " MS("t.updated_at") ")"
#define BOT_ROW \
    "json_build_object('id', t.id, 'bot_id', t.bot_id, 'name', t.name, 'ai_core', (SELECT name FROM ai_cores WHERE id = t.ai_core_id)," \
    " 'platform', (SELECT name FROM platforms WHERE id = t.platform_id), 'system_prompt', t.system_prompt, 'enabled', t.enabled, " ROW_END
#define CORE_ROW \
    "json_build_object('id', t.id, 'name', t.name, 'provider', t.provider, 'base_url', t.base_url, 'path', t.path, 'model', t.model," \
    " 'api_key', t.api_key, 'timeout_ms', t.timeout_ms, " ROW_END
#define PLATFORM_ROW \
    "json_build_object('id', t.id, 'name', t.name, 'provider', t.provider, 'base_url', t.base_url, 'path', t.path, 'token', t.token," \
    " 'deliver', t.deliver, " ROW_END

#define LIST(service, table, key, row) \
    " UNION ALL SELECT " service ", t." key " COLLATE \"C\", " row "::text FROM " table " t" \
    " WHERE $1 = 0 OR (SELECT version FROM v) <> $1"

#define SERVICES_TEXT \
    "WITH v AS MATERIALIZED (SELECT coalesce((SELECT version FROM service_version), 0) AS version)" \
    " SELECT -1 AS service, '' COLLATE \"C\" AS key, version::text AS row FROM v" LIST("0", "bots", "bot_id", BOT_ROW) \
        LIST("1", "ai_cores", "name", CORE_ROW) LIST("2", "platforms", "name", PLATFORM_ROW) " ORDER BY 1, 2"

#define EDITOR_TEXT "SELECT version FROM service_version FOR NO KEY UPDATE"

/* A row by its name or its id, in $1 or in a column. */
#define NAMED(columns, table, key, name) \
    "SELECT " columns " FROM " table " WHERE " key " = " name " OR id::text = lower(" name ") ORDER BY " key " = " name " DESC LIMIT 1"

/* x: the new row. */
#define BOT_NEW \
    "x AS (SELECT r.*, r.bot_id AS key, (" NAMED("id", "ai_cores", "name", "r.ai_core") ") AS core," \
    " (" NAMED("id", "platforms", "name", "r.platform") ") AS plat FROM jsonb_to_record($2::jsonb) AS r (bot_id text," \
    " name text, ai_core text, platform text, system_prompt text, enabled boolean, settings jsonb, environments jsonb))"
#define BOT_COLUMNS "bot_id, name, ai_core_id, platform_id, system_prompt, enabled, settings, environments"
#define BOT_VALUES "x.bot_id, x.name, x.core, x.plat, x.system_prompt, coalesce(x.enabled, true), " OPEN_VALUES
#define OPEN_VALUES "coalesce(x.settings, '{}'), coalesce(x.environments, '{}')"
#define BOT_FLAWS \
    " WHEN x.ai_core IS NOT NULL AND x.core IS NULL THEN 'no_core' WHEN x.platform IS NOT NULL AND x.plat IS NULL THEN 'no_platform'"

#define CORE_NEW \
    "x AS (SELECT r.*, r.name AS key FROM jsonb_to_record($2::jsonb) AS r (name text, provider text, base_url text, path text," \
    " model text, api_key text, timeout_ms integer, settings jsonb, environments jsonb))"
#define CORE_COLUMNS "name, provider, base_url, path, model, api_key, timeout_ms, settings, environments"
#define CORE_VALUES "x.name, x.provider, x.base_url, x.path, x.model, x.api_key, x.timeout_ms, " OPEN_VALUES

#define PLATFORM_NEW \
    "x AS (SELECT r.*, r.name AS key FROM jsonb_to_record($2::jsonb) AS r (name text, provider text, base_url text, path text," \
    " token text, deliver boolean, settings jsonb, environments jsonb))"
#define PLATFORM_COLUMNS "name, provider, base_url, path, token, deliver, settings, environments"
#define PLATFORM_VALUES "x.name, x.provider, x.base_url, x.path, x.token, coalesce(x.deliver, true), " OPEN_VALUES

#define SAID(row) " SELECT says.word, (SELECT " row " FROM done t) FROM says"

#define INSERT_TEXT(table, key, new, flaws, columns, values, row) \
    "WITH " new ", says AS (SELECT CASE WHEN EXISTS (SELECT FROM " table " o WHERE o." key " = x.key) THEN 'exists'" flaws \
    " ELSE 'done' END AS word FROM x)," \
    " done AS (INSERT INTO " table " (id, " columns ") SELECT $1::uuid, " values " FROM x, says WHERE says.word = 'done' RETURNING *)" \
    SAID(row)

#define REPLACE_TEXT(table, key, new, flaws, columns, values, row) \
    "WITH " new ", old AS (" NAMED("id, version", table, key, "$1") ")," \
    " says AS (SELECT CASE WHEN old.id IS NULL THEN 'unknown' WHEN $3 <> 0 AND old.version <> $3 THEN 'stale'" \
    " WHEN EXISTS (SELECT FROM " table " o WHERE o." key " = x.key AND o.id <> old.id) THEN 'exists'" flaws \
    " ELSE 'done' END AS word FROM x LEFT JOIN old ON true)," \
    " done AS (UPDATE " table " SET (" columns ") = (SELECT " values " FROM x)" \
    " WHERE id = (SELECT old.id FROM old, says WHERE says.word = 'done') RETURNING *)" SAID(row)

#define DELETE_TEXT(table, key, in_use, row) \
    "WITH old AS (" NAMED("id, version", table, key, "$1") ")," \
    " says AS (SELECT CASE WHEN old.id IS NULL THEN 'unknown' WHEN $2 <> 0 AND old.version <> $2 THEN 'stale'" in_use \
    " ELSE 'done' END AS word FROM (SELECT) AS one LEFT JOIN old ON true)," \
    " done AS (DELETE FROM " table " WHERE id = (SELECT old.id FROM old, says WHERE says.word = 'done') RETURNING *)" SAID(row)

#define IN_USE(column) " WHEN EXISTS (SELECT FROM bots WHERE " column " = old.id) THEN 'in_use'"

#define EDITS(service, table, key, new, flaws, columns, values, in_use, row) \
    [PG_SQL_INSERT + (service)] = { "tk_insert_" table, INSERT_TEXT(table, key, new, flaws, columns, values, row), \
                                    PG_SQL_INSERT + (service), 2, { PG_TEXT, PG_TEXT } }, \
    [PG_SQL_REPLACE + (service)] = { "tk_replace_" table, REPLACE_TEXT(table, key, new, flaws, columns, values, row), \
                                     PG_SQL_REPLACE + (service), 3, { PG_TEXT, PG_TEXT, PG_BIGINT } }, \
    [PG_SQL_DELETE + (service)] = { "tk_delete_" table, DELETE_TEXT(table, key, in_use, row), PG_SQL_DELETE + (service), 2, \
                                    { PG_TEXT, PG_BIGINT } }

_Static_assert(PG_SQL_N <= PG_STATEMENTS_MAX, "a link knows no more");

const struct pg_statement pg_sql[PG_SQL_N] = {
    [PG_SQL_MESSAGES] = { "tk_messages", MESSAGES_TEXT, PG_SQL_MESSAGES, PG_MESSAGE_COLUMNS,
                          { TEXTS, UUIDS, TEXTS, BIGINTS, TEXTS, TEXTS, TEXTS, TIMES, TIMES, JSONBS, JSONBS, TEXTS, TEXTS, UUIDS,
                            BIGINTS, JSONBS, DOUBLES, TEXTS, INTEGERS, TEXTS, TIMES, BOOLEANS } },
    [PG_SQL_ACTIONS] = { "tk_actions", ACTIONS_TEXT, PG_SQL_ACTIONS, PG_ACTION_COLUMNS,
                         { TEXTS, UUIDS, INTEGERS, TEXTS, TEXTS, JSONBS, TEXTS, TEXTS, INTEGERS, BIGINTS, TIMES } },
    [PG_SQL_SESSIONS] = { "tk_sessions", SESSIONS_TEXT, PG_SQL_SESSIONS, PG_SESSION_COLUMNS,
                          { UUIDS, TEXTS, TEXTS, BIGINTS, TIMES } },
    [PG_SQL_JOBS] = { "tk_jobs", JOBS_TEXT, PG_SQL_JOBS, PG_JOB_COLUMNS,
                      { UUIDS, TEXTS, TEXTS, TEXTS, INTEGERS, INTEGERS, TEXTS, JSONBS, TEXTS, TIMES, TIMES, TIMES, BIGINTS } },
    [PG_SQL_STATES] = { "tk_states", STATES_TEXT, PG_SQL_STATES, PG_STATE_COLUMNS,
                        { UUIDS, TEXTS, TIMES, TEXTS, BIGINTS, BOOLEANS, TIMES, BIGINTS } },
    [PG_SQL_CUSTOMERS] = { "tk_customers", CUSTOMERS_TEXT, PG_SQL_CUSTOMERS, PG_CUSTOMER_COLUMNS,
                           { UUIDS, TEXTS, TEXTS, TEXTS, TEXTS, TEXTS, BIGINTS, BIGINTS, BIGINTS, BIGINTS, JSONBS, TIMES, TIMES } },
    [PG_SQL_KNOWN] = { "tk_known", KNOWN_TEXT, PG_SQL_KNOWN, 1, { PG_TEXT } },
    [PG_SQL_CONTEXT] = { "tk_context", CONTEXT_TEXT, PG_SQL_CONTEXT, 2, { PG_TEXT, PG_BIGINT } },
    [PG_SQL_MESSAGE] = { "tk_message", MESSAGE_TEXT, PG_SQL_MESSAGE, 2, { PG_TEXT, PG_TEXT } },
    [PG_SQL_STAT] = { "tk_stat", STAT_TEXT, PG_SQL_STAT, 0, { 0 } },
    [PG_SQL_RETAIN] = { "tk_retain", RETAIN_TEXT, PG_SQL_RETAIN, 2, { PG_BIGINT, PG_BIGINT } },
    [PG_SQL_JOB] = { "tk_job", JOB_TEXT, PG_SQL_JOB, 1, { PG_TEXT } },
    [PG_SQL_SESSION] = { "tk_session", SESSION_TEXT, PG_SQL_SESSION, 2, { PG_TEXT, PG_BIGINT } },
    [PG_SQL_CUSTOMER] = { "tk_customer", CUSTOMER_TEXT, PG_SQL_CUSTOMER, 1, { PG_TEXT } },
    [PG_SQL_SERVICES] = { "tk_services", SERVICES_TEXT, PG_SQL_SERVICES, 1, { PG_BIGINT } },
    [PG_SQL_EDITOR] = { "tk_editor", EDITOR_TEXT, PG_SQL_EDITOR, 0, { 0 } },
    EDITS(0, "bots", "bot_id", BOT_NEW, BOT_FLAWS, BOT_COLUMNS, BOT_VALUES, "", BOT_ROW),
    EDITS(1, "ai_cores", "name", CORE_NEW, "", CORE_COLUMNS, CORE_VALUES, IN_USE("ai_core_id"), CORE_ROW),
    EDITS(2, "platforms", "name", PLATFORM_NEW, "", PLATFORM_COLUMNS, PLATFORM_VALUES, IN_USE("platform_id"), PLATFORM_ROW),
};
