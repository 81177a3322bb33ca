#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- The first items of several lists, all of one moment.
-- KEYS  the lists
-- Returns an item for each; nil where a list is empty.
local heads = {}
for i = 1, #KEYS do
    heads[i] = redis.call('LINDEX', KEYS[i], 0)
end
return heads
