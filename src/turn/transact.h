/* SPDX-License-Identifier: MIT
 * One decision, made and applied: enter the conversation's lane, load, step, apply; on a conflict again. Private to turn/.
 *
 *   transact_new -> fill in event, policy, wishes -> transact_go -> (load -> step -> fill -> apply)* -> done -> freed */
#ifndef TURN_TRANSACT_H
#define TURN_TRANSACT_H

#include "store/store.h"
#include "turn/bots.h"
#include "turn/lanes.h"
#include "turn/step.h"
#include "turn/turn.h"

struct transact;

/* Adds to the change what only the caller knows: marks, job, queue items, context; also `marks_n` and so on. Memory from x->scratch.
 * Called for each try, after the decision was written into the change. -1: memory. */
typedef int transact_fill_fn(struct transact *x, struct store_change *change);
/* The outcome. Everything in x is gone after it returns, but what it copied. */
typedef void transact_done_fn(struct transact *x);
/* Between the load and the decision: what it is about may depend on the lists and on the policy. False: there is nothing to decide
 * (TRANSACT_KNOWN). Which message arrives is known only after it, so the load asks for no mark: TRANSACT_KNOWN with a mark means that the store
 * refused to apply. */
typedef bool transact_look_fn(struct transact *x);

/* How a turn has ended, for those who look at its session (ending_fill sets it, for each try). status NULL: none has. */
struct outcome {
    const char *status, *reason, *send; /* of struct ending */
    bool said;                          /* its reply reached the customer, or may have, or is there for whoever asks */
    struct sv text, actions, entities;  /* of the reply; JSON but the text */
    const struct sv *message_ids;       /* that it covers; the newest last */
    const struct sv *covered;           /* the same as items of the pending list */
    size_t message_ids_n;
};

/* An exchange that was made elsewhere: its end is known when it comes (chat_sync.c). */
struct synced {
    struct message m; /* the customer's part; content "": he said nothing */
    struct sv reply;  /* "": none */
    char turn_id[ID_UUID_SIZE];
    bool current;     /* it goes into the context, since nothing newer stands there */
    bool fresh;       /* it was made a moment ago: whoever listens is told */
};
/* Status and reason (NULL: none) of its message. */
const char *synced_status(const struct synced *s);
const char *synced_reason(const struct synced *s);

enum transact_status {
    TRANSACT_DONE,      /* the decision is made, and applied when it had changes */
    TRANSACT_KNOWN,     /* ARRIVE: the message was here before; x->mark says what is known */
    TRANSACT_STRANGE,   /* ARRIVE with `only_known`: the store does not know the message; `only_existing`: nor the conversation;
                           `only_version`: its version is another */
    TRANSACT_FULL,      /* the store refuses new things, or memory is short here */
    TRANSACT_DOWN,      /* the store cannot be reached; whether the last try was applied is not known */
};

struct transact {
    struct turns *t;
    struct sv id;        /* borrowed: lives longer than x */
    struct event event;  /* now_ms, lease_* and owner_dead are filled in for each try */
    const struct policy *policy; /* `pinned`, or the turn's own */
    struct policy pinned;        /* of the conversation's bot, as it is when the decision is made */
    size_t context_max;          /* the same bot's */
    struct bot *bot;             /* whose that is; held; NULL: the default bot, or the turn's own */
    const struct message *history, *older; /* ARRIVE: event.history_n entries for the context, event.together_n - 1 messages before event.message */
    const struct synced *synced;           /* SYNC: event.synced_n, the newest last */
    bool ai_answered;                      /* ANSWERED, SENT: it was asked by this process ... */
    int64_t ai_ms;                         /* ... and took so long */
    transact_look_fn *look;                /* NULL: nothing to look at */
    bool want_lists, want_job; /* job: of the turn, for UNKNOWN and RESEND */
    bool save;                 /* ARRIVE: what is to be answered is told to the archive at once, too */
    bool only_known;           /* ARRIVE: nothing is done for a message that the store does not know */
    bool only_known_away;      /* the same, when a store that stands in for another has said so */
    bool tried;                /* ARRIVE: an earlier transaction of the same arrival may have been made */
    bool only_existing;        /* nothing is done for a conversation without a record and without messages */
    bool only_this;            /* nothing is done at any other version than `this_version` */
    uint64_t this_version;
    int64_t decided_ms;        /* what it is about was read at this time of the store's clock: nothing that was erased since comes back. 0: read by this
                                  very transaction */
    transact_fill_fn *fill;    /* NULL: nothing to add */
    transact_done_fn *done;
    void *arg;

    /* what the caller knows from its own last apply, or that there is nothing (all 0): the first try needs no load */
    bool cached;
    int64_t cached_ms; /* when the store said so, by its clock; 0: now */
    struct conversation before;
    uint64_t version;

    /* after the load; memory of scratch */
    struct arena *scratch;
    struct sv mark;
    struct sv *pending, *context;
    size_t pending_n, context_n;
    bool loaded; /* the lists are there */
    bool told;   /* somebody was told of this turn without it standing in the record */

    struct outcome outcome;

    /* the outcome */
    enum transact_status status;
    struct decision decision;
    struct sv job;
    int64_t issued_mono_ms; /* when the apply that succeeded was sent off: an own lease counts from here */
    int64_t asked_mono_ms;  /* a moment before the time that the decision was made by: an own send deadline counts from here */

    /* inside */
    unsigned tries;
    bool bot_awaited;
    struct bots_waiter awaits_bot;
    struct loop_timer *patience;
    char fresh_id[ID_UUID_SIZE];
    struct lane_place place;
    struct loop_timer *pause;
};

#define TRANSACT_FOR_EVER_MS 253402300799000 /* listed so far ahead: paused until somebody resumes it */

/* NULL: memory is short. */
struct transact *transact_new(struct turns *t, struct sv id, enum event_kind kind, transact_done_fn *done, void *arg) MUST_CHECK;
void transact_go(struct transact *x);
/* The listings and scores that belong to a record. */
void transact_listings(struct store_change *c, const struct conversation *n, int64_t now_ms);

#endif
