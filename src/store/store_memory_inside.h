/* SPDX-License-Identifier: MIT
 * What the files of the memory store share: conversations and open/close are in store_memory.c; listings, queues, dead letters,
 * small values and numbers in store_memory_queue.c; views and events in store_memory_session.c; history in store_memory_history.c. Knows nothing of what records mean. */
#ifndef STORE_STORE_MEMORY_INSIDE_H
#define STORE_STORE_MEMORY_INSIDE_H

#include "lib/map.h"
#include "store/answer.h"

struct list {
    struct sv *at; /* owned copies */
    size_t n, size;
};

struct conversation {
    uint64_t version;        /* 0: forgotten; its marks are still there */
    struct sv record, token; /* owned */
    int64_t lease_until_ms;
    struct map *marks; /* message id: struct timed */
    struct list pending, context;
    unsigned in;
    int64_t scores[STORE_PAUSED + 1]; /* by enum store_index; where it is not listed, what is there counts for nothing */
};

struct batch {
    struct batch *next; /* older first */
    enum store_queue queue;
    struct sv name, owner;
    struct list items;
};

struct letters {
    struct store_letter *at; /* owned copies, by id */
    size_t n, size;
};

struct memory {
    struct store store;
    struct answers *answers;
    struct map *conversations, *values;
    struct map *watched, *listened; /* store_memory_session.c's; listened: ids only */
    struct map *entries, *fields, *users, *figures, *preferences; /* store_memory_history.c's */
    struct list queues[STORE_QUEUES];
    struct letters dead;
    struct batch *batches; /* of all queues */
    size_t queue_max;      /* of message_queue */
    uint64_t batches_made;
};

static inline struct memory *memory_of(struct store *s)
{
    return CONTAINER_OF(s, struct memory, store);
}

/* Aborts when it is NULL. */
void *memory_need(void *p);
/* Puts a copy into the answer's arena. */
void memory_keep(struct answer *a, struct sv *s);
struct sv memory_copy(struct sv s);
void memory_drop(struct sv *s);
void memory_later(struct memory *m, const struct answer *a);
bool memory_is_listed(const struct conversation *c, enum store_index index);
/* What has not passed its time; SV_NONE. */
struct sv memory_timed_get(const struct map *m, struct sv key);
/* value SV_NONE removes. */
void memory_timed_put(struct map *m, struct sv key, struct sv value, int64_t ttl_ms);
void memory_timed_set(struct map *m, struct sv key, struct sv value, int64_t ttl_ms, bool same_end); /* same_end: of what is there */

void memory_list_add(struct list *l, struct sv owned);
/* Moves the first n to the end of `to`, or frees them. */
void memory_list_shift(struct list *l, size_t n, struct list *to);
const struct sv *memory_keep_all(struct answer *a, const struct sv *items, size_t n);
void memory_list_fini(struct list *l);
void memory_letter_add(struct memory *m, const struct store_letter *letter);
void memory_queue_fini(struct memory *m);
void memory_session_fini(struct memory *m);
/* How many views are cached. */
int64_t memory_sessions(struct memory *m);
/* What c->session asks for (which may be NULL); what forgetting takes along, and how many events those are. */
void memory_session_change(struct memory *m, const struct store_change *c);
int64_t memory_session_forget(struct memory *m, struct sv id);
void memory_history_init(struct memory *m);
void memory_history_fini(struct memory *m);
/* What c->history asks for (which may be NULL). */
void memory_history_change(struct memory *m, const struct store_change *c);
/* What c->erase takes along beside forgetting; adds to the counts. */
void memory_history_erase(struct memory *m, const struct store_change *c, struct store_erased *counts);
/* 0: not, or longer ago than is known. */
int64_t memory_erased_at(const struct memory *m, struct sv id);
extern const struct store_history_ops memory_history_ops;
/* Tells later that there may be news; id SV_NONE: of all conversations. */
void memory_push(struct memory *m, struct sv id);
/* Items of a queue's batches. */
size_t memory_queue_taken(const struct memory *m, enum store_queue q);

/* ---- operations ---- */

void memory_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg);
void memory_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg);
void memory_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg);
void memory_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn, void *arg);
void memory_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg);
void memory_value(struct store *s, const struct store_value *what, store_value_fn *fn, void *arg);
void memory_stat(struct store *s, store_stat_fn *fn, void *arg);
void memory_session(struct store *s, struct sv id, store_session_fn *fn, void *arg);
void memory_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg);
void memory_events(struct store *s, struct sv id, uint64_t after, store_events_fn *fn, void *arg);
void memory_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg);
int memory_listen(struct store *s, struct sv id, bool on);

#endif
