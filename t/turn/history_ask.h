/* SPDX-License-Identifier: MIT
 * What a rig's store holds for readers of histories, as text. Strings are valid until the next call. */
#ifndef T_TURN_HISTORY_ASK_H
#define T_TURN_HISTORY_ASK_H

#include "t/turn/rig.h"

/* "id:status[/reason]=response" of each entry, oldest first, blanks between; a response of none is left out with its "=". */
const char *history_entries(struct rig *r, const char *conversation, const char *user);
/* The i-th newest entry; "" there is none. */
const char *history_entry(struct rig *r, const char *conversation, const char *user, size_t i);
/* "(none)": it is not there. */
const char *history_field(struct rig *r, const char *conversation, const char *key);
/* "id:role=content" of each entry of the context, blanks between. */
const char *history_context(struct rig *r, const char *conversation);
/* Of the day of the test's clock; 0: not counted. */
long long history_figure(struct rig *r, const char *metric);
/* Of the user, in no order; blanks between. */
size_t history_sessions(struct rig *r, const char *user);
/* How many items wait for the archive, and the i-th of them. They are taken for good. */
size_t history_items(struct rig *r);
const char *history_item(size_t i);

#endif
