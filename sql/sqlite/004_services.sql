-- SPDX-License-Identifier: MIT
-- The rules of sql/postgres/004_services.sql. SQLite has one writer at a time, so versions are in the order of commits by themselves; its triggers
-- are for each row. A row's own version is raised behind the change, since a trigger cannot alter what is being written. No upsert in the
-- triggers: whoever writes INSERT OR REPLACE would have its way there, too.

CREATE TABLE service_version (
    one             INTEGER NOT NULL PRIMARY KEY DEFAULT 1 CHECK (one = 1),
    version         INTEGER NOT NULL
) STRICT;
INSERT INTO service_version (version) VALUES (CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));

CREATE TRIGGER bots_insert AFTER INSERT ON bots BEGIN
    SELECT RAISE(ABORT, 'settings and environments must be JSON objects')
        WHERE iif(json_valid(new.settings), json_type(new.settings), '') <> 'object'
           OR iif(json_valid(new.environments), json_type(new.environments), '') <> 'object';
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
END;
CREATE TRIGGER bots_update AFTER UPDATE ON bots BEGIN
    SELECT RAISE(ABORT, 'settings and environments must be JSON objects')
        WHERE iif(json_valid(new.settings), json_type(new.settings), '') <> 'object'
           OR iif(json_valid(new.environments), json_type(new.environments), '') <> 'object';
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
    UPDATE bots SET version = old.version + 1, updated_at = CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
        WHERE id = new.id AND version <= old.version;
END;
CREATE TRIGGER bots_delete AFTER DELETE ON bots BEGIN
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
END;

CREATE TRIGGER ai_cores_insert AFTER INSERT ON ai_cores BEGIN
    SELECT RAISE(ABORT, 'settings and environments must be JSON objects')
        WHERE iif(json_valid(new.settings), json_type(new.settings), '') <> 'object'
           OR iif(json_valid(new.environments), json_type(new.environments), '') <> 'object';
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
END;
CREATE TRIGGER ai_cores_update AFTER UPDATE ON ai_cores BEGIN
    SELECT RAISE(ABORT, 'settings and environments must be JSON objects')
        WHERE iif(json_valid(new.settings), json_type(new.settings), '') <> 'object'
           OR iif(json_valid(new.environments), json_type(new.environments), '') <> 'object';
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
    UPDATE ai_cores SET version = old.version + 1, updated_at = CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
        WHERE id = new.id AND version <= old.version;
END;
CREATE TRIGGER ai_cores_delete AFTER DELETE ON ai_cores BEGIN
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
END;

CREATE TRIGGER platforms_insert AFTER INSERT ON platforms BEGIN
    SELECT RAISE(ABORT, 'settings and environments must be JSON objects')
        WHERE iif(json_valid(new.settings), json_type(new.settings), '') <> 'object'
           OR iif(json_valid(new.environments), json_type(new.environments), '') <> 'object';
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
END;
CREATE TRIGGER platforms_update AFTER UPDATE ON platforms BEGIN
    SELECT RAISE(ABORT, 'settings and environments must be JSON objects')
        WHERE iif(json_valid(new.settings), json_type(new.settings), '') <> 'object'
           OR iif(json_valid(new.environments), json_type(new.environments), '') <> 'object';
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
    UPDATE platforms SET version = old.version + 1, updated_at = CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER)
        WHERE id = new.id AND version <= old.version;
END;
CREATE TRIGGER platforms_delete AFTER DELETE ON platforms BEGIN
    INSERT INTO service_version (version) SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM service_version);
    UPDATE service_version SET version = max(version + 1, CAST(round((julianday('now') - 2440587.5) * 86400000.0) AS INTEGER));
END;

ALTER TABLE jobs ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
