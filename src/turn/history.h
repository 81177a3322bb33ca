/* SPDX-License-Identifier: MIT
 * The second way in: a caller that cannot wait gives the whole conversation as it sees it, and a daemon answers what is new in it as a job.
 *
 *   markup_parse  (api)   the parts of the history
 *   load                  record, context, pending; the archive when the store has forgotten the conversation
 *   overlap               what of the parts is known; the last run of the customer's parts among the rest is to be answered
 *   step, apply           history to the context, the run to the pending list, a job for it: one atomic unit
 *   answer                within milliseconds; the daemon is woken by the event of the apply */
#ifndef TURN_HISTORY_H
#define TURN_HISTORY_H

#include "turn/markup.h"
#include "turn/turn.h"

struct history {
    struct sv conversation_id;
    bool fresh; /* the id was made for this request: there is nothing to compare with */
    const struct markup_part *parts; /* with at least one of the customer's */
    size_t parts_n;
    struct sv sender_id;    /* the customer's */
    struct sv bot_id;       /* SV_NONE: the conversation's */
    struct sv metadata;     /* JSON object for the AI; SV_NONE: none */
    struct sv callback_url; /* checked; SV_NONE: none */
    struct sv request_id, traceparent; /* handed to the AI and the platform by whoever does the job; SV_NONE: none */
};

enum history_outcome {
    HISTORY_STARTED,  /* a job of its own */
    HISTORY_LOCKED,   /* a job that runs or waits takes it along */
    HISTORY_KNOWN,    /* nothing is new, and a job had it before; job_id "": nobody knows any more which one */
    HISTORY_RECORDED, /* the bot is silent; `reason` */
    HISTORY_REJECTED, /* 409: a turn is running and the policy is reject */
    HISTORY_FULL,     /* 503: too many unanswered messages, or the store is full */
    HISTORY_UNAVAILABLE, /* 503: no store */
    HISTORY_TOO_LARGE,   /* 413 */
};

/* Borrowed until the callback returns. */
struct history_answer {
    enum history_outcome outcome;
    const char *job_id;  /* "" none */
    const char *lock_id; /* UUID: that of the lease the job has or will have; "" none */
    size_t consolidated; /* messages that the job answers, as of now */
    const char *bot_name;
    const char *reason; /* of RECORDED */
    int64_t retry_after_ms; /* of 409, 503 */
};
typedef void history_fn(void *arg, const struct history_answer *answer);
/* Everything is copied. fn comes exactly once, never from inside the call. */
void turns_submit_history(struct turns *t, const struct history *h, history_fn *fn, void *arg);

#endif
