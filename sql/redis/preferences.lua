#!lua
-- SPDX-License-Identifier: MIT
-- Replaces a user's preferences.
-- KEYS  1 user_preferences:<user>
-- ARGV  names and values; none: they are removed
-- Returns 0.
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 1000 do
    redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return 0
