/* SPDX-License-Identifier: MIT
 * The state of the message handler's parts, for whoever asks: nobody needs a credential for it, so one look serves all who ask while it is under
 * way and for a second after. */
#include "config.h"

#include "lib/clock.h"
#include "turn/control_look.h"

#define FRESH_MS 1000
#define HEARTBEAT_OLD_MS 30000

struct handler_call { /* one who waits for the look */
    struct control_call c;
    struct handler_call *next;
};

static const char *store_state(const struct look *q)
{
    const struct store *s = q->c.t->o.store;
    return !q->store_up                ? "disconnected"
           : store_is_spooling(s)      ? "spooling"
           : store_is_standing_in(s)   ? "standing_in"
                                       : "connected";
}

static bool has_daemon(const struct look *q)
{
    int64_t beat_ms = json_i64(q->heartbeat, "at", 0);
    return beat_ms != 0 && q->now_ms - beat_ms <= HEARTBEAT_OLD_MS;
}

static void put_components(struct json_out *o, const struct look *q, bool redis)
{
    const struct archive *archive = q->c.t->o.archive;
    json_key(o, "components");
    json_obj(o);
    json_kbool(o, "redis_connected", redis);
    json_kbool(o, "lock_manager", q->store_up);
    json_key(o, "background_job_manager");
    json_obj(o);
    json_kbool(o, "redis_connected", redis);
    json_kstr(o, "status", !q->store_up ? SV("unavailable") : has_daemon(q) ? SV("healthy") : SV("no_daemon"));
    json_kint(o, "active_jobs", q->store.waiting);
    json_obj_end(o);
    json_key(o, "store");
    json_obj(o);
    json_kstr(o, "backend", sv_from(store_backend(q->c.t->o.store)));
    json_kstr(o, "status", sv_from(store_state(q)));
    json_obj_end(o);
    json_key(o, "archive");
    json_obj(o);
    json_kstr(o, "backend", archive != NULL ? sv_from(archive_name(archive)) : SV("none"));
    json_kstr(o, "status", archive == NULL ? SV("not_configured") : q->archive_known ? SV("connected") : SV("disconnected"));
    json_obj_end(o);
    json_key(o, "daemon");
    json_obj(o);
    json_kbool(o, "running", has_daemon(q));
    control_put_ms(o, "last_heartbeat", json_i64(q->heartbeat, "at", 0));
    json_obj_end(o);
    json_obj_end(o);
}

static void tell_all(struct turns *t)
{
    struct handler_call *x = t->handler.waiting;
    t->handler.waiting = NULL;
    while (x != NULL) {
        struct handler_call *next = x->next;
        struct buf b = { 0 };
        buf_add(&b, buf_sv(&t->handler.text));
        if (t->handler.http_status == 200)
            control_tell(&x->c, &b);
        else
            control_refuse(&x->c, t->handler.http_status, "unhealthy", "No store takes messages now.", &b);
        control_end(&x->c);
        x = next;
    }
}

static void looked(struct look *q)
{
    struct turns *t = q->c.t;
    const struct store *s = t->o.store;
    struct json_out o = { .b = &t->handler.text };
    bool redis = q->store_up && strcmp(store_backend(s), "Redis") == 0;
    bool degraded = store_is_standing_in(s) || store_is_spooling(s) || (t->o.archive != NULL && !q->archive_known) || !has_daemon(q);
    buf_clear(&t->handler.text);
    json_obj(&o);
    json_kbool(&o, "initialized", true);
    put_components(&o, q, redis);
    json_kstr(&o, "status", !q->store_up ? SV("unhealthy") : degraded ? SV("degraded") : SV("healthy"));
    json_obj_end(&o);
    t->handler.http_status = q->store_up ? 200 : 503;
    t->handler.at_mono_ms = buf_ok(&t->handler.text) ? clock_mono_ms() : 0;
    q->c.fn = NULL; /* nobody waits for the look itself */
    t->handler.looking = false;
    tell_all(t);
}

static void tell_soon(void *arg)
{
    tell_all(arg);
}

static void nobody(void *arg, const struct control_answer *a)
{
    struct turns *t = arg;
    (void)a; /* memory was short: the look could not begin */
    t->handler.looking = false;
    buf_clear(&t->handler.text);
    buf_add(&t->handler.text, SV("{\"initialized\":true,\"status\":\"unhealthy\"}"));
    t->handler.http_status = 503;
    tell_all(t);
}

void control_handler(struct turns *t, control_fn *fn, void *arg)
{
    struct handler_call *x = control_begin(t, sizeof(*x), fn, arg);
    if (x == NULL)
        return;
    x->next = t->handler.waiting;
    t->handler.waiting = x;
    if (t->handler.looking)
        return;
    if (t->handler.at_mono_ms != 0 && clock_mono_ms() - t->handler.at_mono_ms < FRESH_MS) {
        loop_soon(t->o.loop, tell_soon, t);
        return;
    }
    t->handler.looking = true;
    look_begin(t, looked, nobody, t);
}
