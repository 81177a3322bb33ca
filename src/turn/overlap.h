/* SPDX-License-Identifier: MIT
 * How much of a history that a client sent the stored conversation has already, so that it is not answered twice. Pure.
 *
 * The history is the whole conversation, a window that slides over it, or reaches further back than the store, which keeps the newest entries
 * only. Whatever speaks for the bot may differ on the two sides (formatting, several bubbles), and replies may be missing on either (withheld,
 * failed, written by a person). The customer's texts count; equal texts of others are hints.
 *
 * Both are laid side by side in order, entries may be left over on either side:
 *   +1  for each pair of equal texts of the same side of the conversation (customer, or anybody else)
 *   -1  for each customer's text, between two pairs or behind the last one, that the other side does not have
 *   -1  when both begin with something that finds no pair (a beginning that only one of them has costs nothing: the other is a window)
 *    0  for what others said and the other side does not have
 * For each number of parts from the front the best layout is looked for in which what follows them is new and the stored conversation is used up
 * to its end. The best of these above 0 wins, the smaller number on a tie: more is new then. Losing a customer's message is worse than answering
 * one twice, so:
 *   - A USER part is known only when it, or one behind it, has a pair. Bots alone make no USER part known.
 *   - In the last run of USER parts, the one that would be answered, each known part has its own pair: one that has none may have come late and
 *     been sorted in before the others. Where all that is stored has pairs and these are 8 or more, the store has just forgotten the older ones.
 *   - Only when no layout that ends with the stored conversation pairs a customer's text, the history may lie whole inside it, broken off at a cost
 *     of 1: an old request that came late. So a single USER part does not do; two do, or one and a bot's text.
 * Two stores that were apart for a moment may have taken the same texts at different times, or one of them may not be heard of yet: what they have
 * together is in another order then, or has gaps. So a USER part that would be new is known when the customer's same text stands at or behind the
 * first pair of a layout where any part may be left over, more often than the history has had it so far, and came within OVERLAP_APART_MS
 * of its last pair.
 * Then the bot parts that follow are known as well when something was stored in answer to the last pair; and where what is new has no USER part,
 * nothing is new.
 *
 * Cases (stored | history -> known; u: customer's text, B: other's, B': shown differently):
 *   nothing | anything -> 0                          u1 B | u9 -> 0
 *   ok B | ok B ok -> 2, the customer said it twice  ok | ok ok -> 1
 *   a ok B | ok B' x -> 2, a window                  u1 B | u1 -> 1, a repeat; also where the client sends the newest message only
 *   ok B x B | ok -> 0, it is new                    u1 B u2 B | u1 B -> 2, an old request; u1 B' -> 0: answered twice
 *   a B ok C | C ok -> 1, ok came after C            u1 | u0 u1 -> 0, u0 was never seen
 *   u1 B u2 | u1 B u3 -> 2, u2 was taken back        the last 40 of 298 | 300 -> 298
 *   u1 u2 | u1 -> 0, its request came after the next one: answered twice
 *   u1 u3 u2 | u1 u2 u3 -> 3 when all came at about the same time; u1 u3 | u1 u2 u3 -> 1, u3 is also known then
 * What texts cannot tell: in a window of equal texts (ok B ok B) the newest may be one that the store does not have. It counts as known. */
#ifndef TURN_OVERLAP_H
#define TURN_OVERLAP_H

#include <stdint.h>
#include "turn/markup.h"

#define OVERLAP_STORED_MAX 1024 /* older entries are not looked at */
#define OVERLAP_APART_MS 15000  /* longer than a request that finds the shared store gone takes to be accepted */
#define OVERLAP_APART_MAX 200   /* of more new parts than these, all are new */

struct overlap_entry {
    bool user;      /* false: bot, agent, system */
    struct sv text; /* "" (nothing but an attachment): stands for nothing */
    uint64_t key;   /* 0: that of the text */
    int64_t at_ms;  /* when it came; 0: not said */
};

struct overlap_room { /* of a part */
    uint64_t key; /* of a customer's; 0: it is another's, or empty. Only where that was needed */
    bool known;
};

/* By which texts are compared; 0: there is nothing in it. */
uint64_t overlap_key(bool user, struct sv text);

/* `stored`: oldest first, the context and then what is pending. Returns how many parts from the front it has: parts[result..parts_n) is new, and
 * is empty or holds a USER part. `room`: one for each part, in which those are marked that are known as well, though what is new comes before
 * them; NULL: the order counts. *last_matched: index of the last entry of the customer's in `stored` that has a pair; SIZE_MAX: none.
 * Texts are equal when they are but for white space: trimmed, a run of it is as good as one blank. They are compared by a hash of 64 bits;
 * whoever makes two of his texts collide has one of them not answered.
 * Needs no memory but some 26 KiB of stack. Takes parts_n * min(stored_n, 1024) short steps. */
size_t overlap_known(const struct overlap_entry *stored, size_t stored_n, const struct markup_part *parts, size_t parts_n, size_t *last_matched,
                     struct overlap_room *room);

#endif
