/* SPDX-License-Identifier: MIT
 * Where a job's result goes besides the platform: to a URL that a caller named, if the administrator has allowed it, signed as
 * Standard Webhooks (https://www.standardwebhooks.com) so that the receiver knows who sent it. One call, one try: whoever
 * holds the result counts them and waits between them. Which entries the list may have: outside/callback_rules.h. */
#ifndef OUTSIDE_CALLBACK_H
#define OUTSIDE_CALLBACK_H

#include "lib/err.h"
#include "lib/sv.h"

struct callback; /* one a process */
struct callback_call;
struct http;
struct loop;

struct callback_options {
    const char *allowlist; /* CALLBACK_ALLOWLIST: entries with a comma between them; "": no callbacks at all */
    const char *secrets;   /* CALLBACK_SECRET: one or several whsec_... (or base64 alone), each of which signs; needed with a list */
    int64_t timeout_ms;    /* of one delivery, from the call to the head of the answer; positive */
};

/* NULL: as callback_check_options, or memory. The options are copied; `h` stays the caller's and must outlive it. */
struct callback *callback_open(struct loop *l, struct http *h, const struct callback_options *o, struct err *e) MUST_CHECK;
/* From now on, also for calls under way that have yet to connect. -1: nothing has changed. */
int callback_set(struct callback *c, const struct callback_options *o, struct err *e) MUST_CHECK;
/* Pure. -1: ERR_INVALID, ERR_RANGE with a text that names the setting and the entry, never a secret. */
int callback_check_options(const struct callback_options *o, struct err *e) MUST_CHECK;
/* May results go there? Pure, no name is looked up: where a name leads is seen when it is connected to. -1 with a sentence
 * for whoever named the URL: ERR_INVALID and ERR_RANGE when it is no good one, ERR_REFUSED when it is not allowed. */
int callback_check_url(const struct callback *c, struct sv url, struct err *e) MUST_CHECK;

enum callback_outcome {
    CALLBACK_DELIVERED, /* 2xx */
    CALLBACK_RETRY,     /* no connection, timeout, no HTTP; 408, 425, 429, 5xx; memory. The receiver may have got it */
    CALLBACK_REFUSED,   /* not allowed (any more), a private address, a redirect, any other status: trying again will not help */
};

struct callback_request {
    struct sv url;
    struct sv id;        /* webhook-id: the same for all tries. 1 to 255 visible ASCII characters, no dot */
    struct sv body;      /* JSON; copied */
    int64_t timestamp_s; /* webhook-timestamp: of this try, seconds since 1970; receivers refuse those of other times */
};

struct callback_answer {
    enum callback_outcome outcome;
    int http_status;        /* 0: there was none */
    int64_t retry_after_ms; /* of RETRY; -1: not said */
    struct err err;         /* of RETRY and REFUSED: a text for logs and people, with the host at most, never path or query */
};

typedef void callback_fn(void *arg, const struct callback_answer *answer);
/* fn comes exactly once, never from inside the call. NULL: memory is short, fn will not come. */
struct callback_call *callback_post(struct callback *c, const struct callback_request *r, callback_fn *fn, void *arg) MUST_CHECK;
/* fn will not come. What was sent stays sent. NULL is allowed. */
void callback_abort(struct callback_call *call);
/* Calls under way are aborted. Before http_close. NULL is allowed. */
void callback_close(struct callback *c);

#endif
