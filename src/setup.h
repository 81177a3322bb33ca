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
#include "turn/bots.h"
#include "turn/page_peers.h"
#include "turn/turn.h"

struct alive;
struct breaker;
struct callback;
struct hub;
struct metrics;
struct recent;

struct setup {
    const struct settings *settings;
    struct loop *loop;
    struct alive *alive;
    struct metrics *metrics; /* of all processes of this host, in RUN_DIR; see turn/figures.h */
    struct recent *recent;   /* the same; NULL where nothing stands in for the store */
    struct store *store;
    struct hub *hub;         /* of the store's events, for those who listen */
    struct archive *archive; /* NULL: state file ":memory:" without PostgreSQL */
    struct http *http;
    struct ai *ai;             /* behind its circuit breaker */
    struct ai *ai_inner;       /* the one that is asked */
    struct platform *platform; /* the same two */
    struct platform *platform_inner;
    struct breaker *ai_breaker, *platform_breaker; /* see breaker_stat */
    struct pages *pages; /* of PANCAKE_PAGE_TOKENS; of all, where the platform is the page API */
    struct page_peers page_peers;     /* these pages, and those of rows of `platforms` */
    struct page_peer page_peer;       /* that of `pages` */
    struct callback *callback; /* where results of jobs may go */
    struct bots *bots; /* of the database */
    struct turns *turns;
    const char *conninfo; /* NULL: no PostgreSQL */
};

/* Connections are made in the background. turns_max: turns running at once (0: no bound). The settings and the arena must live as long. On
 * failure everything that was opened is closed again. */
int setup_open(struct setup *u, const struct settings *s, struct arena *a, size_t turns_max, struct err *e) MUST_CHECK;
void setup_close(struct setup *u);
/* Runs the loop until the bots of the database are known or cannot be, two seconds at most: a message that names one must not be answered by the
 * default bot only because this process has just begun. */
void setup_await_bots(struct setup *u);
/* Would setup_change take these settings? */
int setup_check_change(const struct settings *s, struct err *e) MUST_CHECK;
/* Whether messages of the page are answered here, and by whose row; bot_id "": by the default bot, which answers pages only where it does so by their API: its
 * replies could not be told from a person's else. A bot's row that names the page goes before it. */
bool setup_page_bot(void *setup, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1]);
/* What reloads (see settings.c) of turns, AI, platform, breakers and bots; the settings must live as long as the turn engine. -1: memory was short
 * for the addresses of AI or platform, which stay as they were. */
int setup_change(struct setup *u, const struct settings *s, struct err *e) MUST_CHECK;
/* -tt: can every configured server be reached, and can this user have the files? What cannot, or refuses our token, is told as wrong; what answers oddly as a
 * doubt. Leaves nothing behind, neither file nor directory. Blocking, each server for some seconds at most. */
void setup_connect(const struct settings *s, settings_finding_fn *fn, void *arg);
/* Applies missing migrations to the archive that is configured. Blocking. */
int setup_migrate(const struct settings *s, struct arena *a, int *applied, struct err *e) MUST_CHECK;

#endif
