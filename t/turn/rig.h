/* SPDX-License-Identifier: MIT
 * An engine on the memory store with an AI and a platform that do what the test says. */
#ifndef T_TURN_RIG_H
#define T_TURN_RIG_H

#include "lib/alive.h"
#include "lib/json.h"
#include "lib/loop.h"
#include "outside/ai.h"
#include "outside/platform.h"
#include "store/store_backends.h"
#include "turn/turn.h"

struct rig_ai {
    struct ai ai;
    struct loop *loop;
    enum ai_outcome outcome;
    const char *reply;    /* JSON of ai_response; NULL: {"response_text":"answer N"} */
    const char *actions;  /* JSON array, NULL: none */
    bool hold;            /* answers only when rig_ai_release is called */
    struct ai_call *held; /* the last call that waits */
    int calls, running, running_max, aborted;
    char seen[4096];      /* "role:content|" of the last call */
    ai_partial_fn *partial; /* the last call's, with its argument; NULL: it does not want to see the answer grow */
    void *partial_arg;
    bool tools;           /* it offered tools, and can say what is wrong with a call */
};

struct rig_platform {
    struct platform platform;
    struct loop *loop;
    enum platform_outcome outcome;
    bool impossible; /* FAILED, since it can do nothing of it */
    bool hold;
    struct platform_call *held;
    int sent;
    int64_t sent_ms; /* clock_mono_ms of the last one */
    char last_key[64];
    char last_body[8192];
    /* with places, after rig_give_places */
    struct platform_place place; /* the answer; at_ms: from now on */
    bool hold_place, fail_place; /* answers only when rig_place_release is called; has no memory */
    struct platform_call *held_place;
    int places, places_aborted;
    int64_t place_ms; /* clock_mono_ms: the moment of the last one that was given ... */
    int early;        /* ... and how many sends came before it */
    /* of the last request, for a place or a send */
    bool last_again;
    char last_message_id[64], last_metadata[128], last_actions[512];
};

struct rig {
    struct loop *loop;
    struct store *store;
    struct rig_ai ai;
    struct rig_platform platform;
    struct alive *alive;
    struct turns *turns;
    struct turns_options options;
    char dir[64];
};

struct rig_answer {
    int http_status; /* 0: none yet */
    json_t *result;
};

void rig_open(struct rig *r, const struct policy *policy);
/* The same on a store whose n-th call is answered DOWN: before it did anything, or (after) when it has done it. n = 0: none. */
void rig_open_failing(struct rig *r, const struct policy *policy, unsigned n, bool after);
void rig_close(struct rig *r);
extern const struct policy rig_policy;
/* Sends one message; the answer comes into *out. */
void rig_send(struct rig *r, const char *conversation, const char *id, const char *text, const char *sender_type, struct rig_answer *out);
/* Runs the loop until nothing moves any more or the answer is there. */
void rig_settle(struct rig *r);
bool rig_until(struct rig *r, const struct rig_answer *a);
/* A daemon's visit. */
void rig_visit(struct rig *r, const char *conversation);
void rig_ai_release(struct rig *r);
/* From now on the AI can show its answer as it grows. */
void rig_ai_streams(struct rig *r);
void rig_platform_release(struct rig *r);
/* From now on the platform has places: now, if r->platform.place says nothing else. */
void rig_give_places(struct rig *r);
void rig_place_release(struct rig *r);
const char *rig_str(const struct rig_answer *a, const char *key);
const char *rig_in(const struct rig_answer *a, const char *object, const char *key);
void rig_forget(struct rig_answer *a);

#endif
