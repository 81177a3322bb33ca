/* SPDX-License-Identifier: MIT
 * The two parts that the double plays, AI and platform: one function each, called with every request to it. */
#ifndef T_LIB_DOUBLE_CALLS_H
#define T_LIB_DOUBLE_CALLS_H

#include "t/lib/double_ledger.h"
#include "t/lib/double_script.h"
#include "t/lib/double_server.h"

/* What server_wait is given begins with this: who hears that the caller went first. */
struct waiting {
    void (*gone)(struct waiting *w);
};

struct scene {
    struct loop *loop;
    struct server *server;
    struct pages_double *pages;
    struct ledger *ledger;
    struct script script;
    struct map *overrides; /* conversation id → struct script */
    bool quiet;
    char run[9]; /* first part of nonces */
    uint64_t nonces;
};

void calls_ai(struct scene *d, struct conn *c, const struct request *r);
void calls_platform(struct scene *d, struct conn *c, const struct request *r);
/* server_ops.gone */
void calls_gone(void *arg, struct conn *c, void *pending);
/* An error answer. */
void calls_refuse(struct conn *c, int status, const char *text);

#endif
