/* SPDX-License-Identifier: MIT
 * Handshakes taken apart. The library behind this gets a request that is written anew (websocket_wire.c), so that what stands here is all that is
 * ever read of a stranger's HTTP. */
#include "config.h"

#include "daemon/websocket_head.h"
#include "lib/digest.h"

#define ID_MAX 256
#define KEY_BYTES 16

static bool is_token(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return s.n > 0;
}

static bool is_visible(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}

/* A header's value: no control characters but the tab. */
static bool is_value(struct sv s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool lists(struct sv list, struct sv word)
{
    while (list.p != NULL) {
        if (sv_eq_nocase(sv_trim(sv_split(&list, ',')), word))
            return true;
    }
    return false;
}

/* The line before the next CR LF. False: there is none, or it holds one of the two alone. */
static bool next_line(struct sv *rest, struct sv *line)
{
    *line = sv_split(rest, '\n');
    if (rest->p == NULL || line->n == 0 || line->p[line->n - 1] != '\r')
        return false;
    line->n--;
    return memchr(line->p, '\r', line->n) == NULL;
}

static bool read_request_line(struct sv line, struct websocket_head *out)
{
    struct sv rest = line, target;

    out->method = sv_split(&rest, ' ');
    target = sv_split(&rest, ' ');
    if (!is_token(out->method) || !is_visible(target) || !sv_starts(target, SV("/")) || !sv_eq(rest, SV("HTTP/1.1")))
        return false;
    out->query = target;
    out->path = sv_split(&out->query, '?');
    return true;
}

/* Base64 of 16 bytes (RFC 6455 4.2.1). */
static bool is_key(struct sv value)
{
    unsigned char bytes[KEY_BYTES];
    size_t n;

    return digest_from_base64(value, bytes, sizeof(bytes), &n) && n == sizeof(bytes);
}

struct reading {
    struct websocket_head *out;
    bool upgrade, connection;
};

static bool once(struct sv *to, struct sv value)
{
    bool first = to->p == NULL;

    *to = value;
    return first;
}

static bool take_header(struct reading *r, struct sv name, struct sv value)
{
    struct websocket_head *h = r->out;

    if (sv_eq_nocase(name, SV("upgrade")))
        r->upgrade |= lists(value, SV("websocket"));
    else if (sv_eq_nocase(name, SV("connection")))
        r->connection |= lists(value, SV("upgrade"));
    else if (sv_eq_nocase(name, SV("content-length")))
        return sv_eq(value, SV("0"));
    else if (sv_eq_nocase(name, SV("transfer-encoding")))
        return false;
    else if (sv_eq_nocase(name, SV("authorization")))
        return once(&h->authorization, value);
    else if (sv_eq_nocase(name, SV("last-event-id")))
        return once(&h->last_event_id, value);
    else if (sv_eq_nocase(name, SV("sec-websocket-version")))
        return once(&h->version, value);
    else if (sv_eq_nocase(name, SV("x-request-id")))
        return once(&h->request_id, value);
    else if (sv_eq_nocase(name, SV("sec-websocket-key")))
        return once(&h->key, value) && is_key(value);
    return true;
}

enum head_status websocket_head_read(struct sv bytes, struct websocket_head *out)
{
    const char *end = bytes.n > 0 ? memmem(bytes.p, bytes.n, "\r\n\r\n", 4) : NULL;
    struct reading r = { .out = out };
    struct sv rest, line;

    if (end == NULL)
        return HEAD_PART;
    *out = (struct websocket_head){ .n = (size_t)(end - bytes.p) + 4 };
    rest = (struct sv){ bytes.p, out->n - 2 };
    if (!next_line(&rest, &line) || !read_request_line(line, out))
        return HEAD_BAD;
    while (rest.n > 0) {
        struct sv value, name;
        if (!next_line(&rest, &line))
            return HEAD_BAD;
        value = line;
        name = sv_split(&value, ':');
        if (value.p == NULL || !is_token(name) || !is_value(value) || !take_header(&r, name, sv_trim(value)))
            return HEAD_BAD;
    }
    out->upgrade = r.upgrade && r.connection;
    return HEAD_WHOLE;
}

/* ---- the target ---- */

/* Percent-decoding (RFC 3986 2.1) into the arena. SV_NONE: wrongly escaped, a control character, or not UTF-8. */
static struct sv decode(struct arena *a, struct sv s)
{
    char *p = arena_alloc(a, s.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < s.n && p != NULL; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? sv_hex_digit(s.p[i + 1]) : -1;
            int low = high >= 0 ? sv_hex_digit(s.p[i + 2]) : -1;
            if (low < 0)
                return SV_NONE;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if ((unsigned char)c < ' ' || c == 0x7f)
            return SV_NONE;
        p[n++] = c;
    }
    struct sv text = { p, n };
    return p != NULL && sv_is_utf8(text) ? text : SV_NONE;
}

static void take_number(struct websocket_ask *ask, struct sv text, const char *wrong)
{
    ask->resumes = sv_to_u64(text, &ask->after) && ask->after < UINT64_MAX;
    if (!ask->resumes)
        ask->wrong = wrong;
}

static void take_query(struct websocket_ask *ask, struct arena *a, struct sv query)
{
    bool after = false;

    while (query.p != NULL) {
        struct sv value = sv_split(&query, '&');
        struct sv name = sv_split(&value, '=');
        if (sv_eq(name, SV("ticket"))) {
            if (ask->ticket.p != NULL)
                ask->wrong = "There is more than one ticket.";
            ask->ticket = decode(a, value.p != NULL ? value : SV(""));
            if (ask->ticket.p == NULL)
                ask->ticket = SV("");
        } else if (sv_eq(name, SV("after"))) {
            take_number(ask, value, "after is not the number of an event.");
            if (after)
                ask->wrong = "after is there more than once.";
            after = true;
        }
    }
}

bool websocket_head_ask(const struct websocket_head *head, struct sv base, struct arena *a, struct websocket_ask *out)
{
    struct sv path = head->path, place = SV("/ws/chat/");

    *out = (struct websocket_ask){ 0 };
    if (!sv_starts(path, base))
        return false;
    path = (struct sv){ path.p + base.n, path.n - base.n };
    if (!sv_starts(path, place) || path.n == place.n)
        return false;
    path = (struct sv){ path.p + place.n, path.n - place.n };
    if (memchr(path.p, '/', path.n) != NULL)
        return false;
    out->session_id = decode(a, path);
    take_query(out, a, head->query);
    if (head->last_event_id.n > 0)
        take_number(out, head->last_event_id, "Last-Event-ID is not the number of an event.");
    if (out->session_id.p == NULL || out->session_id.n > ID_MAX)
        out->wrong = "The session's id is none.";
    return true;
}
