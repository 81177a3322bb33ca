/* SPDX-License-Identifier: MIT
 * From method and request target to an entry of a table. Knows paths, no endpoint: the table is api/endpoints.c's. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/cgi.h"
#include "lib/arena.h"
#include "lib/validate.h"
#include "turn/auth.h"

struct request;

#define ROUTE_ARGS_MAX 2

struct route {
    enum cgi_method method; /* CGI_GET answers HEAD too */
    const char *path;       /* "/api/v1/chat/jobs/{job_id}": a segment in braces stands for any one */
    bool any_case;             /* of its letters, in the segments that are not in braces */
    enum auth_access access;
    bool parks;                /* waits for others: counts against MAX_IN_FLIGHT */
    const struct input *input; /* a JSON body, and what must be in it. NULL: a body is ignored */
    const struct input *user_input; /* of users, where it differs; NULL: as input */
    const struct input *query; /* what may be in the query. NULL: it is ignored */
    struct sv (*conversation)(const struct request *r); /* whose message this is, for the limit (api/rate.h); NULL: it is none */
    void (*handle)(struct request *r);
    void (*busy)(struct request *r); /* answers where there is no room, of `parks`; NULL: 503 */
};

enum route_result {
    ROUTE_FOUND,
    ROUTE_BAD,          /* no path at all: wrong escapes, control characters, not UTF-8 */
    ROUTE_UNKNOWN,      /* a path that nobody serves */
    ROUTE_WRONG_METHOD, /* `allow` says which ones there are */
};

struct route_match {
    const struct route *route;      /* FOUND */
    struct sv args[ROUTE_ARGS_MAX]; /* the segments in braces, decoded; in the arena */
    unsigned allow;                 /* FOUND, WRONG_METHOD: 1u << enum cgi_method for each method of this path */
};

/* Where several patterns fit, the first one in the table that has the method is found. `uri` is REQUEST_URI: a path or (RFC 9112 3.2.2) an absolute URI, raw. The path is cut at slashes first and decoded after, so that
 * %2F is part of a segment; empty segments, "." and ".." belong to no route. `base` ("" or "/chat") is what the web server puts before
 * all our paths. ROUTE_BAD also when the arena is full. */
enum route_result route_find(const struct route *table, size_t n, struct sv base, enum cgi_method method, struct sv uri,
                             struct arena *a, struct route_match *out) MUST_CHECK;

#endif
