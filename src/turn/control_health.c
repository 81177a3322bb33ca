/* SPDX-License-Identifier: MIT
 * Is the system well? healthy: yes. degraded: messages are taken, but something that should be there is not. unhealthy: no store takes
 * messages. Each finding has a word in "problems". */
#include "config.h"

#include "turn/control_look.h"

#define HEARTBEAT_OLD_MS 30000
#define ARCHIVE_LAG_MS 60000

enum problem {
    PROBLEM_STORE_DOWN, PROBLEM_STANDING_IN, PROBLEM_SPOOLING, PROBLEM_ARCHIVE_DOWN, PROBLEM_ARCHIVE_BEHIND, PROBLEM_NO_DAEMON,
    PROBLEM_EVICTS, PROBLEM_NO_AOF, PROBLEM_AOF_FAILS, PROBLEM_MEMORY_ONLY, PROBLEM_STUCK, PROBLEM_N
};

static const char *const problems[] = {
    [PROBLEM_STORE_DOWN] = "store_down",         [PROBLEM_STANDING_IN] = "store_standing_in",   [PROBLEM_SPOOLING] = "store_spooling",
    [PROBLEM_ARCHIVE_DOWN] = "archive_down",     [PROBLEM_ARCHIVE_BEHIND] = "archive_behind",   [PROBLEM_NO_DAEMON] = "no_daemon",
    [PROBLEM_EVICTS] = "redis_may_evict",        [PROBLEM_NO_AOF] = "redis_without_aof",        [PROBLEM_AOF_FAILS] = "redis_aof_fails",
    [PROBLEM_MEMORY_ONLY] = "store_memory_only", [PROBLEM_STUCK] = "stuck_conversations",
};
_Static_assert(ARRAY_LEN(problems) == PROBLEM_N, "a word for each problem");

static bool is_redis(const struct look *q)
{
    return strcmp(store_backend(q->c.t->o.store), "Redis") == 0;
}

static bool is_away(const struct look *q)
{
    return store_is_standing_in(q->c.t->o.store) || store_is_spooling(q->c.t->o.store);
}

static bool has_postgres(const struct look *q)
{
    return q->c.t->o.archive != NULL && strcmp(archive_name(q->c.t->o.archive), "PostgreSQL") == 0;
}

static bool figure_is(const struct look *q, const char *name, const char *json)
{
    return sv_eq(json_raw_member(q->store.text, name), sv_from(json));
}

static bool figure_is_there(const struct look *q, const char *name)
{
    return q->store_up && q->store.text.p != NULL && json_raw_member(q->store.text, name).p != NULL;
}

static void find(const struct look *q, bool found[PROBLEM_N])
{
    const struct store *s = q->c.t->o.store;
    int64_t beat_ms = json_i64(q->heartbeat, "at", 0), lag_ms = look_lag_ms(q);
    found[PROBLEM_STORE_DOWN] = !q->store_up;
    found[PROBLEM_STANDING_IN] = store_is_standing_in(s);
    found[PROBLEM_SPOOLING] = store_is_spooling(s);
    found[PROBLEM_ARCHIVE_DOWN] = q->c.t->o.archive != NULL && !q->archive_known;
    found[PROBLEM_ARCHIVE_BEHIND] = q->c.t->o.archive != NULL && lag_ms > ARCHIVE_LAG_MS;
    found[PROBLEM_NO_DAEMON] = q->store_up && (beat_ms == 0 || q->now_ms - beat_ms > HEARTBEAT_OLD_MS);
    found[PROBLEM_EVICTS] = figure_is_there(q, "maxmemory_policy") && !figure_is(q, "maxmemory_policy", "\"noeviction\"");
    found[PROBLEM_NO_AOF] = figure_is_there(q, "aof_enabled") && figure_is(q, "aof_enabled", "0");
    found[PROBLEM_AOF_FAILS] = figure_is_there(q, "aof_last_write_status") && !figure_is(q, "aof_last_write_status", "\"ok\"");
    found[PROBLEM_MEMORY_ONLY] = q->store_up && strcmp(store_backend(s), "Memory") == 0;
    found[PROBLEM_STUCK] = q->stuck_n > 0;
}

static void put_problems(struct json_out *o, const char *key, const bool found[PROBLEM_N], enum problem from, enum problem upto)
{
    json_key(o, key);
    json_arr(o);
    for (int i = (int)from; i <= (int)upto; i++) {
        if (found[i])
            json_str(o, sv_from(problems[i]));
    }
    json_arr_end(o);
}

static void put_durability(struct json_out *o, const struct look *q, const bool found[PROBLEM_N])
{
    struct sv policy = figure_is_there(q, "maxmemory_policy") ? json_raw_member(q->store.text, "maxmemory_policy") : SV_NONE;
    bool persistent = q->store_up && !found[PROBLEM_MEMORY_ONLY] && !found[PROBLEM_NO_AOF] && !found[PROBLEM_AOF_FAILS];
    json_key(o, "durability");
    json_obj(o);
    json_kstr(o, "store", sv_from(store_backend(q->c.t->o.store)));
    json_kbool(o, "persistent", persistent);
    json_key(o, "aof");
    if (figure_is_there(q, "aof_enabled"))
        json_true_false(o, !found[PROBLEM_NO_AOF]);
    else
        json_nul(o);
    json_kraw(o, "maxmemory_policy", policy.p != NULL ? policy : SV("null"));
    put_problems(o, "warnings", found, PROBLEM_EVICTS, PROBLEM_MEMORY_ONLY);
    json_obj_end(o);
}

static void put_daemon(struct json_out *o, const struct look *q)
{
    int64_t at_ms = json_i64(q->heartbeat, "at", 0), now_ms = q->now_ms;
    json_key(o, "daemon");
    if (at_ms == 0) {
        json_nul(o);
        return;
    }
    json_obj(o);
    json_kms(o, "last_heartbeat", at_ms);
    json_kms(o, "age_seconds", now_ms > at_ms ? now_ms - at_ms : 0);
    json_kstr(o, "owner", json_sv(q->heartbeat, "owner"));
    json_kstr(o, "version", json_sv(q->heartbeat, "version"));
    json_kstr(o, "host", json_sv(q->heartbeat, "host"));
    json_obj_end(o);
}

static void put_statistics(struct json_out *o, const struct look *q)
{
    json_key(o, "statistics");
    json_obj(o);
    json_kint(o, "total_conversations", q->store.conversations);
    json_kint(o, "active_ai_tasks", q->store.active);
    json_kint(o, "stuck_conversations", (int64_t)q->stuck_n);
    json_obj_end(o);
}

static void put_state(struct json_out *o, const struct look *q, const bool found[PROBLEM_N], const char *status)
{
    const char *redis = is_redis(q) && q->store_up ? "connected" : is_redis(q) || is_away(q) ? "disconnected" : "not_configured";
    json_kstr(o, "status", sv_from(status));
    json_kms(o, "timestamp", q->now_ms);
    put_statistics(o, q);
    json_kstr(o, "redis_status", sv_from(redis));
    json_kstr(o, "postgres_status", !has_postgres(q) ? SV("not_configured") : q->archive_known ? SV("connected") : SV("disconnected"));
    json_kstr(o, "storage_backend", sv_from(store_backend(q->c.t->o.store)));
    json_key(o, "stuck_conversations");
    json_arr(o);
    for (size_t i = 0; i < q->stuck_n; i++)
        json_str(o, q->stuck[i]);
    json_arr_end(o);
    json_key(o, "supported_action_types");
    json_arr(o);
    for (size_t i = 0; action_types[i] != NULL; i++)
        json_str(o, sv_from(action_types[i]));
    json_arr_end(o);
    json_key(o, "queue");
    json_obj(o);
    look_put_queue(o, q);
    json_obj_end(o);
    put_daemon(o, q);
    put_durability(o, q, found);
    put_problems(o, "problems", found, PROBLEM_STORE_DOWN, PROBLEM_STUCK);
}

static void tell(struct look *q)
{
    bool found[PROBLEM_N] = { false }, any = false;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    find(q, found);
    for (int i = 0; i < PROBLEM_N; i++)
        any |= found[i];
    bool unhealthy = found[PROBLEM_STORE_DOWN];
    json_obj(&o);
    put_state(&o, q, found, unhealthy ? "unhealthy" : any ? "degraded" : "healthy");
    json_obj_end(&o);
    if (unhealthy)
        control_refuse(&q->c, 503, "unhealthy", "No store takes messages now.", &b);
    else
        control_tell(&q->c, &b);
}

void control_health(struct turns *t, control_fn *fn, void *arg)
{
    look_begin(t, tell, fn, arg);
}
