/* SPDX-License-Identifier: MIT
 * The record of a conversation: everything that decides what happens next, without its messages. It is kept as JSON in the store, which does
 * not look inside: under 2 KB, and under 3 KB where three ids are as long as ids may be and consist of what JSON escapes.
 *
 *   IDLE ──message──> THINKING ──AI answered, gate──> SENDING ──outcome──> IDLE
 *     │                 ^  │  │                          │                   (or QUEUED: newer ones wait)
 *     └─debounce─> WAITING │  └─newer: restart──> QUEUED <┘ unreachable
 *                          └──AI unreachable────> QUEUED ──due──> THINKING
 *
 * WAITING, THINKING and SENDING have a lease: lock:<id> holds `token`. When the lock is gone, whoever comes next may take WAITING and
 * THINKING over (new fence, same turn); SENDING only once the send intent's own deadline has passed or its owner is proved dead. */
#ifndef TURN_CONVERSATION_H
#define TURN_CONVERSATION_H

#include "lib/id.h"
#include "lib/json.h"
#include "turn/message.h"

enum phase {
    PHASE_IDLE,     /* nothing to answer */
    PHASE_WAITING,  /* quiet window of a burst; leased to whoever opened it */
    PHASE_THINKING, /* the AI is asked */
    PHASE_SENDING,  /* the send intent is written; the platform may have the reply */
    PHASE_QUEUED,   /* messages wait for `retry_at_ms`; no lease */
};

#define OWNER_SIZE 80
#define SUPERSEDED_MAX 3

/* A turn whose reply was withheld because something newer came. */
struct superseded {
    char turn_id[ID_UUID_SIZE];
    uint32_t covered_n; /* it was about so many from the front of the pending list */
};

struct conversation {
    int64_t created_ms, activity_ms;
    char user_id[MESSAGE_ID_MAX + 1]; /* first sender of type user; "" so far none */
    char last_message_id[MESSAGE_ID_MAX + 1];
    int64_t last_message_ms; /* its timestamp */
    uint64_t seq;            /* arrival number of the newest message of any sender */
    int64_t total;           /* customer messages accepted, those of earlier_total among them */
    int64_t earlier_total;   /* those from before this record, as the archive said */
    int64_t earlier_n;       /* messages of any sender that seq does not count: from before this record, as the archive said; or of both
                                sides of a merge */
    bool closed, archived;   /* by whoever ended the session; its next customer message opens it again */
    uint32_t context_n; /* length of the context list */
    char bot_id[MESSAGE_ID_MAX + 1]; /* that a message named last; "": the default bot */
    bool recalled;      /* what the archive had of it, from before it was forgotten, is in there */
    bool past_known;    /* what the archive had before this record is in total, or it has answered that there was nothing */
    bool listed;        /* the store has all fields of the session; those that change are written alone */

    uint32_t pending_n; /* length of the pending list: customer messages that nothing covers yet */
    int64_t oldest_ms;  /* arrival of its first; 0: empty */
    int64_t newer_ms;   /* arrival of the first one after the snapshot; 0: none */
    bool told;          /* somebody was told the id of a turn that is to answer them: its record is kept for long, its changes are published */
    bool job;           /* some of them came as a job: tried JOB_MAX_ATTEMPTS times, whatever the reason */
    bool newer_job;     /* some of those after the snapshot did */

    enum phase phase;
    char turn_id[ID_UUID_SIZE];      /* the turn that runs, or that will (QUEUED) */
    char next_turn_id[ID_UUID_SIZE]; /* of the messages that came after the snapshot; "" none came */
    uint32_t covered_n;              /* the turn's snapshot: this many from the front of the pending list */
    uint32_t cancelled_n;            /* so many behind those were cancelled while they waited: the next visit ends them, as ... */
    char cancelled_turn_id[ID_UUID_SIZE]; /* ... the turn that they had been promised */
    int64_t cancelled_after_ms;           /* arrival of the first one behind those; 0: none came */
    int64_t began_ms;
    uint32_t restarts; /* replies withheld since the last one that was sent */
    uint32_t superseded_n;
    struct superseded superseded[SUPERSEDED_MAX]; /* those turns, the last ones, oldest first */
    uint32_t attempts; /* failed tries of this turn */
    uint32_t faults;   /* those of them that count against attempts_max: not the ones where a peer was unreachable */
    int64_t opened_ms, wait_until_ms; /* WAITING; opened_ms also QUEUED while its quiet window lasts */
    int64_t retry_at_ms;              /* QUEUED, and SENDING between two attempts (no lease then) */
    char reason[48];                  /* QUEUED: why */

    char token[ID_TOKEN_SIZE]; /* "" no lease */
    char lock_token[ID_TOKEN_SIZE]; /* QUEUED: what the first lease will hold, since a client was told; "" a fresh one */
    uint64_t fence;            /* grows with every lease, never starts over */
    char owner[OWNER_SIZE];    /* alive_name() of the process that took the lease */

    int64_t send_deadline_ms; /* store time after which the platform cannot get any attempt any more; where the outcome stays unknown it
                                 outlives the turn, and no other begins before it */
    uint64_t send_fence;
    uint32_t sends; /* attempts of this very send under its key */

    bool paused;             /* a person has taken over (check_reply false) */
    int64_t paused_until_ms; /* 0: until resumed */
};

/* Zero-filled: a conversation that nobody has seen. */
void conversation_format(struct buf *b, const struct conversation *c);
/* Unknown members are ignored (a newer version wrote them), missing ones are zero. -1: not a record. */
int conversation_parse(struct sv record, struct conversation *c, struct err *e) MUST_CHECK;
const char *phase_name(enum phase p);

#endif
