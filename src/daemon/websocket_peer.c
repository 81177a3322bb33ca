/* SPDX-License-Identifier: MIT
 * One connection that is open: events go out, messages come in (websocket_say.c), pings keep it alive.
 *
 *   OPEN ──more waits than may──> STALLED: hears of nothing; what it missed is read from the log once it has read what waits
 *     └── told to go, broken a rule, two pings without an answer, stalled for too long ──> CLOSING ──> gone
 *
 * One timer: pings while OPEN, patience while STALLED and CLOSING. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/websocket_own.h"
#include "lib/log.h"
#include "lib/loop.h"

#define PINGS_MAX 2
#define CLOSING_MS 5000
#define QUEUE_KEPT 8  /* slots that an idle connection keeps */
#define FRAME_COST 64 /* what a frame costs besides its text */

/* ---- what waits ---- */

static struct frame *queue_take(struct peer *p)
{
    struct frame *f = p->queue[p->queue_first];

    p->queue_first = (p->queue_first + 1) & (p->queue_size - 1);
    p->queue_n--;
    p->queue_bytes -= f->n + FRAME_COST;
    if (p->queue_n == 0 && p->queue_size > QUEUE_KEPT) {
        free(p->queue);
        p->queue = NULL;
        p->queue_size = p->queue_first = 0;
    }
    return f;
}

static bool queue_add(struct peer *p, struct frame *f)
{
    if (p->queue_n == p->queue_size) {
        size_t size = p->queue_size == 0 ? QUEUE_KEPT / 2 : p->queue_size * 2;
        struct frame **q = malloc(size * sizeof(*q));
        if (q == NULL)
            return false;
        for (size_t i = 0; i < p->queue_n; i++)
            q[i] = p->queue[(p->queue_first + i) & (p->queue_size - 1)];
        free(p->queue);
        p->queue = q;
        p->queue_size = size;
        p->queue_first = 0;
    }
    p->queue[(p->queue_first + p->queue_n++) & (p->queue_size - 1)] = f;
    p->queue_bytes += f->n + FRAME_COST;
    return true;
}

static void queue_drop(struct peer *p)
{
    while (p->queue_n > 0)
        frame_unref(queue_take(p));
    free(p->queue);
    p->queue = NULL;
    p->queue_size = p->queue_first = 0;
}

/* Whether this many bytes more may wait. A single frame may always. */
static bool has_room(const struct peer *p, size_t n)
{
    return p->queue_n == 0 || p->queue_bytes + n + FRAME_COST <= WEBSOCKET_QUEUE_MAX;
}

/* Who says more than he reads the answers of is not read for a while. */
void peer_look_deaf(struct peer *p)
{
    bool deaf = p->says_n >= WEBSOCKET_SAYS_MAX || p->queue_bytes > WEBSOCKET_QUEUE_MAX;

    if (p->state == PEER_CLOSING || deaf == p->deaf)
        return;
    p->deaf = deaf;
    wire_read(&p->link, !deaf);
}

static void enqueue(struct peer *p, struct frame *f)
{
    if (f == NULL || !queue_add(p, f)) {
        frame_unref(f);
        peer_close(p, CLOSE_LATER);
        return;
    }
    peer_look_deaf(p);
    wire_want(&p->link);
}

void peer_put(struct peer *p, struct sv text)
{
    if (p->state != PEER_CLOSING)
        enqueue(p, frame_new(text));
}

/* ---- events ---- */

static void stop_listening(struct peer *p)
{
    listener_free(p->listener);
    p->listener = NULL;
}

static bool on_event(void *arg, uint64_t seq, struct sv event)
{
    struct peer *p = arg;

    if (!has_room(p, event.n)) {
        p->state = PEER_STALLED;
        loop_timer_set(p->timer, p->w->o.stall_ms);
        return false;
    }
    p->w->n.events++;
    enqueue(p, frames_get(p->w->frames, sv_from(p->session_id), seq, event));
    return true;
}

static void listen_from(struct peer *p, uint64_t after)
{
    p->listener = listener_new(p->w->o.hub, sv_from(p->session_id), after, on_event, p);
    if (p->listener == NULL)
        peer_close(p, CLOSE_LATER);
    else
        loop_timer_set(p->timer, p->w->o.ping_ms);
}

/* ---- time ---- */

static void cut(struct peer *p, const char *why)
{
    p->w->n.cut++;
    log_info("a WebSocket is cut", "reason", why, "conversation_id", p->session_id, NULL);
    peer_close(p, CLOSE_LATER);
}

/* A ping that could not even be sent counts as one without an answer. */
static void ping(struct peer *p)
{
    if (p->pings_open >= PINGS_MAX) {
        cut(p, "it does not answer");
        return;
    }
    p->pings_open++;
    p->ping_due = true;
    wire_want(&p->link);
    loop_timer_set(p->timer, p->w->o.ping_ms);
}

/* The closing: said when there is room for it, else cut. */
static void end(struct peer *p)
{
    if (!p->can_tell) {
        wire_kill(&p->link);
        return;
    }
    p->can_tell = false;
    loop_timer_set(p->timer, CLOSING_MS);
    wire_close(&p->link, p->code);
}

void peer_timer(void *arg)
{
    struct peer *p = arg;

    switch (p->state) {
    case PEER_HEAD:
    case PEER_REFUSED:
        door_timeout(p);
        break;
    case PEER_OPEN:
        ping(p);
        break;
    case PEER_STALLED:
        cut(p, "it does not read");
        break;
    case PEER_CLOSING:
        end(p);
        break;
    }
}

/* ---- the end ---- */

/* Nothing is sent any more; what waited is dropped. */
static void leave(struct peer *p)
{
    p->state = PEER_CLOSING;
    stop_listening(p);
    queue_drop(p);
    buf_fini(&p->message);
    say_orphan(p);
    loop_timer_set(p->timer, CLOSING_MS);
}

void peer_close(struct peer *p, enum close_code code)
{
    if (p->state == PEER_CLOSING)
        return;
    p->code = code;
    leave(p);
    wire_want(&p->link);
}

void peer_leaves(struct peer *p)
{
    p->code = CLOSE_NOT;
    if (p->state != PEER_CLOSING)
        leave(p);
}

void peer_gone(struct peer *p)
{
    peer_leaves(p);
    peer_free(p);
}

/* ---- what the wire says ---- */

void peer_open(struct peer *p)
{
    p->w->n.opened++;
    listen_from(p, p->after);
}

void peer_pong(struct peer *p)
{
    p->pings_open = 0;
}

void peer_hear(struct peer *p, struct sv part, bool binary, bool last)
{
    struct buf message;

    if (p->state == PEER_CLOSING)
        return;
    if (binary) {
        peer_close(p, CLOSE_BINARY);
        return;
    }
    if (p->message.n + part.n > p->w->o.message_max) {
        peer_close(p, CLOSE_TOO_BIG);
        return;
    }
    buf_add(&p->message, part);
    if (!buf_ok(&p->message)) {
        peer_close(p, CLOSE_LATER);
        return;
    }
    if (!last)
        return;
    message = p->message;
    p->message = (struct buf){ 0 };
    p->w->n.messages++;
    say(p, buf_sv(&message));
    buf_fini(&message);
}

/* What waited has been read: on with what came meanwhile. */
static void look_stalled(struct peer *p)
{
    if (p->state != PEER_STALLED || p->queue_n > 0)
        return;
    p->state = PEER_OPEN;
    loop_timer_set(p->timer, p->w->o.ping_ms);
    listener_more(p->listener);
}

int peer_writable(struct peer *p)
{
    bool part = false;
    int rc = 0;

    if (p->state == PEER_CLOSING) {
        p->can_tell = p->code != CLOSE_NOT;
        if (p->can_tell)
            loop_timer_set(p->timer, 0);
        return 0;
    }
    if (p->ping_due) {
        p->ping_due = false;
        rc = wire_ping(&p->link);
    } else if (p->queue_n > 0) {
        struct frame *f = queue_take(p);
        rc = wire_send(&p->link, f, &part);
        frame_unref(f);
    }
    if (rc != 0)
        return -1;
    if (p->queue_n > 0 || p->ping_due)
        wire_want(&p->link);
    else if (!part)
        look_stalled(p);
    else
        wire_want(&p->link);
    peer_look_deaf(p);
    return 0;
}
