/* SPDX-License-Identifier: MIT
 * Answers as text. Header values are either constants or were checked where they came in (request id, origin). */
#include "config.h"

#include "api/cgi.h"
#include "api/reply.h"
#include "lib/json.h"

static const struct {
    int status;
    const char *code, *text;
} problems[] = {
    [PROBLEM_NONE] = { 200, "ok", "" },
    [PROBLEM_BAD_REQUEST] = { 400, "bad_request", "The request cannot be understood." },
    [PROBLEM_BODY_LENGTH] = { 400, "bad_request", "The body is not as long as Content-Length says." },
    [PROBLEM_NOT_JSON] = { 400, "invalid_json", "The body is not valid JSON." },
    [PROBLEM_UNAUTHORIZED] = { 401, "unauthorized", "A valid bearer token is required." },
    [PROBLEM_FORBIDDEN] = { 403, "forbidden", "This credential does not give access to this." },
    [PROBLEM_NOT_FOUND] = { 404, "not_found", "There is nothing here." },
    [PROBLEM_WRONG_METHOD] = { 405, "method_not_allowed", "This method is not allowed here." },
    [PROBLEM_TURN_RUNNING] = { 409, "turn_running",
                               "A turn of this conversation is running; send the message again later." },
    [PROBLEM_NO_LENGTH] = { 411, "length_required", "The body needs a Content-Length." },
    [PROBLEM_TOO_LARGE] = { 413, "body_too_large", "The body is too large." },
    [PROBLEM_MEDIA_TYPE] = { 415, "unsupported_media_type", "The body must be application/json." },
    [PROBLEM_FIELDS] = { 422, "validation_error", "Some fields are missing or wrong." },
    [PROBLEM_RATE_LIMITED] = { 429, "rate_limited", "Too many requests in this minute; try again later." },
    [PROBLEM_INTERNAL] = { 500, "internal_error", "Something went wrong." },
    [PROBLEM_NOT_IMPLEMENTED] = { 501, "not_implemented", "This method or transfer coding is not known here." },
    [PROBLEM_BUSY] = { 503, "overloaded", "Too many requests are waiting; try again later." },
    [PROBLEM_TOO_MANY_PENDING] = { 503, "too_many_pending", "Too many messages are waiting; try again later." },
    [PROBLEM_UNAVAILABLE] = { 503, "unavailable", "The message cannot be taken now; send it again later." },
};
_Static_assert(ARRAY_LEN(problems) == PROBLEMS, "every problem has its line");

static const struct {
    int status;
    const char *phrase;
} phrases[] = {
    { 200, "OK" },
    { 202, "Accepted" },
    { 204, "No Content" },
    { 400, "Bad Request" },
    { 401, "Unauthorized" },
    { 403, "Forbidden" },
    { 404, "Not Found" },
    { 405, "Method Not Allowed" },
    { 409, "Conflict" },
    { 411, "Length Required" },
    { 413, "Content Too Large" },
    { 415, "Unsupported Media Type" },
    { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },
    { 500, "Internal Server Error" },
    { 501, "Not Implemented" },
    { 503, "Service Unavailable" },
};

int problem_status(enum problem p)
{
    return problems[p].status;
}

const char *problem_code(enum problem p)
{
    return problems[p].code;
}

/* Members of `object`, written by this program, that an error does not have of its own. */
static void add_members(struct json_out *o, struct sv object)
{
    static const char *const own[] = { "success", "status", "error", "code", "detail", "request_id" };
    struct sv rest = json_raw_inside(object), key, value;

    while (json_raw_next(&rest, &key, &value)) {
        bool taken = false;
        for (size_t i = 0; i < ARRAY_LEN(own); i++)
            taken = taken || sv_eq(key, sv_from(own[i]));
        if (taken)
            continue;
        buf_add(o->b, SV(",\""));
        buf_add(o->b, key);
        buf_add(o->b, SV("\":"));
        buf_add(o->b, value);
    }
}

void reply_error(struct buf *out, struct sv code, struct sv text, struct sv detail, struct sv more,
                 const char *request_id)
{
    struct json_out o = { .b = out };

    json_obj(&o);
    json_kbool(&o, "success", false);
    json_kstr(&o, "status", SV("error"));
    json_kstr(&o, "error", text);
    json_kstr(&o, "code", code);
    if (detail.p != NULL)
        json_kraw(&o, "detail", detail);
    json_kstr(&o, "request_id", sv_from(request_id));
    if (more.p != NULL)
        add_members(&o, more);
    json_obj_end(&o);
}

void reply_problem(struct buf *out, enum problem p, struct sv text, struct sv detail, const char *request_id)
{
    reply_error(out, sv_from(problems[p].code), text.p != NULL ? text : sv_from(problems[p].text), detail, SV_NONE,
                request_id);
}

static void add_header(struct buf *out, struct sv name, const char *value)
{
    buf_add(out, name);
    buf_add(out, sv_from(value));
    buf_add(out, SV("\r\n"));
}

static void add_methods(struct buf *out, struct sv name, unsigned methods)
{
    bool first = true;

    buf_add(out, name);
    for (unsigned m = CGI_OTHER + 1; m < CGI_METHODS; m++) {
        if ((methods & 1u << m) == 0)
            continue;
        if (!first)
            buf_add(out, SV(", "));
        buf_add(out, sv_from(cgi_method_name((enum cgi_method)m)));
        first = false;
    }
    buf_add(out, SV("\r\n"));
}

static void add_number(struct buf *out, struct sv name, int64_t n)
{
    buf_add(out, name);
    buf_i64(out, n);
    buf_add(out, SV("\r\n"));
}

static void add_status(struct buf *out, int status)
{
    buf_add(out, SV("Status: "));
    buf_i64(out, status);
    for (size_t i = 0; i < ARRAY_LEN(phrases); i++) {
        if (phrases[i].status == status) {
            buf_addc(out, ' ');
            buf_add(out, sv_from(phrases[i].phrase));
            break;
        }
    }
    buf_add(out, SV("\r\n"));
}

static void add_cors(struct buf *out, const struct reply *r)
{
    add_header(out, SV("Access-Control-Allow-Origin: "), r->origin);
    buf_add(out, SV("Vary: Origin\r\n"));
    if (r->preflight) {
        add_methods(out, SV("Access-Control-Allow-Methods: "), r->allow);
        buf_add(out,
                SV("Access-Control-Allow-Headers: Authorization, Content-Type, Last-Event-ID, Prefer, X-Request-ID, "
                   "traceparent\r\n"
                   "Access-Control-Max-Age: 600\r\n"));
    } else {
        buf_add(out, SV("Access-Control-Expose-Headers: RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Retry-After, X-Cache, X-Request-ID\r\n"));
    }
}

void reply_format(struct buf *out, const struct reply *r)
{
    add_status(out, r->status);
    if (r->body.p != NULL) {
        buf_add(out, SV("Content-Type: application/json\r\n"));
        add_number(out, SV("Content-Length: "), (int64_t)r->body.n);
    }
    if (r->events) /* X-Accel-Buffering: nginx, and what has learned it from nginx, is not to collect them */
        buf_add(out, SV("Content-Type: text/event-stream\r\nX-Accel-Buffering: no\r\n"));
    if (r->lines)
        buf_add(out, SV("Content-Type: application/x-ndjson\r\nX-Accel-Buffering: no\r\n"));
    buf_add(out, SV("X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n"));
    add_header(out, SV("X-Request-ID: "), r->request_id);
    if (r->status == 401)
        buf_add(out, SV("WWW-Authenticate: Bearer\r\n"));
    if (r->status == 405)
        add_methods(out, SV("Allow: "), r->allow);
    if (r->status == 409 || r->status == 429 || r->status == 503)
        add_number(out, SV("Retry-After: "), r->retry_after_ms > 1000 ? (r->retry_after_ms + 999) / 1000 : 1);
    if (r->rate.limit > 0) {
        add_number(out, SV("RateLimit-Limit: "), r->rate.limit);
        add_number(out, SV("RateLimit-Remaining: "), r->rate.remaining);
        add_number(out, SV("RateLimit-Reset: "), r->rate.reset_s);
    }
    if (r->cache != NULL)
        add_header(out, SV("X-Cache: "), r->cache);
    if (r->async)
        buf_add(out, SV("Preference-Applied: respond-async\r\n"));
    if (r->origin != NULL)
        add_cors(out, r);
    buf_add(out, SV("\r\n"));
    if (r->body.p != NULL && !r->head)
        buf_add(out, r->body);
}
