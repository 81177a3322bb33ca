/* SPDX-License-Identifier: MIT
 * Whoever connects is at the door until his handshake has come and has been looked at: path, credential, what he wants. Reads and answers HTTP with
 * bounds of its own; what passes goes on to the wire with its descriptor. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/websocket_head.h"
#include "daemon/websocket_own.h"
#include "lib/clock.h"
#include "lib/id.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/auth.h"

#define READ_BYTES 2048
#define ARENA_BYTES 65536
#define LINGER_MS 1000 /* for who is refused to read why and to close */

enum refusal { BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, WRONG_METHOD, TIMEOUT, UPGRADE, TOO_LONG, INTERNAL, FULL };

static const struct {
    int status;
    const char *reason, *code, *text, *headers;
} refusals[] = {
    [BAD_REQUEST] = { 400, "Bad Request", "bad_request", "This is no request that can be understood.", "" },
    [UNAUTHORIZED] = { 401, "Unauthorized", "unauthorized", "A valid credential is required.", "WWW-Authenticate: Bearer\r\n" },
    [FORBIDDEN] = { 403, "Forbidden", "forbidden", "This ticket is another session's.", "" },
    [NOT_FOUND] = { 404, "Not Found", "not_found", "There is nothing here.", "" },
    [WRONG_METHOD] = { 405, "Method Not Allowed", "method_not_allowed", "Only GET is possible here.", "Allow: GET\r\n" },
    [TIMEOUT] = { 408, "Request Timeout", "timeout", "The request did not come in time.", "" },
    [UPGRADE] = { 426, "Upgrade Required", "upgrade_required", "This is for WebSockets, version 13.",
                  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" },
    [TOO_LONG] = { 431, "Request Header Fields Too Large", "headers_too_large", "The request's headers are too large.", "" },
    [INTERNAL] = { 500, "Internal Server Error", "internal_error", "Something went wrong.", "" },
    [FULL] = { 503, "Service Unavailable", "overloaded", "There are too many connections: try again later.", "Retry-After: 5\r\n" },
};

static void on_ready(void *arg, int events);

/* ---- no ---- */

static void write_refusal(struct buf *out, enum refusal why, const char *text, struct sv request_id)
{
    struct buf body = { 0 };
    struct json_out o = { .b = &body };

    json_obj(&o);
    json_kbool(&o, "success", false);
    json_kstr(&o, "status", SV("error"));
    json_kstr(&o, "error", sv_from(text != NULL ? text : refusals[why].text));
    json_kstr(&o, "code", sv_from(refusals[why].code));
    json_kstr(&o, "request_id", request_id);
    json_obj_end(&o);
    buf_printf(out,
               "HTTP/1.1 %d %s\r\n%sContent-Type: application/json\r\nContent-Length: %zu\r\nX-Request-ID: %.*s\r\n"
               "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
               refusals[why].status, refusals[why].reason, refusals[why].headers, body.n, SV_FMT(request_id));
    buf_add(out, buf_sv(&body));
    buf_fini(&body);
}

/* The answer fits the socket's buffer. Then what still comes is read and thrown away until he closes: a reset would take the answer from him. */
static void refuse(struct peer *p, enum refusal why, const char *text)
{
    char made[ID_TOKEN_SIZE], status[16];
    struct buf out = { 0 };

    p->w->n.refused++;
    id_token(made);
    write_refusal(&out, why, text, sv_from(made));
    if (buf_ok(&out))
        (void)send(p->fd, out.p, out.n, MSG_NOSIGNAL);
    (void)shutdown(p->fd, SHUT_WR);
    buf_fini(&out);
    buf_fini(&p->head);
    (void)snprintf(status, sizeof(status), "%d", refusals[why].status);
    log_debug("a WebSocket is refused", "#status", status, "request_id", made, NULL);
    p->state = PEER_REFUSED;
    loop_timer_set(p->timer, LINGER_MS);
}

void door_timeout(struct peer *p)
{
    if (p->state == PEER_HEAD && p->head.n > 0)
        refuse(p, TIMEOUT, NULL);
    else
        peer_free(p);
}

/* ---- yes ---- */

static char *copy(struct sv s)
{
    return strndup(s.p, s.n);
}

static bool remember(struct peer *p, const struct websocket_ask *ask, const struct ticket *ticket)
{
    p->session_id = copy(ask->session_id);
    if (ticket != NULL) {
        p->forced = true;
        p->sender_type = ticket->sender_type;
        p->sender_id = ticket->sender_id.p != NULL ? copy(ticket->sender_id) : NULL;
    }
    return p->session_id != NULL && (ticket == NULL || ticket->sender_id.p == NULL || p->sender_id != NULL);
}

static void admit(struct peer *p, const struct websocket_head *head, const struct websocket_ask *ask)
{
    struct websocket *w = p->w;
    char key[64];
    int fd = p->fd;

    (void)snprintf(key, sizeof(key), "%.*s", SV_FMT(head->key));
    loop_fd_free(p->watch);
    p->watch = NULL;
    p->fd = -1; /* the wire's, whatever happens */
    buf_fini(&p->head);
    loop_timer_stop(p->timer);
    w->guests--;
    w->peers++;
    p->state = PEER_OPEN;
    p->after = ask->resumes ? ask->after : HUB_NOW;
    if (!wire_adopt(w->wire, p, &p->link, fd, sv_from(key)) && !p->link.adopted)
        peer_free(p);
}

/* A credential of the whole service, else the ticket of one session. */
static bool authorise(struct peer *p, const struct websocket_head *head, const struct websocket_ask *ask, struct arena *a, struct ticket *ticket,
                      enum refusal *why)
{
    const struct websocket *w = p->w;
    struct auth_identity who;

    *ticket = (struct ticket){ 0 };
    *why = UNAUTHORIZED;
    if (head->authorization.p != NULL && auth_allows(auth_check(w->auth, head->authorization, clock_wall_ms(), &who), ACCESS_PLATFORM))
        return true;
    if (ask->ticket.p == NULL || !ticket_check(w->tickets, a, ask->ticket, clock_wall_ms(), ticket))
        return false;
    *why = FORBIDDEN;
    return sv_eq(ticket->session_id, ask->session_id);
}

static void look_at(struct peer *p, const struct websocket_head *head, struct arena *a)
{
    struct websocket *w = p->w;
    struct websocket_ask ask;
    struct ticket ticket;
    enum refusal why;

    if (!websocket_head_ask(head, sv_from(w->base_path), a, &ask))
        refuse(p, NOT_FOUND, NULL);
    else if (!sv_eq(head->method, SV("GET")))
        refuse(p, WRONG_METHOD, NULL);
    else if (!authorise(p, head, &ask, a, &ticket, &why))
        refuse(p, why, NULL);
    else if (ask.wrong != NULL)
        refuse(p, BAD_REQUEST, ask.wrong);
    else if (!head->upgrade || head->key.p == NULL || !sv_eq(head->version, SV("13")))
        refuse(p, UPGRADE, NULL);
    else if (w->peers >= w->o.connections_max || w->stopping)
        refuse(p, FULL, NULL);
    else if (!remember(p, &ask, ticket.session_id.p != NULL ? &ticket : NULL))
        refuse(p, INTERNAL, NULL);
    else
        admit(p, head, &ask);
}

static void look(struct peer *p)
{
    struct websocket_head head;
    struct arena *a;

    switch (websocket_head_read(buf_sv(&p->head), &head)) {
    case HEAD_PART:
        if (p->head.n >= WEBSOCKET_HEAD_MAX)
            refuse(p, TOO_LONG, NULL);
        return;
    case HEAD_BAD:
        refuse(p, BAD_REQUEST, NULL);
        return;
    case HEAD_WHOLE:
        break;
    }
    if (head.n < p->head.n) { /* RFC 6455 4.1: nothing before the answer */
        refuse(p, BAD_REQUEST, "Something came before the handshake was over.");
        return;
    }
    a = arena_new(0, ARENA_BYTES);
    if (a == NULL)
        refuse(p, INTERNAL, NULL);
    else
        look_at(p, &head, a);
    arena_free(a);
}

/* ---- what comes ---- */

static void on_ready(void *arg, int events)
{
    struct peer *p = arg;
    char waste[READ_BYTES];
    bool reading = p->state == PEER_HEAD;
    char *room = reading ? buf_room(&p->head, READ_BYTES) : waste;
    ssize_t n;

    (void)events;
    if (room == NULL) {
        peer_free(p);
        return;
    }
    n = recv(p->fd, room, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        peer_free(p);
        return;
    }
    if (reading) {
        buf_grown(&p->head, (size_t)n);
        look(p);
    }
}

void door_begin(struct peer *p)
{
    p->state = PEER_HEAD;
    p->watch = loop_fd_new(p->w->o.loop, p->fd, on_ready, p);
    if (p->watch == NULL) {
        peer_free(p);
        return;
    }
    loop_fd_want(p->watch, LOOP_READ);
    loop_timer_set(p->timer, p->w->o.handshake_ms);
}
