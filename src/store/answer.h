/* SPDX-License-Identifier: MIT
 * One answer of a store on its way to its caller, with the memory that it points to, and the list in which answers wait
 * until the loop is free to tell them. It keeps the promise of store.h for every backend that uses it: a callback comes
 * exactly once, never from inside the call, and DOWN to those who still wait when the store is closed.
 * Knows nothing of how an answer comes about. Loop thread only, but for answer_keep and what belongs to one answer,
 * which may be filled by another thread as long as only that one has it. */
#ifndef STORE_ANSWER_H
#define STORE_ANSWER_H

#include "store/store_ops.h"

/* For a backend's own calls beside the port. */
typedef void answer_other_fn(void *arg, enum store_status status, const void *what);

enum answer_kind {
    ANSWER_LOAD,
    ANSWER_APPLY,
    ANSWER_STATUS,
    ANSWER_LIST,
    ANSWER_BATCH,
    ANSWER_LETTERS,
    ANSWER_VALUE,
    ANSWER_STAT,
    ANSWER_EVENT,
    ANSWER_SESSION,
    ANSWER_EVENTS,
    ANSWER_PUSH,
    ANSWER_HISTORY,
    ANSWER_USER,
    ANSWER_PAIRS,
    ANSWER_ERASED,
    ANSWER_OTHER
};

struct answer {
    struct answer *next; /* whoever holds it may chain it */
    enum answer_kind kind;
    enum store_status status;
    union {
        store_load_fn *load;
        store_apply_fn *apply;
        store_status_fn *status;
        store_list_fn *list;
        store_take_fn *batch;
        store_letters_fn *letters;
        store_value_fn *value;
        store_stat_fn *stat;
        store_event_fn *event;
        store_session_fn *session;
        store_events_fn *events;
        store_push_fn *push;
        store_history_fn *history;
        store_user_fn *user;
        store_pairs_fn *pairs;
        store_erased_fn *erased;
        answer_other_fn *other;
    } fn;
    void *arg;
    union { /* by kind; only looked at where the status lets it */
        struct store_view view;
        struct store_applied applied;
        struct store_listing list;
        struct store_batch batch;
        struct answer_letters {
            const struct store_letter *at;
            size_t n;
        } letters;
        struct sv value; /* ANSWER_EVENT too; ANSWER_PUSH: the conversation */
        struct store_stat stat;
        struct store_session session;
        struct store_events events;
        struct store_history history;
        struct answer_user {
            const struct store_user_session *at;
            size_t n;
        } user;
        struct answer_pairs {
            const struct store_pair *at;
            size_t n;
        } pairs;
        int64_t at_ms;
        const void *other;
    } is;
    struct store_erased erased, *erased_to; /* APPLY with DONE: goes there (the caller's; NULL: nowhere) before the callback */
    struct arena *arena; /* made by the first answer_arena(); freed with the answer */
};

/* A copy of *from on the heap. Aborts when memory is short, as loop_soon does: there would be no way to tell the
 * caller. */
struct answer *answer_new(const struct answer *from) MUST_CHECK;
/* NULL: memory is short. */
struct arena *answer_arena(struct answer *a) MUST_CHECK;
/* Replaces *s by a copy that lives as long as the answer; SV_NONE stays SV_NONE. False: memory is short. */
bool answer_keep(struct answer *a, struct sv *s) MUST_CHECK;
/* Forgets what was filled in, for another try. */
void answer_clear(struct answer *a);
/* Calls the caller and frees. */
void answer_tell(struct answer *a);
/* Calls the caller with `status`, whatever is filled in, and leaves the answer alone; not for EVENT and PUSH. Reads only kind,
 * fn and arg. */
void answer_tell_only(const struct answer *a, enum store_status status);
/* Frees without telling. NULL is allowed. */
void answer_free(struct answer *a);

struct answers;

struct answers *answers_new(struct loop *l) MUST_CHECK; /* NULL: memory is short */
/* Told after the current callback, in order of the calls. Takes the answer. */
void answers_later(struct answers *q, struct answer *a);
/* Those that wait are told DOWN (events are dropped) before it returns. NULL is allowed. */
void answers_close(struct answers *q);

#endif
