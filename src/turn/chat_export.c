/* SPDX-License-Identifier: MIT
 * All of a user as JSON lines (docs/history.md): the archive's rows, piece by piece, each once the one before has been taken.
 *
 *   queue passed ──> sessions of the archive, page by page, then those that only the store has ──> the user himself ──> {"type":"end"}
 *                       └── each: what only the store has of it; rows ...; then those of the former that no row was
 *
 * Everything that was accepted before it was asked for is in it: what had come to its end is in the archive, since that is waited for; what waits for
 * an answer stands in the store, and is read there before the session's rows are. */
#include "config.h"

#include "lib/map.h"
#include "store/store_history.h"
#include "turn/chat_find.h"
#include "turn/queue_passed.h"

#define QUEUE_MS 10000 /* so long the archive may be behind */
#define LINES_MAX 500
#define IDS_MAX 200
#define ARENA_CAP (64u << 20)
#define TEXTS_BYTES_MAX (24u << 20)

struct exported { /* a session, or a message */
    struct sv id, line;
    bool done;
};

struct exports {
    struct exported *at;
    size_t n, size, next;
};

struct chat_export {
    struct control_call c; /* first */
    struct sv user_id;
    bool forbidden;
    chat_piece_fn *piece;

    struct arena *page, *of;  /* of one page of ids; of one session */
    struct exports stored;    /* the user's sessions that the store knows */
    struct map *stored_by_id;
    struct exports ids;       /* a page of the archive's */
    struct sv after;          /* the last of them */
    bool last_page, himself; /* himself: no session, but the user's own rows */
    struct sv session;        /* that is being written */
    struct exports fresh;     /* messages of it that the archive has not */
    struct sv session_line;   /* of a session that the archive does not know */
    struct sv position;
    bool rows;                /* it had some */

    struct buf text;
    int64_t lines;
    bool stopped, idle; /* idle: nothing is under way, chat_export_go is waited for */
    loop_fn *then;      /* what it goes on with */
};

static void next_session(void *arg);
static void read_rows(void *arg);

/* ---- the end ---- */

static void export_end(struct chat_export *x)
{
    arena_free(x->page);
    arena_free(x->of);
    map_free(x->stored_by_id);
    buf_fini(&x->text);
    control_end(&x->c);
}

static void refuse(struct chat_export *x, const char *code, const char *message)
{
    if (!x->stopped)
        control_refuse(&x->c, 503, code, message, NULL);
    export_end(x);
}

/* True: it is over. */
static bool store_failed(struct chat_export *x, enum store_status status)
{
    if (status == STORE_DONE && !x->stopped)
        return false;
    refuse(x, "store_unavailable", "The store gives no answer now.");
    return true;
}

static bool archive_failed(struct chat_export *x, enum archive_status status)
{
    if (status == ARCHIVE_DONE && !x->stopped)
        return false;
    refuse(x, "archive_unavailable", "The archive gives no answer now.");
    return true;
}

static void short_of_memory(struct chat_export *x)
{
    refuse(x, "unavailable", "Memory is short.");
}

/* ---- pieces ---- */

static void add_line(struct chat_export *x, struct sv line)
{
    buf_add(&x->text, line);
    buf_addc(&x->text, '\n');
    x->lines++;
}

/* What has been gathered goes out, and `then` comes when it was taken; at once where there is nothing. */
static void hand_out(struct chat_export *x, loop_fn *then)
{
    struct buf text = x->text;
    if (x->stopped || !buf_ok(&text)) {
        short_of_memory(x);
        return;
    }
    if (text.n == 0) {
        then(x);
        return;
    }
    x->text = (struct buf){ 0 };
    x->then = then;
    x->idle = true;
    x->piece(x->c.arg, buf_sv(&text));
    buf_fini(&text);
}

static void go_on(void *arg)
{
    struct chat_export *x = arg;
    if (x->stopped)
        export_end(x);
    else
        x->then(x);
}

void chat_export_go(struct chat_export *x)
{
    if (!x->idle)
        return;
    x->idle = false;
    loop_soon(x->c.t->o.loop, go_on, x);
}

void chat_export_stop(struct chat_export *x)
{
    x->stopped = true;
    x->c.fn = NULL;
    if (x->idle)
        chat_export_go(x);
}

static struct exported *add(struct arena *a, struct exports *list, struct sv id)
{
    if (list->n == list->size) {
        size_t size = list->size * 2 + 32;
        struct exported *more = arena_array(a, size, sizeof(*more));
        if (more == NULL)
            return NULL;
        if (list->n > 0)
            memcpy(more, list->at, list->n * sizeof(*more));
        list->at = more;
        list->size = size;
    }
    struct exported *one = &list->at[list->n];
    *one = (struct exported){ .id = arena_sv(a, id), .line = SV_NONE };
    list->n += one->id.p != NULL;
    return one->id.p != NULL ? one : NULL;
}

/* ---- the last lines ---- */

static void tell_end(void *arg)
{
    struct chat_export *x = arg;
    struct buf b = { 0 };
    buf_printf(&b, "{\"lines\":%lld}", (long long)x->lines);
    control_tell(&x->c, &b);
    export_end(x);
}

static void put_end(void *arg)
{
    struct chat_export *x = arg;
    add_line(x, SV("{\"type\":\"end\"}"));
    hand_out(x, tell_end);
}

/* ---- one session ---- */

static void put_fresh(void *arg)
{
    struct chat_export *x = arg;
    bool alone = !x->rows && x->fresh.n > 0 && x->session_line.p != NULL;
    if (alone)
        add_line(x, x->session_line);
    for (size_t i = 0; i < x->fresh.n; i++)
        if (!x->fresh.at[i].done)
            add_line(x, x->fresh.at[i].line);
    hand_out(x, next_session);
}

/* It was written while the rows were read. */
static void find_fresh(struct chat_export *x, struct sv line)
{
    json_t *j = json_read_in(x->of, line, false, NULL);
    struct sv id = sv_eq(json_sv(j, "type"), SV("message")) ? json_sv(j, "messageId") : SV_NONE;
    for (size_t i = 0; id.n > 0 && i < x->fresh.n; i++)
        x->fresh.at[i].done = x->fresh.at[i].done || sv_eq(x->fresh.at[i].id, id);
}

static void got_rows(void *arg, enum archive_status status, const struct sv *lines, size_t n, struct sv position)
{
    struct chat_export *x = arg;
    if (archive_failed(x, status))
        return;
    for (size_t i = 0; i < n; i++) {
        if (x->fresh.n > 0)
            find_fresh(x, lines[i]);
        add_line(x, lines[i]);
    }
    x->rows = x->rows || n > 0;
    x->position = arena_sv(x->of, position);
    if (x->position.p == NULL && position.n > 0)
        short_of_memory(x);
    else
        hand_out(x, position.n > 0 ? read_rows : x->himself ? put_end : put_fresh);
}

static void read_rows(void *arg)
{
    struct chat_export *x = arg;
    const struct archive_export what = { .user_id = x->user_id, .session_id = x->himself ? SV_NONE : x->session,
                                         .position = x->position.p != NULL ? x->position : SV(""), .max = LINES_MAX };
    archive_export(x->c.t->o.archive, &what, got_rows, x);
}

static void got_known(void *arg, enum archive_status status, const struct archive_pages *p)
{
    struct chat_export *x = arg;
    size_t left = 0;
    if (archive_failed(x, status))
        return;
    for (size_t i = 0; i < x->fresh.n; i++)
        if (!p->known[i])
            x->fresh.at[left++] = x->fresh.at[i];
    x->fresh.n = left;
    read_rows(x);
}

static void ask_known(struct chat_export *x)
{
    struct sv *ids = arena_array(x->of, x->fresh.n + 1, sizeof(*ids));
    const struct archive_page what = { .session_id = x->session, .from_ms = INT64_MIN, .to_ms = INT64_MAX, .max = 1, .recent = ids,
                                       .recent_n = x->fresh.n };
    for (size_t i = 0; ids != NULL && i < x->fresh.n; i++)
        ids[i] = x->fresh.at[i].id;
    if (ids == NULL)
        short_of_memory(x);
    else
        archive_history(x->c.t->o.archive, &what, got_known, x);
}

static struct sv message_line(struct chat_export *x, const struct chat_entry *e)
{
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    json_obj(&o);
    json_kstr(&o, "type", SV("message"));
    json_kstr(&o, "sessionId", x->session);
    json_kraw(&o, "messageId", e->message_id_json);
    json_kraw(&o, "senderId", e->user_id_json.p != NULL ? e->user_id_json : SV("null"));
    json_kstr(&o, "senderType", SV("user"));
    json_kraw(&o, "content", e->message_json);
    chat_put_time(&o, "timestamp", e->key.ms);
    chat_put_time(&o, "receivedAt", e->received_ms);
    json_kraw(&o, "metadata", e->metadata_json.p != NULL ? e->metadata_json : SV("null"));
    json_kraw(&o, "status", e->status_json.p != NULL ? e->status_json : SV("null"));
    json_kraw(&o, "reason", e->reason_json.p != NULL ? e->reason_json : SV("null"));
    json_kraw(&o, "aiResponse", e->response_json.p != NULL ? e->response_json : SV("null"));
    json_obj_end(&o);
    struct sv line = buf_ok(&b) ? arena_sv(x->of, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
    return line;
}

/* False: memory is short. What cannot be read is no message. */
static bool take_fresh(struct chat_export *x, struct sv text, bool pending, size_t *bytes)
{
    struct chat_entry e;
    if (*bytes > TEXTS_BYTES_MAX || (pending ? chat_entry_read_pending(x->of, x->session, text, &e) : chat_entry_read(x->of, x->session, text, &e)) != 0)
        return true; /* entries are newest first: what is beyond is in the archive */
    *bytes += text.n;
    for (size_t i = 0; i < x->fresh.n; i++)
        if (sv_eq(x->fresh.at[i].id, e.message_id))
            return true;
    struct exported *one = add(x->of, &x->fresh, e.message_id);
    if (one == NULL)
        return false;
    one->line = message_line(x, &e);
    return one->line.p != NULL;
}

static void make_session_line(struct chat_export *x, const struct store_history *h)
{
    struct chat_info info;
    struct buf b = { 0 };
    struct json_out o = { .b = &b };
    if (!chat_info_of_fields(x->of, h->fields, h->fields_n, &info))
        return;
    json_obj(&o);
    json_kstr(&o, "type", SV("session"));
    json_kstr(&o, "sessionId", x->session);
    json_kstr(&o, "userId", info.user_id);
    json_kstr(&o, "status", info.status);
    chat_put_time(&o, "createdAt", info.created_ms);
    json_kint(&o, "messageCount", info.messages);
    json_obj_end(&o);
    x->session_line = buf_ok(&b) ? arena_sv(x->of, buf_sv(&b)) : SV_NONE;
    buf_fini(&b);
}

static void got_recent(void *arg, enum store_status status, const struct store_history *h)
{
    struct chat_export *x = arg;
    size_t bytes = 0;
    bool kept = true;
    if (store_failed(x, status))
        return;
    for (size_t i = h->pending_n; kept && i > 0; i--)
        kept = take_fresh(x, h->pending[i - 1], true, &bytes);
    for (size_t i = 0; kept && i < h->entries_n; i++)
        kept = take_fresh(x, h->entries[i], false, &bytes);
    make_session_line(x, h);
    if (!kept)
        short_of_memory(x);
    else if (x->fresh.n > 0)
        ask_known(x);
    else
        read_rows(x);
}

static void begin_session(struct chat_export *x, struct sv id)
{
    arena_reset(x->of);
    x->session = arena_sv(x->of, id);
    x->fresh = (struct exports){ 0 };
    x->session_line = x->position = SV_NONE;
    x->rows = false;
    if (x->session.p == NULL)
        short_of_memory(x);
    else
        store_history(x->c.t->o.store, x->session, x->user_id, got_recent, x);
}

/* ---- which ---- */

static void got_ids(void *arg, enum archive_status status, const struct sv *ids, size_t n)
{
    struct chat_export *x = arg;
    if (archive_failed(x, status))
        return;
    arena_reset(x->page);
    x->ids = (struct exports){ 0 };
    for (size_t i = 0; i < n; i++)
        if (add(x->page, &x->ids, ids[i]) == NULL) {
            short_of_memory(x);
            return;
        }
    x->last_page = n < IDS_MAX;
    x->after = n > 0 ? x->ids.at[n - 1].id : SV_NONE;
    next_session(x);
}

static void next_session(void *arg)
{
    struct chat_export *x = arg;
    if (x->ids.next < x->ids.n) {
        struct exported *one = &x->ids.at[x->ids.next++], *stored = map_find(x->stored_by_id, one->id);
        if (stored != NULL)
            stored->done = true;
        begin_session(x, one->id);
        return;
    }
    if (!x->last_page) {
        archive_user_ids(x->c.t->o.archive, x->user_id, x->after, IDS_MAX, got_ids, x);
        return;
    }
    while (x->stored.next < x->stored.n && x->stored.at[x->stored.next].done)
        x->stored.next++;
    if (x->stored.next < x->stored.n) {
        begin_session(x, x->stored.at[x->stored.next++].id);
        return;
    }
    x->himself = true;
    x->position = SV_NONE;
    read_rows(x);
}

static void got_sessions(void *arg, enum store_status status, const struct store_user_session *sessions, size_t n)
{
    struct chat_export *x = arg;
    bool kept = true;
    if (store_failed(x, status))
        return;
    for (size_t i = 0; kept && i < n; i++)
        kept = add(x->c.a, &x->stored, sessions[i].id) != NULL;
    for (size_t i = 0; kept && i < x->stored.n; i++)
        kept = map_put(x->stored_by_id, x->stored.at[i].id, &x->stored.at[i], NULL) == 0;
    if (kept)
        next_session(x);
    else
        short_of_memory(x);
}

static void queue_has_passed(void *arg, enum queue_passed how, int64_t now_ms)
{
    struct chat_export *x = arg;
    (void)now_ms;
    if (x->stopped || how == QUEUE_STORE_DOWN)
        refuse(x, "store_unavailable", "The store gives no answer now.");
    else if (how == QUEUE_BEHIND)
        refuse(x, "archive_behind", "The archive has not everything so far.");
    else
        store_user(x->c.t->o.store, x->user_id, got_sessions, x);
}

/* ---- the question ---- */

static void begin(void *arg)
{
    struct chat_export *x = arg;
    struct turns *t = x->c.t;
    if (x->forbidden && !x->stopped)
        chat_refuse_access(&x->c);
    if (x->forbidden || x->stopped)
        export_end(x);
    else if (x->user_id.p == NULL || x->page == NULL || x->of == NULL || x->stored_by_id == NULL)
        short_of_memory(x);
    else if (store_is_spooling(t->o.store) || store_is_standing_in(t->o.store))
        refuse(x, "store_standing_in", "Another store stands in for the one that has everything.");
    else if (t->o.archive == NULL)
        refuse(x, "archive_unavailable", "There is no archive.");
    else
        queue_passed(t, 0, QUEUE_MS, queue_has_passed, x);
}

struct chat_export *chat_export_new(struct turns *t, const struct chat_who *who, struct sv user_id, chat_piece_fn *piece, control_fn *fn, void *arg)
{
    struct chat_export *x = control_begin(t, sizeof(*x), fn, arg);
    if (x == NULL)
        return NULL;
    x->piece = piece;
    x->user_id = arena_sv(x->c.a, user_id);
    x->forbidden = !who->admin && !sv_eq(who->user_id, user_id);
    x->page = arena_new(0, ARENA_CAP);
    x->of = arena_new(0, ARENA_CAP);
    x->stored_by_id = map_new();
    loop_soon(t->o.loop, begin, x);
    return x;
}
