#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Forgets a conversation, unless somebody has written to it. Dedupe marks and jobs stay until their time is over. Version '0': the record
-- is lost, and what it left behind goes; messages that are pending never do.
-- The number of the last event is kept for a while, so that no number comes twice.
-- KEYS  1 conversation  2 lock  3 due  4 activity  5 active  6 waiting  7 paused  8 pending  9 context  10 chat_session:<id>
--       11 session_customer:<id>  12 events:<id>  13 events_last:<id>  14 sessions
-- ARGV  1 expected version  2 conversation id  3 channel of the event ('': none)  4 the event  5 how long the number is kept
-- Returns 0 done, 1 conflict.
local call = redis.call
local old = call('HMGET', KEYS[1], 'version', 'events')
if (old[1] or '0') ~= ARGV[1] or ARGV[1] == '0' and call('EXISTS', KEYS[8]) == 1 then
    return 1
end
for i = 3, 7 do
    call('ZCARD', KEYS[i]) -- fails here, before anything is written, when it is no sorted set
end
local last = old[2] or call('GET', KEYS[13]) -- may fail as well
if not last then
    local newest = redis.pcall('LINDEX', KEYS[12], -1)
    last = type(newest) == 'string' and string.match(newest, '^{"seq":(%d+)')
end
for i = 3, 7 do
    call('ZREM', KEYS[i], ARGV[2])
end
call('DEL', KEYS[1], KEYS[2], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12])
redis.pcall('ZREM', KEYS[14], ARGV[2])
if last then
    call('SET', KEYS[13], last, 'PX', ARGV[5])
end
if ARGV[3] ~= '' then
    call('PUBLISH', ARGV[3], ARGV[4])
end
return 0
