#!lua
-- SPDX-License-Identifier: MIT
-- One more of a number that ends so long after its first one.
-- KEYS  1 the number
-- ARGV  1 TTL in ms
-- Returns it, as text.
local n = redis.call('INCR', KEYS[1])
if n == 1 then
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return tostring(n)
