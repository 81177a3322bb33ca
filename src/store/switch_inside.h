/* SPDX-License-Identifier: MIT
 * What store_switch.c (calls) and switch_way.c (going over and back) share. */
#ifndef STORE_SWITCH_INSIDE_H
#define STORE_SWITCH_INSIDE_H

#include "lib/loop.h"
#include "lib/map.h"
#include "store/answer.h"
#include "store/store_backends.h"
#include "store/switch_call.h"

enum lead_step {
    LEAD_WAIT,  /* for calls that are still on their way to the secondary */
    LEAD_LOOK,  /* the file is new: what does the secondary hold? */
    LEAD_MERGE, /* as soon as the primary is there */
    LEAD_BUSY,  /* an answer is awaited */
};

struct switch_ {
    struct store store;
    struct store *primary, *secondary;
    enum store_fallback fallback;
    int64_t patience_ms, settle_ms;
    store_join_fn *join;
    void *join_arg;

    struct mode_file *mode;
    struct mode_word seen; /* as this process has last taken note of it */
    bool tell;             /* subscribers have yet to hear of that */
    struct loop_timer *tick;
    int64_t tick_at_ms;

    struct answers *answers; /* calls that need no store */
    struct call *held, **held_last;
    size_t held_n, held_bytes;
    struct map *batches; /* name of each batch that was taken here: &primary or &secondary, where it is */

    int64_t down_since_ms; /* the primary, as this process sees it; 0: it is not */
    int64_t up_since_ms;   /* the same, while the secondary is in force */
    bool reached;          /* the primary was up for this process once */
    unsigned returns;      /* failed ones since the last that went well */
    bool barred;           /* others are back on the primary and this process does not reach it: its own trouble */
    bool leading;
    int64_t leading_since_ms;
    enum lead_step step;
    bool closed; /* waits to be freed */
};

/* The store that `mode` stands for; NULL while returning. */
struct store *switch_store(const struct switch_ *w, enum mode mode);
/* Takes note of the mode in force. */
struct mode_word switch_notice(struct switch_ *w);
/* Next look at the mode not later than that. */
void switch_look_in(struct switch_ *w, int64_t ms);

/* switch_pass.c: makes the call, or holds it; switch_pump makes or ends those that were held. */
void switch_submit(struct switch_ *w, const struct call *from);
void switch_submit_ack(struct switch_ *w, const struct call *from);
void switch_pump(struct switch_ *w);
struct call *switch_take_held(struct switch_ *w);

/* One look at what is to be changed (switch_way.c). */
void switch_way(struct switch_ *w);

#endif
