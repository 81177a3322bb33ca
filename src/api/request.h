/* SPDX-License-Identifier: MIT
 * One HTTP request from its parameters to its answer. What a reader thread decides about it, and the ways to answer it on the loop.
 * An endpoint gets a request that is routed, authorised and whole, with its body checked and in a struct. */
#ifndef API_REQUEST_H
#define API_REQUEST_H

#include <pthread.h>
#include <stdatomic.h>

#include "api/api.h"
#include "api/cgi.h"
#include "api/fcgi.h"
#include "api/reply.h"
#include "api/route.h"
#include "api/webhook_guard.h"
#include "api/webhook_keys.h"
#include "api/webhook_pages.h"
#include "api/webhook_strangers.h"
#include "turn/auth.h"

/* What a reload replaces: read under api.lock by readers. */
struct request_rules {
    struct auth *auth;
    struct tickets *tickets;
    struct webhook_keys *webhook_keys;
    char *origins; /* comma separated, checked */
    int64_t body_max;
    bool closed_status;
};

struct ticket;

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
    atomic_ullong refused, busy, limited;
    atomic_llong log_second; /* refusals are logged a few times a second */
    atomic_uint log_count;

    /* the loop's */
    uint64_t requests;
    struct buf body, answer;
    struct {
        struct request *first, *last; /* in the order in which they are to be kept alive */
        struct loop_timer *timer;
        atomic_llong n; /* read by any thread */
    } streams;
    struct {
        struct webhook_guard guard;
        struct webhook_pages *pages;
        struct webhook_strangers strangers;
    } webhooks; /* endpoint_webhook.c's */
};

struct request {
    struct fcgi_request f; /* first */
    struct api *api;
    const struct route *route;      /* NULL: none */
    struct sv args[ROUTE_ARGS_MAX]; /* scratch */
    enum cgi_method method;
    enum auth_role role;
    struct sv user_id;     /* of ROLE_USER, good until the request is gone; else SV_NONE */
    unsigned char credential[DIGEST_SIZE]; /* see auth_identity; zeros: none */
    atomic_llong *counted; /* of the api's: where it is counted; NULL: nowhere */
    bool respond_async;    /* Prefer: respond-async */
    bool preflight;
    struct sv signature;   /* to be checked when the body is there: who sent it is not known before; SV_NONE: nothing is. Scratch */
    struct sv traceparent, last_event_id; /* SV_NONE: none, or no proper one; scratch */
    void *input, *query;                  /* the structs that route->input and route->query describe; scratch */
    bool typeless;                        /* an optional body that would not be JSON if one came */
    loop_fn *on_closed;                   /* see request_on_closed */
    void *on_closed_arg;
    int64_t declared;                     /* Content-Length, -1: not said */
    unsigned allow;
    char *origin; /* of a browser that may read the answer; owned */
    char *user;   /* what user_id points to; owned */
    char id[CGI_REQUEST_ID_MAX + 1];

    struct {
        struct request *prev, *next; /* in the api's list */
        int64_t due_ms;              /* clock_mono_ms: when it is to be kept alive */
        loop_fn *gone, *room;
        void *arg;
    } stream;

    struct {
        void (*go)(struct request *r);
        int64_t limit, minute, reset_ms, remaining; /* limit 0: there is none */
        bool known; /* remaining is */
    } rate; /* rate.c's */

    enum problem problem;                   /* found by a reader */
    struct sv problem_text, problem_detail; /* SV_NONE: none; scratch */
};

extern const struct fcgi_ops request_ops; /* arg: struct api * */

/* ---- for endpoints, on the loop. Each of these ends the request ---- */

void request_answer(struct request *r, int status, struct sv json);
/* The same, saying where it was found (X-Cache); NULL: nothing. */
void request_answer_cached(struct request *r, int status, struct sv json, const char *cache);
/* retry_after_ms counts for 409 and 503. */
void request_fail(struct request *r, enum problem p, int64_t retry_after_ms);
/* 422 about one field: "body" or "query", its name, what is wrong with it, and that as a type. */
void request_invalid(struct request *r, const char *place, const char *field, const char *msg, const char *type);
/* The same about a member of an object. */
void request_invalid_in(struct request *r, const char *place, const char *object, const char *field, const char *msg, const char *type);
/* An error that is not in reply.c's table; for detail and more see reply_error. */
struct request_error {
    int status;
    struct sv code, text, detail, more;
    int64_t retry_after_ms;
};
void request_error(struct request *r, const struct request_error *e);

/* The ticket as text, in the request's scratch; SV_NONE: memory is short. */
struct sv request_ticket(struct request *r, const struct ticket *ticket);
/* Frees what the request needed so far (args, input, query, traceparent, last_event_id). It waits for its answer with a descriptor and some hundred bytes. */
void request_park(struct request *r);
/* fn(arg) when the request goes away without having been answered, as at the end of the program. Whoever answers says NULL before. */
void request_on_closed(struct request *r, loop_fn *fn, void *arg);
/* An empty buffer for the answer's body; good until the request is answered. */
struct buf *request_body(struct request *r);
double request_took_ms(const struct request *r);
/* The page that a webhook names in its path, for logs: `out`, or NULL where it is no id, or the request no webhook. Any thread. */
const char *request_page(const struct request *r, char out[MESSAGE_ID_MAX + 1]);

/* ---- an answer of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html), on the loop ---- */

/* Status 200 and the headers; parks the request. After it only the functions below are allowed, until the end or `gone`. That is
 * fcgi_stream's, and comes also soon after the answer to a HEAD, which is headers only. Silence is broken by comments. A client that does not
 * read is dropped once some 64 KiB wait. */
void request_stream(struct request *r, loop_fn *gone, void *arg);
/* id SV_NONE: none; event SV_NONE: "message"; both end at a line break. data: text, of as many lines as it has. The id is what comes back
 * as last_event_id, if cgi_is_event_id. -1: `gone` is on its way. */
int request_event(struct request *r, struct sv id, struct sv event, struct sv data);
/* Whether an event with so much data can be taken without dropping the client: nothing waits for it, or not too much. */
bool request_event_fits(const struct request *r, size_t n);
/* fn with the argument of `gone`, whenever all that waited has been read. */
void request_stream_on_room(struct request *r, loop_fn *fn);
/* How long the client is to wait before it comes back after a loss. -1: `gone` is on its way. */
int request_event_retry(struct request *r, int64_t ms);
/* The proper end; `gone` does not come. An EventSource takes it for a loss and comes back, unless an event told it not to. */
void request_stream_end(struct request *r);

/* ---- an answer of JSON lines (request_lines.c), on the loop ---- */

/* As request_stream, and without comments. room(arg): all that was written has been read. */
void request_lines(struct request *r, loop_fn *gone, loop_fn *room, void *arg);
/* True: it has been read already. False: `room` comes when it has, or `gone`. */
bool request_lines_write(struct request *r, struct sv lines);
/* As request_stream_end. */
void request_lines_end(struct request *r);

/* ---- between request.c, request_stream.c, request_lines.c and api.c ---- */

/* The answer as it is to be sent, counted and logged; empty when memory is short. Good until the next one. */
struct sv request_format(struct request *r, struct reply *reply);
/* The timer's; arg: struct api *. */
void request_stream_keep_alive(void *arg);

#endif
