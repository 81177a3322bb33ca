/* SPDX-License-Identifier: MIT
 * What bots.c (the registry), bot.c (one bot) and bot_backend.c (whom bots ask) share. Nobody else includes this. */
#ifndef TURN_BOTS_OWN_H
#define TURN_BOTS_OWN_H

#include "lib/json.h"
#include "lib/map.h"
#include "turn/bots.h"

/* One AI or platform, as a row of ai_cores or platforms describes it. */
struct backend {
    struct bots *owner;
    struct backend *next, **link; /* among all that live */
    enum archive_service service;
    struct arena *a;
    struct sv row;    /* its text: the key under which others find it */
    bool findable;    /* in owner->backends */
    size_t bots;      /* that hold it; 0: to be closed */
    size_t listed;    /* those of them that are in force */
    const char *name, *provider, *url;
    int64_t timeout_ms; /* 0: as the environment says */
    bool idempotent, idempotent_said;
    bool deliver;
    const char *model;   /* NULL: none */
    const char *page_id; /* of a platform with provider pages_fm; NULL: none */
    struct ai *ai;
    struct platform *platform; /* one of the two; neither: `trouble` says why */
    struct breaker *breaker;
    const char *trouble;
};


/* The rows that are in force, copied, so that all can be made anew without the database. */
struct rows {
    struct arena *a;
    struct sv *text[ARCHIVE_SERVICES];
    size_t n[ARCHIVE_SERVICES];
    struct map *by_name[ARCHIVE_SERVICES]; /* name -> struct sv *, of AI_CORES and PLATFORMS */
};

struct bots {
    struct bots_options o;
    struct bot base; /* its strings are not looked at */
    int64_t version;   /* of the rows; 0: they must be read whatever it is */
    struct rows *rows; /* NULL: never read */
    struct map *bots;  /* bot_id -> struct one_bot */
    struct map *backends[ARCHIVE_SERVICES];
    struct backend *live; /* all that are open */
    size_t held;          /* bots that exist */
    struct loop_timer *look, *close;
    struct bots_waiter *waiting, *during; /* for a look to begin; for the one under way to end */
    bool asking, again, stopped;
    bool away;            /* it has been said that the database does not answer */
    bool no_tables;       /* that it has no tables yet */
    bool short_of_memory; /* that memory is short */
    unsigned failures;
};

/* A bot with what belongs to it. */
struct one_bot {
    struct bot bot;
    struct bots *owner;
    struct arena *a;
    size_t holders;
    bool listed;
    struct backend *core, *platform; /* NULL: the default bot's */
};

/* From the text of a row, held once. NULL: memory. A row that is wrong becomes a bot in trouble. */
struct one_bot *one_bot_new(struct bots *b, struct sv row) MUST_CHECK;
/* In force, or no longer. */
void one_bot_list(struct one_bot *o, bool yes);

/* Of a row's text, held once more; opened when there is none yet. NULL: memory. */
struct backend *backend_hold(struct bots *b, enum archive_service service, struct sv name, struct sv row) MUST_CHECK;
void backend_release(struct backend *k);
/* Nobody finds it any more: the next one for the same row is opened anew. */
void backend_hide(struct backend *k);
/* Closes those that nobody holds. */
void backends_close(struct bots *b);

/* The row of a name; SV_NONE: there is none. */
struct sv rows_find(const struct rows *r, enum archive_service service, struct sv name);

/* A row as it is in this process' environment, checked. It lives in the arena. NULL: *trouble says why (in the arena), or is NULL: memory. */
json_t *row_read(struct arena *a, enum archive_service service, struct sv text, const char *environment, const char **trouble) MUST_CHECK;

#endif
