/* SPDX-License-Identifier: MIT
 * A page is one statement, and so one snapshot. Its keys are looked for in the index alone (messages_history), then the rows of those that are
 * shown are fetched one by one, as are those that are only asked for. What stands in a CASE is only counted when it is asked for.
 *
 * The planner takes every session for a short one, and where that has about one row every index is as good as another that begins with the conversation:
 * it would read all of a session of a million for each row. So where one index is right, an order is asked for that this one alone has (with
 * "=" instead of ">= and <=" there would be nothing to order), and LIMIT 1 keeps what is inside from being joined in another way. */
#include "config.h"

#include "archive/pg_history_sql.h"

#define TEXTS 1009
#define BIGINTS 1016

#define MS(column) "(extract(epoch FROM " column ") * 1000)::bigint"
#define OF_SESSION "conversation_id = $1 AND sender_type = 'user' AND \"timestamp\" >= $2"

#define PAGE_TEXT \
    "SELECT 0 AS kind, CASE $7 WHEN 0 THEN -1" \
    " WHEN 1 THEN coalesce((SELECT customer_messages - forgotten_messages FROM conversations WHERE conversation_id = $1), 0)" \
    " ELSE (SELECT count(*) FROM (SELECT FROM messages WHERE " OF_SESSION " AND \"timestamp\" < $9 ORDER BY \"timestamp\" DESC) w) END AS ms," \
    " NULL::uuid AS id, NULL::text AS message_id, NULL::text AS sender_id, NULL::text AS content, NULL::text AS reply," \
    " NULL::jsonb AS metadata, NULL::text AS status, NULL::text AS reason, NULL::uuid AS turn_id, NULL::bigint AS received" \
    " UNION ALL SELECT 1, r.at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM unnest($8::text[]) WITH ORDINALITY AS r (id, at)," \
    " LATERAL (SELECT FROM messages WHERE conversation_id = $1 AND message_id >= r.id AND message_id <= r.id ORDER BY message_id LIMIT 1) there" \
    " UNION ALL SELECT 2, m.* FROM (SELECT id FROM messages WHERE " OF_SESSION " AND (\"timestamp\", id) < ($3, $4)" \
    " ORDER BY \"timestamp\" DESC, id DESC OFFSET $5 LIMIT $6) k," \
    " LATERAL (SELECT " MS("\"timestamp\"") ", id, message_id, sender_id, content, CASE WHEN said THEN ai_response ->> 'response_text' END," \
    " metadata, status, reason, turn_id, " MS("received_at") " FROM messages WHERE conversation_id = $1 AND messages.id >= k.id AND messages.id <= k.id" \
    " ORDER BY messages.id LIMIT 1) m" \
    " ORDER BY 1, 2 DESC, 3 DESC"

/* A session without messages was active when it was made. */
#define SESSIONS_TEXT \
    "SELECT s.session_id, s.status, " MS("c.created_at") ", " MS("a.at") ", c.customer_messages - c.forgotten_messages" \
    " FROM chat_sessions s JOIN conversations c ON c.conversation_id = s.session_id," \
    " LATERAL (SELECT greatest(c.active_at, c.created_at)) a (at)" \
    " WHERE s.user_id = $1 ORDER BY a.at DESC, s.session_id DESC LIMIT $2"

#define IDS_TEXT "SELECT session_id FROM chat_sessions WHERE user_id = $1 AND session_id > $2 ORDER BY session_id LIMIT $3"

/* ---- figures ---- */

#define FIGURES_TEXT \
    "SELECT day, metric, value FROM daily_analytics WHERE day BETWEEN $1::date AND $2::date AND ($3 OR metric NOT LIKE 'user\\_%\\_messages')" \
    " ORDER BY day, metric"

/* A user who was erased when these had been read, or later, is left out: whoever erases waits for this transaction, or it sees that he did. The sum of
 * those who were erased says when it was read even when it has not grown. */
#define FIGURES_PUT_TEXT \
    "INSERT INTO daily_analytics AS o (day, metric, value, read_ms) SELECT n.day, n.metric, n.value, $4" \
    " FROM unnest($1::text[]::date[], $2::text[], $3::bigint[]) AS n (day, metric, value)" \
    " WHERE NOT (n.metric LIKE 'user\\_%\\_messages' AND EXISTS (SELECT FROM erasures e WHERE e.erased_at >= $5)" \
    " AND erased_since('user', substr(n.metric, 6, length(n.metric) - 14), $5))" \
    " ON CONFLICT (day, metric) DO UPDATE SET value = greatest(o.value, excluded.value), read_ms = greatest(o.read_ms, excluded.read_ms)" \
    " WHERE o.value < excluded.value OR (o.metric = 'erased_users_messages' AND o.read_ms < excluded.read_ms)"

/* ---- preferences ---- */

/* One user's are replaced one after another; of a key that comes twice the last stands. */
#define PREFERENCES_TEXT "SELECT key, value FROM user_preferences WHERE user_id = $1 ORDER BY key"
#define EDITOR_TEXT "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"
#define CLEAR_TEXT "DELETE FROM user_preferences WHERE user_id = $1"
#define SET_TEXT \
    "INSERT INTO user_preferences (user_id, key, value) SELECT DISTINCT ON (n.key) $1, n.key, n.value" \
    " FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS n (key, value, at) ORDER BY n.key, n.at DESC"

_Static_assert(PG_SQL_N + PG_HISTORY_SQL_N <= PG_STATEMENTS_MAX, "a link knows no more");

#define NUMBER(statement) (PG_SQL_N + (statement))

const struct pg_statement pg_history_sql[PG_HISTORY_SQL_N] = {
    [PG_HISTORY_PAGE] = { "tk_page", PAGE_TEXT, NUMBER(PG_HISTORY_PAGE), 9,
                          { PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_UUID, PG_BIGINT, PG_BIGINT, PG_BIGINT, TEXTS, PG_TIMESTAMPTZ } },
    [PG_HISTORY_SESSIONS] = { "tk_user_sessions", SESSIONS_TEXT, NUMBER(PG_HISTORY_SESSIONS), 2, { PG_TEXT, PG_BIGINT } },
    [PG_HISTORY_IDS] = { "tk_user_ids", IDS_TEXT, NUMBER(PG_HISTORY_IDS), 3, { PG_TEXT, PG_TEXT, PG_BIGINT } },
    [PG_HISTORY_FIGURES] = { "tk_figures", FIGURES_TEXT, NUMBER(PG_HISTORY_FIGURES), 3, { PG_TEXT, PG_TEXT, PG_BOOLEAN } },
    [PG_HISTORY_FIGURES_PUT] = { "tk_figures_put", FIGURES_PUT_TEXT, NUMBER(PG_HISTORY_FIGURES_PUT), 5,
                                 { TEXTS, TEXTS, BIGINTS, PG_BIGINT, PG_TIMESTAMPTZ } },
    [PG_HISTORY_PREFERENCES] = { "tk_preferences", PREFERENCES_TEXT, NUMBER(PG_HISTORY_PREFERENCES), 1, { PG_TEXT } },
    [PG_HISTORY_EDITOR] = { "tk_preferences_editor", EDITOR_TEXT, NUMBER(PG_HISTORY_EDITOR), 1, { PG_TEXT } },
    [PG_HISTORY_CLEAR] = { "tk_preferences_clear", CLEAR_TEXT, NUMBER(PG_HISTORY_CLEAR), 1, { PG_TEXT } },
    [PG_HISTORY_SET] = { "tk_preferences_set", SET_TEXT, NUMBER(PG_HISTORY_SET), 3, { PG_TEXT, TEXTS, TEXTS } },
};
