/* SPDX-License-Identifier: MIT
 * The JSON that an answer's text may hold for us and not for the customer: fenced blocks, an object at its end, or all of it. Pure.
 *
 *   place    what stands in a fence (```, with or without `json`, `jsonc`, `json5`; the last one may be forgotten), behind lines of // where it has such a word;
 *            all of the text, where it begins with { and a member's name; else, in no fence, an object that begins a line in that way and ends with the text
 *            or is not closed (one that is closed and has text behind it is text)
 *   ours     it parses, and has a member actions, intent, confidence, entities or response_text; or it begins with { or [, does not parse, and one of these
 *            names stands in it in any quotation marks (in a fence `json` also in none) with a colon behind it, or `type` and `data` do, in quotation marks;
 *            or it is a fence `json` that ends with the text before the first colon, or that has a list of objects with a string type and an object data each,
 *            which is read as the actions
 *   known    ours, and it can be used: actions, if there, is a list, response_text a string; and one of the five is of its type, or all of them are null
 *   nothing  a fence with one of these words that has nothing in it, or null, {} or []
 *   broken   ours, and not known: no JSON, a key twice, nested too deeply, actions that are no list
 *
 * A fence ends at the first one behind it that stands in no string; one that no string can be told of (a backslash before it, or in its comments a quotation
 * mark too many) at the very next one. Everything else is the customer's: code in any language, JSON that he asked for, broken or not. What is broken is not
 * guessed at. Whatever stands there, looking takes time in proportion to the text. */
#ifndef OUTSIDE_ANSWER_BLOCK_H
#define OUTSIDE_ANSWER_BLOCK_H

#include "lib/json.h"

/* Zeroed is an empty one. */
struct answer_block {
    json_t *known;     /* of several: all of their actions, of other members the first; NULL: there is none */
    struct buf rest;   /* the text without any of them, or of those with nothing in them; where a known one has a response_text that is not empty, that instead */
    struct buf broken; /* the broken ones, as they stand there; "" none */
};

/* out: empty. -1: memory. Whatever comes out is the caller's (answer_block_fini). */
int answer_block_read(struct sv text, struct answer_block *out) MUST_CHECK;
void answer_block_fini(struct answer_block *b);

#endif
