/* SPDX-License-Identifier: MIT
 * PORT: where a reply's actions go. One call, one delivery attempt, never repeated in here: whoever holds the send intent decides. */
#ifndef OUTSIDE_PLATFORM_H
#define OUTSIDE_PLATFORM_H

#include "lib/err.h"
#include "lib/json.h"
#include "lib/sv.h"

struct platform;
struct platform_call;
struct breaker;
struct http;
struct loop;

struct platform_request {
    struct sv body;            /* the seed's request body, rendered by turn/; stays valid until the callback */
    struct sv idempotency_key; /* turn id */
    struct sv conversation_id; /* for logs */
    struct sv request_id;      /* header; SV_NONE: none */
    struct sv actions;         /* JSON array, the same as in the body; stays valid as long */
    struct sv message_id;      /* of the newest message that it answers */
    struct sv metadata;        /* that message's, JSON object; SV_NONE: none */
    bool again;                /* an earlier attempt of this very delivery may have arrived, as a whole or in part */
    bool look_only;            /* with `again`: what became of them is to be found out where that can be read, and nothing more is to be sent: a person has taken over */
    size_t actions_n;          /* in the body: what actions_executed is when the platform names no number */
    int64_t timeout_ms;
    int64_t send_before_ms; /* clock_mono_ms: past it nothing may leave */
};

enum platform_outcome {
    PLATFORM_SENT,        /* accepted */
    PLATFORM_FAILED,      /* understood and refused (4xx but 408/429, or success: false): trying again will not help */
    PLATFORM_UNREACHABLE, /* proved not applied (connect error, 429, 503): may be tried again */
    PLATFORM_TOO_LATE,    /* not one byte left */
    PLATFORM_UNKNOWN,     /* it may have been applied (timeout, cut, 408, other 5xx) */
    PLATFORM_PART,        /* some of it has been applied, the rest has not and can be with a repeat */
};

struct platform_answer {
    enum platform_outcome outcome;
    int64_t actions_executed;
    int64_t retry_after_ms; /* -1: not said */
    int64_t took_ms;
    int http_status;        /* 0: there was none */
    bool settled;           /* FAILED, UNREACHABLE, TOO_LATE of a request with `again`: the earlier attempts have not been applied either */
    bool impossible;        /* FAILED, and nobody was asked: none of its actions can be done on this platform */
    bool circuit_open;      /* UNREACHABLE, and nobody was asked; retry_after_ms is how long that lasts at least */
    struct err err;
};

typedef void platform_fn(void *arg, const struct platform_answer *answer);
struct platform_call *platform_send(struct platform *p, const struct platform_request *r, platform_fn *fn, void *arg) MUST_CHECK;
/* fn will not come. What was sent stays sent. */
void platform_abort(struct platform *p, struct platform_call *call);
/* Of what has several parts, those that have not left need not leave any more; fn comes all the same, with PART or as if nothing had been sent. */
void platform_stop(struct platform *p, struct platform_call *call);
/* When may this be sent? For platforms that take so many calls a second and no more: a place is taken for it, and `at_ms` (clock_mono_ms) is when it is to be
 * sent, now or later; one that comes too late is not kept. Of the request, idempotency_key and body are not needed yet.
 * NO_PLACE: there is none within reach; retry_after_ms as above. fn comes exactly once, never from inside the call. NULL: memory, or a platform that has
 * none. Aborted by platform_abort; what was taken stays taken. */
struct platform_place {
    enum { PLATFORM_PLACE, PLATFORM_NO_PLACE } outcome;
    int64_t at_ms, retry_after_ms;
};
typedef void platform_place_fn(void *arg, const struct platform_place *place);
struct platform_call *platform_place(struct platform *p, const struct platform_request *r, platform_place_fn *fn, void *arg) MUST_CHECK;
/* Whether platform_place is to be asked: else every moment is right. */
bool platform_has_places(const struct platform *p);
/* How long an answer of UNREACHABLE is sure to come, without anything being sent; 0: it is not. */
int64_t platform_wait_ms(const struct platform *p);
const char *platform_name(const struct platform *p);
/* It knows no operations: an action execute_api is never executed there. */
bool platform_talks_only(const struct platform *p);
void platform_close(struct platform *p);

struct platform_actions_options {
    const char *url, *path; /* PANCAKE_BASE_URL, PANCAKE_ACTIONS_PATH */
    const char *token;      /* PANCAKE_OUTBOUND_TOKEN; "" none */
};
struct platform *platform_actions_open(struct loop *l, struct http *h, const struct platform_actions_options *o, struct err *e) MUST_CHECK;
/* From now on, for what a platform_actions sends. The options are copied. -1: nothing has changed. */
int platform_actions_set(struct platform *p, const struct platform_actions_options *o, struct err *e) MUST_CHECK;
/* Appends each body as one line to a file, which is then the ledger; sent means synced, on a thread of its own.
 * "": only the program's log. */
struct platform *platform_log_open(struct loop *l, const char *path, struct err *e) MUST_CHECK;

/* Sends through `inner`, which it owns from then on, while the breaker (the caller's, kept by pointer) lets it. */
struct platform *platform_guarded_open(struct loop *l, struct platform *inner, struct breaker *b, struct err *e) MUST_CHECK;

struct platform_ops {
    const char *name;
    struct platform_call *(*send)(struct platform *p, const struct platform_request *r, platform_fn *fn, void *arg);
    void (*abort)(struct platform *p, struct platform_call *call);
    void (*close)(struct platform *p);
    int64_t (*wait_ms)(const struct platform *p); /* NULL: always 0 */
    void (*stop)(struct platform *p, struct platform_call *call); /* NULL: it has one part, and goes on */
    struct platform_call *(*place)(struct platform *p, const struct platform_request *r, platform_place_fn *fn, void *arg); /* NULL: it has no places */
    bool talks_only; /* see platform_talks_only */
};
struct platform {
    const struct platform_ops *ops;
};

#endif
