/* SPDX-License-Identifier: MIT
 * Calls of tools, taken together from fragments. Of completion.c, and of who reads what it made. */
#ifndef OUTSIDE_COMPLETION_CALLS_H
#define OUTSIDE_COMPLETION_CALLS_H

#include "outside/completion.h"

/* One element of tool_calls; whole: it is a call for itself, else it may go on with one that came before. False: it has no such shape. */
bool completion_calls_add(struct completion *c, const json_t *call, bool whole) MUST_CHECK;
void completion_calls_fini(struct completion *c);

/* Calls that stand in the text of an answer that is there as a whole, where tools were offered, <tool_call>{"name":…,"arguments":{…}}</tool_call>, in no code and no
 * quotation marks: they become calls like any other, behind those that there are, or `unreadable`, and are no part of the text any more (nor are its thoughts,
 * then). Without one nothing changes. -1: memory. */
int completion_calls_written(struct completion *c) MUST_CHECK;
/* How much of a text that may still grow stands in front of what is such a call, or may become one. */
size_t completion_calls_before(struct sv text);

#endif
