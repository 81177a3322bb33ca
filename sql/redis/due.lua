#!lua flags=no-writes
-- SPDX-License-Identifier: MIT
-- Members whose time has come, earliest first.
-- KEYS  1 due
-- ARGV  1 at most so many
-- Returns {TIME, members, score of the first one that is not among them}.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local members = call('ZRANGE', KEYS[1], '-inf', now, 'BYSCORE', 'LIMIT', 0, ARGV[1])
local rest = call('ZRANGE', KEYS[1], #members, #members, 'WITHSCORES')
return {time, members, rest[2] or false}
