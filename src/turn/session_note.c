/* SPDX-License-Identifier: MIT
 * What a decision means for those who look at the session: the view, the events that listeners are told, and the background tasks that follow. One
 * function, called for every change (transact.c), so that no way in or out of a conversation can forget them; docs/sessions.md. Knows what changed by
 * comparing the record before and after. */
#include "config.h"

#include "store/store_session.h"
#include "turn/session_view.h"
#include "turn/turn_parts.h"

#define UNTIL_UNIT_MS 60000
#define CONTACT_DIGITS 8 /* the fewest of a number with a country's code (E.164) */
#define EVENTS_BESIDE 4 /* besides one a message: status, reply, typing, job */

struct note {
    struct transact *x;
    struct store_change *c;
    struct store_session_change *s;
    struct sv *events;
    size_t events_n;
    bool failed; /* memory */
};

/* ---- events ---- */

static void begin(struct json_out *o, const struct note *n, const char *type)
{
    json_obj(o);
    json_kstr(o, "type", sv_from(type));
    json_kstr(o, "session_id", n->x->id);
}

static void end(struct json_out *o, struct note *n)
{
    json_kms(o, "at", n->x->event.now_ms);
    json_obj_end(o);
    struct sv event = buf_ok(o->b) ? arena_sv(n->x->scratch, buf_sv(o->b)) : SV_NONE;
    buf_fini(o->b);
    n->failed = n->failed || event.p == NULL;
    n->events[n->events_n++] = event;
}

static void put_message(struct note *n, const struct message *m)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, n, "message");
    json_kstr(&o, "message_id", m->message_id);
    json_kstr(&o, "content", m->content);
    json_kstr(&o, "sender_id", m->sender_id);
    json_kstr(&o, "sender_type", sv_from(sender_type_name(m->sender_type)));
    json_kms(&o, "timestamp", m->timestamp_ms);
    if (m->metadata.p != NULL)
        json_kraw(&o, "metadata", m->metadata);
    if (m->attachments.p != NULL)
        json_kraw(&o, "attachments", m->attachments);
    end(&o, n);
}

static void put_status(struct note *n)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, n, "status");
    session_put_status(&o, &n->x->decision.next, n->x->event.now_ms);
    end(&o, n);
}

static void put_reply(struct note *n)
{
    const struct outcome *out = &n->x->outcome;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, n, "reply");
    json_kstr(&o, "job_id", sv_from(n->x->decision.turn_id));
    json_kstr(&o, "content", out->text);
    json_kstr(&o, "sender_type", SV("bot"));
    json_key(&o, "message_ids");
    json_arr(&o);
    for (size_t i = 0; i < out->message_ids_n; i++)
        json_str(&o, out->message_ids[i]);
    json_arr_end(&o);
    json_kraw(&o, "actions", out->actions.p != NULL ? out->actions : SV("[]"));
    json_kstr(&o, "status", sv_from(out->send));
    end(&o, n);
}

/* What somebody else has answered elsewhere is no job of ours. */
static void put_synced_reply(struct note *n, const struct synced *s)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, n, "reply");
    json_kstr(&o, "job_id", SV_NONE);
    json_kstr(&o, "content", s->reply);
    json_kstr(&o, "sender_type", SV("bot"));
    json_key(&o, "message_ids");
    json_arr(&o);
    json_str(&o, s->m.message_id);
    json_arr_end(&o);
    json_kraw(&o, "actions", SV("[]"));
    json_kstr(&o, "status", SV("success"));
    end(&o, n);
}

static void put_typing(struct note *n, bool typing, const char *turn_id)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, n, "typing");
    json_kbool(&o, "typing", typing);
    json_kstr(&o, "job_id", sv_from(turn_id));
    end(&o, n);
}

static void put_job(struct note *n)
{
    const struct outcome *out = &n->x->outcome;
    bool other = strcmp(out->status, "failed") == 0 || strcmp(out->status, "cancelled") == 0;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin(&o, n, "job");
    json_kstr(&o, "job_id", sv_from(n->x->decision.turn_id));
    json_kstr(&o, "status", other ? sv_from(out->status) : SV("completed"));
    if (out->reason != NULL)
        json_kstr(&o, "reason", sv_from(out->reason));
    end(&o, n);
}

/* ---- what has changed ---- */

static size_t arrived_n(const struct transact *x)
{
    bool arrived = x->event.kind == EVENT_ARRIVE && x->decision.changed;
    return !arrived ? 0 : x->event.together_n > 0 ? x->event.together_n : 1;
}

static const struct message *arrived(const struct transact *x, size_t i)
{
    return i + 1 < arrived_n(x) ? &x->older[i] : x->event.message;
}

static size_t synced_n(const struct transact *x)
{
    return x->event.kind == EVENT_SYNC && x->decision.changed ? x->event.synced_n : 0;
}

/* Each message of a person puts off the end of a pause: that is told once a minute, or it would be half of all that is told. */
static bool status_changed(const struct transact *x)
{
    const struct conversation *a = &x->before, *b = &x->decision.next;
    int64_t now_ms = x->event.now_ms, unit_ms = x->event.kind == EVENT_ARRIVE ? UNTIL_UNIT_MS : 1;
    return a->closed != b->closed || a->archived != b->archived || session_check_reply(a, now_ms) != session_check_reply(b, now_ms) ||
           session_silent_until_ms(a, now_ms) / unit_ms != session_silent_until_ms(b, now_ms) / unit_ms;
}

static void note_typing(struct note *n)
{
    const struct conversation *a = &n->x->before, *b = &n->x->decision.next;
    bool over = b->phase == PHASE_IDLE || b->phase == PHASE_QUEUED;

    if (a->phase != PHASE_THINKING && b->phase == PHASE_THINKING)
        put_typing(n, true, b->turn_id);
    else if ((a->phase == PHASE_THINKING || a->phase == PHASE_SENDING) && over && !n->x->outcome.said &&
             n->x->decision.verdict != VERDICT_RESTART)
        put_typing(n, false, a->turn_id);
}

/* Those of a moment ago: an import of old ones is no news. */
static void note_synced_events(struct note *n)
{
    size_t all = synced_n(n->x), first = all > SESSION_EVENTS_MAX ? all - SESSION_EVENTS_MAX : 0;

    for (size_t i = first; i < all; i++) {
        const struct synced *s = &n->x->synced[i];
        if (s->fresh && s->m.content.n > 0)
            put_message(n, &s->m);
        if (s->fresh && s->reply.n > 0)
            put_synced_reply(n, s);
    }
}

static void note_events(struct note *n)
{
    const struct transact *x = n->x;
    size_t messages = arrived_n(x), synced = synced_n(x);

    n->events = arena_array(x->scratch, messages + 2 * synced + EVENTS_BESIDE, sizeof(*n->events));
    if (n->events == NULL) {
        n->failed = true;
        return;
    }
    for (size_t i = 0; i < messages; i++)
        put_message(n, arrived(x, i));
    note_synced_events(n);
    if (status_changed(x))
        put_status(n);
    if (x->outcome.said)
        put_reply(n);
    note_typing(n);
    if (x->outcome.status != NULL && (x->before.told || x->told))
        put_job(n);
    n->s->events = n->events;
    n->s->events_n = n->events_n;
    n->s->events_max = SESSION_EVENTS_MAX;
}

/* The newest exchange, where nothing newer was said before. */
static bool synced_last(const struct transact *x, struct session_last *last)
{
    const struct synced *s = &x->synced[x->event.synced_n - 1];
    bool replied = s->reply.n > 0;

    *last = (struct session_last){ .message_id = replied ? SV_NONE : s->m.message_id, .content = replied ? s->reply : s->m.content,
                                   .timestamp_ms = s->m.timestamp_ms, .sender_type = replied ? "bot" : "user" };
    return sv_eq(sv_from(x->decision.next.last_message_id), s->m.message_id);
}

static void note_view(struct note *n)
{
    const struct transact *x = n->x;
    struct session_last last = { .content = SV_NONE };
    struct buf b = { 0 };

    if (synced_n(x) > 0 && !synced_last(x, &last)) { /* counted, and no more than that: whoever reads next makes it anew */
        n->s->view_op = STORE_VIEW_DROP;
        return;
    }
    if (synced_n(x) > 0) {
        /* it is there */
    } else if (arrived_n(x) > 0) {
        const struct message *m = x->event.message;
        last = (struct session_last){ .message_id = m->message_id, .content = m->content, .timestamp_ms = m->timestamp_ms,
                                      .sender_type = sender_type_name(m->sender_type) };
    } else if (x->outcome.said && x->outcome.text.n > 0) {
        last = (struct session_last){ .message_id = SV_NONE, .content = x->outcome.text, .sender_type = "bot", .timestamp_ms = x->event.now_ms };
    } else if (!status_changed(x)) {
        return;
    } else if (x->loaded && x->pending_n + x->context_n > 0) {
        last = session_last_of(x->pending, x->pending_n, x->context, x->context_n);
    } else { /* whoever reads next makes it anew */
        n->s->view_op = STORE_VIEW_DROP;
        return;
    }
    session_view_format(&b, x->id, &x->decision.next, &last, x->event.now_ms);
    n->s->view_op = STORE_VIEW_SET;
    n->s->view = buf_ok(&b) ? arena_sv(x->scratch, buf_sv(&b)) : SV_NONE;
    n->failed = n->failed || n->s->view.p == NULL;
    buf_fini(&b);
}

/* ---- background tasks ---- */

static void add_task(struct note *n, struct sv item)
{
    struct store_change *c = n->c;
    struct sv *list = arena_array(n->x->scratch, c->queue_add_n + 1, sizeof(*list));

    if (list == NULL || item.p == NULL) {
        n->failed = true;
        return;
    }
    if (c->queue_add_n > 0)
        memcpy(list, c->queue_add, c->queue_add_n * sizeof(*list));
    list[c->queue_add_n++] = item;
    c->queue_add = list;
}

static void begin_task_at(struct json_out *o, const struct note *n, const char *type, int64_t at_ms)
{
    json_obj(o);
    json_kstr(o, "type", sv_from(type));
    json_kint(o, "v", 1);
    json_kstr(o, "conversation_id", n->x->id);
    json_kint(o, "at", at_ms);
}

static void begin_task(struct json_out *o, const struct note *n, const char *type)
{
    begin_task_at(o, n, type, n->x->event.now_ms);
}

static void end_task(struct json_out *o, struct note *n)
{
    json_obj_end(o);
    add_task(n, buf_ok(o->b) ? arena_sv(n->x->scratch, buf_sv(o->b)) : SV_NONE);
    buf_fini(o->b);
}

static void task_save(struct note *n, const struct message *m, uint64_t seq)
{
    struct buf b = { 0 }, item = { 0 };
    struct json_out o = { .b = &b };

    begin_task(&o, n, "save_message");
    message_format(&item, m, n->x->event.now_ms, seq);
    json_kraw(&o, "message", buf_sv(&item));
    n->failed = n->failed || !buf_ok(&item);
    end_task(&o, n);
    buf_fini(&item);
}

static void task_status(struct note *n)
{
    const struct conversation *c = &n->x->decision.next;
    int64_t now_ms = n->x->event.now_ms, until_ms = session_silent_until_ms(c, now_ms);
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin_task(&o, n, "update_session_status");
    json_kstr(&o, "status", sv_from(session_status(c)));
    json_kbool(&o, "check_reply", session_check_reply(c, now_ms));
    json_key(&o, "check_reply_until");
    if (until_ms != 0)
        json_int(&o, until_ms);
    else
        json_nul(&o);
    end_task(&o, n);
}

/* content or entities: the other one is SV_NONE. */
static void task_customer(struct note *n, struct sv sender_id, struct sv message_id, struct sv content, struct sv entities, int64_t at_ms)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };

    begin_task_at(&o, n, "extract_customer_info", at_ms);
    json_kstr(&o, "sender_id", sender_id);
    if (message_id.p != NULL)
        json_kstr(&o, "message_id", message_id);
    if (content.p != NULL)
        json_kstr(&o, "content", content);
    if (entities.p != NULL)
        json_kraw(&o, "entities", entities);
    end_task(&o, n);
}

/* Whether it is worth a task: an @, or as many digits (ASCII, or of full width) as a telephone number has. What it really is is found out there. */
static bool may_have_contact(struct sv text)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool wide = i >= 2 && c >= 0x90 && c <= 0x99 && (unsigned char)text.p[i - 1] == 0xBC && (unsigned char)text.p[i - 2] == 0xEF;
        digits += (c >= '0' && c <= '9') || wide;
        if (c == '@' || digits >= CONTACT_DIGITS)
            return true;
    }
    return false;
}

static void note_tasks(struct note *n)
{
    const struct transact *x = n->x;
    const struct outcome *out = &x->outcome;
    size_t messages = arrived_n(x);

    for (size_t i = 0; i < messages; i++) {
        const struct message *m = arrived(x, i);
        if (x->save && x->decision.add_pending)
            task_save(n, m, x->decision.next.seq - (messages - 1) + i);
        if (m->sender_type == SENDER_USER && may_have_contact(m->content))
            task_customer(n, m->sender_id, m->message_id, m->content, SV_NONE, x->event.now_ms);
    }
    for (size_t i = 0; i < synced_n(x); i++) {
        const struct message *m = &x->synced[i].m;
        if (may_have_contact(m->content)) /* said when it was said, however late it is told */
            task_customer(n, m->sender_id, m->message_id, m->content, SV_NONE,
                          m->timestamp_ms < x->event.now_ms ? m->timestamp_ms : x->event.now_ms);
    }
    if (status_changed(x))
        task_status(n);
    if (out->entities.n > 2 && out->message_ids_n > 0 && x->decision.next.user_id[0] != '\0')
        task_customer(n, sv_from(x->decision.next.user_id), out->message_ids[out->message_ids_n - 1], SV_NONE, out->entities,
                      x->event.now_ms);
}

int session_note(struct transact *x, struct store_change *c)
{
    struct note n = { .x = x, .c = c, .s = arena_alloc(x->scratch, sizeof(*n.s)) };

    if (n.s == NULL)
        return -1;
    *n.s = (struct store_session_change){ .view_op = STORE_VIEW_KEEP, .ttl_ms = session_ttl_ms(x->t) };
    note_events(&n);
    note_view(&n);
    note_tasks(&n);
    if (n.events_n > 0 || n.s->view_op != STORE_VIEW_KEEP)
        c->session = n.s;
    return n.failed ? -1 : 0;
}
