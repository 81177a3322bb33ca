/* SPDX-License-Identifier: MIT
 * A long text as pieces that a channel takes. Pure; linear in the text. */
#ifndef TURN_PAGE_SPLIT_H
#define TURN_PAGE_SPLIT_H

#include "lib/sv.h"

/* The next piece of *rest, which shrinks: at most chars_max (1 at least) code points, not empty, without white space at its ends. SV_NONE: nothing but white space
 * is left. Cut where a paragraph ends, else a line, a sentence, a word, unless the piece would be short for it (a third of what it may have, half of it); else
 * between two characters as people see them; inside one only when it alone is longer than a piece may be. *rest must be UTF-8. */
struct sv page_split_next(struct sv *rest, size_t chars_max);

#endif
