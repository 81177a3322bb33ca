/* SPDX-License-Identifier: MIT
 * PORT: what all processes share and what must change in one step. Knows conversations only as an id, an opaque record and the
 * lists around it; what they mean is decided in turn/.
 *
 * The life of a message, seen from here:
 *   store_load   record, version, lease, dedupe mark, pending, context, the store's clock      (one round trip)
 *   store_apply  everything that a decision changes, in one atomic unit, or nothing             (one round trip)
 *   store_renew  while the AI works
 *   store_apply  the gate, then the end
 * Beside them: listings (who needs the daemon, who is active), two queues (take, ack), dead letters, small values (jobs), events; sessions
 *
 * All calls are asynchronous and belong to the loop's thread. The callback comes exactly once, never from inside the call,
 * and never later than the backend's command timeout. What a callback receives is borrowed until it returns. Arguments
 * are borrowed until the call returns. "Down" says nothing about whether the store did it: apply it again with the same
 * expected version, or load. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/sv.h"

struct store;

/* Bytes of a conversation id, message id or owner (the limit of the contract). A longer or an empty one is answered FULL. */
#define STORE_ID_MAX 256

enum store_status {
    STORE_DONE,
    STORE_CONFLICT,   /* the version is another: load and decide again */
    STORE_LEASE_LOST, /* the needed token is not in the lock */
    STORE_DUPLICATE,  /* the mark that was to be new is there already: nothing changed */
    STORE_FULL,       /* out of memory or over a bound; nothing changed */
    STORE_DOWN,       /* no answer in time, or none at all */
};

/* ---- one conversation ---- */
struct store_load {
    struct sv conversation_id;
    struct sv message_id; /* whose dedupe mark to read; SV_NONE: none */
    bool want_lists;      /* pending and context too */
};

struct store_view {
    uint64_t version; /* 0: no record */
    struct sv record;
    struct sv lease_token; /* what stands in lock:<id>; SV_NONE: nobody holds it */
    int64_t lease_left_ms; /* 0 when nobody holds it */
    struct sv mark;        /* SV_NONE: unknown message */
    const struct sv *pending, *context; /* arrival order; oldest first */
    size_t pending_n, context_n;
    int64_t now_ms; /* the store's clock, wall time */
};

enum store_lease {
    STORE_LEASE_KEEP = 0, /* as it is */
    STORE_LEASE_TAKE,     /* set to lease_token for lease_ttl_ms, whatever stood there */
    STORE_LEASE_DROP,     /* remove, whatever stood there */
};

/* Which listings the conversation is in after the change (activity is always one of them). */
#define STORE_IN_ACTIVE 1u  /* a turn runs; score: when it began */
#define STORE_IN_WAITING 2u /* messages wait for an answer; score: arrival of the oldest */
#define STORE_IN_PAUSED 4u  /* the bot is silent; score: until when */

struct store_pair { struct sv key, value; };

/* Something that was given up. Ids are UUIDs of version 7 (id_uuid): their order is their age. */
struct store_letter { struct sv id, item; };

struct store_change {
    struct sv conversation_id;
    uint64_t expect_version; /* 0: there must be no record */
    uint64_t first_version;  /* where a new record begins; 0: at random, so that no version of a forgotten one comes again */
    struct sv need_token;    /* this token must stand in the lock; SV_NONE: not asked */
    struct sv record;        /* the new record; its version becomes expect_version + 1, or first_version */
    enum store_lease lease;
    struct sv lease_token;
    int64_t lease_ttl_ms;

    struct store_pair mark_new;      /* key: message id; DUPLICATE when it exists. key SV_NONE: none */
    const struct store_pair *marks;  /* overwritten without question */
    size_t marks_n;
    int64_t mark_ttl_ms;

    struct sv pending_add;         /* one item behind the last; SV_NONE: none */
    const struct sv *pending_more; /* and these behind it: a request may bring several messages */
    size_t pending_more_n, pending_drop; /* after that, pending_drop from the front are removed ... */
    bool pending_drop_to_context; /* ... and appended to the context, in order */
    const struct sv *context_add; /* appended after those */
    size_t context_add_n;
    size_t context_max; /* when something is appended, older entries are cut to this many; 0: none are */

    const struct sv *queue_add, *callbacks_add; /* to message_queue, to callback_queue */
    const struct store_letter *letters;         /* to message_queue:dead */
    size_t queue_add_n, callbacks_add_n, letters_n;
    struct store_pair job; /* value with a TTL under job:<key>; key SV_NONE: none */
    int64_t job_ttl_ms;

    int64_t due_ms; /* when the conversation needs the daemon (store clock); 0: not at all */
    unsigned in;    /* STORE_IN_* */
    int64_t activity_ms, active_ms, waiting_ms, paused_ms; /* scores, store clock */
    const struct store_session_change *session; /* see store_session.h; NULL: nothing */
    const struct store_history_change *history; /* see store_history.h, as the next two */
    const struct store_erase *erase;
    int64_t decided_ms; /* store time of the decision; 0: not said */
    struct sv event; /* told to every subscriber after the change; SV_NONE: none */
    bool finishing;  /* a turn's gate or end: allowed even when admission of new things is refused (out of memory) */

    bool forget; /* removes record, lists, lock and listings; dedupe marks and jobs stay until their TTL. Besides it only conversation_id,
                    expect_version and event count. 0: what a lost record left behind; CONFLICT when messages are pending */
};

struct store_applied {
    uint64_t version; /* 0 when it is forgotten */
    struct sv mark;   /* DUPLICATE: the mark that is there */
    int64_t now_ms;   /* store clock */
};

typedef void store_load_fn(void *arg, enum store_status status, const struct store_view *view); /* view only on DONE */
typedef void store_apply_fn(void *arg, enum store_status status, const struct store_applied *applied); /* DONE, DUPLICATE */
typedef void store_status_fn(void *arg, enum store_status status);

void store_load(struct store *s, const struct store_load *what, store_load_fn *fn, void *arg);
void store_apply(struct store *s, const struct store_change *change, store_apply_fn *fn, void *arg);
/* Lease, due time and the record's deadline move to now + ttl when the token stands in the lock, else LEASE_LOST. The record's version
 * stays. */
void store_renew(struct store *s, struct sv conversation_id, struct sv token, int64_t ttl_ms, store_status_fn *fn, void *arg);

/* ---- listings ---- */
/* Each apply keeps them up to date. What one call costs depends on what it returns, never on how many are listed. */
enum store_index {
    STORE_DUE, STORE_ACTIVITY, /* scores: when the conversation needs the daemon; activity_ms, of every conversation */
    STORE_ACTIVE, STORE_WAITING, STORE_PAUSED, /* see STORE_IN_* */
};
struct store_list {
    enum store_index index;
    bool newest_first;      /* highest score first, ids descending within one; else lowest first, ids ascending */
    bool until_now;         /* only scores up to the store's clock; next_ms is wanted */
    int64_t min_ms, max_ms; /* scores, both included; 0: no bound */
    struct sv after_id;     /* go on behind this one, which need not be listed any more; SV_NONE: from the start */
    int64_t after_ms;
    size_t max;
    bool want_records;
};

struct store_listed {
    struct sv id, record; /* record SV_NONE: not wanted, or forgotten meanwhile */
    int64_t score_ms;
};

struct store_listing {
    const struct store_listed *items;
    size_t n;
    int64_t now_ms;  /* store clock */
    int64_t next_ms; /* until_now: milliseconds until the next one's score (-1: none), when all up to now were returned */
};
typedef void store_list_fn(void *arg, enum store_status status, const struct store_listing *listing); /* listing only on DONE */
void store_list(struct store *s, const struct store_list *what, store_list_fn *fn, void *arg);

/* ---- queues ---- */
/* message_queue: history items, for the archive; it has a bound. callback_queue: results of jobs, for callback URLs. */
enum store_queue { STORE_QUEUE_MESSAGES, STORE_QUEUE_CALLBACKS };
#define STORE_QUEUES (STORE_QUEUE_CALLBACKS + 1)

#define STORE_TAKE_BYTES (8u << 20)
#define STORE_ITEM_BYTES (64u << 20) /* who else pushes to the list in Redis may not know */
/* Moves up to `max` items out of the queue into the batch `owner:number` (chosen by the store) and returns them; no more once they have STORE_TAKE_BYTES
 * together. An item with more than STORE_ITEM_BYTES has become a text, no JSON, that says so. A batch stays until it is acknowledged: also when this
 * process dies; then store_recover gives it back to the queue's front. */
struct store_batch {
    struct sv name; /* "" when there was nothing to take */
    const struct sv *items;
    size_t n;
    size_t left; /* still in the queue */
};
typedef void store_take_fn(void *arg, enum store_status status, const struct store_batch *batch);
void store_take(struct store *s, enum store_queue q, struct sv owner, size_t max, store_take_fn *fn, void *arg);
/* Forgets the batch. `dead` letters (with their reason inside, made by the caller) go to message_queue:dead whichever queue it is, `again`
 * items back to the queue's front, in the same step. */
struct store_ack {
    enum store_queue queue;
    struct sv batch;
    const struct store_letter *dead;
    const struct sv *again;
    size_t dead_n, again_n;
};
void store_ack(struct store *s, const struct store_ack *ack, store_status_fn *fn, void *arg);
/* Gives back the batches of owners for which is_dead(arg, owner) says true. */
typedef bool store_dead_fn(void *arg, struct sv owner);
void store_recover(struct store *s, enum store_queue q, store_dead_fn *is_dead, void *dead_arg, store_status_fn *fn, void *arg);

/* ---- dead letters ---- */
enum store_letters_op {
    STORE_LETTERS_LIST, /* up to `max`, newest first, behind `id` (SV_NONE: from the newest) */
    STORE_LETTERS_GET, STORE_LETTERS_DROP,
    STORE_LETTERS_AGAIN, /* drops the letter and appends `item` to `queue`, in one step */
};
struct store_letters {
    enum store_letters_op op;
    enum store_queue queue;
    struct sv id, item;
    size_t max;
};
#define STORE_LIST_BYTES (16u << 20)
/* letters: what was listed, or the one that was found (and dropped); n = 0: there is none of that id. A list with STORE_LIST_BYTES ends; there is one
 * more letter then, whose item is left out (""), so that whoever lists knows that there is more. */
typedef void store_letters_fn(void *arg, enum store_status status, const struct store_letter *letters, size_t n);
void store_letters(struct store *s, const struct store_letters *what, store_letters_fn *fn, void *arg);

/* ---- small values (jobs, heartbeats) ---- */

/* value SV_NONE removes. Names have their prefix: "job:<id>", "daemon:<owner>". */
void store_put(struct store *s, struct sv name, struct sv value, int64_t ttl_ms, store_status_fn *fn, void *arg);
typedef void store_value_fn(void *arg, enum store_status status, struct sv value); /* SV_NONE: not there */
void store_get(struct store *s, struct sv name, store_value_fn *fn, void *arg);

/* ---- numbers ---- */
struct store_stat {
    bool up;
    int64_t conversations, active, waiting, paused, due;
    int64_t recent, day; /* conversations with activity in the last hour, in the last 24 */
    int64_t queue, queue_taken, callbacks, callbacks_taken, dead, sessions; /* sessions: cached views */
    const struct sv *heads; /* the first items of message_queue and of its batches: nothing older is unarchived */
    size_t heads_n;
    int64_t now_ms; /* store clock */
    struct sv text; /* JSON object with the backend's own figures */
};
typedef void store_stat_fn(void *arg, enum store_status status, const struct store_stat *stat);
void store_stat(struct store *s, store_stat_fn *fn, void *arg);

/* ---- events ---- */
/* fn for every event that any process published with an apply, and once with SV_NONE after each (re)connection, since events may have
 * been missed: whoever waits for something reads it again. One subscriber a store. An event may be several lines, '\n' between
 * them, in all 1 KiB and more: it comes as it was given, the subscriber splits it. */
typedef void store_event_fn(void *arg, struct sv event);
void store_subscribe(struct store *s, store_event_fn *fn, void *arg);

/* What held the last operation: "Redis", "SQLite", "Memory". */
const char *store_backend(const struct store *s);
/* False while the backend is known to be unreachable: calls answer DOWN at once. */
bool store_is_up(const struct store *s);
/* True while messages are only to be accepted, not worked on (STORE_FALLBACK=spool while the shared store is away). */
bool store_is_spooling(const struct store *s);
/* True while another store stands in for the one that knows all messages: what is unknown here may have been answered before. */
bool store_is_standing_in(const struct store *s);
/* Waiting calls are answered DOWN before it returns. NULL is allowed. */
void store_close(struct store *s);

#endif
