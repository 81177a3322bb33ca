-- SPDX-License-Identifier: MIT
-- Sessions and customers are written by background tasks, which come in any order. Of each group of columns the newest word stands: these columns
-- say when it was spoken, in milliseconds since 1970; -1: never.

ALTER TABLE chat_sessions
    ADD COLUMN status_at      bigint NOT NULL DEFAULT -1,
    ADD COLUMN check_reply_at bigint NOT NULL DEFAULT -1;    -- of check_reply and check_reply_until

ALTER TABLE customers
    ADD COLUMN phone_at   bigint NOT NULL DEFAULT -1,
    ADD COLUMN email_at   bigint NOT NULL DEFAULT -1,
    ADD COLUMN name_at    bigint NOT NULL DEFAULT -1,
    ADD COLUMN address_at bigint NOT NULL DEFAULT -1;

COMMENT ON COLUMN messages.status IS 'received (nothing was decided yet), completed, recorded, failed, cancelled, unknown ...';
COMMENT ON COLUMN messages.fence IS 'of the decision; -1: none yet';
COMMENT ON COLUMN conversations.last_message_timestamp IS 'of any sender, as clamped for ordering; 1970 where there is none yet';
