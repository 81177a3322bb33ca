/* SPDX-License-Identifier: MIT
 * Exchanges that were made elsewhere come in (chat.h, docs/history.md): an AI service had them with the customer itself and tells of them.
 *
 *   chat_sync   copies, and sorts them by session; some sessions at a time
 *   entered     the only one of this process that tells of that session
 *   load_marks  what of a session's exchanges is known: its dedupe marks, and the record's version with each of them
 *   ask_past    a session that the store does not know: whose it is, and what there was, says the archive
 *   ask_archive exchanges that are older than the marks may be
 *   tell        one EVENT_SYNC for all that is new, at that version or not at all (transact.c); another one came between: from the start
 *
 * So an exchange is taken once, whoever else tells of it at the same time and wherever a process dies: what was written is known, what was not is
 * told of again. */
#include "config.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/metrics.h"
#include "store/store_history.h"
#include "turn/chat.h"
#include "turn/control_own.h"
#include "turn/session_view.h"

#define EXCHANGES_MAX 1000   /* of one call */
#define SESSIONS_AT_ONCE 16  /* of one call */
#define LOOKUPS_AT_ONCE 32   /* of one session, in the archive */
#define TRIES_MAX 40
#define TRIES_AT_ONCE 3      /* then with a pause before each */
#define PAUSE_STEP_MS 2
#define OLD_MS (24 * 3600 * INT64_C(1000)) /* dedupe marks live for twice as long */

enum sync_end { END_NONE, END_DONE, END_OTHER_USER, END_STORE_DOWN, END_ARCHIVE_DOWN, END_FULL };

struct session;

struct exchange {
    struct session *owner;
    struct synced s;
    bool known; /* nothing is to be done about it (any more) */
    bool asked; /* the archive was */
    struct exchange *next;
};

struct session {
    struct call *q;
    struct session *next;
    struct sv id;
    struct exchange *first, *last; /* as they were told */
    struct exchange **sorted;      /* by their time */
    size_t n, open, asked_n;
    enum sync_end end;
    unsigned tries;
    struct sv lane; /* those of one process that tell of the same session go one after another, or each would be in the way of all others */
    struct lane_place place;
    bool inside; /* the lane */
    struct loop_timer *pause;

    /* of the marks that were loaded last */
    uint64_t version;
    struct conversation record;
    bool began, moved, down, readable, lease_held;
    int64_t lease_left_ms, now_ms;

    bool past_asked, has_past;
    struct session_past past;

    struct synced *news;
    size_t news_n, synced_n; /* synced_n: that were written */
};

struct call {
    struct control_call c;
    bool several, pumping;
    struct session *sessions, *waiting; /* all; those that have not begun */
    size_t n, open;
};

static void load_marks(struct session *s);
static void pump(struct call *q);

/* ---- the answer ---- */

static void put_counts(struct json_out *o, const struct call *q)
{
    size_t synced = 0;
    for (const struct session *s = q->sessions; s != NULL; s = s->next)
        synced += s->synced_n;
    size_t known = 0;
    for (const struct session *s = q->sessions; s != NULL; s = s->next)
        known += s->end == END_DONE ? s->n - s->synced_n : 0;
    json_kint(o, "synced", (int64_t)synced);
    json_kint(o, "duplicates", (int64_t)known);
}

static void tell_done(struct call *q)
{
    const struct session *s = q->sessions;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "message", q->several ? SV("Chat messages synced successfully") : SV("Chat message synced successfully"));
    if (q->several) {
        put_counts(&o, q);
    } else {
        json_kstr(&o, "messageId", s->first->s.m.message_id);
        json_kstr(&o, "sessionId", s->id);
        json_kbool(&o, "duplicate", s->synced_n == 0);
    }
    json_obj_end(&o);
    control_tell(&q->c, &b);
}

/* What was written stays: told of again it is known. */
static void refuse(struct call *q, enum sync_end why)
{
    static const struct {
        int http_status;
        const char *code, *message;
    } refusals[] = {
        [END_OTHER_USER] = { 409, "session_of_another_user", "The session belongs to another user." },
        [END_STORE_DOWN] = { 503, "store_unavailable", "The store gives no answer now." },
        [END_ARCHIVE_DOWN] = { 503, "archive_unavailable", "The archive gives no answer now." },
        [END_FULL] = { 503, "store_full", "The store takes nothing new now." },
    };
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (q->several) {
        json_obj(&o);
        put_counts(&o, q);
        json_key(&o, "sessions");
        json_arr(&o);
        for (const struct session *s = q->sessions; s != NULL; s = s->next)
            if (s->end == why)
                json_str(&o, s->id);
        json_arr_end(&o);
        json_obj_end(&o);
    }
    control_refuse(&q->c, refusals[why].http_status, refusals[why].code, refusals[why].message, q->several ? &b : NULL);
}

/* What time may cure is told first. */
static void answer(struct call *q)
{
    static const enum sync_end order[] = { END_STORE_DOWN, END_ARCHIVE_DOWN, END_FULL, END_OTHER_USER };
    enum sync_end why = END_NONE;
    for (size_t i = 0; why == END_NONE && i < ARRAY_LEN(order); i++)
        for (const struct session *s = q->sessions; s != NULL; s = s->next)
            why = s->end == order[i] ? order[i] : why;
    if (why == END_NONE)
        tell_done(q);
    else
        refuse(q, why);
    control_end(&q->c);
}

static void session_end(struct session *s, enum sync_end end)
{
    s->end = end;
    loop_timer_free(s->pause);
    s->pause = NULL;
    if (s->inside)
        lanes_leave(s->q->c.t->lanes, s->lane);
    s->q->open--;
    pump(s->q);
}

/* ---- the change ---- */

static int fill(struct transact *x, struct store_change *c)
{
    struct session *s = x->arg;
    if (x->version == 0 && s->has_past)
        session_past_join(&x->decision.next, &s->past);
    else if (x->version == 0 && s->past_asked)
        x->decision.next.past_known = true;
    return synced_fill(x, c, s->news, s->news_n);
}

static void after_pause(void *arg)
{
    load_marks(arg);
}

static void again(struct session *s)
{
    if (++s->tries >= TRIES_MAX) {
        session_end(s, END_STORE_DOWN);
        return;
    }
    if (s->tries > TRIES_AT_ONCE && s->pause == NULL)
        s->pause = loop_timer_new(s->q->c.t->o.loop, after_pause, s);
    if (s->pause != NULL)
        loop_timer_set(s->pause, (int64_t)id_random_below(PAUSE_STEP_MS * s->tries));
    else
        load_marks(s);
}

static void told(struct transact *x)
{
    struct session *s = x->arg;
    struct turns *t = x->t;
    switch (x->status) {
    case TRANSACT_DONE:
        if (!x->decision.changed) {
            session_end(s, END_OTHER_USER);
            return;
        }
        t->stat.messages += s->news_n;
        metrics_add(t->o.metrics, FIGURE_MESSAGES, s->news_n);
        s->synced_n = s->news_n;
        session_end(s, END_DONE);
        return;
    case TRANSACT_KNOWN:
    case TRANSACT_STRANGE: /* the session has gone on since its marks were read */
        again(s);
        return;
    case TRANSACT_FULL:
        session_end(s, END_FULL);
        return;
    case TRANSACT_DOWN:
        session_end(s, END_STORE_DOWN);
        return;
    }
}

/* What the marks came with is what the transaction begins with. */
static bool look(struct transact *x)
{
    const struct session *s = x->arg;
    if (!x->cached)
        return true;
    x->event.lease_held = s->lease_held;
    x->event.lease_left_ms = s->lease_left_ms;
    return true;
}

static void tell(struct session *s)
{
    struct turns *t = s->q->c.t;
    s->news_n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!s->sorted[i]->known)
            s->news[s->news_n++] = s->sorted[i]->s;
    if (s->news_n == 0) {
        session_end(s, END_DONE);
        return;
    }
    struct transact *x = transact_new(t, s->id, EVENT_SYNC, told, s);
    if (x == NULL) {
        session_end(s, END_FULL);
        return;
    }
    x->event.message = &s->news[s->news_n - 1].m;
    x->event.synced_n = (uint32_t)s->news_n;
    x->synced = s->news;
    x->cached = s->version != 0 && s->readable;
    x->cached_ms = s->now_ms;
    x->before = s->record;
    x->version = s->version;
    x->want_lists = s->version == 0; /* messages may be left of a record that was lost */
    x->only_this = true;
    x->this_version = s->version;
    x->look = look;
    x->fill = fill;
    transact_go(x);
}

/* ---- the archive ---- */

static void ask_archive(struct session *s);

static void asked(void *arg, enum archive_status status, struct sv outcome)
{
    struct exchange *e = arg;
    struct session *s = e->owner;
    s->down = s->down || status != ARCHIVE_DONE;
    e->asked = status == ARCHIVE_DONE;
    e->known = e->known || outcome.p != NULL;
    s->open--;
    ask_archive(s);
}

static bool is_old(const struct session *s, const struct exchange *e)
{
    return e->s.m.timestamp_ms < s->now_ms - OLD_MS;
}

static bool is_to_be_asked(const struct session *s, const struct exchange *e)
{
    bool old = is_old(s, e) || store_is_standing_in(s->q->c.t->o.store);
    return old && !e->known && !e->asked;
}

/* Nobody knows any more which ones there were: what is older than marks and was made before the erasure is taken for one of them. */
static void got_erased(void *arg, enum store_status status, int64_t at_ms)
{
    struct session *s = arg;
    if (status != STORE_DONE) {
        session_end(s, END_STORE_DOWN);
        return;
    }
    for (size_t i = 0; at_ms != 0 && i < s->n; i++)
        s->sorted[i]->known = s->sorted[i]->known || (is_old(s, s->sorted[i]) && s->sorted[i]->s.m.timestamp_ms <= at_ms);
    tell(s);
}

static void ask_erased(struct session *s)
{
    bool any = false;
    for (size_t i = 0; i < s->n; i++)
        any = any || (is_old(s, s->sorted[i]) && !s->sorted[i]->known);
    if (any)
        store_erased_at(s->q->c.t->o.store, s->id, got_erased, s);
    else
        tell(s);
}

static void ask_archive(struct session *s)
{
    struct archive *a = s->q->c.t->o.archive;
    bool never = a == NULL || (s->version == 0 && s->past_asked && !s->has_past); /* nothing of it is there */
    while (!never && !s->down && s->asked_n < s->n && s->open < LOOKUPS_AT_ONCE) {
        struct exchange *e = s->sorted[s->asked_n++];
        if (!is_to_be_asked(s, e))
            continue;
        s->open++;
        archive_message(a, s->id, e->s.m.message_id, asked, e);
    }
    if (s->open > 0)
        return;
    if (s->down)
        session_end(s, END_ARCHIVE_DOWN);
    else
        ask_erased(s);
}

static bool is_of_another(const struct session *s, const char *user_id)
{
    return user_id[0] != '\0' && !sv_eq(s->first->s.m.sender_id, sv_from(user_id));
}

static void got_past(void *arg, enum archive_status status, struct sv session, struct sv customer)
{
    struct session *s = arg;
    (void)customer;
    if (status != ARCHIVE_DONE) {
        session_end(s, END_ARCHIVE_DOWN);
        return;
    }
    s->past_asked = true;
    s->has_past = session.p != NULL;
    if (s->has_past)
        session_past_read(session, &s->past);
    if (is_of_another(s, s->past.user_id))
        session_end(s, END_OTHER_USER);
    else
        ask_archive(s);
}

/* ---- the marks ---- */

static void marks_loaded(struct session *s)
{
    struct archive *a = s->q->c.t->o.archive;
    s->asked_n = 0;
    if (s->down)
        session_end(s, END_STORE_DOWN);
    else if (is_of_another(s, s->record.user_id))
        session_end(s, END_OTHER_USER);
    else if (s->moved)
        again(s);
    else if (s->version == 0 && a != NULL && !s->past_asked)
        archive_session(a, s->id, 0, got_past, s);
    else
        ask_archive(s);
}

static void mark_loaded(void *arg, enum store_status status, const struct store_view *v)
{
    struct exchange *e = arg;
    struct session *s = e->owner;
    struct err err;
    s->down = s->down || status != STORE_DONE;
    if (status == STORE_DONE) {
        s->moved = s->moved || (s->began && v->version != s->version);
        e->known = e->known || v->mark.p != NULL;
    }
    if (status == STORE_DONE && !s->began) {
        s->began = true;
        s->version = v->version;
        s->now_ms = v->now_ms;
        s->readable = conversation_parse(v->record, &s->record, &err) == 0;
        s->lease_held = v->lease_token.n > 0 && sv_eq(v->lease_token, sv_from(s->record.token));
        s->lease_left_ms = s->lease_held ? v->lease_left_ms : 0;
    }
    if (--s->open == 0)
        marks_loaded(s);
}

/* At least one is asked for, of an exchange that is known perhaps: whose the session is comes with it. */
static void load_marks(struct session *s)
{
    s->began = s->moved = s->down = false;
    s->open = 1;
    for (size_t i = 0; i < s->n; i++) {
        struct exchange *e = s->sorted[i];
        const struct store_load what = { .conversation_id = s->id, .message_id = e->s.m.message_id };
        if (e->known && i > 0)
            continue;
        s->open++;
        store_load(s->q->c.t->o.store, &what, mark_loaded, e);
    }
    s->open--;
}

/* ---- the sessions of a call ---- */

/* The first of those that are told of twice counts. By insertion: they come nearly in order. */
static bool sort(struct session *s)
{
    size_t n = 0;
    bool one_user = true;
    for (struct exchange *e = s->first; e != NULL; e = e->next) {
        size_t at = n;
        for (size_t i = 0; i < n && !e->known; i++)
            e->known = sv_eq(s->sorted[i]->s.m.message_id, e->s.m.message_id);
        for (; at > 0 && s->sorted[at - 1]->s.m.timestamp_ms > e->s.m.timestamp_ms; at--)
            s->sorted[at] = s->sorted[at - 1];
        s->sorted[at] = e;
        n++;
        one_user = one_user && sv_eq(e->s.m.sender_id, s->first->s.m.sender_id);
    }
    return one_user;
}

static void entered(void *arg)
{
    struct session *s = arg;
    s->inside = true;
    load_marks(s);
}

static void start(struct session *s)
{
    struct arena *a = s->q->c.a;
    s->sorted = arena_array(a, s->n, sizeof(*s->sorted));
    s->news = arena_array(a, s->n, sizeof(*s->news));
    s->lane = arena_printf(a, "\x01%.*s", SV_FMT(s->id)); /* the name of no conversation */
    if (s->sorted == NULL || s->news == NULL || s->lane.p == NULL)
        session_end(s, END_FULL);
    else if (!sort(s))
        session_end(s, END_OTHER_USER);
    else if (lanes_enter(s->q->c.t->lanes, s->lane, &s->place, entered, s) != 0)
        session_end(s, END_FULL);
}

static void pump(struct call *q)
{
    if (q->pumping)
        return;
    q->pumping = true;
    while (q->waiting != NULL && q->open < SESSIONS_AT_ONCE) {
        struct session *s = q->waiting;
        q->waiting = s->next;
        q->open++;
        start(s);
    }
    q->pumping = false;
    if (q->open == 0 && q->waiting == NULL)
        answer(q);
}

static void begin(void *arg)
{
    pump(arg);
}

/* ---- the door ---- */

static struct sv made_id(struct arena *a)
{
    char id[ID_UUID_SIZE];
    id_uuid7(id);
    return arena_sv(a, sv_from(id));
}

/* The same each time: what was archived and is told of again after everything else has forgotten it is the same turn. */
static bool make_turn_id(struct exchange *e, struct sv session_id)
{
    unsigned char digest[DIGEST_SIZE];
    struct buf b = { 0 };
    buf_add(&b, session_id);
    buf_addc(&b, '\0');
    buf_add(&b, e->s.m.message_id);
    bool made = buf_ok(&b);
    if (made) {
        digest_sha256(buf_sv(&b), digest);
        id_uuid8(e->s.turn_id, digest);
    }
    buf_fini(&b);
    return made;
}

static struct exchange *copy(struct call *q, const struct chat_exchange *from, int64_t now_ms)
{
    struct arena *a = q->c.a;
    struct exchange *e = arena_alloc(a, sizeof(*e));
    if (e == NULL)
        return NULL;
    struct message *m = &e->s.m;
    *m = (struct message){ .message_id = from->message_id.n > 0 ? arena_sv(a, from->message_id) : made_id(a),
                           .content = from->user_message.n > 0 ? arena_sv(a, from->user_message) : SV(""),
                           .sender_id = arena_sv(a, from->user_id), .sender_type = SENDER_USER,
                           .timestamp_ms = from->timestamp_ms >= 0 ? from->timestamp_ms : now_ms,
                           .metadata = from->metadata.p != NULL ? arena_sv(a, from->metadata) : SV_NONE };
    e->s.reply = from->ai_response.n > 0 ? arena_sv(a, from->ai_response) : SV("");
    bool fits = m->message_id.p != NULL && m->content.p != NULL && m->sender_id.p != NULL && e->s.reply.p != NULL &&
                (from->metadata.p == NULL || m->metadata.p != NULL);
    return fits && make_turn_id(e, from->session_id) ? e : NULL;
}

static struct session *session_of(struct call *q, struct map *by_id, struct sv id)
{
    struct session *s = map_find(by_id, id);
    if (s != NULL)
        return s;
    s = arena_alloc(q->c.a, sizeof(*s));
    if (s == NULL)
        return NULL;
    s->q = q;
    s->id = arena_sv(q->c.a, id);
    return s->id.p != NULL && map_put(by_id, id, s, NULL) == 0 ? s : NULL;
}

static bool gather(struct call *q, const struct chat_exchange *list, size_t n)
{
    struct map *by_id = map_new();
    struct session **tail = &q->sessions;
    int64_t now_ms = turns_store_now(q->c.t);
    bool fits = by_id != NULL;
    for (size_t i = 0; fits && i < n; i++) {
        struct exchange *e = copy(q, &list[i], now_ms);
        struct session *s = e != NULL ? session_of(q, by_id, list[i].session_id) : NULL;
        fits = s != NULL;
        if (!fits)
            break;
        if (s->first == NULL) {
            *tail = s;
            tail = &s->next;
            s->first = e;
        } else {
            s->last->next = e;
        }
        s->last = e;
        s->n++;
        e->owner = s;
        e->s.m.conversation_id = s->id;
    }
    map_free(by_id);
    q->waiting = q->sessions;
    return fits;
}

static void too_large(void *arg)
{
    control_refuse(arg, 413, "too_many_messages", "Too many messages at once.", NULL);
    control_end(arg);
}

void chat_sync(struct turns *t, const struct chat_exchange *list, size_t n, bool several, control_fn *fn, void *arg)
{
    struct call *q = control_begin(t, sizeof(*q), fn, arg);
    if (q == NULL || control_is_spooling(&q->c))
        return;
    q->several = several;
    q->n = n;
    if (n > EXCHANGES_MAX)
        loop_soon(t->o.loop, too_large, q);
    else if (!gather(q, list, n))
        control_short_of_memory(&q->c);
    else
        loop_soon(t->o.loop, begin, q);
}
