/* SPDX-License-Identifier: MIT
 * The port's front, second half: checks for what store_session.h has, by the rules of store.c. */
#include "config.h"

#include <stdlib.h>

#include "lib/buf.h"
#include "store/store_check.h"

#define SEQ_MAX (UINT64_C(1) << 53) /* what a number in Lua holds */

static bool is_event(struct sv e)
{
    return e.n > 2 && e.p[0] == '{' && e.p[1] == '"' && e.p[e.n - 1] == '}';
}

void store_check_session(const struct store_session_change *c)
{
    if (c == NULL)
        return;
    store_must(c->view_op != STORE_VIEW_SET || c->view.p != NULL, "apply", "a view");
    store_must((c->view_op != STORE_VIEW_SET && c->events_n == 0) || c->ttl_ms > 0, "apply", "TTL of the session");
    store_must(store_is_list(c->events, c->events_n), "apply", "events");
    store_must(c->events_n == 0 || c->events_max > 0, "apply", "a bound of the events");
    store_must(c->seq_least < SEQ_MAX, "apply", "a number that can be counted on from");
    for (size_t i = 0; i < c->events_n; i++)
        store_must(is_event(c->events[i]), "apply", "events that are JSON objects");
}

void store_session(struct store *s, struct sv conversation_id, store_session_fn *fn, void *arg)
{
    store_must(fn != NULL, "session", "a callback");
    if (!store_is_id(conversation_id)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_SESSION, .status = STORE_FULL, .fn.session = fn, .arg = arg });
        return;
    }
    s->ops->session(s, conversation_id, fn, arg);
}

void store_session_fill(struct store *s, const struct store_session_fill *what, store_status_fn *fn, void *arg)
{
    store_must(fn != NULL && what->ttl_ms > 0, "session_fill", "a callback and a TTL");
    if (!store_is_id(what->conversation_id)) {
        store_refuse_status(s, fn, arg);
        return;
    }
    s->ops->session_fill(s, what, fn, arg);
}

void store_events(struct store *s, struct sv conversation_id, uint64_t after, store_events_fn *fn, void *arg)
{
    store_must(fn != NULL, "events", "a callback");
    if (!store_is_id(conversation_id)) {
        store_refuse(s, &(struct answer){ .kind = ANSWER_EVENTS, .status = STORE_FULL, .fn.events = fn, .arg = arg });
        return;
    }
    s->ops->events(s, conversation_id, after, fn, arg);
}

void store_event_say(struct store *s, const struct store_event_say *what, store_status_fn *fn, void *arg)
{
    store_must(fn != NULL && what->ttl_ms > 0 && what->events_max > 0, "event_say", "a callback, a TTL and a bound of the events");
    store_must(is_event(what->event) && what->same < what->event.n, "event_say", "an event that is a JSON object");
    store_must(what->need_token.p != NULL && what->need_token.n > 0, "event_say", "a token");
    if (!store_is_id(what->conversation_id)) {
        store_refuse_status(s, fn, arg);
        return;
    }
    s->ops->event_say(s, what, fn, arg);
}

int store_listen(struct store *s, struct sv conversation_id)
{
    return store_is_id(conversation_id) ? s->ops->listen(s, conversation_id, true) : -1;
}

void store_unlisten(struct store *s, struct sv conversation_id)
{
    if (store_is_id(conversation_id))
        (void)s->ops->listen(s, conversation_id, false);
}

void store_on_push(struct store *s, store_push_fn *fn, void *arg)
{
    s->on_push = fn;
    s->push_arg = arg;
}

/* The number behind `head`, where the event begins with that; the event is what follows then. */
static bool number_behind(struct sv *event, struct sv head, uint64_t *n)
{
    struct sv rest = *event;
    if (event->p == NULL || !sv_starts(rest, head))
        return false;
    rest = (struct sv){ rest.p + head.n, rest.n - head.n };
    if (!sv_to_u64(sv_split(&rest, ','), n))
        return false;
    *event = rest;
    return true;
}

uint64_t store_event_seq(struct sv event)
{
    uint64_t seq;
    return number_behind(&event, SV("{\"seq\":"), &seq) ? seq : 0;
}

uint64_t store_event_since(struct sv event)
{
    uint64_t n = 0;
    if (number_behind(&event, SV("{\"seq\":"), &n))
        (void)number_behind(&event, SV("\"since\":"), &n);
    return n;
}

bool store_event_number(struct buf *b, uint64_t seq, struct sv tail, const struct store_event_say *what)
{
    struct sv members = { what->event.p + 1, what->event.n - 1 }, head = { members.p, what->same > 0 ? what->same - 1 : 0 }, rest = tail;
    uint64_t last = 0, since = store_event_since(tail);
    bool replaces = what->same > 0 && number_behind(&rest, SV("{\"seq\":"), &last) && last + 1 == seq;
    if (replaces && since != last)
        replaces = number_behind(&rest, SV("\"since\":"), &last);
    replaces = replaces && sv_starts(rest, head);
    buf_printf(b, "{\"seq\":%llu,", (unsigned long long)seq);
    if (replaces)
        buf_printf(b, "\"since\":%llu,", (unsigned long long)since);
    buf_add(b, members);
    return replaces;
}
