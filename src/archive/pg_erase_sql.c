/* SPDX-License-Identifier: MIT
 * What was received after the erasure stays: times of rows that come from items are compared with its own time, those that the database made with when
 * it was first told of it (made_at). Each deletion adds to the receipt in the same statement, so that the receipt is right whatever becomes of the
 * rest, and complete for whoever finds nothing to delete: he has waited for the locks of those who did. A conversation goes when nothing of it is left; else it is as if it had begun afterwards. */
#include "config.h"

#include "archive/pg_erase_sql.h"

#define TEXTS 1009
#define TIMES 1185

#define MS_OF(time) "(extract(epoch FROM " time ") * 1000)::bigint"
#define AT_MS MS_OF("$2::timestamptz")
#define STILL_KNOWN "$2 - interval '48 hours'" /* dedupe marks and jobs do not live longer */

#define HASHED(salt, subject, name) "sha256(" salt " || convert_to(" subject " || ':' || " name ", 'UTF8'))" /* as erasure_hash() */

#define GUARD_TEXT "SELECT erasure_guard($1, $2, $3, $4)"
/* Each name is hashed once, whatever the plan. */
#define WHEN_TEXT \
    "WITH n AS MATERIALIZED (SELECT n.at, n.since, " HASHED("s.salt", "n.subject", "n.name") " AS hash" \
    " FROM unnest($1::text[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS n (subject, name, since, at) CROSS JOIN erasure_salt s)," \
    " e AS MATERIALIZED (SELECT subject_hash, max(erased_at) AS at FROM erasures WHERE subject_hash = ANY (ARRAY(SELECT hash FROM n))" \
    " AND erased_at >= $4 GROUP BY subject_hash)" \
    " SELECT n.at, " MS_OF("e.at") " FROM n JOIN e ON e.subject_hash = n.hash AND e.at >= n.since"

#define LOCK "8388348718371205" /* as in erasure_guard() */
#define SHARED_TEXT "SELECT pg_advisory_xact_lock_shared(" LOCK ")"
#define ALONE_TEXT "SELECT pg_advisory_xact_lock(" LOCK ")"
#define SAY_TEXT \
    "INSERT INTO erasures (id, subject, subject_hash, salt, erased_at) SELECT $1::uuid, $2, " HASHED("s.salt", "$2", "$3") ", s.salt, $4" \
    " FROM erasure_salt s ON CONFLICT (subject_hash, erased_at) DO UPDATE SET subject = excluded.subject RETURNING id"
#define RECEIPT_TEXT "UPDATE erasures SET receipt = erasure_add(receipt, $2::jsonb) WHERE id = $1::uuid"

/* ---- rows that go ---- */

#define TOLD(table) \
    ", c AS (SELECT count(*) AS n FROM gone), r AS (UPDATE erasures SET receipt = erasure_add(receipt, jsonb_build_object('" table "', c.n))" \
    " FROM c WHERE id = $3::uuid AND c.n > 0)"
#define ANSWER(table) TOLD(table) " SELECT '" table "', c.n, NULL FROM c"

/* How many were due says whether there are more: of those that another one deletes in the meantime none is among the gone. */
#define DUE(key, table, more) \
    "WITH due AS MATERIALIZED (SELECT " key " AS key FROM " table " WHERE conversation_id = $1 AND " more " LIMIT $4)," \
    " d AS (SELECT count(*) AS n FROM due), gone AS (DELETE FROM " table " WHERE conversation_id = $1 AND " key " = ANY (ARRAY(SELECT key FROM due))"

#define MESSAGES_TEXT \
    DUE("id", "messages", "received_at <= $2 ORDER BY id") " RETURNING message_id, received_at)" TOLD("messages") \
    " SELECT 'messages', d.n, g.message_id FROM d LEFT JOIN gone g ON g.received_at > " STILL_KNOWN

#define ACTIONS_TEXT \
    DUE("ctid", "message_actions", "created_at <= $2") " RETURNING turn_id)" TOLD("message_actions") " SELECT 'message_actions', d.n, NULL FROM d"

#define JOBS_TEXT \
    DUE("id", "jobs", "created_at <= $2") " RETURNING id, completed_at)" TOLD("jobs") \
    " SELECT 'jobs', d.n, g.id FROM d LEFT JOIN gone g ON coalesce(g.completed_at, 'infinity') > " STILL_KNOWN

#define TOLD_TEXT "SELECT r.key, r.value, NULL FROM erasures e, jsonb_each_text(e.receipt) r WHERE e.id = $3::uuid"
#define KNOWN_TEXT \
    "SELECT 'messages', 0, message_id FROM messages WHERE conversation_id = $1 AND received_at > " STILL_KNOWN " UNION ALL" \
    " SELECT 'jobs', 0, id::text FROM jobs WHERE conversation_id = $1 AND coalesce(completed_at, 'infinity') > " STILL_KNOWN

#define ORPHANS_TEXT \
    "WITH gone AS (DELETE FROM message_actions a WHERE a.conversation_id = $1 AND a.message_id IS NOT NULL AND NOT EXISTS" \
    " (SELECT FROM messages m WHERE m.conversation_id = $1 AND m.message_id = a.message_id) RETURNING turn_id)" ANSWER("message_actions")

#define HOLD_TEXT "SELECT FROM conversations WHERE conversation_id = $1 FOR UPDATE"
#define CONVERSATION_TEXT \
    "WITH s AS (SELECT greatest(status_at, check_reply_at) AS said_at FROM chat_sessions WHERE session_id = $1)," \
    " gone AS (DELETE FROM conversations WHERE conversation_id = $1 AND NOT EXISTS (SELECT FROM messages WHERE conversation_id = $1)" \
    " AND NOT EXISTS (SELECT FROM s WHERE said_at > " AT_MS ") RETURNING 1)," \
    " c AS (SELECT count(*) AS n, (SELECT count(*) FROM s) AS sessions FROM gone)," \
    " r AS (UPDATE erasures SET receipt = erasure_add(receipt, jsonb_build_object('conversations', c.n, 'chat_sessions', c.sessions))" \
    " FROM c WHERE id = $3::uuid AND c.n > 0)" \
    " SELECT 'conversations', c.n, NULL FROM c UNION ALL SELECT 'chat_sessions', c.n * c.sessions, NULL FROM c"

/* One that began after the erasure is right as it is. Retention's share is gone with what there was before. */
#define RECOUNT_TEXT \
    "UPDATE conversations c SET created_at = coalesce(m.first, $2 + interval '1 millisecond'), last_seq = coalesce(m.seq, 0)," \
    " last_message_timestamp = to_timestamp(coalesce(m.last, 0) / 1000.0), total_messages = m.n, customer_messages = m.customers," \
    " forgotten_messages = 0, metadata = NULL, active_at = coalesce(m.active, to_timestamp(0))" \
    " FROM (SELECT min(received_at) AS first, max(seq) AS seq, count(*) AS n, count(*) FILTER (WHERE sender_type = 'user') AS customers," \
    " max(greatest(received_at, answered_at)) AS active," \
    " max(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint) AS last FROM messages WHERE conversation_id = $1) m" \
    " WHERE c.conversation_id = $1 AND c.created_at <= $2"
#define SESSION_TEXT \
    "UPDATE chat_sessions s SET user_id = u.sender_id, user_seq = coalesce(u.seq, 9223372036854775807)," \
    " created_at = greatest(s.created_at, $2 + interval '1 millisecond')," \
    " status = CASE WHEN status_at > " AT_MS " THEN status ELSE 'active' END, status_at = CASE WHEN status_at > " AT_MS " THEN status_at ELSE -1 END," \
    " check_reply = check_reply_at <= " AT_MS " OR check_reply," \
    " check_reply_until = CASE WHEN check_reply_at > " AT_MS " THEN check_reply_until END," \
    " check_reply_at = CASE WHEN check_reply_at > " AT_MS " THEN check_reply_at ELSE -1 END" \
    " FROM (SELECT) AS one LEFT JOIN LATERAL (SELECT sender_id, " MS_OF("received_at") " * 1000 +" \
    " CASE WHEN seq > 0 AND seq < 999 THEN seq ELSE 999 END AS seq FROM messages WHERE conversation_id = $1 AND sender_type = 'user'" \
    " ORDER BY 2 LIMIT 1) u ON true WHERE s.session_id = $1 AND (s.created_at <= $2 OR s.user_seq <= " AT_MS " * 1000 + 999)"

/* An id inside an item stands there as a JSON string. */
#define LETTERS_TEXT \
    "WITH gone AS (DELETE FROM dead_letters d USING erasures e WHERE e.id = $3::uuid AND d.dead_at <= e.made_at AND (d.conversation_id = $1" \
    " OR position(convert_to(to_json($1::text)::text, 'UTF8') IN d.item) > 0) RETURNING 1)" ANSWER("dead_letters")

/* ---- customers: what was said up to then, in that session, or by that user ---- */

#define OLD(field) "k." field "_at <= " AT_MS
#define HERE(field) "(" OLD(field) " AND k.sources -> '" field "' ->> 'conversation_id' = $1)"
#define LEFT(field, goes) "(k." field " IS NULL OR " goes(field) ")"
#define NOTHING_LEFT(goes) LEFT("phone", goes) " AND " LEFT("email", goes) " AND " LEFT("name", goes) " AND " LEFT("address", goes)
#define FROM_HERE(field) "k.sources @> jsonb_build_object('" field "', jsonb_build_object('conversation_id', $1::text))"
#define ANY_FROM_HERE "(" FROM_HERE("phone") " OR " FROM_HERE("email") " OR " FROM_HERE("name") " OR " FROM_HERE("address") ")"
#define ANY(goes) "(" goes("phone") " OR " goes("email") " OR " goes("name") " OR " goes("address") ")"
#define WITHOUT(field, goes) \
    field " = CASE WHEN " goes(field) " THEN NULL ELSE k." field " END, " field "_at = CASE WHEN " goes(field) " THEN -1 ELSE k." field "_at END, "
#define NAME_OF(field, goes) "CASE WHEN " goes(field) " THEN '" field "' END"

#define CUSTOMERS_TEXT(which, goes) \
    "WITH gone AS (DELETE FROM customers k WHERE " which " AND " NOTHING_LEFT(goes) " RETURNING 1)" ANSWER("customers")
#define CUSTOMERS_TOO_TEXT(which, goes) \
    "WITH gone AS (UPDATE customers k SET " WITHOUT("phone", goes) WITHOUT("email", goes) WITHOUT("name", goes) WITHOUT("address", goes) \
    " sources = CASE WHEN jsonb_typeof(k.sources) = 'object' THEN k.sources - array_remove(ARRAY[" NAME_OF("phone", goes) ", " \
    NAME_OF("email", goes) ", " NAME_OF("name", goes) ", " NAME_OF("address", goes) "], NULL) ELSE '{}' END," \
    " created_at = greatest(k.created_at, $2) WHERE " which " AND " ANY(goes) " RETURNING 1)" ANSWER("customers")
#define THAT_USER "k.sender_id = $1"
#define SAID_BEFORE(field) "(k." field " IS NOT NULL AND " OLD(field) ")"

/* ---- what else there is of a user ---- */

#define PREFERENCES_TEXT \
    "WITH gone AS (DELETE FROM user_preferences p USING erasures e WHERE e.id = $3::uuid AND p.user_id = $1 AND p.updated_at <= e.made_at" \
    " RETURNING 1)" ANSWER("user_preferences")

/* Deleted and added in one, so it is added once. A sum that was read in the store since the erasure has it already. */
#define FIGURES_TEXT \
    "WITH gone AS (DELETE FROM daily_analytics WHERE metric = 'user_' || $1 || '_messages' RETURNING day, value)," \
    " folded AS (INSERT INTO daily_analytics AS o (day, metric, value) SELECT day, 'erased_users_messages', value FROM gone ORDER BY day" \
    " ON CONFLICT (day, metric) DO UPDATE SET value = o.value + excluded.value WHERE o.read_ms < " AT_MS ")" ANSWER("daily_analytics")

_Static_assert(PG_SQL_N + PG_HISTORY_SQL_N + PG_ERASE_SQL_N <= PG_STATEMENTS_MAX, "a link knows no more");

#define NUMBER(statement) (PG_SQL_N + PG_HISTORY_SQL_N + (statement))
#define GOES(statement, name, text) [statement] = { name, text, NUMBER(statement), 4, { PG_TEXT, PG_TIMESTAMPTZ, PG_TEXT, PG_BIGINT } }

const struct pg_statement pg_erase_sql[PG_ERASE_SQL_N] = {
    [PG_ERASE_GUARD] = { "tk_erase_guard", GUARD_TEXT, NUMBER(PG_ERASE_GUARD), 4, { TEXTS, TEXTS, TIMES, PG_TIMESTAMPTZ } },
    [PG_ERASE_WHEN] = { "tk_erase_when", WHEN_TEXT, NUMBER(PG_ERASE_WHEN), 4, { TEXTS, TEXTS, TIMES, PG_TIMESTAMPTZ } },
    [PG_ERASE_SHARED] = { "tk_erase_shared", SHARED_TEXT, NUMBER(PG_ERASE_SHARED), 0, { 0 } },
    [PG_ERASE_ALONE] = { "tk_erase_alone", ALONE_TEXT, NUMBER(PG_ERASE_ALONE), 0, { 0 } },
    [PG_ERASE_SAY] = { "tk_erase_say", SAY_TEXT, NUMBER(PG_ERASE_SAY), 4, { PG_TEXT, PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ } },
    [PG_ERASE_RECEIPT] = { "tk_erase_receipt", RECEIPT_TEXT, NUMBER(PG_ERASE_RECEIPT), 2, { PG_TEXT, PG_TEXT } },
    GOES(PG_ERASE_MESSAGES, "tk_erase_messages", MESSAGES_TEXT),
    GOES(PG_ERASE_ACTIONS, "tk_erase_actions", ACTIONS_TEXT),
    GOES(PG_ERASE_JOBS, "tk_erase_jobs", JOBS_TEXT),
    GOES(PG_ERASE_ORPHANS, "tk_erase_orphans", ORPHANS_TEXT),
    GOES(PG_ERASE_HOLD, "tk_erase_hold", HOLD_TEXT),
    GOES(PG_ERASE_CONVERSATION, "tk_erase_conversation", CONVERSATION_TEXT),
    GOES(PG_ERASE_RECOUNT, "tk_erase_recount", RECOUNT_TEXT),
    GOES(PG_ERASE_SESSION, "tk_erase_session", SESSION_TEXT),
    GOES(PG_ERASE_SAID_HERE, "tk_erase_said_here", CUSTOMERS_TEXT(ANY_FROM_HERE, HERE)),
    GOES(PG_ERASE_SAID_HERE_TOO, "tk_erase_said_here_too", CUSTOMERS_TOO_TEXT(ANY_FROM_HERE, HERE)),
    GOES(PG_ERASE_LETTERS, "tk_erase_letters", LETTERS_TEXT),
    GOES(PG_ERASE_CUSTOMER, "tk_erase_customer", CUSTOMERS_TEXT(THAT_USER, OLD)),
    GOES(PG_ERASE_CUSTOMER_TOO, "tk_erase_customer_too", CUSTOMERS_TOO_TEXT(THAT_USER, SAID_BEFORE)),
    GOES(PG_ERASE_PREFERENCES, "tk_erase_preferences", PREFERENCES_TEXT),
    GOES(PG_ERASE_FIGURES, "tk_erase_figures", FIGURES_TEXT),
    GOES(PG_ERASE_TOLD, "tk_erase_told", TOLD_TEXT),
    GOES(PG_ERASE_KNOWN, "tk_erase_known", KNOWN_TEXT),
};
