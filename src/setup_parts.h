/* SPDX-License-Identifier: MIT
 * What setup*.c share, and nobody else uses. */
#ifndef SETUP_PARTS_H
#define SETUP_PARTS_H

#include "outside/ai.h"
#include "setup.h"
#include "store/store_backends.h"
#include "turn/bot.h"
#include "turn/policy.h"

/* HTTP, AI and platform, each of the two behind its circuit breaker. -1: what was opened is closed by setup_close_outside. */
int setup_open_outside(struct setup *u, struct err *e) MUST_CHECK;
void setup_close_outside(struct setup *u);
/* Behind setup_open_outside. The bots of the database are made in the background. */
int setup_open_bots(struct setup *u, struct err *e) MUST_CHECK;
void setup_change_bots(struct setup *u, const struct settings *s);
/* Behind setup_open_outside's HTTP; the platform of the settings, where it is the page API, and its breaker are the caller's. */
int setup_open_pages(struct setup *u, struct err *e) MUST_CHECK;
int setup_change_pages(struct setup *u, const struct settings *s, struct err *e) MUST_CHECK;
void setup_close_pages(struct setup *u);
struct platform *setup_open_page_platform(struct setup *u, struct err *e) MUST_CHECK;
/* For a row of `platforms`. What belongs to it is closed with the platform. */
struct platform *setup_open_page_row(struct setup *u, const struct bot_platform *p, struct err *e) MUST_CHECK;
/* Tries the AI service and the chat platform, as setup_connect says, with a loop of its own. Nothing that costs money, no message. */
void setup_probe(const struct settings *s, settings_finding_fn *fn, void *arg);
/* A part of it: each page that the settings have a token for. */
void setup_probe_pages(const struct settings *s, struct loop *loop, struct http *http, settings_finding_fn *fn, void *arg);
/* Whether the files and directories of the settings can be had by who asks, as setup_connect says: nothing is opened or made. What the programs make themselves
 * may be missing. */
void setup_look(const struct settings *s, settings_finding_fn *fn, void *arg);
struct policy setup_policy(const struct settings *s);
/* As the settings have it; strings by pointer. */
struct ai_openai_options setup_openai(const struct settings *s);
struct store_redis_options setup_redis(const struct settings *s, const struct settings_redis *r);

#endif
