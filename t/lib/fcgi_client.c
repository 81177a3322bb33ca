/* SPDX-License-Identifier: MIT
 * FastCGI 1.0 records, client side. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "t/lib/fcgi_client.h"
#include "t/tap.h"

#define RECORD_MAX 65535
#define WAIT_MS 20000

void put_record(struct buf *b, int type, int id, struct sv content, int padding)
{
    const char header[8] = {
        1, (char)type, (char)(id >> 8), (char)id, (char)(content.n >> 8), (char)content.n, (char)padding, 0,
    };

    buf_add(b, (struct sv){ header, sizeof(header) });
    buf_add(b, content);
    for (int i = 0; i < padding; i++)
        buf_addc(b, '\0');
}

void put_begin(struct buf *b, int id, int role, bool keep)
{
    const char body[8] = { (char)(role >> 8), (char)role, keep ? 1 : 0 };

    put_record(b, REC_BEGIN, id, (struct sv){ body, sizeof(body) }, 0);
}

static void put_length(struct buf *b, size_t n)
{
    if (n > 127) {
        buf_addc(b, (char)(0x80 | n >> 24));
        buf_addc(b, (char)(n >> 16));
        buf_addc(b, (char)(n >> 8));
    }
    buf_addc(b, (char)n);
}

void put_pair(struct buf *b, const char *name, struct sv value)
{
    put_length(b, strlen(name));
    put_length(b, value.n);
    buf_add(b, sv_from(name));
    buf_add(b, value);
}

static void put_stream(struct buf *b, int type, int id, struct sv content)
{
    while (content.n > 0) {
        size_t n = content.n < RECORD_MAX ? content.n : RECORD_MAX;
        put_record(b, type, id, (struct sv){ content.p, n }, (int)(n % 8));
        content = (struct sv){ content.p + n, content.n - n };
    }
    put_record(b, type, id, SV(""), 0);
}

void put_params(struct buf *b, int id, const char *const *pairs)
{
    struct buf all = { 0 };

    for (; *pairs != NULL; pairs += 2)
        put_pair(&all, pairs[0], sv_from(pairs[1]));
    put_stream(b, REC_PARAMS, id, buf_sv(&all));
    buf_fini(&all);
}

void put_stdin(struct buf *b, int id, struct sv body)
{
    put_stream(b, REC_STDIN, id, body);
}

void put_request(struct buf *b, const char *method, const char *uri, const char *const *more, struct sv body)
{
    const char *pairs[64] = { "REQUEST_METHOD", method, "REQUEST_URI", uri };
    char length[24];
    size_t n = 4;

    (void)snprintf(length, sizeof(length), "%zu", body.n);
    if (body.p != NULL) {
        pairs[n++] = "CONTENT_LENGTH";
        pairs[n++] = length;
        pairs[n++] = "CONTENT_TYPE";
        pairs[n++] = "application/json";
    }
    for (; more != NULL && *more != NULL && n < ARRAY_LEN(pairs) - 2; more++)
        pairs[n++] = *more;
    put_begin(b, 1, ROLE_IS_RESPONDER, false);
    put_params(b, 1, pairs);
    put_stdin(b, 1, body);
}

int client_connect(const char *path)
{
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
        bail_out("cannot connect to %s: %s", path, strerror(errno));
    return fd;
}

bool client_send(int fd, struct sv bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        bytes = (struct sv){ bytes.p + n, bytes.n - (size_t)n };
    }
    return true;
}

/* One whole record at the front of what has come is taken. */
static bool take_record(struct buf *in, struct fcgi_answer *a)
{
    const unsigned char *p = (const unsigned char *)in->p;
    size_t n;

    if (in->n < 8)
        return false;
    n = (size_t)p[4] << 8 | p[5];
    if (in->n < 8 + n + p[6])
        return false;
    if (p[1] == REC_STDOUT)
        buf_add(&a->out, (struct sv){ in->p + 8, n });
    if (p[1] == REC_END)
        a->ended = n == 8 && p[12] == 0;
    buf_consume(in, 8 + n + p[6]);
    return true;
}

static void read_until(int fd, struct fcgi_answer *a, int wait_ms, bool kept)
{
    struct buf in = { 0 };
    char piece[16384];

    *a = (struct fcgi_answer){ 0 };
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        ssize_t n;
        if (poll(&p, 1, wait_ms) <= 0)
            break;
        n = recv(fd, piece, sizeof(piece), 0);
        a->closed = n <= 0;
        a->reset = n < 0;
        if (n <= 0)
            break;
        buf_add(&in, (struct sv){ piece, (size_t)n });
        while (take_record(&in, a))
            continue;
        if (kept && a->ended)
            break;
    }
    if (a->out.n > 8 && memcmp(a->out.p, "Status: ", 8) == 0)
        a->status = (int)strtol(a->out.p + 8, NULL, 10);
    buf_fini(&in);
}

void client_read(int fd, struct fcgi_answer *a, int wait_ms)
{
    read_until(fd, a, wait_ms, false);
}

void client_read_kept(int fd, struct fcgi_answer *a, int wait_ms)
{
    read_until(fd, a, wait_ms, true);
}

void client_ask(const char *path, struct sv request, struct fcgi_answer *a)
{
    int fd = client_connect(path);

    (void)client_send(fd, request);
    client_read(fd, a, WAIT_MS);
    (void)close(fd);
}

void answer_fini(struct fcgi_answer *a)
{
    buf_fini(&a->out);
}

struct sv answer_header(const struct fcgi_answer *a, const char *name)
{
    struct sv rest = buf_sv(&a->out);

    while (rest.p != NULL) {
        struct sv line = sv_split(&rest, '\n');
        struct sv label;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (line.n == 0)
            break;
        label = sv_split(&line, ':');
        if (sv_eq_nocase(label, sv_from(name)))
            return sv_trim(line);
    }
    return SV_NONE;
}

struct sv answer_body(const struct fcgi_answer *a)
{
    for (size_t i = 0; i + 4 <= a->out.n; i++) {
        if (memcmp(a->out.p + i, "\r\n\r\n", 4) == 0)
            return (struct sv){ a->out.p + i + 4, a->out.n - i - 4 };
    }
    return SV_NONE;
}
