/* SPDX-License-Identifier: MIT
 * SHOW of this daemon and what it stands on: STATUS, CONFIG, BACKENDS, WORKERS, and what control.h says as it is: QUEUE, DEAD, STATS.
 * Nothing here may cost more with more stored conversations. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/command_own.h"
#include "lib/alive.h"
#include "lib/clock.h"
#include "lib/log.h"

/* ---- SHOW STATUS ---- */

static const char *work_state(const struct commands *c)
{
    const struct command_hooks *h = &c->o.hooks;
    if (h->is_paused != NULL && h->is_paused(h->arg))
        return "paused";
    return store_is_spooling(c->o.store) ? "spooling" : "running";
}

static void write_daemon(struct json_out *o, const struct commands *c)
{
    const struct archive *archive = c->o.archive;
    json_kstr(o, "state", sv_from(work_state(c)));
    json_kstr(o, "version", SV(PACKAGE_VERSION));
    json_kint(o, "pid", (int64_t)getpid());
    json_kstr(o, "owner", sv_from(alive_name(c->o.alive)));
    json_kms(o, "began_at", c->began_ms);
    json_kint(o, "uptime_seconds", (clock_mono_ms() - c->began_mono_ms) / 1000);
    json_kint(o, "turns_running_here", (int64_t)turns_running(c->o.turns));
    json_kint(o, "callbacks_here", c->o.hooks.callbacks != NULL ? (int64_t)c->o.hooks.callbacks(c->o.hooks.arg) : 0);
    json_kstr(o, "log_level", sv_from(log_level_name(log_threshold)));
    json_kstr(o, "store", sv_from(store_backend(c->o.store)));
    json_kbool(o, "store_up", store_is_up(c->o.store));
    json_kstr(o, "archive", archive != NULL ? sv_from(archive_name(archive)) : SV("none"));
    json_kbool(o, "archive_up", archive != NULL && archive_is_up(archive));
    if (c->o.hooks.status != NULL)
        c->o.hooks.status(c->o.hooks.arg, o);
}

static void on_status(void *arg, enum store_status status, const struct store_stat *n)
{
    struct call *c = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    write_daemon(&o, c->owner);
    if (status == STORE_DONE) {
        json_kint(&o, "conversations", n->conversations);
        json_kint(&o, "turns_running", n->active);
        json_kint(&o, "waiting", n->waiting);
        json_kint(&o, "paused", n->paused);
        json_kint(&o, "due", n->due);
        json_kint(&o, "queue", n->queue);
        json_kint(&o, "queue_taken", n->queue_taken);
        json_kint(&o, "callbacks", n->callbacks);
        json_kint(&o, "callbacks_taken", n->callbacks_taken);
        json_kint(&o, "dead", n->dead);
    }
    json_obj_end(&o);
    call_out(c, &b);
}

void command_status(struct call *c)
{
    store_stat(c->owner->o.store, on_status, c);
}

/* ---- SHOW CONFIG ---- */

static void write_setting(struct json_out *o, struct sv line)
{
    struct sv value = line;
    struct sv name = sv_split(&value, '=');
    struct sv source = SV_NONE;
    for (size_t i = value.n; i-- > 0 && source.p == NULL;)
        if (i > 0 && value.p[i] == '#' && value.p[i - 1] == ' ') {
            source = sv_trim((struct sv){ value.p + i + 1, value.n - i - 1 });
            value = sv_trim((struct sv){ value.p, i - 1 });
        }
    if (!sv_is_utf8(line) || value.p == NULL)
        return;
    json_obj(o);
    json_kstr(o, "setting", name);
    json_kstr(o, "value", value);
    json_kstr(o, "source", source);
    json_obj_end(o);
}

void command_config(struct call *c)
{
    const struct command_hooks *h = &c->owner->o.hooks;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    char *text = NULL;
    size_t n = 0;
    FILE *out = h->config == NULL ? NULL : open_memstream(&text, &n);
    if (out == NULL) {
        call_err(c, "unavailable", SV("the configuration cannot be shown"));
        return;
    }
    h->config(h->arg, out);
    if (fclose(out) != 0) {
        free(text);
        call_err(c, "unavailable", SV("no memory"));
        return;
    }
    struct sv all = { text, n }, rest = all;
    json_arr(&o);
    while (rest.n > 0)
        write_setting(&o, sv_split(&rest, '\n'));
    json_arr_end(&o);
    struct sv json = buf_ok(&b) ? buf_sv(&b) : SV("[]");
    call_text(c, json, all);
    buf_fini(&b);
    free(text);
}

/* ---- SHOW BACKENDS ---- */

struct backends {
    struct buf b;
    struct json_out o;
    int64_t asked_us;
};

static void write_backend(struct json_out *o, const char *what, const char *name, const char *state)
{
    json_obj(o);
    json_kstr(o, "backend", sv_from(what));
    json_kstr(o, "name", sv_from(name));
    json_kstr(o, "state", sv_from(state));
}

static void write_took(struct json_out *o, int64_t asked_us, bool answered)
{
    json_key(o, "answered_ms");
    if (answered)
        json_num(o, (double)(clock_mono_us() - asked_us) / 1000);
    else
        json_nul(o);
}

static void end_backends(struct call *c, struct backends *s)
{
    const struct commands_options *x = &c->owner->o;
    struct json_out *o = &s->o;
    if (x->hooks.backends != NULL) {
        x->hooks.backends(x->hooks.arg, o);
    } else {
        write_backend(o, "ai", x->ai, "configured");
        json_obj_end(o);
        write_backend(o, "platform", x->platform, "configured");
        json_obj_end(o);
    }
    json_arr_end(o);
    call_out(c, &s->b);
}

static void on_archive(void *arg, enum archive_status status, const struct archive_stat *stat)
{
    struct call *c = arg;
    struct backends *s = c->state;
    bool up = status == ARCHIVE_DONE;
    write_backend(&s->o, "archive", archive_name(c->owner->o.archive), up ? "up" : "down");
    write_took(&s->o, s->asked_us, up);
    json_kraw(&s->o, "detail", up && stat->text.n > 0 ? stat->text : SV("null"));
    json_obj_end(&s->o);
    end_backends(c, s);
}

static void on_store(void *arg, enum store_status status, const struct store_stat *stat)
{
    struct call *c = arg;
    struct backends *s = c->state;
    const struct store *store = c->owner->o.store;
    bool up = status == STORE_DONE;
    const char *state = store_is_spooling(store) ? "spooling" : store_is_standing_in(store) ? "standing in" : up ? "up" : "down";
    write_backend(&s->o, "store", store_backend(store), state);
    write_took(&s->o, s->asked_us, up);
    json_kraw(&s->o, "detail", up && stat->text.n > 0 ? stat->text : SV("null"));
    json_obj_end(&s->o);
    s->asked_us = clock_mono_us();
    if (c->owner->o.archive != NULL) {
        archive_stat(c->owner->o.archive, on_archive, c);
        return;
    }
    write_backend(&s->o, "archive", "none", "not configured");
    json_obj_end(&s->o);
    end_backends(c, s);
}

static void free_backends(void *arg)
{
    buf_fini(&((struct backends *)arg)->b);
}

void command_backends(struct call *c)
{
    struct backends *s = arena_alloc(c->a, sizeof(*s));
    if (s == NULL || arena_defer(c->a, free_backends, s) != 0) {
        call_err(c, "unavailable", SV("no memory"));
        return;
    }
    s->o.b = &s->b;
    s->asked_us = clock_mono_us();
    json_arr(&s->o);
    c->state = s;
    store_stat(c->owner->o.store, on_store, c);
}

/* ---- SHOW WORKERS ---- */

static void write_worker(void *arg, const char *name, long pid)
{
    struct json_out *o = arg;
    char path[64], comm[64] = "";
    (void)snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
    FILE *in = fopen(path, "re");
    if (in != NULL && fgets(comm, sizeof(comm), in) == NULL)
        comm[0] = '\0';
    if (in != NULL)
        (void)fclose(in);
    comm[strcspn(comm, "\n")] = '\0';
    json_obj(o);
    json_kint(o, "pid", pid);
    json_kstr(o, "program", sv_is_utf8(sv_from(comm)) && comm[0] != '\0' ? sv_from(comm) : SV_NONE);
    json_kstr(o, "owner", sv_from(name));
    json_obj_end(o);
}

static void on_heartbeat(void *arg, enum store_status status, struct sv value)
{
    struct call *c = arg;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_t *beat = status == STORE_DONE && value.p != NULL ? json_read_in(c->a, value, false, NULL) : NULL;
    json_obj(&o);
    json_key(&o, "heartbeat");
    if (beat != NULL) {
        json_obj(&o);
        json_kms(&o, "at", json_i64(beat, "at", 0));
        json_kval(&o, "owner", json_object_get(beat, "owner"));
        json_kval(&o, "host", json_object_get(beat, "host"));
        json_kval(&o, "pid", json_object_get(beat, "pid"));
        json_kval(&o, "version", json_object_get(beat, "version"));
        json_obj_end(&o);
    } else {
        json_nul(&o);
    }
    json_key(&o, "workers");
    json_arr(&o);
    (void)alive_each(c->owner->o.alive, write_worker, &o);
    json_arr_end(&o);
    json_obj_end(&o);
    call_out(c, &b);
}

void command_workers(struct call *c)
{
    store_get(c->owner->o.store, SV("heartbeat"), on_heartbeat, c);
}

/* ---- what control.h says ---- */

void command_queue(struct call *c)
{
    control_queue(c->owner->o.turns, call_control, c);
}

void command_dead(struct call *c)
{
    static const char *const names[] = { "limit", "cursor", NULL };
    int64_t limit;
    if (call_only(c, names) && call_number(c, "limit", 1, 500, 50, &limit))
        control_dead_list(c->owner->o.turns, call_value(c, "cursor"), (size_t)limit, call_control, c);
}

void command_stats(struct call *c)
{
    control_stats(c->owner->o.turns, call_control, c);
}
