/* SPDX-License-Identifier: MIT
 * What a reasoning model thinks before it answers, where its server leaves it in the text: a block between two tags at the very beginning (white space,
 * U+FEFF and U+200B may stand before it), or, where the model's template has the first tag already, all up to the second one. Such tags further inside are text as any
 * other. Pure. */
#ifndef OUTSIDE_THOUGHTS_H
#define OUTSIDE_THOUGHTS_H

#include "lib/attr.h"
#include "lib/sv.h"

enum thoughts {
    THOUGHTS_NONE,     /* all of the text is said */
    THOUGHTS_MAYBE,    /* the same, but it is the beginning of a tag, and may go on as one */
    THOUGHTS_OPEN,     /* they have not ended: nothing is said */
    THOUGHTS_OVER,     /* what stands behind them is said */
    THOUGHTS_UNOPENED, /* the same, without a tag at their beginning */
};

/* *said: the part of `text` that is for the customer, "" when there is none. Where there are thoughts, white space between them and it is left out. */
enum thoughts thoughts_in(struct sv text, struct sv *said) MUST_CHECK;
/* s without white space, and those two, at its beginning. */
struct sv thoughts_behind_blanks(struct sv s);
/* Whether the template of a model with this name may have the first tag: a guess, for as long as no answer of it was seen. */
bool thoughts_are_likely(struct sv model);

#endif
