/* SPDX-License-Identifier: MIT
 * What answers look like: the headers of every one, and the body of an error. Pure: writes CGI responses (RFC 3875 6) into buffers. */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "lib/buf.h"

/* Why a request is refused. One table (reply.c) gives status, code and sentence. */
enum problem {
    PROBLEM_NONE,
    PROBLEM_BAD_REQUEST,      /* 400 the request line, a header */
    PROBLEM_BODY_LENGTH,      /* 400 other than Content-Length says */
    PROBLEM_NOT_JSON,         /* 400 */
    PROBLEM_UNAUTHORIZED,     /* 401 */
    PROBLEM_FORBIDDEN,        /* 403 */
    PROBLEM_NOT_FOUND,        /* 404 no such path, no such thing */
    PROBLEM_WRONG_METHOD,     /* 405 */
    PROBLEM_TURN_RUNNING,     /* 409 */
    PROBLEM_NO_LENGTH,        /* 411 */
    PROBLEM_TOO_LARGE,        /* 413 */
    PROBLEM_MEDIA_TYPE,       /* 415 */
    PROBLEM_FIELDS,           /* 422 */
    PROBLEM_RATE_LIMITED,     /* 429 */
    PROBLEM_INTERNAL,         /* 500 */
    PROBLEM_NOT_IMPLEMENTED,  /* 501 the web server knows no such method or transfer coding */
    PROBLEM_BUSY,             /* 503 too many requests wait */
    PROBLEM_TOO_MANY_PENDING, /* 503 of one conversation, or the store is full */
    PROBLEM_UNAVAILABLE,      /* 503 no store */
};
#define PROBLEMS (PROBLEM_UNAVAILABLE + 1)

/* https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06: how many of `limit` are left, for how long. */
struct reply_rate {
    int64_t limit, remaining, reset_s; /* limit 0: not said */
};

struct reply {
    int status;
    struct sv body; /* JSON; SV_NONE: no body */
    const char *request_id;
    const char *origin;     /* of a browser that may read this; NULL: none */
    unsigned allow;         /* 1u << enum cgi_method, for 405 and preflights; 0: not said */
    int64_t retry_after_ms; /* of 409, 429 and 503 */
    struct reply_rate rate;
    bool head;              /* the answer to HEAD: headers only */
    bool events;            /* server-sent events follow; nobody knows how many */
    bool lines;             /* JSON lines follow, the same */
    bool preflight;         /* the answer to a CORS preflight (https://fetch.spec.whatwg.org/#http-cors-protocol) */
    const char *cache;      /* X-Cache; NULL: not said */
    bool async;             /* respond-async was heeded (RFC 7240 3) */
};

int problem_status(enum problem p);
const char *problem_code(enum problem p);
/* The body of an error. `text` SV_NONE: the table's sentence. `detail` (a JSON array) SV_NONE: none. */
void reply_problem(struct buf *out, enum problem p, struct sv text, struct sv detail, const char *request_id);
/* The same for a reason that is not in the table. `more`: a JSON object whose members are added, but for those that every error has;
 * SV_NONE: none. */
void reply_error(struct buf *out, struct sv code, struct sv text, struct sv detail, struct sv more, const char *request_id);
/* The whole answer. */
void reply_format(struct buf *out, const struct reply *r);

#endif
