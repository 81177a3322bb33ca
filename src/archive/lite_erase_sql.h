/* SPDX-License-Identifier: MIT
 * The statements of pg_erase_sql.c in SQLite's words, for the table in lite_sql.c; the rules are told there. Those of the erasure itself take: name, time, limit,
 * made_at, time of the last message that is left. */
#ifndef ARCHIVE_LITE_ERASE_SQL_H
#define ARCHIVE_LITE_ERASE_SQL_H

#include "archive/lite_sql.h"

#define LITE_ERASE_FROM(field) "CASE WHEN json_valid(sources) THEN json_extract(sources, '$." field ".conversation_id') END"
#define LITE_ERASE_OLD(field) field "_at <= ?2"
#define LITE_ERASE_HERE(field) "(" field " IS NOT NULL AND " LITE_ERASE_OLD(field) " AND " LITE_ERASE_FROM(field) " = ?1)"
#define LITE_ERASE_BEFORE(field) "(" field " IS NOT NULL AND " LITE_ERASE_OLD(field) ")"
#define LITE_ERASE_LEFT(field, goes) "(" field " IS NULL OR " goes(field) ")"
#define LITE_ERASE_NOTHING_LEFT(goes) \
    LITE_ERASE_LEFT("phone", goes) " AND " LITE_ERASE_LEFT("email", goes) " AND " LITE_ERASE_LEFT("name", goes) " AND " LITE_ERASE_LEFT("address", goes)
/* each of the four has an index */
#define LITE_ERASE_ID_FROM(field) "SELECT id FROM customers WHERE " field " IS NOT NULL AND " LITE_ERASE_FROM(field) " = ?1"
#define LITE_ERASE_ANY_FROM_HERE \
    "id IN (" LITE_ERASE_ID_FROM("phone") " UNION " LITE_ERASE_ID_FROM("email") " UNION " LITE_ERASE_ID_FROM("name") " UNION " \
    LITE_ERASE_ID_FROM("address") ")"
#define LITE_ERASE_ANY(goes) "(" goes("phone") " OR " goes("email") " OR " goes("name") " OR " goes("address") ")"
#define LITE_ERASE_WITHOUT(field, goes) \
    field " = CASE WHEN " goes(field) " THEN NULL ELSE " field " END, " field "_at = CASE WHEN " goes(field) " THEN -1 ELSE " field "_at END, "
#define LITE_ERASE_PATH(field, goes) "CASE WHEN " goes(field) " THEN '$." field "' ELSE '$.\"\"' END"
#define LITE_ERASE_CUSTOMERS(which, goes) "DELETE FROM customers WHERE " which " AND " LITE_ERASE_NOTHING_LEFT(goes)
#define LITE_ERASE_CUSTOMERS_TOO(which, goes) \
    "UPDATE customers SET " LITE_ERASE_WITHOUT("phone", goes) LITE_ERASE_WITHOUT("email", goes) LITE_ERASE_WITHOUT("name", goes) \
    LITE_ERASE_WITHOUT("address", goes) " sources = CASE WHEN json_valid(sources) AND json_type(sources) = 'object' THEN json_remove(sources, " \
    LITE_ERASE_PATH("phone", goes) ", " LITE_ERASE_PATH("email", goes) ", " LITE_ERASE_PATH("name", goes) ", " LITE_ERASE_PATH("address", goes) \
    ") ELSE '{}' END, created_at = max(created_at, ?2) WHERE " which " AND " LITE_ERASE_ANY(goes)

#define LITE_ERASE_SQL \
    [LITE_ERASE_YOUNGER] = "SELECT 1 FROM erasures WHERE erased_at >= ?1 LIMIT 1", \
    [LITE_ERASE_SALT] = "SELECT salt FROM erasure_salt", \
    [LITE_ERASE_WHEN] = "SELECT erased_at FROM erasures WHERE subject_hash = ?1 AND erased_at >= ?2 ORDER BY erased_at DESC LIMIT 1", \
    [LITE_ERASE_SAY] = "INSERT INTO erasures (id, subject, subject_hash, salt, erased_at, made_at) SELECT ?1, ?2, ?3, salt, ?4, ?5 FROM erasure_salt WHERE true" \
                       " ON CONFLICT (subject_hash, erased_at) DO UPDATE SET subject = excluded.subject RETURNING id, made_at", \
    [LITE_ERASE_RECEIPT] = "UPDATE erasures SET receipt = (SELECT json_group_object(key, n) FROM (SELECT key, sum(value) AS n FROM" \
                           " (SELECT key, value FROM json_each(erasures.receipt) WHERE type = 'integer'" \
                           " UNION ALL SELECT key, value FROM json_each(?2) WHERE type = 'integer') GROUP BY key)) WHERE id = ?1", \
    [LITE_ERASE_MESSAGES] = "DELETE FROM messages WHERE conversation_id = ?1 AND id IN (SELECT id FROM messages WHERE conversation_id = ?1" \
                            " AND received_at <= ?2 ORDER BY id LIMIT ?3) RETURNING message_id, received_at > ?2 - 172800000", \
    [LITE_ERASE_ACTIONS] = "DELETE FROM message_actions WHERE (conversation_id, turn_id, position) IN (SELECT conversation_id, turn_id, position" \
                           " FROM message_actions WHERE conversation_id = ?1 AND created_at <= ?2 LIMIT ?3)", \
    [LITE_ERASE_JOBS] = "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE conversation_id = ?1 AND created_at <= ?2 LIMIT ?3)" \
                        " RETURNING id, coalesce(completed_at, ?2) > ?2 - 172800000", \
    [LITE_ERASE_ORPHANS] = "DELETE FROM message_actions WHERE conversation_id = ?1 AND message_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM messages m" \
                           " WHERE m.conversation_id = ?1 AND m.message_id = message_actions.message_id)", \
    [LITE_ERASE_SESSIONS] = "DELETE FROM chat_sessions WHERE session_id = ?1 AND max(status_at, check_reply_at) <= ?2" \
                            " AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = ?1)", \
    [LITE_ERASE_CONVERSATION] = "DELETE FROM conversations WHERE conversation_id = ?1 AND NOT EXISTS (SELECT 1 FROM messages WHERE conversation_id = ?1)" \
                                " AND NOT EXISTS (SELECT 1 FROM chat_sessions WHERE session_id = ?1)", \
    [LITE_ERASE_LAST] = "SELECT max(id) FROM messages WHERE conversation_id = ?1", \
    [LITE_ERASE_RECOUNT] = "UPDATE conversations SET (created_at, last_seq, last_message_timestamp, total_messages, customer_messages," \
                           " forgotten_messages, metadata, active_at) = (SELECT coalesce(min(received_at), ?2 + 1), coalesce(max(seq), 0)," \
                           " ?5, count(*), count(*) FILTER (WHERE sender_type = 'user'), 0, NULL," \
                           " coalesce(max(max(received_at, coalesce(answered_at, 0))), 0)" \
                           " FROM messages WHERE conversation_id = ?1) WHERE conversation_id = ?1 AND created_at <= ?2", \
    [LITE_ERASE_SESSION] = "UPDATE chat_sessions SET (user_id, user_seq) = (SELECT u.sender_id, coalesce(u.seq, 9223372036854775807) FROM (SELECT 1)" \
                           " LEFT JOIN (SELECT sender_id, received_at * 1000 + CASE WHEN seq > 0 AND seq < 999 THEN seq ELSE 999 END AS seq FROM messages" \
                           " WHERE conversation_id = ?1 AND sender_type = 'user' ORDER BY 2 LIMIT 1) u), created_at = max(created_at, ?2 + 1)," \
                           " status = CASE WHEN status_at > ?2 THEN status ELSE 'active' END, status_at = CASE WHEN status_at > ?2 THEN status_at ELSE -1 END," \
                           " check_reply = check_reply_at <= ?2 OR check_reply," \
                           " check_reply_until = CASE WHEN check_reply_at > ?2 THEN check_reply_until END," \
                           " check_reply_at = CASE WHEN check_reply_at > ?2 THEN check_reply_at ELSE -1 END WHERE session_id = ?1" \
                           " AND (created_at <= ?2 OR user_seq <= ?2 * 1000 + 999)", \
    [LITE_ERASE_SAID_HERE] = LITE_ERASE_CUSTOMERS(LITE_ERASE_ANY_FROM_HERE, LITE_ERASE_HERE), \
    [LITE_ERASE_SAID_HERE_TOO] = LITE_ERASE_CUSTOMERS_TOO(LITE_ERASE_ANY_FROM_HERE, LITE_ERASE_HERE), \
    [LITE_ERASE_LETTERS] = "DELETE FROM dead_letters WHERE dead_at <= ?4 AND (conversation_id = ?1" \
                           " OR instr(item, CAST(json_quote(?1) AS BLOB)) > 0)", \
    [LITE_ERASE_CUSTOMER] = LITE_ERASE_CUSTOMERS("sender_id = ?1", LITE_ERASE_OLD), \
    [LITE_ERASE_CUSTOMER_TOO] = LITE_ERASE_CUSTOMERS_TOO("sender_id = ?1", LITE_ERASE_BEFORE), \
    [LITE_ERASE_PREFERENCES] = "DELETE FROM user_preferences WHERE user_id = ?1 AND updated_at <= ?4", \
    [LITE_ERASE_FOLD] = "INSERT INTO daily_analytics AS o (day, metric, value) SELECT day, 'erased_users_messages', value FROM daily_analytics" \
                        " WHERE metric = 'user_' || ?1 || '_messages' ON CONFLICT (day, metric) DO UPDATE SET value = o.value + excluded.value" \
                        " WHERE o.read_ms < ?2", \
    [LITE_ERASE_FIGURES] = "DELETE FROM daily_analytics WHERE metric = 'user_' || ?1 || '_messages'", \
    [LITE_ERASE_DUE] = "UPDATE erasure_salt SET wipe_due = 1 WHERE wipe_due = 0", \
    [LITE_ERASE_IS_DUE] = "SELECT wipe_due FROM erasure_salt", \
    [LITE_ERASE_TOLD] = "SELECT r.key, r.value FROM erasures e, json_each(e.receipt) r WHERE e.id = ?1 AND r.type = 'integer'", \
    [LITE_ERASE_KNOWN_MESSAGES] = "SELECT message_id FROM messages WHERE conversation_id = ?1 AND received_at > ?2 - 172800000", \
    [LITE_ERASE_KNOWN_JOBS] = "SELECT id FROM jobs WHERE conversation_id = ?1 AND coalesce(completed_at, ?2) > ?2 - 172800000"

#define LITE_ERASE_WIPED "UPDATE erasure_salt SET wipe_due = 0, wiped = wiped + 1"

#endif
