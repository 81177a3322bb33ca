/* SPDX-License-Identifier: MIT
 * The three statements of a batch take one array a column. They must be sent with their rows in the order of the keys, so that two
 * writers whose batches overlap wait for each other in one direction only.
 *
 * Messages: a row that is there already is replaced only by a later decision (a higher fence), and then counts as a revision. Only new
 * rows (revision 0) count for the conversation, so that a batch may be written any number of times. The conversation's row is written
 * in the same statement: foreign keys are checked at the statement's end, and its own id is that of its first message. */
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
    " RETURNING conversation_id, id, revision, sender_type, seq, received_at, \"timestamp\")" \
    " INSERT INTO conversations AS c (id, conversation_id, created_at, last_message_timestamp, last_seq, total_messages," \
    " customer_messages)" \
    " SELECT min(id::text)::uuid, conversation_id, min(received_at)," \
    " max(greatest(least(\"timestamp\", received_at + interval '5 minutes'), received_at - interval '30 days'))," \
    " max(seq), count(*), count(*) FILTER (WHERE sender_type = 'user')" \
    " FROM m WHERE revision = 0 GROUP BY conversation_id ORDER BY conversation_id" \
    " ON CONFLICT (conversation_id) DO UPDATE SET" \
    " last_message_timestamp = greatest(c.last_message_timestamp, excluded.last_message_timestamp)," \
    " last_seq = greatest(c.last_seq, excluded.last_seq), total_messages = c.total_messages + excluded.total_messages," \
    " customer_messages = c.customer_messages + excluded.customer_messages"

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

/* Without the echoes of what the bot said: its replies are there already. */
#define CONTEXT_TEXT \
    "SELECT sender_type, content, (extract(epoch FROM greatest(least(\"timestamp\", received_at + interval '5 minutes')," \
    " received_at - interval '30 days')) * 1000)::bigint, message_id, CASE WHEN said THEN ai_response ->> 'response_text' END," \
    " (extract(epoch FROM answered_at) * 1000)::bigint" \
    " FROM messages WHERE conversation_id = $1 AND sender_type <> 'bot' ORDER BY id DESC LIMIT $2"

#define MESSAGE_TEXT "SELECT status, turn_id, reason FROM messages WHERE conversation_id = $1 AND message_id = $2"

#define STAT_TEXT \
    "SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend')," \
    " pg_database_size(current_database())," \
    " (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())"

/* Rows that somebody else is just writing or deleting are left for another time. */
#define RETAIN_TEXT \
    "WITH old AS (SELECT conversation_id, id FROM messages WHERE received_at < to_timestamp($1 / 1000.0)" \
    " ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED)," \
    " gone AS (DELETE FROM messages m USING old o WHERE m.conversation_id = o.conversation_id AND m.id = o.id" \
    " RETURNING m.conversation_id, m.message_id)," \
    " acts AS (DELETE FROM message_actions a USING gone g WHERE a.conversation_id = g.conversation_id AND a.message_id = g.message_id)" \
    " SELECT count(*) FROM gone"

const struct pg_statement pg_sql[PG_SQL_N] = {
    [PG_SQL_MESSAGES] = { "tk_messages", MESSAGES_TEXT, PG_SQL_MESSAGES, PG_MESSAGE_COLUMNS,
                          { TEXTS, UUIDS, TEXTS, BIGINTS, TEXTS, TEXTS, TEXTS, TIMES, TIMES, JSONBS, JSONBS, TEXTS, TEXTS, UUIDS,
                            BIGINTS, JSONBS, DOUBLES, TEXTS, INTEGERS, TEXTS, TIMES, BOOLEANS } },
    [PG_SQL_ACTIONS] = { "tk_actions", ACTIONS_TEXT, PG_SQL_ACTIONS, PG_ACTION_COLUMNS,
                         { TEXTS, UUIDS, INTEGERS, TEXTS, TEXTS, JSONBS, TEXTS, TEXTS, INTEGERS, BIGINTS, TIMES } },
    [PG_SQL_SESSIONS] = { "tk_sessions", SESSIONS_TEXT, PG_SQL_SESSIONS, PG_SESSION_COLUMNS,
                          { UUIDS, TEXTS, TEXTS, BIGINTS, TIMES } },
    [PG_SQL_CONTEXT] = { "tk_context", CONTEXT_TEXT, PG_SQL_CONTEXT, 2, { PG_TEXT, PG_BIGINT } },
    [PG_SQL_MESSAGE] = { "tk_message", MESSAGE_TEXT, PG_SQL_MESSAGE, 2, { PG_TEXT, PG_TEXT } },
    [PG_SQL_STAT] = { "tk_stat", STAT_TEXT, PG_SQL_STAT, 0, { 0 } },
    [PG_SQL_RETAIN] = { "tk_retain", RETAIN_TEXT, PG_SQL_RETAIN, 2, { PG_BIGINT, PG_BIGINT } },
};
