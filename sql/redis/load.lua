#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- A conversation with its two lists, all of one moment. (Without the lists plain commands are sent in one piece: cheaper, and whoever
-- decides on what they say is held to the version.)
-- KEYS  1 conversation  2 lock  3 pending  4 context  5 dedupe mark (left out: none is asked for)
-- Returns {{version, record}, token, milliseconds left, TIME, mark, pending, context}; nil where there is nothing.
local call = redis.call
return {
    call('HMGET', KEYS[1], 'version', 'record'),
    call('GET', KEYS[2]),
    call('PTTL', KEYS[2]),
    call('TIME'),
    KEYS[5] and call('GET', KEYS[5]) or false,
    call('LRANGE', KEYS[3], 0, -1),
    call('LRANGE', KEYS[4], 0, -1)
}
