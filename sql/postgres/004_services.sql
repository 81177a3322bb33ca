-- SPDX-License-Identifier: MIT
-- The configuration of bots is noticed when it changes, whoever changes it: the program, or a person in psql. `service_version` has one row;
-- its version grows with every statement that changes bots, ai_cores or platforms (and with one that finds nothing to change).
--
-- The row is raised before the statement touches anything and stays locked until the transaction ends. So changes are made one after another,
-- versions are in the order of commits, and whoever sees a version in a snapshot sees all that was changed up to it. It never goes below the
-- clock (milliseconds since 1970), so that a database restored from a dump does not come to a version again that somebody has seen with
-- other rows. Data that is loaded with triggers switched off is noticed after `UPDATE service_version SET version = version + 1`.
--
-- Tables are named by the schema of the table at hand: what restores a dump has no search_path.

CREATE TABLE service_version (
    one             boolean PRIMARY KEY DEFAULT true CHECK (one),
    version         bigint NOT NULL
);
INSERT INTO service_version (version) VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint);

CREATE FUNCTION service_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('INSERT INTO %I.service_version AS v (version) VALUES ((extract(epoch FROM clock_timestamp()) * 1000)::bigint)'
                   ' ON CONFLICT (one) DO UPDATE SET version = greatest(v.version + 1, excluded.version)', TG_TABLE_SCHEMA);
    RETURN NULL;
END $$;

CREATE FUNCTION service_row_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.version <= OLD.version THEN -- else somebody puts back a row as it was elsewhere
        NEW.version := OLD.version + 1;
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER bots_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON bots
    FOR EACH STATEMENT EXECUTE FUNCTION service_changes();
CREATE TRIGGER ai_cores_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON ai_cores
    FOR EACH STATEMENT EXECUTE FUNCTION service_changes();
CREATE TRIGGER platforms_change BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON platforms
    FOR EACH STATEMENT EXECUTE FUNCTION service_changes();

CREATE TRIGGER bots_row BEFORE UPDATE ON bots FOR EACH ROW EXECUTE FUNCTION service_row_changes();
CREATE TRIGGER ai_cores_row BEFORE UPDATE ON ai_cores FOR EACH ROW EXECUTE FUNCTION service_row_changes();
CREATE TRIGGER platforms_row BEFORE UPDATE ON platforms FOR EACH ROW EXECUTE FUNCTION service_row_changes();

-- What is there already is not looked at: a migration does not fail on it.
ALTER TABLE bots ADD CONSTRAINT bots_open CHECK (jsonb_typeof(settings) = 'object' AND jsonb_typeof(environments) = 'object') NOT VALID;
ALTER TABLE ai_cores ADD CONSTRAINT ai_cores_open CHECK (jsonb_typeof(settings) = 'object' AND jsonb_typeof(environments) = 'object') NOT VALID;
ALTER TABLE platforms ADD CONSTRAINT platforms_open CHECK (jsonb_typeof(settings) = 'object' AND jsonb_typeof(environments) = 'object') NOT VALID;

-- A job is written when its turn ends; where that happens twice, the decision with the higher fence stays.
ALTER TABLE jobs ADD COLUMN fence bigint NOT NULL DEFAULT 0;
