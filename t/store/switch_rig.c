/* SPDX-License-Identifier: MIT
 * See switch_rig.h. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/store/switch_rig.h"

#define TIMEOUT_MS 300

const char *const no_disk[] = { "--save", "", "--appendonly", "no", NULL };

void place_clean(struct place *p)
{
    static const char *const ends[] = { "", "-journal", "-wal", "-shm", ".lock" };
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        char path[120];
        (void)snprintf(path, sizeof(path), "%s%s", p->state, ends[i]);
        (void)unlink(path);
    }
    (void)unlink(p->mode);
}

bool place_open(struct place *p)
{
    *p = (struct place){ .dir = "/tmp/switch.XXXXXX" };
    if (!redis_server_open(&p->redis, no_disk))
        return false;
    if (mkdtemp(p->dir) == NULL)
        bail_out("no directory");
    (void)snprintf(p->mode, sizeof(p->mode), "%s/mode", p->dir);
    (void)snprintf(p->state, sizeof(p->state), "%s/state.db", p->dir);
    return true;
}

void place_close(struct place *p)
{
    redis_server_close(&p->redis);
    place_clean(p);
    (void)rmdir(p->dir);
}

/* ---- one process ---- */

int join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out)
{
    struct rig *r = arg;
    (void)a;
    r->joins++;
    if (r->die != NULL && atomic_exchange(r->die, false))
        (void)kill(getpid(), SIGKILL);
    struct sv record = in->new_.p != NULL ? in->new_ : in->old;
    *out = (struct store_joined){ .record = record.p != NULL ? record : SV("{}"), .activity_ms = in->now_ms };
    return 0;
}

static void answered(struct rig *r, enum store_status status)
{
    r->answers++;
    r->status = status;
}

void on_load(void *arg, enum store_status status, const struct store_view *view)
{
    struct rig *r = arg;
    answered(r, status);
    r->view = view != NULL ? *view : (struct store_view){ 0 };
}

void on_apply(void *arg, enum store_status status, const struct store_applied *applied)
{
    struct rig *r = arg;
    answered(r, status);
    r->version = applied != NULL ? applied->version : 0;
}

void on_status(void *arg, enum store_status status)
{
    answered(arg, status);
}

void on_batch(void *arg, enum store_status status, const struct store_batch *batch)
{
    struct rig *r = arg;
    answered(r, status);
    r->n = batch != NULL ? batch->n : 0;
    (void)snprintf(r->batch, sizeof(r->batch), "%.*s", batch != NULL ? (int)batch->name.n : 0,
                   batch != NULL ? batch->name.p : "");
}

void on_stat(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct rig *r = arg;
    answered(r, status);
    r->stat = stat != NULL ? *stat : (struct store_stat){ 0 };
}

void on_list(void *arg, enum store_status status, const struct store_listing *listing)
{
    (void)listing;
    answered(arg, status);
}

void on_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n)
{
    struct rig *r = arg;
    (void)letters;
    answered(r, status);
    r->n = n;
}

void on_value(void *arg, enum store_status status, struct sv value)
{
    struct rig *r = arg;
    answered(r, status);
    r->n = value.n;
}

static void on_event(void *arg, struct sv event)
{
    struct rig *r = arg;
    r->events += event.p == NULL;
}

void rig_open_as(struct rig *r, struct loop *l, struct place *at, enum store_fallback fallback)
{
    struct err e;
    *r = (struct rig){ .loop = l, .at = at };
    r->redis = store_redis_open(
        l,
        &(struct store_redis_options){ .host = "127.0.0.1", .port = at->redis.port, .command_timeout_ms = TIMEOUT_MS },
        &e);
    r->sqlite = store_sqlite_open(l, &(struct store_sqlite_options){ .path = at->state, .poll_ms = 20 }, &e);
    if (r->redis == NULL || r->sqlite == NULL)
        bail_out("%s", e.text);
    struct store_switch_options o = {
        .fallback = fallback, .mode_path = at->mode, .patience_ms = 200, .settle_ms = 100, .join = join, .join_arg = r
    };
    r->s = store_switch_open(l, r->redis, r->sqlite, &o, &e);
    if (r->s == NULL)
        bail_out("%s", e.text);
    store_subscribe(r->s, on_event, r);
}

void rig_open(struct rig *r, struct loop *l, struct place *at)
{
    rig_open_as(r, l, at, STORE_FALLBACK_EMBEDDED);
}

void rig_close(struct rig *r)
{
    store_close(r->s);
    loop_turn(r->loop, false);
    loop_turn(r->loop, false);
}

static bool is_answered(void *arg)
{
    return ((struct rig *)arg)->answers > 0;
}

enum store_status wait_for(struct rig *r)
{
    if (!loop_until(r->loop, is_answered, r))
        bail_out("no answer");
    r->answers = 0;
    return r->status;
}

enum store_status load(struct rig *r, const char *id, const char *message_id)
{
    store_load(r->s, &(struct store_load){ sv_from(id), sv_from(message_id), false }, on_load, r);
    return wait_for(r);
}

void ask_apply(struct rig *r, const struct store_change *change)
{
    struct store_change c = *change;
    c.record = SV("{}");
    c.mark_ttl_ms = 3600000;
    c.first_version = c.expect_version == 0;
    store_apply(r->s, &c, on_apply, r);
}

enum store_status apply(struct rig *r, const struct store_change *change)
{
    ask_apply(r, change);
    return wait_for(r);
}

bool is_redis(void *arg)
{
    return strcmp(store_backend(((struct rig *)arg)->s), "Redis") == 0;
}

bool is_sqlite(void *arg)
{
    return strcmp(store_backend(((struct rig *)arg)->s), "SQLite") == 0;
}
