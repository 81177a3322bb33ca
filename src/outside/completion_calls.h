/* SPDX-License-Identifier: MIT
 * Calls of tools, taken together from fragments. Of completion.c alone. */
#ifndef OUTSIDE_COMPLETION_CALLS_H
#define OUTSIDE_COMPLETION_CALLS_H

#include "outside/completion.h"

/* One element of tool_calls; whole: it is a call for itself, else it may go on with one that came before. False: it has no such shape. */
bool completion_calls_add(struct completion *c, const json_t *call, bool whole) MUST_CHECK;
void completion_calls_fini(struct completion *c);

#endif
