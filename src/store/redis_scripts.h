/* SPDX-License-Identifier: MIT
 * The Lua scripts of sql/redis/, which the build puts into the library (redis_lua.awk), and in which order a link knows them. */
#ifndef STORE_REDIS_SCRIPTS_H
#define STORE_REDIS_SCRIPTS_H

#include "store/redis_link.h"

enum redis_script_id {
    SCRIPT_LOAD,
    SCRIPT_APPLY,
    SCRIPT_FINISH, /* apply, allowed when Redis is out of memory */
    SCRIPT_RENEW,
    SCRIPT_FORGET,
    SCRIPT_LIST,
    SCRIPT_RECORDS,
    SCRIPT_TAKE,
    SCRIPT_ACK,
    SCRIPT_RECOVER,
    SCRIPT_LETTERS,
    SCRIPT_STAT,
    SCRIPT_HEADS,
    SCRIPT_SESSION_FILL,
    SCRIPT_EVENTS,
    SCRIPT_ERASE,
    SCRIPT_HISTORY,
    SCRIPT_USER,
    SCRIPT_USER_TRIM,
    SCRIPT_PREFERENCES,
    SCRIPT_COUNT,
    SCRIPT_PLACE,
    SCRIPTS_N,
};

extern const struct redis_script redis_scripts[SCRIPTS_N];

/* generated: sql/redis/<name>.lua as text */
extern const char redis_lua_load[], redis_lua_apply[], redis_lua_renew[], redis_lua_forget[], redis_lua_list[],
    redis_lua_records[], redis_lua_take[], redis_lua_ack[], redis_lua_recover[], redis_lua_letters[], redis_lua_stat[], redis_lua_heads[],
    redis_lua_session_fill[], redis_lua_events[], redis_lua_erase[], redis_lua_history[], redis_lua_user[], redis_lua_user_trim[],
    redis_lua_preferences[], redis_lua_count[], redis_lua_place[];

#endif
