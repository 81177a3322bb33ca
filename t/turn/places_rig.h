/* SPDX-License-Identifier: MIT
 * A rig on simulated time (scenario_loop.c) whose platform gives places. */
#ifndef T_TURN_PLACES_RIG_H
#define T_TURN_PLACES_RIG_H

#include "t/turn/rig.h"

void places_open(struct rig *r, const struct policy *p);
/* The store's n-th call fails: see rig_open_failing. */
void places_open_failing(struct rig *r, const struct policy *p, unsigned n, bool after);
/* Nothing must have gone out before its moment. */
void places_shut(struct rig *r);
struct policy places_policy(enum on_newer on_newer, uint32_t restart_max);
/* Opens; message m1 of c1 is sent, and its turn waits for a place in so many milliseconds. */
void places_begin(struct rig *r, const struct policy *p, int64_t in_ms, struct rig_answer *a);
/* Everything that is to happen within so long. */
void places_pass(struct rig *r, int64_t ms);
/* The store tells of something. */
void places_heard(void *arg, struct sv event);
/* A daemon's visits, until so many replies have been sent, each in its time. */
void places_visit_until_sent(struct rig *r, int sent);
void places_nothing(void *arg); /* *(bool *)arg = true */

#endif
