/* SPDX-License-Identifier: MIT
 * Joins what is recent of a history and what the archive has of it to one page. Pure: knows keys and ids, neither store nor archive nor JSON. Private
 * to turn/. docs/history.md says why it is right.
 *
 * A history is ordered by key, newest first. `recent` is what the store has; of each the archive has said whether it has it, too. Such an exchange is
 * one row of the archive. The others are laid between the rows. */
#ifndef TURN_CHAT_MERGE_H
#define TURN_CHAT_MERGE_H

#include "lib/arena.h"

#define CHAT_UUID_BYTES 16

/* Where an exchange stands. */
struct chat_key {
    int64_t ms; /* the time that is shown */
    unsigned char id[CHAT_UUID_BYTES];
};
/* Less than 0: a is older. */
int chat_key_compare(const struct chat_key *a, const struct chat_key *b);

struct chat_row { struct chat_key key; struct sv message_id; };
struct chat_recent {
    struct chat_key key;
    struct sv message_id;
    bool archived; /* the archive has it, too */
    size_t from;   /* the caller's number */
};

struct chat_wish {
    int64_t from_ms, to_ms; /* both included */
    size_t page, size;      /* from 1; page is not looked at by cursor */
    bool by_cursor;
    bool after;             /* by cursor: only what is older than `last`; false: from the newest on */
    struct chat_key last;
};

/* What to ask the archive for. */
struct chat_ask { size_t skip, max; };
/* `unarchived`: how many recent exchanges within the bounds the archive does not have, as far as one can guess before it is asked. Any guess is right;
 * one that is too low makes chat_merge say so. */
struct chat_ask chat_merge_ask(const struct chat_wish *w, size_t unarchived);

/* One exchange of the page: recent[recent], rows[row], or both. */
#define CHAT_NOWHERE SIZE_MAX
struct chat_line { size_t recent, row; struct chat_key key; };
struct chat_merged {
    const struct chat_line *lines; /* oldest first; in the arena */
    size_t n;
    int64_t total;     /* within the bounds; by cursor -1 */
    bool more;         /* there are older ones */
    size_t unarchived; /* recent ones within the bounds that the archive does not have */
    bool again;        /* the guess was too low: ask once more with `unarchived` */
};
struct chat_parts {
    const struct chat_recent *recent; /* newest first, each message once */
    size_t recent_n;
    const struct chat_row *rows; /* newest first, within the bounds, what chat_merge_ask said */
    size_t rows_n;
    int64_t rows_total; /* of the archive within the bounds; by cursor not looked at */
    struct chat_ask ask;
};
/* -1: memory is short. */
int chat_merge(struct arena *a, const struct chat_wish *w, const struct chat_parts *p, struct chat_merged *out) MUST_CHECK;

/* Puts the list into order, newest first, each message once: of those with the same id the one that stood first stays. Returns how many are left, -1:
 * memory is short. */
int64_t chat_recent_order(struct arena *scratch, struct chat_recent *list, size_t n) MUST_CHECK;

#endif
