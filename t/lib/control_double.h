/* SPDX-License-Identifier: MIT
 * A double of src/turn/control.c for tests of the HTTP side: says what it was asked, answers what it is told. Link it before the library. */
#ifndef T_LIB_CONTROL_DOUBLE_H
#define T_LIB_CONTROL_DOUBLE_H

#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/loop.h"
#include "turn/control.h"

/* Changed only while nothing is asked. */
struct control_script {
    struct control_answer answer; /* http_status 0: 200 and {"ok":true} */
    atomic_bool hold;             /* answers wait for control_double_release */
};
extern struct control_script control_script;

/* The last call, as "cancel c1", "list stuck 50 CURSOR", "cleanup 86400000 dry within 60000". */
extern struct buf control_seen;
extern atomic_int control_calls;

void control_double_open(struct loop *loop);
/* For doubles of what answers in the same way: what was asked, as text; the answer comes as for the others. */
void control_double_take(control_fn *fn, void *arg, const char *format, ...) PRINTF_LIKE(3, 4);
/* On the loop's thread. */
void control_double_release(void *arg);

#endif
