/* SPDX-License-Identifier: MIT
 * What a decision means for whoever reads the history of its session: an entry for each of the customer's messages that comes to its end, the session's
 * fields, and what is counted of the day. One function, called for every change (transact.c); docs/history.md. Whatever becomes a row of a customer in
 * the archive becomes an entry here. Knows what changed by comparing the record before and after. */
#include "config.h"

#include "lib/clock.h"
#include "store/store_history.h"
#include "turn/reason.h"
#include "turn/session_view.h"
#include "turn/turn_parts.h"

#define FIELDS_MAX 6
#define COUNTS_MAX 10
#define TIME_MAX_MS 253402300799999     /* the archive's years end there, too */
#define FIELDS_SURE_MS (86400 * INT64_C(1000)) /* nothing that was written within this has expired: history_ttl_ms is at least 48 hours */

struct note {
    struct transact *x;
    struct buf b;
    struct sv *entries;
    size_t entries_n;
    struct store_pair fields[FIELDS_MAX];
    size_t fields_n;
    struct store_count counts[COUNTS_MAX];
    size_t counts_n;
    bool failed; /* memory */
};

static struct sv keep(struct note *n, struct sv s)
{
    struct sv kept = arena_sv(n->x->scratch, s);
    n->failed = n->failed || kept.p == NULL;
    return kept;
}

static struct sv keep_time(struct note *n, int64_t ms)
{
    char text[25];
    clock_format(ms, text);
    return keep(n, sv_from(text));
}

/* ---- entries ---- */

/* What an entry says; `raw`: the first three are JSON strings. */
struct entry {
    struct sv message_id, user_id, text;
    bool raw, synced;
    struct sv metadata, reply; /* SV_NONE: none */
    struct sv status, reason, turn_id;
    int64_t timestamp_ms, seq, received_ms;
};

static void put_text(struct json_out *o, const char *key, struct sv s, bool raw)
{
    if (raw)
        json_kraw(o, key, s);
    else
        json_kstr(o, key, s);
}

static void put_entry(struct note *n, const struct entry *e)
{
    struct json_out o = { .b = &n->b };
    char time[25];
    int64_t ms = e->timestamp_ms < 0 ? 0 : e->timestamp_ms > TIME_MAX_MS ? TIME_MAX_MS : e->timestamp_ms;

    buf_clear(&n->b);
    clock_format(ms, time);
    json_obj(&o);
    put_text(&o, "messageId", e->message_id, e->raw);
    put_text(&o, "userId", e->user_id, e->raw);
    json_kstr(&o, "sessionId", n->x->id);
    put_text(&o, "userMessage", e->text, e->raw);
    json_kstr(&o, "aiResponse", e->reply);
    json_kstr(&o, "timestamp", sv_from(time));
    json_kraw(&o, "metadata", e->metadata.p != NULL ? e->metadata : SV("{}"));
    json_kstr(&o, "status", e->status);
    json_kstr(&o, "reason", e->reason);
    json_kstr(&o, "turnId", e->turn_id);
    json_kint(&o, "seq", e->seq);
    json_kint(&o, "received", e->received_ms);
    if (e->synced)
        json_kbool(&o, "synced", true);
    json_obj_end(&o);
    n->failed = n->failed || !buf_ok(&n->b);
    if (!n->failed)
        n->entries[n->entries_n++] = keep(n, buf_sv(&n->b));
}

static bool room(struct note *n, size_t more)
{
    n->entries = more > 0 && !n->failed ? arena_array(n->x->scratch, more, sizeof(*n->entries)) : NULL;
    n->failed = n->failed || (more > 0 && n->entries == NULL);
    return n->entries != NULL;
}

static int64_t number(struct sv raw)
{
    int64_t i = 0;
    return sv_to_i64(raw, &i) ? i : 0;
}

/* An item of the pending list (message_format). */
static struct entry entry_of(struct sv item)
{
    struct entry e = { .raw = true, .metadata = SV_NONE, .reply = SV_NONE };
    struct sv rest = json_raw_inside(item), key, value;

    e.message_id = e.user_id = e.text = SV("\"\"");
    while (json_raw_next(&rest, &key, &value)) {
        if (sv_eq(key, SV("message_id")))
            e.message_id = value;
        else if (sv_eq(key, SV("sender_id")))
            e.user_id = value;
        else if (sv_eq(key, SV("content")))
            e.text = value;
        else if (sv_eq(key, SV("metadata")))
            e.metadata = value;
        else if (sv_eq(key, SV("timestamp")))
            e.timestamp_ms = number(value);
        else if (sv_eq(key, SV("seq")))
            e.seq = number(value);
        else if (sv_eq(key, SV("received")))
            e.received_ms = number(value);
    }
    return e;
}

/* The one that the reply stands on, in the archive as here. */
static size_t newest_of(const struct sv *items, size_t n)
{
    size_t newest = 0;
    int64_t highest = -1;

    for (size_t i = 0; i < n; i++) {
        int64_t seq = number(json_raw_member(items[i], "seq"));
        if (seq < highest)
            continue;
        newest = i;
        highest = seq;
    }
    return newest;
}

static void note_ending(struct note *n)
{
    const struct outcome *out = &n->x->outcome;
    size_t newest = newest_of(out->covered, out->message_ids_n);

    if (!room(n, out->message_ids_n))
        return;
    for (size_t i = 0; i < out->message_ids_n; i++) {
        struct entry e = entry_of(out->covered[i]);
        e.status = sv_from(out->status);
        e.reason = sv_from(out->reason);
        e.turn_id = sv_from(n->x->decision.turn_id);
        if (i == newest && out->said && out->text.n > 0)
            e.reply = out->text;
        put_entry(n, &e);
    }
}

static void put_message(struct note *n, const struct message *m, uint64_t seq, const char *reason)
{
    const struct entry e = { .message_id = m->message_id, .user_id = m->sender_id, .text = m->content, .metadata = m->metadata, .reply = SV_NONE,
                             .status = SV("recorded"), .reason = sv_from(reason), .turn_id = SV_NONE, .timestamp_ms = m->timestamp_ms,
                             .seq = (int64_t)seq, .received_ms = n->x->event.now_ms };

    if (m->sender_type == SENDER_USER)
        put_entry(n, &e);
}

/* What came with its past: that is at its end. So is what nothing answers. */
static void note_arrival(struct note *n)
{
    const struct event *ev = &n->x->event;
    const struct decision *d = &n->x->decision;
    size_t together = ev->together_n > 0 ? ev->together_n : 1, recorded = d->verdict == VERDICT_RECORDED ? together : 0;
    uint64_t seq = d->next.seq - together - ev->history_n + 1;

    if (ev->message->sender_type != SENDER_USER || !room(n, ev->history_n + recorded))
        return;
    for (size_t i = 0; i < ev->history_n; i++)
        put_message(n, &n->x->history[i], seq++, REASON_HISTORY);
    for (size_t i = 0; i < recorded; i++)
        put_message(n, i + 1 < together ? &n->x->older[i] : ev->message, seq++, d->reason);
}

static void note_synced(struct note *n)
{
    size_t all = n->x->event.synced_n, first = all > HISTORY_ENTRIES_MAX ? all - HISTORY_ENTRIES_MAX : 0;

    if (!room(n, all - first))
        return;
    for (size_t i = first; i < all; i++) {
        const struct synced *s = &n->x->synced[i];
        const struct entry e = { .message_id = s->m.message_id, .user_id = s->m.sender_id, .text = s->m.content, .synced = true,
                                 .metadata = s->m.metadata, .reply = s->reply.n > 0 ? s->reply : SV_NONE, .status = sv_from(synced_status(s)),
                                 .reason = sv_from(synced_reason(s)), .turn_id = sv_from(s->turn_id), .timestamp_ms = s->m.timestamp_ms,
                                 .seq = (int64_t)(n->x->decision.next.seq - all + 1 + i), .received_ms = n->x->event.now_ms };
        put_entry(n, &e);
    }
}

/* ---- the session's fields ---- */

static void field(struct note *n, const char *key, struct sv value)
{
    n->fields[n->fields_n++] = (struct store_pair){ sv_from(key), value };
}

static bool is_all_to_be_written(const struct transact *x)
{
    const struct conversation *a = &x->before, *b = &x->decision.next;
    return x->version == 0 || !a->listed || strcmp(a->user_id, b->user_id) != 0 || x->event.now_ms - a->activity_ms > FIELDS_SURE_MS;
}

static void note_fields(struct note *n)
{
    const struct conversation *a = &n->x->before;
    struct conversation *b = &n->x->decision.next;
    bool all = is_all_to_be_written(n->x);

    if (b->user_id[0] == '\0')
        return;
    b->listed = true;
    if (all) {
        field(n, "sessionId", n->x->id);
        field(n, "userId", sv_from(b->user_id));
    }
    if (all || a->created_ms != b->created_ms)
        field(n, "createdAt", keep_time(n, b->created_ms));
    if (all || a->activity_ms != b->activity_ms)
        field(n, "lastActivity", keep_time(n, b->activity_ms));
    if (all || a->total != b->total)
        field(n, "messageCount", arena_printf(n->x->scratch, "%lld", (long long)b->total));
    if (all || strcmp(session_status(a), session_status(b)) != 0)
        field(n, "status", sv_from(session_status(b)));
    for (size_t i = 0; i < n->fields_n; i++)
        n->failed = n->failed || n->fields[i].value.p == NULL;
}

/* ---- the day's figures ---- */

static void count(struct note *n, struct sv metric, int64_t more)
{
    if (more > 0)
        n->counts[n->counts_n++] = (struct store_count){ metric, more };
    n->failed = n->failed || metric.p == NULL;
}

/* The customer's, that came with this change. */
static int64_t accepted_n(const struct transact *x)
{
    const struct event *ev = &x->event;

    if (ev->kind == EVENT_SYNC)
        return ev->synced_n;
    if (ev->kind != EVENT_ARRIVE || ev->message->sender_type != SENDER_USER)
        return 0;
    return (int64_t)(ev->together_n > 0 ? ev->together_n : 1) + ev->history_users_n;
}

static int64_t said_n(const struct transact *x)
{
    int64_t n = x->outcome.said;

    for (size_t i = 0; x->event.kind == EVENT_SYNC && i < x->event.synced_n; i++)
        n += x->synced[i].reply.n > 0;
    return n;
}

static void note_counts(struct note *n)
{
    struct transact *x = n->x;
    const struct outcome *out = &x->outcome;
    int64_t accepted = accepted_n(x);

    count(n, SV("total_messages"), accepted);
    if (accepted > 0)
        count(n, arena_printf(x->scratch, "user_%s_messages", x->decision.next.user_id), accepted);
    count(n, SV("ai_responses"), said_n(x));
    count(n, SV("completed_turns"), out->status != NULL && strcmp(out->status, "completed") == 0);
    count(n, SV("locked_turns"), x->event.kind == EVENT_ARRIVE && x->decision.verdict == VERDICT_LOCKED);
    count(n, SV("restarted_turns"), x->decision.verdict == VERDICT_RESTART);
    if (!x->ai_answered || x->decision.verdict == VERDICT_SEND) /* with what becomes of the send */
        return;
    count(n, SV("ai_calls"), 1);
    count(n, SV("ai_time_ms"), x->ai_ms);
}

/* ---- all of it ---- */

static int write_down(struct note *n, struct store_change *c)
{
    struct transact *x = n->x;
    struct store_history_change *h = arena_alloc(x->scratch, sizeof(*h));
    struct store_pair *fields = arena_array(x->scratch, n->fields_n + 1, sizeof(*fields));
    struct store_count *counts = arena_array(x->scratch, n->counts_n + 1, sizeof(*counts));

    if (h == NULL || fields == NULL || counts == NULL)
        return -1;
    memcpy(fields, n->fields, n->fields_n * sizeof(*fields));
    memcpy(counts, n->counts, n->counts_n * sizeof(*counts));
    *h = (struct store_history_change){
        .user_id = x->decision.next.user_id[0] != '\0' ? sv_from(x->decision.next.user_id) : SV_NONE,
        .entries = n->entries, .entries_n = n->entries_n, .entries_max = HISTORY_ENTRIES_MAX,
        .fields = fields, .fields_n = n->fields_n, .ttl_ms = history_ttl_ms(x->t), .sessions_max = history_sessions_max(x->t),
        .counts = counts, .counts_n = n->counts_n, .counts_ttl_ms = history_ttl_ms(x->t),
    };
    if (n->counts_n > 0) {
        h->day = keep_time(n, x->event.now_ms);
        h->day.n = sizeof("yyyy-MM-dd") - 1;
    }
    c->history = h;
    return n->failed ? -1 : 0;
}

int history_note(struct transact *x, struct store_change *c)
{
    struct note n = { .x = x };

    if (x->outcome.status != NULL)
        note_ending(&n);
    else if (x->event.kind == EVENT_ARRIVE)
        note_arrival(&n);
    else if (x->event.kind == EVENT_SYNC)
        note_synced(&n);
    buf_fini(&n.b);
    note_fields(&n);
    note_counts(&n);
    if (n.failed)
        return -1;
    return n.entries_n + n.fields_n + n.counts_n > 0 ? write_down(&n, c) : 0;
}
