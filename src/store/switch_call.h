/* SPDX-License-Identifier: MIT
 * One call of the port as a thing that can wait and be made later, on either store. Knows nothing of when and where. */
#ifndef STORE_SWITCH_CALL_H
#define STORE_SWITCH_CALL_H

#include "lib/arena.h"
#include "store/store_ops.h"
#include "store/switch_mode.h"

enum call_kind {
    CALL_LOAD,
    CALL_APPLY,
    CALL_RENEW,
    CALL_LIST,
    CALL_TAKE,
    CALL_ACK,
    CALL_RECOVER,
    CALL_LETTERS,
    CALL_VALUE,
    CALL_STAT,
    CALL_SESSION,
    CALL_FILL,
    CALL_EVENTS,
    CALL_HISTORY,
    CALL_USER,
    CALL_FIGURES,
    CALL_PREFERENCES_PUT,
    CALL_PREFERENCES,
    CALL_ERASED_AT,
};

struct switch_;

struct call {
    struct call *next; /* while it is held */
    struct switch_ *w;
    enum call_kind kind;
    union {
        store_load_fn *load;
        store_apply_fn *apply;
        store_status_fn *status;
        store_list_fn *list;
        store_take_fn *batch;
        store_letters_fn *letters;
        store_value_fn *value;
        store_stat_fn *stat;
        store_session_fn *session;
        store_events_fn *events;
        store_history_fn *history;
        store_user_fn *user;
        store_pairs_fn *pairs;
        store_erased_fn *erased;
    } fn;
    void *arg;

    union { /* with `kept`, all bytes are the call's own */
        struct store_load load;
        struct store_change change;
        struct {
            struct sv id, token;
            int64_t ttl_ms;
        } renew;
        struct store_list list;
        struct {
            enum store_queue queue;
            struct sv owner;
            size_t max;
        } take;
        struct store_ack ack;
        struct {
            enum store_queue queue;
            store_dead_fn *is_dead;
            void *arg;
        } recover;
        struct store_letters letters;
        struct store_value value;
        struct sv session; /* whose */
        struct store_session_fill fill;
        struct {
            struct sv id;
            uint64_t after;
        } events;
        struct {
            struct sv id, user_id; /* id: the day of CALL_FIGURES too */
            const struct store_pair *pairs;
            size_t n;
        } history;
    } is;
    struct store_history_change history; /* of an apply that is kept */
    struct store_erase erase;
    struct store_session_change session; /* of an apply whose own one is not what is passed on */
    struct store_place place;            /* of a value that is kept */
    struct arena *arena; /* of what is kept beyond `bytes` */
    bool kept;           /* else it cannot be made again */
    bool uncertain;      /* an apply that may have been done */

    struct mode_word word; /* when it was made last */
    int64_t began_ms;      /* clock_mono_ms() of the caller's call */
    int64_t made_ms;       /* of the store's */
    char bytes[];          /* STORE_ID_MAX * 2 */
};

/* On the heap, with kind, fn, arg; NULL: memory is short. */
struct call *call_new(const struct call *from) MUST_CHECK;
void call_free(struct call *c);
/* Copies what the call points to (of an ack only the batch's name: it is never made again). False: memory is short, or over 16 MiB. */
bool call_keep(struct call *c) MUST_CHECK;
/* Answers with a status alone (never DONE), and frees. */
void call_fail(struct call *c, enum store_status status);

#endif
