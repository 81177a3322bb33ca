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

static void remember_item(struct transact *x, struct sv item)
{
    struct message_item m;
    struct err e;
    if (message_look(item, &m, &e) != 0 || !sv_eq(m.role, SV("user")) || m.message_id_json.p == NULL || m.received_ms < x->event.now_ms - FOUND_MS)
        return;
    struct sv id = message_text(x->scratch, m.message_id_json), text = message_text(x->scratch, m.content_json);
    if (id.p != NULL && text.p != NULL && !recent_has(x->t->o.recent, x->id, id, x->event.now_ms - RECENT_MS))
        remember(x, id, text, m.received_ms);
}

void remember_found(struct transact *x)
{
    if (x->event.kind != EVENT_ARRIVE || x->t->o.recent == NULL)
        return;
    if (x->look == NULL && !recent_has(x->t->o.recent, x->id, x->event.message->message_id, x->event.now_ms - RECENT_MS))
        remember_message(x, x->event.message);
    for (size_t i = 0; x->look != NULL && i < x->context_n; i++) /* in the order in which they came */
        remember_item(x, x->context[i]);
    for (size_t i = 0; x->look != NULL && i < x->pending_n; i++)
        remember_item(x, x->pending[i]);
}
