/* SPDX-License-Identifier: MIT
 * A running turn: what the files share that work on one (turn_*.c, outlast.c), and those of control_*.c that end one. */
#ifndef TURN_RUNNING_H
#define TURN_RUNNING_H

#include "turn/session_view.h"
#include "turn/turn_parts.h"

enum turn_state {
    TURN_WAITING,   /* quiet window of a burst */
    TURN_CONTEXT,   /* the archive is asked what was said before, the store whether somebody listens */
    TURN_THINKING,  /* the AI is asked */
    TURN_PLACE,     /* its answer is there and waits for its place in the platform's row */
    TURN_GATE,      /* the answer is there: may it go out? */
    TURN_SENDING,   /* the platform has it, perhaps */
    TURN_FINISHING, /* the outcome is being recorded */
};

struct turn {
    struct turns *t;
    struct arena *a;
    struct sv id;                /* the conversation's */
    enum turn_state state;
    struct conversation record;  /* as this turn last applied it */
    uint64_t version;
    struct policy policy;        /* that it began with */
    struct bot *bot;             /* the same; held; NULL: the default one */
    bool told;                   /* a client was sent away with its id */
    int64_t lease_until_mono_ms; /* by the own clock: counted from before the store set it */
    int64_t send_before_mono_ms;
    int64_t began_mono_ms;
    int64_t arrived_us;   /* clock_mono_us of the message, or of the daemon's beginning */
    int64_t out_since_us; /* since when others have it: AI, platform, a quiet window; 0: it is here */
    int64_t out_us, ai_us; /* how long they had it so far; the AI's part */
    bool began_aside;    /* in a store that stood in for the shared one */
    bool authority_lost; /* renewal failed while sending: nothing new may begin */
    bool handing_back;
    bool deciding;       /* a transaction of this turn is under way: it must not be freed before that is done */
    bool hinted;         /* something happened to the conversation while it could not be looked at */
    bool ai_failed;      /* the AI's failure came while it was being decided whether to go on waiting for it */
    enum failure ai_failure;

    struct sv *covered;          /* items of the pending list that this turn answers, arrival order */
    size_t covered_n;
    struct sv *context;          /* until the AI is asked */
    size_t context_n, context_size;
    struct sv *recalled;         /* what the archive said was before: goes back into the store with the turn's end */
    size_t recalled_n;
    struct session_past *past;   /* what it said of the conversation as a whole; NULL: nothing */
    bool recall_done;            /* it was asked and has answered */
    bool no_past;                /* that it knows nothing */
    int64_t silent_until_ms;     /* store clock: it knows of a person who has taken over until then; 0: of none */
    struct arena *context_arena; /* what `context` lives in; freed once the AI is asked */

    bool looked_for_listeners;
    struct partial *partial;     /* turn_partial.c; NULL: nobody listens */
    struct ai_call *ai_call;
    struct platform_call *send_call, *place_call;
    struct reply reply;
    bool has_reply;
    bool has_place, placed;      /* its place is at place_mono_ms; its moment has come, or it needs none */
    int64_t place_mono_ms;
    bool again;                  /* a send of a lost owner is repeated */
    bool ai_answered;            /* which this process has asked for */
    bool withdrawn;              /* nothing is left to be answered: the reply is none, and nobody was asked for it */
    struct sv body;              /* of the platform's request */
    enum sent sent;
    int64_t executed;
    char failure[160];           /* reason of AI_FAILED, SENT */
    int64_t retry_after_ms;      /* how long the peer is not to be tried again; 0: it did not say */
    bool settled;                /* of a repeated send that was not made: nor was any before it */
    bool impossible;             /* none of the reply's actions can be done on its platform, which was not asked */
    bool not_asked;              /* nobody was: a circuit was open, or the bot is unusable */
    enum event_kind closing; /* the event that ends it, for the next try */
    unsigned finish_tries;

    struct client client;
    struct loop_timer *lease_timer, *client_timer, *wait_timer, *place_timer;
    struct turn *next; /* outlast.c */
};

/* From a decision that took the lease. `x` is the transaction that made it (its lists are copied). NULL: memory; then the lease
 * runs out and the daemon takes over. */
struct turn *turn_start(struct transact *x, const struct message *own);
void turn_think(struct turn *turn);
void turn_wait(struct turn *turn);
/* asked_mono_ms: of the decision. */
void turn_resend(struct turn *turn, struct sv job, int64_t asked_mono_ms);
/* The AI has answered, or that is what an interruption comes back to: its place in the platform's row, where there is one, then the gate. */
void turn_place(struct turn *turn);
/* What the platform is asked with; borrowed from the turn. The body and the deadline are not in it before the gate. */
void turn_request(struct turn *turn, struct platform_request *out);
void turn_gate(struct turn *turn, bool interrupted);
void turn_send(struct turn *turn);
void turn_finish(struct turn *turn, enum sent sent);
void turn_ai_failed(struct turn *turn, enum failure failure, const char *reason);
void turn_hand_back(struct turn *turn);
/* The record may say that the turn is over or superseded: it is looked at now, or as soon as what is under way is done. */
void turn_hint(struct turn *turn);
/* TURN_WAITING: the same, for the quiet window. */
void turn_look(struct turn *turn);
/* What the end of a turn without a process adds to the change (a transact_fill_fn). */
int turn_fill_visit(struct transact *x, struct store_change *c);
/* What each decision about a running turn adds to its change (a transact_fill_fn). */
int turn_fill_outcome(struct transact *x, struct store_change *c);
/* Whom it asks, where it sends: the pinned bot's. */
const struct bot *turn_bot(const struct turn *turn);
/* Nobody is asked any more. What was sent stays sent. */
void turn_drop_calls(struct turn *turn);
/* After a decision that ends the turn: answers, counts, frees it. False: it does not end it. */
bool turn_ended(struct turn *turn, struct transact *x);
/* fn(turn) in a moment: the store could not be asked. */
void turn_later(struct turn *turn, loop_fn *fn);
/* Not ours any more: the AI call is aborted, the client told `processing`. */
void turn_lost(struct turn *turn);
/* Removes and frees it; the client must have been answered. */
void turn_end(struct turn *turn);
/* Takes over what the last apply left: record, version, own deadline. */
void turn_took(struct turn *turn, const struct transact *x);
/* Answers with `processing`, after what status_url finds is stored. `lost`: with the outcome, if another process has brought the turn to its
 * end already. */
void turn_answer_processing(struct turn *turn, bool lost);
void turn_renew_soon(struct turn *turn);
void turn_begun_by_client(struct turn *turn, const struct client *c);

/* The turn of that conversation, if it still waits in TURN_CONTEXT with this token; NULL. */
struct turn *turn_asker(const struct turns *t, struct sv id, const char *token);

/* turn_partial.c. Asks whether somebody listens; go_on(turn) then, if it is still the turn's to go on: turn->partial says what was found. False: it was asked
 * before, or memory is short. */
typedef void turn_fn(struct turn *turn);
bool turn_look_for_listeners(struct turn *turn, turn_fn *go_on);
/* An ai_partial_fn; arg: the turn. */
void turn_partial(void *arg, struct sv text);
/* Nothing more of it is told. */
void turn_partial_end(struct turn *turn);

/* turn_withdrawn.c: what the question is made of; the arrays are the context arena's. */
struct question {
    struct sv *context, *covered;
    size_t context_n, covered_n;
};
/* -1: memory. */
int turn_select(struct turn *turn, struct question *q) MUST_CHECK;
/* Nothing of it is left: the turn goes to its gate with nothing to send. */
void turn_leave_unasked(struct turn *turn);
/* Of each covered item, whether it is left. NULL: memory. */
const bool *turn_left(struct turn *turn);

/* outlast.c: the store in which the turn's gate was tried is away, and the one that stands in knows nothing of it. What became of its reply, `sent`, is
 * told when the first is back. False: that is not so; or this process drains. */
bool turn_outlasts(struct turn *turn, enum sent sent);
/* Those that wait for that are lost; freed without a word. */
void outlast_no_more(struct turns *t);
void outlast_free(struct turns *t);

#endif
