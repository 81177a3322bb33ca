#!lua
-- SPDX-License-Identifier: MIT
-- Everything that one decision changes, or nothing. It is loaded a second time with the flag allow-oom (redis_scripts.h): the gate
-- and the end of a turn must be possible when Redis has no memory left for new things.
--
-- KEYS   1 conversation  2 lock  3 due  4 activity  5 active  6 waiting  7 paused
--        and, when ARGV goes on behind 10: 8 pending  9 context  10 message_queue, then chat_session:<id>, events:<id>,
--        events_last:<id> and sessions when there is something for the session; chat_history:<user>:<id>, session_info:<id> and user_sessions:<user>
--        when it has a user and a history; chat_analytics:<day> and analytics_days when something is counted; new mark, marks, job,
--        message_queue:dead and message_queue:dead:items when there are letters, callback_queue when there are items for it
--        last, when there must be no record: erased:<id>
-- ARGV   1 expected version ('0': no record)  2 new version  3 record  4 token that must stand in the lock ('': not asked)
--        5 due ('': not)  6 the other four scores, a space between them, nothing where the conversation is not in
--        7 conversation id (the member)  8 lease: '' keep, '0' drop, else take it for so many ms  9 its token
--        10 when it was decided ('': there is a record): younger than erased:<id> says, or it is a conflict
--        and, when something of it is not 0: 11 new marks (0 or 1)  12 marks  13 their TTL
--        14 items for pending  15 to take from its front  16 '1': into the context
--        17 items for the context  18 the context's bound (0: none)  19 items for message_queue  20 its bound in bytes (0: none)
--        21 job: '' none, '0' remove, else its TTL  22 channel of the event ('': none)  23 dead letters  24 items for callback_queue
--        25 events of the session ('': nothing for it)  26 keys of the history ('': none; 3 with a user, 2 with counts, or both)
--        when 25 is not '': 27 view: '' keep, '0' drop, else set, and its score in sessions  28 the view  29 TTL
--        30 the log's bound  31 the last number is at least this, then the events
--        when 26 is not '': how many words this and what follows on it up to the counts are, TTL, entries, their bound, the bound of the
--        user's sessions (0: none), words of the fields, TTL of the counts, the time, then entries, fields with values, counts with numbers;
--        then the values in the order of 11 to 22, behind them id and item of each letter, then the items for callback_queue
-- Returns 0 done, 1 conflict, 2 lease lost, 3 full; the mark when it is a duplicate; {user_sessions:<user>, bound, members}: done, and some of
-- the user's sessions are to leave the set.
-- It is run three times a turn: locals instead of functions and tables are on purpose.
local call, try, KEYS, ARGV = redis.call, redis.pcall, KEYS, ARGV

-- Nothing is written before all of this has held.
local session = (ARGV[25] or '') ~= ''
local old = session and call('HMGET', KEYS[1], 'version', 'index', 'events') or call('HMGET', KEYS[1], 'version', 'index')
if (old[1] or '0') ~= ARGV[1] then
    return 1
end
if ARGV[4] ~= '' and call('GET', KEYS[2]) ~= ARGV[4] then
    return 2
end
local keys = #KEYS
if ARGV[10] ~= '' then
    local erased = try('GET', KEYS[keys])
    if type(erased) == 'string' and (tonumber(erased) or 0) >= tonumber(ARGV[10]) then
        return 1
    end
    keys = keys - 1
end
local more = ARGV[11]
local key, value, dead = 11, 27, keys
local last, events = false, 0
if session then
    events, key, value = tonumber(ARGV[25]), 15, 32 + ARGV[25]
    if events > 0 or ARGV[31] ~= '0' then
        last = old[3] or call('GET', KEYS[13]) or string.match(call('LINDEX', KEYS[12], -1) or '', '^{"seq":(%d+)') or 0
        last = math.max(last, ARGV[31]) -- the log's own: the record was lost
    end
end
local history, said = false, value
if more and ARGV[26] ~= '' then
    history = key
    key, value = key + ARGV[26], value + ARGV[value]
end
if more then
    if ARGV[24] ~= '0' then
        call('LLEN', KEYS[dead]) -- these fail here, before anything is written, when one is of another type
        dead = dead - 1
    end
    if ARGV[23] ~= '0' then
        call('ZCARD', KEYS[dead - 1])
        call('HLEN', KEYS[dead])
    end
    if ARGV[20] ~= '0' then
        local mark = more == '1' and call('GET', KEYS[key])
        if mark then
            return mark
        end
        if (call('MEMORY', 'USAGE', KEYS[10]) or 0) > tonumber(ARGV[20]) then
            return 3
        end
    end
    if more == '1' then
        local mark = call('SET', KEYS[key], ARGV[value], 'NX', 'GET', 'PX', ARGV[13])
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
    at = at + ARGV[12]
    for i = 1, ARGV[14], 1000 do
        done = try('RPUSH', KEYS[8], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[14] - 1)))
        failed = type(done) == 'table' and done
        if failed then
            break
        end
        pending = pending + math.min(1000, ARGV[14] - i + 1)
    end
    at = at + ARGV[14]
    if ARGV[15] ~= '0' and not failed then
        popped = try('LPOP', KEYS[8], ARGV[15])
        failed = popped and popped.err and popped
        if popped and not failed and ARGV[16] == '1' then
            for i = 1, #popped, 1000 do
                length = try('RPUSH', KEYS[9], unpack(popped, i, math.min(i + 999, #popped)))
            end
            failed = type(length) == 'table' and length
            context = failed and 0 or #popped
        end
    end
    for i = 1, failed and 0 or ARGV[17], 1000 do
        length = try('RPUSH', KEYS[9], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[17] - 1)))
        failed = type(length) == 'table' and length
        if failed then
            break
        end
        context = context + math.min(1000, ARGV[17] - i + 1)
    end
    at = at + ARGV[17]
    for i = 1, failed and 0 or ARGV[19], 1000 do
        done = try('RPUSH', KEYS[10], unpack(ARGV, at + i - 1, at + math.min(i + 998, ARGV[19] - 1)))
        failed = type(done) == 'table' and done
        if failed then
            break
        end
        queued = queued + math.min(1000, ARGV[19] - i + 1)
    end
    at = at + ARGV[19]
end
for i = 1, failed and 0 or events do
    last = last + 1
    ARGV[31 + i] = string.format('{"seq":%.0f,', last) .. string.sub(ARGV[31 + i], 2)
end
for i = 1, failed and 0 or events, 1000 do
    log = try('RPUSH', KEYS[12], unpack(ARGV, 31 + i, 31 + math.min(i + 999, events)))
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
    if length and ARGV[18] ~= '0' and length > tonumber(ARGV[18]) then
        call('LTRIM', KEYS[9], -ARGV[18], -1)
    end
    for i = 1, ARGV[12] do
        call('SET', KEYS[key], ARGV[value], 'PX', ARGV[13])
        key, value = key + 1, value + 1
    end
    if ARGV[21] == '0' then
        call('DEL', KEYS[key])
    elseif ARGV[21] ~= '' then
        call('SET', KEYS[key], ARGV[at], 'PX', ARGV[21])
        at = at + 1
    end
    local callbacks = #ARGV - ARGV[24] + 1
    for i = callbacks - 2 * ARGV[23], callbacks - 1, 2 do
        call('ZADD', KEYS[dead - 1], 0, ARGV[i])
        call('HSET', KEYS[dead], ARGV[i], ARGV[i + 1])
    end
    for i = callbacks, #ARGV, 1000 do
        call('RPUSH', KEYS[keys], unpack(ARGV, i, math.min(i + 999, #ARGV)))
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
    if ARGV[27] == '0' then
        call('DEL', KEYS[11])
        try('ZREM', KEYS[14], id)
    elseif ARGV[27] ~= '' then
        call('SET', KEYS[11], ARGV[28], 'PX', ARGV[29])
        try('ZADD', KEYS[14], ARGV[27], id) -- only a figure: nothing fails for it
    end
    if events > 0 then
        if log > tonumber(ARGV[30]) then
            call('LTRIM', KEYS[12], -ARGV[30], -1)
        end
        call('PEXPIRE', KEYS[12], ARGV[29])
        for i = 32, 31 + events do
            call('PUBLISH', KEYS[12], ARGV[i])
        end
    end
end
local leave = false
if history then -- what users read and what is counted: nothing fails for it
    local ttl, entries, first = ARGV[said + 1], tonumber(ARGV[said + 2]), said + 8
    if ARGV[26] ~= '2' then
        for i = 1, entries, 1000 do
            log = try('LPUSH', KEYS[history], unpack(ARGV, first + i - 1, first + math.min(i + 998, entries - 1)))
        end
        if entries > 0 and type(log) == 'number' and log > tonumber(ARGV[said + 3]) then
            try('LTRIM', KEYS[history], 0, ARGV[said + 3] - 1)
        end
        first = first + entries
        for i = 1, ARGV[said + 5], 1000 do
            try('HSET', KEYS[history + 1], unpack(ARGV, first + i - 1, first + math.min(i + 998, ARGV[said + 5] - 1)))
        end
        first = first + ARGV[said + 5]
        if try('SADD', KEYS[history + 2], id) == 1 and ARGV[said + 4] ~= '0' and
            call('SCARD', KEYS[history + 2]) > tonumber(ARGV[said + 4]) then
            leave = {KEYS[history + 2], ARGV[said + 4], call('SMEMBERS', KEYS[history + 2])}
        end
        call('PEXPIRE', KEYS[history], ttl)
        call('PEXPIRE', KEYS[history + 1], ttl)
        call('PEXPIRE', KEYS[history + 2], ttl)
        history = history + 3
    end
    if ARGV[26] ~= '3' then
        for i = first, said + ARGV[said] - 1, 2 do
            try('HINCRBY', KEYS[history], ARGV[i], ARGV[i + 1])
        end
        call('PEXPIRE', KEYS[history], ARGV[said + 6])
        if try('ZADD', KEYS[history + 1], ARGV[said + 7] + ARGV[said + 6], string.sub(KEYS[history], -10)) == 1 then
            call('ZREMRANGEBYSCORE', KEYS[history + 1], '-inf', ARGV[said + 7])
        end
    end
end
if more and ARGV[22] ~= '' then
    call('PUBLISH', ARGV[22], ARGV[at])
end
return leave or 0
