/* SPDX-License-Identifier: MIT
 * Between the files of http: what has come in for a call (http_answer.c), and how long its peer may say nothing (http_wait.c), how a head is
 * written (http_request.c). None of them knows curl; http.c tells them what it hears from it. The structs lie in the call and are used again with it. */
#ifndef OUTSIDE_HTTP_OWN_H
#define OUTSIDE_HTTP_OWN_H

#include "lib/loop.h"
#include "outside/http.h"

enum {
    HTTP_HEAD_MAX = 65536,    /* of an answer, with interim ones and trailers */
    HTTP_SKIPPED_MAX = 65536, /* bytes of a body that nobody wants */
    HTTP_HEADERS_MAX = 24,    /* of a request, with those that are always there */
};

struct http_in {
    struct buf body; /* its max is kept */
    bool (*on_piece)(void *arg, struct sv content_type, struct sv piece);
    void *on_piece_arg;
    size_t head_n, skipped_n;
    int status; /* of the last head, or of that which is being read; 0: none */
    bool status_only;
    bool whole_head; /* the last head is */
    bool too_large;
    bool enough; /* on_piece said so */
    unsigned char type_n;
    char type[127]; /* of the last head: small letters, no parameters */
};

void http_in_begin(struct http_in *in, const struct http_request *r);
/* A line of a head or a trailer, with its end, and the status of the head that it belongs to. False: that is too much. */
bool http_in_head_line(struct http_in *in, int status, struct sv line) MUST_CHECK;
/* A piece of a body. False: too large, not wanted, or enough. */
bool http_in_piece(struct http_in *in, struct sv piece) MUST_CHECK;
struct sv http_in_type(const struct http_in *in);

struct http_wait {
    struct loop_timer *timer; /* NULL: no call had a limit yet */
    loop_fn *passed_fn;
    void *arg;
    int64_t first_byte_ms, silence_ms; /* of this call; 0: no limit */
    bool heard;                        /* the answer's head has begun */
    bool due;                          /* the time is over, and what waits at the socket may still be heard */
    bool passed;
};

/* passed_fn(arg) comes once, when a limit of this request has passed, from the loop; not behind http_wait_end. -1: memory is short. */
int http_wait_begin(struct http_wait *w, struct loop *l, const struct http_request *r) MUST_CHECK;
/* A line of the answer's head came (interim ones do not count), or a piece of its body. */
void http_wait_heard(struct http_wait *w);
void http_wait_end(struct http_wait *w);
void http_wait_fini(struct http_wait *w);
/* Of a limit that has passed. Returns -1. */
int http_wait_why(const struct http_wait *w, struct err *e);

/* The lines of a request's head as curl wants them, each with a NUL behind it; the i-th of n begins at[i] bytes behind the buffer's start.
 * "Name:" alone takes a header away that curl would add, "Name;" is its way to write an empty one. -1: ERR_RANGE, ERR_INVALID, ERR_MEMORY. */
int http_head_lines(struct buf *lines, const struct http_request *r, size_t at[HTTP_HEADERS_MAX], size_t *n, struct err *e) MUST_CHECK;

#endif
