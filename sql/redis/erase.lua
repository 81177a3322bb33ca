#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Erases all of a conversation, unless somebody has written to it: as forget.lua, and its history, jobs and pending messages too. Dedupe marks
-- are overwritten, and erased:<id> keeps what was decided before from coming back.
-- KEYS  1 conversation  2 lock  3 due  4 activity  5 active  6 waiting  7 paused  8 pending  9 context  10 chat_session:<id>
--       11 session_customer:<id>  12 events:<id>  13 events_last:<id>  14 sessions  15 session_info:<id>  16 erased:<id>  17 message_queue,
--       then chat_history:<user>:<id> and user_sessions:<user> when there is a user, marks, jobs;
--       analytics_days and chat_analytics:<day> of each day when a figure is to be moved
-- ARGV  1 expected version  2 conversation id  3 channel of the event ('': none)  4 the event  5 how long the last number is kept  6 when
--       7 TTL of marks and of the note  8 '1': a user  9 marks  10 jobs  11 items for message_queue  12 the figure that is moved ('': none)
--       13 where it is added, then the values of the marks, the items, the days
-- Returns {messages, jobs, events}; 1 conflict; 2: there are other days than were named.
local call, try = redis.call, redis.pcall
local old = call('HMGET', KEYS[1], 'version', 'events')
if (old[1] or '0') ~= ARGV[1] then
    return 1
end
local function number(n)
    return type(n) == 'number' and n or 0
end
local value, key = 14 + ARGV[9] + ARGV[11], 18 + (ARGV[8] == '1' and 2 or 0) + ARGV[9] + ARGV[10]
if ARGV[12] ~= '' then
    local named, days = {}, try('ZRANGE', KEYS[key], 0, -1)
    for i = value, #ARGV do
        named[ARGV[i]] = true
    end
    for _, day in ipairs(days) do
        if not named[day] then
            return 2
        end
    end
end
for i = 3, 7 do
    call('ZCARD', KEYS[i]) -- these fail here, before anything is written, when one is of another type
end
call('LLEN', KEYS[17])
local last = old[2] or try('GET', KEYS[13])
if type(last) ~= 'string' then
    local newest = try('LINDEX', KEYS[12], -1)
    last = type(newest) == 'string' and string.match(newest, '^{"seq":(%d+)')
end
local gone = {number(try('LLEN', KEYS[8])) + number(try('LLEN', KEYS[9])), 0, number(try('LLEN', KEYS[12]))}

-- From here on nothing can fail.
for i = 3, 7 do
    call('ZREM', KEYS[i], ARGV[2])
end
call('DEL', KEYS[1], KEYS[2], KEYS[8], KEYS[9], KEYS[10], KEYS[11], KEYS[12], KEYS[15])
try('ZREM', KEYS[14], ARGV[2])
if last then
    call('SET', KEYS[13], last, 'PX', ARGV[5])
end
local at, next_key = 14, 18
if ARGV[8] == '1' then
    gone[1] = gone[1] + number(try('LLEN', KEYS[18]))
    call('DEL', KEYS[18])
    try('SREM', KEYS[19], ARGV[2])
    next_key = 20
end
for i = 1, ARGV[9] do
    call('SET', KEYS[next_key], ARGV[at], 'PX', ARGV[7])
    at, next_key = at + 1, next_key + 1
end
for i = 1, ARGV[10] do
    gone[2] = gone[2] + call('DEL', KEYS[next_key])
    next_key = next_key + 1
end
for i = 1, ARGV[11], 1000 do
    call('RPUSH', KEYS[17], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[11] - 1)))
end
local before = try('GET', KEYS[16])
before = type(before) == 'string' and tonumber(before) or 0
call('SET', KEYS[16], before > tonumber(ARGV[6]) and string.format('%.0f', before) or ARGV[6], 'PX', ARGV[7])
if ARGV[12] ~= '' then
    for i = key + 1, #KEYS do
        local n = try('HGET', KEYS[i], ARGV[12])
        if type(n) == 'string' then
            try('HINCRBY', KEYS[i], ARGV[13], n)
            call('HDEL', KEYS[i], ARGV[12])
        end
    end
end
if ARGV[3] ~= '' then
    call('PUBLISH', ARGV[3], ARGV[4])
end
return gone
