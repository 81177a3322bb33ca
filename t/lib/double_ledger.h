/* SPDX-License-Identifier: MIT
 * What really happened outside: every AI call and every platform POST that the double saw, in order, in memory and,
 * when a file is given, as one JSON line an event, written before the caller gets its answer. Counts what must never
 * happen (two AI calls of one conversation at once, the same turn or message sent twice, a fence that goes back). */
#ifndef T_LIB_DOUBLE_LEDGER_H
#define T_LIB_DOUBLE_LEDGER_H

#include "lib/json.h"

struct ledger;

struct ledger_call { /* borrowed during the call */
    struct sv conversation_id, turn_id, request_id, traceparent;
    struct sv path, authorization;
    const json_t *body;    /* the parsed request body, or NULL */
    struct sv nonce;       /* AI */
    json_t *message_ids;   /* array: shown and unanswered (AI), covered (platform), or NULL */
    int64_t messages;      /* AI: size of the context that was shown */
    bool keep;             /* AI: the entry has the whole body */
    const char *mode;      /* platform */
    bool applied;
};

/* path "": memory only. quiet: counters only. */
struct ledger *ledger_open(const char *path, bool quiet);
void ledger_close(struct ledger *l);
/* Everything is forgotten; the file is left as it is. */
void ledger_reset(struct ledger *l);

/* Both return the entry's number. */
size_t ledger_ai_start(struct ledger *l, const struct ledger_call *c);
/* status 0: cut by the double. */
void ledger_ai_end(struct ledger *l, size_t entry, int status, bool closed_early);
size_t ledger_platform(struct ledger *l, const struct ledger_call *c);
/* The answer to it was written (true), or the caller had gone before. */
void ledger_platform_end(struct ledger *l, size_t entry, int status, bool closed_early);
void ledger_platform_cut(struct ledger *l); /* closed before it counted as received */

/* conversation_id SV_NONE: all. */
void ledger_render(const struct ledger *l, struct sv conversation_id, struct json_out *o);
void ledger_stats(const struct ledger *l, struct json_out *o);

#endif
