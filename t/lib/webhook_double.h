/* SPDX-License-Identifier: MIT
 * A double of turn/webhook.c, and of the small values of the store, for tests of the HTTP side. Link it before the library. */
#ifndef T_LIB_WEBHOOK_DOUBLE_H
#define T_LIB_WEBHOOK_DOUBLE_H

#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "turn/webhook.h"

struct webhook_script {
    _Atomic(enum webhook_result) result;
    atomic_bool hold;       /* results wait for webhook_double_release */
    atomic_bool store_down; /* what is written is refused */
};
extern struct webhook_script webhook_script;

/* The last one: "page kind message content bot request-id". Read it while nothing is under way. */
extern struct buf webhook_seen;
extern atomic_int webhook_submits;

void webhook_double_open(struct loop *loop);
/* On the loop's thread: all that were held are told. */
void webhook_double_release(void *arg);
/* The store's value of that name, NULL: none. How often one was written in all. */
const char *webhook_double_value(const char *name);
void webhook_double_put(const char *name, const char *value);
void webhook_double_forget(void);
extern atomic_int webhook_double_puts;

#endif
