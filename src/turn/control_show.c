/* SPDX-License-Identifier: MIT
 * One conversation as it stands, and what became of its messages: one load for the record and its lists, one more for each message whose
 * mark is shown (all of them under way at once), the archive for what the store has forgotten. Changes nothing. */
#include "config.h"

#include <inttypes.h>

#include "turn/control_own.h"
#include "turn/fate.h"
#include "turn/step_parts.h"

struct shown { /* one message of the timeline */
    struct show *owner;
    struct sv id;
    int64_t received_ms;
    bool pending;
    size_t index;
    json_t *mark, *archived; /* archived: asked for only where there is no mark any more */
};

struct show {
    struct control_call c;
    struct sv id;
    struct conversation record;
    bool lease_held;
    int64_t lease_left_ms, now_ms;
    struct shown *messages; /* oldest first */
    size_t messages_n, open;
    struct sv context; /* what the archive says where the store has no record; else SV_NONE */
    struct sv wanted; /* control_fate: this message alone */
};

/* ---- the messages ---- */

static bool note(struct show *q, struct sv item, bool pending, size_t index)
{
    struct message_item m;
    struct err e;
    if (message_look(item, &m, &e) != 0 || m.message_id_json.p == NULL)
        return true; /* a reply, or nothing that can be told */
    struct shown s = { .owner = q, .id = message_text(q->c.a, m.message_id_json), .received_ms = m.received_ms, .pending = pending,
                       .index = index };
    if (s.id.n == 0 || s.id.n > STORE_ID_MAX)
        return s.id.p != NULL;
    size_t at = 0; /* one that was given up and came back stands in both lists: the last place counts */
    while (at < q->messages_n && !sv_eq(q->messages[at].id, s.id))
        at++;
    memmove(&q->messages[at], &q->messages[at + 1], (q->messages_n > at ? q->messages_n - at - 1 : 0) * sizeof(s));
    q->messages_n -= at < q->messages_n;
    q->messages[q->messages_n++] = s;
    return true;
}

/* The last ones of context and pending list together. */
static bool gather(struct show *q, const struct store_view *v)
{
    size_t all = v->context_n + v->pending_n, skip = all > CONTROL_ID_SHOWN_MAX ? all - CONTROL_ID_SHOWN_MAX : 0;
    q->messages = arena_array(q->c.a, CONTROL_ID_SHOWN_MAX + 1, sizeof(*q->messages));
    if (q->messages == NULL)
        return false;
    bool fits = true;
    for (size_t i = 0; fits && i < v->context_n; i++)
        fits = i < skip || note(q, v->context[i], false, 0);
    for (size_t i = 0; fits && i < v->pending_n; i++)
        fits = v->context_n + i < skip || note(q, v->pending[i], true, i);
    return fits;
}

static void put_fate(struct json_out *o, const struct show *q, const struct shown *s)
{
    struct fate f = { .message_id = s->id, .mark = s->mark, .archived = s->archived, .record = &q->record, .pending = s->pending,
                      .index = s->index, .received_ms = s->received_ms };
    fate_put(o, &f);
}

/* ---- the state ---- */

static void put_lease(struct json_out *o, const struct show *q)
{
    const struct conversation *c = &q->record;
    json_key(o, "lease");
    if (c->token[0] == '\0') {
        json_nul(o);
        return;
    }
    json_obj(o);
    json_kbool(o, "held", q->lease_held);
    json_kstr(o, "owner", sv_from(c->owner));
    json_kint(o, "age_ms", c->began_ms > 0 && c->began_ms < q->now_ms ? q->now_ms - c->began_ms : 0);
    json_kint(o, "left_ms", q->lease_left_ms);
    json_kint(o, "fence", (int64_t)c->fence);
    json_kstr(o, "token", sv_from(c->token));
    json_obj_end(o);
}

static const char *send_state(const struct conversation *c, int64_t now_ms)
{
    if (c->phase == PHASE_SENDING)
        return c->token[0] == '\0' && c->retry_at_ms != 0 ? "repeating" : "sending";
    return now_ms < c->send_deadline_ms ? "unknown" : "none";
}

static void put_send(struct json_out *o, const struct show *q)
{
    const struct conversation *c = &q->record;
    json_key(o, "send");
    json_obj(o);
    json_kstr(o, "state", sv_from(send_state(c, q->now_ms)));
    control_put_ms(o, "deadline", c->send_deadline_ms);
    json_kint(o, "fence", (int64_t)c->send_fence);
    json_kint(o, "attempts", c->sends);
    json_obj_end(o);
}

static void put_pending(struct json_out *o, const struct show *q)
{
    json_key(o, "pending_messages");
    json_arr(o);
    for (size_t i = 0; i < q->messages_n; i++) {
        const struct shown *s = &q->messages[i];
        if (!s->pending)
            continue;
        json_obj(o);
        json_kstr(o, "message_id", s->id);
        control_put_ms(o, "received_at", s->received_ms);
        json_kint(o, "age_ms", s->received_ms > 0 && s->received_ms < q->now_ms ? q->now_ms - s->received_ms : 0);
        json_kbool(o, "covered", s->index < q->record.covered_n);
        json_obj_end(o);
    }
    json_arr_end(o);
}

static void put_turn(struct json_out *o, const struct show *q)
{
    const struct conversation *c = &q->record;
    json_kstr(o, "phase", sv_from(phase_name(c->phase)));
    json_kbool(o, "ai_processing", c->phase == PHASE_THINKING || c->phase == PHASE_SENDING);
    json_kstr(o, "turn_id", c->turn_id[0] != '\0' ? sv_from(c->turn_id) : SV_NONE);
    json_kstr(o, "next_turn", c->next_turn_id[0] != '\0' ? sv_from(c->next_turn_id) : SV_NONE);
    json_kstr(o, "reason", c->reason[0] != '\0' ? sv_from(c->reason) : SV_NONE);
    control_put_ms(o, "began_at", c->phase == PHASE_IDLE || c->phase == PHASE_QUEUED ? 0 : c->began_ms);
    control_put_ms(o, "retry_at", c->retry_at_ms);
    json_kint(o, "restarts", c->restarts);
    json_kint(o, "attempts", c->attempts);
    json_kint(o, "fence", (int64_t)c->fence);
    put_lease(o, q);
    put_send(o, q);
    json_kint(o, "pending", c->pending_n);
    json_kint(o, "covered", c->covered_n);
    control_put_ms(o, "oldest_pending_at", c->oldest_ms);
    put_pending(o, q);
}

static void put_state(struct json_out *o, const struct show *q)
{
    const struct conversation *c = &q->record;
    bool lost = c->token[0] != '\0' && !q->lease_held;
    json_kstr(o, "conversation_id", q->id);
    json_kstr(o, "user_id", c->user_id[0] != '\0' ? sv_from(c->user_id) : SV_NONE);
    json_kstr(o, "last_message_id", c->last_message_id[0] != '\0' ? sv_from(c->last_message_id) : SV_NONE);
    control_put_ms(o, "last_message_timestamp", c->last_message_ms);
    control_put_ms(o, "created_at", c->created_ms);
    control_put_ms(o, "last_activity", c->activity_ms);
    json_kraw(o, "total_messages", q->context.p == NULL ? arena_printf(q->c.a, "%" PRId64, c->total) : SV("null"));
    json_kint(o, "context_size", (int64_t)c->context_n + c->pending_n);
    json_kstr(o, "bot_id", c->bot_id[0] != '\0' ? sv_from(c->bot_id) : SV_NONE);
    json_kbool(o, "closed", c->closed);
    control_put_pause(o, c, q->now_ms);
    json_kbool(o, "stuck", lost || control_is_stuck(q->c.t, c, q->now_ms, 0));
    put_turn(o, q);
}

/* In the order in which they came: the lists have them in the order in which they ended. Where that is not known, a message stays behind the
 * one that it was behind. */
static void put_timeline(struct json_out *o, const struct show *q)
{
    struct {
        const struct shown *s;
        int64_t received_ms;
    } order[CONTROL_ID_SHOWN_MAX + 1];
    for (size_t i = 0; i < q->messages_n; i++) {
        const struct shown *s = &q->messages[i];
        int64_t received_ms = json_i64(s->mark, "received", s->received_ms);
        if (received_ms <= 0 && i > 0)
            received_ms = order[i - 1].received_ms;
        size_t at = i;
        for (; at > 0 && order[at - 1].received_ms > received_ms; at--)
            order[at] = order[at - 1];
        order[at].s = s;
        order[at].received_ms = received_ms;
    }
    json_key(o, "timeline");
    json_arr(o);
    for (size_t i = 0; i < q->messages_n; i++) {
        json_obj(o);
        put_fate(o, q, order[i].s);
        json_obj_end(o);
    }
    json_arr_end(o);
}

static void tell_state(struct show *q)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    put_state(&o, q);
    put_timeline(&o, q);
    json_kbool(&o, "archived_only", q->context.p != NULL);
    if (q->context.p != NULL)
        json_kraw(&o, "context", q->context);
    json_kstr(&o, "storage_backend", sv_from(store_backend(q->c.t->o.store)));
    json_obj_end(&o);
    control_tell(&q->c, &b);
    control_end(&q->c);
}

/* ---- marks ---- */

static void one_less(struct show *q)
{
    if (--q->open == 0)
        tell_state(q);
}

static void archived_found(void *arg, enum archive_status status, struct sv outcome)
{
    struct shown *s = arg;
    if (status == ARCHIVE_DONE && outcome.p != NULL)
        s->archived = json_read_in(s->owner->c.a, outcome, false, NULL);
    one_less(s->owner);
}

/* Marks live for two days, and a store that stands in for another has none of that one's: then the archive knows how it ended. */
static void mark_loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct shown *s = arg;
    struct show *q = s->owner;
    if (status == STORE_DONE && v->mark.p != NULL)
        s->mark = json_read_in(q->c.a, v->mark, false, NULL);
    if (s->mark == NULL && !s->pending && q->c.t->o.archive != NULL)
        archive_message(q->c.t->o.archive, q->id, s->id, archived_found, s);
    else
        one_less(q);
}

static void load_marks(struct show *q)
{
    q->open = q->messages_n;
    if (q->open == 0) {
        tell_state(q);
        return;
    }
    size_t n = q->messages_n; /* callbacks do not come from inside the call */
    for (size_t i = 0; i < n; i++) {
        struct store_load what = { .conversation_id = q->id, .message_id = q->messages[i].id };
        store_load(q->c.t->o.store, &what, mark_loaded, &q->messages[i]);
    }
}

/* ---- a conversation that the store has forgotten ---- */

static void unknown(struct show *q)
{
    control_refuse(&q->c, 404, "unknown_conversation", "There is no such conversation.", NULL);
    control_end(&q->c);
}

/* The archive's entries, with times as everywhere in answers. */
static struct sv context_text(struct show *q, const struct sv *entries, size_t n)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_arr(&o);
    for (size_t i = 0; i < n; i++) {
        struct sv at = json_raw_member(entries[i], "timestamp"), id = json_raw_member(entries[i], "message_id");
        int64_t at_ms = 0;
        json_obj(&o);
        json_kraw(&o, "role", json_raw_member(entries[i], "role"));
        json_kraw(&o, "content", json_raw_member(entries[i], "content"));
        control_put_ms(&o, "timestamp", sv_to_i64(at, &at_ms) ? at_ms : 0);
        if (id.p != NULL)
            json_kraw(&o, "message_id", id);
        json_obj_end(&o);
    }
    json_arr_end(&o);
    struct sv text = buf_ok(&b) ? arena_sv(q->c.a, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return text;
}

static void context_found(void *arg, enum archive_status status, const struct sv *entries, size_t n)
{
    struct show *q = arg;
    if (status != ARCHIVE_DONE) {
        control_refuse(&q->c, 503, "archive_unavailable", "The store does not know it, and the archive gives no answer now.", NULL);
        control_end(&q->c);
        return;
    }
    if (n == 0) {
        unknown(q);
        return;
    }
    struct store_view v = { .context = entries, .context_n = n };
    q->record.context_n = (uint32_t)n;
    q->context = context_text(q, entries, n);
    if (q->context.p != NULL && gather(q, &v)) {
        load_marks(q);
        return;
    }
    control_refuse(&q->c, 503, "unavailable", "Memory is short.", NULL);
    control_end(&q->c);
}

static bool read_record(struct show *q, const struct store_view *v)
{
    struct err e;
    if (conversation_parse(v->record, &q->record, &e) != 0)
        q->record = (struct conversation){ .pending_n = (uint32_t)v->pending_n };
    q->record.context_n = (uint32_t)v->context_n;
    q->now_ms = v->now_ms;
    q->lease_held = v->lease_token.n > 0 && sv_eq(v->lease_token, sv_from(q->record.token));
    q->lease_left_ms = q->lease_held ? v->lease_left_ms : 0;
    return v->version != 0;
}

static void state_loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct show *q = arg;
    if (status != STORE_DONE) {
        control_unavailable(&q->c);
        control_end(&q->c);
        return;
    }
    if (read_record(q, v)) {
        if (gather(q, v)) {
            load_marks(q);
            return;
        }
        control_refuse(&q->c, 503, "unavailable", "Memory is short.", NULL);
        control_end(&q->c);
        return;
    }
    if (q->c.t->o.archive == NULL)
        unknown(q);
    else
        archive_context(q->c.t->o.archive, q->id, q->c.t->o.context_max, context_found, q);
}

void control_show(struct turns *t, struct sv conversation_id, control_fn *fn, void *arg)
{
    struct show *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL)
        return;
    q->id = arena_sv(q->c.a, conversation_id);
    if (q->id.p == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    struct store_load what = { .conversation_id = q->id, .want_lists = true };
    store_load(t->o.store, &what, state_loaded, q);
}

/* ---- one message ---- */

static void tell_fate(struct show *q, const struct shown *s)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "conversation_id", q->id);
    put_fate(&o, q, s);
    json_obj_end(&o);
    control_tell(&q->c, &b);
    control_end(&q->c);
}

static void outcome_found(void *arg, enum archive_status status, struct sv outcome)
{
    struct show *q = arg;
    struct shown *s = &q->messages[0];
    s->archived = status == ARCHIVE_DONE && outcome.p != NULL ? json_read_in(q->c.a, outcome, false, NULL) : NULL;
    if (s->archived != NULL) {
        tell_fate(q, s);
        return;
    }
    if (status != ARCHIVE_DONE)
        control_refuse(&q->c, 503, "archive_unavailable", "The store does not know it, and the archive gives no answer now.", NULL);
    else
        control_refuse(&q->c, 404, "unknown_message", "There is no such message in this conversation.", NULL);
    control_end(&q->c);
}

static void find_in_list(struct shown *s, const struct sv *items, size_t n, bool pending)
{
    for (size_t i = 0; i < n; i++) {
        struct message_item m;
        struct err e;
        if (message_look(items[i], &m, &e) != 0 || !sv_eq(message_text(s->owner->c.a, m.message_id_json), s->id))
            continue;
        s->pending = pending;
        s->index = i;
        s->received_ms = m.received_ms;
    }
}

static void fate_loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct show *q = arg;
    if (status != STORE_DONE) {
        control_unavailable(&q->c);
        control_end(&q->c);
        return;
    }
    (void)read_record(q, v);
    struct shown *s = &q->messages[0];
    find_in_list(s, v->context, v->context_n, false);
    find_in_list(s, v->pending, v->pending_n, true);
    s->mark = v->mark.p != NULL ? json_read_in(q->c.a, v->mark, false, NULL) : NULL;
    if (s->mark != NULL || s->pending) {
        tell_fate(q, s);
    } else if (q->c.t->o.archive != NULL) {
        archive_message(q->c.t->o.archive, q->id, q->wanted, outcome_found, q);
    } else {
        control_refuse(&q->c, 404, "unknown_message", "There is no such message in this conversation.", NULL);
        control_end(&q->c);
    }
}

void control_fate(struct turns *t, struct sv conversation_id, struct sv message_id, control_fn *fn, void *arg)
{
    struct show *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL)
        return;
    q->id = arena_sv(q->c.a, conversation_id);
    q->wanted = arena_sv(q->c.a, message_id);
    q->messages = arena_alloc(q->c.a, sizeof(*q->messages));
    if (q->id.p == NULL || q->wanted.p == NULL || q->messages == NULL) {
        control_short_of_memory(&q->c);
        return;
    }
    q->messages[0] = (struct shown){ .owner = q, .id = q->wanted };
    struct store_load what = { .conversation_id = q->id, .message_id = q->wanted, .want_lists = true };
    store_load(t->o.store, &what, fate_loaded, q);
}
