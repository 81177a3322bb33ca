#!lua flags=allow-oom
-- SPDX-License-Identifier: MIT
-- Too many sessions of a user: those with the smallest lastActivity (none is smaller than any) leave his set.
-- KEYS  1 user_sessions:<user>  2... session_info:<id> of each
-- ARGV  1 how many stay, then the ids, in the same order
-- Returns how many have left.
local call = redis.call
local all = {}
for i = 2, #ARGV do
    local at = redis.pcall('HGET', KEYS[i], 'lastActivity')
    all[i - 1] = {type(at) == 'string' and at or '', ARGV[i]}
end
table.sort(all, function(a, b)
    if a[1] ~= b[1] then
        return a[1] < b[1]
    end
    return a[2] < b[2]
end)
local left = math.min(call('SCARD', KEYS[1]), #all) - ARGV[1] -- others may have taken some out meanwhile
for i = 1, left do
    call('SREM', KEYS[1], all[i][2])
end
return math.max(left, 0)
