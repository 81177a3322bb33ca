/* SPDX-License-Identifier: MIT
 * PORT: the service that writes the answers.
 * One call asks one question; retries on connect errors, 429 and 5xx (backoff, jitter, Retry-After) happen inside, within the deadline. */
#ifndef OUTSIDE_AI_H
#define OUTSIDE_AI_H

#include "lib/arena.h"
#include "lib/err.h"
#include "lib/json.h"
#include "lib/sv.h"

struct ai;
struct ai_call;
struct breaker;
struct http;
struct loop;

/* Content and id are JSON strings, with quotes and escapes: a context of forty messages is passed on, not taken apart. */
struct ai_message {
    struct sv role; /* user, assistant, agent, system */
    struct sv content_json;
    int64_t timestamp_ms;
    struct sv message_id_json; /* SV_NONE: none */
};

/* All that the answer says so far, as text for the customer. It may grow, or begin anew: when the question is asked again, or when what was told turns out
 * to be what the model thought before its answer. */
typedef void ai_partial_fn(void *arg, struct sv text);

/* Why an action may not be executed: one word (see turn/actions.h); NULL: it may. data NULL: it has none. */
typedef const char *ai_fault_fn(struct sv type, const json_t *data);

struct ai_request {
    struct sv conversation_id, message_id; /* of the newest message to be answered */
    struct sv message;                     /* its text */
    const struct ai_message *messages;     /* context and everything to be answered, in order */
    size_t messages_n;
    struct sv metadata; /* JSON object, or SV_NONE */
    struct sv bot;      /* JSON object: id, name, settings of the bot */
    struct sv turn_id;  /* Idempotency-Key */
    struct sv request_id, traceparent; /* headers; SV_NONE: none */
    struct sv tools;          /* JSON array of the actions as tools (https://platform.openai.com/docs/api-reference/chat/create); SV_NONE: none. openai alone looks at */
    ai_fault_fn *fault;       /* these; with `tools` never NULL */
    ai_partial_fn *partial;   /* comes with the argument of fn, never from inside the call; NULL: nobody wants to see the answer grow */
    int64_t timeout_ms;
};

/* Type of what stands among an answer's actions for a JSON block that could not be read: never to be executed, but kept with its text as what was dropped. */
#define AI_BLOCK "json_block"

enum ai_outcome {
    AI_ANSWERED,
    AI_UNREACHABLE, /* connect error, 429, 5xx, timeout: may be asked again later */
    AI_REFUSED,     /* 4xx: asking this again will not help */
    AI_DENIED,      /* 401, 402, 404, 3xx, no quota: it is not about this question. Good again once somebody has mended token, account, model or address */
    AI_INVALID,     /* an answer that is none: not JSON, no response_text. May be asked again */
};

/* A status that is AI_DENIED. */
static inline bool ai_is_denied_status(int64_t status)
{
    return status == 401 || status == 402 || status == 404 || (status >= 300 && status < 400);
}

/* response is the seed's `ai_response` object with response_text, processing_time_ms and model_used filled in; actions is the
 * reply's own `actions` array or NULL. Both are borrowed until the callback returns (incref to keep). */
struct ai_answer {
    enum ai_outcome outcome;
    json_t *response, *actions;
    int64_t took_ms;
    int64_t retry_after_ms; /* -1: not said */
    int http_status;        /* of a refusal or a failure; 0: there was none */
    bool circuit_open;      /* UNREACHABLE, and nobody was asked; retry_after_ms is how long that lasts at least */
    struct err err;
};

typedef void ai_fn(void *arg, const struct ai_answer *answer);
/* fn comes exactly once, never from inside the call. NULL: memory is short, fn will not come. */
struct ai_call *ai_ask(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg) MUST_CHECK;
/* fn will not come; a request on the wire is cut. */
void ai_abort(struct ai *ai, struct ai_call *call);
/* How long an answer of UNREACHABLE is sure to come, without anybody being asked; 0: it is not. */
int64_t ai_wait_ms(const struct ai *ai);
const char *ai_name(const struct ai *ai);
/* Whether it looks at `tools`, `fault` and `partial` of a request. */
bool ai_can_stream(const struct ai *ai);
void ai_close(struct ai *ai);

struct ai_native_options {
    const char *url, *path; /* AI_SERVICE_URL, AI_SERVICE_PATH */
    const char *token;      /* bearer; "" none */
    const char *model;      /* model_used where the reply names none */
    int retries;
};
struct ai *ai_native_open(struct loop *l, struct http *h, const struct ai_native_options *o, struct err *e) MUST_CHECK;
/* From now on, for calls of an ai_native. The options are copied. -1: nothing has changed. */
int ai_native_set(struct ai *ai, const struct ai_native_options *o, struct err *e) MUST_CHECK;

struct ai_openai_options {
    const char *url;           /* AI_SERVICE_URL: the base, to which `path` is appended */
    const char *path;          /* NULL: /chat/completions */
    const char *token, *model; /* as above */
    const char *system_prompt; /* AI_SYSTEM_PROMPT: of a bot that has none; "" none */
    int retries;
    int rounds;                /* AI_ROUNDS: how often a question is asked in all, when calls of tools are wrong */
    int64_t context_tokens;    /* AI_CONTEXT_TOKENS */
    int64_t answer_tokens;     /* AI_ANSWER_TOKENS; 0: not said. max_tokens, or max_completion_tokens once the service has wanted that */
    int64_t first_byte_ms, silence_ms; /* AI_FIRST_BYTE_MS, AI_SILENCE_MS: of answers that are streamed; 0: no limit but the deadline */
    int64_t growth_ms;         /* between two partial texts, more where they are long; 0: 200; < 0: as often as something comes */
    bool tools;                /* AI_TOOLS */
    bool stream_usage;         /* AI_STREAM_USAGE: some services refuse stream_options */
};
/* An OpenAI-compatible service: docs/peers.md, section 1. */
struct ai *ai_openai_open(struct loop *l, struct http *h, const struct ai_openai_options *o, struct err *e) MUST_CHECK;
/* As ai_native_set. */
int ai_openai_set(struct ai *ai, const struct ai_openai_options *o, struct err *e) MUST_CHECK;
/* Answers by itself after `delay_ms` with a sentence that names the messages it saw. */
struct ai *ai_simulated_open(struct loop *l, int64_t delay_ms, struct err *e) MUST_CHECK;

/* Asks `inner`, which it owns from then on, while the breaker (the caller's, kept by pointer) lets it. */
struct ai *ai_guarded_open(struct loop *l, struct ai *inner, struct breaker *b, struct err *e) MUST_CHECK;

/* ---- for backends: first member of each one's struct ---- */
struct ai_ops {
    const char *name;
    struct ai_call *(*ask)(struct ai *ai, const struct ai_request *r, ai_fn *fn, void *arg);
    void (*abort)(struct ai *ai, struct ai_call *call);
    void (*close)(struct ai *ai);
    int64_t (*wait_ms)(const struct ai *ai); /* NULL: always 0 */
    bool streams; /* see ai_can_stream */
};
struct ai {
    const struct ai_ops *ops;
};

#endif
