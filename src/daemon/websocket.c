/* SPDX-License-Identifier: MIT
 * The WebSocket side as a whole: its beginning and end, who is let in when, and what it has counted. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon/websocket_own.h"
#include "daemon/websocket_place.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "turn/auth.h"

#define AGAIN_MS 2000       /* between tries to listen */
#define ACCEPT_PAUSE_MS 100 /* out of descriptors */
#define ACCEPTS_AT_ONCE 32
#define GUESTS_MAX 512      /* handshakes at once; the others wait in the backlog */
#define DESCRIPTORS_KEPT 256 /* for all else that the daemon does */
#define STOP_MS 2000

/* ---- connections ---- */

struct peer *peer_new(struct websocket *w, int fd)
{
    struct peer *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    *p = (struct peer){ .w = w, .fd = fd, .timer = loop_timer_new(w->o.loop, peer_timer, p) };
    if (p->timer == NULL) {
        free(p);
        return NULL;
    }
    p->next = w->first;
    if (p->next != NULL)
        p->next->previous = p;
    w->first = p;
    w->guests++;
    return p;
}

/* ---- listening ---- */

static void on_acceptable(void *arg, int events);

static void listen_again(void *arg)
{
    struct websocket *w = arg;
    struct err e;

    if (w->accepting != NULL) { /* it was paused */
        loop_fd_want(w->accepting, w->guests < GUESTS_MAX ? LOOP_READ : 0);
        return;
    }
    if (websocket_listen(w, &e) != 0) {
        if (!w->told)
            log_warning("no WebSockets for now", "listen", w->listen, "error", e.text, NULL);
        w->told = true;
        loop_timer_set(w->again, AGAIN_MS);
        return;
    }
    w->accepting = loop_fd_new(w->o.loop, w->file.fd, on_acceptable, w);
    if (w->accepting == NULL) {
        websocket_deafen(w);
        loop_timer_set(w->again, AGAIN_MS);
        return;
    }
    log_info("WebSockets", "listen", w->listen, NULL);
    loop_fd_want(w->accepting, LOOP_READ);
}

void peer_free(struct peer *p)
{
    struct websocket *w = p->w;
    bool guest = p->state <= PEER_REFUSED;

    *(p->previous != NULL ? &p->previous->next : &w->first) = p->next;
    if (p->next != NULL)
        p->next->previous = p->previous;
    *(guest ? &w->guests : &w->peers) -= 1;
    loop_fd_free(p->watch);
    if (p->fd >= 0)
        (void)close(p->fd);
    loop_timer_free(p->timer);
    buf_fini(&p->head);
    door_forget(p);
    free(p->session_id);
    free(p->sender_id);
    free(p);
    if (guest && w->accepting != NULL && !loop_timer_is_set(w->again))
        loop_fd_want(w->accepting, LOOP_READ);
    websocket_look_stopped(w);
}

static void on_acceptable(void *arg, int events)
{
    struct websocket *w = arg;

    (void)events;
    for (int i = 0; i < ACCEPTS_AT_ONCE && w->guests < GUESTS_MAX; i++) {
        int fd = websocket_accept(w);
        struct peer *p = fd >= 0 ? peer_new(w, fd) : NULL;
        if (p != NULL) {
            door_begin(p);
            continue;
        }
        if (fd >= 0 || errno != EAGAIN) { /* out of descriptors or memory: the others wait in the backlog */
            if (fd >= 0)
                (void)close(fd);
            loop_fd_want(w->accepting, 0);
            loop_timer_set(w->again, ACCEPT_PAUSE_MS);
        }
        return;
    }
    if (w->guests >= GUESTS_MAX)
        loop_fd_want(w->accepting, 0);
}

/* ---- life ---- */

static size_t connections_default(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > 1 << 20)
        return 1 << 20;
    return limit.rlim_cur > 2 * (GUESTS_MAX + DESCRIPTORS_KEPT) ? (size_t)limit.rlim_cur - GUESTS_MAX - DESCRIPTORS_KEPT : (size_t)limit.rlim_cur / 2;
}

static int set_tokens(struct websocket *w, const struct websocket_options *o, struct err *e)
{
    struct auth *auth = auth_new(o->platform_tokens, o->admin_tokens, &o->jwt, e);
    struct tickets *tickets = auth != NULL ? tickets_new(o->admin_tokens, e) : NULL;

    if (tickets == NULL) {
        auth_free(auth);
        return -1;
    }
    auth_free(w->auth);
    tickets_free(w->tickets);
    w->auth = auth;
    w->tickets = tickets;
    return 0;
}

/* Those who have not heard it by now are cut. */
static void stop_late(void *arg)
{
    struct websocket *w = arg;

    for (struct peer *p = w->first, *next; p != NULL; p = next) {
        next = p->next;
        if (p->state <= PEER_REFUSED)
            peer_free(p);
        else
            wire_kill(&p->link);
    }
}

static int begin(struct websocket *w, struct err *e)
{
    if (websocket_place_check(w->listen, e) != 0 || set_tokens(w, &w->o, e) != 0)
        return -1;
    w->again = loop_timer_new(w->o.loop, listen_again, w);
    w->stop_timer = loop_timer_new(w->o.loop, stop_late, w);
    if (w->again == NULL || w->stop_timer == NULL)
        return err_set(e, ERR_MEMORY, "no memory for WebSockets");
    w->frames = frames_new();
    if (w->frames == NULL)
        return err_set(e, ERR_MEMORY, "no memory for WebSockets");
    w->wire = wire_new(w->o.loop, e);
    return w->wire == NULL ? -1 : 0;
}

struct websocket *websocket_open(const struct websocket_options *o, struct err *e)
{
    struct websocket *w = calloc(1, sizeof(*w));

    if (w == NULL || (w->listen = strdup(o->listen)) == NULL || (w->base_path = strdup(o->base_path)) == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for WebSockets");
        websocket_free(w);
        return NULL;
    }
    w->o = *o;
    w->file.fd = -1;
    w->is_file = websocket_place_is_file(w->listen);
    w->o.ping_ms = o->ping_ms > 0 ? o->ping_ms : 15000;
    w->o.handshake_ms = o->handshake_ms > 0 ? o->handshake_ms : 5000;
    w->o.stall_ms = o->stall_ms > 0 ? o->stall_ms : 10000;
    w->o.connections_max = o->connections_max > 0 ? o->connections_max : connections_default();
    if (begin(w, e) != 0) {
        websocket_free(w);
        return NULL;
    }
    w->o.platform_tokens = w->o.admin_tokens = w->o.listen = w->o.base_path = NULL;
    w->o.jwt = (struct jwt_options){ 0 };
    listen_again(w);
    return w;
}

int websocket_set(struct websocket *w, const struct websocket_options *o, struct err *e)
{
    if (w == NULL)
        return 0;
    if (set_tokens(w, o, e) != 0)
        return -1;
    w->o.message_max = o->message_max;
    return 0;
}

static void wire_ended(void *arg)
{
    struct websocket *w = arg;
    void (*stopped)(void *) = w->stopped;

    w->stopped = NULL;
    if (stopped != NULL)
        stopped(w->stopped_arg);
}

static void all_gone(void *arg)
{
    struct websocket *w = arg;
    wire_end(w->wire, wire_ended, w);
}

void websocket_look_stopped(struct websocket *w)
{
    if (w->stopping && w->first == NULL && w->orphans == NULL && w->askings == 0) {
        w->stopping = false;
        loop_timer_stop(w->stop_timer);
        loop_soon(w->o.loop, all_gone, w);
    }
}

void websocket_stop(struct websocket *w, void (*done)(void *arg), void *arg)
{
    if (w == NULL) {
        done(arg);
        return;
    }
    w->stopping = true;
    w->stopped = done;
    w->stopped_arg = arg;
    loop_timer_stop(w->again);
    websocket_deafen(w);
    for (struct peer *p = w->first, *next; p != NULL; p = next) {
        next = p->next;
        if (p->state <= PEER_REFUSED)
            loop_timer_set(p->timer, STOP_MS / 2);
        else
            peer_close(p, CLOSE_AWAY);
    }
    loop_timer_set(w->stop_timer, STOP_MS);
    websocket_look_stopped(w);
}

void websocket_free(struct websocket *w)
{
    if (w == NULL)
        return;
    w->stopping = false;
    w->stopped = NULL;
    websocket_deafen(w);
    for (struct peer *p = w->first, *next; p != NULL; p = next) {
        next = p->next;
        if (p->state <= PEER_REFUSED)
            peer_free(p);
    }
    wire_free(w->wire);
    loop_timer_free(w->again);
    loop_timer_free(w->stop_timer);
    frames_free(w->frames);
    auth_free(w->auth);
    tickets_free(w->tickets);
    free(w->listen);
    free(w->base_path);
    free(w);
}

void websocket_stat(const struct websocket *w, struct websocket_stat *out)
{
    *out = (struct websocket_stat){ 0 };
    if (w == NULL)
        return;
    *out = w->n;
    out->listening = w->accepting != NULL;
    out->connections = w->peers;
    out->connections_max = w->o.connections_max;
}

const char *websocket_library(void)
{
    return wire_library();
}
