/* SPDX-License-Identifier: MIT
 * The loop, one HTTP client and a patience for tests of src/outside; call, wait, look at what came. */
#ifndef T_OUTSIDE_RIG_H
#define T_OUTSIDE_RIG_H

#include "lib/buf.h"
#include "lib/loop.h"
#include "outside/http.h"
#include "t/outside/peer.h"

enum { PLENTY_MS = 600000 }; /* a time limit that is not meant to be met, on the slowest machine */

struct rig {
    struct loop *loop;
    struct http *http;
};

struct heard { /* one answer; its body and type are copies */
    int times;
    struct http_answer answer;
    char *body, *type;
};

void rig_open(struct rig *r, const struct http_options *o);
void rig_close(struct rig *r);
/* Turns the loop until condition(arg); ends the test when that never comes. */
void rig_until(struct rig *r, bool (*condition)(void *arg), void *arg);
/* Some rounds without waiting, for things that must not happen. */
void rig_settle(struct rig *r);

void heard_free(struct heard *h);
/* An http_fn; arg is a struct heard. */
void hear(void *arg, const struct http_answer *a);
/* Posts and waits for the answer. */
void rig_post(struct rig *r, const struct http_request *q, struct heard *h);

struct pieces { /* of an answer's body, as they came */
    int n;
    int left; /* until it is enough; 0: never */
    struct buf text, type;
};

/* An on_piece; arg is a struct pieces. */
bool pieces_take(void *arg, struct sv type, struct sv piece);
/* A request whose answer is taken piece by piece. */
struct http_request pieces_request(struct peer *p, struct pieces *x);
/* Zeroed again. */
void pieces_free(struct pieces *x);
const char *pieces_text(const struct pieces *x);

extern const char *const http_outcomes[]; /* by enum http_outcome */

/* http://127.0.0.1:PORT/path; one of a few static buffers. */
const char *rig_url(int port, const char *path);

#endif
