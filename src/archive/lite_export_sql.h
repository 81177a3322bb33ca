/* SPDX-License-Identifier: MIT
 * The lines of pg_export.c in SQLite's words, for the table in lite_sql.c. What is no JSON is null. */
#ifndef ARCHIVE_LITE_EXPORT_SQL_H
#define ARCHIVE_LITE_EXPORT_SQL_H

#include "archive/export_place.h"
#include "archive/lite_sql.h"

#define LITE_EXPORT_ISO(ms) "strftime('%Y-%m-%dT%H:%M:%fZ', " ms " / 1000.0, 'unixepoch')"
#define LITE_EXPORT_OPEN(column) "json(CASE WHEN json_valid(" column ") THEN " column " ELSE 'null' END)"

#define LITE_EXPORT_SQL \
    [LITE_EXPORT + EXPORT_SESSION] = \
        "SELECT '', 0, json_object('type', 'session', 'sessionId', c.conversation_id, 'userId', s.user_id, 'status', coalesce(s.status, 'active')," \
        " 'checkReply', json(iif(coalesce(s.check_reply, 1), 'true', 'false')), 'checkReplyUntil', " LITE_EXPORT_ISO("s.check_reply_until") "," \
        " 'createdAt', " LITE_EXPORT_ISO("c.created_at") ", 'lastMessage', iif(c.total_messages > 0, " LITE_EXPORT_ISO("c.last_message_timestamp") ", NULL)," \
        " 'messageCount', c.total_messages, 'metadata', " LITE_EXPORT_OPEN("c.metadata") ")" \
        " FROM conversations c LEFT JOIN chat_sessions s ON s.session_id = c.conversation_id" \
        " WHERE c.conversation_id = ?1 AND ?2 IS NOT NULL AND ?3 < 0 LIMIT ?4", \
    [LITE_EXPORT + EXPORT_MESSAGES] = \
        "SELECT id, 0, json_object('type', 'message', 'sessionId', conversation_id, 'messageId', message_id, 'senderId', sender_id, 'senderType', sender_type," \
        " 'content', content, 'timestamp', " LITE_EXPORT_ISO("\"timestamp\"") ", 'receivedAt', " LITE_EXPORT_ISO("received_at") "," \
        " 'metadata', " LITE_EXPORT_OPEN("metadata") ", 'attachments', " LITE_EXPORT_OPEN("attachments") ", 'status', status, 'reason', reason," \
        " 'turnId', turn_id, 'aiResponse', CASE WHEN said AND json_valid(ai_response) THEN json_extract(ai_response, '$.response_text') END," \
        " 'reply', " LITE_EXPORT_OPEN("ai_response") ", 'modelUsed', model_used, 'aiProcessingTimeMs', ai_processing_time_ms," \
        " 'answeredAt', " LITE_EXPORT_ISO("answered_at") ")" \
        " FROM messages WHERE conversation_id = ?1 AND id > ?2 AND ?3 < 9e18 ORDER BY id LIMIT ?4", \
    [LITE_EXPORT + EXPORT_ACTIONS] = \
        "SELECT turn_id, position, json_object('type', 'action', 'sessionId', conversation_id, 'turnId', turn_id, 'position', position, 'messageId', message_id," \
        " 'actionType', action_type, 'data', " LITE_EXPORT_OPEN("data") ", 'status', status, 'reason', reason, 'retryCount', retry_count," \
        " 'createdAt', " LITE_EXPORT_ISO("created_at") ")" \
        " FROM message_actions WHERE conversation_id = ?1 AND (turn_id, position) > (?2, ?3) ORDER BY turn_id, position LIMIT ?4", \
    [LITE_EXPORT + EXPORT_JOBS] = \
        "SELECT id, 0, json_object('type', 'job', 'sessionId', conversation_id, 'jobId', id, 'status', status, 'attempts', attempts," \
        " 'consolidatedMessages', consolidated_messages, 'botId', bot_id, 'callbackUrl', callback_url, 'result', " LITE_EXPORT_OPEN("result") "," \
        " 'error', error, 'createdAt', " LITE_EXPORT_ISO("created_at") ", 'startedAt', " LITE_EXPORT_ISO("started_at") "," \
        " 'completedAt', " LITE_EXPORT_ISO("completed_at") ")" \
        " FROM jobs WHERE conversation_id = ?1 AND id > ?2 AND ?3 < 9e18 ORDER BY id LIMIT ?4", \
    [LITE_EXPORT + EXPORT_CUSTOMER] = \
        "SELECT '', 0, json_object('type', 'customer', 'userId', sender_id, 'phone', phone, 'email', email, 'name', name, 'address', address," \
        " 'sources', " LITE_EXPORT_OPEN("sources") ", 'createdAt', " LITE_EXPORT_ISO("created_at") ", 'updatedAt', " LITE_EXPORT_ISO("updated_at") ")" \
        " FROM customers WHERE sender_id = ?1 AND ?2 IS NOT NULL AND ?3 < 0 LIMIT ?4", \
    [LITE_EXPORT + EXPORT_PREFERENCES] = \
        "SELECT key, 0, json_object('type', 'preference', 'userId', user_id, 'key', key, 'value', value, 'updatedAt', " LITE_EXPORT_ISO("updated_at") ")" \
        " FROM user_preferences WHERE user_id = ?1 AND key > ?2 AND ?3 < 9e18 ORDER BY key LIMIT ?4", \
    [LITE_EXPORT + EXPORT_FIGURES] = \
        "SELECT day, 0, json_object('type', 'figure', 'userId', ?1, 'date', day, 'messages', value)" \
        " FROM daily_analytics WHERE metric = 'user_' || ?1 || '_messages' AND day > ?2 AND ?3 < 9e18 ORDER BY day LIMIT ?4"

#endif
