-- SPDX-License-Identifier: MIT
-- The tables of sql/postgres/002_services.sql; the conventions are those of 001_core.sql.

CREATE TABLE customers (
    id              TEXT NOT NULL PRIMARY KEY,
    sender_id       TEXT NOT NULL UNIQUE,
    phone           TEXT,                                   -- E.164
    email           TEXT,
    name            TEXT,
    address         TEXT,
    sources         TEXT NOT NULL DEFAULT '{}',
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX customers_phone ON customers (phone) WHERE phone IS NOT NULL;
CREATE INDEX customers_email ON customers (email) WHERE email IS NOT NULL;

CREATE TABLE jobs (
    id                     TEXT NOT NULL PRIMARY KEY,
    conversation_id        TEXT NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    bot_id                 TEXT,
    status                 TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'cancelled')),
    attempts               INTEGER NOT NULL DEFAULT 0,
    consolidated_messages  INTEGER NOT NULL DEFAULT 0,
    callback_url           TEXT,
    result                 TEXT,
    error                  TEXT,
    created_at             INTEGER NOT NULL,
    started_at             INTEGER,
    completed_at           INTEGER
) STRICT;
CREATE INDEX jobs_conversation ON jobs (conversation_id, created_at DESC);

CREATE TABLE ai_cores (
    id              TEXT NOT NULL PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    provider        TEXT NOT NULL CHECK (provider IN ('native', 'openai', 'simulated')),
    base_url        TEXT,
    path            TEXT,
    model           TEXT,
    api_key         TEXT CHECK (api_key GLOB 'env:*' OR api_key GLOB 'file:*'),
    timeout_ms      INTEGER CHECK (timeout_ms > 0),
    settings        TEXT NOT NULL DEFAULT '{}',
    environments    TEXT NOT NULL DEFAULT '{}',
    version         INTEGER NOT NULL DEFAULT 1,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE platforms (
    id              TEXT NOT NULL PRIMARY KEY,
    name            TEXT NOT NULL UNIQUE,
    provider        TEXT NOT NULL CHECK (provider IN ('actions', 'pages_fm', 'log')),
    base_url        TEXT,
    path            TEXT,
    token           TEXT CHECK (token GLOB 'env:*' OR token GLOB 'file:*'),
    deliver         INTEGER NOT NULL DEFAULT 1,
    settings        TEXT NOT NULL DEFAULT '{}',
    environments    TEXT NOT NULL DEFAULT '{}',
    version         INTEGER NOT NULL DEFAULT 1,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;

CREATE TABLE bots (
    id              TEXT NOT NULL PRIMARY KEY,
    bot_id          TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    ai_core_id      TEXT REFERENCES ai_cores (id) ON DELETE SET NULL,
    platform_id     TEXT REFERENCES platforms (id) ON DELETE SET NULL,
    system_prompt   TEXT,
    enabled         INTEGER NOT NULL DEFAULT 1,
    settings        TEXT NOT NULL DEFAULT '{}',
    environments    TEXT NOT NULL DEFAULT '{}',
    version         INTEGER NOT NULL DEFAULT 1,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX bots_ai_core ON bots (ai_core_id);
CREATE INDEX bots_platform ON bots (platform_id);

CREATE TABLE daily_analytics (
    day             TEXT NOT NULL,                          -- 2026-11-21
    metric          TEXT NOT NULL,
    value           INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, metric)
) STRICT, WITHOUT ROWID;

CREATE TABLE erasures (
    id              TEXT NOT NULL PRIMARY KEY,
    subject         TEXT NOT NULL CHECK (subject IN ('session', 'user')),
    subject_hash    BLOB NOT NULL,
    salt            BLOB NOT NULL,
    up_to_seq       INTEGER,
    erased_at       INTEGER NOT NULL,
    receipt         TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX erasures_subject ON erasures (subject_hash);

CREATE TABLE dead_letters (
    id              TEXT NOT NULL PRIMARY KEY,
    kind            TEXT NOT NULL,
    conversation_id TEXT,
    item            BLOB NOT NULL,
    reason          TEXT NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    first_at        INTEGER NOT NULL,
    dead_at         INTEGER NOT NULL
) STRICT;
CREATE INDEX dead_letters_conversation ON dead_letters (conversation_id);
