-- SPDX-License-Identifier: MIT
-- What a user reads: the pages of a session in the order of (timestamp, id), how many exchanges there are, and his sessions; beside these, his
-- preferences.

-- In the order in which every writer takes them, and before anything is counted.
LOCK TABLE conversations, messages IN SHARE ROW EXCLUSIVE MODE;

-- Pages, and counts between two times, are read from this index alone but for the rows that are shown. It stands beside the primary key, whose order
-- is that of the conversation's context: there a timestamp counts as clamped, here as it is shown.
CREATE INDEX messages_history ON messages (conversation_id, "timestamp" DESC, id DESC) WHERE sender_type = 'user';

-- How many exchanges there are is customer_messages - forgotten_messages: the first grows with each that is written, the second with each that
-- retention deletes. So a total costs the same however many there are, and whoever writes need not know of the second.
ALTER TABLE conversations ADD COLUMN forgotten_messages bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN conversations.forgotten_messages IS 'of customer_messages, those that retention has deleted';

UPDATE conversations c SET forgotten_messages = c.customer_messages - h.kept
FROM (SELECT t.conversation_id, count(m.id) AS kept
      FROM conversations t LEFT JOIN messages m ON m.conversation_id = t.conversation_id AND m.sender_type = 'user'
      GROUP BY t.conversation_id) h
WHERE h.conversation_id = c.conversation_id AND c.customer_messages <> h.kept;

-- When a session was active: when its newest message was received or a turn of it ended, whatever time the messages show. It is what the store says.
ALTER TABLE conversations ADD COLUMN active_at timestamptz NOT NULL DEFAULT to_timestamp(0);
UPDATE conversations c SET active_at = m.at
FROM (SELECT conversation_id, max(greatest(received_at, answered_at)) AS at FROM messages GROUP BY conversation_id) m
WHERE m.conversation_id = c.conversation_id;

-- A user's sessions, and them in the order of their names.
CREATE INDEX chat_sessions_of_user ON chat_sessions (user_id, session_id);
DROP INDEX chat_sessions_user;

-- What a user has set, as he set it: all of his rows are replaced at once.
CREATE TABLE user_preferences (
    user_id         text COLLATE "C" NOT NULL,
    key             text COLLATE "C" NOT NULL,
    value           text NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, key)
);
