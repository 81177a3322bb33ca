/* SPDX-License-Identifier: MIT
 * Names to addresses without holding up the loop: getaddrinfo(3) blocks for as long as the resolver likes, so it runs on a thread
 * of its own that lives for one name. Numeric addresses need no thread. Knows nothing of Redis. */
#ifndef STORE_REDIS_RESOLVE_H
#define STORE_REDIS_RESOLVE_H

#include <sys/socket.h>
#include "lib/err.h"
#include "lib/loop.h"

#define RESOLVE_MAX 8 /* addresses that are kept of one name */

struct resolved {
    struct address {
        struct sockaddr_storage at;
        socklen_t size;
    } all[RESOLVE_MAX];
    unsigned n; /* 0: not found; `error` says why */
    char error[120];
};

struct resolve;
/* `found` is borrowed until the callback returns. */
typedef void resolve_fn(void *arg, const struct resolved *found);

/* fn comes once, never from inside the call, unless resolve_cancel comes first. NULL with *e: no memory, descriptors or threads. */
struct resolve *resolve_start(struct loop *l, const char *host, int port, resolve_fn *fn, void *arg,
                              struct err *e) MUST_CHECK;
/* Not for one whose callback has come. The thread ends on its own, whenever its resolver lets it. NULL is allowed. */
void resolve_cancel(struct resolve *r);

#endif
