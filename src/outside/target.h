/* SPDX-License-Identifier: MIT
 * A URL that a stranger named, taken apart: strictly, so that no two programs can read it in different ways. What has more than
 * one reading, or that no honest caller needs, is refused; what is left is written anew in one form. Knows no list of what is
 * allowed and asks no name server. */
#ifndef OUTSIDE_TARGET_H
#define OUTSIDE_TARGET_H

#include "lib/err.h"
#include "outside/address.h"

#define TARGET_URL_MAX 2048 /* bytes as given */
#define TARGET_HOST_MAX 253 /* RFC 1035 */

struct target {
    bool tls;          /* https */
    bool is_address;   /* the host is one, given literally */
    unsigned port;     /* 1 to 65535, the scheme's own if none is given */
    struct address address;
    char host[TARGET_HOST_MAX + 1]; /* lower case, no dot at the end; an address in its shortest form, without brackets */
    struct sv path;                 /* part of url, at least "/", without the query */
    char url[TARGET_URL_MAX + 128]; /* scheme://host[:port]/path[?query], NUL terminated */
};

/* -1 with a sentence for whoever named the URL, which does not repeat it: ERR_INVALID, ERR_RANGE. `out` must not be copied:
 * path points into it. */
int target_parse(struct target *out, struct sv url, struct err *e) MUST_CHECK;

/* Parts, for lists of what is allowed. All of them point into the text. */
struct target_parts {
    struct sv scheme; /* as given; SV_NONE: none */
    struct sv host;   /* as given, an IPv6 address with its brackets */
    struct sv port;   /* SV_NONE: none */
    struct sv path;   /* with the query; SV_NONE: none */
};
void target_split(struct sv text, struct target_parts *out);
/* A name in lower case without the dot at its end, or an address; out has room for TARGET_HOST_MAX + 1 bytes. */
int target_host(struct sv host, char *out, bool *is_address, struct address *address, struct err *e) MUST_CHECK;
int target_port(struct sv port, unsigned *out, struct err *e) MUST_CHECK;
/* Without a query: nothing but unreserved characters, delimiters and escapes, no segment of dots in any disguise. */
int target_path(struct sv path, struct err *e) MUST_CHECK;

#endif
