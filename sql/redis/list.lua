#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- A page of a listing. Everything is reckoned in ranks, so that what is not returned costs next to nothing, however many scores are equal
-- and however many members there are.
-- KEYS  1 the sorted set
-- ARGV  1 '1': newest first  2 '1': only up to now  3 lowest score ('': any)  4 highest ('': any)
--       5 member to go on behind ('': none)  6 its score  7 at most so many
-- Returns {TIME, {member, score, ...} always with the lowest first, 1 when there are more, the first score after now (2 = '1')}.
local call = redis.call

-- As Redis orders members; Lua's own < follows the locale.
local function is_before(a, b)
    for i = 1, math.min(#a, #b) do
        local x, y = string.byte(a, i), string.byte(b, i)
        if x ~= y then
            return x < y
        end
    end
    return #a < #b
end

-- How many stand before the cursor, and how many up to it: it need not be listed any more, or not there.
local function place(member, score)
    local listed = call('ZSCORE', KEYS[1], member)
    if listed and tonumber(listed) == tonumber(score) then
        local rank = call('ZRANK', KEYS[1], member)
        return rank, rank + 1
    end
    local low = call('ZCOUNT', KEYS[1], '-inf', '(' .. score)
    local high = low + call('ZCOUNT', KEYS[1], score, score)
    while low < high do
        local middle = math.floor((low + high) / 2)
        if is_before(call('ZRANGE', KEYS[1], middle, middle)[1], member) then
            low = middle + 1
        else
            high = middle
        end
    end
    return low, low
end

local time = call('TIME')
local first = ARGV[3] ~= '' and call('ZCOUNT', KEYS[1], '-inf', '(' .. ARGV[3]) or 0
local last = (ARGV[4] ~= '' and call('ZCOUNT', KEYS[1], '-inf', ARGV[4]) or call('ZCARD', KEYS[1])) - 1
local coming = false
if ARGV[2] == '1' then
    local past = call('ZCOUNT', KEYS[1], '-inf', time[1] * 1000 + math.floor(time[2] / 1000))
    last = math.min(last, past - 1)
    coming = call('ZRANGE', KEYS[1], past, past, 'WITHSCORES')[2] or false
end
if ARGV[5] ~= '' then
    local before, up_to = place(ARGV[5], ARGV[6])
    if ARGV[1] == '1' then
        last = math.min(last, before - 1)
    else
        first = math.max(first, up_to)
    end
end
local more = last - first + 1 > tonumber(ARGV[7])
if more and ARGV[1] == '1' then
    first = last - ARGV[7] + 1
elseif more then
    last = first + ARGV[7] - 1
end
local items = last >= first and call('ZRANGE', KEYS[1], first, last, 'WITHSCORES') or {}
return {time, items, more and 1 or 0, coming}
