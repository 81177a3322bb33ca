/* SPDX-License-Identifier: MIT
 * A small installation in one process on simulated time: several responders and daemons (engines with a sweep) on one memory store,
 * an AI and a platform that take the time that the scenario says, and a record of what they saw. Judged is what the AI and the platform
 * saw, not what turnkeeper says of itself. Messages are numbers from 1: "m1" is the first that was written. */
#ifndef T_TURN_SCENARIO_STAGE_H
#define T_TURN_SCENARIO_STAGE_H

#include "daemon/sweep.h"
#include "lib/alive.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "outside/ai.h"
#include "outside/platform.h"
#include "store/store_backends.h"
#include "turn/turn.h"

#define STAGE_MESSAGES_MAX 512
#define STAGE_CALLS_MAX 512
#define STAGE_ERASURES_MAX 64
#define STAGE_ACCEPTED_MS 200 /* whose client has heard nothing for so long: it waits for an answer */
#define STAGE_ENGINES 5 /* three responders, two daemons */
#define STAGE_RESPONDERS 3

struct stage_message {
    int64_t at_ms; /* since the scenario began */
    bool submitted, answered;
    int http_status;
    char status[24], reason[32];
    char turn_id[40];
    int covered; /* by how many replies */
};

struct stage_call { /* to the AI or to the platform */
    int64_t begin_ms, end_ms;
    bool ended, aborted;
    int engine;
    int ids[STAGE_MESSAGES_MAX]; /* AI: the customer's messages that it was shown; platform: message_ids */
    int ids_n;
    bool in_order;
    char key[64];
};

struct stage_erasure {
    struct stage *s;
    bool answered;
    int http_status;
    bool before[STAGE_MESSAGES_MAX + 1]; /* accepted when it was asked for */
    int calls_n, sends_n;                /* of AI and platform, when it was answered */
};

struct stage {
    struct loop *loop;
    struct store *store;
    struct stage_engine *engines[STAGE_ENGINES];
    char dir[64];
    int64_t begin_ms;

    int64_t ai_ms, platform_ms; /* how long they take */
    const char *actions;        /* JSON array of the AI's reply; NULL: none */
    enum platform_outcome platform_outcome;
    int64_t place_every_ms, place_ahead_ms; /* of the platform's row, which is the store's; every 0: it has none */
    unsigned place_crowd;       /* so many places are taken by others before one is given */
    int64_t place_wait_ms;      /* the row waits so long, before one is given */
    void (*vary)(struct stage *s); /* called before each call: may change the above. NULL: nobody does */
    int running, running_max;   /* AI calls at once */

    struct stage_message messages[STAGE_MESSAGES_MAX + 1];
    int written; /* highest number so far */
    struct stage_call calls[STAGE_CALLS_MAX], sends[STAGE_CALLS_MAX];
    int calls_n, sends_n;
    int places_n, no_places_n;  /* given, refused */
    int misplaced_n;            /* sends that did not come at the moment of their place */
    struct stage_erasure erasures[STAGE_ERASURES_MAX];
    int erasures_n;
};

struct stage *stage_open(const struct policy *policy);
void stage_close(struct stage *s);
/* From now on the platform has places. */
void stage_give_places(struct stage *s, int64_t every_ms, int64_t ahead_ms);
/* Milliseconds since it was opened. */
int64_t stage_now(const struct stage *s);
/* Writes message n (to responder n modulo their number) now, or sends it once more. */
void stage_write(struct stage *s, int n, const char *sender_type);
/* The same to one responder; kind of the sender "user", text "m<n>". */
void stage_write_to(struct stage *s, int responder, int n, const char *sender_type);
/* Whoever has the turn is to look whether it still is one. */
void stage_interrupt(struct stage *s);
/* Asks an engine for an erasure of the conversation. */
void stage_erase(struct stage *s, int engine);
/* Lets everything happen up to that moment. */
void stage_run_to(struct stage *s, int64_t ms);
/* Until nothing is left to be done for `quiet_ms`. */
void stage_rest(struct stage *s, int64_t quiet_ms);
/* A responder or daemon dies as by SIGKILL; what it is writing to the store at this moment is done or not begun. False: it is gone already, or
 * it waits for the store. */
bool stage_kill(struct stage *s, int engine);
/* "1 2 3" */
const char *stage_ids(const struct stage_call *c);

#endif
