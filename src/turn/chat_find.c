/* SPDX-License-Identifier: MIT
 * See chat_find.h. */
#include "config.h"

#include <math.h>

#include "lib/clock.h"
#include "store/store_history.h"
#include "turn/chat_find.h"
#include "turn/session_view.h"

#define TEXTS_BYTES_MAX (24u << 20) /* of recent exchanges: what is beyond is shown from the archive */

void chat_refuse_access(struct control_call *c)
{
    control_refuse(c, 403, "forbidden", "This credential does not give access to this.", NULL);
}

void chat_refuse_archive(struct control_call *c)
{
    control_refuse(c, 503, "archive_unavailable", "The archive gives no answer now.", NULL);
}

void chat_refuse_query(struct control_call *c, const char *field, const char *msg, const char *type)
{
    struct buf detail = { 0 };
    struct json_out o = { .b = &detail };

    json_arr(&o);
    validate_line(&o, "query", field, msg, type);
    json_arr_end(&o);
    control_invalid(c, "validation_error", "Some fields are missing or wrong.", &detail);
}

void chat_put_session(struct json_out *o, struct sv session_id, const struct chat_info *info)
{
    json_obj(o);
    json_kstr(o, "sessionId", session_id);
    json_kstr(o, "userId", info->user_id.n > 0 ? info->user_id : SV_NONE);
    chat_put_time(o, "createdAt", info->created_ms);
    chat_put_time(o, "lastActivity", info->activity_ms);
    json_kint(o, "messageCount", info->messages);
    json_kstr(o, "status", info->status);
    json_obj_end(o);
}

/* ---- what the sources say ---- */

static bool time_of(struct arena *a, struct sv text, int64_t *ms)
{
    const char *copy = arena_str(a, text);

    return copy != NULL && clock_parse(copy, ms);
}

bool chat_info_of_fields(struct arena *a, const struct store_pair *fields, size_t n, struct chat_info *out)
{
    bool right = true;

    *out = (struct chat_info){ .user_id = SV_NONE, .status = SV("active") };
    for (size_t i = 0; i < n && right; i++) {
        struct sv key = fields[i].key, value = fields[i].value;
        if (sv_eq(key, SV("userId")))
            out->user_id = arena_sv(a, value);
        else if (sv_eq(key, SV("status")))
            out->status = arena_sv(a, value);
        else if (sv_eq(key, SV("createdAt")))
            right = time_of(a, value, &out->created_ms);
        else if (sv_eq(key, SV("lastActivity")))
            right = time_of(a, value, &out->activity_ms);
        else if (sv_eq(key, SV("messageCount")))
            right = sv_to_i64(value, &out->messages);
    }
    out->known = right && out->user_id.n > 0 && out->status.n > 0 && out->created_ms != 0;
    return out->known;
}

/* False: there is no record. */
static bool use_record(struct chat_find *f, const struct store_history *h)
{
    struct conversation c;
    struct err e;

    if (h->version == 0 || conversation_parse(h->record, &c, &e) != 0)
        return false;
    f->info = (struct chat_info){ .known = true, .user_id = arena_sv(f->c.a, sv_from(c.user_id)), .created_ms = c.created_ms,
                                  .activity_ms = c.activity_ms, .messages = c.total, .status = sv_from(session_status(&c)) };
    f->asks_before = !c.past_known;
    f->before_ms = c.created_ms;
    return true;
}

static int64_t seconds(const json_t *object, const char *key)
{
    return llround(json_f64(object, key, 0) * 1000.0);
}

/* What the archive says, under what is known already. */
static void use_archived(struct chat_find *f, struct sv session)
{
    const json_t *j = session.p != NULL ? json_read_in(f->c.a, session, false, NULL) : NULL;
    struct chat_info in = { .known = true, .user_id = json_sv(j, "user_id"), .created_ms = seconds(j, "created_at"),
                            .activity_ms = seconds(j, "last_activity"), .messages = json_i64(j, "customer_messages", 0), .status = json_sv(j, "status") };

    if (j == NULL)
        return;
    if (!f->info.known) {
        f->info = in;
        return;
    }
    if (f->info.user_id.n == 0)
        f->info.user_id = in.user_id;
    if (in.created_ms != 0 && in.created_ms < f->info.created_ms)
        f->info.created_ms = in.created_ms;
    if (f->asks_before)
        f->info.messages += in.messages;
}

/* ---- what is recent ---- */

/* Its texts are borrowed from the store's answer no longer. */
static void strip(struct chat_entry *e)
{
    e->message_json = e->message_id_json = e->user_id_json = e->response_json = e->metadata_json = e->status_json = e->reason_json = SV_NONE;
}

/* The archive deletes such messages; what the store still has of them is not shown instead. */
static bool is_past_retention(const struct chat_find *f, const struct chat_entry *e)
{
    int64_t ms = f->c.t->o.retention_ms;

    return ms > 0 && e->received_ms < f->now_ms - ms;
}

static void take_entry(struct chat_find *f, struct sv text, bool pending, size_t *bytes)
{
    struct chat_entry *e = &f->entries[f->entries_n];
    bool kept = *bytes + text.n <= TEXTS_BYTES_MAX;
    struct sv copy = kept ? arena_sv(f->c.a, text) : text;

    if (copy.p == NULL || (pending ? chat_entry_read_pending(f->c.a, f->session_id, copy, e) : chat_entry_read(f->c.a, f->session_id, copy, e)) != 0)
        return;
    if (!pending && is_past_retention(f, e))
        return;
    *bytes += text.n;
    if (!kept)
        strip(e);
    f->entries_n++;
}

/* A message that waits is newer than any end that it had: it was given up, and taken up again. */
static int take_entries(struct chat_find *f, const struct store_history *h)
{
    size_t bytes = 0;

    f->entries = arena_array(f->c.a, h->pending_n + h->entries_n + 1, sizeof(*f->entries));
    if (f->entries == NULL)
        return -1;
    for (size_t i = h->pending_n; i > 0; i--)
        take_entry(f, h->pending[i - 1], true, &bytes);
    for (size_t i = 0; i < h->entries_n; i++)
        take_entry(f, h->entries[i], false, &bytes);
    return 0;
}

/* ---- the way ---- */

/* It may be there, and his: one of those who would know is away. */
static bool is_unsure(const struct chat_find *f)
{
    return f->info.user_id.n == 0 && (f->archive_down || f->store_down || store_is_standing_in(f->c.t->o.store));
}

static void refuse_unsure(struct chat_find *f)
{
    if (f->store_down || !f->archive_down)
        control_unavailable(&f->c);
    else
        chat_refuse_archive(&f->c);
}

static bool may_have(const struct chat_find *f)
{
    bool right = f->info.known && (f->user_id.p == NULL || sv_eq(f->info.user_id, f->user_id));

    return right && (f->who.admin || (f->who.user_id.n > 0 && sv_eq(f->info.user_id, f->who.user_id)));
}

static void decide(struct chat_find *f)
{
    if (may_have(f)) {
        f->found(f);
        return;
    }
    if (is_unsure(f))
        refuse_unsure(f);
    else if (f->who.admin)
        control_refuse(&f->c, 404, f->unknown_code, f->unknown_text, NULL);
    else
        chat_refuse_access(&f->c);
    control_end(&f->c);
}

static void on_archive(void *arg, enum archive_status status, struct sv session, struct sv customer)
{
    struct chat_find *f = arg;

    (void)customer;
    f->archive_down = status != ARCHIVE_DONE;
    if (!f->archive_down) {
        use_archived(f, session);
        f->asks_before = false;
    }
    decide(f);
}

static void ask_archive(struct chat_find *f)
{
    bool needed = !f->info.known || f->info.user_id.n == 0 || f->asks_before;

    if (needed && f->c.t->o.archive != NULL)
        archive_session(f->c.t->o.archive, f->session_id, f->asks_before ? f->before_ms : 0, on_archive, f);
    else
        decide(f);
}

static void on_store(void *arg, enum store_status status, const struct store_history *h)
{
    struct chat_find *f = arg;

    f->store_down = status != STORE_DONE;
    if (f->store_down || store_is_standing_in(f->c.t->o.store))
        f->c.cache = "BYPASS";
    if (f->store_down) {
        f->archive_down = f->c.t->o.archive == NULL;
        ask_archive(f);
        return;
    }
    f->now_ms = h->now_ms;
    if (!use_record(f, h))
        (void)chat_info_of_fields(f->c.a, h->fields, h->fields_n, &f->info);
    if (f->entries_too && take_entries(f, h) != 0) {
        control_refuse(&f->c, 503, "unavailable", "Memory is short.", NULL);
        control_end(&f->c);
        return;
    }
    ask_archive(f);
}

void *chat_find_begin(struct turns *t, size_t size, const struct chat_who *who, struct sv user_id, struct sv session_id, control_fn *fn, void *arg)
{
    struct chat_find *f = control_begin(t, size, fn, arg);

    if (f == NULL)
        return NULL;
    f->who = (struct chat_who){ .admin = who->admin, .user_id = arena_sv(f->c.a, who->user_id) };
    f->user_id = arena_sv(f->c.a, user_id);
    f->session_id = arena_sv(f->c.a, session_id);
    f->info.user_id = SV_NONE;
    if (f->session_id.p != NULL && f->user_id.n == user_id.n && f->who.user_id.n == who->user_id.n)
        return f;
    control_short_of_memory(&f->c);
    return NULL;
}

static void without_store(void *arg)
{
    on_store(arg, STORE_DOWN, NULL);
}

void chat_find_go(struct chat_find *f)
{
    struct turns *t = f->c.t;

    if (store_is_spooling(t->o.store)) /* what it takes in is not to be seen before the shared store has it */
        loop_soon(t->o.loop, without_store, f);
    else
        store_history(t->o.store, f->session_id, f->entries_too ? f->user_id : SV_NONE, on_store, f);
}
