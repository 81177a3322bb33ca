/* SPDX-License-Identifier: MIT
 * The pages that this process has a token for, whether the settings or a row of `platforms` give it: for webhooks (whose page is this?) and for the sweep (which
 * pages are there?). The clients belong to whoever entered them. Loop thread only. */
#ifndef TURN_PAGE_PEERS_H
#define TURN_PAGE_PEERS_H

#include "outside/pages.h"

/* Part of who opened `pages`. */
struct page_peer {
    struct pages *pages;
    const char *page_id; /* the one page that it is for; NULL: all that `pages` has */
    struct page_peer *next, **at;
};

/* Zeroed: none. Stays where it is while there are any. */
struct page_peers {
    struct page_peer *first;
};

void page_peers_enter(struct page_peers *all, struct page_peer *one);
/* Before its client is closed. Harmless when it was not entered. */
void page_peers_leave(struct page_peer *one);
/* Whom to ask about this page: one that is for it alone, else one that has it among others. NULL: nobody has a token for it. */
struct pages *page_peers_find(const struct page_peers *all, struct sv page_id);
/* fn(arg, client, page_id) once for each page that is known by name, with what page_peers_find gives. fn may not enter or leave any. */
typedef void page_peers_fn(void *arg, struct pages *pages, struct sv page_id);
void page_peers_each(const struct page_peers *all, page_peers_fn *fn, void *arg);

#endif
