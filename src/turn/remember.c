/* SPDX-License-Identifier: MIT
 * What customers wrote, as this host has accepted it, goes into its ring of recent messages (recent.h): should the shared store be away soon, it does
 * not say any more that this is known. */
#include "config.h"

#include "turn/overlap.h"
#include "turn/recent.h"
#include "turn/turn_parts.h"

#define FOUND_MS 60000 /* older ones were accepted by a request that has ended long ago */

static void remember(struct transact *x, struct sv id, struct sv text, int64_t at_ms)
{
    recent_add(x->t->o.recent, x->id, id, overlap_key(true, text), at_ms);
}

static void remember_message(struct transact *x, const struct message *m)
{
    if (m->sender_type == SENDER_USER)
        remember(x, m->message_id, m->content, x->event.now_ms);
}

void remember_arrival(struct transact *x)
{
    const struct event *ev = &x->event;
    if (ev->kind != EVENT_ARRIVE || x->t->o.recent == NULL || (!x->decision.add_pending && !x->decision.add_context))
        return;
    for (size_t i = 0; i < ev->history_n; i++)
        remember_message(x, &x->history[i]);
    for (size_t i = 0; i + 1 < ev->together_n; i++)
        remember_message(x, &x->older[i]);
    remember_message(x, ev->message);
}

/* What the ring has of the conversation. */
struct seen {
    struct recent_message *list;
    size_t n;
};

static bool is_seen(const struct seen *seen, struct sv id)
{
    for (size_t i = 0; i < seen->n; i++)
        if (sv_eq(sv_from(seen->list[i].id), id))
            return true;
    return false;
}

static void remember_items(struct transact *x, const struct seen *seen, const struct sv *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct message_item m;
        struct err e;
        if (message_look(items[i], &m, &e) != 0 || !sv_eq(m.role, SV("user")) || m.message_id_json.p == NULL ||
            m.received_ms < x->event.now_ms - FOUND_MS)
            continue;
        struct sv id = message_text(x->scratch, m.message_id_json), text = message_text(x->scratch, m.content_json);
        if (id.p != NULL && text.p != NULL && !is_seen(seen, id))
            remember(x, id, text, m.received_ms);
    }
}

void remember_found(struct transact *x)
{
    if (x->event.kind != EVENT_ARRIVE || x->t->o.recent == NULL)
        return;
    struct seen seen = { .list = arena_array(x->scratch, RECENT_OF_MAX, sizeof(*seen.list)) };
    if (seen.list == NULL)
        return; /* a hint that is missed */
    seen.n = recent_of(x->t->o.recent, x->id, x->event.now_ms - RECENT_MS, seen.list, RECENT_OF_MAX);
    if (x->look == NULL) {
        if (!is_seen(&seen, x->event.message->message_id))
            remember_message(x, x->event.message);
        return;
    }
    remember_items(x, &seen, x->context, x->context_n); /* in the order in which they came */
    remember_items(x, &seen, x->pending, x->pending_n);
}
