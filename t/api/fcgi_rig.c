/* SPDX-License-Identifier: MIT
 * Streams, and who reads them. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fcgi_own.h"
#include "t/api/fcgi_rig.h"
#include "t/lib/api_rig.h"
#include "t/lib/fcgi_client.h"
#include "t/tap.h"

struct loop *loop;
struct fcgi *fcgi;
char socket_path[96];
int inside, nested, handled, closed;
bool no_stream;
struct fate fates[2000];

static int listen_fd;

/* ---- what is served ---- */

static void on_gone(void *arg)
{
    struct fate *fate = arg;

    nested += inside;
    fate->gone++;
    fate->written = fcgi_stream_write(fate->r, SV("late"));
    if (fate->end != NULL)
        fcgi_stream_end(fate->end->r);
}

/* A body is wanted by nobody. */
static int64_t on_head(void *arg, struct fcgi_request *r)
{
    (void)arg;
    for (char *const *p = r->params; *p != NULL; p++) {
        if (strcmp(*p, "BODY=unread") == 0)
            return FCGI_REFUSE;
    }
    return 0;
}

static void on_body(void *arg, struct fcgi_request *r, struct sv body, bool longer)
{
    (void)arg;
    (void)r;
    if (body.n > 0 || longer)
        bail_out("there is no body");
}

void begin_stream(struct fate *fate)
{
    inside++;
    fcgi_stream(fate->r, SV(HEAD), BUFFER_MAX, on_gone, fate);
    inside--;
}

static void on_handle(void *arg, struct fcgi_request *r)
{
    struct fate *fate = &fates[handled];

    (void)arg;
    *fate = (struct fate){ .r = r };
    if (!no_stream)
        begin_stream(fate);
    fcgi_park(r);
    handled++;
}

static void on_closed(void *arg, struct fcgi_request *r)
{
    (void)arg;
    (void)r;
    closed++;
}

static const struct fcgi_ops ops = {
    .request_size = sizeof(struct fcgi_request),
    .scratch_first = 2000,
    .scratch_max = 65536,
    .head = on_head,
    .body = on_body,
    .handle = on_handle,
    .closed = on_closed,
};

void begin(int64_t write_timeout_ms)
{
    struct fcgi_options o = { .readers_max = 4, .read_timeout_ms = LONG_MS, .write_timeout_ms = write_timeout_ms };
    struct err e;

    loop = loop_new();
    listen_fd = rig_listen(socket_path, 1024);
    if (loop == NULL || listen_fd < 0)
        bail_out("no loop or no socket");
    o.loop = loop;
    o.listen_fd = listen_fd;
    fcgi = fcgi_open(&o, &ops, NULL, &e);
    if (fcgi == NULL)
        bail_out("fcgi_open: %s", e.text);
    handled = closed = 0;
}

void finish(void)
{
    fcgi_close(fcgi);
    loop_free(loop);
    (void)close(listen_fd);
    (void)unlink(socket_path);
}

bool turn_until(const int *what, int value)
{
    for (int i = 0; i < TURNS && *what != value; i++) {
        loop_turn(loop, false);
        if (*what != value)
            (void)poll(NULL, 0, 5);
    }
    return *what == value;
}

int write_to(struct fate *fate, struct sv bytes)
{
    int rc;

    inside++;
    rc = fcgi_stream_write(fate->r, bytes);
    inside--;
    return rc;
}

void end_stream(struct fate *fate)
{
    inside++;
    fcgi_stream_end(fate->r);
    inside--;
}

void fill(struct fate *fate, int *number, struct buf *all)
{
    do {
        char text[24];
        size_t n = (size_t)snprintf(text, sizeof(text), "<%d>", (*number)++);
        buf_add(all, (struct sv){ text, n });
        if (write_to(fate, (struct sv){ text, n }) != 0)
            bail_out("a stream that is held up is lost");
    } while (fate->r->slow->rest.n == 0);
}

/* ---- the web server's side ---- */

void put_head(struct buf *b, bool keep, const char *body)
{
    buf_clear(b);
    put_begin(b, 1, ROLE_IS_RESPONDER, keep);
    put_params(b, 1, (const char *const[]){ "REQUEST_METHOD", "GET", "BODY", body, NULL });
}

void put_get(struct buf *b, bool keep)
{
    put_head(b, keep, "none");
    put_stdin(b, 1, SV(""));
}

struct fate *ask_on(struct peer *p, bool keep)
{
    struct buf b = { 0 };
    int before = handled;

    put_get(&b, keep);
    (void)client_send(p->fd, buf_sv(&b));
    buf_fini(&b);
    if (!turn_until(&handled, before + 1))
        bail_out("a request is not handled");
    return &fates[before];
}

struct fate *ask(struct peer *p)
{
    *p = (struct peer){ .fd = client_connect(socket_path) };
    return ask_on(p, false);
}

static void take_records(struct peer *p)
{
    size_t at = 0;

    while (p->in.n - at >= 8) {
        const unsigned char *record = (const unsigned char *)p->in.p + at;
        size_t n = (size_t)record[4] << 8 | record[5];
        if (p->in.n - at < 8 + n + record[6])
            break;
        if (record[1] == REC_STDOUT)
            buf_add(&p->out, (struct sv){ p->in.p + at + 8, n });
        p->ended = p->ended || record[1] == REC_END;
        at += 8 + n + record[6];
    }
    buf_consume(&p->in, at);
}

void hear(struct peer *p, size_t most)
{
    while (most > 0 && !p->closed) {
        size_t piece = most < 65536 ? most : 65536;
        char *room = buf_room(&p->in, piece);
        ssize_t n = room != NULL ? recv(p->fd, room, piece, MSG_DONTWAIT) : -1;
        if (n < 0 && errno == EAGAIN)
            break;
        p->closed = n <= 0;
        if (n > 0) {
            buf_grown(&p->in, (size_t)n);
            most -= (size_t)n;
        }
    }
    take_records(p);
}

void hear_until(struct peer *p, const bool *what)
{
    for (int i = 0; i < TURNS && !*what; i++) {
        hear(p, SIZE_MAX);
        loop_turn(loop, false);
        if (!*what)
            (void)poll(NULL, 0, 1);
    }
}

void heard(struct peer *p, const char *text, bool ended, const char *what)
{
    hear(p, SIZE_MAX);
    ok(p->ended == ended && p->closed == ended && sv_eq(buf_sv(&p->out), sv_from(text)),
       "%s (got %zu bytes, ended %d, closed %d)", what, p->out.n, p->ended, p->closed);
    buf_clear(&p->out);
}

void hang_up(struct peer *p)
{
    (void)close(p->fd);
    buf_fini(&p->in);
    buf_fini(&p->out);
}
