/* SPDX-License-Identifier: MIT
 * turnkeeperd: the daemon. Sweeps what is due, answers what was left, archives, cleans up, listens at the admin socket. Runs in the foreground; a
 * supervisor keeps it. */
#include "config.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/absent.h"
#include "daemon/admin.h"
#include "daemon/archiver.h"
#include "daemon/cleaner.h"
#include "daemon/courier.h"
#include "daemon/figures_copy.h"
#include "daemon/customers.h"
#include "daemon/heartbeat.h"
#include "daemon/migration.h"
#include "daemon/page_sweep.h"
#include "daemon/sweep.h"
#include "daemon/websocket.h"
#include "lib/alive.h"
#include "lib/log.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "outside/breaker.h"
#include "program.h"
#include "reload.h"
#include "setup.h"

#define DAY_MS 86400000LL
#define MINUTE_MS 60000LL

struct daemon {
    struct setup setup;
    struct reload reload;
    struct arena *arena;
    struct sweep *sweep;
    struct page_sweep *page_sweep;
    struct archiver *archiver;
    struct customers *customers;
    struct migration *migration;
    struct cleaner *cleaner;
    struct figures_copy *figures; /* NULL: there are no tables so far */
    struct courier *courier;
    struct heartbeat *heartbeat;
    struct absent *absent; /* daemons of other hosts that are not heard of */
    struct commands *commands;
    struct admin *admin;
    struct hub *hub;
    struct websocket *websocket; /* NULL: off, or not to be had */
    struct loop_signal *term, *interrupt, *hup;
    struct loop_timer *tidy;
    bool draining;
    int parts_left; /* of the drain */
};

/* ---- events ---- */

static void event(void *arg, struct sv text)
{
    struct daemon *d = arg;
    unsigned what = turns_event(d->setup.turns, text);
    if ((what & TURNS_DUE) != 0 && d->sweep != NULL)
        sweep_wake(d->sweep);
    if (text.p == NULL && d->page_sweep != NULL)
        page_sweep_all(d->page_sweep);
    if ((what & TURNS_CALLBACK) != 0 && d->courier != NULL)
        courier_wake(d->courier);
}

static struct cleaner_options cleaner_options_of(const struct setup *u, const struct settings *s)
{
    return (struct cleaner_options){
        .loop = u->loop, .store = u->store, .turns = u->turns,
        .every_ms = s->cleanup_interval_s * 1000,
        .state_ttl_ms = s->state_ttl_s * 1000,
        .orphan_ttl_ms = u->settings->lock_cleanup_ttl_s * 1000, /* which does not reload */
        .retention_ms = s->retention_days * DAY_MS,
    };
}

static struct websocket_options websocket_options_of(const struct daemon *d, const struct settings *s)
{
    const struct setup *u = &d->setup;
    return (struct websocket_options){
        .loop = u->loop, .hub = d->hub, .base_path = s->base_path,
        .platform_tokens = s->platform_token, .admin_tokens = s->admin_token, .jwt = settings_jwt(s),
        .message_max = (size_t)s->max_body_bytes, .connections_max = (size_t)s->websocket_max,
        .submit = session_submit, .owner = session_owner, .turns = u->turns,
    };
}

static int also(void *arg, const struct settings *fresh, struct err *e)
{
    struct daemon *d = arg;
    const struct cleaner_options o = cleaner_options_of(&d->setup, fresh);
    const struct websocket_options w = websocket_options_of(d, fresh);
    if (websocket_set(d->websocket, &w, e) != 0)
        return -1;
    cleaner_set(d->cleaner, &o);
    sweep_set(d->sweep, (size_t)fresh->job_concurrency);
    page_sweep_set(d->page_sweep, fresh->pancake_sweep_minutes * MINUTE_MS, fresh->pancake_calls_per_second);
    courier_set(d->courier, (unsigned)fresh->job_max_attempts);
    if (d->customers != NULL) /* there are none before the migrations */
        customers_set_ttl(d->customers, fresh->session_cache_ttl_s * 1000);
    return 0;
}

/* HUP and RELOAD. -1: refused, everything stays. */
static int reload(void *arg, struct err *e)
{
    struct daemon *d = arg;
    return reload_now(&d->reload, e);
}

static void hup(void *arg)
{
    struct err e;
    if (reload(arg, &e) != 0)
        return; /* it has been logged */
}

static void tidy(void *arg)
{
    struct daemon *d = arg;
    alive_tidy(d->setup.alive);
    loop_timer_set(d->tidy, 60000);
}

/* ---- the end ---- */

static void all_done(void *arg)
{
    struct daemon *d = arg;
    loop_stop(d->setup.loop);
}

static void figures_done(void *arg)
{
    struct daemon *d = arg;
    commands_stop(d->commands, all_done, d);
}

/* What the last turns have counted is copied, too. The admin socket answers until all else is over. */
static void part_done(void *arg)
{
    struct daemon *d = arg;
    if (--d->parts_left > 0)
        return;
    if (d->figures != NULL)
        figures_copy_stop(d->figures, figures_done, d);
    else
        figures_done(d);
}

static void terminate(void *arg)
{
    struct daemon *d = arg;
    if (d->draining) {
        log_warning("told to stop a second time: stopping at once", NULL);
        _exit(EXIT_FINE);
    }
    d->draining = true;
    log_info("draining", NULL);
    d->parts_left = 6 + (d->archiver != NULL);
    websocket_stop(d->websocket, part_done, d);
    heartbeat_stop(d->heartbeat);
    cleaner_stop(d->cleaner, part_done, d);
    sweep_stop(d->sweep, part_done, d);
    page_sweep_stop(d->page_sweep, part_done, d);
    courier_stop(d->courier, part_done, d);
    turns_drain(d->setup.turns, d->setup.settings->shutdown_grace_s * 1000, part_done, d);
    if (d->archiver != NULL)
        archiver_stop(d->archiver, part_done, d);
}

/* ---- the beginning ---- */

static int migrate(void *arg, int *applied, struct err *e)
{
    struct daemon *d = arg;
    struct arena *a = arena_new(0, 65536);
    if (a == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    int rc = setup_migrate(d->setup.settings, a, applied, e);
    arena_free(a);
    return rc;
}

static void migrated(void *arg, bool ok)
{
    struct daemon *d = arg;
    if (!ok || d->draining)
        return; /* without a schema nothing is archived; the queue keeps it */
    d->archiver = archiver_new(d->setup.loop, d->setup.store, d->setup.archive, d->setup.alive, d->absent);
    if (d->archiver == NULL)
        log_error("no memory for the archiver", NULL);
    else
        archiver_measure(d->archiver, d->setup.metrics);
    d->customers = customers_new(d->setup.store, d->setup.archive, d->setup.settings->session_cache_ttl_s * 1000);
    if (d->archiver != NULL && d->customers != NULL)
        archiver_customers(d->archiver, d->customers);
    cleaner_archive(d->cleaner, d->setup.archive);
    const struct figures_copy_options o = { .loop = d->setup.loop, .store = d->setup.store, .archive = d->setup.archive,
                                            .days = d->setup.settings->max_history_days };
    d->figures = figures_copy_new(&o);
    if (d->figures == NULL)
        log_error("no memory for copies of the figures", NULL);
}

/* ---- what an administrator asks for ---- */

static void admin_sweep(void *arg)
{
    struct daemon *d = arg;
    sweep_wake(d->sweep);
    cleaner_sweep(d->cleaner);
    page_sweep_all(d->page_sweep);
}

static void admin_archive(void *arg)
{
    struct daemon *d = arg;
    if (d->archiver != NULL)
        archiver_wake(d->archiver);
}

static void admin_pause(void *arg, bool yes)
{
    struct daemon *d = arg;
    sweep_pause(d->sweep, yes);
}

static size_t admin_callbacks(void *arg)
{
    const struct daemon *d = arg;
    return d->courier != NULL ? courier_holds(d->courier) : 0;
}

static bool admin_is_paused(void *arg)
{
    const struct daemon *d = arg;
    return sweep_is_paused(d->sweep);
}

static void admin_config(void *arg, FILE *out)
{
    (void)arg;
    settings_dump(out);
}

static const char *ai_of(const struct settings *s)
{
    return s->ai_provider == AI_PROVIDER_SIMULATED ? "simulated" : s->ai_url;
}

static const char *platform_of(const struct settings *s)
{
    return s->pancake_provider == PANCAKE_PROVIDER_LOG ? "log" : settings_pancake_url(s);
}

static void put_upstream(struct json_out *o, const char *backend, const char *name, const struct breaker *b)
{
    struct breaker_stat stat;
    breaker_stat(b, &stat);
    json_obj(o);
    json_kstr(o, "backend", sv_from(backend));
    json_kstr(o, "name", sv_from(name));
    json_kstr(o, "state", sv_from(breaker_state_name(stat.state)));
    json_kint(o, "failures", stat.failures);
    json_kint(o, "opened", (int64_t)stat.opened);
    json_kint(o, "refused", (int64_t)stat.refused);
    json_kint(o, "left_ms", stat.left_ms);
    json_obj_end(o);
}

/* Whom bots of the database ask. */
static void put_backend(void *arg, const struct bots_backend *k)
{
    const char *what = k->service == ARCHIVE_AI_CORES ? "ai_core" : "platform";
    struct json_out *o = arg;
    if (k->breaker != NULL) {
        put_upstream(o, what, k->name, k->breaker);
        return;
    }
    json_obj(o);
    json_kstr(o, "backend", sv_from(what));
    json_kstr(o, "name", sv_from(k->name));
    json_kstr(o, "state", SV("unusable"));
    json_kstr(o, "detail", sv_from(k->trouble));
    json_obj_end(o);
}

static void admin_backends(void *arg, struct json_out *o)
{
    const struct daemon *d = arg;
    put_upstream(o, "ai", ai_of(d->setup.settings), d->setup.ai_breaker);
    put_upstream(o, "platform", platform_of(d->setup.settings), d->setup.platform_breaker);
    bots_each(d->setup.bots, put_backend, o);
}

static void put_pages(struct json_out *o, const struct page_sweep *sweep)
{
    struct page_sweep_stat n;
    page_sweep_stat(sweep, &n);
    json_kint(o, "pages", (int64_t)n.pages);
    json_kint(o, "pages_due", (int64_t)n.due);
    json_kint(o, "pages_sweeping", (int64_t)n.running);
    json_kint(o, "page_sweeps", (int64_t)n.swept);
    json_kint(o, "page_sweeps_cut", (int64_t)n.cut);
    json_kint(o, "page_messages_read", (int64_t)n.found.messages);
    json_kint(o, "page_messages_accepted", (int64_t)n.found.accepted);
    json_kint(o, "page_messages_answered_by_person", (int64_t)n.found.answered);
    json_kint(o, "page_messages_unread", (int64_t)n.found.unread);
    json_kint(o, "page_conversations_put_off", (int64_t)n.found.put_off);
}

static void admin_status(void *arg, struct json_out *o)
{
    const struct daemon *d = arg;
    struct websocket_stat n;
    websocket_stat(d->websocket, &n);
    json_kstr(o, "websockets", sv_from(websocket_library() == NULL ? "not built in" : n.listening ? "listening" : "off"));
    json_kint(o, "websocket_connections", (int64_t)n.connections);
    json_kint(o, "websocket_connections_max", (int64_t)n.connections_max);
    json_kint(o, "websocket_events", (int64_t)n.events);
    json_kint(o, "websocket_messages", (int64_t)n.messages);
    json_kint(o, "websocket_refused", (int64_t)n.refused);
    json_kint(o, "websocket_cut", (int64_t)n.cut);
    put_pages(o, d->page_sweep);
}

static void admin_shutdown(void *arg)
{
    struct daemon *d = arg;
    if (!d->draining)
        terminate(d);
}

static int open_admin(struct daemon *d, struct err *e)
{
    const struct setup *u = &d->setup;
    const struct settings *s = u->settings;
    const struct commands_options o = {
        .loop = u->loop, .store = u->store, .archive = u->archive, .alive = u->alive, .turns = u->turns, .bots = u->bots,
        .ai = ai_of(s), .platform = platform_of(s),
        .drain_ms = s->shutdown_grace_s * 1000,
        .hooks = { .reload = reload, .shutdown = admin_shutdown, .sweep = admin_sweep, .archive_now = admin_archive,
                   .pause_work = admin_pause, .is_paused = admin_is_paused, .callbacks = admin_callbacks,
                   .config = admin_config, .status = admin_status, .backends = admin_backends, .arg = d },
    };
    const struct admin_options socket = { .path = settings_admin_socket(s, d->arena) };
    d->commands = commands_new(&o);
    if (d->commands == NULL || socket.path == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    d->admin = admin_open(u->loop, d->commands, &socket, e);
    return d->admin == NULL ? -1 : 0;
}

/* Push is a convenience: without it the daemon does all its other work. */
static void erased(void *arg, struct sv session_id)
{
    hub_reset(arg, session_id);
}

static int open_websocket(struct daemon *d, struct err *e)
{
    const struct setup *u = &d->setup;
    const struct settings *s = u->settings;
    const char *place = settings_websocket(s, d->arena);
    struct err why;
    if (place == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    if (place[0] == '\0' || (websocket_library() == NULL && s->websocket_listen[0] == '\0'))
        return 0;
    d->hub = hub_new(u->loop, u->store, e);
    if (d->hub == NULL)
        return -1;
    turns_on_erased(u->turns, erased, d->hub);
    struct websocket_options o = websocket_options_of(d, s);
    o.listen = place;
    d->websocket = websocket_open(&o, &why);
    if (d->websocket == NULL)
        log_warning("there are no WebSockets", "error", why.text, NULL);
    return 0;
}

static int open_duties(struct daemon *d, struct err *e)
{
    const struct setup *u = &d->setup;
    const struct settings *s = u->settings;
    const struct cleaner_options o = cleaner_options_of(u, s);
    d->sweep = sweep_new(u->loop, u->store, u->turns, (size_t)s->job_concurrency, s->stuck_after_s * 1000);
    d->cleaner = cleaner_new(&o);
    d->heartbeat = heartbeat_new(u->loop, u->store, u->alive, PACKAGE_VERSION);
    d->absent = absent_new(u->loop, u->store, s->lock_cleanup_ttl_s * 1000, 0);
    const struct courier_options errands = { .loop = u->loop, .store = u->store, .callback = u->callback, .alive = u->alive, .absent = d->absent,
                                             .attempts_max = (unsigned)s->job_max_attempts };
    const struct page_sweep_options pages = { .loop = u->loop, .store = u->store, .turns = u->turns, .peers = &u->page_peers, .bot = setup_page_bot, .bot_arg = &d->setup,
                                              .every_ms = s->pancake_sweep_minutes * MINUTE_MS, .calls_per_second = s->pancake_calls_per_second };
    d->page_sweep = page_sweep_new(&pages);
    d->courier = d->absent != NULL ? courier_new(&errands) : NULL;
    if (d->sweep == NULL || d->cleaner == NULL || d->courier == NULL || d->heartbeat == NULL || d->absent == NULL || d->page_sweep == NULL ||
        sweep_watch(d->sweep, u->alive) != 0)
        return err_set(e, ERR_MEMORY, "no memory");
    return open_websocket(d, e) != 0 ? -1 : open_admin(d, e);
}

static int start(struct daemon *d, struct err *e)
{
    struct setup *u = &d->setup;
    store_subscribe(u->store, event, d);
    setup_await_bots(u);
    if (open_duties(d, e) != 0)
        return -1;
    d->term = loop_signal_new(u->loop, SIGTERM, terminate, d);
    d->interrupt = loop_signal_new(u->loop, SIGINT, terminate, d);
    d->hup = loop_signal_new(u->loop, SIGHUP, hup, d);
    d->tidy = loop_timer_new(u->loop, tidy, d);
    if (d->term == NULL || d->interrupt == NULL || d->hup == NULL || d->tidy == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    program_hold_signals(false, false);
    loop_timer_set(d->tidy, 1000);
    if (u->archive == NULL)
        return 0;
    if (u->conninfo == NULL || !u->settings->migrate) { /* the state file's schema was brought up to date by setup */
        migrated(d, true);
        return 0;
    }
    d->migration = migration_start(u->loop, migrate, d, migrated, d);
    return d->migration == NULL ? err_set(e, ERR_MEMORY, "no memory") : 0;
}

static void finish(struct daemon *d)
{
    websocket_free(d->websocket);
    if (d->setup.turns != NULL)
        turns_on_erased(d->setup.turns, NULL, NULL);
    hub_free(d->hub);
    migration_free(d->migration);
    archiver_free(d->archiver);
    figures_copy_free(d->figures);
    loop_signal_free(d->term);
    loop_signal_free(d->interrupt);
    loop_signal_free(d->hup);
    loop_timer_free(d->tidy);
    admin_close(d->admin);
    commands_free(d->commands);
    sweep_free(d->sweep);
    cleaner_free(d->cleaner);
    heartbeat_stop(d->heartbeat);
    absent_stop(d->absent);
    courier_end(d->courier);
    page_sweep_end(d->page_sweep);
    customers_stop(d->customers);
    setup_close(&d->setup); /* what was under way comes back here */
    heartbeat_free(d->heartbeat);
    customers_free(d->customers);
    courier_free(d->courier);
    page_sweep_free(d->page_sweep);
    absent_free(d->absent);
    reload_fini(&d->reload);
}

static const char *built(void)
{
    const char *library = websocket_library();
    return library != NULL ? library : "without WebSockets";
}

/* Each WebSocket takes a descriptor. No more than a million are asked for: tables are made by this limit. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    rlim_t most = 1 << 20;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max < most ? limit.rlim_max : most;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("the descriptor limit cannot be raised", NULL);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "turnkeeperd",
        .synopsis = "",
        .help = "Answers what no responder is working on, carries history into the archive, cleans up. turnkeeperctl talks to it.\n"
                "Runs in the foreground. TERM or INT: drain and exit, a second one: at once. HUP: read the configuration anew, reopen the log.",
        .options = "",
        .built = built,
    };
    struct daemon d = { .arena = arena_new(0, 1u << 20) };
    struct settings settings;
    struct err e;
    int first, exit_code;
    if (d.arena == NULL)
        return EXIT_LATER;
    (void)signal(SIGHUP, SIG_IGN); /* until there is somebody who reloads: it must not end a program that starts */
    if (!program_start(&program, argc, argv, &settings, d.arena, &first, &exit_code, setup_connect)) {
        arena_free(d.arena);
        return exit_code;
    }
    if (first < argc) {
        fprintf(stderr, "turnkeeperd: what is \"%s\"? See turnkeeperd --help\n", argv[first]);
        arena_free(d.arena);
        return EXIT_USE;
    }
    raise_descriptor_limit();
    program_hold_signals(true, false);
    if (setup_open(&d.setup, &settings, d.arena, 0, &e) != 0) {
        log_error("cannot start", "error", e.text, NULL);
        arena_free(d.arena);
        return e.code == ERR_INVALID || e.code == ERR_RANGE ? EXIT_CONF : EXIT_UNREACHABLE;
    }
    d.reload = (struct reload){ .setup = &d.setup, .settings = &settings, .also = also, .arg = &d };
    exit_code = EXIT_FINE;
    if (start(&d, &e) == 0) {
        log_info("turnkeeperd is up", "version", PACKAGE_VERSION, "owner", alive_name(d.setup.alive), "archive",
                 d.setup.archive != NULL ? archive_name(d.setup.archive) : "none", NULL);
        loop_run(d.setup.loop);
    } else {
        log_error("cannot start", "error", e.text, NULL);
        exit_code = EXIT_LATER;
    }
    finish(&d);
    log_info("turnkeeperd is down", NULL);
    log_close();
    arena_free(d.arena);
    return exit_code;
}
