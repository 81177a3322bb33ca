/* SPDX-License-Identifier: MIT
 * Two timers: the beat, and the look at durability. A beat that the store does not take is not repeated: the next one comes soon. */
#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/heartbeat.h"
#include "lib/alive.h"
#include "lib/clock.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"

struct heartbeat {
    struct loop *loop;
    struct store *store;
    struct alive *alive;
    const char *version;
    struct loop_timer *beat, *look;
    char host[HOST_NAME_MAX + 1];
    const char *warned; /* about durability; NULL: nothing */
};

static void put_done(void *arg, enum store_status status)
{
    (void)arg, (void)status;
}

static void put_own(struct heartbeat *h, struct sv value, int64_t ttl_ms)
{
    char name[160];
    int n = snprintf(name, sizeof(name), "daemon:%s", alive_name(h->alive));
    if (n > 0 && (size_t)n < sizeof(name))
        store_put(h->store, (struct sv){ name, (size_t)n }, value, ttl_ms, put_done, h);
}

static void beat(void *arg)
{
    struct heartbeat *h = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kint(&o, "at", clock_wall_ms());
    json_kstr(&o, "owner", sv_from(alive_name(h->alive)));
    json_kstr(&o, "version", sv_from(h->version));
    json_kstr(&o, "host", sv_from(h->host));
    json_kint(&o, "pid", (int64_t)getpid());
    json_obj_end(&o);
    if (buf_ok(&b)) {
        store_put(h->store, SV("heartbeat"), buf_sv(&b), HEARTBEAT_TTL_MS, put_done, h);
        put_own(h, buf_sv(&b), HEARTBEAT_TTL_MS);
    }
    buf_fini(&b);
    loop_timer_set(h->beat, HEARTBEAT_MS);
}

/* ---- durability ---- */

const char *heartbeat_durability(struct sv figures)
{
    struct sv policy = json_raw_member(figures, "maxmemory_policy"), aof = json_raw_member(figures, "aof_enabled");
    struct sv limit = json_raw_member(figures, "maxmemory"), written = json_raw_member(figures, "aof_last_write_status");
    bool evicts = policy.p != NULL && !sv_eq(policy, SV("\"noeviction\""));
    bool off = aof.p != NULL && sv_eq(aof, SV("0"));
    if (evicts && off)
        return "Redis may evict what it was given (maxmemory-policy is not noeviction) and writes no AOF";
    if (evicts)
        return limit.p != NULL && sv_eq(limit, SV("0")) ? "Redis' maxmemory-policy is not noeviction: with a maxmemory it would evict what it was given"
                                                        : "Redis may evict what it was given: maxmemory-policy is not noeviction";
    if (off)
        return "Redis writes no AOF (appendonly no): what it was given last is lost when it crashes";
    if (written.p != NULL && !sv_eq(written, SV("\"ok\"")))
        return "Redis could not write its AOF";
    return NULL;
}

static void looked(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct heartbeat *h = arg;
    if (status != STORE_DONE)
        return;
    const char *now = heartbeat_durability(stat->text);
    if (now == h->warned)
        return;
    if (now != NULL)
        log_warning("the store is not durable", "why", now, NULL);
    else
        log_info("the store is durable again", NULL);
    h->warned = now;
}

static void look(void *arg)
{
    struct heartbeat *h = arg;
    store_stat(h->store, looked, h);
    loop_timer_set(h->look, HEARTBEAT_LOOK_MS);
}

/* ---- life ---- */

struct heartbeat *heartbeat_new(struct loop *l, struct store *s, struct alive *alive, const char *version)
{
    struct heartbeat *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return NULL;
    *h = (struct heartbeat){ .loop = l, .store = s, .alive = alive, .version = version, .beat = loop_timer_new(l, beat, h),
                             .look = loop_timer_new(l, look, h) };
    if (gethostname(h->host, sizeof(h->host) - 1) != 0 || !sv_is_utf8(sv_from(h->host)))
        h->host[0] = '\0';
    if (h->beat == NULL || h->look == NULL) {
        heartbeat_free(h);
        return NULL;
    }
    loop_timer_set(h->beat, 0);
    loop_timer_set(h->look, 1000);
    return h;
}

void heartbeat_stop(struct heartbeat *h)
{
    if (h == NULL || h->beat == NULL)
        return;
    loop_timer_free(h->beat);
    loop_timer_free(h->look);
    h->beat = h->look = NULL;
    put_own(h, SV_NONE, HEARTBEAT_TTL_MS);
}

void heartbeat_free(struct heartbeat *h)
{
    if (h == NULL)
        return;
    loop_timer_free(h->beat);
    loop_timer_free(h->look);
    free(h);
}
