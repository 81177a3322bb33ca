/* SPDX-License-Identifier: MIT
 * Rooms of listeners. Everything happens on the loop; only the figures are read elsewhere. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/endpoints.h"
#include "lib/json.h"
#include "t/lib/stream_rig.h"
#include "t/tap.h"

#define FLOOD 64
#define FLOOD_BYTES 1024

struct listener {
    struct listener *prev, *next;
    struct request *r;
    char room[64];
};

struct stream_seen stream_seen;
static struct listener *listeners;
static int64_t last_event;

static void take_out(struct listener *l)
{
    if (l->prev != NULL)
        l->prev->next = l->next;
    else
        listeners = l->next;
    if (l->next != NULL)
        l->next->prev = l->prev;
    atomic_fetch_sub(&stream_seen.open, 1);
    free(l);
}

static void on_gone(void *arg)
{
    atomic_fetch_add(&stream_seen.gone, 1);
    take_out(arg);
}

static void send_event(struct listener *l, struct sv event, struct sv data)
{
    char id[24];

    (void)snprintf(id, sizeof(id), "%lld", (long long)last_event);
    if (request_event(l->r, sv_from(id), event, data) != 0)
        atomic_fetch_add(&stream_seen.failed, 1);
}

static void listen_in(struct request *r)
{
    struct listener *l = calloc(1, sizeof(*l));
    struct buf hello = { 0 };
    struct json_out o = { .b = &hello };

    if (l == NULL)
        bail_out("out of memory");
    l->r = r;
    (void)snprintf(l->room, sizeof(l->room), "%.*s", SV_FMT(r->args[0]));
    json_obj(&o);
    json_kstr(&o, "seen", r->last_event_id.p != NULL ? r->last_event_id : SV(""));
    json_obj_end(&o);
    l->next = listeners;
    if (listeners != NULL)
        listeners->prev = l;
    listeners = l;
    request_stream(r, on_gone, l);
    atomic_fetch_add(&stream_seen.open, 1);
    if (r->method != CGI_HEAD)
        send_event(l, SV("hello"), buf_sv(&hello));
    buf_fini(&hello);
}

static void send_number(struct listener *l)
{
    char data[40];

    (void)snprintf(data, sizeof(data), "{\"n\":%lld}", (long long)last_event);
    send_event(l, SV_NONE, sv_from(data));
}

static void flood(struct listener *l)
{
    static char filler[FLOOD_BYTES];

    memset(filler, 'x', sizeof(filler));
    for (int i = 0; i < FLOOD; i++)
        send_event(l, SV_NONE, (struct sv){ filler, sizeof(filler) });
}

static void end(struct listener *l)
{
    request_stream_end(l->r);
    take_out(l);
}

static void act(struct request *r)
{
    static const struct {
        const char *name;
        void (*fn)(struct listener *l);
    } acts[] = { { "emit", send_number }, { "flood", flood }, { "end", end } };
    struct buf *body = request_body(r);
    struct listener *next;
    int64_t to = 0;
    struct json_out o = { .b = body };

    last_event++;
    for (struct listener *l = listeners; l != NULL; l = next) {
        next = l->next;
        if (!sv_eq(r->args[0], sv_from(l->room)))
            continue;
        to++;
        for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
            if (sv_eq(r->args[1], sv_from(acts[i].name))) {
                acts[i].fn(l);
                break;
            }
        }
    }
    json_obj(&o);
    json_kint(&o, "to", to);
    json_obj_end(&o);
    request_answer(r, 200, buf_sv(body));
}

static void tell(struct request *r)
{
    struct buf *body = request_body(r);
    struct json_out o = { .b = body };

    json_obj(&o);
    json_kint(&o, "open", atomic_load(&stream_seen.open));
    json_kint(&o, "gone", atomic_load(&stream_seen.gone));
    json_kint(&o, "failed", atomic_load(&stream_seen.failed));
    json_obj_end(&o);
    request_answer(r, 200, buf_sv(body));
}

static const struct route own[] = {
    {
        .method = CGI_GET,
        .path = "/api/v1/chat/sessions/{room}/events",
        .access = ACCESS_PLATFORM,
        .parks = true,
        .handle = listen_in,
    },
    { .method = CGI_POST, .path = "/test/rooms/{room}/{what}", .access = ACCESS_PUBLIC, .handle = act },
    { .method = CGI_GET, .path = "/test/rooms", .access = ACCESS_PUBLIC, .handle = tell },
};

const struct route *stream_rig_routes(size_t *n)
{
    static struct route all[64];

    if (endpoints_n + ARRAY_LEN(own) > ARRAY_LEN(all))
        bail_out("too many endpoints");
    memcpy(all, own, sizeof(own));
    memcpy(all + ARRAY_LEN(own), endpoints, endpoints_n * sizeof(endpoints[0]));
    *n = endpoints_n + ARRAY_LEN(own);
    return all;
}
