/* SPDX-License-Identifier: MIT
 * One HTTP request from its parameters to its answer. What a reader thread decides about it, and the ways to answer it on the loop.
 * An endpoint gets a request that is routed, authorised and whole, with its body checked and in a struct. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "api/auth.h"
#include "api/cgi.h"
#include "api/fcgi.h"
#include "api/reply.h"
#include "api/route.h"

/* What a reload replaces: read under api.lock by readers. */
struct request_rules {
    struct auth *auth;
    char *origins; /* comma separated, checked */
    int64_t body_max;
};

struct api {
    struct api_options o; /* its strings are not kept */
    struct fcgi *fcgi;
    char *base_path;
    const struct route *routes;
    size_t routes_n;

    pthread_rwlock_t lock;
    struct request_rules rules;

    atomic_llong in_flight, in_flight_max;
    atomic_llong in_flight_admin; /* on an administrator's routes: they have room of their own */
    atomic_ullong refused, busy;
    atomic_llong log_second; /* refusals are logged a few times a second */
    atomic_uint log_count;

    /* the loop's */
    uint64_t requests;
    struct buf body, answer;
};

struct request {
    struct fcgi_request f; /* first */
    struct api *api;
    const struct route *route;      /* NULL: none */
    struct sv args[ROUTE_ARGS_MAX]; /* scratch */
    enum cgi_method method;
    enum auth_role role;
    atomic_llong *counted; /* of the api's: where it is counted; NULL: nowhere */
    bool respond_async; /* Prefer: respond-async */
    bool preflight;
    struct sv traceparent; /* scratch */
    void *input, *query;   /* the structs that route->input and route->query describe; scratch */
    bool typeless;         /* an optional body that would not be JSON if one came */
    int64_t declared;      /* Content-Length, -1: not said */
    unsigned allow;
    char *origin; /* of a browser that may read the answer; owned */
    char id[CGI_REQUEST_ID_MAX + 1];

    enum problem problem;                   /* found by a reader */
    struct sv problem_text, problem_detail; /* SV_NONE: none; scratch */
};

extern const struct fcgi_ops request_ops; /* arg: struct api * */

/* ---- for endpoints, on the loop. Each of these ends the request ---- */

void request_answer(struct request *r, int status, struct sv json);
/* retry_after_ms counts for 409 and 503. */
void request_fail(struct request *r, enum problem p, int64_t retry_after_ms);
/* 422 about one field: "body" or "query", its name, what is wrong with it, and that as a type. */
void request_invalid(struct request *r, const char *place, const char *field, const char *msg, const char *type);
/* An error that is not in reply.c's table; for detail and more see reply_error. */
struct request_error {
    int status;
    struct sv code, text, detail, more;
    int64_t retry_after_ms;
};
void request_error(struct request *r, const struct request_error *e);

/* Frees what the request needed so far (args, input, traceparent). It waits for its answer with a descriptor and some hundred bytes. */
void request_park(struct request *r);
/* An empty buffer for the answer's body; good until the request is answered. */
struct buf *request_body(struct request *r);
double request_took_ms(const struct request *r);

#endif
