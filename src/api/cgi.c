/* SPDX-License-Identifier: MIT
 * Parameters and header syntax. Every parser here reads hostile bytes: lengths are checked, nothing is terminated. */
#include "config.h"

#include "api/cgi.h"

#define NAME(text)                                                                                                     \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }

static const struct sv names[] = {
    [CGI_REQUEST_METHOD] = NAME("REQUEST_METHOD"),
    [CGI_REQUEST_URI] = NAME("REQUEST_URI"),
    [CGI_CONTENT_TYPE] = NAME("CONTENT_TYPE"),
    [CGI_CONTENT_LENGTH] = NAME("CONTENT_LENGTH"),
    [CGI_AUTHORIZATION] = NAME("HTTP_AUTHORIZATION"),
    [CGI_REQUEST_ID] = NAME("HTTP_X_REQUEST_ID"),
    [CGI_TRACEPARENT] = NAME("HTTP_TRACEPARENT"),
    [CGI_PREFER] = NAME("HTTP_PREFER"),
    [CGI_ORIGIN] = NAME("HTTP_ORIGIN"),
    [CGI_CORS_METHOD] = NAME("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
    [CGI_LAST_EVENT_ID] = NAME("HTTP_LAST_EVENT_ID"),
    [CGI_SIGNATURE] = NAME("HTTP_X_PANCAKE_SIGNATURE"),
    [CGI_REDIRECT_STATUS] = NAME("REDIRECT_STATUS"),
};
_Static_assert(ARRAY_LEN(names) == CGI_PARAMS, "every parameter has a name");

static const struct sv methods[] = {
    [CGI_OTHER] = NAME(""),        [CGI_GET] = NAME("GET"),         [CGI_HEAD] = NAME("HEAD"),
    [CGI_POST] = NAME("POST"),     [CGI_PUT] = NAME("PUT"),         [CGI_PATCH] = NAME("PATCH"),
    [CGI_DELETE] = NAME("DELETE"), [CGI_OPTIONS] = NAME("OPTIONS"),
};
_Static_assert(ARRAY_LEN(methods) == CGI_METHODS, "every method has a name");

bool cgi_parse(char *const *environment, struct cgi_head *h)
{
    *h = (struct cgi_head){ 0 };
    for (; *environment != NULL; environment++) {
        const char *entry = *environment;
        const char *equals = strchr(entry, '=');
        size_t n = equals != NULL ? (size_t)(equals - entry) : 0;
        for (size_t i = 0; i < CGI_PARAMS; i++) {
            if (names[i].n != n || memcmp(names[i].p, entry, n) != 0)
                continue;
            if (h->param[i].p != NULL)
                return false;
            h->param[i] = sv_from(equals + 1);
            break;
        }
    }
    return true;
}

enum cgi_method cgi_method_parse(struct sv name)
{
    for (size_t i = CGI_OTHER + 1; i < CGI_METHODS; i++) {
        if (sv_eq(methods[i], name))
            return (enum cgi_method)i;
    }
    return CGI_OTHER;
}

const char *cgi_method_name(enum cgi_method m)
{
    return methods[m].p;
}

bool cgi_is_json(struct sv content_type)
{
    struct sv rest = content_type;

    if (!sv_eq_nocase(sv_trim(sv_split(&rest, ';')), SV("application/json")))
        return false;
    while (rest.p != NULL) {
        struct sv value = sv_split(&rest, ';');
        struct sv name = sv_trim(sv_split(&value, '='));
        value = sv_trim(value);
        if (sv_eq_nocase(name, SV("charset")) && !sv_eq_nocase(value, SV("utf-8")) &&
            !sv_eq_nocase(value, SV("\"utf-8\"")))
            return false;
    }
    return true;
}

bool cgi_prefers(struct sv prefer, struct sv name)
{
    while (prefer.p != NULL) {
        struct sv one = sv_split(&prefer, ',');
        one = sv_split(&one, ';');
        if (sv_eq_nocase(sv_trim(sv_split(&one, '=')), name))
            return true;
    }
    return false;
}

/* n lower-case hex digits, of which one is not 0 when `some`. */
static bool is_hex(const char *p, size_t n, bool some)
{
    bool seen = false;

    for (size_t i = 0; i < n; i++) {
        if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f')))
            return false;
        seen = seen || p[i] != '0';
    }
    return seen || !some;
}

static bool is_visible(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}

/* version "-" trace-id "-" parent-id "-" trace-flags; later versions may append "-" and more. */
bool cgi_is_traceparent(struct sv s)
{
    if (s.n < 55 || s.n > 128 || s.p[2] != '-' || s.p[35] != '-' || s.p[52] != '-')
        return false;
    if (!is_hex(s.p, 2, false) || !is_hex(s.p + 3, 32, true) || !is_hex(s.p + 36, 16, true) ||
        !is_hex(s.p + 53, 2, false))
        return false;
    if (memcmp(s.p, "ff", 2) == 0)
        return false;
    if (s.n == 55)
        return true;
    if (memcmp(s.p, "00", 2) == 0 || s.p[55] != '-')
        return false;
    return is_visible((struct sv){ s.p + 55, s.n - 55 });
}

bool cgi_is_event_id(struct sv s)
{
    return s.n > 0 && s.n <= CGI_EVENT_ID_MAX && is_visible(s);
}

bool cgi_is_request_id(struct sv s)
{
    if (s.n == 0 || s.n > CGI_REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool sane = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                    c == '_' || c == '-';
        if (!sane)
            return false;
    }
    return true;
}
