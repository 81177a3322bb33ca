/* SPDX-License-Identifier: MIT
 * The HTTP/1.1 server under the double: keep-alive, one request at a time per connection, bodies with Content-Length
 * only. Fast enough (one read and one write a request) that a bench measures the caller, and able to misbehave: answers
 * can be late, cut, trickled or never come. Knows nothing of AI or platform. */
#ifndef T_LIB_DOUBLE_SERVER_H
#define T_LIB_DOUBLE_SERVER_H

#include "lib/loop.h"
#include "lib/sv.h"

struct server;
struct conn;

/* Valid only until handle() returns. */
struct request {
    struct sv method, path, query, body;
    struct sv idempotency_key, request_id, traceparent, authorization, content_type;
};

struct server_ops {
    /* Answers now or later by exactly one of the functions below. */
    void (*handle)(void *arg, struct conn *c, const struct request *r);
    /* The peer closed the connection while a request of it was unanswered; `pending` is what server_wait was given. */
    void (*gone)(void *arg, struct conn *c, void *pending);
};

struct answer {
    int status;
    struct sv body;
    int64_t retry_after_s; /* -1: no such header */
    bool chunked;
};

/* Listens on 127.0.0.1; port 0 picks one. NULL with a line on stderr. */
struct server *server_open(struct loop *l, int port, const struct server_ops *ops, void *arg);
int server_port(const struct server *s);
void server_close(struct server *s);

void server_answer(struct conn *c, const struct answer *a);
/* The whole answer, in small pieces spread over over_ms. */
void server_trickle(struct conn *c, const struct answer *a, int64_t over_ms);
/* Sends the first half of the answer (nothing when NULL) and closes; with nothing sent, by RST. */
void server_cut(struct conn *c, const struct answer *a);
/* Not yet: fn(arg) after in_ms (-1: never), or ops->gone when the peer goes first. */
void server_wait(struct conn *c, int64_t in_ms, loop_fn *fn, void *arg);

#endif
