-- SPDX-License-Identifier: MIT
-- The same as sql/postgres/006_history.sql, where it is said why.

CREATE INDEX messages_history ON messages (conversation_id, "timestamp" DESC, id DESC) WHERE sender_type = 'user';

ALTER TABLE conversations ADD COLUMN forgotten_messages INTEGER NOT NULL DEFAULT 0; -- of customer_messages, those that retention has deleted

UPDATE conversations SET forgotten_messages = customer_messages - (SELECT count(*) FROM messages m
    WHERE m.conversation_id = conversations.conversation_id AND m.sender_type = 'user');

ALTER TABLE conversations ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;
UPDATE conversations SET active_at = coalesce((SELECT max(max(received_at, coalesce(answered_at, 0))) FROM messages m
    WHERE m.conversation_id = conversations.conversation_id), 0);

CREATE INDEX chat_sessions_of_user ON chat_sessions (user_id, session_id);
DROP INDEX chat_sessions_user;

CREATE TABLE user_preferences (
    user_id         TEXT NOT NULL,
    key             TEXT NOT NULL,
    value           TEXT NOT NULL,
    updated_at      INTEGER NOT NULL,
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;
