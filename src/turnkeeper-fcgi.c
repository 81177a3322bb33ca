/* SPDX-License-Identifier: MIT
 * turnkeeper.fcgi: the responder. Descriptor 0 is the FastCGI socket that spawn-fcgi, multiwatch, systemd or lighttpd has opened. */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/api.h"
#include "lib/alive.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "program.h"
#include "reload.h"
#include "setup.h"
#include "turn/push.h"

struct responder {
    struct setup setup;
    struct reload reload;
    struct api *api;
    struct loop_signal *term, *interrupt, *usr1, *hup;
    bool draining;
    int parts_left; /* of the drain */
};

static void erased(void *arg, struct sv session_id)
{
    hub_reset(arg, session_id);
}

static void event(void *arg, struct sv text)
{
    struct responder *r = arg;
    (void)turns_event(r->setup.turns, text);
}

/* The daemon fetches what was missed of pages that it knows by name; with a token for any other page there may be some that it does not know. */
static bool all_is_fetched(const struct settings *s)
{
    return s->pancake_provider != PANCAKE_PROVIDER_PAGES_FM || *s->pancake_token == '\0';
}

static struct api_options api_options_of(struct setup *u, const struct settings *s)
{
    return (struct api_options){
        .loop = u->loop, .turns = u->turns, .store = u->store, .archive = u->archive, .bots = u->bots, .callback = u->callback, .hub = u->hub,
        .listen_fd = 0,
        .platform_tokens = s->platform_token, .admin_tokens = s->admin_token, .jwt = settings_jwt(s), .cors_origins = s->cors_origins,
        .base_path = s->base_path, .body_max = s->max_body_bytes, .in_flight_max = s->max_in_flight, .sync_wait_ms = s->sync_wait_ms, .rate_limit = s->rate_limit,
        .closed_status = !s->public_status, .webhook_secrets = s->pancake_webhook_secret, .webhook_deadline_ms = s->pancake_webhook_deadline_ms, .page = setup_page_bot, .page_arg = u,
        .webhooks_fetched = all_is_fetched(s),
    };
}

static int also(void *arg, const struct settings *fresh, struct err *e)
{
    struct responder *r = arg;
    const struct api_options o = api_options_of(&r->setup, fresh);
    return api_reload(r->api, &o, e);
}

static void hup(void *arg)
{
    struct responder *r = arg;
    struct err e;
    if (reload_now(&r->reload, &e) != 0)
        return; /* it has been logged */
}

static void part_done(void *arg)
{
    struct responder *r = arg;
    if (--r->parts_left == 0)
        loop_stop(r->setup.loop);
}

/* TERM and INT; USR1 too, which multiwatch and Apache send to FastCGI programs. */
static void terminate(void *arg)
{
    struct responder *r = arg;
    if (r->draining) {
        log_warning("told to stop a second time: stopping at once", NULL);
        _exit(EXIT_FINE);
    }
    r->draining = true;
    log_info("draining", NULL);
    r->parts_left = 2;
    api_drain(r->api, part_done, r);
    turns_drain(r->setup.turns, r->setup.settings->shutdown_grace_s * 1000, part_done, r);
}

/* Each waiting turn takes two descriptors: as many as the administrator allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("the descriptor limit cannot be raised", NULL);
}

static int start(struct responder *r, struct err *e)
{
    struct setup *u = &r->setup;
    const struct api_options o = api_options_of(u, u->settings);
    store_subscribe(u->store, event, r);
    turns_on_erased(u->turns, erased, u->hub);
    setup_await_bots(u);
    r->api = api_open(&o, e);
    if (r->api == NULL)
        return -1;
    r->term = loop_signal_new(u->loop, SIGTERM, terminate, r);
    r->interrupt = loop_signal_new(u->loop, SIGINT, terminate, r);
    r->usr1 = loop_signal_new(u->loop, SIGUSR1, terminate, r);
    r->hup = loop_signal_new(u->loop, SIGHUP, hup, r);
    if (r->term == NULL || r->interrupt == NULL || r->usr1 == NULL || r->hup == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
    program_hold_signals(false, true);
    return 0;
}

static void finish(struct responder *r)
{
    api_close(r->api);
    loop_signal_free(r->term);
    loop_signal_free(r->interrupt);
    loop_signal_free(r->usr1);
    loop_signal_free(r->hup);
    setup_close(&r->setup);
    reload_fini(&r->reload);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "turnkeeper.fcgi",
        .synopsis = "",
        .help = "FastCGI responder: answers HTTP requests that a web server forwards to the socket on descriptor 0.\n"
                "Started by spawn-fcgi, multiwatch, systemd or the web server. TERM, INT or USR1: drain and exit, a second one: at once.\n"
                "HUP: read the configuration anew, reopen the log.",
        .options = "",
    };
    struct responder r = { 0 };
    struct arena *a = arena_new(0, 1u << 20);
    struct settings settings;
    struct err e;
    int first, exit_code;
    if (a == NULL)
        return EXIT_LATER;
    (void)signal(SIGHUP, SIG_IGN); /* until there is somebody who reloads: it must not end a program that starts */
    if (!program_start(&program, argc, argv, &settings, a, &first, &exit_code, setup_connect)) {
        arena_free(a);
        return exit_code;
    }
    if (first < argc) {
        fprintf(stderr, "turnkeeper.fcgi: what is \"%s\"? See turnkeeper.fcgi --help\n", argv[first]);
        arena_free(a);
        return EXIT_USE;
    }
    if (!api_is_listener(0)) {
        fprintf(stderr, "turnkeeper.fcgi: descriptor 0 is no listening socket. It is started by a web server or by\n"
                        "  spawn-fcgi -s SOCKET -M 0660 -- turnkeeper.fcgi     (see turnkeeper.fcgi --help)\n");
        arena_free(a);
        return EXIT_USE;
    }
    raise_descriptor_limit();
    program_hold_signals(true, true);
    if (setup_open(&r.setup, &settings, a, 0, &e) != 0) {
        log_error("cannot start", "error", e.text, NULL);
        arena_free(a);
        return e.code == ERR_INVALID || e.code == ERR_RANGE ? EXIT_CONF : EXIT_UNREACHABLE;
    }
    r.reload = (struct reload){ .setup = &r.setup, .settings = &settings, .also = also, .arg = &r };
    exit_code = EXIT_FINE;
    if (start(&r, &e) == 0) {
        log_info("turnkeeper.fcgi is up", "version", PACKAGE_VERSION, "owner", alive_name(r.setup.alive), NULL);
        loop_run(r.setup.loop);
    } else {
        log_error("cannot start", "error", e.text, NULL);
        exit_code = e.code == ERR_INVALID || e.code == ERR_RANGE ? EXIT_CONF : EXIT_LATER;
    }
    finish(&r);
    log_info("turnkeeper.fcgi is down", NULL);
    log_close();
    arena_free(a);
    return exit_code;
}
