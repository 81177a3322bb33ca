/* SPDX-License-Identifier: MIT
 * What webhook*.c share, and nobody else uses. */
#ifndef TURN_WEBHOOK_OWN_H
#define TURN_WEBHOOK_OWN_H

#include "lib/buf.h"

/* The text of what the page API shows as HTML, appended: <br> and the ends of blocks are line feeds, other tags and comments are gone, character references are
 * decoded once (lib/entity.h), U+00A0 is a blank. What only looks like a tag ("a < b", "<3") stays. White space around it all is dropped. Linear. */
void webhook_text(struct buf *b, struct sv html);

/* The content of a message that was taken back. */
#define WEBHOOK_REMOVED "[removed]"

#endif
