/* SPDX-License-Identifier: MIT
 * A turn that was given up gets its messages back. Inside of control_dead.c. */
#ifndef TURN_CONTROL_REVIVE_H
#define TURN_CONTROL_REVIVE_H

#include "turn/control_own.h"

/* Answers and ends the call. `letter` is copied. 200 {"id","retried":true,"type":"turn","conversation_id","turn_id","messages":n}; 409
 * already_answered, bot_paused, too_many_pending. */
void revive(struct control_call *call, struct sv id, struct sv letter);

#endif
