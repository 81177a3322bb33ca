/* SPDX-License-Identifier: MIT
 * A bot as a turn uses it: how it behaves, what the AI is told about it, whom it asks and where its replies go. Counted and never changed
 * once it is handed out, so that a turn which holds one goes on with what it began with, whatever is changed meanwhile. */
#ifndef TURN_BOT_H
#define TURN_BOT_H

#include "lib/err.h"
#include "lib/sv.h"
#include "turn/policy.h"

struct ai;
struct breaker;
struct platform;

struct bot {
    const char *bot_id, *name;
    int64_t version; /* of its row; 0: the default bot, from the environment */
    bool enabled;
    struct policy policy; /* what its settings do not name is the default bot's */
    size_t context_max;
    struct sv json;            /* what the AI is told as "bot": id, name, version, system_prompt, settings, model; never a secret */
    struct ai *ai;             /* NULL: its ai_core cannot be used; `trouble` says why */
    struct platform *platform; /* the same */
    bool deliver;              /* replies go to the platform */
    const char *trouble;       /* NULL: none; one sentence without secrets */
};

/* For bots that bots_find gave. Each hold and each find is released once, on the loop; the last one may come from inside a callback of the
 * bot's AI or platform, which are closed later. NULL is allowed. */
struct bot *bot_hold(struct bot *bot);
void bot_release(struct bot *bot);

/* ---- whom a bot asks: made by the mains, who choose backends ---- */

enum bot_provider { BOT_NATIVE, BOT_OPENAI, BOT_SIMULATED, BOT_ACTIONS, BOT_PAGES_FM, BOT_LOG };

/* Strings live until the instance is closed. */
struct bot_core {
    const char *name;
    enum bot_provider provider; /* NATIVE, OPENAI, SIMULATED */
    const char *url;            /* of NATIVE, OPENAI */
    const char *path, *model;   /* NULL: as the environment says */
    const char *secret;         /* "": none */
    int64_t timeout_ms;         /* 0: as the environment says; also in the bot's policy */
    int retries;                /* -1: as the environment says */
    int64_t delay_ms;           /* the same; of SIMULATED */
};
struct bot_platform {
    const char *name;
    enum bot_provider provider; /* ACTIONS, PAGES_FM, LOG */
    const char *url;            /* of ACTIONS, PAGES_FM; NULL for the latter: as the environment says */
    const char *page_id;        /* of PAGES_FM: settings.page_id; NULL: any */
    const char *path;           /* NULL: as the environment says */
    const char *secret;         /* "": none */
    int64_t timeout_ms;         /* as above */
};

/* Each instance is behind a circuit breaker of its own, which close frees. open: NULL with *e set. */
struct bot_factory {
    struct ai *(*open_ai)(void *arg, const struct bot_core *core, struct breaker **breaker, struct err *e);
    void (*close_ai)(void *arg, struct ai *ai, struct breaker *breaker);
    struct platform *(*open_platform)(void *arg, const struct bot_platform *platform, struct breaker **breaker, struct err *e);
    void (*close_platform)(void *arg, struct platform *platform, struct breaker *breaker);
    void *arg;
};

#endif
