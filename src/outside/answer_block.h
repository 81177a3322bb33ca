/* SPDX-License-Identifier: MIT
 * The JSON that an answer's text may hold: a fenced json block, or all of it. Pure. */
#ifndef OUTSIDE_ANSWER_BLOCK_H
#define OUTSIDE_ANSWER_BLOCK_H

#include "lib/json.h"

/* The object with actions, intent, confidence, entities or response_text, a new reference, and *rest the text without it (appended); where the object
 * has a response_text, that one. NULL: there is none, or memory is short; *rest is the text as it is. */
json_t *answer_block_take(struct sv text, struct buf *rest) MUST_CHECK;

#endif
