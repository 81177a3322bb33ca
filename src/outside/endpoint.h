/* SPDX-License-Identifier: MIT
 * Whom an adapter asks: its own copies of what the options say, replaced as a whole or not at all. Knows nothing of what is asked. */
#ifndef OUTSIDE_ENDPOINT_H
#define OUTSIDE_ENDPOINT_H

#include "lib/buf.h"
#include "lib/err.h"

struct endpoint { /* zeroed: none yet */
    struct buf url;           /* with its path */
    struct buf authorization; /* the header's value; empty: none */
    struct buf model, prompt; /* of an AI; else empty */
    unsigned changes;         /* how often another URL or model was set */
};

struct endpoint_options {
    const char *url, *path;
    const char *token; /* "": none */
    const char *model, *prompt; /* NULL: none */
};

/* 0, or -1 with ERR_INVALID (not a URL) or ERR_MEMORY: nothing has changed. */
int endpoint_set(struct endpoint *to, const struct endpoint_options *o, struct err *e) MUST_CHECK;
void endpoint_fini(struct endpoint *x);

#endif
