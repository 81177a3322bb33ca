/* SPDX-License-Identifier: MIT
 * Runs turns: the only caller of store, AI, platform and archive on behalf of a conversation. One engine a process, on its loop.
 *
 *   arrive   store_load, step, store_apply      dedupe + record + lease in one atomic unit
 *   think    ai_ask                              lease renewed at a third of its TTL
 *   place    platform_place                      where there are places: waits for its moment, lease renewed
 *   gate     step, store_apply                   lease mine, nothing newer, not cancelled, bot may speak; writes the send intent
 *   send     platform_send                       deadline checked again right before the first byte
 *   finish   step, store_apply                   outcome, marks, history item, release or hand on
 *
 * Operations on one conversation inside one process go one after another. */
#ifndef TURN_TURN_H
#define TURN_TURN_H

#include "archive/archive.h"
#include "outside/ai.h"
#include "outside/platform.h"
#include "store/store.h"
#include "turn/message.h"
#include "turn/policy.h"

struct turns;
struct alive;
struct loop;
struct metrics;
struct recent;

struct turns_options {
    struct loop *loop;
    struct store *store;
    struct ai *ai;
    struct platform *platform;
    struct archive *archive; /* NULL: none; context of forgotten conversations is then lost */
    struct alive *alive;
    struct metrics *metrics; /* NULL: nothing is counted there; see turn/figures.h */
    struct recent *recent;   /* NULL: what the store does not know is not known */
    struct policy policy;    /* of the default bot */
    struct bots *bots;       /* those of the database; NULL: there is only the default bot */
    const char *bot_id, *bot_name;
    size_t context_max;      /* CONTEXT_MESSAGES */
    int64_t mark_ttl_ms, answer_ttl_ms;
    int64_t job_ttl_ms;      /* JOB_TTL: of the record of a turn whose id somebody was told; 0: as answer_ttl_ms */
    int64_t session_ttl_ms;  /* SESSION_CACHE_TTL; 0: an hour */
    int64_t history_days;    /* MAX_HISTORY_DAYS; 0: 30 */
    size_t sessions_max;     /* MAX_SESSIONS_PER_USER: of one user, those of the newest activity; 0: 100 */
    int64_t retention_ms;    /* RETENTION_DAYS: what was received before is not shown any more; 0: for ever */
    int64_t page_size;       /* PAGE_SIZE: exchanges of a page where nobody says; 0: 20 */
    int64_t stuck_after_ms;  /* STUCK_AFTER_SECONDS: a message that waits longer is shown as stuck; 0: two minutes */
    size_t turns_max;        /* running at once in this process; 0: no bound */
    bool log_content;        /* LOG_CONTENT: texts of customers may stand in the log */
};

struct turns *turns_new(const struct turns_options *o, struct err *e) MUST_CHECK;
/* What may change while turns run; those go on with the policy that they began with. The lease's time stays what it was at first, since
 * other processes count on it. bot_name is kept by pointer. */
struct turns_change {
    struct policy policy;
    const char *bot_name;
    size_t context_max;
    int64_t job_ttl_ms, session_ttl_ms;
    int64_t history_days, page_size, retention_ms;
    size_t sessions_max;
    bool log_content;
};
void turns_set(struct turns *t, const struct turns_change *change);
/* Running turns are dropped as by a crash: call turns_drain first. */
void turns_free(struct turns *t);

enum answer_status {
    ANSWER_COMPLETED, ANSWER_LOCKED, ANSWER_RESTART_NEEDED, ANSWER_RECORDED, ANSWER_PROCESSING, ANSWER_QUEUED, ANSWER_CANCELLED,
    ANSWER_FAILED,      /* given up after all attempts: status "failed" with its reason */
    /* errors: no `result` */
    ANSWER_TURN_RUNNING, /* 409, policy reject */
    ANSWER_FULL,         /* 503, PENDING_MAX or the store is full */
    ANSWER_UNAVAILABLE,  /* 503, no store */
    ANSWER_TOO_LARGE,    /* 413, the arena's cap */
};

/* Borrowed until the callback returns. */
struct turn_answer {
    enum answer_status status;
    int http_status;        /* 200, 202, 409, 413, 503 */
    struct sv result;       /* JSON object: the value of "result" */
    int64_t retry_after_ms; /* of 409 and 503 */
    bool check_reply;       /* may the bot reply in this conversation? Meaningless with errors */
    bool other_content;     /* this id was here before with another content: what is answered is the first one */
};
typedef void turn_answer_fn(void *arg, const struct turn_answer *answer);

struct submit_options {
    bool respond_async; /* 202 as soon as the turn has begun */
    bool as_job;        /* a daemon runs the turn; the answer comes at once */
    bool patient;       /* with as_job: nobody asks for it; unreachable peers are tried as long as for any other message, not attempts_max times */
    bool changed;       /* its id may be known with another content (other_content): nothing to warn of */
    bool fetched;       /* it comes some time after it was written: a person's silences the bot from then on, not from now */
    bool answered_elsewhere; /* a person has written to the customer since: it is recorded, and nothing answers it */
    int64_t wait_ms;    /* after that 202 `processing`; the turn goes on */
    struct sv request_id, traceparent; /* handed to the AI and the platform; SV_NONE: none */
};
/* fn comes exactly once, never from inside the call. The message is copied. */
void turns_submit(struct turns *t, const struct message *m, const struct submit_options *o, turn_answer_fn *fn, void *arg);

/* The daemon's way in: does whatever this conversation needs now (nothing, when another process was quicker). fn when it is done. */
typedef void turns_fn(void *arg);
void turns_begin(struct turns *t, struct sv conversation_id, turns_fn *fn, void *arg);

/* {job_id, conversation_id, status, ...} of a turn or job, SV_NONE: unknown. DOWN also when it may be where nobody can look now. */
typedef void turn_job_fn(void *arg, enum store_status status, struct sv job);
void turns_job(struct turns *t, struct sv job_id, turn_job_fn *fn, void *arg);

/* To be called with every event of the store's subscription: lines "due", "callback", "interrupt <conversation>", "job <conversation>", "erased <conversation>". What
 * it says is to be looked at by the daemon: */
#define TURNS_DUE 1u      /* a conversation is due */
#define TURNS_CALLBACK 2u /* something is in callback_queue */
unsigned turns_event(struct turns *t, struct sv event);
/* A line "erased <conversation>" is fn's. One at a time; NULL: nobody's. */
typedef void turns_erased_fn(void *arg, struct sv conversation_id);
void turns_on_erased(struct turns *t, turns_erased_fn *fn, void *arg);
size_t turns_running(const struct turns *t);
/* No new turns; waiting and thinking ones are handed back after `grace_ms`, waiting clients are told `processing`; fn when none is left. */
void turns_drain(struct turns *t, int64_t grace_ms, turns_fn *fn, void *arg);

/* How a merge joins two records of one conversation (a store_join_fn): see store_backends.h. Stateless, arg is not looked at. */
struct store_join;
struct store_joined;
int turns_join(void *arg, struct arena *a, const struct store_join *in, struct store_joined *out);

/* Figures since the start. */
struct turns_stat {
    uint64_t messages, completed, locked, restarted, recorded, queued, failed, cancelled, unknown, replayed, lost;
};
void turns_stat(const struct turns *t, struct turns_stat *out);

#endif
