/* SPDX-License-Identifier: MIT
 * A turn whose messages were changed or taken back by others of them: what of it the AI is asked, and the end of one that has nothing left. */
#include "config.h"

#include "turn/running.h"
#include "turn/withdrawn.h"

static size_t keep(struct sv *to, const struct sv *items, const bool *left, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (left[i])
            to[kept++] = items[i];
    }
    return kept;
}

int turn_select(struct turn *turn, struct question *q)
{
    struct arena *a = turn->context_arena;
    size_t n = turn->context_n + turn->covered_n;
    struct sv *all = arena_array(a, n + 1, sizeof(*all)), *to = arena_array(a, n + 1, sizeof(*to));
    bool *left = arena_array(a, n + 1, sizeof(*left));
    if (all == NULL || to == NULL || left == NULL)
        return -1;
    if (turn->context_n > 0)
        memcpy(all, turn->context, turn->context_n * sizeof(*all));
    if (turn->covered_n > 0)
        memcpy(all + turn->context_n, turn->covered, turn->covered_n * sizeof(*all));
    if (!withdrawn_select(a, all, n, left))
        return -1;
    *q = (struct question){ .context = to };
    q->context_n = keep(to, all, left, turn->context_n);
    q->covered = to + q->context_n;
    q->covered_n = keep(q->covered, all + turn->context_n, left + turn->context_n, turn->covered_n);
    return 0;
}

const bool *turn_left(struct turn *turn)
{
    bool *left = arena_array(turn->a, turn->covered_n + 1, sizeof(*left));
    return left != NULL && withdrawn_select(turn->a, turn->covered, turn->covered_n, left) ? left : NULL;
}

void turn_leave_unasked(struct turn *turn)
{
    turn->withdrawn = turn->has_reply = true;
    turn->reply = (struct reply){ .text = SV(""), .response = SV("null"), .actions = SV("[]"), .dropped = SV("[]") };
    turn_gate(turn, false);
}
