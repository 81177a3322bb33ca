/* SPDX-License-Identifier: MIT
 * Clients speak by the letter of RFC 6455: nothing here knows how the server does it. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "t/daemon/websocket_rig.h"
#include "t/tap.h"

#define WAIT_MS 5000

struct loop *rig_loop;
struct arena *rig_arena;
char rig_path[108];
static struct loop_timer *beat;
static char rig_dir[64];

static void on_beat(void *arg)
{
    (void)arg;
    loop_timer_set(beat, 2);
}

void rig_begin(void)
{
    (void)snprintf(rig_dir, sizeof(rig_dir), "/tmp/tk-ws-XXXXXX");
    rig_loop = loop_new();
    rig_arena = arena_new(0, 16u << 20);
    beat = loop_timer_new(rig_loop, on_beat, NULL);
    if (mkdtemp(rig_dir) == NULL || rig_arena == NULL || beat == NULL)
        bail_out("no rig");
    (void)snprintf(rig_path, sizeof(rig_path), "%s/ws.sock", rig_dir);
    loop_timer_set(beat, 2);
}

void rig_end(void)
{
    char lock[128];

    loop_timer_free(beat);
    loop_free(rig_loop);
    arena_free(rig_arena);
    (void)snprintf(lock, sizeof(lock), "%s.lock", rig_path);
    (void)unlink(lock);
    if (rmdir(rig_dir) != 0)
        diag("something is left in %s", rig_dir);
}

struct websocket_options rig_options(void)
{
    return (struct websocket_options){ .loop = rig_loop, .listen = rig_path, .base_path = "", .platform_tokens = "platform", .admin_tokens = "admin",
                                       .message_max = 4096, .connections_max = 1000, .submit = rig_submit, .owner = rig_owner };
}

int rig_set(struct websocket *w, const char *platform_tokens, const char *admin_tokens, size_t message_max)
{
    struct websocket_options o = rig_options();
    struct err e;

    o.platform_tokens = platform_tokens;
    o.admin_tokens = admin_tokens;
    o.message_max = message_max;
    return websocket_set(w, &o, &e);
}

struct websocket *rig_open(const struct websocket_options *o)
{
    struct err e;
    struct websocket *w = websocket_open(o, &e);

    if (w == NULL)
        bail_out("no WebSockets: %s", e.text);
    return w;
}

void rig_turn(void)
{
    loop_turn(rig_loop, true);
}

bool rig_wait(bool (*so)(void *arg), void *arg)
{
    int64_t until = clock_mono_ms() + WAIT_MS;

    while (!so(arg)) {
        if (clock_mono_ms() > until)
            return false;
        rig_turn();
    }
    return true;
}

static void stopped(void *arg)
{
    *(bool *)arg = true;
}

static bool is_true(void *arg)
{
    return *(bool *)arg;
}

bool rig_close(struct websocket *w)
{
    bool done = false;

    websocket_stop(w, stopped, &done);
    bool good = rig_wait(is_true, &done);
    websocket_free(w);
    return good;
}

struct sv rig_ticket(const char *session, const char *sender, enum sender_type type, int64_t in_ms)
{
    struct err e;
    struct tickets *t = tickets_new("admin", &e);
    struct ticket ticket = { .session_id = sv_from(session), .sender_id = sv_from(sender), .sender_type = type, .expires_ms = clock_wall_ms() + in_ms };
    struct sv text = t != NULL ? ticket_make(t, rig_arena, &ticket) : SV_NONE;

    tickets_free(t);
    if (text.p == NULL)
        bail_out("no ticket");
    return text;
}

/* ---- the hub ---- */

struct listener {
    struct listener *next;
    char session[300];
    listener_fn *fn;
    void *arg;
    bool held;
};

static struct listener *listeners;
static uint64_t last_after;

struct listener *listener_new(struct hub *h, struct sv session_id, uint64_t after, listener_fn *fn, void *arg)
{
    struct listener *l = calloc(1, sizeof(*l));

    (void)h;
    if (l == NULL)
        return NULL;
    *l = (struct listener){ .next = listeners, .fn = fn, .arg = arg };
    (void)snprintf(l->session, sizeof(l->session), "%.*s", SV_FMT(session_id));
    last_after = after;
    return listeners = l;
}

void listener_free(struct listener *l)
{
    for (struct listener **at = &listeners; l != NULL && *at != NULL; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            free(l);
            return;
        }
    }
}

size_t rig_listeners(const char *session)
{
    size_t n = 0;

    for (const struct listener *l = listeners; l != NULL; l = l->next)
        n += strcmp(l->session, session) == 0;
    return n;
}

size_t rig_held(const char *session)
{
    size_t n = 0;

    for (const struct listener *l = listeners; l != NULL; l = l->next)
        n += strcmp(l->session, session) == 0 && l->held;
    return n;
}

void listener_more(struct listener *l)
{
    l->held = false;
}

uint64_t rig_after(void)
{
    return last_after;
}

void rig_emit(const char *session, uint64_t seq, struct sv event)
{
    for (struct listener *l = listeners, *next; l != NULL; l = next) {
        next = l->next;
        if (strcmp(l->session, session) == 0 && !l->held && !l->fn(l->arg, seq, event))
            l->held = true;
    }
}

/* ---- submissions ---- */

struct rig_said rig_said[64];
size_t rig_said_n;

void rig_submit(struct turns *t, const struct session_submit *s, control_fn *fn, void *arg)
{
    struct rig_said *q = &rig_said[rig_said_n % ARRAY_LEN(rig_said)];
    const struct session_message *m = s->message;

    (void)t;
    *q = (struct rig_said){ .sender_type = m->sender_type, .fn = fn, .arg = arg };
    (void)snprintf(q->session, sizeof(q->session), "%.*s", SV_FMT(s->session_id));
    (void)snprintf(q->content, sizeof(q->content), "%.*s", SV_FMT(m->content));
    (void)snprintf(q->sender_id, sizeof(q->sender_id), "%.*s", SV_FMT(m->sender_id));
    rig_said_n++;
}

void rig_answer(size_t i, const struct control_answer *a)
{
    rig_said[i].fn(rig_said[i].arg, a);
}

/* ---- whose a session is ---- */

struct rig_asked rig_asked[64];
size_t rig_asked_n;
bool rig_owner_fails;

int rig_owner(struct turns *t, struct sv session_id, struct sv user_id, session_owner_fn *fn, void *arg)
{
    struct rig_asked *q = &rig_asked[rig_asked_n % ARRAY_LEN(rig_asked)];

    (void)t;
    if (rig_owner_fails)
        return -1;
    *q = (struct rig_asked){ .fn = fn, .arg = arg };
    (void)snprintf(q->session, sizeof(q->session), "%.*s", SV_FMT(session_id));
    (void)snprintf(q->user, sizeof(q->user), "%.*s", SV_FMT(user_id));
    rig_asked_n++;
    return 0;
}

/* ---- clients ---- */

struct client *client_new(const struct websocket *w)
{
    struct client *c = calloc(1, sizeof(*c));
    struct sockaddr_un at = { .sun_family = AF_UNIX };

    (void)w;
    if (c == NULL)
        bail_out("no memory");
    memcpy(at.sun_path, rig_path, sizeof(at.sun_path));
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&at, sizeof(at)) != 0)
        bail_out("%s: %s", rig_path, strerror(errno));
    return c;
}

void client_free(struct client *c)
{
    (void)close(c->fd);
    buf_fini(&c->in);
    free(c);
}

void client_send(struct client *c, struct sv bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return; /* what is tested shows in what comes back */
        if (n > 0)
            bytes = (struct sv){ bytes.p + n, bytes.n - (size_t)n };
        else
            rig_turn();
    }
}

/* What has come meanwhile. */
static void client_read(struct client *c)
{
    while (!c->over) {
        char *room = buf_room(&c->in, 65536);
        ssize_t n = room != NULL ? recv(c->fd, room, 65536, 0) : -1;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0)
            c->over = true;
        else
            buf_grown(&c->in, (size_t)n);
    }
}

static bool has_head(void *arg)
{
    struct client *c = arg;

    client_read(c);
    return c->over || (c->in.n > 0 && strstr(c->in.p, "\r\n\r\n") != NULL);
}

void client_ask(struct client *c, const char *target, const char *more)
{
    client_send(c, arena_printf(rig_arena,
                                "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", target, more));
}

int client_status(struct client *c)
{
    if (!rig_wait(has_head, c) || c->in.n < 12)
        return 0;
    int status = (int)strtol(c->in.p + 9, NULL, 10);
    if (status == 101)
        buf_consume(&c->in, (size_t)(strstr(c->in.p, "\r\n\r\n") + 4 - c->in.p));
    return status;
}

int client_greet(struct client *c, const char *target, const char *more)
{
    client_ask(c, target, more);
    return client_status(c);
}

struct client *client_open(const struct websocket *w, const char *target, const char *more)
{
    struct client *c = client_new(w);
    int status = client_greet(c, target, more);

    if (status != 101)
        bail_out("%s: %d", target, status);
    return c;
}

void client_frame(struct client *c, int op, struct sv payload)
{
    static const unsigned char mask[4] = { 0x37, 0xfa, 0x21, 0x3d };
    struct buf b = { 0 };

    buf_addc(&b, (char)op);
    if (payload.n < 126) {
        buf_addc(&b, (char)(0x80 | payload.n));
    } else if (payload.n < 65536) {
        buf_addc(&b, (char)(0x80 | 126));
        buf_addc(&b, (char)(payload.n >> 8));
        buf_addc(&b, (char)payload.n);
    } else {
        buf_addc(&b, (char)(0x80 | 127));
        for (int i = 7; i >= 0; i--)
            buf_addc(&b, (char)((uint64_t)payload.n >> (8 * i)));
    }
    buf_add(&b, (struct sv){ (const char *)mask, 4 });
    for (size_t i = 0; i < payload.n; i++)
        buf_addc(&b, (char)(payload.p[i] ^ mask[i % 4]));
    client_send(c, buf_sv(&b));
    buf_fini(&b);
}

void client_text(struct client *c, const char *text)
{
    client_frame(c, OP_TEXT | OP_LAST, sv_from(text));
}

/* Of the first frame: header and payload bytes. False: not all of it is there. */
static bool look_at_frame(const struct client *c, size_t *header, size_t *n)
{
    const unsigned char *p = (const unsigned char *)c->in.p;

    if (c->in.n < 2)
        return false;
    *header = p[1] < 126 ? 2 : p[1] == 126 ? 4 : 10;
    if (c->in.n < *header)
        return false;
    *n = p[1];
    if (p[1] >= 126) {
        *n = 0;
        for (size_t i = 2; i < *header; i++)
            *n = *n << 8 | p[i];
    }
    return c->in.n >= *header + *n;
}

static bool has_frame(void *arg)
{
    struct client *c = arg;
    size_t header, n;

    client_read(c);
    return c->over || look_at_frame(c, &header, &n);
}

int client_next(struct client *c, struct sv *text)
{
    static struct buf payload;
    size_t header = 0, n = 0;

    (void)rig_wait(has_frame, c);
    if (!look_at_frame(c, &header, &n))
        return -1;
    int op = (unsigned char)c->in.p[0];
    buf_clear(&payload);
    buf_add(&payload, (struct sv){ c->in.p + header, n });
    *text = buf_sv(&payload);
    if (text->p == NULL)
        *text = SV("");
    buf_consume(&c->in, header + n);
    return (op & OP_LAST) != 0 ? op & 15 : op & 15 ? -2 : -3;
}

int client_closed(struct client *c)
{
    struct sv text;
    int op;

    while ((op = client_next(c, &text)) >= 0) {
        if (op == OP_CLOSE)
            return text.n >= 2 ? (unsigned char)text.p[0] << 8 | (unsigned char)text.p[1] : 0;
    }
    return c->over ? 0 : -1;
}

static bool is_over(void *arg)
{
    struct client *c = arg;

    client_read(c);
    return c->over;
}

bool client_is_over(struct client *c)
{
    return rig_wait(is_over, c);
}
