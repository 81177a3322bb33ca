/* SPDX-License-Identifier: MIT
 * What exchanges that were made elsewhere leave behind: dedupe marks that know their end, history items, and, where nothing newer was said, their
 * place in the context. Knows nothing of how they came (chat_sync.c). */
#include "config.h"

#include "turn/reason.h"
#include "turn/turn_parts.h"

#define FRESH_MS (24 * 3600 * INT64_C(1000))
#define LATE_MS (5 * 60 * INT64_C(1000)) /* told of so late, after something newer, it is still told to the AI */

const char *synced_status(const struct synced *s)
{
    return s->reply.n > 0 ? "completed" : "recorded";
}

const char *synced_reason(const struct synced *s)
{
    return s->reply.n > 0 ? NULL : REASON_SYNCED;
}

static struct sv keep(struct transact *x, struct buf *b)
{
    struct sv s = buf_ok(b) ? arena_sv(x->scratch, buf_sv(b)) : SV_NONE;
    buf_clear(b);
    return s;
}

static struct sv mark_of(struct transact *x, struct buf *b, const struct synced *s, uint64_t seq)
{
    struct json_out o = { .b = b };
    char hash[17];
    message_hash(&s->m, hash);
    json_obj(&o);
    json_kint(&o, "seq", (int64_t)seq);
    json_kstr(&o, "turn", sv_from(s->turn_id));
    json_kstr(&o, "h", sv_from(hash));
    json_kstr(&o, "status", sv_from(synced_status(s)));
    if (synced_reason(s) != NULL)
        json_kstr(&o, "reason", sv_from(synced_reason(s)));
    json_kint(&o, "at", x->event.now_ms);
    json_kint(&o, "received", x->event.now_ms);
    json_obj_end(&o);
    return keep(x, b);
}

static struct sv item_of(struct transact *x, struct buf *b, const struct synced *s, uint64_t seq)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kstr(&o, "type", SV("turn"));
    json_kint(&o, "v", 1);
    json_kstr(&o, "conversation_id", x->id);
    json_kstr(&o, "turn_id", sv_from(s->turn_id));
    json_kint(&o, "seq", (int64_t)seq);
    json_kstr(&o, "status", sv_from(synced_status(s)));
    if (synced_reason(s) != NULL)
        json_kstr(&o, "reason", sv_from(synced_reason(s)));
    json_kbool(&o, "synced", true);
    json_kint(&o, "at", x->event.now_ms);
    json_key(&o, "messages");
    json_arr(&o);
    message_format(b, &s->m, x->event.now_ms, seq);
    json_arr_end(&o);
    json_kraw(&o, "actions", SV("[]"));
    if (s->reply.n > 0) {
        json_key(&o, "reply");
        json_obj(&o);
        json_kstr(&o, "response_text", s->reply);
        json_obj_end(&o);
    }
    json_kint(&o, "restarts", 0);
    json_kint(&o, "fence", 0);
    json_kstr(&o, "storage", sv_from(store_backend(x->t->o.store)));
    json_obj_end(&o);
    return keep(x, b);
}

/* A clock that is ahead of the store's counts as this moment. */
static int64_t not_ahead_ms(const struct transact *x, int64_t ms)
{
    return ms < x->event.now_ms ? ms : x->event.now_ms;
}

/* By its own time, which is not to be clamped, however old: no `received`. */
static struct sv context_message(struct transact *x, struct buf *b, const struct synced *s, uint64_t seq)
{
    struct message m = s->m;
    m.timestamp_ms = not_ahead_ms(x, m.timestamp_ms);
    message_format(b, &m, 0, seq);
    return keep(x, b);
}

static struct sv context_reply(struct transact *x, struct buf *b, const struct synced *s)
{
    struct json_out o = { .b = b };
    json_obj(&o);
    json_kstr(&o, "role", SV("assistant"));
    json_kstr(&o, "content", s->reply);
    json_kint(&o, "timestamp", not_ahead_ms(x, s->m.timestamp_ms));
    json_kstr(&o, "turn_id", sv_from(s->turn_id));
    json_kbool(&o, "synced", true);
    json_obj_end(&o);
    return keep(x, b);
}

/* The last ones that there is room for. */
static int fill_context(struct transact *x, struct store_change *c, struct buf *b, const struct synced *list, size_t n, uint64_t seq)
{
    struct sv *entries = arena_array(x->scratch, 2 * n, sizeof(*entries));
    size_t added = 0, first = x->context_max > 0 && n > x->context_max ? n - x->context_max : 0;
    bool fits = entries != NULL;
    for (size_t i = first; fits && i < n; i++) {
        const struct synced *s = &list[i];
        if (s->current && s->m.content.n > 0)
            entries[added++] = context_message(x, b, s, seq + i);
        if (s->current && s->reply.n > 0)
            entries[added++] = context_reply(x, b, s);
        for (size_t k = added > 2 ? added - 2 : 0; k < added; k++)
            fits = fits && entries[k].p != NULL;
    }
    c->context_add = entries;
    c->context_add_n = added;
    return fits ? 0 : -1;
}

int synced_fill(struct transact *x, struct store_change *c, struct synced *list, size_t n)
{
    struct store_pair *marks = arena_array(x->scratch, n, sizeof(*marks));
    struct sv *items = arena_array(x->scratch, n, sizeof(*items));
    uint64_t seq = x->decision.next.seq - n + 1;
    int64_t newest_ms = not_ahead_ms(x, x->before.last_message_ms);
    struct buf b = { 0 };
    bool fits = marks != NULL && items != NULL;
    for (size_t i = 0; fits && i < n; i++) {
        struct synced *s = &list[i];
        s->current = s->m.timestamp_ms >= newest_ms - LATE_MS;
        s->fresh = s->m.timestamp_ms > x->event.now_ms - FRESH_MS;
        marks[i] = (struct store_pair){ s->m.message_id, mark_of(x, &b, s, seq + i) };
        items[i] = item_of(x, &b, s, seq + i);
        fits = marks[i].value.p != NULL && items[i].p != NULL;
    }
    fits = fits && fill_context(x, c, &b, list, n, seq) == 0;
    buf_fini(&b);
    if (!fits)
        return -1;
    if (n == 1)
        c->mark_new = marks[0];
    c->marks = marks;
    c->marks_n = n == 1 ? 0 : n;
    c->queue_add = items;
    c->queue_add_n = n;
    return 0;
}
