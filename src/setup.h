/* SPDX-License-Identifier: MIT
 * The parts that responder and daemon have in common, chosen by the settings: store, archive, AI, platform, turn engine. */
#ifndef SETUP_H
#define SETUP_H

#include "archive/archive.h"
#include "outside/ai.h"
#include "outside/http.h"
#include "outside/platform.h"
#include "settings.h"
#include "store/store.h"
#include "turn/turn.h"

struct alive;

struct setup {
    const struct settings *settings;
    struct loop *loop;
    struct alive *alive;
    struct store *store;
    struct archive *archive; /* NULL: state file ":memory:" without PostgreSQL */
    struct http *http;
    struct ai *ai;
    struct platform *platform;
    struct turns *turns;
    const char *conninfo; /* NULL: no PostgreSQL */
};

/* Connections are made in the background. turns_max: turns running at once (0: no bound). The settings and the arena must live as long. On
 * failure everything that was opened is closed again. */
int setup_open(struct setup *u, const struct settings *s, struct arena *a, size_t turns_max, struct err *e) MUST_CHECK;
void setup_close(struct setup *u);
/* -tt: can every configured server be reached? Blocking. */
int setup_connect(const struct settings *s, struct err *e) MUST_CHECK;
/* Applies missing migrations to the archive that is configured. Blocking. */
int setup_migrate(const struct settings *s, struct arena *a, int *applied, struct err *e) MUST_CHECK;

#endif
