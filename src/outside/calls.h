/* SPDX-License-Identifier: MIT
 * The calls that an adapter has under way, as a list: so that it can end them all when it is closed. Needs no memory of its own, and
 * leaving costs the same however many there are. Knows nothing of what a call is. */
#ifndef OUTSIDE_CALLS_H
#define OUTSIDE_CALLS_H

#include <stddef.h>

/* A member of each call; CONTAINER_OF leads back to it. */
struct call_link {
    struct call_link *next, **at; /* at: what points to this one */
};

/* In front of the others. `first` stays where it is as long as there are calls. */
static inline void calls_enter(struct call_link **first, struct call_link *link)
{
    *link = (struct call_link){ .next = *first, .at = first };
    if (link->next != NULL)
        link->next->at = &link->next;
    *first = link;
}

static inline void calls_leave(struct call_link *link)
{
    *link->at = link->next;
    if (link->next != NULL)
        link->next->at = link->at;
}

#endif
