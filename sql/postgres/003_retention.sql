-- SPDX-License-Identifier: MIT
-- Retention finds the oldest messages without looking at the others. New rows come at the index's end.

CREATE INDEX messages_received ON messages (received_at);
COMMENT ON COLUMN conversations.total_messages IS 'received ever: retention deletes messages, not counts';
COMMENT ON COLUMN conversations.customer_messages IS 'those of sender_type user, received ever';
