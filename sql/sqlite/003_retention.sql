-- SPDX-License-Identifier: MIT
-- Retention finds the oldest messages without looking at the others. New rows come at the index's end.
-- conversations.total_messages and customer_messages say how many were received ever: retention deletes messages, not counts.

CREATE INDEX messages_received ON messages (received_at);
