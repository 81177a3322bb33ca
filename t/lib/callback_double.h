/* SPDX-License-Identifier: MIT
 * A double of src/outside/callback.c for tests of who delivers: answers what it is told, keeps what it was handed. Link it before the
 * library. One at a time. */
#ifndef T_LIB_CALLBACK_DOUBLE_H
#define T_LIB_CALLBACK_DOUBLE_H

#include "lib/loop.h"
#include "outside/callback.h"

#define CALLBACK_DOUBLE_POSTS 64 /* whose times are kept */

struct callback_double {
    /* what it is told */
    enum callback_outcome outcome;
    int64_t retry_after_ms;
    int fail_first; /* so many posts are answered RETRY before `outcome` counts */
    int refuse;     /* so many calls of callback_post return NULL */
    bool hold;      /* answers wait for callback_double_release */
    /* what it saw */
    int posts, waiting, waiting_max;
    char url[256], id[64], body[1024]; /* of the last post */
    int64_t timestamp_s;
    int64_t at_ms[CALLBACK_DOUBLE_POSTS]; /* when they came, clock_mono_ms */
};
extern struct callback_double callback_double;

/* Everything as at the start. Who is handed to callback_post; callback_close ends it. */
struct callback *callback_double_open(struct loop *loop) MUST_CHECK;
/* Answers those that wait, the oldest first, `n` of them at most. */
void callback_double_release(int n);

#endif
