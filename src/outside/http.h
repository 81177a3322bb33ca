/* SPDX-License-Identifier: MIT
 * HTTP requests to the AI, the platform and callbacks: one curl multi handle on the loop, the only user of libcurl.
 * Connections are kept alive and reused, redirects are not followed, proxies of the environment are ignored, TLS is verified,
 * answers are cut off at a limit. The question that matters after a failure is whether the peer may have acted: `sent` answers it. */
#ifndef OUTSIDE_HTTP_H
#define OUTSIDE_HTTP_H

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/sv.h"

struct http;
struct http_call;
struct loop;
struct sockaddr;

struct http_options {
    int64_t connect_timeout_ms; /* 0: 3000 */
    size_t answer_max;          /* bytes of an answer's body; 0: 4 MiB */
    long connections_max;       /* kept and parallel, per host; 0: no bound but the descriptor limit */
};

enum http_outcome {
    HTTP_ANSWERED,    /* a whole answer with any status */
    HTTP_NOT_SENT,    /* not one byte of the request left: connect error, name, TLS, or too late */
    HTTP_TOO_LATE,    /* send_before_ms had passed when the connection was ready: not one byte left */
    HTTP_UNKNOWN,     /* the request may have arrived; no whole answer came (timeout, cut, garbage, too large) */
};

struct http_header {
    const char *name;
    struct sv value; /* CR, LF or NUL in it: the call ends as NOT_SENT with ERR_INVALID */
};

struct http_request {
    const char *url;
    bool get;               /* GET, without a body; else POST */
    struct sv body;         /* application/json; copied unless body_borrowed */
    bool body_borrowed;     /* stays valid until the callback */
    const struct http_header *headers;
    size_t headers_n;
    int64_t timeout_ms;     /* from now to the whole answer */
    int64_t first_byte_ms;  /* from now to the first byte of the answer's head (no interim one), 0: no such limit. Past it: UNKNOWN (NOT_SENT while nothing has left) */
    int64_t silence_ms;     /* between two pieces of an answer's body (and from its head to the first one), 0: no such limit. The same */
    /* The body of an answer with a 2xx, piece by piece as it comes, cut anywhere; content_type as in the answer. What was passed on is not kept: the
     * answer's body is empty then, and answer_max does not bound it. Bodies of other statuses are kept as always. False: enough; the call ends as UNKNOWN
     * with ERR_PROTOCOL. It may not call http. NULL: nobody wants pieces. */
    bool (*on_piece)(void *arg, struct sv content_type, struct sv piece);
    void *on_piece_arg;
    int64_t send_before_ms; /* clock_mono_ms by which the first byte must leave; 0: no such limit. Checked right before it does */
    /* Never on the wire twice. Without it, a request whose kept connection was closed by the peer before a byte of an
     * answer came is repeated on a fresh one; the peer may then have seen it twice. */
    bool once;
    /* Nothing is sent: once the connection is there, TLS included, the call ends as HTTP_TOO_LATE. */
    bool connect_only;
    /* Only the status counts: it is the answer as soon as its head is whole, whatever becomes of the body, which is read
     * up to 64 KiB so that the peer can end in peace, and not kept. */
    bool status_only;
    /* Whether a connection to this address may be made: asked with the very address that is then connected to, once for
     * each that the name has, from inside http's work (no call of http there). NULL: all are good. With it the request has a
     * connection of its own: none that was opened before, none that is kept behind it. When no address was good the call
     * ends as NOT_SENT with ERR_REFUSED. */
    bool (*may_connect)(void *arg, const struct sockaddr *address);
    void *may_connect_arg;
};

struct http_answer {
    enum http_outcome outcome;
    int status; /* of ANSWERED */
    struct sv body;
    struct sv content_type; /* of ANSWERED, without parameters, in small letters: "text/event-stream"; SV_NONE: not said */
    int64_t retry_after_ms; /* Retry-After (seconds or date), -1: none */
    int64_t took_ms;
    struct err err; /* of the others: text for logs, without the URL's query. ERR_PROTOCOL: what came is no HTTP, or too large;
                     * ERR_INVALID, ERR_RANGE: the request itself; ERR_REFUSED: may_connect; ERR_MEMORY; else ERR_UNAVAILABLE */
};

/* base and path with exactly one slash between them, NUL terminated. */
void http_join_url(struct buf *b, const char *base, const char *path);
/* 0, or -1 with ERR_INVALID: not a whole http or https URL. */
int http_check_url(const char *url, struct err *e) MUST_CHECK;

/* NULL: memory. curl_global_init is done by the first one. */
struct http *http_open(struct loop *l, const struct http_options *o, struct err *e) MUST_CHECK;
typedef void http_fn(void *arg, const struct http_answer *answer);
/* fn comes exactly once, never from inside the call. NULL: memory is short, fn will not come. */
struct http_call *http_post(struct http *h, const struct http_request *r, http_fn *fn, void *arg) MUST_CHECK;
/* Closes the connection at once; fn will not come. The peer sees it. */
void http_abort(struct http_call *c);
/* Calls that are under way are aborted. */
void http_close(struct http *h);

#endif
