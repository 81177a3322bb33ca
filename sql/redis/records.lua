#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- Records of several conversations.
-- KEYS  the conversations
-- Returns a record for each; nil where there is none.
local records = {}
for i = 1, #KEYS do
    local record = redis.pcall('HGET', KEYS[i], 'record')
    records[i] = type(record) == 'string' and record or false
end
return records
