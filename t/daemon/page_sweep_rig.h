/* SPDX-License-Identifier: MIT
 * A page of the double, two daemons that may sweep it, and the engine that gets what they find. */
#ifndef T_DAEMON_PAGE_SWEEP_RIG_H
#define T_DAEMON_PAGE_SWEEP_RIG_H

#include "daemon/page_sweep.h"
#include "outside/http.h"
#include "t/lib/double_calls.h"
#include "t/turn/rig.h"

#define PAGE "100"

struct stage {
    struct rig r;
    struct http *http;
    struct scene scene; /* of the double: only pages are asked for */
    struct pages *pages;
    struct page_peers peers;
    struct page_peer peer;
    struct page_sweep *sweep[2];
    bool in_rows; /* places are waited for as they are given */
    int64_t row_ms;     /* of the daemons that are started from then on ... */
    unsigned read_most; /* ... as this one */
    char url[64];
};
extern struct stage stage;

void stage_begin(void); /* by rig_policy */
void stage_begin_with(const struct policy *policy);
void stage_end(void);   /* the daemons go, then all of it */
void stage_close(void); /* as it is */

/* Daemon n (0, 1) begins to look, with this PANCAKE_SWEEP_MINUTES. */
void stage_daemon_start(int n, int64_t every_ms);
void stage_daemon_stop(int n);

/* One round of the loop; so long; until it is so, a minute at most. */
void stage_turn(void);
void stage_turn_for(int64_t ms);
bool stage_until(bool (*condition)(void));
bool stage_swept(void); /* a sweep has come to its end, since page:<id>:swept was removed */

/* ---- the double ---- */

void stage_control(const char *text);
/* as: customer, staff, page. */
void stage_say_as(const char *as, const char *conversation, const char *id, const char *text);
/* Who wrote it takes it back. */
void stage_remove(const char *conversation, const char *id);
/* Conversations c0 to c<n - 1>, the message of each m0 to m<n - 1>. */
void stage_say_many(int n);
int stage_calls(const char *which); /* lists, reads, calls */

/* ---- the store, and who answers ---- */

/* page:<id>:<what>; "" where it is not there. Until the next call. */
const char *stage_value(const char *what);
/* So long ago; < 0: removed. */
void stage_put(const char *what, int64_t ago_ms);
/* How far the next place of this row (send, read) is; none is taken. */
int64_t stage_row_ms(const char *row);
void stage_ignore(void *arg, enum store_status status);
/* The ids of what waits for an answer, in its order. Until the next call. */
const char *stage_waits(const char *conversation);
/* A daemon answers, as often as it takes. */
void stage_visits(const char *conversation);

#endif
