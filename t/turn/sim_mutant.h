/* SPDX-License-Identifier: MIT
 * Ways to be wrong, to show that the invariants see them. */
#ifndef T_TURN_SIM_MUTANT_H
#define T_TURN_SIM_MUTANT_H

#include "turn/policy.h"

struct sim;
struct sim_task;

enum sim_mutant {
    MUTANT_NONE,
    MUTANT_GATE_WITHOUT_LEASE,
    MUTANT_GATE_WITHOUT_VERSION,
    MUTANT_GATE_COVERS_NEWER,
    MUTANT_GATE_DEAF_TO_PAUSE,
    MUTANT_FINISH_WITHOUT_VERSION,
    MUTANT_RELEASE_IN_TWO_STEPS,
    MUTANT_RELEASE_OF_ANOTHERS,
    MUTANT_SETTLE_DROPS_NEWER,
    MUTANT_DEDUPE_IN_TWO_STEPS,
    MUTANT_DROP_BY_TIMESTAMP,
    MUTANT_RESEND_BLINDLY,
    MUTANT_UNKNOWN_IS_FAILURE,
    MUTANT_UNKNOWN_BARS_NOBODY,
    MUTANT_REPEAT_IS_OUTCOME,
    MUTANT_NO_DRAIN_WAIT,
    MUTANT_OWNER_GUESSED_DEAD,
    MUTANT_FENCE_NOT_RAISED,
    MUTANT_SEND_AFTER_DEADLINE,
    MUTANT_DEADLINE_FROM_APPLY,
    MUTANT_CLOCK_BEHIND,
    MUTANT_RENEW_REVIVES,
    MUTANT_RESTART_FOR_EVER,
    MUTANT_DUE_NOT_MOVED,
    MUTANT_INTENT_NOT_WRITTEN,
    MUTANT_REVIVE_BLINDLY,
    MUTANT_REVIVE_WITHOUT_VERSION,
    MUTANT_CANCEL_KEEPS_FENCE,
    MUTANT_CANCEL_WHILE_SENDING,
    MUTANT_N,
};

const char *sim_mutant_name(enum sim_mutant m);
/* Before and after step(). */
void sim_mutant_before(struct sim *w, struct sim_task *t, struct policy *p);
void sim_mutant_after(struct sim *w, struct sim_task *t);

#endif
