/* SPDX-License-Identifier: MIT
 * Histories on Redis alone: which keys they leave and of which type, as another client sees them, values of other types under their names,
 * and no memory. The contract of the port is tested by contract_history.c and contract_erase.c. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/store/contract.h"
#include "t/store/redis_server.h"

static const struct backend plain = { .name = "redis", .real_clock = true };

static bool is_connected(struct rig *r, void *arg)
{
    (void)arg;
    return store_is_up(r->s);
}

static void open_store(struct rig *r, const struct redis_server *s)
{
    struct err e;
    struct store_redis_options o = { .host = "127.0.0.1", .port = s->port, .unix_path = "", .user = "", .password = "",
                                     .command_timeout_ms = 5000 };
    (void)redis_server_say(s, "FLUSHALL");
    r->s = store_redis_open(r->loop, &o, &e);
    if (r->s == NULL || !rig_until(r, is_connected, NULL))
        bail_out("no store in Redis");
}

static void close_store(struct rig *r)
{
    store_close(r->s);
    for (int i = 0; i < 3; i++)
        loop_turn(r->loop, false);
    r->calls = NULL;
    arena_reset(r->arena);
}

static void says(const struct redis_server *s, const char *command, const char *expected)
{
    const char *got = redis_server_say(s, command);
    ok(strcmp(got, expected) == 0, "%s: %s", command, got);
}

static bool lasts(const struct redis_server *s, const char *key, long ms)
{
    char command[80];
    (void)snprintf(command, sizeof command, "PTTL %s", key);
    long left = strtol(redis_server_say(s, command), NULL, 10);
    return left <= ms && left > ms - 30000;
}

static uint64_t tell(struct rig *r, const char *user_id, const char *id, uint64_t version)
{
    const struct store_pair fields[] = { { SV("userId"), SV("u") }, { SV("lastActivity"), SV("2026") } };
    const struct store_count counts[] = { { SV("total_messages"), 2 }, { SV("user_u_messages"), 2 } };
    const struct store_history_change h = { .user_id = sv_from(user_id), .entries = LIST(SV("e1"), SV("e2")), .entries_n = 2,
                                            .entries_max = 3, .fields = fields, .fields_n = 2, .ttl_ms = LONG_MS, .sessions_max = 9,
                                            .day = SV("2026-01-31"), .counts = counts, .counts_n = 2, .counts_ttl_ms = 2 * LONG_MS };
    const struct call *c = apply(r, &CHANGE(id, version, .decided_ms = INT64_MAX, .mark_new = { SV("m"), SV("x") }, .mark_ttl_ms = 1,
                                            .event = SV("told"), .history = &h));
    is_int(c->status, STORE_DONE, "%s: written", id);
    return version + 1;
}

static void layout(struct rig *r, const struct redis_server *s)
{
    open_store(r, s);
    (void)tell(r, "u", "c", 0);
    says(s, "TYPE chat_history:u:c", "list");
    says(s, "LRANGE chat_history:u:c 0 -1", "e2 e1");
    says(s, "TYPE session_info:c", "hash");
    says(s, "HMGET session_info:c userId lastActivity", "u 2026");
    says(s, "TYPE user_sessions:u", "set");
    says(s, "SMEMBERS user_sessions:u", "c");
    says(s, "TYPE chat_analytics:2026-01-31", "hash");
    says(s, "HMGET chat_analytics:2026-01-31 total_messages user_u_messages", "2 2");
    says(s, "ZRANGE analytics_days 0 -1", "2026-01-31");
    ok(lasts(s, "chat_history:u:c", LONG_MS) && lasts(s, "session_info:c", LONG_MS) && lasts(s, "user_sessions:u", LONG_MS) &&
           lasts(s, "chat_analytics:2026-01-31", 2 * LONG_MS),
       "with their times");
    rig_pass(r, 5);
    (void)tell(r, "u", "c", 1);
    says(s, "LRANGE chat_history:u:c 0 -1", "e2 e1 e2");
    (void)tell(r, "a:b", "x:y", 0);
    says(s, "LRANGE chat_history::3:a:b:x:y 0 -1", "e2 e1");
    says(s, "EXISTS session_info:x:y user_sessions:a:b", "2");
    struct call *c = rig_call(r);
    store_preferences_put(r->s, SV("u"), &(struct store_pair){ SV("language"), SV("de") }, 1, rig_status, c);
    rig_wait(r, c);
    says(s, "HGETALL user_preferences:u", "language de");
    const struct store_pair mark = { SV("m"), SV("gone") };
    const struct store_erase e = { .user_id = SV("u"), .at_ms = 1234, .day_metric = SV("user_u_messages"), .day_into = SV("erased") };
    is_int(apply(r, &CHANGE("c", 2, .forget = true, .marks = &mark, .marks_n = 1, .erase = &e))->status, STORE_DONE, "erased");
    says(s, "EXISTS chat_history:u:c session_info:c user_sessions:u conversation:c", "0");
    says(s, "GET erased:c", "1234");
    says(s, "GET message:c:m", "gone");
    says(s, "HGETALL chat_analytics:2026-01-31", "total_messages 6 erased 6");
    ok(lasts(s, "erased:c", LONG_MS), "the note has the time of the marks");
    close_store(r);
}

/* Somebody else has put other things under each of the names: a turn goes on, reads see nothing. */
static void other_types(struct rig *r, const struct redis_server *s)
{
    static const char *const keys[] = { "chat_history:u:c", "session_info:c", "user_sessions:u", "chat_analytics:2026-01-31", "erased:c" };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        char command[100];
        open_store(r, s);
        (void)snprintf(command, sizeof command, "ZADD %s 1 a", keys[i]);
        (void)redis_server_say(s, command);
        (void)tell(r, "u", "c", 0);
        is_int(load(r, "c")->version, 1, "%s of another type: the record is written", keys[i]);
        (void)snprintf(command, sizeof command, "TYPE %s", keys[i]);
        says(s, command, "zset");
        if (i > 0)
            is_int(history_of(r, "c", "u")->entries_n, 2, "and the entries");
        else
            is_int(history_of(r, "c", "u")->entries_n, 0, "there are no entries then");
        ok((history_of(r, "c", "u")->fields_n > 0) == (i != 1), "fields where they could be written");
        is_int(apply(r, &CHANGE("c", 1, .forget = true, .erase = &(struct store_erase){ .user_id = SV("u"), .at_ms = 5,
                                                                                        .day_metric = SV("user_u_messages"),
                                                                                        .day_into = SV("erased") }))
                   ->status,
               STORE_DONE, "it can be erased");
        is_int(history_of(r, "c", "u")->entries_n, 0, "with its entries");
        close_store(r);
    }
    open_store(r, s);
    (void)redis_server_say(s, "HSET chat_analytics:2026-01-31 total_messages many user_u_messages 3");
    (void)tell(r, "u", "c", 0);
    says(s, "HMGET chat_analytics:2026-01-31 total_messages user_u_messages", "many 5");
    close_store(r);
}

static void no_memory(struct rig *r, const struct redis_server *s)
{
    open_store(r, s);
    (void)tell(r, "u", "c", 0);
    (void)redis_server_say(s, "CONFIG SET maxmemory 1");
    is_int(apply(r, &CHANGE("c", 1, .history = &(struct store_history_change){ .user_id = SV("u"), .entries = LIST(SV("e3")), .entries_n = 1,
                                                                               .entries_max = 9, .ttl_ms = LONG_MS }))
               ->status,
           STORE_FULL, "nothing new without memory");
    is_int(apply(r, &CHANGE("c", 1, .finishing = true, .history = &(struct store_history_change){ .user_id = SV("u"), .entries = LIST(SV("e3")), .entries_n = 1,
                                                                               .entries_max = 9, .ttl_ms = LONG_MS }))
               ->status,
           STORE_DONE, "what ends a turn is written");
    is_int(apply(r, &CHANGE("c", 2, .forget = true, .queue_add = LIST(SV("q")), .queue_add_n = 1,
                            .erase = &(struct store_erase){ .user_id = SV("u"), .at_ms = 5 }))
               ->status,
           STORE_DONE, "an erasure is done");
    (void)redis_server_say(s, "CONFIG SET maxmemory 0");
    is_int(history_of(r, "c", "u")->entries_n, 0, "whole");
    is_sv(drain(r), SV("q"), "with its item");
    close_store(r);
}

/* A day that comes between the look and the script: the script asks again. */
static void another_day(struct rig *r, const struct redis_server *s)
{
    open_store(r, s);
    (void)tell(r, "u", "c", 0);
    struct call *c = rig_call(r);
    struct store_change change = filled(&CHANGE("c", 1, .forget = true, .erase = &(struct store_erase){
        .user_id = SV("u"), .at_ms = 5, .day_metric = SV("user_u_messages"), .day_into = SV("erased") }));
    store_apply(r->s, &change, rig_applied, c); /* the look is on its way */
    struct call *d = rig_call(r);
    change = filled(&CHANGE("d", 0, .history = &(struct store_history_change){ .day = SV("2026-02-02"),
                                                                             .counts = &(struct store_count){ SV("user_u_messages"), 4 },
                                                                             .counts_n = 1, .counts_ttl_ms = LONG_MS }));
    store_apply(r->s, &change, rig_applied, d); /* behind it, before the script */
    rig_wait(r, c);
    rig_wait(r, d);
    ok(c->status == STORE_DONE && d->status == STORE_DONE, "erased while a day begins");
    is_sv(figures_of(r, "2026-02-02"), SV("erased=4"), "of that day, too");
    close_store(r);
}

int main(void)
{
    struct redis_server s;
    struct rig r = { .backend = &plain, .loop = loop_new(), .arena = arena_new(0, 1u << 30) };
    if (!redis_server_open(&s, NULL))
        return skip_all("redis-server is not installed");
    if (r.loop == NULL || r.arena == NULL)
        bail_out("no memory");
    layout(&r, &s);
    other_types(&r, &s);
    no_memory(&r, &s);
    another_day(&r, &s);
    redis_server_close(&s);
    arena_free(r.arena);
    loop_free(r.loop);
    return done_testing();
}
