/* SPDX-License-Identifier: MIT
 * See page_peers.h. There are as many as there are rows: a list will do. */
#include "config.h"

#include "turn/page_peers.h"

void page_peers_enter(struct page_peers *all, struct page_peer *one)
{
    one->next = all->first;
    one->at = &all->first;
    if (one->next != NULL)
        one->next->at = &one->next;
    all->first = one;
}

void page_peers_leave(struct page_peer *one)
{
    if (one->at == NULL)
        return;
    *one->at = one->next;
    if (one->next != NULL)
        one->next->at = one->at;
    one->at = NULL;
}

static const struct page_peer *find(const struct page_peers *all, struct sv page_id)
{
    const struct page_peer *found = NULL;
    for (const struct page_peer *one = all->first; one != NULL; one = one->next) {
        bool only = one->page_id != NULL;
        if (only ? sv_eq(sv_from(one->page_id), page_id) && pages_has(one->pages, page_id) : found == NULL && pages_has(one->pages, page_id))
            found = one;
        if (found == one && only)
            break;
    }
    return found;
}

struct pages *page_peers_find(const struct page_peers *all, struct sv page_id)
{
    const struct page_peer *found = find(all, page_id);
    return found != NULL ? found->pages : NULL;
}

struct each {
    const struct page_peers *all;
    const struct page_peer *one;
    page_peers_fn *fn;
    void *arg;
};

/* Whoever is found for a page tells it. */
static void tell(void *arg, struct sv page_id)
{
    const struct each *e = arg;
    if (find(e->all, page_id) == e->one)
        e->fn(e->arg, e->one->pages, page_id);
}

void page_peers_each(const struct page_peers *all, page_peers_fn *fn, void *arg)
{
    for (const struct page_peer *one = all->first; one != NULL; one = one->next) {
        struct each e = { all, one, fn, arg };
        if (one->page_id != NULL)
            tell(&e, sv_from(one->page_id));
        else
            pages_each(one->pages, tell, &e);
    }
}
