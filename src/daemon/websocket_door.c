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

enum refusal { BAD_REQUEST, UNAUTHORIZED, FORBIDDEN, NOT_HIS, UNSURE, NOT_FOUND, WRONG_METHOD, TIMEOUT, UPGRADE, TOO_LONG, INTERNAL, FULL };

static const struct {
    int status;
    const char *reason, *code, *text, *headers;
} refusals[] = {
    [BAD_REQUEST] = { 400, "Bad Request", "bad_request", "This is no request that can be understood.", "" },
    [UNAUTHORIZED] = { 401, "Unauthorized", "unauthorized", "A valid credential is required.", "WWW-Authenticate: Bearer\r\n" },
    [FORBIDDEN] = { 403, "Forbidden", "forbidden", "This ticket is another session's.", "" },
    [NOT_HIS] = { 403, "Forbidden", "forbidden", "This credential does not give access to this.", "" },
    [UNSURE] = { 503, "Service Unavailable", "owner_unknown", "Whose session this is cannot be found out now.", "Retry-After: 1\r\n" },
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
    door_forget(p);
    (void)snprintf(status, sizeof(status), "%d", refusals[why].status);
    log_debug("a WebSocket is refused", "#status", status, "request_id", made, NULL);
    p->state = PEER_REFUSED;
    loop_fd_want(p->watch, LOOP_READ);
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

/* What of the handshake counts later on. forced: what he writes is from this sender, SV_NONE: of this type. */
struct sender {
    bool forced;
    struct sv id;
    enum sender_type type;
};

static bool remember(struct peer *p, const struct websocket_ask *ask, const struct sender *sender)
{
    p->session_id = copy(ask->session_id);
    p->after = ask->resumes ? ask->after : HUB_NOW;
    p->forced = sender->forced;
    p->sender_type = sender->type;
    p->sender_id = sender->id.p != NULL ? copy(sender->id) : NULL;
    return p->session_id != NULL && (p->sender_id != NULL || sender->id.p == NULL);
}

/* Once more, since its end may have come near, or others in, while an answer was waited for. */
static bool has_room(const struct websocket *w)
{
    return w->peers < w->o.connections_max && !w->stopping;
}

static void admit(struct peer *p)
{
    struct websocket *w = p->w;
    struct websocket_head head;
    char key[64];
    int fd = p->fd;

    if (!has_room(w) || websocket_head_read(buf_sv(&p->head), &head) != HEAD_WHOLE) {
        refuse(p, FULL, NULL);
        return;
    }
    (void)snprintf(key, sizeof(key), "%.*s", SV_FMT(head.key));
    loop_fd_free(p->watch);
    p->watch = NULL;
    p->fd = -1; /* the wire's, whatever happens */
    buf_fini(&p->head);
    loop_timer_stop(p->timer);
    w->guests--;
    w->peers++;
    p->state = PEER_OPEN;
    if (!wire_adopt(w->wire, p, &p->link, fd, sv_from(key)) && !p->link.adopted)
        peer_free(p);
}

/* ---- users ---- */

/* Until it is known whose session it is. */
struct asking {
    struct websocket *w;
    struct peer *p; /* NULL: gone, or told that it took too long */
};

void door_forget(struct peer *p)
{
    if (p->asking != NULL)
        p->asking->p = NULL;
    p->asking = NULL;
}

static void on_owner(void *arg, enum session_owner whose)
{
    struct asking *q = arg;
    struct websocket *w = q->w;
    struct peer *p = q->p;

    free(q);
    w->askings--;
    if (p != NULL) {
        p->asking = NULL;
        if (whose == SESSION_HIS)
            admit(p);
        else
            refuse(p, whose == SESSION_OWNER_UNSURE ? UNSURE : NOT_HIS, NULL);
    }
    websocket_look_stopped(w);
}

/* A user is let in once the session is known to be his. What he sends before waits in the socket. */
static void ask_owner(struct peer *p, const char *user_id)
{
    struct asking *q = malloc(sizeof(*q));

    if (q != NULL)
        *q = (struct asking){ .w = p->w, .p = p };
    if (q == NULL || p->w->o.owner(p->w->o.turns, sv_from(p->session_id), sv_from(user_id), on_owner, q) != 0) {
        free(q);
        refuse(p, UNSURE, NULL);
        return;
    }
    p->asking = q;
    p->w->askings++;
    loop_fd_want(p->watch, 0);
}

/* ---- who may ---- */

/* A credential of the whole service, or a user's, else the ticket of one session. */
static bool authorise(struct peer *p, const struct websocket_head *head, const struct websocket_ask *ask, struct arena *a, struct auth_identity *who,
                      struct sender *sender, enum refusal *why)
{
    const struct websocket *w = p->w;
    struct ticket ticket;

    *who = (struct auth_identity){ .role = ROLE_NOBODY };
    *sender = (struct sender){ .id = SV_NONE };
    *why = UNAUTHORIZED;
    if (head->authorization.p != NULL && auth_allows(auth_check(w->auth, head->authorization, clock_wall_ms(), who), ACCESS_CHAT)) {
        if (who->role == ROLE_USER)
            *sender = (struct sender){ .forced = true, .id = sv_from(who->user_id), .type = SENDER_USER };
        return true;
    }
    if (ask->ticket.p == NULL || !ticket_check(w->tickets, a, ask->ticket, clock_wall_ms(), &ticket))
        return false;
    *sender = (struct sender){ .forced = true, .id = ticket.sender_id, .type = ticket.sender_type };
    *why = FORBIDDEN;
    return sv_eq(ticket.session_id, ask->session_id);
}

static void look_at(struct peer *p, const struct websocket_head *head, struct arena *a)
{
    struct websocket *w = p->w;
    struct websocket_ask ask;
    struct auth_identity who;
    struct sender sender;
    enum refusal why;

    if (!websocket_head_ask(head, sv_from(w->base_path), a, &ask))
        refuse(p, NOT_FOUND, NULL);
    else if (!sv_eq(head->method, SV("GET")))
        refuse(p, WRONG_METHOD, NULL);
    else if (!authorise(p, head, &ask, a, &who, &sender, &why))
        refuse(p, why, NULL);
    else if (ask.wrong != NULL)
        refuse(p, BAD_REQUEST, ask.wrong);
    else if (!head->upgrade || head->key.p == NULL || !sv_eq(head->version, SV("13")))
        refuse(p, UPGRADE, NULL);
    else if (!has_room(w))
        refuse(p, FULL, NULL);
    else if (!remember(p, &ask, &sender))
        refuse(p, INTERNAL, NULL);
    else if (who.role == ROLE_USER)
        ask_owner(p, who.user_id);
    else
        admit(p);
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
