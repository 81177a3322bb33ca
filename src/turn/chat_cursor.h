/* SPDX-License-Identifier: MIT
 * Cursors of a history: where a page ended, as a text that nobody needs to look into. base64url of a version, the key, and four bytes that bind both
 * to the session: whatever was not made here for it is told from what was, but nobody is kept from making one: a key gives no right to anything. */
#ifndef TURN_CHAT_CURSOR_H
#define TURN_CHAT_CURSOR_H

#include "turn/chat_merge.h"

#define CHAT_CURSOR_SIZE 48 /* with its NUL */

void chat_cursor_make(struct sv session_id, const struct chat_key *key, char out[CHAT_CURSOR_SIZE]);
/* False: it is none, or one of another session. */
bool chat_cursor_read(struct sv session_id, struct sv cursor, struct chat_key *key) MUST_CHECK;

#endif
