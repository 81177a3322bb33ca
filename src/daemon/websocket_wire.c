/* SPDX-License-Identifier: MIT
 * libwebsockets 4.1 on the daemon's libuv loop. It gets connections whose handshake has been read and approved, with a request written anew, so that
 * none of its HTTP (paths, methods, HTTP/2, cookies) can be reached. Its listening, limits and keep-alives are not used either: what they would
 * do, and when, is decided in websocket_peer.c.
 * What it needs to be told so:
 *  - tx_packet_size: else a frame is sent in pieces of rx_buffer_size, the rest copied for each connection;
 *  - pings have a payload: empty pongs are not reported;
 *  - a closing with a code must not begin in its writable callback (on libuv it closes a second time at once, and no frame goes out), nor while
 *    something waits inside (the same): so wire_close comes from a timer, after a writable callback;
 *  - a context on somebody else's loop is destroyed in two calls with rounds of the loop between. */
#include "config.h"

#include <stdlib.h>

#include <libwebsockets.h>

#include "daemon/websocket_wire.h"
#include "lib/log.h"
#include "lib/loop.h"

#define RX_BYTES 1024   /* of a message that are handed on at once; each connection has such a buffer */
#define TX_BYTES (16 << 20)
#define HEADER_BYTES 512 /* the request is ours */
#define END_ROUNDS 6

_Static_assert(FRAME_ROOM >= LWS_PRE, "the library writes a header of this size before the text");

struct wire {
    struct loop *loop;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct peer *adopting;
    struct wire_link *adopting_link;
    struct loop_timer *end_timer;
    int end_rounds;
    void (*done)(void *arg);
    void *done_arg;
};

/* ---- callbacks ---- */

static int greet(struct lws *wsi)
{
    struct wire *w = lws_context_user(lws_get_context(wsi));

    if (w == NULL || w->adopting == NULL)
        return 0;
    lws_set_opaque_user_data(wsi, w->adopting);
    *w->adopting_link = (struct wire_link){ .wsi = wsi, .adopted = true };
    return 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t n)
{
    struct peer *p;

    (void)user;
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED)
        return greet(wsi);
    p = wsi != NULL ? lws_get_opaque_user_data(wsi) : NULL;
    if (p == NULL)
        return 0;
    if (reason == LWS_CALLBACK_HTTP)
        return -1;
    if (reason == LWS_CALLBACK_ESTABLISHED)
        peer_open(p);
    else if (reason == LWS_CALLBACK_RECEIVE)
        peer_hear(p, (struct sv){ in, n }, lws_frame_is_binary(wsi) != 0, lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0);
    else if (reason == LWS_CALLBACK_RECEIVE_PONG)
        peer_pong(p);
    else if (reason == LWS_CALLBACK_SERVER_WRITEABLE)
        return peer_writable(p);
    else if (reason == LWS_CALLBACK_WS_PEER_INITIATED_CLOSE || reason == LWS_CALLBACK_CLOSED)
        peer_leaves(p);
    else if (reason == LWS_CALLBACK_WSI_DESTROY) {
        lws_set_opaque_user_data(wsi, NULL);
        peer_gone(p);
    }
    return 0;
}

/* Its lines are about its own workings, and not all that it calls errors are some. */
static void on_line(int level, const char *line)
{
    (void)level;
    log_debug("libwebsockets", "line", line, NULL);
}

/* ---- life ---- */

static const struct lws_protocols protocols[] = {
    { .name = "turnkeeper", .callback = on_event, .rx_buffer_size = RX_BYTES, .tx_packet_size = TX_BYTES },
    { .name = NULL },
};
static const lws_retry_bo_t never = { .secs_since_valid_ping = 0, .secs_since_valid_hangup = 0 };

struct wire *wire_new(struct loop *l, struct err *e)
{
    struct wire *w = calloc(1, sizeof(*w));
    void *loops[] = { loop_native(l) };
    struct lws_context_creation_info o = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_VALIDATE_UTF8 | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .protocols = protocols, .foreign_loops = loops, .user = w, .max_http_header_data = HEADER_BYTES, .retry_and_idle_policy = &never,
        .uid = (uid_t)-1, .gid = (gid_t)-1, .vhost_name = "turnkeeper",
    };

    if (w == NULL) {
        (void)err_set(e, ERR_MEMORY, "no memory for WebSockets");
        return NULL;
    }
    w->loop = l;
    lws_set_log_level(LLL_ERR | LLL_WARN | LLL_NOTICE, on_line);
    w->context = lws_create_context(&o);
    w->vhost = w->context != NULL ? lws_create_vhost(w->context, &o) : NULL;
    if (w->vhost != NULL)
        return w;
    (void)err_set(e, ERR_UNAVAILABLE, "libwebsockets does not start: is its libuv plugin there (Debian: libwebsockets-evlib-uv)?");
    wire_free(w);
    return NULL;
}

static void end_round(void *arg)
{
    struct wire *w = arg;

    if (--w->end_rounds > 0) {
        loop_timer_set(w->end_timer, 1);
        return;
    }
    lws_context_destroy(w->context);
    w->context = NULL;
    w->done(w->done_arg);
}

void wire_end(struct wire *w, void (*done)(void *arg), void *arg)
{
    w->done = done;
    w->done_arg = arg;
    w->end_rounds = END_ROUNDS;
    w->end_timer = loop_timer_new(w->loop, end_round, w);
    lws_context_destroy(w->context);
    if (w->end_timer != NULL)
        loop_timer_set(w->end_timer, 1);
}

void wire_free(struct wire *w)
{
    if (w == NULL)
        return;
    if (w->context != NULL) {
        if (w->end_rounds == 0)
            lws_context_destroy(w->context);
        for (int i = 0; i < END_ROUNDS; i++)
            loop_turn(w->loop, false);
        lws_context_destroy(w->context);
    }
    loop_timer_free(w->end_timer);
    free(w);
}

/* ---- connections ---- */

bool wire_adopt(struct wire *w, struct peer *p, struct wire_link *link, int fd, struct sv key)
{
    char request[HEADER_BYTES];
    int n = snprintf(request, sizeof(request),
                     "GET / HTTP/1.1\r\nHost: turnkeeper\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: %.*s\r\nSec-WebSocket-Version: 13\r\n\r\n", SV_FMT(key));

    w->adopting = p;
    w->adopting_link = link;
    struct lws *wsi = lws_adopt_socket_vhost_readbuf(w->vhost, fd, request, (size_t)n);
    w->adopting = NULL;
    return wsi != NULL;
}

void wire_want(struct wire_link *link)
{
    (void)lws_callback_on_writable(link->wsi);
}

void wire_read(struct wire_link *link, bool more)
{
    (void)lws_rx_flow_control(link->wsi, more);
}

void wire_kill(struct wire_link *link)
{
    lws_set_timeout(link->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
}

int wire_send(struct wire_link *link, struct frame *f, bool *part)
{
    int n = lws_write(link->wsi, f->text, f->n, LWS_WRITE_TEXT);

    *part = n >= 0 && lws_partial_buffered(link->wsi) != 0;
    return n < 0 ? -1 : 0;
}

int wire_ping(struct wire_link *link)
{
    unsigned char text[LWS_PRE + 4];

    memcpy(text + LWS_PRE, "ping", 4);
    return lws_write(link->wsi, text + LWS_PRE, 4, LWS_WRITE_PING) < 0 ? -1 : 0;
}

void wire_close(struct wire_link *link, int code)
{
    lws_close_reason(link->wsi, (enum lws_close_status)code, NULL, 0);
    lws_set_timeout(link->wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_SYNC);
}

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

const char *wire_library(void)
{
    return "libwebsockets " TEXT(LWS_LIBRARY_VERSION_MAJOR) "." TEXT(LWS_LIBRARY_VERSION_MINOR) "." TEXT(LWS_LIBRARY_VERSION_PATCH);
}
