/* SPDX-License-Identifier: MIT
 * Messages that their sender has changed or taken back before anybody answered them: a later message says so in its metadata, `edits` or `removes` with the id that it
 * is about. Pure. */
#ifndef TURN_WITHDRAWN_H
#define TURN_WITHDRAWN_H

#include "lib/arena.h"

/* Items (turn/message.h) in the order of their arrival, replies among them. left[i]: whether the question to the AI has the i-th. Without it are:
 *   - of a message and its edits all but the newest: by their number, where they say one (message_edit_number), else by their arrival;
 *   - what one removes, wherever it stands, and edits of it;
 *   - removals themselves;
 * as long as no reply stands between the two: what was answered stays as it was. False: memory is short. */
bool withdrawn_select(struct arena *a, const struct sv *items, size_t n, bool *left) MUST_CHECK;

#endif
