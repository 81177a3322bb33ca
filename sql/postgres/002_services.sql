-- SPDX-License-Identifier: MIT
-- What stands around the conversations: customers, jobs, the configuration of bots, daily figures, erasures, dead letters.

-- What is known about a person, and from where. Written from background tasks; a later source replaces an earlier one.
CREATE TABLE customers (
    id              uuid PRIMARY KEY,
    sender_id       text COLLATE "C" NOT NULL UNIQUE,
    phone           text,                                   -- E.164
    email           text,
    name            text,
    address         text,
    sources         jsonb NOT NULL DEFAULT '{}',            -- {"phone": {"conversation_id":..,"message_id":..,"at":..}, ...}
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX customers_phone ON customers (phone) WHERE phone IS NOT NULL;
CREATE INDEX customers_email ON customers (email) WHERE email IS NOT NULL;

-- Jobs that have ended, for longer than the store keeps them. id = the turn's.
CREATE TABLE jobs (
    id                     uuid PRIMARY KEY,
    conversation_id        text COLLATE "C" NOT NULL REFERENCES conversations (conversation_id) ON DELETE CASCADE,
    bot_id                 text COLLATE "C",
    status                 text NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'failed', 'cancelled')),
    attempts               integer NOT NULL DEFAULT 0,
    consolidated_messages  integer NOT NULL DEFAULT 0,
    callback_url           text,
    result                 jsonb,
    error                  text,
    created_at             timestamptz NOT NULL,
    started_at             timestamptz,
    completed_at           timestamptz
);
CREATE INDEX jobs_conversation ON jobs (conversation_id, created_at DESC);

-- Secrets are named (env:NAME, file:PATH), never stored. `version` grows with each change, so that caches know and turns can pin it.
CREATE TABLE ai_cores (
    id              uuid PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    provider        text NOT NULL CHECK (provider IN ('native', 'openai', 'simulated')),
    base_url        text,
    path            text,
    model           text,
    api_key         text CHECK (api_key ~ '^(env|file):'),
    timeout_ms      integer CHECK (timeout_ms > 0),
    settings        jsonb NOT NULL DEFAULT '{}',
    environments    jsonb NOT NULL DEFAULT '{}',            -- {"production": {settings that differ there}}
    version         bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE platforms (
    id              uuid PRIMARY KEY,
    name            text NOT NULL UNIQUE,
    provider        text NOT NULL CHECK (provider IN ('actions', 'pages_fm', 'log')),
    base_url        text,
    path            text,
    token           text CHECK (token ~ '^(env|file):'),
    deliver         boolean NOT NULL DEFAULT true,          -- results of jobs go to the platform
    settings        jsonb NOT NULL DEFAULT '{}',
    environments    jsonb NOT NULL DEFAULT '{}',
    version         bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE bots (
    id              uuid PRIMARY KEY,
    bot_id          text COLLATE "C" NOT NULL UNIQUE,       -- what resources.bot_id and metadata.bot_id name
    name            text NOT NULL,
    ai_core_id      uuid REFERENCES ai_cores (id) ON DELETE SET NULL,
    platform_id     uuid REFERENCES platforms (id) ON DELETE SET NULL,
    system_prompt   text,
    enabled         boolean NOT NULL DEFAULT true,
    settings        jsonb NOT NULL DEFAULT '{}',            -- on_newer, debounce_ms, restart_max ...
    environments    jsonb NOT NULL DEFAULT '{}',
    version         bigint NOT NULL DEFAULT 1,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bots_ai_core ON bots (ai_core_id);
CREATE INDEX bots_platform ON bots (platform_id);

-- One row a day and figure: total_messages, ai_responses, user_<id>_messages, completed_turns, ai_time_ms ... and, after an erasure,
-- erased_users_messages, into which the user's own row was folded.
CREATE TABLE daily_analytics (
    day             date NOT NULL,
    metric          text COLLATE "C" NOT NULL,
    value           bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (day, metric)
);

-- That something was erased, without saying what: a salted hash of the name. What was accepted before does not come back.
CREATE TABLE erasures (
    id              uuid PRIMARY KEY,
    subject         text NOT NULL CHECK (subject IN ('session', 'user')),
    subject_hash    bytea NOT NULL,
    salt            bytea NOT NULL,
    up_to_seq       bigint,                                 -- of a session: what arrived later is not meant
    erased_at       timestamptz NOT NULL DEFAULT now(),
    receipt         jsonb NOT NULL DEFAULT '{}'             -- counts per store
);
CREATE INDEX erasures_subject ON erasures (subject_hash);

-- Items that could not be worked off, as they were: bytes, since being no text may be the reason.
CREATE TABLE dead_letters (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL,
    conversation_id text COLLATE "C",                       -- not a reference: the conversation may never have come to be
    item            bytea NOT NULL,
    reason          text NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    first_at        timestamptz NOT NULL DEFAULT now(),
    dead_at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX dead_letters_conversation ON dead_letters (conversation_id);
