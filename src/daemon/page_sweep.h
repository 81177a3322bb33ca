/* SPDX-License-Identifier: MIT
 * Fetches from Pancake what no webhook has brought (docs/peers.md, section 3): of each page that there is a token for, when the daemon starts, when the store has come
 * back, when a responder has left "deferred", and every so often. What is found is treated as if it had come by webhook, so nothing is taken twice. Any number of
 * daemons may do this: one at a time sweeps a page, under a lease in the store. In the store, in milliseconds since 1970, beside what api/webhook_pages.h names:
 *   page:<id>:behind   from when on something may be missing: what "deferred" said when a sweep began that has not come to its end, or where one began that left a conversation
 *   page:<id>:swept    when the last sweep began that came to its end
 *   page:<id>:sweeper  the lease */
#ifndef DAEMON_PAGE_SWEEP_H
#define DAEMON_PAGE_SWEEP_H

#include "store/store.h"
#include "turn/message.h"
#include "turn/page_peers.h"
#include "turn/turn.h"

struct loop;
struct page_sweep;

/* Whether the page's messages are answered here; bot_id "": by the default bot. */
typedef bool page_sweep_bot_fn(void *arg, struct sv page_id, char bot_id[MESSAGE_ID_MAX + 1]);

struct page_sweep_found {
    uint64_t conversations, messages; /* that were read */
    uint64_t accepted;   /* of those messages: not known before ... */
    uint64_t answered;   /* ... among them the customer's that a person had answered */
    uint64_t duplicates, own, left; /* known; echoes of ours; nothing becomes of them */
    uint64_t unread;     /* conversations and messages that cannot be read: the log says which */
    uint64_t put_off;    /* conversations that were left for now: so does it */
};

/* Of this process, since its start. */
struct page_sweep_stat {
    uint64_t swept, cut; /* sweeps that came to their end, and others: those are made again */
    size_t pages, due, running; /* known; of those: to be swept, since something has happened; being swept now */
    struct page_sweep_found found;
};

struct page_sweep_options {
    struct loop *loop;
    struct store *store;
    struct turns *turns;
    const struct page_peers *peers; /* must live as long, as the others */
    page_sweep_bot_fn *bot;
    void *bot_arg;
    int64_t every_ms;         /* PANCAKE_SWEEP_MINUTES; 0: only after outages */
    int64_t calls_per_second; /* PANCAKE_CALLS_PER_SECOND */
    int64_t look_ms;          /* between two looks for "deferred"; 0: 5,000 */
    int64_t retry_ms;         /* after a failure, at first; 0: 2,000 */
    int64_t row_ms;           /* so long a place for one call is waited for; 0: 900,000 */
    unsigned read_most;       /* once so many messages of a conversation were read, what is older is left, for good; 0: 20,000 */
};
struct page_sweep *page_sweep_new(const struct page_sweep_options *o) MUST_CHECK; /* NULL: memory */
/* From a reload. */
void page_sweep_set(struct page_sweep *s, int64_t every_ms, int64_t calls_per_second);
/* Events may have been missed: all pages, now. */
void page_sweep_all(struct page_sweep *s);
void page_sweep_stat(const struct page_sweep *s, struct page_sweep_stat *out);
/* Nothing is begun any more; what runs ends where it is, and its leases are given back; fn when the store has answered all of that. */
void page_sweep_stop(struct page_sweep *s, void (*fn)(void *arg), void *arg);
/* No timer fires any more, whatever is under way: before turns, store and the pages' clients are closed. NULL is allowed. */
void page_sweep_end(struct page_sweep *s);
/* After those. NULL is allowed. */
void page_sweep_free(struct page_sweep *s);

#endif
