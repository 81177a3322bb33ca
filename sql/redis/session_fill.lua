#!lua
-- SPDX-License-Identifier: MIT
-- Puts back a view that was forgotten, where none is and the record is still the one that it was made of; a customer in any case.
-- Nothing of a conversation that was erased: it may have been read before that.
-- KEYS  1 conversation  2 chat_session:<id>  3 session_customer:<id>  4 sessions  5 erased:<id>
-- ARGV  1 the record's version ('0': there is none)  2 TTL  3 '1': a view  4 the view  5 conversation id  6 customer (left out: none)
-- Returns 0.
local call = redis.call
if call('EXISTS', KEYS[5]) == 1 then
    return 0
end
if ARGV[3] == '1' and (call('HGET', KEYS[1], 'version') or '0') == ARGV[1] then
    local now = call('TIME')[1] * 1000
    if call('SET', KEYS[2], ARGV[4], 'NX', 'PX', ARGV[2]) then
        redis.pcall('ZREMRANGEBYSCORE', KEYS[4], '-inf', now) -- only a figure: nothing fails for it
        redis.pcall('ZADD', KEYS[4], now + ARGV[2], ARGV[5])
    end
end
if ARGV[6] then
    call('SET', KEYS[3], ARGV[6], 'PX', ARGV[2])
end
return 0
