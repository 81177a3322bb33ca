/* SPDX-License-Identifier: MIT
 * GET /api/v1/chat/sessions/{session_id}/events: what happens in a session, as server-sent events, from now on or from what the client has seen last
 * (Last-Event-ID, else ?after=). An event's id is its number. Whoever cannot set headers shows a ticket (?ticket=). */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/endpoint_session.h"
#include "api/owner.h"
#include "turn/push.h"
#include "turn/ticket.h"

#define RETRY_AFTER_MS 1000

struct events_query {
    int64_t after; /* -1: not said */
    struct sv ticket; /* looked at before (request.c) */
};

static const struct field fields[] = {
    { .name = "after", .kind = FIELD_INT, .least = 0, .most = 9007199254740991.0, .offset = offsetof(struct events_query, after) },
    { .name = "ticket", .kind = FIELD_TEXT, .max = TICKET_BYTES_MAX, .offset = offsetof(struct events_query, ticket) },
};
static const struct events_query defaults = { .after = -1 };

const struct input endpoint_session_events_query = { .fields = fields, .fields_n = ARRAY_LEN(fields), .size = sizeof(struct events_query),
                                                     .defaults = &defaults };

struct streaming {
    struct request *r;
    struct listener *listener;
};

static void streaming_free(void *arg)
{
    struct streaming *s = arg;

    listener_free(s->listener);
    free(s);
}

static bool on_event(void *arg, uint64_t seq, struct sv event)
{
    struct streaming *s = arg;
    char id[24];
    int n = snprintf(id, sizeof(id), "%" PRIu64, seq);

    if (!request_event_fits(s->r, event.n))
        return false;
    (void)request_event(s->r, (struct sv){ id, (size_t)n }, SV_NONE, event); /* a reader that is gone is told of by `gone` */
    return true;
}

static void on_room(void *arg)
{
    struct streaming *s = arg;

    listener_more(s->listener);
}

static void begin(void *arg)
{
    struct streaming *s = arg;

    request_on_closed(s->r, NULL, NULL);
    request_stream(s->r, streaming_free, s);
    request_stream_on_room(s->r, on_room);
    (void)request_event_retry(s->r, RETRY_AFTER_MS);
}

/* A browser that comes back says what it has seen; it keeps the address, and so the ?after=, of its first try. */
static uint64_t after_of(const struct request *r)
{
    const struct events_query *q = r->query;
    uint64_t seen = 0;

    if (r->last_event_id.n > 0 && sv_to_u64(r->last_event_id, &seen))
        return seen;
    return q->after >= 0 ? (uint64_t)q->after : HUB_NOW;
}

static void open_stream(struct request *r)
{
    uint64_t after = after_of(r);
    struct streaming *s = NULL;

    if (!session_id_fits(r))
        return;
    s = calloc(1, sizeof(*s));
    if (s != NULL) {
        s->r = r;
        s->listener = listener_new(r->api->o.hub, r->args[0], after, on_event, s);
    }
    if (s == NULL || s->listener == NULL) {
        free(s);
        request_fail(r, PROBLEM_UNAVAILABLE, RETRY_AFTER_MS);
        return;
    }
    if (after != HUB_NOW) {
        begin(s);
        return;
    }
    listener_on_placed(s->listener, begin); /* who has got the head hears what happens after it */
    request_on_closed(r, streaming_free, s);
    request_park(r);
}

void endpoint_session_events(struct request *r)
{
    owner_check(r, r->args[0], false, open_stream);
}
