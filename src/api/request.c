/* SPDX-License-Identifier: MIT
 * The decisions about a request, in the order in which they are made: path, method, credential, room, size and type of the body, and
 * only then the body itself. Runs on reader threads; touches nothing but its request, the rules under their lock, and counters. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/rate.h"
#include "api/request.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/validate.h"
#include "turn/ticket.h"

#define SCRATCH_FIRST 2000   /* a usual message fits */
#define SCRATCH_MAX 67108864 /* far above what the largest body can become */
#define REFUSALS_LOGGED 10   /* a second */
#define SECRET_BYTES_MAX 4096
#define ADMIN_IN_FLIGHT 32   /* so that somebody can look in when there is no room for messages */

static bool refuse(struct request *r, enum problem p)
{
    r->problem = p;
    return false;
}

const char *request_page(const struct request *r, char out[MESSAGE_ID_MAX + 1])
{
    struct sv id = r->args[0];

    if (r->route->access != ACCESS_WEBHOOK || id.n == 0 || id.n > MESSAGE_ID_MAX || sv_has_control(id))
        return NULL;
    memcpy(out, id.p, id.n);
    out[id.n] = '\0';
    return out;
}

/* Failed credentials are logged, but nobody may fill a disk with them. */
static void log_refusal(struct request *r, const char *why)
{
    struct api *a = r->api;
    long long now = clock_mono_ms() / 1000;
    char page_id[MESSAGE_ID_MAX + 1];

    atomic_fetch_add(&a->refused, 1);
    if (atomic_exchange(&a->log_second, now) != now)
        atomic_store(&a->log_count, 0);
    if (atomic_fetch_add(&a->log_count, 1) < REFUSALS_LOGGED)
        log_warning("a request was refused", "request_id", r->id, "code", problem_code(r->problem), "route",
                    r->route->path, "method", cgi_method_name(r->method), "role", auth_role_name(r->role),
                    "page_id", request_page(r, page_id), "reason", why != NULL ? why : "-", NULL);
}

/* The browser's origin when it is on the list. */
static void set_origin(struct request *r, struct sv origin)
{
    struct sv rest = sv_from(r->api->rules.origins);

    if (origin.n == 0)
        return;
    while (rest.n > 0 && r->origin == NULL) {
        struct sv one = sv_trim(sv_split(&rest, ','));
        if (sv_eq(one, SV("*")) || sv_eq(one, origin))
            r->origin = strndup(one.p, one.n);
    }
}

static void set_id(struct request *r, struct sv given)
{
    if (cgi_is_request_id(given))
        memcpy(r->id, given.p, given.n);
    else
        id_uuid7(r->id);
}

static bool find_route(struct request *r, const struct cgi_head *h)
{
    const struct api *a = r->api;
    struct route_match match;

    switch (route_find(a->routes, a->routes_n, sv_from(a->base_path), r->method, h->param[CGI_REQUEST_URI],
                       r->f.scratch, &match)) {
    case ROUTE_FOUND:
        r->route = match.route;
        memcpy(r->args, match.args, sizeof(r->args));
        return true;
    case ROUTE_WRONG_METHOD:
        r->allow = match.allow;
        r->preflight = r->method == CGI_OPTIONS && r->origin != NULL && h->param[CGI_CORS_METHOD].n > 0;
        return refuse(r, PROBLEM_WRONG_METHOD);
    case ROUTE_UNKNOWN:
        return refuse(r, PROBLEM_NOT_FOUND);
    case ROUTE_BAD:
        break;
    }
    return refuse(r, PROBLEM_BAD_REQUEST);
}

/* A ticket in the query, of this very session. It is logged nowhere: queries are not. */
static bool has_ticket(struct request *r, struct sv uri)
{
    static const struct field field = { .name = "ticket", .kind = FIELD_TEXT, .max = TICKET_BYTES_MAX };
    static const struct input in = { .fields = &field, .fields_n = 1, .size = sizeof(struct sv) };
    struct sv text = SV_NONE;
    struct buf detail = { 0 };
    struct ticket ticket;
    bool given = validate_query(&in, uri, r->f.scratch, &text, &detail) == 0 && text.n > 0;

    buf_fini(&detail);
    if (!given || !ticket_check(r->api->rules.tickets, r->f.scratch, text, clock_wall_ms(), &ticket))
        return false;
    r->role = ROLE_TICKET;
    digest_sha256(text, r->credential);
    return sv_eq(ticket.session_id, r->args[0]);
}

static bool has_secret(struct request *r, struct sv uri)
{
    static const struct field field = { .name = "secret", .kind = FIELD_TEXT, .max = SECRET_BYTES_MAX };
    static const struct input in = { .fields = &field, .fields_n = 1, .size = sizeof(struct sv) };
    struct sv text = SV_NONE;
    struct buf detail = { 0 };
    bool given = validate_query(&in, uri, r->f.scratch, &text, &detail) == 0 && text.n > 0;

    buf_fini(&detail);
    return given && webhook_keys_have(r->api->rules.webhook_keys, text);
}

/* A platform's own events. Its credential is not kept: it is not limited, since a refusal is a failure there. */
static bool authorise_webhook(struct request *r, const struct cgi_head *h)
{
    struct auth_identity who;

    r->role = auth_check(r->api->rules.auth, h->param[CGI_AUTHORIZATION], clock_wall_ms(), &who);
    if (auth_allows(r->role, ACCESS_WEBHOOK))
        return true;
    if (has_secret(r, h->param[CGI_REQUEST_URI])) {
        r->role = ROLE_PLATFORM;
        return true;
    }
    if (r->role == ROLE_NOBODY && h->param[CGI_SIGNATURE].n > 0) {
        r->signature = arena_sv(r->f.scratch, h->param[CGI_SIGNATURE]);
        return r->signature.p != NULL || refuse(r, PROBLEM_INTERNAL);
    }
    (void)refuse(r, r->role == ROLE_NOBODY ? PROBLEM_UNAUTHORIZED : PROBLEM_FORBIDDEN);
    log_refusal(r, who.why);
    return false;
}

/* Whose it is, where the endpoint has to know that. */
static bool keep_user(struct request *r, const struct auth_identity *who)
{
    memcpy(r->credential, who->credential, sizeof(r->credential));
    if (who->role != ROLE_USER)
        return true;
    r->user = strdup(who->user_id);
    r->user_id = sv_from(r->user);
    return r->user != NULL || refuse(r, PROBLEM_INTERNAL);
}

static bool authorise(struct request *r, const struct cgi_head *h)
{
    struct sv authorization = h->param[CGI_AUTHORIZATION], uri = h->param[CGI_REQUEST_URI];
    struct auth_identity who;

    if (r->route->access == ACCESS_WEBHOOK)
        return authorise_webhook(r, h);
    if (r->route->access == ACCESS_PUBLIC || (r->route->access == ACCESS_STATUS && !r->api->rules.closed_status))
        return true;
    r->role = auth_check(r->api->rules.auth, authorization, clock_wall_ms(), &who);
    if (auth_allows(r->role, r->route->access))
        return keep_user(r, &who);
    if (r->role == ROLE_NOBODY && r->route->access == ACCESS_SESSION && has_ticket(r, uri))
        return true;
    (void)refuse(r, r->role == ROLE_NOBODY ? PROBLEM_UNAUTHORIZED : PROBLEM_FORBIDDEN);
    log_refusal(r, who.why);
    return false;
}

static bool find_room(struct request *r)
{
    struct api *a = r->api;
    bool admin = r->route->access == ACCESS_ADMIN;

    if (!r->route->parks)
        return true;
    r->counted = admin ? &a->in_flight_admin : &a->in_flight;
    if (atomic_fetch_add(r->counted, 1) < (admin ? ADMIN_IN_FLIGHT : atomic_load(&a->in_flight_max)))
        return true;
    atomic_fetch_sub(r->counted, 1);
    r->counted = NULL;
    atomic_fetch_add(&a->busy, 1);
    return refuse(r, PROBLEM_BUSY);
}

static bool accept_body(struct request *r, const struct cgi_head *h)
{
    struct sv length = h->param[CGI_CONTENT_LENGTH];
    uint64_t declared = 0;

    if (r->route->input == NULL)
        return true;
    if (length.n > 0 && !sv_to_u64(length, &declared))
        return refuse(r, PROBLEM_BAD_REQUEST);
    if (declared > (uint64_t)r->api->rules.body_max)
        return refuse(r, PROBLEM_TOO_LARGE);
    r->typeless = !cgi_is_json(h->param[CGI_CONTENT_TYPE]);
    if (r->typeless && !r->route->input->optional)
        return refuse(r, PROBLEM_MEDIA_TYPE);
    r->declared = length.n > 0 ? (int64_t)declared : -1;
    return true;
}

/* What validate and validate_query return. */
static bool take_wrong(struct request *r, int wrong, const struct buf *detail)
{
    if (wrong == 0)
        return true;
    r->problem = wrong > 0 ? PROBLEM_FIELDS : PROBLEM_INTERNAL;
    if (wrong > 0)
        r->problem_detail = arena_sv(r->f.scratch, buf_sv(detail));
    return false;
}

static bool read_query(struct request *r, struct sv uri)
{
    const struct input *in = r->route->query;
    struct buf detail = { 0 };
    bool right;
    int wrong = -1;

    if (in == NULL)
        return true;
    r->query = arena_alloc(r->f.scratch, input_size(in));
    if (r->query != NULL)
        wrong = validate_query(in, uri, r->f.scratch, r->query, &detail);
    right = take_wrong(r, wrong, &detail);
    buf_fini(&detail);
    return right;
}

static bool keep_headers(struct request *r, const struct cgi_head *h)
{
    struct sv traceparent = h->param[CGI_TRACEPARENT], event_id = h->param[CGI_LAST_EVENT_ID];

    r->respond_async = cgi_prefers(h->param[CGI_PREFER], SV("respond-async"));
    if (!cgi_is_traceparent(traceparent))
        traceparent = SV_NONE;
    if (!cgi_is_event_id(event_id))
        event_id = SV_NONE;
    r->traceparent = arena_sv(r->f.scratch, traceparent);
    r->last_event_id = arena_sv(r->f.scratch, event_id);
    if (r->traceparent.n == traceparent.n && r->last_event_id.n == event_id.n)
        return true;
    return refuse(r, PROBLEM_INTERNAL);
}

/* lighttpd passes on what it has refused, and what its backends did not answer, as GET (server.error-handler in fcgi-conf), so that the error is
 * JSON. Only one such request is worked on: lighttpd says 411 of a POST over HTTP/1 without Content-Length, which is what `curl -X POST` sends,
 * and which has no body (RFC 9112 6.3). It also says so of chunks that it is not to collect; those have a type. */
static bool take_verdict(struct request *r, const struct cgi_head *h)
{
    struct sv verdict = h->param[CGI_REDIRECT_STATUS];
    uint64_t status = 0;

    if (!sv_to_u64(verdict, &status) || status < 400)
        return true;
    switch (status) {
    case 411:
        r->method = CGI_POST;
        return h->param[CGI_CONTENT_TYPE].n == 0 || refuse(r, PROBLEM_NO_LENGTH);
    case 403:
        return refuse(r, PROBLEM_FORBIDDEN);
    case 404:
        return refuse(r, PROBLEM_NOT_FOUND);
    case 413:
        return refuse(r, PROBLEM_TOO_LARGE);
    case 500:
        return refuse(r, PROBLEM_INTERNAL);
    case 501:
        return refuse(r, PROBLEM_NOT_IMPLEMENTED);
    case 505:
        return refuse(r, PROBLEM_BAD_REQUEST);
    default:
        return refuse(r, status < 500 ? PROBLEM_BAD_REQUEST : PROBLEM_UNAVAILABLE);
    }
}

/* With the rules locked. */
static bool decide(struct request *r, const struct cgi_head *h)
{
    set_origin(r, h->param[CGI_ORIGIN]);
    r->method = cgi_method_parse(h->param[CGI_REQUEST_METHOD]);
    return take_verdict(r, h) && find_route(r, h) && authorise(r, h) && find_room(r) && accept_body(r, h) && read_query(r, h->param[CGI_REQUEST_URI]) && keep_headers(r, h);
}

/* The end of its (missing) body can be read without a wait for the client. */
static bool is_bodyless(const struct request *r, struct sv length)
{
    if (length.n > 0)
        return sv_eq(length, SV("0"));
    return r->method == CGI_GET || r->method == CGI_HEAD || r->method == CGI_OPTIONS;
}

static int64_t on_head(void *arg, struct fcgi_request *f)
{
    struct request *r = (struct request *)(void *)f;
    struct cgi_head h;
    bool clear = cgi_parse(f->params, &h);
    int64_t body_max;

    r->api = arg;
    r->declared = -1;
    set_id(r, h.param[CGI_REQUEST_ID]);
    if (!clear)
        (void)refuse(r, PROBLEM_BAD_REQUEST);
    (void)pthread_rwlock_rdlock(&r->api->lock);
    clear = clear && decide(r, &h);
    body_max = r->api->rules.body_max;
    (void)pthread_rwlock_unlock(&r->api->lock);
    if (!clear || r->route->input == NULL)
        return is_bodyless(r, h.param[CGI_CONTENT_LENGTH]) ? 0 : FCGI_REFUSE;
    return r->declared >= 0 ? r->declared : body_max;
}

static void check_input(struct request *r, const json_t *json)
{
    const struct input *in = r->role == ROLE_USER && r->route->user_input != NULL ? r->route->user_input : r->route->input;
    struct buf detail = { 0 };
    int wrong = -1;

    r->input = arena_alloc(r->f.scratch, input_size(in));
    if (r->input != NULL)
        wrong = validate(in, json, r->f.scratch, r->input, &detail);
    (void)take_wrong(r, wrong, &detail);
    buf_fini(&detail);
}

/* JSON that jansson did not read. A number beyond 64 bits is JSON all the same, with a field that no one can use. */
static void set_unread(struct request *r, const struct err *e)
{
    r->problem = e->code == ERR_INVALID ? PROBLEM_NOT_JSON : e->code == ERR_RANGE ? PROBLEM_FIELDS : PROBLEM_INTERNAL;
    r->problem_text = arena_sv(r->f.scratch, sv_from(e->text));
    if (r->problem == PROBLEM_FIELDS)
        r->problem_detail =
            SV("[{\"loc\":[\"body\"],\"msg\":\"Numbers should fit 64 bits\",\"type\":\"number_range\"}]");
}

/* Before anything else is made of the body. */
static bool is_signed(struct request *r, struct sv body)
{
    (void)pthread_rwlock_rdlock(&r->api->lock);
    bool right = webhook_keys_signed(r->api->rules.webhook_keys, r->signature, body);
    (void)pthread_rwlock_unlock(&r->api->lock);
    r->role = right ? ROLE_PLATFORM : ROLE_NOBODY;
    if (right)
        return true;
    (void)refuse(r, PROBLEM_UNAUTHORIZED);
    log_refusal(r, "a wrong signature");
    return false;
}

static void on_body(void *arg, struct fcgi_request *f, struct sv body, bool longer)
{
    struct request *r = (struct request *)(void *)f;
    struct err e;
    json_t *json;

    (void)arg;
    if (r->problem != PROBLEM_NONE || r->route->input == NULL)
        return;
    if (longer || (r->declared >= 0 && body.n != (size_t)r->declared)) {
        r->problem = longer && r->declared < 0 ? PROBLEM_TOO_LARGE : PROBLEM_BODY_LENGTH;
        return;
    }
    if (r->signature.p != NULL && !is_signed(r, body))
        return;
    if (r->route->input->optional && body.n == 0)
        body = SV("{}");
    else if (r->typeless)
        r->problem = PROBLEM_MEDIA_TYPE;
    json = r->problem == PROBLEM_NONE ? json_read(body, true, &e) : NULL;
    if (json != NULL)
        check_input(r, json);
    else if (r->problem == PROBLEM_NONE)
        set_unread(r, &e);
    json_decref(json);
}

static void on_closed(void *arg, struct fcgi_request *f)
{
    struct request *r = (struct request *)(void *)f;

    (void)arg;
    if (r->counted != NULL)
        atomic_fetch_sub(r->counted, 1);
    if (r->on_closed != NULL)
        r->on_closed(r->on_closed_arg);
    free(r->origin);
    free(r->user);
}

/* ---- the loop ---- */

double request_took_ms(const struct request *r)
{
    return (double)(clock_mono_us() - r->f.began_us) / 1000.0;
}

struct buf *request_body(struct request *r)
{
    buf_clear(&r->api->body);
    return &r->api->body;
}

void request_park(struct request *r)
{
    fcgi_park(&r->f);
}

struct sv request_format(struct request *r, struct reply *reply)
{
    struct buf *b = &r->api->answer;

    buf_clear(b);
    reply->request_id = r->id;
    reply->origin = r->origin;
    reply->head = r->method == CGI_HEAD;
    if (r->rate.known)
        reply->rate = (struct reply_rate){ r->rate.limit, r->rate.remaining, (r->rate.reset_ms + 999) / 1000 };
    reply_format(b, reply);
    if (!buf_ok(b)) {
        log_error("an answer was dropped: out of memory", "request_id", r->id, NULL);
        buf_clear(b);
    }
    r->api->requests++;
    if (LOG_DEBUG >= log_threshold) {
        char status[16], took[32];
        (void)snprintf(status, sizeof(status), "%d", reply->status);
        (void)snprintf(took, sizeof(took), "%.3f", request_took_ms(r));
        log_debug("answered", "request_id", r->id, "method", cgi_method_name(r->method), "route",
                  r->route != NULL ? r->route->path : "-", "status", status, "ms", took, NULL);
    }
    return buf_sv(b);
}

static void send_reply(struct request *r, struct reply *reply)
{
    fcgi_reply(&r->f, request_format(r, reply));
}

void request_answer(struct request *r, int status, struct sv json)
{
    send_reply(r, &(struct reply){ .status = status, .body = json, .async = status == 202 && r->respond_async });
}

void request_answer_cached(struct request *r, int status, struct sv json, const char *cache)
{
    send_reply(r, &(struct reply){ .status = status, .body = json, .cache = cache });
}

struct sv request_ticket(struct request *r, const struct ticket *ticket)
{
    struct sv text;

    (void)pthread_rwlock_rdlock(&r->api->lock); /* a reload replaces what signs */
    text = ticket_make(r->api->rules.tickets, r->f.scratch, ticket);
    (void)pthread_rwlock_unlock(&r->api->lock);
    return text;
}

static void answer_problem(struct request *r, enum problem p, int64_t retry_after_ms, struct sv text, struct sv detail)
{
    struct buf *body = request_body(r);

    reply_problem(body, p, text, detail, r->id);
    send_reply(r, &(struct reply){ .status = problem_status(p),
                                   .body = buf_sv(body),
                                   .allow = r->allow,
                                   .retry_after_ms = retry_after_ms });
}

void request_fail(struct request *r, enum problem p, int64_t retry_after_ms)
{
    answer_problem(r, p, retry_after_ms, SV_NONE, SV_NONE);
}

void request_on_closed(struct request *r, loop_fn *fn, void *arg)
{
    r->on_closed = fn;
    r->on_closed_arg = arg;
}

void request_invalid(struct request *r, const char *place, const char *field, const char *msg, const char *type)
{
    request_invalid_in(r, place, NULL, field, msg, type);
}

void request_invalid_in(struct request *r, const char *place, const char *object, const char *field, const char *msg, const char *type)
{
    struct buf detail = { 0 };
    struct json_out o = { .b = &detail };

    json_arr(&o);
    json_obj(&o);
    json_key(&o, "loc");
    json_arr(&o);
    json_str(&o, sv_from(place));
    if (object != NULL)
        json_str(&o, sv_from(object));
    json_str(&o, sv_from(field));
    json_arr_end(&o);
    json_kstr(&o, "msg", sv_from(msg));
    json_kstr(&o, "type", sv_from(type));
    json_obj_end(&o);
    json_arr_end(&o);
    if (buf_ok(&detail))
        answer_problem(r, PROBLEM_FIELDS, 0, SV_NONE, buf_sv(&detail));
    else
        request_fail(r, PROBLEM_INTERNAL, 0);
    buf_fini(&detail);
}

void request_error(struct request *r, const struct request_error *e)
{
    struct buf *body = request_body(r);

    reply_error(body, e->code, e->text, e->detail, e->more, r->id);
    send_reply(r, &(struct reply){ .status = e->status, .body = buf_sv(body), .retry_after_ms = e->retry_after_ms });
}

static void on_handle(void *arg, struct fcgi_request *f)
{
    struct request *r = (struct request *)(void *)f;

    (void)arg;
    if (r->preflight)
        send_reply(r, &(struct reply){ .status = 204, .allow = r->allow, .preflight = true });
    else if (r->problem == PROBLEM_BUSY && r->route->busy != NULL && r->role != ROLE_NOBODY)
        r->route->busy(r);
    else if (r->problem != PROBLEM_NONE)
        answer_problem(r, r->problem, 0, r->problem_text, r->problem_detail);
    else
        rate_check(r, r->route->handle);
}

const struct fcgi_ops request_ops = {
    .request_size = sizeof(struct request),
    .scratch_first = SCRATCH_FIRST,
    .scratch_max = SCRATCH_MAX,
    .head = on_head,
    .body = on_body,
    .handle = on_handle,
    .closed = on_closed,
};
