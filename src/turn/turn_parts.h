/* SPDX-License-Identifier: MIT
 * The engine's inside: shared by the files turn_*.c and by nobody else. */
#ifndef TURN_TURN_PARTS_H
#define TURN_TURN_PARTS_H

#include "lib/alive.h"
#include "lib/loop.h"
#include "lib/map.h"
#include "turn/actions.h"
#include "turn/bots.h"
#include "turn/figures.h"
#include "turn/transact.h"
#include "turn/turn.h"

#define TURN_ARENA_CAP (8u << 20)
#define SCRATCH_SPARE_MAX 32

struct turns {
    struct turns_options o;
    struct bot base; /* the default bot; not counted */
    struct lanes *lanes;
    struct map *watched; /* conversation id -> struct watch, the first of a list */
    struct map *running; /* conversation id -> struct turn */
    int64_t clock_offset_ms; /* the store's clock less clock_mono_ms */
    struct turns_stat stat;
    int64_t rate_mono_ms; /* of the last look at how fast the archive takes items */
    uint64_t rate_n;
    double rate;
    size_t transactions; /* under way */
    bool draining;
    turns_fn *drained;
    void *drained_arg;
    struct loop_timer *grace;
    struct {
        struct handler_call *waiting;
        struct buf text;
        int http_status;
        int64_t at_mono_ms;
        bool looking;
    } handler; /* control_handler.c */
    struct arena *spare[SCRATCH_SPARE_MAX];
    size_t spare_n;
};

/* A job that has not ended keeps its record for as long as it may take: the end sets another TTL. */
#define JOB_OPEN_TTL_MS (30 * 86400 * INT64_C(1000))
/* How long the record of a job is kept after its end. */
int64_t job_ttl_ms(const struct turns *t);
/* The store's clock now, as far as this process knows it. */
int64_t turns_store_now(const struct turns *t);
struct arena *turns_scratch(struct turns *t) MUST_CHECK;
void turns_scratch_back(struct turns *t, struct arena *a);
/* Held, NULL: the default bot. */
struct bot *turns_bot(struct turns *t, struct sv bot_id);
/* Calls the drain's callback when nothing is left. */
void turns_look_drained(struct turns *t);

/* ---- a client that waits ---- */

struct client {
    turn_answer_fn *fn; /* NULL: nobody waits (any more) */
    void *arg;
    struct sv message_id; /* of the message that it sent */
    bool respond_async;
    int64_t wait_ms;
    struct sv request_id, traceparent;
    int64_t arrived_us; /* clock_mono_us */
    char hash[17];
};

void client_answer(struct client *c, enum answer_status status, struct sv result, int64_t retry_after_ms);

/* ---- a running turn ---- */

enum turn_state {
    TURN_WAITING,   /* quiet window of a burst */
    TURN_CONTEXT,   /* the archive is asked what was said before */
    TURN_THINKING,  /* the AI is asked */
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
    bool recall_done;            /* it was asked and has answered */
    int64_t silent_until_ms;     /* store clock: it knows of a person who has taken over until then; 0: of none */
    struct arena *context_arena; /* what `context` lives in; freed once the AI is asked */

    struct ai_call *ai_call;
    struct platform_call *send_call;
    struct reply reply;
    bool has_reply;
    struct sv body;              /* of the platform's request */
    enum sent sent;
    int64_t executed;
    char failure[160];           /* reason of AI_FAILED, SENT */
    int64_t retry_after_ms;      /* how long the peer is not to be tried again; 0: it did not say */
    bool not_asked;              /* nobody was: a circuit was open, or the bot is unusable */
    enum event_kind closing; /* the event that ends it, for the next try */
    unsigned finish_tries;

    struct client client;
    struct loop_timer *lease_timer, *client_timer, *wait_timer;
};

/* From a decision that took the lease. `x` is the transaction that made it (its lists are copied). NULL: memory; then the lease
 * runs out and the daemon takes over. */
struct turn *turn_start(struct transact *x, const struct message *own);
void turn_think(struct turn *turn);
void turn_wait(struct turn *turn);
/* asked_mono_ms: of the decision. */
void turn_resend(struct turn *turn, struct sv job, int64_t asked_mono_ms);
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

/* ---- what arrivals leave behind (turn_arrive.c) ---- */

/* Values in the scratch arena, SV_NONE: memory. The dedupe mark of a message that has just come (`hash`: message_hash); the history item of one
 * that nothing answers. */
struct sv arrival_mark(struct transact *x, uint64_t seq, const char *hash);
struct sv arrival_item(struct transact *x, const struct message *m, uint64_t seq, const char *reason);
/* The record of the job that is to answer it. */
int arrival_job(struct transact *x, struct store_change *c, struct sv message_id) MUST_CHECK;

/* ---- who waits for a job (watch.c) ---- */

void watches_wake(struct turns *t, struct sv conversation_id);
void watches_wake_all(struct turns *t);
/* Those that are left are forgotten, not told. */
void watches_free(struct turns *t);

/* ---- figures and the log (turn_figures.c) ---- */

void turns_count(struct turns *t, enum figure figure);
void turns_time(struct turns *t, enum figure_time figure, int64_t us);
/* After a decision that was made for a conversation from outside its turn: was a lost owner's lease ended? */
void turns_count_swept(struct transact *x);
/* The time until turn_came_back is not this program's own. That returns it, us. */
void turn_goes_out(struct turn *turn);
int64_t turn_came_back(struct turn *turn);
/* Counts the own time and writes the line of a turn that ends here, before its client is answered. reason, send: NULL none. */
void turn_note_end(struct turn *turn, const char *status, const char *reason, const char *send, uint32_t restarts);
/* The line of a turn that nobody runs any more, ended by a decision about it. */
void turns_note_end(struct transact *x, const char *status);

/* ---- what the end of a turn leaves behind ---- */

struct ending {
    const struct bot *bot; /* NULL: not known (any more) */
    const char *status; /* completed, recorded, cancelled, failed */
    const char *reason; /* NULL: none */
    const char *send;   /* pancake_result.status; NULL: none */
    const char *action_status; /* executed, failed, withheld, unknown */
    int64_t executed;
    const struct reply *reply; /* NULL: none */
    const struct sv *covered;
    size_t covered_n;
    const struct sv *recalled; /* put into the context before the covered ones */
    size_t recalled_n;
    bool recall_done;
    size_t context_size;
    int64_t took_ms;
};

/* remember.c: what an arrival has brought, now that the store has it; what is there already, after a change whose outcome was not heard of. */
void remember_arrival(struct transact *x);
void remember_found(struct transact *x);

/* Writes marks, context entry, history item and job of an ended turn into the change. */
int ending_fill(struct transact *x, struct store_change *change, const struct ending *end) MUST_CHECK;
/* The value of "result" of an ended turn, appended. message_id SV_NONE: the newest covered one. */
void ending_result(struct buf *b, struct turns *t, const char *turn_id, const struct ending *end, struct sv message_id);
void result_backend(struct json_out *o, struct turns *t);
/* The record of a job that has ended, under the id that somebody was told. SV_NONE: memory. */
struct sv ending_job(struct transact *x, const struct ending *end, struct sv id, struct sv message_id);
/* callbacks.c: what the senders of covered messages wanted to be told goes to callback_queue; their URLs as an array. */
int callbacks_fill(struct transact *x, struct store_change *change, const struct ending *end, struct sv message_id) MUST_CHECK;
void callbacks_put_urls(struct json_out *o, const struct ending *end);
/* {"job_id","conversation_id","status",...}. message_id (SV_NONE: none): of an open job, so that its outcome is found when another turn answers the message. */
struct sv job_format(struct arena *a, struct sv id, struct sv conversation_id, const char *status, const struct conversation *c, int64_t now_ms,
                     size_t messages, struct sv result, const char *error, struct sv message_id);
void job_alias(struct turns *t, const char *from, const char *to);
/* An id as somebody typed it: UUIDs are kept in small letters (RFC 9562, 4: input is case-insensitive). In the arena; SV_NONE: memory is short. */
struct sv job_id_copy(struct arena *a, struct sv id) MUST_CHECK;

/* The answer that goes with a result's status. */
enum answer_status replay_status(struct sv status);
/* A message that was here before: answered from its mark. Takes over `client`. */
void replay(struct turns *t, struct sv conversation_id, const struct client *client, struct sv mark, const struct conversation *record,
            bool lease_held);

#endif
