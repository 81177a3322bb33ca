/* SPDX-License-Identifier: MIT
 * All bots of the database, as they are now: read again within a second or so of every change, by each process for itself. What was handed
 * out stays as it was until it is released. While the database is away, what is known stays in force.
 *
 * AI and platform instances are shared by all bots that name the same row in the same state; they are closed when the last bot that uses them
 * is released. Loop thread only. */
#ifndef TURN_BOTS_H
#define TURN_BOTS_H

#include "archive/archive.h"
#include "turn/bot.h"

struct bots;
struct loop;

struct bots_options {
    struct loop *loop;
    struct archive *archive;    /* NULL: no database: nothing is ever found */
    const char *environment;    /* ENVIRONMENT: whose entry of `environments` is merged over a row; kept by pointer */
    const struct bot *base;     /* the default bot: values, AI and platform of what a row does not name. Copied; the two must live as long */
    struct bot_factory factory; /* copied */
    int64_t look_ms;            /* between two looks at the database, and up to a fifth more; 0: 900 */
};

/* The first look is taken at once, in the background. NULL: memory. */
struct bots *bots_new(const struct bots_options *o, struct err *e) MUST_CHECK;
/* Held for the caller: bot_release it. NULL: there is no such row, or nothing is known of the database (then the default bot is used). A bot
 * that is not `enabled`, or in trouble, is found all the same. */
struct bot *bots_find(struct bots *b, struct sv bot_id);
/* The same of the bot whose platform is a row with provider pages_fm and this settings.page_id. Of several: one that is enabled and in no trouble, then the
 * first by bot_id. NULL: no bot's row names the page. */
struct bot *bots_find_page(struct bots *b, struct sv page_id);
/* The rows have been read at least once. */
bool bots_is_known(const struct bots *b);
/* So have they, or the database has given no answer, or there is none: whoever waits for the first look need wait no longer. */
bool bots_is_settled(const struct bots *b);
/* After a reload: all bots, AIs and platforms are made anew, secrets read again. What is held stays. */
void bots_set_base(struct bots *b, const struct bot *base);
/* Look at the database now: something has changed there. */
void bots_look(struct bots *b);

/* Part of who waits for a look. */
struct bots_waiter {
    void (*fn)(void *arg);
    void *arg;
    struct bots_waiter *next, **at;
};
/* A name that is not found may have been made a moment ago: fn is called once a look has ended that began after this call, well or not. False:
 * nobody looks, since there is no database, or it is away. */
bool bots_await(struct bots *b, struct bots_waiter *w) MUST_CHECK;
/* fn is not called any more. Harmless when it was. */
void bots_await_no_more(struct bots_waiter *w);

/* The AIs and platforms in use, for SHOW BACKENDS. */
struct bots_backend {
    enum archive_service service; /* AI_CORES, PLATFORMS */
    const char *name, *provider;
    const char *url;               /* NULL: none */
    const struct breaker *breaker; /* NULL: it could not be opened; `trouble` says why */
    const char *trouble;
    size_t bots; /* that use it, those held by turns of before among them */
    bool current; /* false: only turns of before use it */
};
typedef void bots_each_fn(void *arg, const struct bots_backend *backend);
void bots_each(const struct bots *b, bots_each_fn *fn, void *arg);

/* No more looks, nobody is called, nothing is found, and what nobody holds is closed: not from inside a callback. Found bots must be released before bots_free; the
 * archive, too, is to be closed between the two, since an answer of it may be on its way. NULL is allowed. */
void bots_stop(struct bots *b);
void bots_free(struct bots *b);

#endif
