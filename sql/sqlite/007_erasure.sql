-- SPDX-License-Identifier: MIT
-- The tables of sql/postgres/007_erasure.sql, where it is said what they are for. Hashes are made by the program, and writers are one after another.

CREATE TABLE erasure_salt (
    one             INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    salt            BLOB NOT NULL CHECK (length(salt) >= 32),
    wipe_due        INTEGER NOT NULL DEFAULT 0, -- rows of an erasure are gone, but their bytes may still be in the file
    wiped           INTEGER NOT NULL DEFAULT 0  -- how often they were wiped
) STRICT;
INSERT INTO erasure_salt (salt) VALUES (randomblob(32));

ALTER TABLE erasures ADD COLUMN made_at INTEGER NOT NULL DEFAULT 0; -- when this row was made; up_to_seq is not used: erased_at decides
CREATE UNIQUE INDEX erasures_once ON erasures (subject_hash, erased_at);
DROP INDEX erasures_subject;
CREATE INDEX erasures_time ON erasures (erased_at);

ALTER TABLE daily_analytics ADD COLUMN read_ms INTEGER NOT NULL DEFAULT -1; -- when it was read in the store
CREATE INDEX daily_analytics_metric ON daily_analytics (metric, day);

-- The expressions are those of the statements. Sources that are no JSON come from nowhere.
CREATE INDEX customers_phone_from ON customers (CASE WHEN json_valid(sources) THEN json_extract(sources, '$.phone.conversation_id') END)
    WHERE phone IS NOT NULL;
CREATE INDEX customers_email_from ON customers (CASE WHEN json_valid(sources) THEN json_extract(sources, '$.email.conversation_id') END)
    WHERE email IS NOT NULL;
CREATE INDEX customers_name_from ON customers (CASE WHEN json_valid(sources) THEN json_extract(sources, '$.name.conversation_id') END)
    WHERE name IS NOT NULL;
CREATE INDEX customers_address_from ON customers (CASE WHEN json_valid(sources) THEN json_extract(sources, '$.address.conversation_id') END)
    WHERE address IS NOT NULL;
