/* SPDX-License-Identifier: MIT
 * A registry of bots over a scripted database and a factory that counts what it opens. One at a time. */
#ifndef T_TURN_BOTS_RIG_H
#define T_TURN_BOTS_RIG_H

#include "t/lib/archive_double.h"
#include "turn/bots.h"

struct registry {
    struct loop *loop;
    struct archive_double db;
    struct bots *bots;
    int opened, closed; /* by the factory */
    bool refuse;        /* it opens nothing */
    char log_path[64];
};
extern struct registry registry;
extern struct bot registry_base;

/* Loop and log. */
void registry_begin(const char *name);
void registry_end(void);
/* ENVIRONMENT is staging. */
void registry_open_on(struct archive *archive, int64_t look_ms);
void registry_open_db(int64_t look_ms); /* on registry.db, which is opened */
void registry_close_db(void);
void registry_settle(void);
/* A look that was asked for, and its answer. */
void registry_refresh(void);

struct bot *registry_find(const char *id);
const char *registry_trouble(const char *id); /* "(none)", "(no bot)" */
const char *registry_ai_of(const struct bot *bot); /* what it was opened with: name url path model secret timeout retries delay */
const char *registry_platform_of(const struct bot *bot);
int registry_logged(const char *text); /* lines with it */

/* Rows; `more`: members besides id, name (bot_id) and version. */
void registry_core(const char *name, const char *more);
void registry_platform(const char *name, const char *more);
void registry_bot(const char *id, int version, const char *more);

#endif
