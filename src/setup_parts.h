/* SPDX-License-Identifier: MIT
 * What setup*.c share, and nobody else uses. */
#ifndef SETUP_PARTS_H
#define SETUP_PARTS_H

#include "outside/ai.h"
#include "setup.h"
#include "turn/policy.h"

/* HTTP, AI and platform, each of the two behind its circuit breaker. -1: what was opened is closed by setup_close_outside. */
int setup_open_outside(struct setup *u, struct err *e) MUST_CHECK;
void setup_close_outside(struct setup *u);
/* Behind setup_open_outside. The bots of the database are made in the background. */
int setup_open_bots(struct setup *u, struct err *e) MUST_CHECK;
void setup_change_bots(struct setup *u, const struct settings *s);
struct policy setup_policy(const struct settings *s);
/* As the settings have it; strings by pointer. */
struct ai_openai_options setup_openai(const struct settings *s);

#endif
