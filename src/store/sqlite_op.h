/* SPDX-License-Identifier: MIT
 * One call of the port on its way through the SQLite store: the loop's thread fills in the question (copied), the
 * store's thread runs it inside a transaction that it shares with others, the answer goes back. Knows nothing of
 * threads. An operation decides by reading before it writes anything, so that one that is refused leaves the others'
 * transaction clean. */
#ifndef STORE_SQLITE_OP_H
#define STORE_SQLITE_OP_H

#include "store/answer.h"
#include "store/sqlite_db.h"

enum op_kind {
    OP_LOAD,
    OP_APPLY,
    OP_RENEW,
    OP_LIST,
    OP_TAKE,
    OP_ACK,
    OP_OWNERS, /* recover, first half: whose batches there are (ANSWER_OTHER: struct owners) */
    OP_RECOVER,
    OP_LETTERS,
    OP_LETTERS_CHANGE,
    OP_PUT,
    OP_GET,
    OP_COUNT,
    OP_PLACE,
    OP_STAT,
    OP_SESSION,
    OP_SESSION_FILL,
    OP_EVENTS,
    OP_HISTORY,
    OP_USER,
    OP_FIGURES,
    OP_PREFERENCES_PUT,
    OP_PREFERENCES,
    OP_ERASED_AT,
    OP_WHOLE, /* for store_merge, see sqlite_merge.h */
    OP_FORGET,
    OP_STOCK,
    OP_TASTES,
};

struct op {
    struct op *next; /* in whichever list has it */
    enum op_kind kind;
    struct answer *answer;
    struct arena *arena; /* the question's copies */
    union {
        struct store_load load;
        struct store_change apply;
        struct {
            struct sv id, token;
            int64_t ttl_ms;
        } renew;
        struct store_list list;
        struct store_letters letters;
        struct {
            enum store_queue queue;
            struct sv owner;
            size_t max;
        } take;
        struct store_ack ack;
        struct {
            enum store_queue queue; /* of OP_OWNERS too */
            const struct sv *owners;
            size_t n;
        } recover;
        struct store_value value; /* put, get, count, place */
        struct store_session_fill fill;
        struct {
            struct sv id; /* of OP_SESSION too */
            uint64_t after;
        } events;
        struct {
            struct sv id, user_id; /* id: of OP_ERASED_AT too, and the day of OP_FIGURES; user_id: of the others */
            const struct store_pair *pairs;
            size_t n;
        } history;
        struct {
            struct sv id, key;
            bool merged;
        } forget;
    } ask;

    struct op *asked_prev, *asked_next; /* loop's thread: all that have not been told, oldest first */
    int64_t deadline_ms;                /* monotonic */
    bool taken;                         /* by the store's thread (guarded by its mutex) */
    bool told;                          /* its time was up; the answer will be thrown away */
};

struct queue_counts {
    int64_t free, taken, bytes; /* items that wait, in batches; bytes of both */
    int64_t head, next;         /* number of the first one that was never taken; of the next one to come */
};

/* The row state_counts. */
union counts {
    struct {
        int64_t conversations, active, waiting, paused, due, dead;
        int64_t batch_next, event_next, conversation_next;
        struct queue_counts queues[STORE_QUEUES];
    };
    int64_t all[9 + 5 * STORE_QUEUES];
};

/* A transaction, as operations see it. */
struct session {
    struct db *db;
    union counts counts; /* read at its begin, written at its end when changed */
    int64_t queue_max_bytes;
    bool wipe; /* something was erased: the file is to be wiped after the transaction */
};

/* Copies the arguments that `op` points to into its arena. -1: memory is short. */
int op_keep(struct op *op) MUST_CHECK;
void op_free(struct op *op);
bool op_writes(const struct op *op);

/* 0: answered (op->answer); -1: the database failed, see db_trouble. */
int op_run(struct session *x, struct op *op) MUST_CHECK;
int op_load(struct session *x, struct op *op) MUST_CHECK;
int op_apply(struct session *x, struct op *op) MUST_CHECK;
int op_renew(struct session *x, struct op *op) MUST_CHECK;
int op_list(struct session *x, struct op *op) MUST_CHECK;
int op_take(struct session *x, struct op *op) MUST_CHECK;
int op_ack(struct session *x, struct op *op) MUST_CHECK;
int op_owners(struct session *x, struct op *op) MUST_CHECK;
int op_recover(struct session *x, struct op *op) MUST_CHECK;
int op_letters(struct session *x, struct op *op) MUST_CHECK;
int op_letters_change(struct session *x, struct op *op) MUST_CHECK;
int op_put(struct session *x, struct op *op) MUST_CHECK;
int op_get(struct session *x, struct op *op) MUST_CHECK;
int op_one_more(struct session *x, struct op *op) MUST_CHECK;
int op_place(struct session *x, struct op *op) MUST_CHECK;
int op_stat(struct session *x, struct op *op) MUST_CHECK;
int op_session(struct session *x, struct op *op) MUST_CHECK;
int op_session_fill(struct session *x, struct op *op) MUST_CHECK;
int op_events(struct session *x, struct op *op) MUST_CHECK;
int op_history(struct session *x, struct op *op) MUST_CHECK;
int op_user(struct session *x, struct op *op) MUST_CHECK;
int op_figures(struct session *x, struct op *op) MUST_CHECK;
int op_preferences_put(struct session *x, struct op *op) MUST_CHECK;
int op_preferences(struct session *x, struct op *op) MUST_CHECK;
int op_erased_at(struct session *x, struct op *op) MUST_CHECK;
/* Something is deleted that may be an erased conversation's: from a queue (the file is wiped once all that was in it at the erasure has gone), from
 * elsewhere (it is wiped when anything was erased lately). */
int op_wipe_after(struct session *x, enum store_queue q) MUST_CHECK;
int op_wipe_too(struct session *x) MUST_CHECK;
/* What has gone to another store: op_wipe_wanted notes that the file is to be wiped, op_wipe_noted does it when that was noted. */
int op_wipe_wanted(struct session *x) MUST_CHECK;
int op_wipe_noted(struct session *x) MUST_CHECK;
int op_whole(struct session *x, struct op *op) MUST_CHECK;
int op_forget(struct session *x, struct op *op) MUST_CHECK;
int op_stock(struct session *x, struct op *op) MUST_CHECK;
int op_tastes(struct session *x, struct op *op) MUST_CHECK;

struct owners {
    const struct sv *at;
    size_t n;
};

int op_letters_add(struct session *x, const struct store_letter *letters, size_t n) MUST_CHECK;
int op_queue_add(struct session *x, enum store_queue q, const struct sv *items, size_t n) MUST_CHECK;
/* Moves up to `max` items to a batch; answers in the arena of `a`. */
int op_queue_take(struct session *x, struct answer *a, enum store_queue q, struct sv owner, int64_t batch, int64_t max,
                  struct store_batch *b) MUST_CHECK;
/* Removes the items of a batch; *was: there were some. */
int op_queue_forget(struct session *x, enum store_queue q, struct sv owner, int64_t batch, bool *was) MUST_CHECK;
/* Gives back what an owner has taken. */
int op_queue_free(struct session *x, enum store_queue q, struct sv owner) MUST_CHECK;
/* value SV_NONE removes. */
int op_value_set(struct session *x, struct sv name, struct sv value, int64_t until_ms) MUST_CHECK;
/* Either may be SV_NONE. push: the conversation that has logged events. */
int op_event_add(struct session *x, struct sv event, struct sv push) MUST_CHECK;

/* The row of a conversation; texts in the arena of `a`. */
struct row {
    int64_t n;        /* 0: there is none */
    uint64_t version; /* 0: none, or forgotten: then its marks are all that is left, and everything else here is empty */
    struct sv record, token;
    int64_t lease_until, due; /* 0: never */
    int64_t pending_first, pending_next, context_first, context_next;
    int64_t listed, activity, active, waiting, paused;
    int64_t events, events_until; /* number of the last event, 0: none yet; end of the log */
};
int op_row(struct session *x, struct sv id, struct answer *a, struct row *c) MUST_CHECK;
/* All rows of `which` (one text each) for a conversation. */
int op_items(struct session *x, enum sql which, int64_t n, size_t count, struct answer *a,
             const struct sv **items) MUST_CHECK;
/* ---- sessions (sqlite_session.c) ---- */

/* The number of the conversation's last event, also when it is forgotten. */
int op_session_last(struct session *x, struct sv id, const struct row *c, int64_t *last) MUST_CHECK;
/* What a change does to the row, before that is written ... */
int op_session_count(struct session *x, const struct store_change *c, struct row *new, int64_t now_ms) MUST_CHECK;
/* ... and the rest, after that. */
int op_session_write(struct session *x, struct op *op, const struct row *old, const struct row *new, int64_t now_ms) MUST_CHECK;
int op_session_drop(struct session *x, struct sv id, const struct row *c) MUST_CHECK;
/* As drop, but for the number. */
int op_session_forget(struct session *x, struct sv id, const struct row *old, int64_t now_ms) MUST_CHECK;

/* ---- history (sqlite_history.c, sqlite_erase.c) ---- */

/* What c->history asks for; it may be NULL. */
int op_history_write(struct session *x, const struct store_change *c, int64_t now_ms) MUST_CHECK;
/* Removes what is past its time. */
int op_history_sweep(struct session *x, int64_t now_ms, int64_t max) MUST_CHECK; /* max -1: all */
#define HISTORY_SWEEP 10 /* at a time: each may have a thousand entries */
/* Room for one more member of an array of n, in the arena of `a`; NULL: memory is short. */
void *op_room(struct answer *a, void *at, size_t n, size_t size) MUST_CHECK;
/* The rows of a statement that was asked with result `rc`: two texts each. */
int op_pairs(struct session *x, enum sql which, int rc, struct answer *a, const struct store_pair **pairs, size_t *n) MUST_CHECK;
/* Newest first. */
int op_entries(struct session *x, struct sv id, struct sv user_id, int64_t now_ms, struct answer *a, const struct sv **entries,
               size_t *n) MUST_CHECK;
/* Entries, fields and the place in the listing; *entries is added to. user_id may be SV_NONE. */
int op_history_drop(struct session *x, struct sv id, struct sv user_id, int64_t now_ms, int64_t *entries) MUST_CHECK;
/* 0: not, or longer ago than is known. */
int op_erased(struct session *x, struct arena *arena, struct sv id, int64_t now_ms, int64_t *at_ms) MUST_CHECK;
/* All of c->erase and c->forget but the event; counts into op->answer. */
int op_erase(struct session *x, struct op *op, const struct row *old, int64_t now_ms) MUST_CHECK;
/* Record and lists; marks stay. A row without a record is left alone. */
int op_forget_row(struct session *x, const struct row *old, int64_t now_ms) MUST_CHECK;
int op_marks_write(struct session *x, const struct store_change *c, int64_t n, int64_t now_ms) MUST_CHECK;

/* What follows from the change of a conversation's listings. */
void op_count(union counts *c, int64_t listed, bool was_due, int64_t by);

#endif
