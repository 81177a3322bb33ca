/* SPDX-License-Identifier: MIT
 * What an OpenAI-compatible service is asked (https://platform.openai.com/docs/api-reference/chat/create): the context as its messages, within a
 * budget of tokens, and the rounds in which it is told what is wrong with its calls. Pure. */
#ifndef OUTSIDE_CHAT_PROMPT_H
#define OUTSIDE_CHAT_PROMPT_H

#include "outside/ai.h"
#include "outside/completion.h"

struct chat_prompt_options {
    struct sv model, system_prompt;
    int64_t context_tokens, answer_tokens;
    bool tools, stream_usage;
};

struct chat_prompt {
    struct buf messages; /* elements of the array, separated by commas */
    struct buf rest;     /* the other members of the body, without braces */
    int64_t answer_tokens;       /* and the bound of the answer; 0: none */
    enum completion_bound bound; /* how it is called; may change between two renderings */
};

/* What was said to a call: NULL that it was right, else why it was not. */
typedef const char *chat_prompt_verdict_fn(void *arg, size_t call);

/* Zeroed is a new one (but for `bound`, which stays). What r holds is copied. buf_ok of both tells of memory. */
void chat_prompt_init(struct chat_prompt *p, const struct chat_prompt_options *o, const struct ai_request *r);
/* The model's answer and what is to be said of its calls, behind what there is. */
void chat_prompt_add_round(struct chat_prompt *p, const struct completion *c, chat_prompt_verdict_fn *verdict, void *arg);
/* The same of a JSON block in it: behind chat_prompt_add_round, that it cannot be read. Said as the user, since not all models know another who may speak now. */
void chat_prompt_add_unreadable(struct chat_prompt *p);
/* The body of a request; appended. */
void chat_prompt_render(struct buf *b, const struct chat_prompt *p);
bool chat_prompt_ok(const struct chat_prompt *p);
void chat_prompt_fini(struct chat_prompt *p);

/* Twelfths of a token that a JSON string (quotes and escapes in it) is estimated at: a quarter token for an ASCII character, two thirds for
 * another. */
int64_t chat_prompt_cost(struct sv json_string);

#endif
