/* SPDX-License-Identifier: MIT
 * From completions, one a round, to what the turn wants: a text, actions, and what is known about them. Pure. */
#ifndef OUTSIDE_OPENAI_REPLY_H
#define OUTSIDE_OPENAI_REPLY_H

#include "outside/ai.h"
#include "outside/completion.h"

/* Zeroed is a new one. */
struct openai_reply {
    struct buf text;    /* the newest that is not empty */
    struct buf finish, model;
    json_t *right;      /* actions, in the order in which they were called, each once */
    json_t *wrong;      /* actions of the last round that may not be executed */
    json_t *verdicts;   /* of the last round's calls: null, or why it is wrong */
    json_t *usage;
    size_t rounds;
};

/* The calls that are right are kept, the others wait for what comes. -1: memory. */
int openai_reply_add(struct openai_reply *r, const struct completion *c, ai_fault_fn *fault) MUST_CHECK;
/* Whether the model has to be told of a call of its last answer. */
bool openai_reply_has_wrong(const struct openai_reply *r);
/* A chat_prompt_verdict_fn; arg is the reply. */
const char *openai_reply_verdict(void *arg, size_t call);
/* Something can be said or done already. */
bool openai_reply_is_some(const struct openai_reply *r);
/* Both are new references; *actions NULL: there were no calls. -1: memory. */
int openai_reply_make(const struct openai_reply *r, int64_t took_ms, const char *model, json_t **response, json_t **actions) MUST_CHECK;
void openai_reply_fini(struct openai_reply *r);

#endif
