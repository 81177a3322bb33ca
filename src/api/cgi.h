/* SPDX-License-Identifier: MIT
 * What a CGI request says (RFC 3875 4.1): the parameters that this program looks at, taken out of the environment in one pass, and
 * the syntax of those that are not somebody else's. Knows no endpoint. */
#ifndef API_CGI_H
#define API_CGI_H

#include "lib/attr.h"
#include "lib/sv.h"

enum cgi_method { CGI_OTHER, CGI_GET, CGI_HEAD, CGI_POST, CGI_PUT, CGI_PATCH, CGI_DELETE, CGI_OPTIONS };
#define CGI_METHODS (CGI_OPTIONS + 1)

enum cgi_param {
    CGI_REQUEST_METHOD,
    CGI_REQUEST_URI,
    CGI_CONTENT_TYPE,
    CGI_CONTENT_LENGTH,
    CGI_AUTHORIZATION,
    CGI_REQUEST_ID,
    CGI_TRACEPARENT,
    CGI_PREFER,
    CGI_ORIGIN,
    CGI_CORS_METHOD, /* Access-Control-Request-Method */
    CGI_LAST_EVENT_ID,
    CGI_SIGNATURE,   /* X-Pancake-Signature */
    CGI_REDIRECT_STATUS, /* the web server's own verdict, where it hands over a request that it has refused; 200 otherwise */
    CGI_PARAMS
};

struct cgi_head {
    struct sv param[CGI_PARAMS]; /* SV_NONE: not there. Borrowed from the environment */
};

/* False: one of them stands there twice (a header in two spellings), so that nobody can say which one is meant. */
bool cgi_parse(char *const *environment, struct cgi_head *h) MUST_CHECK;
enum cgi_method cgi_method_parse(struct sv name);
const char *cgi_method_name(enum cgi_method m);
/* "application/json", whatever its case, without parameters or with charset=utf-8. */
bool cgi_is_json(struct sv content_type);
/* A comma separated list of preferences (RFC 7240) contains the token `name`, with or without a value. */
bool cgi_prefers(struct sv prefer, struct sv name);
/* traceparent of any version, https://www.w3.org/TR/trace-context/ 3.2. */
bool cgi_is_traceparent(struct sv s);
/* [A-Za-z0-9._-]{1,CGI_REQUEST_ID_MAX} */
#define CGI_REQUEST_ID_MAX 128
bool cgi_is_request_id(struct sv s);
/* The id of an event that we may have given: visible ASCII, {1,CGI_EVENT_ID_MAX}. */
#define CGI_EVENT_ID_MAX 64
bool cgi_is_event_id(struct sv s);

#endif
