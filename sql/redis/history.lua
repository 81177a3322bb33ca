#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- What is recent of a conversation, all of one moment. What is of another type than it should be counts as not there.
-- KEYS  1 conversation  2 pending  3 session_info:<id>  4 chat_history:<user>:<id> (left out: no entries are asked for)
-- Returns {{version, record}, pending, fields with their values, entries, TIME}.
local call, try = redis.call, redis.pcall
local fields, entries = try('HGETALL', KEYS[3]), KEYS[4] and try('LRANGE', KEYS[4], 0, -1) or {}
return {
    call('HMGET', KEYS[1], 'version', 'record'),
    call('LRANGE', KEYS[2], 0, -1),
    fields.err and {} or fields,
    entries.err and {} or entries,
    call('TIME')
}
