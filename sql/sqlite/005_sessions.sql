-- SPDX-License-Identifier: MIT
-- The columns of sql/postgres/005_sessions.sql: when the newest word on each group of columns was spoken; -1: never.
-- messages.status is `received`, and fence -1, while nothing was decided; conversations.last_message_timestamp is 0 where there is no message yet.

ALTER TABLE chat_sessions ADD COLUMN status_at INTEGER NOT NULL DEFAULT -1;
ALTER TABLE chat_sessions ADD COLUMN check_reply_at INTEGER NOT NULL DEFAULT -1; -- of check_reply and check_reply_until

ALTER TABLE customers ADD COLUMN phone_at INTEGER NOT NULL DEFAULT -1;
ALTER TABLE customers ADD COLUMN email_at INTEGER NOT NULL DEFAULT -1;
ALTER TABLE customers ADD COLUMN name_at INTEGER NOT NULL DEFAULT -1;
ALTER TABLE customers ADD COLUMN address_at INTEGER NOT NULL DEFAULT -1;
