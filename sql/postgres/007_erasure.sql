-- SPDX-License-Identifier: MIT
-- Erasure. A row of `erasures` says that somebody or something was erased, when (erased_at, by the clock of the one who erased, to the millisecond), and not
-- who: subject_hash is the SHA-256 of salt, subject, ':' and name. All have one salt, so that a name can be looked up.

CREATE TABLE erasure_salt (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    salt            bytea NOT NULL CHECK (octet_length(salt) >= 32)
);
INSERT INTO erasure_salt (salt)
    VALUES (sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));

ALTER TABLE erasures ADD COLUMN made_at timestamptz NOT NULL DEFAULT clock_timestamp();
COMMENT ON COLUMN erasures.up_to_seq IS 'not used: erased_at decides';
COMMENT ON COLUMN erasures.made_at IS 'when this row was made, by the clock of the database';
CREATE UNIQUE INDEX erasures_once ON erasures (subject_hash, erased_at);
DROP INDEX erasures_subject;
CREATE INDEX erasures_time ON erasures (erased_at);

CREATE FUNCTION erasure_hash(subject text, name text) RETURNS bytea LANGUAGE sql STABLE AS
    $$ SELECT sha256(s.salt || convert_to($1 || ':' || $2, 'UTF8')) FROM erasure_salt s $$;

-- Whether it was erased at that time or later.
CREATE FUNCTION erased_since(subject text, name text, since timestamptz) RETURNS boolean LANGUAGE sql STABLE AS
    $$ SELECT EXISTS (SELECT FROM erasures e WHERE e.subject_hash = (SELECT erasure_hash($1, $2)) AND e.erased_at >= $3) $$;

-- Who writes what may be erased calls this first in his transaction; who erases holds the same lock alone when he says so. So either the writer has
-- committed before (and what he wrote is deleted), or he sees the erasure here: TK001, when one of the names was erased at its time or later. `earliest`
-- is the least of these times: what is younger than all erasures costs one look. Else each name is hashed, once, and looked up.
CREATE FUNCTION erasure_guard(subjects text[], names text[], since timestamptz[], earliest timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    hashes bytea[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(8388348718371205);
    IF NOT EXISTS (SELECT FROM erasures e WHERE e.erased_at >= earliest) THEN
        RETURN;
    END IF;
    hashes := ARRAY(SELECT sha256(s.salt || convert_to(n.subject || ':' || n.name, 'UTF8'))
                    FROM unnest(subjects, names) WITH ORDINALITY AS n (subject, name, at) CROSS JOIN erasure_salt s ORDER BY n.at);
    IF EXISTS (SELECT FROM (SELECT e.subject_hash, max(e.erased_at) AS at FROM erasures e
                            WHERE e.subject_hash = ANY (hashes) AND e.erased_at >= earliest GROUP BY e.subject_hash) AS found
               JOIN unnest(hashes, since) AS n (hash, since) ON n.hash = found.subject_hash AND found.at >= n.since) THEN
        RAISE EXCEPTION 'part of it was erased' USING ERRCODE = 'TK001';
    END IF;
END $$;

-- Counts by name, added.
CREATE FUNCTION erasure_add(receipt jsonb, counts jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(jsonb_object_agg(s.key, s.n), '{}') FROM (
        SELECT b.key, sum((b.value #>> '{}')::numeric) AS n FROM (SELECT * FROM jsonb_each($1) UNION ALL SELECT * FROM jsonb_each($2)) AS b
        WHERE jsonb_typeof(b.value) = 'number' GROUP BY b.key) AS s
$$;

-- A figure is a copy of what the store counted: read_ms says when it was read there, by the store's clock. A copy of erased_users_messages that was read after an
-- erasure has that user's figure in it already.
ALTER TABLE daily_analytics ADD COLUMN read_ms bigint NOT NULL DEFAULT -1;
CREATE INDEX daily_analytics_metric ON daily_analytics (metric, day);

-- What is known about people from one conversation.
CREATE INDEX customers_sources ON customers USING gin (sources jsonb_path_ops);
