/* SPDX-License-Identifier: MIT
 * What page_sweep.c (when, and who), page_sweep_read.c (calls of the page API), page_sweep_take.c (messages), page_sweep_left.c (what is left for now) and page_sweep_tell.c (what was done) share. Nobody else includes this. */
#ifndef DAEMON_PAGE_SWEEP_OWN_H
#define DAEMON_PAGE_SWEEP_OWN_H

#include "daemon/page_sweep.h"
#include "lib/json.h"
#include "lib/map.h"
#include "store/store_count.h"
#include "turn/page_platform.h"

#define SWEEP_RUN 300    /* messages of one conversation that are put in order */
#define SWEEP_PAGE_ID_MAX 200
#define SWEEP_CLOCKS_MS 120000 /* between the clocks of two services */

enum sweep_value { SWEEP_DEFERRED, SWEEP_BEHIND, SWEEP_SEEN, SWEEP_SWEPT };
#define SWEEP_VALUES (SWEEP_SWEPT + 1)

struct swept_page;

/* One call of the page API. It may never be answered: its client is closed when a row of `platforms` changes. */
struct sweep_call {
    struct swept_page *page; /* NULL: nobody waits for it any more */
    struct sweep_call *next, **at;
};

struct sweep_listed {
    struct sv id, about; /* about: what a webhook says of the conversation */
};

struct sweep_item {
    struct sv event; /* as a webhook brings it */
    bool page;       /* the page wrote it ... */
    bool removed;    /* ... and took it back */
};

/* One sweep of one page. All of it is dropped at its end. */
struct sweep_run {
    int64_t began_ms, since_ms, base_ms; /* wall; base: from when on something may be missing, since: a bit before */
    /* the listing */
    struct map *visited; /* conversations ... */
    struct map *done, *left; /* ... all of which was taken, or need not be; and that are left for now */
    unsigned left_in_row;    /* that were not left the time before */
    struct arena *list;  /* of one page of it */
    struct sweep_listed *listed;
    size_t n, at;
    struct buf cursor;
    int64_t pass_since_ms, pass_began_ms, oldest_ms, until_ms;
    unsigned passes, pages;
    bool more; /* there may be more */
    void (*step)(struct swept_page *p); /* the call that a place is wanted for */
    int64_t wanted_mono_ms, ahead_max_ms; /* one has been waited for since; 0: none is. So far ahead one is given at most */
    int64_t place_mono_ms;
    int row; /* that is being moved */
    int64_t wait_ms; /* by so much */
    /* a conversation's messages */
    struct arena *a;
    struct sweep_item *items; /* newest first */
    size_t items_n, taken;
    size_t persons;       /* the first item that a person wrote; items_n: none of them. What stands behind it was written before, and is answered */
    bool persons_before;  /* a person wrote one of those that were taken before, which are newer than all of these */
    unsigned read_n;
    bool read_more;
    unsigned again; /* how often the call under way was made in vain */
    unsigned limited;
    struct page_sweep_found found;
};

/* Of the last sweep that has not come to its end. Maps may be NULL. */
struct sweep_known {
    struct map *done, *left; /* conversations, as in the run */
    int64_t began_ms, since_ms; /* when those that are done were */
};

struct swept_page {
    struct page_sweep *all;
    char id[SWEEP_PAGE_ID_MAX + 1], bot_id[MESSAGE_ID_MAX + 1];
    struct loop_timer *timer;
    void (*then)(struct swept_page *p); /* when it fires */
    bool busy, running;                 /* a look is under way; a sweep is, and the lease is ours */
    int64_t look_mono_ms, next_mono_ms, not_before_mono_ms;
    int64_t asked_mono_ms, renewed_mono_ms, held_until_mono_ms; /* the lease */
    int64_t wish_ms; /* wall: when something happened that wants a sweep; 0: nothing did */
    unsigned tries;
    enum sweep_value reading;
    int64_t value[SWEEP_VALUES];
    struct sweep_call *call;
    struct sweep_known known;
    struct sweep_run run;
};

struct page_sweep {
    struct page_sweep_options o;
    struct loop_timer *tick;
    struct map *pages;
    struct sweep_call *calls;
    size_t out; /* questions to store and turns that are not answered */
    size_t running;
    struct page_sweep_stat stat; /* but for what is there now */
    bool was_up, stopping, ended;
    void (*stopped)(void *arg);
    void *stopped_arg;
};

/* page_sweep.c */
struct sv sweep_name(char out[STORE_ID_MAX + 1], const struct swept_page *p, const char *what);
/* Before a question to store or turns, and in its answer; false: the sweep is over, it has ended itself. */
void sweep_ask(struct swept_page *p);
bool sweep_heard(struct swept_page *p);
void sweep_after(struct swept_page *p, int64_t ms, void (*then)(struct swept_page *p));
/* The run is over: why NULL: all of it was done. */
void sweep_over(struct swept_page *p, const char *why);

/* page_sweep_read.c */
void sweep_read_begin(struct swept_page *p);
/* Behind what was taken: the conversation's older messages, or the next one. */
void sweep_read_on(struct swept_page *p);
/* Whatever there may be more of this one. */
void sweep_read_next(struct swept_page *p);

/* page_sweep_take.c */
enum sweep_age { SWEEP_NEW, SWEEP_OLD, SWEEP_NO_ROOM };
/* Keeps what is to be taken of a message. NO_ROOM: the run is full. */
enum sweep_age sweep_keep(struct swept_page *p, json_t *message);
/* Submits what was kept, in its order, then sweep_read_on. */
void sweep_take(struct swept_page *p);

/* page_sweep_left.c */
/* The one that is read cannot be had now: what was kept of it is dropped, then sweep_read_next; or the sweep is over. */
void sweep_leave(struct swept_page *p, const char *why);
/* It was left the time before, too: one try is enough. */
bool sweep_was_left(const struct swept_page *p);
/* All of it was taken. False: memory is short. */
bool sweep_is_done(struct swept_page *p);
/* It was taken the time before, and has not changed since. */
bool sweep_is_known(const struct swept_page *p, struct sv conversation_id, int64_t updated_ms);
/* At the end of a run, for the next one: it was in vain, or it was not. */
void sweep_known_keep(struct swept_page *p);
void sweep_known_drop(struct swept_page *p);

/* page_sweep_tell.c */
/* At the end of a sweep; why NULL: all of it was done. */
void sweep_tell(struct swept_page *p, const char *why);

#endif
