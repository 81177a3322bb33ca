/* SPDX-License-Identifier: MIT
 * From completions, one a round, to what the turn wants: a text, actions, and what is known about them. Pure. */
#ifndef OUTSIDE_OPENAI_REPLY_H
#define OUTSIDE_OPENAI_REPLY_H

#include "outside/ai.h"
#include "outside/answer_block.h"
#include "outside/completion.h"

/* Actions in the blocks of one text; as many as the turn executes and keeps as dropped (turn/actions.h). */
#define OPENAI_REPLY_ACTIONS_MAX 100

/* Zeroed is a new one. */
struct openai_reply {
    struct buf text;    /* the newest that is not empty, without thoughts and blocks */
    json_t *block;      /* what was known of the blocks that stood in it; NULL: none */
    json_t *earlier;    /* actions of blocks that stood in texts before it; NULL: none */
    struct buf broken;  /* blocks and written calls of the last round that cannot be read */
    struct buf finish, model;
    json_t *right;      /* actions, in the order in which they were called, each once */
    json_t *wrong;      /* actions of the last round that may not be executed */
    json_t *verdicts;   /* of the last round's calls: null, or why it is wrong */
    json_t *usage;
    size_t rounds;
    size_t left_out;    /* actions of blocks, behind those that are looked at */
};

/* The calls that are right are kept, as is what is said or stands in blocks that can be read; the others wait for what comes. -1: memory. */
int openai_reply_add(struct openai_reply *r, const struct completion *c, ai_fault_fn *fault) MUST_CHECK;
/* Whether the model has to be told of its last answer what is wrong with it: with a call, or that its block cannot be read where nothing else is left. */
bool openai_reply_has_wrong(const struct openai_reply *r);
/* A block of the last answer cannot be read. */
bool openai_reply_is_broken(const struct openai_reply *r);
/* A chat_prompt_verdict_fn; arg is the reply. */
const char *openai_reply_verdict(void *arg, size_t call);
/* Something can be said or done already. */
bool openai_reply_is_some(const struct openai_reply *r);
/* Neither that nor anything wrong: blocks with nothing in them were all that came. */
bool openai_reply_is_empty(const struct openai_reply *r);
/* Both are new references; *actions NULL: there were no calls. What blocks want done, and those that could not be read, as AI_BLOCK, are among the actions,
 * behind the calls, where there are any, else in the block at the end of the text that the turn takes actions from. -1: memory. */
int openai_reply_make(const struct openai_reply *r, int64_t took_ms, const char *model, json_t **response, json_t **actions) MUST_CHECK;
void openai_reply_fini(struct openai_reply *r);

#endif
