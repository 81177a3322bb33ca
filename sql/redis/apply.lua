#!lua
-- SPDX-License-Identifier: MIT
-- Everything that one decision changes, or nothing. It is loaded a second time with the flag allow-oom (redis_scripts.h): the gate
-- and the end of a turn must be possible when Redis has no memory left for new things.
--
-- KEYS   1 conversation  2 lock  3 due  4 activity  5 active  6 waiting  7 paused
--        and, when ARGV goes on behind 9: 8 pending  9 context  10 message_queue, then chat_session:<id>, events:<id>,
--        events_last:<id> and sessions when there is something for the session, new mark, marks, job, message_queue:dead and message_queue:dead:items
--        when there are letters, callback_queue when there are items for it
-- ARGV   1 expected version ('0': no record)  2 new version  3 record  4 token that must stand in the lock ('': not asked)
--        5 due ('': not)  6 the other four scores, a space between them, nothing where the conversation is not in
--        7 conversation id (the member)  8 lease: '' keep, '0' drop, else take it for so many ms  9 its token
--        and, when something of it is not 0: 10 new marks (0 or 1)  11 marks  12 their TTL
--        13 items for pending  14 to take from its front  15 '1': into the context
--        16 items for the context  17 the context's bound (0: none)  18 items for message_queue  19 its bound in bytes (0: none)
--        20 job: '' none, '0' remove, else its TTL  21 channel of the event ('': none)  22 dead letters  23 items for callback_queue
--        24 events of the session ('': nothing for it); when it is not '': 25 view: '' keep, '0' drop, else set, and its score in sessions  26 the view  27 TTL
--        28 the log's bound  29 the last number is at least this, then the events; then the
--        values in the order of 10 to 21, behind them id and item of each letter, then the items for callback_queue
-- Returns 0 done, 1 conflict, 2 lease lost, 3 full; the mark when it is a duplicate.
-- It is run three times a turn: locals instead of functions and tables are on purpose.
local call, try, KEYS, ARGV = redis.call, redis.pcall, KEYS, ARGV

-- Nothing is written before all of this has held.
local session = (ARGV[24] or '') ~= ''
local old = session and call('HMGET', KEYS[1], 'version', 'index', 'events') or call('HMGET', KEYS[1], 'version', 'index')
if (old[1] or '0') ~= ARGV[1] then
    return 1
end
if ARGV[4] ~= '' and call('GET', KEYS[2]) ~= ARGV[4] then
    return 2
end
local more = ARGV[10]
local key, value, dead = 11, 25, #KEYS
local last, events = false, 0
if session then
    events, key, value = tonumber(ARGV[24]), 15, 30 + ARGV[24]
    if events > 0 or ARGV[29] ~= '0' then
        last = old[3] or call('GET', KEYS[13]) or string.match(call('LINDEX', KEYS[12], -1) or '', '^{"seq":(%d+)') or 0
        last = math.max(last, ARGV[29]) -- the log's own: the record was lost
    end
end
if more then
    if ARGV[23] ~= '0' then
        call('LLEN', KEYS[dead]) -- these fail here, before anything is written, when one is of another type
        dead = dead - 1
    end
    if ARGV[22] ~= '0' then
        call('ZCARD', KEYS[dead - 1])
        call('HLEN', KEYS[dead])
    end
    if ARGV[19] ~= '0' then
        local mark = more == '1' and call('GET', KEYS[key])
        if mark then
            return mark
        end
        if (call('MEMORY', 'USAGE', KEYS[10]) or 0) > tonumber(ARGV[19]) then
            return 3
        end
    end
    if more == '1' then
        local mark = call('SET', KEYS[key], ARGV[value], 'NX', 'GET', 'PX', ARGV[12])
        if mark then
            return mark
        end
        key, value = key + 1, value + 1
    end
end

-- What can fail: a list or a sorted set under whose name somebody has put a value of another type. Redis does not roll back a script
-- that fails, so these come first, and what was done before a failure is taken back.
local failed, done = false, false
local id, was, now, moves = ARGV[7], nil, nil, 0
if old[2] ~= ARGV[6] then
    local scores = '^(%d*) (%d*) (%d*) (%d*)$'
    was = {string.match(old[2] or '   ', scores)}
    now = {string.match(ARGV[6], scores)}
    while moves < 4 and not failed do
        local score = now[moves + 1]
        if score ~= was[moves + 1] then
            done = score ~= '' and try('ZADD', KEYS[moves + 4], score, id) or try('ZREM', KEYS[moves + 4], id)
            failed = type(done) == 'table' and done
        end
        moves = moves + 1
    end
end
local pending, popped, length, context, queued, logged, log = 0, false, false, 0, 0, 0, 0
local at = value
if more and not failed then
    at = at + ARGV[11]
    for i = 1, ARGV[13], 1000 do
        done = try('RPUSH', KEYS[8], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[13] - 1)))
        failed = type(done) == 'table' and done
        if failed then
            break
        end
        pending = pending + math.min(1000, ARGV[13] - i + 1)
    end
    at = at + ARGV[13]
    if ARGV[14] ~= '0' and not failed then
        popped = try('LPOP', KEYS[8], ARGV[14])
        failed = popped and popped.err and popped
        if popped and not failed and ARGV[15] == '1' then
            for i = 1, #popped, 1000 do
                length = try('RPUSH', KEYS[9], unpack(popped, i, math.min(i + 999, #popped)))
            end
            failed = type(length) == 'table' and length
            context = failed and 0 or #popped
        end
    end
    for i = 1, failed and 0 or ARGV[16], 1000 do
        length = try('RPUSH', KEYS[9], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[16] - 1)))
        failed = type(length) == 'table' and length
        if failed then
            break
        end
        context = context + math.min(1000, ARGV[16] - i + 1)
    end
    at = at + ARGV[16]
    for i = 1, failed and 0 or ARGV[18], 1000 do
        done = try('RPUSH', KEYS[10], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[18] - 1)))
        failed = type(done) == 'table' and done
        if failed then
            break
        end
        queued = queued + math.min(1000, ARGV[18] - i + 1)
    end
    at = at + ARGV[18]
end
for i = 1, failed and 0 or events do
    last = last + 1
    ARGV[29 + i] = string.format('{"seq":%.0f,', last) .. string.sub(ARGV[29 + i], 2)
end
for i = 1, failed and 0 or events, 1000 do
    log = try('RPUSH', KEYS[12], unpack(ARGV, 29 + i, 29 + math.min(i + 999, events)))
    failed = type(log) == 'table' and log
    if failed then
        break
    end
    logged = logged + math.min(1000, events - i + 1)
end
if not failed then
    done = ARGV[5] ~= '' and try('ZADD', KEYS[3], ARGV[5], id) or try('ZREM', KEYS[3], id)
    failed = type(done) == 'table' and done
end
if failed then
    if logged > 0 then
        call('RPOP', KEYS[12], logged)
    end
    if queued > 0 then
        call('RPOP', KEYS[10], queued)
    end
    if context > 0 then
        call('RPOP', KEYS[9], context)
    end
    if popped and not popped.err then
        for i = #popped, 1, -1 do
            call('LPUSH', KEYS[8], popped[i])
        end
    end
    if pending > 0 then
        call('RPOP', KEYS[8], pending)
    end
    for i = 1, moves do
        if now[i] ~= was[i] then -- the last one may be the one that failed: try
            done = was[i] ~= '' and try('ZADD', KEYS[i + 3], was[i], id) or try('ZREM', KEYS[i + 3], id)
        end
    end
    if more == '1' then
        call('DEL', KEYS[key - 1])
    end
    return failed
end

-- From here on nothing can fail.
if more then
    if length and ARGV[17] ~= '0' and length > tonumber(ARGV[17]) then
        call('LTRIM', KEYS[9], -ARGV[17], -1)
    end
    for i = 1, ARGV[11] do
        call('SET', KEYS[key], ARGV[value], 'PX', ARGV[12])
        key, value = key + 1, value + 1
    end
    if ARGV[20] == '0' then
        call('DEL', KEYS[key])
    elseif ARGV[20] ~= '' then
        call('SET', KEYS[key], ARGV[at], 'PX', ARGV[20])
        at = at + 1
    end
    local callbacks = #ARGV - ARGV[23] + 1
    for i = callbacks - 2 * ARGV[22], callbacks - 1, 2 do
        call('ZADD', KEYS[dead - 1], 0, ARGV[i])
        call('HSET', KEYS[dead], ARGV[i], ARGV[i + 1])
    end
    for i = callbacks, #ARGV, 1000 do
        call('RPUSH', KEYS[#KEYS], unpack(ARGV, i, math.min(i + 999, #ARGV)))
    end
end
if ARGV[8] == '0' then
    call('DEL', KEYS[2])
elseif ARGV[8] ~= '' then
    call('SET', KEYS[2], ARGV[9], 'PX', ARGV[8])
end
if last then
    call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3], 'index', ARGV[6], 'events', string.format('%.0f', last))
else
    call('HSET', KEYS[1], 'version', ARGV[2], 'record', ARGV[3], 'index', ARGV[6])
end
if session then
    if ARGV[25] == '0' then
        call('DEL', KEYS[11])
        try('ZREM', KEYS[14], id)
    elseif ARGV[25] ~= '' then
        call('SET', KEYS[11], ARGV[26], 'PX', ARGV[27])
        try('ZADD', KEYS[14], ARGV[25], id) -- only a figure: nothing fails for it
    end
    if events > 0 then
        if log > tonumber(ARGV[28]) then
            call('LTRIM', KEYS[12], -ARGV[28], -1)
        end
        call('PEXPIRE', KEYS[12], ARGV[27])
        for i = 30, 29 + events do
            call('PUBLISH', KEYS[12], ARGV[i])
        end
    end
end
if more and ARGV[21] ~= '' then
    call('PUBLISH', ARGV[21], ARGV[at])
end
return 0
