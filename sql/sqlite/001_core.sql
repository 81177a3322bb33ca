-- SPDX-License-Identifier: MIT
-- The tables of sql/postgres/001_core.sql in one file. UUIDs are text, times are milliseconds since 1970 (UTC), JSON is text, truth is 0 or 1.
-- The same file holds the tables of the embedded store (state_*), which are none of the archive's business.

CREATE TABLE conversations (
    id                     TEXT NOT NULL PRIMARY KEY,
    conversation_id        TEXT NOT NULL UNIQUE,        -- the platform's name
    created_at             INTEGER NOT NULL,
    last_message_timestamp INTEGER NOT NULL,            -- of any sender, as clamped for ordering
    last_seq               INTEGER NOT NULL DEFAULT 0,  -- highest arrival number archived
    total_messages         INTEGER NOT NULL DEFAULT 0,  -- rows in messages
    customer_messages      INTEGER NOT NULL DEFAULT 0,  -- those of sender_type user
    metadata               TEXT
) STRICT;
CREATE INDEX conversations_activity ON conversations (last_message_timestamp DESC);

-- (conversation_id, id) is the order of a history: see the PostgreSQL file.
CREATE TABLE messages (
    conversation_id        TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    id                     TEXT NOT NULL,
    message_id             TEXT NOT NULL,
    seq                    INTEGER NOT NULL,
    sender_id              TEXT NOT NULL,
    sender_type            TEXT NOT NULL CHECK (sender_type IN ('user', 'agent', 'bot', 'system')),
    content                TEXT NOT NULL,
    "timestamp"            INTEGER NOT NULL,            -- as the platform said
    received_at            INTEGER NOT NULL,
    metadata               TEXT,
    attachments            TEXT,
    status                 TEXT NOT NULL,               -- completed, recorded, failed, cancelled, unknown ...
    reason                 TEXT,
    turn_id                TEXT,                        -- the turn that answered it or gave it up
    fence                  INTEGER NOT NULL DEFAULT 0,
    revision               INTEGER NOT NULL DEFAULT 0,  -- how often a later outcome replaced this one
    -- on the newest message that a reply covers
    ai_response            TEXT,
    ai_processing_time_ms  REAL,
    model_used             TEXT,
    restarts               INTEGER,
    storage_backend        TEXT,
    answered_at            INTEGER,
    said                   INTEGER NOT NULL DEFAULT 0,  -- the reply reached the customer, or may have
    PRIMARY KEY (conversation_id, id),
    UNIQUE (conversation_id, message_id)
) STRICT;

CREATE TABLE message_actions (
    conversation_id        TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    turn_id                TEXT NOT NULL,
    position               INTEGER NOT NULL CHECK (position >= 0),
    message_id             TEXT,                        -- the newest message that the reply covers
    action_type            TEXT NOT NULL,
    data                   TEXT NOT NULL DEFAULT '{}',
    status                 TEXT NOT NULL
        CHECK (status IN ('proposed', 'sending', 'executed', 'failed', 'withheld', 'unknown', 'dropped')),
    reason                 TEXT,
    retry_count            INTEGER NOT NULL DEFAULT 0,
    fence                  INTEGER NOT NULL DEFAULT 0,
    created_at             INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, turn_id, position)
) STRICT, WITHOUT ROWID;

-- A session is a conversation as its user sees it: session_id = conversation_id. Activity and counts stand in conversations.
CREATE TABLE chat_sessions (
    id                     TEXT NOT NULL PRIMARY KEY,
    session_id             TEXT NOT NULL UNIQUE REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    user_id                TEXT,                        -- first sender of type user; NULL: none so far
    user_seq               INTEGER NOT NULL DEFAULT 9223372036854775807, -- arrival number of the message that named the user
    status                 TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed', 'archived')),
    check_reply            INTEGER NOT NULL DEFAULT 1,
    check_reply_until      INTEGER,
    created_at             INTEGER NOT NULL,
    updated_at             INTEGER NOT NULL
) STRICT;
CREATE INDEX chat_sessions_user ON chat_sessions (user_id);
