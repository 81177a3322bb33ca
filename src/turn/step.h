/* SPDX-License-Identifier: MIT
 * All decisions about turns: step(conversation, event, now) -> next conversation, verdict, effects. Pure: no I/O, no clock, no
 * allocation, no randomness (tokens, ids and jitter come in with the event). Responder, daemon and simulation share it, so they cannot
 * differ. The store applies what it returns in one atomic unit, or nothing. */
#ifndef TURN_STEP_H
#define TURN_STEP_H

#include "store/store.h"
#include "turn/conversation.h"
#include "turn/policy.h"

enum event_kind {
    EVENT_ARRIVE,    /* a message came */
    EVENT_BEGIN,     /* the conversation is due (or its owner looks at its quiet window) */
    EVENT_ANSWERED,  /* the AI answered: the gate */
    EVENT_AI_FAILED, /* `failure` says how */
    EVENT_SENT,      /* the platform's outcome: `sent` */
    EVENT_CANCEL,    /* by an administrator */
    EVENT_PAUSE, EVENT_RESUME,
    EVENT_SESSION,   /* its status is set, and whether the bot may reply */
    EVENT_HAND_BACK, /* the owner shuts down */
    EVENT_REVIVE,    /* messages of a turn that was given up are to be answered after all */
    EVENT_SYNC,      /* exchanges that were made elsewhere are told of: each is at its end already */
};

enum failure { FAILURE_UNREACHABLE, FAILURE_REFUSED, FAILURE_INVALID };
/* What one attempt of a send has come to. PART: some of it has arrived, the rest has not been sent: it is to be repeated, and nothing is unknown. */
enum sent { SENT_OK, SENT_FAILED, SENT_UNREACHABLE, SENT_TOO_LATE, SENT_UNKNOWN, SENT_PART };

enum session_status { SESSION_KEEP = 0, SESSION_ACTIVE, SESSION_CLOSED, SESSION_ARCHIVED };
enum session_reply { SESSION_REPLY_KEEP = 0, SESSION_REPLY_ON, SESSION_REPLY_OFF };

struct event {
    enum event_kind kind;
    int64_t now_ms;  /* the store's clock; ANSWERED, BEGIN: never behind it, and the own send deadline counts from a moment before it */
    bool lease_held; /* lock:<id> holds the record's token ... */
    int64_t lease_left_ms; /* ... for so long */
    bool owner_dead; /* the record's owner is proved dead (never a guess) */

    /* who asks: for everything that may take a lease or needs the own one */
    const char *token; /* ARRIVE, BEGIN: a fresh one; else the own one */
    uint64_t fence;    /* the own one; BEGIN: of the owner that looks at its quiet window, else 0 */
    const char *owner;
    const char *fresh_id; /* a new turn id, in case that one is needed */

    const struct message *message; /* ARRIVE; SYNC: the customer's part of the newest exchange */
    bool hand_over;                /* ARRIVE: only record it; the daemon runs the turn */
    bool as_job;                   /* ARRIVE: its sender asks for the turn's outcome later; with hand_over, `token` is what the lease will hold */
    uint32_t together_n;           /* ARRIVE: so many customer messages at once, `message` is the newest; 0 counts as 1 */
    uint32_t history_n;            /* ARRIVE: so many older ones come before them, for the context alone ... */
    uint32_t history_users_n;      /* ... of which so many are the customer's */
    bool fetched;                  /* ARRIVE: it comes some time after it was written: a person's silences the bot from then on */
    bool answered_elsewhere;       /* ARRIVE: a person has written to the customer since: it is only recorded */
    uint32_t synced_n;             /* SYNC: so many exchanges */

    bool has_actions;      /* ANSWERED: something to send */
    bool interrupted;      /* ANSWERED: no answer yet, is it worth waiting for? NOTHING: yes */
    enum failure failure;  /* AI_FAILED */
    enum sent sent;        /* SENT */
    bool settled;          /* SENT, of a repeat that was not applied: nor was any attempt before it */
    const char *turn_id;   /* SENT: of the turn that tells; it covers ... */
    uint32_t covered_n;    /* ... so many */
    bool just_back;        /* BEGIN: the host has come back to this store a moment ago: who has sent something may tell of it yet */
    bool transferred, ended; /* SENT: transfer_to_agent / end_conversation was among the executed actions */
    int64_t jitter_ms;     /* AI_FAILED, SENT: backoff for this attempt */
    bool not_asked;        /* AI_FAILED, SENT: nobody was asked (an open circuit): no attempt */
    const char *reason;    /* AI_FAILED, SENT: for the record */
    enum session_status status; /* SESSION */
    enum session_reply reply;   /* the same; OFF: until until_ms */
    int64_t until_ms;      /* PAUSE, SESSION: 0 until resumed. ANSWERED: the archive knows of a person who has taken over until then; 0: of none */
    const char *target;    /* CANCEL: this turn, what it was restarted as, or the next one that was promised; NULL: whichever there is */
    uint32_t revive_n;     /* REVIVE: so many messages; they come behind what a running turn covers */
    uint64_t revive_seq;   /* REVIVE: the highest arrival number among them */
};

enum verdict {
    /* the turn goes on in this process */
    VERDICT_RUN,    /* lease taken: ask the AI about the whole pending list */
    VERDICT_WAIT,   /* lease taken or kept: look again (BEGIN) at wait_until_ms */
    VERDICT_SEND,   /* the gate is passed and the intent written */
    VERDICT_RESEND, /* lease taken: send the stored body again under its key */
    /* answers to a message that another turn will take care of */
    VERDICT_LOCKED,   /* a turn is running; `turn_id`, `position` */
    VERDICT_DEFERRED, /* joined a waiting burst */
    VERDICT_QUEUED,   /* waits for a retry or for the daemon; `reason` */
    VERDICT_RECORDED, /* nothing to answer; `reason` */
    VERDICT_REJECTED, /* nothing changed: a turn is running and the policy is reject */
    VERDICT_FULL,     /* nothing changed: too many unanswered messages */
    /* the end of a turn */
    VERDICT_COMPLETED, /* covered messages have their reply, or its outcome is known to be unknown */
    VERDICT_RESTART,   /* reply withheld; `turn_id` will answer */
    VERDICT_SILENCED,  /* reply withheld: a person has taken over; covered messages are recorded */
    VERDICT_RETRY,     /* kept for later; `reason` */
    VERDICT_FAILED,    /* given up; `reason` */
    VERDICT_CANCELLED,
    VERDICT_CANCELLED_NEXT, /* CANCEL: the promised turn will not be; the running one goes on */
    VERDICT_UNKNOWN,   /* BEGIN: a send of a lost owner ends as unknown */
    /* no turn of ours */
    VERDICT_LOST,     /* not ours any more: nothing changed */
    VERDICT_NOTHING,  /* nothing to do (due time possibly moved) */
    VERDICT_TOO_LATE, /* CANCEL: a live owner is sending */
};

struct decision {
    enum verdict verdict;
    bool changed; /* there is something to apply */
    const char *reason;   /* a constant, or the record's own */
    const char *turn_id;  /* which turn the verdict is about; inside `next` or inside `before` */
    bool named_next;      /* LOCKED: next_turn_id was named by this message */
    uint32_t position;    /* LOCKED: how many messages after the snapshot, this one included */
    struct conversation next;

    bool need_lease; /* the own token must stand in the lock */
    enum store_lease lease;
    int64_t lease_ttl_ms;
    bool add_pending, add_context; /* where the event's message goes */
    uint32_t settled_n;            /* this many from the front of the pending list have come to their end */
    bool settled_to_context;
    int64_t due_ms;                /* 0 none */
    bool wake;                     /* tell the daemons */
    bool interrupt;                /* tell the turn's owner to look whether it still is one */
};

void step(const struct conversation *before, const struct event *event, const struct policy *policy, struct decision *out);
const char *verdict_name(enum verdict v);

#endif
