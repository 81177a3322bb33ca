/* SPDX-License-Identifier: MIT
 * What the contract test of the stores is made of: a backend says how to open an empty store, a rig holds one open
 * store and asks it one thing at a time, a case checks one promise of store.h on whatever backend the rig has.
 * Times in cases: what must still be there gets LONG_MS, what must be gone gets SHORT_MS and rig_pass(). So a backend
 * with a fake clock and one with a real clock run the same cases. */
#ifndef T_STORE_CONTRACT_H
#define T_STORE_CONTRACT_H

#include "lib/arena.h"
#include "lib/loop.h"
#include "store/store_backends.h"
#include "store/store_count.h"
#include "store/store_history.h"
#include "store/store_session.h"
#include "t/tap.h"

#define LONG_MS 600000
#define SHORT_MS 40
#define BIG 65536

struct rig;

struct backend {
    const char *name;
    /* Starts what it needs. False: not to be had here (why in *why). */
    bool (*start)(struct rig *r, const char **why);
    void (*stop)(struct rig *r);
    void (*wipe)(struct rig *r); /* before each case: nothing is left of the last one; no store is open */
    /* bound: about so many queue items of 1,000 bytes; 0: no bound */
    struct store *(*open)(struct rig *r, size_t bound);
    void (*cut_lock)(struct rig *r, const char *id); /* a person deletes lock:<id>; NULL: done by an apply */
    bool real_clock;
    bool shared; /* a second open() sees the same state */
};

struct call;

struct rig {
    const struct backend *backend;
    void *own; /* the backend's */
    struct loop *loop;
    struct store *s;     /* opened before each case */
    struct arena *arena; /* copies of what was answered; reset after each case */
    struct call *calls;  /* all calls of the case: each must have been answered once */
    bool inside;         /* a call has not returned yet */
    unsigned heard;      /* events since the case began */
    unsigned connected;  /* SV_NONE among them */
    struct sv event;     /* the last one */
    unsigned pushes;     /* of conversations, since the case began */
    unsigned pushed_all; /* SV_NONE in their place */
    struct sv push_id, push_event; /* the last one */
};

/* One call's answer; waits for it. */
struct call {
    struct call *next;
    struct rig *r;
    unsigned answers;
    enum store_status status;
    struct store_view view;
    struct store_applied applied;
    struct store_batch batch;
    struct store_stat stat;
    struct store_session session;
    struct store_events events;
    struct store_history history;
    const struct store_user_session *sessions; /* n of them */
    const struct store_pair *pairs;            /* the same */
    int64_t at_ms;
    struct sv value;
    struct store_listing listing;
    const struct sv *items; /* ids of the listing */
    const struct store_letter *letters;
    size_t n; /* of the listing, the letters, the sessions or the pairs */
    int64_t next_ms;
};

extern uint64_t rig_versions; /* what the store adds to every version but 0: cases see and give plain ones */
struct call *rig_call(struct rig *r); /* a new one, for calls of a case's own; NULL-safe in none of its fields */
void rig_wait(struct rig *r, const struct call *c);
bool rig_until(struct rig *r, bool (*done)(struct rig *r, void *arg), void *arg); /* false: not in 20 s */
void rig_pass(struct rig *r, int64_t ms);
/* The callbacks that fill a struct call. */
void rig_loaded(void *arg, enum store_status status, const struct store_view *view);
void rig_applied(void *arg, enum store_status status, const struct store_applied *applied);
void rig_status(void *arg, enum store_status status);
void rig_list(void *arg, enum store_status status, const struct store_listing *listing);
void rig_letters(void *arg, enum store_status status, const struct store_letter *letters, size_t n);
void rig_batch(void *arg, enum store_status status, const struct store_batch *batch);
void rig_value(void *arg, enum store_status status, struct sv value);
void rig_stat(void *arg, enum store_status status, const struct store_stat *stat);
void rig_event(void *arg, struct sv event);
void rig_session(void *arg, enum store_status status, const struct store_session *session);
void rig_events(void *arg, enum store_status status, const struct store_events *events);
void rig_history(void *arg, enum store_status status, const struct store_history *h);
void rig_user(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n);
void rig_pairs(void *arg, enum store_status status, const struct store_pair *pairs, size_t n);
void rig_erased(void *arg, enum store_status status, int64_t at_ms);
void rig_push(void *arg, struct sv id, struct sv event);

/* Ask and wait. `load` reads mark "m" and the lists; load_of another mark. */
const struct store_view *load(struct rig *r, const char *id);
const struct store_view *load_of(struct rig *r, struct sv id, struct sv message_id);
struct call *apply(struct rig *r, const struct store_change *c);
enum store_status renew(struct rig *r, const char *id, const char *token, int64_t ttl_ms);
struct call *due(struct rig *r, size_t max);
struct call *list(struct rig *r, const struct store_list *what);
struct call *letters(struct rig *r, const struct store_letters *what);
const struct store_batch *take(struct rig *r, const char *owner, size_t max);
const struct store_batch *take_of(struct rig *r, enum store_queue q, const char *owner, size_t max);
enum store_status ack(struct rig *r, const struct store_ack *a);
enum store_status recover(struct rig *r, const char *dead); /* owners that start with `dead` are */
enum store_status recover_of(struct rig *r, enum store_queue q, const char *dead);
enum store_status put(struct rig *r, const char *name, const char *value, int64_t ttl_ms);
struct sv get(struct rig *r, const char *name);
struct sv count(struct rig *r, const char *name, int64_t ttl_ms);
const struct store_stat *stat_of(struct rig *r);
const struct store_session *session_of(struct rig *r, const char *id);
enum store_status session_fill(struct rig *r, const struct store_session_fill *what);
const struct store_events *events_of(struct rig *r, const char *id, uint64_t after);
const struct store_history *history_of(struct rig *r, const char *id, const char *user_id); /* NULL: none */
/* As "session: field=value ...; ...", sorted by session and field; the same without a session. */
struct sv user_of(struct rig *r, const char *user_id);
struct sv figures_of(struct rig *r, const char *day);
struct sv preferences_of(struct rig *r, const char *user_id);
struct sv fields_of(struct rig *r, const struct store_pair *pairs, size_t n);
int64_t erased_at(struct rig *r, const char *id);
/* All that message_queue (or another) still has, in order, joined by commas; acknowledged. */
struct sv drain(struct rig *r);
struct sv drain_of(struct rig *r, enum store_queue q);
struct sv joined(struct rig *r, const struct sv *items, size_t n);

/* A change that does nothing but write a record at version + 1. apply() fills in record "r", LONG_MS for marks and that new
 * records begin at 1 where the case does not say. */
#define CHANGE(id, expect, ...)                                                                                        \
    ((struct store_change){ .conversation_id = sv_from(id), .expect_version = (expect), __VA_ARGS__ })
struct store_change filled(const struct store_change *c);
#define LIST(...)                                                                                                      \
    (const struct sv[])                                                                                                \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

struct rig_case {
    const char *name;
    void (*run)(struct rig *r);
    size_t bound; /* for open */
    bool needs_shared;
};

/* end with a NULL name */
extern const struct rig_case conversation_cases[], queue_cases[], place_cases[], callback_cases[], list_cases[], session_cases[],
    history_cases[], erase_cases[], odd_cases[];
extern const struct backend *const backends[]; /* ends with NULL */

#endif
