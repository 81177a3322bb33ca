/* SPDX-License-Identifier: MIT
 * What an AI was heard to answer, for tests of its backends. */
#ifndef T_OUTSIDE_AI_RIG_H
#define T_OUTSIDE_AI_RIG_H

#include "outside/ai.h"
#include "t/outside/rig.h"

struct told { /* an answer of the AI; response and actions are held */
    int times, partials;
    struct ai_answer answer;
    struct buf partial; /* the last one */
    struct buf all;     /* all of them, each with a bar behind it */
    struct ai *ai;
    struct ai_call **abort; /* aborted from inside the first partial */
};

/* An ai_fn and an ai_partial_fn; arg is a struct told. */
void tell(void *arg, const struct ai_answer *a);
void tell_partial(void *arg, struct sv text);
/* For rig_until. */
bool was_told(void *arg);
/* Zeroed again. */
void told_free(struct told *t);
/* Asks, and waits for the answer; what was told before is forgotten. */
void ask_and_wait(struct rig *r, struct ai *ai, const struct ai_request *q, struct told *t);

/* Calls that are aborted: on the wire (ai asks p, which never answers all), between two tries (waits asks busy, which says "later"), and by closing. Both are
 * closed. */
void check_abort(struct rig *r, struct ai *ai, struct peer *p, struct ai *waits, struct peer *busy, const struct ai_request *q);
/* Closed by its first answer, while another question is under way. */
void check_close_inside(struct rig *r, struct ai *ai, const struct ai_request *q);

extern const char *const ai_outcomes[]; /* by enum ai_outcome */

#endif
