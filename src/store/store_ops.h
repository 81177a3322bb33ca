/* SPDX-License-Identifier: MIT
 * PORT, the backends' side: what a store implements behind store.h. Included by backends only; callers see store.h. Knows nothing of
 * any one backend. */
#ifndef STORE_STORE_OPS_H
#define STORE_STORE_OPS_H

#include "store/store_count.h"
#include "store/store_history.h"
#include "store/store_session.h"

struct loop;
struct answers;

/* What `recent` and `day` of struct store_stat mean. */
#define STORE_HOUR_MS (3600 * INT64_C(1000))
#define STORE_DAY_MS (24 * STORE_HOUR_MS)

/* place: see store_count.h. put: value (SV_NONE removes) for ttl_ms, the callback's value is SV_NONE. count: one more, which is the callback's value. Neither: get. */
struct store_value {
    struct sv name, value;
    int64_t ttl_ms;
    bool put, count;
    const struct store_place *place; /* NULL: none of that; name is its name too */
};

/* The same contracts as above, without the checks of arguments that store.c does (ids of 1 to STORE_ID_MAX bytes, lists not NULL when
 * their count is not 0, TTLs above 0). */
struct store_ops {
    const char *name;
    const struct store_history_ops *history; /* store_history.h */
    void (*load)(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg);
    void (*apply)(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg);
    void (*renew)(struct store *s, struct sv id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg);
    void (*list)(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg);
    void (*take)(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg);
    void (*ack)(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg);
    void (*recover)(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn,
                    void *arg);
    void (*letters)(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg);
    void (*value)(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg); /* put and get */
    void (*stat)(struct store *s, store_stat_fn *fn, void *arg);
    void (*session)(struct store *s, struct sv id, store_session_fn *fn, void *arg);
    void (*session_fill)(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg);
    void (*events)(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg);
    void (*event_say)(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg);
    int (*listen)(struct store *s, struct sv id, bool on); /* -1: memory, only when on */
    bool (*is_up)(const struct store *s);
    void (*close)(struct store *s);
};

/* Of what a change leaves behind; store.c has chosen first_version. Under 2^48: above that the switch keeps its own. */
static inline uint64_t store_next_version(const struct store_change *c)
{
    return c->forget ? 0 : c->expect_version > 0 ? c->expect_version + 1 : c->first_version;
}

/* Writes what->event with its number; tail: the log's last event, SV_NONE: there is none. True: it takes the place of that. */
struct buf;
bool store_event_number(struct buf *b, uint64_t seq, struct sv tail, const struct store_event_say *what);

/* So long the number of a conversation's last event outlives the conversation. */
#define STORE_LAST_MS STORE_DAY_MS

/* First member of every backend's own struct, which is zeroed before it is filled. A backend that hears an event calls on_event (NULL
 * until subscribed); one that hears of a conversation that is listened to calls on_push, the same. */
struct store {
    const struct store_ops *ops;
    const char *backend; /* for store_backend; the switch changes it */
    bool standing_in;    /* for store_is_standing_in, the same */
    bool spooling;       /* for store_is_spooling; only the switch sets it */
    struct loop *loop;   /* set by every open: store.c answers refused calls there */
    store_event_fn *on_event;
    void *event_arg;
    store_push_fn *on_push;
    void *push_arg;
    struct answers *refused; /* store.c's own */
};

#endif
