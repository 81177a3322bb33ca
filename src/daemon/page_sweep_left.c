/* SPDX-License-Identifier: MIT
 * One conversation that cannot be had does not hold up the others: it is left for now, and the sweep goes on. What was left keeps the sweep from counting as one that has come to its end, so it is made
 * again; what was taken to its end, and has not changed since, is not read again then. Several in a row are no matter of one conversation, but of those only which were not left the time before:
 * else as many that are bad for good, side by side, would hold up all that is behind them. */
#include "config.h"

#include "daemon/page_sweep_own.h"
#include "lib/log.h"

#define LEFT_MOST 3 /* in a row */

bool sweep_is_known(const struct swept_page *p, struct sv conversation_id, int64_t updated_ms)
{
    const struct sweep_known *k = &p->known;
    return k->done != NULL && k->since_ms <= p->run.since_ms && updated_ms < k->began_ms - SWEEP_CLOCKS_MS && map_find(k->done, conversation_id) != NULL;
}

bool sweep_was_left(const struct swept_page *p)
{
    return p->known.left != NULL && map_find(p->known.left, p->run.listed[p->run.at].id) != NULL;
}

void sweep_leave(struct swept_page *p, const char *why)
{
    struct sweep_run *r = &p->run;
    struct sv id = r->listed[r->at].id;
    log_warning("a conversation is left for now", "page_id", p->id, "conversation_id", id.p, "error", why, NULL);
    r->found.put_off++;
    if (map_put(r->left, id, p, NULL) != 0) {
        sweep_over(p, "memory is short");
        return;
    }
    if (!sweep_was_left(p) && ++r->left_in_row >= LEFT_MOST) {
        sweep_over(p, why);
        return;
    }
    arena_reset(r->a);
    r->items_n = r->taken = 0;
    r->read_more = false;
    sweep_read_next(p);
}

bool sweep_is_done(struct swept_page *p)
{
    p->run.left_in_row = 0;
    return map_put(p->run.done, p->run.listed[p->run.at].id, p, NULL) == 0;
}

void sweep_known_drop(struct swept_page *p)
{
    map_free(p->known.done);
    map_free(p->known.left);
    p->known = (struct sweep_known){ 0 };
}

static size_t count(const struct map *m)
{
    return m != NULL ? map_count(m) : 0;
}

/* What the time before knew more of stays as it is. */
void sweep_known_keep(struct swept_page *p)
{
    struct sweep_run *r = &p->run;
    struct sweep_known *k = &p->known;
    if (count(r->done) > 0 && count(r->done) >= count(k->done)) {
        map_free(k->done);
        k->done = r->done;
        k->began_ms = r->began_ms;
        k->since_ms = r->since_ms;
        r->done = NULL;
    }
    if (count(r->left) > 0) {
        map_free(k->left);
        k->left = r->left;
        r->left = NULL;
    }
}
