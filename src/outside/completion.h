/* SPDX-License-Identifier: MIT
 * What an OpenAI-compatible service answers (https://platform.openai.com/docs/api-reference/chat), taken together from the chunks of a stream
 * or from one object. Services differ in what they leave out, repeat and add: whatever comes is either taken for what it can only mean, or makes an
 * answer that is none. Pure: no connection, no time. */
#ifndef OUTSIDE_COMPLETION_H
#define OUTSIDE_COMPLETION_H

#include "lib/json.h"
#include "outside/thoughts.h"

#define COMPLETION_CALLS_MAX 64                 /* further calls of tools are left out */
#define COMPLETION_MAX ((size_t)4 * 1024 * 1024) /* bytes of a text */
#define COMPLETION_DEPTH_MAX 24u
#define COMPLETION_CALL_MAX ((size_t)1024 * 1024) /* of a call's arguments */

struct completion_call {
    struct buf id, name, arguments;
    struct {
        size_t at; /* up to here */
        unsigned depth, read; /* read: how often it was tried */
        bool in_string, escaped;
    } seen;        /* of the arguments, by who asks whether they are whole */
    json_t *raw;   /* the call as it came, with members that are not known here */
    int64_t index; /* -1: it came without */
};

/* Whether an error of the service would be the same if it were asked again ... */
enum completion_denial {
    DENIAL_NONE,
    DENIAL_QUESTION, /* yes: what it was asked is the matter */
    DENIAL_ALL,      /* until somebody mends it: token, account, model, address */
};

struct completion {
    struct buf text, refusal, model, finish; /* text: with its thoughts; finish: finish_reason, "" as long as there is none */
    json_t *extras;                          /* members of the message that are not known here, ... */
    json_t *pieces;                          /* ... and those of them that are strings: lists of their pieces, null: it is too long. NULL: none */
    struct completion_call *calls;
    size_t calls_n, calls_size, left_out;    /* left_out: calls behind the last that there is place for */
    struct buf unreadable;                   /* calls that stood in the text and cannot be read (completion_calls.h), as they stood there; "" none */
    int64_t prompt_tokens, completion_tokens, total_tokens; /* -1: not said */
    struct err error;                                       /* what the service said instead of an answer */
    enum completion_denial denial;                          /* which that is */
    size_t pieces_bytes;                                    /* of all of them */
    bool tools;                                             /* the caller's: the service was offered tools, so calls may stand in the text */
    bool hides;                                             /* the caller's: its thoughts are taken to have begun before its first byte (completion_shown) */
    bool done;                                              /* [DONE], or one object */
    bool broken;                                            /* something was no JSON, or had another shape */
};

enum completion_state {
    COMPLETION_GOOD,
    COMPLETION_CUT,     /* it ended before its end */
    COMPLETION_LENGTH,  /* the answer is longer than the service lets it be */
    COMPLETION_REFUSED, /* the model, or a filter, will not answer */
    COMPLETION_ERROR,   /* an error object instead of an answer */
    COMPLETION_DENIED,  /* the same, and asking again will not help; `denial` says what would */
    COMPLETION_BROKEN,  /* no such thing as an answer */
    COMPLETION_EMPTY,   /* neither something said nor a call */
    COMPLETION_LARGE,
};

void completion_init(struct completion *c);
void completion_fini(struct completion *c);
/* The data of one event of a stream, "[DONE]" among them. */
void completion_add(struct completion *c, struct sv data);
/* A body that is one JSON object: a completion, or an error. */
void completion_add_whole(struct completion *c, struct sv body);
/* What has come, once nothing more will. *e says why when it is not GOOD; it quotes no text of the answer. */
enum completion_state completion_judge(const struct completion *c, struct err *e) MUST_CHECK;
/* What of the text is for the customer (thoughts.h); *how (may be NULL): what stood before it. */
struct sv completion_said(const struct completion *c, enum thoughts *how);
/* What may be shown of that while it grows: not what may become a JSON block, or is one; nothing as long as the model may still be thinking. Where that
 * shows too late, since a tag ends what had no beginning, it begins anew behind the tag: the first byte is another one then. */
struct sv completion_shown(const struct completion *c);
/* What an answer with `status`, of which `body` is an error, is; *e says it. */
enum completion_denial completion_denial_of(int status, struct sv body, struct err *e);

/* The two names of an answer's bound in a request. Services know one of them, or both. */
enum completion_bound { COMPLETION_OLDER_BOUND, COMPLETION_NEWER_BOUND };
const char *completion_bound_name(enum completion_bound b); /* max_tokens, max_completion_tokens */
/* An answer with `status` and `body` to a request that said `said`: whether the other name is what the service wants. */
bool completion_is_misnamed(int status, struct sv body, enum completion_bound said);

/* Not nested deeper than what is kept of an answer may be: it stands inside other JSON from then on, which is read with a limit, too. */
bool completion_is_flat(const json_t *value);
/* A call's arguments as an object, a new reference: empty ones are {}. NULL with *e: they are no JSON, no object, have a key twice, or are not flat. */
json_t *completion_arguments(const struct completion_call *call, struct err *e) MUST_CHECK;
/* The message as it came, for the next question, but for its thoughts: models are made to be asked without. Every call has an id of its own there
 * (completion_call_id). */
void completion_render(struct json_out *o, const struct completion *c);
/* The id of the n-th call in completion_render. out is cleared first. */
void completion_call_id(struct buf *out, const struct completion *c, size_t n);

#endif
