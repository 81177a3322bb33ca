/* SPDX-License-Identifier: MIT
 * What a reply's actions say, as pieces of text for a channel that has nothing but text. Pure. */
#ifndef TURN_PAGE_TEXT_H
#define TURN_PAGE_TEXT_H

#include "lib/arena.h"
#include "lib/json.h"

#define PAGE_PIECES_MAX 20
#define PAGE_ACTION_CUT SIZE_MAX

struct page_piece {
    struct sv text;
    size_t action; /* index of the action it belongs to; PAGE_ACTION_CUT: of one that alone has more pieces than fit, and is not executed whatever arrives */
};
struct page_text {
    struct page_piece pieces[PAGE_PIECES_MAX];
    size_t n;
    size_t executed;     /* actions that are done once all pieces are sent: those with pieces, transfer_to_agent, end_conversation */
    size_t not_executed; /* the others: no counterpart, or not all of it within PAGE_PIECES_MAX */
};
/* actions: the platform request's. In the arena. -1: not an array of actions, or memory. */
int page_text(struct arena *a, struct sv actions, size_t chars_max, struct page_text *out, struct err *e) MUST_CHECK;
/* Characters that a message on this page may have: told by its id's prefix (docs/peers.md). */
size_t page_chars_max(struct sv page_id);

#endif
