#!lua
-- SPDX-License-Identifier: MIT
-- Logs one event while a lease lasts, and tells it. The record stays as it is; where there is none, nothing is written.
-- KEYS  1 conversation  2 lock  3 events:<id>  4 events_last:<id>
-- ARGV  1 token  2 the event  3 so many of its first bytes make it take the place of the log's last event (0: never)  4 the log's bound  5 TTL
-- Returns 0 done, 2 lease lost.
local call = redis.call
local old = call('HMGET', KEYS[1], 'version', 'events')
if call('GET', KEYS[2]) ~= ARGV[1] or not old[1] then
    return 2
end
local tail = call('LINDEX', KEYS[3], -1) or '' -- fails here, before anything is written, when it is no list
local seq, rest = string.match(tail, '^{"seq":(%d+),()')
local last = old[2] or call('GET', KEYS[4]) or seq or 0
local since, behind = string.match(tail, '^"since":(%d+),()', rest or 1)
local head = string.sub(ARGV[2], 2, ARGV[3])
local replaces = ARGV[3] ~= '0' and tonumber(seq) == tonumber(last) and string.sub(tail, behind or rest, (behind or rest) + #head - 1) == head
local event = string.format('{"seq":%.0f,', last + 1) .. (replaces and '"since":' .. (since or seq) .. ',' or '') .. string.sub(ARGV[2], 2)
if replaces then
    call('LSET', KEYS[3], -1, event)
elseif call('RPUSH', KEYS[3], event) > tonumber(ARGV[4]) then
    call('LTRIM', KEYS[3], -ARGV[4], -1)
end
call('PEXPIRE', KEYS[3], ARGV[5])
call('HSET', KEYS[1], 'events', string.format('%.0f', last + 1))
call('PUBLISH', KEYS[3], event)
return 0
