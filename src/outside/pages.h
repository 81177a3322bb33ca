/* SPDX-License-Identifier: MIT
 * Pancake's public page API (pages.fm) as requests and answers: one call, one request, never repeated in here. Its tokens stand in the query of each URL, which is
 * therefore in no error and in no log. Knows nothing of turns, places or the store. */
#ifndef OUTSIDE_PAGES_H
#define OUTSIDE_PAGES_H

#include "lib/err.h"
#include "lib/json.h"
#include "lib/sv.h"

struct http;
struct loop;
struct pages;
struct pages_call;

struct pages_options {
    const char *url;    /* PANCAKE_BASE_URL; "": https://pages.fm/api. A trailing /public_api/v1 is left out */
    const char *tokens; /* PANCAKE_PAGE_TOKENS: page=token, separated by commas */
    const char *token;  /* PANCAKE_OUTBOUND_TOKEN: of pages that are not in it; "": those are unknown */
};
/* The options are copied. NULL with *e: a URL that is none (ERR_INVALID), tokens that are none (ERR_INVALID; the text never repeats them), memory. */
struct pages *pages_open(struct loop *l, struct http *h, const struct pages_options *o, struct err *e) MUST_CHECK;
/* From now on; -1: nothing has changed. */
int pages_set(struct pages *p, const struct pages_options *o, struct err *e) MUST_CHECK;
/* Calls under way are aborted. NULL is allowed. */
void pages_close(struct pages *p);
/* Whether there is a token for it. */
bool pages_has(const struct pages *p, struct sv page_id);
/* fn(arg, page_id) for each page of `tokens`. */
typedef void pages_each_fn(void *arg, struct sv page_id);
void pages_each(const struct pages *p, pages_each_fn *fn, void *arg);

enum pages_outcome {
    PAGES_DONE,        /* 2xx, and "success" is true, 1, "true", "1", or is not there */
    PAGES_REFUSED,     /* understood and refused (4xx but 408/429, or a 2xx whose "success" is false, 0, "false", "0") */
    PAGES_LIMITED,     /* 429: not done; retry_after_ms as it was said */
    PAGES_UNREACHABLE, /* proved not done (no connection, 503; 401: the token) */
    PAGES_TOO_LATE,    /* not one byte left */
    PAGES_UNKNOWN,     /* it may have been done (timeout, cut, 408, other 5xx, an answer that cannot be read, or whose "success" is null or anything else) */
};

/* Borrowed until the callback returns. */
struct pages_answer {
    enum pages_outcome outcome;
    struct sv id;           /* of the message that was made; SV_NONE: not said */
    const json_t *body;     /* of an answer that is a JSON object; else NULL */
    int64_t retry_after_ms; /* -1: not said */
    int64_t took_ms;
    int http_status;        /* 0: there was none */
    struct err err;
};
typedef void pages_fn(void *arg, const struct pages_answer *answer);

enum pages_action { PAGES_REPLY_INBOX, PAGES_REPLY_COMMENT };

struct pages_message {
    struct sv page_id, conversation_id;
    enum pages_action action;
    struct sv text;
    struct sv message_id; /* REPLY_COMMENT: of the comment */
    int64_t timeout_ms, send_before_ms; /* as in outside/http.h */
};
/* POST …/v1/pages/{page_id}/conversations/{conversation_id}/messages, on the wire at most once. fn exactly once, never from inside the call. NULL: memory. */
struct pages_call *pages_send(struct pages *p, const struct pages_message *m, pages_fn *fn, void *arg) MUST_CHECK;

/* GET …/v1/pages/{page_id}/conversations/{conversation_id}/messages?current_count=: up to 30, newest first, behind so many that were read already. The body's "messages". On the wire at most once, too: each call is
 * counted by the page. */
struct pages_reading {
    struct sv page_id, conversation_id;
    unsigned current_count;
    int64_t timeout_ms;
};
struct pages_call *pages_messages(struct pages *p, const struct pages_reading *r, pages_fn *fn, void *arg) MUST_CHECK;

/* GET …/v2/pages/{page_id}/conversations?since=&until=&last_conversation_id=: up to 60. The body's "conversations". Times in ms; the API has seconds. At most once. */
struct pages_listing {
    struct sv page_id;
    int64_t since_ms, until_ms;
    struct sv last_conversation_id; /* SV_NONE: from the first */
    int64_t timeout_ms;
};
struct pages_call *pages_conversations(struct pages *p, const struct pages_listing *l, pages_fn *fn, void *arg) MUST_CHECK;

/* fn will not come. What was sent stays sent. */
void pages_abort(struct pages_call *c);

#endif
