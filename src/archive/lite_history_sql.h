/* SPDX-License-Identifier: MIT
 * The statements of pg_history_sql.c in SQLite's words, for the table in lite_sql.c. A page's rows, their number and which messages are there are read
 * in one transaction, so one after another. */
#ifndef ARCHIVE_LITE_HISTORY_SQL_H
#define ARCHIVE_LITE_HISTORY_SQL_H

#include "archive/lite_sql.h"

#define LITE_HISTORY_SQL \
    [LITE_PAGE] = "SELECT \"timestamp\", id, message_id, sender_id, content," \
                  " CASE WHEN said THEN json_extract(ai_response, '$.response_text') END, metadata, status, reason, turn_id, received_at" \
                  " FROM messages WHERE conversation_id = ?1 AND sender_type = 'user' AND \"timestamp\" >= ?2" \
                  " AND (\"timestamp\", id) < (?3, ?4) ORDER BY \"timestamp\" DESC, id DESC LIMIT ?6 OFFSET ?5", \
    [LITE_TOTAL] = "SELECT customer_messages - forgotten_messages FROM conversations WHERE conversation_id = ?1", \
    [LITE_TOTAL_WITHIN] = "SELECT count(*) FROM messages WHERE conversation_id = ?1 AND sender_type = 'user' AND \"timestamp\" >= ?2" \
                          " AND \"timestamp\" < ?3", \
    [LITE_USER_SESSIONS] = "SELECT s.session_id, s.status, c.created_at," \
                           " max(c.active_at, c.created_at) AS activity," \
                           " c.customer_messages - c.forgotten_messages" \
                           " FROM chat_sessions s JOIN conversations c ON c.conversation_id = s.session_id WHERE s.user_id = ?1" \
                           " ORDER BY activity DESC, s.session_id DESC LIMIT ?2", \
    [LITE_USER_IDS] = "SELECT session_id FROM chat_sessions WHERE user_id = ?1 AND session_id > ?2 ORDER BY session_id LIMIT ?3", \
    [LITE_FIGURES] = "SELECT day, metric, value FROM daily_analytics WHERE day BETWEEN ?1 AND ?2" \
                     " AND (?3 OR metric NOT GLOB 'user_*_messages') ORDER BY day, metric", \
    [LITE_FIGURE_PUT] = "INSERT INTO daily_analytics AS o (day, metric, value, read_ms) VALUES (?1, ?2, ?3, ?4)" \
                        " ON CONFLICT (day, metric) DO UPDATE SET value = max(o.value, excluded.value), read_ms = max(o.read_ms, excluded.read_ms)" \
                        " WHERE o.value < excluded.value OR (o.metric = 'erased_users_messages' AND o.read_ms < excluded.read_ms)", \
    [LITE_PREFERENCES] = "SELECT key, value FROM user_preferences WHERE user_id = ?1 ORDER BY key", \
    [LITE_PREFERENCES_CLEAR] = "DELETE FROM user_preferences WHERE user_id = ?1", \
    [LITE_PREFERENCE] = "INSERT INTO user_preferences (user_id, key, value, updated_at) VALUES (?1, ?2, ?3, ?4)" \
                        " ON CONFLICT (user_id, key) DO UPDATE SET value = excluded.value"

#endif
