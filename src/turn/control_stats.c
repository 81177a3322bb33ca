/* SPDX-License-Identifier: MIT
 * Figures: conversations, store, archive, queue, and what the processes of this host have counted. */
#include "config.h"

#include "lib/clock.h"
#include "lib/metrics.h"
#include "turn/control_look.h"

#define RATE_OVER_MS 1000

static uint64_t figure(const struct turns *t, enum figure f)
{
    return t->o.metrics != NULL ? metrics_count(t->o.metrics, f) : 0;
}

/* Archived items a second since somebody asked before (at least a second ago). */
static double rate(struct turns *t)
{
    int64_t now_ms = clock_mono_ms();
    uint64_t n = figure(t, FIGURE_ARCHIVED);
    if (t->rate_mono_ms == 0) {
        t->rate_mono_ms = now_ms;
        t->rate_n = n;
    } else if (now_ms - t->rate_mono_ms >= RATE_OVER_MS) {
        t->rate = (double)(n - t->rate_n) * 1000 / (double)(now_ms - t->rate_mono_ms);
        t->rate_mono_ms = now_ms;
        t->rate_n = n;
    }
    return t->rate;
}

static void put_queue(struct json_out *o, const struct look *q)
{
    look_put_queue(o, q);
    json_key(o, "rate_per_second");
    json_num(o, rate(q->c.t));
}

static void put_conversations(struct json_out *o, const struct store_stat *s)
{
    json_key(o, "conversations");
    json_obj(o);
    json_kint(o, "total", s->conversations);
    json_kint(o, "recent", s->recent);
    json_kint(o, "old", s->conversations > s->day ? s->conversations - s->day : 0);
    json_kint(o, "active_processing", s->active);
    json_kint(o, "waiting", s->waiting);
    json_kint(o, "paused", s->paused);
    json_kint(o, "due", s->due);
    json_obj_end(o);
}

static void put_times(struct json_out *o, const struct turns *t, const char *key, enum figure_time f)
{
    struct metrics_times times = { 0 };
    if (t->o.metrics != NULL)
        metrics_times(t->o.metrics, f, &times);
    json_key(o, key);
    json_obj(o);
    json_kint(o, "count", (int64_t)times.n);
    json_key(o, "mean_ms");
    json_num(o, times.n > 0 ? (double)times.sum_us / (double)times.n / 1000 : 0);
    json_key(o, "p50_ms");
    json_num(o, (double)times.p50_us / 1000);
    json_key(o, "p95_ms");
    json_num(o, (double)times.p95_us / 1000);
    json_key(o, "p99_ms");
    json_num(o, (double)times.p99_us / 1000);
    json_obj_end(o);
}

static void put_turns(struct json_out *o, const struct turns *t)
{
    static const struct {
        const char *key;
        enum figure figure;
    } rows[] = {
        { "messages", FIGURE_MESSAGES },   { "completed", FIGURE_COMPLETED }, { "restarted", FIGURE_RESTARTED },
        { "recorded", FIGURE_RECORDED },   { "queued", FIGURE_QUEUED },       { "failed", FIGURE_FAILED },
        { "cancelled", FIGURE_CANCELLED }, { "unknown", FIGURE_UNKNOWN },     { "locked", FIGURE_LOCKED },
        { "deferred", FIGURE_DEFERRED },   { "replayed", FIGURE_REPLAYED },   { "rejected", FIGURE_REJECTED },
        { "ai_calls", FIGURE_AI_CALLS },   { "ai_failures", FIGURE_AI_FAILURES }, { "sends", FIGURE_SENDS },
        { "send_failures", FIGURE_SEND_FAILURES }, { "swept", FIGURE_SWEPT }, { "cleaned", FIGURE_CLEANED },
    };
    json_key(o, "turns");
    json_obj(o);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        json_kint(o, rows[i].key, (int64_t)figure(t, rows[i].figure));
    json_kint(o, "restarts", (int64_t)figure(t, FIGURE_RESTARTED));
    json_kint(o, "running_here", (int64_t)turns_running(t));
    json_key(o, "latency");
    json_obj(o);
    put_times(o, t, "ai", FIGURE_AI_TIME);
    put_times(o, t, "platform", FIGURE_SEND_TIME);
    put_times(o, t, "own", FIGURE_OWN_TIME);
    json_obj_end(o);
    json_obj_end(o);
}

/* The archive's own figures, with those that it does not know by itself. */
static void put_postgres(struct json_out *o, const struct look *q)
{
    static const char *const figures[] = { "connections", "database_size_bytes", "commit_total" };
    json_key(o, "postgres_stats");
    if (!q->archive_known) {
        json_nul(o);
        return;
    }
    json_obj(o);
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        struct sv value = json_raw_member(q->archive.text, figures[i]);
        json_kraw(o, figures[i], value.p != NULL ? value : SV("null"));
    }
    json_kint(o, "pool_size", q->archive.pool_size);
    json_kint(o, "pool_in_use", q->archive.in_use);
    json_key(o, "archive_lag_seconds");
    if (look_lag_ms(q) >= 0)
        json_ms(o, look_lag_ms(q));
    else
        json_nul(o);
    json_kstr(o, "archive", sv_from(archive_name(q->c.t->o.archive)));
    json_obj_end(o);
}

static void tell_stats(struct look *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    bool redis = strcmp(store_backend(q->c.t->o.store), "Redis") == 0;
    struct sv text = q->store.text.p != NULL ? q->store.text : SV("null");
    if (!q->store_up) {
        control_unavailable(&q->c);
        return;
    }
    json_obj(&o);
    json_kms(&o, "timestamp", q->now_ms);
    put_conversations(&o, &q->store);
    json_kraw(&o, "redis_stats", redis ? text : SV("null"));
    if (!redis)
        json_kraw(&o, "store_stats", text);
    put_postgres(&o, q);
    json_key(&o, "queue");
    json_obj(&o);
    put_queue(&o, q);
    json_obj_end(&o);
    put_turns(&o, q->c.t);
    json_kint(&o, "processes", q->c.t->o.metrics != NULL ? (int64_t)metrics_processes(q->c.t->o.metrics) : 1);
    json_kstr(&o, "storage_backend", sv_from(store_backend(q->c.t->o.store)));
    json_obj_end(&o);
    control_tell(&q->c, &b);
}

static void tell_queue(struct look *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (!q->store_up) {
        control_unavailable(&q->c);
        return;
    }
    json_obj(&o);
    put_queue(&o, q);
    json_kint(&o, "archived_total", (int64_t)figure(q->c.t, FIGURE_ARCHIVED));
    json_kstr(&o, "archive", q->c.t->o.archive == NULL ? SV("none") : sv_from(archive_name(q->c.t->o.archive)));
    json_kbool(&o, "archive_up", q->archive_known);
    json_kstr(&o, "storage_backend", sv_from(store_backend(q->c.t->o.store)));
    json_obj_end(&o);
    control_tell(&q->c, &b);
}

static void tell_cache(struct look *q)
{
    struct turns *t = q->c.t;
    uint64_t hits = figure(t, FIGURE_CACHE_HIT), misses = figure(t, FIGURE_CACHE_MISS);
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (!q->store_up) {
        control_unavailable(&q->c);
        return;
    }
    json_obj(&o);
    json_kint(&o, "hits", (int64_t)hits);
    json_kint(&o, "misses", (int64_t)misses);
    json_kint(&o, "bypasses", (int64_t)figure(t, FIGURE_CACHE_BYPASS));
    json_key(&o, "hit_rate");
    if (hits + misses > 0)
        json_num(&o, (double)hits / (double)(hits + misses));
    else
        json_nul(&o);
    json_kint(&o, "entries", q->store.sessions);
    json_kint(&o, "ttl_seconds", session_ttl_ms(t) / 1000);
    json_kstr(&o, "storage_backend", sv_from(store_backend(t->o.store)));
    json_obj_end(&o);
    control_tell(&q->c, &b);
}

void control_cache(struct turns *t, control_fn *fn, void *arg)
{
    look_begin(t, tell_cache, fn, arg);
}

void control_stats(struct turns *t, control_fn *fn, void *arg)
{
    look_begin(t, tell_stats, fn, arg);
}

void control_queue(struct turns *t, control_fn *fn, void *arg)
{
    look_begin(t, tell_queue, fn, arg);
}
