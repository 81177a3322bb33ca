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

struct turn;

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
    size_t lookups;      /* of customers, session.c */
    struct turn *outlasting; /* outlast.c */
    struct loop_timer *outlast_timer;
    bool stood_in; /* another store stood in for the shared one when that was looked at last */
    int64_t back_mono_ms; /* since when it does not any more; 0: it never did */
    turns_erased_fn *erased;
    void *erased_arg;
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
/* outlast.c: the shared store has come back a moment ago: whoever has sent something before it went may still tell of it. */
bool turns_is_just_back(struct turns *t);
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
    bool changed;         /* see struct submit_options */
    int64_t wait_ms;
    struct sv request_id, traceparent;
    int64_t arrived_us; /* clock_mono_us */
    char hash[17];
    bool check_reply, other_content; /* see struct turn_answer */
};

void client_answer(struct client *c, enum answer_status status, struct sv result, int64_t retry_after_ms);

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

/* ---- what others see of the session (session_note.c) ---- */

/* Adds view, events and background tasks to a change that is otherwise complete but for the record. -1: memory. */
int session_note(struct transact *x, struct store_change *c) MUST_CHECK;
#define SESSION_EVENTS_MAX 500
/* How long a view and the events of a session are kept. */
int64_t session_ttl_ms(const struct turns *t);

/* ---- what its user reads of it later (history_note.c), and how much of that (turn.c: settings as they are now) ---- */

/* Adds entries, fields and figures to a change that is otherwise complete but for the record. -1: memory. */
int history_note(struct transact *x, struct store_change *c) MUST_CHECK;

/* How long entries of a history, and the figures of a day, are kept in the store: never less than dedupe marks, which an erasure finds by them. */
int64_t history_ttl_ms(const struct turns *t);
#define HISTORY_ENTRIES_MAX 1000
size_t history_sessions_max(const struct turns *t);
int64_t history_page_size(const struct turns *t);

/* ---- exchanges that were made elsewhere (synced.c) ---- */

/* Writes marks, history items and context entries of all of them into the change of a SYNC; says of each whether it is current and fresh. The newest
 * is the last. -1: memory. */
int synced_fill(struct transact *x, struct store_change *c, struct synced *list, size_t n) MUST_CHECK;

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
    const char *action_status; /* executed, failed, withheld, unknown, proposed, dropped */
    int64_t executed;
    const struct reply *reply; /* NULL: none */
    const struct sv *covered;
    size_t covered_n;
    const struct sv *recalled; /* put into the context before the covered ones */
    size_t recalled_n;
    bool recall_done;
    const struct session_past *past; /* goes into the record with that; NULL: nothing is known */
    bool no_past;                    /* the archive has answered that there was nothing */
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
