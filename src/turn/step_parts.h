/* SPDX-License-Identifier: MIT
 * What step.c and step_turn.c share. Nobody else includes this. */
#ifndef TURN_STEP_PARTS_H
#define TURN_STEP_PARTS_H

#include "turn/step.h"

/* The bot is silent at this moment. */
bool step_is_paused(const struct conversation *c, int64_t now_ms);
void step_copy(char *to, size_t size, const char *from);
/* Somebody who may be alive holds the record's lease. */
bool step_lease_live(const struct conversation *c, const struct event *ev);
/* A record that was lost starts its fence at the clock, above any that it ever had. */
void step_raise_fence(struct conversation *c, const struct event *ev);
/* A new fence, the event's token and owner. */
void step_take_lease(struct decision *d, const struct event *ev, const struct policy *p);
void step_drop_lease(struct decision *d);
/* A person has the conversation for the policy's time from now on, or as long as it was to be anyway. */
void step_silence(struct conversation *c, const struct event *ev, const struct policy *p);
/* What is to be answered has been tried for as long as an unreachable peer is. */
bool step_tried_long(const struct conversation *c, const struct event *ev, const struct policy *p);
/* A reply that has become stale would be withheld. */
bool step_may_restart(const struct conversation *c, const struct policy *p);
/* What was cancelled while it waited is like any other pending message (again). */
void step_forget_cancelled(struct conversation *c);
/* The turn begins: snapshot of all that is pending, lease taken. */
void step_run(struct decision *d, const struct event *ev, const struct policy *p);
/* Without a lease, due at `at_ms`. The turn id stays. */
void step_queue(struct decision *d, int64_t at_ms, const char *reason);
/* The covered messages have come to their end; lease dropped; what came after them waits for the next turn, or all is idle. */
void step_settle(struct decision *d, const struct event *ev);
/* From the gate until the platform cannot get this attempt any more: so long the first byte may wait, plus the request's own time. */
int64_t step_send_start_ms(const struct policy *p);
int64_t step_send_window_ms(const struct policy *p);
/* Events of a turn that runs, and an administrator's. */
void step_turn(const struct conversation *before, const struct event *ev, const struct policy *p, struct decision *d);

#endif
