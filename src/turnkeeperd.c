/* SPDX-License-Identifier: MIT
 * turnkeeperd: the daemon. Sweeps what is due, answers what was left, archives. Runs in the foreground; a supervisor keeps it. */
#include "config.h"

#include <signal.h>
#include <unistd.h>

#include "daemon/archiver.h"
#include "daemon/migration.h"
#include "daemon/sweep.h"
#include "lib/alive.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "program.h"
#include "setup.h"

#define TURNS_MAX 1000 /* running at once in one daemon */

struct daemon {
    struct setup setup;
    struct arena *arena;
    struct sweep *sweep;
    struct archiver *archiver;
    struct migration *migration;
    struct loop_signal *term, *interrupt, *hup;
    struct loop_timer *tidy;
    bool draining;
    int parts_left; /* of the drain */
};

/* ---- events ---- */

static void event(void *arg, struct sv text)
{
    struct daemon *d = arg;
    if (turns_event(d->setup.turns, text) && d->sweep != NULL)
        sweep_wake(d->sweep);
}

static void hup(void *arg)
{
    struct err e;
    (void)arg;
    if (log_reopen(&e) != 0)
        log_error("the log file cannot be opened anew", "error", e.text, NULL);
    else
        log_info("log reopened", NULL);
}

static void tidy(void *arg)
{
    struct daemon *d = arg;
    alive_tidy(d->setup.alive);
    loop_timer_set(d->tidy, 60000);
}

/* ---- the end ---- */

static void part_done(void *arg)
{
    struct daemon *d = arg;
    if (--d->parts_left == 0)
        loop_stop(d->setup.loop);
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
    d->parts_left = 2 + (d->archiver != NULL);
    sweep_stop(d->sweep, part_done, d);
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
    d->archiver = archiver_new(d->setup.loop, d->setup.store, d->setup.archive, d->setup.alive);
    if (d->archiver == NULL)
        log_error("no memory for the archiver", NULL);
}

static int start(struct daemon *d, struct err *e)
{
    struct setup *u = &d->setup;
    store_subscribe(u->store, event, d);
    d->sweep = sweep_new(u->loop, u->store, u->turns, TURNS_MAX);
    d->term = loop_signal_new(u->loop, SIGTERM, terminate, d);
    d->interrupt = loop_signal_new(u->loop, SIGINT, terminate, d);
    d->hup = loop_signal_new(u->loop, SIGHUP, hup, d);
    d->tidy = loop_timer_new(u->loop, tidy, d);
    if (d->sweep == NULL || d->term == NULL || d->interrupt == NULL || d->hup == NULL || d->tidy == NULL)
        return err_set(e, ERR_MEMORY, "no memory");
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
    migration_free(d->migration);
    archiver_free(d->archiver);
    loop_signal_free(d->term);
    loop_signal_free(d->interrupt);
    loop_signal_free(d->hup);
    loop_timer_free(d->tidy);
    sweep_free(d->sweep);
    setup_close(&d->setup);
}

int main(int argc, char **argv)
{
    static const struct program program = {
        .name = "turnkeeperd",
        .synopsis = "",
        .help = "Answers what no responder is working on and carries history into the archive.\n"
                "Runs in the foreground. TERM or INT: drain and exit, a second one: at once. HUP: reopen the log.",
        .options = "",
    };
    struct daemon d = { .arena = arena_new(0, 1u << 20) };
    struct settings settings;
    struct err e;
    int first, exit_code;
    if (d.arena == NULL)
        return EXIT_LATER;
    if (!program_start(&program, argc, argv, &settings, d.arena, &first, &exit_code, setup_connect)) {
        arena_free(d.arena);
        return exit_code;
    }
    if (first < argc) {
        fprintf(stderr, "turnkeeperd: what is \"%s\"? See turnkeeperd --help\n", argv[first]);
        arena_free(d.arena);
        return EXIT_USE;
    }
    if (setup_open(&d.setup, &settings, d.arena, 0, &e) != 0) {
        log_error("cannot start", "error", e.text, NULL);
        arena_free(d.arena);
        return e.code == ERR_INVALID || e.code == ERR_RANGE ? EXIT_CONF : EXIT_UNREACHABLE;
    }
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
