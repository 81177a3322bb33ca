-- SPDX-License-Identifier: MIT
-- What is kept of every conversation: the conversations themselves, their messages, what was done about each reply, and the sessions
-- that users see. Written in batches, at least once: every statement of the writer is idempotent, and where two writers disagree the row
-- with the higher fence (the number of the lease under which it was decided) wins, whoever commits first.
--
-- Ids that come from outside are text with collation "C": they are names, never sorted for people, and comparing bytes is cheapest.
-- UUIDs are version 7 and made by the program.

CREATE TABLE conversations (
    id                     uuid PRIMARY KEY,
    conversation_id        text COLLATE "C" NOT NULL UNIQUE,     -- the platform's name
    created_at             timestamptz NOT NULL DEFAULT now(),
    last_message_timestamp timestamptz NOT NULL,                 -- of any sender, as clamped for ordering
    last_seq               bigint NOT NULL DEFAULT 0,            -- highest arrival number archived
    total_messages         bigint NOT NULL DEFAULT 0,            -- rows in messages
    customer_messages      bigint NOT NULL DEFAULT 0,            -- those of sender_type user
    metadata               jsonb
) WITH (fillfactor = 80);
CREATE INDEX conversations_activity ON conversations (last_message_timestamp DESC);

-- One row a message. `id` is made of the time that orders the message (its timestamp, at most 30 days before and 5 minutes after it was
-- received), its arrival number and a hash of its name: so it is the same whenever the message is written again, and (conversation_id,
-- id) is the order in which a history is read.
-- Partitioned by hash of the conversation: PostgreSQL wants the partition key inside every unique index.
CREATE TABLE messages (
    conversation_id        text COLLATE "C" NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    id                     uuid NOT NULL,
    message_id             text COLLATE "C" NOT NULL,
    seq                    bigint NOT NULL,
    sender_id              text COLLATE "C" NOT NULL,
    sender_type            text NOT NULL CHECK (sender_type IN ('user', 'agent', 'bot', 'system')),
    content                text NOT NULL,
    "timestamp"            timestamptz NOT NULL,                 -- as the platform said
    received_at            timestamptz NOT NULL,
    metadata               jsonb,
    attachments            jsonb,
    status                 text NOT NULL,                        -- completed, recorded, failed, cancelled, unknown ...
    reason                 text,
    turn_id                uuid,                                 -- the turn that answered it or gave it up
    fence                  bigint NOT NULL DEFAULT 0,
    revision               integer NOT NULL DEFAULT 0,           -- how often a later outcome replaced this one
    -- on the newest message that a reply covers
    ai_response            jsonb,
    ai_processing_time_ms  double precision,
    model_used             text,
    restarts               integer,
    storage_backend        text,
    answered_at            timestamptz,
    said                   boolean NOT NULL DEFAULT false,       -- the reply reached the customer, or may have
    PRIMARY KEY (conversation_id, id),
    CONSTRAINT messages_once UNIQUE (conversation_id, message_id)
) PARTITION BY HASH (conversation_id);
CREATE TABLE messages_0 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 0);
CREATE TABLE messages_1 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 1);
CREATE TABLE messages_2 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 2);
CREATE TABLE messages_3 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 3);
CREATE TABLE messages_4 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 4);
CREATE TABLE messages_5 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 5);
CREATE TABLE messages_6 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 6);
CREATE TABLE messages_7 PARTITION OF messages FOR VALUES WITH (MODULUS 8, REMAINDER 7);

-- What a turn's reply asked for and what became of it. The key begins with the conversation, so that one index serves uniqueness,
-- reading a conversation and erasing it.
CREATE TABLE message_actions (
    conversation_id        text COLLATE "C" NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    turn_id                uuid NOT NULL,
    position               integer NOT NULL CHECK (position >= 0),
    message_id             text COLLATE "C",                     -- the newest message that the reply covers
    action_type            text NOT NULL,
    data                   jsonb NOT NULL DEFAULT '{}',
    status                 text NOT NULL
        CHECK (status IN ('proposed', 'sending', 'executed', 'failed', 'withheld', 'unknown', 'dropped')),
    reason                 text,
    retry_count            integer NOT NULL DEFAULT 0,
    fence                  bigint NOT NULL DEFAULT 0,
    created_at             timestamptz NOT NULL,
    PRIMARY KEY (conversation_id, turn_id, position)
);

-- A session is a conversation as its user sees it: session_id = conversation_id. Activity and counts stand in conversations.
CREATE TABLE chat_sessions (
    id                     uuid PRIMARY KEY,
    session_id             text COLLATE "C" NOT NULL UNIQUE REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    user_id                text COLLATE "C",                     -- first sender of type user; NULL: none so far
    user_seq               bigint NOT NULL DEFAULT 9223372036854775807, -- arrival number of the message that named the user
    status                 text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'closed', 'archived')),
    check_reply            boolean NOT NULL DEFAULT true,
    check_reply_until      timestamptz,
    created_at             timestamptz NOT NULL,
    updated_at             timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX chat_sessions_user ON chat_sessions (user_id);
