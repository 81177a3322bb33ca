/* SPDX-License-Identifier: MIT
 * What comes in for a call: lines of heads, and of the body what somebody wants of it. */
#include "config.h"

#include "outside/http_own.h"

void http_in_begin(struct http_in *in, const struct http_request *r)
{
    in->on_piece = r->on_piece;
    in->on_piece_arg = r->on_piece_arg;
    in->head_n = in->skipped_n = 0;
    in->status = 0;
    in->status_only = r->status_only;
    in->whole_head = in->too_large = in->enough = false;
    in->type_n = 0;
}

enum { TYPE_N = sizeof("content-type:") - 1 };

static bool is_type(struct sv line)
{
    return line.n > TYPE_N && line.p[TYPE_N - 1] == ':' &&
           sv_eq_nocase((struct sv){ line.p, TYPE_N }, SV("content-type:"));
}

/* RFC 9110, 8.3: type "/" subtype, then parameters; case does not matter. One that does not fit is none. */
static void read_type(struct http_in *in, struct sv value)
{
    while (value.n > 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
        value.n--;
    struct sv type = sv_trim(sv_split(&value, ';'));
    in->type_n = type.n <= sizeof(in->type) ? (unsigned char)type.n : 0;
    for (size_t i = 0; i < in->type_n; i++)
        in->type[i] = (char)(type.p[i] >= 'A' && type.p[i] <= 'Z' ? type.p[i] + ('a' - 'A') : type.p[i]);
}

/* curl takes a head that ends in the middle for a whole one. */
bool http_in_head_line(struct http_in *in, int status, struct sv line)
{
    in->head_n += line.n;
    in->status = status;
    if (line.n <= 2 && (line.p[0] == '\r' || line.p[0] == '\n')) {
        in->whole_head = true;
    } else if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0) {
        in->whole_head = false;
        in->type_n = 0;
    } else if (!in->whole_head && is_type(line)) { /* a whole one: a trailer */
        read_type(in, (struct sv){ line.p + TYPE_N, line.n - TYPE_N });
    }
    in->too_large = in->head_n > HTTP_HEAD_MAX;
    return !in->too_large;
}

bool http_in_piece(struct http_in *in, struct sv piece)
{
    if (in->status_only) {
        in->skipped_n += piece.n;
        return in->skipped_n <= HTTP_SKIPPED_MAX;
    }
    if (in->on_piece != NULL && in->status >= 200 && in->status < 300) {
        in->enough = !in->on_piece(in->on_piece_arg, http_in_type(in), piece);
        return !in->enough;
    }
    buf_add(&in->body, piece);
    in->too_large = !buf_ok(&in->body);
    return !in->too_large;
}

struct sv http_in_type(const struct http_in *in)
{
    return in->type_n > 0 ? (struct sv){ in->type, in->type_n } : SV_NONE;
}
