#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Places of a row: the key is the time, by this clock, before which none is given out any more. It ends with that time: then it says nothing. Also
-- when there is no memory to spare, as what a turn that is nearly done needs.
-- KEYS  1 the row
-- ARGV  1 how many (0: none, but none before ARGV 4 either)  2 from one to the next, in ms  3 none that is farther away  4 so far away
-- Returns how far away the first one is, as text, negative when that is too far; nil for no place.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local next = tonumber(redis.call('GET', KEYS[1]) or '') or 0
local n, after, ahead = tonumber(ARGV[1]), nil, math.max(next - now, 0)
if n == 0 then
    after = now + ARGV[4]
    if ahead >= after - now then
        return false
    end
elseif ahead > 0 and ahead > tonumber(ARGV[3]) then
    return string.format('-%.0f', ahead)
else
    after = now + ahead + n * ARGV[2]
end
redis.call('SET', KEYS[1], string.format('%.0f', after), 'PX', string.format('%.0f', after - now))
return n > 0 and string.format('%.0f', ahead)
