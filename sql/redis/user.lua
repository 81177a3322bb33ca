#!lua
-- SPDX-License-Identifier: MIT
-- The fields of a user's sessions. Those that have none any more leave his set.
-- KEYS  1 user_sessions:<user>  2... session_info:<id> of each
-- ARGV  the ids, in the same order
-- Returns the fields with their values of each; empty: it has left.
local answer = {}
for i = 1, #ARGV do
    local fields = redis.pcall('HGETALL', KEYS[i + 1])
    if fields.err or #fields == 0 then
        redis.call('SREM', KEYS[1], ARGV[i])
        fields = {}
    end
    answer[i] = fields
end
return answer
